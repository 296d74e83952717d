"""Every calculator gives what tsfresh gives, on series of every kind and length."""

import numpy as np
import pytest
from tsfresh.feature_extraction import settings as theirs

import wristkit as wk
from tests.features.oracle import KINDS, table_of_tsfresh
from wristkit.datasets import recordings
from wristkit.features.catalogue import CALCULATORS
from wristkit.features.extract import series_features
from wristkit.features.settings import COMPREHENSIVE, NAMED

LENGTHS = (2, 3, 4, 5, 7, 12, 21, 50, 100, 128, 256, 300)


def same(ours, oracle):
    """Return the columns in which two tables differ, with the values."""
    assert set(ours.columns) == {f"a__{name}" for name in oracle.columns}
    wrong = {}
    for name in oracle.columns:
        left, right = ours[f"a__{name}"].to_numpy(), oracle[name].to_numpy(np.float64)
        if not np.allclose(left, right, rtol=1e-6, atol=1e-9, equal_nan=True):
            wrong[name] = list(zip(left.tolist(), right.tolist(), strict=True))
    return wrong


def test_the_named_settings_are_those_of_tsfresh():
    for name, kind in (
        ("comprehensive", theirs.ComprehensiveFCParameters),
        ("efficient", theirs.EfficientFCParameters),
        ("minimal", theirs.MinimalFCParameters),
    ):
        expected = {key: params for key, params in kind().items() if key != "linear_trend_timewise"}
        assert dict(NAMED[name]) == expected


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", sorted(CALCULATORS))
def test_every_calculator_gives_what_tsfresh_gives(name, kind):
    settings = {name: COMPREHENSIVE.get(name)}
    for samples in LENGTHS:
        values = KINDS[kind](samples)
        ours = series_features(values[:, None], channels=["a"], settings=settings)
        assert same(ours, table_of_tsfresh(settings, values)) == {}, samples


def test_steps_that_are_none_in_doubles_are_edges_all_the_same():
    values = np.random.default_rng(0).integers(-50, 50, (4, 10)) * 5e-324
    settings = {"lempel_ziv_complexity": [{"bins": 255}, {"bins": 3}]}
    ours = series_features(values[:, None], channels=["a"], settings=settings)
    assert same(ours, table_of_tsfresh(settings, values)) == {}


def real_windows(folder, samples, count=4):
    """Return windows (channels of all, samples) of real wrists: a watch, a phone's wearer, a logger."""
    rng, found = np.random.default_rng(0), []
    sources = [
        next(iter(recordings("spsw", folder / "spsw"))),
        next(iter(recordings("uwash", folder / "uwash"))),
        wk.load(folder / "devices/skdh/ax3_sample.cwa"),
    ]
    for one in sources:
        for stream in (one[name] for name in ("accel", "gyro") if name in one.streams):
            firsts = rng.integers(0, len(stream) - samples, count)
            found += [stream.values[first : first + samples].T for first in firsts]
    return np.concatenate(found).astype(np.float64)


@pytest.mark.real_data
@pytest.mark.parametrize("samples", [100, 256])
def test_the_whole_set_equals_tsfresh_on_real_windows(real_data, samples):
    values = real_windows(real_data, samples)
    ours = series_features(values[:, None], channels=["a"], settings="comprehensive")
    assert same(ours, table_of_tsfresh(COMPREHENSIVE, values)) == {}
