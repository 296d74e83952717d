"""How a net learns to spot a gesture of half a second: which windows are one, and which of all others it must see.

A window is a gesture where its end lies shortly after the gesture's; the windows just around those are left out, and
all others, over parts of a gesture too, are background. What a first net mistakes is what a second one is shown.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from wristkit.evaluate import TunedDecoder, tune_decoder
from wristkit.events import BACKGROUND, EventDecoder
from wristkit.filters import CausalFilter
from wristkit.recording import Recording
from wristkit.recording.spans import subtract
from wristkit.train import Fit, train_for_others
from wristkit.windows import Windows, windows

_ROWS = ("values", "labels", "label_fraction", "subjects", "recordings", "start_s", "stop_s")
_MINING_EPOCHS = 5  # of a net that only shows what is hard
_STRONGEST = 6.0  # times as large as simulated motion
_WRONG = 0.02  # of all background, what a net gives less to a gesture is easy
Say = Callable[[str], object]


@dataclass(frozen=True, kw_only=True)
class Spotting:
    """Which gestures, seen through which windows.

    Parameters
    ----------
    gestures
        Labels that are classes; every other label is background.
    others
        Of those, gestures of the hand on purpose: negatives of the training that are no part of everyday hours, and of
        which false alarms are counted in a row of their own.
    alike
        Labels too like them to be right or wrong: neither trained nor judged on.
    streams, rate_hz, length_s, hop_s, filters
        As in ``wristkit.windows``.
    after_s
        From when to when after a gesture's end a window's end says that it was one.
    guard_s
        So long before and after that nothing is said.
    """

    gestures: tuple[str, ...]
    others: tuple[str, ...] = ()
    alike: tuple[str, ...] = ()
    streams: tuple[str, ...] = ("accel", "gyro")
    rate_hz: float = 100.0
    length_s: float = 1.0
    hop_s: float = 0.08
    filters: tuple[CausalFilter, ...] = ()
    after_s: tuple[float, float] = (0.0, 0.2)
    guard_s: float = 0.12

    def windows(self, recording: Recording) -> Windows:
        """Return the windows of a recording as training sees them."""
        silent = recording.with_labels(recording.labels.iloc[:0], labelled=recording.labelled)
        cut = windows(
            silent,
            streams=self.streams,
            rate_hz=self.rate_hz,
            length_s=self.length_s,
            hop_s=self.hop_s,
            filters=self.filters,
            background=BACKGROUND,
        )
        return self._told(cut, recording.labels[recording.labels["tier"] == "truth"])

    def judged(self, recording: Recording, *, others: bool = False) -> Recording:
        """Return a recording in which what is too alike is no part of what was looked at, nor others unless wanted."""
        left_out = self.alike if others else (*self.alike, *self.others)
        labels, reach_s = recording.labels, self.length_s / 2 + 0.5
        alike = labels[labels["label"].isin(left_out) & (labels["tier"] == "truth")]
        around = alike[["start_s", "stop_s"]].to_numpy(dtype=np.float64) + np.array([-reach_s, reach_s])
        kept = labels[labels["label"].isin(self.gestures) | (labels["tier"] != "truth")]
        spans = subtract(recording.labelled["truth"], around)
        return recording.with_labels(kept, labelled={**recording.labelled, "truth": spans})

    def _told(self, cut: Windows, truth: pd.DataFrame) -> Windows:
        labels, kept = cut.labels.copy(), np.ones(len(cut), dtype=bool)
        times = truth[["start_s", "stop_s"]].to_numpy(dtype=np.float64).tolist()
        for label, (start_s, stop_s) in zip(truth["label"].tolist(), times, strict=True):
            if label in self.alike:
                kept &= (cut.stop_s < start_s) | (cut.start_s > stop_s)
            if label not in self.gestures:
                continue
            first_s, last_s = stop_s + self.after_s[0], stop_s + self.after_s[1]
            inside = (cut.stop_s >= first_s) & (cut.stop_s <= last_s)
            labels[inside] = label
            kept &= inside | (cut.stop_s < first_s - self.guard_s) | (cut.stop_s > last_s + self.guard_s)
        return replace(cut, labels=labels).subset(kept)


@dataclass(frozen=True, kw_only=True)
class Course:
    """How long and on how much is trained, and what the decoder is chosen by.

    Parameters
    ----------
    background
        Windows of background taken of each recording, at most, twice: drawn, and then those that a first net is surest
        about and wrong.
    shaken
        Share of the background windows that are added as :func:`shaken` makes them.
    epochs
        Of the net that ships; the first one only looks for what is hard.
    decoder, grid, fp_per_hour
        As in ``wristkit.evaluate.tune_decoder``.
    """

    background: int
    shaken: float
    epochs: int
    decoder: EventDecoder
    grid: Mapping[str, Sequence[float]]
    fp_per_hour: float = 0.3


def train(
    spotting: Spotting,
    recordings: Callable[[], Iterable[Recording]],
    *,
    course: Course,
    seed: int = 0,
    say: Say = str,
) -> Fit:
    """Return a net trained on all gestures of the recordings and on some of their background, the hardest of it.

    Parameters
    ----------
    recordings
        Gives them anew for every round, so that hours need not be held at once.
    """
    drawn = [_drawn(spotting.windows(one), course.background, seed=seed) for one in recordings()]
    first = _fitted(shaken(joined(drawn), course.shaken, seed=seed), _MINING_EPOCHS, seed=seed, say=say)
    hard = [_hardest(spotting.windows(one), course.background, first) for one in recordings()]
    return _fitted(shaken(joined([*drawn, *hard]), course.shaken, seed=seed), course.epochs, seed=seed, say=say)


def _fitted(chosen: Windows, epochs: int, *, seed: int, say: Say) -> Fit:
    say(repr(chosen))
    fit = train_for_others(chosen, epochs=epochs, seed=seed)
    say(f"{fit!r}\n{fit.history.tail(1).to_string(index=False)}")
    return fit


def train_and_tune(
    spotting: Spotting,
    recordings: Callable[[], Iterable[Recording]],
    tuning: Callable[[], Iterable[Recording]],
    *,
    course: Course,
    seed: int = 0,
    say: Say = str,
) -> Fit:
    """Return a fit as :func:`train` gives it, with the decoder that :func:`tuned` finds."""
    fit = train(spotting, recordings, course=course, seed=seed, say=say)
    found = tuned(fit, spotting, tuning(), course=course)
    say(repr(found))
    return replace(fit, spec=replace(fit.spec, decoder=found.decoder))


def tuned(
    fit: Fit,
    spotting: Spotting,
    recordings: Iterable[Recording],
    *,
    course: Course,
) -> TunedDecoder:
    """Return the decoder with the highest recall within a rate of false alarms.

    The recordings are of people neither trained nor tested on; ``wristkit.evaluate.tune_decoder`` says what is tried.
    """
    held = [spotting.judged(one) for one in recordings]
    detector = fit.detector(course.decoder)
    scores = {one.id: detector.scores(one) for one in held}
    return tune_decoder(scores, held, fp_per_hour=course.fp_per_hour, decoder=course.decoder, grid=course.grid)


def joined(parts: Sequence[Windows]) -> Windows:
    """Return windows that were conditioned alike as one, each once, in the order of time."""
    held = [one for one in parts if len(one)]
    if len({one.conditioning.to_json() for one in held}) != 1:
        raise ValueError(f"{len(held)} parts are conditioned in several ways, expected one; cut them by one Spotting")
    rows = {name: np.concatenate([getattr(one, name) for one in held]) for name in _ROWS}
    whole = replace(held[0], **rows)
    keys = pd.DataFrame({"recording": whole.recordings, "start_s": whole.start_s})
    return whole.subset(keys.drop_duplicates().sort_values(["recording", "start_s"]).index.to_numpy())


def shaken(chosen: Windows, share: float, *, seed: int) -> Windows:
    """Return windows, and with them some of their background stronger and on top of each other.

    Real hands move more strongly and in more ways than simulated ones. Of each such window two of background are turned
    about any axis, made up to six times as large, and added; what is left when slow motion is filtered out may be.
    """
    rng = np.random.default_rng([seed, 3])
    silent = np.flatnonzero(chosen.labels == BACKGROUND)
    places = np.sort(rng.choice(silent, round(share * len(silent)), replace=False))
    made = _turned(chosen.values[places], rng) + _turned(chosen.values[rng.choice(silent, len(places))], rng)
    more = replace(chosen.subset(places), values=made)
    # A moment later than the windows they are made of, so that each window of a recording has a time of its own.
    more = replace(more, start_s=more.start_s + 0.25 * chosen.hop_s, stop_s=more.stop_s + 0.25 * chosen.hop_s)
    return joined([chosen, more])


def _turned(values: npt.NDArray[np.float32], rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Return windows of three channels a stream, all streams of one turned alike and made larger by one factor."""
    from scipy.spatial.transform import Rotation

    turns = Rotation.random(len(values), random_state=rng).as_matrix() * np.exp(
        rng.uniform(0.0, np.log(_STRONGEST), (len(values), 1, 1))
    )
    vectors = values.reshape(len(values), -1, 3, values.shape[2])
    turned: npt.NDArray[np.float32] = (
        np.einsum("nij,nvjs->nvis", turns, vectors).reshape(values.shape).astype(np.float32)
    )
    return turned


def _drawn(cut: Windows, most: int, *, seed: int) -> Windows:
    """Return all gestures and so much of the background, drawn."""
    silent = np.random.default_rng(seed).permutation(np.flatnonzero(cut.labels == BACKGROUND))[:most]
    return cut.subset(np.sort(np.concatenate([np.flatnonzero(cut.labels != BACKGROUND), silent])))


def _hardest(cut: Windows, most: int, fit: Fit) -> Windows:
    """Return so much of the background, of which a fit is surest that it is a gesture."""
    silent = np.flatnonzero(cut.labels == BACKGROUND)
    sure = 1 - fit.detector().probabilities(cut.values[silent])[:, fit.classes.index(BACKGROUND)]
    order = np.argsort(-sure, kind="stable")[:most]
    return cut.subset(np.sort(silent[order[sure[order] > _WRONG]]))
