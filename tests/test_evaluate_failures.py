"""Failures: false alarms in groups of such as look alike, and back into training as what they are."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import wristkit as wk
from wristkit.evaluate import evaluate, stack, windows_around
from wristkit.events import Event, event_table
from wristkit.recording import Recording, Stream, label_table
from wristkit.windows import cut

RATE_HZ, SPAN_S = 50, 300.0
SHAKES, KNOCKS, TAPS = np.arange(20, 140, 12.0), np.arange(150, 270, 20.0), (280.0,)
FORM = {"streams": ("accel",), "rate_hz": RATE_HZ, "length_s": 1.0}


def person(number: int) -> Recording:
    """Return five minutes of rest with shakes at 8 Hz and knocks, typing while there are knocks, and one tap."""
    rng = np.random.default_rng(number)
    time_s = np.arange(0, SPAN_S, 1 / RATE_HZ)
    values = rng.normal(0, 0.01, size=(len(time_s), 3)) + np.array([0, 0, -1])
    for start in SHAKES:
        inside = (time_s >= start) & (time_s < start + 1)
        values[inside, 0] += np.sin(2 * np.pi * 8 * time_s[inside])
    for start in KNOCKS:
        values[(time_s >= start + 0.4) & (time_s < start + 0.5), 2] += 3
    rows = [(start, start + 1, "tap", "truth", "me") for start in TAPS]
    rows.append((145.0, SPAN_S, "typing", "activity", "me"))
    return Recording.of(
        [Stream.measured("accel", time_s, values)],
        labels=label_table(rows),
        labelled={"truth": [(0.0, SPAN_S)]},
        subject=f"p{number}",
        wrist="left",
        crown="right",
    )


@pytest.fixture(scope="module")
def people():
    return [person(0), person(1)]


@pytest.fixture(scope="module")
def failed(people):
    found = event_table(Event(start, start + 1, "tap", 0.9, start + 1) for start in (*SHAKES, *KNOCKS))
    return wk.failures(evaluate(stack({one.id: found for one in people}), people), context="activity")


def test_alarms_that_look_alike_are_in_one_group(failed):
    told = wk.alarm_groups(failed, embed=wk.features, **FORM)
    assert told.groups["alarms"].tolist() == [2 * len(SHAKES), 2 * len(KNOCKS)]
    assert told.groups["people"].tolist() == [2, 2]
    assert told.groups["context"].tolist() == ["no label", "typing"]
    assert told.groups["context_share"].tolist() == [1.0, 1.0]
    assert told.silhouette > 0.5
    shaken = told.alarms["start_s"].isin(SHAKES)
    assert (told.alarms.loc[shaken, "group"] == 0).all()
    assert (told.alarms.loc[~shaken, "group"] == 1).all()
    assert told.alarms.loc[told.groups["medoid"], "group"].tolist() == [0, 1]
    assert told.alarms.attrs["recordings"] == failed.attrs["recordings"]
    assert "typing" in repr(told)
    assert len(wk.gallery(told.alarms).failures) == len(told.alarms)


def test_the_medoid_is_nearest_to_all_of_its_group(failed):
    kept = {}

    def embed(windows):
        kept["numbers"] = np.column_stack([windows.values.std(axis=(1, 2)), windows.values.max(axis=(1, 2))])
        return kept["numbers"]

    told = wk.alarm_groups(failed, embed=embed, **FORM)
    numbers = (kept["numbers"] - kept["numbers"].mean(axis=0)) / kept["numbers"].std(axis=0)
    for group, row in told.groups.iterrows():
        places = np.flatnonzero(told.alarms["group"] == group)
        far = [sum(np.linalg.norm(numbers[one] - numbers[other]) for other in places) for one in places]
        assert told.alarms.index[places[int(np.argmin(far))]] == row["medoid"]


def test_alarms_of_one_kind_are_one_group(failed):
    one_kind = failed[failed["start_s"].isin(SHAKES)].copy()
    one_kind.attrs = failed.attrs
    rng = np.random.default_rng(0)
    told = wk.alarm_groups(one_kind, embed=lambda windows: rng.normal(size=(len(windows), 12)), **FORM)
    assert len(told.groups) == 1
    assert np.isnan(told.silhouette)
    same = wk.alarm_groups(one_kind, embed=lambda windows: np.ones((len(windows), 2)), **FORM)
    assert same.groups["alarms"].tolist() == [2 * len(SHAKES)]


def test_the_window_around_an_alarm_is_the_one_that_conditioning_the_whole_gives(people, failed):
    alarms = failed[failed["kind"] == "false alarm"]
    around, places = windows_around(alarms, {one.id: one for one in people}, **FORM)
    assert len(around) == len(places) == len(alarms)
    middle_s = (around.start_s + around.stop_s) / 2
    np.testing.assert_allclose(middle_s, alarms["start_s"] + 0.5, atol=0.5 / RATE_HZ + 1e-9)
    for one in people:
        pieces = cut(list(around.conditioning.run(one).values()), samples=around.samples, hop=1)
        for row in np.flatnonzero(around.recordings == one.id):
            place = np.searchsorted(pieces.first, round(around.start_s[row] * RATE_HZ))
            np.testing.assert_allclose(around.values[row], pieces.values[place], atol=1e-3)


def test_what_has_no_whole_window_is_in_no_group_and_is_said(people):
    accel = people[0].accel
    kept = (accel.time < 100) | ((accel.time >= 103) & (accel.time < 104)) | (accel.time >= 107)
    broken = people[0].with_streams(Stream.measured("accel", accel.time[kept], accel.values[kept]))
    found = event_table(Event(start, start + 0.2, "tap", 0.9, start) for start in (20.0, 32.0, 103.4))
    table = wk.failures(evaluate(found, broken))
    told = wk.alarm_groups(table, embed=wk.features, **{**FORM, "length_s": 2.0})
    assert told.alarms.set_index("start_s")["group"].to_dict() == {20.0: 0, 32.0: 0, 103.4: -1}
    assert "1 of 3 alarms have no whole window of 2 s around them" in told.notes
    only = table[table["start_s"] > 100]
    only.attrs = table.attrs
    with pytest.raises(ValueError, match="no alarm has a whole window of 2 s"):
        wk.alarm_groups(only, embed=wk.features, **{**FORM, "length_s": 2.0})


def test_numbers_that_are_none_are_left_out_and_counted(failed):
    def embed(windows):
        table = wk.features(windows)
        return table.assign(gone=np.nan)

    told = wk.alarm_groups(failed, embed=embed, **FORM)
    assert "columns are not finite and left out" in told.notes[0]
    assert len(told.groups) == 2


def test_wrong_groups_are_named(people, failed):
    with pytest.raises(ValueError, match="embed gave numbers of shape"):
        wk.alarm_groups(failed, embed=lambda windows: np.ones(len(windows)), **FORM)
    with pytest.raises(ValueError, match="most is 0"):
        wk.alarm_groups(failed, embed=wk.features, most=0, **FORM)
    nothing = wk.failures(evaluate(stack({}), people))
    with pytest.raises(ValueError, match="no false alarm"):
        wk.alarm_groups(nothing, embed=wk.features, **FORM)
    bare = failed.copy()
    bare.attrs = {}
    with pytest.raises(ValueError, match="signals of 2 recordings"):
        wk.alarm_groups(bare, embed=wk.features, **FORM)


def training(recordings):
    return wk.windows(recordings, streams=("accel",), rate_hz=RATE_HZ, length_s=1.0, hop_s=0.5, background="none")


def test_hard_negatives_are_background_and_no_other_silence_is(people, failed):
    back = wk.hard_negatives(failed)
    assert [one.subject for one in back] == ["p0", "p1"]
    chosen = training(back)
    alarms = np.concatenate([SHAKES, KNOCKS])
    silent = chosen.labels == "none"
    middle_s = (chosen.start_s + chosen.stop_s)[silent] / 2
    distance_s = np.abs(middle_s[:, None] - (alarms + 0.5)).min(axis=1)
    assert distance_s.max() <= 1.5 + 1e-9
    for one in people:
        own = middle_s[chosen.recordings[silent] == one.id]
        assert (np.abs(own[:, None] - (alarms + 0.5)).min(axis=0) < 0.5).all()
    assert (chosen.labels == "tap").sum() == (training(people).labels == "tap").sum()
    assert len(chosen) < len(training(people))


def test_what_is_done_to_labels_is_said_and_can_be_seen(people, failed):
    marked = wk.hard_negatives(failed)[0]
    added = marked.labels[marked.labels["rater"] == "hard negative"]
    assert len(added) == len(SHAKES) + len(KNOCKS)
    assert set(added["label"]) == {"none"}
    assert len(marked.labels) == len(people[0].labels) + len(added)
    finding = marked.findings[marked.findings["code"] == "hard_negative"].iloc[0]
    assert finding["count"] == len(added)
    assert "16 false alarms were labelled 'none'" in finding["note"]
    assert people[0].labels["rater"].eq("me").all()
    report = evaluate(event_table([]), marked)
    assert report.by_class.index.tolist() == ["tap"]


def test_true_labels_near_an_alarm_stay(people):
    found = event_table([Event(279.0, 279.5, "tap", 0.9, 280), Event(281.2, 281.4, "tap", 0.8, 282)])
    table = wk.failures(evaluate(found, people[0], tolerance_s=0.0))
    marked = wk.hard_negatives(table)[0]
    spans = marked.labelled["truth"]
    assert spans.tolist() == [[278.0, 280.0], [281.0, 282.4]]
    assert "tap" in set(marked.labels["label"])


@pytest.mark.parametrize("around_s", [1.0, 0.0])
def test_a_true_point_near_an_alarm_is_no_background(people, around_s):
    points = people[0].labels.assign(stop_s=people[0].labels["start_s"])
    pointed = people[0].with_labels(points, labelled=people[0].labelled)
    at_s = float(points["start_s"].iloc[0])
    found = event_table([Event(at_s - 0.4, at_s + 2.0, "other", 0.9, at_s + 2.0)])
    (marked,) = wk.hard_negatives(wk.failures(evaluate(found, pointed)), around_s=around_s)
    spans = marked.labelled["truth"]
    room_s = max(around_s, 0.5)
    assert len(spans)
    assert (np.minimum(np.abs(spans - at_s).min(axis=1), 99) >= room_s - 1e-9).all()
    assert not ((spans[:, 0] < at_s) & (spans[:, 1] > at_s)).any()
    assert len(marked.labels[marked.labels["label"] != "none"]) == len(points)


def test_only_what_was_marked_comes_back(people, failed):
    marked = failed.assign(mark=None)
    marked.attrs = failed.attrs
    marked.loc[0, "mark"] = "hard negative"
    marked.loc[1, "mark"] = "label error"
    back = wk.hard_negatives(marked)
    assert len(back) == 1
    assert len(back[0].labelled["truth"]) == 1
    marked["mark"] = "real error"
    with pytest.raises(ValueError, match='none is marked "hard negative"'):
        wk.hard_negatives(marked)


def test_the_way_through_the_gallery(failed):
    seen = wk.gallery(failed)
    place = int(np.flatnonzero(seen.failures["kind"] == "false alarm")[0])
    seen.mark(place, "hard negative")
    assert len(wk.hard_negatives(seen.marks)) == 1


def test_wrong_hard_negatives_are_named(people, failed):
    with pytest.raises(ValueError, match="around_s is -1"):
        wk.hard_negatives(failed, around_s=-1)
    with pytest.raises(ValueError, match="lack the columns"):
        wk.hard_negatives(pd.DataFrame({"recording": []}))
    bare = replace(people[0])
    with pytest.raises(ValueError, match="nothing to learn from"):
        wk.hard_negatives(wk.failures(evaluate(event_table([]), bare)))


def test_what_is_no_table_of_failures_is_named():
    for call in (lambda: wk.hard_negatives(3), lambda: wk.alarm_groups(None, embed=wk.features, **FORM)):
        with pytest.raises(TypeError, match=r"expected the table of wristkit\.failures"):
            call()


def test_a_context_that_nobody_labelled_is_refused(people):
    report = evaluate(stack({one.id: event_table([]) for one in people}), people)
    with pytest.raises(ValueError, match=r"no label of the tier 'act' covers any time; .*'activity'"):
        wk.failures(report, context="act")
    points = [one.with_labels(one.labels.assign(stop_s=one.labels["start_s"])) for one in people]
    with pytest.raises(ValueError, match="maybe points"):
        wk.failures(evaluate(stack({one.id: event_table([]) for one in points}), points), context="activity")
    with pytest.raises(TypeError, match="report is a NoneType, expected an EventReport"):
        wk.failures(None)
