"""Whether some seconds of acceleration are gait, and how many steps a second: one window in, one verdict out."""

from functools import cache
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from wristkit.recording import STANDARD_GRAVITY, FloatArray

RATE_HZ = 25.0  # of the grid: gait has little above its third harmonic
WINDOW = 130  # samples: 5.2 s, in which the slowest stride comes two and a half times
HOP = 10
SLOWEST_HZ, FASTEST_HZ = 1.0, 3.3  # steps a second: a shuffle and a sprint

_RATES_HZ = np.geomspace(SLOWEST_HZ, FASTEST_HZ, 61)  # 2 % apart, less than strides differ from each other
_BAND_HZ = (0.4, 6.0)
_TRANSFORM = 512
_SLOWEST_BIN = 4  # 0.2 Hz: from here to a third of the step rate is what is slower than gait
_WEIGHT_OF_STEP = 0.25  # of the likeness of steps beside that of strides, which an arm that swings leaves alone
_STRANGE = 0.25  # lost by a rhythm e times as strong, or as weak, as usual at its rate; four times that at e squared
_RARE, _COMMON_HZ = 1.0, 1.8  # lost by a rate e times the common one; half of it where it is asked if it is gait
_TWICE, _MOST_TWICE = 0.1, 3.0  # lost where twice the rate is e times as strong along gravity: that is what steps do
_SAME, _SAME_RATE = 0.1, 0.15  # won by rates within 15 % of the one just before
_UPRIGHT = 0.15  # of the power at the step rate, what a trunk's has along gravity at least
_STRIDE = 0.01  # of the power at the step rate, what the axes have at half of it: two feet are never quite alike
_SLOW_HZ = 1.4  # steps a second, up to which a rhythm may be a multiple of a squat's
_SLOWER = 0.35  # of the power at the step rate along gravity: a walk has less that is slower than strides, a squat more
_RISE = (0.25, 3.0)  # times the usual strength along gravity: a hand on a trolley to a heavy heel
_LEADS = 0.5  # of the power at the step rate, what an arm's swing has at least: a hand that rubs has none at half of it
_SWEEP = (0.7, 10.0)  # times the usual strength in all: an arm that swings to an ankle
STILL_G = 0.012  # standard deviation below which there is no step to be seen: a rise of 2 mm once a second
_LENGTH_G = (0.5, 4.0)  # mean length of acceleration on a body that stands, walks or runs
_MOVES_G = 0.05
_SWINGS = (2.2, 2.8)  # times as strong as the steps: from where on an arm's swing is listened to, and alone
SURE, RESUMED, KEPT = 0.7, 0.55, 0.4  # of the first steps on average, of those after a pause, of each window at least

_Parts = tuple[npt.NDArray[np.complex128], npt.NDArray[np.complex128]]


class Verdict(NamedTuple):
    """What a window tells.

    ``rate_hz`` is the steps a second of its best rhythm, 0 where nothing can be said; ``sure`` says how good that is as
    gait, ``step`` and ``stride`` how alike it is one and two steps later (correlations), ``swing`` how much of it is an
    arm's, ``size_g`` how strong it is in the middle of the window, ``felt_g`` how strong steps and swing are there, no
    matter which of them the rhythm is taken from, and ``why`` what keeps it from saying anything.
    """

    rate_hz: float
    sure: float
    step: float
    stride: float
    swing: float
    size_g: float
    felt_g: float
    why: str


def verdict(window: FloatArray, before_hz: float) -> Verdict:
    """Return what (``WINDOW``, 4) samples tell: the length of acceleration, and its x, y and z, in g.

    ``before_hz`` is the step rate just before, 0 for none: among rhythms that fit nearly as well, that one is kept.
    """
    if why := _unfit(window):
        return Verdict(0.0, -np.inf, 0.0, 0.0, 0.0, 0.0, 0.0, why)
    if float(window.std(axis=0).max()) < STILL_G:
        return Verdict(0.0, -np.inf, 0.0, 0.0, 0.0, 0.0, 0.0, "")
    tables, power = _tables(), _power(window)
    length, vector = power[0], power[1:].sum(axis=0)
    step, strides = _likeness(length, tables.step), [_likeness(one, tables.stride) for one in (length, vector)]
    whole_g = 2 * np.sqrt(vector[tables.nearest] + vector[tables.half]) / tables.taper.sum()
    strange = np.square(np.log((whole_g + 1e-6) / tables.usual_g))
    twice = np.log((length[2 * tables.nearest] + 1e-12) / (length[tables.nearest] + 1e-12))
    lost = _STRANGE * strange + tables.rare + _TWICE * np.clip(twice, 0.0, _MOST_TWICE)
    fits = 0.5 * (strides[0] + strides[1]) + _WEIGHT_OF_STEP * step - lost
    best = int(np.argmax(fits + _same_as(before_hz)))
    rises, stride = _rises(length, vector, best), float(strides[0][best])
    sure = _alike(stride, float(strides[1][best]), rises) - 0.5 * float(tables.rare[best]) if rises else -np.inf
    rate_hz, swing = float(_RATES_HZ[best]), _swing(vector[tables.half[best]], length[tables.nearest[best]])
    landing, arm = (part[0] for part in _parts(window, rate_hz, np.array([WINDOW // 2])))
    size_g, felt_g = float(np.abs(landing + swing * arm)) + 1e-9, float(np.hypot(*np.abs([landing, arm]))) + 1e-9
    return Verdict(rate_hz, sure, float(step[best]), stride, swing, size_g, felt_g, "")


def _rises(length: FloatArray, vector: FloatArray, place: int) -> Literal["", "trunk", "arm"]:
    """Return what moves as in gait at a rate: a trunk that rises once a step, an arm that swings once in two, or none.

    A hand at work goes to and fro, most of it level: it makes acceleration longer and shorter by little. One that chops
    or stirs does go up and down, but each time alike, while a trunk sways from one foot to the other. And little that
    is slower than a stride goes up and down, as much does where a squat's third harmonic would be a step.
    """
    tables = _tables()
    step, whole, swing = length[tables.nearest[place]], vector[tables.nearest[place]], vector[tables.half[place]]
    part = 2 / tables.taper.sum() / tables.usual_g[place]
    slower = length[_SLOWEST_BIN : tables.slower[place]].max() if _RATES_HZ[place] < _SLOW_HZ else 0.0
    feet = swing >= _STRIDE * whole and slower <= _SLOWER * step
    if feet and step >= _UPRIGHT * whole and _RISE[0] <= part * np.sqrt(step) <= _RISE[1]:
        return "trunk"
    leads = swing >= max(np.square(_SWINGS[0]) * step, _LEADS * whole)
    arm = leads and _SWEEP[0] <= part * np.sqrt(whole + swing) <= _SWEEP[1]
    return "arm" if arm else ""


def _alike(length: float, vector: float, rises: str) -> float:
    """Return how sure a rhythm is, by the likeness of strides in the length of acceleration and in its axes.

    An axis feels how a hand wanders, a length feels little of a swing. Above 1 there is no likeness, but one slow turn
    in the middle of the window.
    """
    share = 0.75 if rises == "trunk" else 0.5
    return share * (1 - abs(1 - length)) + (1 - share) * (1 - abs(1 - vector))


def _swing(swing_power: float, step_power: float) -> float:
    """Return the weight of an arm's swing in the rhythm: 0 where it is little stronger than the steps."""
    times = float(np.sqrt(swing_power / (step_power + 1e-12)))
    return float(np.interp(times, _SWINGS, (0.0, 2.0)))


def _power(window: FloatArray) -> FloatArray:
    """Return the power spectra (4, frequencies) of a window's length and axes."""
    tables = _tables()
    tapered = (window - window.mean(axis=0)).T * tables.taper
    return np.asarray(np.square(np.abs(np.fft.rfft(tapered, _TRANSFORM, axis=1))))


def _likeness(power: FloatArray, table: FloatArray) -> FloatArray:
    """Return the correlation with itself some time later, at each rate, of a signal with this power spectrum."""
    inside = power[_tables().band]
    return np.asarray((inside @ table) / inside.sum())


def _same_as(before_hz: float) -> FloatArray:
    if not before_hz:
        return np.zeros(len(_RATES_HZ))
    return np.where(np.abs(np.log(_RATES_HZ / before_hz)) < _SAME_RATE, _SAME, 0.0)


def _unfit(window: FloatArray) -> str:
    """Return why acceleration cannot be that of a body, or nothing."""
    mean = float(window[:, 0].mean())
    if not _LENGTH_G[0] <= mean <= _LENGTH_G[1]:
        return f"its mean length is {mean:.3g} g, that of a body that moves {_LENGTH_G[0]:g} to {_LENGTH_G[1]:g}"
    dead = window[:, 1:].min(axis=0) == window[:, 1:].max(axis=0)
    if dead.any() and float(window[:, 1:].std(axis=0).max()) > _MOVES_G:
        return "an axis does not move while others do"
    return ""


def usual_g(rate_hz: FloatArray) -> FloatArray:
    """Return the usual amplitude in g of a trunk's rise and fall at so many steps a second.

    Step length over step rate is about 0.0063 m a step a minute (Sekiya and Nagasaki, 1998), so that speed goes with
    the square of step rate; the trunk rises by 1.1 cm and 2.3 cm for each m/s of it (Orendurff and others, 2004) up to
    the 8 cm of a run; and twice the rate at the same rise is four times the acceleration.
    """
    speed_m_s = 0.0063 * 60 * np.square(rate_hz)
    rise_m = np.minimum(0.0112 + 0.0232 * speed_m_s, 0.08) / 2
    return np.asarray(rise_m * np.square(2 * np.pi * rate_hz) / STANDARD_GRAVITY)


class _Tables(NamedTuple):
    taper: FloatArray
    band: npt.NDArray[np.intp]
    step: FloatArray
    stride: FloatArray
    nearest: npt.NDArray[np.intp]
    half: npt.NDArray[np.intp]
    slower: npt.NDArray[np.intp]
    usual_g: FloatArray
    rare: FloatArray


@cache
def _tables() -> _Tables:
    """Return what turns a power spectrum into likenesses one and two steps later, at each rate."""
    taper: FloatArray = np.hanning(WINDOW + 2)[1:-1].astype(np.float64)
    hz = np.fft.rfftfreq(_TRANSFORM, 1 / RATE_HZ)
    band = np.flatnonzero((hz >= _BAND_HZ[0]) & (hz <= _BAND_HZ[1]))
    lags_s = np.stack([1 / _RATES_HZ, 2 / _RATES_HZ])
    # A taper makes what is far apart weaker; what is left of a constant at a lag is put back.
    own = np.correlate(taper, taper, mode="full")[WINDOW - 1 :]
    left = np.interp(lags_s * RATE_HZ, np.arange(WINDOW), own / own[0])
    step, stride = (np.cos(2 * np.pi * np.outer(hz[band], lag)) / kept for lag, kept in zip(lags_s, left, strict=True))
    nearest, half = (np.round(_RATES_HZ / part / hz[1]).astype(np.intp) for part in (1, 2))
    slower = np.round(nearest / 3).astype(np.intp) + 1
    rare = _RARE * np.square(np.log(_RATES_HZ / _COMMON_HZ))
    return _Tables(taper, band, step, stride, nearest, half, slower, usual_g(_RATES_HZ), rare)


def beat(window: FloatArray, rate_hz: float, places: npt.NDArray[np.int64], swing: float) -> npt.NDArray[np.complex128]:
    """Return the rhythm of steps at some places of a window (n, 4): amplitude in g, and phase 0 where a foot lands.

    It is the sum of two: the part of the length of acceleration at the step rate, which is highest when a foot has
    landed; and the axes' part at half that rate with its phase doubled, which is that of an arm at either end of its
    swing, when a foot lands, too; ``swing`` is its weight, 0 to 2. An arm that swings makes a length of its own,
    highest halfway, so that its weight is 2 where it is strong; what is weak is no swing, but a hand that wanders.

    A Hann window of four steps has its zeros at every other multiple of half the step rate: of a rhythm that is just
    so, each part is free of the other and of all harmonics.
    """
    step, arm = _parts(window, rate_hz, places)
    return np.asarray(step + swing * arm)


def _parts(window: FloatArray, rate_hz: float, places: npt.NDArray[np.int64]) -> _Parts:
    """Return the two that a beat is the sum of, each in g: that of steps, and that of an arm, both (n,)."""
    half = round(2 * RATE_HZ / rate_hz)
    offsets = np.arange(-half, half + 1)
    taper = 0.5 * (1 + np.cos(np.pi * offsets * rate_hz / (2 * RATE_HZ)))
    taper[np.abs(offsets) > 2 * RATE_HZ / rate_hz] = 0.0
    turn = np.exp(-1j * np.pi * rate_hz / RATE_HZ * offsets)
    padded = np.pad(window - window.mean(axis=0), ((half, half), (0, 0)))
    near = padded.T[:, places[:, None] + np.arange(2 * half + 1)] * (taper * turn / (0.5 * taper.sum()))
    doubled = np.square(near[1:].sum(axis=2)).sum(axis=0)
    step = (near[0] * turn).sum(axis=1)
    return step, doubled / np.sqrt(np.abs(doubled) + 1e-12)
