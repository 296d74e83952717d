"""Windows: figures equal to scikit-learn's, to counting by hand, and to drawing people one after another."""

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics
from sklearn.calibration import calibration_curve

import wristkit as wk
from wristkit.evaluate import PREDICTION_COLUMNS, confusion_counts, macro_f1

CLASSES = ("none", "tap", "wash")


def table_of(seed, *, count=60, people=6, classes=CLASSES, truths=None, sharp=1.5):
    rng = np.random.default_rng(seed)
    truth = rng.choice(truths or classes, size=count)
    logits = rng.normal(size=(count, len(classes))) + sharp * (truth[:, None] == np.array(classes))
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    fold = np.arange(count) % people
    table = pd.DataFrame(
        {
            "recording": [f"r{one}" for one in fold],
            "subject": [f"p{one}" for one in fold],
            "fold": fold,
            "start_s": np.arange(count) * 0.5,
            "stop_s": np.arange(count) * 0.5 + 2.0,
            "truth": truth.astype(object),
            "predicted": np.array(classes, dtype=object)[probabilities.argmax(axis=1)],
        }
    )
    return table.join(pd.DataFrame(probabilities, columns=list(classes)))


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    count=st.integers(1, 60),
    truths=st.sampled_from([None, ("tap",), ("none", "wash")]),
    sharp=st.floats(-1, 4),
)
def test_figures_equal_scikit_learn(seed, count, truths, sharp):
    table = table_of(seed, count=count, truths=truths, sharp=sharp)
    report = wk.window_report(table)
    truth, said = table["truth"], table["predicted"]
    occurring = sorted(set(truth))
    scores = {"labels": occurring, "average": "macro", "zero_division": 0}
    assert report.macro_f1 == pytest.approx(metrics.f1_score(truth, said, **scores))
    assert report.accuracy == pytest.approx(metrics.accuracy_score(truth, said))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert report.balanced_accuracy == pytest.approx(metrics.balanced_accuracy_score(truth, said))
    np.testing.assert_array_equal(report.confusion, metrics.confusion_matrix(truth, said, labels=list(CLASSES)))
    expected = metrics.brier_score_loss(truth, table[list(CLASSES)], labels=list(CLASSES), scale_by_half=False)
    assert report.brier == pytest.approx(expected)
    each = metrics.precision_recall_fscore_support(truth, said, labels=list(CLASSES), zero_division=np.nan)
    told = report.by_class.loc[list(CLASSES)]
    np.testing.assert_allclose(told["precision"], each[0])
    np.testing.assert_allclose(told["recall"], each[1])
    assert told["windows"].tolist() == each[3].tolist()
    present = told["windows"] > 0
    np.testing.assert_allclose(told.loc[present, "f1"], each[2][present])
    assert told.loc[~present, "f1"].isna().all()


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), bins=st.integers(1, 12))
def test_reliability_equals_scikit_learn(seed, bins):
    table = table_of(seed, count=200)
    told = wk.window_report(table).reliability(label="tap", bins=bins)
    fraction, mean = calibration_curve(table["truth"] == "tap", table["tap"], n_bins=bins)
    np.testing.assert_allclose(told["accuracy"], fraction)
    np.testing.assert_allclose(told["confidence"], mean)
    assert told["windows"].sum() == 200
    assert ((told["accuracy_low"] <= told["accuracy"]) & (told["accuracy"] <= told["accuracy_high"])).all()


def test_the_calibration_error_by_hand():
    table = table_of(0, count=4)
    table[list(CLASSES)] = [[0.95, 0.05, 0], [0.91, 0.09, 0], [0.55, 0.45, 0], [0.05, 0.35, 0.6]]
    table["predicted"] = ["none", "none", "none", "wash"]
    table["truth"] = ["none", "tap", "none", "wash"]
    report = wk.window_report(table)
    assert report.calibration_error == pytest.approx((2 * abs(0.93 - 0.5) + abs(0.55 - 1) + abs(0.6 - 1)) / 4)
    assert report.reliability()["windows"].tolist() == [1, 1, 2]


def test_intervals_are_of_each_person_left_out():
    table = table_of(4, count=90, people=6)
    report = wk.window_report(table)
    values = []
    for who in sorted(set(table["subject"])):
        others = table[table["subject"] != who]
        values.append(metrics.f1_score(others["truth"], others["predicted"], average="macro"))
    row = report.over_people.loc["macro_f1"]
    spread = np.sqrt(5 / 6 * sum((one - row["value"]) ** 2 for one in values))
    reach = 2.5706 * spread / (row["value"] * (1 - row["value"]))  # t of 5 degrees of freedom, on log odds
    odds = np.log(row["value"] / (1 - row["value"])) + np.array([-reach, reach])
    np.testing.assert_allclose(row[["low", "high"]].to_numpy(dtype=float), 1 / (1 + np.exp(-odds)), rtol=1e-3)
    assert row["low"] < row["value"] < row["high"]
    tap = report.by_class.loc["tap"]
    assert tap["recall_low"] < tap["recall"] < tap["recall_high"]


def test_the_worst_person_comes_first():
    table = table_of(1, sharp=5)
    table.loc[table["subject"] == "p3", "predicted"] = "none"
    worst = wk.window_report(table).by_subject.iloc[0]
    assert worst.name == "p3"
    assert worst["windows"] == 10
    assert "worst of 6 people: p3" in repr(wk.window_report(table))


def test_few_people_have_no_interval_and_it_is_said():
    report = wk.window_report(table_of(0, people=4))
    assert report.over_people[["low", "high"]].isna().all(axis=None)
    assert "4 people are too few for an interval over them: 5 are needed" in repr(report)


def test_a_class_that_a_fold_never_knew_counts_as_zero_and_is_named():
    table = table_of(2)
    table.loc[table["fold"] == 1, "wash"] = np.nan
    kept = table["fold"] == 1
    total = table.loc[kept, ["none", "tap"]].sum(axis=1)
    table.loc[kept, ["none", "tap"]] = table.loc[kept, ["none", "tap"]].div(total, axis=0)
    table.loc[kept, "predicted"] = table.loc[kept, ["none", "tap"]].idxmax(axis=1)
    report = wk.window_report(table)
    assert "'wash' in fold 1" in report.notes[-1]
    filled = wk.window_report(table.fillna({"wash": 0.0}))
    assert (report.brier, report.macro_f1) == (filled.brier, filled.macro_f1)


def test_a_truth_that_the_net_does_not_know_is_an_error_and_is_named():
    table = table_of(3)
    table.loc[[0, 1], "truth"] = "swim"
    report = wk.window_report(table)
    assert report.by_class.loc["swim", ["windows", "recall", "f1"]].tolist() == [2, 0.0, 0.0]
    assert np.isnan(report.by_class.loc["swim", "precision"])
    expected = metrics.f1_score(table["truth"], table["predicted"], average="macro", zero_division=0)
    assert report.macro_f1 == pytest.approx(expected)


def test_a_class_that_is_never_true_is_no_zero():
    report = wk.window_report(table_of(0, truths=("none", "tap")))
    assert np.isnan(report.by_class.loc["wash", "f1"])
    assert "classes ['wash'] are never true" in report.notes[0]
    assert "table" in report._repr_html_()


def changed(**columns):
    return table_of(0).assign(**columns)


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (table_of(0).drop(columns="fold"), r"lack the columns \['fold'\]"),
        (table_of(0).iloc[:0], "predictions are empty"),
        (changed(subject=""), "'subject' holds empty"),
        (changed(predicted="swim"), r"predicted \['swim'\] have no probability column"),
        (pd.concat([table_of(0), table_of(0).head(3)]), "3 windows come twice"),
        (changed(tap=0.9), "do not add up to 1"),
        (changed(tap=np.inf), "do not add up to 1"),
        (table_of(0).assign(tap=lambda one: one["tap"].where(one.index > 3)), "probabilities are missing"),
        (table_of(0)[list(PREDICTION_COLUMNS)], "no probability column"),
    ],
)
def test_wrong_tables_are_named(table, says):
    with pytest.raises(ValueError, match=says):
        wk.window_report(table)


def test_wrong_bins_and_labels_are_named():
    report = wk.window_report(table_of(0))
    with pytest.raises(ValueError, match="bins is 0"):
        report.reliability(bins=0)
    with pytest.raises(ValueError, match="label is 'swim'"):
        report.reliability(label="swim")


def test_a_class_that_few_people_show_has_no_interval():
    table = table_of(2, count=90, people=7)
    rare = (table["truth"] == "tap") & table["subject"].isin(["p0", "p1", "p2", "p3"])
    table.loc[rare, "truth"] = "none"
    shown = wk.window_report(table).by_class
    assert np.isnan(shown.loc["tap", "recall_low"])
    assert np.isfinite(shown.loc["wash", "recall_low"])
    rare &= table["subject"] != "p3"
    assert np.isnan(shown.loc["tap", "f1_high"])


def test_notes_of_predictions_are_notes_of_the_report():
    table = table_of(0)
    table.attrs["notes"] = ("all 6 recordings are simulated",)
    assert wk.window_report(table).notes[0] == "all 6 recordings are simulated"


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abcd")), min_size=1, max_size=40))
def test_macro_f1_and_confusion_equal_scikit_learn(pairs):
    truth, said = (list(one) for one in zip(*pairs, strict=True))
    names = sorted(set(truth))
    wanted = metrics.f1_score(truth, said, labels=names, average="macro", zero_division=0)
    assert macro_f1(truth, said) == pytest.approx(wanted)
    counts = confusion_counts(truth, said, list("abcd"))
    np.testing.assert_array_equal(counts, metrics.confusion_matrix(truth, said, labels=list("abcd")))
    assert np.isnan(macro_f1([], []))


def test_html_is_narrow():
    html_ = wk.window_report(table_of(0, people=4))._repr_html_()
    assert "recall_low" not in html_
    assert "NaN" not in html_
    row = wk.window_report(table_of(0, count=90, people=6)).by_class.loc["tap"]
    shown = wk.window_report(table_of(0, count=90, people=6))._repr_html_()
    assert f"{row['recall']:.3g} ({row['recall_low']:.3g} to {row['recall_high']:.3g})" in shown


def test_all_right_has_no_interval_and_it_is_said():
    report = wk.window_report(table_of(0).assign(predicted=lambda one: one["truth"]))
    assert report.macro_f1 == 1
    assert report.over_people[["low", "high"]].isna().all(axis=None)
    assert "macro-F1 1.000; no interval over people, as they do not differ" in repr(report)


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (changed(note="x"), r"the columns \['note'\] hold no numbers"),
        (changed(device=3), r"add up to 1 in 60 rows, such as \[0, 1, 2\].*\['device'\] hold values beyond 0 to 1"),
        (changed(fold=np.nan), "60 windows have no fold"),
        (table_of(0).rename(columns={"tap": 1}), r"the columns \[1\] are not named by text"),
        (table_of(0).rename(columns={"tap": "wash"}), r"the columns \['wash'\] come twice"),
        (changed(stop_s=0.0), r"60 windows have no time or do not end after they start, such as rows \[0, 1, 2\]"),
        (changed(stop_s=np.inf), "60 windows have no time"),
        (changed(start_s="a"), "'start_s' holds .* values, expected seconds"),
        (changed(subject=lambda one: one["subject"].where(one.index != 4)), r"in 1 rows, such as \[4\]"),
    ],
)
def test_columns_that_are_none_are_named(table, says):
    with pytest.raises(ValueError, match=says):
        wk.window_report(table)


def test_what_is_no_table_is_refused_and_bins_are_whole():
    with pytest.raises(TypeError, match="predictions is a NoneType, expected a table"):
        wk.window_report(None)
    for bins in (1.5, True, "3"):
        with pytest.raises(ValueError, match="expected a whole number"):
            wk.window_report(table_of(0)).reliability(bins=bins)


def test_one_recording_of_two_people_is_said():
    table = table_of(0)
    assert not any("several subjects" in note for note in wk.window_report(table).notes)
    table.loc[0, "subject"] = "p5"
    assert any("1 recordings are of several subjects, such as 'r0'" in one for one in wk.window_report(table).notes)


def test_names_that_turn_text_around_are_written_out():
    turned = table_of(0).replace({"tap": "\u202etap"}).rename(columns={"tap": "\u202etap"})
    report = wk.window_report(turned.assign(subject=[f"\u2066{one}" for one in turned["subject"]]))
    for shown in (
        report,
        wk.compare_predictions(turned, turned),
        wk.continuous_report([1.0], [1.0], subjects=["\u202e"]),
    ):
        html = shown._repr_html_()
        assert not {"\u202e", "\u2066"} & set(html)
    assert "\\u202etap" in report._repr_html_()
