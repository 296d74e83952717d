"""Simulated lives and nets kept in a folder, so that long work can stop and go on: nothing is made a second time."""

import os
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from pathlib import Path
from shutil import rmtree

from wristkit.detector import Cascade, Detector
from wristkit.load import load
from wristkit.recording import Recording
from wristkit.store import save

LIVES = "WRISTKIT_LIVES"
"""Names the folder; where it is not set nothing is kept."""
_TRAINED_BY = ("train/*.py", "models/*.py", "windows/*.py", "recipes/lasting.py", "recipes/spotting.py")
_PACKAGE = Path(__file__).parents[1]
_SIMULATED_BY = ("activities", "body", "confounders", "raising", "room", "scene", "sensor", "session", "sound", "voice")
_MADE_BY = (*(f"simulate/{name}.py" for name in (*_SIMULATED_BY, "washing")), "audio/*.py", "recipes/scenes.py")


def kept(make: Callable[[], Recording], *asked: object, whole: tuple[object, ...] = ()) -> Recording:
    """Return what ``make`` gives, read from the folder where the same code was asked for the same before.

    What was asked for as ``whole`` holds all of it and more: where that is kept it is read in its stead.
    """
    if not os.environ.get(LIVES):
        return make()
    for one in (whole, asked):
        if one and _folder(*one).is_dir():
            return load(_folder(*one))
    folder = _folder(*asked)
    unfinished = folder.with_name(f"{folder.name}.{os.getpid()}")
    _moved(save(make(), unfinished), folder)
    return load(folder)


def _folder(*asked: object, patterns: tuple[str, ...] | None = None) -> Path:
    """Return where something that was asked for is kept, by the code that makes it."""
    code = _code() if patterns is None else _code(patterns)
    return Path(os.environ[LIVES]) / sha256(repr((code, *asked)).encode()).hexdigest()[:16]


def weights_of(cascade: Cascade) -> str:
    """Return the hash of all by which a cascade wakes: its policy, and the net of its gate."""
    weights = [value.numpy().tobytes() for value in cascade.gate.model.state_dict().values()]
    return sha256(cascade.sha256.encode() + b"".join(weights)).hexdigest()


def kept_detector(make: Callable[[], Detector], *asked: object) -> Detector:
    """Return what ``make`` trains, read from the folder where the same code was asked for the same before."""
    if not os.environ.get(LIVES):
        return make()
    folder = _folder(*asked, patterns=_TRAINED_BY)
    if not folder.is_dir():
        unfinished = folder.with_name(f"{folder.name}.{os.getpid()}")
        make().save(unfinished)
        _moved(unfinished, folder)
    return Detector.load(folder)


def _moved(unfinished: Path, folder: Path) -> None:
    """Give what was made its name; where another process was faster, which made the same, its own stays."""
    try:
        unfinished.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise
        rmtree(unfinished)


@cache
def _code(patterns: tuple[str, ...] = _MADE_BY) -> str:
    """Return the hash of the code that something is made by."""
    files = [path for pattern in patterns for path in sorted(_PACKAGE.glob(pattern))]
    return sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
