"""Windows that are harder than those at hand, so that what rounding does to them bounds what it does to others.

Rounding moves a probability the most where two classes are as likely, and by as much as its sums are large. Of either
few recordings hold enough, and of both at once hardly any: what was judged on windows alone came out up to 2.5 times
worse on other people, and up to 4 times where two classes were as likely in a window that was loud.
"""

import numpy as np
import numpy.typing as npt

from wristkit.detector import Detector
from wristkit.export.packaged import Windows32
from wristkit.export.parity import expected
from wristkit.export.preflight import HEADROOM
from wristkit.train.augmentation import Augmentation, augment

_VARIED, _DRAWN, _MIXTURES, _HALVINGS = 1000, 4000, 1500, 8
# Other straps, sensors and wearers; and real life, which is louder than what was recorded.
_OTHERS, _LOUD = Augmentation(gain=1.0), Augmentation(gain=2.0)


def harder(detector: Detector, values: Windows32) -> Windows32:
    """Return windows, such as others would have given, and mixtures of two between which the net cannot decide.

    Half of the mixtures are of windows that give the net its largest sums, up to ``HEADROOM`` as large as those given.
    """
    rng = np.random.default_rng(0)
    varied = _drawn(detector, values, rng, _OTHERS)[:_VARIED]
    loud = _loudest(detector, _drawn(detector, values, rng, _LOUD), HEADROOM * float(np.abs(values).max()))
    return np.concatenate([values, varied, _undecided(detector, varied, rng), _undecided(detector, loud, rng)])


def _drawn(detector: Detector, values: Windows32, rng: np.random.Generator, wanted: Augmentation) -> Windows32:
    return augment(values[rng.integers(len(values), size=_DRAWN)], detector.spec.conditioning, rng, wanted)


def _loudest(detector: Detector, values: Windows32, most: float) -> Windows32:
    fits = np.abs(values).max(axis=(1, 2)) <= most
    held = values[fits] if fits.any() else values  # nothing was felt in any of those given
    sizes = np.abs(expected(detector, held)[0]).max(axis=1)
    return np.asarray(held[np.argsort(sizes)[-_VARIED:]])


def _undecided(detector: Detector, values: Windows32, rng: np.random.Generator) -> Windows32:
    """Return mixtures of windows that are decided differently, none where all are decided alike."""
    decided = detector.probabilities(values).argmax(axis=1)
    one, other = rng.choice(len(values), size=(2, _MIXTURES), p=_all_classes_alike(decided))
    differ = decided[one] != decided[other]
    one, other = one[differ], other[differ]
    low, high = np.zeros((len(one), 1, 1), dtype=np.float32), np.ones((len(one), 1, 1), dtype=np.float32)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        mixed = (1 - middle) * values[one] + middle * values[other]
        still = (detector.probabilities(mixed).argmax(axis=1) == decided[one])[:, None, None]
        low, high = np.where(still, middle, low), np.where(still, high, middle)
    return np.asarray((1 - low) * values[one] + low * values[other], dtype=np.float32)


def _all_classes_alike(decided: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return with which chance each window is drawn, so that each class is drawn as often."""
    _, place, count = np.unique(decided, return_inverse=True, return_counts=True)
    chance = 1.0 / count[place]
    return np.asarray(chance / chance.sum())
