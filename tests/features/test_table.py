"""The table of features: settings, names, windows in any number, threads, the cache, scikit-learn."""

import os
import tempfile
import threading
import time
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks
from tsfresh.feature_extraction import extract_features
from tsfresh.feature_extraction.settings import ComprehensiveFCParameters, EfficientFCParameters, from_columns

import wristkit as wk
from tests.features.oracle import noise
from wristkit.features import FeatureExtractor, extract, features
from wristkit.features.extract import series_features
from wristkit.features.settings import EFFICIENT, MINIMAL, settings_of
from wristkit.features.wrist import wrist_features


@pytest.fixture(scope="module")
def windows():
    people = [wk.sample(f"day_p{number:02}") for number in (1, 2, 3)]
    return wk.windows(people, streams=("accel", "gyro"), rate_hz=50, length_s=2.56, hop_s=1.28)


def minimal(values, **more):
    return series_features(values, channels=["a", "b"], settings="minimal", **more)


def pairs(count=5, samples=64):
    return np.stack([noise(samples, seed, count=2) for seed in range(count)])


# Settings and names


def test_a_table_has_the_columns_and_values_that_tsfresh_gives(windows):
    few = windows.subset(np.arange(4))
    ours = features(few, "efficient")
    long = pd.DataFrame(
        [
            {
                "id": window,
                "time": time,
                **dict(zip(few.channels, few.values[window, :, time].astype(float), strict=True)),
            }
            for window in range(4)
            for time in range(few.samples)
        ]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = extract_features(
            long,
            column_id="id",
            column_sort="time",
            default_fc_parameters=EfficientFCParameters(),
            n_jobs=0,
            disable_progressbar=True,
        )
    assert set(ours.columns) == set(theirs.columns)
    tied = [name for name in ours if "permutation_entropy" in name]
    pd.testing.assert_frame_equal(
        ours.drop(columns=tied),
        theirs[ours.columns].drop(columns=tied).astype(np.float64),
        rtol=1e-6,
        atol=1e-9,
        check_names=False,
    )


def test_the_wrists_own_set_is_what_is_given_without_a_word(windows):
    expected = wrist_features(windows.values, channels=windows.channels, rate_hz=windows.rate_hz)
    pd.testing.assert_frame_equal(wk.features(windows), expected)
    assert len(expected) == len(windows)


def test_settings_by_channel_leave_the_others_out():
    table = series_features(pairs(), channels=["a", "b"], settings={"b": {"mean": None, "quantile": [{"q": 0.5}]}})
    assert list(table.columns) == ["b__mean", "b__quantile__q_0.5"]
    np.testing.assert_allclose(table["b__quantile__q_0.5"], np.median(pairs()[:, 1], axis=1))


def test_the_names_of_a_table_compute_it_again(windows):
    few = windows.subset(np.arange(6))
    whole = features(few, "efficient")
    chosen = [*whole.columns[::7], "cadence", "jerk_peak"]
    again = features(few, chosen)
    assert list(again.columns) == chosen
    pd.testing.assert_frame_equal(again[whole.columns[::7]], whole[whole.columns[::7]])


def test_names_are_read_as_tsfresh_reads_them():
    columns = list(series_features(pairs(1), channels=["a", "b"], settings=EFFICIENT).columns)
    assert settings_of(columns, ["a", "b"]) == from_columns(columns)


def test_names_with_what_is_no_literal_are_read_too(windows):
    settings = {"value_count": [{"value": np.nan}], "range_count": [{"min": -np.inf, "max": np.inf}]}
    few = windows.subset(np.arange(3))
    table = features(few, settings)
    pd.testing.assert_frame_equal(features(few, list(table.columns)), table)


@pytest.mark.parametrize("kind", [tuple, pd.Index, np.array, pd.Series])
def test_names_may_come_in_any_row(windows, tmp_path, kind):
    few, names = windows.subset(np.arange(3)), ["accel_x__mean", "cadence"]
    expected = features(few, names)
    pd.testing.assert_frame_equal(features(few, kind(names)), expected)
    pd.testing.assert_frame_equal(features(few, kind(names), cache=tmp_path), expected)
    assert FeatureExtractor(kind(names)).fit_transform(few).equals(expected)


def test_a_channel_whose_name_begins_another_is_told_from_it():
    assert settings_of(["a__b__mean"], ["a", "a__b"]) == {"a__b": {"mean": None}}


def test_functions_of_ones_own_join_by_name():
    def ends(series):
        return {"first": series[0], "last": series[-1]}

    def scaled(series, times):
        return times * series.max()

    def both(series):
        return series.min(), series.max()

    settings = {ends: None, scaled: [{"times": 2}, {"times": 3}], both: None, "mean": None}
    table = series_features(pairs(), channels=["a", "b"], settings=settings)
    own = ["ends__first", "ends__last", "scaled__times_2", "scaled__times_3", "both__0", "both__1", "mean"]
    assert list(table.columns) == [f"{channel}__{name}" for channel in "ab" for name in own]
    np.testing.assert_allclose(table["b__scaled__times_3"], 3 * pairs()[:, 1].max(axis=1))
    np.testing.assert_allclose(table["a__both__0"], pairs()[:, 0].min(axis=1))


def test_what_is_not_batched_comes_from_tsfresh_and_is_said(monkeypatch):
    from wristkit.features import others

    batched = series_features(
        pairs(), channels=["a", "b"], settings={"c3": [{"lag": 2}], "linear_trend": [{"attr": "slope"}]}
    )
    monkeypatch.setattr(others, "CALCULATORS", {})
    with pytest.warns(UserWarning, match="tsfresh itself computes") as told:
        same = series_features(
            pairs(), channels=["a", "b"], settings={"c3": [{"lag": 2}], "linear_trend": [{"attr": "slope"}]}
        )
    assert [str(one.message) for one in told] == ["tsfresh itself computes c3, linear_trend, one window at a time"]
    pd.testing.assert_frame_equal(same, batched)


def test_settings_of_tsfresh_itself_are_taken_as_they_are():
    for settings, name in ((ComprehensiveFCParameters(), "comprehensive"), (EfficientFCParameters(), "efficient")):
        with pytest.warns(UserWarning, match="linear_trend_timewise wants stamps") as told:
            table = series_features(pairs(2), channels=["a", "b"], settings=settings)
        assert len(told) == 1
        pd.testing.assert_frame_equal(
            table, series_features(pairs(2), channels=["a", "b"], settings=name)[list(table.columns)]
        )


def test_a_function_that_changes_its_series_changes_nothing_else():
    def spoilt(series):
        series *= 0
        return series.sum()

    table = series_features(pairs()[:, :1], channels=["a"], settings={spoilt: None, "abs_energy": None})
    np.testing.assert_allclose(table["a__abs_energy"], np.square(pairs()[:, 0]).sum(axis=1))


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ("eficient", "'eficient'"),
        ({"linear_trend": None, "mean": None}, "linear_trend is given no parameters"),
        ({}, "no calculator"),
        ({"meen": None}, "did you mean 'mean'"),
        ({"linear_trend_timewise": [{"attr": "slope"}]}, "stamps"),
        ({"c": {"mean": None}}, "'c'"),
        ({(lambda series: 1.0): None}, "lambda"),
    ],
)
def test_settings_that_are_none_are_refused(settings, told):
    with pytest.raises(ValueError, match=told):
        series_features(pairs(), channels=["a", "b"], settings=settings)


def test_a_function_with_the_name_of_a_calculator_is_refused():
    def mean(series):
        return 0.0

    with pytest.raises(ValueError, match="'mean'"):
        series_features(pairs(), channels=["a", "b"], settings={"mean": None, mean: None})


def test_a_function_that_gives_other_names_of_another_window_is_refused():
    def odd(series):
        return {"a": 1.0} if series[0] > 0 else {"b": 1.0}

    with pytest.raises(ValueError, match="odd"):
        series_features(np.array([[[1.0, 2]], [[-1.0, 2]]]), channels=["a"], settings={odd: None})


@pytest.mark.parametrize("values", [np.zeros((3, 64)), np.zeros((0, 2, 64)), np.zeros((3, 2, 0)), np.zeros((3, 1, 9))])
def test_values_of_another_shape_are_refused(values):
    with pytest.raises(ValueError, match="shape"):
        minimal(values)


def test_channels_named_twice_are_refused():
    with pytest.raises(ValueError, match="twice"):
        series_features(pairs(), channels=["a", "a"], settings="minimal")


@pytest.mark.parametrize("names", [["mean"], ["c__mean"], ['a__fft_coefficient__attr_"real'], []])
def test_column_names_that_are_none_are_refused(windows, names):
    with pytest.raises(ValueError, match=r"channel|parameter|named"):
        features(windows, names)


# Windows in any number, threads


def test_windows_do_not_know_of_each_other(monkeypatch):
    values = pairs(23)
    whole = series_features(values, channels=["a", "b"], settings="efficient")
    monkeypatch.setattr(extract, "_SAMPLES_AT_ONCE", 4 * 64)
    parts = series_features(values, channels=["a", "b"], settings="efficient")
    pd.testing.assert_frame_equal(parts, whole, rtol=1e-9)


def test_processes_give_the_same(monkeypatch):
    monkeypatch.setattr(extract, "_SAMPLES_AT_ONCE", 4 * 64)
    values = pairs(40)
    here = os.getpid()

    def elsewhere(series):
        time.sleep(0.01)
        return float(os.getpid() != here)

    settings = {"mean": None, "maximum": None, elsewhere: None}
    extract._other_processes(2).submit(os.getpid).result()  # or this one has done it all before the other has started
    one, two = (series_features(values, channels=["a", "b"], settings=settings, workers=n) for n in (1, 2))
    told = [name for name in one if "elsewhere" in name]
    assert one[told].to_numpy().max() == 0
    assert set(two[told].to_numpy()[4:].ravel()) == {0, 1}  # after the first ones, which tell the names: both compute
    pd.testing.assert_frame_equal(two.drop(columns=told), one.drop(columns=told))
    with pytest.raises(ValueError, match="workers is 0"):
        minimal(values, workers=0)


def test_what_fails_in_one_process_ends_all_of_them(monkeypatch, tmp_path):
    monkeypatch.setattr(extract, "_SAMPLES_AT_ONCE", 4 * 64)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    here = os.getpid()

    def fails_elsewhere(series):
        time.sleep(0.01)
        if os.getpid() != here:
            raise ZeroDivisionError("in the other process")
        return 0.0

    def fails_here(series):
        if series[0] == 7:
            raise ZeroDivisionError("in this process")
        return 0.0

    values = pairs(40)
    values[:, :, 0] = 7 * (np.arange(40) == 9)[:, None]
    extract._other_processes(2).submit(os.getpid).result()
    for function in (fails_elsewhere, fails_here):
        with pytest.raises(ZeroDivisionError, match="process"):
            series_features(values, channels=["a", "b"], settings={function: None}, workers=2)
        assert not list(tmp_path.iterdir())


def test_what_is_given_stays_as_it_was():
    values = pairs()
    before = values.copy()
    series_features(values, channels=["a", "b"], settings="efficient")
    np.testing.assert_array_equal(values, before)
    values.flags.writeable = False
    minimal(values.astype(np.float32))


# The cache


def test_what_was_computed_is_found_again(windows, tmp_path, monkeypatch):
    from wristkit.features import cache, table

    monkeypatch.setattr(cache, "_WINDOWS_AT_ONCE", 100)
    expected = features(windows, "minimal")
    first = features(windows, "minimal", cache=tmp_path)
    pd.testing.assert_frame_equal(first, expected)
    kept = sorted(tmp_path.iterdir())
    assert len(kept) == -(-len(windows) // 100)

    def refuse(*_args, **_more):
        raise AssertionError("computed again")

    monkeypatch.setattr(table, "_computed", refuse)
    pd.testing.assert_frame_equal(features(windows, "minimal", cache=tmp_path), expected)
    for settings in ("wrist", MINIMAL | {"kurtosis": None}, ["accel_x__mean"]):
        with pytest.raises(AssertionError, match="again"):
            features(windows, settings, cache=tmp_path)
    other = windows.subset(np.arange(1, len(windows)))
    with pytest.raises(AssertionError, match="again"):
        features(other, "minimal", cache=tmp_path)


def test_a_run_that_was_stopped_goes_on(windows, tmp_path, monkeypatch):
    from wristkit.features import cache, table

    monkeypatch.setattr(cache, "_WINDOWS_AT_ONCE", 100)
    computed, seen = table._computed, []

    def until_the_second(values, *args, **more):
        if len(seen) == 1:
            raise KeyboardInterrupt
        seen.append(len(values))
        return computed(values, *args, **more)

    monkeypatch.setattr(table, "_computed", until_the_second)
    with pytest.raises(KeyboardInterrupt):
        features(windows, "minimal", cache=tmp_path)
    assert len(list(tmp_path.iterdir())) == 1
    sizes = []
    monkeypatch.setattr(
        table, "_computed", lambda values, *a, **k: (sizes.append(len(values)), computed(values, *a, **k))[1]
    )
    pd.testing.assert_frame_equal(features(windows, "minimal", cache=tmp_path), features(windows, "minimal"))
    assert sum(sizes) == 2 * len(windows) - 100


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no more", b"not a zip"])
def test_a_damaged_file_of_the_cache_is_told_and_made_anew(windows, tmp_path, content):
    few = windows.subset(np.arange(10))
    expected = features(few, "minimal", cache=tmp_path)
    (path,) = tmp_path.iterdir()
    path.write_bytes(content)
    with pytest.warns(UserWarning, match="damaged"):
        pd.testing.assert_frame_equal(features(few, "minimal", cache=tmp_path), expected)
    pd.testing.assert_frame_equal(features(few, "minimal", cache=tmp_path), expected)


def test_several_threads_share_a_cache(windows, tmp_path):
    few, tables = windows.subset(np.arange(50)), []
    workers = [
        threading.Thread(target=lambda: tables.append(features(few, "minimal", cache=tmp_path))) for _ in range(6)
    ]
    for one in workers:
        one.start()
    for one in workers:
        one.join()
    assert len(tables) == 6
    for table in tables:
        pd.testing.assert_frame_equal(table, tables[0])
    assert len(list(tmp_path.iterdir())) == 1


def test_a_function_has_no_place_in_a_cache(windows, tmp_path):
    def own(series):
        return series[0]

    with pytest.raises(TypeError, match="own"):
        features(windows, {own: None}, cache=tmp_path)


def test_arrays_in_settings_are_told_apart_whole(windows, tmp_path):
    few = windows.subset(np.arange(3))

    def counted(query):
        return features(few, {"query_similarity_count": [{"query": query, "threshold": 3.0}]}, cache=tmp_path)

    query = np.sin(np.arange(20) / 3)
    counted(query)
    counted(query + 1e-12 * np.arange(20))  # printed, they are the same
    assert len(list(tmp_path.iterdir())) == 2


def test_no_windows_have_an_empty_table(windows, tmp_path):
    none = windows.subset(np.arange(0))
    pd.testing.assert_frame_equal(features(none, cache=tmp_path), features(none))


# scikit-learn


@parametrize_with_checks([FeatureExtractor("minimal"), FeatureExtractor({"mean": None, "c3": [{"lag": 1}]})])
def test_it_is_a_transformer_of_scikit_learn(estimator, check):
    check(estimator)


def test_windows_and_their_array_give_the_same_table(windows):
    of_windows = FeatureExtractor().fit(windows)
    of_array = FeatureExtractor(channels=windows.channels, rate_hz=windows.rate_hz).fit(windows.values)
    table = of_windows.transform(windows)
    pd.testing.assert_frame_equal(table, features(windows))
    pd.testing.assert_frame_equal(table, of_array.transform(windows.values))
    assert list(of_windows.get_feature_names_out()) == list(table.columns)


def test_without_a_rate_the_wrists_own_features_are_refused(windows):
    for settings in ("wrist", ["cadence"]):
        with pytest.raises(ValueError, match="rate_hz is not given"):
            FeatureExtractor(settings, channels=windows.channels).fit(windows.values)
    FeatureExtractor("minimal", channels=windows.channels).fit(windows.values)


def test_windows_of_another_form_are_refused(windows):
    fitted = FeatureExtractor("minimal").fit(windows)
    people = [wk.sample("day_p01")]
    longer = wk.windows(people, streams=("accel", "gyro"), rate_hz=50, length_s=2, hop_s=1)
    with pytest.raises(ValueError, match="condition them alike"):
        fitted.transform(longer)


def test_a_pipeline_is_fitted_inside_the_folds(windows):
    from tsfresh.transformers import FeatureSelector

    commonest = pd.Series(windows.labels).mode()[0]
    target = (windows.labels == commonest).astype(int)
    pipeline = make_pipeline(
        FeatureExtractor(channels=windows.channels, rate_hz=windows.rate_hz),
        FeatureSelector(n_jobs=0, ml_task="classification"),
        RandomForestClassifier(20, random_state=0),
    )
    scores = cross_val_score(pipeline, windows.values, target, groups=windows.subjects, cv=GroupKFold(3))
    assert scores.min() > max(target.mean(), 1 - target.mean())
