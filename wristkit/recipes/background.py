"""A gesture of one's own, told from hours of everyday motion, so that its false alarms an hour are known beforehand."""

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import numpy.typing as npt

from wristkit.detector import Detector
from wristkit.events import BACKGROUND
from wristkit.recipes.spotting import Spotting
from wristkit.recording import FloatArray, Recording
from wristkit.windows import Windows

Embedded = npt.NDArray[np.float32]
_AT_ONCE = 4096  # windows embedded at once: bounds memory
_BETWEEN_S = 60.0  # from one recording to the next
_OF_EACH = 300  # of a recording, before those of all are compared
_TOLD_FROM = 2200  # windows that an example is told from
_AN_EVENT = 0.5  # background that is less likely is an event of another class, and none of a new one
_PENALTY = 3.0  # inverse; of the weights of a direction, per standard deviation of the background
_APART_S = 1.0  # from one example to the next
_ROUNDING = 0.02  # of log odds, what float16 may do to a bias
_NEARLY = 0.95  # of the hours that are needed: windows around labels and ends are left out
_SURER = 4.0  # log odds of the examples above those of the border


@dataclass(frozen=True, eq=False)
class Background:
    """Everyday motion as a net sees it.

    Parameters
    ----------
    embeddings
        (n, width), of windows in the order of time.
    at_s
        (n,) seconds at which they end; recordings follow each other, far apart.
    chosen
        (k,) places of those that a gesture is told from: half of them far from each other, half drawn.
    hours
        How long it was seen.
    refractory_s
        What lies no further apart is one alarm.
    simulated
        Whether any of it was.
    """

    embeddings: Embedded
    at_s: FloatArray
    chosen: npt.NDArray[np.int64]
    hours: float
    refractory_s: float
    simulated: bool

    @classmethod
    def of(cls, detector: Detector, spotting: Spotting, recordings: Iterable[Recording], *, seed: int = 0) -> Self:
        """Return the background of recordings, as the net of a detector sees it."""
        seen, at_s, far = list[Embedded](), list[FloatArray](), list[npt.NDArray[np.int64]]()
        hours, last_s, count, simulated = 0.0, 0.0, 0, False
        for one in recordings:
            cut = spotting.windows(one)
            cut = cut.subset(cut.labels == BACKGROUND)
            made, silent = embedded(detector, cut.values)
            seen.append(made[silent])
            at_s.append(cut.stop_s[silent] + last_s)
            far.append(count + apart(seen[-1], _OF_EACH))
            hours, last_s = hours + len(cut) * cut.hop_s / 3600, last_s + one.stop_s + _BETWEEN_S
            count, simulated = count + len(seen[-1]), simulated or one.is_simulated
        whole, edges = np.concatenate(seen), np.concatenate(far)
        half = min(_TOLD_FROM, count) // 2
        drawn = np.random.default_rng(seed).choice(count, half, replace=False)
        chosen = np.concatenate([edges[apart(whole[edges], half)], np.sort(drawn)])
        return cls(whole, np.concatenate(at_s), chosen, hours, detector.spec.decoder.refractory_s, simulated)

    @cached_property
    def scale(self) -> FloatArray:
        """Standard deviation of each channel, (width,); never 0."""
        return np.asarray(np.maximum(self.embeddings.std(axis=0, dtype=np.float64), 1e-6))

    def per_hour(self, along: FloatArray, border: float) -> float:
        """Return the alarms an hour of values (n,) along a direction that reach a border."""
        times_s = self.at_s[along >= border]
        return float(np.count_nonzero(np.diff(times_s, prepend=-np.inf) > self.refractory_s) / self.hours)

    def border(self, along: FloatArray, most_per_hour: float) -> float:
        """Return the least of the values (n,) along a direction that so few alarms an hour reach."""
        tried = np.sort(along)[::-1]
        low, high = 0, len(tried) - 1
        while low < high:
            middle = (low + high + 1) // 2
            within = self.per_hour(along, float(tried[middle])) <= most_per_hour
            low, high = (middle, high) if within else (low, middle - 1)
        return float(tried[low])


@dataclass(frozen=True)
class Learned:
    """What a gesture learned from a few examples may be expected to do.

    Parameters
    ----------
    label
        Of the gesture.
    per_hour
        False alarms an hour in ``hours`` of background.
    simulated
        Whether any of them was.
    examples, found
        How many there were, and how many of them are found by what was learned of the others; all of one or two.
    """

    label: str
    per_hour: float
    hours: float
    simulated: bool
    examples: int
    found: int

    def __str__(self) -> str:
        kind = "simulated hours" if self.simulated else "hours"
        return (
            f"{self.label!r}: {self.per_hour:.2g} false alarms an hour in {self.hours:.3g} {kind}; {self.found} of "
            f"{self.examples} examples are found by what was learned of the others"
        )


def learned(
    detector: Detector, shown: Windows, label: str, background: Background, *, most_per_hour: float
) -> tuple[Detector, Learned]:
    """Return a detector whose added class has the direction and the border at which it alarms no more often than this.

    Raises
    ------
    ValueError
        Where less than half of the examples are found so, with the rate at which they would be, or where the background
        is too short to say.
    """
    if background.hours < (needed := 3 / most_per_hour) * _NEARLY:  # the rule of three: no alarm in so long
        raise ValueError(
            f"{background.hours:.3g} h of background are too few to say {most_per_hour:g} false alarms an hour or "
            f"fewer; give {needed:.3g} h or more"
        )
    is_new = shown.labels == label
    examples = [embedded(detector, one)[0] for one in _one_by_one(shown.subset(is_new))]
    others = np.concatenate([background.embeddings[background.chosen], embedded(detector, shown.values[~is_new])[0]])
    rates = np.array(_rates(examples, others, background))
    found = int((rates <= most_per_hour).sum())
    if 2 * found < len(examples):
        raise ValueError(
            f"at {most_per_hour:g} false alarms an hour {found} of {len(examples)} examples of {label!r} are found, at "
            f"{np.median(rates):.3g} half; allow as many by most_per_hour=, or show a quicker, stronger gesture"
        )
    weight, border = _weight_and_border(examples, others, background, most_per_hour)
    _set(added := copy.deepcopy(detector.model), weight, border, high=detector.spec.decoder.high)
    rate = background.per_hour(background.embeddings @ weight, border)
    told = Learned(label, rate, background.hours, background.simulated, len(examples), found)
    return Detector(detector.spec, added), told


def embedded(detector: Detector, values: npt.NDArray[np.float32]) -> tuple[Embedded, npt.NDArray[np.bool_]]:
    """Return the embeddings (n, width) of windows, and which of them a net takes for background (n,)."""
    import torch

    from wristkit.models import Net

    if not isinstance(net := detector.model, Net):
        raise TypeError(f"the detector holds a {type(net).__name__}, expected a net of wristkit")
    place, parts = detector.spec.classes.index(BACKGROUND), max(1, len(values) // _AT_ONCE)
    with torch.inference_mode():
        made = torch.cat([net.embed(torch.from_numpy(one)) for one in np.array_split(values, parts)])
        silent = torch.softmax(net.classify(made), dim=1)[:, place] > _AN_EVENT
    return made.numpy(), silent.numpy()


def apart(points: Embedded, most: int) -> npt.NDArray[np.int64]:
    """Return the places of at most ``most`` points, each the farthest from all before it (Gonzalez, 1985)."""
    even = points / np.maximum(points.std(axis=0), 1e-9)
    chosen = [int(np.argmax(np.square(even - even.mean(axis=0)).sum(axis=1)))]
    away = np.full(len(even), np.inf, dtype=np.float32)
    while len(chosen) < min(most, len(even)):
        np.minimum(away, np.square(even - even[chosen[-1]]).sum(axis=1), out=away)
        chosen.append(int(np.argmax(away)))
    return np.array(chosen)


def _one_by_one(shown: Windows) -> list[npt.NDArray[np.float32]]:
    """Return the windows of each example."""
    later = np.diff(shown.stop_s) > _APART_S
    other = shown.recordings[1:] != shown.recordings[:-1]
    return np.split(shown.values, np.flatnonzero(later | other) + 1)


def _direction(examples: Embedded, others: Embedded, scale: FloatArray) -> FloatArray:
    """Return the weights (width,) of a logistic regression, examples and others counting alike."""
    from sklearn.linear_model import LogisticRegression

    is_new = np.arange(len(examples) + len(others)) < len(examples)
    counts = np.where(is_new, len(others) / len(examples), 1.0)
    fitted = LogisticRegression(C=_PENALTY, max_iter=1000).fit(
        np.concatenate([examples, others]) / scale, is_new, sample_weight=counts
    )
    return np.asarray(fitted.coef_[0] / scale)


def _rates(examples: list[Embedded], others: Embedded, background: Background) -> list[float]:
    """Return the alarms an hour at which each example would be found, by what the others teach.

    One or two teach too little to leave one out: they are looked for by what they taught themselves.
    """
    rates = []
    for place, one in enumerate(examples):
        rest = examples if len(examples) < 3 else examples[:place] + examples[place + 1 :]
        weight = _direction(np.concatenate(rest), others, background.scale)
        rates.append(background.per_hour(background.embeddings @ weight, float((one @ weight).max())))
    return rates


def _weight_and_border(
    examples: list[Embedded], others: Embedded, background: Background, most_per_hour: float
) -> tuple[FloatArray, float]:
    """Return a direction as float16 holds it, so long that examples lie ``_SURER`` above the border, and the border."""
    weight = _direction(np.concatenate(examples), others, background.scale)
    border = background.border(background.embeddings @ weight, most_per_hour)
    reach = float(np.median([(one @ weight).max() for one in examples])) - border
    weight = (weight * (_SURER / max(reach, 1e-3))).astype(np.float16).astype(np.float64)
    return weight, background.border(background.embeddings @ weight, most_per_hour)


def _set(added: object, weight: FloatArray, border: float, *, high: float) -> None:
    """Give an added class its direction: at the border its share is what the decoder asks for, and grows from there."""
    import torch

    from wristkit.models import Added, round_weights
    from wristkit.models.added import QUIET

    if not isinstance(added, Added):
        raise TypeError(f"the net is a {type(added).__name__}, expected one with a class that was added to it")
    nothing = 1 / (1 + np.exp(-QUIET))
    wanted = nothing + high * (1 - nothing)  # of a window that is background for sure
    asked = np.log(wanted / (1 - wanted)) - _ROUNDING
    with torch.no_grad():
        added.direction.weight.copy_(torch.from_numpy(weight)[None])
        added.direction.bias.fill_(asked - border)
    round_weights(added.direction)
