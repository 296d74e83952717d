"""The files of a folder or a zip by name, read as streams within limits and never extracted."""

import codecs
import functools
import gzip
import io
import lzma
import os
import struct
import zipfile
import zlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, NamedTuple, Self

from wristkit.errors import EmptyRecordingError, RecordingError, TruncatedError
from wristkit.load.progress import byte_bar
from wristkit.recording.hashing import ContentHash

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MOST_BYTES = 64 * 2**30  # unpacked; a day of motion at 200 Hz is about 5 GB of text
MOST_RATIO = 200  # text of numbers packs about 1:4, and 1:15 where nothing moves but its stamps
MOST_BINARY_RATIO = 500  # a week in a drawer, of a device that then repeats one sample; deflate ends at 1:1032
_RATIO_COUNTS_FROM = 2**20  # a few repeated bytes may pack as they like
_CHUNK_BYTES = 3 * 2**19  # smaller ones take longer to parse, larger ones leave the processor's caches
_END_BYTES, _MOST_DIRECTORY_BYTES, _MOST_FILES = 22, 4 * 2**20, 20_000
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2})  # others may ask for any memory
_LONGEST_LINE = 2**20
_ENCRYPTED = 1

_MAC_FOLDER = "__MACOSX"  # the Finder's notes beside each file that it packs
_GZIP_START = b"\x1f\x8b"
_ZIP_START, _ZIP_EMPTY = b"PK\x03\x04", b"PK\x05\x06"
_EMPTY_ZIP = _ZIP_EMPTY + bytes(_END_BYTES - len(_ZIP_EMPTY))
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
    def open(self, name: str, *, most_ratio: float = MOST_RATIO) -> Iterator[IO[bytes]]:
        """Open one file as a stream of bytes, which may be ``most_ratio`` times those that are packed."""
        if self.path.is_dir():
            with _regular(self.path / self.names[name]).open("rb") as plain:
                yield _gunzipped(plain, name) if plain.peek(2)[:2] == _GZIP_START else plain
            return
        entry = _directory(self.path).entries[self.names[name]]
        _check_limits(entry, most_ratio)
        with self.path.open("rb") as packed:
            try:
                file = _opened(entry, packed)
            except _BROKEN as error:
                raise _damaged(name, error) from error
            with file:
                yield file

    def size(self, name: str) -> int:
        """Return the bytes of one file, those of a member of a zip unpacked."""
        if self.path.is_dir():
            return (self.path / self.names[name]).stat().st_size
        return _directory(self.path).entries[self.names[name]].file_size

    def packed_size(self, name: str) -> int:
        """Return the bytes that one file takes as it lies there."""
        if self.path.is_dir():
            return self.size(name)
        return _directory(self.path).entries[self.names[name]].compress_size

    def read_text(self, name: str, *, most_bytes: int) -> bytes:
        """Return all bytes of one small file of text, its last line as well where that has no end."""
        with self.open(name) as file, reading(name):
            content = file.read(most_bytes + 1)
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


def single(path: Path) -> Members:
    """Return one file, which is not unpacked as a zip but as gzip where it is one."""
    return Members(path.parent, {path.name: path.name})


def is_zip(path: Path) -> bool:
    """Return whether a file starts as a zip does, whatever its name."""
    with path.open("rb") as file:
        return file.read(4) in {_ZIP_START, _ZIP_EMPTY}


def zip_files(path: Path) -> list[str]:
    """Return the full names of all files in a zip, but for what the Finder adds."""
    return list(_directory(path).files)


def zip_sizes(path: Path) -> dict[str, int]:
    """Return the unpacked bytes of all files in a zip by full name, but for what the Finder adds."""
    directory = _directory(path)
    return {name: directory.entries[name].file_size for name in directory.files}


def _zip_members(path: Path, wanted: Collection[str]) -> Members | None:
    files = zip_files(path)
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


class _Directory(NamedTuple):
    """What a zip says it holds: full names of files without what the Finder adds, and all entries by full name."""

    files: tuple[str, ...]
    entries: Mapping[str, zipfile.ZipInfo]


def _directory(path: Path) -> _Directory:
    """Return the directory of a zip, which is parsed again only where the file is another one by now."""
    with path.open("rb") as file:
        state = os.fstat(file.fileno())
        file.seek(max(state.st_size - _END_BYTES - 0xFFFF, 0))
        # Its end tells apart what is written within one tick of the clock: it holds the checksums of the last entries.
        return _parsed(path, (state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns), file.read())


@functools.lru_cache(maxsize=2)
def _parsed(path: Path, state: tuple[int, ...], end: bytes) -> _Directory:  # noqa: ARG001  the state is part of the key
    _check_end(end, path)
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except _BROKEN as error:
        raise TruncatedError(
            f"the zip has no readable directory at its end ({error})",
            code="truncated_zip",
            remedy="copy or export it again; a sync client may still be writing it",
            file=path,
        ) from error
    if len(entries) > _MOST_FILES:
        raise _too_many(f"{len(entries)} files", f"{_MOST_FILES}", path)
    files = [entry.filename for entry in entries if not entry.filename.endswith("/")]
    kept = tuple(name for name in files if _MAC_FOLDER not in PurePosixPath(name).parts)
    return _Directory(kept, {entry.filename: entry for entry in entries})


def _opened(entry: zipfile.ZipInfo, packed: IO[bytes]) -> IO[bytes]:
    """Return the unpacked bytes of an entry that is known already: of a whole file, all entries would be parsed."""
    archive = zipfile.ZipFile(io.BytesIO(_EMPTY_ZIP))
    archive.fp = packed
    return archive.open(entry)


def _too_many(what: str, limit: str, path: Path) -> RecordingError:
    return RecordingError(
        f"the zip holds {what}, the limit is {limit}",
        code="too_many_files",
        remedy="make a zip of the recording alone",
        file=path,
    )


def _check_end(end: bytes, path: Path) -> None:
    """Raise where the end of a zip states a directory that is longer than that of any recording."""
    at = end.rfind(_ZIP_EMPTY)
    size = int.from_bytes(end[at + 12 : at + 16], "little") if at >= 0 else 0
    if _MOST_DIRECTORY_BYTES < size < 0xFFFFFFFF:  # which stands for a size that is told elsewhere
        raise _too_many(f"a directory of {size} bytes", f"{_MOST_DIRECTORY_BYTES} bytes", path)


def _check_limits(info: zipfile.ZipInfo, most_ratio: float) -> None:
    if info.compress_type not in _METHODS:
        raise RecordingError(
            f"it is packed by method {info.compress_type}, expected one of {sorted(_METHODS)}",
            code="packing",
            remedy="unpack it, and pack the folder again as a usual zip",
            file=info.filename,
        )
    if info.flag_bits & _ENCRYPTED:
        raise RecordingError(
            "it is encrypted", code="encrypted", remedy="unpack the zip with its password first", file=info.filename
        )
    ratio = info.file_size / max(info.compress_size, 1)
    if info.file_size > MOST_BYTES or (info.file_size > _RATIO_COUNTS_FROM and ratio > most_ratio):
        raise RecordingError(
            f"it unpacks to {info.file_size} bytes, {ratio:.0f} times its packed size; the limits are "
            f"{MOST_BYTES} bytes and {most_ratio} times",
            code="zip_bomb",
            remedy="do not open it unless you know where it is from; unpack a genuine recording into a folder first",
            file=info.filename,
        )


def _regular(path: Path) -> Path:
    if not path.is_file():
        raise RecordingError(
            "it is no regular file", code="not_regular", remedy="copy the recording into plain files", file=path
        )
    return path


def _gunzipped(plain: IO[bytes], name: str) -> IO[bytes]:
    return io.BufferedReader(_Gunzipped(plain, name), _CHUNK_BYTES)


class _Gunzipped(io.RawIOBase):
    """The bytes of a packed file; it stops where it grows beyond any text of numbers, in whatever way it is read."""

    def __init__(self, plain: IO[bytes], name: str) -> None:
        super().__init__()
        self._plain, self._packed = plain, gzip.GzipFile(fileobj=plain, mode="rb")
        self._name_shown, self._given = name, 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        """Return how many bytes were put into ``buffer``; every way of reading comes here."""
        view = memoryview(buffer).cast("B")
        part = self._packed.read1(len(view))
        self._given += len(part)
        taken = self._plain.tell()
        if self._given > max(_RATIO_COUNTS_FROM, MOST_RATIO * taken):
            raise RecordingError(
                f"its first {taken} bytes unpack to more than {MOST_RATIO} times as many",
                code="zip_bomb",
                remedy="do not open it unless you know where it is from; unpack a genuine recording first",
                file=self._name_shown,
            )
        view[: len(part)] = part
        return len(part)


@contextmanager
def reading(file: str) -> Iterator[None]:
    """Turn what the standard library raises on damaged packed data into an error of ours."""
    try:
        yield
    except RecordingError:
        raise
    except _BROKEN as error:
        raise _damaged(file, error) from error


def _damaged(file: str, error: Exception) -> RecordingError:
    if isinstance(error, EOFError):
        return TruncatedError(
            "the packed data end too early",
            code="truncated",
            remedy="copy it again; or repair=('drop_tail',) keeps the whole lines that are there",
            file=file,
        )
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
            "holds a zero byte, as files do after a loss of power, and text in UTF-16 everywhere",
            code="nul_bytes",
            remedy="export the recording again",
            file=file,
            byte=offset + at,
        )


def _refuse_other_encoding(whole: bytes, *, file: str, offset: int) -> None:
    """Raise where whole lines are no UTF-8; a byte that is guessed may turn a label into another."""
    if whole.isascii():
        return
    try:
        whole.decode()
    except UnicodeDecodeError as error:
        raise RecordingError(
            f"holds the byte {whole[error.start]:#04x}, which is no UTF-8 text",
            code="encoding",
            remedy="save it as UTF-8; older programs of Windows write Latin-1",
            file=file,
            byte=offset + error.start,
        ) from error


class Lines:
    """Whole lines of a text file, to be used in a ``with`` block.

    A last line without an end is cut text: it raises, or with ``drop_tail`` it is left out and counted in ``dropped``;
    ``cut`` says that packed data ended early, so that nobody knows how much is missing.
    With ``drop_headers`` later lines that equal the header are left out and counted in ``headers_dropped``.
    """

    def __init__(
        self,
        opened: AbstractContextManager[IO[bytes]],
        *,
        file: str,
        drop_tail: bool,
        drop_headers: bool = False,
        size: int | None = None,
    ) -> None:
        self.dropped = self.headers_dropped = 0
        self.cut = False
        self._opened, self._file = opened, file
        self._drop_tail, self._drop_headers = drop_tail, drop_headers
        self._ready, self._pending, self._offset, self._ended = b"", b"", 0, False
        self._header = b""
        self._digest = ContentHash()
        self._bar = byte_bar(file, size)

    def __enter__(self) -> Self:
        self._raw = self._opened.__enter__()
        return self

    def __exit__(self, *fault: object) -> None:
        self._bar.close()
        self._opened.__exit__(*fault)  # type: ignore[arg-type]  # handed on as it came

    def __iter__(self) -> Iterator[bytes]:
        """Yield the lines that are left, without their ends."""
        for block in self.blocks():
            yield from block.split(b"\n")[:-1]

    @property
    def content_hash(self) -> str:
        """Hash of all bytes read so far."""
        return self._digest.hexdigest()

    def at_end(self) -> bool:
        """Return whether no whole line is left."""
        while not self._ready and not self._ended:
            self._fill()
        return not self._ready

    def header(self) -> bytes:
        """Return the first line; b"" of an empty file."""
        line = self.peek()
        self.skip()
        # Files that were joined may each begin with a byte order mark.
        self._header = line.removeprefix(codecs.BOM_UTF8) + b"\n" if self._drop_headers else b""
        self._ready = self._without_headers(self._ready)
        return line

    def peek(self) -> bytes:
        """Return the next line without taking it; b"" where there is none."""
        return b"" if self.at_end() else self._ready.partition(b"\n")[0]

    def ahead(self, most: int) -> list[bytes]:
        """Return up to ``most`` of the next lines, as far as they have been read, without taking them."""
        return [] if self.at_end() else self._ready.split(b"\n", most)[:most]

    def skip(self) -> None:
        """Leave the next line out."""
        self._ready = self._ready[len(self.peek()) + 1 :]

    def blocks(self) -> Iterator[bytes]:
        """Yield the lines that are left with their ends, many at a time."""
        while not self.at_end():
            block, self._ready = self._ready, b""
            yield block

    def _fill(self) -> None:
        chunk = self._next_chunk()
        self._check(chunk)
        self._digest.update(chunk)
        self._bar.update(len(chunk))
        before = self._offset - len(self._pending)
        self._offset += len(chunk)
        stop = chunk.rfind(b"\n") + 1
        whole = b"".join((self._pending, memoryview(chunk)[:stop])) if stop else b""
        self._pending = chunk[stop:] if stop else self._pending + chunk
        _refuse_other_encoding(whole, file=self._file, offset=before)
        self._ready = self._without_headers(whole)
        if not chunk:
            self._end()

    def _next_chunk(self) -> bytes:
        """Return about as many bytes as are parsed at once; b"" at the end."""
        parts: list[bytes] = []
        missing = 0 if self.cut else _CHUNK_BYTES
        try:
            with reading(self._file):
                # All that is opened here has it. What came before damage is there to be kept.
                while missing and (part := self._raw.read1(missing)):  # type: ignore[attr-defined]
                    parts.append(part)
                    missing -= len(part)
        except TruncatedError:
            if not self._drop_tail:
                raise
            self.cut = True
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _without_headers(self, whole: bytes) -> bytes:
        if not self._header or self._header not in whole:
            return whole
        lines = whole.splitlines(keepends=True)
        kept = [line for line in lines if line.removeprefix(codecs.BOM_UTF8) != self._header]
        self.headers_dropped += len(lines) - len(kept)
        return b"".join(kept)

    def _check(self, chunk: bytes) -> None:
        _refuse_no_text(chunk, file=self._file, offset=self._offset)
        end = chunk.find(b"\n")
        if len(self._pending) + (len(chunk) if end < 0 else end) > _LONGEST_LINE:
            raise RecordingError(
                "it has a line of more than 1 MiB",
                code="long_line",
                remedy="check that it is a CSV",
                file=self._file,
                byte=self._offset - len(self._pending),
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
