"""Kinds of errors: each by hand, and all equal to a twin that asks every tenth of a second alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wristkit.evaluate import evaluate
from wristkit.evaluate.ward import FOUND_COUNTS, SECONDS, TRUE_COUNTS, WARD_COLUMNS
from wristkit.events import Event, event_table
from wristkit.recording import Recording, Stream, label_table

SPAN_S = 60.0


def report_of(truth, found, *, labelled=((0.0, SPAN_S),), tolerance_s=0.0, label="wash"):
    time_s = np.arange(0, SPAN_S + 0.5, 0.5)
    recording = Recording.of(
        [Stream.measured("ppg", time_s, np.sin(time_s))],
        labels=label_table([(a, b, label, "truth", "me") for a, b in truth]),
        labelled={"truth": labelled},
        subject="a",
    )
    table = event_table(Event(float(a), float(b), label, 0.9, float(b)) for a, b in found)
    return evaluate(table, recording, tolerance_s=tolerance_s)


def kinds(truth, found, **given_):
    row = report_of(truth, found, **given_).error_kinds.loc["wash"]
    return {name: row[name] for name in WARD_COLUMNS if row[name]}


@pytest.mark.parametrize(
    ("truth", "found", "wanted"),
    [
        ([(10, 20)], [(10, 20)], {"truths": 1, "correct": 1, "found": 1, "hit_s": 10}),
        ([(10, 20)], [], {"truths": 1, "deleted": 1, "deletion_s": 10}),
        ([], [(10, 20)], {"found": 1, "inserted": 1, "insertion_s": 10}),
        (
            [(10, 20)],
            [(8, 12), (14, 17)],
            {
                "truths": 1,
                "fragmented": 1,
                "found": 2,
                "fragmenting": 2,
                "hit_s": 5,
                "fragmentation_s": 2,
                "underfill_stop_s": 3,
                "overfill_start_s": 2,
            },
        ),
        (
            [(10, 20), (25, 30)],
            [(12, 32)],
            {
                "truths": 2,
                "merged": 2,
                "found": 1,
                "merging": 1,
                "hit_s": 13,
                "merge_s": 5,
                "underfill_start_s": 2,
                "overfill_stop_s": 2,
            },
        ),
        (
            [(10, 20), (25, 30)],
            [(10, 12), (15, 30)],
            {
                "truths": 2,
                "merged": 1,
                "fragmented_and_merged": 1,
                "found": 2,
                "fragmenting": 1,
                "fragmenting_and_merging": 1,
                "hit_s": 12,
                "fragmentation_s": 3,
                "merge_s": 5,
            },
        ),
    ],
)
def test_kinds_by_hand(truth, found, wanted) -> None:
    assert kinds(truth, found) == wanted


def test_a_hit_within_the_tolerance_is_neither_deleted_nor_inserted() -> None:
    assert kinds([(10, 11)], [(11.25, 12)], tolerance_s=0.5) == {
        "truths": 1,
        "correct": 1,
        "found": 1,
        "deletion_s": 1,
        "insertion_s": 0.75,
    }


def test_events_that_only_touch_are_not_merged() -> None:
    assert kinds([(10, 20), (20, 30)], [(10, 20), (20, 30)]) == {"truths": 2, "correct": 2, "found": 2, "hit_s": 20}


def test_points_are_found_by_what_lies_around_them() -> None:
    assert kinds([(10, 10)], [(9, 11)]) == {"truths": 1, "correct": 1, "found": 1, "insertion_s": 2}


def test_what_nobody_looked_at_is_left_out() -> None:
    assert kinds([], [(1, 4), (20, 30)], labelled=[(0.0, 2.0)]) == {"found": 1, "inserted": 1, "insertion_s": 1}


SPANS = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 8)), max_size=6)


def apart(rows):
    """Return spans that may touch and do not overlap."""
    kept, free = [], -1
    for start, long in sorted(rows):
        if start >= free:
            kept.append((start, start + long))
            free = start + long
    return kept


def slow_kinds(truth, found):
    """Ask of every event which it overlaps, and of every half second what lies at both sides of its stretch."""
    row = dict.fromkeys(WARD_COLUMNS, 0)

    def over(one, others):
        return [other for other in others if one[0] < other[1] and one[1] > other[0]]

    for one in truth:
        found_here = over(one, found)
        merged = any(len(over(other, truth)) > 1 for other in found_here)
        name = "deleted" if not found_here else "fragmented" if len(found_here) > 1 else "correct"
        if merged:
            name = "fragmented_and_merged" if name == "fragmented" else "merged"
        row[name] += 1
    for one in found:
        true_here = over(one, truth)
        fragmenting = any(len(over(other, found)) > 1 for other in true_here)
        if not true_here:
            row["inserted"] += 1
        elif len(true_here) > 1 or fragmenting:
            both = "fragmenting_and_merging"
            row[both if len(true_here) > 1 and fragmenting else "merging" if len(true_here) > 1 else "fragmenting"] += 1
    row |= {"truths": len(truth), "found": len(found)}
    halves = np.arange(0, 50, 0.5) + 0.25
    is_true, is_said = ([any(a < h < b for a, b in spans) for h in halves] for spans in (truth, found))
    state = [f"{t:d}{s:d}" for t, s in zip(is_true, is_said, strict=True)]
    for place, now in enumerate(state):
        if now == "11":
            row["hit_s"] += 0.5
        if now in ("10", "01"):
            before = next((one for one in state[place::-1] if one != now), "00") == "11"
            after = next((one for one in state[place:] if one != now), "00") == "11"
            which = SECONDS[1:5] if now == "10" else SECONDS[5:]
            row[which[{(False, False): 0, (True, True): 1, (False, True): 2, (True, False): 3}[before, after]]] += 0.5
    return row


@settings(max_examples=80, deadline=None)
@given(truth=SPANS.map(apart), found=SPANS.map(apart))
def test_equals_the_slow_twin(truth, found) -> None:
    found = [(start + 0.5, stop + 0.5) for start, stop in found]  # so that none is a hit by touching alone
    if not truth and not found:
        return
    row = report_of(truth, found).error_kinds.loc["wash"]
    assert row.to_dict() == slow_kinds(truth, found)
    assert row[list(TRUE_COUNTS)].sum() == len(truth)
    assert row["found"] - row[list(FOUND_COUNTS)].sum() == row["correct"]
