"""Pictures of an evaluation say what its tables say: what is drawn is read back and held against them."""

import dataclasses
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.figure import Figure

from tests.reported import found, person, report_of
from wristkit.evaluate import OperatingPoint, continuous_report, evaluate, quantile, rate, share, window_report
from wristkit.events import EventDecoder, Scores
from wristkit.validate import SubjectBlindWarning
from wristkit.view import (
    Picture,
    draw_bland_altman,
    draw_blind_warning,
    draw_confusion,
    draw_curve,
    draw_latency,
    draw_reliability,
    draw_robustness,
    draw_subjects,
    draw_timeline,
)
from wristkit.view.draw.timeline import KIND_COLOURS

HOSTILE = ["<img src=x onerror=alert(1)>", "$\\frac", "_hidden", "x" * 300, "\u202eevil\n\x00"]


def axes(columns: int = 1):
    found = Figure(figsize=(9, 4)).subplots(1, columns, squeeze=False)[0]
    return list(found) if columns > 1 else found[0]


def colours_of(collection):
    return {tuple(np.round(one, 3)) for one in collection.get_edgecolor()}


def dots(ax):
    """Return the (value, row) of every mark, filled, hollow and the ends of bounds."""
    return [np.asarray(one.get_offsets()) for one in ax.collections if isinstance(one, PathCollection)]


def spans(ax):
    (lines,) = [one for one in ax.collections if isinstance(one, LineCollection)]
    return [tuple(segment[:, 0]) for segment in lines.get_segments()]


@pytest.fixture(scope="module")
def people():
    return report_of(good=([10, 100, 200], [10, 100, 200]), bad=([10, 100, 200], [10, 500, 900]), none=([], [50]))


def test_subjects_are_the_rows_of_the_table_worst_first(people):
    table = people.by_subject
    left, right = draw_subjects(axes(2), table)
    assert [one.get_text() for one in left.get_yticklabels()] == ["bad", "good", "none"]
    assert left.get_ylim()[0] > left.get_ylim()[1]  # the first row is on top
    filled, _, _ = dots(left)
    np.testing.assert_allclose(filled, [(1 / 3, 0), (1, 1)])
    assert spans(left) == list(zip(table["recall_low"][:2], table["recall_high"][:2], strict=True))
    filled, hollow, ends = dots(right)
    np.testing.assert_allclose(filled[:, 0], table.loc[["bad", "none"], "fp_per_hour"])
    np.testing.assert_allclose(hollow, [(0, 1)])
    np.testing.assert_allclose(ends, [(3.0 / table.loc["good", "hours"], 1)])
    assert spans(right) == list(zip(table["fp_per_hour_low"], table["fp_per_hour_high"], strict=True))
    texts = {one.get_text() for one in (*left.texts, *right.texts)}
    assert {
        "1 of 3",
        "3 of 3",
        "0 of 0",
        "no event",
        "worst first",
        "all 3 rows: 0.667",
        "2 in 1 h",
        "0 in 1 h",
    } <= texts
    assert left.lines[0].get_xdata()[0] == people.recall
    assert right.lines[0].get_xdata()[0] == pytest.approx(people.fp_per_hour)


def test_no_false_alarm_of_anybody_is_told_with_its_hours():
    _, right = draw_subjects(axes(2), report_of(a=([10], [10])).by_subject)
    assert "all: 0 in 1 h" in {one.get_text() for one in right.texts}
    filled, hollow, ends = dots(right)
    assert (len(filled), len(hollow), len(ends)) == (0, 1, 1)
    assert right.get_xlim()[1] > 3.0


def test_people_without_hours_are_named_as_such():
    recording = person([10], labelled=False)
    _, right = draw_subjects(axes(2), evaluate(found(10), recording).by_subject)
    assert "no hours" in {one.get_text() for one in right.texts}
    assert np.isfinite(right.get_xlim()).all()


def test_people_who_are_not_shown_are_told():
    table = report_of(a=([10], [10]), b=([10], []), c=([], [])).by_subject
    left, right = draw_subjects(axes(2), table, most=2)
    assert "worst first, 2 of 3" in {one.get_text() for one in left.texts}
    assert len(left.get_yticklabels()) == 2
    assert left.lines[0].get_xdata()[0] == 0.5  # of all, shown or not
    with pytest.raises(ValueError, match="lacks the columns"):
        draw_subjects([left, right], table.drop(columns="recall_low"))


def test_class_tables_are_drawn_like_people(people):
    left, _ = draw_subjects(axes(2), people.by_class)
    assert [one.get_text() for one in left.get_yticklabels()] == ["tap"]


def test_hours_of_classes_are_the_same_hours():
    both = evaluate(pd.concat([found(10, 50), found(90, label="wash")]), person([10]))
    _, right = draw_subjects(axes(2), both.by_class)
    assert right.lines[0].get_xdata()[0] == pytest.approx(2.0)  # alarms in the one hour there is


def predictions(count=400, seed=0, people=6):
    rng = np.random.default_rng(seed)
    classes = np.array(["rest", "walk", "wash"], dtype=object)
    truth = rng.integers(0, 3, count)
    logits = rng.normal(size=(count, 3)) * 1.5
    logits[np.arange(count), truth] += 1.5
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    rows = {
        "recording": [f"r{one % people}" for one in range(count)],
        "subject": [f"P{one % people}" for one in range(count)],
        "fold": 0,
        "start_s": np.arange(count, dtype=float),
        "stop_s": np.arange(count) + 2.0,
        "truth": classes[truth],
        "predicted": classes[probabilities.argmax(axis=1)],
    }
    return pd.DataFrame(rows).join(pd.DataFrame(probabilities, columns=list(classes)))


def test_people_of_windows_are_drawn_too():
    table = window_report(predictions()).by_subject
    left, right = draw_subjects(axes(2), table, most=4)
    assert [one.get_text() for one in left.get_yticklabels()] == table.index[:4].tolist()
    np.testing.assert_allclose(dots(left)[0][:, 0], table["macro_f1"][:4])
    np.testing.assert_allclose(dots(right)[0][:, 0], table["accuracy"][:4])
    right_ones = (predictions()["truth"] == predictions()["predicted"]).mean()
    assert right.lines[0].get_xdata()[0] == pytest.approx(right_ones)
    texts = {one.get_text() for one in (*left.texts, *right.texts)}
    assert {"3 classes", f"of {table['windows'].iloc[0]} windows", "worst first, 4 of 6"} <= texts
    assert not [one for one in left.collections if isinstance(one, LineCollection) and len(one.get_segments())]
    with pytest.raises(ValueError, match="by_subject of a WindowReport"):
        draw_subjects([left, right], table.drop(columns="accuracy"))


def test_what_a_blind_test_makes_up_is_drawn_as_no_result():
    report = window_report(predictions())
    ax = draw_blind_warning(axes(), report, SubjectBlindWarning(0.97, "forest", ("all is simulated",)))
    value, low, high = report.over_people.loc["macro_f1"]
    honest, blind = ax.lines
    assert honest.get_xdata()[0] == value
    assert (blind.get_xdata()[0], blind.get_marker()) == (0.97, "X")
    assert spans(ax) == [(low, high)]
    texts = {one.get_text() for one in ax.texts}
    assert f"made up: {0.97 - value:+.2f}" in texts
    assert [one.get_text() for one in ax.get_yticklabels()] == ["no result: blind to people", "people kept apart"]
    assert ax.get_xlabel() == "macro-F1 of forest, simulated"
    few = draw_blind_warning(axes(), window_report(predictions(people=3)), SubjectBlindWarning(0.97, HOSTILE[1]))
    assert not [one for one in few.collections if isinstance(one, LineCollection)]
    few.figure.canvas.draw()


def test_reliability_draws_its_table_with_counts():
    table = window_report(predictions()).reliability()
    ax = draw_reliability(axes(), table)
    diagonal, line = ax.lines
    np.testing.assert_array_equal(diagonal.get_xydata(), [[0, 0], [1, 1]])
    np.testing.assert_array_equal(line.get_xydata(), table[["confidence", "accuracy"]])
    (bars,) = ax.collections
    np.testing.assert_allclose([one[:, 1] for one in bars.get_segments()], table[["accuracy_low", "accuracy_high"]])
    below = ax.figure.axes[1]
    assert [int(one.get_height()) for one in below.patches] == table["windows"].tolist()
    np.testing.assert_allclose([one.get_x() for one in below.patches], table["low"])
    assert [one.get_text() for one in below.texts[:-1]] == [f"{one:,}" for one in table["windows"]]
    assert below.texts[-1].get_text().startswith("400 windows")
    assert below.get_zorder() < ax.get_zorder()


def test_counts_that_do_not_fit_their_bars_are_summed_up():
    table = window_report(predictions()).reliability(label="walk", bins=60)
    ax = draw_reliability(axes(), table, label="walk")
    (text,) = ax.figure.axes[1].texts
    assert text.get_text() == f"400 windows, {table['windows'].max()} in the fullest of {len(table)} bins"
    assert ax.get_xlabel() == "probability of walk"
    with pytest.raises(ValueError, match="reliability"):
        draw_reliability(axes(), table.drop(columns="windows"))


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(-5, 50), min_size=1, max_size=80))
def test_latency_counts_every_hit_and_marks_its_quantiles(latency_s):
    ax = draw_latency(axes(), latency_s)
    (bars,) = ax.containers
    assert sum(one.get_height() for one in bars) == len(latency_s)
    assert len(bars) <= 40
    at = [line.get_xdata()[0] for line in ax.lines]
    np.testing.assert_allclose(at, np.percentile(latency_s, [50, 95]))
    low, high = ax.get_xlim()
    assert all(low <= one <= high for one in at)


@pytest.mark.parametrize(("count", "bands"), [(5, 0), (20, 1), (100, 2)])
def test_latency_has_a_band_for_each_interval_that_there_is(count, bands):
    latency_s = np.random.default_rng(0).gamma(2, 0.5, count)
    ax = draw_latency(axes(), latency_s)
    bars = set(ax.containers[0])
    drawn = [(one.get_x(), one.get_x() + one.get_width()) for one in ax.patches if one not in bars]
    known = [quantile(latency_s, share) for share in (0.5, 0.95)][:bands]
    np.testing.assert_allclose(np.reshape(drawn, (-1, 2)), np.reshape([(one.low, one.high) for one in known], (-1, 2)))
    texts = [one.get_text() for one in ax.get_legend().get_texts()]
    assert [" to " in one for one in texts] == [bands > 0, bands > 1]


def test_latency_of_no_hit_and_without_a_time_is_told():
    assert draw_latency(axes(), []).texts[0].get_text() == "no hit, so no latency"
    ax = draw_latency(axes(), [1.0, np.nan, 2.0], latency_from="stop")
    assert ax.get_ylabel() == "2 hits, 1 more without a time"
    assert ax.get_xlabel() == "latency from the true stop (s)"
    with pytest.raises(ValueError, match=r"expected \(n,\)"):
        draw_latency(axes(), [[1.0]])


def bars_of(ax):
    """Return, by colour of the edge, the (left, right, top, bottom) of every bar of a timeline."""
    kinds = {tuple(np.round(hex_rgba(colour), 3)): kind for kind, colour in KIND_COLOURS.items()}
    held = {}
    for one in ax.collections:
        key = kinds.get(next(iter(colours_of(one)), None))
        if key and one.get_paths():
            corners = np.array([path.vertices[:4] for path in one.get_paths()])
            low, high = corners.min(axis=1), corners.max(axis=1)
            held[key] = np.column_stack([low[:, 0], high[:, 0], low[:, 1], high[:, 1]])
    return held


def hex_rgba(colour):
    from matplotlib.colors import to_rgba

    return to_rgba(colour)


def test_timeline_has_truth_above_and_what_was_found_below():
    ax = draw_timeline(axes(), report_of(p=([10, 100, 200], [10.4, 100.2, 700]), q=([30], [30])))
    held = bars_of(ax)
    assert [one.get_text()[:1] for one in ax.get_yticklabels()] == ["p", "q"]
    row = 0.0  # p has errors, and so comes first
    hits = held["hit"]
    above, below = hits[hits[:, 3] < row], hits[(hits[:, 2] > row) & (hits[:, 3] < 0.5)]
    np.testing.assert_allclose(above[:, :2], [(10, 11), (100, 101)])
    np.testing.assert_allclose(below[:, :2], [(10.4, 11.4), (100.2, 101.2)])
    np.testing.assert_allclose(held["miss"][:, :2], [(200, 201)])
    assert (held["miss"][:, 3] < row).all()
    np.testing.assert_allclose(held["false alarm"][:, :2], [(700, 701)])
    assert (held["false alarm"][:, 2] > row).all()
    marks = {line.get_marker(): line.get_xdata().tolist() for line in ax.lines}
    assert marks == {"v": [200.5], "x": [700.5]}
    legend = [one.get_text() for one in ax.get_legend().get_texts()]
    assert legend == ["3 hits", "1 miss", "1 false alarm"]
    texts = {one.get_text() for one in ax.texts}
    assert {"2 / 1 / 1", "1 / 0 / 0", "truth above, found below", "hit / missed / false"} <= texts


def test_timeline_says_what_it_leaves_out_and_what_is_not_judged():
    recording = person([10], labelled=False)
    report = evaluate(found(10, 50), recording)
    ax = draw_timeline(axes(), report)
    assert [one.get_text() for one in ax.get_legend().get_texts()][-1] == "1 not judged"
    many = report_of(a=([1], [1]), b=([1], []), c=([1], [1]))
    ax = draw_timeline(axes(), many, most=2)
    assert "truth above, found below, 2 of 3 recordings" in {one.get_text() for one in ax.texts}
    assert ax.get_yticklabels()[0].get_text().startswith("b")
    with pytest.raises(ValueError, match="not in the report"):
        draw_timeline(axes(), many, recordings=["nobody"])
    with pytest.raises(ValueError, match=r"expected one of \['tap'\]"):
        draw_timeline(axes(), many, label="clap")


def test_timeline_shows_a_window_and_a_class_alone():
    report = report_of(a=([10, 100], [10, 300]))
    ax = draw_timeline(axes(), report, start_s=50, stop_s=150, label="tap")
    assert [one.get_text() for one in ax.get_legend().get_texts()] == ["0 hits", "1 miss", "0 false alarms"]
    assert ax.get_xlim() == (50, 150)


def measured(people=6, each=20, seed=0):
    rng = np.random.default_rng(seed)
    reference = rng.uniform(50, 150, people * each)
    said = reference + rng.normal(2, 4, len(reference))
    return said, reference, [f"P{one}" for one in range(people) for _ in range(each)]


def test_bland_altman_draws_means_errors_bias_and_limits():
    said, reference, whose = measured()
    said[3] = np.nan
    report = continuous_report(said, reference, subjects=whose)
    ax = draw_bland_altman(axes(), report, unit="bpm")
    held = np.isfinite(said)
    points, rings = dots(ax)
    np.testing.assert_allclose(points, np.column_stack([(said + reference) / 2, said - reference])[held])
    assert len(rings) == 6
    lines = [line.get_ydata()[0] for line in ax.lines]
    np.testing.assert_allclose(lines, [*report.agreement["value"], 0.0])
    heights = [(one.get_y(), one.get_y() + one.get_height()) for one in ax.patches]
    np.testing.assert_allclose(heights, report.agreement[["low", "high"]])
    assert len(heights) == 3
    assert ax.get_xlabel() == "mean of measured and reference (bpm)"


def test_bland_altman_of_one_person_has_no_band_and_of_nothing_no_line():
    said, reference, _ = measured(1)
    ax = draw_bland_altman(axes(), continuous_report(said, reference))
    assert not ax.patches
    assert len(dots(ax)) == 1
    empty = draw_bland_altman(axes(), continuous_report([np.nan], [1.0]))
    assert empty.texts[0].get_text() == "nothing was measured"
    assert not empty.lines


def damages(intervals=True):
    rows = []
    for name, drop, rise, refused in [
        ("none", 0, 0, 0),
        ("a", 0.1, 3, 0),
        ("b", 0.4, -0.5, 1),
        ("c", np.nan, np.nan, 4),
    ]:
        near = np.nan if not intervals else 0.05
        noticed = "unit" if name == "b" else ""
        rows.append(
            (
                name,
                4,
                refused,
                noticed,
                0.9 - drop,
                drop,
                drop - near,
                drop + near,
                1 + rise,
                rise,
                rise - near,
                rise + near,
            )
        )
    columns = [
        "damage",
        "recordings",
        "refused",
        "noticed",
        "recall",
        "recall_drop",
        "recall_drop_low",
        "recall_drop_high",
    ]
    rises = ["fp_per_hour", "fp_per_hour_rise", "fp_per_hour_rise_low", "fp_per_hour_rise_high"]
    return pd.DataFrame(rows, columns=[*columns, *rises])


def test_robustness_draws_its_table_costliest_first():
    left, right = draw_robustness(axes(2), damages())
    assert [one.get_text() for one in left.get_yticklabels()] == ["b", "a", "c"]
    np.testing.assert_allclose(dots(left)[0], [(0.4, 0), (0.1, 1)])
    np.testing.assert_allclose(dots(right)[0], [(-0.5, 0), (3, 1)])
    np.testing.assert_allclose(spans(left), [(0.35, 0.45), (0.05, 0.15)])
    np.testing.assert_allclose(spans(right), [(-0.55, -0.45), (2.95, 3.05)])
    texts = [one.get_text() for one in right.texts]
    assert "refused 1 of 4; noticed: unit" in texts
    assert "refused 4 of 4" in texts
    assert "refused" in texts
    assert left.get_xlabel() == "recall lost, of 0.9"
    low, high = right.get_xlim()
    assert low < -0.55
    assert high > 3.05


def test_robustness_without_intervals_or_damage():
    left, _ = draw_robustness(axes(2), damages(intervals=False))
    assert spans(left) == []
    left, _ = draw_robustness(axes(2), damages().head(1))
    assert "no damage was tried" in {one.get_text() for one in left.texts}
    with pytest.raises(ValueError, match="undamaged signal first"):
        draw_robustness(axes(2), damages().head(0))
    with pytest.raises(ValueError, match="lacks the columns"):
        draw_robustness(axes(2), damages().drop(columns="refused"))


def curve(rows):
    return pd.DataFrame(rows, columns=["threshold", "recall", "fp_per_hour"])


def test_curve_goes_in_steps_and_marks_a_bound_where_nothing_is_false():
    point = OperatingPoint(0.5, share(8, 10), rate(0, 2.0), "")
    ax = draw_curve(axes(), curve([(0.9, 0.2, 0.0), (0.5, 0.8, 0.0), (0.1, 1.0, 60.0)]), point=point)
    line, mark, end = ax.lines
    assert line.get_drawstyle() == "steps-post"
    assert mark.get_markerfacecolor() == "white"
    assert end.get_xydata().tolist() == [[1.5, 0.8]]
    with_alarm = draw_curve(
        axes(),
        curve([(0.5, 0.8, 2.0)]),
        point=dataclasses.replace(point, false_alarms=rate(4, 2.0)),
    )
    assert len(with_alarm.lines) == 2
    assert with_alarm.lines[1].get_markerfacecolor() != "white"


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([(0.9, np.nan, 0.0), (0.5, np.nan, 2.0)], "no true events, so no recall"),
        ([(0.9, 0.5, np.nan), (0.5, 1.0, np.nan)], "no labelled hours, so no rate"),
    ],
)
def test_curve_of_nothing_says_why(rows, words):
    ax = draw_curve(axes(), curve(rows))
    assert [one.get_text() for one in ax.texts] == [words]
    assert np.isfinite(ax.get_xlim()).all()


@settings(deadline=None, max_examples=40)
@given(most=st.floats(0.1, 1e5), width=st.floats(2, 12))
def test_ticks_of_false_alarms_never_touch(most, width):
    figure = Picture(figsize=(width, 3), layout="constrained")
    ax = draw_curve(figure.subplots(), curve([(0.9, 0.1, 0.0), (0.1, 0.9, most)]))
    figure.draw_without_rendering()
    boxes = [one.get_window_extent() for one in ax.get_xticklabels()]
    assert len(boxes) >= 2
    assert all(left.x1 < right.x0 for left, right in pairwise(boxes))


@pytest.mark.parametrize(("highest", "hits"), [(0.2, 10), (0.5, 40), (0.95, 90)])
def test_figures_stand_where_the_curve_is_not(highest, hits):
    point = OperatingPoint(0.5, share(hits, 100), rate(100, 50.0), "")
    share_found = np.linspace(0, 1, 200)
    rows = np.column_stack([1 - share_found, highest * share_found**0.3, 100 * share_found**2])
    figure = Picture(figsize=(5.5, 3.4), layout="constrained")
    ax = draw_curve(figure.subplots(), curve(rows), point=point)
    figure.draw_without_rendering()
    box = ax.texts[0].get_window_extent()
    corners = ax.transData.transform(ax.lines[0].get_xydata())
    assert not any(box.contains(*corner) for corner in corners)


def test_confusion_names_recall_and_precision():
    truth, predicted = ["a", "a", "a", "b"], ["a", "b", "b", "b"]
    ax = draw_confusion(axes(), truth, predicted, ["a", "b", "c"])
    right, top = ax.child_axes
    assert [one.get_text() for one in right.get_yticklabels()] == ["33%", "100%", "\N{EN DASH}"]
    assert [one.get_text() for one in top.get_xticklabels()] == ["100%", "33%", "\N{EN DASH}"]


def test_confusion_tells_long_names_apart():
    names = [f"an activity of the day, number {one}" for one in range(12)]
    ax = draw_confusion(axes(), names, names, names)
    shown = [one.get_text() for one in ax.get_yticklabels()]
    assert len(set(shown)) == 12


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_are_text_in_every_picture(text):
    recording = person([10], subject=text, label=text)
    report = evaluate(found(10, label=text), recording)
    said, reference, _ = measured()
    figure = Picture(figsize=(12, 9), layout="constrained")
    panes = figure.subplots(2, 4).ravel()
    draw_subjects(panes[:2], report.by_subject.rename(index={recording.subject: text}))
    draw_timeline(panes[2], report)
    draw_bland_altman(panes[3], continuous_report(said, reference, subjects=[text] * len(said)), unit=text)
    draw_robustness(panes[4:6], damages().replace({"damage": {"a": text}}))
    draw_reliability(panes[6], window_report(predictions()).reliability(), label=text)
    draw_latency(panes[7], report.latency_s, latency_from=text)
    assert figure.png()[:4] == b"\x89PNG"


def decoded(truths, *, seed=0, hop_s=1.0, subject="a"):
    """Return a report with scores, so that there is a curve."""
    rng = np.random.default_rng(seed)
    recording = person(truths, subject=subject, seed=seed)
    centre_s = np.arange(0, 3600, hop_s)
    tap = rng.beta(1, 8, len(centre_s))
    for start in truths:
        tap[int(start) : int(start) + 2] = rng.uniform(0.3, 1.0)
    scores = Scores.of(
        centre_s + 0.5,
        np.column_stack([1 - tap, tap]).astype(np.float32),
        classes=("none", "tap"),
        centre_s=centre_s,
        hop_s=hop_s,
    )
    decoder = EventDecoder()
    return evaluate(decoder.run(scores), recording, scores=scores, decoder=decoder)


def test_the_curve_of_a_report_passes_through_its_own_point():
    report = decoded(range(100, 3000, 100))
    point = OperatingPoint(report.decoder.high, report.recall_share, report.false_alarms, "")
    ax = draw_curve(axes(), report.curve(), point=point)
    line, mark = ax.lines[:2]
    corner = mark.get_xydata()[0]
    assert np.isclose(line.get_xydata(), corner).all(axis=1).any()
