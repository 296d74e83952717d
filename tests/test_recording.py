"""The data object: what is measured, what is refused and by which words, and what never changes."""

import copy
import dataclasses
import inspect
import statistics
import sys
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import wristkit as wk
from wristkit.errors import RecordingError
from wristkit.recording import (
    CANONICAL,
    FINDING_COLUMNS,
    LABEL_COLUMNS,
    Recording,
    Stream,
    finding_table,
    label_table,
    longest_step_s,
    middle_two,
)
from wristkit.recording.spans import covered_s, intersect, subtract, union

TIME_S = np.arange(200) / 50


def make_accel(seed=0, *, time_s=TIME_S):
    return Stream.measured("accel", time_s, np.random.default_rng(seed).normal(size=(len(time_s), 3)))


def make_sound(seconds=4.0, *, rate_hz=800.0, start_s=0.0):
    return Stream.uniform("audio", np.sin(np.arange(int(seconds * rate_hz))), rate_hz=rate_hz, start_s=start_s)


def make_recording(**fields):
    pulse = Stream.measured("pulse", TIME_S[::5], np.arange(40.0), unit="V")
    return Recording.of([make_accel(), pulse, make_sound()], **fields)


def code_of(fault):
    return fault.value.code


# How a stream is built


def test_the_fields_are_those_of_the_design():
    names = ("name", "time", "values", "channels", "unit", "rate_hz", "gaps")
    assert tuple(field.name for field in dataclasses.fields(Stream)) == names
    assert tuple(inspect.signature(Stream).parameters) == names
    stream = Stream(
        name="accel",
        time=TIME_S,
        values=np.zeros((200, 3), np.float32),
        channels=("x", "y", "z"),
        unit="g",
        rate_hz=50.0,
        gaps=np.empty((0, 2)),
    )
    assert (stream.name, stream.channels, stream.unit, stream.rate_hz) == ("accel", ("x", "y", "z"), "g", 50.0)
    assert stream.values.dtype == np.float32
    assert stream.time.dtype == np.float64
    assert stream.gaps.shape == (0, 2)
    assert not stream.is_uniform
    assert wk.Stream is Stream


def test_the_constructor_checks_as_the_builders_do():
    fields = {"name": "accel", "unit": "g", "rate_hz": 50.0, "gaps": np.empty((0, 2))}
    good = {"time": TIME_S, "values": np.zeros((200, 3)), "channels": ("x", "y", "z"), **fields}
    for wrong, code in (
        ({"time": TIME_S[::-1]}, "time_not_increasing"),
        ({"time": TIME_S[1:]}, "shape"),
        ({"values": np.full((200, 3), np.inf)}, "infinite"),
        ({"channels": ("x", "y")}, "channels"),
        ({"channels": ("z", "y", "x")}, "channels"),
        ({"unit": "m/s2"}, "unit"),
    ):
        with pytest.raises(RecordingError) as fault:
            Stream(**{**good, **wrong})
        assert code_of(fault) == code


def test_one_column_may_be_given_flat():
    stream = Stream.measured("ppg", TIME_S, np.arange(200))
    assert stream.values.shape == (200, 1)
    assert stream.channels == ("ppg",)
    assert stream.unit == "1"
    empty = Stream.measured("ppg", [], [])
    assert empty.values.shape == (0, 1)
    assert empty.channels == ("ppg",)


@pytest.mark.parametrize("name", sorted(CANONICAL))
def test_a_canonical_name_brings_its_unit_and_channels_and_allows_no_other(name):
    unit, channels = CANONICAL[name]
    count = len(channels) or 2
    stream = Stream.measured(name, TIME_S, np.zeros((200, count)))
    assert stream.unit == unit
    assert stream.channels == (channels or ("0", "1"))
    with pytest.raises(RecordingError, match=f"expected '{unit}'") as fault:
        Stream.measured(name, TIME_S, np.zeros((200, count)), unit="furlong")
    assert code_of(fault) == "unit"
    if channels:
        with pytest.raises(RecordingError, match="in this order") as fault:
            Stream.measured(name, TIME_S, np.zeros((200, count)), channels=channels[::-1])
        assert code_of(fault) == "channels"


def test_a_name_of_ones_own_needs_a_unit():
    with pytest.raises(ValueError, match="give unit="):
        Stream.measured("emg", TIME_S, np.zeros(200))
    stream = Stream.measured("emg", TIME_S, np.zeros((200, 2)), channels=("a", "b"), unit="V")
    assert stream.channel_names == ("emg_a", "emg_b")
    assert Stream.measured("emg", TIME_S, np.zeros(200), unit="V").channel_names == ("emg",)


@pytest.mark.parametrize(
    ("values", "code"),
    [
        (np.full((3, 3), 1e39), "infinite"),
        (np.full((3, 3), -np.inf), "infinite"),
        (np.zeros((3, 3), bool), "not_numeric"),
        (np.zeros((3, 3), complex), "not_numeric"),
        (np.zeros((3, 3), object), "not_numeric"),
        (np.full((3, 3), "0.1"), "not_numeric"),
        (np.zeros((3, 3), "M8[s]"), "not_numeric"),
        ([[1.0, 2.0, 3.0], [1.0, 2.0], [1.0]], "shape"),
        (np.zeros((3, 3, 1)), "shape"),
        (np.float64(1.0), "shape"),
        (np.zeros((3, 4)), "channels"),
        (np.zeros((3, 0)), "channels"),
    ],
)
@pytest.mark.parametrize("uniform", [False, True])
def test_values_that_are_no_table_of_numbers_are_refused(values, code, uniform):
    with pytest.raises(RecordingError) as fault:
        Stream.uniform("accel", values, rate_hz=50) if uniform else Stream.measured("accel", [0, 1, 2], values)
    assert code_of(fault) == code
    assert "'accel'" in str(fault.value)


def test_a_value_beyond_float32_is_named_by_its_row_and_nothing_is_clipped():
    values = np.zeros(200)
    values[[7, 9]] = 3.5e38
    with pytest.raises(RecordingError, match=r"row 7.*infinite samples, or beyond float32") as fault:
        Stream.measured("ppg", TIME_S, values)
    assert fault.value.row == 7
    largest = float(np.finfo(np.float32).max)
    values[[7, 9]] = largest
    assert Stream.measured("ppg", TIME_S, values).values[7, 0] == largest


def test_missing_samples_stay_missing():
    values = np.zeros(200)
    values[3] = np.nan
    assert np.isnan(Stream.measured("ppg", TIME_S, values).values[:, 0]).tolist() == [k == 3 for k in range(200)]


@pytest.mark.parametrize("kind", ["f2", "f4", ">f4", "f8", ">f8", "g", "i1", "u2", ">i4", "i8"])
def test_every_kind_of_real_number_becomes_float32(kind):
    stream = Stream.measured("ppg", TIME_S, (np.arange(200) % 100).astype(kind))
    assert stream.values.dtype == np.dtype(np.float32)
    assert stream.values[:, 0].tolist() == [float(k % 100) for k in range(200)]


@pytest.mark.parametrize(
    ("time", "code", "row"),
    [
        ([0.0, 1.0, 1.0], "time_not_increasing", 2),
        ([0.0, 2.0, 1.0], "time_not_increasing", 2),
        ([3.0, 2.0, 1.0], "time_not_increasing", 1),
        ([0.0, np.nan, 1.0], "time_missing", 1),
        ([np.nan, 0.5, 1.0], "time_missing", 0),
        ([0.0, 1.0, np.inf], "time_missing", 2),
        ([0.0, 1.0], "shape", None),
        ([0.0, 1.0, 2.0, 3.0], "shape", None),
        ([[0.0], [1.0], [2.0]], "shape", None),
        ([[0.0], [1.0, 2.0]], "shape", None),
        (["0", "1", "2"], "not_numeric", None),
        (np.array(["2026-01-01", "2026-01-02", "2026-01-03"], "M8[s]"), "not_numeric", None),
        (np.array([0, 1, 2], complex), "not_numeric", None),
        (np.array([0, 1, 2], object), "not_numeric", None),
        (np.array([False, True, True]), "not_numeric", None),
    ],
)
def test_wrong_stamps_are_refused_with_their_row(time, code, row):
    with pytest.raises(RecordingError) as fault:
        Stream.measured("ppg", time, np.zeros(3))
    assert (code_of(fault), fault.value.row) == (code, row)
    assert row is None or f"row {row}" in str(fault.value)


@pytest.mark.parametrize(("count", "channels"), [(2, ("a", "a")), (2, ("a",)), (1, ("a", "b")), (3, ("a", "b", "a"))])
def test_each_column_has_one_name_of_its_own(count, channels):
    with pytest.raises(RecordingError, match="one name of its own") as fault:
        Stream.measured("emg", TIME_S, np.zeros((200, count)), channels=channels, unit="V")
    assert code_of(fault) == "channels"


@pytest.mark.parametrize("rate_hz", [0, -1, np.nan, np.inf])
def test_a_uniform_stream_needs_a_rate(rate_hz):
    with pytest.raises(ValueError, match=r"rate_hz is .*expected a positive number"):
        Stream.uniform("audio", np.zeros(10), rate_hz=rate_hz)


@pytest.mark.parametrize("start_s", [np.nan, np.inf])
def test_a_uniform_stream_starts_somewhere(start_s):
    with pytest.raises(ValueError, match="start_s is"):
        Stream.uniform("audio", np.zeros(10), rate_hz=8, start_s=start_s)


def test_a_uniform_stream_makes_its_stamps_on_demand():
    stream = make_sound(start_s=2.5)
    assert stream.is_uniform
    assert "time" not in vars(stream)
    np.testing.assert_array_equal(stream.time, 2.5 + np.arange(3200) / 800)
    assert (stream.start_s, stream.stop_s) == (stream.time[0], stream.time[-1])
    assert stream.gaps.shape == (0, 2)
    assert not stream.time.flags.writeable


def test_a_trusted_stream_is_the_measured_one():
    stream = make_accel()
    fields = {name: getattr(stream, name) for name in ("name", "time", "values", "channels", "unit", "rate_hz", "gaps")}
    again = Stream.trusted(start_s=np.nan, **fields)
    assert Recording.of([again]).id == Recording.of([stream]).id
    assert (again.start_s, again.stop_s, again.rate_hz) == (stream.start_s, stream.stop_s, stream.rate_hz)
    assert not any(getattr(again, name).flags.writeable for name in ("values", "time", "gaps"))
    with pytest.raises(RecordingError):
        Stream.trusted(start_s=np.nan, **{**fields, "unit": "V"})
    with pytest.raises(RecordingError):
        Stream.trusted(start_s=np.nan, **{**fields, "channels": ("x", "y")})


# What a stream measures


@pytest.mark.parametrize("rate_hz", [24.98, 50.0, 103.7, 203.1, 499.0])
def test_the_rate_is_measured_from_stamps_of_whole_milliseconds(rate_hz):
    time_s = np.round(np.arange(20000) / rate_hz, 3)
    stream = Stream.measured("ppg", time_s, np.zeros(20000))
    assert stream.rate_hz == pytest.approx(rate_hz, rel=1e-4)
    assert len(stream.gaps) == 0


def test_the_rate_is_measured_through_jitter_and_without_gaps():
    rng = np.random.default_rng(0)
    time_s = np.arange(30000) / 100 + rng.uniform(-0.004, 0.004, 30000)
    time_s[10000:] += 3600
    time_s[20000:] += 0.75
    stream = Stream.measured("ppg", time_s, np.zeros(30000))
    assert stream.gaps.tolist() == [[time_s[9999], time_s[10000]], [time_s[19999], time_s[20000]]]
    assert stream.rate_hz == pytest.approx(100, rel=1e-4)


def test_lost_samples_below_the_gap_rule_lower_the_measured_rate():
    time_s = np.delete(np.arange(10000) / 100, np.arange(5, 10000, 10))
    assert Stream.measured("ppg", time_s, np.zeros(9000)).rate_hz == pytest.approx(90, rel=1e-3)


@pytest.mark.parametrize("count", [0, 1])
def test_a_rate_needs_two_samples(count):
    stream = Stream.measured("accel", TIME_S[:count], np.zeros((count, 3)))
    assert np.isnan(stream.rate_hz)
    assert stream.gaps.shape == (0, 2)
    assert np.isnan(stream.start_s) == np.isnan(stream.stop_s) == (count == 0)


@pytest.mark.parametrize("kind", [np.int64, np.float64])
@given(numbers=st.lists(st.integers(1, 2**52), min_size=1, max_size=40), rows=st.integers(1, 7))
def test_the_two_in_the_middle_are_those_of_sorted_numbers(kind, numbers, rows):
    array = np.array(numbers, dtype=kind) * (1 if kind is np.int64 else 2.0**-30)
    pair = middle_two(lambda: (array[first : first + rows] for first in range(0, len(array), rows)), len(array))
    assert pair == (np.sort(array)[(len(array) - 1) // 2], np.sort(array)[len(array) // 2])
    assert {type(one) for one in pair} == {kind}


@pytest.mark.parametrize("count", [1000, 1001])
def test_a_median_in_bounded_memory_is_the_same(monkeypatch, count):
    time_s = np.cumsum(np.random.default_rng(3).uniform(0.05, 0.4, count))
    at_once = longest_step_s(time_s)
    monkeypatch.setattr(sys.modules["wristkit.recording.blocks"], "_SORTED_AT_ONCE", 10)  # a function has its name
    assert longest_step_s(time_s) == at_once


steps_s = st.lists(st.sampled_from([0.001, 0.01, 0.02, 0.0999, 0.1, 0.101, 0.3, 1.0, 7.0]), max_size=60)


@given(steps=steps_s, start_s=st.sampled_from([0.0, -3.5, 86400.0]))
def test_gaps_and_rate_equal_a_slow_twin(steps, start_s):
    time_s = start_s + np.cumsum([0.0, *steps])
    stream = Stream.measured("ppg", time_s, np.zeros(len(time_s)))
    pairs = list(pairwise(time_s.tolist()))
    limit_s = max(4 * statistics.median(after - before for before, after in pairs), 0.1) if pairs else 0
    gaps = [[before, after] for before, after in pairs if after - before > limit_s]
    assert stream.gaps.tolist() == gaps
    counted = [after - before for before, after in pairs if [before, after] not in gaps]
    if counted:
        assert stream.rate_hz == pytest.approx(len(counted) / sum(counted), rel=1e-6)
    else:
        assert np.isnan(stream.rate_hz)


# What nobody can write through


def test_arrays_are_read_only_through_the_stream_and_stay_writable_for_their_owner():
    time_s, values, gaps = TIME_S.copy(), np.zeros((200, 3), np.float32), np.array([[1.0, 2.0]])
    stream = Stream("accel", time_s, values, ("x", "y", "z"), "g", 50.0, gaps)
    for name in ("time", "values", "gaps"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(stream, name)[0] = 1
    assert np.shares_memory(stream.values, values)
    assert np.shares_memory(stream.time, time_s)
    for array in (time_s, values, gaps):
        array[0] = -1
    assert values.flags.writeable


def test_fields_cannot_be_set():
    stream, recording = make_accel(), make_recording()
    with pytest.raises(dataclasses.FrozenInstanceError):
        stream.unit = "m/s2"
    with pytest.raises(dataclasses.FrozenInstanceError):
        recording.subject = "x"
    with pytest.raises(TypeError):
        recording.streams["accel"] = stream
    with pytest.raises(TypeError):
        recording.source["format"] = "x"


def test_copies_are_the_same_object_because_nothing_can_change():
    for one in (make_accel(), make_sound(), make_recording()):
        assert copy.copy(one) is one
        assert copy.deepcopy(one) is one
    frame = pd.DataFrame({"a": [1]})
    frame.attrs["recording"] = make_recording()
    assert copy.deepcopy(frame.attrs)["recording"].id == frame.attrs["recording"].id


def test_numpy_sees_the_values():
    stream = make_accel()
    seen = np.asarray(stream)
    assert np.shares_memory(seen, stream.values)
    assert not seen.flags.writeable
    assert np.array(stream).flags.writeable
    assert np.asarray(stream, dtype=np.float64).dtype == np.float64
    with pytest.raises(ValueError, match="copy"):
        np.asarray(stream, dtype=np.float64, copy=False)
    assert np.abs(stream).shape == (200, 3)


@pytest.mark.parametrize("stream", [make_accel(), make_sound(), make_accel(time_s=TIME_S[:0])], ids=repr)
def test_a_table_of_a_stream(stream):
    table = stream.to_pandas()
    assert tuple(table.columns) == stream.channels
    assert table.index.name == "time_s"
    np.testing.assert_array_equal(table.index, stream.time)
    np.testing.assert_array_equal(table.to_numpy(), stream.values)


def test_what_a_stream_does_not_have():
    stream = make_accel()
    assert not hasattr(stream, "temperature")
    with pytest.raises(AttributeError, match="no attribute 'temperature'"):
        _ = stream.temperature


# Parts of streams and recordings


@given(
    start_s=st.floats(-1, 5),
    span_s=st.floats(0, 5),
    count=st.integers(0, 120),
    seed=st.integers(0, 3),
    on=st.booleans(),
)
def test_between_takes_the_samples_of_a_mask(start_s, span_s, count, seed, on):
    time_s = np.cumsum(np.random.default_rng(seed).choice([0.005, 0.02, 0.15], count))
    stream = Stream.measured("ppg", time_s, np.arange(count))
    if on and count:  # edges that meet a sample exactly
        start_s, span_s = float(time_s[count // 3]), float(time_s[-1] - time_s[count // 3])
    stop_s = start_s + span_s
    part = stream.between(start_s, stop_s)
    inside = (time_s >= start_s) & (time_s < stop_s)
    np.testing.assert_array_equal(part.time, time_s[inside])
    np.testing.assert_array_equal(part.values, stream.values[inside])
    kept = [gap for gap in stream.gaps.tolist() if start_s <= gap[0] and gap[1] < stop_s]
    assert part.gaps.tolist() == kept
    assert np.shares_memory(part.values, stream.values) or not inside.any()


@given(
    start_s=st.floats(-1, 5),
    span_s=st.floats(0, 5),
    rate_hz=st.sampled_from([1.0, 7.3, 50.0, 441.0]),
    first_s=st.sampled_from([0.0, 0.37, 86400.0]),
    at=st.none() | st.integers(0, 9),
)
def test_between_of_a_uniform_stream_takes_the_samples_of_a_mask(start_s, span_s, rate_hz, first_s, at):
    stream = Stream.uniform("audio", np.arange(int(3 * rate_hz)), rate_hz=rate_hz, start_s=first_s)
    start_s += first_s
    if at is not None and at < len(stream):
        start_s = float(stream.time[at])
    stop_s = start_s + span_s
    part = stream.between(start_s, stop_s)
    room_s = 1e-6 / rate_hz  # an edge this near to a sample meets it, so that rounding neither loses nor doubles one
    inside = (stream.time >= start_s - room_s) & (stream.time < stop_s - room_s)
    np.testing.assert_array_equal(part.values, stream.values[inside])
    np.testing.assert_allclose(part.time, stream.time[inside], rtol=0, atol=1e-9)
    assert part.is_uniform
    assert part.rate_hz == rate_hz


@given(edges=st.lists(st.floats(0, 4), min_size=1, max_size=8))
def test_parts_of_a_stream_join_to_the_whole(edges):
    for stream in (make_accel(), make_sound()):
        parts = [stream.between(a, b) for a, b in pairwise([-1.0, *sorted(edges), 5.0])]
        np.testing.assert_array_equal(np.concatenate([part.values for part in parts]), stream.values)


def test_between_refuses_a_time_that_runs_backwards():
    for one in (make_accel(), make_recording()):
        with pytest.raises(ValueError, match="give the earlier time first"):
            one.between(3, 1)
        with pytest.raises(ValueError, match="give the earlier time first"):
            one.between(np.nan, 1)


def test_between_keeps_the_clock_and_every_stream():
    recording = make_recording(subject="p1", start="2026-05-01T08:00:00Z", zone="UTC", wrist="left", crown="right")
    late = recording.with_streams(Stream.measured("mag", TIME_S + 2, np.zeros((200, 3))))
    part = late.between(1, 1.5)
    assert list(part.streams) == list(late.streams)
    assert len(part.mag) == 0
    assert part.accel.start_s == 1.0
    assert (part.start, part.zone, part.subject, part.wrist, part.crown) == (
        *(late.start, late.zone),
        *("p1", "left", "right"),
    )
    assert part.id != late.id
    assert part.id == late.between(1, 1.5).id
    assert late.between(-np.inf, np.inf).id == late.id


def test_between_outside_the_recording_is_refused():
    with pytest.raises(RecordingError, match=r"spans 0\.000 s to 3\.999 s") as fault:
        make_recording().between(100, 110)
    assert code_of(fault) == "empty"


def test_labels_are_cut_to_the_part_and_points_belong_to_one_part():
    rows = [
        (0.0, 1.0, "before", "truth", "a"),
        (0.5, 1.5, "into", "truth", "a"),
        (1.2, 1.3, "inside", "truth", "a"),
        (0.0, 4.0, "around", "other", "b"),
        (1.0, 1.0, "first point", "truth", "a"),
        (2.0, 2.0, "next point", "truth", "a"),
        (1.7, 3.0, "out of", "truth", "a"),
        (2.0, 3.0, "after", "truth", "a"),
    ]
    recording = make_recording(
        labels=label_table(rows), labelled={"truth": [(0, 0.5), (0.8, 1.2), (1.9, 3)], "other": [(3, 4)]}
    )
    part = recording.between(1, 2)
    assert part.labels.to_numpy().tolist() == [
        [1.0, 1.5, "into", "truth", "a"],
        [1.2, 1.3, "inside", "truth", "a"],
        [1.0, 2.0, "around", "other", "b"],
        [1.0, 1.0, "first point", "truth", "a"],
        [1.7, 2.0, "out of", "truth", "a"],
    ]
    assert {tier: spans.tolist() for tier, spans in part.labelled.items()} == {
        "truth": [[1.0, 1.2], [1.9, 2.0]],
        "other": [],
    }
    assert recording.labels["label"].tolist() == [row[2] for row in rows]
    assert "next point" in set(recording.between(2, 3).labels["label"])


def test_findings_of_a_part_are_those_that_touch_it_or_have_no_time():
    rows = [
        ("early", "accel", 0.0, 0.5, 1, "n", "r"),
        ("in", "accel", 1.2, 1.4, 1, "n", "r"),
        ("late", "accel", 2.0, 2.5, 1, "n", "r"),
        ("always", "", np.nan, np.nan, 1, "n", "r"),
    ]
    recording = Recording.of([make_accel()], findings=finding_table(rows))
    assert recording.between(1, 2).findings["code"].tolist() == ["in", "always"]


# How a recording is built, and its id


def test_the_fields_of_a_recording_are_those_of_the_design():
    names = ("id", "streams", "labels", "labelled", "findings", "start", "zone", "subject", "wrist", "crown", "source")
    assert tuple(inspect.signature(Recording).parameters) == names
    recording = make_recording()
    assert tuple(recording.labels.columns) == LABEL_COLUMNS
    assert tuple(recording.findings.columns) == FINDING_COLUMNS
    again = Recording(**{name: getattr(recording, name) for name in names})
    assert again.id == recording.id
    assert len(recording.id) == 16
    assert int(recording.id, 16) >= 0


def test_streams_are_found_by_name_and_by_attribute():
    recording = make_recording()
    assert recording.accel is recording["accel"] is recording.streams["accel"]
    assert hasattr(recording, "audio")
    assert not hasattr(recording, "gyro")
    with pytest.raises(AttributeError, match=r"'gyro'; streams: \['accel', 'audio', 'pulse'\]"):
        _ = recording.gyro
    with pytest.raises(RecordingError, match=r"no stream 'gyro', it has \['accel', 'audio', 'pulse'\]") as fault:
        recording["gyro"]
    assert code_of(fault) == "missing_stream"


def test_the_span_is_that_of_all_streams_with_samples():
    empty = Stream.measured("mag", [], np.empty((0, 3)))
    recording = Recording.of([make_accel(time_s=TIME_S + 1), make_sound(3.0), empty])
    assert recording.start_s == 0.0
    assert recording.stop_s == TIME_S[-1] + 1


def test_what_is_no_recording_is_refused():
    with pytest.raises(RecordingError) as fault:
        Recording.of([make_accel(0), make_accel(1)])
    assert code_of(fault) == "duplicate_stream"
    for streams in ([], [make_accel(time_s=TIME_S[:0])]):
        with pytest.raises(RecordingError) as fault:
            Recording.of(streams)
        assert code_of(fault) == "empty"


def test_sides_and_start_are_known_or_none():
    with pytest.raises(ValueError, match="wrist is 'Left', expected 'left', 'right' or None"):
        make_recording(wrist="Left")
    with pytest.raises(ValueError, match="crown is 'up'"):
        make_recording(crown="up")
    with pytest.raises(ValueError, match="has no time zone"):
        make_recording(start="2026-05-01T08:00:00")
    start = make_recording(start=pd.Timestamp("2026-05-01T10:00:00+02:00")).start
    assert start == pd.Timestamp("2026-05-01T08:00:00Z")
    assert str(start.tz) == "UTC"


def test_the_id_depends_on_content_alone():
    recording = make_recording()
    streams = list(recording.streams.values())
    same = [
        Recording.of(streams[::-1]),
        Recording.of(streams, subject="p1", wrist="left", start="2026-05-01T08:00:00Z", source={"format": "x"}),
        recording.with_labels(label_table([(0, 1, "a", "truth", "r")])),
        recording.with_findings(finding_table([("c", "accel", 0.0, 1.0, 1, "n", "r")])),
        recording.with_streams(make_accel()),
        Recording.of([*streams[1:], Stream.measured("accel", TIME_S, np.asfortranarray(streams[0].values))]),
    ]
    assert {one.id for one in same} == {recording.id}


def test_the_id_changes_with_a_bit_a_name_a_unit_a_stamp_or_a_rate():
    values = np.zeros((200, 2), np.float32)
    fields = {"channels": ("a", "b"), "unit": "V"}
    flipped = values.copy()
    flipped.view(np.uint32)[120, 1] ^= 1
    moved = TIME_S.copy()
    moved[5] = np.nextafter(moved[5], 9)
    sound = np.zeros(200)
    streams = [
        Stream.measured("emg", TIME_S, values, **fields),
        Stream.measured("emg", TIME_S, flipped, **fields),
        Stream.measured("emg", moved, values, **fields),
        Stream.measured("emh", TIME_S, values, **fields),
        Stream.measured("emg", TIME_S, values, channels=("a", "c"), unit="V"),
        Stream.measured("emg", TIME_S, values, channels=("b", "a"), unit="V"),
        Stream.measured("emg", TIME_S, values, channels=("a", "b"), unit="mV"),
        Stream.measured("emg", TIME_S[1:], values[1:], **fields),
        Stream.uniform("emg", values, rate_hz=50, **fields),
        Stream.uniform("emg", values, rate_hz=51, **fields),
        Stream.uniform("emg", values, rate_hz=50, start_s=1, **fields),
        Stream.measured("audio", TIME_S, sound),
        Stream.uniform("audio", sound, rate_hz=50),
    ]
    assert len({Recording.of([one]).id for one in streams}) == len(streams)


@given(
    values=arrays.arrays(np.float32, (20, 2), elements=st.floats(-1e6, 1e6, width=32)),
    bit=st.integers(0, 20 * 2 * 32 - 1),
)
def test_any_flipped_bit_changes_the_id(values, bit):
    other = values.copy()
    other.view(np.uint32).reshape(-1)[bit // 32] ^= np.uint32(1 << (bit % 32))
    assume(not np.isinf(other).any())
    ids = {Recording.of([Stream.uniform("emg", one, rate_hz=5, unit="V")]).id for one in (values, other)}
    assert len(ids) == 2


def test_names_in_numpys_own_kind_of_text_are_the_same_names(tmp_path):
    plain = Stream.measured("emg", TIME_S, np.zeros((200, 2)), channels=("a", "b"), unit="V")
    numpys = Stream.measured("emg", TIME_S, np.zeros((200, 2)), channels=np.array(["a", "b"]), unit="V")
    assert {type(channel) for channel in numpys.channels} == {str}
    assert Recording.of([numpys]).id == Recording.of([plain]).id
    wk.save(Recording.of([numpys]), tmp_path / "r")
    assert Recording.of(list(wk.load(tmp_path / "r").streams.values())).id == Recording.of([plain]).id


# Every step returns a new recording


def test_with_streams_adds_and_replaces_in_a_new_recording():
    recording = make_recording(subject="p1")
    longer = recording.with_streams(Stream.measured("gyro", TIME_S, np.zeros((200, 3))), make_accel(1))
    assert list(longer.streams) == ["accel", "pulse", "audio", "gyro"]
    assert list(recording.streams) == ["accel", "pulse", "audio"]
    assert longer.subject == "p1"
    assert longer.id != recording.id
    assert not np.array_equal(longer.accel.values, recording.accel.values)
    with pytest.raises(RecordingError) as fault:
        recording.with_streams(make_accel(1), make_accel(2))
    assert code_of(fault) == "duplicate_stream"
    alone = Recording.of([make_accel()])
    with pytest.raises(RecordingError) as fault:
        alone.with_streams(make_accel(time_s=TIME_S[:0]))
    assert code_of(fault) == "empty"


def test_a_stated_rate_is_one_finding_however_often_it_passes():
    recording = make_recording()
    again = Recording.of(list(recording.streams.values()), findings=recording.findings)
    replaced = again.with_streams(make_sound()).with_labels(label_table()).between(0, 3)
    for one in (recording, again, replaced):
        rows = one.findings[one.findings["code"] == "rate_stated"]
        assert rows["stream"].tolist() == ["audio"]
        assert rows["note"].tolist() == ["800 Hz is stated, not measured"]
    other = recording.with_streams(make_sound(rate_hz=400.0))
    assert other.findings["note"].tolist() == ["400 Hz is stated, not measured"]
    measured = recording.with_streams(Stream.measured("audio", TIME_S, np.zeros(200)))
    assert measured.findings.empty


def test_with_findings_adds_rows_and_with_labels_replaces_them():
    recording = make_recording(labels=label_table([(0, 1, "a", "truth", "r")]), labelled={"truth": [(0, 2)]})
    added = recording.with_findings(finding_table([("odd", "accel", 0.0, 1.0, 3, "n", "r")]))
    assert added.findings["code"].tolist() == ["rate_stated", "odd"]
    assert added.findings["count"].dtype.kind == "i"
    assert recording.findings["code"].tolist() == ["rate_stated"]
    relabelled = recording.with_labels(label_table([(1, 2, "b", "truth", "r")]))
    assert relabelled.labels["label"].tolist() == ["b"]
    assert relabelled.labelled["truth"].tolist() == [[0, 2]]
    assert dict(recording.with_labels(recording.labels, labelled={}).labelled) == {}
    assert recording.labels["label"].tolist() == ["a"]


def test_tables_given_are_copied():
    labels = label_table([(0, 1, "a", "truth", "r")])
    findings = finding_table([("odd", "accel", 0.0, 1.0, 3, "n", "r")])
    source = {"format": "x"}
    recording = make_recording(labels=labels, findings=findings, source=source)
    labels.loc[0, "label"], findings.loc[0, "code"], source["format"] = "changed", "changed", "changed"
    assert recording.labels["label"].tolist() == ["a"]
    assert recording.findings["code"].tolist() == ["odd", "rate_stated"]
    assert dict(recording.source) == {"format": "x"}


# Labels


@pytest.mark.parametrize(
    ("change", "code", "row"),
    [
        (lambda table: table.drop(columns="tier"), "label_columns", None),
        (lambda table: table.drop(columns=["start_s", "stop_s"]), "label_columns", None),
        (lambda table: pd.concat([table, table[["label"]]], axis=1), "label_columns", None),
        (lambda table: table.assign(stop_s=[1.0, 1.0]), "label_times", 1),
        (lambda table: table.assign(start_s=[np.nan, 2.0]), "label_times", 0),
        (lambda table: table.assign(stop_s=[1.0, np.inf]), "label_times", 1),
        (lambda table: table.assign(start_s=[None, 2.0]), "label_times", 0),
        (lambda table: table.assign(start_s=["soon", "later"]), "label_times", None),
        (lambda table: table.assign(start_s=pd.to_datetime(["2026-01-01", "2026-01-02"])), "label_times", None),
        (lambda table: table.assign(label=["a", ""]), "label_text", 1),
        (lambda table: table.assign(label=["  ", "b"]), "label_text", 0),
        (lambda table: table.assign(label=["a", np.nan]), "label_text", 1),
        (lambda table: table.assign(label=["a", None]), "label_text", 1),
        (lambda table: table.assign(label=[1, 2]), "label_text", 0),
        (lambda table: table.assign(tier=["truth", None]), "label_text", 1),
        (lambda table: table.assign(start_s=[50.0, 60.0], stop_s=[51.0, 61.0]), "label_outside", None),
    ],
)
def test_a_wrong_label_table_is_refused(change, code, row):
    table = label_table([(0, 1, "a", "truth", "r"), (2, 3, "b", "truth", "r")])
    recording = make_recording(labels=table)
    for build in (recording.with_labels, lambda labels: make_recording(labels=labels)):
        with pytest.raises(RecordingError) as fault:
            build(change(table))
        assert (code_of(fault), fault.value.row) == (code, row)


def test_labels_that_are_no_table_are_refused():
    with pytest.raises(TypeError, match="labels are a list, expected a DataFrame"):
        make_recording().with_labels([(0, 1, "a", "truth", "r")])


def test_columns_in_any_order_and_whole_numbers_become_the_shared_table():
    table = label_table([(0, 1, "a", "truth", "r")]).astype({"start_s": int})[list(LABEL_COLUMNS)[::-1]]
    labels = make_recording(labels=table.set_axis([7])).labels
    assert tuple(labels.columns) == LABEL_COLUMNS
    assert labels.index.tolist() == [0]
    assert labels["start_s"].dtype == float


def test_some_labels_outside_are_a_finding_that_follows_the_labels():
    inside, outside = (0.0, 1.0, "a", "truth", "r"), (50.0, 60.0, "b", "truth", "r")
    recording = make_recording(labels=label_table([inside, outside]))
    rows = recording.findings[recording.findings["code"] == "label_outside"]
    assert rows[["start_s", "stop_s", "count"]].to_numpy().tolist() == [[50, 60, 1]]
    assert "1 of 2 labels" in rows["note"].item()
    twice = recording.with_labels(recording.labels)
    assert twice.findings["code"].tolist().count("label_outside") == 1
    assert recording.with_labels(label_table([inside])).findings["code"].tolist() == ["rate_stated"]
    edge = (TIME_S[-1], 9.0, "touches", "truth", "r")
    assert make_recording(labels=label_table([edge])).findings["code"].tolist() == ["rate_stated"]


@pytest.mark.parametrize(
    "spans",
    [
        [(0, 2), (1, 3)],
        [(2, 1)],
        [(0, np.nan)],
        [(0, np.inf)],
        [0, 1],
        [0, 1, 2, 3],
        [(0, 1, 2), (3, 4, 5)],
        [[(0, 1)]],
    ],
)
def test_labelled_spans_are_ordered_pairs_apart(spans):
    for build in (
        lambda: make_recording(labelled={"truth": spans}),
        lambda: make_recording().with_labels(label_table(), labelled={"truth": spans}),
    ):
        with pytest.raises(RecordingError, match="'truth'") as fault:
            build()
        assert code_of(fault) == "labelled_spans"


def test_labelled_spans_are_sorted_and_read_only():
    spans = np.array([[2.0, 3.0], [0.0, 1.0], [1.0, 2.0]])
    recording = make_recording(labelled={"truth": spans, "none": []})
    assert recording.labelled["truth"].tolist() == [[0, 1], [1, 2], [2, 3]]
    assert recording.labelled["none"].shape == (0, 2)
    with pytest.raises(ValueError, match="read-only"):
        recording.labelled["truth"][0, 0] = 9
    with pytest.raises(TypeError):
        recording.labelled["truth"] = spans


# Looks

HOSTILE = "<script>alert('x')</script>\"&"


def test_hostile_text_is_escaped_wherever_it_stands():
    values = np.random.default_rng(0).normal(size=(200, 2))
    recording = Recording.of(
        [Stream.measured(HOSTILE, TIME_S, values, channels=(HOSTILE + "1", HOSTILE + "2"), unit=HOSTILE)],
        labels=label_table([(0, 1, HOSTILE, HOSTILE, HOSTILE)]),
        labelled={HOSTILE: [(0, 1)]},
        findings=finding_table([(HOSTILE, HOSTILE, 0.0, 1.0, 1, HOSTILE, HOSTILE)]),
        subject=HOSTILE,
        zone=HOSTILE,
        source={"format": HOSTILE, HOSTILE: HOSTILE},
    )
    page = recording._repr_html_()
    assert "<script" not in page
    assert "alert('x')" not in page
    assert page.count("&lt;script&gt;alert(&#x27;x&#x27;)") >= 12
    assert page.count("<svg") == page.count("</svg>") == 1


def test_the_page_shows_what_is_there():
    time_s = np.delete(np.arange(500) / 50, slice(100, 150))
    recording = Recording.of(
        [make_accel(time_s=time_s), make_sound()],
        labels=label_table([(0, 1, "walk", "truth", "r"), (2, 3, "walk", "truth", "r")]),
        subject="p1",
        wrist="left",
        start="2026-05-01T08:00:00Z",
    )
    page = recording._repr_html_()
    for text in (recording.id, "x, y, z (g)", "50 Hz", "800 Hz stated", "1 (1.02 s)", "truth: walk 2", "findings: 1"):
        assert text in page
    for text in ("subject p1", "wrist left", "start 2026-05-01T08:00:00+00:00"):
        assert text in page
    assert page.count("<polyline") == 4


def test_a_long_list_of_findings_is_cut_and_counted():
    rows = [(f"code{k}", "accel", 0.0, 1.0, 1, "n", "r") for k in range(30)]
    page = Recording.of([make_accel()], findings=finding_table(rows))._repr_html_()
    assert "and 22 more" in page
    assert "findings: 30" in page


@pytest.mark.parametrize(
    "stream",
    [
        Stream.measured("mag", [], np.empty((0, 3))),
        Stream.uniform("audio", [], rate_hz=8000),
        Stream.measured("mag", TIME_S, np.full((200, 3), np.nan)),
        Stream.measured("mag", TIME_S, np.where(np.arange(3) == 1, np.nan, np.ones((200, 3)))),
        Stream.measured("mag", [2.0], [[1, 2, 3]]),
        Stream.measured("mag", [2.0, 3.0], [[1, 2, 3], [1, 2, 3]]),
        Stream.measured("mag", TIME_S, np.full((200, 3), np.finfo(np.float32).max)),
        Stream.measured("ppg", np.arange(10001) / 100, np.arange(10001)),
    ],
    ids=["empty", "empty uniform", "missing", "one channel missing", "one", "two", "largest", "long"],
)
def test_every_stream_has_a_page_and_a_short_repr(stream):
    recording = Recording.of([make_accel(), stream])
    page = recording._repr_html_()
    assert stream.name in page
    assert "nan," not in page
    assert len(page) < 40_000
    assert len(repr(stream)) <= 200
    assert len(repr(recording)) <= 200


def test_a_single_sample_is_drawn():
    page = Recording.of([Stream.measured("ppg", [2.0], [1.0])])._repr_html_()
    assert "points=''" not in page


def test_a_repr_is_one_short_line_whatever_the_names():
    streams = [Stream.measured(f"stream_{k}_{'n' * 300}", TIME_S, np.zeros(200), unit="u" * 500) for k in range(40)]
    recording = Recording.of(streams, subject="s" * 500)
    assert len(repr(recording)) <= 200
    assert len(repr(streams[0])) <= 200
    assert repr(make_accel()) == "Stream('accel', 200 x 3, 50 Hz, g)"
    short = make_recording(subject="p1")
    assert repr(short) == f"Recording({short.id} of p1: accel, pulse, audio; 4.0 s, 0 labels)"


def test_a_memory_mapped_recording_looks_and_cuts_like_the_one_in_memory(tmp_path):
    recording = make_recording(labels=label_table([(0, 1, "walk", "truth", "r")]), subject="p1")
    wk.save(recording, tmp_path / "r")
    mapped = wk.load(tmp_path / "r")
    values = mapped.accel.values
    assert isinstance(values, np.memmap) or isinstance(values.base, np.memmap)
    assert mapped._repr_html_() == recording._repr_html_()
    assert mapped.between(1, 2).id == recording.between(1, 2).id
    assert mapped.with_streams(mapped.accel).id == recording.id
    with pytest.raises(ValueError, match="read-only"):
        mapped.accel.values[0, 0] = 1


# Spans


spans_s = st.lists(
    st.tuples(st.integers(0, 30), st.integers(0, 8)).map(lambda pair: (pair[0], pair[0] + pair[1])), max_size=6
)


def seconds_of(spans):
    """Return the unit seconds that spans of whole seconds hold."""
    return {second for start_s, stop_s in spans for second in range(int(start_s), int(stop_s))}


@given(one=spans_s, other=spans_s)
def test_arithmetic_on_spans_equals_sets_of_seconds(one, other):
    first, second = union(np.array(one).reshape(-1, 2)), union(np.array(other).reshape(-1, 2))
    assert seconds_of(first.tolist()) == seconds_of(one)
    assert (np.diff(first.ravel()) >= 0).all()
    assert seconds_of(intersect(first, second).tolist()) == seconds_of(one) & seconds_of(other)
    assert seconds_of(subtract(first, second).tolist()) == seconds_of(one) - seconds_of(other)
    starts = np.arange(0.0, 36.0)
    held = [float(second in seconds_of(one)) for second in range(36)]
    np.testing.assert_allclose(covered_s(starts, starts + 1, np.array(one, float).reshape(-1, 2)), held, atol=1e-12)


def test_a_table_is_read_by_name_and_never_by_position():
    table = pd.DataFrame({"z": [3.0, 3.0], "extra": [9.0, 9.0], "y": [2.0, 2.0], "x": [1.0, 1.0]})
    assert Stream.measured("accel", [0.0, 1.0], table).values[0].tolist() == [1.0, 2.0, 3.0]
    assert Stream.uniform("glove", table, rate_hz=2, channels=("y", "z"), unit="V").values[0].tolist() == [2.0, 3.0]
    with pytest.raises(RecordingError, match=r"lacks the columns \['x'\]"):
        Stream.measured("accel", [0.0, 1.0], table.drop(columns="x"))


def test_stamps_that_cannot_be_seconds_are_refused():
    with pytest.raises(RecordingError) as fault:
        Stream.measured("ppg", np.array([1.7e18, 1.7e18 + 2e7]), [0.0, 1.0])
    assert fault.value.code == "time_unit"
    with pytest.raises(RecordingError) as fault:
        Stream.measured("ppg", np.array([0.0, 1.0], dtype=np.float32), [0.0, 1.0])
    assert fault.value.code == "time_float32"


@pytest.mark.parametrize("field", ["subject", "zone"])
def test_what_should_be_text_is_text(field):
    stream = Stream.measured("ppg", [0.0, 1.0], [0.0, 1.0])
    with pytest.raises(TypeError, match="expected text"):
        Recording.of([stream], **{field: 3})


def test_tables_that_are_handed_out_are_copies():
    recording = Recording.of(
        [Stream.measured("ppg", [0.0, 1.0], [0.0, 1.0])], labels=label_table([(0.0, 1.0, "a", "truth", "me")])
    )
    table = recording.labels
    table.loc[0, "label"] = "changed"
    assert recording.labels["label"].tolist() == ["a"]


def test_changes_to_a_private_map_are_never_lost(tmp_path):
    path = tmp_path / "values.npy"
    np.save(path, np.full((3, 2_000), -1.0, dtype=np.float32))
    mine = np.load(path, mmap_mode="c")
    mine[2] = 5
    stream = Stream.measured("accel", np.arange(2_000) / 50, mine.T)
    assert (mine[2] == 5).all()
    assert (stream.values[:, 2] == 5).all()


def test_sleep_of_another_device_may_lie_before_the_recording():
    streams = [Stream.measured("heart_rate", np.arange(100.0, 200.0, 5), np.full(20, 60.0))]
    slept = label_table([(-90.0, -60.0, "deep", "sleep", "Watch")])
    recording = Recording.of(streams, labels=slept)
    assert "label_outside" in set(recording.findings["code"])
    with pytest.raises(RecordingError, match="one clock"):
        Recording.of(streams, labels=slept.assign(tier="truth"))
