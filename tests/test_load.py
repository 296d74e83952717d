"""Loading: exact values and times from genuine files, and one of the four ways out for every wrong one."""

import concurrent.futures
import csv
import importlib.metadata
import inspect
import io
import json
import os
import struct
import sys
import zipfile

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.formats import sensor_logger as writer
from wristkit import store
from wristkit.errors import EmptyRecordingError, NotThisFormatError, RecordingError, TruncatedError
from wristkit.load import load
from wristkit.load import members as members_room
from wristkit.load.gather import Rows
from wristkit.load.order import in_order
from wristkit.load.spool import Spool
from wristkit.recording import Recording, Stream, label_table
from wristkit.simulate import ideal, people, session

START_NS = 1_772_438_400_123_456_789
COLUMNS = (
    *("time", "seconds_elapsed"),
    *("rotationRateX", "rotationRateY", "rotationRateZ"),
    *("gravityX", "gravityY", "gravityZ"),
    *("accelerationX", "accelerationY", "accelerationZ"),
    *("quaternionW", "quaternionX", "quaternionY", "quaternionZ"),
)
GRAVITY_AND_USER = [name for name in COLUMNS if name.startswith(("gravity", "acceleration"))]
METADATA = {"platform": "ios", "appVersion": "1.63", "standardisation": "false", "recording timezone": "Europe/Paris"}


@pytest.fixture(scope="module")
def motion():
    """A table of 300 rows as Sensor Logger writes it."""
    streams = ("gyro", "gravity", "user_accel", "attitude")
    walk = session(people(1, seed=1)[0], seed=1, plan=(("walking", 6.0),), sensor=ideal(50.0), streams=streams)
    values = np.hstack([walk[name].values for name in streams]).astype(float).round(6)
    table = pd.DataFrame(values, columns=list(COLUMNS[2:]))
    table.insert(0, "time", START_NS + np.arange(len(table), dtype=np.int64) * 20_000_000)
    table.insert(1, "seconds_elapsed", np.arange(len(table)) * 0.02 - 0.3)
    return table


def as_csv(table):
    text = io.StringIO()
    table.to_csv(text, index=False, lineterminator="\n")
    return text.getvalue().encode()


def metadata_csv(**stated):
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    row = METADATA | {"device name": "Somebody's iPhone", "device id": "secret"} | stated
    writer.writerows([tuple(row), tuple(row.values())])
    return text.getvalue().encode()


def as_folder(folder, files):
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def as_zip(path, files, prefix=""):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(prefix + name, content)
    return path


@pytest.fixture
def files(motion):
    heart = f"time,seconds_elapsed,bpm\n{START_NS + 10**9},1.0,61\n{START_NS + 5 * 10**9},5.0,63\n"
    notes = f'time,seconds_elapsed,text,millisecond_press_duration\n{START_NS + 2 * 10**9},2.0,"None, yet",90\n'
    return {
        "WristMotion.csv": as_csv(motion),
        "HeartRate.csv": heart.encode(),
        "Annotation.csv": notes.encode(),
        "Metadata.csv": metadata_csv(),
    }


def refused(path, **arguments):
    with pytest.raises(RecordingError) as caught:
        load(path, **arguments)
    assert caught.value.remedy
    return caught.value


def codes(recording):
    return set(recording.findings["code"])


def test_the_signature_is_the_one_others_build_on():
    names = "path format subject wrist crown unit rate_hz zone schema keep_audio repair into"
    assert list(inspect.signature(load).parameters) == names.split()


@pytest.mark.parametrize("kind", ["zip", "folder", "zip_in_folder", "no_suffix"])
def test_values_times_and_labels_are_those_of_the_file(tmp_path, motion, files, kind):
    path = {
        "zip": lambda: as_zip(tmp_path / "a.zip", files),
        "folder": lambda: as_folder(tmp_path / "a", files),
        "zip_in_folder": lambda: as_zip(tmp_path / "a.zip", files, prefix="2026-03-02/"),
        "no_suffix": lambda: as_zip(tmp_path / "recording", files),
    }[kind]()
    recording = load(path)
    assert list(recording.streams) == ["accel", "user_accel", "gravity", "gyro", "attitude", "heart_rate"]
    # The slow obvious twin: one row, one value at a time.
    for row in (0, 7, len(motion) - 1):
        line = motion.iloc[row]
        for axis, letter in enumerate("XYZ"):
            total = line[f"gravity{letter}"] + line[f"acceleration{letter}"]
            assert recording.accel.values[row, axis] == np.float32(total)
            assert recording.gyro.values[row, axis] == np.float32(line[f"rotationRate{letter}"])
        assert recording.accel.time[row] == (int(motion["time"][row]) - START_NS) / 1e9
    assert len(recording.accel) == len(motion)
    assert recording.start == pd.Timestamp(START_NS, unit="ns", tz="UTC")
    assert recording.zone == "Europe/Paris"
    np.testing.assert_array_equal(recording.heart_rate.values[:, 0], [61, 63])
    assert recording.labels.to_numpy().tolist() == [[2.0, 2.0, "None, yet", "annotation", "wearer"]]
    assert codes(recording) == set()


def test_zip_and_folder_are_one_recording_and_name_nobody(tmp_path, files):
    zipped, plain = load(as_zip(tmp_path / "a.zip", files)), load(as_folder(tmp_path / "b", files))
    assert zipped.id == plain.id
    assert zipped.source["content_hash"] == plain.source["content_hash"]
    assert "Somebody" not in str(zipped.source)
    assert "secret" not in str(zipped.source)


def test_columns_are_found_by_name_in_any_order(tmp_path, motion, files):
    shuffled = motion[list(motion.columns[::-1])].assign(extra="text")
    turned = load(as_folder(tmp_path / "a", files | {"WristMotion.csv": as_csv(shuffled)}))
    assert turned.id == load(as_folder(tmp_path / "b", files)).id


def test_a_byte_order_mark_and_windows_line_ends_change_nothing(tmp_path, files):
    windows = b"\xef\xbb\xbf" + files["WristMotion.csv"].replace(b"\n", b"\r\n")
    first = load(as_folder(tmp_path / "a", files | {"WristMotion.csv": windows}))
    assert first.id == load(as_folder(tmp_path / "b", files)).id


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_every_file_may_have_a_byte_order_mark_and_windows_line_ends(tmp_path, files, *, packed, mark, end):
    changed = {name: mark + content.replace(b"\n", end) for name, content in files.items()}
    first = load(as_zip(tmp_path / "a.zip", changed) if packed else as_folder(tmp_path / "a", changed))
    second = load(as_folder(tmp_path / "b", files))
    assert first.id == second.id
    assert first.zone == second.zone == "Europe/Paris"
    pd.testing.assert_frame_equal(first.labels, second.labels)
    assert codes(first) == set()


def test_columns_of_side_files_are_found_by_name_in_any_order(tmp_path, files):
    heart = f"extra,bpm,seconds_elapsed,time\nx,61,1.0,{START_NS + 10**9}\nx,63,5.0,{START_NS + 5 * 10**9}\n"
    notes = f'text,time,seconds_elapsed\n"None, yet",{START_NS + 2 * 10**9},2.0\n'
    stated = list(csv.reader(io.StringIO(metadata_csv().decode())))
    turned = "".join(",".join(row[::-1]) + "\n" for row in stated)
    changed = {"HeartRate.csv": heart.encode(), "Annotation.csv": notes.encode(), "Metadata.csv": turned.encode()}
    first, second = load(as_folder(tmp_path / "a", files | changed)), load(as_folder(tmp_path / "b", files))
    assert (first.id, first.zone) == (second.id, second.zone)
    pd.testing.assert_frame_equal(first.labels, second.labels)


@pytest.mark.parametrize("prefix", ["", "2026-03-02/"])
def test_what_a_mac_adds_to_a_zip_is_no_part_of_the_recording(tmp_path, files, prefix):
    added = {f"__MACOSX/{prefix}._{name}": b"\0\5\x16\7" for name in files}
    added |= {f"__MACOSX/{prefix}WristMotion.csv": b"no motion"}
    packed = {prefix + name: content for name, content in files.items()} | added
    recording = load(as_zip(tmp_path / "a.zip", packed))
    assert recording.id == load(as_folder(tmp_path / "b", files)).id
    assert codes(recording) == set()


@pytest.mark.parametrize("prefix", ["", "2026-03-02/"])
def test_other_files_of_the_export_are_named_once_as_not_read(tmp_path, files, prefix):
    sensors = [f"{kind}{number}.csv" for kind in ("AccelerometerUncalibrated", "Pedometer") for number in range(15)]
    packed = {prefix + name: content for name, content in files.items()}
    packed |= {prefix + name: b"a,b\n1,2\n" for name in sensors} | {f"{prefix}more/Mine.csv": b"not even, a\ntable"}
    recording = load(as_zip(tmp_path / "a.zip", packed))
    assert recording.id == load(as_folder(tmp_path / "b", files)).id
    assert codes(recording) == {"not_read"}
    (found,) = recording.findings.to_dict("records")
    assert found["count"] == len(sensors) + 1
    assert found["note"].split(": ")[1].split(", ") == sorted([*sensors, f"{prefix}more/Mine.csv"])


def test_a_crowd_of_other_files_is_counted_and_named_in_part(tmp_path, files):
    others = {f"{'long' * 40}{number:03}.csv": b"" for number in range(60)}
    (found,) = load(as_zip(tmp_path / "a.zip", files | others)).findings.to_dict("records")
    assert (found["code"], found["count"]) == ("not_read", 60)
    assert found["note"].endswith("and 10 more")
    assert len(found["note"]) < 6000


def test_the_start_is_the_earliest_stamp_of_any_sensor(tmp_path, files):
    heart = f"time,seconds_elapsed,bpm\n{START_NS - 10**9},-1.0,61\n"
    recording = load(as_folder(tmp_path / "a", files | {"HeartRate.csv": heart.encode()}))
    assert recording.start.value == START_NS - 10**9
    assert recording.accel.start_s == 1.0


def test_heart_rate_alone_is_a_recording_and_zero_is_no_beat(tmp_path):
    heart = f"time,seconds_elapsed,bpm\n{START_NS},0,61\n{START_NS + 10**9},1,0\n"
    recording = load(as_folder(tmp_path / "a", {"HeartRate.csv": heart.encode()}))
    assert np.isnan(recording.heart_rate.values[1, 0])
    assert {"no_beat", "missing_values", "metadata_missing"} == codes(recording)


def test_what_the_caller_knows_is_added_and_never_overrules(tmp_path, files):
    path = as_folder(tmp_path / "a", files)
    recording = load(path, subject="p7", wrist="right", crown="left")
    assert (recording.subject, recording.wrist, recording.crown) == ("p7", "right", "left")
    assert load(path, zone="Europe/Paris").zone == "Europe/Paris"
    with pytest.raises(ValueError, match="Europe/Paris"):
        load(path, zone="Asia/Tokyo")
    with pytest.raises(ValueError, match="expected 'left', 'right'"):
        load(path, wrist="both")


@pytest.mark.parametrize("argument", [{"unit": "g"}, {"rate_hz": 50.0}, {"schema": {}}])
@pytest.mark.parametrize("format_", ["sensor_logger", "native"])
def test_arguments_that_a_format_cannot_use_are_refused(tmp_path, files, argument, format_):
    path = as_folder(tmp_path / "a", files)
    if format_ == "native":
        path = store.save(load(path), tmp_path / "native")
    with pytest.raises(ValueError, match=f"{next(iter(argument))} cannot be used with the format '{format_}'"):
        load(path, **argument)


def test_formats_and_repairs_that_are_unknown_are_refused(tmp_path, files):
    path = as_folder(tmp_path / "a", files)
    with pytest.raises(ValueError, match="sensor_logger"):
        load(path, format="sensorlogger")
    with pytest.raises(ValueError, match="drop_exact"):
        load(path, repair=("fix_all",))
    with pytest.raises(TypeError, match="sequence of names"):
        load(path, repair="drop_exact")
    native = store.save(load(path), tmp_path / "native")
    with pytest.raises(ValueError, match="native"):
        load(native, repair=("drop_exact",))


def test_a_native_folder_opens_as_it_was_saved(tmp_path, files):
    recording = load(as_folder(tmp_path / "a", files))
    again = load(store.save(recording, tmp_path / "native"))
    assert again.id == recording.id
    pd.testing.assert_frame_equal(again.labels, recording.labels)
    assert load(tmp_path / "native", format="native").id == recording.id


def test_into_saves_and_opens_memory_mapped(tmp_path, files):
    recording = load(as_folder(tmp_path / "a", files), into=tmp_path / "native", subject="p1")
    assert recording.subject == "p1"
    values = recording.accel.values
    while isinstance(values, np.ndarray) and not isinstance(values, np.memmap):
        values = values.base
    assert isinstance(values, np.memmap)
    assert load(tmp_path / "native").id == recording.id


def test_sound_is_left_out_as_asked_and_said(tmp_path):
    sound = Stream.uniform("audio", np.zeros(100, np.float32), rate_hz=100.0)
    accel = Stream.measured("accel", np.arange(10) / 10, np.zeros((10, 3)))
    both = store.save(Recording.of([sound, accel]), tmp_path / "both")
    assert "audio" in load(both).streams
    quiet = load(both, keep_audio=False)
    assert set(quiet.streams) == {"accel"}
    assert "audio_left_out" in codes(quiet)
    assert refused(store.save(Recording.of([sound]), tmp_path / "sound"), keep_audio=False).code == "empty"


# Unit, sign and version


def standardised(motion):
    table = motion.copy()
    table[GRAVITY_AND_USER] *= -9.80665
    return table


def test_standardised_exports_come_back_in_core_motions_units_and_signs(tmp_path, motion, files):
    plain = load(as_folder(tmp_path / "a", files))
    changed = {"WristMotion.csv": as_csv(standardised(motion)), "Metadata.csv": metadata_csv(standardisation="true")}
    si = load(as_folder(tmp_path / "b", files | changed))
    np.testing.assert_allclose(si.accel.values, plain.accel.values, atol=1e-6)
    np.testing.assert_allclose(si.gravity.values, plain.gravity.values, atol=1e-6)
    np.testing.assert_array_equal(si.gyro.values, plain.gyro.values)


def test_old_versions_that_ignored_the_flag_are_read_by_what_the_data_show(tmp_path, motion, files):
    old = {"Metadata.csv": metadata_csv(standardisation="true", appVersion="1.59")}
    ignored = load(as_folder(tmp_path / "a", files | old))
    assert ignored.id == load(as_folder(tmp_path / "b", files)).id
    assert "standardisation_ignored" in codes(ignored)
    obeyed = load(as_folder(tmp_path / "c", files | old | {"WristMotion.csv": as_csv(standardised(motion))}))
    np.testing.assert_allclose(obeyed.accel.values, ignored.accel.values, atol=1e-6)
    assert codes(obeyed) == {"unit_converted"}


@pytest.mark.parametrize("unit", ["m/s2", "g"])
@pytest.mark.parametrize("without", ["no metadata", "no flag", "odd flag"])
def test_without_a_stated_unit_the_data_decide_and_a_finding_says_so(tmp_path, motion, files, unit, without):
    expected = load(as_folder(tmp_path / "a", files))
    table = standardised(motion) if unit == "m/s2" else motion
    stated = {
        "no metadata": {},
        "no flag": {"Metadata.csv": metadata_csv().replace(b"standardisation", b"something")},
        "odd flag": {"Metadata.csv": metadata_csv(standardisation="yes")},
    }[without]
    kept = {name: content for name, content in files.items() if name != "Metadata.csv"}
    recording = load(as_folder(tmp_path / "b", kept | stated | {"WristMotion.csv": as_csv(table)}))
    np.testing.assert_allclose(recording.accel.values, expected.accel.values, atol=1e-6)
    np.testing.assert_allclose(recording.gravity.values, expected.gravity.values, atol=1e-6)
    converted = {"unit_converted"} if unit == "m/s2" else set()
    missing = {"metadata_missing"} if without == "no metadata" else set()
    assert codes(recording) == {"unit_from_data"} | converted | missing
    found = recording.findings.query("code == 'unit_from_data' and stream == 'accel'").iloc[0]
    assert f"read as {unit}" in found["note"]
    assert "attitude confirms the signs" in found["note"]
    assert found["count"] == len(motion)


def test_without_metadata_and_attitude_the_finding_says_that_signs_are_unchecked(tmp_path, motion, files):
    bare = standardised(motion).drop(columns=[name for name in COLUMNS if name.startswith("quaternion")])
    recording = load(as_folder(tmp_path / "a", {"WristMotion.csv": as_csv(bare)}))
    note = recording.findings.query("code == 'unit_from_data'")["note"].iloc[0]
    assert "nothing is there to check the signs" in note
    np.testing.assert_allclose(recording.accel.values, load(as_folder(tmp_path / "b", files)).accel.values, atol=1e-6)


def test_without_metadata_the_attitude_still_contradicts_wrong_signs(tmp_path, motion):
    unflipped = motion.copy()
    unflipped[GRAVITY_AND_USER] *= 9.80665
    assert refused(as_folder(tmp_path / "a", {"WristMotion.csv": as_csv(unflipped)})).code == "sign_contradicts"


@pytest.mark.parametrize(
    ("change", "stated", "code"),
    [
        (lambda table: table, {"standardisation": "true"}, "unit_contradicts"),
        (standardised, {"standardisation": "false"}, "unit_contradicts"),
        (standardised, {"standardisation": "false", "appVersion": "1.40"}, "unit_contradicts"),
        (lambda table: table.assign(**{n: table[n] * 3 for n in GRAVITY_AND_USER}), {}, "unit"),
        (lambda table: table.assign(**{n: -table[n] for n in GRAVITY_AND_USER}), {}, "sign_contradicts"),
        (lambda table: table.assign(**{n: np.degrees(table[n]) for n in COLUMNS[2:5]}), {}, "gyro_unit"),
        (lambda table: table.assign(quaternionW=table["quaternionW"] + 0.5), {}, "attitude_length"),
        (lambda table: table.assign(gravityX=np.nan), {}, "unit"),
        (lambda table: table.assign(bpm=1).drop(columns="gravityX"), {}, "columns_missing"),
    ],
)
def test_units_and_signs_that_the_data_contradict_are_errors(tmp_path, motion, files, *, change, stated, code):
    changed = {"WristMotion.csv": as_csv(change(motion)), "Metadata.csv": metadata_csv(**stated)}
    error = refused(as_folder(tmp_path / "a", files | changed))
    assert error.code == code
    assert error.file in {"WristMotion.csv", "a"}  # the second where the streams contradict one another


# Time


def with_times(motion, edit):
    table = motion.copy()
    table["time"] = edit(table["time"].to_numpy().copy())
    return table


def set_at(rows, value):
    def edit(times):
        times[rows] = value(times)
        return times

    return edit


def test_equal_stamps_are_an_error_until_a_repair_is_named(tmp_path, motion, files):
    burst = with_times(motion, set_at(slice(100, 105), lambda times: times[100]))
    path = as_folder(tmp_path / "a", files | {"WristMotion.csv": as_csv(burst)})
    error = refused(path)
    assert (error.code, error.row, error.file) == ("equal_stamps", 101, "WristMotion.csv")
    assert "spread_stamps" in error.remedy
    recording = load(path, repair=("spread_stamps",))
    assert len(recording.accel) == len(motion)
    np.testing.assert_allclose(recording.accel.time, np.arange(len(motion)) * 0.02, atol=1e-9)
    found = recording.findings[recording.findings["code"] == "spread_stamps"]
    assert set(found["count"]) == {4}


def test_repeated_rows_are_dropped_only_as_asked_and_rows_are_conserved(tmp_path, motion, files):
    twice = motion.iloc[[0, 1, 1, 1, *range(2, len(motion))]]
    path = as_folder(tmp_path / "a", files | {"WristMotion.csv": as_csv(twice)})
    error = refused(path)
    assert (error.code, error.row) == ("equal_stamps", 2)
    assert "drop_exact" in error.remedy
    recording = load(path, repair=("drop_exact",))
    for name in ("accel", "gyro"):
        dropped = recording.findings.query("code == 'drop_exact' and stream == @name")["count"].sum()
        assert len(twice) == len(recording[name]) + dropped
    assert recording.id == load(as_folder(tmp_path / "b", files)).id


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_spread_stamps_keep_every_row_increase_and_leave_others_alone(data):
    counts = data.draw(st.lists(st.integers(1, 6), min_size=2, max_size=30))
    stamps = np.cumsum(data.draw(st.lists(st.integers(10**6, 10**9), min_size=len(counts), max_size=len(counts))))
    times = np.repeat(START_NS + stamps, counts)
    rows = Rows("a.csv", times, {"x": np.arange(len(times), dtype=float)}, (), "")
    spread = in_order(rows, ("spread_stamps",), Spool())
    assert (np.diff(spread.time_ns) > 0).all()
    np.testing.assert_array_equal(spread.time_ns[np.r_[0, np.cumsum(counts)[:-1]]], START_NS + stamps)
    np.testing.assert_array_equal(spread.columns["x"], rows.columns["x"])
    assert sum(remark.count for remark in spread.remarks) == sum(counts) - len(counts)


@pytest.mark.parametrize(
    ("edit", "code", "row"),
    [
        (set_at(50, lambda times: times[20]), "time_backwards", 50),
        (set_at(slice(None), lambda times: times // 10**6), "epoch", 0),
        (set_at(7, lambda times: -times[7]), "epoch", 7),
    ],
)
def test_clocks_that_cannot_be_true_name_the_row(tmp_path, motion, files, *, edit, code, row):
    error = refused(as_folder(tmp_path / "a", files | {"WristMotion.csv": as_csv(with_times(motion, edit))}))
    assert (error.code, error.row, error.file) == (code, row, "WristMotion.csv")


def test_missing_samples_gaps_and_a_false_rate_are_findings(tmp_path, motion, files):
    kept = [row for row in range(len(motion)) if row not in {40, 41, 77} and not 120 <= row < 180]
    stated = metadata_csv(sensors="Heart Rate|Wrist Motion", sampleRateMs="|10")
    changed = {"WristMotion.csv": as_csv(motion.iloc[kept]), "Metadata.csv": stated}
    recording = load(as_folder(tmp_path / "a", files | changed))
    findings = recording.findings[recording.findings["stream"] == "accel"].set_index("code")
    assert findings["count"].to_dict() == {"missing_samples": 3, "gaps": 1, "rate_differs": len(kept)}
    assert "100 Hz is stated" in findings["note"]["rate_differs"]
    np.testing.assert_allclose(recording.accel.gaps, [[2.38, 3.6]], atol=1e-9)


def test_empty_fields_are_missing_values_and_counted(tmp_path, motion, files):
    holes = motion.copy()
    holes.loc[[3, 9], "rotationRateY"] = np.nan
    recording = load(as_folder(tmp_path / "a", files | {"WristMotion.csv": as_csv(holes)}))
    assert np.isnan(recording.gyro.values[[3, 9], 1]).all()
    assert recording.findings.query("code == 'missing_values'")[["stream", "count"]].to_numpy().tolist() == [
        ["gyro", 2]
    ]


# Broken files


def motion_edit(old, new, count=1):
    return lambda content: content.replace(old, new, count)


def line_edit(number, edit):
    def change(content):
        lines = content.split(b"\n")
        lines[number] = edit(lines[number])
        return b"\n".join(lines)

    return change


@pytest.mark.parametrize(
    ("edit", "kind", "code", "row"),
    [
        (lambda content: b"", EmptyRecordingError, "empty", None),
        (lambda content: content.split(b"\n")[0] + b"\n", EmptyRecordingError, "empty", None),
        (lambda content: content[:-9], TruncatedError, "cut_tail", None),
        (lambda content: content[:20], TruncatedError, "cut_tail", None),
        (lambda content: content[:5000] + b"\0" * 100, TruncatedError, "nul_bytes", None),
        (lambda content: content.decode().encode("utf-16"), RecordingError, "encoding", None),
        (lambda content: content.replace(b",", b";"), RecordingError, "columns_missing", None),
        (lambda content: content.replace(b"gravityX", b"gravityY", 1), RecordingError, "duplicate_columns", None),
        (line_edit(6, lambda line: line + b",1"), RecordingError, "not_a_table", 5),
        (line_edit(6, lambda line: line[:30]), RecordingError, "not_a_table", 5),
        (line_edit(6, lambda line: b""), RecordingError, "blank_line", 5),
        (line_edit(6, lambda line: b"x".join(line.rsplit(b".", 1))), RecordingError, "not_a_table", 5),
        (line_edit(6, lambda line: b'"'.join(line.rsplit(b".", 1))), RecordingError, "not_a_table", 5),
        (line_edit(6, lambda line: b"\xff".join(line.rsplit(b".", 1))), RecordingError, "encoding", None),
        (line_edit(6, lambda line: line[: line.rindex(b",")] + b",1e400"), RecordingError, "infinite", 5),
        (line_edit(6, lambda line: b"," + line.split(b",", 1)[1]), RecordingError, "time_missing", 5),
        (line_edit(6, lambda line: b"1.7e18," + line.split(b",", 1)[1]), RecordingError, "not_a_table", 5),
        (line_edit(0, lambda line: b"\xff\xfa" + line), RecordingError, "encoding", None),
        (lambda content: content + content, RecordingError, "repeated_header", 300),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_broken_csvs_end_in_a_typed_error(tmp_path, files, *, edit, kind, code, row, packed):
    broken = files | {"WristMotion.csv": edit(files["WristMotion.csv"])}
    path = as_zip(tmp_path / "a.zip", broken) if packed else as_folder(tmp_path / "a", broken)
    error = refused(path)
    assert isinstance(error, kind)
    assert (error.code, error.row, error.file) == (code, row, "WristMotion.csv")


@pytest.mark.parametrize("packed", [False, True])
def test_metadata_without_a_last_newline_are_read_whole(tmp_path, motion, files, packed):
    stated = metadata_csv(standardisation="true", sensors="Wrist Motion", sampleRateMs="10")
    changed = files | {"WristMotion.csv": as_csv(standardised(motion)), "Metadata.csv": stated.rstrip(b"\n")}
    recording = load(as_zip(tmp_path / "a.zip", changed) if packed else as_folder(tmp_path / "a", changed))
    assert recording.zone == "Europe/Paris"
    assert recording.source["app_version"] == "1.63"
    assert codes(recording) == {"rate_differs", "unit_converted"}


@pytest.mark.parametrize("end", [0, 12, -30])
def test_metadata_of_which_the_row_is_cut_or_missing_count_as_missing(tmp_path, files, end):
    content = metadata_csv()
    header = content.index(b"\n") + 1
    cut = content[: header + end] if end >= 0 else content[:end]
    recording = load(as_folder(tmp_path / "a", files | {"Metadata.csv": cut}))
    assert recording.zone is None
    assert codes(recording) == {"metadata_missing", "unit_from_data"}


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (metadata_csv() + b"\0", "nul_bytes"),
        (metadata_csv().decode().encode("utf-16"), "encoding"),
        (b"\xff\xfa" + metadata_csv(), "metadata"),
        (metadata_csv() + b"x" * 2**16, "too_large"),
    ],
)
def test_metadata_that_cannot_be_read_are_typed_errors(tmp_path, files, content, code):
    error = refused(as_zip(tmp_path / "a.zip", files | {"Metadata.csv": content}))
    assert (error.code, error.file) == (code, "Metadata.csv")


def test_annotations_after_the_last_sample_are_kept_and_said(tmp_path, files):
    late_ns = START_NS + 3600 * 10**9
    notes = f"time,seconds_elapsed,text,millisecond_press_duration\n{late_ns},3600.0,off,90\n"
    recording = load(as_folder(tmp_path / "a", files | {"Annotation.csv": notes.encode()}))
    assert recording.labels.to_numpy().tolist() == [[3600.0, 3600.0, "off", "annotation", "wearer"]]
    found = recording.findings.set_index("code").loc["label_outside"]
    assert (found["start_s"], found["count"]) == (3600.0, 1)


@pytest.mark.parametrize("file", ["WristMotion.csv", "HeartRate.csv", "Annotation.csv"])
def test_a_whole_last_line_without_an_end_is_as_suspect_as_a_cut_one(tmp_path, motion, files, file):
    path = as_folder(tmp_path / "a", files | {file: files[file].removesuffix(b"\n")})
    error = refused(path)
    assert isinstance(error, TruncatedError)
    assert (error.code, error.file) == ("cut_tail", file)
    assert "repair=('drop_tail',) drops this one row" in error.remedy
    assert "counts it in the findings" in error.remedy
    whole, recording = load(as_folder(tmp_path / "b", files)), load(path, repair=("drop_tail",))
    sizes = [(len(one.accel), len(one.heart_rate), len(one.labels)) for one in (whole, recording)]
    assert sum(sizes[0]) - sum(sizes[1]) == 1
    streams = {"WristMotion.csv": "accel", "HeartRate.csv": "heart_rate", "Annotation.csv": ""}
    found = recording.findings.query("code == 'drop_tail'").set_index("stream")
    assert found["count"][streams[file]] == 1


@pytest.mark.parametrize("row", [f"{START_NS + 10**9},1.0,61", f"{START_NS + 10**9},1."])
@pytest.mark.parametrize(("file", "column"), [("HeartRate.csv", "bpm"), ("Annotation.csv", "text")])
def test_the_only_row_of_a_side_file_is_counted_when_it_is_dropped(tmp_path, files, file, column, row):
    content = f"time,seconds_elapsed,{column}\n{row}".encode()
    path = as_folder(tmp_path / "a", files | {file: content})
    assert refused(path).code == "cut_tail"
    recording = load(path, repair=("drop_tail",))
    assert codes(recording) == {"drop_tail"} | ({"empty_file"} if file == "HeartRate.csv" else set())
    assert recording.findings.set_index("code")["count"]["drop_tail"] == 1


def test_a_motion_whose_only_row_is_dropped_is_empty(tmp_path, files):
    one = b"\n".join(files["WristMotion.csv"].split(b"\n")[:2])
    error = refused(as_folder(tmp_path / "a", files | {"WristMotion.csv": one}), repair=("drop_tail",))
    assert isinstance(error, EmptyRecordingError)
    assert "its only row has no end" in str(error)


def test_a_cut_last_line_is_left_out_only_as_asked_and_counted(tmp_path, motion, files):
    cut = files["WristMotion.csv"][:-9]
    path = as_folder(tmp_path / "a", files | {"WristMotion.csv": cut})
    assert refused(path).byte == cut.rindex(b"\n") + 1
    recording = load(path, repair=("drop_tail",))
    dropped = recording.findings.query("code == 'drop_tail' and stream == 'accel'")["count"].sum()
    assert (len(recording.accel), dropped) == (len(motion) - 1, 1)


def test_long_files_are_read_in_blocks_without_losing_a_row(tmp_path, motion, files, monkeypatch):
    monkeypatch.setattr(members_room, "_CHUNK_BYTES", 1000)
    blocks = load(as_zip(tmp_path / "a.zip", files))
    monkeypatch.undo()
    assert blocks.id == load(tmp_path / "a.zip").id
    assert len(blocks.accel) == len(motion)


def test_empty_side_files_are_findings_not_errors(tmp_path, files):
    quiet = files | {"Annotation.csv": b"", "HeartRate.csv": b"time,seconds_elapsed,bpm\n", "Pedometer.csv": b"x\n"}
    recording = load(as_folder(tmp_path / "a", quiet))
    assert "heart_rate" not in recording.streams
    assert recording.labels.empty
    assert codes(recording) == {"empty_file", "not_read"}


def test_annotations_without_text_are_marks(tmp_path, files):
    notes = f"time,seconds_elapsed,text,millisecond_press_duration\n{START_NS},0,,90\n"
    recording = load(as_folder(tmp_path / "a", files | {"Annotation.csv": notes.encode()}))
    assert list(recording.labels["label"]) == ["mark"]
    assert "annotation_without_text" in codes(recording)


def test_a_missing_file_names_its_nearest_neighbours(tmp_path, files):
    as_zip(tmp_path / "monday.zip", files)
    with pytest.raises(FileNotFoundError, match=r"monday\.zip"):
        load(tmp_path / "mondey.zip")
    with pytest.raises(FileNotFoundError, match="neither does the folder"):
        load(tmp_path / "nowhere" / "a.zip")


@pytest.mark.parametrize(
    ("content", "kind", "code"),
    [
        (b"", EmptyRecordingError, "empty"),
        (b"hello, this is text", NotThisFormatError, "format"),
        (os.urandom(4096).replace(b"PK", b"xx"), NotThisFormatError, "format"),
        (b"PK\x05\x06" + b"\0" * 18, EmptyRecordingError, "empty"),
        (b"PK\x03\x04 and no more", TruncatedError, "truncated_zip"),
    ],
)
def test_content_of_no_known_format_says_what_was_seen(tmp_path, content, kind, code):
    path = tmp_path / "recording.zip"
    path.write_bytes(content)
    error = refused(path)
    assert isinstance(error, kind)
    assert error.code == code


def test_folders_and_zips_of_other_things_are_not_this_format(tmp_path):
    other = {"notes.txt": b"hello\n"}
    for path in (as_zip(tmp_path / "a.zip", other), as_folder(tmp_path / "a", other)):
        assert isinstance(refused(path), NotThisFormatError)
        assert isinstance(refused(path, format="sensor_logger"), NotThisFormatError)
    assert "notes.txt" in str(refused(tmp_path / "a"))


def test_a_truncated_zip_is_truncated_at_every_length(tmp_path, files):
    whole = as_zip(tmp_path / "whole.zip", files).read_bytes()
    path = tmp_path / "cut.zip"
    for length in range(4, len(whole), len(whole) // 50):
        path.write_bytes(whole[:length])
        assert isinstance(refused(path), TruncatedError)


def test_a_zip_bomb_is_refused_before_it_unpacks(tmp_path, files):
    bomb = as_zip(tmp_path / "a.zip", files | {"WristMotion.csv": b"0" * 50_000_000})
    assert refused(bomb).code == "zip_bomb"


def test_a_zip_that_lies_about_its_sizes_unpacks_no_more_than_it_says(tmp_path, files):
    path = as_zip(tmp_path / "a.zip", {"WristMotion.csv": files["WristMotion.csv"]})
    content = path.read_bytes()
    at = content.rindex(b"PK\x01\x02")
    path.write_bytes(content[: at + 24] + struct.pack("<I", 1000) + content[at + 28 :])
    assert refused(path).code in {"cut_tail", "damaged_zip"}


def test_two_recordings_in_one_zip_are_refused(tmp_path, files):
    path = as_zip(tmp_path / "a.zip", {f"{day}/{name}": content for day in "ab" for name, content in files.items()})
    assert refused(path).code == "several_recordings"


def test_names_that_point_outside_are_read_as_streams_and_write_nothing(tmp_path, files):
    inside = tmp_path / "deep" / "folder"
    inside.mkdir(parents=True)
    path = as_zip(inside / "a.zip", files, prefix="../../")
    assert len(load(path).accel) == 300
    assert sorted(one.name for one in tmp_path.rglob("*")) == ["a.zip", "deep", "folder"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_only_regular_files_are_read(tmp_path, files):
    os.mkfifo(tmp_path / "pipe.zip")
    assert refused(tmp_path / "pipe.zip").code == "not_regular"
    folder = as_folder(tmp_path / "a", files)
    (folder / "WristMotion.csv").unlink()
    os.mkfifo(folder / "WristMotion.csv")
    assert refused(folder).code == "not_regular"
    loop = tmp_path / "loop.zip"
    loop.symlink_to(loop)
    with pytest.raises(FileNotFoundError):
        load(loop)


def test_labels_made_since_are_kept_when_a_file_is_loaded_into_its_folder_again(tmp_path, files):
    zipped = as_zip(tmp_path / "a.zip", files)
    first = load(zipped, into=tmp_path / "day", subject="p01")
    marked = label_table([(1.0, 2.0, "double tap", "truth", "me")])
    store.save(first.with_labels(marked, labelled={"truth": [(0.0, 5.0)]}), tmp_path / "day")
    again = load(zipped, into=tmp_path / "day")
    assert again.labels["label"].tolist() == ["double tap"]
    assert again.labelled["truth"].tolist() == [[0.0, 5.0]]
    assert again.subject == "p01"
    with pytest.raises(ValueError, match="p02"):
        load(zipped, into=tmp_path / "day", subject="p02")


def test_what_the_caller_knows_is_checked_before_anything_is_read(tmp_path):
    missing_is_found_later = {"wrist": "middle"}, {"crown": "up"}, {"zone": "Mars/Olympus"}
    for told in missing_is_found_later:
        with pytest.raises(ValueError, match=r"expected"):
            load(tmp_path / "nothing.zip", **told)
    with pytest.raises(ValueError, match="memory"):
        load(pd.DataFrame({"t": [0.0]}), format="axivity")


def test_a_zone_that_is_none_is_told_and_not_kept(tmp_path, files):
    changed = files | {"Metadata.csv": metadata_csv(**{"recording timezone": "<b>nowhere"})}
    recording = load(as_folder(tmp_path / "a", changed))
    assert recording.zone is None
    assert "zone_unknown" in codes(recording)


def test_a_folder_without_samples_is_no_recording(tmp_path, files):
    folder = store.save(load(as_zip(tmp_path / "a.zip", files)), tmp_path / "day")
    header = folder / "recording.json"
    header.write_text(json.dumps(json.loads(header.read_text()) | {"streams": []}))
    with pytest.raises(EmptyRecordingError):
        load(folder)


@pytest.mark.parametrize("wrong", [0, -1, float("nan"), float("inf"), 1e300, 1e-300])
def test_a_rate_that_cannot_be_is_refused(wrong):
    with pytest.raises(ValueError, match="rate_hz"):
        load({"x": [0.0, 1.0]}, schema={"x": ("light", "lux")}, rate_hz=wrong)


@pytest.mark.parametrize(
    ("path", "told", "error"),
    [
        ("", {}, ValueError),
        ("a\0b", {}, ValueError),
        (5, {}, TypeError),
        (None, {}, TypeError),
        ("a", {"repair": 5}, TypeError),
        ("a", {"repair": None}, TypeError),
        ("a", {"rate_hz": "50"}, TypeError),
        ("a", {"rate_hz": True}, TypeError),
        ("a", {"unit": 3}, TypeError),
        ("a", {"keep_audio": "no"}, TypeError),
        ("a", {"subject": "\ud800"}, ValueError),
    ],
)
def test_arguments_of_a_wrong_kind_are_told_by_name(path, told, error):
    with pytest.raises(error, match="expected"):
        load(path, **told)


def test_a_folder_inside_what_is_read_is_no_place_to_write(tmp_path, files):
    source = as_folder(tmp_path / "a", files)
    with pytest.raises(ValueError, match="beside"):
        load(source, into=source / "native")


def test_a_place_that_cannot_be_written_is_a_typed_error(tmp_path, files):
    (tmp_path / "file").write_text("x")
    zipped = as_zip(tmp_path / "a.zip", files)
    for into in (tmp_path / "file" / "day", tmp_path / ("n" * 300)):
        with pytest.raises(RecordingError) as caught:
            load(zipped, into=into)
        assert caught.value.code == "not_writable"


def test_many_writers_of_one_folder_leave_one_whole_recording(tmp_path, motion, files):
    other = files | {"WristMotion.csv": as_csv(motion.assign(gravityX=motion["gravityX"] + 0.001))}
    zips = [as_zip(tmp_path / "a.zip", files), as_zip(tmp_path / "b.zip", other)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(load, zips[number % 2], into=tmp_path / "day") for number in range(8)]
    faults = [one.exception() for one in waiting if one.exception() is not None]
    assert all(isinstance(fault, RecordingError) and fault.code == "exists" for fault in faults)
    assert len(faults) < 8
    store.verify(tmp_path / "day")


def test_an_interrupted_save_leaves_no_litter(tmp_path, files, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    recording = load(as_zip(tmp_path / "a.zip", files))
    monkeypatch.setattr(store.native, "_header", interrupt)
    with pytest.raises(KeyboardInterrupt):
        store.save(recording, tmp_path / "day")
    assert list((tmp_path / "day").iterdir()) == []


def test_a_clock_that_jumps_into_the_future_is_told(tmp_path, files):
    late = 4_070_908_800 * 10**9
    heart = f"time,seconds_elapsed,bpm\n{START_NS + 10**9},1.0,61\n{late},5.0,63\n"
    recording = load(as_folder(tmp_path / "a", files | {"HeartRate.csv": heart.encode()}))
    assert "clock_unset" in codes(recording)


def test_stamps_closer_than_any_sensor_are_told():
    table = pd.DataFrame({"t": np.arange(100) * 20, "x": np.arange(100.0) % 7})
    recording = load(table, schema={"t": ("time", "ns"), "x": ("light", "lux")})
    assert "rate_implausible" in codes(recording)


load_room = sys.modules["wristkit.load"]  # the package's own attribute of this name is the function


@pytest.fixture
def entry_points(monkeypatch):
    """Return a function that lets packages bring readers: name to what it is imported from."""

    def bring(**readers):
        group = load_room.READERS_GROUP
        points = [importlib.metadata.EntryPoint(name, value, group) for name, value in readers.items()]
        monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: points)
        load_room._of_others.cache_clear()

    yield bring
    load_room._of_others.cache_clear()


def test_a_reader_that_cannot_be_imported_harms_no_other_format(tmp_path, entry_points):
    entry_points(oddball="no_such_package.reader")
    path = writer.write(tmp_path)
    assert load(path).source["format"] == "sensor_logger"
    with pytest.raises(RecordingError, match="no_such_package") as told:
        load(path, format="oddball")
    assert (told.value.code, told.value.file) == ("reader_broken", path.name)


def test_a_reader_under_a_name_that_is_taken_is_listed_with_what_to_do(tmp_path, entry_points):
    entry_points(table="wristkit.load.sound")
    name = "table of wristkit.load.sound"
    assert list(load_room.formats()).count("table") == 1
    with pytest.raises(RecordingError, match="rename the entry point"):
        load(writer.write(tmp_path), format=name)


def test_readers_of_other_packages_are_asked_before_tables(tmp_path, entry_points):
    entry_points(oddball="tests.formats.oddball")
    path = tmp_path / "a.csv"
    path.write_text("oddball,1\n0,0\n1,1\n")
    assert list(load_room.formats())[-2:] == ["oddball", "table"]
    assert load(path).source["format"] == "oddball"
