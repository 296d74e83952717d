"""Sensor Logger beyond the watch's motion: the phone, JSON, pressure, magnetic field and sound."""

import json

import numpy as np
import pytest
import soundfile

from tests.formats import sensor_logger as writer
from wristkit.errors import RecordingError, TruncatedError
from wristkit.load import load, sensor_logger_export

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
    assert "audio" not in load(tmp_path / "a", keep_audio=False).streams


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
def test_sound_that_is_not_wanted_is_not_decoded_and_that_is_said(tmp_path, moves, format_):
    folder = watch(tmp_path / "a", moves)
    for name in ("WatchMicrophone.wav", "Microphone.wav"):
        (folder / name).write_bytes(b"RIFF\xff\xff\xff\xffWAVE" + bytes(100))  # decoding it would raise
    with pytest.raises(RecordingError):
        load(folder, format=format_)
    recording = load(folder, format=format_, keep_audio=False)
    assert "as asked" in noted(recording, "audio_left_out")
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
    monkeypatch.setattr(sensor_logger_export, "_CHUNK_CHARACTERS", chunk)
    monkeypatch.setattr(sensor_logger_export, "_LONGEST_READING", 500)
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
