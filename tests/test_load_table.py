"""Tables of one's own: exact values, stamps, labels and repairs, against a reader that goes row by row."""

import csv
import gzip
import io
import itertools
import sys
import tempfile
import tracemalloc
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.formats import table as writer
from tests.limits import peak_megabytes
from wristkit.errors import RecordingError, TruncatedError
from wristkit.load import load
from wristkit.load import members as members_room
from wristkit.load import rows as rows_room
from wristkit.load import spool as spool_room
from wristkit.load import table as table_room
from wristkit.load.gather import Request, Rows
from wristkit.load.order import in_order
from wristkit.load.schema import UNITS, Column
from wristkit.load.spool import Spool
from wristkit.recording import CANONICAL, blocks

START_NS = 1_772_438_400 * 10**9
FORCE = {
    "t": ("time", "ns"),
    **{name: (f"force.{name}", "N") for name in ("a", "b")},
    "what": "label",
}
KINDS = {
    "csv": (",", "."),
    "tsv": ("\t", "."),
    "semicolon": (";", "."),
    "decimal comma": (";", ","),
    "bar": ("|", "."),
    "gzip": (",", "."),
}

numbers = st.decimals(min_value=-1000, max_value=1000, places=5).map(float)
words = st.sampled_from(["walk", "rest", "NA", "None", "a,b", 'say "so"', "größer", ""])


@st.composite
def tables(draw, most=25):
    """Return a table with increasing stamps, two columns of numbers, some without value, and labels."""
    count = draw(st.integers(1, most))
    steps = draw(st.lists(st.integers(1, 10**10), min_size=count, max_size=count))
    number = st.one_of(numbers, st.just(float("nan")))
    columns = {"t": START_NS + np.cumsum(np.array(steps, dtype=np.int64))}
    columns |= {name: draw(st.lists(number, min_size=count, max_size=count)) for name in ("a", "b")}
    columns["what"] = draw(st.lists(words, min_size=count, max_size=count))
    return pd.DataFrame(columns)


def text_of(table, kind="csv"):
    delimiter, decimal = KINDS[kind]
    return table.to_csv(None, index=False, sep=delimiter, decimal=decimal, lineterminator="\n")


def by_row(text, kind="csv"):
    """Return stamps, values and labels of a table, one field at a time: the slow twin."""
    delimiter, decimal = KINDS[kind]
    time_ns, values, labels = [], [], []
    for row in csv.DictReader(io.StringIO(text), delimiter=delimiter):
        time_ns.append(int(row["t"]))
        values.append([float(row[name].replace(decimal, ".") or "nan") for name in ("a", "b")])
        labels.append(row["what"])
    return time_ns, np.array(values, dtype=np.float32), labels


def runs_of(time_ns, labels):
    """Return (start, stop, label) of each run of one label: up to the next, or its own last stamp before a gap."""
    steps = [b - a for a, b in itertools.pairwise(time_ns)]
    longest = max(4 * float(np.median(steps)), 10**8) if steps else 0
    found, start = [], 0
    for row, label in enumerate(labels):
        last = row + 1 == len(labels)
        gap = not last and steps[row] > longest
        if last or gap or labels[row + 1] != label:
            stop = row if last or gap else row + 1
            found.append((time_ns[start], time_ns[stop], label))
            start = row + 1
    return found


def spans_of(found):
    """Return the spans that runs cover, those that touch as one."""
    spans = []
    for start, stop, _ in found:
        if spans and spans[-1][1] == start:
            spans[-1][1] = stop
        elif stop > start:
            spans.append([start, stop])
    return spans


def written(folder, table, kind):
    """Return a table as a file or object of a kind."""
    if kind == "frame":
        return table
    if kind == "arrays":
        return {"t": table["t"].to_numpy(), **{name: table[name].tolist() for name in ("a", "b", "what")}}
    if kind == "parquet":
        table.to_parquet(folder / "t.parquet", index=False)
        return folder / "t.parquet"
    if kind == "npz":
        arrays = {name: table[name].to_numpy() for name in ("t", "a", "b")}
        np.savez(folder / "t.npz", what=table["what"].to_numpy(dtype="U20"), **arrays)
        return folder / "t.npz"
    content = text_of(table, kind).encode()
    path = folder / "t.csv"
    path.write_bytes(gzip.compress(content) if kind == "gzip" else content)
    return path


@pytest.mark.parametrize("kind", [*KINDS, "parquet", "npz", "frame", "arrays"])
@settings(max_examples=25)
@given(table=tables())
def test_every_kind_of_table_is_what_a_reader_finds_row_by_row(kind, table):
    time_ns, values, labels = by_row(text_of(table))
    with tempfile.TemporaryDirectory() as folder:
        recording = load(written(Path(folder), table, kind), schema=FORCE)
    assert recording.start.value == time_ns[0]
    assert recording.force.time.tolist() == [(ns - time_ns[0]) / 1e9 for ns in time_ns]
    np.testing.assert_array_equal(recording.force.values, values)
    assert (recording.force.channels, recording.force.unit) == (("a", "b"), "N")
    named = [run for run in runs_of(time_ns, labels) if run[2]]
    expected = [((a - time_ns[0]) / 1e9, (b - time_ns[0]) / 1e9, name) for a, b, name in named]
    found = recording.labels[["start_s", "stop_s", "label"]].itertuples(index=False, name=None)
    assert list(found) == expected
    assert recording.labelled["truth"].tolist() == [
        [(edge - time_ns[0]) / 1e9 for edge in span] for span in spans_of(named)
    ]


@pytest.mark.parametrize("kind", ["csv", "tsv", "comma", "iso", "gzip", "parquet", "npz"])
def test_all_kinds_give_one_recording(tmp_path, kind):
    recording = load(writer.write(tmp_path, kind=kind), schema=writer.schema(kind))
    assert recording.id == load(writer.frame(), schema=writer.SCHEMA).id
    assert list(recording.labels["label"]) == ["rest", "walk"]


@settings(max_examples=60)
@given(data=st.data(), unit=st.sampled_from(["s", "ms", "us", "ns"]))
def test_stamps_are_whole_nanoseconds_as_by_decimal_arithmetic(data, unit):
    per_s = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    places = {"s": 6, "ms": 3, "us": 0, "ns": 0}[unit]
    step = Decimal(10) ** -places
    steps = data.draw(st.lists(st.integers(1, 10**6), min_size=2, max_size=20))
    texts = [str(Decimal(1_772_438_400 * per_s) + step * one) for one in itertools.accumulate(steps)]
    content = "t,a,b,what\n" + "".join(f"{text},1,2,x\n" for text in texts)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.csv"
        path.write_text(content)
        rows = table_room.read(path, Request(Spool(), schema=FORCE | {"t": ("time", unit)})).tracks[0]
    exact = [int(Decimal(text) * 10**9 / per_s) for text in texts]
    # A float64 of seconds since 1970 is good to a quarter of a microsecond, one of ms to a quarter of a nanosecond.
    tolerance = {"s": 250, "ms": 250, "us": 0, "ns": 0}[unit]
    assert max(abs(int(ns) - one) for ns, one in zip(rows.time_ns, exact, strict=True)) <= tolerance


# Units and frames

POINTS = [
    *(("accel", "mg", 1000, 1), ("accel", "m/s2", 9.80665, 1), ("accel", "g", 1, 1)),
    *(("gyro", "deg/s", 180, np.pi), ("gyro", "mrad/s", 1000, 1), ("gyro", "rad/s", 1, 1)),
    *(("mag", "uT", 5, 5), ("mag", "nT", 5000, 5), ("mag", "mT", 1, 1000), ("mag", "T", 1e-6, 1)),
    *(("mag", "gauss", 0.5, 50), ("mag", "mgauss", 500, 50)),
    *(("temperature", "degC", 37, 37), ("temperature", "K", 310.15, 37), ("temperature", "degF", 98.6, 37)),
    *(("pressure", "kPa", 101, 101), ("pressure", "hPa", 1013.25, 101.325), ("pressure", "mbar", 1013.25, 101.325)),
    *(("pressure", "Pa", 101_325, 101.325), ("pressure", "bar", 1.01325, 101.325)),
    *(("heart_rate", "bpm", 61, 61), ("heart_rate", "Hz", 1.5, 90), ("ibi", "s", 0.8, 0.8), ("ibi", "ms", 800, 0.8)),
    *(("energy", "kcal", 2, 2), ("energy", "kJ", 4.184, 1), ("energy", "J", 4184, 1), ("energy", "cal", 1000, 1)),
    *(("altitude", "m", 3, 3), ("altitude", "ft", 100, 30.48)),
]
SPELLINGS = [
    *(
        ("accel", "m/s^2", 9.80665, 1),
        ("accel", "m/s²", 9.80665, 1),
        ("accel", "ms-2", 9.80665, 1),
        ("accel", "G", 1, 1),
    ),
    *(("gyro", "dps", 180, np.pi), ("gyro", "°/s", 180, np.pi)),
    *(("mag", "µT", 5, 5), ("mag", "μT", 5, 5), ("temperature", "°C", 37, 37), ("temperature", "C", 37, 37)),
    *(("temperature", "F", 98.6, 37), ("eda", "µS", 2, 2), ("eda", "μS", 2, 2), ("light", "lx", 300, 300)),
]


def test_every_unit_has_a_point_of_reference():
    streams = {CANONICAL[stream].unit: stream for stream, *_ in POINTS}
    assert {(streams[unit], name) for unit in UNITS for name in UNITS[unit]} == {(one[0], one[1]) for one in POINTS}


@pytest.mark.parametrize(("stream", "unit", "given_", "expected"), [*POINTS, *SPELLINGS])
def test_units_are_converted_to_canonical_ones(tmp_path, stream, unit, given_, expected):
    channels = CANONICAL[stream].channels or (stream,)
    names = [f"{stream}_{channel}" for channel in channels]
    streams = [f"{stream}.{channel}" for channel in channels] if CANONICAL[stream].channels else [stream]
    columns = {name: (one, unit) for name, one in zip(names, streams, strict=True)}
    schema = {"t": ("time", "s"), **columns}
    table = pd.DataFrame({"t": [0.0, 1.0, 2.0], **{name: [given_, given_ / 2, np.nan] for name in names}})
    table.to_csv(tmp_path / "t.csv", index=False)
    for source in (tmp_path / "t.csv", table):
        read = table_room.read if isinstance(source, Path) else table_room.read_memory
        (track,) = read(source, Request(Spool(), schema=schema)).tracks
        assert track.unit == CANONICAL[stream].unit
        np.testing.assert_allclose(track.values[0], expected, rtol=1e-6)
        assert np.isnan(track.values[2]).all()
        said = [(one.code, one.count) for one in track.remarks]
        assert said == ([("unit_converted", 3)] if given_ != expected else [])


def test_a_conversion_is_told_once_a_stream_with_its_units():
    schema = {"t": ("time", "s"), "x": ("accel.x", "mg"), "y": ("accel.y", "m/s2"), "z": ("accel.z", "g")}
    schema |= {f"r{axis}": (f"gyro.{axis}", "dps") for axis in "xyz"} | {"n": ("force", "N")}
    findings = load(motion().assign(rx=1.0, ry=1.0, rz=1.0, n=1.0), schema=schema).findings
    said = findings.query("code == 'unit_converted'")[["stream", "count", "note"]].itertuples(index=False, name=None)
    assert sorted(said) == [
        ("accel", 50, "accel was converted from mg and m/s2 to g"),
        ("gyro", 50, "gyro was converted from deg/s to rad/s"),
    ]


def test_a_unit_in_the_row_below_the_header_is_told_where_it_is_converted(tmp_path):
    (tmp_path / "t.csv").write_text("t,x,y,z\ns,m/s2,m/s2,m/s2\n0,0,0,-9.81\n0.1,0,0,-9.81\n0.2,0,0.1,-9.81\n")
    schema = {"t": "time", **{axis: f"accel.{axis}" for axis in "xyz"}}
    (note,) = load(tmp_path / "t.csv", schema=schema).findings.query("code == 'unit_converted'")["note"]
    assert note == "accel was converted from m/s2 to g"


def test_the_frame_of_android_turns_forces_and_nothing_else():
    names = {"accel": "x", "gyro": "y", "mag": "z"}
    table = pd.DataFrame({"t": [0.0, 1.0]} | {f"{name}_{axis}": [1.0, 2.0] for name in names for axis in "xyz"})
    units = {"accel": "g", "gyro": "rad/s", "mag": "uT"}
    schema = {"t": ("time", "s")}
    schema |= {f"{name}_{axis}": (f"{name}.{axis}", units[name], "android") for name in names for axis in "xyz"}
    tracks = {one.name: one for one in table_room.read_memory(table, Request(Spool(), schema=schema)).tracks}
    for name, sign in {"accel": -1, "gyro": 1, "mag": 1}.items():
        np.testing.assert_array_equal(tracks[name].values, sign * np.array([[1.0] * 3, [2.0] * 3]))
    assert [remark.code for remark in tracks["accel"].remarks] == ["frame_converted"]
    assert not tracks["gyro"].remarks


# Schemas


def motion(rows=50):
    return pd.DataFrame({"t": np.arange(rows) / 50, "x": 0.0, "y": 0.001 * (np.arange(rows) % 3), "z": -1.0})


@pytest.mark.parametrize(
    "schema",
    [
        {"t": ("time", "s"), "x": ("accel.x", "g"), "y": ["accel.y", "g"], "z": ("accel.z", "g", "device")},
        {"t": Column("time", "s"), "x": Column("accel.x", "g"), "y": Column("accel.y", "g"), "z": ("accel.z", "g")},
        {
            "t": {"stream": "time", "unit": "s"},
            "x": {"stream": "accel.x", "unit": "g"},
            "y": {"stream": "accel.y", "unit": "g", "frame": "core_motion"},
            "z": {"stream": "accel.z", "unit": "g"},
        },
        {"t": ("time", "s"), "x": ("accel", "g"), "y": ("accel", "g"), "z": ("accel", "g")},
    ],
)
def test_a_schema_may_be_written_in_several_ways(schema):
    whole = load(motion(), schema={"t": ("time", "s"), **{axis: (f"accel.{axis}", "g") for axis in "xyz"}})
    assert load(motion(), schema=schema).id == whole.id
    arrays = {"t": motion()["t"].to_numpy(), "acc": motion()[["x", "y", "z"]].to_numpy()}
    assert load(arrays, schema={"t": ("time", "s"), "acc": ("accel.x,y,z", "g")}).id == whole.id


def test_the_unit_of_columns_whose_schema_has_none_is_given_apart():
    schema = {"t": ("time", "s"), **{axis: f"accel.{axis}" for axis in "xyz"}}
    table = motion().assign(z=-9.80665)
    np.testing.assert_allclose(load(table, schema=schema, unit="m/s2").accel.values[:, 2], -1, rtol=1e-6)


@pytest.mark.parametrize("names", ["accel_{} [g]", "accel.{} (g)", "accel_{}"])
def test_canonical_names_need_no_schema(tmp_path, names):
    table = motion().rename(columns={axis: names.format(axis) for axis in "xyz"})
    table = table.rename(columns={"t": "time_s"})
    table.to_csv(tmp_path / "t.csv", index=False)
    unit = None if "g" in names else "g"
    schema = {"t": ("time", "s"), **{axis: (f"accel.{axis}", "g") for axis in "xyz"}}
    assert load(tmp_path / "t.csv", unit=unit).id == load(table, unit=unit).id == load(motion(), schema=schema).id


ACCEL = {axis: (f"accel.{axis}", "g") for axis in "xyz"}


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        ({"t": ("time", "s")}, "names no stream"),
        (ACCEL, "rate_hz"),
        ({"t": ("time", "s"), **ACCEL, "w": "label"}, r"names the columns \['w'\]"),
        ({"t": ("time", "s"), **ACCEL, "x": ("accel.y", "g")}, "'x' and 'y' for accel.y"),
        ({"t": ("time", "s"), **ACCEL, "x": ("accel.x", "mg")}, None),
        ({"t": ("time", "s"), **ACCEL, "x": ("accel.x", "N")}, "expected one of g, mg, m/s2"),
        ({"t": ("time", "s"), **ACCEL, "x": ("accel.x", "g", "android")}, "several units or frames"),
        ({"t": ("time", "s"), **ACCEL, "x": ("accel.x", "g", "iphone")}, "frame of 'x'"),
        ({"t": ("time", "s"), **ACCEL, "x": "accel.x"}, "unit of 'x' is not stated"),
        ({"t": ("time", "s"), **ACCEL, "x": 5}, "the schema has 5 for 'x'"),
        ({"t": ("time", "s"), **ACCEL, "x": {"stream": "accel.x", "units": "g"}}, "the schema has"),
        ({"t": ("time", "s"), "x": ("accel.x", "g")}, "needs the channels"),
        ({"t": ("time", "s"), "x": ("time", "s"), **{axis: ACCEL[axis] for axis in "yz"}}, "expected one column"),
        ({"t": ("time", "fortnight"), **ACCEL}, "fortnight"),
        ({"t": ("accel", "g")}, "which channel 't' is"),
    ],
)
def test_schemas_that_cannot_be_followed_say_what_to_write(schema, says):
    if says is None:
        assert load(motion(), schema=schema).accel.unit == "g"  # two units of one stream, both converted
        return
    with pytest.raises(ValueError, match=says):
        load(motion(), schema=schema)


def test_a_schema_is_a_mapping():
    with pytest.raises(TypeError, match="expected a mapping such as"):
        load(motion(), schema=[("t", "time")])


def test_without_stamps_a_rate_makes_them(tmp_path):
    table = motion().drop(columns="t").assign(what=["a"] * 20 + ["b"] * 30)
    table.to_csv(tmp_path / "t.csv", index=False)
    for source in (table, tmp_path / "t.csv"):
        recording = load(source, schema=ACCEL | {"what": "label"}, rate_hz=25.0)
        assert recording.accel.is_uniform
        assert recording.accel.rate_hz == 25
        assert recording.start is None
        times = recording.labels[["start_s", "stop_s"]].to_numpy()
        np.testing.assert_allclose(times, [[0, 0.8], [0.8, 49 / 25]], atol=1e-6)
        assert set(recording.findings["code"]) == {"rate_stated"}


def test_the_id_of_a_device_is_not_kept():
    recording = load(motion().assign(who="SN-12345"), schema={"t": ("time", "s"), **ACCEL, "who": "id"})
    assert "12345" not in recording._repr_html_() + repr(dict(recording.source)) + recording.findings.to_string()


def test_arrays_of_other_lengths_or_shapes_are_refused():
    arrays = {name: motion()[name].to_numpy() for name in motion()}
    schema = {"t": ("time", "s"), **ACCEL}
    for changed, code in [
        ({"x": arrays["x"][:-1]}, "shape"),
        ({"t": arrays["t"][:-1]}, "shape"),
        ({"x": np.zeros((50, 2))}, "channels"),
        ({"x": np.array(["a"] * 50)}, "not_numeric"),
        ({"x": np.zeros((50, 2, 2))}, "not_numeric"),
        ({"t": arrays["t"].astype(complex)}, "not_numeric"),
    ]:
        with pytest.raises(RecordingError) as caught:
            load(arrays | changed, schema=schema)
        assert caught.value.code == code
        assert caught.value.remedy


# Local times


def local(start, rows=60):
    stamps = pd.Timestamp(start) + pd.to_timedelta(np.arange(rows), unit="s")
    return motion(rows).assign(t=stamps)


@pytest.mark.parametrize("form", ["text", "dates", "csv"])
@pytest.mark.parametrize(("zone", "utc"), [("Europe/Paris", "06:00"), ("Asia/Kolkata", "02:30"), ("UTC", "08:00")])
def test_local_times_become_utc_where_the_zone_is_known(tmp_path, form, zone, utc):
    table = local("2026-05-01 08:00:00")
    schema = {"t": "time", **ACCEL}
    if form != "dates":
        table = table.assign(t=table["t"].dt.strftime("%Y-%m-%d %H:%M:%S"))
    if form == "csv":
        table.to_csv(tmp_path / "t.csv", index=False)
    source = tmp_path / "t.csv" if form == "csv" else table
    recording = load(source, schema=schema, zone=zone)
    assert recording.start == pd.Timestamp(f"2026-05-01T{utc}:00Z")
    assert recording.zone == zone
    unknown = load(source, schema=schema)
    assert (unknown.start, unknown.zone) == (None, None)
    assert unknown.source["local_start"] == "2026-05-01T08:00:00"
    assert unknown.id == recording.id
    with pytest.raises(ValueError, match="expected a name such as"):
        load(source, schema=schema, zone="Mars/Base")


@pytest.mark.parametrize(
    ("start", "rows", "step_s", "crosses"),
    [
        ("2026-10-25 01:59:00", 120, 60, True),
        ("2026-10-24 01:00:00", 30, 3600, True),
        ("2026-03-29 01:59:50", 30, 3600, True),
        ("2026-01-01 00:00:00", 400, 86_400, True),  # over both changes of a year, with one offset at both ends
        ("2026-10-25 04:00:00", 30, 3600, False),
        ("2026-05-01 04:00:00", 100, 86_400, False),
    ],
)
def test_local_times_over_a_change_of_clocks_are_refused(start, rows, step_s, crosses):
    stamps = pd.Timestamp(start) + pd.to_timedelta(np.arange(rows) * step_s, unit="s")
    table = motion(rows).assign(t=stamps.strftime("%Y-%m-%d %H:%M:%S"))
    schema = {"t": "time", **ACCEL}
    if not crosses:
        assert load(table, schema=schema, zone="Europe/Paris").zone == "Europe/Paris"
        return
    with pytest.raises(RecordingError, match="offset from UTC") as caught:
        load(table, schema=schema, zone="Europe/Paris")
    assert caught.value.code == "summer_time"
    zoned = table.assign(t=[f"{one}Z" for one in table["t"]])
    assert len(load(zoned, schema=schema, zone="Europe/Paris").accel) == rows


@pytest.mark.parametrize("offset", ["Z", "+00:00", "+0000"])
def test_offsets_from_utc_are_read_in_text_and_in_memory(tmp_path, offset):
    texts = [f"2026-05-01T08:00:{row:02d}.{row:03d}{offset}" for row in range(50)]
    table = motion().assign(t=texts)
    table.to_csv(tmp_path / "t.csv", index=False)
    schema = {"t": "time", **ACCEL}
    for source in (table, tmp_path / "t.csv"):
        recording = load(source, schema=schema)
        assert recording.start == pd.Timestamp("2026-05-01T08:00:00Z")
        np.testing.assert_allclose(recording.accel.time, np.arange(50) * 1.001, atol=1e-9)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Paris"])
def test_dates_with_a_zone_stay_the_moment_that_they_are(tmp_path, zone):
    table = local("2026-05-01 08:00:00")
    table = table.assign(t=table["t"].dt.tz_localize("UTC").dt.tz_convert(zone))
    table.to_parquet(tmp_path / "t.parquet")
    schema = {"t": "time", **ACCEL}
    for source in (table, tmp_path / "t.parquet"):
        for asked in (None, "Asia/Tokyo"):
            recording = load(source, schema=schema, zone=asked)
            assert recording.start == pd.Timestamp("2026-05-01T08:00:00Z")
            assert "zone_missing" not in set(recording.findings["code"])


def test_categories_are_labels_in_every_kind(tmp_path):
    table = motion().assign(what=pd.Categorical(["a"] * 20 + ["b"] * 30))
    table.to_parquet(tmp_path / "t.parquet")
    for source in (table, tmp_path / "t.parquet"):
        recording = load(source, schema={"t": ("time", "s"), **ACCEL, "what": "label"})
        assert list(recording.labels["label"]) == ["a", "b"]


def test_what_is_masked_is_missing():
    arrays = {name: motion()[name].to_numpy() for name in motion()}
    schema = {"t": ("time", "s"), **ACCEL}
    hidden = np.arange(50) == 7
    recording = load(arrays | {"x": np.ma.array(arrays["x"] + 5 * hidden, mask=hidden)}, schema=schema)
    assert np.isnan(recording.accel.values[7, 0])
    assert recording.findings.set_index("code")["count"]["missing_values"] == 1
    with pytest.raises(RecordingError) as caught:
        load(arrays | {"t": np.ma.array(arrays["t"], mask=hidden)}, schema=schema)
    assert (caught.value.code, caught.value.row) == ("time_missing", 7)


@pytest.mark.parametrize("text", ["NaN", "nan", "null", "-nan", ""])
def test_a_first_row_without_values_is_no_row_of_units(tmp_path, text):
    content = "x,y,z\n" + f"{text},{text},{text}\n" + "0,0,-1\n" * 9
    (tmp_path / "t.csv").write_text(content)
    recording = load(tmp_path / "t.csv", schema=ACCEL, rate_hz=50)
    assert len(recording.accel) == 10
    assert np.isnan(recording.accel.values[0]).all()


# Repairs: every row that is touched is counted


DROPPING = ("drop_exact", "cut_reset")
ORDERING = ("sort_blocks", "cut_reset", "unwrap_clock", "drop_exact", "spread_stamps")


@st.composite
def disordered(draw):
    """Return (stamps, values) with repeats, equal stamps, and stretches out of order."""
    count = draw(st.integers(1, 40))
    steps = draw(st.lists(st.sampled_from([0, 10**6, 2 * 10**7, 2 * 10**7, 3 * 10**9]), min_size=count, max_size=count))
    stamps = START_NS + np.cumsum(np.array(steps, dtype=np.int64))
    values = np.array(draw(st.lists(st.integers(0, 3), min_size=count, max_size=count)), dtype=float)
    edges = sorted(draw(st.lists(st.integers(0, count), max_size=3)))
    parts = [slice(a, b) for a, b in itertools.pairwise([0, *edges, count])]
    order = np.concatenate([np.arange(count)[part] for part in draw(st.permutations(parts))])
    return stamps[order], values[order]


def repaired(rows, repair):
    """Return rows in order, or the error that says why there are none."""
    try:
        return in_order(rows, repair, Spool())
    except RecordingError as error:
        return error


@settings(max_examples=300)
@given(made=disordered(), repair=st.sets(st.sampled_from(ORDERING)))
def test_rows_in_are_rows_out_and_rows_dropped(made, repair):
    stamps, values = made
    out = repaired(Rows("t.csv", stamps, {"x": values}), repair)
    if isinstance(out, RecordingError):
        assert out.code in {"time_backwards", "equal_stamps"}
        assert 0 <= out.row < len(stamps)
        assert out.remedy
        return
    counts = dict.fromkeys((remark.code for remark in out.remarks), 0)
    for remark in out.remarks:
        counts[remark.code] += remark.count
    assert set(counts) <= repair
    assert (np.diff(out.time_ns) > 0).all()
    assert len(out.time_ns) + sum(counts.get(code, 0) for code in DROPPING) == len(stamps)
    if not counts:
        np.testing.assert_array_equal(out.time_ns, stamps)
        np.testing.assert_array_equal(out.columns["x"], values)


@settings(max_examples=300)
@given(made=disordered(), repair=st.sets(st.sampled_from(ORDERING)))
def test_every_row_that_is_moved_or_restamped_is_counted(made, repair):
    stamps, values = made
    numbers_ = np.arange(len(stamps), dtype=float)  # no two rows are repeats, so that each can be followed
    out = repaired(Rows("t.csv", stamps, {"x": values, "n": numbers_}), repair)
    if isinstance(out, RecordingError):
        return
    said = {remark.code: remark.count for remark in out.remarks}
    followed = out.columns["n"].astype(int)
    np.testing.assert_array_equal(out.columns["x"], values[followed])
    assert len(followed) + said.get("cut_reset", 0) == len(stamps)
    assert said.get("sort_blocks", 0) == int((followed != np.arange(len(followed))).sum())
    assert said.get("spread_stamps", 0) == int((out.time_ns != stamps[followed]).sum())
    assert "drop_exact" not in said


@settings(max_examples=60)
@given(repeats=st.lists(st.integers(1, 4), min_size=1, max_size=30))
def test_drop_exact_leaves_one_of_each_row(repeats):
    stamps = START_NS + np.repeat(np.arange(len(repeats)), repeats) * 10**7
    values = np.where(stamps % 3 == 0, np.nan, stamps % 7)
    out = in_order(Rows("t.csv", stamps, {"x": values}), {"drop_exact"}, Spool())
    np.testing.assert_array_equal(out.time_ns, np.unique(stamps))
    assert sum(remark.count for remark in out.remarks) == sum(repeats) - len(repeats)


@settings(max_examples=60)
@given(before=st.integers(1, 50), after=st.integers(1, 50), size=st.sampled_from([2**32, 2**31]))
def test_unwrap_clock_goes_on_where_the_counter_started_again(before, after, size):
    counter = (size - before + np.arange(before + after)) % size
    for per in (10**6, 10**3):  # ms and us
        out = in_order(Rows("t.csv", counter * per, {"x": counter * 1.0}), {"unwrap_clock"}, Spool())
        np.testing.assert_array_equal(np.diff(out.time_ns), per)
        assert [(one.code, one.count) for one in out.remarks] == [("unwrap_clock", after)]
    with pytest.raises(RecordingError, match="unwrap_clock"):
        in_order(Rows("t.csv", counter * 10**6, {}), (), Spool())


@settings(max_examples=40)
@given(data=st.data(), rows=st.integers(200, 600))
def test_cut_reset_drops_the_end_only_where_it_is_little(data, rows):
    lost = data.draw(st.integers(1, 20))
    stamps = START_NS + np.arange(rows) * 10**7
    stamps[rows - lost :] -= data.draw(st.integers(lost, rows - 1)) * 10**7 + 5 * 10**6
    given_rows = Rows("t.csv", stamps, {"n": np.arange(rows) * 1.0})
    if lost > 0.01 * rows:
        with pytest.raises(RecordingError, match="more than 1 %") as caught:
            in_order(given_rows, {"cut_reset"}, Spool())
        assert (caught.value.code, caught.value.row) == ("time_backwards", rows - lost)
        return
    out = in_order(given_rows, {"cut_reset"}, Spool())
    np.testing.assert_array_equal(out.columns["n"], np.arange(rows - lost))
    assert [(one.code, one.count) for one in out.remarks] == [("cut_reset", lost)]


@settings(max_examples=40)
@given(table=tables(), parts=st.lists(st.integers(0, 25), max_size=4), cut=st.integers(0, 8))
def test_drop_headers_and_drop_tail_count_what_they_leave_out(table, parts, cut):
    lines = text_of(table).encode().splitlines(keepends=True)
    edges = sorted(min(one, len(table)) for one in parts)
    for edge in edges[::-1]:
        lines.insert(1 + edge, lines[0])
    content = b"".join(lines)
    content = content[:-cut] if cut else content
    kept_rows = content[: content.rindex(b"\n") + 1].decode()
    kept = [line for line in kept_rows.splitlines()[1:] if line != lines[0].decode().rstrip("\n")]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.csv"
        path.write_bytes(content)
        both = ("drop_headers", "drop_tail")
        if not kept:
            with pytest.raises(RecordingError):
                load(path, schema=FORCE, repair=both)
            return
        recording = load(path, schema=FORCE, repair=both)
        if cut:
            with pytest.raises(TruncatedError):
                load(path, schema=FORCE, repair=("drop_headers",))
    counts = recording.findings.set_index("code")["count"].to_dict()
    assert len(recording.force) == len(kept)
    assert counts.get("drop_tail", 0) == (not content.endswith(b"\n"))
    assert counts.get("drop_headers", 0) == len(kept_rows.splitlines()) - 1 - len(kept)


# Blocks


@pytest.fixture
def small_blocks(monkeypatch):
    """Make every block so small that a short file has many."""
    monkeypatch.setitem(blocks.__kwdefaults__, "rows", 64)
    monkeypatch.setattr(spool_room, "BLOCK_ROWS", 64)
    monkeypatch.setattr(members_room, "_CHUNK_BYTES", 700)


@pytest.mark.parametrize("kind", ["csv", "comma", "gzip", "parquet", "npz"])
@pytest.mark.parametrize("repair", [(), ("drop_exact", "sort_blocks", "spread_stamps")])
def test_a_folder_holds_what_memory_holds_byte_by_byte(tmp_path, small_blocks, kind, repair):
    path = writer.write(tmp_path, kind=kind, rows=500)
    held = load(path, schema=writer.SCHEMA, repair=repair)
    stored = load(path, schema=writer.SCHEMA, repair=repair, into=tmp_path / "native")
    assert_same(held, stored)
    assert len(stored.accel) == 500
    assert not [one.name for one in tmp_path.iterdir() if one.name.startswith(".")]


def assert_same(held, stored):
    assert stored.id == held.id
    for name, stream in held.streams.items():
        assert stored[name].values.tobytes() == stream.values.tobytes()
        assert stored[name].time.tobytes() == stream.time.tobytes()
    pd.testing.assert_frame_equal(stored.labels, held.labels)
    pd.testing.assert_frame_equal(stored.findings, held.findings)
    assert (stored.start, dict(stored.source)) == (held.start, dict(held.source))


def test_blocks_change_nothing(tmp_path, request):
    path = writer.write(tmp_path, rows=500)
    whole = load(path, schema=writer.SCHEMA)
    request.getfixturevalue("small_blocks")
    assert_same(whole, load(path, schema=writer.SCHEMA))


@pytest.mark.parametrize("name", ["drop_exact", "spread_stamps", "sort_blocks"])
def test_repairs_across_blocks_are_the_same_in_memory_and_on_disk(tmp_path, small_blocks, name):
    table = writer.frame(rows=500)
    order = {
        "drop_exact": np.sort(np.r_[np.arange(500), [63, 64, 64, 127, 128, 300]]),
        "spread_stamps": np.arange(500),
        "sort_blocks": np.r_[0:100, 300:400, 100:300, 400:500],
    }[name]
    table = table.iloc[order]
    if name == "spread_stamps":
        table = table.assign(time=table["time"] // 100 * 100)
    path = tmp_path / "t.csv"
    table.to_csv(path, index=False)
    held = load(path, schema=writer.SCHEMA, repair=(name,))
    assert_same(held, load(path, schema=writer.SCHEMA, repair=(name,), into=tmp_path / "native"))
    counts = held.findings.query("stream == 'accel'").set_index("code")["count"]
    assert counts[name] == {"drop_exact": 6, "spread_stamps": 400, "sort_blocks": 300}[name]
    if name != "spread_stamps":
        assert held.id == load(writer.frame(rows=500), schema=writer.SCHEMA).id
    assert len(held.accel) == 500
    with pytest.raises(RecordingError):
        load(path, schema=writer.SCHEMA)


@pytest.mark.parametrize("row", [0, 63, 64, 65, 299])
def test_the_row_of_a_fault_is_right_in_any_block(tmp_path, small_blocks, row):
    table = writer.frame(rows=300)
    for column, value, code in (("ax", np.inf, "infinite"), ("ax", 1e20, "huge"), ("ax", "x", "not_a_table")):
        broken = table.astype({"ax": object})
        broken.loc[row, column] = value
        broken.to_csv(tmp_path / "t.csv", index=False)
        with pytest.raises(RecordingError) as caught:
            load(tmp_path / "t.csv", schema=writer.SCHEMA)
        assert (caught.value.code, caught.value.row) == (code, row)


# Labels, and what is said of them


def walks(gap_s=36_000):
    """Return a table of two walks of 10 s at 50 Hz with nothing between them."""
    table = motion(1000)
    return table.assign(t=table["t"] + gap_s * (np.arange(1000) >= 500), what="walk")


LABELLED = {"t": ("time", "s"), **ACCEL, "what": "label"}


def test_a_label_does_not_bridge_a_gap(small_blocks):
    recording = load(walks(), schema=LABELLED)
    spans = recording.labels[["start_s", "stop_s"]].to_numpy()
    np.testing.assert_allclose(spans, [[0, 9.98], [36_010, 36_019.98]], atol=1e-6)
    np.testing.assert_array_equal(recording.labelled["truth"], spans)
    without = load(walks(gap_s=0), schema=LABELLED)
    assert len(without.labels) == len(without.labelled["truth"]) == 1


def test_empty_cells_are_not_annotated_but_where_the_schema_says_background(tmp_path):
    table = walks().assign(what=["walk"] * 100 + [""] * 600 + ["rest"] * 300)
    table.to_csv(tmp_path / "t.csv", index=False)
    for source in (table, table.assign(what=table["what"].replace("", None)), tmp_path / "t.csv"):
        recording = load(source, schema=LABELLED)
        np.testing.assert_allclose(recording.labelled["truth"], [[0, 2], [36_014, 36_019.98]], atol=1e-6)
        stated = load(source, schema=LABELLED | {"what": ("label", "empty_is_background")})
        np.testing.assert_allclose(stated.labelled["truth"], [[0, 9.98], [36_010, 36_019.98]], atol=1e-6)
        pd.testing.assert_frame_equal(stated.labels, recording.labels)
    nothing = load(table.assign(what=""), schema=LABELLED)
    assert nothing.labelled["truth"].shape == (0, 2)
    with pytest.raises(ValueError, match="'kg', expected none or 'empty_is_background'"):
        load(table, schema=LABELLED | {"what": ("label", "kg")})


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int8, object])
def test_whole_numbers_as_labels_are_those_of_text(tmp_path, dtype):
    table = motion().assign(what=np.repeat([1, 2], 25).astype(dtype))
    table.assign(what=np.repeat(["1", "2"], 25)).to_csv(tmp_path / "t.csv", index=False)
    of_text = load(tmp_path / "t.csv", schema=LABELLED)
    pd.testing.assert_frame_equal(load(table, schema=LABELLED).labels, of_text.labels)
    assert list(of_text.labels["label"]) == ["1", "2"]


def test_parts_as_labels_keep_their_point():
    table = motion().assign(what=[1.5] * 20 + [np.nan] * 10 + [2.0] * 20)
    assert list(load(table, schema=LABELLED).labels["label"]) == ["1.5", "2"]


@pytest.mark.parametrize("kind", ["csv", "frame", "parquet"])
def test_texts_that_are_all_distinct_are_no_labels(tmp_path, kind):
    count = rows_room.MOST_WORDS + 1
    table = motion(count).assign(what=[f"note {row}" for row in range(count)])
    path = tmp_path / f"t.{kind}"
    if kind != "frame":
        {"csv": table.to_csv, "parquet": table.to_parquet}[kind](path, index=False)
    with pytest.raises(RecordingError) as caught:
        load(table if kind == "frame" else path, schema=LABELLED)
    assert caught.value.code == "too_many_labels"
    schema = LABELLED | {"what": "ignore"}
    assert len(load(table if kind == "frame" else path, schema=schema).accel) == count


def test_a_label_that_changes_in_every_row_is_none():
    table = motion(100_002).assign(what=np.arange(100_002) % 2)
    with pytest.raises(RecordingError) as caught:
        load(table, schema=LABELLED)
    assert caught.value.code == "too_many_labels"


# What a table says beside its numbers


@pytest.mark.parametrize("unit", ["s", "ms", "us", "D", "Y", "10s"])
@pytest.mark.parametrize("year", ["3000", "1830", "2100"])
def test_dates_beyond_nanoseconds_are_refused_and_never_wrapped(tmp_path, unit, year):
    dates = np.array(["2026-05-01", "2027-05-01", year], dtype="datetime64[s]").astype(f"datetime64[{unit}]")
    columns = {name: np.array([0.0, 0.1, -1.0]) for name in "xyz"}
    sources = [{"t": dates, **columns}]
    if unit in {"s", "ms", "us"}:
        sources.append(pd.DataFrame({"t": dates, **columns}))
        sources.append({"t": dates.astype(str), **columns})
        sources[1].to_parquet(tmp_path / "t.parquet", index=False)
        sources.append(tmp_path / "t.parquet")
    for source in sources:
        with pytest.raises(RecordingError) as caught:
            load(source, schema={"t": "time", **ACCEL})
        assert (caught.value.code, caught.value.row) == ("epoch", 2)


@pytest.mark.parametrize("unit", ["s", "ns", "ps", "fs"])
def test_dates_of_any_unit_are_the_same_moment(unit):
    dates = np.array(["1970-01-01T01:00:00", "1970-01-01T01:00:01"], dtype="datetime64[s]")
    columns = {name: np.array([0.0, 1.0]) for name in "xyz"}
    recording = load({"t": dates.astype(f"datetime64[{unit}]"), **columns}, schema={"t": "time", **ACCEL})
    assert recording.source["local_start"] == "1970-01-01T01:00:00"
    assert recording.accel.time.tolist() == [0.0, 1.0]


def test_revolutions_are_not_guessed_to_be_radians():
    schema = {"t": ("time", "s"), **{name: (f"gyro.{name}", "rps") for name in "xyz"}}
    with pytest.raises(ValueError, match="'rps', expected one of rad/s"):
        load(motion(), schema=schema)


@pytest.mark.parametrize(
    ("numbers_", "outcome"),
    [
        (["1,234", "-12,500", "123,456"], "refused"),
        (["1,234", "0,500", "123,456"], "comma"),
        (["1,234", "2,5", "123,456"], "comma"),
        (["1234,567", "2,500", "3,456"], "comma"),
        (["1.234", "2.500", "3.456"], "point"),
        (["1234", "2500", "3456"], "point"),
    ],
)
def test_a_comma_is_read_as_decimal_only_where_the_fields_tell(tmp_path, numbers_, outcome):
    path = tmp_path / "t.csv"
    path.write_text("t;a\n" + "".join(f"{START_NS + row};{one}\n" for row, one in enumerate(numbers_)))
    schema = {"t": ("time", "ns"), "a": ("force.a", "N")}
    if outcome == "refused":
        with pytest.raises(RecordingError, match="between thousands") as caught:
            load(path, schema=schema)
        assert caught.value.code == "decimal"
        return
    recording = load(path, schema=schema)
    expected = [float(one.replace(",", ".")) for one in numbers_]
    np.testing.assert_array_equal(recording.force.values[:, 0], np.array(expected, dtype=np.float32))
    assert ("decimal_comma" in set(recording.findings["code"])) == (outcome == "comma")


def test_columns_that_are_not_read_are_told(tmp_path):
    table = motion().assign(temperature=36.5, **{"n" * 80: 1}, **{f"c{number}": 0 for number in range(30)})
    schema = {"t": ("time", "s"), **ACCEL}
    table.to_csv(tmp_path / "t.csv", index=False)
    table.to_parquet(tmp_path / "t.parquet", index=False)
    np.savez(tmp_path / "t.npz", **{name: table[name].to_numpy() for name in table})
    for source in (table, tmp_path / "t.csv", tmp_path / "t.parquet", tmp_path / "t.npz"):
        (said,) = load(source, schema=schema).findings.query("code == 'not_read'").itertuples()
        assert said.count == 32
        assert (
            said.note
            == f"columns not read: temperature, {'n' * 60}, {', '.join(f'c{k}' for k in range(18))} and 12 more"
        )
    ignored = schema | {name: "ignore" for name in table if name not in schema}
    assert "not_read" not in set(load(table, schema=ignored).findings["code"])


def test_dropped_repeats_are_said_to_be_equal_in_what_was_read():
    table = pd.concat([motion(), motion().tail(1)]).assign(other=range(51))
    recording = load(table, schema={"t": ("time", "s"), **ACCEL}, repair=("drop_exact",))
    (note,) = recording.findings.query("code == 'drop_exact'")["note"]
    assert note.startswith("1 rows equal the row before in all columns that were read")


# Long tables


def spread_at_once(stamps):
    """Return equal stamps spread over whole arrays: the slow twin."""
    distinct, counts = np.unique(stamps, return_counts=True)
    room = np.diff(distinct) // counts[:-1]
    usual = int(np.median(room))
    step = np.minimum(np.append(room, usual), usual)
    return np.concatenate([one + np.arange(count) * by for one, count, by in zip(distinct, counts, step, strict=True)])


@pytest.mark.parametrize("seed", range(8))
def test_stamps_are_spread_block_by_block_as_at_once(small_blocks, seed):
    random = np.random.default_rng(seed)
    distinct = np.cumsum(random.choice([10**7, 10**8 + seed, 10**13], 200, p=[0.6, 0.3, 0.1])) + START_NS
    stamps = np.repeat(distinct, random.integers(1, 150 if seed < 2 else 5, 200))
    out = in_order(Rows("t.csv", stamps, {"x": stamps * 1.0}), {"spread_stamps"}, Spool())
    np.testing.assert_array_equal(out.time_ns, spread_at_once(stamps))


def test_the_row_of_stamps_without_room_is_told_in_any_block(small_blocks):
    stamps = np.arange(300) * 10**7
    stamps[200:] = stamps[199] + np.arange(100) // 2
    with pytest.raises(RecordingError) as caught:
        in_order(Rows("t.csv", stamps, {"x": stamps * 1.0}), {"spread_stamps"}, Spool())
    assert (caught.value.code, caught.value.row) == ("equal_stamps", 200)


def test_parquet_of_constants_is_not_unpacked(tmp_path):
    rows = 2**20 + 1
    table = pd.DataFrame({name: np.zeros(rows, dtype=np.float32) for name in "xyz"})
    table.to_parquet(tmp_path / "t.parquet", index=False)
    with pytest.raises(RecordingError) as caught:
        load(tmp_path / "t.parquet", schema=ACCEL, rate_hz=50)
    assert caught.value.code == "zip_bomb"


def test_parquet_goes_to_a_folder_batch_by_batch(tmp_path):
    random = np.random.default_rng(0)
    table = pd.DataFrame({name: random.normal(size=1_000_000) for name in "xyz"})
    table.to_parquet(tmp_path / "t.parquet", index=False)
    request = Request(Spool(tmp_path), schema=ACCEL, rate_hz=50)
    (held,) = table_room.read(tmp_path / "t.parquet", Request(Spool(), schema=ACCEL, rate_hz=50)).tracks
    tracemalloc.start()
    (stored,) = table_room.read(tmp_path / "t.parquet", request).tracks
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_array_equal(stored.values, held.values)
    assert peak < 12e6, "all rows are 12 MB, and 24 MB as they stand in the file"


LIGHT = {"t": ("time", "ns"), "v": ("light", "lux")}


def lights(rows=100, **columns):
    return {"t": START_NS + 20_000_000 * np.arange(rows), "v": np.arange(float(rows)), **columns}


def test_several_channels_of_one_column_of_text(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("t,v\n" + "".join(f"{START_NS + row},1\n" for row in range(20)))
    with pytest.raises(ValueError, match="one column of text"):
        load(path, schema={"t": ("time", "ns"), "v": ("accel.x,y,z", "g")})


@pytest.mark.parametrize("stream", ["", ".x", "../../x", "foo.", "foo.a,", "a b"])
def test_names_of_streams_are_words(stream):
    with pytest.raises(ValueError, match="expected letters"):
        load(lights(), schema=LIGHT | {"v": (stream, "m")})


@pytest.mark.parametrize(("stream", "meant"), [("Light", "light"), ("Accel.x", "accel.x"), ("Time", "time")])
def test_a_stream_in_other_letters_is_no_new_one(stream, meant):
    with pytest.raises(ValueError, match=f"write '{meant}'"):
        load(lights(), schema=LIGHT | {"v": (stream, "m")})


@pytest.mark.parametrize(
    "labels",
    [
        pd.array(["walk"] * 50 + [pd.NA] * 50, dtype="string"),
        np.array([b"walk"] * 50 + [b""] * 50),
        np.ma.masked_array(["walk"] * 100, [row >= 50 for row in range(100)]),
    ],
    ids=["NA", "bytes", "masked"],
)
def test_labels_that_are_missing_in_any_way(labels):
    found = load(lights(what=labels), schema=LIGHT | {"what": "label"}).labels
    assert found[["start_s", "stop_s", "label"]].to_numpy().tolist() == [[0, 1, "walk"]]


@pytest.mark.parametrize("kind", [object, str, bytes])
def test_whole_numbers_as_objects_or_text_are_stamps(kind):
    table = lights()
    stamps = table["t"].astype(object) if kind is object else table["t"].astype(str).astype(kind)
    for schema in (LIGHT, LIGHT | {"t": "time"}):
        np.testing.assert_array_equal(
            load(lights(t=stamps), schema=schema)["light"].time, load(table, schema=LIGHT)["light"].time
        )
    for wrong, code in (("", "time_missing"), ("soon", "not_numeric")):
        mixed = table["t"].astype(object)
        mixed[7] = wrong
        with pytest.raises(RecordingError) as caught:
            load(lights(t=mixed), schema=LIGHT)
        assert (caught.value.code, caught.value.row) == (code, 7)


def test_a_masked_stamp_is_missing():
    dates = lights()["t"].astype("datetime64[ns]")
    with pytest.raises(RecordingError) as caught:
        load(lights(t=np.ma.masked_array(dates, np.arange(100) == 99)), schema=LIGHT | {"t": "time"})
    assert (caught.value.code, caught.value.row) == ("time_missing", 99)


def test_whole_numbers_that_float32_rounds_are_counted(tmp_path):
    table, schema = lights(v=2**24 - 50 + np.arange(100)), LIGHT | {"v": ("packet", "count")}
    path = tmp_path / "a.csv"
    pd.DataFrame(table).to_csv(path, index=False)
    for source in (table, path):
        findings = load(source, schema=schema).findings.set_index("code")
        assert findings.loc["float32_rounded", "count"] == 25
    below = lights(v=2**24 - 99 + np.arange(100))
    assert "float32_rounded" not in set(load(below, schema=schema).findings["code"])


@pytest.mark.filterwarnings("error")
def test_numbers_of_any_width_are_checked():
    for kind in (np.float16, np.longdouble):
        assert len(load(lights(v=np.arange(100).astype(kind)), schema=LIGHT)["light"]) == 100
    with pytest.raises(RecordingError, match="no sensor measures"):
        load(lights(v=np.full(100, -(2**63))), schema=LIGHT)


def test_dates_in_a_column_that_nobody_uses(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, other=lights()["t"].astype("datetime64[us]"), **lights())
    assert len(load(path, schema=LIGHT)["light"]) == 100


def test_a_masked_stamp_is_a_row_without_time_and_not_a_float():
    stamps = np.ma.array(1_772_438_400_000_000_000 + 20_000_000 * np.arange(9), mask=np.arange(9) == 4)
    with pytest.raises(RecordingError) as told:
        load({"t": stamps, "a": np.zeros((9, 3))}, schema={"t": ("time", "ns"), "a": ("accel.x,y,z", "g")})
    assert (told.value.code, told.value.row) == ("time_missing", 4)


def test_rows_of_several_lengths_are_refused_by_the_name_of_their_column():
    with pytest.raises(RecordingError, match=r"^a is no array") as told:
        load({"t": [0, 1], "a": [[0, 0, 1], [0, 1]]}, schema={"t": ("time", "s"), "a": ("accel.x,y,z", "g")})
    assert told.value.code == "shape"


BIG = 2**53 + 1  # float64 does not hold it


def whole_with_one_missing(kind, tmp_path):
    """Return a table whose column ``who`` is BIG in all rows but row 5."""
    hidden = np.arange(100) == 5
    listed = [None if one else BIG for one in hidden]
    match kind:
        case "parquet" | "parquet category":
            column = pa.array(listed, pa.int64())
            pq.write_table(
                pa.table(lights(who=column.dictionary_encode() if "category" in kind else column)),
                tmp_path / "t.parquet",
            )
            return tmp_path / "t.parquet"
        case "masked":
            return lights(who=np.ma.array(np.full(100, BIG), mask=hidden))
        case "masked objects":
            return lights(who=np.ma.array(np.full(100, BIG, dtype=object), mask=hidden))
        case "list":
            return lights(who=[float("nan") if one is None else one for one in listed])
        case "category":
            return pd.DataFrame(lights()).assign(who=pd.Categorical(listed))
        case _:
            return pd.DataFrame(lights()).assign(who=pd.array(listed, dtype=kind))


@pytest.mark.parametrize(
    "kind",
    [
        *("parquet", "parquet category", "masked", "masked objects", "list", "category"),
        *("Int64", "UInt64", "int64[pyarrow]"),
    ],
)
def test_whole_labels_and_ids_stay_what_they_are_where_one_is_missing(tmp_path, kind):
    source = whole_with_one_missing(kind, tmp_path)
    labels = load(source, schema=LIGHT | {"who": "label"}).labels
    assert list(labels["label"]) == [str(BIG)] * 2
    np.testing.assert_allclose(labels[["start_s", "stop_s"]], [[0, 0.1], [0.12, 1.98]])
    findings = load(source, schema=LIGHT | {"who": "id"}).findings.set_index("code")
    assert findings.loc["id_missing", "count"] == 1


@pytest.mark.parametrize("empty", ["", "  "])
def test_an_empty_id_is_no_device_and_is_counted(tmp_path, empty):
    names = ["A"] * 100
    names[5] = names[7] = empty
    schema = LIGHT | {"who": "id"}
    path = tmp_path / "t.csv"
    for source in (lights(who=names), path):
        pd.DataFrame(lights(who=names)).to_csv(path, index=False)
        findings = load(source, schema=schema).findings.set_index("code")
        assert findings.loc["id_missing", "count"] == 2
    assert "id_missing" not in set(load(lights(who=[empty] * 100), schema=schema).findings["code"])
    with pytest.raises(RecordingError, match="it holds 2 devices"):
        load(lights(who=[*names[:-1], "B"]), schema=schema)


@pytest.mark.parametrize("role", ["label", "id"])
@pytest.mark.parametrize(
    ("values", "row"),
    [
        (np.array("walk"), None),
        (np.array(3), None),
        (np.array([["a", "b"]] * 100), None),
        (np.ones((100, 2), dtype=int), None),
        (np.ones((100, 0)), None),
        (pd.Series([*["walk"] * 3, *[["a", "b"]] * 97]), 3),
        (pd.Series([None, *[np.array([1, 2])] * 99]), 1),
        ([["a"], ["a", "b"]] * 50, 0),
    ],
    ids=["text", "number", "texts", "numbers", "none", "lists", "arrays", "ragged"],
)
def test_a_label_or_id_is_one_value_a_row(values, row, role):
    with pytest.raises(RecordingError, match=r"who .*, expected one value a row") as told:
        load(lights(who=values), schema=LIGHT | {"who": role})
    assert (told.value.code, told.value.row) == ("shape", row)


@pytest.mark.parametrize("role", ["label", "id"])
def test_a_label_or_id_of_a_file_is_one_value_a_row(tmp_path, role):
    np.savez(tmp_path / "t.npz", **lights(who=np.array("walk")))
    pq.write_table(pa.table(lights(who=pa.array([["a", "b"]] * 100))), tmp_path / "t.parquet")
    for name in ("t.npz", "t.parquet"):
        with pytest.raises(RecordingError, match="expected one value a row") as told:
            load(tmp_path / name, schema=LIGHT | {"who": role})
        assert told.value.code == "shape"


@pytest.mark.parametrize("label", ["2,5", "2,500", "a;b 2,500"])
@pytest.mark.parametrize("decimal", [".", ","])
def test_a_comma_in_a_label_says_nothing_of_numbers(tmp_path, label, decimal):
    table = pd.DataFrame(lights(v=np.arange(100) + 0.25)).assign(what=label, unread="7,500")
    table[["what", "t", "v", "unread"]].to_csv(tmp_path / "t.csv", sep=";", decimal=decimal, index=False)
    recording = load(tmp_path / "t.csv", schema=LIGHT | {"what": "label"})
    np.testing.assert_array_equal(recording["light"].values[:, 0], np.arange(100) + 0.25)
    assert list(recording.labels["label"]) == [label]
    assert ("decimal_comma" in set(recording.findings["code"])) == (decimal == ",")


@pytest.mark.parametrize("rows", [1, 7, 5000])
@pytest.mark.parametrize("on_disk", [False, True])
def test_columns_that_grow_side_by_side_are_stacked_as_they_are(tmp_path, rows, on_disk):
    spool = Spool(tmp_path if on_disk else None)
    random, parts = np.random.default_rng(rows), [[], [], []]
    columns = spool.columns(3, np.float32, rows=rows)
    for size in (3, 4000, 0, 2, 9000):
        for column, part in zip(columns, parts, strict=True):
            part.append(random.normal(size=size).astype(np.float32))
            column.append(part[-1])
    arrays = [column.array() for column in columns]
    whole = np.array([np.concatenate(part) for part in parts])
    for order in ([0, 1, 2], [2, 1, 0], [0, 2, 1], [0, 2], [1], [1, 1]):
        stacked = spool.stacked([arrays[place] for place in order])
        np.testing.assert_array_equal(stacked, whole[order].T)
    taken = spool.stacked([arrays[0], arrays[1][:-1].copy(), arrays[2]][:1])
    assert on_disk or np.shares_memory(spool.stacked(arrays), arrays[1])
    np.testing.assert_array_equal(taken[:, 0], whole[0])


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory is read from /proc")
def test_a_table_into_a_folder_takes_no_more_memory_where_it_is_longer(tmp_path):
    peaks = {}
    for megabytes in (20, 260):
        path = writer.write_long(tmp_path / "a.csv", megabytes, held=700)
        peaks[megabytes], _, found = peak_megabytes(path, tmp_path / f"{megabytes}", writer.LONG_SCHEMA)
        assert "stuck" in found  # whose search reads a channel again
    assert peaks[260] <= 64
    assert peaks[260] - peaks[20] <= 24
