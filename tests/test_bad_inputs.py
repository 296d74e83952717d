"""The catalogue of bad inputs: every case by its number, each a finding or a typed error with a remedy, none silent."""

import gzip
import io
import json
import os
import pickle
import re
import tarfile
import tracemalloc
import zipfile
from datetime import timedelta
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.formats import actigraph, apple_health, axivity, core_motion, empatica, geneactiv, sensor_logger
from tests.formats import sensor_log as sensor_log_writer
from tests.formats import sound as sound_writer
from wristkit.condition import Frame, Source
from wristkit.errors import EmptyRecordingError, NotThisFormatError, RecordingError, TruncatedError
from wristkit.load import load
from wristkit.load import table as table_reader
from wristkit.recording import Recording, Stream, finding_table, for_spreadsheets, label_table
from wristkit.store import save
from wristkit.windows import windows

START_S = 1_772_438_400
PLAIN = {"t": ("time", "s"), **{axis: (f"accel.{axis}", "g") for axis in "xyz"}}
UNSTATED = PLAIN | {"t": "time"}
HEADER = "t,x,y,z"


def second(row):
    return f"{START_S + row / 50:.2f}"


def at_rest(row):
    """Return x, y, z of a watch that lies face up, with a little noise that repeats only after long."""
    return [
        f"{0.01 * np.sin(3.7 * row):.5f}",
        f"{0.01 * np.cos(2.3 * row):.5f}",
        f"{-1 + 0.01 * np.sin(5.1 * row):.5f}",
    ]


def csv_of(rows=200, *, time=second, header=HEADER, delimiter=",", values=at_rest, edit=None):
    """Return the bytes of a table; ``edit`` gets the number and the fields of each row, and gives fields back."""
    lines = []
    for row in range(rows) if isinstance(rows, int) else rows:
        fields = [time(row), *values(row)]
        lines.append(delimiter.join(fields if edit is None else edit(row, fields)))
    return "".join(f"{line}\n" for line in [header, *lines]).encode()


def in_row(number, field, text):
    """Return an edit of one field of one row."""
    return lambda row, fields: [*fields[:field], text, *fields[field + 1 :]] if row == number else fields


def labelled(label, **options):
    return csv_of(header=f"{HEADER},what", edit=lambda row, fields: [*fields, label(row)], **options)


WITH_LABEL = PLAIN | {"what": "label"}


def frame(rows=200):
    return pd.read_csv(io.BytesIO(csv_of(rows)))


def file(tmp_path, content, name="table.csv"):
    path = tmp_path / name
    path.write_bytes(content)
    return path


def is_one_line(text):
    return bool(text) and "\n" not in text


def refused(source, code, *, kind=RecordingError, row=None, byte=None, says="", cure="", **arguments):
    """Return the error in which a source ends: of this kind, at this place, saying what is wrong and what to do."""
    arguments = {"schema": PLAIN} | arguments if arguments.get("schema", PLAIN) is not None else {}
    with pytest.raises(RecordingError) as caught:
        load(source, **arguments)
    error = caught.value
    assert (error.code, error.row, error.byte) == (code, row, byte), str(error)
    assert isinstance(error, kind)
    assert is_one_line(error.remedy)
    assert error.remedy in str(error)
    assert code in str(error)
    assert re.search(says, error.message), error.message
    assert re.search(cure, error.remedy), error.remedy
    return error


def device_refused(path, code, **expected):
    return refused(path, code, schema=None, **expected)


def loaded(tmp_path, content, *, schema=PLAIN, name="table.csv", **arguments):
    return load(file(tmp_path, content, name), schema=schema, **arguments)


def told(recording, code, stream=None):
    """Return the one finding of a code, with a remedy."""
    table = recording.findings[recording.findings["code"] == code]
    table = table if stream is None else table[table["stream"] == stream]
    assert len(table) == 1, recording.findings.to_string()
    assert is_one_line(table["remedy"].iloc[0])
    return table.iloc[0]


def codes(recording):
    return set(recording.findings["code"])


# Time


def test_t01_missing_or_nan_stamps(tmp_path):
    without = {axis: PLAIN[axis] for axis in "xyz"}
    path = file(tmp_path, csv_of())
    with pytest.raises(ValueError, match="rate_hz"):
        load(path, schema=without)
    assert told(load(path, schema=without, rate_hz=50), "rate_stated")["count"] == 200
    for row in (0, 5, 199):
        refused(file(tmp_path, csv_of(edit=in_row(row, 0, ""))), "time_missing", row=row, cure="drop")
        refused(frame().assign(t=np.where(np.arange(200) == row, np.nan, frame()["t"])), "time_missing", row=row)


def test_t02_duplicated_stamps(tmp_path):
    clean = loaded(tmp_path, csv_of())
    repeated = csv_of([*range(100), 99, *range(100, 200)])
    refused(
        file(tmp_path, repeated),
        "equal_stamps",
        row=100,
        says="1 of them equal it in all columns that were read",
        cure="drop_exact",
    )
    repaired = loaded(tmp_path, repeated, repair=("drop_exact",))
    assert repaired.id == clean.id
    assert told(repaired, "drop_exact")["count"] == 1
    others = csv_of(time=lambda row: second(row - (row == 100)))
    refused(file(tmp_path, others), "equal_stamps", row=100, says="0 of them equal it", cure="spread_stamps")
    refused(file(tmp_path, others), "equal_stamps", row=100, repair=("drop_exact",))  # values differ: nothing to drop


def test_t03_backwards_blocks_of_a_table(tmp_path):
    clean = loaded(tmp_path, csv_of())
    permuted = csv_of([*range(50), *range(100, 150), *range(50, 100), *range(150, 200)])
    refused(file(tmp_path, permuted), "time_backwards", row=100, cure="sort_blocks")
    sorted_ = loaded(tmp_path, permuted, repair=("sort_blocks",))
    assert sorted_.id == clean.id
    assert told(sorted_, "sort_blocks")["count"] == 100

    def set_back(row):
        return f"{START_S + (row - 110.5) / 50:.2f}" if row >= 398 else second(row)

    reset = file(tmp_path, csv_of(400, time=set_back))
    refused(reset, "time_backwards", row=398)
    kept = load(reset, schema=PLAIN, repair=("cut_reset",))
    assert len(kept.accel) + told(kept, "cut_reset")["count"] == 400
    half = file(tmp_path, csv_of(400, time=lambda row: second(row % 200)))
    error = refused(half, "time_backwards", row=200, repair=("cut_reset",), cure="split")
    assert "more than 1 %" in error.message


def test_t03_a_clock_set_back_by_an_hour_is_never_sorted(tmp_path):
    back = file(tmp_path, csv_of(time=lambda row: second(row - (180_000 if row >= 100 else 0))))
    refused(back, "time_backwards", row=100, says="clock that was set back", cure="cut_reset")
    refused(back, "time_backwards", row=100, repair=("sort_blocks",), says="clock that was set back", cure="split")
    apart = [second(row + (5_000 if row >= 100 else 0)) for row in range(200)]
    apart[100:102] = apart[101], apart[100]
    beside_a_gap = loaded(tmp_path, csv_of(time=lambda row: apart[row]), repair=("sort_blocks",))
    assert told(beside_a_gap, "sort_blocks")["count"] == 2


def test_t03_backwards_blocks_of_a_device(tmp_path):
    whole = load(axivity.write(tmp_path))
    head, size = axivity.HEADER_BYTES, axivity.BLOCK_BYTES

    def reverse(content):
        blocks = [content[at : at + size] for at in range(head, len(content), size)]
        return content[:head] + b"".join(blocks[::-1])

    path = axivity.write(tmp_path, damage=reverse)
    with pytest.raises(RecordingError, match="sort_blocks") as caught:
        load(path)
    assert caught.value.code == "time_backwards"
    again = load(path, repair=("sort_blocks",))
    np.testing.assert_array_equal(again.accel.values, whole.accel.values)
    np.testing.assert_array_equal(again.accel.time, whole.accel.time)


def test_t04_gaps_of_a_device_stay_gaps(tmp_path):
    head, size = axivity.HEADER_BYTES, axivity.BLOCK_BYTES
    path = axivity.write(tmp_path, damage=lambda content: content[: head + 9 * size] + content[head + 12 * size :])
    recording = load(path)
    assert len(recording.accel) == 21 * 120
    assert told(recording, "gaps", "accel")["count"] == 1
    (gap,) = recording.accel.gaps
    assert gap[1] - gap[0] == pytest.approx(3 * 120 / 98.5, rel=0.05)


def test_t04_no_window_straddles_a_gap(tmp_path):
    kept = [*range(500), *range(600, 1100)]
    recording = loaded(tmp_path, labelled(lambda row: "rest", rows=kept), schema=WITH_LABEL)
    assert told(recording, "gaps")["count"] == 1
    cut = windows([recording], streams=("accel",), rate_hz=50, length_s=1.0, hop_s=0.1)
    gap_start_s, gap_stop_s = recording.accel.gaps[0]
    assert len(cut.values)
    assert not ((cut.start_s < gap_stop_s) & (cut.stop_s > gap_start_s)).any()
    assert cut.dropped["across a gap"] > 0


def test_t05_packets_with_equal_stamps_and_lost_ones(tmp_path):
    kept = [row for row in range(400) if row // 5 not in {20, 50}]
    path = file(tmp_path, csv_of(kept, time=lambda row: second(row // 5 * 5)))
    refused(path, "equal_stamps", row=1, cure="spread_stamps")
    recording = load(path, schema=PLAIN, repair=("spread_stamps",))
    assert len(recording.accel) == len(kept)
    assert told(recording, "spread_stamps")["count"] == len(kept) * 4 // 5
    assert told(recording, "gaps")["count"] == 2
    lost = loaded(tmp_path, csv_of([row for row in range(400) if row % 50 != 7]))
    note = told(lost, "missing_samples")
    assert note["count"] == 8
    assert "2 %" in note["note"]


def test_t06_a_rate_that_changes_on_the_way(tmp_path):
    recording = loaded(tmp_path, csv_of(2000, time=lambda row: f"{START_S + row / 100 + max(row - 1000, 0) / 100:.2f}"))
    finding = told(recording, "rate_changes")
    assert "from 100 to 50 Hz" in finding["note"]
    assert finding["start_s"] == pytest.approx(10, abs=0.2)
    assert "resample" in finding["remedy"]


def test_t07_a_stated_rate_that_is_not_the_measured_one(tmp_path):
    finding = told(loaded(tmp_path, csv_of(), rate_hz=60), "rate_differs")
    assert "60 Hz" in finding["note"]
    assert "50 Hz" in finding["note"]
    assert "rate_differs" not in codes(loaded(tmp_path, csv_of(), rate_hz=50.2))
    stated = ",".join(sensor_logger.METADATA.values()).replace("|20", "|10")
    metadata = ",".join(sensor_logger.METADATA) + f"\n{stated}\n"
    export = load(sensor_logger.write(tmp_path, replaced={"Metadata.csv": metadata.encode()}))
    assert "100 Hz" in told(export, "rate_differs", "accel")["note"]


def test_t08_drift_between_two_clocks_is_told(tmp_path):
    pairs = {"timestamp": np.array([5_000.0, 6_200.0]), "unix": np.array([1_714_550_000.0, 1_714_551_200.06])}
    recording = load(core_motion.write(tmp_path, files={"clock.csv": pairs}))
    assert "+50.0 ppm" in told(recording, "clock_drift")["note"]
    columns, ticks = sensor_log_writer.columns(seconds=8), np.arange(800)
    wall = [sensor_log_writer.WALL + timedelta(seconds=float(tick * (1 + 80e-6))) for tick in ticks]
    columns |= {
        "accelerometerTimestamp_sinceReboot(s)": [repr(float(sensor_log_writer.BOOT_S + tick)) for tick in ticks],
        "loggingTime(txt)": [f"{one:%Y-%m-%d %H:%M:%S}.{one.microsecond // 1000:03d} +0000" for one in wall],
    }
    kept = {name: one for name, one in columns.items() if not name.startswith(("motion", "alti", "pedo"))}
    log = load(file(tmp_path, sensor_log_writer.text(kept).encode(), "log.csv"))
    assert re.search(r"\+(79|8[01])\.\d ppm", told(log, "clock_drift")["note"])


def test_t09_phone_and_watch_in_one_export_are_never_merged(tmp_path):
    phone = {"Accelerometer.csv": b"time,seconds_elapsed,z,y,x\n1772438400123456789,0.0,1,2,3\n"}
    alone, beside = load(sensor_logger.write(tmp_path)), load(sensor_logger.write(tmp_path, replaced=phone))
    assert beside.id == alone.id
    assert "Accelerometer.csv" in told(beside, "not_read")["note"]
    health = load(apple_health.write(tmp_path))
    assert told(health, "other_devices")["count"] > 0
    watch = load(apple_health.write(tmp_path, records=apple_health.usual().replace(apple_health.PHONE, "Watch1,1")))
    assert len(watch.steps) == len(health.steps)


def test_t10_summer_time(tmp_path):
    def through_the_fold(row):
        hour, offset = (2, "+02:00") if row < 100 else (2, "+01:00")
        return f"2026-10-25T0{hour}:{59 if row < 100 else 0:02d}:{(row % 100) * 0.5 + 10 * (row < 100):04.1f}{offset}"

    recording = loaded(tmp_path, csv_of(time=through_the_fold), schema=UNSTATED, zone="Europe/Paris")
    assert recording.start == pd.Timestamp("2026-10-25T00:59:10Z")
    assert recording.accel.time[100] == 50.0
    assert recording.zone == "Europe/Paris"

    def local(start):
        return lambda row: f"{pd.Timestamp(start) + pd.Timedelta(minutes=row):%Y-%m-%d %H:%M:%S}"

    for start in ("2026-10-25 01:00:00", "2026-10-25 02:30:00", "2026-03-29 02:30:00", "2026-03-29 01:00:00"):
        path = file(tmp_path, csv_of(time=local(start)))
        refused(path, "summer_time", schema=UNSTATED, zone="Europe/Paris")
        assert load(path, schema=UNSTATED).start is None
        assert load(path, schema=UNSTATED, zone="Asia/Tokyo").start is not None


@pytest.mark.parametrize(("unit", "per_s"), [("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9)])
def test_t11_units_of_the_epoch(tmp_path, unit, per_s):
    def whole(row):
        return str(START_S * per_s + row * max(per_s // 50, 1))

    path = file(tmp_path, csv_of(time=whole))
    recording = load(path, schema=UNSTATED)
    assert recording.start == pd.Timestamp(START_S, unit="s", tz="UTC")
    assert f"read as {unit} since 1970" in told(recording, "time_unit_from_data")["note"]
    assert "time_unit_from_data" not in codes(load(path, schema=UNSTATED | {"t": ("time", unit)}))
    for other in {"s", "ms", "us", "ns"} - {unit}:
        refused(path, "time_unit", schema=UNSTATED | {"t": ("time", other)}, says=f"is {unit} since", cure=unit)
    mixed = csv_of(time=lambda row: whole(row) if row < 100 else str((START_S + row) * per_s * 1000))
    if unit != "ns":
        refused(file(tmp_path, mixed), "epoch", schema=UNSTATED, row=100, says="2000 to 2100")


def test_t11_nothing_tells_the_unit(tmp_path):
    refused(file(tmp_path, csv_of(time=lambda row: str(20 * row))), "time_unit", schema=UNSTATED, cure="schema")


def test_t12_nanoseconds_as_floats(tmp_path):
    ns = UNSTATED | {"t": ("time", "ns")}
    refused(file(tmp_path, csv_of(time=lambda row: f"{(START_S + row) * 1e9:.9e}")), "not_a_table", row=0, schema=ns)
    whole = csv_of(time=lambda row: str(START_S * 10**9 + row))  # neighbours that a float64 cannot tell apart
    assert np.diff(load(file(tmp_path, whole), schema=ns).accel.time).min() > 0
    missing = csv_of(time=lambda row: "" if row == 7 else str(START_S * 10**9 + row))
    refused(file(tmp_path, missing), "time_missing", row=7, schema=ns)
    floats = frame().assign(t=(frame()["t"] * 1e9).astype(np.float64))
    refused(floats, "time_float", schema=ns, says="float64", cure="whole numbers")
    floats.to_parquet(tmp_path / "t.parquet")
    refused(tmp_path / "t.parquet", "time_float", schema=ns)


def test_t13_seconds_as_float32(tmp_path):
    table = frame().assign(t=frame()["t"].astype(np.float32))
    refused(table, "time_float32", cure="float64")
    table.to_parquet(tmp_path / "t.parquet")
    refused(tmp_path / "t.parquet", "time_float32")
    np.savez(tmp_path / "t.npz", **{name: table[name].to_numpy() for name in table})
    refused(tmp_path / "t.npz", "time_float32")
    with pytest.raises(RecordingError, match="float64"):
        Stream.measured("accel", np.arange(3, dtype=np.float32), np.zeros((3, 3)))


@pytest.mark.parametrize(("unit", "step"), [("ms", 20), ("us", 20_000)])
def test_t14_counters_that_start_again(tmp_path, unit, step):
    schema = UNSTATED | {"t": ("time", unit)}
    wrapping = csv_of(time=lambda row: str((2**32 - 100 * step + step * row) % 2**32))
    refused(file(tmp_path, wrapping), "time_backwards", row=100, schema=schema, says="32 bits", cure="unwrap_clock")
    recording = loaded(tmp_path, wrapping, schema=schema, repair=("unwrap_clock",))
    np.testing.assert_allclose(np.diff(recording.accel.time), 0.02, atol=1e-9)
    assert told(recording, "unwrap_clock")["count"] == 100
    asleep = csv_of(time=lambda row: str(step * (row % 150 + 1)))  # a counter that a reset sets to its start
    refused(file(tmp_path, asleep), "time_backwards", row=150, schema=schema)
    refused(file(tmp_path, asleep), "time_backwards", row=150, schema=schema, repair=("unwrap_clock",))


def test_t15_dates_that_can_be_read_in_two_ways(tmp_path):
    for text in ("01/05/2026 08:00:{:02d}", "13.05.2026 08:00:{:02d}", "2026-05-01 08:00:{:02d} PM", "08:00:{:02d}"):
        path = file(tmp_path, csv_of(50, time=lambda row, text=text: text.format(row)))
        refused(path, "date_format", schema=UNSTATED, row=0, cure="year first")
        dates = frame(50).assign(t=[text.format(row) for row in range(50)])
        refused(dates, "date_format", schema=UNSTATED, row=0, cure="year first")
    refused(file(tmp_path, csv_of()), "date_format", schema=UNSTATED | {"t": ("time", "iso")}, row=0)
    naive = csv_of(50, time=lambda row: f"2026-05-01 08:00:{row:02d}")
    recording = loaded(tmp_path, naive, schema=UNSTATED)
    assert recording.start is None
    assert "zone=" in told(recording, "zone_missing")["remedy"]
    mixed = [f"2026-05-01 08:00:{row:02d}" + "Z" * (row != 30) for row in range(50)]
    refused(file(tmp_path, csv_of(50, time=lambda row: mixed[row])), "not_a_table", schema=UNSTATED, row=30)
    refused(frame(50).assign(t=mixed), "date_format", schema=UNSTATED, row=30, says="offset from UTC")


@pytest.mark.parametrize("date", ["1970-01-01T00:00:{:02d}Z", "2090-01-01T00:00:{:02d}Z"])
def test_t16_dates_that_cannot_be(tmp_path, date):
    recording = loaded(tmp_path, csv_of(50, time=date.format), schema=UNSTATED)
    finding = told(recording, "clock_unset")
    assert date[:4] in finding["note"]
    assert "not the date" in finding["remedy"]
    elsewhere = label_table([(86_400.0, 86_410.0, "walking", "truth", "me")])
    with pytest.raises(RecordingError, match="share one clock") as caught:
        recording.with_labels(elsewhere)
    assert caught.value.code == "label_outside"


def test_t16_a_device_whose_clock_was_not_set(tmp_path, monkeypatch):
    monkeypatch.setattr(axivity, "START", axivity.START.replace(year=2060))
    assert "2060" in told(load(axivity.write(tmp_path)), "clock_unset")["note"]


# Values and frames


def test_v01_g_and_metres_a_second_squared(tmp_path):
    metres = csv_of(values=lambda row: [f"{9.80665 * float(value):.5f}" for value in at_rest(row)])
    in_metres = PLAIN | {axis: (f"accel.{axis}", "m/s2") for axis in "xyz"}
    refused(file(tmp_path, metres), "unit_contradicts", says="m/s2", cure="m/s2")
    refused(file(tmp_path, csv_of()), "unit_contradicts", schema=in_metres, says="divided by 9.8", cure="unit='g'")
    np.testing.assert_allclose(
        loaded(tmp_path, metres, schema=in_metres).accel.values, loaded(tmp_path, csv_of()).accel.values, atol=1e-5
    )
    with pytest.raises(ValueError, match="unit of 'x' is not stated"):
        load(file(tmp_path, csv_of()), schema=PLAIN | {"x": "accel.x"})
    wrong = ",".join(sensor_logger.METADATA.values()).replace("false", "true")
    metadata = f"{','.join(sensor_logger.METADATA)}\n{wrong}\n".encode()
    device_refused(sensor_logger.write(tmp_path, replaced={"Metadata.csv": metadata}), "unit_contradicts")


def test_v02_counts_of_a_vendor(tmp_path):
    recording = load(empatica.write(tmp_path))
    lines = empatica.contents()["ACC.csv"].splitlines()
    counts = np.array([line.split(",") for line in lines[2:]], dtype=float)
    np.testing.assert_array_equal(recording.accel.values, (counts / 64).astype(np.float32))
    assert recording.accel.rate_hz == 32
    assert recording.start == pd.Timestamp(empatica.START_S, unit="s", tz="UTC")


def test_v03_degrees_and_radians(tmp_path):
    turning = {"x": ("gyro.x", "rad/s"), "y": ("gyro.y", "rad/s"), "z": ("gyro.z", "rad/s"), "t": ("time", "s")}
    fast = csv_of(values=lambda row: ["90.0", f"{row % 7}.5", "20.0"])
    refused(file(tmp_path, fast), "gyro_unit", schema=turning, says="35 rad/s", cure="radians")
    in_degrees = {name: (one, "deg/s" if unit == "rad/s" else unit) for name, (one, unit) in turning.items()}
    slow = loaded(tmp_path, fast, schema=in_degrees)
    assert slow.gyro.values[0, 0] == np.float32(np.radians(90))
    lines = sensor_logger.contents(rows=600)["WristMotion.csv"].decode().replace(",0.400000,", ",22.918312,")
    export = sensor_logger.write(tmp_path, replaced={"WristMotion.csv": lines.encode()})
    device_refused(export, "gyro_unit", says="deg/s", cure="radians")


def test_v04_axes_by_name_and_never_by_position(tmp_path):
    def turned(row):
        return at_rest(row)[::-1]

    backwards = PLAIN | {f"{axis.upper()}-axis": PLAIN[axis] for axis in "xyz"}
    schema = {name: one for name, one in backwards.items() if name not in "xyz"}
    content = csv_of(header="t,Z-axis,Y-axis,X-axis", values=turned)
    assert loaded(tmp_path, content, schema=schema).id == loaded(tmp_path, csv_of()).id
    with pytest.raises(ValueError, match="needs the channels"):
        load(file(tmp_path, csv_of()), schema={name: PLAIN[name] for name in ("t", "x", "y")})


def test_v05_gravity_that_is_missing_or_included(tmp_path):
    still = csv_of(values=lambda row: [*at_rest(row)[:2], f"{0.005 * np.sin(row):.5f}"])
    refused(file(tmp_path, still), "gravity_missing", says="gravity was taken out", cure="user_accel")
    user = PLAIN | {axis: (f"user_accel.{axis}", "g") for axis in "xyz"}
    refused(file(tmp_path, csv_of()), "gravity_included", schema=user, says="gravity is in it", cure="accel")
    recording = loaded(tmp_path, still, schema=user)
    with pytest.raises(RecordingError, match="no stream 'accel'") as caught:
        windows(
            [recording.with_labels(label_table([(0, 3, "a", "truth", "me")]))],
            streams=("accel",),
            rate_hz=50,
            length_s=1.0,
            hop_s=0.5,
        )
    assert caught.value.code == "missing_stream"


def test_v06_the_side_of_wrist_and_crown(tmp_path):
    stated = geneactiv.write(tmp_path)
    assert load(stated).wrist == "left"
    with pytest.raises(ValueError, match="the recording states 'left'"):
        load(stated, wrist="right")
    unknown = loaded(tmp_path, csv_of())
    with pytest.raises(RecordingError, match="wrist= and crown=") as caught:
        Frame("wrist").check_sides([unknown])
    assert caught.value.code == "side_unknown"
    values = np.random.default_rng(0).normal(size=(5, 3))
    for name in ("accel", "gyro"):
        for wrist in ("left", "right"):
            for crown in ("left", "right"):
                turn = Frame("wrist").turn(name, ("x", "y", "z"), wrist, crown)
                np.testing.assert_array_equal(turn(turn(values)), values)  # there and back is where it began
    np.testing.assert_array_equal(Frame("wrist").turn("accel", ("x", "y", "z"), "left", "right")(values), values)


def test_v07_signs_of_android_and_core_motion(tmp_path):
    up = csv_of(values=lambda row: [str(-float(value)) for value in at_rest(row)])
    android = PLAIN | {axis: (f"accel.{axis}", "g", "android") for axis in "xyz"}
    recording = loaded(tmp_path, up, schema=android)
    assert recording.id == loaded(tmp_path, csv_of()).id
    assert told(recording, "frame_converted")["count"] == 200
    both = frame().assign(gx=-frame()["x"], gy=-frame()["y"], gz=-frame()["z"])
    gravity = PLAIN | {f"g{axis}": (f"gravity.{axis}", "g") for axis in "xyz"}
    longer = pd.concat([both.assign(t=both["t"] + 4 * part) for part in range(3)], ignore_index=True)
    refused(longer, "sign_contradicts", schema=gravity, says="away", cure="signs")


def test_v08_saturation(tmp_path, monkeypatch):
    plain = axivity.signal

    def clipped(count, **options):
        counts = plain(count, **options)
        counts[500:520, 0] = 2047 if options.get("layout") != axivity.PACKED else 2040
        return counts

    monkeypatch.setattr(axivity, "signal", clipped)
    finding = told(load(axivity.write(tmp_path)), "saturated", "accel")
    assert finding["count"] == 20
    assert "channels x" in finding["note"]
    assert "mask" in finding["remedy"]
    two = csv_of(edit=lambda row, fields: [*fields[:1], "8.0", *fields[2:]] if row in {50, 51} else fields)
    assert "saturated" not in codes(loaded(tmp_path, two))


def test_v09_bursts_of_missing_values(tmp_path):
    content = labelled(lambda row: "rest", rows=600)
    lines = content.decode().splitlines()
    for row in range(200, 240):
        fields = lines[row + 1].split(",")
        lines[row + 1] = ",".join([fields[0], "", *fields[2:]])
    recording = loaded(tmp_path, ("\n".join(lines) + "\n").encode(), schema=WITH_LABEL)
    finding = told(recording, "missing_values")
    assert finding["count"] == 40
    assert "longest burst" in finding["note"]
    assert np.isnan(recording.accel.values[200:240, 0]).all()
    cut = windows([recording], streams=("accel",), rate_hz=50, length_s=1.0, hop_s=0.1)
    assert np.isfinite(cut.values).all()
    assert not ((cut.start_s < 4.78) & (cut.stop_s > 4.0)).any()


@pytest.mark.parametrize("text", ["inf", "-inf", "1e400", "-1e999"])
def test_v10_infinite_values(tmp_path, text):
    refused(file(tmp_path, csv_of(edit=in_row(9, 1, text))), "infinite", row=9, says="x is infinite", cure="empty")
    refused(frame().assign(x=np.where(np.arange(200) == 9, float(text), 0.0)), "infinite", row=9)


def test_v11_constant_channels(tmp_path):
    from wristkit.models import build

    recording = loaded(tmp_path, csv_of(edit=lambda row, fields: [fields[0], "0.3", *fields[2:]]))
    finding = told(recording, "constant_channel")
    assert "'x' is 0.3" in finding["note"]
    values = np.random.default_rng(0).normal(size=(4, 2, 100)).astype(np.float32)
    values[:, 0] = np.float32(9.81)
    net = build("tcn", channels=("a", "b"), classes=("no", "yes"), samples=100, hop=50)
    assert net.fit_normaliser(values) == ("a",)
    import torch

    out = net.normalise(torch.from_numpy(values)).numpy()
    assert (out[:, 0] == 0).all()
    assert np.isfinite(out).all()


def test_v12_a_stuck_sensor(tmp_path):
    recording = loaded(tmp_path, csv_of(1000, values=lambda row: at_rest(min(400, row))))
    finding = told(recording, "stuck")
    assert finding["count"] == 600
    assert finding["start_s"] == 8.0
    assert "leave" in finding["remedy"]


def test_v13_integers_that_overflowed(tmp_path):
    def wrapped(row):
        swing = 2.1 * np.sin(row / 8)
        return [f"{(swing + 2) % 4 - 2:.5f}", "0.1", "-1.0"]

    finding = told(loaded(tmp_path, csv_of(400, values=wrapped)), "wrapped")
    assert finding["count"] > 4
    assert "wider integer" in finding["remedy"]


def test_v14_what_float16_cannot_hold_stays_in_float32_and_the_export_names_it(tmp_path):
    import torch

    from wristkit.condition import Conditioning, Resample
    from wristkit.detector import Detector, DetectorSpec
    from wristkit.events import EventDecoder
    from wristkit.export import export

    class Squaring(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.head = torch.nn.Conv1d(3, 3, 5), torch.nn.Linear(3, 2)

        def forward(self, x):
            x = self.stem(x)
            return self.head(torch.log((x * x).sum(-1) + 1e-3))

    torch.manual_seed(0)
    conditioning = Conditioning((Source("accel", ("x", "y", "z"), "g", 0.1),), (Frame(), Resample(50.0)))
    loud = Detector(DetectorSpec(conditioning, 20, 5, ("none", "tap"), EventDecoder(), None), Squaring())
    noise = np.sign(np.random.default_rng(0).standard_normal((200, 3))) * 199
    heard = Recording.of([Stream.measured("accel", np.arange(200) / 50, noise)])
    bundle = export(loud, tmp_path / "b", recordings=heard)
    kept = bundle.preflight.set_index("check").loc["float16 range"]
    assert kept["status"] == "warning"
    ranges = bundle.ranges.set_index("tensor")
    overflowing = ranges[ranges["largest"] > np.finfo(np.float16).max]
    assert len(overflowing) >= 2
    assert set(overflowing["type"]) == {"fp32"}
    assert set(overflowing.index) <= set(kept["where"].split(", "))
    report = json.loads((tmp_path / "b" / "report.json").read_text())
    (held,) = [row["measured"] for row in report["parity"] if row["check"] == "shipped float16, range"]
    assert 0 < held < np.finfo(np.float16).max


def test_v15_huge_integers(tmp_path):
    huge = str(10**22)
    refused(file(tmp_path, csv_of(edit=in_row(9, 1, huge))), "huge", row=9, says=r"1e\+22", cure="id or a stamp")
    refused(frame().assign(x=[10**22] * 200), "not_numeric", says="object", cure="convert")
    refused(frame().assign(x=np.where(np.arange(200) == 9, 1e22, 0.0)), "huge", row=9)


def test_v16_numbers_that_mean_none(tmp_path):
    beats = ["61", "0", "255", "63"]
    schema = {"t": ("time", "s"), "bpm": ("heart_rate", "bpm")}
    content = csv_of(4, header="t,bpm", values=lambda row: [beats[row]])
    recording = loaded(tmp_path, content, schema=schema)
    np.testing.assert_array_equal(np.isnan(recording.heart_rate.values[:, 0]), [False, True, True, False])
    assert told(recording, "no_beat")["count"] == 2
    heart = sensor_logger.contents()["HeartRate.csv"].replace(b",62\n", b",0\n")
    export = load(sensor_logger.write(tmp_path, replaced={"HeartRate.csv": heart}))
    assert told(export, "no_beat", "heart_rate")["count"] == np.isnan(export.heart_rate.values).sum() == 2


def test_v17_sound(tmp_path):
    contradicting = load(sound_writer.write(tmp_path, bytes_a_second=2 * 44_100))
    assert "rate" in told(contradicting, "rate_contradicts")["note"]
    cut = load(sound_writer.write(tmp_path, promised_bytes=64_000))
    assert told(cut, "truncated")["count"] == 32_000 - len(cut.audio)
    stereo = load(sound_writer.write(tmp_path, channels=2))
    assert len(stereo.audio.channels) == 2
    assert not np.array_equal(stereo.audio.values[:, 0], stereo.audio.values[:, 1])
    loud = np.clip(3 * sound_writer.tone(), -1, 1)
    clipped = load(file(tmp_path, sound_writer.wav(loud), "loud.wav"))
    assert "saturated" in codes(clipped)
    dated = load(
        file(tmp_path, sound_writer.wav(loud / 2, before=sound_writer.bext("2026-05-01", "08:00:00")), "a.wav")
    )
    assert "2026-05-01" in told(dated, "start_stated")["note"]
    assert dated.start is None


# Files and encodings


@pytest.mark.parametrize("name", ["a.csv", "a.cwa", "a.bin", "a.gt3x", "a.parquet", "a.zip", "a.wav"])
def test_f01_no_bytes(tmp_path, name):
    refused(file(tmp_path, b"", name), "empty", kind=EmptyRecordingError, says="no bytes", cure="again", schema=None)


def test_f02_a_header_and_nothing_else(tmp_path):
    refused(file(tmp_path, csv_of(0)), "empty", kind=EmptyRecordingError, says="no rows")
    refused(frame().iloc[:0], "empty", kind=EmptyRecordingError)
    frame().iloc[:0].to_parquet(tmp_path / "t.parquet")
    refused(tmp_path / "t.parquet", "empty", kind=EmptyRecordingError)
    with pytest.raises(EmptyRecordingError) as caught:
        load(file(tmp_path, axivity.header(), "a.cwa"))
    assert caught.value.code == "empty"
    device_refused(geneactiv.write(tmp_path, pages=0), "empty", kind=EmptyRecordingError)
    device_refused(actigraph.write(tmp_path, content=b""), "empty", kind=EmptyRecordingError, says="no bytes")
    motion = sensor_logger.contents(rows=0)["WristMotion.csv"]
    device_refused(sensor_logger.write(tmp_path, replaced={"WristMotion.csv": motion}), "empty")


def test_f03_one_row(tmp_path):
    recording = loaded(tmp_path, labelled(lambda row: "rest", rows=1), schema=WITH_LABEL)
    assert len(recording.accel) == 1
    assert np.isnan(recording.accel.rate_hz)
    with pytest.raises(RecordingError, match="fewer than two samples") as caught:
        windows([recording], streams=("accel",), rate_hz=50, length_s=1.0, hop_s=0.5)
    assert caught.value.code == "too_short"
    assert "longer" in caught.value.remedy


@pytest.mark.parametrize("characters", [1, 2, 9, 20])
def test_f04_f05_a_cut_last_line(tmp_path, characters):
    content = csv_of()
    cut = content[:-characters]
    start = cut.rindex(b"\n") + 1
    refused(file(tmp_path, cut), "cut_tail", kind=TruncatedError, byte=start, cure="drop_tail")
    recording = loaded(tmp_path, cut, repair=("drop_tail",))
    assert len(recording.accel) + told(recording, "drop_tail")["count"] == 200
    assert recording.id == loaded(tmp_path, csv_of(199)).id


def test_f04_csv_cut_between_fields(tmp_path):
    content = csv_of()
    cut = content[: content.rindex(b",") + 1]
    refused(file(tmp_path, cut), "cut_tail", kind=TruncatedError, byte=cut.rindex(b"\n") + 1)
    short = csv_of(edit=lambda row, fields: fields[:3] if row == 50 else fields)  # and a whole line with few fields
    refused(file(tmp_path, short), "not_a_table", row=50, says="Expected 4 columns, got 3")


def test_f05_csv_cut_inside_a_number(tmp_path):
    content = csv_of()[:-3]
    assert re.search(rb"\d$", content)  # a number, and a wrong one
    refused(file(tmp_path, content), "cut_tail", kind=TruncatedError, byte=content.rindex(b"\n") + 1)
    device_refused(
        sensor_logger.write(tmp_path, replaced={"WristMotion.csv": sensor_logger.contents()["WristMotion.csv"][:-3]}),
        "cut_tail",
        kind=TruncatedError,
        byte=sensor_logger.contents()["WristMotion.csv"][:-3].rindex(b"\n") + 1,
    )


def test_f06_truncated_gzip(tmp_path):
    packed = gzip.compress(csv_of(3000))
    path = file(tmp_path, packed[: len(packed) // 2], "a.csv.gz")
    refused(path, "truncated", kind=TruncatedError, cure="drop_tail")
    salvaged = load(path, schema=PLAIN, repair=("drop_tail",))
    whole = loaded(tmp_path, packed, name="b.csv.gz")
    count = len(salvaged.accel)
    assert 1000 < count < 3000
    np.testing.assert_array_equal(salvaged.accel.values, whole.accel.values[:count])
    assert told(salvaged, "drop_tail")["count"] == 1


def test_f07_truncated_zips(tmp_path):
    for path in (
        sensor_logger.write(tmp_path, zipped=True),
        actigraph.write(tmp_path),
        empatica.write(tmp_path, zipped=True),
    ):
        content = path.read_bytes()
        for share in (0.3, 0.9, 0.99):
            cut = file(tmp_path, content[: int(share * len(content))], path.name)
            device_refused(cut, "truncated_zip", kind=TruncatedError, says="no readable directory", cure="again")


def test_f08_truncated_parquet(tmp_path):
    frame().to_parquet(tmp_path / "whole.parquet")
    content = (tmp_path / "whole.parquet").read_bytes()
    for length in range(8, len(content), len(content) // 15):
        refused(file(tmp_path, content[:length], "a.parquet"), "damaged", kind=TruncatedError, cure="again")


def test_f09_a_flipped_bit_in_parquet(tmp_path):
    pq.write_table(
        pa.Table.from_pandas(frame()),
        tmp_path / "a.parquet",
        compression="none",
        use_dictionary=False,
        write_page_checksum=True,
    )
    content = bytearray((tmp_path / "a.parquet").read_bytes())
    place = content.index(np.float64(frame()["y"][100]).tobytes())
    content[place + 3] ^= 1
    refused(file(tmp_path, bytes(content), "a.parquet"), "damaged", kind=TruncatedError, says="CRC", cure="again")


def flipped(content, *places):
    changed = bytearray(content)
    for place in places:
        changed[place] ^= 0xFF
    return bytes(changed)


def test_f10_a_damaged_block_of_an_axivity_file(tmp_path):
    whole = load(axivity.write(tmp_path)).accel
    head, size = axivity.HEADER_BYTES, axivity.BLOCK_BYTES
    place = head + 4 * size + 100
    damages = {
        "flip": lambda content: flipped(content, place),
        "lost": lambda content: content[:place] + content[place + 200 :],
    }
    for damage in damages.values():
        path = axivity.write(tmp_path, damage=damage)
        recording = load(path)
        assert told(recording, "damaged_blocks")["count"] == 1
        assert len(recording.accel) == 23 * 120
        # A sample with its stamp is either gone or equal to the one in the whole file.
        kept = np.isin(whole.time.round(6), recording.accel.time.round(6))
        assert kept.sum() == 23 * 120
        np.testing.assert_array_equal(recording.accel.values, whole.values[kept])
        assert len(recording.accel.gaps) == 1
    many = axivity.write(tmp_path, damage=lambda content: flipped(content, *(head + k * size + 99 for k in (3, 7, 12))))
    with pytest.raises(RecordingError, match=r"3 blocks cannot be read.*21 are sound.*skip_damaged") as caught:
        load(many)
    assert (caught.value.code, caught.value.byte) == ("damaged_blocks", head + 3 * size)
    assert told(load(many, repair=("skip_damaged",)), "damaged_blocks")["count"] == 3


def test_f10_a_damaged_page_of_a_geneactiv_file(tmp_path):
    content = geneactiv.write(tmp_path, pages=30).read_bytes()
    places = [match.start() for match in re.finditer(rb"Recorded Data", content)]
    one = flipped(content, places[4] + 900)
    recording = load(file(tmp_path, one, "a.bin"))
    assert "damaged_blocks" in codes(recording)
    assert len(recording.accel) == 29 * 300
    many = flipped(content, *(places[page] + 900 for page in (3, 7, 12)))
    error = device_refused(file(tmp_path, many, "a.bin"), "damaged_blocks", byte=places[3], cure="skip_damaged")
    assert "3 of 30" in error.message
    assert len(load(file(tmp_path, many, "a.bin"), repair=("skip_damaged",)).accel) == 27 * 300


def test_f10_a_damaged_record_of_an_actigraph_file(tmp_path):
    log = actigraph.log(seconds=40)
    second_10 = actigraph.record(actigraph.ACTIVITY, actigraph.START_S + 10, b"")[:6]
    place = log.index(second_10[:2] + second_10[2:6])
    recording = load(actigraph.write(tmp_path, content=flipped(log, place + 40)))
    assert told(recording, "damaged_blocks")["count"] == 1
    assert len(recording.accel) == 39 * 30


@pytest.mark.parametrize("name", ["a.csv", "a.cwa", "a.gt3x", "a.bin", "a.parquet", "a.zip", "a.wav", "export.xml"])
def test_f11_random_bytes_under_a_good_name(tmp_path, name):
    content = np.random.default_rng(7).bytes(4096)
    error = refused(file(tmp_path, content, name), "format", kind=NotThisFormatError, cure="schema=", schema=None)
    assert repr(content[:16]) in error.message
    assert "geneactiv" in error.message


def test_f12_a_byte_order_mark(tmp_path):
    marked = loaded(tmp_path, b"\xef\xbb\xbf" + csv_of())
    assert marked.id == loaded(tmp_path, csv_of()).id
    assert codes(marked) == set()


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_f13_utf_16(tmp_path, encoding):
    content = csv_of().decode().encode(encoding)
    code, byte = ("encoding", 0) if encoding == "utf-16" else ("nul_bytes", content.index(b"\0"))
    refused(file(tmp_path, content), code, byte=byte, says="UTF-16", format="table")


def test_f13_latin_1_and_mixed_encodings(tmp_path):
    latin = labelled(lambda row: "Übung" if row == 120 else "rest").decode().encode("latin-1")
    refused(file(tmp_path, latin), "encoding", byte=latin.index(b"\xdc"), schema=WITH_LABEL, says="0xdc", cure="UTF-8")
    refused(file(tmp_path, latin), "encoding", byte=latin.index(b"\xdc"))  # also where the column is not read
    utf = labelled(lambda row: "Übung")
    mixed = utf[:4000].rpartition(b"\n")[0] + b"\n" + latin.partition(b"\n")[2]
    refused(file(tmp_path, mixed), "encoding", byte=mixed.index(b"\xdcb"), schema=WITH_LABEL)
    header = csv_of(header="t,x,y,z °").decode().encode("latin-1")
    refused(file(tmp_path, header), "encoding", byte=header.index(b"\xb0"))
    assert set(loaded(tmp_path, utf, schema=WITH_LABEL).labels["label"]) == {"Übung"}


def test_f14_semicolons_and_decimal_commas(tmp_path):
    plain = loaded(tmp_path, csv_of())
    for first in (at_rest(0), ["0", "0", "-1"]):
        rows = csv_of(
            delimiter=";",
            header="t;x;y;z",
            edit=lambda row, fields, first=first: [fields[0], *first] if row == 0 else fields,
        )
        recording = loaded(tmp_path, rows.replace(b".", b","))
        assert recording.accel.values[1:].tobytes() == plain.accel.values[1:].tobytes()
        np.testing.assert_array_equal(recording.accel.time, plain.accel.time)
    mixed = rows.replace(b".", b",").splitlines(keepends=True)
    mixed[100] = mixed[100].replace(b",", b".")
    refused(file(tmp_path, b"".join(mixed)), "not_a_table", row=99)
    with pytest.raises(ValueError, match="the table has"):
        load(file(tmp_path, csv_of(header="t x y z", delimiter=" ")), schema=PLAIN, format="table")


def test_f15_a_header_in_the_middle(tmp_path):
    joined = csv_of(100) + csv_of(range(100, 200))
    refused(file(tmp_path, joined), "repeated_header", row=100, cure="split.*drop_headers")
    for content in (joined, b"\xef\xbb\xbf" + csv_of(100) + b"\xef\xbb\xbf" + csv_of(range(100, 200))):
        recording = loaded(tmp_path, content, repair=("drop_headers",))
        assert told(recording, "drop_headers")["count"] == 1
        assert recording.id == loaded(tmp_path, csv_of()).id
    twice = HEADER.encode() + b"\n" + csv_of()
    refused(file(tmp_path, twice), "repeated_header", row=0)
    assert told(loaded(tmp_path, twice, repair=("drop_headers",)), "drop_headers")["count"] == 1


def test_f15_a_header_with_other_columns_is_not_dropped(tmp_path):
    joined = csv_of(100) + csv_of(range(100, 200), header="t,z,y,x")
    error = refused(file(tmp_path, joined), "repeated_header", row=100, repair=("drop_headers",), cure="split")
    assert "drop_headers" not in error.remedy


def test_f15_a_header_longer_than_any_page(tmp_path):
    names = [f"column_{number}" for number in range(2000)]
    content = ("t," + ",".join(names) + "\n" + "".join(f"{second(row)}{',1' * 2000}\n" for row in range(5))).encode()
    recording = loaded(tmp_path, content, schema={"t": ("time", "s"), "column_5": ("light", "lux")})
    assert len(recording["light"]) == 5


def test_f16_a_row_of_units(tmp_path):
    clean = loaded(tmp_path, csv_of())
    names = {"t": "time", **{axis: f"accel.{axis}" for axis in "xyz"}}
    content = csv_of(header=f"{HEADER}\ns,g,g,g")
    assert loaded(tmp_path, content, schema=names).id == clean.id
    assert loaded(tmp_path, content).id == clean.id
    metres = csv_of(
        header=f"{HEADER}\n[s],[m/s^2],[m/s^2],[m/s^2]",
        values=lambda row: [f"{9.80665 * float(one):.5f}" for one in at_rest(row)],
    )
    np.testing.assert_allclose(loaded(tmp_path, metres, schema=names).accel.values, clean.accel.values, atol=1e-5)
    refused(file(tmp_path, metres), "unit_contradicts", says="'g'.*'m/s", cure="which is true")
    parsecs = csv_of(header=f"{HEADER}\ns,pc,pc,pc")
    with pytest.raises(ValueError, match="'pc', expected one of g, mg, m/s2"):
        load(file(tmp_path, parsecs), schema=names)


def test_f16_a_row_of_units_with_none_for_the_label(tmp_path):
    plain = labelled(lambda row: "sit")
    header, _, rows = plain.partition(b"\n")
    recording = loaded(tmp_path, header + b"\ns,g,g,g,\n" + rows, schema=WITH_LABEL)
    assert recording.id == loaded(tmp_path, plain, schema=WITH_LABEL).id
    nothing = header + b"\n,,,,sit\n" + rows
    refused(file(tmp_path, nothing), "time_missing", row=0, schema=WITH_LABEL)  # a row without values has no units


@pytest.mark.parametrize(
    ("header", "says"),
    [
        ("time,timestamp,accel_x [g],accel_y [g],accel_z [g]", "timestamp"),
        ("time,accel_x [g],accel_y [g]", "needs the channels"),
        ("time,accel_x [lsb],accel_y [lsb],accel_z [lsb]", "lsb"),
        ("a,accel_x [g],accel_y [g],accel_z [g]", "none is of time"),
    ],
)
def test_f16_columns_that_do_not_say_what_they_are(tmp_path, header, says):
    width = header.count(",")
    content = csv_of(header=header, values=lambda row: [str(row)] * width)
    error = refused(file(tmp_path, content), "schema_missing", schema=None, says=says, cure="schema=")
    assert "table.csv" in str(error)


def test_f17_an_extra_column_in_one_row(tmp_path):
    extra = csv_of(edit=lambda row, fields: [*fields, "1"] if row == 50 else fields)
    refused(file(tmp_path, extra), "not_a_table", row=50, says="Expected 4 columns, got 5", cure="row")


@pytest.mark.parametrize("place", [0, 4])
def test_f18_an_extra_column_in_all_rows(tmp_path, place):
    extra = csv_of(edit=lambda row, fields: [*fields[:place], "1", *fields[place:]])
    refused(file(tmp_path, extra), "not_a_table", row=0, says="Expected 4 columns, got 5")


def test_f19_columns_of_one_name(tmp_path):
    twice = csv_of(header=f"{HEADER},x", edit=lambda row, fields: [*fields, "5"])
    refused(file(tmp_path, twice), "duplicate_columns", says="'x'", cure="one of each")
    table = pd.concat([frame(), frame()[["x"]] * 3], axis=1)
    refused(table, "duplicate_columns", says="'x'")
    arrow = pa.Table.from_arrays(
        [pa.array(frame()[name]) for name in "txyz"] + [pa.array([5.0] * 200)], names=[*"txyzx"]
    )
    pq.write_table(arrow, tmp_path / "a.parquet")
    refused(tmp_path / "a.parquet", "duplicate_columns", says="'x'")


@pytest.mark.parametrize("at", [3000, 5])
def test_f20_zero_bytes(tmp_path, at):
    content = csv_of()
    padded = content[:at] + b"\0" * 512
    refused(file(tmp_path, padded), "nul_bytes", kind=TruncatedError, byte=at, format="table", says="loss of power")
    inside = content[:at] + b"\0" * 40 + content[at:]
    refused(file(tmp_path, inside), "nul_bytes", kind=TruncatedError, byte=at, format="table")


def test_f21_a_quote_that_never_closes(tmp_path):
    numbers = csv_of(edit=in_row(50, 1, '"0.5'))
    refused(file(tmp_path, numbers), "open_quote", row=50)
    opened = labelled(lambda row: '"walk' if row == 50 else "rest")
    refused(file(tmp_path, opened), "open_quote", row=50, schema=WITH_LABEL, says="is not closed", cure="close")
    again = labelled(lambda row: '"walk' if row in {50, 51} else "rest")
    refused(file(tmp_path, again), "open_quote", row=50, schema=WITH_LABEL)
    assert len(loaded(tmp_path, labelled(lambda row: '"a, ""b"""'), schema=WITH_LABEL).accel) == 200
    words = ('"tea', "run", '"walk"')  # a quote that the next one closes, two rows below
    rows = [f"{sensor_logger.START_NS + 10**8 * row},{0.1 * row:.1f},{word},90\n" for row, word in enumerate(words)]
    notes = "".join(["time,seconds_elapsed,text,millisecond_press_duration\n", *rows])
    path = sensor_logger.write(tmp_path, replaced={"Annotation.csv": notes.encode()})
    device_refused(path, "open_quote", row=0)


def test_f22_labels_that_look_like_no_value(tmp_path):
    words = ["None", "NA", "null", "nan", "NaN", "N/A", ""]
    recording = loaded(tmp_path, labelled(lambda row: words[row // 30]), schema=WITH_LABEL)
    assert list(recording.labels["label"]) == [word for word in words if word]
    table = frame().assign(what=[words[row // 30] for row in range(200)])
    assert list(load(table, schema=WITH_LABEL).labels["label"]) == [word for word in words if word]


def test_f23_two_devices_in_one_file(tmp_path):
    schema = PLAIN | {"what": "id"}
    two = labelled(lambda row: f"serial-{row // 100}")
    error = refused(
        file(tmp_path, two), "several_recordings", schema=schema, says="2 devices", cure="one table of each"
    )
    assert "serial" not in str(error)
    assert len(loaded(tmp_path, labelled(lambda row: "serial-0"), schema=schema).accel) == 200
    head, size = axivity.HEADER_BYTES, axivity.BLOCK_BYTES
    other = b"".join(axivity.contents(first=24, session=99))
    path = axivity.write(tmp_path, damage=lambda content: content + other)
    with pytest.raises(RecordingError) as caught:
        load(path)
    assert caught.value.code == "several_recordings"
    assert caught.value.byte == head + 24 * size
    refused(file(tmp_path, csv_of(100) + csv_of(100).partition(b"\n")[2]), "time_backwards", row=100)


def test_f24_a_file_that_grows_while_it_is_read(tmp_path, monkeypatch):
    path, plain = file(tmp_path, csv_of()), table_reader.read

    def slow(source, request):
        gathered = plain(source, request)
        source.write_bytes(csv_of(300))
        return gathered

    monkeypatch.setattr(table_reader, "read", slow)
    refused(path, "still_written", kind=TruncatedError, says="changed while it was read", cure="wait")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_f25_only_regular_files(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    refused(tmp_path / "pipe.csv", "not_regular", cure="plain file")
    refused("/dev/zero", "not_regular", cure="plain file")
    (tmp_path / "folder.csv").mkdir()
    refused(tmp_path / "folder.csv", "format", kind=NotThisFormatError, schema=None)
    (tmp_path / "loop.csv").symlink_to(tmp_path / "loop.csv")
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "loop.csv", schema=PLAIN)


def test_f26_the_content_says_what_a_file_is(tmp_path):
    packed = sensor_logger.write(tmp_path, zipped=True)
    disguised = load(file(tmp_path, packed.read_bytes(), "A.CSV"))
    assert disguised.source["format"] == "sensor_logger"
    assert disguised.id == load(packed).id
    for name in ("table.zip", "table", "TABLE.GT3X", "table.parquet"):
        assert loaded(tmp_path, csv_of(), name=name).id == loaded(tmp_path, csv_of()).id
    frame().to_parquet(tmp_path / "a.csv")
    assert load(tmp_path / "a.csv", schema=PLAIN).id == loaded(tmp_path, csv_of()).id
    renamed = file(tmp_path, actigraph.write(tmp_path).read_bytes(), "a.csv")
    assert load(renamed).source["format"] == "actigraph"


# Hostile


def everything(folder):
    return sorted(str(one.relative_to(folder)) for one in folder.rglob("*"))


def test_h01_names_that_point_outside_an_archive(tmp_path):
    inside = tmp_path / "deep" / "folder"
    inside.mkdir(parents=True)
    for prefix in ("../../", "/tmp/", "a/../../"):  # noqa: S108  a name in a zip, not a place to write to
        assert len(load(sensor_logger.write(inside, zipped=True, prefix=prefix)).accel) == 60
        assert everything(tmp_path) == ["deep", "deep/folder", "deep/folder/export.zip"]
    device_refused(sensor_logger.write(inside, zipped=True, prefix="..\\..\\"), "format", kind=NotThisFormatError)
    assert everything(tmp_path) == ["deep", "deep/folder", "deep/folder/export.zip"]
    with tarfile.open(inside / "a.tar", "w") as archive:
        member = tarfile.TarInfo("../../escaped.csv")
        member.size = len(csv_of())
        archive.addfile(member, io.BytesIO(csv_of()))
    refused(inside / "a.tar", "format", kind=NotThisFormatError, schema=None)
    assert "escaped.csv" not in "".join(everything(tmp_path))


def test_h02_archives_that_unpack_to_far_more(tmp_path):
    zeros = b"0" * 40_000_000
    replaced = {"WristMotion.csv": zeros}
    device_refused(
        sensor_logger.write(tmp_path, zipped=True, replaced=replaced), "zip_bomb", says="times its packed size"
    )
    packed = gzip.compress(csv_of(2) + b"1,0,0,-1\n" * 4_000_000, 9)
    stampless = PLAIN | {"t": "ignore"}
    refused(file(tmp_path, packed, "a.csv.gz"), "zip_bomb", schema=stampless, rate_hz=50, says="200 times")
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("t.npy", zeros)
    refused(tmp_path / "a.npz", "zip_bomb", schema={"t": ("accel.x,y,z", "g")}, rate_hz=50)
    device_refused(actigraph.write(tmp_path, content=bytes(40_000_000)), "zip_bomb")


ENTITIES = {
    "h03 billion laughs": '<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">',
    "h03 quadratic blowup": f'<!ENTITY b "{"x" * 50_000}">',
    "h04 a file of the system": '<!ENTITY b SYSTEM "file:///etc/passwd">',
    "h04 a parameter entity": '<!ENTITY % p SYSTEM "http://127.0.0.1:9/x.dtd"> %p;',
}


def refused_entities(tmp_path, case):
    records = apple_health.heart_rate(0, 60) + f" <Text>{'&b;' * 200}</Text>\n"
    path = apple_health.write(tmp_path, kind="file", records=records, dtd=f"<!DOCTYPE HealthData [{ENTITIES[case]}]>\n")
    with pytest.raises(RecordingError) as caught:
        load(path)
    assert caught.value.code == "entities"
    assert path.read_bytes()[caught.value.byte :].startswith(b"<!ENTITY")
    assert is_one_line(caught.value.remedy)


@pytest.mark.parametrize("case", [case for case in ENTITIES if case.startswith("h03")])
def test_h03_entities_that_grow(tmp_path, case):
    refused_entities(tmp_path, case)


@pytest.mark.parametrize("case", [case for case in ENTITIES if case.startswith("h04")])
def test_h04_entities_that_reach_out(tmp_path, case):
    refused_entities(tmp_path, case)


def test_h05_memory_does_not_follow_the_size_of_an_export(tmp_path):
    def peak(records):
        many = "".join(apple_health.heart_rate(second, 60 + second % 9) for second in range(records))
        path = apple_health.write(tmp_path, kind="file", records=many)
        tracemalloc.start()
        assert len(load(path).heart_rate) == records
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most, path.stat().st_size

    peak(100)  # imports are not part of it
    (small, short), (large, long) = peak(1000), peak(11_000)
    assert long - short > 3_500_000
    assert large - small < 0.4 * (long - short)


def test_h06_the_broken_dtd_and_control_characters_of_genuine_exports(tmp_path):
    records = apple_health.heart_rate(0, 60, changed={"sourceName": "Some\x0bbody"}) + apple_health.heart_rate(1, 61)
    path = apple_health.write(tmp_path, kind="file", records=records)
    assert b"brand CDATA #IMPLIED\n<!ELEMENT" in path.read_bytes()  # a declaration without its end
    recording = load(path)
    assert recording.heart_rate.values[:, 0].tolist() == [60, 61]
    assert told(recording, "control_characters")["count"] == 1


class Payload:
    """What runs where a pickle is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (str(self.path),))


def test_h07_pickles_are_never_loaded(tmp_path):
    struck = tmp_path / "struck"
    content = pickle.dumps(Payload(struck))
    for name in ("a.pkl", "a.csv", "a.pt", "a.npz"):
        refused(file(tmp_path, content, name), "format", kind=NotThisFormatError, schema=None)
    np.savez(tmp_path / "a.npz", t=np.array([Payload(struck)], dtype=object), allow_pickle=True)
    refused(tmp_path / "a.npz", "objects", schema={"t": ("accel.x,y,z", "g")}, rate_hz=50, says="never unpickled")
    native = save(loaded(tmp_path, csv_of()), tmp_path / "native")
    values = next(native.glob("*values*.npy"))
    np.save(values, np.array([Payload(struck)], dtype=object), allow_pickle=True)
    with pytest.raises(RecordingError) as caught:
        load(native)
    assert is_one_line(caught.value.remedy)
    assert not struck.exists()


def claiming(shape):
    """Return an array of four numbers whose header claims another shape."""
    content = io.BytesIO()
    np.lib.format.write_array_header_1_0(content, {"descr": "<f8", "fortran_order": False, "shape": shape})
    return content.getvalue() + bytes(32)


def test_h08_headers_that_claim_more_than_there_is(tmp_path):
    for shape in ((10**11,), (10**6, 10**6), (2**62, 4)):
        with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
            archive.writestr("t.npy", claiming(shape))
        schema = {"t": ("accel.x,y,z", "g")}
        refused(tmp_path / "a.npz", "truncated", kind=TruncatedError, schema=schema, rate_hz=50, cure="again")
    native = save(loaded(tmp_path, csv_of()), tmp_path / "native")
    next(native.glob("*values*.npy")).write_bytes(claiming((3, 10**11)))
    with pytest.raises(RecordingError) as caught:
        load(native)
    assert caught.value.code in {"truncated", "header"}


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_h09_formulas_in_tables_for_spreadsheets(start):
    table = pd.DataFrame(
        {"label": [f"{start}HYPERLINK(1)", "walk", "a=b", None], "count": [-1, 2, -3, 4], "x": [-0.5, np.nan, 1, 2]}
    )
    table.insert(3, f"{start}name", ["-", "ok", "", "x"])
    plain = for_spreadsheets(table)
    assert plain["label"].tolist()[:3] == [f"'{start}HYPERLINK(1)", "walk", "a=b"]
    assert plain["label"].isna().tolist() == [False, False, False, True]
    pd.testing.assert_frame_equal(plain[["count", "x"]], table[["count", "x"]])
    assert list(plain.columns) == ["label", "count", "x", f"'{start}name"]
    assert plain.iloc[:, 3].tolist() == ["'-", "ok", "", "x"]
    assert table["label"][0].startswith(start)  # the table given is as it was


def test_h09_categories_dates_and_repeated_columns_of_a_spreadsheet():
    table = pd.DataFrame({"a": pd.Categorical(["=1", "b"]), "b": pd.to_datetime(["2026-01-01", "2026-01-02"])})
    table = pd.concat([table, pd.DataFrame({"a": ["@x", "y"]})], axis=1)
    plain = for_spreadsheets(table)
    assert plain.iloc[:, 0].tolist() == ["'=1", "b"]
    assert plain.iloc[:, 2].tolist() == ["'@x", "y"]
    assert plain["b"].tolist() == table["b"].tolist()
    assert for_spreadsheets(label_table()).empty


HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(1)</script>",
    "'\"><b>",
    "&lt;",
    "a_$b^$",
    "_$\\frac",
)


def hostile(name):
    stream = Stream.measured(name, np.arange(20.0), np.zeros((20, 2)), channels=(name, "b"), unit=name)
    labels = label_table([(1, 9, name, name, name), (12, 12, name, "truth", name)])
    findings = finding_table([(name, name, 1.0, 2.0, 1, name, name)])
    return Recording.of([stream], labels=labels, subject=name, zone=name, findings=findings, source={"format": name})


class Tags(HTMLParser):
    """Collects tags with their attributes, and text."""

    def __init__(self):
        super().__init__()
        self.tags, self.attributes, self.text = set(), set(), ""

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attributes}

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize("name", HOSTILE)
def test_h10_html_in_names(name):
    plain, page = Tags(), Tags()
    plain.feed(hostile("word")._repr_html_())
    page.feed(hostile(name)._repr_html_())
    assert (page.tags, page.attributes) == (plain.tags, plain.attributes)
    assert page.text.count(name) == plain.text.count("word")


@pytest.mark.parametrize("name", HOSTILE)
def test_h11_dollars_and_underscores_in_names(name):
    pytest.importorskip("matplotlib")
    from wristkit.view import draw_recording

    figure = draw_recording(hostile(name))
    figure.savefig(io.BytesIO())  # raises where a name is taken for mathematics
    legend = figure.axes[-1].get_legend()
    texts = [one.get_text() for axes in figure.axes for one in axes.texts]
    assert legend is not None
    assert texts


@pytest.mark.parametrize("name", ["../../escaped", "/etc/escaped", "..\\escaped", "a/b", "con:", "\0", ".."])
def test_h12_paths_in_names(tmp_path, name):
    inside = tmp_path / "deep"
    inside.mkdir()
    recording = hostile(name)
    folder = save(recording, inside / "native")
    assert all(one.startswith("deep") and "escaped" not in one.split("/")[:2] for one in everything(tmp_path))
    assert {one.parent for one in folder.rglob("*") if one.is_file()} == {folder}
    again = load(folder)
    assert (again.subject, list(again.streams)) == (name, [name])
    header = json.loads((folder / "recording.json").read_text())
    header["streams"][0]["files"]["values"]["name"] = "../../outside.npy"
    (folder / "recording.json").write_text(json.dumps(header))
    device_refused(folder, "path", says="outside its own folder", cure="do not open")
