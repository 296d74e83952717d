"""Empatica E4 sessions: the counts and ranges of a genuine one, and a typed error for what is none."""

import numpy as np
import pytest

from tests.formats import empatica as writer
from tests.gathered import counts, tracks
from wristkit.errors import NotThisFormatError, RecordingError, TruncatedError
from wristkit.load import empatica
from wristkit.load.assemble import assemble
from wristkit.load.gather import Request
from wristkit.load.spool import Spool

START_NS = writer.START_S * 10**9
PER_UNIT = {"accel": 64.0}
FILES = {"accel": "ACC", "ppg": "BVP", "eda": "EDA", "temperature": "TEMP", "heart_rate": "HR"}


def read(path, *repair, spool=None):
    return empatica.read(path, Request(spool or Spool(), frozenset(repair)))


def refused(path, *repair, kind=RecordingError):
    with pytest.raises(kind) as caught:
        read(path, *repair)
    assert caught.value.remedy
    return caught.value


def changed(folder, name, change):
    path = writer.write(folder) / name
    path.write_text(change(path.read_text()), newline="")
    return path.parent


@pytest.mark.parametrize("zipped", [False, True])
def test_values_starts_and_rates_are_those_of_the_files(tmp_path, zipped):
    path = writer.write(tmp_path, zipped=zipped)
    assert empatica.recognises(path)
    found, files = tracks(read(path)), writer.contents()
    assert list(found) == [*FILES, "ibi"]
    for name, stem in FILES.items():
        # The slow obvious twin: one line, one number at a time.
        starts, rates, *lines = files[f"{stem}.csv"].splitlines()
        rows = [[float(field) / PER_UNIT.get(name, 1.0) for field in line.split(",")] for line in lines]
        np.testing.assert_array_equal(found[name].values, np.array(rows, dtype=np.float32))
        assert found[name].start_ns == int(float(starts.split(",")[0])) * 10**9
        assert found[name].rate_hz == float(rates.split(",")[0])
        assert found[name].time_ns is None


def test_beats_have_stamps_and_tags_are_points(tmp_path):
    gathered = read(writer.write(tmp_path, tags=(writer.START_S + 3.25, writer.START_S + 4)))
    lines = writer.contents()["IBI.csv"].splitlines()[1:]
    beats = tracks(gathered)["ibi"]
    assert beats.values[:, 0].tolist() == [float(line.split(",")[1]) for line in lines]
    expected = [START_NS + round(float(line.split(",")[0]) * 1e6) * 1000 for line in lines]
    assert np.abs(beats.time_ns - np.array(expected)).max() <= 1
    assert [(mark.start_ns - START_NS, mark.stop_ns - START_NS) for mark in gathered.marks] == [
        (3_250_000_000, 3_250_000_000),
        (4 * 10**9, 4 * 10**9),
    ]
    assert {mark[2:] for mark in gathered.marks} == {("tag", "annotation", "wearer")}


def test_a_recording_has_each_sensor_at_its_own_start(tmp_path):
    path = writer.write(tmp_path)
    recording = assemble(read(path), Request(Spool()))
    assert recording.start.timestamp() == writer.START_S
    assert recording.heart_rate.start_s == 10.0
    assert recording.accel.is_uniform
    assert recording.labels["start_s"].tolist() == [3.25]
    assert recording.source["device"] == "Empatica E4"
    assert {"frame_device", "running_mean"} <= set(recording.findings["code"])


def test_the_disk_gives_what_memory_gives(tmp_path):
    path = writer.write(tmp_path)
    (tmp_path / "spool").mkdir()
    for one, other in zip(read(path).tracks, read(path, spool=Spool(tmp_path / "spool")).tracks, strict=True):
        np.testing.assert_array_equal(one.values, other.values)


@pytest.mark.real_data
def test_the_genuine_session_has_the_counts_of_its_page(real_data):
    assert empatica.recognises(real_data / "e4")
    gathered = read(real_data / "e4")
    found = tracks(gathered)
    counts = {"accel": 9998, "ppg": 9998, "eda": 9998, "temperature": 4998, "heart_rate": 4998, "ibi": 4999}
    assert {name: len(track.values) for name, track in found.items()} == counts
    assert [found[name].rate_hz for name in FILES] == [32, 64, 4, 4, 1]
    assert {track.start_ns - START_NS for name, track in found.items() if name not in {"heart_rate", "ibi"}} == {0}
    assert found["heart_rate"].start_ns - START_NS == 10 * 10**9
    since_start_s = (found["ibi"].time_ns[[0, -1]] - START_NS) / 1e9
    np.testing.assert_allclose(since_start_s, [83.503822, 8934.049576], atol=1e-9)
    assert np.abs(found["accel"].values).max() <= 2.0
    assert found["accel"].values[0].tolist() == [-61 / 64, 25 / 64, 6 / 64]
    assert gathered.marks == []


@pytest.mark.parametrize("kept", [["ACC.csv"], ["IBI.csv"], ["HR.csv", "tags.csv"]])
def test_some_of_the_files_are_enough(tmp_path, kept):
    path = writer.write(tmp_path, files=kept)
    assert empatica.recognises(path)
    assert len(read(path).tracks) == 1


def test_an_empty_file_of_tags_says_nothing_and_an_empty_sensor_does(tmp_path):
    gathered = read(writer.write(tmp_path, replaced={"tags.csv": "", "HR.csv": ""}))
    assert gathered.marks == []
    assert counts(gathered) == {"empty_file": 1}
    assert "heart_rate" not in tracks(gathered)
    header_only = read(writer.write(tmp_path, replaced={"EDA.csv": f"{writer.START_S}.0\n4.0\n"}))
    assert "eda" not in tracks(header_only)


@pytest.mark.parametrize(
    "files",
    [
        {"ACC.csv": "x,y,z\n1,2,3\n4,5,6\n"},
        {"HR.csv": "time,bpm\n1560279825,60\n"},
        {"IBI.csv": f"{writer.START_S}.0, RR\n1.0,0.8\n"},
        {"TEMP.csv": "12.5\n13.5\n"},
        {"ACC.csv": ""},
        {"other.csv": f"{writer.START_S}\n4\n1\n"},
    ],
)
def test_a_foreign_folder_is_none(tmp_path, files):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert not empatica.recognises(tmp_path)


def test_nothing_else_is_recognised(tmp_path):
    for name, content in {"a.csv": b"1,2\n", "b.zip": b"PK\x03\x04 cut", "c": b""}.items():
        (tmp_path / name).write_bytes(content)
        assert not empatica.recognises(tmp_path / name)
    assert refused(tmp_path / "a.csv", kind=NotThisFormatError).code == "format"


@pytest.mark.parametrize(
    ("name", "change", "code", "row"),
    [
        ("ACC.csv", lambda text: text.replace("32.000000, 32.000000", "32.000000, 64.000000"), "columns_differ", None),
        (
            "ACC.csv",
            lambda text: text.replace(f"{writer.START_S}.000000, ", f"{writer.START_S}.5, ", 1),
            "columns_differ",
            None,
        ),
        ("ACC.csv", lambda text: text.replace(", 32.000000\n", "\n", 1), "header", None),
        ("EDA.csv", lambda text: text.replace("4.000000", "nan", 1), "header", None),
        ("EDA.csv", lambda text: text.replace("4.000000", "0", 1), "header", None),
        ("EDA.csv", lambda text: text.replace(str(writer.START_S), "15", 1), "header", None),
        ("BVP.csv", lambda text: text.replace("\n-", "\nx", 1), "not_a_table", 1),
        ("BVP.csv", lambda text: text + "1.00\n" * 100_000 + "x\n", "not_a_table", 101_280),
        ("BVP.csv", lambda text: text + "1.00\n" * 100_000 + "nan\n", "infinite", 101_280),
        ("BVP.csv", lambda text: text + "inf\n", "infinite", 1280),
        ("BVP.csv", lambda text: text + "\n", "not_a_table", 1280),
        ("BVP.csv", lambda text: text + "1,2\n", "not_a_table", 1280),
        ("IBI.csv", lambda text: text.replace("IBI", "RR"), "header", None),
        ("IBI.csv", lambda text: text + "0.5,0.8\n", "time_backwards", 15),
        ("IBI.csv", lambda text: text + text.splitlines()[-1] + "\n", "equal_stamps", 15),
        ("tags.csv", lambda text: text + "12\n", "epoch", 1),
        ("tags.csv", lambda text: text + "now\n", "not_a_table", 1),
    ],
)
def test_a_wrong_file_is_refused_with_its_row(tmp_path, name, change, code, row):
    error = refused(changed(tmp_path, name, change))
    assert (error.code, error.file) == (code, name)
    assert row is None or error.row == row


def test_a_cut_line_is_refused_or_counted(tmp_path):
    path = changed(tmp_path, "EDA.csv", lambda text: text[:-3])
    assert refused(path, kind=TruncatedError).code == "cut_tail"
    eda = tracks(read(path, "drop_tail"))["eda"]
    assert len(eda.values) == 79
    assert [remark.code for remark in eda.remarks] == ["drop_tail"]


def test_values_beyond_the_range_are_counted(tmp_path):
    path = changed(tmp_path, "ACC.csv", lambda text: text + "-129,0,0\n128,-128,0\n")
    said = {remark.code: remark.count for remark in tracks(read(path))["accel"].remarks}
    assert said["beyond_range"] == 1


def test_other_files_are_counted_and_not_named(tmp_path):
    path = writer.write(tmp_path, replaced={"Somebody.txt": "x"})
    gathered = read(path)
    assert counts(gathered) == {"not_read": 1}
    assert "Somebody" not in repr(gathered.remarks)


def test_damaged_bytes_end_in_a_typed_error_or_a_recording(tmp_path):
    chance, ends = np.random.default_rng(3), {True: 0, False: 0}
    files = {name: text.encode() for name, text in writer.contents(seconds=2).items() if name != "info.txt"}
    path = writer.write(tmp_path, seconds=2)
    for _ in range(300):
        name = str(chance.choice(sorted(files)))
        content = bytearray(files[name])
        for at in chance.integers(len(content), size=chance.integers(1, 5)):
            content[at] = chance.integers(256)
        (path / name).write_bytes(content[: chance.integers(1, 2 * len(content))])
        empatica.recognises(path)
        try:
            read(path, *[("drop_tail",), ("drop_exact", "spread_stamps"), ()][chance.integers(3)])
        except RecordingError as error:
            ends[False] += bool(error.remedy)
        else:
            ends[True] += 1
        (path / name).write_bytes(files[name])
    assert min(ends.values()) > 20


@pytest.mark.parametrize("name", ["ACC.csv", "BVP.csv", "TEMP.csv"])
def test_header_lines_of_a_second_session_are_no_samples(tmp_path, name):
    text, later = (writer.contents(seed=seed)[name] for seed in (0, 3))
    path = writer.write(tmp_path, replaced={name: text + later})
    error = refused(path)
    assert (error.code, error.row) == ("several_recordings", text.count("\n") - 2)


def test_files_that_start_days_apart_or_differ_in_length_are_told(tmp_path):
    whole = writer.contents()
    assert not {"starts_differ", "lengths_differ"} & set(counts(read(writer.write(tmp_path))))
    later = whole["BVP.csv"].replace(str(writer.START_S), str(writer.START_S + 300 * 86_400))
    assert "starts_differ" in counts(read(writer.write(tmp_path, replaced={"BVP.csv": later})))
    faster = whole["ACC.csv"].replace("32.000000", "64.000000")
    found = counts(read(writer.write(tmp_path, replaced={"ACC.csv": faster})))
    assert "lengths_differ" in found
    assert "starts_differ" not in found


def test_heart_rates_that_mean_none_are_missing(tmp_path):
    text = writer.contents()["HR.csv"] + "0.00\n255.00\n-3.00\n"
    heart = tracks(read(writer.write(tmp_path, replaced={"HR.csv": text})))["heart_rate"]
    assert np.isnan(heart.values[-3:]).all()
    assert not np.isnan(heart.values[:-3]).any()
    assert {remark.code: remark.count for remark in heart.remarks}["no_beat"] == 3
