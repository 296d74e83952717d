"""Which streams are taken, and in which axes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import numpy as np

from wristkit.errors import RecordingError
from wristkit.recording import FloatArray, Recording, Side

POLAR = frozenset({"accel", "user_accel", "gravity"})
AXIAL = frozenset({"gyro"})

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


@dataclass(frozen=True)
class Source:
    """A stream as the conditioning expects it: name, channels, unit, and the longest step that is not yet a gap."""

    name: str
    channels: tuple[str, ...]
    unit: str
    longest_step_s: float

    @property
    def channel_names(self) -> tuple[str, ...]:
        """Names of the channels outside the stream, such as ``accel_x``."""
        return tuple(self.name if channel == self.name else f"{self.name}_{channel}" for channel in self.channels)


@dataclass(frozen=True)
class Frame:
    """Step: the axes in which vectors are given.

    ``"device"`` leaves them. ``"wrist"`` mirrors and turns them so that x points to the hand and z out of the wrist on
    either arm, whichever way the crown looks; it needs both sides to be known.
    """

    kind: Literal["device", "wrist"] = "device"

    def __post_init__(self) -> None:
        if self.kind not in ("device", "wrist"):
            raise ValueError(f"frame is {self.kind!r}, expected 'device' or 'wrist'")

    def check(self, source: Source) -> None:
        """Raise where this frame is not defined for a source."""
        vector = source.name in POLAR | AXIAL
        looks_like_one = set(source.channels) >= {"x", "y", "z"}
        if self.kind == "wrist" and looks_like_one and not vector:
            raise ValueError(
                f"frame='wrist' is not defined for {source.name!r}; expected {sorted(POLAR | AXIAL)} or streams that "
                "are not vectors; use frame='device', or compute what you need of it first"
            )

    def check_sides(self, recordings: Sequence[Recording]) -> None:
        """Raise where this frame needs to know sides that a recording does not state."""
        unknown = [one.id for one in recordings if one.wrist is None or one.crown is None]
        if self.kind == "wrist" and unknown:
            raise RecordingError(
                f"frame='wrist' needs both sides, and recordings {unknown} do not state them",
                code="side_unknown",
                remedy="give wrist= and crown= when loading, or use frame='device'",
            )

    def signs(self, source: Source, wrist: Side | None, crown: Side | None) -> FloatArray | None:
        """Return the factor of each channel, or None where nothing changes."""
        if self.kind == "device" or source.name not in POLAR | AXIAL:
            return None
        if wrist is None or crown is None:
            raise RecordingError(
                f"frame='wrist' needs both sides, but wrist is {wrist!r} and crown is {crown!r}",
                code="side_unknown",
                remedy="give wrist= and crown= when loading, or use frame='device'",
            )
        signs = np.array(WRIST_SIGNS[wrist, crown])
        return signs * np.prod(signs) if source.name in AXIAL else signs

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-able description."""
        return {"step": "frame", "kind": self.kind}
