"""Set-up of a checkout, tried on a tiny project that needs no network: its build backend lies in its own folder."""

import ast
import fcntl
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from wristkit import _environment
from wristkit._environment import SetupError

PACKAGE = Path(_environment.__file__).parent
BASE_PYTHON = _environment.python_of_this_process()

PROJECT = """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "tiny"
version = "1"
dependencies = [{dependencies}]
"""
BACKEND = """\
import time, zipfile
from pathlib import Path

def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    if Path("full").exists():
        raise OSError(28, "No space left on device")
    if Path("slow").exists():
        Path("building").touch()
        time.sleep(60)
    name = "tiny-1-py3-none-any.whl"
    needs = "".join(f"Requires-Dist: {line}\\n" for line in Path("needs").read_text().split())
    with zipfile.ZipFile(Path(wheel_directory) / name, "w") as wheel:
        wheel.writestr("tiny.pth", str(Path.cwd()))
        wheel.writestr("tiny-1.dist-info/METADATA", "Metadata-Version: 2.1\\nName: tiny\\nVersion: 1\\n" + needs)
        kind = "Wheel-Version: 1.0\\nGenerator: tiny\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
        wheel.writestr("tiny-1.dist-info/WHEEL", kind)
        wheel.writestr("tiny-1.dist-info/RECORD", "")
    return name

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    return build_editable(wheel_directory)
"""


@pytest.fixture
def checkout(tmp_path):
    """Return a maker of tiny checkouts that hold a copy of the command line."""

    def make(dependencies=(), constraints=""):
        root = tmp_path / "checkout"
        (root / "wristkit").mkdir(parents=True)
        for name in ("__init__.py", "__main__.py", "_environment.py", "_walk.py"):
            shutil.copy(PACKAGE / name, root / "wristkit")
        (root / "pyproject.toml").write_text(PROJECT.format(dependencies=", ".join(f'"{d}"' for d in dependencies)))
        (root / "backend.py").write_text(BACKEND)
        (root / "needs").write_text("\n".join(dependencies))
        (root / "constraints.txt").write_text(constraints)
        return root

    return make


def command(root, **environment):
    """Return how the walk is called in a checkout without notebooks, by a Python outside of any environment."""
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHON", "VIRTUAL_ENV"))
    }
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(root), "PIP_CONFIG_FILE": os.devnull}
    return {
        "args": [BASE_PYTHON, "-m", "wristkit", "walk"],
        "cwd": root,
        "env": {**clean, **offline, **environment},
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "text": True,
    }


def call(root, **environment):
    return subprocess.run(**command(root, **environment), check=False)


def one_line(done):
    """Return the one line of a refusal, after checking that it is one and no traceback."""
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stderr.startswith("wristkit: "), done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert "Remedy: " in done.stderr
    return done.stderr


def was_set_up(done):
    """Return whether a call got through the set-up and on to the walk, which finds no notebooks."""
    return "there are no notebooks" in one_line(done)


def test_sets_up_once_and_then_runs_no_installer(checkout):
    root = checkout()
    first = call(root)
    assert was_set_up(first)
    assert "make .venv with Python" in first.stdout
    assert "collect packages" in first.stdout

    pip = next((root / ".venv" / "lib").glob("python*/site-packages/pip/__main__.py"))
    pip.write_text("raise SystemExit('pip was called')")
    second = call(root, PIP_NO_INDEX="", PIP_INDEX_URL="http://127.0.0.1:9/simple")
    assert was_set_up(second)
    assert second.stdout == ""


def test_a_change_of_what_is_asked_for_installs_again_and_a_change_of_tools_does_not(checkout):
    root = checkout()
    stamp = _environment.wanted_stamp(root, ("test",))
    with (root / "pyproject.toml").open("a") as file:
        file.write("[tool.ruff]\nline-length = 120\n")
    assert _environment.wanted_stamp(root, ("test",)) == stamp
    assert _environment.wanted_stamp(root, ()) != stamp
    (root / "constraints.txt").write_text("torch==2.13.0\n")
    assert _environment.wanted_stamp(root, ("test",)) != stamp
    (root / "constraints.txt").write_text("")
    (root / "pyproject.toml").write_text(PROJECT.format(dependencies='"numpy"'))
    assert _environment.wanted_stamp(root, ("test",)) != stamp


def test_an_interrupted_install_is_taken_up_again(checkout):
    root = checkout()
    (root / "slow").touch()
    process = subprocess.Popen(**command(root), start_new_session=True)
    wait_for(root / "building")
    assert not (root / ".venv" / "wristkit-stamp.json").exists()
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()

    (root / "slow").unlink()
    again = call(root)
    assert was_set_up(again)
    assert "going on with it" in again.stdout
    assert "make .venv" not in again.stdout


def test_an_orphaned_pip_keeps_the_next_call_waiting(checkout):
    root = checkout()
    (root / "slow").touch()
    first = subprocess.Popen(**command(root), start_new_session=True)
    wait_for(root / "building")
    first.kill()
    first.wait()
    with (root / "pyproject.toml").open("r+b") as file:
        with pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        second = subprocess.Popen(**command(root))
        assert second.stdout.readline() == "wristkit: another call is setting up this folder; waiting for it\n"
        (root / "slow").unlink()
        os.killpg(first.pid, signal.SIGKILL)
        output, errors = second.communicate()
    first.communicate()
    assert was_set_up(subprocess.CompletedProcess([], second.returncode, output, errors))


def test_deleting_the_environment_while_it_is_filled_is_one_line_and_recovers(checkout):
    root = checkout()
    (root / "slow").touch()
    process = subprocess.Popen(**command(root), start_new_session=True)
    wait_for(root / "building")
    shutil.rmtree(root / ".venv")
    for pid in children(process.pid):
        os.kill(pid, signal.SIGTERM)
    output, errors = process.communicate()
    assert ".venv was deleted" in one_line(subprocess.CompletedProcess([], process.returncode, output, errors))
    (root / "slow").unlink()
    assert was_set_up(call(root))


def break_python(venv):
    (venv / "bin" / "python").unlink()
    (venv / "bin" / "python").write_text("#!/bin/sh\nexit 3\n")
    (venv / "bin" / "python").chmod(0o755)


def only_begin(venv):
    shutil.rmtree(venv)
    venv.mkdir()
    (venv / "wristkit-made.txt").write_text(str(venv))


BREAKAGES = {
    "its Python is missing": only_begin,
    "its Python does not start": break_python,
    "it has no pip": lambda venv: (venv / "stale").touch(),
    "it was moved or copied": lambda venv: (venv / "wristkit-made.txt").write_text("elsewhere"),
}


@pytest.mark.parametrize("said", BREAKAGES)
def test_what_is_broken_is_said(tmp_path, said):
    venv = empty_environment(tmp_path)
    BREAKAGES[said](venv)
    assert _environment._fault(venv).startswith(said)


def test_a_broken_environment_is_made_anew(checkout):
    root = checkout()
    venv = empty_environment(root)
    break_python(venv)
    (venv / "stale").mkdir()
    done = call(root)
    assert was_set_up(done)
    assert ".venv is broken (its Python does not start): making it anew" in done.stdout
    assert not (venv / "stale").exists()


def test_an_environment_of_somebody_else_is_left_alone(checkout):
    root = checkout()
    (root / ".venv").mkdir()
    (root / ".venv" / "precious").write_text("mine")
    assert "was not made by wristkit" in one_line(call(root))
    assert [path.name for path in (root / ".venv").iterdir()] == ["precious"]


def test_no_setup_makes_nothing(checkout):
    root = checkout()
    how = command(root)
    how["args"] = [*how["args"], "--no-setup"]
    assert was_set_up(subprocess.run(**how, check=False))
    assert not (root / ".venv").exists()


def test_what_pip_fails_at_is_one_line_and_the_next_call_recovers(checkout):
    root = checkout(dependencies=["absent-thing"])
    dead = {"PIP_NO_INDEX": "", "PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "1"}
    said = one_line(call(root, **dead))
    assert "cannot reach its package index" in said
    assert ".venv/wristkit-install.log" in said
    assert "absent-thing" in (root / ".venv" / "wristkit-install.log").read_text()
    assert "no matching distribution found for absent-thing" in one_line(call(root))
    (root / "pyproject.toml").write_text(PROJECT.format(dependencies=""))
    (root / "needs").write_text("")
    (root / "full").touch()
    assert "the disk is full" in one_line(call(root))
    (root / "full").unlink()
    assert was_set_up(call(root))


def test_too_little_disk_is_said_before_anything_is_fetched(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**10, 9 * 10**9, 10**9))
    with pytest.raises(SetupError, match=r"1\.0 GB are free .* needs 4"):
        _environment._check_disk(tmp_path)


def test_a_read_only_checkout_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(SetupError, match="read-only"):
        _environment._check_writable(tmp_path)


def test_versions_of_python():
    for good in [(3, 11, 0), (3, 12, 4), (3, 13, 9)]:
        _environment.check_oldest(good)
        _environment.check_newest(good)
    with pytest.raises(SetupError, match=r"Python 3\.10\.13 is too old"):
        _environment.check_oldest((3, 10, 13))
    with pytest.raises(SetupError, match=r"3\.14\.0 is newer .* tested up to 3\.13"):
        _environment.check_newest((3, 14, 0))


@pytest.mark.parametrize("name", ["__init__.py", "__main__.py", "_environment.py"])
def test_an_old_python_can_read_what_it_must_to_say_that_it_is_old(name):
    tree = ast.parse((PACKAGE / name).read_text(), feature_version=(3, 8))
    if any(isinstance(node, ast.FunctionDef) for node in ast.walk(tree)):
        future = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module == "__future__"]
        assert future, "annotations are evaluated, and an old Python cannot evaluate them"


def test_machines_without_wheels_are_named():
    _environment.check_machine("Linux", "x86_64")
    _environment.check_machine("Darwin", "arm64")
    with pytest.raises(SetupError, match="Linux on aarch64"):
        _environment.check_machine("Linux", "aarch64")


def test_a_python_without_ensurepip_is_named(monkeypatch):
    find = _environment.importlib.util.find_spec
    monkeypatch.setattr(
        _environment.importlib.util, "find_spec", lambda name: None if name == "ensurepip" else find(name)
    )
    with pytest.raises(SetupError, match=r"no module ensurepip.*python3-venv"):
        _environment.check_venv_module()


LISTING = "torch (2.15.0)\nAvailable versions: 2.15.0, 2.13.0+cpu, 2.13.0, 2.12.0\n"


def test_the_torch_that_pip_would_take():
    assert _environment.torch_choice(LISTING, pinned="2.13.0") == "2.13.0+cpu"
    assert _environment.torch_choice(LISTING.replace("2.13.0+cpu, ", ""), pinned="2.13.0") == "2.13.0"
    assert _environment.torch_choice("", pinned="2.13.0") is None


@pytest.mark.parametrize(("builds", "noted"), [("2.13.0+cpu, 2.13.0", False), ("2.13.0", True), ("2.13.0+cu130", True)])
def test_cuda_is_announced_before_it_is_fetched(tmp_path, monkeypatch, capsys, builds, noted):
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.setattr(_environment, "_pip", lambda *_: (0, f"Available versions: {builds}\n"))
    (tmp_path / "constraints.txt").write_text("torch==2.13.0\n")
    _environment._say_what_torch_brings(tmp_path, 0)
    assert ("about 3 GB more" in capsys.readouterr().out) == noted


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device\n", "disk is full"),
        ("WARNING: Retrying: NewConnectionError\nERROR: No matching distribution found for a\n", "cannot reach"),
        ("SSLError(CERTIFICATE_VERIFY_FAILED)\nERROR: No matching distribution found for a\n", "certificate"),
        ("NewConnectionError\nERROR: ResolutionImpossible: see the page\n", "pip failed: ResolutionImpossible"),
        ("ERROR: No matching distribution found for a==1\n", "no matching distribution found for a==1"),
        ("  got:\n      ERROR: No matching distribution found for b\nerror: exited\n", "found for b"),
        ("Killed\n", "pip failed: it gave no reason"),
    ],
)
def test_what_pip_says_becomes_one_line(output, said):
    line = str(_environment.explain(output, log=".venv/wristkit-install.log"))
    assert said in line
    assert "\n" not in line


def test_an_active_environment_with_everything_is_used_as_it_is(checkout):
    root = checkout(dependencies=["pytest>=8"])
    assert _environment.is_complete(root, ())
    assert _environment.ready_python(root) == Path(sys.executable)
    assert not (root / ".venv").exists()


@pytest.mark.parametrize(
    ("requirement", "complete"),
    [
        ("pytest", True),
        ("pytest>=9999", False),
        ("absent-thing", False),
        ("absent-thing; python_version < '3.0'", True),
    ],
)
def test_completeness(checkout, requirement, complete):
    assert _environment.is_complete(checkout(dependencies=[requirement]), ()) is complete


def test_a_torn_stamp_is_no_stamp(tmp_path):
    (tmp_path / "wristkit-stamp.json").write_text('{"project": ')
    assert _environment._read_stamp(tmp_path) is None
    _environment._write_stamp(tmp_path, {"project": "x"})
    assert _environment._read_stamp(tmp_path) == {"project": "x"}
    assert json.loads((tmp_path / "wristkit-stamp.json").read_text()) == {"project": "x"}


def empty_environment(root):
    """Make an environment of ours without pip, which takes no time."""
    venv = root / ".venv"
    subprocess.run([BASE_PYTHON, "-m", "venv", "--without-pip", venv], check=True)
    (venv / "wristkit-made.txt").write_text(str(venv))
    return venv


def wait_for(path, seconds=60):
    """Wait until another process has written a file."""
    for _ in range(seconds * 20):
        if path.exists():
            return
        time.sleep(0.05)
    pytest.fail(f"{path.name} did not appear within {seconds} s")


def children(pid):
    """Return the processes below one, the deepest first."""
    import psutil

    return [child.pid for child in reversed(psutil.Process(pid).children(recursive=True))]
