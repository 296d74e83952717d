"""Which streams are taken, and in which axes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from wristkit.errors import RecordingError
from wristkit.filters import is_number
from wristkit.recording import FloatArray, Recording, Side
from wristkit.signals.offline import ATTITUDES

# The earth's field counts as polar: it points to north, wherever a mirror shows that to be.
POLAR = frozenset({"accel", "user_accel", "gravity", "mag"})
AXIAL = frozenset({"gyro", "gyro_bias"})
_KNOWN = POLAR | AXIAL | ATTITUDES

# Signs of (x, y, z) from device to wrist by (wrist, crown). A right wrist is the mirror image of a left one, so the
# signs of the rotation rate, an axial vector, are these times the determinant of the map.
WRIST_SIGNS: Mapping[tuple[Side, Side], tuple[float, float, float]] = MappingProxyType(
    {
        ("left", "right"): (1.0, 1.0, 1.0),
        ("left", "left"): (-1.0, -1.0, 1.0),
        ("right", "left"): (1.0, -1.0, 1.0),
        ("right", "right"): (-1.0, 1.0, 1.0),
    }
)

# Attitude by the same signs: which of w, x, y, z becomes each of them, and its sign. With a mirrored device the earth
# is mirrored, too, from west to east: x may point to north and z up as before.
_QUATERNIONS: Mapping[tuple[float, ...], tuple[tuple[int, ...], tuple[float, ...]]] = MappingProxyType(
    {
        (1.0, 1.0, 1.0): ((0, 1, 2, 3), (1.0, 1.0, 1.0, 1.0)),
        (-1.0, -1.0, 1.0): ((3, 2, 1, 0), (-1.0, 1.0, -1.0, 1.0)),
        (1.0, -1.0, 1.0): ((0, 1, 2, 3), (1.0, -1.0, 1.0, -1.0)),
        (-1.0, 1.0, 1.0): ((3, 2, 1, 0), (1.0, 1.0, 1.0, 1.0)),
    }
)

_SIDES = frozenset(get_args(Side))
Kind = Literal["device", "wrist"]
Turn = Callable[[npt.NDArray[Any]], npt.NDArray[Any]]


@dataclass(frozen=True)
class Source:
    """A stream as the conditioning expects it: name, channels, unit, and the longest step that is not yet a gap."""

    name: str
    channels: tuple[str, ...]
    unit: str
    longest_step_s: float

    def __post_init__(self) -> None:
        texts = (self.name, self.unit, *self.channels) if isinstance(self.channels, tuple) else ()
        if not self.channels or not texts or not all(isinstance(one, str) for one in texts):
            raise ValueError(
                f"source {self.name!r} has channels {self.channels!r} in {self.unit!r}, expected a tuple of names and "
                "a unit, as text"
            )
        if not self.name or len(set(self.channels)) < len(self.channels):
            raise ValueError(f"source {self.name!r} has channels {self.channels}, expected different names")
        if not is_number(self.longest_step_s) or not 0 < self.longest_step_s < np.inf:
            raise ValueError(f"longest_step_s of {self.name!r} is {self.longest_step_s!r}, expected positive seconds")

    @property
    def channel_names(self) -> tuple[str, ...]:
        """Names of the channels outside the stream, such as ``accel_x``."""
        return tuple(self.name if channel == self.name else f"{self.name}_{channel}" for channel in self.channels)


@dataclass(frozen=True)
class Frame:
    """Step: the axes in which vectors are given.

    ``"device"`` leaves them. ``"wrist"`` mirrors and turns them so that x points to the hand and z out of the wrist on
    either arm, whichever way the crown looks; it needs both sides to be known. Packets are taken to be in the device's
    axes; a recording says in which it is.
    """

    kind: Kind = "device"

    def __post_init__(self) -> None:
        if not isinstance(self.kind, str) or self.kind not in ("device", "wrist"):
            raise ValueError(f"frame is {self.kind!r}, expected 'device' or 'wrist'")

    def run(self, recording: Recording) -> Recording:
        """Return a recording whose vectors and attitudes are in this frame, as its ``source["frame"]`` then says.

        Nothing else changes, and the other frame gives back every bit: the map of each arm is a change of signs.

        Raises
        ------
        RecordingError
            With code ``side_unknown``, or ``frame`` where a stream of three axes is not known to be a vector.
        """
        given = frame_of(recording)
        if given == self.kind:
            return recording
        self.check_sides([recording])
        wrist, crown = sides_of(recording)
        turned = []
        for stream in recording.streams.values():
            turn = self.turn(stream.name, stream.channels, wrist, crown, given=given)
            if turn is not None:
                values = turn(stream.values)
                turned.append(stream.with_values(stream.name, values, channels=stream.channels, unit=stream.unit))
        source = {name: text for name, text in recording.source.items() if name not in {"frame", "worn"}}
        source |= {} if self.kind == "device" else {"frame": self.kind, "worn": f"{wrist}/{crown}"}
        return replace(recording.with_streams(*turned), source=source)

    def check(self, source: Source) -> None:
        """Raise where this frame is not defined for a source."""
        if self.kind == "wrist" and _is_other_vector(source.name, source.channels):
            raise ValueError(
                f"frame='wrist' is not defined for {source.name!r}; expected {sorted(_KNOWN)} or streams that are not "
                "vectors; use frame='device', or compute what you need of it first"
            )

    def check_sides(self, recordings: Sequence[Recording]) -> None:
        """Raise where vectors have to be turned and a recording does not state its sides."""
        unknown = [one.id for one in recordings if frame_of(one) != self.kind and None in sides_of(one)]
        if unknown:
            raise _no_sides(f"recordings {unknown} do not state them")

    def turn(
        self, name: str, channels: Sequence[str], wrist: Side | None, crown: Side | None, *, given: Kind = "device"
    ) -> Turn | None:
        """Return what turns values (n, c) of a stream from the frame that is ``given``; None where nothing changes.

        Raises
        ------
        RecordingError
            With code ``side_unknown``, or ``frame`` where a stream of three axes is not known to be a vector.
        """
        if self.kind == given:
            return None
        if _is_other_vector(name, channels):
            raise RecordingError(
                f"stream {name!r} has three axes and is none of {sorted(_KNOWN)}",
                code="frame",
                remedy="leave it out, or turn it yourself: a mirror treats vectors and rotations differently",
            )
        if name not in _KNOWN:
            return None
        if wrist is None or crown is None or not {wrist, crown} <= _SIDES:
            raise _no_sides(f"for the watch wrist is {wrist!r} and crown is {crown!r}, expected 'left' or 'right'")
        signs = WRIST_SIGNS[wrist, crown]
        if name in ATTITUDES:
            return _turn_of_attitude(name, channels, signs, back=given == "wrist")
        factors = _factors(name, channels, signs)
        return lambda values: values * factors.astype(values.dtype)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-able description."""
        return {"step": "frame", "kind": self.kind}


def frame_of(recording: Recording) -> Kind:
    """Return the frame in which the vectors of a recording are."""
    stated = recording.source.get("frame", "device")
    if stated not in {"device", "wrist"}:
        raise RecordingError(
            f"recording {recording.id} is in the frame {stated!r} by its source, expected 'device' or 'wrist'",
            code="frame",
            remedy="turn its vectors into the device's axes, and leave source['frame'] out",
        )
    return "wrist" if stated == "wrist" else "device"


def sides_of(recording: Recording) -> tuple[Side | None, Side | None]:
    """Return wrist and crown by which the vectors of a recording have to be turned: those by which they were."""
    turned = recording.source.get("worn") if frame_of(recording) == "wrist" else None
    if turned is None:
        return recording.wrist, recording.crown
    if turned != f"{recording.wrist}/{recording.crown}":
        raise RecordingError(
            f"recording {recording.id} was turned into the wrist frame as worn {turned}, and says "
            f"{recording.wrist}/{recording.crown} (wrist/crown) now",
            code="frame",
            remedy="turn it back by Frame('device').run first, then correct its sides",
        )
    return recording.wrist, recording.crown


def _no_sides(what: str) -> RecordingError:
    return RecordingError(
        f"frame='wrist' needs both sides, and {what}",
        code="side_unknown",
        remedy="give wrist= and crown= when loading, or use frame='device'",
    )


def _is_other_vector(name: str, channels: Sequence[str]) -> bool:
    return set(channels) >= {"x", "y", "z"} and name not in _KNOWN


def _factors(name: str, channels: Sequence[str], signs: Sequence[float]) -> FloatArray:
    """Return the factor of each channel of a vector; what is beside its axes, such as a deviation, is left."""
    own = np.array(signs) * np.prod(signs) if name in AXIAL else signs
    by_axis = dict(zip("xyz", own, strict=True))
    return np.array([by_axis.get(channel, 1.0) for channel in channels])


def _turn_of_attitude(name: str, channels: Sequence[str], signs: tuple[float, ...], *, back: bool) -> Turn:
    if sorted(channels) != ["w", "x", "y", "z"]:
        raise RecordingError(
            f"stream {name!r} has the channels {list(channels)}, expected a quaternion w, x, y, z",
            code="frame",
            remedy="leave it out, or give it under another name",
        )
    order, factors = (np.array(one) for one in _QUATERNIONS[signs])
    to_wxyz = np.array([list(channels).index(one) for one in "wxyz"])
    as_given = np.argsort(to_wxyz)

    def turn(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        own, one = values[:, to_wxyz], factors.astype(values.dtype)
        turned = (own * one)[:, order] if back else own[:, order] * one
        return np.asarray(turned[:, as_given])

    return turn
