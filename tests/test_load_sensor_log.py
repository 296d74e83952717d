"""SensorLog files: exact values at each sensor's own times, and what is said of two clocks and of merged rows."""

import gzip
import random
from datetime import timedelta, timezone

import numpy as np
import pytest

from tests.formats import sensor_log as writer
from tests.gathered import assert_same_arrays
from wristkit.errors import EmptyRecordingError, NotThisFormatError, RecordingError
from wristkit.load import load
from wristkit.load.assemble import assemble
from wristkit.load.clocks import of_drift
from wristkit.load.gather import Request
from wristkit.load.sensor_log import read, recognises
from wristkit.load.spool import Spool

XYZ = "XYZ"
SLOW = {"pressure", "relative_altitude", "steps_total"}
ACCURACY = "motionMagneticFieldCalibrationAccuracy(Z)"
WALL_NS = round(writer.WALL.timestamp() * 1e6) * 1000 + round(writer.LAG_S * 1e9)


def gathered(path, *, repair=(), folder=None):
    return read(path, Request(Spool(folder), repair=frozenset(repair)))


def tracks(path, **options):
    return {track.name: track for track in gathered(path, **options).tracks}


def said(path, **options):
    return {remark.code: remark for remark in gathered(path, **options).remarks}


def cells(*names, every=1):
    columns = writer.columns()
    return np.column_stack([[float(one) for one in columns[name][::every]] for name in names])


def test_each_sensor_has_its_own_rows_and_values(tmp_path):
    found = tracks(writer.write(tmp_path))
    assert list(found) == [
        *("accel", "gyro", "gravity", "user_accel", "attitude", "mag", "pressure"),
        *("relative_altitude", "steps_total"),
    ]
    expected = {
        "accel": cells(*(f"accelerometerAcceleration{axis}(G)" for axis in XYZ)),
        "gyro": cells(*(f"motionRotationRate{axis}(rad/s)" for axis in XYZ), every=2),
        "gravity": cells(*(f"motionGravity{axis}(G)" for axis in XYZ), every=2),
        "user_accel": cells(*(f"motionUserAcceleration{axis}(G)" for axis in XYZ), every=2),
        "attitude": cells(*(f"motionQuaternion{axis}(R)" for axis in "WXYZ"), every=2),
        "mag": cells(*(f"motionMagneticField{axis}(µT)" for axis in XYZ), every=2),
        "pressure": cells("altimeterPressure(kPa)", every=100),
        "relative_altitude": cells("altimeterRelativeAltitude(m)", every=100),
    }
    for name, values in expected.items():
        np.testing.assert_allclose(found[name].values, values, atol=1e-6, err_msg=name)


def test_rows_in_are_rows_out_and_rows_that_repeat(tmp_path):
    for track in tracks(writer.write(tmp_path)).values():
        merged = sum(remark.count for remark in track.remarks if remark.code == "merged_rows")
        assert len(track.values) + merged == 200


def test_stamps_are_those_since_boot_on_the_wall_clock(tmp_path):
    found = gathered(writer.write(tmp_path))
    by_name = {track.name: track for track in found.tracks}
    assert found.clock == "utc"
    # The app writes whole milliseconds.
    assert np.abs(by_name["accel"].time_ns - (WALL_NS + np.arange(200) * 10_000_000)).max() <= 1_000_000
    assert np.abs(np.diff(by_name["accel"].time_ns) - 10_000_000).max() <= 1_000
    assert by_name["gyro"].time_ns[0] == by_name["accel"].time_ns[0]
    assert by_name["pressure"].time_ns[0] == by_name["accel"].time_ns[0] - 500_000_000


def test_steps_lie_at_the_dates_of_the_pedometer(tmp_path):
    steps = tracks(writer.write(tmp_path, seconds=3))["steps_total"]  # the count runs on; "steps" are those of a record
    assert steps.unit == "count"
    np.testing.assert_array_equal(steps.values[:, 0], [10, 20])
    second = int(writer.WALL.timestamp()) * 10**9
    np.testing.assert_array_equal(steps.time_ns, [second + 10**9, second + 2 * 10**9])


def test_heart_rate_is_read_by_its_own_dates(tmp_path):
    dates = ["null"] * 50 + ["2024-08-22 14:12:08 +0200"] * 100 + ["2024-08-22 14:12:09 +0200"] * 50
    changed = {"heartRateBPM(N)": ["0"] * 50 + ["61"] * 100 + ["62"] * 50, "heartRateBPMTimestamp(txt)": dates}
    changed["heartRateBPM(N)"][:50] = ["null"] * 50
    heart = tracks(writer.write(tmp_path, changed=changed))["heart_rate"]
    np.testing.assert_array_equal(heart.values[:, 0], [61, 62])
    assert heart.time_ns[1] - heart.time_ns[0] == 10**9


@pytest.mark.parametrize(("delimiter", "decimal"), [(";", ","), (";", "."), ("\t", ","), ("|", "."), ("|", ",")])
def test_separators_of_another_region_change_nothing(tmp_path, delimiter, decimal):
    here = tmp_path / "here"
    here.mkdir()
    usual, other = tracks(writer.write(tmp_path)), tracks(writer.write(here, delimiter=delimiter, decimal=decimal))
    assert list(usual) == list(other)
    for name, track in usual.items():
        np.testing.assert_array_equal(other[name].values, track.values)
        np.testing.assert_array_equal(other[name].time_ns, track.time_ns)


def test_the_order_of_columns_means_nothing(tmp_path):
    columns = writer.columns()
    path = tmp_path / "turned.csv"
    path.write_text(writer.text({name: columns[name] for name in reversed(columns)}), encoding="utf-8")
    usual, turned = tracks(writer.write(tmp_path)), tracks(path)
    assert set(usual) == set(turned)
    for name, track in usual.items():
        np.testing.assert_array_equal(turned[name].values, track.values)


def test_units_are_those_in_the_brackets(tmp_path):
    renamed = {
        **{f"accelerometerAcceleration{axis}(G)": f"accelerometerAcceleration{axis}(m/s^2)" for axis in XYZ},
        **{f"motionRotationRate{axis}(rad/s)": f"motionRotationRate{axis}(deg/s)" for axis in XYZ},
        "altimeterPressure(kPa)": "altimeterPressure(hPa)",
        **{f"motionMagneticField{axis}(µT)": f"motionMagneticField{axis}(μT)" for axis in XYZ},
    }
    here = tmp_path / "here"
    here.mkdir()
    usual, other = tracks(writer.write(tmp_path)), tracks(writer.write(here, renamed=renamed))
    np.testing.assert_allclose(other["accel"].values * 9.80665, usual["accel"].values, rtol=1e-5)
    np.testing.assert_allclose(np.degrees(other["gyro"].values), usual["gyro"].values, rtol=1e-5)
    np.testing.assert_allclose(other["pressure"].values * 10, usual["pressure"].values, rtol=1e-5)
    np.testing.assert_array_equal(other["mag"].values, usual["mag"].values)


@pytest.mark.parametrize(
    ("name", "renamed", "code"),
    [
        ("accelerometerAccelerationX(G)", "accelerometerAccelerationX", "unit_missing"),
        ("accelerometerAccelerationX(G)", "accelerometerAccelerationX(mg)", "unit"),
        ("motionGravityZ(G)", "motionGravityZ(m/s^2)", "unit"),
        ("motionGravityZ(G)", "motionGravity(G)", "columns_missing"),
        ("motionTimestamp_sinceReboot(s)", "motionTimestamp_since1970(s)", "columns_missing"),
        ("motionTimestamp_sinceReboot(s)", "motionTimestamp_sinceReboot(ms)", "time_unit"),
        ("motionYaw(rad)", "motionGravityX(rad)", "duplicate_columns"),
    ],
)
def test_a_header_that_says_too_little_or_otherwise_is_refused(tmp_path, name, renamed, code):
    with pytest.raises(RecordingError) as caught:
        gathered(writer.write(tmp_path, renamed={name: renamed}))
    assert caught.value.code == code


def test_a_field_without_unit_is_left_out_and_told_as_older_versions_wrote_it_so(tmp_path):
    renamed = {f"motionMagneticField{axis}(µT)": f"motionMagneticField{axis}" for axis in XYZ}
    path = writer.write(tmp_path, renamed=renamed)
    assert "mag" not in tracks(path)
    assert "motionMagneticFieldX" in said(path)["not_read"].note


@pytest.mark.parametrize(
    ("without", "streams"),
    [
        (
            ("accelerometer",),
            {"accel", "gyro", "gravity", "user_accel", "attitude", "mag"} | SLOW,
        ),
        (("motion", "altimeter", "pedometer"), {"accel"}),
        (
            ("accelerometer", "motionGravity"),
            {"gyro", "user_accel", "attitude", "mag"} | SLOW,
        ),
    ],
)
def test_sensors_that_were_not_logged_are_not_there(tmp_path, without, streams):
    assert set(tracks(writer.write(tmp_path, without=without))) == streams


def test_without_an_accelerometer_accel_is_gravity_and_user_acceleration(tmp_path):
    found = tracks(writer.write(tmp_path, without=("accelerometer",)))
    np.testing.assert_allclose(found["accel"].values, found["gravity"].values + found["user_accel"].values, atol=1e-6)


def test_raw_gyroscope_and_magnetometer_stand_in_for_device_motion(tmp_path):
    ticks = np.arange(200)
    changed = {
        "gyroTimestamp_sinceReboot(s)": [repr(float(writer.BOOT_S + tick / 100)) for tick in ticks],
        **{f"gyroRotation{axis}(rad/s)": [repr(float(tick)) for tick in ticks] for axis in XYZ},
        "magnetometerTimestamp_sinceReboot(s)": [repr(float(writer.BOOT_S + tick / 100)) for tick in ticks],
        **{f"magnetometer{axis}(µT)": [repr(float(tick)) for tick in ticks] for axis in XYZ},
    }
    found = tracks(writer.write(tmp_path, without=("motion",), changed=changed))
    np.testing.assert_array_equal(found["gyro"].values[:, 0], ticks)
    np.testing.assert_array_equal(found["mag"].values[:, 0], ticks)
    both = writer.write(tmp_path, changed=changed)
    assert len(tracks(both)["gyro"].values) == 100
    assert "gyroRotationX(rad/s)" in said(both)["not_read"].note


def raw_field():
    ticks = np.arange(200)
    return {
        "magnetometerTimestamp_sinceReboot(s)": [repr(float(writer.BOOT_S + tick / 100)) for tick in ticks],
        **{f"magnetometer{axis}(µT)": [repr(float(tick)) for tick in ticks] for axis in XYZ},
    }


def test_a_field_that_is_not_calibrated_is_missing(tmp_path):
    field = {f"motionMagneticField{axis}(µT)": ["0.0"] * 100 + ["20.5"] * 100 for axis in XYZ}
    path = writer.write(tmp_path, changed={**field, **raw_field(), ACCURACY: ["-1"] * 100 + ["2"] * 100})
    mag = tracks(path)["mag"]
    assert len(mag.values) == 100
    assert np.isnan(mag.values[:50]).all()
    np.testing.assert_array_equal(mag.values[50:], np.full((50, 3), 20.5, np.float32))
    assert {remark.code: remark.count for remark in mag.remarks}["not_calibrated"] == 50
    assert "magnetometerX(µT)" in said(path)["not_read"].note
    assert ACCURACY not in said(path)["not_read"].note


def test_where_no_field_is_calibrated_the_raw_one_is_read(tmp_path):
    path = writer.write(tmp_path, changed={**raw_field(), ACCURACY: ["-1"] * 200})
    np.testing.assert_array_equal(tracks(path)["mag"].values, np.repeat(np.arange(200.0)[:, None], 3, axis=1))
    found = said(path)
    assert (found["not_calibrated"].count, found["not_calibrated"].stream) == (200, "mag")
    assert "raw magnetometer" in found["not_calibrated"].note
    assert "motionMagneticFieldX(µT)" in found["not_read"].note
    findings = assemble(gathered(path), Request(Spool())).findings
    assert list(findings.loc[findings["code"] == "not_calibrated", "stream"]) == ["mag"]


def test_where_no_field_is_calibrated_and_none_is_raw_all_are_missing(tmp_path):
    silent = {name: ["null"] * 200 for name in raw_field()}
    for changed in ({}, silent):
        mag = tracks(writer.write(tmp_path, changed={**changed, ACCURACY: ["-1"] * 200}))["mag"]
        assert np.isnan(mag.values).all()
        assert {remark.code: remark.count for remark in mag.remarks}["not_calibrated"] == 100


def test_a_log_of_older_versions_is_refused_with_a_cure_that_works(tmp_path):
    older = tmp_path / "older"
    older.mkdir()
    columns = writer.columns(label="state(N)")
    path = writer.write(older, label="state(N)", renamed={name: name.partition("(")[0] for name in columns})
    with pytest.raises(RecordingError) as caught:
        load(path)
    assert caught.value.code == "unit_missing"
    remedy = caught.value.remedy
    assert "repair=('drop_exact',)" in remedy
    assert "{'accelerometerTimestamp_sinceReboot': ('time', 's'), 'accelerometerAccelerationX': ('accel.x', " in remedy
    usual = load(writer.write(tmp_path))
    for stream, base, stamp in (
        ("accel", "accelerometerAcceleration", "accelerometerTimestamp_sinceReboot"),
        ("gyro", "motionRotationRate", "motionTimestamp_sinceReboot"),
    ):
        unit = "g" if stream == "accel" else "rad/s"
        schema = {stamp: ("time", "s"), **{f"{base}{axis}": (f"{stream}.{axis.lower()}", unit) for axis in XYZ}}
        found = load(path, format="table", schema=schema, repair=("drop_exact",))[stream]
        np.testing.assert_array_equal(found.values, usual[stream].values)
        np.testing.assert_allclose(np.diff(found.time), np.diff(usual[stream].time), atol=1e-9)


def test_height_above_the_start_is_a_stream_of_its_own(tmp_path):
    height = load(writer.write(tmp_path))["relative_altitude"]
    assert (height.unit, height.channels) == ("m", ("relative_altitude",))


def test_a_sensor_that_speaks_late_has_no_rows_before(tmp_path):
    names = [name for name in writer.columns() if name.startswith("motion")]
    changed = {name: ["null"] * 50 + writer.columns()[name][50:] for name in names}
    gyro = tracks(writer.write(tmp_path, changed=changed))["gyro"]
    assert len(gyro.values) == 75
    assert gyro.remarks[0].count == 125
    assert "in 50 rows it gave none" in gyro.remarks[0].note


def test_new_values_under_an_old_stamp_are_refused_and_spread_when_asked(tmp_path):
    name = "accelerometerTimestamp_sinceReboot(s)"
    stamps = writer.columns()[name]
    path = writer.write(tmp_path, changed={name: [*stamps[:101], stamps[100], *stamps[102:]]})
    with pytest.raises(RecordingError, match="new by accelerometerTimestamp") as caught:
        gathered(path)
    assert caught.value.code == "equal_stamps"
    assert len(tracks(path, repair=["spread_stamps"])["accel"].values) == 200


def test_time_that_goes_back_is_refused(tmp_path):
    name = "accelerometerTimestamp_sinceReboot(s)"
    stamps = writer.columns()[name]
    with pytest.raises(RecordingError) as caught:
        gathered(writer.write(tmp_path, changed={name: [*stamps[100:], *stamps[:100]]}))
    assert caught.value.code == "time_backwards"


def test_labels_are_runs_that_end_where_the_next_begins(tmp_path):
    found = gathered(writer.write(tmp_path))
    start = int(found.tracks[0].time_ns[0])
    spans = [(round((mark.start_ns - start) / 1e9, 6), round((mark.stop_ns - start) / 1e9, 6)) for mark in found.marks]
    assert spans == [(0.0, 0.5), (0.5, 1.99)]
    assert [(mark.label, mark.tier) for mark in found.marks] == [("1", "app"), ("2", "app")]
    assert list(found.labelled) == ["app"]


def test_rows_without_a_label_are_not_labelled(tmp_path):
    path = writer.write(tmp_path, changed={"label(N)": ["null"] * 100 + ["wash"] * 50 + ["null"] * 50})
    found = gathered(path)
    (mark,) = found.marks
    assert (mark.label, mark.stop_ns - mark.start_ns) == ("wash", 500_000_000)
    assert list(found.labelled["app"]) == [(mark.start_ns, mark.stop_ns)]


def test_a_label_does_not_bridge_a_gap(tmp_path):
    name, one = "accelerometerTimestamp_sinceReboot(s)", ["1"] * 200
    stamps = [repr(float(stamp) + 3600 * (row >= 100)) for row, stamp in enumerate(writer.columns()[name])]
    found = gathered(writer.write(tmp_path, changed={name: stamps, "label(N)": one}))
    assert [round((mark.stop_ns - mark.start_ns) / 1e9, 6) for mark in found.marks] == [0.99, 0.99]
    assert list(found.labelled["app"]) == [(mark.start_ns, mark.stop_ns) for mark in found.marks]


def test_rows_that_repeat_a_slow_sensor_are_no_gaps(tmp_path):
    found = gathered(writer.write(tmp_path, without=("accelerometer", "motion", "deviceID")))
    assert [mark.label for mark in found.marks] == ["1", "2"]


def test_no_beat_is_a_missing_value(tmp_path):
    dates = [f"2024-08-22 14:12:{8 + row // 50:02d} +0200" for row in range(200)]
    beats = [["61", "0", "255", "62"][row // 50] for row in range(200)]
    changed = {"heartRateBPM(N)": beats, "heartRateBPMTimestamp(txt)": dates}
    heart = tracks(writer.write(tmp_path, changed=changed))["heart_rate"]
    np.testing.assert_array_equal(heart.values[:, 0], [61, np.nan, np.nan, 62])
    assert {remark.code: remark.count for remark in heart.remarks}["no_beat"] == 2


def test_a_quaternion_that_is_no_turn_is_refused(tmp_path):
    name = "motionQuaternionW(R)"
    cells = writer.columns()[name]
    with pytest.raises(RecordingError) as caught:
        gathered(writer.write(tmp_path, changed={name: [*cells[:100], "3.0", *cells[101:]]}))
    assert caught.value.code == "attitude_length"


@pytest.mark.parametrize("name", ["label", "state(N)"])
def test_other_versions_name_the_labels_otherwise(tmp_path, name):
    assert len(gathered(writer.write(tmp_path, label=name)).marks) == 2


def test_a_log_without_labels_says_nothing_of_silence(tmp_path):
    found = gathered(writer.write(tmp_path, without=("label",)))
    assert (tuple(found.marks), found.labelled) == ((), {})


def test_a_wall_clock_without_offset_is_local(tmp_path):
    found = gathered(writer.write(tmp_path, zone=None))
    assert found.clock == "local"
    assert abs(found.tracks[0].time_ns[0] - WALL_NS) <= 1_000_000


def test_offsets_from_utc_give_the_same_moment(tmp_path):
    path = writer.write(tmp_path, zone=timezone(-timedelta(hours=3, minutes=30)))
    assert abs(gathered(path).tracks[0].time_ns[0] - WALL_NS) <= 1_000_000


@pytest.mark.parametrize("form", ["2024-08-22T14:12:07.889+02:00", "2024-08-22T12:12:07.889Z"])
def test_iso_times_are_read(tmp_path, form):
    path = writer.write(tmp_path, changed={"loggingTime(txt)": [form] * 200})
    assert gathered(path).clock == "utc"


def test_without_a_wall_clock_the_date_is_unknown(tmp_path):
    path = writer.write(tmp_path, without=("loggingTime",))
    found = gathered(path)
    assert found.clock == "none"
    assert found.tracks[0].time_ns[0] == round(writer.BOOT_S * 1e9)
    assert {"clock_missing", "not_read"} <= {remark.code for remark in found.remarks}
    assert "steps_total" not in tracks(path)  # its dates have no place on a clock since boot


def test_a_date_with_the_day_first_is_refused(tmp_path):
    path = writer.write(tmp_path, changed={"loggingTime(txt)": ["22.08.2024 14:12:07"] * 200})
    with pytest.raises(RecordingError, match="row 0") as caught:
        gathered(path)
    assert caught.value.code == "date_format"


def test_dates_of_the_pedometer_that_cannot_be_read_cost_the_steps_alone(tmp_path):
    path = writer.write(tmp_path, changed={"pedometerEndDate(txt)": ["22.08.2024"] * 200})
    assert "steps_total" not in tracks(path)
    assert {"accel", "gyro"} <= set(tracks(path))
    notes = [remark.note for remark in gathered(path).remarks]
    assert any("pedometerNumberofSteps(N), date_format" in note for note in notes)


def test_drift_between_both_clocks_is_told_in_ppm(tmp_path):
    columns = writer.columns(seconds=8, drift_ppm=0)
    ticks = np.arange(800)
    boot_s = writer.BOOT_S + ticks  # one row a second: 13 minutes
    wall = [writer.WALL + timedelta(seconds=float(tick * (1 + 80e-6))) for tick in ticks]
    changed = {
        "accelerometerTimestamp_sinceReboot(s)": [repr(float(one)) for one in boot_s],
        "loggingTime(txt)": [f"{one:%Y-%m-%d %H:%M:%S}.{one.microsecond // 1000:03d} +0000" for one in wall],
    }
    path = tmp_path / "long.csv"
    kept = {
        name: one for name, one in {**columns, **changed}.items() if not name.startswith(("motion", "alti", "pedo"))
    }
    path.write_text(writer.text(kept), encoding="utf-8")
    ppm = float(said(path)["clock_drift"].note.split(" ppm")[0].split()[-1])
    assert ppm == pytest.approx(80, abs=2)


def test_stamps_that_go_back_give_no_drift():
    boot_ns = 10**9 * np.array([0, 700, 0, *[100] * 24, 0, 0, 650])
    assert of_drift(boot_ns, boot_ns + 5, jumps_above_ns=10**9) == ()


def test_rows_that_were_written_late_are_told(tmp_path):
    times = writer.columns()["loggingTime(txt)"]
    late = [one.replace("14:12:0", "14:12:3") if 50 <= row < 60 else one for row, one in enumerate(times)]
    path = writer.write(tmp_path, changed={"loggingTime(txt)": late})
    jump = said(path)["clock_jump"]
    assert jump.count == 2
    assert "30.0 s" in jump.note
    assert jump.span_ns == pytest.approx((WALL_NS + 490_000_000, WALL_NS + 600_000_000), abs=1_000_000)
    assert abs(gathered(path).tracks[0].time_ns[0] - WALL_NS) <= 1_000_000  # the median does not follow them


def test_what_identifies_a_person_is_not_told(tmp_path):
    found = repr(gathered(writer.write(tmp_path)))
    assert "Anna" not in found
    assert "48.137" not in found


def test_it_becomes_a_recording(tmp_path):
    path = writer.write(tmp_path)
    recording = assemble(gathered(path), Request(Spool()))
    assert recording["accel"].rate_hz == pytest.approx(100, rel=1e-4)
    assert recording["gyro"].rate_hz == pytest.approx(50, rel=1e-4)
    assert list(recording.labels["label"]) == ["1", "2"]


def test_arrays_on_disk_are_those_in_memory(tmp_path):
    (tmp_path / "spool").mkdir()
    path = writer.write(tmp_path)
    on_disk, in_memory = tracks(path, folder=tmp_path / "spool"), tracks(path)
    assert_same_arrays(in_memory, on_disk)


def test_a_cut_last_line_is_refused_and_dropped_when_asked(tmp_path):
    path = writer.write(tmp_path)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(RecordingError) as caught:
        gathered(path)
    assert caught.value.code == "cut_tail"
    assert len(tracks(path, repair=["drop_tail"])["accel"].values) == 199
    assert said(path, repair=["drop_tail"])["drop_tail"].count == 1


def test_a_packed_log_is_the_same(tmp_path):
    path = writer.write(tmp_path)
    packed = tmp_path / "log.csv.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert recognises(packed)
    np.testing.assert_array_equal(tracks(packed)["accel"].values, tracks(path)["accel"].values)
    packed.write_bytes(packed.read_bytes()[:300])
    with pytest.raises(RecordingError):
        gathered(packed)


def test_a_header_alone_is_empty(tmp_path):
    path = writer.write(tmp_path)
    path.write_text(path.read_text(encoding="utf-8").partition("\n")[0] + "\n", encoding="utf-8")
    with pytest.raises(EmptyRecordingError):
        gathered(path)


def test_a_log_of_places_alone_is_not_of_a_wrist(tmp_path):
    path = writer.write(tmp_path, without=("accelerometer", "motion", "altimeter", "pedometer"))
    assert recognises(path)
    with pytest.raises(NotThisFormatError, match="no sensor"):
        gathered(path)


def test_a_log_whose_sensors_never_spoke_is_empty(tmp_path):
    columns = writer.columns()
    silent = {name: ["null"] * 200 for name in columns if name.startswith(("acc", "mot", "alt", "ped"))}
    with pytest.raises(EmptyRecordingError):
        assemble(gathered(writer.write(tmp_path, changed=silent)), Request(Spool()))


@pytest.mark.parametrize("content", [b"", b"time,x,y,z\n1,2,3,4\n", b"\x00\x01\x02", b"PK\x03\x04"])
def test_other_files_are_not_recognised(tmp_path, content):
    (tmp_path / "file").write_bytes(content)
    assert not recognises(tmp_path / "file")
    assert not recognises(tmp_path)


def test_broken_bytes_end_in_tracks_or_in_one_of_our_errors(tmp_path):
    path = writer.write(tmp_path, seconds=0.3)
    whole = path.read_bytes()
    header = whole.index(b"\n")
    chance, ends = random.Random(9), {"read": 0, "refused": 0}  # noqa: S311
    for _ in range(300):
        broken = bytearray(whole)
        for _ in range(chance.choice((1, 2, 8))):
            at = chance.randrange(len(broken)) if chance.random() < 0.8 else chance.randrange(header)
            broken[at] = chance.choice(b'0123456789.,-e\n"x\x00\xff')
        if chance.random() < 0.1:
            del broken[chance.randrange(len(broken)) :]
        path.write_bytes(broken)
        try:
            assemble(gathered(path), Request(Spool()))
            ends["read"] += 1
        except RecordingError:
            ends["refused"] += 1
    assert min(ends.values()) > 10


def test_a_clock_set_on_at_half_of_the_file_is_one_that_rows_state(tmp_path):
    wall = writer.columns()["loggingTime(txt)"]
    later = wall[:100] + [text.replace("+0200", "+0100") for text in wall[100:]]
    path = writer.write(tmp_path, changed={"loggingTime(txt)": later})
    assert tracks(path)["accel"].time_ns[0] == pytest.approx(WALL_NS, abs=2e9)
    assert "clock_jump" in said(path)


def test_two_devices_in_one_log_are_refused_and_not_named(tmp_path):
    devices = {"deviceID(txt)": ["Annas iPhone"] * 100 + ["Bobs iPhone"] * 100}
    with pytest.raises(RecordingError, match="2 devices") as caught:
        gathered(writer.write(tmp_path, changed=devices))
    assert caught.value.code == "several_recordings"
    assert "Anna" not in str(caught.value)
