"""What effort does to a heart: its rate over time, and each beat. All of it is simulated."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from wristkit.recording import FloatArray
from wristkit.simulate.light import Number
from wristkit.simulate.people import ESTIMATE

HEART: Mapping[str, Number] = MappingProxyType(
    {
        "on_s": Number(28.0, "estimate within the 20 to 40 s of moderate exercise: time constant of a rise"),
        "off_s": Number(55.0, "estimate: time constant of a fall"),
        "slow_share": Number(0.12, "estimate: of a hard effort, what comes with the slow component"),
        "slow_s": Number(180.0, "estimate: time constant of the slow component"),
        "slow_above": Number(0.6, "estimate: effort above which there is a slow component"),
        "wander_bpm": Number(1.5, "estimate: standard deviation of what nobody explains"),
        "wander_s": Number(25.0, "estimate: how long that lasts"),
        "breath_hz": Number(0.24, "estimate: breaths a second at rest"),
        "breath_hz_effort": Number(0.45, "estimate: what full effort adds to it"),
        "breath_share": Number(
            0.035, "estimate: how much breath changes the rate at rest; none is left at full effort"
        ),
        "mayer_hz": Number(0.095, "estimate near the 0.1 Hz of blood pressure waves"),
        "mayer_share": Number(0.015, ESTIMATE),
        "beat_share": Number(0.004, "estimate: how irregular single beats are"),
    }
)
TRUTH_S = 8.0
"""Seconds that a true rate is the mean of, as in the references of public sets of exercise."""
_FINE_HZ = 100.0
_POSSIBLE_BPM = (35.0, 215.0)


class Heart(NamedTuple):
    """Beats (n,) in seconds, the breath (m,) at ``breath_rate_hz`` from second 0 on, about 1 high, and true rates.

    ``bpm`` (k,) is the mean rate over ``TRUTH_S`` around each whole second.
    """

    beats_s: FloatArray
    breath: FloatArray
    breath_rate_hz: float
    bpm: FloatArray


def heart_response(
    effort: npt.ArrayLike, *, resting_bpm: float, highest_bpm: float, rng: np.random.Generator
) -> FloatArray:
    """Return beats a minute (n,) for effort (n,) at each whole second, a share of what lies between the two rates.

    A rise and a fall follow first-order kinetics of their own; a hard effort has a slow component on top.
    """
    shares = np.asarray(effort, dtype=np.float64)
    if shares.ndim != 1 or not len(shares) or not ((shares >= 0) & (shares <= 1)).all():
        raise ValueError(f"effort has shape {shares.shape}, expected (n,) shares from 0 to 1, one a second")
    if not _POSSIBLE_BPM[0] <= resting_bpm < highest_bpm <= _POSSIBLE_BPM[1]:
        raise ValueError(f"rates are {resting_bpm} and {highest_bpm}, expected increasing ones within {_POSSIBLE_BPM}")
    span = highest_bpm - resting_bpm
    fast, slow, wander = shares[0], 0.0, 0.0
    keeps = np.exp(-1 / _of("wander_s"))
    bpm = np.empty(len(shares))
    for second, share in enumerate(shares.tolist()):
        fast += (share - fast) / _of("on_s" if share > fast else "off_s")
        hard = _of("slow_share") * (share > _of("slow_above"))
        slow += (hard - slow) / _of("slow_s")
        wander = keeps * wander + rng.normal(0.0, _of("wander_bpm") * np.sqrt(1 - keeps**2))
        bpm[second] = resting_bpm + span * min(fast + slow, 1.0) + wander
    return np.clip(bpm, *_POSSIBLE_BPM)


def heart_beats(
    bpm: npt.ArrayLike, *, effort: npt.ArrayLike = 0.0, lost_s: Sequence[float] = (), rng: np.random.Generator
) -> Heart:
    """Return each beat of a heart whose rate (n,) is given at each whole second; breath and blood pressure vary it.

    Parameters
    ----------
    effort
        (n,) or one share: breath comes faster and varies the rate less.
    lost_s
        Seconds at which the next beat comes too early and the pause after it makes up for that.
    """
    rate = np.asarray(bpm, dtype=np.float64)
    share = np.broadcast_to(np.asarray(effort, dtype=np.float64), rate.shape)
    time_s = np.arange(0.0, len(rate) - 1 + 0.5 / _FINE_HZ, 1 / _FINE_HZ)
    doing = np.interp(time_s, np.arange(len(rate)), share)
    breath_hz = _of("breath_hz") * rng.uniform(0.8, 1.2) + _of("breath_hz_effort") * doing
    breath = np.sin(2 * np.pi * (np.cumsum(breath_hz) / _FINE_HZ + rng.random()))
    mayer = np.sin(2 * np.pi * (_of("mayer_hz") * time_s + rng.random()))
    varied = 1 + _of("breath_share") * (1 - doing) ** 2 * breath + _of("mayer_share") * (1 - 0.5 * doing) * mayer
    phase = np.cumsum(np.interp(time_s, np.arange(len(rate)), rate) / 60 * varied) / _FINE_HZ + rng.random()
    whole = np.arange(np.ceil(phase[0]), np.floor(phase[-1]) + 1)
    late = _of("beat_share") * rng.standard_normal(len(whole))
    for at_s in lost_s:
        late[int(np.searchsorted(whole, np.interp(at_s, time_s, phase)))] -= 0.3
    half = TRUTH_S / 2
    seconds = np.arange(len(rate), dtype=np.float64)
    first, last = np.maximum(seconds - half, 0.0), np.minimum(seconds + half, time_s[-1])
    turned = np.interp(last, time_s, phase) - np.interp(first, time_s, phase)
    return Heart(np.interp(whole + late, phase, time_s), breath, _FINE_HZ, 60 * turned / (last - first))


def _of(name: str) -> float:
    return HEART[name].value
