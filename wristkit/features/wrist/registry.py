"""The wrist's own features: each with a name in plain words, its unit, and what it costs on a watch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from wristkit.features.wrist.seen import Seen, Shape
from wristkit.recording import FloatArray

WRIST: "dict[str, WristFeature]" = {}


@dataclass(frozen=True)
class WristFeature:
    """One number a window.

    Parameters
    ----------
    name, meaning, unit
        In plain words.
    streams
        What it looks at.
    needs
        Shared steps that come before it.
    per_sample, fixed
        Operations of its own: so many a sample of the window, and so many besides.
    fits
        Whether it can be told of windows of a rate and a length.
    compute
        From windows to (n,).
    """

    name: str
    meaning: str
    unit: str
    streams: tuple[str, ...]
    needs: tuple[str, ...]
    per_sample: float
    fixed: float
    fits: Callable[[Shape], bool]
    compute: Callable[[Seen], FloatArray]

    def operations(self, shape: Shape) -> float:
        """Return how many operations a window takes, beyond the shared steps."""
        return self.per_sample * shape.samples + self.fixed


def _any(_shape: Shape) -> bool:
    return True


def wrist_feature(
    unit: str,
    *,
    needs: Sequence[str] = (),
    streams: Sequence[str] = ("accel",),
    per_sample: float = 0,
    fixed: float = 1,
    fits: Callable[[Shape], bool] = _any,
    name: str | None = None,
    meaning: str | None = None,
) -> Callable[[Callable[[Seen], FloatArray]], Callable[[Seen], FloatArray]]:
    """Register a function of windows under its own name and with the first line of its docstring as meaning."""

    def register(function: Callable[[Seen], FloatArray]) -> Callable[[Seen], FloatArray]:
        told = meaning or (function.__doc__ or "").strip().rstrip(".")
        called = name or function.__name__
        WRIST[called] = WristFeature(
            called, told, unit, tuple(streams), tuple(needs), per_sample, fixed, fits, function
        )
        return function

    return register
