"""Windows: where they lie, what they are called, what is left out and said, and who is kept apart."""

import dataclasses
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wristkit.errors import RecordingError
from wristkit.recording import Recording, Stream, label_table
from wristkit.recording.spans import covered_s, intersect, subtract, union
from wristkit.windows import copies_in, split_people, windows


def make_recording(
    subject: str | None = "a", *, seed: int = 0, span_s: float = 20.0, labels: list | None = None, labelled=None
) -> Recording:
    rng = np.random.default_rng(seed)
    time_s = np.arange(int(span_s * 50)) / 50 + rng.uniform(0, 0.005, int(span_s * 50))
    rows = [(2.0, 8.0, "walk"), (8.0, 11.0, "sit"), (14.0, 15.0, "walk")] if labels is None else labels
    return Recording.of(
        [Stream.measured("accel", time_s, rng.normal(size=(len(time_s), 3)))],
        labels=label_table([(*row, "truth", "me") for row in rows]),
        labelled=labelled,
        subject=subject,
    )


GRID = {"streams": ("accel",), "rate_hz": 25, "length_s": 2.0, "hop_s": 0.4}


def slow_labels(recording: Recording, start_s: float, stop_s: float, background: str | None) -> dict[str, float]:
    """Share of each label in a window, by looking at 2,000 moments of it."""
    moments = start_s + (np.arange(2000) + 0.5) / 2000 * (stop_s - start_s)
    shares: dict[str, float] = {}
    silent = np.ones(len(moments), dtype=bool)
    for row in recording.labels.itertuples():
        inside = (moments >= row.start_s) & (moments < row.stop_s)
        silent &= ~inside
        shares.setdefault(row.label, np.zeros(len(moments), dtype=bool))
        shares[row.label] = shares[row.label] | inside
    if background:
        seen = np.zeros(len(moments), dtype=bool)
        for first_s, last_s in recording.labelled["truth"]:
            seen |= (moments >= first_s) & (moments < last_s)
        touched = any(row.start_s < stop_s and row.stop_s > start_s for row in recording.labels.itertuples())
        shares[background] = silent & (not touched) & seen.all()
    return {name: float(np.mean(inside)) for name, inside in shares.items()}


@pytest.mark.parametrize("background", [None, "none"])
@pytest.mark.parametrize("policy", ["majority", "whole"])
def test_labels_equal_the_slow_twin(background: str | None, policy: str) -> None:
    recording = make_recording(labelled={"truth": [(0.0, 12.0), (13.0, 20.0)]})
    made = windows(recording, **GRID, labels=policy, background=background)
    kept = {round(start_s, 6): place for place, start_s in enumerate(made.start_s)}
    least = 0.5 if policy == "majority" else 1.0
    for first in range(10, 17 * 25, 10):
        shares = slow_labels(recording, first / 25, first / 25 + 2, background)
        best = max(shares.values())
        if round(first / 25, 6) not in kept:
            assert best < least + 0.01, first
            continue
        place = kept[round(first / 25, 6)]
        assert shares[made.labels[place]] == pytest.approx(best, abs=0.01)
        assert made.label_fraction[place] == pytest.approx(best, abs=0.01)
    assert len(made) + sum(made.dropped.values()) == pytest.approx(45, abs=1)


def test_values_are_the_conditioned_samples() -> None:
    recording = make_recording()
    made = windows(recording, **GRID)
    grid = made.conditioning.run(recording)["accel"]
    for place in (0, 7, len(made) - 1):
        first = int(np.searchsorted(grid.places, round(made.start_s[place] * 25)))
        np.testing.assert_array_equal(made.values[place], grid.values[first : first + 50].T.astype(np.float32))
    assert made.values.shape[1:] == (3, 50)
    assert made.channels == ("accel_x", "accel_y", "accel_z")
    assert made.values.dtype == np.float32
    np.testing.assert_allclose(made.stop_s - made.start_s, 2.0)


def test_windows_begin_at_whole_hops_whatever_part_is_given() -> None:
    recording = make_recording()
    whole = windows(recording, **GRID)
    part = windows(recording.between(3.3, 12.0), **GRID)
    assert (np.round(whole.start_s / 0.4, 6) % 1 == 0).all()
    shared = np.isin(np.round(whole.start_s, 6), np.round(part.start_s, 6))
    late = part.start_s >= 3.5
    np.testing.assert_array_equal(whole.values[shared][late[: shared.sum()]], part.values[late])


def test_no_window_lies_across_a_gap_of_any_recording() -> None:
    slow_s = np.arange(0, 30, 0.1)  # its own rule allows steps of 0.4 s
    fast_s = np.arange(0, 30, 0.02)
    fast_s = fast_s[(fast_s < 10) | (fast_s > 10.3)]
    rows = label_table([(0.0, 30.0, "walk", "truth", "me")])
    held = [
        Recording.of([Stream.measured("ppg", time_s, np.sin(time_s))], labels=rows, subject=str(len(time_s)))
        for time_s in (slow_s, fast_s)
    ]
    made = windows(held, streams=("ppg",), rate_hz=10, length_s=2.0, hop_s=0.5)
    fast = made.of_subjects([str(len(fast_s))])
    assert not ((fast.start_s < 10.3) & (fast.stop_s > 10.0)).any()
    assert made.dropped["across a gap"] > 0
    assert len(made.of_subjects([str(len(slow_s))])) > 50


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"length_s": 2.01}, r"nearest are 2 s and 2.04 s"),
        ({"hop_s": 0.41}, "nearest are 0.4 s and 0.44 s"),
        ({"hop_s": 0.001}, "nearest are 0.04 s"),
        ({"length_s": -1.0}, "expected a positive number"),
        ({"length_s": float("nan")}, "expected a positive number"),
        ({"rate_hz": 0}, "rate_hz is 0, expected a positive number"),
        ({"rate_hz": float("inf")}, "rate_hz is inf, expected a positive number"),
        ({"rate_hz": float("nan")}, "rate_hz is nan, expected a positive number"),
        ({"rate_hz": "25"}, "rate_hz is '25', expected a positive number"),
        ({"hop_s": "0.4"}, "hop_s is '0.4', expected a positive number"),
        ({"length_s": 1e6}, r"length_s is 1e\+06 and the longest of 1 recordings lasts"),
        ({"labels": "any"}, "expected 'majority' or 'whole'"),
        ({"frame": "hand"}, "expected 'device' or 'wrist'"),
        ({"streams": ()}, "one or more different names"),
        ({"streams": ("accel", "accel")}, "one or more different names"),
        ({"tier": "other"}, "no window is left"),
        ({"length_s": 100.0}, "no window is left"),
    ],
)
def test_wrong_arguments_are_named(changes: dict, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        windows(make_recording(), **{**GRID, **changes})


def test_silence_needs_labelled_spans() -> None:
    with pytest.raises(RecordingError, match="states no labelled spans"):
        windows(make_recording(), **GRID, background="none")


def test_a_window_over_something_short_is_not_background() -> None:
    recording = make_recording(labels=[(5.0, 5.2, "pinch"), (12.0, 12.0, "tap")], labelled={"truth": [(0.0, 20.0)]})
    made = windows(recording, **GRID, background="none")
    assert set(made.labels) == {"none"}
    for start_s, stop_s in ((5.0, 5.2), (12.0, 12.0)):
        assert not ((made.start_s < stop_s) & (made.stop_s > start_s)).any()
    assert made.dropped["label covers too little"] + made.dropped["under no label"] >= 10


def test_points_alone_label_nothing() -> None:
    with pytest.raises(ValueError, match="no window is left"):
        windows(make_recording(labels=[(3.0, 3.0, "tap")]), **GRID)


def test_one_signal_is_not_taken_twice() -> None:
    one, other = make_recording("a"), make_recording("b")
    assert one.id == other.id
    with pytest.raises(RecordingError, match="given twice, as of 'a' and of 'b'"):
        windows([one, other], **GRID)


def test_the_same_recording_object_is_not_taken_twice() -> None:
    one = make_recording("a")
    with pytest.raises(RecordingError, match="given twice"):
        windows([one, one], **GRID)


def test_labels_that_tie_are_left_out_and_counted() -> None:
    made_of = make_recording(labels=[(0.0, 20.0, "zzz"), (0.0, 20.0, "aaa"), (12.0, 20.0, "walk")])
    with pytest.raises(ValueError, match="'two labels tie': 4"):
        windows(made_of, **GRID)


def test_a_label_with_the_name_of_the_background_is_background() -> None:
    spans = {"truth": [(0.0, 20.0)]}
    named = make_recording(labels=[(0.0, 10.0, "none"), (10.0, 14.0, "walk")], labelled=spans)
    made = windows(named, **GRID, background="none")
    assert made.background == "none"
    assert set(made.labels) == {"none", "walk"}
    assert ((made.labels == "none") & (made.stop_s <= 10)).sum() > 15
    assert ((made.labels == "none") & (made.start_s >= 14)).sum() > 5


@pytest.mark.parametrize("factor", [1e3, 1e9])
def test_stamps_in_another_unit_are_refused(factor: float) -> None:
    time = np.arange(600) * 0.02 * factor
    odd = Recording.of([Stream.measured("accel", time, np.zeros((600, 3)))], labels=label_table())
    with pytest.raises(RecordingError, match="stamps in milliseconds"):
        windows(odd, **GRID)


def test_streams_given_as_a_text_are_refused() -> None:
    with pytest.raises(TypeError, match="expected names in a tuple"):
        windows(make_recording(), **{**GRID, "streams": "accel"})


def test_no_recordings() -> None:
    with pytest.raises(ValueError, match="no recordings"):
        windows([], **GRID)


def people(count: int) -> list[Recording]:
    return [make_recording(f"p{k}", seed=k) for k in range(count)]


@pytest.mark.parametrize(
    ("count", "sizes"), [(1, (1, 0, 0)), (2, (1, 0, 1)), (3, (2, 0, 1)), (4, (2, 1, 1)), (8, (4, 2, 2))]
)
def test_people_are_split_whole(count: int, sizes: tuple) -> None:
    made = windows(people(count), **GRID)
    for seed in range(3):
        split = split_people(made, seed=seed)
        parts = (split.train, split.stop, split.held_out)
        assert tuple(len(part) for part in parts) == sizes
        assert sorted(name for part in parts for name in part) == sorted(set(made.subjects))
        assert bool(split.note) == (count < 4)
        assert split == split_people(made, seed=seed)


def test_the_split_prefers_a_training_part_that_shows_every_class() -> None:
    rare = [make_recording("rare", seed=90, labels=[(1.0, 15.0, "swim")])]
    made = windows([*people(5), *rare], **GRID)
    assert all("rare" in split_people(made, seed=seed).train for seed in range(10))


def test_people_without_a_name_cannot_be_kept_apart() -> None:
    made = windows([make_recording(None), make_recording("b", seed=1)], **GRID)
    with pytest.raises(RecordingError, match="have no subject") as caught:
        split_people(made, seed=0)
    assert caught.value.code == "no_subject"


@pytest.mark.parametrize(
    ("one", "other", "says"),
    [("Ann", "ann ", "'Ann' and 'ann '"), ("b", "unknown", "are of subject 'unknown'"), ("?", "c", "of subject '?'")],
)
def test_people_who_may_be_one_are_not_split(one: str, other: str, says: str) -> None:
    made = windows([make_recording(one), make_recording(other, seed=1), make_recording("d", seed=2)], **GRID)
    with pytest.raises(RecordingError, match=says.replace("?", r"\?")):
        split_people(made, seed=0)


def test_one_signal_under_two_names_is_not_split() -> None:
    held = people(4)
    accel = held[1]["accel"]
    again = Recording.of(
        [Stream.measured("accel", accel.time + 0.4, accel.values)], labels=held[1].labels, subject="somebody else"
    )
    made = windows([*held, again], **GRID)
    with pytest.raises(RecordingError, match=r"of 'p1'|of 'somebody else'") as caught:
        split_people(made, seed=0)
    assert caught.value.code == "duplicate_signal"
    assert "'somebody else'" in str(caught.value)
    whose = np.where(made.subjects == "somebody else", "p1", made.subjects).astype(object)
    split_people(dataclasses.replace(made, subjects=whose), seed=0)  # of one person, it is on one side


SPANS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 12)), max_size=6).map(
    lambda rows: np.array([(start, start + length) for start, length in rows], dtype=float).reshape(-1, 2)
)


@settings(max_examples=200, deadline=None)
@given(one=SPANS, other=SPANS)
def test_span_arithmetic_equals_counting_moments(one: np.ndarray, other: np.ndarray) -> None:
    moments = np.arange(0, 60) + 0.5

    def inside(spans: np.ndarray) -> np.ndarray:
        return ((moments[:, None] >= spans[:, 0]) & (moments[:, None] < spans[:, 1])).any(axis=1)

    np.testing.assert_array_equal(inside(union(one)), inside(one))
    np.testing.assert_array_equal(inside(intersect(union(one), union(other))), inside(one) & inside(other))
    np.testing.assert_array_equal(inside(subtract(one, other)), inside(one) & ~inside(other))
    for start_s, stop_s in product((0.0, 7.0), (20.0, 55.0)):
        counted = (inside(one) & (moments > start_s) & (moments < stop_s)).sum()
        assert covered_s(np.array([start_s]), np.array([stop_s]), one)[0] == counted


@pytest.mark.parametrize(
    ("name", "made", "says"),
    [
        ("values", lambda one: one.values.astype(np.float64), "float64, expected float32"),
        ("values", lambda one: one.values[:, 0], "expected an array"),
        ("values", lambda one: one.values.tolist(), "are a list, expected an array"),
        ("labels", lambda one: np.zeros(len(one), dtype=int), "labels of the windows are int64, expected text"),
        ("labels", lambda one: np.array([None] * len(one), dtype=object), "labels of the windows hold None"),
        ("labels", lambda one: np.array([[]] * len(one) + [0], dtype=object)[:-1], r"labels of the windows hold \[\]"),
        ("labels", lambda one: np.array([float("nan")] * len(one), dtype=object), "labels of the windows hold nan"),
        ("labels", lambda one: np.array(["a\0"] * len(one), dtype=object), "without control characters"),
        ("subjects", lambda one: np.array([1] * len(one), dtype=object), "subjects of the windows hold 1"),
        ("subjects", lambda one: np.array(["a\ud800"] * len(one), dtype=object), "halves of a pair"),
        ("recordings", lambda one: one.recordings[1:], "expected an array"),
        ("recordings", lambda one: list(one.recordings), "are a list, expected an array"),
        ("start_s", lambda one: one.start_s[:-1], "expected an array"),
        ("stop_s", lambda one: one.stop_s.astype(str), "expected numbers"),
        ("label_fraction", lambda _: None, "are a NoneType, expected an array"),
        ("rate_hz", lambda _: 0.0, "rate_hz of the windows is 0.0"),
        ("hop_s", lambda _: float("nan"), "hop_s of the windows is nan"),
    ],
)
def test_windows_that_are_none_are_refused_as_they_are_made(name, made, says) -> None:
    held = windows(make_recording(), **GRID)
    with pytest.raises((TypeError, ValueError), match=says):
        replace(held, **{name: made(held)})


def test_windows_of_any_text_are_taken() -> None:
    held = windows(make_recording(), **GRID)
    text = np.array(["H\u00e4nde \u200f \U0001f44b"] * len(held), dtype=object)
    assert replace(held, labels=text, subjects=text.astype(str)).classes == (text[0],)


@pytest.mark.parametrize("name", ["a\0", "\ud800", "\n"])
def test_names_that_tables_take_for_something_else_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"subjects of the recordings hold .* rename it"):
        windows([*people(2), make_recording_of(name)], **GRID)


def make_recording_of(subject: str) -> Recording:
    found = make_recording()
    object.__setattr__(found, "subject", subject)
    return found


@pytest.mark.parametrize("other", ["Jose\u0301", "JOS\u00c9", "Jos\u00e9\u200b", "\u200eJos\u00e9"])
def test_one_name_written_otherwise_is_one_person(other: str) -> None:
    made = windows([make_recording("Jos\u00e9"), make_recording(other, seed=1), make_recording("d", seed=2)], **GRID)
    with pytest.raises(RecordingError, match="may be one person"):
        split_people(made, seed=0)


def test_windows_that_are_not_finite_are_no_copies_of_each_other() -> None:
    made = windows(people(4), **GRID)
    with pytest.raises(RecordingError, match="hold values that are not finite") as caught:
        copies_in([replace(made, values=np.full_like(made.values, np.nan))])
    assert caught.value.code == "not_finite"
