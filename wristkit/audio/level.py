"""How loud it is, as a sound level meter says it: A-weighted, with the time constants fast and slow."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from wristkit.audio.sound import FRAME_RATE_HZ, Frames, SoundState, samples_of
from wristkit.filters import Coefficients, FilterState, is_number, only_keys
from wristkit.recording import FloatArray
from wristkit.recording.stream import GAP_FLOOR_S

# Poles of the A curve in Hz (IEC 61672-1, annex E); the first and the last are double.
A_POLES_HZ = (20.598997, 107.65265, 737.86223, 12194.217)
QUIETEST = 1e-12  # mean square: -120 dB, below any microphone
_SLOWEST_S = 3600.0  # a longer mean than any meter's
LEVEL_CHANNELS = ("fast", "slow")


@dataclass(frozen=True)
class LevelParams:
    """A-weighted level in dB, 100 values a second, of a mean square of 1; a full-scale sine of 1 kHz has -3.01 dB.

    The meter is causal: its value at a time is the mean of the sound up to then. It knows of no sound before the first
    sample, and takes none for silence: until a time constant has passed the mean is of what it has heard, which is
    less certain and no lower. A hole of up to 0.1 s stops it and changes nothing; after a longer one it starts anew.
    Without a calibrated microphone these are no dB of sound pressure.

    Parameters
    ----------
    fast_s, slow_s
        Time constants in seconds of the exponential mean of the squared signal.
    """

    fast_s: float = 0.125
    slow_s: float = 1.0

    def __post_init__(self) -> None:
        if wrong := [value for value in (self.fast_s, self.slow_s) if not is_number(value)]:
            raise ValueError(f"a time constant is {wrong[0]!r}, expected a number of seconds")
        object.__setattr__(self, "fast_s", float(self.fast_s))
        object.__setattr__(self, "slow_s", float(self.slow_s))
        if not 0 < self.fast_s < self.slow_s <= _SLOWEST_S:
            raise ValueError(
                f"time constants are {self.fast_s} s and {self.slow_s} s, expected 0 < fast_s < slow_s <= "
                f"{_SLOWEST_S:g}"
            )

    def start(self, rate_hz: float) -> SoundState:
        """Return the state before the first packet of sound at a rate."""
        a_weighting(rate_hz)
        channels = len(LEVEL_CHANNELS)
        return SoundState(
            lambda: LevelStretch(self, rate_hz), rate_hz=rate_hz, channels=channels, bridged_s=GAP_FLOOR_S
        )

    def run(self, values: npt.ArrayLike, *, rate_hz: float, start_s: float = 0.0) -> Frames:
        """Return the levels of (n,) samples of one stretch that begins at ``start_s``."""
        return self.start(rate_hz).push(*samples_of(values, rate_hz=rate_hz, start_s=start_s))

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-able description."""
        return {"step": "level", **asdict(self)}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Self:
        """Return the step that :meth:`to_dict` described."""
        only_keys(fields, ("step", "fast_s", "slow_s"), "the step 'level'")
        return cls(fast_s=fields["fast_s"], slow_s=fields["slow_s"])


class LevelStretch:
    """The A filter, the two means, and how many samples they have seen."""

    def __init__(self, params: LevelParams, rate_hz: float) -> None:
        self._rate_hz, self._count = rate_hz, 0
        self._shares = [-float(np.expm1(-1 / (span_s * rate_hz))) for span_s in (params.fast_s, params.slow_s)]
        self._means = [np.zeros(1), np.zeros(1)]
        self._filter: FilterState | None = None

    def push(self, time_s: FloatArray, samples: FloatArray) -> Frames:
        """Return the levels that the next (n,) samples complete."""
        from scipy.signal import lfilter

        if self._filter is None:
            weighting = a_weighting(self._rate_hz)
            self._filter = FilterState(weighting, weighting.settled[:, :, None] * samples[0])
        squared = self._filter.push(samples[:, None])[:, 0] ** 2
        before, places, levels = self._count, self._places(len(samples)), []
        for number, share in enumerate(self._shares):
            mean, self._means[number] = lfilter([share], [1, share - 1], squared, zi=self._means[number])
            heard = -np.expm1((before + 1 + places) * np.log1p(-share))  # how much of the mean's weight it had by then
            levels.append(10 * np.log10(np.maximum(mean[places] / heard, QUIETEST)))
        return Frames(time_s[places], np.column_stack(levels), time_s[places])

    def _places(self, count: int) -> npt.NDArray[np.int64]:
        """Return which of the next samples are the last of a hundredth of a second; counted, so that none drifts."""
        before, self._count = self._count, self._count + count
        rate_hz = int(self._rate_hz)
        first, stop = (seen * FRAME_RATE_HZ // rate_hz for seen in (before, self._count))
        return -(-np.arange(first + 1, stop + 1) * rate_hz // FRAME_RATE_HZ) - 1 - before


@lru_cache(maxsize=16)
def a_weighting(rate_hz: float) -> Coefficients:
    """Return the A filter at a rate: second-order sections with 0 dB at 1 kHz.

    The poles up to 738 Hz by the bilinear transform. It would bend the pair at 12.2 kHz by 12 dB at 7 kHz where the
    rate is 16 kHz; that section has the analogue magnitude at 0, a quarter and half of the rate instead. Error against
    the curve: at most 0.5 dB from 20 Hz to 8 kHz (to 0.45 of the rate where that is less), 1.5 dB above.
    """
    if not 8_000 <= rate_hz <= 192_000 or rate_hz != int(rate_hz):
        raise ValueError(f"rate_hz of sound is {rate_hz}, expected a whole number from 8000 to 192000")
    from scipy.signal import bilinear_zpk, sosfilt_zi, sosfreqz, zpk2sos

    low = -2 * np.pi * np.array([A_POLES_HZ[0], *A_POLES_HZ[:3]])
    sos = np.vstack([zpk2sos(*bilinear_zpk(np.zeros(4), low, 1.0, rate_hz)), _high_section(rate_hz)])
    _, gain = sosfreqz(sos, worN=[1000.0], fs=rate_hz)
    sos[0, :3] /= abs(gain[0])
    return Coefficients(sos, np.asarray(sosfilt_zi(sos)), 0)


def _high_section(rate_hz: float) -> FloatArray:
    """Return the pair of real poles at 12.2 kHz as one section: a first-order section of matched magnitude, squared.

    Its squared magnitude is ``(b + d cos w) / (1 + a cos w)``, which three frequencies determine.
    """
    quarter, half = (1 / (1 + (part * rate_hz / A_POLES_HZ[3]) ** 2) for part in (0.25, 0.5))
    a = (2 * quarter - 1 - half) / (1 - half)
    above, below = np.sqrt(np.array([[1 + a, half * (1 - a)], [1 + a, 1 - a]])).T
    first, second = (above + below) / 2, (above - below) / 2
    section = np.array([first**2, 2 * first * second, second**2]).T.ravel()
    return np.asarray(section / section[3])
