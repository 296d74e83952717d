"""How the stages of a cascade learn what goes on for a while, such as rubbing hands, running water or a near voice."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from wristkit.detector import Detector
from wristkit.events import BACKGROUND
from wristkit.filters import CausalFilter
from wristkit.recipes.spotting import Say, drawn, fitted, hardest, joined, silent_windows
from wristkit.recording import FloatArray, Recording
from wristkit.recording.spans import covered_s, union
from wristkit.train import Fit
from wristkit.windows import Windows

Spans = Callable[[Recording], FloatArray]


@dataclass(frozen=True, kw_only=True)
class Lasting:
    """Which windows are of something that lasts: those whose newest part it fills.

    Parameters
    ----------
    label
        Name of the class.
    is_so
        Recording to (k, 2) seconds in which it goes on.
    unsaid
        Recording to (k, 2) seconds of which nothing is said: windows whose newest part reaches into them are left out.
    newest_s
        How much of a window's end counts.
    most, least
        A window is of the class where so much of the newest part is, background where no more than the least, and left
        out in between.
    left_out
        Scenes of which no window is shown.
    streams, rate_hz, length_s, hop_s, filters
        As in ``wristkit.windows``.
    """

    label: str
    is_so: Spans
    unsaid: Spans = field(default=lambda _: np.empty((0, 2)))
    newest_s: float
    most: float = 0.75
    least: float = 0.1
    left_out: tuple[str, ...] = ()
    streams: tuple[str, ...]
    rate_hz: float
    length_s: float
    hop_s: float
    filters: tuple[CausalFilter, ...] = ()

    def windows(self, recording: Recording) -> Windows:
        """Return the windows of a recording, by what its labels say; all of it must have been looked at."""
        whole = {"truth": np.array([[recording.start_s, recording.stop_s]])}
        cut = silent_windows(self, recording, whole)
        share = self._share(cut, self.is_so(recording))
        labels = np.where(share >= self.most, self.label, BACKGROUND).astype(object)
        kept = ((share >= self.most) | (share <= self.least)) & ~(self._share(cut, self.unsaid(recording)) > 0)
        if self.left_out:
            kept &= ~(self._share(cut, spans(recording, "scene", *self.left_out)) > 0)
        return replace(cut, labels=labels).subset(kept)

    def _share(self, cut: Windows, spans: FloatArray) -> FloatArray:
        """Return how much (n,) of each window's newest part lies in spans."""
        if not len(spans):
            return np.zeros(len(cut))
        return covered_s(cut.stop_s - self.newest_s, cut.stop_s, union(spans)) / self.newest_s


def spans(recording: Recording, tier: str, *labels: str) -> FloatArray:
    """Return the (k, 2) seconds of these labels of a tier, or of all its labels."""
    rows = recording.labels[recording.labels["tier"] == tier]
    rows = rows[rows["label"].isin(labels)] if labels else rows
    return rows[["start_s", "stop_s"]].to_numpy(dtype=np.float64)


def train(
    lasting: Lasting,
    recordings: Iterable[Recording],
    *,
    of_class: int,
    background: int,
    beside: Callable[[Windows], Windows] | None = None,
    rounds: int = 2,
    epochs: int = 10,
    seed: int = 0,
    say: Say = str,
) -> Fit:
    """Return a net trained on some of what it is to find and on some of all else, in later rounds the hardest of it.

    Parameters
    ----------
    of_class, background
        Windows taken of each recording and round, at most: drawn in the first; in each later one, of background alone,
        those that the net before was surest about and wrong.
    beside
        Makes more background out of the windows of the class that were drawn.
    """
    if rounds < 1:
        raise ValueError(f"rounds is {rounds}, expected 1 or more")
    rng = np.random.default_rng(seed)
    shown, silent = list[Windows](), list[Windows]()
    for one in recordings:
        cut = lasting.windows(one)
        is_so = cut.labels == lasting.label
        shown.append(drawn(cut.subset(is_so), of_class, rng))
        silent.append(cut.subset(~is_so))
    chosen = [*shown, *(drawn(one, background, rng) for one in silent)]
    chosen += [] if beside is None else [beside(one) for one in shown]
    # A first net that only says what is hard needs no more than half of the epochs.
    first = epochs if rounds == 1 else max(1, epochs // 2)
    fit = fitted(joined(chosen), epochs=first, seed=seed, say=say)
    for _ in range(rounds - 1):
        chosen += [hardest(one, background, fit) for one in silent]
        fit = fitted(joined(chosen), epochs=epochs, seed=seed, say=say)
    return fit


def smoothed(detector: Detector, windows: int) -> Detector:
    """Return a detector whose scores a cascade averages over so many windows."""
    return Detector(replace(detector.spec, decoder=replace(detector.spec.decoder, smooth=windows)), detector.model)
