import base64
import hashlib
import io
import json
import re
import subprocess
import sys
import threading
import time

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from matplotlib.image import imread

from wristkit.audio import MelParams, mel
from wristkit.evaluate import OperatingPoint, Rate, Share
from wristkit.events import EventDecoder
from wristkit.recording import Recording, Stream, finding_table, label_table
from wristkit.store import LabelStore
from wristkit.view import (
    draw_confusion,
    draw_curve,
    draw_history,
    draw_labels,
    draw_recording,
    draw_scores,
    draw_stream,
    envelope,
    view,
    watch,
)
from wristkit.view.draw import draw_wrist
from wristkit.view.draw.panes import label_lanes, thinned
from wristkit.view.draw.style import LOOKED, fitted, plain, text_width_in
from wristkit.view.envelope import bin_edges
from wristkit.view.judged import event_states, verdicts
from wristkit.view.packing import NOTHING, grid_of, packed
from wristkit.view.window import snapped

HOSTILE = ["<img src=x onerror=alert(1)>", "$\\frac", "a_$b^$", "_hidden", "x" * 10_000, "\u202eevil\u2066\n\x00"]
ALL = np.array([[0.0, 1e6]])  # looked at
WIDGET_MIME = "application/vnd.jupyter.widget-view+json"


def motion(*, seconds: float = 60.0, rate_hz: float = 50.0, seed: int = 0, name: str = "accel") -> Stream:
    time = np.arange(0, seconds, 1 / rate_hz)
    values = np.random.default_rng(seed).normal(size=(len(time), 3))
    return Stream.measured(name, time, values)


def person(*, subject: str = "P01", seed: int = 0, seconds: float = 60.0) -> Recording:
    labels = [
        (5.0, 15.0, "walking", "truth", "sim"),
        (30.0, 30.2, "tap", "truth", "sim"),
        (50.0, 50.2, "tap", "truth", "sim"),
    ]
    heart = Stream.measured("heart_rate", np.arange(0, seconds, 1.0), np.full(int(seconds), 60.0))
    return Recording.of([motion(seed=seed, seconds=seconds), heart], labels=label_table(labels), subject=subject)


def axes():
    return Figure().subplots()


def pixels(png: bytes) -> np.ndarray:
    return imread(io.BytesIO(png))


def slow_envelope(time, values, edges):
    low = np.full((len(edges) - 1, values.shape[1]), np.nan)
    high = low.copy()
    for index in range(len(edges) - 1):
        for channel in range(values.shape[1]):
            inside = [v for t, v in zip(time, values[:, channel], strict=True) if edges[index] <= t < edges[index + 1]]
            real = [v for v in inside if not np.isnan(v)]
            if real:
                low[index, channel], high[index, channel] = min(real), max(real)
    return low, high


numbers = st.one_of(st.floats(-100, 100, width=32), st.just(float("nan")))


@settings(deadline=None, max_examples=150)
@given(
    steps=st.lists(st.floats(1e-3, 5.0), min_size=0, max_size=60),
    data=st.data(),
    start_s=st.floats(-20, 60),
    width_s=st.floats(0.01, 80),
    bins=st.integers(1, 40),
)
def test_envelope_is_the_extremes_of_each_bin(steps, data, start_s, width_s, bins):
    time = np.cumsum(np.array(steps, dtype=np.float64)) - 10
    rows = st.lists(st.tuples(numbers, numbers), min_size=len(time), max_size=len(time))
    values = np.array(data.draw(rows), dtype=np.float32).reshape(-1, 2)
    stop_s = start_s + width_s
    centres, low, high = envelope(time, values, start_s=start_s, stop_s=stop_s, bins=bins)
    edges = bin_edges(start_s=start_s, stop_s=stop_s, bins=bins)
    slow_low, slow_high = slow_envelope(time, values, edges)
    np.testing.assert_array_equal(low, slow_low)
    np.testing.assert_array_equal(high, slow_high)
    assert edges[0] <= start_s
    assert stop_s < edges[-1]
    assert bins <= len(centres) <= bins + 2
    assert ((edges[:-1] < centres) & (centres < edges[1:])).all()


@settings(deadline=None)
@given(shift_bins=st.integers(-500, 500), bins=st.integers(1, 200))
def test_bins_stay_where_they_are_when_the_window_moves(shift_bins, bins):
    width_s = 0.25  # exact in binary, so that equality is exact
    here = bin_edges(start_s=0.0, stop_s=bins * width_s, bins=bins)
    there = bin_edges(start_s=shift_bins * width_s, stop_s=(shift_bins + bins) * width_s, bins=bins)
    np.testing.assert_array_equal(there - here, shift_bins * width_s)


def test_envelope_reads_only_the_window():
    class Watched(np.ndarray):
        touched = 0

        def __getitem__(self, key):
            Watched.touched = max(Watched.touched, key.stop - key.start)
            return np.asarray(super().__getitem__(key))

    time = np.arange(100_000) / 100
    values = np.zeros((100_000, 2), dtype=np.float32).view(Watched)
    envelope(time, values, start_s=500.0, stop_s=510.0, bins=100)
    assert 1000 <= Watched.touched <= 1030


@pytest.mark.parametrize(
    ("start_s", "stop_s", "bins"), [(1.0, 1.0, 10), (2.0, 1.0, 10), (0.0, np.inf, 10), (np.nan, 1.0, 10), (0.0, 1.0, 0)]
)
def test_envelope_refuses_windows_without_width(start_s, stop_s, bins):
    with pytest.raises(ValueError, match="expected"):
        envelope(np.arange(3.0), np.zeros((3, 1), dtype=np.float32), start_s=start_s, stop_s=stop_s, bins=bins)


def test_a_line_of_few_samples_is_the_samples():
    stream = motion()
    lines = draw_stream(axes(), stream, start_s=10.0, stop_s=20.0)
    inside = (stream.time >= 10) & (stream.time <= 20)
    for line, column in zip(lines, stream.values.T, strict=True):
        x, y = line.get_data()
        within = (x >= 10) & (x <= 20)
        np.testing.assert_array_equal(x[within], stream.time[inside])
        np.testing.assert_array_equal(y[within], column[inside])
        assert x[0] < 10
        assert x[-1] > 20


def test_a_thinned_line_keeps_the_only_spike():
    time = np.arange(200_000) / 100
    values = np.zeros((len(time), 1), dtype=np.float32)
    values[123_457] = 5
    stream = Stream.measured("pressure", time, values)
    (line,) = draw_stream(axes(), stream, start_s=0.0, stop_s=2000.0, max_points=500)
    x, y = line.get_data()
    assert len(x) <= 504
    assert np.max(y) == 5
    assert abs(x[np.argmax(y)] - time[123_457]) <= 4


@pytest.mark.parametrize("max_points", [100, 100_000])
def test_lines_break_in_gaps_and_nowhere_else(max_points):
    time = np.concatenate([np.arange(0, 30, 0.02), np.arange(40, 60, 0.02)])
    stream = Stream.measured("pressure", time, np.ones(len(time)))
    x, y = thinned(stream, stream.gaps, start_s=0.0, stop_s=60.0, max_points=max_points)
    breaks = np.flatnonzero(np.isnan(x))
    assert len(breaks) == 1
    assert np.isnan(y[breaks]).all()
    assert x[breaks[0] - 1] <= 30.6
    assert x[breaks[0] + 1] >= 39.4


def test_an_irregular_stream_without_gaps_is_one_line():
    time = np.cumsum(np.random.default_rng(1).uniform(0.005, 0.035, 20_000))
    stream = Stream.measured("pressure", time, np.ones(len(time)))
    assert not len(stream.gaps)
    x, _ = thinned(stream, stream.gaps, start_s=10.0, stop_s=50.0, max_points=1900)
    assert len(x) > 1000
    assert np.isfinite(x).all()


def test_missing_samples_break_the_line():
    values = np.ones((100, 1))
    values[40:60] = np.nan
    stream = Stream.measured("pressure", np.arange(100.0), values)
    (line,) = draw_stream(axes(), stream, start_s=0.0, stop_s=99.0)
    assert np.isnan(line.get_ydata()).sum() == 20


def test_a_uniform_stream_is_drawn_like_a_measured_one():
    values = np.sin(np.arange(50_000) / 100)
    uniform = Stream.uniform("audio", values, rate_hz=100, start_s=3.0)
    measured = Stream.measured("audio", 3.0 + np.arange(50_000) / 100, values)
    for start_s, stop_s in ((0.0, 600.0), (5.0, 6.0)):
        lines = [
            draw_stream(axes(), one, start_s=start_s, stop_s=stop_s)[0].get_xydata() for one in (uniform, measured)
        ]
        inside = [xy[(xy[:, 0] >= start_s) & (xy[:, 0] <= stop_s)] for xy in lines]
        np.testing.assert_allclose(*inside, rtol=0, atol=1e-9)


def test_a_window_without_samples_says_so():
    ax = axes()
    draw_stream(ax, motion(), start_s=100.0, stop_s=110.0)
    assert [text.get_text() for text in ax.texts] == ["no samples here"]


@pytest.mark.parametrize("window", [(12.0, 13.0), (3.0, 9.0), (-5.0, -1.0), (5.1, 5.2)])
def test_only_what_shows_nothing_says_so(window):
    stream = Stream.measured("pressure", [0, 1, 2, 10, 11, 12.5, 13], [1, 1, 1, 1, 1, np.nan, 1])
    start_s, stop_s = window
    ax = axes()
    draw_stream(ax, stream, start_s=start_s, stop_s=stop_s)
    blank = start_s != 12.0
    assert bool(ax.texts) is blank
    crossing = axes()
    draw_stream(crossing, stream, start_s=0.2, stop_s=0.8)
    assert not crossing.texts


def test_gaps_are_shaded():
    stream = Stream.measured("pressure", [0, 1, 2, 12, 13, 14], np.zeros(6))
    ax = axes()
    draw_stream(ax, stream, start_s=0.0, stop_s=14.0)
    corners = ax.collections[0].get_paths()[0].vertices
    assert (corners[:, 0].min(), corners[:, 0].max()) == (2, 12)


def test_labels_stand_in_lanes_by_tier_and_overlap():
    table = label_table(
        [(0, 10, "a", "truth", "r"), (5, 12, "b", "truth", "r"), (10, 20, "c", "truth", "r"), (1, 2, "d", "other", "r")]
    )
    np.testing.assert_array_equal(label_lanes(table), [0, 1, 0, 2])
    ax = draw_labels(axes(), table, start_s=0.0, stop_s=20.0)
    assert [text.get_text() for text in ax.get_yticklabels()] == ["truth", "other"]
    assert {text.get_text() for text in ax.texts} == {"a", "b", "c", "d"}


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 20)), max_size=30))
def test_rows_of_one_lane_never_overlap_while_there_is_a_free_one(rows):
    table = label_table([(start, start + length, "x", "truth", "r") for start, length in rows])
    lanes = label_lanes(table)
    for lane in range(3):  # the fourth takes what finds no place
        own = table[lanes == lane].sort_values(["start_s", "stop_s"])
        assert (own["stop_s"].to_numpy()[:-1] <= own["start_s"].to_numpy()[1:]).all()


def test_a_short_event_in_a_long_recording_is_still_visible():
    table = label_table([(43_200.0, 43_200.2, "pinch", "truth", "r")])
    figure = Figure(figsize=(8, 1))
    ax = draw_labels(figure.subplots(), table, start_s=0.0, stop_s=86_400.0)
    assert [text.get_text() for text in ax.texts] == ["pinch"]
    assert ax.collections[0].get_linewidth()[0] >= 1


def test_points_and_events_are_drawn():
    events = pd.DataFrame({"start_s": [1.0, 4.0], "stop_s": [2.0, 4.0], "label": ["tap", "clap"], "score": [0.9, 0.8]})
    ax = draw_labels(axes(), events, start_s=0.0, stop_s=10.0)
    assert [text.get_text() for text in ax.get_yticklabels()] == ["events"]
    assert len(ax.collections[0].get_paths()) == 2


def test_empty_label_table_is_drawn_empty():
    ax = draw_labels(axes(), label_table(), start_s=0.0, stop_s=1.0)
    assert not ax.texts
    assert not ax.collections


def test_scores_show_classes_and_thresholds():
    scores = Stream.measured("scores", np.arange(10.0), np.full((10, 2), 0.5), channels=("none", "tap"), unit="1")
    ax = draw_scores(axes(), scores, decoder=EventDecoder(high=0.8, low=0.3, smooth=3))
    levels = [line.get_ydata()[0] for line in ax.lines[2:]]
    assert levels == [0.8, 0.3]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["none", "tap"]
    assert "mean of 3" in ax.texts[0].get_text()
    assert ax.get_ylim() == (-0.04, 1.04)


def test_history_leaves_out_an_f1_that_is_not_there():
    history = pd.DataFrame(
        {"epoch": [1, 2], "train_loss": [1.0, 0.5], "stop_loss": [1.1, np.nan], "stop_macro_f1": np.nan}
    )
    without = draw_history(axes(), history)
    assert len(without.figure.axes) == 1
    assert len(without.lines) == 2
    complete = draw_history(axes(), history.assign(stop_macro_f1=[0.1, 0.5]))
    np.testing.assert_array_equal(complete.figure.axes[1].lines[0].get_ydata(), [0.1, 0.5])


def test_confusion_counts_are_those_of_a_loop():
    classes = ["none", "tap", "$never_"]
    rng = np.random.default_rng(3)
    truth, predicted = rng.choice(classes[:2], 50), rng.choice(classes, 50)
    ax = draw_confusion(axes(), truth, predicted, classes)
    expected = [
        str(sum(t == row and p == column for t, p in zip(truth, predicted, strict=True)))
        for row in classes
        for column in classes
    ]
    assert [text.get_text() for text in ax.texts] == expected
    np.testing.assert_allclose(ax.images[0].get_array().sum(axis=1), [1, 1, 0])


def test_confusion_refuses_unknown_classes_and_uneven_columns():
    with pytest.raises(ValueError, match=r"\['clap'\] are not among the classes"):
        draw_confusion(axes(), ["tap"], ["clap"], ["tap"])
    with pytest.raises(ValueError, match="one of each"):
        draw_confusion(axes(), ["tap"], ["tap", "tap"], ["tap"])


def test_curve_marks_the_chosen_point_with_its_intervals():
    curve = pd.DataFrame({"threshold": [0.1, 0.9, 0.5], "recall": [1.0, 0.2, 0.8], "fp_per_hour": [60.0, 0.0, 2.0]})
    point = OperatingPoint(0.5, Share(0.8, 0.6, 0.9, 8, 10), Rate(2.0, 0.5, 5.0, 4, 2.0), "")
    ax = draw_curve(axes(), curve, point=point)
    np.testing.assert_array_equal(ax.lines[0].get_xydata(), [[0, 0.2], [2, 0.8], [60, 1]])
    assert ax.lines[1].get_xydata().tolist() == [[2.0, 0.8]]
    across, up = (bars.get_segments()[0].tolist() for bars in ax.collections)
    assert across == [[0.5, 0.8], [5.0, 0.8]]
    assert up == [[2.0, 0.6], [2.0, 0.9]]
    assert ax.texts[0].get_text() == "recall 0.80\n2 false alarms per hour\nthreshold 0.5"


def test_no_false_alarm_is_shown_as_a_bound():
    curve = pd.DataFrame({"threshold": [0.5], "recall": [0.8], "fp_per_hour": [0.0]})
    point = OperatingPoint(0.5, Share(0.8, 0.6, 0.9, 8, 10), Rate(0.0, 0.0, 1.5, 0, 2.0), "")
    ax = draw_curve(axes(), curve, point=point)
    assert "at most 1.5 false alarms per hour" in ax.texts[0].get_text()
    assert ax.get_xlim()[1] > 1.5


def test_recording_figure_has_a_pane_for_everything():
    recording = person()
    findings = finding_table([("clipped", "accel", 10.0, 11.0, 3, "n", "r"), ("far", "accel", 59.0, 59.5, 3, "n", "r")])
    recording = recording.with_findings(findings)
    scores = Stream.measured("scores", np.arange(60.0), np.full((60, 2), 0.5), channels=("none", "tap"), unit="1")
    events = pd.DataFrame({"start_s": [30.0], "stop_s": [30.1], "label": ["tap"], "score": [0.9], "decided_s": [30.2]})
    figure = draw_recording(recording, start_s=5.0, stop_s=40.0, events=events, scores=scores, decoder=EventDecoder())
    truth, found, score, accel, heart = figure.axes
    assert [ax.get_title(loc="left") for ax in (score, accel, heart)] == ["scores", "accel", "heart_rate"]
    assert [ax.get_ylabel() for ax in (score, accel, heart)] == ["score", "g", "bpm"]
    assert {ax.get_xlim() for ax in figure.axes} == {(5.0, 40.0)}
    assert [text.get_text() for text in accel.texts] == ["clipped"]
    colours = [ax.collections[0].get_edgecolor()[-1].tolist() for ax in (truth, found)]
    assert colours[0] == colours[1]
    assert len({round(ax.get_position().x0, 6) for ax in figure.axes}) == 1


@pytest.mark.parametrize("seconds", [0.02, 5.0, 890.0, 5000.0, 90_000.0, 3e6])
def test_time_ticks_are_few_and_distinct(seconds):
    stream = Stream.uniform("pressure", np.zeros(100), rate_hz=99 / seconds)
    figure = draw_recording(Recording.of([stream]))
    figure.draw_without_rendering()
    low, high = figure.axes[-1].get_xlim()
    ticks = figure.axes[-1].xaxis.get_major_ticks()
    texts = [tick.label1.get_text() for tick in ticks if low <= tick.get_loc() <= high]
    assert 2 <= len(texts) <= 12
    assert len(set(texts)) == len(texts)


def test_a_recording_of_one_sample_is_drawn():
    recording = Recording.of([Stream.measured("pressure", [3.0], [1.0])])
    assert pixels(view(recording).png()).size
    assert draw_recording(recording).axes[-1].get_xlim() == (3.0, 4.0)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_appears_as_text_everywhere(text):
    stream = Stream.measured(text, np.arange(20.0), np.zeros((20, 2)), channels=(text, "b"), unit=text)
    labels = label_table([(1, 9, text, text, "r"), (12, 12, text, "truth", "r")])
    findings = finding_table([(text, text, 1.0, 2.0, 1, "n", "r")])
    recording = Recording.of([stream], labels=labels, subject=text, findings=findings)
    figure = draw_recording(recording)
    buffer = io.BytesIO()
    figure.savefig(buffer)
    shown = plain(text)
    legend = figure.axes[-1].get_legend().get_texts()[0].get_text()
    assert legend.rstrip("…") in shown
    assert legend
    assert figure.axes[-1].get_title(loc="left").rstrip("…") in shown
    assert any(one.get_text() == shown for one in figure.axes[0].texts)
    ax = draw_confusion(axes(), [text], [text], [text])
    ax.figure.savefig(buffer)
    bundle = view([recording, person()])._repr_mimebundle_()
    assert bundle["image/png"]


def test_plain_is_short_and_without_control_characters():
    assert plain("\u202eevil\n") == "\\u202eevil\\n"
    assert plain("a" * 100) == "a" * 39 + "…"
    assert plain("Größe 日") == "Größe 日"


@given(st.text("abcWi ", max_size=30), st.floats(0, 3))
def test_fitted_text_fits(text, room_in):
    shown = fitted(text, room_in)
    assert shown in {text, ""} or (shown.endswith("…") and text.startswith(shown[:-1]))
    if shown == text and text:
        assert text_width_in(text) <= room_in


def test_pictures_leave_the_users_style_and_pyplot_alone():
    code = (
        "import sys, matplotlib as m; before = m.rcParams.copy()\n"
        "import numpy as np\n"
        "from wristkit.view import view\n"
        "from wristkit.recording import Recording, Stream\n"
        "r = Recording.of([Stream.measured('accel', np.arange(9.0), np.zeros((9, 3)))])\n"
        "view(r)._repr_mimebundle_()\n"
        "assert m.rcParams.copy() == before\n"
        "print([n for n in ('torch', 'matplotlib.pyplot', 'seaborn') if n in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_pictures_look_the_same_under_a_dark_style():
    light = view(person()).png()
    with mpl.rc_context(
        {"axes.facecolor": "black", "text.color": "white", "figure.facecolor": "black", "axes.grid": False}
    ):
        dark = view(person()).png()
    assert light == dark


def test_setting_the_window_redraws():
    viewer = view(person())
    whole = viewer.png()
    assert (viewer.start_s, viewer.width_s) == (0.0, pytest.approx(59.98))
    viewer.start_s = 28.0
    viewer.width_s = 4.0
    assert viewer.png() != whole
    figure = viewer.figure()
    assert {ax.get_xlim() for ax in figure.axes} == {(28.0, 32.0)}
    x = figure.axes[1].lines[0].get_xdata()
    assert 27.9 < x[0] < 28.0
    assert 32.0 < x[-1] < 32.1


def test_setting_labels_redraws_and_reads_back():
    viewer = view(person())
    before = viewer.png()
    viewer.labels = label_table([(1.0, 2.0, "new", "truth", "me")])
    assert viewer.labels["label"].tolist() == ["new"]
    assert viewer.png() != before
    assert [text.get_text() for text in viewer.figure().axes[0].texts] == ["new"]
    with pytest.raises(ValueError, match="start_s <= stop_s"):
        viewer.labels = label_table([(3.0, 2.0, "backwards", "truth", "me")])
    assert viewer.labels["label"].tolist() == ["new"]


@pytest.mark.parametrize(
    ("start_s", "width_s"),
    [(100.0, 5.0), (-50.0, 5.0), (np.nan, 5.0), (np.inf, 5.0), (0.0, 0.0), (0.0, -1.0), (0.0, np.nan)],
)
def test_a_window_with_nothing_in_it_is_refused(start_s, width_s):
    viewer = view(person())
    with pytest.raises(ValueError, match=r"nothing was recorded|expected at least"):
        viewer.show(start_s, width_s)
    assert viewer.start_s == 0.0


def test_next_and_previous_visit_every_label_in_order():
    viewer = view(person())
    seen = []
    while viewer.next_label():
        seen.append(viewer.start_s + viewer.width_s / 2)
    assert seen == pytest.approx([10.0, 30.1, 50.1])
    assert viewer.previous_label()
    assert viewer.start_s + viewer.width_s / 2 == pytest.approx(30.1)
    viewer.whole()
    assert viewer.previous_label()
    assert viewer.start_s + viewer.width_s / 2 == pytest.approx(50.1)
    assert not viewer.next_event()


def test_next_event_visits_events_and_long_ones_at_their_onset():
    events = pd.DataFrame({"start_s": [10.0, 40.0], "stop_s": [35.0, 40.5], "label": ["walk", "tap"]})
    viewer = view(person(), events=events)
    assert viewer.next_event()
    assert viewer.start_s == pytest.approx(8.0)
    assert viewer.next_event()
    assert viewer.start_s == pytest.approx(35.25)
    assert not viewer.next_event()
    assert viewer.previous_event()


def test_jumping_moves_on_in_a_recording_shorter_than_a_window():
    viewer = view(
        Recording.of(
            [motion(seconds=6.0)], labels=label_table([(4, 4.2, "a", "truth", "r"), (5, 5.2, "b", "truth", "r")])
        )
    )
    middles = []
    while viewer.next_label():
        middles.append(viewer.start_s + viewer.width_s / 2)
    assert middles == pytest.approx([4.1, 5.1])


def test_zoom_keeps_the_centre_and_shift_the_width():
    viewer = view(person())
    viewer.show(20.0, 10.0)
    viewer.zoom(0.5)
    assert (viewer.start_s, viewer.width_s) == (22.5, 5.0)
    viewer.shift(-0.8)
    assert (viewer.start_s, viewer.width_s) == (18.5, 5.0)


def test_several_recordings_each_with_their_own_tables():
    one, two = person(), person(subject="P02", seed=1)
    events = pd.DataFrame({"recording": [two.id], "start_s": [1.0], "stop_s": [2.0], "label": ["tap"]})
    viewer = view([one, two], events=events)
    assert viewer.events is not None
    assert viewer.events.empty
    viewer.start_s = 20.0
    viewer.choose(1)
    assert viewer.recording is two
    assert viewer.start_s == 0.0
    assert viewer.events["label"].tolist() == ["tap"]
    assert "recording" not in viewer.events
    with pytest.raises(ValueError, match="there is no recording 2"):
        viewer.choose(2)


def test_view_refuses_what_it_cannot_place():
    one, two = person(), person(subject="P02", seed=1)
    events = pd.DataFrame({"start_s": [1.0], "stop_s": [2.0], "label": ["tap"]})
    scores = Stream.measured("scores", np.arange(9.0), np.zeros((9, 1)), unit="1")
    with pytest.raises(ValueError, match="no recording to view"):
        view([])
    with pytest.raises(ValueError, match="given twice"):
        view([one, one])
    with pytest.raises(ValueError, match="no column 'recording'"):
        view([one, two], events=events)
    with pytest.raises(ValueError, match="which are not shown"):
        view(one, events=events.assign(recording=two.id))
    with pytest.raises(ValueError, match=r"lack the columns \['stop_s'\]"):
        view(one, events=events.drop(columns="stop_s"))
    with pytest.raises(ValueError, match="one stream for 2 recordings"):
        view([one, two], scores=scores)
    with pytest.raises(ValueError, match="not among the recordings"):
        view(one, scores={two.id: scores})


def test_a_viewer_without_a_kernel_is_a_picture_and_a_line():
    viewer = view(person())
    bundle = viewer._repr_mimebundle_(include=None, exclude=None)
    assert set(bundle) == {"text/plain", "image/png", WIDGET_MIME}
    assert bundle["text/plain"] == repr(viewer)
    assert base64.b64decode(bundle["image/png"]) == viewer.png()
    assert pixels(viewer.png()).shape[1] == 1000
    assert len(repr(viewer)) < 120


def test_a_figure_shows_itself_in_a_notebook():
    figure = draw_recording(person())
    assert pixels(figure._repr_png_()).shape[1] == 1000


def test_repr_draws_nothing(monkeypatch):
    viewer = view(person())
    monkeypatch.setattr(sys.modules["wristkit.view.viewer"], "draw_recording", None)
    assert "3 labels" in repr(viewer)
    with pytest.raises(TypeError):
        viewer.png()


class Front:
    """A front end of a live viewer, without a browser: it sends what the browser sends and keeps what it gets."""

    def __init__(self, viewer):
        self.live, self.got, self.told, self.count = viewer.panel(), {}, [], 0
        self.live.send = self.take

    def take(self, content, buffers=None):
        if content["id"] is None:
            self.told.append(content)
        else:
            self.got[content["id"]] = (content, buffers)

    def ask(self, kind, **fields):
        self.count += 1
        self.live._receive(None, {"kind": kind, "id": self.count, **fields}, [])
        return self.got[self.count]

    def edit(self, operation, **fields):
        return self.ask("edit", operation=operation, **fields)[0]


def unpacked(buffer, line):
    (low, step), steps = line, np.frombuffer(buffer, np.uint16)
    return np.where(steps == NOTHING, np.nan, low + step * steps.astype(np.float64))


def parts_of(answer, buffers):
    """Return gaps and lines of each pane of an answer as the browser unpacks them, none of a picture."""
    left, panes = list(buffers), []
    for part in answer["panes"]:
        if "image" in part:
            left.pop(0)
            panes.append(([], []))
            continue
        gaps = unpacked(left.pop(0), part["gaps"]).reshape(-1, 2)
        lines = [np.frombuffer(left.pop(0), np.float32).astype(np.float64)] if part["exact"] else []
        if part["grid"]:
            first_s, width_s, count = part["grid"]
            counts = 2 if part["even"] else np.frombuffer(left.pop(0), np.uint8)
            lines.append(np.repeat(first_s + width_s * np.arange(count), counts))
        lines += [unpacked(left.pop(0), line) for line in part["lines"]]
        panes.append(((answer["start"] + gaps).tolist(), [answer["start"] + lines[0], *lines[1:]]))
    assert not left
    return panes


def lines_of(answer, buffers):
    """Return time and lines of each pane of an answer, none of a picture."""
    return [lines for _, lines in parts_of(answer, buffers)]


def test_the_window_goes_to_the_front_end_and_comes_from_it():
    viewer = view(person())
    live = viewer.panel()
    assert live is viewer.panel()
    viewer.show(7.0, 2.0)
    assert live.view == [7.0, 9.0]
    live.view = [5.0, 8.0]
    assert (viewer.start_s, viewer.width_s) == (5.0, 3.0)


def test_a_window_is_what_lies_in_it_thinned():
    recording = person()
    front = Front(view(recording))
    answer, buffers = front.ask("window", start=5.0, stop=9.0, bins=200, columns=200)
    names = [pane["name"] for pane in front.live.meta["panes"]]
    assert names == list(recording.streams)
    for name, (gaps, (time_s, *lines)) in zip(names, parts_of(answer, buffers), strict=True):
        stream = recording[name]
        assert len(lines) == len(stream.channels)
        for channel, values in enumerate(lines):
            assert values.shape == time_s.shape
            inside = stream.between(5.0, 9.0).values[:, channel]
            step = (np.nanmax(values) - np.nanmin(values)) / 65534
            assert np.nanmin(values) <= inside.min() + step
            assert np.nanmax(values) >= inside.max() - step
        assert (np.diff(time_s) >= 0).all()
        assert len(time_s) <= 2 * 203 + 2 * len(gaps)


@given(st.lists(st.floats(width=32), min_size=1, max_size=60))
def test_a_packed_line_is_itself_to_a_step(numbers):
    line = np.array(numbers, dtype=np.float32)
    line[np.isinf(line)] = np.nan
    low, step, steps = packed(line)
    shown = np.where(steps == NOTHING, np.nan, low + step * steps.astype(np.float64))
    np.testing.assert_array_equal(np.isnan(shown), np.isnan(line))
    held = line[~np.isnan(line)].astype(np.float64)
    if len(held):
        assert step == (held.max() - held.min()) / 65534
        np.testing.assert_allclose(shown[~np.isnan(line)], held, rtol=1e-9, atol=0.5001 * step)


@pytest.mark.parametrize("empty", [[], [9], [3, 4, 5, 30]])
def test_bins_that_gave_two_points_are_told_as_a_grid(empty):
    centres_s, counts = 3.0 + 0.25 * np.arange(50), np.full(50, 2)
    counts[empty] = 0
    counts[[0, 20]] = 3  # the line breaks after these
    first_s, width_s, told = grid_of(np.repeat(centres_s, counts))
    assert (first_s, width_s, told.tolist()) == (3.0, 0.25, counts.tolist())
    for apart in (centres_s, np.repeat(centres_s, 2)[1:], np.repeat(3.0, 8), np.repeat([0.0, 1.0, 9000.0], 2)):
        assert grid_of(apart) is None
    assert grid_of(np.repeat(centres_s + 0.01 * np.sin(centres_s), 2)) is None


def test_a_window_with_many_gaps_is_told_in_few_bytes_and_shows_them_all():
    time_s = np.arange(0, 6000, 0.04)
    time_s = time_s[time_s % 3 >= 0.5]  # 2000 gaps
    recording = Recording.of([Stream.measured("accel", time_s, np.zeros((len(time_s), 3)))])
    front = Front(view(recording))
    answer, buffers = front.ask("window", start=0.0, stop=6000.0, bins=2300, columns=1)
    assert len(json.dumps(answer)) + sum(map(len, buffers)) < 40_000
    ((gaps, _),) = parts_of(answer, buffers)
    assert len(gaps) <= 501
    assert gaps[-1][1] > 5997
    answer, buffers = front.ask("window", start=600.0, stop=900.0, bins=2300, columns=1)
    ((gaps, (told_s, *_)),) = parts_of(answer, buffers)
    within = np.clip(recording["accel"].gaps, 600, 900)
    np.testing.assert_allclose(gaps, within[within[:, 0] < within[:, 1]], atol=300 / 20_000)
    for start_s, stop_s in gaps:
        assert not ((told_s > start_s + 0.3) & (told_s < stop_s - 0.3)).any()


def test_seconds_of_a_window_are_finer_than_a_pixel():
    time_s = 1e6 + np.arange(200_000) / 100
    front = Front(view(Recording.of([Stream.measured("accel", time_s, np.zeros((len(time_s), 3)))])))
    for width_s in (0.05, 10.0, 2000.0):
        answer, buffers = front.ask("window", start=1e6 + 3, stop=1e6 + 3 + width_s, bins=1000, columns=1000)
        told_s = lines_of(answer, buffers)[0][0]
        nearest_s = (np.round((told_s - 1e6) * 100) / 100 + 1e6) if width_s < 2 else told_s
        np.testing.assert_allclose(told_s, nearest_s, rtol=0, atol=width_s / 20_000)


@pytest.mark.parametrize("width_s", [0.001, 0.5, 20.0])
def test_seconds_beside_a_gap_of_hours_are_as_fine(width_s):
    time_s = np.r_[np.arange(0, 10, 0.02), np.arange(36_000, 36_100, 0.02)]
    front = Front(view(Recording.of([Stream.measured("accel", time_s, np.zeros((len(time_s), 3)))])))
    for start_s in (36_000 - width_s / 2, 10 - width_s / 2):
        answer, buffers = front.ask("window", start=start_s, stop=start_s + width_s, bins=1000, columns=1000)
        told_s, inside_s = lines_of(answer, buffers)[0][0], time_s[np.abs(time_s - start_s - width_s / 2) < width_s / 2]
        nearest_s = np.abs(told_s - inside_s[:, None]).min(axis=1)
        np.testing.assert_allclose(nearest_s, 0, atol=width_s / 20_000 if width_s < 10 else 0.01)


@pytest.mark.parametrize("tone_hz", [500.0, 3000.0])
def test_sound_is_seen_as_power_by_frequency(tone_hz):
    time_s = np.arange(0, 8, 1 / 16000)
    sound = 0.5 * np.sin(2 * np.pi * tone_hz * time_s) * (time_s > 4)
    recording = Recording.of([Stream.uniform("audio", sound, rate_hz=16000)])
    recording = recording.with_streams(mel(recording))
    front = Front(view(recording))
    assert [(pane["name"], pane["image"]) for pane in front.live.meta["panes"]] == [
        ("audio", False),
        ("spectrum", True),
        ("mel", True),
    ]
    answer, buffers = front.ask("window", start=2.0, stop=6.0, bins=400, columns=400)
    assert len(buffers) == 2 + 1 + 1  # no gaps, and a waveform that is on a grid
    rows, columns, start_s, stop_s = answer["panes"][1]["image"]
    assert (rows, columns, start_s, stop_s) == (64, 400, 2.0, 6.0)
    seen = np.frombuffer(buffers[2], np.uint8).reshape(rows, columns)
    assert abs((seen[:, 300].argmax() + 0.5) * 8000 / 64 - tone_hz) <= 8000 / 64
    assert seen[:, :195].max() == 0
    rows, columns, *_ = answer["panes"][2]["image"]
    bands = np.frombuffer(buffers[3], np.uint8).reshape(rows, columns)
    assert bands[:, 300].argmax() == np.abs(np.array(MelParams().centres_hz) - tone_hz).argmin()
    beyond, _ = front.ask("window", start=9.0, stop=10.0, bins=400, columns=400)
    assert beyond["panes"][1]["image"][:2] == [1, 1]


def test_edits_are_done_told_and_taken_back():
    viewer = view(person())
    front, before = Front(viewer), viewer.labels
    (key,) = front.edit("add", start=1.0, stop=2.0, label="tap", tier="truth")["keys"]
    assert len(viewer.labels) == len(front.live.labels) == len(before) + 1
    front.edit("change", key=key, fields={"stop": 2.5}, seen={"stop": 2.0})
    assert viewer.store.table()["stop_s"][key] == 2.5
    refused = front.edit("change", key=key, fields={"stop": 3.0}, seen={"stop": 2.0})
    assert "label_changed" in refused["error"]
    assert refused["rows"] == front.live.labels
    assert len(front.edit("split", key=key, at=1.5)["keys"]) == 2
    assert "error" in front.edit("split", key=key, at=99.0)
    assert "error" in front.edit("fly")
    for _ in range(3):
        front.edit("undo")
    pd.testing.assert_frame_equal(viewer.labels, before)
    assert "nothing to take back" in front.edit("undo")["error"]
    front.edit("redo")
    assert len(viewer.labels) == len(before) + 1
    viewer.labels = before
    assert len(front.live.labels) == len(before)


def test_two_viewers_of_one_store_see_each_other(tmp_path):
    recording = person()
    with LabelStore(tmp_path / "labels.sqlite", recording=recording) as one, LabelStore(one.path) as other:
        here, there = Front(view(recording, labels=one)), Front(view(recording, labels=other))
        here.edit("add", start=1.0, stop=2.0, label="tap", tier="truth")
        assert there.live.labels == []
        there.ask("window", start=0.0, stop=9.0, bins=100, columns=100)
        assert there.live.labels == here.live.labels
        assert here.live.meta["kept"]
    with pytest.raises(ValueError, match="holds labels of"):
        view(person(subject="P02", seed=1), labels={person(subject="P02", seed=1).id: LabelStore(one.path)})


def test_a_cursor_measures_and_a_label_snaps():
    time_s = np.arange(0, 20, 0.01)
    values = np.column_stack([np.sin(2 * np.pi * 3 * time_s), *np.zeros((2, 2000))])
    values[1005] += 5
    viewer = view(Recording.of([Stream.measured("accel", time_s, values)]))
    front = Front(viewer)
    text = front.ask("measure", start=2.0, stop=6.0)[0]["text"]
    assert text.startswith("4 s;")
    assert "accel x 2 g peak to peak at 3 Hz" in text
    (key,) = front.edit("add", start=10.0, stop=10.0, label="tap", tier="truth")["keys"]
    front.edit("snap", key=key, perPixel=0.001)
    assert viewer.store.table()["start_s"][key] == pytest.approx(10.05)


class Follower:
    """What a front end knows that was given all labels once, and then only what changed."""

    def __init__(self, front):
        self.front, self.step, self.rows, self.judged, self.notes, self.seen = front, -1, {}, {}, {}, len(front.told)
        self.take(front.ask("labels", whole=True)[0])

    def take(self, told):
        if told["base"] is None:
            self.rows, self.judged = {}, {}
        else:
            assert told["base"] == self.step
        self.step = told["step"]
        for key in told["gone"]:
            del self.rows[key]
        self.rows |= {row[0]: row for row in told["rows"]}
        self.judged |= {row[0]: tuple(row[1:]) for row in told["judged"]}
        self.notes |= told["notes"]

    def follow(self):
        for told in self.front.told[self.seen :]:
            self.take(told)
        self.seen = len(self.front.told)
        return sorted(self.rows.values())


def events_of(*rows):
    return pd.DataFrame(rows, columns=["start_s", "stop_s", "label"])


@settings(deadline=None, max_examples=12)
@given(data=st.data())
def test_what_changed_adds_up_to_all_that_is(data):
    viewer = view(person(), events=events_of((30.0, 30.2, "tap"), (40.0, 41.0, "tap")))
    front = Front(viewer)
    follower = Follower(front)
    for _ in range(data.draw(st.integers(1, 8))):
        keys = list(viewer.store.table().index)
        what = data.draw(st.sampled_from(["add", "remove", "change", "accept", "reject", "undo", "redo"]))
        match what:
            case "add":
                start = data.draw(st.floats(0, 50))
                front.edit("add", start=start, stop=start + 1, label="tap", tier="truth")
            case "remove" if keys:
                front.edit("remove", keys=[data.draw(st.sampled_from(keys))])
            case "change" if keys:
                front.edit("change", key=data.draw(st.sampled_from(keys)), fields={"label": "rest"}, seen={})
            case "accept":
                front.edit("accept", event=data.draw(st.integers(0, 2)), tier="truth")
            case "reject":
                front.edit("reject", event=data.draw(st.integers(0, 2)))
            case _:
                front.edit(what if what == "redo" else "undo")
        shown = follower.follow()
        fresh = Follower(Front(view(person(), events=viewer.events, labels=viewer.store)))
        assert shown == sorted(fresh.rows.values()) == sorted(front.live.labels)
        assert follower.judged == fresh.judged
        assert [row[1:6] for row in shown] == [list(row) for row in viewer.store.table().sort_index().to_numpy()]
        assert set(follower.notes["classes"]) >= set(fresh.notes["classes"])
        assert follower.step == front.ask("labels", whole=False)[0]["step"]


def test_an_edit_among_two_thousand_labels_is_told_in_a_few_bytes():
    rows = [(k / 40, k / 40 + 0.01, "tap", "truth", "sim") for k in range(2000)]
    viewer = view(person().with_labels(label_table(rows)), events=events_of((1.0, 2.0, "tap")))
    front = Front(viewer)
    front.edit("add", start=55.0, stop=56.0, label="tap", tier="truth")
    assert len(json.dumps(front.told[-1])) < 400
    assert len(front.live.labels) == 2001


def test_a_class_keeps_its_place_when_others_come_and_go():
    front = Front(view(person()))
    (key,) = front.edit("add", start=1.0, stop=2.0, label="aaa", tier="truth")["keys"]
    follower = Follower(front)
    assert follower.notes["classes"] == ["tap", "walking", "aaa"]
    front.edit("remove", keys=[key])
    follower.follow()
    assert follower.notes["classes"] == ["tap", "walking", "aaa"]


def states(front):
    return [state for _, state in dict(sorted(Follower(front).judged.items())).values()]


def test_suggestions_are_accepted_and_rejected_and_taken_back(tmp_path):
    recording = person()
    events = events_of((30.0, 30.2, "tap"), (40.0, 40.5, "tap"), (45.0, 45.5, "tap"))
    with LabelStore(tmp_path / "labels.sqlite", recording=recording) as store:
        store.add_table(recording.labels)
        viewer = view(recording, events=events, labels=store)
        front = Front(viewer)
        assert states(front) == ["accepted", "open", "open"]
        front.edit("accept", event=1, tier="draft")
        front.edit("reject", event=2)
        assert states(front) == ["accepted", "accepted", "rejected"]
        rows = store.table()[["start_s", "stop_s", "label", "tier", "rater"]].to_numpy().tolist()
        assert [40.0, 40.5, "tap", "draft", "me"] in rows
        assert [45.0, 45.5, "tap", "rejected", "me"] in rows
        assert "is accepted already; remove its label" in front.edit("reject", event=1)["error"]
        assert "is rejected already" in front.edit("reject", event=2)["error"]
        assert "no event 3 of 3" in front.edit("accept", event=3, tier="truth")["error"]
        assert "is for what was refused" in front.edit("accept", event=2, tier="rejected")["error"]
        front.edit("accept", event=2, tier="truth")  # a change of mind is one edit
        assert states(front) == ["accepted"] * 3
        assert "rejected" not in set(store.table()["tier"])
        for expected in (
            ["accepted", "accepted", "rejected"],
            ["accepted", "accepted", "open"],
            ["accepted", "open", "open"],
        ):
            front.edit("undo")
            assert states(front) == expected
        front.edit("reject", event=2)
    with LabelStore(tmp_path / "labels.sqlite", recording=recording) as again:
        viewer = view(recording, events=events, labels=again)
        assert states(Front(viewer)) == ["accepted", "open", "rejected"]
        assert "rejected" not in viewer.tiers
        drawn = viewer.png()
        assert drawn != view(recording, events=events, labels=recording.labels).png()  # it shows what was rejected


def test_suggestions_are_decided_by_code_too():
    viewer = view(person(), events=events_of((40.0, 40.5, "tap"), (45.0, 45.5, "tap")))
    front = Front(viewer)
    viewer.accept(0)
    viewer.reject(1)
    assert viewer.suggestions["state"].tolist() == ["accepted", "rejected"] == states(front)
    assert len(front.live.labels) == 5
    with pytest.raises(ValueError, match="is rejected already; accept it, or undo"):
        viewer.reject(1)
    assert view(person()).suggestions.empty


def test_a_rejected_event_is_no_truth_and_no_label_to_step_to():
    labels = label_table([(5.0, 6.0, "tap", "rejected", "me"), (9.0, 9.5, "tap", "truth", "me")])
    events = events_of((5.0, 6.0, "tap"))
    assert verdicts(labels, events, looked=ALL, tolerance_s=0.5) == (["false alarm"], [1])
    assert event_states(labels, events) == ["rejected"]
    viewer = view(person().with_labels(labels), events=events)
    viewer.show(0.0, 1.0)
    assert viewer.next_label()
    assert viewer.start_s > 8


def test_an_accepted_label_whose_edges_moved_still_stands_for_its_event():
    events = events_of((5.0, 6.0, "tap"), (5.0, 6.0, "wash"))
    assert event_states(label_table([(5.3, 6.2, "tap", "truth", "me")]), events) == ["accepted", "open"]
    assert event_states(label_table([(9.0, 9.2, "tap", "truth", "me")]), events) == ["open", "open"]
    assert event_states(label_table(), events) == ["open", "open"]
    assert event_states(label_table([(1, 2, "tap", "truth", "me")]), events_of()) == []


def test_what_two_raters_saw_is_not_missed_twice():
    labels = label_table([(5, 6, "tap", "truth", rater) for rater in ("a", "b")])
    told = [verdicts(labels, events_of((s, s + 1.0, "tap")), looked=ALL, tolerance_s=0.5) for s in (5.0, 8.0)]
    assert told == [(["hit"], []), (["false alarm"], [0, 1])]


def test_raters_are_compared_and_where_they_differ_is_told():
    rows = [(1, 5, "wash", "truth", "a"), (1.5, 5, "wash", "truth", "b"), (9, 9.2, "tap", "truth", "a")]
    recording = person().with_labels(label_table([*rows, (9, 9.2, "tap", "rejected", "c")]))
    viewer = view(recording, rater="b")
    front = Front(viewer)
    assert [(row[3], row[6]) for row in front.live.labels] == [
        ("wash", ""),
        ("wash", ""),
        ("tap", "disputed"),
        ("tap", ""),
    ]
    answer = front.ask("agreement", tier="truth")[0]
    assert answer["rows"][-1][:5] == ["a / b", "all classes", "1", "1", "0"]
    assert "labels of either" in answer["note"]
    assert len(answer["header"]) == len(answer["rows"][0])
    for rater in ("a", "b"):
        viewer.store.look(0.0, 20.0, rater=rater)
    assert "what both looked at" in front.ask("agreement", tier="truth")[0]["note"]
    alone = front.ask("agreement", tier="other")[0]
    assert alone["rows"] == []
    assert "0 rater(s)" in alone["note"]
    (key,) = front.edit("add", start=9.0, stop=9.2, label="tap", tier="truth")["keys"]
    assert viewer.store.table()["rater"][key] == "b"
    assert not any(row[6] for row in front.live.labels)


def test_what_another_notebook_edited_is_told_when_asked_for(tmp_path):
    recording = person()
    with LabelStore(tmp_path / "labels.sqlite", recording=recording) as one, LabelStore(one.path) as other:
        front = Front(view(recording, labels=one))
        follower = Follower(front)
        before = front.ask("labels", whole=False)[0]
        assert before["step"] == follower.step
        assert front.told == []
        other.add(1.0, 2.0, "tap")
        assert front.ask("labels", whole=False)[0]["step"] == follower.step + 1
        assert [row[1:4] for row in follower.follow()] == [[1.0, 2.0, "tap"]]


def test_what_another_notebook_edited_is_told_unasked_while_somebody_looks(tmp_path, monkeypatch):
    monkeypatch.setattr(watch, "EVERY_S", 0.02)
    monkeypatch.setattr(watch, "LEASE_S", 1.0)
    recording = person()
    with LabelStore(tmp_path / "labels.sqlite", recording=recording) as one, LabelStore(one.path) as other:
        front = Front(view(recording, labels=one))
        follower = Follower(front)
        other.add(1.0, 2.0, "tap")
        assert soon(lambda: front.told)
        assert [row[1:4] for row in follower.follow()] == [[1.0, 2.0, "tap"]]
        assert soon(lambda: front.live._watch._thread is None)
        other.add(3.0, 4.0, "tap")
        assert len(front.told) == 1
        front.ask("labels", whole=False)
        assert len(front.told) == 2


def soon(happens):
    stops_s = time.monotonic() + 10
    while not happens() and time.monotonic() < stops_s:
        time.sleep(0.01)
    return happens()


def test_a_store_that_was_closed_leaves_a_view_to_look_at(tmp_path):
    recording = person()
    store = LabelStore(tmp_path / "labels.sqlite", recording=recording)
    store.add(1.0, 2.0, "tap")
    front = Front(view(recording, labels=store))
    store.close()
    answer = front.ask("window", start=0.0, stop=9.0, bins=100, columns=100)
    assert [len(lines) for lines in lines_of(*answer)] == [4, 2]
    assert len(front.live.labels) == 1
    assert "closed" in Follower(front).notes["refusal"].lower()
    assert "closed" in front.edit("undo")["error"].lower()


def hearing(*, seconds=80.0, rate_hz=16000, start_s=2.0):
    wave = 0.5 * np.sin(np.arange(0, int(seconds * rate_hz)) / 7).astype(np.float32)
    wave[100] = np.nan
    return Stream.uniform("audio", wave, rate_hz=rate_hz, start_s=start_s)


def test_sound_comes_in_pieces_of_a_megabyte_at_most():
    stream = hearing()
    front = Front(view(Recording.of([motion(seconds=100.0), stream])))
    assert front.live.meta["sound"]
    at, heard = 0.0, []
    while True:
        piece, buffers = front.ask("sound", start=at, stop=100.0)
        if not piece["count"]:
            break
        assert len(buffers[0]) == 2 * piece["count"] <= 1_000_000
        heard.append(np.frombuffer(buffers[0], np.int16))
        assert piece["start"] == pytest.approx(max(at, 2.0))
        at = piece["start"] + piece["count"] / piece["rate"]
    whole = np.nan_to_num(stream.values[:, 0])
    np.testing.assert_allclose(np.concatenate(heard) / 32767, whole, atol=1 / 32767)
    assert len(heard) == 3
    assert front.ask("sound", start=-5.0, stop=1.0)[0]["count"] == 0


def test_a_recording_without_sound_has_none_to_play():
    front = Front(view(person()))
    assert not front.live.meta["sound"]
    assert "no stream of sound" in front.ask("sound", start=0.0, stop=1.0)[0]["error"]


def test_devices_beside_are_panes_on_one_axis():
    watch = person()
    stream = motion(seconds=30.0, seed=3)
    phone = Recording.of([Stream.measured("accel", stream.time + 40.0, stream.values), hearing(start_s=45.0)])
    phone = phone.with_findings(finding_table([("gaps", "accel", 41.0, 42.0, 1, "n", "r")]))
    viewer = view(watch, beside={"phone": phone})
    front = Front(viewer)
    panes = {pane["name"]: pane for pane in front.live.meta["panes"]}
    assert list(panes) == ["accel", "heart_rate", "phone accel", "phone audio", "phone spectrum"]
    assert panes["phone accel"]["findings"] == ["gaps"]
    assert panes["phone accel"]["found"] == [[41.0, 42.0]]
    early = parts_of(*front.ask("window", start=30.0, stop=42.0, bins=100, columns=100))
    assert [gaps for gaps, _ in early] == [[], [], [[30.0, 40.0]], [[30.0, 42.0]], []]  # where nobody listened
    assert front.live.meta["span"] == [0.0, phone.stop_s]
    assert viewer.recording is watch
    assert viewer.store.recording == watch.id
    answer, buffers = front.ask("window", start=50.0, stop=52.0, bins=100, columns=100)
    assert lines_of(answer, buffers)[2][0].min() >= 49.9
    assert len(answer["panes"]) == 5
    assert front.ask("sound", start=50.0, stop=51.0)[0]["count"] == 16000
    assert viewer.png() != view(watch).png()


def test_devices_that_cannot_stand_beside_are_refused():
    late = Recording.of([Stream.measured("accel", np.arange(1000.0, 1010.0, 0.02), np.zeros((500, 3)))])
    with pytest.raises(ValueError, match=r"'phone' recorded from 1000.0 s to .* put it onto its clock with"):
        view(person(), beside={"phone": late})
    with pytest.raises(ValueError, match="beside is given for 2 recordings"):
        view([person(), person(seed=1)], beside={"phone": person(seed=2)})
    with pytest.raises(TypeError, match="expected a Recording"):
        view(person(), beside={"phone": 3})
    with pytest.raises(ValueError, match="blank name"):
        view(person(), beside={" ": person(seed=2)})


def test_verdicts_are_by_class_and_of_the_truth_alone():
    labels = label_table([(1, 2, "tap", "truth", "r"), (5, 6, "tap", "truth", "r"), (5, 6, "tap", "guess", "r")])
    events = pd.DataFrame(
        [(1.1, 2.0, "tap"), (9.0, 9.5, "tap"), (5.0, 6.0, "wash")], columns=["start_s", "stop_s", "label"]
    )
    told, missed = verdicts(labels, events, looked=ALL, tolerance_s=0.5)
    assert told == ["hit", "false alarm", "false alarm"]
    assert missed == [1]


def test_the_choice_of_recordings_shows_another():
    viewer = view([person(), person(subject="P02", seed=1)])
    front = Front(viewer)
    assert front.live.meta["shown"] == 0
    front.ask("choose", index=1)
    assert viewer.recording.subject == "P02"
    assert front.live.meta["shown"] == 1
    assert front.live.meta["name"] == "P02"


def test_labels_that_no_store_holds_are_shown_and_not_edited():
    recording = person().with_labels(label_table([(1, 2, "a\0b", "truth", "r")]))
    front = Front(view(recording))
    assert len(front.live.labels) == 1
    assert "has no NUL" in Follower(front).notes["refusal"]
    assert "has no NUL" in front.edit("add", start=1.0, stop=2.0, label="tap", tier="truth")["error"]


def test_handlers_on_many_threads_leave_one_consistent_state():
    viewer = view(person())
    front = Front(viewer)
    faults = []

    def work(seed):
        for step in range(3):
            try:
                viewer.start_s = 3.0 * seed + step
                front.live._receive(
                    None,
                    {"kind": "window", "id": (seed, step), "start": 0.0, "stop": 9.0, "bins": 99, "columns": 99},
                    [],
                )
                start_s = seed + 0.125 * step  # of one class, since the colours of others come in the order of edits
                fields = {"start": start_s, "stop": start_s + 1.0, "label": "tap", "tier": "truth"}
                front.live._receive(None, {"kind": "edit", "id": (seed, step, 1), "operation": "add", **fields}, [])
                pixels(viewer.png())
            except (RuntimeError, ValueError, IndexError) as fault:
                faults.append(fault)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults
    assert len(front.got) == 24
    added = {seed + 0.125 * step for seed in range(4) for step in range(3)}
    assert sorted(viewer.labels.query("rater == 'me'")["start_s"]) == sorted(added)
    assert len(front.live.labels) == len(viewer.labels)
    fresh = view(person(), labels=viewer.labels)
    fresh.show(viewer.start_s, viewer.width_s)
    assert fresh.png() == viewer.png()


def drawn_axes(**sides):
    """The tips of x and y on the page, with the hand up and z towards the reader."""
    ax = draw_wrist(axes(), **sides)
    tips = [text.xy for text in ax.texts if text.get_text() == ""]
    assert [text.get_text() for text in ax.texts if text.get_text()] == ["x", "y", "z"]
    return np.sign(tips)


@pytest.mark.parametrize("wrist", ["left", "right"])
@pytest.mark.parametrize("crown", ["left", "right"])
def test_the_axes_on_a_wrist_are_those_of_a_device_and_of_the_wrist(wrist, crown):
    x, y = drawn_axes(wrist=wrist, crown=crown)
    assert np.linalg.det([x, y]) == 1  # a device is right-handed, on either arm
    assert x[1] == (1 if crown != wrist else -1)  # towards the crown
    little_finger = [-1, 0] if wrist == "left" else [1, 0]
    np.testing.assert_array_equal(drawn_axes(wrist=wrist, crown=crown, frame="wrist"), [[0, 1], little_finger])


def test_a_wrist_that_there_is_not_is_refused():
    with pytest.raises(ValueError, match="frame is 'earth', expected 'device' or 'wrist'"):
        draw_wrist(axes(), wrist="left", crown="right", frame="earth")
    with pytest.raises(ValueError, match="wrist is 'both' and crown is 'right', expected"):
        draw_wrist(axes(), wrist="both", crown="right")


def test_the_bundle_is_built_from_what_lies_beside_it(root):
    sources = root / "wristkit" / "view" / "js"
    whole = hashlib.sha256()
    for path in sorted(sources.iterdir(), key=lambda path: path.name):
        if path.suffix in {".js", ".css", ".mjs", ".json"} and path.name != "package-lock.json":
            whole.update(f"{path.name}\n".encode() + path.read_bytes())
    for name in ("viewer.js", "viewer.css", "gallery.js", "gallery.css"):
        bundle = (root / "wristkit" / "view" / "static" / name).read_text()
        assert bundle.startswith(f"/* built from {whole.hexdigest()} */"), "run npm install && npm run build in view/js"
        assert not re.findall("https?://(?!www.w3.org)[^\"'` ]+", bundle)


# Whose labels they are


def test_labels_that_are_refused_take_no_others_away(tmp_path):
    store = LabelStore(tmp_path / "labels.sqlite")
    viewer = view(person(), labels=store)
    viewer.labels = label_table([(k, k + 0.5, "tap", "truth", "me") for k in range(5)])
    with pytest.raises(ValueError, match=r"NUL|null|x00"):
        viewer.labels = label_table([(1.0, 2.0, "a\x00b", "truth", "me")])
    assert len(store.table()) == 5
    viewer.labels = label_table([(1.0, 2.0, "wash", "truth", "me")])
    assert store.table()["label"].tolist() == ["wash"]
    store.undo()  # of all of them, as one edit
    assert len(store.table()) == 5


def test_what_a_recording_was_looked_at_for_is_in_the_viewers_own_store():
    recording = person()
    looked = recording.with_labels(recording.labels, labelled={"truth": [(1.0, 9.0)]})
    viewer = view(looked)
    assert viewer.store.labelled()["truth"].tolist() == [[1.0, 9.0]]


def test_undo_takes_back_ones_own_edits_and_nobody_elses(tmp_path):
    store = LabelStore(tmp_path / "labels.sqlite")
    recording = person()
    anna, bert = (Front(view(recording, labels=store, rater=name)) for name in ("anna", "bert"))
    for front, start in ((anna, 1.0), (bert, 3.0)):
        answer, _ = front.ask("edit", operation="add", start=start, stop=start + 1, label="tap", tier="truth")
        assert "error" not in answer
    assert "error" not in anna.ask("edit", operation="undo")[0]
    assert store.table()["rater"].tolist() == ["bert"]
    assert "nothing" in anna.ask("edit", operation="undo")[0]["error"]


def test_what_was_looked_at_is_underlined(tmp_path):
    store = LabelStore(tmp_path / "labels.sqlite")
    recording = person()
    front = Front(view(recording, labels=store))
    assert front.ask("labels", whole=True)[0]["notes"]["looked"] == {}
    front.edit("add", start=1.0, stop=2.0, label="tap", tier="truth")
    before = front.live._viewer.png()
    front.edit("look", start=0.5, stop=6.0, tier="truth")
    assert front.told[-1]["notes"]["looked"] == {"truth": [[0.5, 6.0]]}
    assert front.live._viewer.png() != before
    lanes = draw_recording(recording, labels=store.table(), labelled=store.labelled()).axes[0]
    lines = [part for part in lanes.collections if mpl.colors.same_color(part.get_facecolor(), LOOKED)]
    assert [path.get_extents().intervalx.tolist() for line in lines for path in line.get_paths()] == [[0.5, 6.0]]


# What must not go wrong while two things happen at once


def test_a_shift_of_a_moment_hours_into_a_recording_is_followed():
    time_s = np.arange(0, 90_000, 1.0)
    viewer = view(Recording.of([Stream.measured("accel", time_s, np.zeros((len(time_s), 3)))]))
    live = viewer.panel()
    viewer.show(80_000.0, 0.2)
    live.view = [80_000.3, 80_000.5]
    assert (viewer.start_s, viewer.width_s) == pytest.approx((80_000.3, 0.2))


def test_a_window_that_is_the_same_but_for_rounding_is_not_sent_back():
    viewer = view(person())
    live, seen = viewer.panel(), []
    live.observe(seen.append, "view")
    start_s, stop_s = next(
        (a, b)
        for a, b in np.random.default_rng(0).uniform(0, [1, 9], (99, 2)).tolist()
        if b > a + 1 and a + (b - a) != b
    )
    live.view = [start_s, stop_s]
    assert len(seen) == 1
    assert live.view == [start_s, stop_s]


def test_a_window_of_the_recording_before_is_put_right():
    late = Stream.measured("accel", 1000 + np.arange(0, 20, 0.02), np.zeros((1000, 3)))
    viewer = view([person(), Recording.of([late])])
    live = viewer.panel()
    viewer.choose(1)
    live.view = [2.0, 4.0]  # on its way before the front end knew
    assert live.view == pytest.approx([viewer.start_s, viewer.start_s + viewer.width_s])
    assert live.view[0] == 1000


def test_an_edit_in_sight_of_another_recording_is_refused():
    viewer = view([person(), person(subject="P02", seed=1)])
    front = Front(viewer)
    (key,) = front.edit("add", shown=0, start=1.0, stop=2.0, label="tap", tier="truth")["keys"]
    viewer.choose(1)
    theirs = viewer.store.add(3.0, 4.0, "wash")
    before = viewer.labels
    assert key in viewer.store.table().index or theirs == key
    for operation, fields in (("remove", {"keys": [theirs]}), ("undo", {})):
        assert "another recording" in front.edit(operation, shown=0, **fields)["error"]
    pd.testing.assert_frame_equal(viewer.labels, before)
    assert "error" not in front.edit("remove", shown=1, keys=[theirs])


def test_a_question_that_cannot_be_answered_is_answered_with_why():
    viewer = view(person())
    front = Front(viewer)
    with pytest.raises(ValueError, match="no recording 7"):
        front.ask("choose", index=7)
    assert "no recording 7" in front.got[front.count][0]["fault"]
    thread = threading.Thread(target=lambda: front.ask("window", start=0.0, stop=9.0, bins=99, columns=99))
    thread.start()  # the lock is free
    thread.join(20)
    assert front.count in front.got
    assert "panes" in front.got[front.count][0]


def test_a_watch_whose_look_failed_is_started_by_the_next_who_asks(monkeypatch):
    monkeypatch.setattr(watch, "EVERY_S", 0.01)
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    looks = []

    def look():
        looks.append(1)
        if len(looks) == 1:
            raise OSError("the disk is gone for a moment")

    one = watch.Watch(look)
    one.renew()
    assert soon(lambda: looks and one._thread is None)
    monkeypatch.setattr(watch, "LEASE_S", 0.2)
    one.renew()
    assert soon(lambda: len(looks) > 1)
    assert soon(lambda: one._thread is None)


def test_a_rejection_that_another_takes_back_is_the_others_label(tmp_path):
    recording, events = person(), pd.DataFrame({"start_s": [1.0], "stop_s": [2.0], "label": ["tap"]})
    store = LabelStore(tmp_path / "labels.sqlite")
    anna, bert = (view(recording, labels=store, events=events, rater=name) for name in ("anna", "bert"))
    anna.reject(0)
    bert.accept(0)
    assert store.table()[["tier", "rater"]].to_numpy().tolist() == [["truth", "bert"]]


def test_a_store_of_its_own_is_filled_once_by_many_threads():
    labels = label_table([(k, k + 0.5, "tap", "truth", "me") for k in range(9)])
    viewer = view(person().with_labels(labels))
    threads = [threading.Thread(target=lambda: viewer.store) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(viewer.labels) == 9


# Numbers of a measurement, a snap and a piece of sound


def test_a_frequency_across_a_gap_and_a_spectrum_beside_its_waveform_are_not_told():
    time_s = np.arange(0, 20, 0.01)
    held = (time_s < 8) | (time_s > 11.3)
    wave = np.sin(2 * np.pi * 3 * time_s[held])[:, None] * np.ones((1, 3))
    sound = Stream.uniform("audio", 0.5 * np.sin(np.arange(20 * 8000) / 7), rate_hz=8000)
    front = Front(view(Recording.of([Stream.measured("accel", time_s[held], wave), sound])))
    across = front.ask("measure", start=6.0, stop=14.0)[0]["text"]
    assert "accel x 2 g peak to peak;" in across
    assert across.count("audio") == 1
    assert "at 3 Hz" in front.ask("measure", start=12.0, stop=18.0)[0]["text"]


def test_a_snap_stays_near_however_much_is_in_view():
    values = np.zeros((360_000, 3))
    values[100_000] = 5
    values[200_000] = 50
    viewer = view(Recording.of([Stream.measured("accel", np.arange(360_000) / 100, values)]))
    front = Front(viewer)
    (key,) = front.edit("add", start=1000.5, stop=1000.5, label="tap", tier="truth")["keys"]
    front.edit("snap", key=key, perPixel=86.4)
    assert viewer.store.table()["start_s"][key] == pytest.approx(1000.0)
    assert "no label 99" in front.edit("snap", key=99, perPixel=0.01)["error"]


def test_the_end_of_what_a_snap_looks_at_is_no_onset():
    time_s = np.arange(0, 4, 0.01)
    values = np.select([time_s < 0.8, time_s < 1.1, time_s < 1.4], [5.0, 0.0, 1.0], 0.0)
    stream = Stream.measured("accel", time_s, np.column_stack([values, values, values]))
    start_s, stop_s = snapped(stream, start_s=1.0, stop_s=1.45, within_s=0.25)
    assert start_s == pytest.approx(1.1, abs=0.02)
    assert stop_s == pytest.approx(1.4, abs=0.02)


def test_a_long_interval_snaps_to_where_it_begins_and_ends():
    time_s = np.arange(0, 60, 0.01)
    turned = ((time_s >= 10) & (time_s < 50)).astype(np.float64)
    stream = Stream.measured("gravity", time_s, np.column_stack([turned, 0 * turned, 1 - turned]))
    start_s, stop_s = snapped(stream, start_s=9.9, stop_s=50.1, within_s=0.25)
    assert (start_s, stop_s) == (pytest.approx(10.0, abs=0.02), pytest.approx(50.0, abs=0.02))


def test_a_piece_of_sound_ends_where_a_gap_begins():
    time_s = np.arange(0, 10, 1 / 1000)
    time_s = time_s[(time_s < 3) | (time_s >= 5)]
    sound = Stream.measured("audio", time_s, np.sin(time_s)[:, None])
    front = Front(view(Recording.of([motion(seconds=10.0), sound])))
    before = front.ask("sound", start=1.0, stop=9.0)[0]
    assert (before["start"], before["count"]) == (pytest.approx(1.0), 2000)
    after = front.ask("sound", start=before["start"] + before["count"] / before["rate"], stop=9.0)[0]
    assert (after["start"], after["count"]) == (pytest.approx(5.0), 4000)
