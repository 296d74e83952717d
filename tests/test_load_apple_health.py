"""Apple Health exports: exact values of one device, everything else counted, nothing of the person kept."""

import subprocess
import sys
import tempfile
import zipfile
from datetime import timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.formats import apple_health as writer
from tests.gathered import counts, remarks, tracks
from wristkit.errors import EmptyRecordingError, NotThisFormatError, RecordingError, TruncatedError
from wristkit.load import apple_health, load
from wristkit.load.assemble import assemble
from wristkit.load.gather import Request, Rows
from wristkit.load.spool import Spool
from wristkit.recording import deidentify

START_NS = int(writer.START.timestamp()) * 10**9
USUAL_STREAMS = 7  # heart rate and its context, HRV, and steps and energy with a duration each
PRIVATE = ("Somebody", "Nameless", "1815", "de_DE", "route_")


def read(path, *repair, spool=None):
    return apple_health.read(path, Request(spool or Spool(), frozenset(repair)))


def read_records(folder, records, *repair, **options):
    return read(writer.write(folder, kind="file", records=records, **options), *repair)


def refused(path, *repair, kind=RecordingError):
    with pytest.raises(kind) as caught:
        read(path, *repair)
    assert caught.value.remedy
    return caught.value


def refused_records(folder, records, *repair, kind=RecordingError, **options):
    return refused(writer.write(folder, kind="file", records=records, **options), *repair, kind=kind)


def seconds(track):
    return ((track.time_ns - START_NS) / 1e9).tolist()


@pytest.mark.parametrize("kind", ["zip", "folder", "file"])
@pytest.mark.parametrize("name", ["export.xml", "Exportieren.xml", "exportación.xml", "no_suffix"])
def test_it_is_known_by_what_it_holds_under_any_name(tmp_path, kind, name):
    path = writer.write(tmp_path, kind=kind, name=name)
    assert apple_health.recognises(path)
    assert len(read(path).tracks) == USUAL_STREAMS
    assert apple_health.recognises(tmp_path) is (kind != "zip")


def test_other_files_are_not_recognised(tmp_path):
    contents = {
        "cda.xml": b"<ClinicalDocument/>",
        "a.csv": b"a,<HealthData >\n",
        "b.zip": b"PK\x03\x04cut",
        "c": b"\xff",
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        assert not apple_health.recognises(tmp_path / name)
    assert not apple_health.recognises(tmp_path)
    assert refused(tmp_path / "a.csv", kind=NotThisFormatError).code == "format"
    assert refused(tmp_path / "b.zip", kind=TruncatedError).code == "truncated_zip"


def test_values_and_stamps_are_those_of_the_records(tmp_path):
    records = [
        writer.heart_rate(0, 61),
        writer.heart_rate(5, "72.5"),
        writer.hrv(100, "45.25"),
        writer.steps(10, 35, 40),
        writer.steps(40, 40, 3),
        writer.energy(0, 60, "2.5"),
        writer.energy(60, 120, "2.5", "Cal"),
        writer.energy(120, 180, "4.184", "kJ"),
    ]
    found = tracks(read_records(tmp_path, "".join(records)))
    assert list(found) == ["heart_rate", "hrv_sdnn", "steps", "steps_duration", "energy", "energy_duration"]
    assert (found["heart_rate"].values[:, 0].tolist(), seconds(found["heart_rate"])) == ([61, 72.5], [0, 5])
    assert (found["hrv_sdnn"].values[0, 0], found["hrv_sdnn"].unit) == (np.float32(0.04525), "s")
    assert (found["steps"].values.tolist(), seconds(found["steps"])) == ([[40], [3]], [35, 40])
    np.testing.assert_allclose(found["energy"].values[:, 0], [2.5, 2.5, 1.0], rtol=1e-7)


def test_how_long_a_record_lasted_is_a_stream_of_its_own_unit_on_the_same_stamps(tmp_path):
    records = [writer.steps(40, 40, 3), writer.steps(10, 35, 40), writer.energy(0, 60, "2.5")]
    found = tracks(read_records(tmp_path, "".join(records)))
    assert [(one.unit, one.channels) for one in found.values()] == [
        *(("count", ("steps",)), ("s", ("steps_duration",))),
        *(("kcal", ("energy",)), ("s", ("energy_duration",))),
    ]
    assert found["steps_duration"].values[:, 0].tolist() == [25, 0]
    assert found["energy_duration"].values[:, 0].tolist() == [60]
    assert found["steps_duration"].time_ns is found["steps"].time_ns
    recording = load(tmp_path / "export.xml")
    assert np.shares_memory(recording["steps_duration"].time, recording.steps.time)


def test_units_that_were_converted_are_told_once_a_stream(tmp_path):
    energies = [(0, "2.5", "kcal"), (60, "2.5", "Cal"), (120, "4.184", "kJ"), (180, "1", "kJ"), (240, "9", "cal")]
    records = [writer.energy(at, at + 60, value, unit) for at, value, unit in energies]
    records += [writer.energy(0, 60, "8", "J", model=writer.PHONE), writer.hrv(100, "45.25"), writer.heart_rate(0, 61)]
    beat = {"changed": {"unit": "count/s"}}
    found = tracks(read_records(tmp_path, "".join(records)))
    said = {name: [(one.code, one.count, one.note) for one in track.remarks] for name, track in found.items()}
    assert said == {
        "heart_rate": [],
        "hrv_sdnn": [("unit_converted", 1, "hrv_sdnn was converted from ms to s")],
        "energy": [("unit_converted", 3, "energy was converted from kJ and cal to kcal")],
        "energy_duration": [],
    }
    (slow,) = read_records(tmp_path, writer.heart_rate(0, 1, **beat)).tracks
    assert (slow.values.tolist(), [remark.code for remark in slow.remarks]) == ([[60]], ["unit_converted"])


def test_the_context_of_a_heart_rate_is_a_stream_of_its_own(tmp_path):
    records = [writer.heart_rate(k, 60, context=context) for k, context in enumerate([0, None, 2, 1])]
    found = tracks(read_records(tmp_path, "".join(records)))
    context = found["heart_rate_motion_context"]
    assert (context.values[:, 0].tolist(), seconds(context), context.unit) == ([0, 2, 1], [0, 2, 3], "1")
    assert len(found["heart_rate"].values) == 4
    inside = '<MetadataEntry key="HKMetadataKeyHeartRateMotionContext" value="1"/>'
    walk = writer.record("HKQuantityTypeIdentifierStepCount", 0, 1, 5, "count", inside=inside)
    assert list(tracks(read_records(tmp_path, walk))) == ["steps", "steps_duration"]


@pytest.mark.parametrize("hours", [-8, 0, 5.5, 12.75])
def test_stamps_are_utc_whatever_offset_they_are_written_with(tmp_path, hours):
    zone = timezone(timedelta(hours=hours))
    records = "".join(writer.heart_rate(at, 60, zone=zone) for at in (0, 1, 3599, 3600, 86_399, 86_400 * 40))
    assert seconds(tracks(read_records(tmp_path, records))["heart_rate"]) == [0, 1, 3599, 3600, 86_399, 86_400 * 40]


@given(
    st.lists(st.integers(0, 10**8), min_size=1, max_size=30, unique=True),
    st.integers(-12 * 4, 14 * 4),
    st.integers(0, 10**6),
)
def test_any_records_come_back_in_the_order_of_time(at, quarters, seed):
    bpm = np.random.default_rng(seed).integers(30, 220, len(at))
    zone = timezone(timedelta(minutes=15 * quarters))
    records = "".join(writer.heart_rate(second, int(value), zone=zone) for second, value in zip(at, bpm, strict=True))
    with tempfile.TemporaryDirectory() as folder:
        track = tracks(read_records(Path(folder), records))["heart_rate"]
    expected = sorted(zip(at, bpm.tolist(), strict=True))
    assert list(zip(seconds(track), track.values[:, 0].tolist(), strict=True)) == expected


def test_records_are_sorted_by_their_end_and_counted(tmp_path):
    at = [5, 1, 3, 2, 4]
    gathered = read_records(tmp_path, "".join(writer.heart_rate(k, 60 + k) for k in at))
    track = tracks(gathered)["heart_rate"]
    assert (seconds(track), track.values[:, 0].tolist()) == ([1, 2, 3, 4, 5], [61, 62, 63, 64, 65])
    assert [(remark.code, remark.count) for remark in track.remarks] == [("records_sorted", 4)]
    in_order = tracks(read_records(tmp_path, "".join(writer.heart_rate(k, 60) for k in range(5))))["heart_rate"]
    assert in_order.remarks == ()


def test_long_series_are_sorted_part_by_part_as_a_stable_sort_would(monkeypatch, tmp_path):
    monkeypatch.setattr(apple_health, "BLOCK_ROWS", 256)
    time_ns = np.random.default_rng(0).integers(0, 4000, 20_000)
    rows = apple_health._sorted(Rows("", time_ns, {"place": np.arange(20_000.0)}), Spool(tmp_path))
    order = np.argsort(time_ns, kind="stable")
    assert len(list(tmp_path.iterdir())) > 100
    np.testing.assert_array_equal(rows.time_ns, time_ns[order])
    np.testing.assert_array_equal(rows.columns["place"], order)
    assert rows.remarks[0].count == (order != np.arange(20_000)).sum()


def test_equal_stamps_are_repaired_only_as_asked(tmp_path):
    same = writer.heart_rate(5, 60)
    differing = "".join(writer.heart_rate(at, bpm) for at, bpm in ((0, 60), (5, 61), (5, 62), (10, 63)))
    assert refused_records(tmp_path, same * 2 + writer.heart_rate(9, 61)).code == "equal_stamps"
    dropped = tracks(read_records(tmp_path, same * 2 + writer.heart_rate(9, 61), "drop_exact"))["heart_rate"]
    assert (len(dropped.values), dropped.remarks[0].count) == (2, 1)
    error = refused_records(tmp_path, differing, "drop_exact")
    assert (error.code, error.file) == ("equal_stamps", "export.xml (heart_rate)")
    spread = tracks(read_records(tmp_path, differing, "spread_stamps"))["heart_rate"]
    assert seconds(spread) == [0, 5, 7.5, 10]


def test_a_recording_holds_the_watch_and_counts_the_rest(tmp_path):
    records = [writer.steps(10 * k, 10 * k + 9, 9, model=writer.PHONE) for k in range(30)]
    records += [writer.steps(10 * k, 10 * k + 9, 5) for k in range(3)]
    records += [writer.heart_rate(k, 60, model=None) for k in range(2)]
    records += [writer.heart_rate(9, 60, model=None, changed={"device": "<<HKDevice: 0x1>, name:Somebody's strap>"})]
    gathered = read_records(tmp_path, "".join(records))
    assert gathered.source["device"] == writer.WATCH
    assert tracks(gathered)["steps"].values[:, 0].tolist() == [5, 5, 5]
    assert counts(gathered) == {"other_devices": 33}
    for told in ("30 steps of iPhone14,2", "2 heart_rate of no device", "1 heart_rate of other device"):
        assert told in gathered.remarks[0].note


def test_of_several_watches_the_one_with_most_records_is_taken(tmp_path):
    records = [writer.heart_rate(k, 60, model=writer.OLD_WATCH) for k in range(3)]
    records += [writer.heart_rate(k, 70) for k in range(2)]
    gathered = read_records(tmp_path, "".join(records))
    assert gathered.source["device"] == writer.OLD_WATCH
    assert counts(gathered) == {"other_devices": 2, "several_watches": 2}
    assert "Watch5,4 (3), Watch6,2 (2)" in gathered.remarks[1].note


def test_without_a_watch_the_device_with_most_records_is_taken(tmp_path):
    records = writer.steps(0, 1, 1, model=None) + "".join(writer.steps(k, k, 1, model=writer.PHONE) for k in (2, 3))
    assert read_records(tmp_path, records).source["device"] == writer.PHONE


def test_sleep_and_workouts_are_labels_told_by_their_device(tmp_path):
    marks = read(writer.write(tmp_path)).marks
    of_sleep = [(mark.label, mark.rater) for mark in marks if mark.tier == "sleep"]
    assert of_sleep == [(stage, writer.WATCH) for stage in ("core", "deep", "rem")] + [("in_bed", "no device")]
    (workout,) = [mark for mark in marks if mark.tier == "workout"]
    assert workout.label == "traditional_strength_training"
    assert ((workout.start_ns - START_NS) / 1e9, (workout.stop_ns - START_NS) / 1e9) == (1000, 1600)


def test_every_record_is_accounted_for(tmp_path):
    path = writer.write(tmp_path, kind="file")
    gathered = read(path)
    said = counts(gathered)
    of_records = [one for one in gathered.tracks if not one.name.endswith(("_motion_context", "_duration"))]
    kept = sum(len(track.values) for track in of_records)
    asleep = sum(mark.tier == "sleep" for mark in gathered.marks)
    elements_not_read = 7  # a correlation, a summary, beats of four HRVs and a pause, which are no records
    assert kept + asleep + said["other_devices"] + said["not_read"] - elements_not_read == path.read_text().count(
        "<Record"
    )


def test_types_that_are_not_read_are_named_and_never_parsed(tmp_path):
    wrong = writer.record("HKQuantityTypeIdentifierBodyMass", 0, 0, "heavy", "kg", changed={"startDate": "never"})
    strange = writer.record("Somebody's own <type>", 0, 0, "1", "kg")
    gathered = read_records(tmp_path, writer.heart_rate(0, 60) + wrong * 2 + strange)
    assert counts(gathered) == {"not_read": 3}
    assert gathered.remarks[0].note == "not read: 2 BodyMass, 1 a type without a plain name"


def test_records_within_a_correlation_are_not_taken_twice(tmp_path):
    beat = writer.heart_rate(0, 60)
    gathered = read_records(tmp_path, beat + writer.correlation(beat) + writer.heart_rate(5, 61))
    assert len(tracks(gathered)["heart_rate"].values) == 2
    assert counts(gathered)["in_correlation"] == 1


def test_nothing_of_the_person_leaves_the_reader(tmp_path):
    path = writer.write(tmp_path, ecgs=[writer.ecg()], gpx=2)
    recording = assemble(read(path), Request(Spool()))
    told = recording.findings.to_csv() + recording.labels.to_csv() + repr(dict(recording.source)) + repr(recording)
    assert [word for word in PRIVATE if word in told] == []
    assert {"routes_left_out", "files_not_read"} <= set(recording.findings["code"])


def test_a_recording_counts_from_its_first_sample(tmp_path):
    recording = assemble(read(writer.write(tmp_path, ecgs=[writer.ecg(date=writer.stamp(-100))])), Request(Spool()))
    assert recording.start.timestamp() == writer.START.timestamp() - 100
    assert recording["ecg_01"].start_s == 0
    assert recording.heart_rate.start_s == 100
    assert recording.zone is None


# --- ECGs


@pytest.mark.parametrize(
    ("options", "rate_hz"),
    [
        ({}, 512.0),
        ({"rate": "512.844 hertz"}, 512.844),
        ({"rate": "511,422\u00a0Hertz", "comma": True, "german": True}, 511.422),
        ({"rate": "512 герц", "comma": True}, 512.0),
        ({"date": "2026-03-01T08:00:00+01:00"}, 512.0),
        ({"date": "2026-03-01T07:00:00Z", "unit": "μV"}, 512.0),
    ],
)
def test_ecgs_of_any_language_are_streams_in_millivolts(tmp_path, options, rate_hz):
    text = writer.ecg(count=700, **options)
    gathered = read(writer.write(tmp_path, records=writer.heart_rate(0, 60), ecgs=[text]))
    track = tracks(gathered)["ecg_01"]
    numbers = [float(line.replace(",", ".")) for line in text.splitlines()[-700:]]
    np.testing.assert_array_equal(track.values[:, 0], (np.array(numbers) * 1e-3).astype(np.float32))
    assert (track.rate_hz, track.start_ns, track.unit, track.time_ns) == (rate_hz, START_NS, "mV", None)


def test_ecgs_are_numbered_in_the_order_of_time_and_one_device_gives_them(tmp_path):
    ecgs = [
        writer.ecg(date=writer.stamp(at), seed=at, model=model) for at, model in ((9, writer.WATCH), (3, writer.WATCH))
    ]
    ecgs += [writer.ecg(model=writer.OLD_WATCH), "a,b\n1,2\n"]
    gathered = read(writer.write(tmp_path, records=writer.heart_rate(0, 60), ecgs=ecgs))
    assert [tracks(gathered)[f"ecg_0{k}"].start_ns - START_NS for k in (1, 2)] == [3 * 10**9, 9 * 10**9]
    assert counts(gathered)["other_devices"] == 1
    assert counts(gathered)["files_not_read"] == 2  # a table that is no ECG, and the clinical document


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda text: text.replace("Recorded Date,2026", "Recorded Date,26"), "ecg_date"),
        (lambda text: text.replace("Recorded Date,2026-03-01", "Recorded Date,2026-02-30"), "ecg_date"),
        (lambda text: text.replace(" +0100", ""), "ecg_date"),
        (lambda text: text.replace("1.90", "512 hertz"), "ecg_rate"),
        (lambda text: text + "12.5.1\n", "not_a_number"),
        (lambda text: text + "nan\n", "not_a_number"),
        (lambda text: text + "1_0\n", "not_a_number"),
        (lambda text: text + "0,5\n", "decimal_mark"),
        (lambda text: text[: text.index("µV") + 3], "empty"),
        (lambda text: text[:-2], "cut_tail"),
    ],
)
def test_a_wrong_ecg_is_told_and_the_rest_is_loaded(tmp_path, change, code):
    wrong, right = change(writer.ecg(count=50)), writer.ecg(count=60, seed=1)
    path = writer.write(tmp_path, ecgs=[wrong, right])
    gathered = read(path)
    assert len(gathered.tracks) == USUAL_STREAMS + 1
    assert len(tracks(gathered)["ecg_01"].values) == 60
    told = remarks(gathered)["ecg_not_read"]
    row = ", row 50" if code == "not_a_number" else ", row 49" if code == "cut_tail" else ""
    assert told.note.startswith(f"ecg_0.csv{row}: ")
    assert told.note.endswith(f"[{code}]")
    assert told.remedy
    assert counts(gathered)["files_not_read"] == 1  # the clinical document alone
    anonymous = deidentify(load(path)).findings.set_index("code")
    assert "ecg_0" not in anonymous.loc["ecg_not_read", "note"]


def test_where_a_wrong_ecg_is_all_it_is_refused(tmp_path):
    for records in ("", writer.sleep(0, 900, "AsleepCore")):
        path = writer.write(tmp_path, records=records, ecgs=[writer.ecg(count=50) + "nan\n"])
        error = refused(path)
        assert (error.code, error.file, error.row) == ("not_a_number", "ecg_0.csv", 50)


def test_a_wrong_ecg_hides_no_fault_of_the_records(tmp_path):
    wrong = [writer.ecg(count=50) + "nan\n"]
    assert refused(writer.write(tmp_path, records=writer.heart_rate(0, "fast"), ecgs=wrong)).file == "export.xml"
    cut = writer.xml(writer.usual()).encode()[:-40]
    assert refused(writer.write(tmp_path, content=cut, ecgs=wrong), kind=TruncatedError).file == "export.xml"


def test_a_wrong_ecg_tells_nothing_of_the_person(tmp_path):
    lines = writer.ecg(count=50).splitlines()
    person = [line for line in lines if writer.PERSON in line or "1815" in line]
    moved = [line for line in lines if line not in person]
    ecgs = ["\n".join([*moved, line, ""]) for line in person]
    gathered = read(writer.write(tmp_path, ecgs=ecgs))
    told = [remark.note for remark in gathered.remarks if remark.code == "ecg_not_read"]
    assert len(told) == len(person) == 2
    assert [word for word in PRIVATE if word in "".join(told)] == []


def test_an_ecg_that_cannot_be_opened_or_is_too_long_is_told_and_many_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(apple_health, "_MOST_NAMES", 1)
    path = writer.write(tmp_path, kind="folder", ecgs=[writer.ecg(count=50)] * 2 + [writer.ecg(count=100_000)])
    for number in range(2):
        (path / f"electrocardiograms/ecg_{number}.csv").write_bytes(b"\x1f\x8bno gzip")
    said = [remark for remark in read(path).remarks if remark.code == "ecg_not_read"]
    assert [(one.count, "ecg_0.csv" in one.note) for one in said] == [(1, True), (2, False)]
    monkeypatch.undo()
    notes = [remark.note for remark in read(path).remarks if remark.code == "ecg_not_read"]
    assert [note.rpartition("[")[2] for note in notes] == ["truncated]", "truncated]", "too_large]"]


def test_too_many_samples_of_ecgs_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(apple_health, "_MOST_ECG_SAMPLES", 100)
    ecgs = [writer.ecg(count=60, date=writer.stamp(at)) for at in range(2)]
    assert len(read(writer.write(tmp_path, ecgs=ecgs[:1])).tracks) == USUAL_STREAMS + 1
    assert refused(writer.write(tmp_path, ecgs=ecgs)).code == "too_many_ecgs"


def test_the_cut_line_of_an_ecg_is_dropped_as_asked(tmp_path):
    path = writer.write(tmp_path, ecgs=[writer.ecg(count=50)[:-2]])
    track = tracks(read(path, "drop_tail"))["ecg_01"]
    assert (len(track.values), [remark.code for remark in track.remarks]) == (49, ["drop_tail"])


# --- what is wrong with the XML


@pytest.mark.parametrize(
    ("records", "code"),
    [
        (writer.heart_rate(1, 60, changed={"endDate": "2026-02-30 08:00:00 +0100"}), "date"),
        (writer.heart_rate(1, 60, changed={"endDate": "2026-03-01 08:00:00"}), "date"),
        (writer.heart_rate(1, 60, changed={"endDate": "2026-03-01 08:00:60 +0100"}), "date"),
        (writer.heart_rate(1, 60, changed={"startDate": "0001-01-01 00:00:00 +0000"}), "date"),
        (writer.heart_rate(1, 60, changed={"startDate": None}), "date"),
        (writer.heart_rate(1, 60, changed={"endDate": "x" * 500}), "date"),
        (writer.steps(9, 3, 60), "interval"),
        (writer.heart_rate(1, "fast"), "not_a_number"),
        (writer.heart_rate(1, "nan"), "not_a_number"),
        (writer.heart_rate(1, "1_0"), "not_a_number"),
        (writer.heart_rate(1, "٦٠"), "not_a_number"),
        (writer.heart_rate(1, "6\x0b0"), "not_a_number"),
        (writer.heart_rate(1, None), "not_a_number"),
        (writer.heart_rate(1, 60, changed={"unit": "Hz"}), "unit"),
        (writer.energy(1, 2, 60, "W"), "unit"),
        (writer.energy(1, 2, 60, None), "unit"),
        (writer.heart_rate(1, 60, context=7), "motion_context"),
        (writer.heart_rate(1, 60, changed={"device": "x" * 2000}), "xml_limits"),
        (writer.record("HKQuantityTypeIdentifierStepCount", 1, 1, 2, "count", inside=writer.steps(1, 2, 3)), "nested"),
        (writer.workout(1, 2, "Some Body"), "workout"),
        (writer.workout(9, 2, "Running"), "interval"),
    ],
)
def test_a_wrong_record_is_refused_with_its_number_and_byte(tmp_path, records, code):
    path = writer.write(tmp_path, kind="file", records=writer.heart_rate(0, 60) + records)
    error = refused(path)
    assert error.code == code
    assert error.row == (None if "Workout" in records else 2 if code == "nested" else 1)
    assert path.read_bytes()[error.byte :].startswith((b"<Record", b"<Workout", b"<Metadata"))


def test_control_characters_become_spaces_and_are_counted(tmp_path):
    records = writer.heart_rate(0, 60, changed={"sourceName": "Some\x0bbody\x1f"}) + writer.heart_rate(1, 61)
    gathered = read_records(tmp_path, records)
    assert len(tracks(gathered)["heart_rate"].values) == 2
    assert counts(gathered) == {"control_characters": 2}


@pytest.mark.parametrize("name", ["lol", "xxe", "undeclared"])
def test_entities_are_refused(tmp_path, name):
    inside = {
        "lol": '<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;">',
        "xxe": '<!ENTITY b SYSTEM "file:///etc/passwd">',
        "undeclared": "",
    }[name]
    records = writer.heart_rate(0, 60) + " <Text>&b;</Text>\n"
    assert refused_records(tmp_path, records, dtd=f"<!DOCTYPE HealthData [{inside}]>\n").code == "entities"


def test_the_dtd_may_be_missing_or_elsewhere(tmp_path):
    for dtd in ("", '<!DOCTYPE HealthData SYSTEM "http://127.0.0.1:9/never.dtd">\n'):
        assert len(read_records(tmp_path, writer.heart_rate(0, 60), dtd=dtd).tracks) == 1


def test_a_cut_file_is_refused_or_gives_its_whole_records(tmp_path):
    content = writer.xml("".join(writer.heart_rate(k, 60 + k, context=1) for k in range(5))).encode()
    cut = content[: content.rindex(b"<MetadataEntry")]
    path = writer.write(tmp_path, kind="file", content=cut)
    error = refused(path, kind=TruncatedError)
    assert (error.code, error.byte) == ("truncated", len(cut))
    gathered = read(path, "drop_tail")
    assert tracks(gathered)["heart_rate"].values[:, 0].tolist() == [60, 61, 62, 63]
    assert counts(gathered) == {"drop_tail": 1}


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"<?xml version='1.0'?><!DOCTYPE HealthData [ <!ELEMENT", "truncated"),
        (b"<!DOCTYPE HealthData [" + b" " * 3_000_000, "format"),
        (b"<HealthData><Record></HealthData>", "xml"),
        (b"<HealthData></HealthData><HealthData/>", "xml"),
        (b"<HealthData>\xff\xfe</HealthData>", "xml"),
        (b"<HealthData>\0\0\0\0", "nul_bytes"),
        (b"<HealthData>" + b"<a>" * 20 + b"</HealthData>", "xml_limits"),
        (b"<HealthData><a " + b" ".join(b"a%d=''" % k for k in range(100)) + b"/></HealthData>", "xml_limits"),
        (b"<HealthData><a b='" + b"x" * 3_000_000 + b"'/></HealthData>", "xml_limits"),
        (b"<HealthData>" + b"x" * 3_000_000 + b"</HealthData>", "xml_limits"),
    ],
)
def test_malformed_and_hostile_xml_ends_in_a_typed_error(tmp_path, content, code):
    assert refused(writer.write(tmp_path, kind="file", content=content)).code == code


def test_an_export_of_labels_alone_says_how_to_get_samples(tmp_path):
    records = writer.sleep(0, 900, "AsleepCore") + writer.workout(1000, 1600, "Running")
    error = refused_records(tmp_path, records, kind=EmptyRecordingError)
    assert (error.code, error.file) == ("labels_only", "export.xml")
    assert "2 labels" in error.message
    assert "heart rate" in error.remedy
    assert len(read_records(tmp_path, records + writer.heart_rate(0, 60)).marks) == 2


def test_an_export_without_samples_is_empty(tmp_path):
    gathered = read_records(tmp_path, "")
    assert gathered.tracks == []
    with pytest.raises(EmptyRecordingError):
        assemble(gathered, Request(Spool()))


def test_too_many_files_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(apple_health, "_MOST_FILES", 4)
    assert len(read(writer.write(tmp_path, gpx=2)).tracks) == USUAL_STREAMS
    for kind in ("zip", "folder"):
        path = writer.write(tmp_path, kind=kind, gpx=3)
        assert not apple_health.recognises(path)
        assert refused(path).code == "too_many_files"


def test_two_exports_in_one_folder_are_refused(tmp_path):
    for name in ("export.xml", "Exportieren.xml"):
        path = writer.write(tmp_path, kind="folder", name=name)
    assert apple_health.recognises(path)
    assert refused(path).code == "several_recordings"


def test_a_damaged_zip_is_refused(tmp_path):
    content = writer.xml("".join(writer.heart_rate(k, 60) for k in range(3000))).encode()
    path = writer.write(tmp_path, content=content)
    packed = bytearray(path.read_bytes())
    packed[len(packed) // 2] ^= 0xFF
    path.write_bytes(packed)
    assert refused(path).code in {"damaged_zip", "xml", "date", "not_a_number", "unit"}


def test_the_disk_gives_what_memory_gives(tmp_path):
    path = writer.write(tmp_path)
    (tmp_path / "spool").mkdir()
    for one, other in zip(read(path).tracks, read(path, spool=Spool(tmp_path / "spool")).tracks, strict=True):
        np.testing.assert_array_equal(one.values, other.values)
        np.testing.assert_array_equal(one.time_ns, other.time_ns)


def test_damaged_bytes_end_in_a_typed_error_or_a_recording(tmp_path):
    chance, ends = np.random.default_rng(5), {True: 0, False: 0}
    usual = writer.xml(writer.usual()).encode()
    for _ in range(300):
        content = bytearray(usual)
        for at in chance.integers(len(content), size=chance.integers(1, 4)):
            content[at] = chance.choice([chance.integers(256), chance.integers(48, 58), 32])
        content = content[: chance.integers(1, 3 * len(content))]
        path = writer.write(tmp_path, kind="file", content=bytes(content))
        apple_health.recognises(path)
        try:
            read(path, *[("drop_tail",), ("drop_tail", "drop_exact", "spread_stamps"), ()][chance.integers(3)])
        except RecordingError as error:
            ends[False] += bool(error.remedy)
        else:
            ends[True] += 1
    assert min(ends.values()) > 20


_PEAK = """
import resource, sys
from pathlib import Path
from wristkit.load import apple_health, load
from wristkit.load.gather import Request, Rows
from wristkit.load.spool import Spool
from tests.formats import apple_health as writer

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

folder, sizes = Path(sys.argv[1]), []
for count in (500, 500, 60_000):
    block = "".join(writer.steps(7 * k, 7 * k + 6, 9) for k in range(500))
    path = folder / "export.xml"
    with path.open("w") as file:
        file.write(writer.xml("").removesuffix("</HealthData>\\n"))
        for _ in range(count // 500):
            file.write(block)
        file.write("</HealthData>\\n")
    elements = apple_health.Elements(Spool(folder), path.name)
    apple_health.parse(apple_health.Members(folder, {path.name: path.name}), path.name, elements, drop_tail=False)
    sizes.append(peak())
print(sizes[2] - sizes[1], path.stat().st_size // 1024)
"""


def test_memory_stays_flat_while_the_file_grows(tmp_path, root):
    done = subprocess.run([sys.executable, "-c", _PEAK, tmp_path], cwd=root, check=True, capture_output=True, text=True)
    grown_kib, file_kib = map(int, done.stdout.split())
    assert file_kib > 20_000
    assert grown_kib < 8_000


def test_entities_behind_a_disguise_are_refused(tmp_path):
    disguised = '<!-- <HealthData > -->\n<!DOCTYPE HealthData [<!ENTITY v "199">]>\n'
    whole = writer.xml(writer.heart_rate(0, 60), dtd=disguised).replace('value="60', 'value="&v;')
    (tmp_path / "export.xml").write_text(whole)
    with pytest.raises(RecordingError) as caught:
        load(tmp_path / "export.xml")
    assert caught.value.code == "entities"


def test_two_exports_of_one_full_name_in_a_zip_are_refused(tmp_path):
    path = tmp_path / "twice.zip"
    name, few = "apple_health_export/export.xml", writer.heart_rate(0, 60)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, writer.xml(few + writer.heart_rate(60, 61)))
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr(name, writer.xml(few))
    assert apple_health.recognises(path)
    assert refused(path).code == "several_recordings"


def test_heart_rates_that_mean_none_are_missing(tmp_path):
    records = "".join(writer.heart_rate(60 * k, bpm) for k, bpm in enumerate((70, 0, 255, -5)))
    heart = tracks(read_records(tmp_path, records))["heart_rate"]
    np.testing.assert_array_equal(heart.values[:, 0], [70, np.nan, np.nan, np.nan])
    assert {remark.code: remark.count for remark in heart.remarks} == {"no_beat": 3}


@pytest.mark.filterwarnings("error")
def test_a_heart_rate_beyond_float32_is_an_error_and_no_warning(tmp_path):
    (tmp_path / "export.xml").write_text(writer.xml(writer.heart_rate(0, 60) + writer.heart_rate(60, 1e99)))
    with pytest.raises(RecordingError) as caught:
        load(tmp_path / "export.xml")
    assert caught.value.code == "infinite"
