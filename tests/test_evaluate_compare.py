"""Two detectors beside each other: the same people, all ways of swapping, and nothing that does not match."""

from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

import wristkit as wk
from wristkit.evaluate import evaluate, stack
from wristkit.events import Event, event_table
from wristkit.recording import Recording, Stream, label_table

SPAN_S = 3600.0
STARTS = np.arange(20, 600, 30.0)


def person(number: int) -> Recording:
    time_s = np.arange(0, SPAN_S + 0.5, 0.5)
    return Recording.of(
        [Stream.measured("ppg", time_s, np.random.default_rng(number).normal(size=len(time_s)))],
        labels=label_table([(start, start + 1, "tap", "truth", "me") for start in STARTS]),
        labelled={"truth": [(0.0, SPAN_S)]},
        subject=f"p{number}",
    )


def found_of(seed: int, *, share: float, alarms: int):
    rng = np.random.default_rng(seed)
    hits = [Event(start, start + 1, "tap", 0.9, start + 1) for start in STARTS if rng.random() < share]
    wrong = [Event(start, start + 1, "tap", 0.9, start + 1) for start in rng.uniform(1000, 3500, size=alarms)]
    return event_table([*hits, *wrong])


def report_of(people, *, share: float, alarms: int, seed: int, **given):
    tables = {one.id: found_of(seed + 10 * k, share=share, alarms=alarms + k) for k, one in enumerate(people)}
    return evaluate(stack(tables), people, **given)


def figures_of(rows, which):
    """Return recall, precision, F1 and rate when each person's counts come from the report of this number."""
    hits, misses, alarms, hours = (sum(rows[one][k][c] for k, one in enumerate(which)) for c in range(4))
    return np.array(
        [hits / (hits + misses), hits / (hits + alarms), 2 * hits / (2 * hits + misses + alarms), alarms / hours]
    )


@pytest.mark.parametrize("count", [2, 6])
def test_p_values_are_those_of_all_swaps(count):
    people = [person(number) for number in range(count)]
    reports = [report_of(people, share=0.7, alarms=4, seed=1), report_of(people, share=0.8, alarms=2, seed=2)]
    told = wk.compare_events(*reports)
    columns = ["hits", "misses", "false_alarms", "hours"]
    rows = [report.by_subject.sort_index()[columns].to_numpy() for report in reports]
    seen = figures_of(rows, [1] * count) - figures_of(rows, [0] * count)
    np.testing.assert_allclose(told.table["difference"], seen)
    np.testing.assert_allclose(told.table["one"], [getattr(reports[0], name) for name in told.table.index])
    np.testing.assert_allclose(told.table["other"], [getattr(reports[1], name) for name in told.table.index])
    others = [
        figures_of(rows, 1 - np.array(which)) - figures_of(rows, which) for which in product([0, 1], repeat=count)
    ]
    p_value = np.mean(np.abs(others) >= np.abs(seen) - 1e-9, axis=0)
    np.testing.assert_allclose(told.table["p_value"], p_value)
    alike = {"fp_per_hour"}  # each has two alarms fewer, so that nothing is seen of how people differ
    assert set(told.table.index[told.table["low"].isna()]) == (alike if count >= 5 else set(told.table.index))
    assert f"all {2**count} ways" in told.notes[0]


def test_the_interval_is_of_the_same_people_drawn_for_both():
    people = [person(number) for number in range(8)]
    one, other = (report_of(people, share=share, alarms=3, seed=4) for share in (0.5, 0.9))
    told = wk.compare_events(one, other).table.loc["recall"]
    assert 0 < told["low"] < told["difference"] < told["high"]
    spread = one.recall_over_people[1] - one.recall_over_people[0] + other.recall_over_people[1]
    assert told["high"] - told["low"] < spread
    same = wk.compare_events(one, one).table
    assert (same["difference"] == 0).all()
    assert same[["low", "high"]].isna().all(axis=None)  # and no interval of 0 to 0
    assert (same["p_value"] == 1).all()


def test_many_people_are_swapped_at_random():
    people = [person(number) for number in range(14)]
    one, other = (report_of(people, share=share, alarms=3, seed=4) for share in (0.3, 0.95))
    told = wk.compare_events(one, other)
    assert told.table.loc["recall", "p_value"] == 1 / 2000
    assert "2000 random ways" in repr(told)


def test_reports_that_do_not_match_are_refused():
    people = [person(number) for number in range(3)]
    report = report_of(people, share=0.7, alarms=2, seed=0)
    with pytest.raises(ValueError, match="in one report alone"):
        wk.compare_events(report, report_of(people[:2], share=0.7, alarms=2, seed=0))
    with pytest.raises(ValueError, match="evaluate both alike"):
        wk.compare_events(report, report_of(people, share=0.7, alarms=2, seed=0, tolerance_s=2.0))
    fewer = [one.with_labels(one.labels.iloc[1:]) for one in people]
    with pytest.raises(ValueError, match="other true events"):
        wk.compare_events(report, report_of(fewer, share=0.7, alarms=2, seed=0))
    shorter = [replace(one, labelled={"truth": np.array([[0.0, 1800.0]])}) for one in people]
    with pytest.raises(ValueError, match="other hours"):
        wk.compare_events(report, report_of(shorter, share=0.7, alarms=2, seed=0))


def predictions(seed, *, people=6, wrong=0.3):
    rng = np.random.default_rng(seed)
    truth = np.tile(["none", "tap", "wash"], 10 * people)
    said = np.where(rng.random(len(truth)) < wrong, rng.choice(["none", "tap", "wash"], size=len(truth)), truth)
    table = pd.DataFrame({"recording": "r", "subject": np.repeat([f"p{k}" for k in range(people)], 30), "fold": 0})
    table["start_s"] = np.arange(len(truth)) * 1.0
    table["stop_s"] = table["start_s"] + 2
    table["truth"], table["predicted"] = truth, said
    for name in ("none", "tap", "wash"):
        table[name] = (said == name).astype(float)
    return table


def test_tables_of_predictions_are_compared():
    one, other = predictions(0, wrong=0.5), predictions(1, wrong=0.1)
    told = wk.compare_predictions(one, other.sample(frac=1, random_state=0)).table
    for name, table in (("one", one), ("other", other)):
        expected = f1_score(table["truth"], table["predicted"], average="macro")
        assert told.loc["macro_f1", name] == pytest.approx(expected)
    row = told.loc["macro_f1"]
    assert 0 < row["low"] < row["difference"] < row["high"]
    assert row["p_value"] == 2 / 2**6
    assert "table" in wk.compare_predictions(one, other)._repr_html_()


def test_no_alarm_is_a_bound_and_what_is_simulated_is_said():
    people = [replace(person(number), source={"device": "simulated"}) for number in range(6)]
    quiet, loud = (
        evaluate(stack({one.id: found_of(3, share=0.8, alarms=more) for one in people}), people) for more in (0, 2)
    )
    told = wk.compare_events(quiet, loud)
    assert told.table.loc["fp_per_hour", "one"] == 0
    assert told.false_alarms == (quiet.false_alarms, loud.false_alarms)
    for shown in (repr(told), told._repr_html_()):
        assert "at most 0.5" in shown
        assert "one has no false alarm: 0 in 6 h, so at most 0.5 per hour, at most 12 a day" in shown
        assert "6 of 6 recordings are simulated" in shown
        assert "NaN" not in shown
    assert "other has no" not in repr(told)
    noted = predictions(0)
    noted.attrs["notes"] = ("3 recordings are simulated",)
    assert "3 recordings are simulated" in wk.compare_predictions(predictions(1), noted).notes


def test_hours_that_copies_share_count_once_in_precision_and_f1_too():
    people = [replace(person(number), source={"content_hash": str(number)}) for number in range(5)]
    copies = [
        one.with_labels(one.labels.assign(start_s=one.labels["start_s"] - 0.1 * k)) for one in people for k in range(3)
    ]
    copies = [replace(one, id=f"{k:016x}") for k, one in enumerate(copies)]
    one, other = (report_of(copies, share=share, alarms=2, seed=3) for share in (0.5, 0.8))
    assert "counted elsewhere" in set(one.matches["kind"])
    told = wk.compare_events(one, other).table
    for name, report in (("one", one), ("other", other)):
        assert told.loc["recall", name] == report.recall
        assert told.loc["precision", name] == report.precision
        assert told.loc["f1", name] == pytest.approx(report.f1)
        assert told.loc["fp_per_hour", name] == pytest.approx(report.fp_per_hour)


def test_nobody_in_particular_enters_no_interval():
    people = [person(number) for number in range(7)]
    nameless = [replace(one, subject=None) if k > 4 else one for k, one in enumerate(people)]
    one, other = (report_of(nameless, share=share, alarms=3, seed=4) for share in (0.5, 0.9))
    told = wk.compare_events(one, other)
    assert told.people == 5
    assert "what has no subject enters neither" in repr(told)
    alone = wk.compare_events(*(report_of(people[:5], share=share, alarms=3, seed=4) for share in (0.5, 0.9)))
    reach = [one.table.loc["recall", "high"] - one.table.loc["recall", "low"] for one in (told, alone)]
    assert reach[0] == pytest.approx(reach[1])


@pytest.mark.parametrize(
    "other",
    [
        predictions(1).iloc[:-1],
        predictions(1).assign(start_s=lambda one: one["start_s"] + 1),
        predictions(1).assign(truth=lambda one: one["truth"].iloc[::-1].to_numpy()),
    ],
)
def test_predictions_of_other_windows_are_refused(other):
    with pytest.raises(ValueError, match="not the same by recording"):
        wk.compare_predictions(predictions(0), other)


def test_reports_of_other_people_or_rules_are_refused():
    people = [person(number) for number in range(3)]
    report = report_of(people, share=0.7, alarms=2, seed=0)
    swapped = [replace(one, subject=who) for one, who in zip(people, ("p1", "p0", "p2"), strict=True)]
    with pytest.raises(ValueError, match="'p0' in one report and of 'p1' in the other"):
        wk.compare_events(report, report_of(swapped, share=0.7, alarms=2, seed=0))
    others = [replace(one, subject="q") for one in people]
    with pytest.raises(ValueError, match="give it to the same person"):
        wk.compare_events(report, report_of(others, share=0.7, alarms=2, seed=0))
    with pytest.raises(ValueError, match="latency counts from the start in one report and from the stop"):
        wk.compare_events(report, report_of(people, share=0.7, alarms=2, seed=0, latency_from="stop"))
    tap, both = (replace(report, rule=replace(report.rule, classes=frozenset(one))) for one in (("tap",), ("tap", "b")))
    with pytest.raises(ValueError, match=r"the classes \['tap'\] and \['b', 'tap'\]"):
        wk.compare_events(tap, both)
    assert wk.compare_events(tap, report).people == 3  # events without scores are of any class


def test_what_is_no_report_is_named():
    report = report_of([person(0)], share=0.7, alarms=2, seed=0)
    for wrong in ((None, report), (report, 3)):
        with pytest.raises(TypeError, match="is no report of events"):
            wk.compare_events(*wrong)


def test_as_many_true_events_are_not_the_same_ones():
    people = [person(number) for number in range(2)]
    report = report_of(people, share=0.7, alarms=2, seed=0)
    later = [one.with_labels(one.labels.assign(start_s=one.labels["start_s"] + 0.5)) for one in people]
    named = [one.with_labels(one.labels.assign(label="knock")) for one in people]
    for other in (later, named):
        with pytest.raises(ValueError, match="other true events of the same recordings"):
            wk.compare_events(report, report_of(other, share=0.7, alarms=2, seed=0))
