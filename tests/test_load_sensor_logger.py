"""Sensor Logger beyond the watch's motion: the phone, JSON, pressure, magnetic field and sound."""

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.formats import apple_health
from tests.formats import sensor_logger as writer
from wristkit.errors import NotThisFormatError, RecordingError, TruncatedError
from wristkit.load import load, sensor_logger, sensor_logger_json, sensor_logger_phone
from wristkit.load.schema import example

START_NS = 1_772_438_400_000_000_000
GRAVITY = 9.80665
ROWS = 400


def rows_of(columns, *, step_ns=10_000_000):
    """A CSV as the app writes it: columns in its own z, y, x order, stamps first."""
    names = list(columns)[::-1]
    lines = [f"time,seconds_elapsed,{','.join(names)}"]
    for row in range(len(columns[names[0]])):
        stamp = START_NS + row * step_ns
        lines.append(f"{stamp},{row * step_ns / 1e9},{','.join(repr(float(columns[name][row])) for name in names)}")
    return "\n".join(lines) + "\n"


def xyz(values):
    return dict(zip("xyz", np.asarray(values).T, strict=True))


@pytest.fixture
def moves():
    """User acceleration, gravity (m/s2, iOS) and rotation of a phone that lies face up and is nudged."""
    rng = np.random.default_rng(3)
    user = rng.normal(scale=0.05, size=(ROWS, 3))
    gravity = np.tile([0.0, 0.0, -GRAVITY], (ROWS, 1))
    return user, gravity, rng.normal(scale=0.01, size=(ROWS, 3))


def phone(folder, moves, *, platform="ios", standardisation="false", sign=1, total=False):
    user, gravity, gyro = moves
    folder.mkdir()
    files = {
        "Accelerometer.csv": rows_of(xyz(sign * user)),
        "Gravity.csv": rows_of(xyz(sign * gravity)),
        "Gyroscope.csv": rows_of(xyz(gyro)),
        "Magnetometer.csv": rows_of(xyz(np.tile([20.0, -5.0, 40.0], (ROWS, 1)))),
        "Barometer.csv": rows_of({"relativeAltitude": np.zeros(4), "pressure": np.full(4, 1013.25)}, step_ns=10**9),
        "Light.csv": rows_of({"lux": np.full(4, 300.0)}, step_ns=10**9),
        "Location.csv": "time,seconds_elapsed,latitude,longitude\n1,0,47.1,8.2\n",
        "Metadata.csv": f"platform,appVersion,standardisation,name\n{platform},1.70,{standardisation},Somebody\n",
    }
    if total:
        files["TotalAcceleration.csv"] = rows_of(xyz(sign * (user + gravity)))
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize(
    ("stated", "sign"),
    [
        ({}, 1),
        ({"standardisation": "true"}, -1),
        ({"platform": "android"}, -1),
        ({"platform": "android", "total": True}, -1),
    ],
)
def test_every_platform_and_setting_gives_core_motions_signs_in_g(tmp_path, moves, stated, sign):
    user, gravity, gyro = moves
    recording = load(phone(tmp_path / "a", moves, sign=sign, **stated))
    np.testing.assert_allclose(recording.accel.values, (user + gravity) / GRAVITY, atol=1e-6)
    np.testing.assert_allclose(recording.user_accel.values, user / GRAVITY, atol=1e-6)
    np.testing.assert_allclose(recording.gravity.values[:, 2], -1, atol=1e-6)
    np.testing.assert_allclose(recording.gyro.values, gyro, atol=1e-6)
    np.testing.assert_allclose(recording.pressure.values, 101.325, rtol=1e-6)
    assert recording.light.values[0, 0] == 300
    assert recording.source["format"] == "sensor_logger_phone"
    assert "Location.csv" in recording.findings.set_index("code").loc["not_read", "note"]
    assert "Somebody" not in str(recording.source)


def test_a_wrong_sign_cannot_hide_where_no_metadata_state_the_platform(tmp_path, moves):
    folder = phone(tmp_path / "a", moves)
    (folder / "Metadata.csv").unlink()
    with pytest.raises(RecordingError, match="opposite signs") as caught:
        load(folder)
    assert caught.value.code == "platform_missing"


def undeclared(folder, moves, *, version="1.70", sign=1):
    """An iPhone's export whose metadata lack the flag of "Standardise Units & Frames"."""
    folder = phone(folder, moves, sign=sign)
    (folder / "Metadata.csv").write_text(f"platform,appVersion\nios,{version}\n")
    return folder


def tilted(moves, *, degrees=60):
    """The same moves of a phone that is turned about x, and the columns of its attitude."""
    user, gravity, gyro = moves
    angle = np.deg2rad(degrees)
    turned = np.tile([0.0, -GRAVITY * np.sin(angle), -GRAVITY * np.cos(angle)], (len(gravity), 1))
    attitude = np.tile([np.cos(angle / 2), np.sin(angle / 2), 0.0, 0.0], (len(gravity), 1))
    return (user, turned, gyro), dict(zip(("qw", "qx", "qy", "qz"), attitude.T, strict=True))


def noted(recording, code):
    """The note of the one finding of this code."""
    (note,) = recording.findings.query("code == @code")["note"]
    return note


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("degrees", [0, 60, 120, 180])
def test_signs_that_no_metadata_state_are_those_that_attitude_shows(tmp_path, moves, sign, degrees):
    moves, attitude = tilted(moves, degrees=degrees)
    folder = undeclared(tmp_path / "a", moves, sign=sign)
    (folder / "Orientation.csv").write_text(rows_of({"yaw": np.zeros(ROWS), **attitude}))
    recording = load(folder)
    np.testing.assert_allclose(recording.gravity.values, moves[1] / GRAVITY, atol=1e-6)
    np.testing.assert_allclose(recording.accel.values, (moves[0] + moves[1]) / GRAVITY, atol=1e-6)
    assert ("attitude" in recording.streams) == (sign == 1)
    assert ("opposite" in noted(recording, "sign_from_data")) == (sign == -1)


def test_attitude_of_another_time_decides_nothing(tmp_path, moves):
    moves, attitude = tilted(moves)
    folder = undeclared(tmp_path / "a", moves)
    late = rows_of(attitude).replace(str(START_NS)[:8], str(START_NS + 10**13)[:8])
    (folder / "Orientation.csv").write_text(late)
    with pytest.raises(RecordingError) as caught:
        load(folder)
    assert caught.value.code == "sign_unknown"


@pytest.mark.parametrize(("version", "named"), [("1.28", "version 1.28"), ("1.9.2", "1.9"), ("", "unstated version")])
def test_old_versions_without_the_flag_are_core_motions_and_that_is_said(tmp_path, moves, version, named):
    recording = load(undeclared(tmp_path / "a", moves, version=version))
    np.testing.assert_allclose(recording.gravity.values[:, 2], -1, atol=1e-6)
    assert named in noted(recording, "sign_assumed")


def test_a_new_version_without_the_flag_is_refused_where_nothing_shows_the_signs(tmp_path, moves):
    with pytest.raises(RecordingError, match=r"1\.29 writes either sign") as caught:
        load(undeclared(tmp_path / "a", moves, version="1.29"))
    assert caught.value.code == "sign_unknown"


def test_signs_that_are_stated_need_no_finding(tmp_path, moves):
    assert not {"sign_assumed", "sign_from_data"} & set(load(phone(tmp_path / "a", moves)).findings["code"])


def test_a_quaternion_of_a_phone_that_is_none_is_refused_with_its_row(tmp_path, moves):
    moves, attitude = tilted(moves)
    attitude["qw"] = attitude["qw"].copy()
    attitude["qw"][7] = 1.2
    folder = phone(tmp_path / "a", moves)
    (folder / "Orientation.csv").write_text(rows_of(attitude))
    with pytest.raises(RecordingError) as caught:
        load(folder)
    assert (caught.value.code, caught.value.file, caught.value.row) == ("attitude_length", "Orientation.csv", 7)


def test_orientation_in_angles_alone_is_told_as_not_read(tmp_path, moves):
    folder = phone(tmp_path / "a", moves)
    (folder / "Orientation.csv").write_text(rows_of({"yaw": np.zeros(ROWS), "roll": np.zeros(ROWS)}))
    assert "Orientation.csv" in noted(load(folder), "not_read")


def test_parts_of_other_stamps_are_not_added(tmp_path, moves):
    user, gravity, _ = moves
    folder = phone(tmp_path / "a", moves)
    (folder / "Gravity.csv").write_text(rows_of(xyz(gravity[:200]), step_ns=20_000_000))
    recording = load(folder)
    assert "accel" not in recording.streams
    assert len(recording.user_accel) == len(user)
    assert "not_added" in set(recording.findings["code"])


def watch(folder, moves):
    """A watch's export; the phone's files lie in the same folder."""
    user, gravity, gyro = moves
    folder = phone(folder, moves)
    columns = {f"rotationRate{axis.upper()}": column for axis, column in xyz(gyro).items()}
    columns |= {f"gravity{axis.upper()}": column for axis, column in xyz(gravity / GRAVITY).items()}
    columns |= {f"acceleration{axis.upper()}": column for axis, column in xyz(user / GRAVITY).items()}
    (folder / "WristMotion.csv").write_text(rows_of(columns))
    air = {"relativeAltitude": np.arange(4) / 8, "pressure": np.full(4, 101.3)}
    (folder / "WatchBarometer.csv").write_text(rows_of(air, step_ns=10**9))
    (folder / "WatchMicrophone.csv").write_text(rows_of({"dBFS": np.full(4, -40.0)}, step_ns=10**9))
    soundfile.write(folder / "WatchMicrophone.wav", np.sin(np.arange(16_000) / 8), 16_000)
    return folder


def test_watch_and_phone_are_two_devices_and_never_one_recording(tmp_path, moves):
    folder = watch(tmp_path / "a", moves)
    recording = load(folder)
    assert recording.source["format"] == "sensor_logger"
    air = {"pressure", "relative_altitude"}
    assert set(recording.streams) == {"accel", "user_accel", "gravity", "gyro", *air, "loudness", "audio"}
    assert recording.pressure.values[0, 0] == np.float32(101.3)
    assert "Accelerometer.csv" in recording.findings.set_index("code").loc["not_read", "note"]
    beside = load(folder, format="sensor_logger_phone")
    assert beside.source["format"] == "sensor_logger_phone"
    assert "mag" in beside.streams
    assert beside.id != recording.id


def test_sound_lies_beside_the_motion_and_says_how_it_was_laid(tmp_path, moves):
    recording = load(watch(tmp_path / "a", moves))
    assert recording.audio.rate_hz == 16_000
    assert recording.audio.start_s == 0
    assert {"sound_start", "rate_stated"} <= set(recording.findings.query("stream == 'audio'")["code"])
    quiet = load(tmp_path / "a", keep_audio=False)
    assert set(quiet.streams) == set(recording.streams) - {"audio"} | {"mel", "level"}
    assert quiet["level"].start_s == pytest.approx(recording.audio.start_s + 159 / 16_000)


def test_height_above_the_start_is_a_stream_of_its_own(tmp_path, moves):
    folder = watch(tmp_path / "a", moves)
    for format_, heights in (("sensor_logger", np.arange(4) / 8), ("sensor_logger_phone", np.zeros(4))):
        stream = load(folder, format=format_)["relative_altitude"]
        np.testing.assert_array_equal(stream.values[:, 0], heights.astype(np.float32))
        assert (stream.unit, stream.channels) == ("m", ("relative_altitude",))
    (folder / "WatchBarometer.csv").write_text(rows_of({"pressure": np.full(4, 101.3)}, step_ns=10**9))
    assert "relative_altitude" not in load(folder).streams


def test_sound_is_laid_at_its_loudness_else_at_the_earliest_stamp_of_all_and_says_where(tmp_path, moves):
    folder = watch(tmp_path / "a", moves)
    (folder / "HeartRate.csv").write_text(f"time,seconds_elapsed,bpm\n{START_NS - 2 * 10**9},0,60\n{START_NS},2,61\n")
    with_loudness = load(folder)
    assert with_loudness.audio.start_s == 2
    assert "of its loudness, in WatchMicrophone.csv" in noted(with_loudness, "sound_start")
    (folder / "WatchMicrophone.csv").unlink()
    without = load(folder)
    assert without.audio.start_s == 0
    assert "of the recording, in HeartRate.csv" in noted(without, "sound_start")


@pytest.mark.parametrize("format_", ["sensor_logger", "sensor_logger_phone"])
def test_damaged_sound_that_is_not_wanted_keeps_nothing_else_from_being_read_and_that_is_said(tmp_path, moves, format_):
    folder = watch(tmp_path / "a", moves)
    for name in ("WatchMicrophone.wav", "Microphone.wav"):
        (folder / name).write_bytes(b"RIFF\xff\xff\xff\xffWAVE" + bytes(100))  # decoding it would raise
    with pytest.raises(RecordingError):
        load(folder, format=format_)
    recording = load(folder, format=format_, keep_audio=False)
    assert "as asked" in noted(recording, "audio_left_out")
    assert "nothing was made of the sound, which cannot be read" in noted(recording, "feature_not_made")
    mine = "WatchMicrophone.wav" if format_ == "sensor_logger" else " Microphone.wav"
    assert mine not in noted(recording, "not_read")


def test_sound_that_cannot_be_decoded_is_told(tmp_path, moves):
    folder = watch(tmp_path / "a", moves)
    (folder / "WatchMicrophone.wav").unlink()
    (folder / "WatchMicrophone.mp4").write_bytes(b"\0\0\0\x18ftypM4A " + bytes(64))
    recording = load(folder)
    assert "audio" not in recording.streams
    assert "AAC" in recording.findings.set_index("code").loc["sound_not_read", "note"]


def as_json(folder):
    """Return the same export as the app's JSON has it: one list of readings, all values text."""
    readings = []
    for file in sorted(folder.glob("*.csv")):
        header, *lines = file.read_text().splitlines()
        rows = (dict(zip(header.split(","), line.split(","), strict=True)) for line in lines)
        readings += [{"sensor": file.stem, **row} for row in rows]
    return json.dumps(readings)


def test_json_and_csv_are_one_recording(tmp_path, moves):
    folder = watch(tmp_path / "a", moves)
    (folder / "WatchMicrophone.wav").unlink()
    (tmp_path / "b.json").write_text(as_json(folder))
    assert load(tmp_path / "b.json").id == load(folder).id


@pytest.mark.parametrize("chunk", [500, 657, 4096])
def test_json_is_the_same_in_parts_of_any_size(tmp_path, moves, chunk, monkeypatch):
    folder = watch(tmp_path / "a", moves)
    (tmp_path / "b.json").write_text(as_json(folder) + "\r\n \t\n" * 2000)
    whole = load(tmp_path / "b.json", format="sensor_logger")
    monkeypatch.setattr(sensor_logger_json, "_CHUNK_CHARACTERS", chunk)
    monkeypatch.setattr(sensor_logger_json, "_LONGEST_READING", 500)
    assert load(tmp_path / "b.json", format="sensor_logger").id == whole.id


@pytest.mark.parametrize("between", ["", "\n", " " * 2**21])
def test_two_lists_in_one_json_are_not_half_a_recording(tmp_path, moves, between):
    text = as_json(watch(tmp_path / "a", moves))
    (tmp_path / "b.json").write_text(text + between + text)
    with pytest.raises(RecordingError, match="two exports were joined") as caught:
        load(tmp_path / "b.json")
    assert (caught.value.code, caught.value.row) == ("joined", text.count('"sensor"'))


def test_a_reading_that_lacks_a_field_is_refused_and_not_filled(tmp_path, moves):
    readings = json.loads(as_json(watch(tmp_path / "a", moves)))
    last = max(number for number, one in enumerate(readings) if one["sensor"] == "WristMotion")
    del readings[last]["gravityX"]
    (tmp_path / "b.json").write_text(json.dumps(readings))
    with pytest.raises(RecordingError, match="not those of the others") as caught:
        load(tmp_path / "b.json")
    assert (caught.value.code, caught.value.row) == ("not_a_table", last)


@pytest.mark.parametrize("cut", [10, 100, 5000])
def test_a_cut_json_is_an_error_that_names_the_reading(tmp_path, moves, cut):
    (tmp_path / "b.json").write_text(as_json(watch(tmp_path / "a", moves))[:-cut])
    with pytest.raises(TruncatedError) as caught:
        load(tmp_path / "b.json")
    assert caught.value.row is not None


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('[{"sensor": "WristMotion", "time": 1}, 7]', "not_a_table"),
        ('[{"sensor": "../../WristMotion", "WristMotion": "WristMotion"}]', "not_a_table"),
        ('[{"sensor": "WristMotion", "time": 1}, {"sensor": "WristMotion", "other": 2}]', "not_a_table"),
        ('[{"sensor": "WristMotion", "time": 1}, {"sensor": ]', "truncated"),
    ],
)
def test_json_that_is_no_list_of_readings_is_a_typed_error(tmp_path, text, code):
    (tmp_path / "b.json").write_text(text)
    with pytest.raises(RecordingError) as caught:
        load(tmp_path / "b.json", format="sensor_logger")
    assert caught.value.code == code
    assert list(tmp_path.parent.glob("WristMotion*")) == []


def test_a_heart_rate_of_255_means_that_there_is_none(tmp_path):
    written = writer.contents()["HeartRate.csv"].replace(b",62", b",255")
    recording = load(writer.write(tmp_path, replaced={"HeartRate.csv": written}))
    values = recording["heart_rate"].values
    assert not (values == 255).any()
    assert np.isnan(values).any()
    assert "no_beat" in set(recording.findings["code"])


# Signs of the watch


@pytest.mark.parametrize("size", [1.0, -1.0, GRAVITY, -GRAVITY])
@pytest.mark.parametrize("standardisation", ["false", "true", ""])
def test_signs_of_a_wear_os_watch_are_those_that_attitude_shows(tmp_path, size, standardisation):
    apple = load(writer.write(tmp_path, rows=200))
    written = writer.contents(rows=200, size=size, platform="android", standardisation=standardisation)
    recording = load(writer.write(tmp_path, replaced=written))
    for stream in ("accel", "user_accel", "gravity", "gyro", "attitude"):
        np.testing.assert_allclose(recording[stream].values, apple[stream].values, atol=2e-6)
    told = recording.findings.query("code == 'sign_from_data' and stream == 'accel'").iloc[0]
    assert ("were turned" in told["note"]) == (size < 0)
    assert ("m/s2" in told["note"]) == (abs(size) > 1)
    assert told["count"] == 200


def test_signs_of_a_wear_os_watch_that_nothing_shows_are_asked_for_and_can_be_given(tmp_path):
    folder = writer.write(tmp_path, size=-1.0, attitude=False, platform="android")
    with pytest.raises(RecordingError, match="platform is android") as caught:
        load(folder)
    assert (caught.value.code, caught.value.file) == ("sign_unknown", "WristMotion.csv")
    assert "format='table'" in caught.value.remedy
    schema = {"time": ("time", "ns")} | {
        f"gravity{axis}": (f"gravity.{axis.lower()}", "g", "android") for axis in "XYZ"
    }
    given = load(folder / "WristMotion.csv", format="table", schema=schema)
    np.testing.assert_allclose(given.gravity.values[0], [0, 0, -1], atol=1e-6)


def test_an_attitude_that_shows_neither_sign_decides_nothing(tmp_path):
    upright = writer.contents(platform="android")["WristMotion.csv"].decode().splitlines()
    lines = [upright[0], *(f"{line.rsplit(',', 4)[0]},0.707107,0.707107,0,0" for line in upright[1:3])]
    path = writer.write(tmp_path, replaced={"WristMotion.csv": ("\n".join(lines) + "\n").encode()}, platform="android")
    with pytest.raises(RecordingError) as caught:
        load(path)
    assert caught.value.code == "sign_unknown"


@pytest.mark.parametrize(("size", "standardisation"), [(1.0, "false"), (-GRAVITY, "true"), (1.0, "")])
def test_signs_of_an_apple_watch_without_attitude_are_assumed_and_that_is_said(tmp_path, size, standardisation):
    stated = {"size": size, "standardisation": standardisation}
    recording = load(writer.write(tmp_path, attitude=False, **stated))
    told = recording.findings.query("code == 'sign_assumed'")
    assert set(told["stream"]) == {"accel", "user_accel", "gravity"}
    assert ("opposite" in told["note"].iloc[0]) == (size < 0)
    np.testing.assert_allclose(recording.gravity.values[0], [0, 0, -1], atol=1e-6)
    with_attitude = load(writer.write(tmp_path, **stated))
    assert "sign_assumed" not in set(with_attitude.findings["code"])


@pytest.mark.parametrize("stated", [{"standardisation": "true"}, {"attitude": False, "platform": "android"}])
def test_no_remedy_asks_to_write_metadata_by_hand(tmp_path, moves, stated):
    for path in (writer.write(tmp_path, **stated), undeclared(tmp_path / "a", moves)):
        with pytest.raises(RecordingError) as caught:
            load(path)
        assert caught.value.code in {"unit_contradicts", "sign_unknown"}
        assert "export it again" in caught.value.remedy
        assert not {"add", "correct", "change", "edit"} & set(caught.value.remedy.replace(",", "").split())


# Units


def test_every_stream_that_was_converted_says_from_what(tmp_path, moves):
    def told(recording):
        found = recording.findings.query("code == 'unit_converted'")
        return {row["stream"]: (row["count"], row["note"]) for row in found.to_dict("records")}

    assert told(load(writer.write(tmp_path))) == {}
    turned = "was converted from m/s2 with signs opposite to Core Motion's to g"
    watch_folder = watch(tmp_path / "a", moves)
    standardised = writer.contents(size=-GRAVITY, standardisation="true")
    for name in ("WristMotion.csv", "Metadata.csv"):
        (watch_folder / name).write_bytes(standardised[name])
    (watch_folder / "WatchBarometer.csv").write_text(rows_of({"pressure": np.full(4, 1013.0)}, step_ns=10**9))
    assert told(load(watch_folder)) == {
        **{stream: (60, f"{stream} {turned}") for stream in ("accel", "user_accel", "gravity")},
        "pressure": (4, "pressure was converted from mbar to kPa"),
    }
    for platform, written in (("ios", "was converted from m/s2 to g"), ("android", turned)):
        assert told(
            load(phone(tmp_path / platform, moves, platform=platform, sign=1 if platform == "ios" else -1))
        ) == {
            **{stream: (ROWS, f"{stream} {written}") for stream in ("accel", "user_accel", "gravity")},
            "pressure": (4, "pressure was converted from mbar to kPa"),
        }


# Rates

SENSORS = "Accelerometer|Gravity|Gyroscope|Orientation|Magnetometer|Barometer|Light|Heart Rate|Microphone|Pedometer"


def rates(recording):
    """Return the streams whose rate is not the stated one, and the stated one."""
    found = recording.findings.query("code == 'rate_differs'")
    return {row["stream"]: row["note"].split(" Hz is stated")[0] for row in found.to_dict("records")}


@pytest.mark.parametrize(
    ("steps_ms", "expected"),
    [
        ("10|10|10|10|10|1000|1000|10|100|10", {}),
        ("0|0|0|0|0|0|0|0|0|0", {}),
        ("10|10|10", {}),
        ("20|10|10", {"accel": "50", "user_accel": "50"}),
        ("10|20|10", {"gravity": "50"}),
        ("10|10|20|10|5|100|0|10", {"gyro": "50", "mag": "200", "pressure": "10"}),
    ],
)
def test_rates_of_the_phone_that_the_metadata_state_are_compared(tmp_path, moves, steps_ms, expected):
    folder = phone(tmp_path / "a", moves)
    header = "platform,appVersion,standardisation,sensors,sampleRateMs"
    (folder / "Metadata.csv").write_text(f"{header}\nios,1.60.1,False,{SENSORS},{steps_ms}\n")
    assert rates(load(folder)) == expected


def test_the_file_that_android_writes_beside_has_the_interval_of_its_sensor(tmp_path, moves):
    folder = phone(tmp_path / "a", moves, platform="android", sign=-1, total=True)
    header = "platform,appVersion,standardisation,sensors,sampleRateMs"
    for sensors, expected in (("Accelerometer", {"accel", "user_accel"}), ("TotalAcceleration", {"accel"})):
        (folder / "Metadata.csv").write_text(f"{header}\nandroid,1.61.0,False,{sensors},20\n")
        assert set(rates(load(folder))) == expected


# Whose an export is


def heart(folder, *, header="time,seconds_elapsed,bpm"):
    (folder / "HeartRate.csv").write_text(f"{header}\n{START_NS},0,60\n{START_NS + 2 * 10**9},2,61\n")
    return folder


@pytest.mark.parametrize("kind", ["folder", "json"])
def test_a_heart_rate_beside_a_phone_takes_nothing_of_its_motion(tmp_path, moves, kind):
    path = heart(phone(tmp_path / "a", moves))
    (path / "Location.csv").unlink()
    if kind == "json":
        (tmp_path / "b.json").write_text(as_json(path))
        path = tmp_path / "b.json"
    recording = load(path)
    assert recording.source["format"] == "sensor_logger_phone"
    assert {"accel", "gyro", "mag", "heart_rate"} <= set(recording.streams)
    assert recording.heart_rate.values[:, 0].tolist() == [60, 61]
    assert "watch or strap" in noted(recording, "other_device")
    assert "not_read" not in set(recording.findings["code"])


def test_a_heart_rate_beside_a_watch_and_a_phone_is_the_watchs(tmp_path, moves):
    folder = heart(watch(tmp_path / "a", moves))
    ours, theirs = load(folder), load(folder, format="sensor_logger_phone")
    assert "heart_rate" in ours.streams
    assert "heart_rate" not in theirs.streams
    remedies = [one.findings.set_index("code").loc["not_read", "remedy"] for one in (ours, theirs)]
    assert ["'sensor_logger_phone'" in remedies[0], "'sensor_logger'" in remedies[1]] == [True, True]


@pytest.mark.parametrize("file", ["WatchBarometer.csv", "WatchMagnetometer.csv"])
def test_any_sensor_of_the_watch_makes_it_one_of_a_watch(tmp_path, moves, file):
    folder = heart(phone(tmp_path / "a", moves))
    columns = {"pressure": np.full(4, 101.3)} if "Bar" in file else xyz(np.full((4, 3), 20.0))
    (folder / file).write_text(rows_of(columns, step_ns=10**9))
    recording = load(folder)
    assert recording.source["format"] == "sensor_logger"
    assert "heart_rate" in recording.streams


@pytest.mark.parametrize("zipped", [False, True])
def test_a_health_export_beside_a_heart_rate_is_one_of_apple_health(tmp_path, zipped):
    if zipped:
        path = apple_health.write(tmp_path)
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr("apple_health_export/HeartRate.csv", "Date,Min,Max\n2026-03-02,51,160\n")
    else:
        path = heart(apple_health.write(tmp_path, kind="folder"), header="Date,Min,Max")
    assert load(path).source["format"] == "apple_health"


PHYPHOX = '"Time (s)","Acceleration x (m/s^2)","Acceleration y (m/s^2)","Acceleration z (m/s^2)"\n0.0,0.1,0.2,9.8\n'


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Accelerometer.csv", PHYPHOX),
        ("HeartRate.csv", "Date,Heart Rate\n2026-03-02,61\n"),
        ("HeartRate.csv", "time,value\n1,61\n"),
        ("WristMotion.csv", "t,gravityX\n1,61\n"),
        ("Gyroscope.csv", ""),
    ],
)
@pytest.mark.parametrize("zipped", [False, True])
def test_files_of_the_same_name_by_others_are_not_this_apps(tmp_path, name, text, zipped):
    folder = tmp_path / "a"
    folder.mkdir()
    (folder / name).write_text(text)
    path = Path(shutil.make_archive(str(tmp_path / "b"), "zip", folder)) if zipped else folder
    with pytest.raises(NotThisFormatError) as caught:
        load(path)
    assert "no known format" in str(caught.value)


def test_a_header_may_be_quoted_or_have_other_delimiters_which_is_then_told(tmp_path, moves):
    folder = phone(tmp_path / "a", moves)
    plain = load(folder)
    for file in folder.glob("*.csv"):
        header, _, rest = file.read_text().partition("\n")
        quoted = ",".join(f'"{name}"' for name in header.split(","))
        file.write_text(f"\ufeff{quoted}\r\n{rest}")
    assert load(folder).id == plain.id
    for file in folder.glob("*.csv"):
        file.write_text(file.read_text().replace(",", ";"))
    with pytest.raises(RecordingError, match="comma-separated") as caught:
        load(folder)
    assert caught.value.code == "columns_missing"


@pytest.mark.parametrize("phone_alone", [False, True])
def test_damage_never_escapes_from_recognition_and_ends_in_its_own_error(tmp_path, phone_alone):
    whole = writer.write(tmp_path, zipped=True, phone=phone_alone).read_bytes()
    twice = writer.of_phone() if phone_alone else writer.contents()
    path = tmp_path / "day.zip"
    path.write_bytes(whole[: len(whole) // 2])
    readers = (sensor_logger, sensor_logger_phone)
    assert [reader.recognises(path) for reader in readers] == [False, False]
    with pytest.raises(TruncatedError) as caught:
        load(path)
    assert (caught.value.code, caught.value.file) == ("truncated_zip", "day.zip")
    with zipfile.ZipFile(path, "w") as archive:
        for folder in "ab":
            for name, content in twice.items():
                archive.writestr(f"{folder}/{name}", content)
    assert [reader.recognises(path) for reader in readers] == [not phone_alone, phone_alone]
    with pytest.raises(RecordingError) as caught:
        load(path)
    assert caught.value.code == "several_recordings"


# One file by itself


def test_the_motion_of_the_watch_by_itself_is_a_recording(tmp_path):
    whole = load(writer.write(tmp_path))
    path = writer.write_alone(tmp_path).rename(tmp_path / "monday.txt")
    recording = load(path)
    np.testing.assert_array_equal(recording.accel.values, whole.accel.values)
    assert recording.source["file"] == "monday.txt"
    assert set(recording.findings["code"]) == {"metadata_missing", "unit_from_data"}
    assert "folder or zip" in recording.findings.set_index("code").loc["metadata_missing", "remedy"]
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(TruncatedError) as caught:
        load(path)
    assert (caught.value.code, caught.value.file) == ("cut_tail", "monday.txt")


def test_a_heart_rate_by_itself_is_a_recording(tmp_path):
    recording = load(writer.write_alone(tmp_path, "HeartRate.csv"))
    assert recording.source["format"] == "sensor_logger"
    assert len(recording.heart_rate) == 5


@pytest.mark.parametrize("column", ["devicelocation", "deviceLocation"])
def test_headphones_have_the_columns_of_a_wrist_and_are_none(tmp_path, column):
    lines = writer.write_alone(tmp_path).read_text().splitlines()
    (tmp_path / "Headphone.csv").write_text(
        "".join(f"{line},{column if not row else 'left'}\n" for row, line in enumerate(lines))
    )
    assert not sensor_logger.recognises(tmp_path / "Headphone.csv")


def test_one_file_of_the_phone_is_asked_for_with_those_beside_it(tmp_path, moves):
    with pytest.raises(RecordingError) as caught:
        load(phone(tmp_path / "a", moves) / "Accelerometer.csv")
    assert caught.value.code == "schema_missing"
    assert "give the folder or zip" in caught.value.remedy
    assert "'time': ('time', 'ns'), 'z': ('<stream>.<channel>', '<unit>')" in caught.value.remedy


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        (["t_ms", "ax [mg]"], "{'t_ms': ('time', 'ms'), 'ax [mg]': ('<stream>.<channel>', 'mg'), ...}"),
        (["Time (s)", "a (m/s^2)"], "{'Time (s)': ('time', 's'), 'a (m/s^2)': ('<stream>.<channel>', 'm/s^2'), ...}"),
        (["timestamp", "ax"], "{'timestamp': ('time', '<unit>'), 'ax': ('<stream>.<channel>', '<unit>'), ...}"),
        (["x [lsb]"], "{'column of time': ('time', '<unit>'), 'x [lsb]': ('<stream>.<channel>', '<unit>'), ...}"),
        ([], "{'column of time': ('time', '<unit>'), 'a column': ('<stream>.<channel>', '<unit>'), ...}"),
    ],
)
def test_an_example_of_a_schema_states_only_units_that_names_state(names, shown):
    assert f"give schema={shown}" in example(names)
