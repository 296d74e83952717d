"""How a net learns to spot a gesture of half a second: which windows are one, and which of all others it must see.

A window is a gesture where its end lies shortly after the gesture's; the windows just around those are left out, and
all others, over parts of a gesture too, are background. What a first net mistakes is what a second one is shown, and
what real hands do beside a gesture, or more strongly than simulated ones, is made of the windows there are.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from wristkit.evaluate import TunedDecoder, evaluate, stack, tune_decoder
from wristkit.events import BACKGROUND, EventDecoder, Scores
from wristkit.filters import CausalFilter
from wristkit.recording import FloatArray, Recording
from wristkit.recording.spans import subtract
from wristkit.train import Augmentation, Fit, train_for_others
from wristkit.windows import Windows, windows

if TYPE_CHECKING:
    from wristkit.recipes.lasting import Lasting

_ROWS = ("values", "labels", "label_fraction", "subjects", "recordings", "start_s", "stop_s")
_MINING_EPOCHS = 4  # of a net that only shows what is hard
_STRONGEST = 6.0  # times as large as simulated motion
_UNDER = (0.15, 1.0)  # of a gesture's size, the motion under it
_LEAST = 1e-9  # of the size of a window, so that nothing is divided by 0
_EQUAL = 1e-9  # so near are shares the same
_WRONG = 0.02  # background of which a net gives less to a gesture is easy
Say = Callable[[str], object]
Given = Sequence[Recording] | Callable[[], Iterable[Recording]]
"""Recordings, or what makes them anew for every round, so that hours need not be held at once."""


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
        cut = silent_windows(self, recording, recording.labelled)
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


def silent_windows(look: "Spotting | Lasting", recording: Recording, labelled: Mapping[str, FloatArray]) -> Windows:
    """Return the windows of a recording as something looks at it, all of them background."""
    return windows(
        recording.with_labels(recording.labels.iloc[:0], labelled=labelled),
        streams=look.streams,
        rate_hz=look.rate_hz,
        length_s=look.length_s,
        hop_s=look.hop_s,
        filters=look.filters,
        background=BACKGROUND,
    )


@dataclass(frozen=True, kw_only=True)
class Course:
    """How long and on how much is trained, and what the decoder is chosen by.

    Parameters
    ----------
    background
        Windows of background taken of each minute of a recording, at most, twice: drawn, and then those that a first
        net is surest about and wrong.
    shaken, moved
        Share of the background windows that are added as :func:`shaken` makes them, and of the gestures as
        :func:`moved` does.
    epochs
        Of the net that ships; the first one only looks for what is hard.
    width
        Channels inside the nets.
    worn_rad
        Standard deviation of the angle by which all motion of a window is turned, drawn anew in each epoch.
    decoder, grid, fp_per_hour
        As in ``wristkit.evaluate.tune_decoder``.
    spare_recall
        How much of the recall that it finds may be spent on a higher threshold, for motion that nobody tuned on.
    """

    background: float = 25.0
    shaken: float = 0.2
    moved: float = 0.5
    epochs: int = 12
    width: int = 32
    worn_rad: float = 0.15
    decoder: EventDecoder
    grid: Mapping[str, Sequence[float]]
    fp_per_hour: float = 0.4
    spare_recall: float = 0.0

    def most(self, cut: Windows) -> int:
        """Return how many windows of background are taken of a recording's windows."""
        return int(np.ceil(self.background * len(cut) * cut.hop_s / 60))


def train(spotting: Spotting, recordings: Given, *, course: Course, seed: int = 0, say: Say = str) -> Fit:
    """Return a net trained on all gestures of the recordings and on some of their background, the hardest of it."""
    rng = np.random.default_rng(seed)
    chosen = list[Windows]()
    for one in _each(recordings):
        cut = spotting.windows(one)
        silent = cut.labels == BACKGROUND
        chosen += [cut.subset(~silent), drawn(cut.subset(silent), course.most(cut), rng)]
    first = _taught(chosen, course, epochs=_MINING_EPOCHS, seed=seed, say=say)
    for one in _each(recordings):
        cut = spotting.windows(one)
        chosen.append(hardest(cut.subset(cut.labels == BACKGROUND), course.most(cut), first))
    return _taught(chosen, course, epochs=course.epochs, seed=seed, say=say)


def _taught(chosen: Sequence[Windows], course: Course, *, epochs: int, seed: int, say: Say) -> Fit:
    worn = Augmentation(rotation_rad=course.worn_rad)
    cut = varied(joined(chosen), course, seed=seed)
    return fitted(cut, epochs=epochs, seed=seed, say=say, width=course.width, augmentation=worn)


def fitted(
    chosen: Windows,
    *,
    epochs: int,
    seed: int,
    say: Say,
    width: int = 32,
    augmentation: Augmentation | None = None,
) -> Fit:
    """Return a fit on windows for people outside of them, and say what it was trained on and how it went."""
    say(repr(chosen))
    fit = train_for_others(chosen, epochs=epochs, seed=seed, width=width, augmentation=augmentation)
    say(f"{fit!r}\n{fit.history.tail(1).to_string(index=False)}")
    return fit


def train_and_tune(
    spotting: Spotting, recordings: Given, tuning: Given, *, course: Course, seed: int = 0, say: Say = str
) -> Fit:
    """Return a fit as :func:`train` gives it, with the decoder that :func:`tuned` finds."""
    fit = train(spotting, recordings, course=course, seed=seed, say=say)
    found = tuned(fit, spotting, _each(tuning), course=course)
    say(repr(found))
    return replace(fit, spec=replace(fit.spec, decoder=found.decoder))


def tuned(fit: Fit, spotting: Spotting, recordings: Iterable[Recording], *, course: Course) -> TunedDecoder:
    """Return the decoder with the highest recall within a rate of false alarms, or a stricter one where that is spared.

    The recordings are of people neither trained nor tested on; ``wristkit.evaluate.tune_decoder`` says what is tried.
    """
    held = [spotting.judged(one) for one in recordings]
    detector = fit.detector(course.decoder)
    scores = {one.id: detector.scores(one) for one in held}
    found = tune_decoder(scores, held, fp_per_hour=course.fp_per_hour, decoder=course.decoder, grid=course.grid)
    return _stricter(found, scores, held, spare_recall=course.spare_recall) if course.spare_recall else found


def _stricter(
    found: TunedDecoder, scores: Mapping[str, Scores], held: Sequence[Recording], *, spare_recall: float
) -> TunedDecoder:
    """Return a decoder with the highest threshold that costs no more of the recall than may be spent."""
    curve = evaluate(stack({}), held, scores=scores, decoder=found.decoder).curve()
    enough = curve[curve["recall"] >= found.point.recall - spare_recall - _EQUAL]
    decoder = replace(found.decoder, high=float(enough["threshold"].max()))
    events = stack({name: decoder.run(one) for name, one in scores.items()})
    return replace(found, decoder=decoder, point=evaluate(events, held, scores=scores, decoder=decoder).point)


def _each(given: Given) -> Iterable[Recording]:
    """Return the recordings; those that came as an iterator could not be looked at twice."""
    if isinstance(given, Iterator):
        raise TypeError("recordings are an iterator, which ends after one round; give a list, or what makes them anew")
    return given() if callable(given) else given


def joined(parts: Sequence[Windows]) -> Windows:
    """Return windows that were conditioned alike as one, each once, in the order of time."""
    held = [one for one in parts if len(one)]
    if not held:
        raise ValueError(f"{len(parts)} parts hold no windows, expected some; give recordings longer than a window")
    if len({one.conditioning.to_json() for one in held}) != 1:
        raise ValueError(f"{len(held)} parts are conditioned in several ways, expected one; cut them by one Spotting")
    rows = {name: np.concatenate([getattr(one, name) for one in held]) for name in _ROWS}
    whole = replace(held[0], **rows)
    keys = pd.DataFrame({"recording": whole.recordings, "start_s": whole.start_s})
    return whole.subset(keys.drop_duplicates().sort_values(["recording", "start_s"]).index.to_numpy())


def drawn(cut: Windows, most: int, rng: np.random.Generator) -> Windows:
    """Return so many windows, drawn."""
    return cut.subset(np.sort(rng.permutation(len(cut))[:most]))


def hardest(silent: Windows, most: int, fit: Fit) -> Windows:
    """Return so much of the background, of which a fit is surest that it is something else."""
    others = [place for place, name in enumerate(fit.classes) if name != BACKGROUND]
    sure = fit.detector().probabilities(silent.values)[:, others].sum(axis=1)
    order = np.argsort(-sure, kind="stable")[:most]
    return silent.subset(np.sort(order[sure[order] > _WRONG]))


def varied(chosen: Windows, course: Course, *, seed: int) -> Windows:
    """Return windows, and with them those that :func:`shaken` and :func:`moved` make of them."""
    return joined([chosen, shaken(chosen, course.shaken, seed=seed), moved(chosen, course.moved, seed=seed)])


def shaken(chosen: Windows, share: float, *, seed: int) -> Windows:
    """Return background, stronger and on top of each other.

    Real hands move more strongly and in more ways than simulated ones. Of each such window two of background are turned
    about any axis, made up to six times as large, and added; what is left when slow motion is filtered out may be.
    """
    rng = np.random.default_rng([seed, 3])
    silent = np.flatnonzero(chosen.labels == BACKGROUND)
    places = np.sort(rng.choice(silent, round(share * len(silent)), replace=False))
    made = np.zeros((len(places), *chosen.values.shape[1:]), dtype=np.float32)
    for one in (places, rng.choice(silent, len(places))):
        made += _turned(chosen.subset(one), np.exp(rng.uniform(0.0, np.log(_STRONGEST), len(one))), rng)
    return _later(chosen.subset(places), made, share=0.25)


def moved(chosen: Windows, share: float, *, seed: int) -> Windows:
    """Return gestures with motion under them.

    No hand is as still as a simulated one that waits. A window of background is turned about any axis and added, so
    strong that in no stream it is larger than the gesture's own window, and no more than six times what it was.
    """
    rng = np.random.default_rng([seed, 4])
    gestures, silent = (np.flatnonzero((chosen.labels == BACKGROUND) == is_silent) for is_silent in (False, True))
    over = chosen.subset(np.sort(rng.choice(gestures, round(share * len(gestures)), replace=False)))
    under = chosen.subset(rng.choice(silent, len(over)))
    sizes = (_sizes(over) / np.maximum(_sizes(under), _LEAST)).min(axis=1)
    drawn_sizes = np.exp(rng.uniform(np.log(_UNDER[0]), np.log(_UNDER[1]), len(over)))
    sizes = np.minimum(sizes * drawn_sizes, _STRONGEST)
    return _later(over, over.values + _turned(under, sizes, rng), share=0.5)


def _later(made_of: Windows, values: npt.NDArray[np.float32], *, share: float) -> Windows:
    """Return made windows, a share of a hop later than those they are made of: each has a time of its own."""
    late_s = share * made_of.hop_s
    return replace(made_of, values=values, start_s=made_of.start_s + late_s, stop_s=made_of.stop_s + late_s)


def _streams(chosen: Windows) -> list[npt.NDArray[np.float32]]:
    """Return the values (n, c, samples) of each stream, as views."""
    edges = np.cumsum([len(source.channels) for source in chosen.conditioning.sources])
    return np.split(chosen.values, edges[:-1], axis=1)


def _sizes(chosen: Windows) -> FloatArray:
    """Return the root mean square (n, streams) of windows."""
    return np.stack([np.sqrt(np.square(one, dtype=np.float64).mean(axis=(1, 2))) for one in _streams(chosen)], axis=1)


def _turned(chosen: Windows, sizes: FloatArray, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Return windows made larger by a factor each, their streams of three axes turned by one turn each."""
    from scipy.spatial.transform import Rotation

    if not len(chosen):
        return chosen.values
    turns = Rotation.from_quat(rng.standard_normal((len(chosen), 4))).as_matrix()
    scaled = (sizes[:, None, None] * one for one in _streams(chosen))
    turned = [turns @ one if one.shape[1] == 3 else one for one in scaled]
    return np.concatenate(turned, axis=1, dtype=np.float32)
