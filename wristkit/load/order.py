"""Rows in the order of time: checked always, repaired only as asked, every row that is touched counted."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from wristkit.errors import RecordingError
from wristkit.load.gather import Nanoseconds, Remark, Rows
from wristkit.load.spool import Spool
from wristkit.recording import blocks, longest_step_s, middle_two

REPAIRS = (
    *("cut_reset", "drop_exact", "drop_headers", "drop_tail", "skip_damaged", "sort_blocks", "spread_stamps"),
    "unwrap_clock",
)

_MOST_CUT = 0.01
_WRAPS_NS: tuple[int, ...] = tuple(
    2**bits * unit for bits in (32, 31) for unit in (10**6, 10**3)
)  # counters of ms and us
_WRAP_SLACK = 0.01
_MOST_STRETCHES = 10_000

_COMPARED = "all columns that were read, as precisely as they are kept"  # float32 where numbers are canonical

Mask = npt.NDArray[np.bool_]


def in_order(rows: Rows, repair: Collection[str], spool: Spool) -> Rows:
    """Return rows whose stamps increase: as they are, or after the repairs that were asked for.

    Raises
    ------
    RecordingError
        With code ``time_backwards`` or ``equal_stamps``, the first row of it, and the repair that fits.
    """
    if _increase(rows.time_ns):
        return rows
    if "unwrap_clock" in repair:
        rows = _unwrapped(rows)
    if "drop_exact" in repair:
        rows = _without_repeats(rows, spool)
    backwards = _backwards(rows.time_ns)
    if len(backwards) and "sort_blocks" in repair:
        rows = _sorted(rows, backwards)
        rows = _without_repeats(rows, spool) if "drop_exact" in repair else rows
    elif len(backwards) and "cut_reset" in repair:
        rows = _cut(rows, backwards)
    elif len(backwards):
        _refuse_backwards(rows, backwards, repair)
    if _increase(rows.time_ns):
        return rows
    if "spread_stamps" not in repair:
        _refuse_equal(rows, repair, spool)
    return _spread(rows, spool)


def _increase(time_ns: Nanoseconds) -> bool:
    last = None
    for (block,) in blocks(time_ns):
        if (last is not None and block[0] <= last) or (block[1:] <= block[:-1]).any():
            return False
        last = block[-1]
    return True


def _backwards(time_ns: Nanoseconds) -> Nanoseconds:
    """Return the rows that come before the row above them in time."""
    return np.flatnonzero(np.diff(time_ns) < 0) + 1


def _refuse_backwards(rows: Rows, backwards: Nanoseconds, repair: Collection[str]) -> NoReturn:
    row = int(backwards[0])
    step = int(rows.time_ns[row] - rows.time_ns[row - 1])
    if _wrapped(-step) is not None:
        cause, name = "a counter of 32 bits that started again", "unwrap_clock"
    elif _can_be_sorted(rows.time_ns, backwards):
        cause, name = "stretches that were written out of order", "sort_blocks"
    else:
        cause, name = "a clock that was set back", "cut_reset"
    raise RecordingError(
        f"time goes back by {-step} ns, and in {len(backwards)} rows in all; it looks like {cause}",
        code="time_backwards",
        remedy=f"{_with(repair, name)} if that is what happened, the findings count each row; or split the file there",
        file=rows.file,
        row=row,
    )


def _refuse_equal(rows: Rows, repair: Collection[str], spool: Spool) -> NoReturn:
    equal = _repeats(replace(rows, columns={}), spool)
    repeats = _repeats(rows, spool)
    # Spread alone, repeats would become samples that nobody measured.
    names = [("drop_exact", repeats.any()), ("spread_stamps", repeats.sum() < equal.sum())]
    raise RecordingError(
        f"{equal.sum()} rows have the stamp of the row before, {repeats.sum()} of them equal it in {_COMPARED}",
        code="equal_stamps",
        remedy=f"{_with(repair, *(name for name, fits in names if fits))} if that is what happened; the findings count "
        "each row",
        file=rows.file,
        row=int(np.argmax(equal)),
    )


def _with(repair: Collection[str], *names: str) -> str:
    """Return how to ask for these repairs beside those that were asked for."""
    return f"repair={tuple(name for name in REPAIRS if name in {*repair, *names})}"


def _wrapped(step_back_ns: int) -> int | None:
    """Return the size of the counter that wrapped, if a step back is about the whole of it."""
    for size in _WRAPS_NS:
        if abs(step_back_ns / size - 1) < _WRAP_SLACK:
            return size
    return None


def _unwrapped(rows: Rows) -> Rows:
    steps = np.diff(rows.time_ns)
    turns = np.flatnonzero(steps < 0)
    sizes = [_wrapped(-int(steps[turn])) for turn in turns]
    found = [(turn + 1, size) for turn, size in zip(turns, sizes, strict=True) if size is not None]
    if not found:
        return rows
    added = np.zeros(len(rows.time_ns), dtype=np.int64)
    for row, size in found:
        added[row:] += size
    moved = int((added > 0).sum())
    note = f"a counter started again {len(found)} times; {moved} rows were moved on"
    return _changed(rows, Remark("unwrap_clock", moved, note, "compare the duration with what you know"), added)


def _changed(rows: Rows, remark: Remark, added: Nanoseconds) -> Rows:
    return replace(rows, time_ns=rows.time_ns + added, remarks=(*rows.remarks, remark))


def _taken(rows: Rows, remark: Remark, picked: Any) -> Rows:  # noqa: ANN401  what numpy takes as an index
    columns: Mapping[str, npt.NDArray[Any]] = {name: column[picked] for name, column in rows.columns.items()}
    return replace(rows, time_ns=rows.time_ns[picked], columns=columns, remarks=(*rows.remarks, remark))


def _can_be_sorted(time_ns: Nanoseconds, backwards: Nanoseconds) -> bool:
    """Return whether sorting joins whole stretches, each where another ends; it does not after a clock was set back."""
    if len(backwards) > _MOST_STRETCHES:
        return False
    order = np.argsort(time_ns, kind="stable")
    seams = np.flatnonzero(np.diff(order) != 1)
    if len(seams) > 2 * len(backwards) + 1:
        return False  # two times that ran alike
    ordered = time_ns[order]
    widest_ns = longest_step_s((ordered - ordered[0]) / 1e9) * 1e9
    # Neighbours that changed places may do so beside a gap; a clock is set back further.
    by_little = (time_ns[backwards - 1] - time_ns[backwards]).max() <= widest_ns
    return bool(by_little or (np.diff(ordered)[seams] <= widest_ns).all())


def _sorted(rows: Rows, backwards: Nanoseconds) -> Rows:
    if not _can_be_sorted(rows.time_ns, backwards):
        raise RecordingError(
            f"time goes back in {len(backwards)} rows, as after a clock that was set back: sorted, the stretches would "
            "overlap or lie apart",
            code="time_backwards",
            remedy="split the file where the clock was set back; repair=('cut_reset',) keeps the part before it",
            file=rows.file,
            row=int(backwards[0]),
        )
    order = np.argsort(rows.time_ns, kind="stable")
    moved = int((order != np.arange(len(order))).sum())
    note = f"{moved} rows in {len(backwards) + 1} stretches were out of order and were sorted"
    return _taken(rows, Remark("sort_blocks", moved, note, "find out what wrote them out of order"), order)


def _cut(rows: Rows, backwards: Nanoseconds) -> Rows:
    """Return the rows before the clock was set back, where what is lost is little."""
    row = int(backwards[0])
    lost = len(rows.time_ns) - row
    if lost > _MOST_CUT * len(rows.time_ns):
        raise RecordingError(
            f"the clock was set back at row {row}; {lost} rows of {len(rows.time_ns)} would be lost, more than 1 %",
            code="time_backwards",
            remedy="split the file at that row and load each part",
            file=rows.file,
            row=row,
        )
    note = f"{lost} rows after the clock was set back were dropped"
    return _taken(rows, Remark("cut_reset", lost, note, "load what comes after it as a file of its own"), slice(row))


def _repeats(rows: Rows, spool: Spool) -> Mask:
    """Return (n,) whether a row equals the one before it, stamp and all."""
    repeats = spool.column(bool)
    last: tuple[npt.NDArray[Any], ...] = ()
    for block in blocks(rows.time_ns, *rows.columns.values()):
        same = np.ones(len(block[0]), dtype=bool)
        for column, part in enumerate(block):
            before = np.concatenate([last[column] if last else part[:1], part[:-1]])
            same &= (part == before) | (_missing(part) & _missing(before))
        same[0] &= bool(last)
        repeats.append(same)
        last = tuple(part[-1:] for part in block)
    return repeats.array()


def _missing(part: npt.NDArray[Any]) -> Mask:
    return np.isnan(part) if part.dtype.kind == "f" else np.zeros(len(part), dtype=bool)


def _without_repeats(rows: Rows, spool: Spool) -> Rows:
    repeats = _repeats(rows, spool)
    count = int(repeats.sum())
    if not count:
        return rows
    kept = {name: spool.column(column.dtype) for name, column in {"": rows.time_ns, **rows.columns}.items()}
    for gone, *block in blocks(repeats, rows.time_ns, *rows.columns.values()):
        for column, part in zip(kept.values(), block, strict=True):
            column.append(part[~gone])
    time_ns, *columns = (column.array() for column in kept.values())
    note = f"{count} rows equal the row before in {_COMPARED}, and were dropped"
    remark = Remark("drop_exact", count, note, "find out why they are there twice")
    named = dict(zip(rows.columns, columns, strict=True))
    return replace(rows, time_ns=time_ns, columns=named, remarks=(*rows.remarks, remark))


def _spread(rows: Rows, spool: Spool) -> Rows:
    """Return rows of which those with one stamp are spread evenly from it towards the next stamp."""
    stamps, counts = _groups(rows.time_ns, spool)
    rooms = _rooms(stamps, counts, spool)
    usual = _median(rooms[:-1])
    time_ns, moved = spool.column(np.int64), 0
    for stamp, count, room in blocks(stamps, counts, rooms):
        step = np.minimum(room, usual)  # not over a gap
        first = np.cumsum(count) - count
        cramped = (count > 1) & (step < 1)
        if cramped.any():
            _refuse_cramped(rows, len(time_ns) + int(first[np.argmax(cramped)]) + 1)
        added = (np.arange(count.sum()) - np.repeat(first, count)) * np.repeat(step, count)
        time_ns.append(np.repeat(stamp, count) + added)
        moved += int((added > 0).sum())
    remark = Remark("spread_stamps", moved, f"{moved} rows of equal stamps were spread", "trust times in a burst less")
    return replace(rows, time_ns=time_ns.array(), remarks=(*rows.remarks, remark))


def _refuse_cramped(rows: Rows, row: int) -> NoReturn:
    raise RecordingError(
        "equal stamps have no room to be spread before the next one",
        code="equal_stamps",
        remedy="repair=('drop_exact',) for repeats; otherwise the clock of this file cannot be trusted",
        file=rows.file,
        row=row,
    )


def _groups(time_ns: Nanoseconds, spool: Spool) -> tuple[Nanoseconds, Nanoseconds]:
    """Return (k,) distinct stamps and how many rows have each, of stamps that do not go back."""
    stamps, counts = spool.column(np.int64), spool.column(np.int64)
    held, rows_of_it = time_ns[:0], time_ns[:0]  # the last stamp of a block may go on in the next
    for (block,) in blocks(time_ns):
        starts = np.flatnonzero(np.diff(block, prepend=block[0] - 1))
        found, sizes = block[starts], np.diff(starts, append=len(block))
        if len(held) and held[0] == found[0]:
            sizes[0] += rows_of_it[0]
        else:
            stamps.append(held)
            counts.append(rows_of_it)
        stamps.append(found[:-1])
        counts.append(sizes[:-1])
        held, rows_of_it = found[-1:], sizes[-1:]
    stamps.append(held)
    counts.append(rows_of_it)
    return stamps.array(), counts.array()


def _rooms(stamps: Nanoseconds, counts: Nanoseconds, spool: Spool) -> Nanoseconds:
    """Return (k,) nanoseconds that each row of a stamp has before the next stamp; without end for the last."""
    rooms = spool.column(np.int64)
    last, rows_of_it = stamps[:0], counts[:0]
    for block, sizes in blocks(stamps, counts):
        joined, joined_sizes = np.concatenate([last, block]), np.concatenate([rows_of_it, sizes])
        rooms.append(np.diff(joined) // joined_sizes[:-1])
        last, rows_of_it = joined[-1:], joined_sizes[-1:]
    rooms.append(np.array([np.iinfo(np.int64).max]))
    return rooms.array()


def _median(numbers: Nanoseconds) -> int:
    """Return the median of numbers from 0 on, rounded down."""
    pair = middle_two(lambda: (block for (block,) in blocks(numbers)), len(numbers)) if len(numbers) else (0, 0)
    return sum(map(int, pair)) // 2
