"""The files of a folder or a zip by name, read as streams within limits and never extracted."""

import hashlib
import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING

from wristkit.errors import EmptyRecordingError, RecordingError, TruncatedError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MOST_BYTES = 8 * 2**30  # a day of motion at 200 Hz is about 5 GB of text
MOST_RATIO = 200  # text of numbers packs about 1:4
_RATIO_COUNTS_FROM = 2**20  # a few repeated bytes may pack as they like
_CHUNK_BYTES = 2**20

_MAC_FOLDER = "__MACOSX"  # the Finder's notes beside each file that it packs
_ZIP_START, _ZIP_EMPTY = b"PK\x03\x04", b"PK\x05\x06"
# All that the standard library raises on a damaged or foreign archive.
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    struct.error,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OSError,
)


@dataclass(frozen=True)
class Members:
    """Regular files side by side in a folder, or in one folder of a zip: file name to full name.

    ``elsewhere`` are full names in other folders of the zip.
    """

    path: Path
    names: Mapping[str, str]
    elsewhere: tuple[str, ...] = ()

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """Open one file as a stream of bytes."""
        if self.path.is_dir():
            with _regular(self.path / self.names[name]).open("rb") as plain:
                yield plain
            return
        with _archive(self.path) as archive:
            info = archive.getinfo(self.names[name])
            _check_limits(info)
            try:
                file = archive.open(info)
            except _BROKEN as error:
                raise _damaged(name, error) from error
            with file:
                yield file

    def read_text(self, name: str, *, most_bytes: int) -> bytes:
        """Return all bytes of one small file of text, its last line as well where that has no end."""
        with self.open(name) as file:
            try:
                content = file.read(most_bytes + 1)
            except _BROKEN as error:
                raise _damaged(name, error) from error
        if len(content) > most_bytes:
            raise RecordingError(
                f"it has more than {most_bytes} bytes", code="too_large", remedy="export it again", file=name
            )
        _refuse_no_text(content, file=name, offset=0)
        return content


def find_members(path: Path, wanted: Collection[str]) -> Members | None:
    """Return the files beside any of the ``wanted`` names in a folder or zip; None where there is none of them."""
    if path.is_dir():
        names = {one.name: one.name for one in path.iterdir() if not one.is_dir()}
        return Members(path, names) if set(wanted) & set(names) else None
    return _zip_members(path, wanted) if is_zip(path) else None


def is_zip(path: Path) -> bool:
    """Return whether a file starts as a zip does, whatever its name."""
    with path.open("rb") as file:
        return file.read(4) in {_ZIP_START, _ZIP_EMPTY}


def _zip_members(path: Path, wanted: Collection[str]) -> Members | None:
    with _archive(path) as archive:
        files = [info.filename for info in archive.infolist() if not info.is_dir()]
    files = [name for name in files if _MAC_FOLDER not in PurePosixPath(name).parts]
    if not files:
        raise EmptyRecordingError("the zip holds no file", code="empty", remedy="export the recording again", file=path)
    folders = {str(PurePosixPath(name).parent) for name in files if PurePosixPath(name).name in wanted}
    if not folders:
        return None
    beside = [name for name in files if str(PurePosixPath(name).parent) in folders]
    names = {PurePosixPath(name).name: name for name in beside}
    if len(names) < len(beside):
        raise RecordingError(
            f"the zip holds several files of one name, in {sorted(folders)}",
            code="several_recordings",
            remedy="make one zip of each recording",
            file=path,
        )
    return Members(path, names, elsewhere=tuple(sorted(set(files) - set(beside))))


@contextmanager
def _archive(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        archive = zipfile.ZipFile(path)
    except _BROKEN as error:
        raise TruncatedError(
            f"the zip has no readable directory at its end ({error})",
            code="truncated_zip",
            remedy="copy or export it again; a sync client may still be writing it",
            file=path,
        ) from error
    with archive:
        yield archive


def _check_limits(info: zipfile.ZipInfo) -> None:
    ratio = info.file_size / max(info.compress_size, 1)
    if info.file_size > MOST_BYTES or (info.file_size > _RATIO_COUNTS_FROM and ratio > MOST_RATIO):
        raise RecordingError(
            f"it unpacks to {info.file_size} bytes, {ratio:.0f} times its packed size; the limits are "
            f"{MOST_BYTES} bytes and {MOST_RATIO} times",
            code="zip_bomb",
            remedy="do not open it unless you know where it is from; unpack a genuine recording into a folder first",
            file=info.filename,
        )


def _regular(path: Path) -> Path:
    if not path.is_file():
        raise RecordingError(
            "it is no regular file", code="not_regular", remedy="copy the recording into plain files", file=path
        )
    if (size := path.stat().st_size) > MOST_BYTES:
        raise RecordingError(
            f"it has {size} bytes, the limit is {MOST_BYTES}", code="too_large", remedy="split the recording", file=path
        )
    return path


def _damaged(file: str, error: Exception) -> RecordingError:
    return RecordingError(
        f"the packed data are damaged ({error})", code="damaged_zip", remedy="copy or export the zip again", file=file
    )


def _refuse_no_text(chunk: bytes, *, file: str, offset: int) -> None:
    if offset == 0 and chunk[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        raise RecordingError(
            "it is UTF-16 text, expected UTF-8", code="encoding", remedy="save it as UTF-8", file=file, byte=0
        )
    if (at := chunk.find(b"\0")) >= 0:
        raise TruncatedError(
            "holds a zero byte, as files do after a loss of power",
            code="nul_bytes",
            remedy="export the recording again",
            file=file,
            byte=offset + at,
        )


class Lines(io.RawIOBase):
    """Whole lines of a text file as a stream of bytes.

    A last line without an end is cut text: it raises, or with ``drop_tail`` it is left out and counted in ``dropped``.
    """

    def __init__(self, raw: IO[bytes], *, file: str, drop_tail: bool) -> None:
        super().__init__()
        self.dropped = 0
        self._raw, self._file, self._drop_tail = raw, file, drop_tail
        self._ready, self._pending, self._offset, self._ended = b"", b"", 0, False
        self._digest = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """Hash of all bytes read so far."""
        return self._digest.hexdigest()

    def readable(self) -> bool:
        """Return True."""
        return True

    def at_end(self) -> bool:
        """Return whether no whole line is left."""
        while not self._ready and not self._ended:
            self._fill()
        return not self._ready

    def header(self) -> bytes:
        """Return the first line; b"" of an empty file."""
        if self.at_end():
            return b""
        line, _, self._ready = self._ready.partition(b"\n")
        return line

    def readinto(self, buffer: "WriteableBuffer") -> int:
        """Return how many bytes of whole lines were put into ``buffer``."""
        if self.at_end():
            return 0
        view = memoryview(buffer).cast("B")
        count = min(len(view), len(self._ready))
        view[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count

    def _fill(self) -> None:
        try:
            chunk = self._raw.read(_CHUNK_BYTES)
        except _BROKEN as error:
            raise _damaged(self._file, error) from error
        self._check(chunk)
        self._digest.update(chunk)
        self._offset += len(chunk)
        whole, newline, self._pending = (self._pending + chunk).rpartition(b"\n")
        self._ready = whole + newline
        if not chunk:
            self._end()

    def _check(self, chunk: bytes) -> None:
        _refuse_no_text(chunk, file=self._file, offset=self._offset)
        if len(self._pending) > _CHUNK_BYTES:
            raise RecordingError(
                "it has a line of more than 1 MiB",
                code="long_line",
                remedy="check that it is a CSV",
                file=self._file,
                byte=self._offset,
            )

    def _end(self) -> None:
        self._ended = True
        if self._pending and not self._drop_tail:
            raise TruncatedError(
                f"the last line has no end: {self._pending[:40]!r}",
                code="cut_tail",
                remedy="copy the file again; or repair=('drop_tail',) drops this one row, which may be whole or lack "
                "digits, and counts it in the findings",
                file=self._file,
                byte=self._offset - len(self._pending),
            )
        self.dropped, self._pending = int(bool(self._pending)), b""
