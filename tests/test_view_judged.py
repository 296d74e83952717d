"""What the viewer says of labels, events and raters, on the screen, in its picture and in their counts."""

import gc
import weakref
from concurrent.futures import ThreadPoolExecutor

import ipywidgets
import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import wristkit as wk
from wristkit.recording import Recording, Stream, label_table
from wristkit.recording.spans import union
from wristkit.store import LabelStore
from wristkit.view import draw_recording, view
from wristkit.view.draw.style import LOOKED
from wristkit.view.judged import event_states, verdicts

EVENT_COLUMNS = ["start_s", "stop_s", "label", "score", "decided_s"]


def person(labels=(), *, labelled=None):
    time_s = np.arange(0, 60, 0.02)
    accel = Stream.measured("accel", time_s, np.zeros((len(time_s), 3)))
    return Recording.of([accel], labels=label_table(labels), labelled=labelled, subject="P01")


def found(*rows):
    return pd.DataFrame([(*row, 0.5, row[1]) for row in rows], columns=EVENT_COLUMNS)


def ask(live, kind, **fields):
    """Send what a front end sends, and return what it gets."""
    got = []
    live.send = lambda content, buffers=None: got.append(content)
    live._receive(None, {"kind": kind, "id": 1, **fields}, [])
    return next(one for one in got if one["id"] == 1)


def texts(ax):
    return {text.get_text() for text in ax.texts}


# Where nobody looked


SPANS = st.lists(st.tuples(st.integers(0, 55), st.integers(0, 12)), max_size=8)


@settings(deadline=None, max_examples=60)
@given(truth=SPANS, events=SPANS, looked=SPANS, tolerance_s=st.sampled_from([0.0, 0.5, 2.0]))
def test_verdicts_are_those_of_an_evaluation(truth, events, looked, tolerance_s):
    labels = [(float(s), min(s + w / 4, 59.9), "tap", "truth", "me") for s, w in truth]
    spans = union(np.array([(s, min(s + w + 1.0, 59.9)) for s, w in looked]))
    recording = person(labels, labelled={"truth": spans} if len(spans) else None)
    table = found(*[(float(s), min(s + w / 4, 59.9), "tap") for s, w in events])
    told, missed = verdicts(
        recording.labels,
        table,
        looked=recording.labelled.get("truth", np.empty((0, 2))),
        tolerance_s=tolerance_s,
    )
    report = wk.evaluate(table.assign(recording=recording.id), [recording], tolerance_s=tolerance_s)
    kinds = report.matches["kind"].value_counts()
    counts = [told.count("hit"), told.count("false alarm"), told.count("not looked at")]
    assert counts == [kinds.get(kind, 0) for kind in ("hit", "false alarm", "not labelled")]
    assert not len(table) or len(missed) == kinds.get("miss", 0)


def test_an_event_outside_what_was_looked_at_is_no_false_alarm():
    recording = person([(5, 6, "tap", "truth", "me")], labelled={"truth": [(0, 20)]})
    viewer = view(recording, events=found((5.0, 6.0, "tap"), (10.0, 11.0, "tap"), (40.0, 41.0, "tap")))
    judged = ask(viewer.panel(), "labels", whole=True)["judged"]
    assert [one[1] for one in judged] == ["hit", "false alarm", "not looked at"]
    viewer.store.look(30.0, 50.0)
    assert [one[1] for one in ask(viewer.panel(), "labels", whole=True)["judged"]][2] == "false alarm"


def test_a_suggestion_that_was_accepted_takes_no_label_of_its_neighbour():
    events = found((1.0, 1.1, "tap"), (1.3, 1.4, "tap"))
    accepted = label_table([(1.3, 1.4, "tap", "draft", "me")])
    assert event_states(accepted, events) == ["open", "accepted"]
    assert event_states(accepted, events.assign(score=[0.9, 0.1])) == ["open", "accepted"]


def test_looking_is_taken_back(tmp_path):
    recording = person(labelled={"truth": [(0, 20)]})
    store = LabelStore(tmp_path / "labels.sqlite", recording=recording)
    store.add_table(recording.labels, labelled=recording.labelled)
    store.look(30, 50, rater="anna")
    store.look(40, 60, rater="ben")
    live = view(recording, labels=store, rater="anna").panel()

    def forget(start, stop):
        return ask(live, "edit", operation="forget", start=start, stop=stop, tier="truth")

    assert "error" not in forget(32.0, 34.0)
    assert store.labelled(rater="anna")["truth"].tolist() == [[30, 32], [34, 50]]
    assert "error" not in forget(5.0, 10.0)  # what the recording states has no other owner
    assert store.labelled(rater="recording")["truth"].tolist() == [[0, 5], [10, 20]]
    assert "theirs to take back" in forget(52.0, 55.0)["error"]
    assert store.labelled(rater="ben")["truth"].tolist() == [[40, 60]]
    ask(live, "edit", operation="undo")
    assert store.labelled(rater="recording")["truth"].tolist() == [[0, 20]]


# Names, tiers and colours


def test_a_tier_that_was_asked_for_takes_labels_before_it_has_any():
    viewer = view(person([(5, 6, "tap", "truth", "me")]), tiers=["draft", "truth"])
    assert viewer.tiers == ("draft", "truth")
    assert ask(viewer.panel(), "labels", whole=True)["notes"]["tiers"] == ["draft", "truth"]
    assert view(person()).tiers == ("truth",)
    for tiers, fault in ((["rejected"], "refused"), ([""], "tier"), ("draft", "expected several")):
        with pytest.raises((ValueError, TypeError), match=fault):
            view(person(), tiers=tiers)


def test_the_picture_has_the_colours_of_the_screen():
    scores = Stream.measured("scores", np.arange(60.0), np.full((60, 2), 0.5), channels=("none", "wash"), unit="1")
    rows = [(5, 16, "wash", "truth", "me"), (30, 41, "tap", "truth", "me"), (50, 59, "none", "truth", "me")]
    viewer = view(person(rows), scores=scores, classes=["wash", "clap"])
    live = viewer.panel()
    notes = ask(live, "labels", whole=True)["notes"]
    on_screen = dict(zip(notes["classes"], notes["colours"], strict=True))
    assert list(on_screen) == ["wash", "clap", "none", "tap"]
    assert live.meta["panes"][0]["colours"] == [on_screen["none"], on_screen["wash"]]
    lane, pane, *_ = viewer.figure().axes
    edges = lane.collections[0].get_edgecolor()
    shades = [on_screen[name] for name in ("wash", "tap", "none")]
    assert all(mpl.colors.same_color(edge, shade) for edge, shade in zip(edges, shades, strict=True))
    lines = [line.get_color() for line in pane.lines[:2]]
    assert lines == [on_screen["none"], on_screen["wash"]]


# Raters


def test_how_far_apart_raters_may_lie_is_stated():
    rows = [(9.0, 9.0, "tap", "truth", "a"), (9.3, 9.3, "tap", "truth", "b")]

    def told(tolerance_s):
        live = view(person(rows), tolerance_s=tolerance_s).panel()
        answer = ask(live, "agreement", tier="truth")
        return [row[6] for row in live.labels], answer["rows"][-1][2], answer["note"]

    assert told(0.5)[:2] == (["", ""], "1")
    assert told(0.0)[:2] == (["disputed", "disputed"], "0")
    assert "at most 0.5 s apart" in told(0.5)[2]
    with pytest.raises(ValueError, match="expected 0 or more"):
        view(person(rows), tolerance_s=-1)


def test_the_picture_has_a_row_a_rater_and_says_what_became_of_suggestions():
    rows = [
        (2.0, 14.0, "wash", "truth", "me"),
        (3.0, 15.0, "wash", "truth", "ben"),
        (20.0, 36.0, "tap", "truth", "me"),
        (50.0, 59.0, "wash", "rejected", "me"),
        (38.0, 46.0, "wash", "draft", "me"),
    ]
    events = found((3.0, 15.0, "wash"), (38.0, 46.0, "wash"), (50.0, 59.0, "wash"))
    recording = person(rows, labelled={"truth": [(0, 48)]})
    viewer = view(recording, events=events, tiers=["draft"])
    labels, suggested, *_ = viewer.figure().axes
    assert [text.get_text() for text in labels.get_yticklabels()] == ["draft", "truth · ben", "truth · me"]
    assert texts(labels) == {"wash", "tap (only me)"}
    assert texts(suggested) == {"wash (hit)", "wash (false alarm)", "wash (rejected)"}
    assert len({str(style) for style in suggested.collections[0].get_linestyle()}) == 3
    shades = [{*map(mpl.colors.to_hex, part.get_facecolor())} for part in labels.collections if part.get_paths()]
    assert shades.count({LOOKED.lower()}) == 2  # under the row of each rater


def test_a_narrow_label_that_none_met_is_marked_above():
    recording = person([(5.0, 5.1, "tap", "truth", "me")], labelled={"truth": [(0, 60)]})
    labels, events, *_ = draw_recording(recording, events=found((30.0, 30.1, "tap"))).axes
    assert [line.get_xdata().tolist() for ax in (labels, events) for line in ax.lines] == [[5.05], [30.05]]
    alone, *_ = draw_recording(recording).axes
    assert not alone.lines


# What a viewer keeps


def leave(live):
    live._receive(None, {"kind": "left", "id": 2, "page": "page", "view": "view"}, [])


def shown(count, *, end):
    """Show viewers one after the other, end each, and return how many are still there and what they hold."""
    left = []
    for _ in range(count):
        recording = person([(5, 6, "tap", "truth", "me")])
        viewer = view(recording)
        live = viewer.panel()
        ask(live, "here", page="page", view="view")
        ask(live, "labels", whole=True)
        left += [weakref.ref(viewer), weakref.ref(recording["accel"])]
        del viewer, recording
        assert left[-2]() is not None  # it is on a page
        end(live)
        del live
    gc.collect()
    return [one() for one in left if one() is not None]


@pytest.mark.parametrize("end", [leave, lambda live: live.comm.handle_close({})])
def test_a_viewer_that_left_its_page_or_whose_comm_was_closed_is_freed(end):
    before = len(ipywidgets.widgets.widget._instances)
    assert shown(5, end=end) == []
    assert len(ipywidgets.widgets.widget._instances) == before


def test_a_viewer_is_kept_while_one_of_its_views_is_left():
    viewer = view(person())
    live, seen = viewer.panel(), weakref.ref(viewer)
    ask(live, "here", page="before", view="a")
    ask(live, "here", page="now", view="b")  # the page was loaded anew
    ask(live, "here", page="now", view="c")
    ask(live, "left", page="now", view="b")
    del viewer
    gc.collect()
    assert seen() is not None
    ask(live, "left", page="now", view="c")
    gc.collect()
    assert seen() is None
    with pytest.raises(ValueError, match="run its cell again"):
        live._viewer  # noqa: B018  it is asked for
    assert repr(live) == "Live(None)"


def test_a_viewer_that_was_closed_is_shown_anew():
    viewer = view(person())
    first = viewer.panel()
    viewer.close()
    second = viewer.panel()
    assert second is not first
    assert second is viewer.panel()
    assert ask(second, "labels", whole=True)["step"] >= 0


def test_classes_are_told_alike_by_many_threads():
    viewer = view(person(), classes=["a"])
    tables = [label_table([(1, 2, name, "truth", "me")]) for name in "bcdefgh" for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        told = list(pool.map(viewer.classes_of, tables))
    assert sorted(viewer.classes) == list("abcdefgh")
    assert all(viewer.classes[: len(one)] == one for one in told)


def test_a_viewer_that_is_gone_answers_no_window_as_though_it_were_empty():
    viewer = view(person())
    live = viewer.panel()
    ask(live, "here", page="page", view="a")
    ask(live, "here", page="elsewhere", view="b")  # on another machine: the first page is still there
    ask(live, "left", page="elsewhere", view="b")
    del viewer
    gc.collect()
    with pytest.raises(ValueError, match="run its cell again"):
        ask(live, "window", start=0.0, stop=1.0, bins=100, columns=100)
