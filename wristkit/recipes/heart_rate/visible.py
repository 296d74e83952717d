"""From evidence to likelihood: how much a window is to be believed, beside those before it."""

from collections import deque
from typing import NamedTuple

import numpy as np

from wristkit.recipes.heart_rate.evidence import Evidence
from wristkit.recording import FloatArray

_TEMPER = 0.3  # windows a second apart share seven eighths of their samples
_SEEN = (0.6, 0.95)  # how often a pulse shows in a window, in motion and at rest: estimates
_MOST_LOG = 60.0

# Without a witness of motion, light has to look like nothing but a pulse: sinusoids make so much of its slope.
_PURE = (0.35, 0.6)
_SURGE = 4.0  # times the usual power of the light's slope: twice as high as the pulse was
_USUAL_OF, _USUAL_FROM = 60, 8  # seconds


class Likelihood(NamedTuple):
    """Of each rate (k,), against each other and against no pulse; and why nothing is known, or ""."""

    of_rates: FloatArray
    of_pulse: FloatArray
    reason: str


class Visible:
    """Likelihoods of windows, one after the other; it remembers how strong the light usually was."""

    def __init__(self) -> None:
        self._powers: deque[float] = deque(maxlen=_USUAL_OF)

    def likelihood(self, said: Evidence, *, witnessed: bool) -> Likelihood:
        """Return what a window says of each rate, 1 where nothing follows.

        A window is a mixture: with a probability, ``_SEEN``, it shows the pulse, else it is the same for every rate, so
        that no single window can rule the true rate out. A rate that motion hides has no advantage over those that are
        absent, or the track would stay on the cadence; but that it is not seen speaks against no pulse.
        """
        nothing = np.ones(len(said.log))
        if said.reason:
            return Likelihood(nothing, nothing, said.reason)
        trust = 1.0
        if not witnessed:
            if self._surges(said.power):
                return Likelihood(nothing, nothing, "light_surge")
            low, high = _PURE
            trust = float(np.clip((said.share.max() - low) / (high - low), 0.0, 1.0))
        moving, resting = _SEEN
        seen = trust * (moving + (resting - moving) * float(said.free.min()))
        shown = seen * said.free * np.exp(np.minimum(said.log, _MOST_LOG))
        return Likelihood((1 - seen + shown) ** _TEMPER, (1 - seen * said.free + shown) ** _TEMPER, "")

    def remember(self, said: Evidence) -> None:
        """Take the strength of a window in which there was a pulse as usual, unless it surges."""
        if not said.reason and not self._surges(said.power):
            self._powers.append(said.power)

    def _surges(self, power: float) -> bool:
        return len(self._powers) >= _USUAL_FROM and power > _SURGE * float(np.median(self._powers))
