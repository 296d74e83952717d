"""Set-up of a checkout: an environment in ``.venv``, filled by pip, repaired where it is broken.

Needs the standard library alone and parses on Python 3.8, so that it can say what is missing. There is one environment
for all commands: the package itself, editable, with the extra ``test``.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

OLDEST, NEWEST = (3, 11), (3, 13)
EXTRAS = ("test",)
FREE_BYTES = 4 * 10**9
ONE_THREAD = dict.fromkeys(  # several processes run at a time, and tiny nets are slower on two threads than on one
    ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
)

_VENV = ".venv"
_MADE = "wristkit-made.txt"  # holds the folder that the environment was made in: a moved one is broken
_STAMP = "wristkit-stamp.json"
_LOG = "wristkit-install.log"
_NETWORK_SIGNS = (
    "NewConnectionError",
    "NameResolutionError",
    "ConnectTimeoutError",
    "ReadTimeoutError",
    "ProxyError",
    "Failed to establish a new connection",
    "Temporary failure in name resolution",
    "Connection refused",
    "Connection reset",
    "Remote end closed connection",
    "IncompleteRead",
)

_CUDA_NOTE = """\
wristkit: note: pip offers torch {build}, which on Linux brings NVIDIA's CUDA libraries: about 3 GB more to download.
          wristkit does not need them. To avoid them stop here (Ctrl-C), point pip at PyTorch's CPU wheels by
          PIP_EXTRA_INDEX_URL or PIP_FIND_LINKS (the address is on pytorch.org under Get Started), and call again."""


class SetupError(Exception):
    """A set-up that cannot go on: what is wrong and its remedy, in one line.

    Parameters
    ----------
    problem
        What is wrong.
    remedy
        What to do about it.
    """

    def __init__(self, problem: str, *, remedy: str) -> None:
        self.problem, self.remedy = problem, remedy
        super().__init__(f"{problem}. Remedy: {remedy}.")


def checkout() -> Path | None:
    """Return the folder of the checkout that this package lies in, or None for an installed package."""
    folder = Path(__file__).resolve().parent.parent
    return folder if (folder / "pyproject.toml").is_file() else None


def check_oldest(version: Sequence[int]) -> None:
    """Raise SetupError for a Python that is too old to run the package at all."""
    if tuple(version[:2]) < OLDEST:
        raise SetupError(
            f"Python {_dotted(version)} is too old: wristkit needs {_dotted(OLDEST)} to {_dotted(NEWEST)}",
            remedy=f"run the same command with a newer one, such as `python{_dotted(NEWEST)} -m wristkit`",
        )


def check_newest(version: Sequence[int]) -> None:
    """Raise SetupError for a Python that the pinned wheels do not exist for."""
    if tuple(version[:2]) > NEWEST:
        raise SetupError(
            f"Python {_dotted(version)} is newer than the pinned packages: tested up to {_dotted(NEWEST)}",
            remedy=f"run `python{_dotted(NEWEST)} -m wristkit`, or manage the packages yourself and add --no-setup",
        )


def check_machine(system: str, machine: str) -> None:
    """Raise SetupError for a machine that coremltools or torch has no wheel for."""
    if (system, machine) not in {("Linux", "x86_64"), ("Darwin", "arm64")}:
        raise SetupError(
            f"coremltools and torch have no pinned wheels for {system} on {machine}",
            remedy="use Linux on x86-64 or a Mac with Apple silicon, or bring your own packages and add --no-setup",
        )


def check_venv_module() -> None:
    """Raise SetupError for a Python that cannot make environments, as Debian's without a package of its own."""
    missing = [name for name in ("venv", "ensurepip") if importlib.util.find_spec(name) is None]
    if missing:
        raise SetupError(
            f"this Python has no module {' and no '.join(missing)}, so it cannot make {_VENV}",
            remedy="on Debian or Ubuntu `apt install python3-venv`, elsewhere use a Python from python.org",
        )


def ready_python(root: Path, *, needed: Sequence[str] = (), extras: Sequence[str] = EXTRAS) -> Path:
    """Return the Python to run with, after making, filling or repairing ``.venv`` where that is called for.

    Parameters
    ----------
    root
        Folder of pyproject.toml and constraints.txt.
    needed
        Extras that an already active environment must have to be used as it is.
    extras
        Extras that are installed into ``.venv``.
    """
    venv = root / _VENV
    if _is_active() and Path(sys.prefix).resolve() != venv.resolve() and is_complete(root, needed):
        return Path(sys.executable)
    stamp = wanted_stamp(root, extras)
    if not _is_ready(venv, stamp):
        _check_writable(root)
        with _lock(root) as lock:
            if not _is_ready(venv, stamp):  # another call may have done it while this one waited
                _set_up(root, stamp, extras, lock)
    return _python_of(venv)


def requirements(root: Path, extras: Sequence[str]) -> list[str]:
    """Return the requirement lines of the project and of some of its extras."""
    project = _project(root)["project"]
    optional = project.get("optional-dependencies", {})
    return [*project.get("dependencies", []), *(line for extra in extras for line in optional.get(extra, []))]


def is_complete(root: Path, extras: Sequence[str]) -> bool:
    """Return whether the running environment has every distribution that the project asks for."""
    try:
        from packaging.requirements import Requirement
    except ImportError:  # JupyterLab brings it: an environment without it lacks more
        return False
    wanted = [Requirement(line) for line in requirements(root, extras)]
    for requirement in wanted:
        if requirement.marker is not None and not requirement.marker.evaluate():
            continue
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            return False
        if not requirement.specifier.contains(version, prereleases=True):
            return False
    return True


def wanted_stamp(root: Path, extras: Sequence[str]) -> dict[str, object]:
    """Return what is written into ``.venv`` once everything is installed: a change of any of it installs again."""
    project = _project(root)
    asked = json.dumps([project["project"], project["build-system"]], sort_keys=True)
    pins = (root / "constraints.txt").read_bytes()
    return {
        "project": hashlib.sha256(asked.encode()).hexdigest(),
        "constraints": hashlib.sha256(pins).hexdigest(),
        "python": _dotted(sys.version_info[:2]),
        "extras": list(extras),
    }


def explain(pip_output: str, *, log: str) -> SetupError:
    """Return the one-line error for what pip said when it failed."""
    if "No space left on device" in pip_output or "[Errno 28]" in pip_output:
        return _disk_full()
    if "CERTIFICATE_VERIFY_FAILED" in pip_output:
        return SetupError(
            "pip does not trust the certificate of its package index",
            remedy=f"name your network's by `pip config set global.cert FILE`, then call again; see {log}",
        )
    if "ResolutionImpossible" not in pip_output and any(sign in pip_output for sign in _NETWORK_SIGNS):
        return SetupError(
            "pip cannot reach its package index: no network, or a proxy in between",
            remedy=f"check the network and `pip config list`, then call again, which resumes; see {log}",
        )
    said = [line.strip() for line in pip_output.splitlines()]  # a build's own words are indented
    errors = [line[len("ERROR: ") :].strip() for line in said if line.startswith("ERROR: ")]
    if any("No matching distribution" in line for line in errors):
        return SetupError(
            f"pip found {errors[-1][0].lower()}{errors[-1][1:]}",
            remedy=f"check the network and where pip looks, by `pip config list` (index-url, find-links); see {log}",
        )
    return SetupError(
        f"pip failed: {errors[-1].rstrip('.') if errors else 'it gave no reason'}",
        remedy=f"read {log}, then call again",
    )


def python_of_this_process() -> str:
    """Return the interpreter below any active environment, which may be removed while it is being repaired."""
    return str(getattr(sys, "_base_executable", None) or sys.executable)


def _dotted(version: Sequence[int]) -> str:
    return ".".join(str(part) for part in version)


def _project(root: Path) -> dict[str, Any]:
    import tomllib

    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))


def _is_active() -> bool:
    return sys.prefix != sys.base_prefix or (Path(sys.prefix) / "conda-meta").is_dir()


def _python_of(venv: Path) -> Path:
    return venv / "bin" / "python"


def _is_ready(venv: Path, stamp: dict[str, object]) -> bool:
    return _read_stamp(venv) == stamp and _fault(venv) is None


def _read_stamp(venv: Path) -> object:
    try:
        return json.loads((venv / _STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):  # absent, or torn by a full disk
        return None


def _fault(venv: Path) -> str | None:
    """Return what is wrong with an environment of ours, or None."""
    made_in = (venv / _MADE).read_text(encoding="utf-8") if (venv / _MADE).is_file() else None
    if made_in != str(venv.resolve()):
        return "it was moved or copied from another folder"
    if not _python_of(venv).exists():
        return "its Python is missing"
    probe = "import importlib.util as u, sys; print(sys.version_info[:2], u.find_spec('pip') is not None)"
    try:
        answer = subprocess.run(
            [_python_of(venv), "-I", "-c", probe], capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return "its Python does not start"
    if answer.returncode != 0:
        return "its Python does not start"
    if answer.stdout.strip() != f"{sys.version_info[:2]} True":
        return f"it has no pip, or its Python is not {_dotted(sys.version_info[:2])}"
    return None


def _check_writable(root: Path) -> None:
    if not os.access(root, os.W_OK):
        raise SetupError(
            f"the folder {root} is read-only, so {_VENV} cannot be made in it",
            remedy="copy the checkout to a folder of your own, or manage the packages yourself and add --no-setup",
        )


@contextlib.contextmanager
def _lock(root: Path) -> Iterator[int]:
    """Hold the set-up of one checkout: the system frees the lock when its holder and the holder's pip are gone."""
    import fcntl

    with (root / "pyproject.toml").open("r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("wristkit: another call is setting up this folder; waiting for it", flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield file.fileno()


def _set_up(root: Path, stamp: dict[str, object], extras: Sequence[str], lock: int) -> None:
    check_newest(sys.version_info[:3])
    check_machine(platform.system(), platform.machine())
    check_venv_module()
    venv, began = root / _VENV, time.monotonic()
    try:
        _make(venv)
        _check_disk(root)
        _say_what_torch_brings(root, lock)
        _install(root, extras, lock)
        _write_stamp(venv, stamp)
    except OSError as error:
        if not (venv / _MADE).is_file():
            raise _vanished(venv) from error
        raise _disk_full() if error.errno == errno.ENOSPC else _unusual(error) from error
    print(f"wristkit: set up in {time.monotonic() - began:.0f} s; the next call starts at once", flush=True)


def _make(venv: Path) -> None:
    """Make sure of a working, possibly empty environment, and never touch one that is not ours."""
    if venv.is_dir() and any(venv.iterdir()):
        if not (venv / _MADE).is_file():
            raise SetupError(
                f"the folder {_VENV} was not made by wristkit, so it is left alone",
                remedy="activate it and add --no-setup, or move it away and call again",
            )
        fault = _fault(venv)
        if fault is None:
            print(f"wristkit: {_VENV} is not complete or not up to date: going on with it", flush=True)
            return
        print(f"wristkit: {_VENV} is broken ({fault}): making it anew", flush=True)
        _empty(venv)
    venv.mkdir(exist_ok=True)
    (venv / _MADE).write_text(str(venv.resolve()), encoding="utf-8")
    with _step(f"make {_VENV} with Python {_dotted(sys.version_info[:3])}"):
        _make_by_venv(venv)


def _make_by_venv(venv: Path) -> None:
    made = subprocess.run([python_of_this_process(), "-m", "venv", venv], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        said = " ".join((made.stdout + made.stderr).split())
        raise SetupError(
            f"Python could not make {_VENV}: {said[-300:] or 'it gave no reason'}",
            remedy="check the disk and, on Debian or Ubuntu, `apt install python3-venv`; then call again",
        )


def _empty(venv: Path) -> None:
    """Remove everything in an environment of ours, the mark that it is ours last."""
    for path in venv.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != _MADE:
            path.unlink()
    (venv / _MADE).unlink()


def _check_disk(root: Path) -> None:
    free = shutil.disk_usage(root).free
    if free < FREE_BYTES and not _has_torch(root / _VENV):
        raise SetupError(
            f"{free / 1e9:.1f} GB are free on the disk of this folder and the set-up needs {FREE_BYTES / 1e9:.0f}",
            remedy="free some space (`pip cache purge` is one way) and call again",
        )


def _has_torch(venv: Path) -> bool:
    return any(venv.glob("lib/python*/site-packages/torch-*.dist-info"))


def _say_what_torch_brings(root: Path, lock: int) -> None:
    """Print a warning before pip would take a build of torch that brings CUDA along."""
    pins = (root / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = [line.partition("==")[2].strip() for line in pins if line.startswith("torch==")]
    if not pinned or platform.system() != "Linux" or _has_torch(root / _VENV):
        return
    with _step("ask pip which torch it would take"):
        code, output = _pip(root, ["index", "versions", "torch"], lock)
    if code != 0:
        raise explain(output, log=f"{_VENV}/{_LOG}")
    build = torch_choice(output, pinned=pinned[0])
    if build is not None and "cpu" not in build.partition("+")[2]:
        print(_CUDA_NOTE.format(build=build), flush=True)


def torch_choice(listing: str, *, pinned: str) -> str | None:
    """Return the build that pip would take for a pinned version, of those that ``pip index versions`` lists."""
    lines = [line for line in listing.splitlines() if line.startswith("Available versions:")]
    builds = [build.strip() for line in lines for build in line.partition(":")[2].split(",")]
    return next((build for build in builds if build.partition("+")[0] == pinned), None)


def _install(root: Path, extras: Sequence[str], lock: int) -> None:
    target = f".[{','.join(extras)}]" if extras else "."
    print(f"wristkit: filling {_VENV}: 2 to 10 minutes, about 2 GB; pip's words go to {_VENV}/{_LOG}", flush=True)
    with contextlib.ExitStack() as steps:
        steps.enter_context(_step("collect packages"))

        def watch(line: str) -> None:
            if line.startswith("Installing collected packages:"):
                steps.close()
                steps.enter_context(_step(f"install {line.count(',') + 1} packages"))

        code, output = _pip(root, ["install", "-e", target, "-c", "constraints.txt"], lock, watch=watch)
    if not (root / _VENV / _MADE).is_file():
        raise _vanished(root / _VENV)
    if code != 0:
        raise explain(output, log=f"{_VENV}/{_LOG}")


def _pip(
    root: Path, arguments: Sequence[str], lock: int, *, watch: Callable[[str], None] = lambda _: None
) -> tuple[int, str]:
    """Run the environment's own pip, with whatever configuration it finds, and return its exit code and output.

    The lock goes along, so that no second pip starts on the same environment while an orphan of a killed call lives.
    """
    venv, lines = root / _VENV, []
    command = [str(_python_of(venv)), "-m", "pip", *arguments, "--no-input", "--disable-pip-version-check"]
    pip = subprocess.Popen(
        command,
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        pass_fds=(lock,),
    )
    with pip, (venv / _LOG).open("a", encoding="utf-8") as log:
        for line in pip.stdout or ():
            log.write(line)
            lines.append(line)
            watch(line)
    return pip.returncode, "".join(lines)


@contextlib.contextmanager
def _step(text: str) -> Iterator[None]:
    """Print a step, and its time when it ends."""
    began = time.monotonic()
    print(f"  {text:<44}", end="", flush=True)
    try:
        yield
    finally:
        print(f"{time.monotonic() - began:7.1f} s", flush=True)


def _write_stamp(venv: Path, stamp: dict[str, object]) -> None:
    partial = venv / f"{_STAMP}.partial"
    with partial.open("w", encoding="utf-8") as file:
        json.dump(stamp, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(venv / _STAMP)


def _vanished(venv: Path) -> SetupError:
    """Remove what pip wrote after the folder was deleted under it, so that the next call starts from nothing."""
    shutil.rmtree(venv, ignore_errors=True)
    return SetupError(f"{_VENV} was deleted while it was being filled", remedy="call again")


def _disk_full() -> SetupError:
    return SetupError(
        "the disk is full (the environment, or pip's temporary folder)",
        remedy=f"free about {FREE_BYTES / 1e9:.0f} GB, or let TMPDIR name a folder on a larger disk, and call again",
    )


def _unusual(error: OSError) -> SetupError:
    return SetupError(f"the set-up met {type(error).__name__}: {error}", remedy="mend that and call again")
