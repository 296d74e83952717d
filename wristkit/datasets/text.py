"""Tables of text as public sets have them, plain or in gzip: read strictly by column, damage named by row."""

import hashlib
import re
import zlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from wristkit.errors import EmptyRecordingError, RecordingError
from wristkit.load.gather import Nanoseconds, Rows
from wristkit.load.members import Lines, Members
from wristkit.load.parse import Form, RowError, parse, whole_rows
from wristkit.load.stamps import Stamp, to_ns
from wristkit.recording.hashing import ContentHash

WITH_INITIALS = r"imuData_(\d+)\s+\S+_(\d\.\d)\.(\d+)\.csv"  # UWash's own names: \S+ are initials, which nobody needs
_MISSING = ("", "NaN", "nan")
_DOWNLOAD_AGAIN = "fetch the set again and verify it"


class Layout(NamedTuple):
    """Columns of a table by name: its stamp, numbers and text; ``names`` are all of a table without a header.

    ``quoted`` is for tables that quote text with commas in it. Elsewhere a quote is damage, and must not swallow the
    rows up to the next one.
    """

    stamp: Stamp
    numbers: Sequence[str]
    text: Sequence[str] = ()
    names: Sequence[str] = ()
    delimiter: str = ","
    quoted: bool = False


def read_table(path: Path, layout: Layout, *, file: str | None = None) -> Rows:
    """Return all rows of a table, in its order; an empty cell of a number is NaN.

    Parameters
    ----------
    path
        File of text, or the same in gzip.
    layout
        The columns to read.
    file
        Name for errors and findings, where the file's own must not be told.

    Raises
    ------
    RecordingError
        With file and row: no rows, columns missing or twice, a field that is no number, a cut line, damaged gzip.
    """
    shown = file or path.name
    with Lines(_opened(path, shown), file=shown, drop_tail=False) as lines:
        header = tuple(layout.names) or _header(lines, layout, shown)
        if lines.at_end():
            raise EmptyRecordingError("it holds no rows", code="empty", remedy=_DOWNLOAD_AGAIN, file=shown)
        table = _parsed(lines, header, layout, shown)
        content_hash = lines.content_hash
    columns: dict[str, npt.NDArray[Any]] = {name: table[name].to_numpy() for name in layout.numbers}
    columns |= {name: _texts(table[name], shown) for name in layout.text}
    return Rows(shown, to_ns(table[layout.stamp.column], layout.stamp, file=shown), columns, content_hash=content_hash)


def unpacked_hash(
    path: Path, *, file: str | None = None, kind: Callable[[], "ContentHash | hashlib._Hash"] = ContentHash
) -> str:
    """Return the hash of a file's bytes, unpacked where it is in gzip; errors call it ``file``."""
    digest, shown = kind(), file or path.name
    with _opened(path, shown) as unpacked:
        try:
            while chunk := unpacked.read(2**20):
                digest.update(chunk)
        except (OSError, EOFError, zlib.error) as error:
            raise RecordingError(
                f"it cannot be unpacked ({error})", code="damaged_zip", remedy=_DOWNLOAD_AGAIN, file=shown
            ) from error
    return digest.hexdigest()


def plain_name(path: Path) -> str:
    """Return the name of a file without the ``.gz`` that packing added."""
    return path.name.removesuffix(".gz")


def neutral_name(path: Path) -> str:
    """Return the plain name of a file without the initials of a person that one source has in it."""
    name = plain_name(path)
    found = re.fullmatch(WITH_INITIALS, name)
    return f"subject_{int(found[1]):02d}_cond{found[2]}_{int(found[3]):02d}.csv" if found else name


def matching(folder: Path, pattern: str, *, what: str) -> list[Path]:
    """Return the files below a folder whose plain name matches all of ``pattern``, in the order of their names.

    Raises
    ------
    EmptyRecordingError
        Where there is none; ``what`` says which set's.
    RecordingError
        With code ``several_files`` where one lies there both plain and packed.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is no folder; give the one that fetch returned")
    found = [path for path in folder.rglob("*") if re.fullmatch(pattern, plain_name(path)) and path.is_file()]
    if not found:
        raise EmptyRecordingError(
            f"the folder {folder.name!r} holds no file of {what}",
            code="no_files",
            remedy=f"python3 -m wristkit data {what} --fetch",
        )
    if len({path.with_name(plain_name(path)) for path in found}) < len(found):
        raise RecordingError(
            f"the folder {folder.name!r} holds files of {what} both plain and in gzip",
            code="several_files",
            remedy="keep one of each: read twice, a recording would lie on both sides of a split",
        )
    return sorted(found, key=lambda path: (plain_name(path), path.parts))


def _opened(path: Path, name: str) -> AbstractContextManager[IO[bytes]]:
    """Return the bytes of a file, unpacked where it is in gzip; errors call it ``name``."""
    return Members(path.parent, {name: path.name}).open(name)


def _header(lines: Lines, layout: Layout, file: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in lines.header().decode("utf-8-sig", errors="replace").split(layout.delimiter))
    wanted = (layout.stamp.column, *layout.numbers, *layout.text)
    if wrong := [name for name in wanted if names.count(name) != 1]:
        raise RecordingError(
            f"it lacks the columns {wrong} or has them twice, it has {list(names)[:20]}",
            code="columns_missing",
            remedy=_DOWNLOAD_AGAIN,
            file=file,
        )
    return names


def _parsed(lines: Lines, header: tuple[str, ...], layout: Layout, file: str) -> Any:  # noqa: ANN401  a pyarrow.Table, which has no types
    import pyarrow as pa

    names = pa.dictionary(pa.int32(), pa.string())  # few texts in many rows
    types = {
        layout.stamp.column: layout.stamp.arrow_type(),
        **dict.fromkeys(layout.numbers, pa.float64()),
        **dict.fromkeys(layout.text, names),
    }
    form = Form(header, layout.delimiter, quoted=layout.quoted, missing=_MISSING)
    batches: list[Any] = []
    try:
        for block in whole_rows(lines, form, file=file):
            batches.append(parse(block, form, types, first_row=sum(map(len, batches))))
    except RowError as error:
        raise RecordingError(
            f"it cannot be read as the table that it should be: {error.message[:160]!r}",
            code="not_a_table",
            remedy=_DOWNLOAD_AGAIN,
            file=file,
            row=error.row,
        ) from error
    return pa.Table.from_batches(batches)


def _texts(column: Any, file: str) -> npt.NDArray[Any]:  # noqa: ANN401  a pyarrow.ChunkedArray, which has no types
    whole = column.unify_dictionaries().combine_chunks()
    words = np.array([*whole.dictionary.to_pylist(), ""], dtype=object)
    if any("\n" in word for word in words):
        raise RecordingError(
            "a quote swallowed the end of a row", code="not_a_table", remedy=_DOWNLOAD_AGAIN, file=file
        )
    return cast(npt.NDArray[Any], words[whole.indices.fill_null(len(words) - 1).to_numpy(zero_copy_only=False)])


def refuse_unknown(rows: Rows, column: str, known: Sequence[object]) -> None:
    """Raise at the first row whose value in ``column`` is none of those that the set has."""
    strange = ~np.isin(rows.columns[column].astype(object), np.array(list(known), dtype=object))
    if strange.any():
        row = int(np.argmax(strange))
        raise RecordingError(
            f"{column} is {str(rows.columns[column][row])[:40]!r}, expected one of {list(known)[:20]}",
            code="label_unknown",
            remedy=_DOWNLOAD_AGAIN,
            file=rows.file,
            row=row,
        )


def ns_of_rows(count: int, rate_hz: float) -> Nanoseconds:
    """Return (n,) nanoseconds of samples at a stated rate, the first at 0."""
    time_ns: Nanoseconds = np.rint(np.arange(count) * (1e9 / rate_hz)).astype(np.int64)
    return time_ns
