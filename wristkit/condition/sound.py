"""Sound on its way to the grid: the log-mel front end in place of a sensor."""

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from wristkit.audio import RATE_HZ, Frames, MelParams, SoundState
from wristkit.audio.sound import LOST_S, USUAL_RATES_HZ, check_gaps, check_loudness, gaps_in_a_row, places_of
from wristkit.condition.frame import Source
from wristkit.recording import FloatArray, numbers, stamps_of

SOUND, MEL = "audio", "mel"
_RATE_FROM_S = 0.010  # of sound; by the count of its samples, so that packets of any size find the same rate
_RATE_WITHIN = 0.01


def mel_source(step: MelParams) -> Source:
    """Return the source whose samples are the front end's frames."""
    return Source(MEL, tuple(str(band) for band in range(step.bands)), "log power", 0.1)


class SoundFront:
    """Running log-mel front end of packets of sound, whose rate it finds from their first stamps."""

    def __init__(self, step: MelParams) -> None:
        self.newest_s = -np.inf
        self._step, self._gaps = step, 0
        self._state: SoundState | None = None
        self._held: tuple[FloatArray, FloatArray] = (np.empty(0), np.empty(0))

    def end_stretch(self) -> None:
        """Forget all sound, as a gap does; its rate stays known."""
        self._held = (np.empty(0), np.empty(0))
        if self._state is not None:
            self._state.end_stretch()

    def check(self, time: npt.ArrayLike, values: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Return a packet as (n,) seconds and (n,) samples, or raise what is wrong with it."""
        time_s = stamps_of(SOUND, time)
        given = numbers(f"packet of {SOUND!r} has values", values)
        with np.errstate(over="ignore"):  # what is too big becomes infinite, and is refused below
            samples = given.astype(np.float32)
        if samples.ndim == 2 and samples.shape[1] == 1:
            samples = samples[:, 0]
        if time_s.ndim != 1 or samples.shape != time_s.shape:
            raise ValueError(
                f"packet of {SOUND!r} has time {time_s.shape} and values {samples.shape}, expected (n,) and (n,) or "
                "(n, 1): one channel of sound; choose one, or mix them, before they are pushed"
            )
        if not (np.isfinite(time_s).all() and np.isfinite(samples).all()):
            raise ValueError(
                f"packet of {SOUND!r} holds NaN or infinite numbers; leave such samples out, the gap rule covers them"
            )
        steps_s = np.diff(time_s, prepend=self.newest_s)
        if (steps_s <= 0).any():
            raise ValueError(
                f"packet of {SOUND!r} has times that do not increase, or that came before {self.newest_s} s; drop "
                "repeated packets, and call reset() before another recording"
            )
        check_gaps(steps_s, self._gaps, rate_hz=RATE_HZ)
        checked = samples.astype(np.float64)
        check_loudness(checked)
        state, held_s, held = self._with_held(time_s, checked)
        if state is not None:
            state.check(held_s, held)
        return time_s, checked

    def push(self, time_s: FloatArray, samples: FloatArray) -> Frames:
        """Return the frames that checked samples complete, rounded to float32 as a stored stream has them."""
        if not len(time_s):
            return Frames.empty(self._step.bands)
        newest_s = float(time_s[-1])
        _, gaps = gaps_in_a_row(np.diff(time_s, prepend=self.newest_s), self._gaps)
        self._state, time_s, samples = self._with_held(time_s, samples)
        self._held = (time_s, samples) if self._state is None else (np.empty(0), np.empty(0))
        frames = Frames.empty(self._step.bands)
        if self._state is not None:
            frames = self._state.push_checked(time_s, samples)
        self.newest_s, self._gaps = newest_s, gaps
        return frames._replace(values=frames.values.astype(np.float32).astype(np.float64))

    def _with_held(self, time_s: FloatArray, samples: FloatArray) -> tuple[SoundState | None, FloatArray, FloatArray]:
        """Return the state, begun where the rate is known by now, and the samples that it is to be given."""
        if self._state is not None or not len(time_s):
            return self._state, time_s, samples
        time_s, samples = (np.concatenate(pair) for pair in zip(self._held, (time_s, samples), strict=True))
        first = 0
        for first, last in pairwise([*np.flatnonzero(np.diff(time_s, prepend=-np.inf) > LOST_S).tolist(), len(time_s)]):
            stamps_s = time_s[first:last]
            count = int(np.searchsorted(stamps_s, stamps_s[0] + _RATE_FROM_S)) + 1
            if count <= len(stamps_s):
                return self._step.start(_rate_hz(stamps_s[:count])), time_s[first:], samples[first:]
            # What a gap ends so soon is too short for any frame.
        return None, time_s[first:], samples[first:]


def _rate_hz(time_s: FloatArray) -> float:
    """Return the usual rate that lies within 1 % of what stamps show, or what they show."""
    steps_s = np.diff(time_s)
    places, _ = places_of(steps_s / np.median(steps_s))
    measured_hz = places.sum() / (time_s[-1] - time_s[0])
    nearest_hz = min(USUAL_RATES_HZ, key=lambda rate_hz: abs(rate_hz - measured_hz))
    return float(nearest_hz if abs(nearest_hz / measured_hz - 1) <= _RATE_WITHIN else round(measured_hz))
