"""Core Motion logs: exact values and times, and what is said of clocks, batches and cut files."""

import random
import re

import numpy as np
import pytest

from tests.formats import core_motion as writer
from tests.gathered import assert_same_arrays
from wristkit.errors import EmptyRecordingError, NotThisFormatError, RecordingError
from wristkit.load import core_motion
from wristkit.load.assemble import assemble
from wristkit.load.core_motion import read, recognises
from wristkit.load.gather import Request
from wristkit.load.spool import Spool

ALL = {"clock.csv", "accelerometer.csv", "device_motion.csv", "recorder.csv", "heart_rate.csv", "health_heart_rate.csv"}


def gathered(path, *, repair=(), folder=None):
    return read(path, Request(Spool(folder), repair=frozenset(repair)))


def tracks(path, **options):
    return {track.name: track for track in gathered(path, **options).tracks}


def only(*files):
    return ALL - set(files)


def said(path, **options):
    found = gathered(path, **options)
    return {
        remark.code: remark for remark in (*found.remarks, *(one for track in found.tracks for one in track.remarks))
    }


def clock(*pairs):
    return {"clock.csv": "timestamp,unix\n" + "".join(f"{uptime!r},{unix!r}\n" for uptime, unix in pairs)}


def columns_of(name, names):
    columns = writer.sources()[name]
    return np.column_stack([columns[one] for one in names])


@pytest.mark.parametrize("packed", [False, True])
def test_every_source_becomes_its_streams_with_the_values_of_the_file(tmp_path, packed):
    found = tracks(writer.write(tmp_path, packed=packed))
    assert list(found) == [
        *("accel", "gyro", "gravity", "user_accel", "attitude", "mag", "heading", "accel_history"),
        *("heart_rate", "heart_rate_confidence", "heart_rate_history"),
    ]
    expected = {
        "accel": ("accelerometer.csv", [f"acceleration{axis}" for axis in "XYZ"]),
        "gyro": ("device_motion.csv", [f"rotationRate{axis}" for axis in "XYZ"]),
        "gravity": ("device_motion.csv", [f"gravity{axis}" for axis in "XYZ"]),
        "user_accel": ("device_motion.csv", [f"userAcceleration{axis}" for axis in "XYZ"]),
        "attitude": ("device_motion.csv", [f"quaternion{axis}" for axis in "WXYZ"]),
        "accel_history": ("recorder.csv", [f"acceleration{axis}" for axis in "XYZ"]),
        "heart_rate": ("heart_rate.csv", ["heartRate"]),
        "heart_rate_history": ("health_heart_rate.csv", ["heartRate"]),
    }
    for name, (file, names) in expected.items():
        np.testing.assert_allclose(found[name].values, columns_of(file, names), atol=1e-6)


def test_columns_are_found_by_name(tmp_path):
    columns = writer.sources()["device_motion.csv"]
    turned = {name: columns[name] for name in reversed(columns)}
    here, there = tmp_path / "a", tmp_path / "b"
    here.mkdir(), there.mkdir()
    one, other = tracks(writer.write(here)), tracks(writer.write(there, files={"device_motion.csv": turned}))
    for name in ("gyro", "gravity", "attitude", "mag"):
        np.testing.assert_array_equal(one[name].values, other[name].values)


def test_without_an_accelerometer_accel_is_gravity_and_user_acceleration(tmp_path):
    found = tracks(writer.write(tmp_path, without=only("clock.csv", "device_motion.csv")))
    both = columns_of("device_motion.csv", [f"gravity{axis}" for axis in "XYZ"]) + columns_of(
        "device_motion.csv", [f"userAcceleration{axis}" for axis in "XYZ"]
    )
    np.testing.assert_allclose(found["accel"].values, both, atol=2e-6)
    assert found["accel"].stated_rate_hz == 200


def test_a_recorder_alone_is_accel_and_needs_no_pair_of_clocks(tmp_path):
    found = gathered(writer.write(tmp_path, without=only("recorder.csv")))
    (track,) = found.tracks
    assert (track.name, track.stated_rate_hz, found.clock) == ("accel", 50, "utc")
    assert track.time_ns[0] == round((writer.UNIX_S - 60) * 1e9)


def test_stamps_since_boot_are_placed_by_the_first_pair_of_clocks(tmp_path):
    found = gathered(writer.write(tmp_path))
    by_name = {track.name: track for track in found.tracks}
    expected = round((writer.UNIX_S + 0.01) * 1e9) + np.arange(800) * 1_250_000
    assert found.clock == "utc"
    assert np.abs(by_name["accel"].time_ns - expected).max() <= 1_000  # the writer rounds to microseconds
    assert by_name["gyro"].time_ns[0] == by_name["accel"].time_ns[0]


def test_it_becomes_a_recording_with_side_zone_and_measured_rates(tmp_path):
    path = writer.write(tmp_path)
    recording = assemble(gathered(path), Request(Spool()))
    assert (recording.wrist, recording.crown, recording.zone) == ("left", "right", "Europe/Paris")
    assert recording["accel"].rate_hz == pytest.approx(800, rel=1e-4)
    assert recording["gyro"].rate_hz == pytest.approx(200, rel=1e-4)
    assert "rate_differs" not in set(recording.findings["code"])
    assert recording.source["device"] == "Watch7,5"


def test_arrays_on_disk_are_those_in_memory(tmp_path):
    (tmp_path / "spool").mkdir()
    path = writer.write(tmp_path)
    on_disk, in_memory = tracks(path, folder=tmp_path / "spool"), tracks(path)
    assert_same_arrays(in_memory, on_disk)


def test_clocks_that_drift_apart_are_told_in_ppm(tmp_path):
    path = writer.write(tmp_path, files=clock((5_000.0, 1_714_550_000.0), (6_200.0, 1_714_551_200.06)))
    assert re.search(r"\+50\.0 ppm .* over 20 minutes", said(path)["clock_drift"].note)


def test_ten_minutes_are_needed_to_speak_of_drift(tmp_path):
    path = writer.write(tmp_path, files=clock((5_000.0, 1_714_550_000.0), (5_599.0, 1_714_550_599.06)))
    assert not {"clock_drift", "clock_jump"} & set(said(path))


def test_a_pause_of_the_clock_since_boot_is_told_with_its_span_and_is_no_drift(tmp_path):
    pairs = (
        (5_000.0, 1_714_550_000.0),
        (5_300.0, 1_714_550_300.0),
        (5_360.0, 1_714_550_672.0),
        (5_900.0, 1_714_551_212.0),
    )
    found = said(writer.write(tmp_path, files=clock(*pairs)))
    jump = found["clock_jump"]
    assert jump.count == 1
    assert "+312.000 s" in jump.note
    assert jump.span_ns == (1_714_550_300 * 10**9, 1_714_550_360 * 10**9)
    assert "+0.0 ppm" in found["clock_drift"].note


def test_without_a_pair_of_clocks_the_date_is_unknown(tmp_path):
    path = writer.write(tmp_path, without=only("accelerometer.csv"))
    found = gathered(path)
    assert found.clock == "none"
    assert [remark.code for remark in found.remarks] == ["clock_missing"]
    assert found.tracks[0].time_ns[0] == round((writer.BOOT_S + 0.01) * 1e9)


def test_dates_and_times_since_boot_cannot_be_joined_without_a_pair(tmp_path):
    with pytest.raises(RecordingError, match=r"recorder.csv has dates.*accelerometer.csv counts from boot") as caught:
        gathered(writer.write(tmp_path, without=only("accelerometer.csv", "recorder.csv")))
    assert caught.value.code == "clock_missing"


def test_a_watch_that_booted_in_between_is_refused(tmp_path):
    with pytest.raises(RecordingError, match=r"clock\.csv") as caught:
        gathered(writer.write(tmp_path, files=clock((5_000.0, 1_714_550_000.0), (20.0, 1_714_550_300.0))))
    assert caught.value.code == "time_backwards"


@pytest.mark.parametrize("unix", ["nan", "1714550000000.0", "-5.0"])
def test_a_wall_clock_that_is_none_is_refused(tmp_path, unix):
    with pytest.raises(RecordingError, match=r"clock\.csv"):
        gathered(writer.write(tmp_path, files={"clock.csv": f"timestamp,unix\n5000.0,{unix}\n"}))


@pytest.mark.parametrize(("lost", "missing"), [((3,), 1), ((2, 3, 7), 3), ((0,), 1)])
def test_batches_that_were_never_written_are_counted(tmp_path, lost, missing):
    columns = writer.sources(seconds=1)["device_motion.csv"]
    columns = {**columns, "batch": np.arange(200) // 20}
    kept = ~np.isin(columns["batch"], lost)
    files = {"device_motion.csv": {name: column[kept] for name, column in columns.items()}}
    assert said(writer.write(tmp_path, files=files))["missing_batches"].count == missing


def test_whole_logs_say_nothing_of_batches(tmp_path):
    assert "missing_batches" not in said(writer.write(tmp_path))


def test_a_magnetometer_that_is_not_calibrated_has_no_values(tmp_path):
    path = writer.write(tmp_path)
    assert np.isnan(tracks(path)["mag"].values[:20]).all()
    assert np.isfinite(tracks(path)["mag"].values[20:]).all()
    assert said(path)["not_calibrated"].count == 20


def test_rows_from_headphones_are_told(tmp_path):
    columns = writer.sources()["device_motion.csv"]
    files = {"device_motion.csv": {**columns, "sensorLocation": np.where(np.arange(200) < 30, 1, 0)}}
    assert said(writer.write(tmp_path, files=files))["not_wrist"].count == 30


def test_no_beat_is_a_missing_value(tmp_path):
    beats = "timestamp,heartRate\n5322.0,0.0\n5323.0,61.0\n5324.0,255.0\n"
    path = writer.write(tmp_path, files={"heart_rate.csv": beats})
    np.testing.assert_array_equal(tracks(path)["heart_rate"].values[:, 0], [np.nan, 61, np.nan])
    assert "heart_rate_confidence" not in tracks(path)
    assert said(path)["no_beat"].count == 2


def test_a_quaternion_of_another_length_is_refused_with_its_row(tmp_path):
    columns = writer.sources()["device_motion.csv"]
    wrong = np.array(columns["quaternionW"])
    wrong[7] += 0.5
    with pytest.raises(RecordingError, match=r"device_motion.csv, row 7") as caught:
        gathered(writer.write(tmp_path, files={"device_motion.csv": {**columns, "quaternionW": wrong}}))
    assert caught.value.code == "attitude_length"


def test_a_column_that_is_missing_is_named(tmp_path):
    columns = writer.sources()["accelerometer.csv"]
    del columns["accelerationY"]
    with pytest.raises(RecordingError, match="accelerationY") as caught:
        gathered(writer.write(tmp_path, files={"accelerometer.csv": columns}))
    assert caught.value.code == "columns_missing"


def test_a_crash_on_the_watch_costs_one_line(tmp_path):
    text = writer.table(writer.sources()["accelerometer.csv"])
    path = writer.write(tmp_path, files={"accelerometer.csv": text[:-7]})
    with pytest.raises(RecordingError, match=r"accelerometer\.csv") as caught:
        gathered(path)
    assert caught.value.code == "cut_tail"
    assert len(tracks(path, repair=["drop_tail"])["accel"].values) == 799
    assert said(path, repair=["drop_tail"])["drop_tail"].count == 1


@pytest.mark.parametrize("text", ["", "timestamp,batch,accelerationX,accelerationY,accelerationZ\n"])
def test_a_source_that_never_delivered_is_told(tmp_path, text):
    path = writer.write(tmp_path, files={"accelerometer.csv": text})
    assert said(path)["empty_file"].note == "accelerometer.csv holds no rows"
    assert len(tracks(path)["accel"].values) == 200


def test_the_only_row_of_a_source_is_counted_when_it_is_dropped(tmp_path):
    cut = "startDate,accelerationX,accelerationY,accelerationZ\n1714550000.5,0.1,0."
    path = writer.write(tmp_path, files={"recorder.csv": cut})
    with pytest.raises(RecordingError) as caught:
        gathered(path)
    assert caught.value.code == "cut_tail"
    found = gathered(path, repair=["drop_tail"])
    assert [(remark.code, remark.count) for remark in found.remarks] == [("empty_file", 1), ("drop_tail", 1)]


def test_a_log_without_rows_is_empty(tmp_path):
    with pytest.raises(EmptyRecordingError, match="none of its files"):
        gathered(writer.write(tmp_path, without=ALL))


def test_history_that_was_asked_for_twice_is_refused_and_repaired_when_asked(tmp_path):
    columns = {name: np.repeat(column, 2) for name, column in writer.sources()["recorder.csv"].items()}
    path = writer.write(tmp_path, files={"recorder.csv": columns})
    with pytest.raises(RecordingError, match="drop_exact") as caught:
        gathered(path)
    assert caught.value.code == "equal_stamps"
    track = tracks(path, repair=["drop_exact"])["accel_history"]
    assert len(track.values) == 50
    assert [(remark.code, remark.count) for remark in track.remarks] == [("drop_exact", 50)]


def test_every_stream_counts_the_rows_that_were_dropped_from_its_file(tmp_path):
    motion = {name: np.append(column, column[-1]) for name, column in writer.sources()["device_motion.csv"].items()}
    heart = {name: np.append(column, column[-1]) for name, column in writer.sources()["heart_rate.csv"].items()}
    path = writer.write(
        tmp_path, files={"device_motion.csv": motion, "heart_rate.csv": heart}, without=["accelerometer.csv"]
    )
    found = tracks(path, repair=["drop_exact"])
    dropped = [
        name for name, one in found.items() for said in one.remarks if (said.code, said.count) == ("drop_exact", 1)
    ]
    assert dropped == [
        *("gyro", "accel", "gravity", "user_accel", "attitude", "mag", "heading"),
        *("heart_rate", "heart_rate_confidence"),
    ]


def test_identifiers_of_64_bits_are_no_numbers_of_ours(tmp_path):
    columns = {**writer.sources()["recorder.csv"], "identifier": np.arange(50) + 2**60}
    found = tracks(writer.write(tmp_path, files={"recorder.csv": columns}))
    assert len(found["accel_history"].values) == 50


def test_files_that_are_not_read_are_named(tmp_path):
    path = writer.write(tmp_path)
    (path / "notes.txt").write_text("x")
    assert "notes.txt" in said(path)["not_read"].note


@pytest.mark.parametrize(
    ("stated", "code"),
    [
        ({"version": 2}, "version"),
        ({"wrist": "upper"}, "metadata"),
        ({"crown": 1}, "metadata"),
        ({"rates_hz": [800]}, "metadata"),
        ({"rates_hz": {"accelerometer": -1}}, "metadata"),
        ({"rates_hz": {"accelerometer": True}}, "metadata"),
        ({"zone": "<b>"}, "metadata"),
        ({"format": ["core_motion"]}, "metadata"),
    ],
)
def test_metadata_that_cannot_be_are_refused(tmp_path, stated, code):
    path = writer.write(tmp_path, stated=stated)
    with pytest.raises(RecordingError, match=r"wristkit\.json") as caught:
        gathered(path)
    assert caught.value.code == code


@pytest.mark.parametrize("text", ["{", "[" * 50_000, '"core_motion"', "\ufeff{}"])
def test_metadata_that_are_no_object_are_refused(tmp_path, text):
    path = writer.write(tmp_path)
    (path / "wristkit.json").write_text(text)
    with pytest.raises(RecordingError, match=r"wristkit\.json"):
        gathered(path)


def test_what_a_wearer_calls_the_watch_is_not_told(tmp_path):
    path = writer.write(tmp_path, stated={"device": "Anna's Watch", "system": "Anna's", "owner": "Anna"})
    assert "Anna" not in repr(gathered(path))


def test_a_stated_rate_that_was_not_delivered_is_a_finding(tmp_path):
    path = writer.write(tmp_path, stated={"rates_hz": {"accelerometer": 100}})
    recording = assemble(gathered(path), Request(Spool()))
    assert "rate_differs" in set(recording.findings["code"])


def test_other_folders_and_files_are_not_recognised(tmp_path):
    (tmp_path / "wristkit.json").write_text('{"format": "other"}')
    (tmp_path / "half.zip").write_bytes(b"PK\x03\x04" + bytes(20))
    assert not recognises(tmp_path)
    assert not recognises(tmp_path / "half.zip")
    assert not recognises(tmp_path / "wristkit.json")
    assert not recognises(tmp_path / "nothing")
    with pytest.raises(NotThisFormatError, match=r"wristkit\.json"):
        gathered(tmp_path / "wristkit.json")


def test_the_logger_writes_the_files_and_columns_that_are_read(root):
    swift = (root / "wristkit" / "load" / "core_motion.swift").read_text(encoding="utf-8")
    assert "not compiled here" in swift.lower()
    header = re.sub(r"\\\n\s*", "", swift)
    for file in ("clock", "accelerometer", "device_motion"):
        assert f'to: "{file}"' in swift
    written = {f"{name}.csv" for name in re.findall(r'to: "(\w+)"', swift)} | {"wristkit.json"}
    for text in (core_motion.__doc__.partition("The other files")[0], swift.partition("import")[0]):
        assert written == set(re.findall(r"\w+\.(?:csv|json)", text))  # what is said to be written is written
    assert "maxConcurrentOperationCount = 1" in swift  # any other queue may mix up the order of samples
    for names in (core_motion._ACCELERATION, core_motion._NEEDED["device_motion.csv"]):
        for name in names:
            assert re.search(rf"[,\n ]{name}[,\n\"]", header), name
    for key in ("format", "version", "device", "system", "wrist", "crown", "zone", "rates_hz"):
        assert f'"{key}": ' in swift


def test_broken_bytes_end_in_tracks_or_in_one_of_our_errors(tmp_path):
    path = writer.write(tmp_path, seconds=0.1)
    names = sorted(one.name for one in path.iterdir())
    whole = {name: (path / name).read_bytes() for name in names}
    chance, ends = random.Random(5), {"read": 0, "refused": 0}  # noqa: S311
    for _ in range(300):
        name = chance.choice(names)
        broken = bytearray(whole[name])
        for _ in range(chance.choice((1, 2, 8))):
            broken[chance.randrange(len(broken))] = chance.choice(b'0123456789.,-e\n"x\x00\xff')
        if chance.random() < 0.2:
            del broken[chance.randrange(len(broken)) :]
        (path / name).write_bytes(broken)
        try:
            assemble(gathered(path), Request(Spool()))
            ends["read"] += 1
        except RecordingError:
            ends["refused"] += 1
        (path / name).write_bytes(whole[name])
    assert min(ends.values()) > 10
