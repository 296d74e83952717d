"""A wheel that stands alone: built from the sdist, installed in an empty environment, used outside the checkout."""

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The sdist, and the wheel built from it; by the hatchling that is installed, so that no network is needed."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    return {"sdist": next(folder.glob("*.tar.gz")), "wheel": next(folder.glob("*.whl"))}


@pytest.fixture(scope="module")
def installed(built: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of scripts of an environment that holds the wheel alone."""
    folder = tmp_path_factory.mktemp("alone")
    venv.create(folder / "env", with_pip=True)
    scripts = folder / "env" / "bin"
    run(scripts / "python", "-m", "pip", "install", "--no-deps", "--no-index", built["wheel"], cwd=folder)
    return scripts


# The other libraries come from the environment of the tests; a folder on PYTHONPATH brings no editable install along.
LIBRARIES = {"PYTHONPATH": sysconfig.get_paths()["purelib"]}


def test_both_pass_twine(built: dict[str, Path], tmp_path: Path) -> None:
    run(sys.executable, "-m", "twine", "check", "--strict", *built.values(), cwd=tmp_path)


def test_the_samples_are_in_the_wheel(installed: Path, tmp_path: Path) -> None:
    script = "import wristkit as wk; print(wk.__file__); print(*[wk.sample(name).id for name in wk.samples()['name']])"
    where, ids = run(installed / "python", "-c", script, cwd=tmp_path, **LIBRARIES).splitlines()
    assert Path(where).is_relative_to(installed.parent)
    import wristkit

    assert ids.split() == [wristkit.sample(name).id for name in wristkit.samples()["name"]]


def test_every_file_of_the_package_is_in_the_wheel(installed: Path) -> None:
    package = next(installed.parent.glob("lib/python*/site-packages/wristkit"))
    wanted = {path.relative_to(ROOT / "wristkit") for path in (ROOT / "wristkit").rglob("*") if path.is_file()}
    wanted = {path for path in wanted if "__pycache__" not in path.parts}
    assert {path for path in wanted if not (package / path).is_file()} == set()
    samples = {path.name for path in (ROOT / "data_samples").iterdir()}
    assert {path.name for path in (package / "_samples").iterdir()} == samples


def test_the_console_script_is_the_command_line(installed: Path, tmp_path: Path) -> None:
    module = run(installed / "python", "-m", "wristkit", "--version", cwd=tmp_path)
    assert run(installed / "wristkit", "--version", cwd=tmp_path) == module
    done = subprocess.run(
        [installed / "wristkit", "walk"],
        cwd=tmp_path,
        env={**os.environ, **LIBRARIES},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "notebooks" in done.stderr
