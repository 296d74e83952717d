"""What functions are given as recordings: anything else is refused by its type, before a field of it is asked for."""

from collections.abc import Iterable, Mapping

import numpy as np

from wristkit.recording.recording import Recording

_CURE = "load it with wristkit.load"


def one_recording(given: object, name: str = "recording") -> Recording:
    """Return a recording, or raise where it is none."""
    if not isinstance(given, Recording):
        raise TypeError(f"{name} is {told(given)}, expected one Recording; {_CURE}")
    return given


def several_recordings(given: object, name: str = "recordings") -> list[Recording]:
    """Return recordings as a list, which may be empty, or raise where something else is given."""
    if isinstance(given, Recording):
        return [given]
    if isinstance(given, str | bytes | Mapping) or not isinstance(given, Iterable):
        raise TypeError(f"{name} is {told(given)}, expected a Recording or a list of them; {_CURE}")
    return [one_recording(one, f"one of {name}") for one in given]


def told(given: object) -> str:
    """Return a text or a number as it is, of an array its type and shape, of anything else what it is."""
    if isinstance(given, np.ndarray):
        return f"an array of {given.dtype} {given.shape}"
    plain = given is None or isinstance(given, str | bytes | int | float)
    return f"{given!r:.60}" if plain else f"a {type(given).__name__}"
