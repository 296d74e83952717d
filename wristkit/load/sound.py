"""Sound files: WAV, FLAC and Ogg become the stream ``audio``, full scale 1.

libsndfile decodes them, through soundfile: it is fuzzed without pause by OSS-Fuzz, and own decoders of FLAC and Vorbis
would be longer than this package. What a header promises is held against what was decoded. A WAV whose rate is below
1,000 Hz is not sound (some motion loggers write acceleration into WAV), and is refused.
"""

import io
import os
import re
import shutil
import struct
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from wristkit.errors import EmptyRecordingError, NotThisFormatError, RecordingError, TruncatedError
from wristkit.load.gather import Gathered, Remark, Request, Track, source_of
from wristkit.load.members import Members, reading, single
from wristkit.load.ogg import Pages, Stretch, pages_of, read_at, write_stretch
from wristkit.load.spool import Spool
from wristkit.recording import blocks
from wristkit.recording.hashing import hash_of_file

LEAST_HZ, MOST_HZ = 1_000, 1_000_000  # below lies motion, above nothing that a microphone records

_BLOCK_FRAMES = 2**12  # a block of FLAC: no more than this is lost before a fault
_MOST_CHUNKS = 1_000
_FREE_BYTES, _MOST_RATIO = 64 * 2**20, 1_000  # the thriftiest speech codec unpacks to some 250 times its size
_CHANNELS = {1: ("audio",), 2: ("left", "right")}
_FLAC_START = b"fLaC\0\0\0\x22"
_FLAC_TAIL_BYTES = 2**20  # longer than any block
_NO_END = "the page that ends it is not there"  # of an Ogg
_UNCODED = {1, 3}  # PCM and float: bytes a second follow from rate and frame
_MOST_FRAMES = 2**62  # what the decoder says where a FLAC states no length
_UNSTATED = {0, 0xFFFFFFFF}  # sizes that a recorder writes before it knows, and corrects when it is stopped


class _Wave(NamedTuple):
    """What the header of a WAV promises; ``held_bytes`` of sound are really there.

    ``promised_bytes`` is None where the header says it elsewhere, ``frame_bytes`` 0 where the sound is coded.
    ``uncounted_bytes`` follow what is promised, and are no chunks.
    """

    promised_bytes: int | None
    held_bytes: int
    uncounted_bytes: int
    frame_bytes: int
    rate_contradicts: bool
    stated_start: str


class _Sound(NamedTuple):
    """Decoded samples (n, c), why decoding stopped before the end, and what the header states."""

    values: npt.NDArray[np.float32]
    fault: str
    rate_hz: int
    stated: int


def recognises(path: Path) -> bool:
    """Return whether a file starts as sound does; of what is not read (MP3, AAC), too, so that an error can name it."""
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            return bool(_kind(file.read(12)))
    except OSError:
        return False


def read(path: Path, request: Request) -> Gathered:
    """Return the sound of one file; when it began is not known."""
    members = single(path)
    track = audio_track(members, path.name, spool=request.spool)
    with members.open(path.name) as file:
        digest = hash_of_file(file)
    return Gathered([track], clock="none", source=source_of(path, "sound", digest))


def audio_track(members: Members, name: str, *, spool: Spool, start_ns: int = 0) -> Track:
    """Return one sound file of a folder or zip as the track ``audio`` that begins at ``start_ns``.

    Raises
    ------
    NotThisFormatError
        Where it is no sound that can be decoded here, such as AAC in an m4a.
    RecordingError
        Where it is damaged before its first sample, or holds values that are no numbers.
    """
    with members.open(name) as raw, _on_disk(raw, name) as file:
        _refuse_unread(file.read(12), name)
        return _decoded(file, name, spool, start_ns, packed_bytes=members.packed_size(name))


def _kind(start: bytes) -> str:
    """Return what the first 12 bytes of a file are of: empty where it is nothing that sounds."""
    if start[:4] in {b"RIFF", b"RF64", b"RIFX"} and start[8:12] == b"WAVE":
        return "WAV"
    if start[4:8] == b"ftyp":
        return "AAC (m4a, mp4)"
    if start[:3] == b"ID3" or (start[:1] == b"\xff" and start[1:2] in {b"\xfb", b"\xfa", b"\xf3", b"\xf2"}):
        return "MP3"
    return {b"fLaC": "FLAC", b"OggS": "Ogg", b"caff": "CAF"}.get(start[:4], "")


def _refuse_unread(start: bytes, name: str) -> None:
    kind = _kind(start)
    if kind not in {"WAV", "FLAC", "Ogg", "CAF"}:
        raise NotThisFormatError(
            f"it is {kind or 'no sound that is known'}, expected WAV, FLAC or Ogg",
            code="format",
            remedy="convert it to FLAC",
            file=name,
        )


@contextmanager
def _on_disk(raw: IO[bytes], name: str) -> Iterator[IO[bytes]]:
    """Give a file that the decoder can read by its descriptor: what is packed as a nameless copy."""
    if isinstance(raw, io.BufferedReader) and isinstance(raw.raw, io.FileIO):
        yield raw
        return
    with tempfile.TemporaryFile() as copy:
        with reading(name):
            shutil.copyfileobj(raw, copy, 2**20)
        copy.seek(0)
        yield copy


def _decoded(file: IO[bytes], name: str, spool: Spool, start_ns: int, *, packed_bytes: int) -> Track:
    wave, pages, behind = _wave(file), pages_of(file), _behind_flac(file, name)
    if pages.second >= 0:
        raise _second_stream(name, pages.second)
    if pages.is_broken:
        sound, damaged = _around_damage(file, pages, name, spool, start_ns, packed_bytes=packed_bytes)
    else:
        sound, damaged = _opened(file, name, spool, packed_bytes=packed_bytes), ()
    if not len(sound.values):
        raise _nothing(wave, sound.fault, name, stated=sound.stated)
    if not pages.ends or pages.gave_up:
        end = pages.frames_at(pages.stretches[-1].end, sound.rate_hz) if pages.stretches else 0
        why = "so much of it is damaged that the rest was not read" if pages.gave_up else _NO_END
        sound = sound._replace(fault=why, stated=max(sound.stated, end))
    remarks = (
        *damaged,
        *_of_length(sound.stated, len(sound.values), wave, sound.fault),
        *_of_uncounted(sound.stated, wave, behind),
        *_of_header(wave),
    )
    count = sound.values.shape[1]
    names = _CHANNELS.get(count, tuple(str(number + 1) for number in range(count)))
    return Track(
        "audio", sound.values, channels=names, start_ns=start_ns, rate_hz=float(sound.rate_hz), remarks=remarks
    )


def _opened(file: IO[bytes], name: str, spool: Spool, *, packed_bytes: int, anew: bool = False) -> _Sound:
    """Return what is decoded of a file; ``anew`` where it begins in the midst of a sound."""
    import soundfile

    os.lseek(file.fileno(), 0, os.SEEK_SET)
    try:
        # By its descriptor: errors of the disk would be lost in a callback, and a suffix would be believed.
        with soundfile.SoundFile(file.fileno(), closefd=False) as sound:
            rate_hz, stated = _checked(sound.samplerate, name), sound.frames
            if anew:
                sound.seek(0)  # else it gives what Opus has to skip, which shifts all that follows
            return _Sound(*_frames(sound, spool, name, packed_bytes=packed_bytes), rate_hz, stated)
    except soundfile.LibsndfileError as error:
        raise RecordingError(
            f"it cannot be decoded ({error.error_string.strip()})",
            code="sound_damaged",
            remedy="copy or export it again",
            file=name,
        ) from error


def _around_damage(
    file: IO[bytes], pages: Pages, name: str, spool: Spool, start_ns: int, *, packed_bytes: int
) -> tuple[_Sound, tuple[Remark, ...]]:
    """Return the sound of an Ogg that lacks pages, each frame in its place and NaN where there is none; and say so."""
    if not pages.codec:
        raise _damaged("pages are damaged or not there, of its headers or of a codec other than Vorbis and Opus", name)
    column, holes, origin, channels, rate_hz = spool.column(np.float32), list[tuple[int, int]](), 0, 1, LEAST_HZ

    def fill(stop: int) -> None:
        first = len(column) // channels
        if stop < first:
            raise _damaged("its pages go back in time", name)
        _refuse_bomb(stop * channels * 4, packed_bytes, name)
        holes.extend([(first, stop)] if stop > first else [])
        for at in range(first, stop, _BLOCK_FRAMES):
            column.append(np.full(min(_BLOCK_FRAMES, stop - at) * channels, np.nan, dtype=np.float32))

    for stretch in pages.stretches:
        if not stretch.is_placed:
            continue
        sound = _of_stretch(file, pages, stretch, name, spool, packed_bytes=packed_bytes)
        channels, rate_hz = sound.values.shape[1], sound.rate_hz
        begins = stretch is pages.stretches[0] and not stretch.lost
        first, settling = pages.frames_at(stretch.end, rate_hz) - sound.stated, 0 if begins else pages.settling(rate_hz)
        origin = first if begins else origin
        if len(sound.values) > settling:
            fill(first + settling - origin)
            for (block,) in blocks(sound.values[settling:]):
                column.append(block.ravel())
    if not len(column):
        return _Sound(np.empty((0, channels), np.float32), "no page of it tells when it was", rate_hz, 0), ()
    fill(max(pages.frames_at(stretch.end, rate_hz) for stretch in pages.stretches) - origin)
    values = column.array().reshape(-1, channels)
    return _Sound(values, "", rate_hz, len(values)), _of_holes(pages, holes, len(values), rate_hz, start_ns)


def _of_stretch(
    file: IO[bytes], pages: Pages, stretch: Stretch, name: str, spool: Spool, *, packed_bytes: int
) -> _Sound:
    with tempfile.TemporaryFile() as copy:
        write_stretch(file, pages, stretch, copy)
        copy.flush()
        return _opened(copy, name, spool, packed_bytes=packed_bytes, anew=True)


def _of_holes(
    pages: Pages, holes: Sequence[tuple[int, int]], frames: int, rate_hz: int, start_ns: int
) -> tuple[Remark, ...]:
    if not holes:
        return ()
    lost, missing = sum(stretch.lost for stretch in pages.stretches), sum(stop - first for first, stop in holes)
    first_s, stop_s = holes[0][0] / rate_hz, holes[-1][1] / rate_hz
    where = f"in {len(holes)} places from {first_s:.3f} s to {stop_s:.3f} s"
    note = f"{lost} pages are damaged or not there: {missing} of {frames} frames are missing {where}; no other is moved"
    span_ns = (start_ns + round(first_s * 1e9), start_ns + round(stop_s * 1e9))
    return (Remark("damaged_pages", missing, note, "copy the file again; what is missing is NaN", span_ns=span_ns),)


def _damaged(what: str, name: str) -> RecordingError:
    return RecordingError(
        f"{what}: when later sound was is not known",
        code="damaged_pages",
        remedy="copy the file again",
        file=name,
    )


def _checked(rate_hz: int, name: str) -> int:
    if rate_hz < LEAST_HZ:
        raise NotThisFormatError(
            f"its rate is {rate_hz} Hz, expected at least {LEAST_HZ} Hz of sound; it may hold motion",
            code="rate",
            remedy="name the format of the device that wrote it, such as format='axivity' for an AX3 or AX6",
            file=name,
        )
    if rate_hz > MOST_HZ:
        raise RecordingError(
            f"its header states {rate_hz} Hz, expected at most {MOST_HZ} Hz",
            code="rate",
            remedy="export it again; the header is damaged",
            file=name,
        )
    return rate_hz


def _frames(
    sound: Any,  # noqa: ANN401  a soundfile.SoundFile, which has no types
    spool: Spool,
    name: str,
    *,
    packed_bytes: int,
) -> tuple[npt.NDArray[np.float32], str]:
    """Return (n, c) decoded samples, and why decoding stopped before the end; empty where it did not."""
    import soundfile

    column, channels, fault = spool.column(np.float32), sound.channels, ""
    while True:
        try:
            block = sound.read(_BLOCK_FRAMES, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            fault = error.error_string.strip() or "the stream of data breaks off"
            break
        if not len(block):
            break
        _refuse_no_numbers(block, len(column) // channels, name)
        column.append(block.ravel())
        _refuse_bomb(len(column) * 4, packed_bytes, name)
    return column.array().reshape(-1, channels), fault


def _refuse_no_numbers(block: npt.NDArray[np.float32], first: int, name: str) -> None:
    if not np.isfinite(block).all():
        row = first + int(np.argmin(np.isfinite(block).all(axis=1)))
        raise RecordingError(
            "it holds samples that are infinite or no number",
            code="not_finite",
            remedy="export it again as PCM",
            file=name,
            row=row,
        )


def _refuse_bomb(decoded_bytes: int, packed_bytes: int, name: str) -> None:
    if decoded_bytes > max(_FREE_BYTES, _MOST_RATIO * packed_bytes):
        raise RecordingError(
            f"its {packed_bytes} bytes unpack to more than {_MOST_RATIO} times as many",
            code="sound_bomb",
            remedy="convert it to WAV where it is genuine, such as an hour of digital silence",
            file=name,
        )


def _nothing(wave: _Wave | None, fault: str, name: str, *, stated: int) -> RecordingError:
    if wave is not None and wave.held_bytes:
        return RecordingError(
            f"its header states no length, {wave.held_bytes} bytes of sound follow it: recording was never finished",
            code="length_unstated",
            remedy="let a sound editor repair the header, then load it",
            file=name,
        )
    if fault and 0 < stated < _MOST_FRAMES:
        return TruncatedError(
            f"{stated} frames are promised, it breaks off in the first block of them ({fault})",
            code="truncated",
            remedy="copy the file again",
            file=name,
        )
    why = f" ({fault})" if fault else ""
    return EmptyRecordingError(f"it holds no sound{why}", code="empty", remedy="export it again", file=name)


def _of_length(stated: int, decoded: int, wave: _Wave | None, fault: str) -> list[Remark]:
    """Return what to say where fewer frames are there than the header promises."""
    if stated > _MOST_FRAMES or (wave is not None and wave.promised_bytes in _UNSTATED):
        note = f"the header states no length; the {decoded} frames that are there were read"
        return [Remark("length_unstated", decoded, note, "nothing, if the duration is what you expect")]
    promised = stated
    if wave is not None and wave.promised_bytes is not None and wave.frame_bytes:
        promised = wave.promised_bytes // wave.frame_bytes
    if promised <= decoded and not fault:
        return []
    # An Ogg promises nothing: what the decoder calls its length is where the last page ends that is there.
    note = f"{promised} frames are promised, {decoded} could be read{f': {fault}' if fault else ''}"
    return [Remark("truncated", max(promised - decoded, 1), note, "copy the file again; what is there is used")]


def _of_uncounted(stated: int, wave: _Wave | None, behind: int) -> list[Remark]:
    """Return what to say where sound seems to follow behind what the header promises."""
    again = "export it again; what the header counts was read"
    if behind >= stated:
        note = f"the header states {stated} frames, a block of frame {behind} on follows and was not read"
        return [Remark("header_short", behind - stated + 1, note, again)]
    if wave is None or not wave.uncounted_bytes or wave.promised_bytes in _UNSTATED:
        return []
    note = (
        f"the header states {wave.promised_bytes} bytes of sound, {wave.uncounted_bytes} more follow and were not read"
    )
    return [Remark("header_short", max(wave.uncounted_bytes // max(wave.frame_bytes, 1), 1), note, again)]


def _of_header(wave: _Wave | None) -> list[Remark]:
    if wave is None:
        return []
    found = []
    if wave.rate_contradicts:
        note = "the header's rate and its bytes a second contradict each other"
        found.append(Remark("rate_contradicts", 1, note, "compare the duration with what you know"))
    if wave.stated_start:
        note = f"the file states that it began at {wave.stated_start} by a clock on the wall, zone unknown"
        found.append(Remark("start_stated", 1, note, "align it with motion by a clap; it was not used"))
    return found


def _wave(file: IO[bytes]) -> _Wave | None:
    """Return what the chunks of a WAV say; None for another format, or where they say nothing of sound."""
    file.seek(0)
    start = file.read(12)
    if _kind(start) != "WAV":
        return None
    order = ">" if start[:4] == b"RIFX" else "<"
    size, frame_bytes, contradicts, stated_start = os.fstat(file.fileno()).st_size, 0, False, ""
    for _ in range(_MOST_CHUNKS):
        name, length = file.read(4), file.read(4)
        if len(length) < 4:
            return None
        count, at = struct.unpack(f"{order}I", length)[0], file.tell()
        if name == b"data":
            promised = None if start[:4] == b"RF64" else count
            uncounted = 0 if promised is None else _no_chunks(file, at + count + count % 2, size, order)
            return _Wave(promised, size - at, uncounted, frame_bytes, contradicts, stated_start)
        if name == b"fmt ":
            frame_bytes, contradicts = _format_chunk(file.read(16), order)
        elif name == b"bext":
            stated_start = _origination(file.read(338))
        file.seek(at + count + count % 2)
    return None


def _no_chunks(file: IO[bytes], at: int, size: int, order: str) -> int:
    """Return how many bytes from here on are no chunks, which may follow the sound."""
    for _ in range(_MOST_CHUNKS):
        if at + 8 > size:
            break
        file.seek(at)
        name, count = struct.unpack(f"{order}4sI", file.read(8))
        stop = at + 8 + count
        if not re.fullmatch(rb"[ -~]{4}", name) or stop > size:
            return size - at
        at = stop + count % 2
    return max(size - at, 0)


def _behind_flac(file: IO[bytes], name: str) -> int:
    """Return at which frame the last block of a FLAC begins, -1 where there is none; raise where another follows."""
    at, is_last = 4, read_at(file, 0, 4) != b"fLaC"
    if is_last:
        return -1
    block_frames = int.from_bytes(read_at(file, 10, 2), "big")
    while not is_last:
        head = read_at(file, at, 4)
        if len(head) < 4:
            return -1
        at, is_last = at + 4 + int.from_bytes(head[1:], "big"), head[0] >= 0x80
    form = read_at(file, at, 4)
    size = file.seek(0, os.SEEK_END)
    for first in range(at, size, _FLAC_TAIL_BYTES):
        second = read_at(file, first, _FLAC_TAIL_BYTES + len(_FLAC_START)).find(_FLAC_START)
        if second >= 0:
            raise _second_stream(name, first + second)
    if len(form) < 4:
        return -1
    tail = read_at(file, max(at, size - _FLAC_TAIL_BYTES), _FLAC_TAIL_BYTES)
    alike = re.compile(re.escape(form[:2]) + b"." + re.escape(form[3:]), re.DOTALL)
    starts = (_block_start(tail[one.start() : one.start() + 16]) for one in alike.finditer(tail))
    counted = 1 if form[1] & 1 else block_frames  # blocks of one length are numbered, others tell their first frame
    return max((start * counted for start in starts), default=-1)


def _block_start(head: bytes) -> int:
    """Return the number in the header of a block of FLAC; -1 where its checksum is wrong."""
    ones = 8 - (~head[4] & 0xFF).bit_length() if len(head) == 16 else 8
    if ones in {1, 8}:
        return -1
    stop = 4 + max(ones, 1)
    number = head[4] & (0xFF >> ones)
    for byte in head[5:stop]:
        number = number << 6 | byte & 0x3F
    stop += {6: 1, 7: 2}.get(head[2] >> 4, 0) + {12: 1, 13: 2, 14: 2}.get(head[2] & 15, 0)
    crc = 0
    for byte in head[:stop]:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ (0x107 if crc & 0x80 else 0)) & 0x1FF
    return number if crc == head[stop] else -1


def _second_stream(name: str, byte: int) -> RecordingError:
    return RecordingError(
        "another stream of sound follows the first: it holds several recordings",
        code="several_recordings",
        remedy="cut the file before that byte and load each part",
        file=name,
        byte=byte,
    )


def _format_chunk(content: bytes, order: str) -> tuple[int, bool]:
    """Return bytes a frame of uncoded sound, else 0, and whether the rates contradict each other."""
    if len(content) < 16:
        return 0, False
    tag, _, rate_hz, bytes_a_second, frame_bytes, _ = struct.unpack(f"{order}HHIIHH", content)
    if tag not in _UNCODED and tag != 0xFFFE:
        return 0, False
    return frame_bytes, bytes_a_second != rate_hz * frame_bytes


def _origination(content: bytes) -> str:
    """Return date and time of a Broadcast Wave; the free text before them may name people and is not read."""
    stated = content[320:338].decode("ascii", "replace")
    found = re.fullmatch(r"(\d{4})[-_:. /](\d\d)[-_:. /](\d\d)(\d\d)[-_:. /](\d\d)[-_:. /](\d\d)", stated)
    return f"{found[1]}-{found[2]}-{found[3]} {found[4]}:{found[5]}:{found[6]}" if found else ""
