"""Everything of a detector but its weights."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import fields as dataclass_fields
from typing import Any, Self

import numpy as np

from wristkit.condition import Conditioning
from wristkit.events import EventDecoder
from wristkit.filters import is_number, only_keys
from wristkit.recording import FloatArray
from wristkit.recording.given import told
from wristkit.windows import Cut


@dataclass(frozen=True)
class DetectorSpec:
    """Everything of a detector but its weights.

    Parameters
    ----------
    conditioning
        From source streams to the grid.
    length, hop
        Samples in a window, and from one window to the next.
    classes
        Names of the net's outputs, in order.
    decoder
        From scores to events.
    architecture
        What ``wristkit.models.build`` needs to make the net; None for a net of the user's own.
    trained_on
        Ids of the recordings whose windows were used for training or tuning.
    max_wait_s
        A stream that is more than this behind the newest one is taken to be missing there. None waits for ever.
    """

    conditioning: Conditioning
    length: int
    hop: int
    classes: tuple[str, ...]
    decoder: EventDecoder
    architecture: Mapping[str, Any] | None
    trained_on: tuple[str, ...] = ()
    max_wait_s: float | None = None

    def __post_init__(self) -> None:
        for name, kind in (("conditioning", Conditioning), ("decoder", EventDecoder)):
            if not isinstance(getattr(self, name), kind):
                raise TypeError(f"{name} is {told(getattr(self, name))}, expected a {kind.__name__}")
        if not all(isinstance(one, int) and not isinstance(one, bool) and one > 0 for one in (self.length, self.hop)):
            raise ValueError(f"length is {self.length!r} and hop is {self.hop!r}, expected whole samples, 1 or more")
        for name, least in (("classes", 2), ("trained_on", 0)):
            names = getattr(self, name)
            if not isinstance(names, tuple) or not all(isinstance(one, str) for one in names) or len(names) < least:
                raise ValueError(f"{name} are {names!r}, expected a tuple of {least} names or more")
        if len(set(self.classes)) != len(self.classes):
            raise ValueError(f"classes are {self.classes}, expected two or more different names")
        if self.max_wait_s is not None and not (is_number(self.max_wait_s) and 0 < self.max_wait_s < np.inf):
            raise ValueError(f"max_wait_s is {self.max_wait_s!r}, expected seconds above 0, or None to wait for ever")
        if self.architecture is not None:
            self._check_net(self.architecture)

    def _check_net(self, net: Mapping[str, Any]) -> None:
        """Raise where the net is of other channels, classes or samples than what stands before and behind it."""
        classes = (*net.get("classes", self.classes), *net.get("added", ()))
        given = {"channels": tuple(net.get("channels", ())), "classes": classes, "samples": net.get("samples")}
        wanted = {"channels": self.conditioning.channels, "classes": self.classes, "samples": self.length}
        for name in (name for name in wanted if name in net and given[name] != wanted[name]):
            raise ValueError(
                f"the net is of {name} {given[name]}, the specification of {wanted[name]}; make them alike"
            )

    @property
    def background(self) -> str | None:
        """The class that is never an event, if the net has it."""
        return self.decoder.background if self.decoder.background in self.classes else None

    @property
    def hop_s(self) -> float:
        """Seconds from one window to the next."""
        return self.hop / self.conditioning.rate_hz

    @property
    def length_s(self) -> float:
        """Seconds of one window."""
        return self.length / self.conditioning.rate_hz

    def centre_s(self, pieces: Cut) -> FloatArray:
        """Return the middle of each window on the recording's clock."""
        return np.asarray((pieces.first + self.length / 2) / self.conditioning.rate_hz)

    @property
    def sha256(self) -> str:
        """Hash of the specification, weights not included."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def to_json(self) -> str:
        """Return the specification as text, the same for equal ones."""
        fields = {
            "conditioning": self.conditioning.to_dict(),
            "length": self.length,
            "hop": self.hop,
            "classes": list(self.classes),
            "decoder": self.decoder.to_dict(),
            "architecture": None if self.architecture is None else dict(self.architecture),
            "trained_on": list(self.trained_on),
            "max_wait_s": self.max_wait_s,
        }
        return json.dumps(fields, sort_keys=True, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the specification that :meth:`to_json` wrote."""
        fields = json.loads(text)
        only_keys(fields, tuple(field.name for field in dataclass_fields(cls)), "a specification")
        fields["conditioning"] = Conditioning.from_dict(fields["conditioning"])
        fields["decoder"] = EventDecoder.from_dict(fields["decoder"])
        for name in ("classes", "trained_on"):
            fields[name] = tuple(fields[name])
        if fields["architecture"] is not None:
            fields["architecture"] = _tuples(fields["architecture"])
        return cls(**fields)


def _tuples(architecture: Mapping[str, Any]) -> dict[str, Any]:
    """Return a description read from JSON with its lists as tuples, as the net was described before."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in architecture.items()}
