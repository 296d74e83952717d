"""Where the heart rate may be, second by second: a hidden Markov model over rates, read off a few seconds later."""

from collections import deque
from typing import NamedTuple

import numpy as np

from wristkit.recipes.heart_rate.evidence import RATES_BPM
from wristkit.recipes.heart_rate.visible import Likelihood
from wristkit.recording import FloatArray

LAG_S = 3
NEAR_BPM, NEAR_SHARE = 5.0, 0.05  # what counts as the same rate
_USUAL_BPM, _USUAL_SPREAD = 85.0, 0.45  # before anything is known; the spread is of its logarithm
_STEPS_BPM = ((1.2, 0.96), (4.0, 0.04))  # standard deviation of a change in a second, and how often it is so
# Page's test (1954) for a pulse at all: the sum of how much better the track foretells each window than no pulse does,
# from 0 up, as log odds against these prior ones; it is bounded: 15 s of rest without a pulse end the longest track.
_ABSENT, _MOST_PRESENT = 2.0, 16.0
_ADRIFT_BPM = ((2.5, 0.96), (5.0, 0.04))  # the same for a rate that is not seen: effort drives it one way for long
_LOST = 1e-3  # how often the rate was lost and may be anywhere


class Belief(NamedTuple):
    """Rate, and the probability that the true one is within ``NEAR_BPM`` or 5 % of it."""

    bpm: float
    confidence: float


class Beliefs:
    """Forward probabilities of the rate, and the likelihoods of the last seconds, which a smoothed belief needs.

    ``most`` and ``fades`` are of the log odds for a rhythm at all: their bound, and what they lose each second.
    """

    def __init__(self, *, most: float = _MOST_PRESENT, fades: float = 0.0) -> None:
        self._most, self._fades = most, fades
        self._forward: FloatArray | None = None
        self._present = 0.0
        self._since: deque[tuple[FloatArray, FloatArray, FloatArray]] = deque()

    def push(self, likelihood: Likelihood, *, may_jump: bool, adrift: bool = False) -> Belief | None:
        """Take the likelihood of the next second; return the belief of ``LAG_S`` seconds before, once there is one.

        ``may_jump`` is whether the rate may have been lost and be anywhere: without a witness of motion, what jumps is
        more likely motion than a heart. ``adrift`` is whether the rate was not seen for some time.
        """
        moves = MOVES if may_jump else _ADRIFT_MOVES if adrift else STEADY_MOVES
        before = USUAL if self._forward is None else self._forward @ moves
        forward = before * likelihood.of_rates
        self._forward = forward / forward.sum()
        foretold = float(before @ likelihood.of_pulse)
        self._present = float(np.clip(self._present + np.log(foretold) - self._fades, 0.0, self._most))
        self._since.append((self._forward, likelihood.of_rates, moves))
        return self._oldest() if len(self._since) > LAG_S else None

    @property
    def rates(self) -> FloatArray:
        """Probability (k,) of each rate now."""
        return USUAL if self._forward is None else self._forward

    @property
    def present(self) -> bool:
        """Whether there is more likely a pulse than not."""
        return self._present > _ABSENT

    def flush(self) -> list[Belief]:
        """Return the beliefs of the last seconds, and forget everything."""
        rest = []
        while self._since:
            rest.append(self._oldest())
        self._forward, self._present = None, 0.0
        return rest

    def _oldest(self) -> Belief:
        later = np.ones(len(RATES_BPM))
        for _, likelihood, moves in list(self._since)[:0:-1]:
            later = moves @ (later * likelihood)
            later /= later.max()
        forward, _, _ = self._since.popleft()
        smoothed = forward * later
        bpm, near = _read(smoothed / smoothed.sum())
        return Belief(bpm, near / (1 + float(np.exp(_ABSENT - self._present))))


def _read(probability: FloatArray) -> tuple[float, float]:
    """Return the rate with the most probability near it, and how much that is."""
    summed = np.concatenate([[0.0], np.cumsum(probability)])
    mass = summed[_NEAR_STOP] - summed[_NEAR_FIRST]
    top = int(np.argmax(mass))
    near = slice(int(_NEAR_FIRST[top]), int(_NEAR_STOP[top]))
    return float(probability[near] @ RATES_BPM[near] / mass[top]), float(min(mass[top], 1.0))


def _moves(steps: tuple[tuple[float, float], ...]) -> FloatArray:
    """Return (k, k) how probable each rate is a second after each other one."""
    apart = RATES_BPM[None, :] - RATES_BPM[:, None]
    moves = np.zeros(apart.shape)
    for spread, often in steps:
        near = np.exp(-0.5 * (apart / spread) ** 2)
        moves += often * near / near.sum(axis=1, keepdims=True)
    return moves


def _usual() -> FloatArray:
    usual = np.exp(-0.5 * (np.log(RATES_BPM / _USUAL_BPM) / _USUAL_SPREAD) ** 2) + 0.05
    return np.asarray(usual / usual.sum())


_REACH = np.maximum(NEAR_BPM, NEAR_SHARE * RATES_BPM).astype(int)
_NEAR_FIRST = np.maximum(np.arange(len(RATES_BPM)) - _REACH, 0)
_NEAR_STOP = np.minimum(np.arange(len(RATES_BPM)) + _REACH + 1, len(RATES_BPM))
USUAL = _usual()
STEADY_MOVES, _ADRIFT_MOVES = _moves(_STEPS_BPM), _moves(_ADRIFT_BPM)
MOVES = (1 - _LOST) * STEADY_MOVES + _LOST * USUAL
