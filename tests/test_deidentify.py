"""What a de-identified recording no longer tells, and what it keeps."""

import json

import numpy as np
import pandas as pd
import pytest

import wristkit as wk
from wristkit.errors import RecordingError
from wristkit.recording import Recording, Stream, deidentify, finding_table, label_table
from wristkit.store import open_native, save

SECRETS = ("Anna", "Kim", "SN-4711", "2026-03-27", "beef", "48.85", "dr. who")


def recorded(**changes):
    time_s = np.arange(200) / 50
    streams = [
        Stream.measured("accel", time_s, np.tile([0.0, 0.0, -1.0], (200, 1))),
        Stream.measured(
            "location", time_s[::50], np.full((4, 2), 48.85), channels=("latitude", "longitude"), unit="deg"
        ),
    ]
    facts = {
        "labels": label_table(
            [
                (0.5, 1.5, "walk", "truth", "Kim"),
                (1.5, 2.0, "sit", "truth", "authors"),
                (1.0, 1.0, "call Kim", "annotation", "wearer"),
                (2.0, 2.0, "mark", "annotation", "wearer"),
            ]
        ),
        "labelled": {"truth": [(0.0, 3.0)]},
        "findings": finding_table(
            [
                ("not_read", "", 0.0, 4.0, 2, "not read: Anna.csv, dr. who.txt", "none"),
                ("zone_missing", "", 0.0, 4.0, 1, "it starts at 2026-03-27T08:00:00.5 by its own clock", "give zone="),
                ("gaps", "location", 0.0, 4.0, 1, "near 48.85", "none"),
                ("rate_differs", "accel", 0.0, 4.0, 200, "100 Hz is stated in anna_walk.zip of ANNA", "none"),
            ]
        ),
        "start": "2026-03-27T08:00:00Z",
        "zone": "Europe/Paris",
        "subject": "Anna",
        "wrist": "left",
        "source": {
            "format": "sensor_logger",
            "device": "Apple Watch SE 44mm",
            "app_version": "1.45.2",
            "file": "anna_walk.zip",
            "sha256": "beef",
            "serial": "SN-4711",
            "local_start": "2026-03-27T09:00:00",
        },
    }
    return Recording.of(streams, **{**facts, **changes})


def everything_it_says(recording, folder):
    save(recording, folder)
    header = (folder / "recording.json").read_text()
    return json.dumps(json.loads(header), ensure_ascii=False) + repr(recording) + recording._repr_html_()


def test_nothing_that_is_saved_or_shown_tells_who_where_or_when(tmp_path):
    said = everything_it_says(deidentify(recorded()), tmp_path / "a").lower()
    assert [secret for secret in SECRETS if secret.lower() in said] == []
    told = everything_it_says(recorded(), tmp_path / "b").lower()
    # the place is in the samples alone, and in one note
    assert [secret for secret in SECRETS if secret.lower() not in told] == []


def test_signals_labels_and_models_are_kept():
    before = recorded()
    after = deidentify(before)
    assert list(after.streams) == ["accel"]
    assert after.accel is before.accel
    assert after.labels["label"].tolist() == ["walk", "sit", "mark", "mark"]
    assert after.labels["rater"].tolist() == ["rater 1", "authors", "wearer", "wearer"]
    pd.testing.assert_frame_equal(
        after.labels[["start_s", "stop_s", "tier"]], before.labels[["start_s", "stop_s", "tier"]]
    )
    assert after.labelled["truth"].tolist() == [[0.0, 3.0]]
    assert dict(after.source) == {"format": "sensor_logger", "device": "Apple Watch SE 44mm", "app_version": "1.45.2"}
    assert (after.wrist, after.zone) == ("left", "Europe/Paris")


def test_labels_outside_the_tiers_that_are_known_become_marks_and_the_finding_says_which_are_kept():
    rows = [
        (0.0, 1.0, "with Anna", "app", "wearer"),
        (0.0, 1.0, "Kim's place", "mine", "wearer"),
        (1.0, 2.0, "deep", "sleep", "device"),
        (1.0, 1.0, "button", "button", "device"),
        (2.0, 3.0, "walking 4.5 km/h on the flat", "truth", "authors"),
    ]
    after = deidentify(recorded(labels=label_table(rows), labelled={"app": [(0.0, 3.0)]}))
    by_tier = dict(zip(after.labels["tier"], after.labels["label"], strict=True))
    assert by_tier == {
        "app": "mark",
        "mine": "mark",
        "sleep": "deep",
        "button": "button",
        "truth": "walking 4.5 km/h on the flat",
    }
    note = after.findings.set_index("code")["note"]["deidentified"]
    assert "texts of labels (2)" in note
    assert "labels of the tiers button, sleep, truth" in note
    assert "labels" not in deidentify(Recording.of([recorded().accel])).findings["note"].iloc[-1]


def test_the_original_is_left_as_it_was():
    before = recorded()
    deidentify(before)
    assert before.subject == "Anna"
    assert before.labels["label"].tolist()[2] == "call Kim"
    assert "location" in before.streams


def test_the_id_is_that_of_what_remains(tmp_path):
    after = deidentify(recorded())
    assert after.id == Recording.of([after.accel]).id != recorded().id
    kept = recorded().with_labels(label_table())
    only_motion = Recording.of([kept.accel], subject="Anna")
    assert deidentify(only_motion).id == only_motion.id
    save(after, tmp_path / "a")
    assert open_native(tmp_path / "a").id == after.id


def test_the_finding_counts_what_was_dropped_and_names_what_remains():
    row = deidentify(recorded()).findings.set_index("code").loc["deidentified"]
    assert row["count"] == 1 + 4 + 1 + 1  # a stream, four facts of the source, one text, one rater
    for text in ("location", "file, local_start, serial, sha256", "motion", "Europe/Paris", "whole weeks"):
        assert text in row["note"]
    assert "voices" not in row["note"]
    sound = Stream.uniform("audio", np.zeros(100), rate_hz=100)
    assert "voices" in deidentify(recorded().with_streams(sound)).findings["note"].iloc[-1]


def test_findings_keep_their_numbers():
    findings = deidentify(recorded()).findings.set_index("code")
    assert "gaps" not in findings.index
    assert findings["note"]["rate_differs"] == "100 Hz is stated in (removed) of (removed)"
    assert findings["count"]["not_read"] == 2


@pytest.mark.parametrize("start", ["2026-03-27T08:00:00Z", "2026-08-02T21:59:00Z", "2026-10-26T01:30:00Z"])
def test_weeks_keep_weekday_and_time_of_day_where_it_was_worn(start):
    before = recorded(start=start)
    for _ in range(20):
        after = deidentify(Recording.of(list(before.streams.values()), start=start, zone="Europe/Paris"))
        local = [one.start.tz_convert("Europe/Paris") for one in (before, after)]
        assert local[0].day_of_week == local[1].day_of_week
        assert local[0].time() == local[1].time()
        moved = local[0].tz_localize(None) - local[1].tz_localize(None)
        assert moved % pd.Timedelta(weeks=1) == pd.Timedelta(0)
        assert pd.Timedelta(weeks=26) <= moved <= pd.Timedelta(weeks=520)


def test_an_hour_that_summer_time_leaves_out_is_the_next_one():
    assert deidentify(recorded(start="2026-10-25T00:30:00Z"), weeks=-30).start == pd.Timestamp("2026-03-29T01:00:00Z")


def test_without_a_zone_the_weeks_are_counted_in_utc():
    after = deidentify(recorded(zone=None), weeks=-10)
    assert after.start == pd.Timestamp("2026-01-16T08:00:00Z")


def test_weeks_of_the_caller_are_taken():
    # Paris is an hour earlier in UTC in summer
    assert deidentify(recorded(), weeks=-30).start == pd.Timestamp("2025-08-29T07:00:00Z")
    assert deidentify(recorded(), weeks=2).start == pd.Timestamp("2026-04-10T07:00:00Z")


def test_a_subject_keeps_one_code_and_one_shift_and_others_have_their_own():
    anna, again, other = deidentify(recorded()), deidentify(recorded()), deidentify(recorded(subject="Berta"))
    assert (anna.subject, anna.start) == (again.subject, again.start)
    assert anna.subject != other.subject
    assert "Anna" not in anna.subject
    shifts = {deidentify(recorded(subject=f"person {number}")).start for number in range(40)}
    assert len(shifts) > 20
    assert deidentify(recorded(), code="p07").subject == "p07"
    assert deidentify(recorded(subject=None)).subject is None


def test_zero_leaves_no_start():
    after = deidentify(recorded(), shift="zero")
    assert after.start is None
    assert "start left out" in after.findings["note"].iloc[-1]
    assert "unknown as before" in deidentify(recorded(start=None)).findings["note"].iloc[-1]


@pytest.mark.parametrize(
    ("name", "channels", "goes"),
    [
        ("gps", ("a",), True),
        ("phoneLocation", ("a",), True),
        ("speed", ("speed",), True),
        ("walk", ("GPSLatitude", "b"), True),
        ("track", ("lat", "lon"), True),
        ("flat_course", ("a",), True),
        *(
            (name, ("a",), True)
            for name in ("position", "coords", "latlon", "geo", "loc_xy", "gpslat", "place", "utm_e")
        ),
        ("altitude", ("altitude",), False),
        ("platform", ("latency", "b"), False),
        ("gyro", ("x", "y", "z"), False),
    ],
)
def test_streams_of_places_are_told_by_their_words(name, channels, goes):
    unit = {"altitude": "m", "gyro": "rad/s"}.get(name, "1")
    extra = Stream.measured(name, [0.0, 1.0], np.zeros((2, len(channels))), channels=channels, unit=unit)
    assert (name not in deidentify(recorded().with_streams(extra)).streams) == goes


@pytest.mark.parametrize(
    ("device", "stays"),
    [
        ("Apple Watch", True),
        ("Watch6,18", True),
        ("AX3", True),
        ("GENEActiv 1.1", True),
        ("wGT3X-BT", True),
        ("simulated", True),
        ("Anna's Apple Watch", False),
        ("iPhone von Anna", False),
        ("Watch Müller", False),
        ("AX3 0045123", False),
    ],
)
def test_a_device_is_kept_where_all_its_words_are_of_models(device, stays):
    after = deidentify(recorded(source={"format": "x", "device": device}))
    assert ("device" in after.source) == stays


def test_versions_that_are_none_and_zones_that_are_none_go():
    after = deidentify(recorded(zone="at home", source={"app_version": "of Anna", "firmware": "1.2; <b>"}))
    assert dict(after.source) == {}
    assert after.zone is None
    assert "not a known name" in after.findings["note"].iloc[-1]


def test_a_subject_of_one_letter_takes_nothing_out_of_texts():
    after = deidentify(recorded(subject="1", source={"format": "sensor_logger", "app_version": "1.45.1"}))
    assert after.source["app_version"] == "1.45.1"
    assert after.findings["note"].str.startswith("100 Hz").any()


@pytest.mark.parametrize("sample", ["day_p01", "day_p08"])
def test_a_bundled_recording_stays_a_simulated_one(sample):
    before = wk.sample(sample)
    after = deidentify(before)
    assert after.is_simulated == before.is_simulated
    assert list(after.streams) == list(before.streams)
    assert after.id == before.id


def test_a_recording_of_places_alone_is_refused():
    only = Recording.of([recorded()["location"]])
    with pytest.raises(RecordingError, match="places") as caught:
        deidentify(only)
    assert caught.value.code == "empty"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"shift": "days"}, "shift is 'days', expected 'weeks' or 'zero'"),
        ({"weeks": 0}, "expected a whole number of weeks other than 0"),
        ({"weeks": 1.5}, "expected a whole number of weeks"),
        ({"weeks": True}, "expected a whole number of weeks"),
        ({"weeks": 3, "shift": "zero"}, "which leaves no start"),
    ],
)
def test_wrong_arguments_are_named(wrong, message):
    with pytest.raises(ValueError, match=message):
        deidentify(recorded(), **wrong)


def test_a_label_that_names_the_subject_goes_in_any_tier():
    labels = label_table([(0.5, 1.5, "Anna Roe sits", "activity", "file"), (1.5, 2.0, "walk", "activity", "file")])
    plain = deidentify(recorded(labels=labels, labelled={}, subject="anna roe")).labels
    assert plain["label"].tolist() == ["mark", "walk"]


@pytest.mark.parametrize(
    ("code", "note", "left"),
    [
        (
            "files_not_read",
            "other files were not read: 1 of .xml, 1 of .roe, 2 of .csv",
            "other files were not read: 1 of .xml, 1 of (removed), 2 of .csv",
        ),
        ("light_scale", "the header says model 'Jane Roe'", "the header says model (removed)"),
        ("not_read", "not read: Jane Roe, 3 Elm St.csv", "names (removed)"),
    ],
)
def test_notes_keep_neither_names_of_files_nor_free_text(code, note, left):
    findings = deidentify(recorded(findings=finding_table([(code, "", 0.0, 4.0, 1, note, "none")]))).findings
    assert findings.loc[findings["code"] == code, "note"].tolist() == [left]
