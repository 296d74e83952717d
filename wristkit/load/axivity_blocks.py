"""The blocks of an Axivity ``.cwa``: where sound ones lie, what is between them, in which order, and when they were.

Blocks of 512 bytes hold magic, session, sequence number, stamp, scales and a checksum. They are looked for by magic and
checksum, wherever they lie, so that damage costs the blocks it touches.

Times follow the vendor's ``cwa-convert``: a block's stamp holds at one of its samples, which gives its end at the
stated rate; it starts where the block before it ends, so that its samples spread over the time that really passed. The
end is whole samples of the stated rate: the stamp's fraction of a second is left out, as there. Hence a block's times
depend on itself and on the stamp of the block before it, on nothing else. Where that block is damaged, its stamp is
still used if its header names the same session and the sequence number before. Where it is not there at all, or the
device paused, the block starts where its own stamp says, within 2 samples in every recording looked at.
"""

import io
from dataclasses import dataclass
from typing import IO, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from wristkit.errors import EmptyRecordingError, NotThisFormatError, RecordingError, TruncatedError
from wristkit.load.blocks import refuse_damage, tail_remark
from wristkit.load.gather import Nanoseconds, Remark, Request

HEADER_BYTES, BLOCK_BYTES = 1024, 512
_BLOCK_HEAD_BYTES = 30
MOST_BYTES = 2 * 2**30  # the devices hold at most 1 GB

FILE_MAGIC, _BLOCK_MAGIC = b"MD\xfc\x03", b"AX\xfc\x01"  # each with its length
CHUNK_BLOCKS = 16_384  # long enough for huge pages, short enough to be no burden
_CHUNK_BYTES = 2**20  # of damage, which may be nothing but magic
_MOST_SPREAD = 4  # blocks that lie further apart are read one by one
BLOCK_HEADER = np.dtype(
    [
        ("magic", "<u4"),
        ("fraction", "<u2"),
        ("session", "<u4"),
        ("sequence", "<u4"),
        ("stamp", "<u4"),
        ("light", "<u2"),
        ("temperature", "<u2"),
        ("events", "u1"),
        ("battery", "u1"),
        ("rate", "u1"),
        ("layout", "u1"),
        ("offset", "<i2"),
        ("count", "<u2"),
    ]
)
SAMPLES = slice(BLOCK_HEADER.itemsize, BLOCK_BYTES - 2)
PACKED = 0x30
LAYOUTS = {PACKED: ("accel",), 0x32: ("accel",), 0x62: ("gyro", "accel"), 0x92: ("gyro", "accel", "mag")}
CAPACITY = np.zeros(256, dtype=np.int64)
CAPACITY[list(LAYOUTS)] = [120, 80, 40, 26]
Bytes = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
Headers = npt.NDArray[Any]


class Content:
    """The bytes of one open file, read where they are needed, so that memory holds little of them at a time."""

    def __init__(self, file: IO[bytes], name: str, size: int) -> None:
        self._file, self.name, self._size = file, name, size

    def __len__(self) -> int:
        return self._size

    def span(self, begin: int, stop: int) -> Bytes:
        """Return the bytes from ``begin`` up to ``stop``; raise where the file has become shorter."""
        self._file.seek(begin)
        held = self._file.read(stop - begin)
        if len(held) < stop - begin:
            raise TruncatedError(
                "it changed while it was read",
                code="still_written",
                remedy="wait until the device or the sync client has finished writing it",
                file=self.name,
                byte=begin + len(held),
            )
        return np.frombuffer(held, dtype=np.uint8)

    def at(self, offsets: Nanoseconds, width: int) -> Bytes:
        """Return (n, width) bytes from each of (n,) places on."""
        if not len(offsets):
            return np.empty((0, width), dtype=np.uint8)
        begin, stop = int(offsets.min()), int(offsets.max()) + width
        if stop - begin > _MOST_SPREAD * BLOCK_BYTES * len(offsets):
            return np.stack([self.span(place, place + width) for place in offsets.tolist()])
        held = self.span(begin, stop)
        if width == BLOCK_BYTES and (np.diff(offsets) == BLOCK_BYTES).all():
            return held.reshape(-1, BLOCK_BYTES)
        return np.lib.stride_tricks.sliding_window_view(held, width)[offsets - begin]


@dataclass(frozen=True, eq=False)
class Blocks:
    """Sound blocks of one file: where they lie, their headers, and headers (w,) that stand in damaged places."""

    content: Content
    offsets: Nanoseconds
    headers: Headers
    witnesses: Headers

    def __len__(self) -> int:
        return len(self.offsets)

    @property
    def file(self) -> str:
        """Name of the file."""
        return self.content.name

    def taken(self, picked: npt.NDArray[Any]) -> "Blocks":
        """Return some of the blocks, or all in another order."""
        return Blocks(self.content, self.offsets[picked], self.headers[picked], self.witnesses)


class Repair(NamedTuple):
    """What was done to whole blocks: streams of samples and those of one reading a block count it in their own rows."""

    code: str
    samples: int
    blocks: int
    note: str
    remedy: str

    def counted(self, rows: int) -> Remark:
        """Return the finding for a stream of which so many rows were touched."""
        return Remark(self.code, rows, self.note, self.remedy)


class _Between(NamedTuple):
    """What lies between sound blocks: blocks that cannot be read, bytes that belong to none, a cut last block."""

    blocks: int
    inner_blocks: int
    first_byte: int
    stray_bytes: int
    tail_bytes: int


def has_block(head: bytes) -> bool:
    """Return whether a sound block stands anywhere in the first bytes of a file."""
    return len(_found(Content(io.BytesIO(head), "", len(head)))) > 0


def read_blocks(content: Content, request: Request) -> tuple[Blocks, list[Remark], list[Repair]]:
    """Return the sound blocks of a file in order, what is to be said of the rest, and the repairs that were asked for.

    Raises
    ------
    RecordingError
        With code ``damaged``, ``repeated_blocks``, ``time_backwards``, ``several_recordings``, ``mixed_layout``.
    """
    if len(content) > MOST_BYTES:
        raise RecordingError(
            f"it has {len(content)} bytes, expected at most {MOST_BYTES}",
            code="too_large",
            remedy="split it",
            file=content.name,
        )
    found = _found(content)
    _refuse_nothing(found)
    _refuse_several(found)
    between = _between(found)
    _refuse_damaged(found, between, request)
    blocks, repairs = _in_sequence(found, request)
    said = [*_of_damage(blocks, between), *_of_sequence(blocks, between)]
    return blocks, said, [*_of_tail(blocks, between, request), *repairs]


# ---- where the blocks are ----


def _found(content: Content) -> Blocks:
    """Return the sound blocks: where they belong, and between those wherever their magic stands."""
    grid = np.arange(HEADER_BYTES, len(content) - BLOCK_BYTES + 1, BLOCK_BYTES)
    on_grid, headers = _sound(content, grid)
    begins, ends = np.append(0, on_grid + BLOCK_BYTES), np.append(on_grid, len(content))
    strays, room = _strays(content, begins, ends)
    offsets = _apart(_sound(content, strays[room >= BLOCK_BYTES])[0])
    if len(offsets):
        offsets = np.sort(np.concatenate([on_grid, offsets]))
        headers = _headers(content, offsets)
    else:
        offsets = on_grid
    begins, ends = np.append(0, offsets + BLOCK_BYTES), np.append(offsets, len(content))
    holes = ends - begins >= BLOCK_HEADER.itemsize
    unread = np.concatenate([strays, begins[holes], ends[holes] - BLOCK_BYTES])  # magic itself may be damaged
    unread = unread[(unread >= 0) & (unread <= len(content) - BLOCK_HEADER.itemsize)]
    return Blocks(content, offsets, headers, _witnesses(content, unread, headers))


def _strays(content: Content, begins: Nanoseconds, ends: Nanoseconds) -> tuple[Nanoseconds, Nanoseconds]:
    """Return where in these holes a header stands that could be of a block, and the bytes from there to its end."""
    places, rooms = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    wide = ends - begins >= BLOCK_HEADER.itemsize
    begins, ends = begins[wide], ends[wide]
    for first in range(0, len(content), _CHUNK_BYTES):
        hole = int(np.searchsorted(ends, first, side="right"))
        if hole == len(ends) or begins[hole] >= first + _CHUNK_BYTES or len(content) - first < BLOCK_HEADER.itemsize:
            continue
        held = content.span(first, min(first + _CHUNK_BYTES + BLOCK_HEADER.itemsize, len(content)))
        place = first + _magics(held, _BLOCK_MAGIC)
        place = place[place < first + _CHUNK_BYTES]
        hole_of = np.searchsorted(begins, place, side="right") - 1
        room = np.where(hole_of < 0, 0, ends[hole_of] - place)
        place, room = place[room >= BLOCK_HEADER.itemsize], room[room >= BLOCK_HEADER.itemsize]
        # Most of what looks like magic by chance, or is nothing else, is told by its header.
        fit = _fit(
            np.lib.stride_tricks.sliding_window_view(held, SAMPLES.start)[place - first].view(BLOCK_HEADER)[:, 0]
        )
        places.append(place[fit])
        rooms.append(room[fit])
    return np.concatenate(places), np.concatenate(rooms)


def _magics(held: Bytes, magic: bytes) -> Nanoseconds:
    """Return where these bytes stand."""
    places = np.flatnonzero(held[: max(0, len(held) - len(magic) + 1)] == magic[0])
    for further, byte in enumerate(magic[1:], start=1):
        places = places[held[places + further] == byte]
    return places


def _witnesses(content: Content, places: Nanoseconds, headers: Headers) -> Headers:
    """Return the headers at these places that are of the recording and before one of its sound blocks."""
    kept = [np.empty(0, BLOCK_HEADER)]
    if len(headers):
        for first in range(0, len(places), CHUNK_BLOCKS):
            seen = _headers(content, places[first : first + CHUNK_BLOCKS])
            is_next = np.isin(seen["sequence"].astype(np.int64) + 1, headers["sequence"])
            kept.append(seen[_alike(seen, headers[0]) & is_next])
    return np.concatenate(kept)


def _apart(offsets: Nanoseconds) -> Nanoseconds:
    """Return places of blocks of which none lies in another; the earlier one counts."""
    if (np.diff(offsets) >= BLOCK_BYTES).all():
        return offsets
    kept: list[int] = []
    for offset in offsets.tolist():
        if not kept or offset >= kept[-1] + BLOCK_BYTES:
            kept.append(offset)
    return np.array(kept, dtype=np.int64)


def _sound(content: Content, offsets: Nanoseconds) -> tuple[Nanoseconds, Headers]:
    """Return the places at which a block stands that can be read, and the headers: magic, checksum, and sense."""
    places, kept = [np.empty(0, np.int64)], [np.empty(0, BLOCK_HEADER)]
    for first in range(0, len(offsets), CHUNK_BLOCKS):
        some = offsets[first : first + CHUNK_BLOCKS]
        headers, is_right = _checked(content.at(some, BLOCK_BYTES))
        sound = is_right & _make_sense(headers)
        places.append(some[sound])
        kept.append(headers[sound])
    return np.concatenate(places), np.concatenate(kept)


def _checked(rows: Bytes) -> tuple[Headers, Mask]:
    """Return (n,) headers, and whether magic and checksum of each block are right."""
    sums = rows.view("<u2").sum(axis=1, dtype=np.uint16)
    headers = np.ascontiguousarray(rows[:, : SAMPLES.start]).view(BLOCK_HEADER)[:, 0]
    is_right: Mask = (sums == 0) & (headers["magic"] == int.from_bytes(_BLOCK_MAGIC, "little"))
    return headers, is_right


def _headers(content: Content, offsets: Nanoseconds) -> Headers:
    chunks = [offsets[first : first + CHUNK_BLOCKS] for first in range(0, len(offsets), CHUNK_BLOCKS)]
    found = [content.at(some, SAMPLES.start).view(BLOCK_HEADER)[:, 0] for some in chunks]
    return np.concatenate([np.empty(0, BLOCK_HEADER), *found])


def _fit(headers: Headers) -> Mask:
    """Return (n,) whether a header can be of a block, its date aside: known layout, a rate, samples that fit in."""
    fits = (headers["count"] >= 1) & (headers["count"] <= CAPACITY[headers["layout"]])
    fit: Mask = fits & (headers["rate"] != 0)
    return fit


def _make_sense(headers: Headers) -> Mask:
    _, is_date = _seconds(headers["stamp"])
    return _fit(headers) & is_date


# ---- what is wrong with the file ----


def _refuse_nothing(found: Blocks) -> None:
    if len(found):
        return
    content = found.content
    if content.span(0, min(len(FILE_MAGIC), len(content))).tobytes() != FILE_MAGIC:
        raise NotThisFormatError(
            "it has neither the header of a .cwa nor a sound block",
            code="format",
            remedy="give the .cwa as it is on the device",
            file=found.file,
        )
    held, remedy = len(content) - HEADER_BYTES, "download it from the device again"
    if held <= 0:
        raise EmptyRecordingError("it holds a header and no samples", code="empty", remedy=remedy, file=found.file)
    if held < BLOCK_BYTES:
        raise TruncatedError("it ends in its first block", code="truncated", remedy=remedy, file=found.file)
    count, right = held // BLOCK_BYTES, _right_blocks(content)
    raise RecordingError(
        f"{right} of its {count} blocks pass their checksum, and none of them has a layout, rate, count and date that "
        "can be"
        if right
        else f"none of its {count} blocks passes its checksum",
        code="damaged_blocks",
        remedy=remedy,
        file=found.file,
        byte=HEADER_BYTES,
    )


def _right_blocks(content: Content) -> int:
    """Return how many blocks pass their checksum where they belong."""
    grid = np.arange(HEADER_BYTES, len(content) - BLOCK_BYTES + 1, BLOCK_BYTES)
    chunks = [grid[first : first + CHUNK_BLOCKS] for first in range(0, len(grid), CHUNK_BLOCKS)]
    return sum(int(_checked(content.at(some, BLOCK_BYTES))[1].sum()) for some in chunks)


def _refuse_several(found: Blocks) -> None:
    """Raise where there is a second header or session, or where samples change their layout, rate or scale."""
    second = _second_header(found)
    changed = np.flatnonzero(found.headers["session"] != found.headers["session"][0])
    if second is not None or len(changed):
        raise RecordingError(
            "it holds several recordings, one behind the other",
            code="several_recordings",
            remedy="cut the file before that byte and load each part",
            file=found.file,
            byte=second if second is not None else int(found.offsets[changed[0]]),
        )
    layouts, rates, scales = found.headers["layout"], found.headers["rate"], found.headers["light"] >> 10
    for what, stated in (("layout", layouts), ("rate", rates), ("scale", scales)):
        if len(other := np.flatnonzero(stated != stated[0])):
            raise RecordingError(
                f"the {what} of its samples changes from {stated[0]:#x} to {stated[other[0]]:#x}, expected one",
                code="mixed_layout",
                remedy="split the file there",
                file=found.file,
                byte=int(found.offsets[other[0]]),
            )


def _second_header(found: Blocks) -> int | None:
    begins, ends = found.offsets + BLOCK_BYTES, np.append(found.offsets[1:], len(found.content))
    for hole in np.flatnonzero(ends > begins):
        for first in range(int(begins[hole]), int(ends[hole]), _CHUNK_BYTES):
            stop = min(first + _CHUNK_BYTES + len(FILE_MAGIC) - 1, int(ends[hole]))
            place = found.content.span(first, stop).tobytes().find(FILE_MAGIC)
            if place >= 0:
                return first + place
    return None


def _between(found: Blocks) -> _Between:
    """Return what lies between the blocks, in blocks where the sequence numbers miss some there."""
    begins = np.append(min(HEADER_BYTES, found.offsets[0]), found.offsets + BLOCK_BYTES)
    holes = np.append(found.offsets, len(found.content)) - begins
    inner, missing = holes[:-1], np.diff(_sequence(found), prepend=-1) - 1
    room = -(-inner // BLOCK_BYTES)
    lost = np.where(missing >= 0, np.minimum(missing, room), room)  # out of order, numbers say nothing
    tail, tail_bytes = divmod(int(holes[-1]), BLOCK_BYTES)
    return _Between(
        blocks=int(lost.sum()) + tail,
        inner_blocks=int(lost.sum()),
        first_byte=int(begins[np.argmax(holes > 0)]),
        stray_bytes=int(inner[lost == 0].sum()),
        tail_bytes=tail_bytes,
    )


def _refuse_damaged(found: Blocks, between: _Between, request: Request) -> None:
    most = max(between.blocks / (between.blocks + len(found)), between.stray_bytes / len(found.content))
    said = (
        f"{between.blocks} blocks cannot be read and {between.stray_bytes} bytes belong to none, {len(found)} are sound"
    )
    refuse_damage(most, said, repair=request.repair, file=found.file, byte=between.first_byte)


def _of_damage(blocks: Blocks, between: _Between) -> list[Remark]:
    samples = between.blocks * int(CAPACITY[blocks.headers["layout"][0]])
    again, remarks = "download it from the device again", []
    if between.blocks:
        note = f"{between.blocks} blocks cannot be read and were skipped, the first at byte {between.first_byte}"
        remarks.append(Remark("damaged_blocks", between.blocks, f"{note}; about {samples} samples are lost", again))
    if between.stray_bytes:
        note = f"{between.stray_bytes} bytes between blocks belong to none and were skipped"
        remarks.append(Remark("stray_bytes", between.stray_bytes, note, again))
    return remarks


def _of_tail(blocks: Blocks, between: _Between, request: Request) -> list[Repair]:
    """Return what to say of a last block that was cut; raise unless it was asked to drop it."""
    if not between.tail_bytes:
        return []
    capacity = int(CAPACITY[blocks.headers["layout"][0]])
    begun = max(0, between.tail_bytes - _BLOCK_HEAD_BYTES) * capacity // (BLOCK_BYTES - _BLOCK_HEAD_BYTES - 2)
    byte = len(blocks.content) - between.tail_bytes
    told = tail_remark(samples=min(begun, capacity), byte=byte, repair=request.repair, file=blocks.file)
    readings = int(between.tail_bytes >= _BLOCK_HEAD_BYTES)
    return [Repair(told.code, told.count, readings, told.note, told.remedy)]


def _of_sequence(blocks: Blocks, between: _Between) -> list[Remark]:
    """Return what to say of sequence numbers that are in no block, sound or damaged."""
    steps = np.diff(_sequence(blocks), prepend=-1)
    missing = int((steps[steps > 1] - 1).sum()) - between.inner_blocks
    if missing <= 0:
        return []
    samples = missing * int(CAPACITY[blocks.headers["layout"][0]])
    note = f"{missing} blocks are not in the file by their sequence numbers, about {samples} samples"
    return [Remark("sequence_gap", missing, note, "they are gaps; download it from the device again")]


# ---- blocks in the order in which they were written ----


def _in_sequence(found: Blocks, request: Request) -> tuple[Blocks, list[Repair]]:
    """Return blocks without repeats and in order where that was asked for; raise where it was not."""
    blocks, dropped = _without_repeats(found, request)
    own, order = _own_start_ns(blocks.headers), np.argsort(_sequence(blocks), kind="stable")
    back = np.flatnonzero(np.diff(own) < 0) + 1
    if not len(back) or (np.diff(own[order]) <= 0).any():
        return blocks, dropped
    if "sort_blocks" not in request.repair:
        raise RecordingError(
            f"time goes back at {len(back)} blocks, and their sequence numbers say that they are out of order",
            code="time_backwards",
            remedy="repair=('sort_blocks',) sorts them, the findings count each sample",
            file=blocks.file,
            byte=int(blocks.offsets[back[0]]),
        )
    moved = order != np.arange(len(order))
    count = int(blocks.headers["count"][order][moved].sum())
    note = f"{moved.sum()} blocks with {count} samples were out of order and were sorted"
    sorted_blocks = Repair("sort_blocks", count, int(moved.sum()), note, "find out what wrote them so")
    return blocks.taken(order), [*dropped, sorted_blocks]


def _without_repeats(found: Blocks, request: Request) -> tuple[Blocks, list[Repair]]:
    repeated = _repeated(found)
    if not repeated.any():
        return found, []
    count = int(found.headers["count"][repeated].sum())
    text = f"{repeated.sum()} blocks with {count} samples are exact repeats of blocks before them"
    if "drop_exact" not in request.repair:
        raise RecordingError(
            text,
            code="repeated_blocks",
            remedy="repair=('drop_exact',) drops them, the findings count each sample",
            file=found.file,
            byte=int(found.offsets[np.argmax(repeated)]),
        )
    note, remedy = f"{text} and were dropped", "find out why they are there twice"
    return found.taken(~repeated), [Repair("drop_exact", count, int(repeated.sum()), note, remedy)]


def _repeated(found: Blocks) -> Mask:
    """Return (n,) whether a block equals one before it in the file, byte for byte."""
    order = np.argsort(_sequence(found), kind="stable")
    twins = np.flatnonzero(np.diff(_sequence(found)[order]) == 0)
    repeated = np.zeros(len(found), dtype=bool)
    for first in range(0, len(twins), CHUNK_BLOCKS):
        pair = twins[first : first + CHUNK_BLOCKS]
        one, other = (found.content.at(found.offsets[order[which]], BLOCK_BYTES) for which in (pair, pair + 1))
        repeated[order[pair + 1]] = (one == other).all(axis=1)
    return repeated


def _sequence(blocks: Blocks) -> Nanoseconds:
    numbers: Nanoseconds = blocks.headers["sequence"].astype(np.int64)
    return numbers


# ---- when ----


def _seconds(stamp: npt.NDArray[np.uint32]) -> tuple[Nanoseconds, Mask]:
    """Return (n,) seconds since 1970 of packed dates, and whether they are dates."""
    year, month, day = (stamp >> 26) + 30, (stamp >> 22) & 15, (stamp >> 17) & 31
    hour, minute, second = (stamp >> 12) & 31, (stamp >> 6) & 63, stamp & 63
    months = year.astype("M8[Y]").astype("M8[M]") + (month.astype(np.int64) - 1)
    days = months.astype("M8[D]") + (day.astype(np.int64) - 1)
    is_date = (month >= 1) & (month <= 12) & (day >= 1) & (days.astype("M8[M]") == months)
    of_day = hour.astype(np.int64) * 3600 + minute.astype(np.int64) * 60 + second
    return days.astype(np.int64) * 86400 + of_day, is_date & (hour < 24) & (minute < 60) & (second < 60)


def period_ns(headers: Headers) -> Nanoseconds:
    """Return (n,) time between two samples at the stated rate."""
    return np.int64(312_500) << (15 - (headers["rate"] & 15).astype(np.int64))  # 3,200 Hz, halved by each step


def _own_start_ns(headers: Headers) -> Nanoseconds:
    """Return (n,) when blocks start by their own stamp at the stated rate."""
    seconds, _ = _seconds(headers["stamp"])
    return seconds * 10**9 - headers["offset"].astype(np.int64) * period_ns(headers)


def spans_ns(blocks: Blocks) -> tuple[Nanoseconds, Nanoseconds]:
    """Return (n,) start and end of each block: from the end of the one before it, where it follows that, to its own."""
    own, length = _own_start_ns(blocks.headers), blocks.headers["count"] * period_ns(blocks.headers)
    end = own + length
    before = _ends_before(blocks, own, end)
    late = own - before
    # Early by less than half: the vendor squeezes such a block. Late by more than devices are slow: they paused.
    follows = (late > -length // 2) & (late <= _slack_ns(blocks.headers))
    return np.where(follows, before, own), end


def _slack_ns(headers: Headers) -> Nanoseconds:
    """Return by how much a block may start late that follows another: 1.6 % were seen, and rounding to samples."""
    return (headers["count"].astype(np.int64) // 20 + 3) * period_ns(headers)


def _ends_before(blocks: Blocks, own: Nanoseconds, end: Nanoseconds) -> Nanoseconds:
    """Return (n,) end of the block before each, as its stamp says, sound or damaged; far off where nothing is known."""
    sequence = _sequence(blocks)
    before = np.append(own[0], end[:-1])
    alone = np.flatnonzero(np.diff(sequence, prepend=sequence[0] - 2) != 1)
    before[alone] = own[alone] - 10**18
    if not len(alone):
        return before
    witnesses = blocks.witnesses
    _, first = np.unique(witnesses["sequence"], return_index=True)
    known = dict(zip(witnesses["sequence"][first].tolist(), witnesses[first], strict=True))
    for block in alone.tolist():
        witness = known.get(int(sequence[block]) - 1)
        if witness is not None:
            before[block] = _witnessed_ns(witness[None], int(own[block]))
    return before


def _alike(witnesses: Headers, header: Headers) -> Mask:
    """Return (w,) whether what stands in a damaged place is the header of a block of the same recording."""
    same = [witnesses[field] == header[field] for field in ("session", "rate", "layout")]
    alike: Mask = np.logical_and.reduce([_fit(witnesses), *same])
    return alike


def _witnessed_ns(witness: Headers, near_ns: int) -> int:
    """Return when a damaged block ended; where its date is no date, at the second that brings it nearest."""
    end = int((_own_start_ns(witness) + witness["count"] * period_ns(witness))[0])
    if _seconds(witness["stamp"])[1][0]:
        return end
    second = 10**9
    return near_ns + (end - near_ns + second // 2) % second - second // 2
