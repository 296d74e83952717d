"""Rows of text become columns: block by block as all at once, whatever cells hold and wherever a block ends."""

import csv
import gzip
import io
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wristkit.errors import RecordingError
from wristkit.load import load, members, parse, rows
from wristkit.load.parse import Form, RowError, whole_rows

SCHEMA = {"time": ("time", "ns"), "ax": ("accel.x", "g"), "ay": ("accel.y", "g"), "az": ("accel.z", "g")}
START_NS = 1_700_000_000_000_000_000
TYPES = {"k": pa.int64(), "note": pa.string(), "end": pa.float64()}


class Blocks:
    """Lines that were read in parts."""

    def __init__(self, text, sizes):
        lines, self.parts = text.splitlines(keepends=True), []
        while lines:
            size = sizes[len(self.parts) % len(sizes)]
            self.parts.append(b"".join(lines[:size]))
            lines = lines[size:]

    def blocks(self):
        return iter(self.parts)


def cells(text, sizes, form):
    """Return all rows of a table, parsed block by block."""
    found, first = [], 0
    for block in whole_rows(Blocks(text, sizes), form, file="a.csv"):
        batch = parse.parse(block, form, TYPES, first_row=first)
        found += batch.to_pylist()
        first += len(batch)
    return [tuple(row.values()) for row in found]


NOTES = st.text(st.sampled_from('ab ,"\n;'), max_size=12)


@given(st.lists(NOTES, min_size=1, max_size=20), st.lists(st.integers(1, 5), min_size=1, max_size=4))
def test_texts_of_several_lines_are_those_of_the_standard_library_wherever_blocks_end(notes, sizes):
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n").writerows(
        (number, note, number / 2) for number, note in enumerate(notes)
    )
    form = Form(("k", "note", "end"), quoted=True, multiline=True)
    assert cells(text.getvalue().encode(), sizes, form) == [(k, note, k / 2) for k, note in enumerate(notes)]


@given(
    st.lists(st.sampled_from(['5" nail', 'say "x" now', 'x"', '"a" b "c']), min_size=1, max_size=20), st.integers(1, 4)
)
def test_a_quote_within_a_cell_opens_nothing(notes, size):
    text = "".join(f"{k},{note},0\n" for k, note in enumerate(notes)).encode()
    form = Form(("k", "note", "end"), quoted=True, multiline=True)
    assert cells(text, [size], form) == cells(text, [len(notes)], form)
    assert len(cells(text, [size], form)) == len(notes)


@pytest.mark.parametrize("multiline", [False, True])
@pytest.mark.parametrize("size", [1, 1000, 10**6])
def test_a_quote_that_never_closes_is_told_by_its_row(multiline, size):
    text = b"0,a,0\n" * 700 + b'1,"b\n",0\n' * multiline + b'1,"b,0\n' + b"2,c,0\n" * 900
    with pytest.raises(RowError, match="a quote opens") as told:
        cells(text, [size], Form(("k", "note", "end"), quoted=True, multiline=multiline))
    assert (told.value.code, told.value.row) == ("open_quote", 700 + multiline)


@given(st.integers(0, 60), st.integers(0, 60), st.integers(1, 70), st.sampled_from(["\n", "\r\n"]))
def test_stray_quotes_in_any_column_take_no_rows_in(first, second, size, end):
    """Two of them would be one long text of the rows between; read or not, a cell beside numbers ends in its line."""
    lines = [f"{k},a,{k}" for k in range(61)]
    lines[first] = lines[first].replace("a", '"b')
    lines[second] = f'{second},"c' + lines[second].partition(",")[2].partition(",")[1] + f'"",{second}'
    with pytest.raises(RowError) as told:
        cells((end.join(lines) + end).encode(), [size], Form(("k", "note", "end"), quoted=True))
    assert told.value.row == min(first, second)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("size", [1, 3, 100])
def test_blank_lines_are_no_rows_at_the_end_and_refused_elsewhere(end, size):
    rows_ = [f"{k},a,{k}{end}" for k in range(9)]
    form = Form(("k", "note", "end"), missing=("",))
    assert len(cells("".join([*rows_, end * 3]).encode(), [size], form)) == 9
    with pytest.raises(RowError) as told:
        cells("".join([*rows_[:4], end, *rows_[4:]]).encode(), [size], form)
    assert (told.value.code, told.value.row) == ("blank_line", 4)


def test_only_the_delimiter_of_the_table_begins_a_cell():
    text = b'0,a;"b,0\n1,|"c,1\n2,"d,""e""",2\n'
    found = cells(text, [1], Form(("k", "note", "end"), quoted=True))
    assert [note for _, note, _ in found] == ['a;"b', '|"c', 'd,"e"']


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize(("wrong", "what"), [(b"9,x", "Expected 3 columns, got 2"), (b"9,x,y", "conversion error")])
def test_the_row_of_a_fault_counts_from_the_start_of_the_file(size, wrong, what):
    lines = [f"{k},x,{k}".encode() for k in range(50)]
    lines[23] = wrong
    with pytest.raises(RowError, match=what) as told:
        cells(b"\n".join(lines) + b"\n", [size], Form(("k", "note", "end")))
    assert told.value.row == 23
    assert not re.search(r"[Rr]ow #", told.value.message)


@pytest.mark.parametrize("at", [0, 20])
def test_a_byte_order_mark_among_the_rows_is_no_number(at):
    lines = [f"{k},x,{k}".encode() for k in range(50)]
    lines[at] = b"\xef\xbb\xbf" + lines[at]
    with pytest.raises(RowError) as told:
        cells(b"\n".join(lines) + b"\n", [10], Form(("k", "note", "end")))
    assert told.value.row == at


def table_of(column, path):
    lines = [f"{START_NS + 10_000_000 * k},{value},0,-1" for k, value in enumerate(column)]
    path.write_text("time,ax,ay,az\n" + "\n".join(lines) + "\n")
    return path


NUMBERS = st.one_of(
    st.floats(-(2.0**49), 2.0**49, width=32).map(repr),
    st.floats(-1000, 1000).map(lambda value: f"{value:.6f}"),
    st.integers(2**24 - 3, 2**24 + 3).map(str),
    st.just(""),
)


@given(st.lists(NUMBERS, min_size=30, max_size=60), st.sampled_from([200, 700, 10**6]))
def test_numbers_are_the_nearest_in_float32_and_large_whole_ones_are_counted(tmp_path_factory, column, chunk):
    path = table_of(column, tmp_path_factory.mktemp("t") / "a.csv")
    expected = np.array([value or "nan" for value in column], dtype=np.float64)
    whole = np.isfinite(expected) & (expected == np.floor(expected))
    lost = int((whole & (expected.astype(np.float32) != expected)).sum())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(members, "_CHUNK_BYTES", chunk)
        lines = rows.read_rows(
            members.single(path),
            "a.csv",
            numbers=("ax",),
            repair=(),
            spool=rows.Spool(),
            stamp=rows.Stamp("time", "ns"),
            scales={"ax": rows.AS_IT_IS},
        )
    np.testing.assert_array_equal(lines.columns["ax"], expected.astype(np.float32))
    assert sum(one.count for one in lines.remarks if one.code == rows.FLOAT32_ROUNDED) == lost


@pytest.mark.parametrize(
    ("value", "code"), [("1e39", "huge"), ("1e16", "huge"), ("inf", "infinite"), ("1e400", "infinite")]
)
def test_what_float32_cannot_hold_is_named_as_it_stands_in_the_file(tmp_path, value, code):
    path = table_of([*(["0.5"] * 40), value, "0.5"], tmp_path / "a.csv")
    with pytest.raises(RecordingError) as told:
        load(path, schema=SCHEMA)
    assert (told.value.code, told.value.row) == (code, 40)


_MANY_TIMES = """
import sys
from wristkit.errors import RecordingError
from wristkit.load import load

for _ in range(300):
    try:
        load(sys.argv[1], schema={"time": ("time", "ns"), "ax": ("own.x", "1")})
    except RecordingError as error:
        assert error.code == "truncated", error.code
"""


def test_damage_in_the_middle_of_a_packed_file_never_waits_for_ever(tmp_path):
    """The parser's own reader of streams hung here in one of a few thousand calls."""
    random = np.random.default_rng(0)
    text = "time,ax\n" + "".join(
        f"{START_NS + 10_000_000 * k},{value:.6f}\n" for k, value in enumerate(random.normal(size=9000))
    )
    packed = gzip.compress(text.encode())
    path = tmp_path / "a.csv.gz"
    path.write_bytes(packed[: len(packed) * 2 // 3])
    command = [sys.executable, "-c", _MANY_TIMES, path]
    root = Path(__file__).parent.parent
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")


def test_no_reader_hands_a_file_of_python_to_the_parser():
    called = re.compile(r"pa_csv\.open_csv|pa_csv\.read_csv\(\s*(?!\s*pa\.BufferReader)|csv\.open_csv")
    package = Path(parse.__file__).parent.parent
    assert [path.name for path in package.rglob("*.py") if called.search(path.read_text())] == []
