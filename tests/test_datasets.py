"""Bundled samples load and are made again; public sets are read as they stand, fetched by hash, and lose no row."""

import contextlib
import gzip
import hashlib
import json
import random
import re
import shutil
import sys
import threading
import zipfile
from collections import Counter
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest

from tests.formats import datasets as writer
from wristkit import __main__ as command_line
from wristkit.datasets import bundled, catalogue, fetch, recordings, sample, sample_file, samples, verify
from wristkit.datasets.catalogue import SETS, PublicSet, RemoteFile
from wristkit.datasets.fetch import unpack
from wristkit.datasets.uci_har import joined, stretches
from wristkit.errors import RecordingError
from wristkit.load import load
from wristkit.load.gather import device_frame
from wristkit.load.runs import runs
from wristkit.recording import LABEL_COLUMNS, blocks
from wristkit.simulate import ACTIVITIES, people
from wristkit.simulate.samples import SEED, _write_sample, write_samples

STEP = {"accel": 2e-4, "user_accel": 1e-4, "gravity": 1e-4, "gyro": 1e-3, "attitude": 1e-4, "heart_rate": 1.0}
SENSOR_STEP = {"accel": 5e-4, "user_accel": 5e-4, "gyro": 1e-3}


@pytest.fixture(scope="module")
def rebuilt(tmp_path_factory):
    return write_samples(tmp_path_factory.mktemp("samples"))


def test_the_table_lists_people_on_both_wrists_and_crown_sides():
    table = samples()
    columns = ["name", "subject", "wrist", "crown", "duration_s", "streams", "simulated", "description"]
    assert list(table.columns) == columns
    assert table["subject"].nunique() == len(table) >= 6
    assert len(table[["wrist", "crown"]].drop_duplicates()) == 4
    assert table["simulated"].all()
    assert table["description"].str.contains("simulated").all()


def test_each_sample_loads_with_exact_truth():
    for row in samples().itertuples():
        recording = sample(row.name)
        truth = recording.labels[recording.labels["tier"] == "truth"]
        assert (recording.subject, recording.wrist, recording.crown) == (row.subject, row.wrist, row.crown)
        assert set(row.streams) == set(recording.streams)
        assert set(truth["label"]) == set(ACTIVITIES)
        np.testing.assert_array_equal(truth["start_s"].to_numpy()[1:], truth["stop_s"].to_numpy()[:-1])
        assert recording.labelled["truth"].tolist() == [[truth["start_s"].min(), truth["stop_s"].max()]]
        assert recording.stop_s - recording.start_s == pytest.approx(row.duration_s, abs=0.002)
        assert recording.accel.rate_hz == pytest.approx(50.0, rel=0.01)
        assert set(recording.labels["tier"]) == {"truth", "annotation"}


def test_some_samples_have_gaps_and_lost_samples_and_say_so():
    codes = {code for name in samples()["name"] for code in sample(name).findings["code"]}
    assert {"gaps", "missing_samples"} <= codes


def test_the_simulator_makes_the_samples_again(rebuilt):
    for name in samples()["name"]:
        bundled, again = sample(name), load(rebuilt / f"{name}.zip")
        for stream in bundled.streams.values():
            step = max(STEP[stream.name], SENSOR_STEP.get(stream.name, 0.0))
            np.testing.assert_allclose(again[stream.name].time, stream.time, atol=1.1e-5)
            np.testing.assert_allclose(again[stream.name].values, stream.values, atol=1.01 * step)
        labels = pd.read_csv(rebuilt / f"{name}.labels.csv")
        truth = bundled.labels[bundled.labels["tier"] == "truth"].reset_index(drop=True)
        assert list(labels.columns) == list(LABEL_COLUMNS)
        pd.testing.assert_frame_equal(labels, truth, check_exact=True, check_dtype=False)


def test_the_manifest_is_rebuilt_and_its_checksums_are_those_of_the_files(rebuilt):
    folder = bundled._folder()
    there, again = (json.loads((one / "manifest.json").read_text()) for one in (folder, rebuilt))
    for entry, other in zip(there["samples"], again["samples"], strict=True):
        for file, sha256 in entry["sha256"].items():
            assert hashlib.sha256((folder / file).read_bytes()).hexdigest() == sha256
        assert {**entry, "sha256": None} == {**other, "sha256": None}
    assert (folder / "README.md").read_text() == (rebuilt / "README.md").read_text()


def test_writing_twice_gives_the_same_bytes(rebuilt, tmp_path):
    _write_sample(tmp_path, 1, people(2, seed=SEED)[1])
    paths = list(tmp_path.iterdir())
    assert len(paths) == 2
    for path in paths:
        assert path.read_bytes() == (rebuilt / path.name).read_bytes(), path.name


def test_samples_are_small_and_name_nobody():
    folder = bundled._folder()
    assert sum(path.stat().st_size for path in folder.iterdir()) < 5_000_000
    for name in samples()["name"]:
        recording = sample(name)
        assert set(recording.source) == {"format", "device", "app_version", "file", "content_hash"}
        assert recording.source["device"] == "simulated"


RAW_SCHEMA = {"epoch_ms": ("time", "ms")}
RAW_SCHEMA |= {f"acc_{axis}": (f"accel.{axis}", "m/s2", "android") for axis in "xyz"}
RAW_SCHEMA |= {f"gyr_{axis}": (f"gyro.{axis}", "deg/s") for axis in "xyz"}
RAW_STEP = STEP | {"accel": 1 / 64, "gyro": 1e-3, "ppg": 0.01, "eda": 1e-6, "temperature": 0.3, "ibi": 1 / 64}


def raw_entries(folder):
    return json.loads((folder / "manifest.json").read_text())["raw"]


def load_raw(path):
    return load(path, schema=RAW_SCHEMA) if path.suffix == ".csv" else load(path)


def test_each_raw_file_is_of_another_format_and_loads_as_such():
    entries = raw_entries(bundled._folder())
    formats = {entry["name"]: load_raw(sample_file(entry["name"])).source["format"] for entry in entries}
    assert formats == {entry["name"]: entry["format"] for entry in entries}
    assert len(set(formats.values())) == len(formats) == 6


def test_raw_files_are_no_samples_to_train_on():
    raw = {entry["name"].partition(".")[0] for entry in raw_entries(bundled._folder())}
    assert not raw & set(samples()["name"])
    assert samples()["name"].str.startswith("day_").all()


def test_the_simulator_makes_the_raw_files_again(rebuilt):
    for entry, other in zip(raw_entries(bundled._folder()), raw_entries(rebuilt), strict=True):
        varies = {"sha256": None, "bytes": None}  # packed by libraries of other versions
        assert entry | varies == other | varies
        bundled_one, again = load_raw(sample_file(entry["name"])), load_raw(rebuilt / entry["name"])
        assert list(again.streams) == list(bundled_one.streams)
        for name, stream in bundled_one.streams.items():
            np.testing.assert_allclose(again[name].time, stream.time, atol=1.1e-3)
            np.testing.assert_allclose(again[name].values, stream.values, atol=1.01 * RAW_STEP.get(name, 1e-3))
        pd.testing.assert_frame_equal(again.labels, bundled_one.labels, atol=2e-2)


def test_the_checksum_of_a_raw_file_is_that_of_the_manifest(tmp_path, monkeypatch):
    for entry in raw_entries(bundled._folder()):
        assert hashlib.sha256(sample_file(entry["name"]).read_bytes()).hexdigest() == entry["sha256"]
    folder = tmp_path / "samples"
    shutil.copytree(bundled._folder(), folder)
    monkeypatch.setattr(bundled, "_PLACES", (folder,))
    path = folder / "raw_axivity.cwa"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(RecordingError) as caught:
        sample_file(path.name)
    assert caught.value.code == "checksum"
    with pytest.raises(ValueError, match=re.escape("raw_axivity.cwa")):
        sample_file("manifest.json")


def test_raw_files_name_nobody():
    text = sample_file("raw_health.xml").read_text()
    assert set(re.findall(r'sourceName="([^"]*)"', text)) == {"Simulated Watch", "Simulated iPhone"}
    assert re.findall(r'DateOfBirth="([^"]*)"', text) == [""]
    header = sample_file("raw_axivity.cwa").read_bytes()[:1024]
    assert header[64:].rstrip(b"\xff") == b"_p=left+wrist"


def test_an_unknown_name_lists_the_known_ones():
    first = samples()["name"][0]
    with pytest.raises(ValueError, match=re.escape(first)):
        sample("day_p99")


def test_a_changed_or_missing_file_is_refused_by_its_checksum(tmp_path, monkeypatch):
    folder = tmp_path / "samples"
    shutil.copytree(bundled._folder(), folder)
    monkeypatch.setattr(bundled, "_PLACES", (folder,))
    first, second = samples()["name"][:2]
    path = folder / f"{first}.zip"
    path.write_bytes(path.read_bytes()[:-1])
    (folder / f"{second}.labels.csv").unlink()
    for name in (first, second):
        with pytest.raises(RecordingError) as caught:
            sample(name)
        assert caught.value.code == "checksum"


def test_a_package_without_samples_says_where_they_belong(tmp_path, monkeypatch):
    monkeypatch.setattr(bundled, "_PLACES", (tmp_path,))
    with pytest.raises(FileNotFoundError, match=r"wristkit\.simulate"):
        samples()


G = 9.80665
NOWHERE = "http://127.0.0.1:9/nothing.zip"


def read(name, folder):
    return list(recordings(name, writer.write(name, folder)))


def finding(recording, code):
    found = recording.findings[recording.findings["code"] == code]
    assert len(found), f"{code} is not among {sorted(recording.findings['code'])}"
    return found.iloc[0]


def intervals(recording, tier="truth"):
    labels = recording.labels[recording.labels["tier"] == tier]
    return [(round(row.start_s, 3), round(row.stop_s, 3), row.label) for row in labels.itertuples()]


def test_the_catalogue_has_a_row_a_set_and_names_what_nobody_checked():
    table = catalogue()
    assert list(table["name"]) == list(SETS) == list(writer.NAMES)
    said = table[["licence", "citation", "home", "sensors", "rate", "labels", "checked"]]
    assert said.map(lambda text: isinstance(text, str) and len(text) > 2).all(axis=None)
    assert table["traps"].map(len).min() >= 3
    assert table["url"].str.startswith("https://").all()
    pinned = table.set_index("name")["sha256"].dropna()
    assert pinned.map(lambda text: bool(re.fullmatch("[0-9a-f]{64}", text))).all()
    assert not table["url"].str.contains("/refs/").any(), "a branch is another commit tomorrow"
    unpinned = table[table["sha256"].isna()]
    assert unpinned["checked"].str.contains("no hash|bytes are not promised").all()


@pytest.mark.parametrize("name", writer.NAMES)
def test_each_set_is_read_in_the_layout_of_its_source(name, tmp_path):
    found = read(name, tmp_path)
    assert found
    for recording in found:
        assert recording.source["format"] == name
        assert {"device", "place", "file", "content_hash"} <= set(recording.source)
        assert (recording.labels["rater"] != "").all()
        assert set(recording.labels["tier"]) >= set(recording.labelled)
        assert set(SETS[name].repairs) >= set(recording.findings["code"]) & {*_ALL_REPAIRS}
    again = [one.id for one in recordings(name, tmp_path)]
    assert again == [one.id for one in found]


_ALL_REPAIRS = ("drop_exact", "sort_blocks", "spread_stamps", "cut_reset", "drop_tail", "unwrap_clock")


@pytest.mark.parametrize("name", ["spsw", "uwash", "oxford_steps"])
def test_files_side_by_side_in_gzip_are_the_same_recordings(name, tmp_path):
    folder = writer.write(name, tmp_path / "as_it_was")
    packed = writer.repacked(folder, tmp_path / "packed")
    assert [one.id for one in recordings(name, packed)] == [one.id for one in recordings(name, folder)]


@pytest.mark.parametrize("name", writer.NAMES)
def test_a_folder_without_the_set_says_how_to_get_it(name, tmp_path):
    with pytest.raises(RecordingError, match=f"data {name} --fetch") as caught:
        list(recordings(name, tmp_path))
    assert caught.value.code == "no_files"
    with pytest.raises(FileNotFoundError, match="fetch"):
        list(recordings(name, tmp_path / "nowhere"))


def test_a_file_both_plain_and_packed_is_not_read_twice(tmp_path):
    path = next(writer.write("spsw", tmp_path).rglob("s01_01_sw.csv"))
    path.with_name("s01_01_sw.csv.gz").write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises(RecordingError) as caught:
        list(recordings("spsw", tmp_path))
    assert caught.value.code == "several_files"


def test_an_unknown_set_lists_the_known_ones(tmp_path):
    for ask in (recordings, fetch, verify):
        with pytest.raises(ValueError, match="spsw, uwash"):
            ask("spws", tmp_path)


def test_spsw_keeps_every_row_and_turns_the_sign(tmp_path):
    found = read("spsw", tmp_path)
    assert [(one.subject, one.source["device"], one.source["place"]) for one in found] == [
        ("s01", "phone", "pocket"),
        ("s01", "watch", "wrist"),
        ("s02", "watch", "wrist"),
    ]
    watch = found[1]
    table = pd.read_csv(tmp_path / "DATA" / "s01" / "s01_01_sw.csv")
    np.testing.assert_allclose(watch.accel.values, -table[["x_acc", "y_acc", "z_acc"]] / G, rtol=1e-5)
    np.testing.assert_allclose(watch.gyro.values, table[["x_gyro", "y_gyro", "z_gyro"]], rtol=1e-5)
    assert finding(watch, "frame_converted")["count"] == finding(watch, "spread_stamps")["count"] + 149 == 150
    assert watch.accel.rate_hz == pytest.approx(103.7, rel=1e-3)
    assert watch.start == pd.Timestamp(writer.START_MS, unit="ms", tz="UTC")
    stamps = (table["timestamp"].to_numpy() - writer.START_MS) / 1e3
    assert intervals(watch) == [
        (0.0, stamps[50], "seated"),
        (stamps[50], stamps[100], "standing_up"),
        (stamps[100], stamps[149], "walking"),
    ]
    assert watch.labelled["truth"].tolist() == [[0.0, stamps[149]]]


def test_uwash_tells_steps_washes_duplicates_and_no_initials(tmp_path):
    steps, first, twin, third = read("uwash", tmp_path)
    assert intervals(steps) == [(1.0, 2.0, "action_1"), (3.0, 3.98, "action_2_part_1")]
    assert steps.labelled["truth"].tolist() == [[0.0, 3.98]]
    assert steps.subject is None
    assert finding(steps, "subject_unknown")["count"] == 1
    assert finding(steps, "spread_stamps")["count"] == 1
    assert (first.subject, twin.subject, third.subject) == ("subject_01", "subject_01", "subject_02")
    assert intervals(first, "wash") == [(0.0, 3.98, "washing")]
    assert not first.labelled
    assert "subject_01_cond1.1_02.csv" in finding(first, "duplicate_of")["note"]
    assert "subject_01_cond1.1_01.csv" in finding(twin, "duplicate_of")["note"]
    assert "duplicate_of" not in set(third.findings["code"])
    assert finding(third, "sort_blocks")["count"] == 2
    assert len(third.accel) == 200
    converted = first.findings.query("code == 'unit_converted'")
    assert list(converted[["stream", "count", "note"]].itertuples(index=False, name=None)) == [
        ("accel", 200, "accel was converted from m/s2 to g"),
        ("gyro", 200, "gyro was converted from deg/s to rad/s"),
    ]
    assert np.abs(first.gyro.values).max() < 6
    assert first.accel.values[:, 2].mean() == pytest.approx(1.0, abs=0.05)  # the sign is not known, and kept
    assert finding(first, "sign_unknown")["count"] == 200
    for recording in (steps, first, twin, third):
        assert "qqq" not in repr((dict(recording.source), recording.findings.to_dict(), recording.subject))


def test_an_error_of_uwash_does_not_tell_the_initials(tmp_path):
    folder = writer.write("uwash", tmp_path)
    path = next(folder.rglob("imuData_2*"))
    path.write_text(path.read_text().replace("timestamp", "time"))
    with pytest.raises(RecordingError) as caught:
        list(recordings("uwash", folder))
    assert "qqq" not in str(caught.value)
    assert caught.value.file == "subject_02_cond1.3_01.csv"


def test_broad_keeps_the_reference_apart_and_says_where_it_is_missing(tmp_path):
    (trial,) = read("broad", tmp_path)
    assert list(trial.streams) == ["accel", "gyro", "mag", "reference_attitude", "reference_position"]
    assert trial.accel.rate_hz == pytest.approx(2000 / 7)
    assert trial.accel.values[:, 2].mean() == pytest.approx(-1.0, abs=0.05)
    assert finding(trial, "missing_values")["count"] == 10
    step = 7 / 2000
    assert intervals(trial) == [(round(100 * step, 3), round(300 * step, 3), "movement")]


def test_oxford_counts_each_true_step_once(tmp_path):
    (walk,) = read("oxford_steps", tmp_path)
    assert list(walk.labels["label"]) == ["step"] * 5
    assert (walk.labels["start_s"] == walk.labels["stop_s"]).all()
    assert walk.labels["start_s"].tolist() == pytest.approx([0.5, 1.0, 1.5, 2.0, 2.5])
    assert walk.start == pd.Timestamp(1_506_421_989_895, unit="ms", tz="UTC")
    assert (walk.subject, walk.source["place"]) == ("user1", "hand")
    assert finding(walk, "zero_rows")["count"] == 1
    assert len(walk.accel) == 300
    assert walk.steps_algorithm.values[-1] == 10


def test_oxford_refuses_a_count_that_goes_back(tmp_path):
    path = next(writer.write("oxford_steps", tmp_path).rglob("*.csv"))
    lines = path.read_text().splitlines(keepends=True)
    lines[120] = lines[120].replace(",4,2,0", ",4,1,0")
    path.write_text("".join(lines))
    with pytest.raises(RecordingError, match="step by step") as caught:
        list(recordings("oxford_steps", tmp_path))
    assert caught.value.row == 120


def test_clips_of_one_sound_share_their_subject_and_padding_is_named(tmp_path):
    rain, sea = read("esc10", tmp_path / "ten")
    assert [one.labels["label"].tolist() for one in (rain, sea)] == [["rain"], ["sea_waves"]]
    assert (rain.subject, rain.source["fold"]) == ("freesound_17367", "1")
    whole, padded = read("esc50", tmp_path / "fifty")
    assert whole.labels["label"].tolist() == ["rain"]
    assert "zero_padding" not in set(whole.findings["code"])
    found = finding(padded, "zero_padding")
    assert (found["count"], found["start_s"], found["stop_s"]) == (12_000, 0.25, 1.0)


def test_uci_har_joins_windows_that_share_a_half_and_no_others(tmp_path):
    signals = writer.write_uci_har(tmp_path)
    found = list(recordings("uci_har", tmp_path))
    assert [len(one.accel) for one in found] == [len(one) for one in signals]
    for recording, signal in zip(found, signals, strict=True):
        np.testing.assert_allclose(recording.accel.values, signal[:, :3], atol=1e-6)
        np.testing.assert_allclose(recording.gyro.values, signal[:, 3:], atol=1e-6)
    assert [one.subject for one in found] == ["1", "1", "3"]
    assert [list(one.labels["label"]) for one in found] == [["standing"], ["walking"], ["laying"]]
    assert [finding(one, "windows_joined")["count"] for one in found] == [4, 2, 3]
    assert all(one.start is None for one in found)


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("uci_har", ("subject_train.txt", "y_train.txt", "total_acc_x_train.txt", "body_gyro_z_train.txt")),
        ("wisdm", ("data_1600_accel_watch.txt", "data_1600_gyro_watch.txt")),
    ],
)
def test_the_hash_of_several_files_is_that_of_each_of_them(name, files, tmp_path):
    folder = writer.write(name, tmp_path)
    hashes = [list(recordings(name, folder))[-1].source["content_hash"]]
    for file in files:
        path = next(folder.rglob(file))
        before = path.read_bytes()
        path.write_bytes(before[:-1])  # a last line without its end, which holds the same numbers
        if name == "wisdm":
            path.write_bytes(before.replace(b";\n", b"0;\n", 1))
        hashes.append(list(recordings(name, folder))[-1].source["content_hash"])
        path.write_bytes(before)
    assert len(set(hashes)) == 1 + len(files)


@hypothesis.given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 2)), min_size=1, max_size=6), st.integers(0, 99))
def test_joining_undoes_cutting(lengths, seed):
    numbers = np.random.default_rng(seed)
    signals = [numbers.normal(size=(64 * (count + 1), 2)) for count, _ in lengths]
    windows = np.array([one[at : at + 128] for one in signals for at in range(0, len(one) - 64, 64)])
    people = np.repeat([who for _, who in lengths], [count for count, _ in lengths])
    again = [joined(windows[first:stop]) for first, stop in stretches(windows, people)]
    assert len(again) == len(signals)
    assert all((one == signal).all() for one, signal in zip(again, signals, strict=True))


def test_windows_of_two_people_are_never_joined():
    windows = np.zeros((4, 128, 1))
    assert stretches(windows, np.array([1, 1, 2, 2])) == [(0, 2), (2, 4)]


@hypothesis.given(st.lists(st.tuples(st.integers(1, 3), st.sampled_from([1, 2, 5_000])), min_size=1, max_size=30))
def test_runs_are_those_of_a_loop(rows):
    values = np.array([value for value, _ in rows])
    time_ns = np.cumsum([step for _, step in rows]) * 10**6
    expected, start = [], 0
    for row in range(1, len(rows) + 1):
        last = row == len(rows)
        pause = not last and time_ns[row] - time_ns[row - 1] > 10**9
        if last or pause or values[row] != values[row - 1]:
            stop = row - 1 if last or pause else row
            expected.append((int(time_ns[start]), int(time_ns[stop]), values[start]))
            start = row
    assert runs(time_ns, values, longest_step_ns=10**9) == expected
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(blocks.__kwdefaults__, "rows", 3)
        assert runs(time_ns, values, longest_step_ns=10**9) == expected


def test_pamap2_reads_the_hand_and_leaves_the_ways_between_unlabelled(tmp_path):
    (session,) = read("pamap2", tmp_path)
    assert intervals(session) == [(0.75, 1.5, "lying"), (2.25, 2.99, "ascending_stairs")]
    np.testing.assert_allclose(session.labelled["truth"], [[0.75, 1.5], [2.25, 2.99]], atol=1e-9)
    assert session.subject == "subject101"
    assert len(session.accel) == 300
    assert np.isnan(session.accel.values).all(axis=1).sum() == 5
    assert finding(session, "missing_values")["count"] == 5
    assert session.accel.values[:, 2][~np.isnan(session.accel.values[:, 2])].mean() == pytest.approx(1.0, abs=0.05)
    assert len(session.heart_rate) == 28
    assert finding(session, "slower_rows")["count"] == 272
    assert "chest" in " ".join(session.findings.loc[session.findings["code"] == "left_out", "note"])


def test_wisdm_has_two_devices_and_no_label_over_the_pause(tmp_path):
    phone, watch = read("wisdm", tmp_path)
    assert [one.source["device"] for one in (phone, watch)] == ["phone", "watch"]
    for recording in (phone, watch):
        assert recording.subject == "1600"
        assert recording.accel.values[:, 2].mean() == pytest.approx(-1.0, abs=0.05)
        assert recording.accel.rate_hz == pytest.approx(19.86, rel=1e-3)
        (walk_start, walk_stop, walk), (fold_start, _, fold) = intervals(recording)
        assert (walk, fold) == ("walking", "folding_clothes")
        assert (walk_start, walk_stop) == (0.0, pytest.approx(59 * 0.050354, abs=1e-3))
        assert fold_start > 600
        assert len(recording.labelled["truth"]) == 2
        assert recording.start is None


def test_wisdm_refuses_a_row_without_its_semicolon(tmp_path):
    path = next(writer.write("wisdm", tmp_path).rglob("data_1600_gyro_watch.txt"))
    lines = path.read_text().splitlines()
    lines[7] = lines[7].removesuffix(";")
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(RecordingError, match="semicolon") as caught:
        list(recordings("wisdm", tmp_path))
    assert (caught.value.file, caught.value.row) == (path.name, 7)


def test_capture24_keeps_annotations_as_text_and_adds_the_schemes(tmp_path):
    (day,) = read("capture24", tmp_path)
    assert intervals(day) == [(1.0, 2.0, "7030 sleeping;MET 0.95"), (2.0, 3.0, '"home, alone;9060 sitting";MET 1.3')]
    assert intervals(day, "Walmsley2020") == [(1.0, 2.0, "sleep")]
    np.testing.assert_allclose(day.labelled["truth"], [[1.0, 2.0], [2.0, 3.0]])
    assert day.start is None
    assert day.source["local_start"].startswith("2014-05-07T13:29:50.43")
    assert day.accel.values[:, 2].mean() == pytest.approx(1.0, abs=0.05)  # the device's own sign
    assert {"frame_device", "zone_missing"} <= set(day.findings["code"])
    said = finding(day, "frame_device")[["stream", "count", "note", "remedy"]]
    assert tuple(said) == ("accel", 400, device_frame(400).note, device_frame(400).remedy)
    (tmp_path / "capture24" / "annotation-label-dictionary.csv").unlink()
    (alone,) = recordings("capture24", tmp_path)
    assert set(alone.labels["tier"]) == {"truth"}
    assert finding(alone, "missing_file")["count"] == 1


def test_dalia_reads_the_wristband_and_says_that_its_activities_have_another_clock(tmp_path):
    (person,) = read("ppg_dalia", tmp_path)
    assert {"accel", "ppg", "eda", "temperature"} <= set(person.streams)
    assert intervals(person, "activity") == [(2.0, 8.0, "baseline"), (8.0, 12.0, "stairs"), (14.0, 14.0, "soccer")]
    assert not person.labelled
    assert finding(person, "clock_unchecked")["count"] == 3
    assert "pickle" in finding(person, "left_out")["note"]
    assert person.subject == "S1"


def test_dalia_says_whether_its_file_of_activities_is_missing_or_names_none(tmp_path):
    (person,) = read("ppg_dalia", tmp_path)
    (file,) = tmp_path.rglob("S1_activity.csv")
    file.write_text("# SUBJECT_ID, S1\n# NO_ACTIVITY, 0\n")
    (person,) = recordings("ppg_dalia", tmp_path)
    assert finding(person, "no_labels")["note"] == "the file of activities names none but NO_ACTIVITY"
    assert "missing_file" not in set(person.findings["code"])
    file.unlink()
    (person,) = recordings("ppg_dalia", tmp_path)
    assert "not beside it" in finding(person, "missing_file")["note"]


TEXT = {".csv", ".txt", ".dat", ".gz", ".zip", ".mat"}


def damage(path, dice):
    """Change some bytes of a file, cut it, or repeat a part of it."""
    content = bytearray(path.read_bytes())
    kind = dice.random()
    if kind < 0.15:
        content = content[: dice.randrange(len(content))]
    elif kind < 0.3:
        at = dice.randrange(len(content))
        content[at:at] = content[at : at + dice.randrange(1, 200)]
    else:
        for _ in range(dice.randrange(1, 5)):
            content[dice.randrange(len(content))] = (
                dice.choice(b"\0\n\r,;\"'-+.e09nI \xff#") if dice.random() < 0.7 else dice.randrange(256)
            )
    path.write_bytes(content)


def survives(name, folder, dice):
    paths = sorted(path for path in folder.rglob("*") if path.suffix in TEXT)
    path = dice.choice(paths)
    before = path.read_bytes()
    damage(path, dice)
    with contextlib.suppress(RecordingError):
        for recording in recordings(name, folder):
            assert recording.streams
    path.write_bytes(before)


@pytest.mark.parametrize("name", [name for name in writer.NAMES if name != "esc10"])
def test_damaged_bytes_give_a_recording_or_an_error_of_ours(name, tmp_path):
    folder, dice = writer.write(name, tmp_path), random.Random(name)  # noqa: S311  damage, not secrets
    for _ in range(25):
        survives(name, folder, dice)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in writer.NAMES if name != "esc10"])
def test_damaged_bytes_for_long(name, tmp_path):
    folder, dice = writer.write(name, tmp_path), random.Random(name * 2)  # noqa: S311  damage, not secrets
    for _ in range(200):
        survives(name, folder, dice)


def test_acceleration_in_metres_is_told_as_converted_beside_its_sign(tmp_path):
    for name in ("spsw", "uwash", "broad", "oxford_steps", "pamap2", "wisdm"):
        one = read(name, tmp_path / name)[0]
        (row,) = one.findings.query("stream == 'accel' and code == 'unit_converted'").itertuples()
        assert (row.note, row.count) == ("accel was converted from m/s2 to g", len(one.accel))
        assert {"frame_converted", "sign_unknown"} & set(one.findings["code"])
    for name in ("uci_har", "capture24"):
        assert "unit_converted" not in set(read(name, tmp_path / name)[0].findings["code"])


def test_gzip_that_unpacks_without_end_is_stopped(tmp_path):
    folder = writer.write("capture24", tmp_path)
    path = next(folder.rglob("P001.csv.gz"))
    row = b"2014-05-07 13:29:50.430000,1,1,1,\n"
    path.write_bytes(gzip.compress(b"time,x,y,z,annotation\n" + row * 2_000_000))
    with pytest.raises(RecordingError) as caught:
        list(recordings("capture24", folder))
    assert caught.value.code == "zip_bomb"


@pytest.fixture
def server(tmp_path):
    """A server of the files in a folder, and a count of what was asked for."""
    folder, asked = tmp_path / "served", Counter()
    folder.mkdir()

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            asked[self.path] += 1

    made = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=folder))
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{made.server_port}", folder, asked
    made.shutdown()
    thread.join()
    made.server_close()


def zipped(path, folder, *, within=""):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for one in sorted(folder.rglob("*")):
            if one.is_file():
                archive.write(one, f"{within}{one.relative_to(folder)}")
    return path


def put_in_catalogue(monkeypatch, name, **fields):
    changed = {field: getattr(SETS[name], field) for field in PublicSet.__dataclass_fields__} | fields
    # The package holds the function of this name; the module is where the import system keeps it.
    monkeypatch.setattr(sys.modules["wristkit.datasets.catalogue"], "SETS", {**SETS, name: PublicSet(**changed)})


def test_fetch_downloads_once_unpacks_what_is_read_and_keeps_the_hash_it_saw(tmp_path, monkeypatch, server):
    url, folder, asked = server
    source = writer.write("spsw", tmp_path / "source")
    (source / "README.md").write_text("not unpacked")
    archive = zipped(folder / "a.zip", source, within="repository-1/")
    remote = RemoteFile(f"{url}/a.zip", "spsw.zip", None, ("*/DATA/*.csv",))
    put_in_catalogue(monkeypatch, "spsw", files=(remote,))
    root = fetch("spsw", tmp_path / "sets")
    assert root == tmp_path / "sets" / "spsw"
    assert len(list(recordings("spsw", root))) == 3
    assert not list(root.rglob("README.md"))
    sha256 = hashlib.sha256(archive.read_bytes()).hexdigest()
    assert (root / "spsw.zip.sha256").read_text() == f"{sha256}  spsw.zip\n"
    fetch("spsw", tmp_path / "sets")
    assert asked == {"/a.zip": 1}
    states = verify("spsw", root).set_index("file")["state"]
    assert states["spsw.zip"] == "as first seen"
    (root / "spsw.zip").write_bytes(b"changed")
    assert verify("spsw", root).set_index("file")["state"]["spsw.zip"] == "changed"
    zipped(folder / "a.zip", source / "DATA")
    with pytest.raises(RecordingError, match="first downloaded here") as caught:
        fetch("spsw", tmp_path / "sets")
    assert caught.value.code == "checksum"


def test_fetch_unpacks_a_zip_in_a_zip_and_no_other(tmp_path, monkeypatch, server):
    url, folder, _ = server
    inner = zipped(tmp_path / "data.zip", writer.write("ppg_dalia", tmp_path / "source"))
    outer = tmp_path / "outer"
    outer.mkdir()
    shutil.move(inner, outer / "data.zip")
    archive = zipped(folder / "p.zip", outer)
    sha256 = hashlib.sha256(archive.read_bytes()).hexdigest()
    remote = RemoteFile(f"{url}/p.zip", "ppg_dalia.zip", sha256, SETS["ppg_dalia"].files[0].members)
    put_in_catalogue(monkeypatch, "ppg_dalia", files=(remote,))
    root = fetch("ppg_dalia", tmp_path)
    assert {path.name for path in root.rglob("*") if path.is_file()} == {
        *("ppg_dalia.zip", "ppg_dalia.zip.sha256", "ppg_dalia.zip.unpacked"),
        *("S1_E4.zip", "S1_activity.csv"),
    }
    assert len(list(recordings("ppg_dalia", root))) == 1
    assert verify("ppg_dalia", root)["state"].tolist() == ["as published"]


def test_fetch_refuses_what_is_not_the_published_file(tmp_path, monkeypatch, server):
    url, folder, _ = server
    zipped(folder / "a.zip", writer.write("spsw", tmp_path / "source"))
    put_in_catalogue(monkeypatch, "spsw", files=(RemoteFile(f"{url}/a.zip", "a.zip", "0" * 64, ("*",)),))
    with pytest.raises(RecordingError, match="published") as caught:
        fetch("spsw", tmp_path)
    assert caught.value.code == "checksum"
    assert not list((tmp_path / "spsw").rglob("*.csv"))


def test_fetch_says_what_to_do_by_hand_and_where_to_put_a_download(tmp_path, monkeypatch):
    put_in_catalogue(monkeypatch, "wisdm", files=(RemoteFile(NOWHERE, "wisdm.zip", None, ()),))
    with pytest.raises(RecordingError, match="with a browser") as caught:
        fetch("wisdm", tmp_path)
    assert caught.value.code == "download"
    put_in_catalogue(monkeypatch, "wisdm", by_hand="sign the form")
    with pytest.raises(RecordingError, match="sign the form") as caught:
        fetch("wisdm", tmp_path)
    assert caught.value.code == "by_hand"


@pytest.mark.parametrize("name", ["../outside.csv", "/outside.csv", "a/../../outside.csv", "a\\b.csv", "C:b.csv"])
def test_a_zip_that_would_write_outside_its_folder_is_refused_whole(name, tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("good.csv", "x")
        info = zipfile.ZipInfo("placeholder.csv")
        info.filename = name
        archive.writestr(info, "x")
    with pytest.raises(RecordingError) as caught:
        unpack(path, tmp_path / "folder", ("*.csv",))
    assert caught.value.code == "unsafe_name"
    assert [one for one in tmp_path.rglob("*") if one.is_file()] == [path]


def test_links_bombs_and_damaged_zips_are_refused(tmp_path):
    path, link = tmp_path / "a.zip", zipfile.ZipInfo("link.csv")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(link, "../secret")
    codes = []
    with pytest.raises(RecordingError) as caught:
        unpack(path, tmp_path / "folder", ("*",))
    codes.append(caught.value.code)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("big.csv", bytes(10_000_000))
    with pytest.raises(RecordingError) as caught:
        unpack(path, tmp_path / "folder", ("*",))
    codes.append(caught.value.code)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(RecordingError) as caught:
        unpack(path, tmp_path / "folder", ("*",))
    assert [*codes, caught.value.code] == ["unsafe_name", "zip_bomb", "damaged_zip"]


def test_the_command_line_lists_describes_and_refuses(tmp_path, capsys):
    assert command_line.main(["data", "--no-setup"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(SETS)
    assert command_line.main(["data", "uci_har", "--no-setup"]) == 0
    assert "windows of 128 samples" in capsys.readouterr().out
    assert command_line.main(["data", "nothing", "--no-setup"]) == 1
    assert "uci_har" in capsys.readouterr().err
    assert command_line.main(["data", "uci_har", "--verify", "--folder", str(tmp_path), "--no-setup"]) == 1
    assert "no folder" in capsys.readouterr().err


@pytest.mark.real_data
def test_real_watches_and_phones_of_spsw(real_data):
    found = list(recordings("spsw", real_data / "spsw"))
    watches, phones = ([one for one in found if one.source["device"] == kind] for kind in ("watch", "phone"))
    assert (len(watches), len(phones)) == (115, 25)
    assert sum(len(one.accel) for one in watches) == 135_894
    assert sum(len(one.accel) for one in phones) == 28_376
    spread = [one.findings.loc[one.findings["code"] == "spread_stamps", "count"].sum() for one in found]
    assert sum(spread) == 708 + 2_032
    assert np.median([one.accel.rate_hz for one in watches]) == pytest.approx(104.3, abs=0.1)
    assert {label for one in found for label in one.labels["label"]} == {
        *("seated", "standing_up", "walking", "turning", "sitting_down"),
    }
    norms = np.concatenate([np.linalg.norm(one.accel.values, axis=1) for one in watches])
    assert np.median(norms) == pytest.approx(10.008 / G, abs=0.001)


@pytest.mark.real_data
def test_real_washes_of_uwash(real_data):
    found = list(recordings("uwash", real_data / "uwash"))
    steps, washes = found[0], found[1:]
    assert len(washes) == 30
    assert len(steps.accel) == 21_690
    assert finding(steps, "spread_stamps")["count"] == 344
    assert len(steps.labels) == 36
    assert steps.labels["label"].value_counts().eq(4).all()
    assert all(one.labels["label"].tolist() == ["washing"] and not one.labelled for one in washes)
    twins = [one.source["file"] for one in washes if "duplicate_of" in set(one.findings["code"])]
    assert twins == ["subject_02_cond1.2_03.csv", "subject_02_cond1.2_04.csv"]
    backward = [one.source["file"] for one in washes if "sort_blocks" in set(one.findings["code"])]
    assert backward == ["subject_02_cond1.3_01.csv"]
    washing = np.concatenate([one.gyro.values for one in washes])
    assert np.rad2deg(np.abs(washing).max()) < 2_000


@pytest.mark.real_data
def test_real_trials_of_broad_rest_with_minus_one_g_upwards(real_data):
    found = list(recordings("broad", real_data / "broad"))
    assert [len(one.accel) for one in found] == [53_240, 52_518, 52_556, 57_746, 47_639]
    missing = [one.findings[one.findings["stream"] == "reference_attitude"] for one in found]
    counts = [int(one.loc[one["code"] == "missing_values", "count"].sum()) for one in missing]
    assert counts == [1_706, 1_594, 86, 4_824, 2_203]
    from scipy.spatial.transform import Rotation

    for trial in found:
        turn = trial["reference_attitude"].values
        known = ~np.isnan(turn).any(axis=1)
        up = Rotation.from_quat(turn[known], scalar_first=True).apply(trial.accel.values[known]).mean(axis=0)
        np.testing.assert_allclose(up, [0, 0, -1], atol=0.02)


@pytest.mark.real_data
def test_real_walks_of_oxford_have_their_steps(real_data):
    found = {one.source["place"]: one for one in recordings("oxford_steps", real_data / "oxford_steps")}
    steps = {place: len(one.labels) for place, one in found.items()}
    counted = {"armband": 335, "backpocket": 343, "bag": 346, "frontpocket": 327, "hand": 326, "neckpouch": 346}
    assert steps == counted
    assert {place: len(one.accel) for place, one in found.items()}["armband"] == 19_297
    assert finding(found["armband"], "spread_stamps")["count"] == 1
    assert finding(found["neckpouch"], "spread_stamps")["count"] == 2
    assert finding(found["hand"], "zero_rows")["count"] == 1


@pytest.mark.real_data
def test_real_clips_of_esc10(real_data):
    found = list(recordings("esc10", real_data / "audio" / "esc10"))
    labels = Counter(one.labels["label"][0] for one in found)
    assert labels == dict.fromkeys(["rain", "sea_waves", "clock_tick", "person_sneeze"], 24)
    padded = Counter(one.labels["label"][0] for one in found if "zero_padding" in set(one.findings["code"]))
    assert padded == {"person_sneeze": 20, "sea_waves": 1}
    assert all(4.9 < one.stop_s < 5.1 for one in found)


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "folder", "count"),
    [("spsw", "spsw", 140), ("uwash", "uwash", 31), ("broad", "broad", 5), ("oxford_steps", "oxford_steps", 6)],
)
def test_real_files_are_as_published(real_data, name, folder, count):
    states = verify(name, real_data / folder)["state"]
    assert states.tolist() == ["as published"] * count
