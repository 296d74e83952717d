"""tsfresh itself, one series at a time, and series on which calculators go astray."""

import warnings
from functools import partial
from unittest.mock import patch

import numpy as np
import pandas as pd
from tsfresh.feature_extraction import feature_calculators
from tsfresh.utilities.string_manipulation import convert_to_output_format


class Stable:
    """numpy whose ``argsort`` keeps equal values in their order: tsfresh's own leaves that to the processor."""

    def __getattr__(self, name):
        return partial(np.argsort, kind="stable") if name == "argsort" else getattr(np, name)


def of_tsfresh(name, params, series):
    """Return what tsfresh computes of one series by column, without the channel; NaN where it raises."""
    function = getattr(feature_calculators, name)
    given = pd.Series(series) if getattr(function, "input", None) == "pd.Series" else np.array(series)
    with warnings.catch_warnings(), np.errstate(all="ignore"), patch.object(feature_calculators, "np", Stable()):
        warnings.simplefilter("ignore")
        if function.fctype == "combiner":
            return {f"{name}__{key}": float(value) for key, value in _all_of(function, given, params)}
        return {
            f"{name}__{convert_to_output_format(one)}" if one else name: _one_of(function, given, one)
            for one in params or [{}]
        }


def _one_of(function, given, param):
    try:
        return float(function(given, **param))
    except Exception:  # noqa: BLE001  whatever it stumbles over, it has no value
        return np.nan


def _all_of(function, given, params):
    try:
        return list(function(given, params))
    except Exception:  # noqa: BLE001
        return [(key, np.nan) for one in params for key, _ in function(np.sin(np.arange(400.0)), [one])]


def table_of_tsfresh(settings, values):
    """Return the columns of (n, samples) series as tsfresh computes them."""
    rows = [
        {key: value for name, params in settings.items() for key, value in of_tsfresh(name, params, series).items()}
        for series in np.asarray(values, dtype=np.float64)
    ]
    return pd.DataFrame(rows)


def noise(samples, seed=0, count=4):
    """(count, samples) of different kinds: white, a walk, a tone with noise, pulses."""
    rng = np.random.default_rng(seed)
    at = np.arange(samples)
    kinds = [
        rng.normal(size=samples),
        np.cumsum(rng.normal(size=samples)),
        np.sin(2 * np.pi * at * rng.uniform(0.01, 0.3)) + 0.1 * rng.normal(size=samples),
        np.where(at % 17 == 3, 5.0, 0.0) + 0.05 * rng.normal(size=samples) - 1,
    ]
    return np.stack([kinds[place % 4] for place in range(count)])


def quantised(samples, seed=0):
    """(4, samples) noise in steps of 0.05, as a converter gives it."""
    return np.round(noise(samples, seed) / 0.05) * 0.05


def wrist(samples, seed=0):
    """(6, samples) accel and gyro of a simulated wrist in float32, as windows hold them."""
    import wristkit as wk

    recording = wk.sample("day_p01")
    first = 1000 + 977 * seed
    rows = slice(first, first + samples)
    return np.concatenate([recording[name].values[rows].T for name in ("accel", "gyro")]).astype(np.float64)


def constant(samples):
    """(4, samples) that never change, at zero, one, a tenth and a huge value."""
    return np.repeat(np.array([[0.0], [1.0], [0.1], [-1e12]]), samples, axis=1)


def huge(samples, seed=0):
    """(4, samples) noise around 1e12 and of that size."""
    made = noise(samples, seed)
    return np.concatenate([made[:2] * 1e12, made[2:] + 1e12])


def tiny(samples, seed=0):
    """(4, samples) noise of a millionth."""
    return noise(samples, seed) * 1e-6


def holed(samples, seed=0):
    """(4, samples) noise with a NaN at the start, in the middle, at the end and everywhere."""
    made = noise(samples, seed)
    made[0, 0] = made[1, samples // 2] = made[2, -1] = np.nan
    made[3] = np.nan
    return made


def step(samples):
    """(3, samples) of two values: a step, a spike, an alternation."""
    at = np.arange(samples)
    return np.stack([(at >= samples // 2) * 1.0, (at == samples // 3) * 1.0, (at % 2) * 2.0 - 1])


KINDS = {
    "noise": noise,
    "quantised": quantised,
    "wrist": wrist,
    "constant": constant,
    "huge": huge,
    "tiny": tiny,
    "holed": holed,
    "step": step,
}
