"""Whether a rhythm in light alone is told as a pulse, where nothing was recorded that could be moving the watch.

A pulse and a push look alike: an arm's swing has a fundamental and harmonics as a pulse has. But who moves still has a
pulse, so that motion shows as a second rhythm beside the first, whichever of them is the stronger. Which of two is the
heart's cannot be known. And light that goes as fast as it comes is no blood's.
"""

from collections import deque

import numpy as np

from wristkit.recipes.heart_rate.beliefs import Beliefs
from wristkit.recipes.heart_rate.evidence import RATES_BPM, Evidence, evidence_beside
from wristkit.recipes.heart_rate.visible import Visible
from wristkit.recording import FloatArray

_SETTLED_S, _AGAIN_S = 8, 20  # windows of one rhythm after which it is believed to be the only one; after two, again
_MOST, _FADES = 12.0, 0.08  # log odds of a second rhythm: it is gone some fifty seconds after motion
_FREE = 1.5  # of the log evidence of a second rhythm: what a heart that beats unevenly leaves beside its own
_SKEW_OF, _LEAST_SKEW = 10, 0.2  # windows, and their mean skewness: an arm that swings has about none


class Alone:
    """What the last windows of light say beside their strongest rhythm."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all windows, as where motion was recorded."""
        self._beside = Beliefs(most=_MOST, fades=_FADES)
        self._skews: deque[float] = deque(maxlen=_SKEW_OF)
        self._single, self._enough = 0, _SETTLED_S

    def push(self, light: FloatArray, said: Evidence) -> None:
        """Take the next window (LENGTH, c), and what it says of its strongest rhythm."""
        if said.reason:
            return
        other = evidence_beside(light, float(RATES_BPM[np.argmax(said.log)]))
        likelihood = Visible().likelihood(other._replace(log=other.log - _FREE), witnessed=True)
        self._beside.push(likelihood, may_jump=True)
        self._skews.append(said.skew)
        if self._beside.present:
            self._single, self._enough = 0, _AGAIN_S
        else:
            self._single += 1

    @property
    def doubt(self) -> str:
        """Why the rhythm is not told, or ""."""
        if self._beside.present:
            return "two_rhythms"
        if self._single < self._enough:
            return "too_soon"
        return "unlike_blood" if abs(float(np.mean(self._skews))) < _LEAST_SKEW else ""
