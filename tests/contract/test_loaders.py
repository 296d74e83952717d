"""Every registered reader keeps the contract with every kind of file; readers that do not are found out."""

import sys
import threading
import time
import warnings
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.formats.examples import EXAMPLES
from wristkit.errors import RecordingError
from wristkit.load import FORMATS, formats, load
from wristkit.load.contract import CHECK_COLUMNS, CHECKS, check_loader
from wristkit.load.gather import Gathered, Remark, Request, Track

CASES = [(name, kind) for name in FORMATS for kind in EXAMPLES.get(name, ())]
MAGIC, ROW = b"ODDBALL1", np.dtype([("ms", "<i8"), ("xyz", "<f4", 3)])


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_a_registered_reader_keeps_the_contract(tmp_path, name, kind):
    example = EXAMPLES[name][kind]
    checks = check_loader(FORMATS[name], example.write(tmp_path), schema=example.schema, rows=example.samples)
    assert len(checks) == len(CHECKS) >= 25
    assert checks.loc[~checks["passed"], ["check", "note"]].to_numpy().tolist() == []


# A reader of one's own, right and then wrong in one way at a time


@dataclass(frozen=True)
class Oddball:
    """A reader of a made-up binary file; ``spoil`` changes what it gathered, and ``before`` what it does first."""

    before: Any = None
    spoil: Any = None
    knows: Any = field(default=lambda path: path.is_file() and path.read_bytes()[:8] == MAGIC)
    refuses: bool = True

    def recognises(self, path: Path) -> bool:
        return self.knows(path)

    def read(self, path: Path, request: Request) -> Gathered:
        content = path.read_bytes()
        if self.before is not None:
            self.before(path, request)
        if self.refuses and (not content.startswith(MAGIC) or len(content) < 16):
            raise RecordingError("it is no oddball", code="format", remedy="give one", file=path)
        promised, body = int.from_bytes(content[8:16], "little"), content[16:]
        if self.refuses and len(body) != promised * ROW.itemsize:
            raise RecordingError("it is cut", code="truncated", remedy="copy it again", file=path)
        rows = np.frombuffer(body[: len(body) // ROW.itemsize * ROW.itemsize], ROW)
        if self.refuses and not ((np.diff(rows["ms"]) > 0).all() and np.isfinite(rows["xyz"]).all()):
            raise RecordingError("it is damaged", code="damaged", remedy="copy it again", file=path)
        digest = "0" * 64
        track = Track("accel", rows["xyz"], rows["ms"] * 1_000_000)
        source = {"format": "oddball", "file": path.name, "content_hash": digest}
        gathered = Gathered([track], source=source)
        return gathered if self.spoil is None else self.spoil(gathered, path)


@pytest.fixture
def oddball(tmp_path):
    """Return an example of 200 rows."""
    rows = np.zeros(200, ROW)
    rows["ms"] = 1_772_438_400_000 + 20 * np.arange(200)
    rows["xyz"] = np.random.default_rng(0).normal([0, 0, -1], 0.01, (200, 3))
    folder = tmp_path / "given"
    folder.mkdir()
    path = folder / "one.odd"
    path.write_bytes(MAGIC + len(rows).to_bytes(8, "little") + rows.tobytes())
    return path


def failed(reader, path, **options):
    checks = check_loader(reader, path, **options)
    assert tuple(checks.columns) == CHECK_COLUMNS
    assert checks["check"].tolist() == list(CHECKS)
    return set(checks.loc[~checks["passed"], "check"])


def test_a_right_reader_of_ones_own_passes_and_is_registered_nowhere(oddball):
    assert failed(Oddball(), oddball, rows={"accel": 200}) == set()
    assert set(formats()) == set(FORMATS)
    with pytest.raises(RecordingError):
        load(oddball)


def test_an_example_that_is_not_there_is_an_error_of_the_caller(tmp_path):
    with pytest.raises(FileNotFoundError, match="give an example"):
        check_loader(Oddball(), tmp_path / "nowhere")


def test_a_reader_that_raises_what_it_likes_gives_rows_and_no_error(oddball):
    def wrong(*_):
        raise KeyError("x")

    checks = check_loader(Oddball(before=wrong), oddball).set_index("check")
    assert not checks.loc["loads", "passed"]
    assert checks.loc["loads", "note"] == "KeyError: 'x'"
    assert failed(Oddball(knows=wrong), oddball) > {"recognises its example", "recognises nothing else"}


def changed_track(**changes):
    return lambda gathered, path: replace(gathered, tracks=[replace(gathered.tracks[0], **changes)])


def with_values(change):
    def spoil(gathered, path):
        track = gathered.tracks[0]
        return replace(gathered, tracks=[replace(track, values=change(track.values))])

    return spoil


def with_remark(*, code="odd", count=1, remedy="nothing", stream="accel", span_ns=None):
    remark = Remark(code, count, "it is odd", remedy, stream, span_ns)
    return lambda gathered, path: replace(gathered, remarks=[remark])


def with_source(**changes):
    return lambda gathered, path: replace(gathered, source=gathered.source | changes)


def names_its_folder(gathered, path):
    return replace(gathered, source=gathered.source | {"comment": str(path)})


def shorter(gathered, path):
    track = gathered.tracks[0]
    return replace(gathered, tracks=[replace(track, values=track.values[1:], time_ns=track.time_ns[1:])])


def made_up(gathered, path):
    track = Track("accel", np.zeros((50, 3), np.float32), np.arange(50) * 10**7)
    return replace(gathered, tracks=[track])


def opens_a_socket(*_):
    import socket

    socket.socket().close()


SPOILT = {
    "unit": ({"spoil": changed_track(unit="m/s2")}, "units and channels are canonical"),
    "name": (
        {"spoil": changed_track(name="mine", unit="g", channels=("x", "y", "z"))},
        "a stream has a canonical name",
    ),
    "infinite": ({"spoil": with_values(lambda values: values / 0)}, "values are finite or missing"),
    "shorter": ({"spoil": shorter}, "rows in are rows out and rows dropped"),
    "count": ({"spoil": with_remark(count=0)}, "findings are whole"),
    "remedy": ({"spoil": with_remark(remedy=" ")}, "findings are whole"),
    "code": ({"spoil": with_remark(code="Odd code")}, "findings are whole"),
    "span": ({"spoil": with_remark(span_ns=(0, 1))}, "findings lie within the recording"),
    "stream": ({"spoil": with_remark(stream="gyro")}, "findings lie within the recording"),
    "no hash": ({"spoil": with_source(content_hash="")}, "source names file, format and hash"),
    "other file": ({"spoil": with_source(file="x")}, "source names file, format and hash"),
    "folder": ({"spoil": names_its_folder}, "no folder is named"),
    "suffix": ({"knows": lambda path: path.suffix == ".odd"}, "recognises by content, not by name"),
    "everything": ({"knows": lambda path: True}, "recognises nothing else"),
    "nothing": ({"knows": lambda path: False}, "recognises its example"),
    "no refusal": ({"refuses": False}, "cut in half is told"),
    "no refusal of others": ({"refuses": False, "spoil": made_up}, "refuses everything else"),
    "chance": (
        {"spoil": with_values(lambda values: values + np.float32(np.random.default_rng().normal()))},
        "the same file is the same recording",
    ),
    "by name": (
        {"spoil": lambda found, path: with_values(lambda values: values * len(path.name))(found, path)},
        "another name is the same recording",
    ),
    "threads": (
        {"spoil": with_values(lambda values: values + (threading.current_thread() is not threading.main_thread()))},
        "reads in threads",
    ),
    "litter": ({"before": lambda path, _: (path.parent / "cache").touch()}, "file and folder stay untouched"),
    "writes": ({"before": lambda path, _: path.write_bytes(path.read_bytes())}, "file and folder stay untouched"),
    "warns": ({"before": lambda *_: warnings.warn("odd", stacklevel=1)}, "raises no warning"),
    "prints": ({"before": lambda *_: sys.stdout.write("reading\n")}, "prints nothing"),
    "progress": ({"before": lambda *_: sys.stderr.write("reading\n")}, "prints nothing"),
    "socket": ({"before": opens_a_socket}, "opens no socket"),
    "memory": ({"before": lambda *_: bytearray(200_000_000)}, "takes little memory"),
    "where it stands": (
        {"before": lambda path, _: path.read_bytes() if path.is_absolute() else Path("/nowhere").read_bytes()},
        "reads any kind of path",
    ),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", SPOILT)
def test_a_wrong_reader_fails_the_check_that_is_meant_for_it(oddball, case):
    spoilt, check = SPOILT[case]
    assert check in failed(Oddball(**spoilt), oddball, rows={"accel": 200})


def test_errors_that_name_no_file_get_it_from_load_and_those_that_name_a_folder_fail(oddball):
    def told(path, _):
        if path.stat().st_size < 3000:
            raise RecordingError(f"{path} is odd", code="odd", remedy="none", file=path)

    assert "errors say file, code and remedy" in failed(Oddball(before=told), oddball)


def test_a_crash_on_one_flipped_bit_fails(oddball):
    whole = oddball.read_bytes()

    def fragile(path, _):
        content = path.read_bytes()
        if content != whole and len(content) == len(whole):
            raise ZeroDivisionError

    found = failed(Oddball(before=fragile), oddball)
    assert {"a flipped bit never crashes", "zeros at the end are told"} <= found
    assert "cut in half is told" not in found


def test_a_clock_that_starts_elsewhere_than_at_its_first_sample_cannot_be_built_by_a_reader(oddball):
    checks = check_loader(Oddball(spoil=changed_track(start_ns=5)), oddball).set_index("check")
    assert checks.loc["a dated clock starts at 0", "passed"]


def test_a_reader_whose_files_another_one_takes_first_fails(tmp_path):
    path = EXAMPLES["geneactiv"]["bin"].write(tmp_path)
    assert "recognised by no reader before it" in failed(Oddball(knows=lambda path: path.is_file()), path)


def test_the_example_itself_is_never_damaged(oddball):
    before = (oddball.read_bytes(), oddball.stat().st_mtime_ns, list(oddball.parent.iterdir()))
    time.sleep(0.01)
    check_loader(Oddball(), oddball)
    assert (oddball.read_bytes(), oddball.stat().st_mtime_ns, list(oddball.parent.iterdir())) == before
