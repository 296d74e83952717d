"""The records of an ActiGraph's log.bin and the numbers packed in them: found by checksum, unpacked many at once."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from wristkit.load.blocks import Damage

Bytes = npt.NDArray[np.uint8]
Counts = npt.NDArray[np.int16]

CHUNK_BYTES = 2**21
ACTIVITY, ACTIVITY2 = 0, 26

_SEPARATOR = 0x1E
_HEADER_BYTES = 8
_MOST_RECORD_BYTES = _HEADER_BYTES + 0xFFFF + 1
_NEAR_S = 60
_FEW = 256
_BEYOND = (0x7FFFFF, 0x800000)  # stand for numbers that are too large


def unpacked(payloads: Bytes) -> Counts:
    """Return (k, n, 3) counts in x, y, z of (k, bytes) packed to twelve bits each in the order y, x, z."""
    rows, width = payloads.shape
    filled = np.zeros((rows, -(-width // 3), 3), dtype=np.uint16)
    filled.reshape(rows, -1)[:, :width] = payloads
    pairs = np.empty((rows, filled.shape[1], 2), dtype=np.uint16)
    pairs[..., 0] = filled[..., 0] << 4 | filled[..., 1] >> 4
    pairs[..., 1] = (filled[..., 1] & 0x0F) << 8 | filled[..., 2]
    signed = (pairs << 4).view(np.int16) >> 4
    samples = samples_of(ACTIVITY, width)
    return signed.reshape(rows, -1)[:, : 3 * samples].reshape(rows, samples, 3)[..., [1, 0, 2]]


def samples_of(kind: int, payload_bytes: int) -> int:
    """Return how many whole samples a payload of this kind of activity record holds."""
    return payload_bytes * 8 // 36 if kind == ACTIVITY else payload_bytes // 6


def counts_of(kind: int, payloads: Bytes) -> Counts:
    """Return (k, n, 3) counts of the payloads (k, bytes) of activity records of one kind."""
    if kind == ACTIVITY:
        return unpacked(payloads)
    whole = payloads[:, : 6 * samples_of(kind, payloads.shape[1])]
    return np.ascontiguousarray(whole).view("<i2").astype(np.int16).reshape(len(payloads), -1, 3)


def decoded_float(code: int) -> float:
    """Return the number of a parameter: three bytes of signed fraction below one byte of signed exponent."""
    if code in _BEYOND:
        return math.inf
    fraction = ((code & 0xFFFFFF) ^ 0x800000) - 0x800000
    exponent = (code >> 24 ^ 0x80) - 0x80
    return float(fraction / 2**23 * 2.0**exponent)


class Records(NamedTuple):
    """Whole records of one block of the log: columns (k,), and the bytes that their payloads lie in."""

    data: Bytes
    payload: npt.NDArray[np.int64]  # where it starts in data
    size: npt.NDArray[np.int64]
    kind: npt.NDArray[np.int64]
    second: npt.NDArray[np.int64]
    byte: npt.NDArray[np.int64]  # of the separator, in the whole log


@dataclass
class Walk:
    """Where a walk through the log stands: accounted for up to ``byte``, the last record at ``second``."""

    damage: Damage = field(default_factory=Damage)
    byte: int = 0
    second: int | None = None
    records: int = 0
    record_bytes: int = 0
    tail: tuple[int, int] | None = None


def records_of(chunks: Iterator[bytes], walk: Walk) -> Iterator[Records]:
    """Yield the records with a right checksum, block by block; the bytes between them are noted as damage."""
    base, pending, more = 0, b"", True
    while more:
        chunk = next(chunks, b"")
        more = bool(chunk)
        data = np.frombuffer(pending + chunk, dtype=np.uint8)
        found = _found(data, base, walk, last=not more)
        if len(found.payload):
            yield found
        keep = max(walk.byte - base, len(data) - _MOST_RECORD_BYTES) if more else len(data)
        _account(data, base, base + keep, walk, last=not more)
        pending, base = data[keep:].tobytes(), base + keep
        if base > CHUNK_BYTES and not walk.records:
            more = False  # nothing but junk so far: what follows is none of ours


def _found(data: Bytes, base: int, walk: Walk, *, last: bool) -> Records:
    starts = np.flatnonzero(data[: max(len(data) - _HEADER_BYTES, 0)] == _SEPARATOR)
    size = data[starts + 6].astype(np.int64) | data[starts + 7].astype(np.int64) << 8
    stops = starts + _HEADER_BYTES + size + 1
    whole = stops <= len(data)
    starts, size, stops = starts[whole], size[whole], stops[whole]
    # The checksum is the complement of all bytes before it, so that a right record comes to 0xFF.
    folded = np.zeros(len(data) + 1, dtype=np.uint8)
    np.bitwise_xor.accumulate(data, out=folded[1:])
    right = folded[stops] ^ folded[starts] == 0xFF
    starts, size, stops = starts[right], size[right], stops[right]
    second = np.ascontiguousarray(data[starts[:, None] + np.arange(2, 6)]).view("<u4").ravel().astype(np.int64)
    following = _past_zeros(data, np.append(stops, walk.byte - base))  # zeros may lie between records
    following, expected = following[:-1], int(following[-1])
    leads_on = np.isin(following, starts) | (following == len(data) if last else np.zeros(len(stops), dtype=bool))
    table = np.column_stack([starts, stops, second, following, leads_on])
    chain = _chain(starts, following, expected=expected)
    if len(chain) and not (starts > starts[chain[-1]]).any():
        _keep(table[chain], base, walk)
        kept = chain
    else:
        kept = _kept(data, base, table, walk, expected=expected)
    starts = starts[kept]
    return Records(
        data, starts + _HEADER_BYTES, size[kept], data[starts + 1].astype(np.int64), second[kept], starts + base
    )


def _past_zeros(data: Bytes, at: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return for each place the first one from there on that is no zero, or the end."""
    zeros = np.flatnonzero(data[np.minimum(at, len(data) - 1)] == 0) if len(data) else at[:0]
    zeros = zeros[at[zeros] < len(data)]
    if len(zeros) <= _FEW:
        after = at.copy()
        after[zeros] = [_next_solid(data, place) for place in at[zeros].tolist()]
        return after
    solid = np.append(np.flatnonzero(data), len(data))
    return solid[np.searchsorted(solid, at)]


def _next_solid(data: Bytes, at: int) -> int:
    for width in (2**6, 2**12, len(data)):
        solid = data[at : at + width] != 0
        if solid.any():
            return at + int(np.argmax(solid))
    return len(data)


def _chain(starts: npt.NDArray[np.int64], following: npt.NDArray[np.int64], *, expected: int) -> npt.NDArray[np.int64]:
    """Return the rows of candidates that begin where one is expected, each where the one before leads."""
    after = np.searchsorted(starts, following)
    leads = after < len(starts)
    leads[leads] = starts[after[leads]] == following[leads]
    row = int(np.searchsorted(starts, expected))
    if row == len(starts) or starts[row] != expected:
        return np.empty(0, dtype=np.int64)
    chain, next_row = [row], np.where(leads, after, -1).tolist()
    while (row := next_row[row]) >= 0:
        chain.append(row)
    return np.array(chain, dtype=np.int64)


def _keep(records: npt.NDArray[np.int64], base: int, walk: Walk) -> None:
    """Move the walk on over records that follow each other."""
    starts, stops, seconds = records[:, 0], records[:, 1], records[:, 2]
    walk.byte, walk.second = int(stops[-1]) + base, int(seconds[-1])
    walk.records, walk.record_bytes = walk.records + len(records), walk.record_bytes + int((stops - starts).sum())


def _kept(
    data: Bytes, base: int, candidates: npt.NDArray[np.int64], walk: Walk, *, expected: int
) -> npt.NDArray[np.int64]:
    """Return the rows of (start, stop, second, following, leads on) that are records, one after the other.

    One checksum in 256 is right by chance, so a record that does not begin where one is expected has to lead on to
    the next one, or lie near the last one in time.
    """
    kept = []
    for row, (start, stop, second, following, leads_on) in enumerate(candidates.tolist()):
        if start < walk.byte - base:
            continue
        near = walk.second is not None and abs(second - walk.second) <= _NEAR_S
        if start == expected or leads_on or near:
            if start + base > walk.byte:
                _account(data, base, start + base, walk, last=False)
            walk.byte, walk.second, expected = stop + base, second, following
            walk.records, walk.record_bytes = walk.records + 1, walk.record_bytes + stop - start
            kept.append(row)
    return np.array(kept, dtype=np.int64)


def _account(data: Bytes, base: int, stop: int, walk: Walk, *, last: bool) -> None:
    """Note what lies between the last record and this byte; zeros may lie between records and are no damage."""
    between = data[walk.byte - base : stop - base]
    if stop <= walk.byte or not between.any():
        walk.byte = max(walk.byte, stop)
    elif last and _is_cut(between):
        kind = int(between[1]) if len(between) > 1 else -1
        payload_bytes = max(len(between) - _HEADER_BYTES, 0)
        walk.tail = (walk.byte, samples_of(kind, payload_bytes) if kind in {ACTIVITY, ACTIVITY2} else 0)
        walk.byte = stop
    else:
        walk.damage.add(walk.byte, stop)
        walk.byte = stop


def _is_cut(between: Bytes) -> bool:
    """Return whether these last bytes are the start of a record that would go on."""
    if between[0] != _SEPARATOR:
        return False
    size = int(between[6]) | int(between[7]) << 8 if len(between) >= _HEADER_BYTES else 0xFFFF
    return len(between) < _HEADER_BYTES + size + 1
