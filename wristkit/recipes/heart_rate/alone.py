"""Whose a rhythm is in light alone, where nothing was recorded that could be moving the watch.

A pulse and a push look alike: an arm's swing has a fundamental and harmonics as a pulse has. But who moves still has a
pulse, so that motion shows as a second rhythm beside the first, whichever of them is the stronger. Which of two is the
heart's can be known where one was there alone before: it changes slowly and keeps its size, while motion begins at once
and as large as it likes. And light that goes as fast as it comes is no blood's.
"""

from collections import deque

import numpy as np

from wristkit.recipes.heart_rate.beliefs import LAG_S, Beliefs
from wristkit.recipes.heart_rate.evidence import RATES_BPM, Evidence, evidence_beside
from wristkit.recipes.heart_rate.rhythms import FUNDAMENTALS_BPM, Found, Shape, Window, lines_of
from wristkit.recipes.heart_rate.visible import Visible
from wristkit.recording import FloatArray

# One rhythm alone.
_SETTLED_S, _AGAIN_S = 8, 20  # windows of one rhythm after which it is believed to be the only one; after two, again
_MOST, _FADES = 12.0, 0.08  # log odds of a second rhythm: it is gone some fifty seconds after motion
_FREE = 1.5  # of the log evidence of a second rhythm: what a heart that beats unevenly leaves beside its own
_SHAPES = 10  # windows, of which shapes are means and medians
_LEAST_SKEW = 0.4  # of the slope: an arm that swings has about none
_DOUBLE_SKEW = 0.38  # where the double is stronger than the fundamental, as in a finger and in two steps a swing
_MOST_HALVES = 0.05

# One that is followed into motion has to look like the pulse of a wrist or ring at rest.
_SURE_SKEW, _SURE_SECOND, _SURE_SHARE = 0.5, 0.8, 0.6
_LARGER = 2.2  # times the size of the pulse: then motion lies on it
_MOST_LARGER = 3.0  # times it: no pulse
_LEARNS, _LEARNS_FIRST = 0.06, 0.2  # of its size, each second
_SEEN_LOG, _AGAIN_LOG, _SEEN_FREE = 2.5, 5.0, 0.5  # a pulse goes on, or is there again
_CLEAR_LOG, _LEARNT_FREE = 5.0, 0.9  # clearly enough to learn its size
_RHYTHM_LOG = 4.0  # a rhythm of motion is taken out; a pulse is seen beside it
_STAYS, _SAME_BPM = 2.0, 1.5  # log prior of a rhythm of the window before
_PULSE_MASS = 0.02  # a belief within 3 bpm of a rate, from which a rhythm there is rather the pulse's
_NEAR_BPM, _REACH_BPM, _OWN_BPM = 3, 6, 9
_BOTH_LOG, _PULSE_AWAY_BPM = 8.0, 30  # a new rhythm as near as this is motion where the pulse is seen beside it
_PACED_S, _MOST_CHANGE = 30, 0.17  # a cadence does not change by as much in as long, but for at once
_COASTS_S, _ADRIFT_S, _LOST_S = 5, 3, 60  # without being seen: told, told to be anywhere near, and given up


class Alone:
    """What the last windows of light say beside their strongest rhythm, and beside the pulse once it is known."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all windows, as where motion was recorded."""
        self._beside = Beliefs(most=_MOST, fades=_FADES)
        self._shapes: deque[Shape] = deque(maxlen=_SHAPES)
        self._single, self._enough = 0, _SETTLED_S
        self._sizes: dict[int, float] = {}
        self._found: Found | None = None
        self._forget_motion()

    def _forget_motion(self) -> None:
        self._follows, self._lost, self._unseen = False, False, 0
        self._moving: list[float] = []
        self._paced: deque[float] = deque(maxlen=_PACED_S)

    @property
    def follows(self) -> bool:
        """Whether the pulse is known, so that what else there is may be taken out as motion."""
        return self._follows

    @property
    def adrift(self) -> bool:
        """Whether the pulse that is followed was not seen for some seconds."""
        return self._follows and self._unseen > _ADRIFT_S

    def push(self, light: FloatArray, said: Evidence, beliefs: Beliefs) -> Evidence:
        """Take the next window (LENGTH, c) and what it says of its strongest rhythm; return what it says of the pulse.

        ``beliefs`` are those of the window before.
        """
        self._found = None
        if said.reason:
            return said
        window, strongest = Window(light), float(RATES_BPM[np.argmax(said.log)])
        self._shapes.append(window.shape(strongest, said))
        self._count(evidence_beside(light, strongest))
        if not self._follows and beliefs.present and not self.doubt and self._is_sure:
            self._forget_motion()
            self._follows = True
        if not self._follows:
            self._sizes = self._sizes if self._single else {}
            self._found = Found(said, window.pulse((), most={}).sizes)
            return said
        self._found = self._beside_motion(window, beliefs.rates)
        return self._found.said

    def note(self, rates: FloatArray) -> None:
        """Take the belief (k,) after the window: whether the pulse was seen in it, and how large it was."""
        bpm = float(RATES_BPM[np.argmax(rates)])
        least = _SEEN_LOG if self._unseen <= _COASTS_S else _AGAIN_LOG
        seen = self._found is not None and is_seen(self._found.said, bpm, least, _SEEN_FREE)
        self._unseen = 0 if seen else self._unseen + 1
        if self._follows and (self._unseen > _LOST_S or self._is_exchanged):
            self._forget_motion()
            self._lost = True
        if self._found is not None and (self._follows or self._single):
            self._learn(self._found, bpm)

    @property
    def doubt(self) -> str:
        """Why the rhythm is not told, or ""."""
        if self._follows:
            return "unseen" if self._unseen > _COASTS_S + LAG_S else ""
        if self._beside.present:
            return "two_rhythms"
        if self._single < self._enough:
            return "too_soon"
        return "" if self._is_sure or (self._is_like_blood and not self._lost) else "unlike_blood"

    def _count(self, other: Evidence) -> None:
        likelihood = Visible().likelihood(other._replace(log=other.log - _FREE), witnessed=True)
        self._beside.push(likelihood, may_jump=True)
        if self._beside.present:
            self._single, self._enough = 0, _AGAIN_S
        else:
            self._single += 1

    @property
    def _usual(self) -> Shape:
        """The median of the last shapes, and the size of their mean skewness."""
        skew = abs(float(np.mean([one.skew for one in self._shapes])))
        return Shape(*np.median(self._shapes, axis=0).tolist())._replace(skew=skew)

    @property
    def _is_like_blood(self) -> bool:
        usual = self._usual
        least = _DOUBLE_SKEW if usual.second > usual.first else _LEAST_SKEW
        return usual.skew >= least and usual.halves < _MOST_HALVES

    @property
    def _is_sure(self) -> bool:
        usual = self._usual
        simple = usual.second <= _SURE_SECOND * usual.first and usual.halves < _MOST_HALVES
        return simple and usual.skew >= _SURE_SKEW and usual.share >= _SURE_SHARE

    def _beside_motion(self, window: Window, rates: FloatArray) -> Found:
        """Return what is left of a pulse when up to two rhythms of motion are taken out of a window."""
        most = {place: _MOST_LARGER * size for place, size in self._sizes.items()}
        bpm = float(RATES_BPM[np.argmax(rates)])
        taken = self._below(window, bpm)
        found = window.pulse(taken, most=most)
        for _ in range((1 if self.adrift else 2) - len(taken)):
            log, kept = self._motion(window, [bpm, *taken], rates)
            top = int(np.argmax(log))
            rate_bpm, new = self._of_before(float(FUNDAMENTALS_BPM[top])), not kept[top]
            if log[top] < _RHYTHM_LOG:
                break
            without = window.pulse([*taken, rate_bpm], most=most)
            both = is_seen(without.said, bpm, _BOTH_LOG, 0.0)
            if new and (taken or not both) and abs(rate_bpm - bpm) < _PULSE_AWAY_BPM:
                break  # it is the pulse that has moved
            taken, found = [*taken, rate_bpm], without
        self._moving = taken
        self._pace()
        return found

    def _below(self, window: Window, bpm: float) -> list[float]:
        """Return the rhythm of motion that lies on a pulse, which is too large then; none where it is not."""
        sizes = window.pulse((), most={}).sizes
        near = np.abs(RATES_BPM - bpm) <= _REACH_BPM
        larger = [one[near].max() / self._sizes[place] for place, one in sizes.items() if place in self._sizes]
        if not larger or np.median(larger) <= _LARGER:
            return []
        log = np.where(np.abs(FUNDAMENTALS_BPM - bpm) <= _PULSE_AWAY_BPM / 3, window.motion(()), -np.inf)
        below = float(FUNDAMENTALS_BPM[np.argmax(log)])
        away = np.abs(lines_of(self._moving) - below)
        return [] if len(away) and away.min() > _OWN_BPM else [self._of_before(below)]

    def _pace(self) -> None:
        """Follow the rhythm of motion from window to window."""
        last = self._paced[-1] if self._paced else np.inf
        near = [one for one in self._moving if abs(one - last) <= _NEAR_BPM]
        if self._moving and not near:
            self._paced.clear()
        self._paced.extend(near[:1] or self._moving[:1])

    @property
    def _is_exchanged(self) -> bool:
        """Whether what was taken out as motion changes as no cadence does, but a heart at the begin of an effort."""
        return len(self._paced) > 0 and abs(self._paced[-1] / self._paced[0] - 1) > _MOST_CHANGE

    def _of_before(self, bpm: float) -> float:
        """Return a rhythm that is a multiple of one of the window before as that one, and any other as it is."""
        for before in self._moving:
            times = round(bpm / before)
            if times > 1 and abs(bpm - times * before) <= _NEAR_BPM:
                return before
        return bpm

    def _motion(self, window: Window, known_bpm: list[float], rates: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the log (k,) for motion at each fundamental, and which of them were there a window before."""
        away = FUNDAMENTALS_BPM[:, None] - np.array([np.inf, *self._moving])
        log = window.motion(known_bpm) + _STAYS * np.exp(-0.5 * (away / _SAME_BPM) ** 2).sum(axis=1)
        kept = (np.abs(away) <= 2).any(axis=1)
        mass = np.convolve(rates, np.ones(2 * _NEAR_BPM + 1), mode="same")
        pulses = np.interp(FUNDAMENTALS_BPM, RATES_BPM, mass) > _PULSE_MASS
        pulses |= np.abs(FUNDAMENTALS_BPM - known_bpm[0]) <= _OWN_BPM
        return np.where(pulses & ~kept, -np.inf, log), kept

    def _learn(self, found: Found, bpm: float) -> None:
        if not is_seen(found.said, bpm, _CLEAR_LOG, _LEARNT_FREE):
            return
        near = np.abs(RATES_BPM - bpm) <= _NEAR_BPM
        top = int(np.argmax(np.where(near, found.said.log, -np.inf)))
        learns = _LEARNS if self._follows else _LEARNS_FIRST
        for place, sizes in found.sizes.items():
            if sizes[top] > 0:
                before = self._sizes.get(place, sizes[top])
                self._sizes[place] = float(before ** (1 - learns) * sizes[top] ** learns)


def is_seen(said: Evidence, bpm: float, least_log: float, least_free: float) -> bool:
    """Return whether a pulse shows within some of a rate."""
    near = np.abs(RATES_BPM - bpm) <= _NEAR_BPM
    return bool(said.log[near].max() > least_log and np.interp(bpm, RATES_BPM, said.free) >= least_free)
