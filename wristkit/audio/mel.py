"""The log-mel front end: fixed convolutions, a square, one matrix and a logarithm, over a recording and over packets.

Every output is a sum over its own support in one fixed order, so that packets of any size give the same bits: no matrix
product is used here, whose order of summation depends on how many frames it is given.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from wristkit.audio.sound import FRAME_RATE_HZ, Frames, SoundState, samples_of
from wristkit.filters import is_number, only_keys
from wristkit.recording import FloatArray

RATE_HZ = 16_000
WINDOW = 400  # samples: 25 ms; bins of the DFT lie 40 Hz apart
HOP = RATE_HZ // FRAME_RATE_HZ
CENTRE = WINDOW // 2  # the window is symmetric about this sample; its first sample has no weight
BIN_HZ = RATE_HZ / WINDOW

# A mean square of 1 is this power, the loudest sound that is let in stays below float16's largest number (65,504), and
# the floor is a normal number of float16 (from 6.1e-5): 82 dB below full scale in a band, under what a microphone of a
# watch hears in a silent room.
FULL_SCALE_POWER = 2.0**14
FLOOR = 1e-4

_HALF_TAPS = 37  # of the 16 kHz grid: 60 dB between 7.6 kHz and what folds onto it
_STOP_DB = 60.0
_FRAMES_AT_ONCE = 256  # what a processor's cache holds; changes nothing else
_FASTEST_HZ = 192_000
_MOST_BANDS = WINDOW // 2  # as many as there are bins


class MelCoefficients(NamedTuple):
    """What the front end is made of, ready for export.

    ``window`` (400,) is scaled to ``FULL_SCALE_POWER``; ``cosine`` and ``sine`` (bins, 400) are the window times the
    DFT's rows, to be used as convolutions with a stride of ``HOP``; ``matrix`` (bins, bands) sums their squares.
    ``first_bin`` is the DFT's number of the first row.
    """

    window: FloatArray
    cosine: FloatArray
    sine: FloatArray
    matrix: FloatArray
    first_bin: int


class Polyphase(NamedTuple):
    """A fixed low-pass from ``down / up`` times 16 kHz to 16 kHz; ``half`` outputs long on either side."""

    up: int
    down: int
    half: int
    taps: FloatArray

    def newest(self, output: int) -> int:
        """Return the newest source sample that an output needs."""
        return (output + self.half) * self.down // self.up

    def outputs(self, first: int, stop: int, samples: FloatArray, held_from: int) -> FloatArray:
        """Return outputs ``first`` to ``stop`` from the source samples from number ``held_from`` on."""
        if self.up == self.down:
            return samples[first - held_from : stop - held_from]
        from scipy.signal import upfirdn

        period = self.oldest_period(first)
        source = samples[period * self.down - held_from : self.newest(stop - 1) + 1 - held_from]
        place = self.half - period * self.up
        return np.asarray(upfirdn(self.taps, source, self.up, self.down))[first + place : stop + place]

    def oldest_period(self, output: int) -> int:
        """Return the last whole number of ``down`` source samples that begins before all that an output needs."""
        return max(0, (output - self.half - 1) // self.up)


@dataclass(frozen=True)
class MelParams:
    """Step: log power of 40 mel bands, 100 frames a second, from sound of 16 kHz or more.

    A frame is a Hann window of 25 ms. Its time is the window's centre; the newest sample it needs is ``delay_s`` later.
    Bands are triangles with a peak of 1, evenly spaced on the mel scale ``2595 log10(1 + f / 700)``. Faster sound
    passes a fixed low-pass first: flat to 7.6 kHz within 0.02 dB, 60 dB down from 8.4 kHz. Slower sound is refused,
    since its empty bands would tell devices apart.

    Parameters
    ----------
    low_hz, high_hz
        Feet of the lowest and the highest triangle; from 40 Hz, below which the window lets a constant through.
    bands
        Number of bands.
    """

    low_hz: float = 60.0
    high_hz: float = 7600.0
    bands: int = 40

    def __post_init__(self) -> None:
        if wrong := [value for value in (self.low_hz, self.high_hz) if not is_number(value)]:
            raise ValueError(f"an edge of the bands is {wrong[0]!r}, expected a number of Hz")
        object.__setattr__(self, "low_hz", float(self.low_hz))
        object.__setattr__(self, "high_hz", float(self.high_hz))
        if not BIN_HZ <= self.low_hz < self.high_hz <= 7600:
            raise ValueError(
                f"bands span {self.low_hz} Hz to {self.high_hz} Hz, expected 40 <= low_hz < high_hz <= 7600"
            )
        if isinstance(self.bands, bool) or not isinstance(self.bands, int) or not 1 <= self.bands <= _MOST_BANDS:
            raise ValueError(
                f"bands is {self.bands!r}, expected a whole number from 1 to {_MOST_BANDS}; give fewer bands"
            )
        if (empty := np.flatnonzero(~_triangles(self).any(axis=0))).size:
            raise ValueError(
                f"{empty.size} of {self.bands} bands hold no bin of {BIN_HZ:g} Hz, the first are {empty[:5].tolist()}, "
                "expected one in each; give fewer bands or a wider span"
            )

    @property
    def centres_hz(self) -> FloatArray:
        """Centres of the bands in Hz, (bands,)."""
        return _edges_hz(self)[1:-1]

    def coefficients(self) -> MelCoefficients:
        """Return the front end's fixed weights at 16 kHz."""
        return _coefficients(self)

    def delay_s(self, rate_hz: float) -> float:
        """Return the seconds from a frame's time to the newest sample that it needs, to within one source sample."""
        return (WINDOW - 1 - CENTRE + polyphase(rate_hz).half) / RATE_HZ

    @property
    def longest_delay_s(self) -> float:
        """:meth:`delay_s` of sound that is faster than 16 kHz, and so passes a low-pass first."""
        return (WINDOW - 1 - CENTRE + _HALF_TAPS) / RATE_HZ

    def start(self, rate_hz: float) -> SoundState:
        """Return the state before the first packet of sound at a rate."""
        ratio = polyphase(rate_hz)
        return SoundState(lambda: MelStretch(self, ratio, rate_hz), rate_hz=rate_hz, channels=self.bands)

    def run(self, values: npt.ArrayLike, *, rate_hz: float, start_s: float = 0.0) -> Frames:
        """Return the frames of (n,) samples of one stretch that begins at ``start_s``."""
        return self.start(rate_hz).push(*samples_of(values, rate_hz=rate_hz, start_s=start_s))

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-able description."""
        return {"step": "log_mel", **asdict(self)}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Self:
        """Return the step that :meth:`to_dict` described."""
        only_keys(fields, ("step", "low_hz", "high_hz", "bands"), "the step 'log_mel'")
        return cls(low_hz=fields["low_hz"], high_hz=fields["high_hz"], bands=fields["bands"])


class MelStretch:
    """The samples that frames to come need, and the number of the next frame."""

    def __init__(self, params: MelParams, ratio: Polyphase, rate_hz: float) -> None:
        self._ratio, self._rate_hz = ratio, rate_hz
        self._window = params.coefficients().window
        self._bins, self._weights = _sparse(params)
        self._time_s, self._samples = np.empty(0), np.empty(0)
        self._held_from, self._frame = 0, 0
        # The first output whose whole support is there: nothing is made up before the first sample.
        self._origin = 0 if ratio.up == ratio.down else ratio.half + 1

    def push(self, time_s: FloatArray, samples: FloatArray) -> Frames:
        """Return the frames that the next (n,) samples complete."""
        self._time_s = np.concatenate([self._time_s, time_s])
        self._samples = np.concatenate([self._samples, samples])
        stop = self._complete_before()
        starts = range(self._frame, stop, _FRAMES_AT_ONCE)
        parts = [self._frames(first, min(first + _FRAMES_AT_ONCE, stop)) for first in starts]
        self._frame = max(self._frame, stop)
        self._trim()
        return Frames.join([Frames.empty(self._bins.shape[0]), *parts])

    def _complete_before(self) -> int:
        """Return the first frame whose window is not over yet."""
        newest = (self._held_from + len(self._samples)) * self._ratio.up - 1
        outputs = newest // self._ratio.down - self._ratio.half + 1 - self._origin
        return (outputs - WINDOW) // HOP + 1

    def _frames(self, first: int, stop: int) -> Frames:
        begin, end = self._origin + HOP * first, self._origin + HOP * (stop - 1) + WINDOW
        sound = self._ratio.outputs(begin, end, self._samples, self._held_from)
        windows = np.lib.stride_tricks.sliding_window_view(sound, WINDOW)[::HOP] * self._window
        spectra = np.fft.rfft(windows)
        power = spectra.real**2 + spectra.imag**2
        bands = np.add.accumulate(power[:, self._bins] * self._weights, axis=2)[:, :, -1]
        return self._stamped(np.arange(first, stop), np.log(bands + FLOOR))

    def _stamped(self, frames: npt.NDArray[np.int64], values: FloatArray) -> Frames:
        begin, ratio = self._origin + HOP * frames, self._ratio
        newest = (begin + WINDOW - 1 + ratio.half) * ratio.down // ratio.up
        needed_s = self._time_s[newest - self._held_from]
        late = newest * ratio.up - (begin + CENTRE) * ratio.down  # whole numbers: no drift
        return Frames(needed_s - late / (ratio.up * self._rate_hz), values, needed_s)

    def _trim(self) -> None:
        needed = self._ratio.oldest_period(self._origin + HOP * self._frame) * self._ratio.down
        drop = min(needed - self._held_from, len(self._samples))
        # Copies: a view would keep the whole block in memory.
        self._time_s, self._samples = self._time_s[drop:].copy(), self._samples[drop:].copy()
        self._held_from += drop


@lru_cache(maxsize=16)
def polyphase(rate_hz: float) -> Polyphase:
    """Return the low-pass from a rate to 16 kHz.

    Raises
    ------
    ValueError
        Where the rate is below 16 kHz, above 192 kHz or no whole number.
    """
    if not RATE_HZ <= rate_hz <= _FASTEST_HZ or rate_hz != int(rate_hz):
        raise ValueError(
            f"rate_hz of sound is {rate_hz}, expected a whole number from {RATE_HZ} to {_FASTEST_HZ}; record "
            "faster: bands that the microphone never heard are not made up"
        )
    common = int(np.gcd(int(rate_hz), RATE_HZ))
    up, down = RATE_HZ // common, int(rate_hz) // common
    if up == down:
        return Polyphase(1, 1, 0, np.ones(1))
    from scipy.signal import firwin, kaiser_beta

    window = ("kaiser", float(kaiser_beta(_STOP_DB)))
    taps = firwin(2 * _HALF_TAPS * down + 1, RATE_HZ / 2, window=window, fs=RATE_HZ * down)
    return Polyphase(up, down, _HALF_TAPS, np.asarray(taps) * up)


def _edges_hz(params: MelParams) -> FloatArray:
    """Return the feet and peaks of the triangles, (bands + 2,)."""
    low, high = (2595 * np.log10(1 + hertz / 700) for hertz in (params.low_hz, params.high_hz))
    return np.asarray(700 * (10 ** (np.linspace(low, high, params.bands + 2) / 2595) - 1))


def _triangles(params: MelParams) -> FloatArray:
    """Return the weights of all bins in each band, (201, bands)."""
    edges, hertz = _edges_hz(params), BIN_HZ * np.arange(WINDOW // 2 + 1)[:, None]
    rising = (hertz - edges[:-2]) / np.diff(edges)[:-1]
    falling = (edges[2:] - hertz) / np.diff(edges)[1:]
    return np.asarray(np.maximum(0, np.minimum(rising, falling)))


@lru_cache(maxsize=16)
def _coefficients(params: MelParams) -> MelCoefficients:
    matrix, numbers = _triangles(params), np.arange(WINDOW // 2 + 1)
    used = np.flatnonzero(matrix.any(axis=1))
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)
    window *= np.sqrt(2 * FULL_SCALE_POWER / (WINDOW * np.sum(window**2)))
    turns = 2 * np.pi * (numbers[used, None] * np.arange(WINDOW) % WINDOW) / WINDOW
    return MelCoefficients(window, np.cos(turns) * window, np.sin(turns) * window, matrix[used], int(used[0]))


@lru_cache(maxsize=16)
def _sparse(params: MelParams) -> tuple[npt.NDArray[np.int64], FloatArray]:
    """Return the bins and their weights of each band, (bands, most bins); weights of 0 fill up."""
    _, _, _, matrix, first_bin = params.coefficients()
    most = int((matrix > 0).sum(axis=0).max())
    begins = np.minimum(np.argmax(matrix > 0, axis=0), len(matrix) - most)
    rows = begins[:, None] + np.arange(most)
    return rows + first_bin, matrix[rows, np.arange(params.bands)[:, None]]
