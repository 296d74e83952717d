"""A detector whose net is the package that was saved: what an app with it would say, on any machine."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from wristkit.condition import Conditioning
from wristkit.detector import Detector, DetectorSpec
from wristkit.errors import RecordingError
from wristkit.events import EventDecoder
from wristkit.export.forms import CHUNK, INPUT, LABEL, LABEL_PROBABILITY, PROBABILITIES, STATE_IN, STATE_OUT
from wristkit.export.mlprogram import MLPackage, Observer

if TYPE_CHECKING:
    from torch import nn

Windows32 = npt.NDArray[np.float32]
_NEEDED = ("conditioning", "decoder", "classes", "length", "hop")


@dataclass(frozen=True, eq=False)
class Answers:
    """What a package answered to n windows: probabilities (n, classes), labels (n,), and its classes in order."""

    probabilities: npt.NDArray[np.float64]
    decisions: tuple[str, ...]
    labels: tuple[str, ...]


def answers(
    package: MLPackage, values: Windows32, *, observer: Observer | None = None, in_turn: bool = True
) -> Answers:
    """Return what a package says to conditioned windows (n, channels, samples), whatever its interface.

    A package with a state gets the first window of each run in chunks, then the newest samples of each that follows;
    or, where they are not to be taken in turn, each window in chunks, all side by side, which is faster.
    """
    if package.metadata.get("interface", "window") == "window":
        said = package.predict_many({INPUT: values[:, None]}, observer=observer)
    elif not in_turn:
        said = _side_by_side(package, values, observer)
    else:
        said = list(_in_turn(package, values, observer))
    name = LABEL_PROBABILITY if LABEL_PROBABILITY in package.outputs else PROBABILITIES
    known = tuple(json.loads(package.metadata["classes"])) if "classes" in package.metadata else ()
    tables = [_table(one[name], known) for one in said]
    labels = tuple(tables[0]) if tables else known
    rows = np.array([list(one.values()) for one in tables]).reshape(len(tables), -1)
    decided = tuple(
        str(one[LABEL]) if LABEL in one else max(table, key=table.__getitem__)
        for one, table in zip(said, tables, strict=True)
    )
    return Answers(rows, decided, labels)


def _table(said: object, classes: tuple[str, ...]) -> dict[str, float]:
    if isinstance(said, dict):
        return said
    return dict(zip(classes, np.asarray(said, dtype=np.float64).reshape(-1).tolist(), strict=True))


def _in_turn(package: MLPackage, values: Windows32, observer: Observer | None) -> Iterator[dict[str, Any]]:
    hop = int(package.metadata["hop"])
    state = first = np.zeros(package.inputs[STATE_IN].shape, dtype=np.float32)
    for place, window in enumerate(values):
        follows = place > 0 and hop < window.shape[1] and np.array_equal(values[place - 1][:, hop:], window[:, :-hop])
        chunks = [window[:, -hop:]] if follows else chunks_of(window, hop)
        state = state if follows else first
        said: dict[str, Any] = {}
        for chunk in chunks:
            said = package.predict({**_inputs(package, chunk), STATE_IN: state}, observer=observer)
            state = np.asarray(said[STATE_OUT], dtype=np.float32)
        yield said


def _side_by_side(package: MLPackage, values: Windows32, observer: Observer | None) -> list[dict[str, Any]]:
    said: list[dict[str, Any]] = []
    state = np.zeros((len(values), *package.inputs[STATE_IN].shape), dtype=np.float32)
    for chunk in chunks_of(values, int(package.metadata["hop"])):
        said = package.predict_many({**_inputs(package, chunk), STATE_IN: state}, observer=observer)
        state = np.array([one[STATE_OUT] for one in said], dtype=np.float32)
    return said


def chunks_of(window: Windows32, hop: int) -> list[Windows32]:
    """Return windows (..., channels, samples) in chunks (..., channels, hop), zeros before the first if not full."""
    *more, samples = window.shape
    padded = np.concatenate([np.zeros((*more, -samples % hop), dtype=np.float32), window], axis=-1)
    return np.split(padded, padded.shape[-1] // hop, axis=-1)


def _inputs(package: MLPackage, chunk: Windows32) -> dict[str, npt.ArrayLike]:
    """Return samples (..., channels, hop) as the package takes them: all channels in one, or each by itself."""
    if CHUNK in package.inputs:
        return {CHUNK: chunk[..., None, :, :]}
    names = [name for name in package.inputs if name != STATE_IN]
    return dict(zip(names, np.moveaxis(chunk, -2, 0), strict=True))


class Packaged(Detector):
    """A detector that asks a package instead of its net.

    Parameters
    ----------
    package
        One that was exported from a detector.
    spec, model
        Those of the detector, if it is at hand; else the package's own metadata say all but the net.
    """

    def __init__(
        self, package: MLPackage, *, spec: DetectorSpec | None = None, model: "nn.Module | None" = None
    ) -> None:
        from torch import nn

        super().__init__(spec_of(package) if spec is None else spec, nn.Identity() if model is None else model)
        self.package = package

    def probabilities(self, values: Windows32) -> npt.NDArray[np.float32]:
        """Return (n, classes) probabilities of windows (n, channels, samples), by the package."""
        if not len(values):
            return np.empty((0, len(self.spec.classes)), dtype=np.float32)
        return answers(self.package, values).probabilities.astype(np.float32)


def spec_of(package: MLPackage) -> DetectorSpec:
    """Return what a package's metadata say of its detector."""
    told: Mapping[str, str] = package.metadata
    try:
        fields = {name: told[name] for name in _NEEDED}
        return DetectorSpec(
            conditioning=Conditioning.from_json(fields["conditioning"]),
            length=int(fields["length"]),
            hop=int(fields["hop"]),
            classes=tuple(json.loads(fields["classes"])),
            decoder=EventDecoder.from_dict(json.loads(fields["decoder"])),
            architecture=None,
            max_wait_s=json.loads(told.get("max_wait_s", "null")),
        )
    except (KeyError, ValueError, TypeError) as fault:
        raise RecordingError(
            f"its metadata do not describe a detector ({type(fault).__name__}: {fault})",
            code="metadata",
            remedy="give a package that wk.export wrote",
            file=package.path,
        ) from fault
