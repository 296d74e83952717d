"""Continuous values: figures by the plain formula, limits of agreement by simulation and by their own formula."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

import wristkit as wk


def case(seed, *, people=8, each=12, missing=0.2):
    rng = np.random.default_rng(seed)
    subjects = np.repeat([f"p{one}" for one in range(people)], each)
    reference = rng.uniform(50, 180, size=len(subjects))
    own = np.repeat(rng.normal(0, 3, size=people), each)
    measured = reference + 2 + own + rng.normal(0, 4, size=len(subjects))
    measured[rng.random(len(measured)) < missing] = np.nan
    return measured, reference, subjects


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), each=st.integers(1, 8), missing=st.sampled_from([0.0, 0.3]))
def test_figures_equal_scikit_learn(seed, each, missing):
    measured, reference, subjects = case(seed, each=each, missing=missing)
    held = np.isfinite(measured)
    if not held.any():
        return
    report = wk.continuous_report(measured, reference, subjects=subjects)
    assert report.mae == pytest.approx(metrics.mean_absolute_error(reference[held], measured[held]))
    assert report.mape == pytest.approx(metrics.mean_absolute_percentage_error(reference[held], measured[held]))
    assert report.bias == pytest.approx(np.mean(measured[held] - reference[held]))
    rmse = metrics.root_mean_squared_error(reference[held], measured[held])
    assert report.figures.loc["rmse", "value"] == pytest.approx(rmse)
    assert (report.coverage.hits, report.coverage.total) == (held.sum(), len(held))
    told = report.by_subject
    assert told["values"].sum() == len(held)
    for name, row in told.iterrows():
        own = (subjects == name) & held
        np.testing.assert_allclose(row["coverage"], own.sum() / each)
        np.testing.assert_allclose(row["mae"], np.mean(np.abs(measured - reference)[own]) if own.any() else np.nan)
    assert told["mae"].dropna().is_monotonic_decreasing


def test_limits_of_one_value_a_person_are_bland_and_altmans():
    rng = np.random.default_rng(0)
    error = rng.normal(1, 2, size=40)
    report = wk.continuous_report(100 + error, np.full(40, 100.0), subjects=[f"p{one}" for one in range(40)])
    mean, deviation = error.mean(), error.std(ddof=1)
    told = report.agreement
    np.testing.assert_allclose(told["value"], [mean, mean - 1.96 * deviation, mean + 1.96 * deviation])
    half = 2.0227 * deviation * np.sqrt([1 / 40, *[1 / 40 + 1.96**2 / 78] * 2])  # t of 39 degrees of freedom
    np.testing.assert_allclose(told["high"] - told["value"], half, rtol=1e-3)
    np.testing.assert_allclose(told["value"] - told["low"], half, rtol=1e-3)


def test_limits_of_repeated_values_hold_the_spread_between_people():
    rng = np.random.default_rng(1)
    sizes = rng.integers(5, 60, size=300)
    own = rng.normal(0, 5, size=300)
    error = np.concatenate([one + rng.normal(0, 2, size=size) for one, size in zip(own, sizes, strict=True)])
    subjects = np.repeat([f"p{one:03d}" for one in range(300)], sizes)
    told = wk.continuous_report(100 + error, np.full(len(error), 100.0), subjects=subjects).agreement
    deviation = (told.loc["upper_limit", "value"] - told.loc["bias", "value"]) / 1.96
    assert deviation == pytest.approx(np.sqrt(np.cov(own, fweights=sizes) + 2**2), rel=0.02)
    groups = np.split(error, np.cumsum(sizes)[:-1])
    means, within = np.array([one.mean() for one in groups]), sum(((one - one.mean()) ** 2).sum() for one in groups)
    within /= len(error) - 300
    between = (sizes * (means - error.mean()) ** 2).sum() / 299
    usual_size = (len(error) ** 2 - (sizes**2).sum()) / (299 * len(error))
    assert deviation == pytest.approx(np.sqrt(within + (between - within) / usual_size))
    assert (told["low"] < told["value"]).all()
    assert (told["value"] < told["high"]).all()


def test_one_person_with_many_values_does_not_stand_for_all():
    error = np.concatenate([np.full(1000, 0.0), [10.0, -10.0, 8.0, -8.0, 9.0]])
    subjects = ["a"] * 1000 + ["b", "c", "d", "e", "f"]
    told = wk.continuous_report(100 + error, np.full(len(error), 100.0), subjects=subjects)
    width = told.agreement.loc["upper_limit", "value"] - told.agreement.loc["lower_limit", "value"]
    assert width > 10 * 2 * 1.96 * np.std(error)


def test_intervals_cover_what_is_true_of_people():
    inside = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        own = np.repeat(rng.normal(3, 4, size=25), 6)
        error = own + rng.normal(0, 1, size=150)
        row = wk.continuous_report(error, np.zeros(150), subjects=np.repeat(np.arange(25).astype(str), 6)).figures
        inside += row.loc["bias", "low"] <= 3 <= row.loc["bias", "high"]
    assert inside >= 50


def test_bins_of_the_reference_hold_every_value_once():
    measured, reference, subjects = case(3)
    table = wk.continuous_report(measured, reference, subjects=subjects).by_intensity((80, 120))
    assert table.index.tolist() == ["-inf to 80", "80 to 120", "120 to inf"]
    assert table["values"].sum() == len(reference)
    inside = (reference >= 80) & (reference < 120) & np.isfinite(measured)
    assert table.loc["80 to 120", "mae"] == pytest.approx(np.mean(np.abs(measured - reference)[inside]))
    row = table.loc["80 to 120"]
    assert row["mae_low"] < row["mae"] < row["mae_high"]
    alone = wk.continuous_report(measured[inside], reference[inside], subjects=subjects[inside]).figures.loc["bias"]
    np.testing.assert_allclose(row[["bias", "bias_low", "bias_high"]].to_numpy(dtype=float), alone.to_numpy())
    empty = wk.continuous_report(measured, reference).by_intensity((1000,)).loc["1000 to inf"]
    assert empty["values"] == 0
    assert np.isnan(empty["mae_low"])


def test_what_a_reader_must_know_is_said():
    measured, reference, subjects = case(0, people=3)
    few = wk.continuous_report(measured, reference, subjects=subjects)
    assert "3 people are too few" in repr(few)
    assert few.figures[["low", "high"]].isna().all(axis=None)
    assert few.agreement[["low", "high"]].isna().all(axis=None)
    nameless = wk.continuous_report(measured, reference)
    assert "no subjects are given" in nameless.notes[0]
    assert nameless.figures["low"].isna().all()
    assert "were not measured" in nameless.notes[-1]
    zero = wk.continuous_report([1.0, 2.0], [0.0, 1.0])
    assert np.isnan(zero.mape)
    assert "1 references are 0" in repr(zero)
    assert "table" in few._repr_html_()


def test_nothing_measured_is_no_figure():
    report = wk.continuous_report([np.nan, np.nan], [60.0, 70.0], subjects=["a", "b"])
    assert np.isnan(report.mae)
    assert np.isnan(report.agreement["value"]).all()
    assert report.coverage.value == 0
    one = wk.continuous_report([61.0], [60.0], subjects=["a"])
    assert (one.bias, one.agreement.loc["bias", "value"]) == (1.0, 1.0)
    assert np.isnan(one.agreement.loc["upper_limit", "value"])
    assert pd.isna(one.by_subject["deviation"]).all()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (([1.0], [1.0, 2.0]), "measured has shape"),
        (([], []), "n 1 or more"),
        (([1.0], [np.nan]), "1 reference values are no numbers"),
        (([np.inf], [1.0]), "infinite"),
    ],
)
def test_wrong_values_are_named(arguments, says):
    with pytest.raises(ValueError, match=says):
        wk.continuous_report(*arguments)


def test_wrong_subjects_and_edges_are_named():
    with pytest.raises(ValueError, match="subjects has shape"):
        wk.continuous_report([1.0], [1.0], subjects=["a", "b"])
    for edges in ((), (2, 1), (1, 1), (np.nan,)):
        with pytest.raises(ValueError, match="expected one or more increasing"):
            wk.continuous_report([1.0], [1.0]).by_intensity(edges)


def test_values_of_nobody_enter_no_interval():
    measured, reference, subjects = case(4, missing=0.0)
    known = wk.continuous_report(measured, reference, subjects=subjects)
    more = [np.concatenate([one, [60.0, 70.0]]) for one in (measured, reference)]
    report = wk.continuous_report(*more, subjects=[*subjects, "", ""])
    wide = [np.ptp(one.figures.loc["bias", ["low", "high"]].to_numpy(dtype=float)) for one in (known, report)]
    assert wide[0] == pytest.approx(wide[1])
    assert "2 values have no subject and are left out of intervals over people" in report.notes
    four = [name if name < "p4" else "" for name in subjects]
    few = wk.continuous_report(measured, reference, subjects=four)
    assert few.figures["low"].isna().all()
    assert few.agreement["low"].isna().all()
    assert "4 people are too few" in few.notes[0]


@pytest.mark.parametrize("name", [None, np.nan, 3])
def test_who_is_no_text_is_refused_by_row(name):
    with pytest.raises(ValueError, match=r"other than text in 1 rows, such as \[1\]"):
        wk.continuous_report([1.0, 10.0, 1.0], [1.0, 0.0, 1.0], subjects=["a", name, "b"])


def test_what_is_masked_or_missing_was_not_measured():
    masked = np.ma.masked_array([60.0, 999.0], mask=[False, True])
    missing = pd.Series([60, None], dtype="Int64")
    for measured in (masked, missing):
        report = wk.continuous_report(measured, [60.0, 70.0])
        assert (report.mae, report.coverage.hits) == (0.0, 1)
    with pytest.raises(ValueError, match="1 reference values are no numbers"):
        wk.continuous_report([60.0, 70.0], masked)


@pytest.mark.parametrize("value", ["a", "2026-01-01", 1j, np.datetime64("2026-01-01")])
def test_what_is_no_number_is_refused(value):
    with pytest.raises(ValueError, match="measured holds"):
        wk.continuous_report(np.array([value]), [1.0])


def test_series_of_other_rows_are_not_paired_by_position():
    measured, reference = pd.Series([1.0, 2.0]), pd.Series([2.0, 1.0], index=[1, 0])
    with pytest.raises(ValueError, match="different indexes"):
        wk.continuous_report(measured, reference)
    with pytest.raises(ValueError, match="different indexes"):
        wk.continuous_report(measured, measured, subjects=pd.Series(["a", "b"], index=[1, 2]))
    assert wk.continuous_report(measured, reference.to_numpy()).mae == 1
    assert wk.continuous_report(measured, reference.sort_index()).mae == 0


def test_notes_come_first_and_are_several():
    assert wk.continuous_report([1.0], [1.0], notes=["all values are simulated"]).notes[0] == "all values are simulated"
    with pytest.raises(TypeError, match="put it in a list"):
        wk.continuous_report([1.0], [1.0], notes="simulated")
