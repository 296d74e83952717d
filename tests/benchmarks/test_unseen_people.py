"""A small net beside a forest for people neither has seen: a real watch on twelve wrists (SP-SW-HAR, CC BY 4.0)."""

import numpy as np
import pytest
from scipy import stats
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import wristkit as wk
from wristkit.datasets import recordings

pytestmark = [pytest.mark.benchmark, pytest.mark.real_data]
FOLDS = 6


def plain_statistics(values):
    """Return twelve statistics of each channel of (n, channels, samples)."""
    values = values.astype(np.float64)
    low, quarter, middle, three, high = np.percentile(values, [0, 25, 50, 75, 100], axis=2)
    moved = np.abs(np.diff(values, axis=2)).mean(axis=2)
    power = np.sqrt(np.square(values).mean(axis=2))
    shape = (stats.skew(values, axis=2), stats.kurtosis(values, axis=2))
    mean, spread = values.mean(axis=2), values.std(axis=2)
    return np.hstack([mean, spread, low, quarter, middle, three, high, high - low, power, moved, *shape])


@pytest.fixture(scope="module")
def cut(real_data):
    """Windows of one second, five activities, as the watch of each person gave them."""
    watches = [one for one in recordings("spsw", real_data / "spsw") if one.source["device"] == "watch"]
    return wk.windows(watches, streams=("accel", "gyro"), rate_hz=50, length_s=1.0, hop_s=0.2)


def forest():
    """The yardstick, fixed: a hundred trees on the plain statistics."""
    return make_pipeline(FunctionTransformer(plain_statistics), RandomForestClassifier(100, random_state=0))


def test_a_net_beside_a_forest_for_unseen_people(cut, benchmark_row):
    net = wk.cross_validate(cut, model="tcn", folds=FOLDS)
    trees = wk.cross_validate(cut, model=forest(), folds=FOLDS)
    boosted = wk.cross_validate(cut, model=HistGradientBoostingClassifier(), features="wrist", folds=FOLDS)
    for name, one in (("tcn", net), ("forest, 12 plain statistics", trees), ("boosting, wrist features", boosted)):
        low, high = one.report.over_people.loc["macro_f1", ["low", "high"]]
        note = f"{low:.3f} to {high:.3f} over people; {one.cpu_s:.0f} s CPU, {FOLDS} folds of {len(cut)} windows"
        benchmark_row(f"macro-F1 of unseen people, {name}", f"{one.macro_f1:.3f}", note)
    row = net.minus(trees).table.loc["macro_f1"]
    note = f"{row['low']:+.3f} to {row['high']:+.3f} over people; p {row['p_value']:.2f}"
    benchmark_row("tcn minus forest, paired", f"{row['difference']:+.3f}", note)
    assert len(net.predictions) == len(trees.predictions) == len(cut)
    assert row["difference"] >= 0


def test_the_number_that_warns_beside_the_honest_one(cut, benchmark_row):
    honest = wk.cross_validate(cut, model=forest(), folds=FOLDS)
    blind = wk.subject_blind_warning(cut, model=forest(), folds=FOLDS)
    inflated = blind.inflated_macro_f1 - honest.macro_f1
    benchmark_row("NO RESULT: forest blind to people", f"{blind.inflated_macro_f1:.3f}", f"{inflated:+.3f} of nothing")
    assert inflated > 0.05
