"""The pages of an Ogg: what is lost of them, and the stretches between the losses, each an Ogg of its own.

A decoder goes on behind a page that is damaged or not there as if nothing were missing, so that all later sound comes
too early. Pages are numbered and tell how many frames end in them: decoded one by one, stretches have their places.
"""

import os
import struct
import zlib
from collections.abc import Iterator
from typing import IO, NamedTuple

_LONGEST_PAGE = 27 + 255 + 255 * 255  # bytes
_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))  # Ogg's CRC is zlib's with its bits mirrored
_FIRST, _LAST, _MOST_DAMAGED = 2, 4, 1_000
_HEADERS = {b"\x01vorbis": 3, b"OpusHead": 2}  # packets of headers of the codecs whose frames can be placed
_OPUS_CLOCK_HZ, _OPUS_SETTLES_S = 48_000, 0.08  # RFC 7845, 4.2 and 4.6


class Stretch(NamedTuple):
    """Pages without a loss among them, between two bytes of a file.

    Parameters
    ----------
    lost
        Pages that are missing before it.
    end
        Frames from the start of the sound to its end, by the clock of the pages; 0 where none ends in it.
    is_placed
        Whether its frames have a place: alone, the page that ends a sound may be cut at either side.
    """

    start: int
    stop: int
    lost: int
    end: int = 0
    is_placed: bool = False


class Pages(NamedTuple):
    """What the pages of an Ogg tell; nothing for another format.

    Parameters
    ----------
    codec, serial, header_stop
        Start of the first packet and number of the stream of sound, and the byte at which its headers end; codec and
        ``header_stop`` are empty where they are not known, or not whole.
    stretches
        Its pages of sound.
    ends
        Whether the page that ends it is there.
    skipped
        Frames at its start, by the clock of the pages, that are no sound.
    gave_up
        Whether there was so much damage that what follows the last stretch was not looked at.
    second
        Byte at which another stream follows, else -1.
    """

    codec: bytes = b""
    serial: int = -1
    header_stop: int = 0
    stretches: tuple[Stretch, ...] = ()
    ends: bool = True
    skipped: int = 0
    gave_up: bool = False
    second: int = -1

    @property
    def is_broken(self) -> bool:
        """Whether a decoder would place sound where it is not."""
        return len(self.stretches) > 1 or self.gave_up or any(one.lost for one in self.stretches)

    def frames_at(self, end: int, rate_hz: int) -> int:
        """Return frames of sound at its own rate up to one by the clock of the pages."""
        clock_hz = _OPUS_CLOCK_HZ if self.codec == b"OpusHead" else rate_hz
        return max(end - self.skipped, 0) * rate_hz // clock_hz

    def settling(self, rate_hz: int) -> int:
        """Return frames behind a loss that are not yet what they were, as the codec goes by what was before."""
        return round(_OPUS_SETTLES_S * rate_hz) if self.codec == b"OpusHead" else 0


class _Page(NamedTuple):
    at: int
    content: bytes
    flags: int
    end: int
    serial: int
    number: int

    @property
    def stop(self) -> int:
        return self.at + len(self.content)

    @property
    def body(self) -> bytes:
        return self.content[27 + self.content[26] :]

    def packets(self) -> int:
        """Return how many packets end in it."""
        return sum(length < 255 for length in self.content[27 : 27 + self.content[26]])


def pages_of(file: IO[bytes]) -> Pages:
    """Return what the pages of an Ogg tell."""
    if read_at(file, 0, 4) != b"OggS":
        return Pages()
    found, stretches, damaged, headers, number, has_sound = Pages(ends=False), list[Stretch](), 0, 0, 0, False
    for page in _pages(file, 0, file.seek(0, os.SEEK_END)):
        damaged += page is None
        if damaged == _MOST_DAMAGED or len(stretches) > _MOST_DAMAGED:
            found = found._replace(gave_up=True)
            break
        if page is None:
            continue
        if page.flags & _FIRST and has_sound:
            return found._replace(second=page.at)
        has_sound = has_sound or not page.flags & _FIRST
        if page.flags & _FIRST and (found.serial < 0 or (_codec(page) and not found.codec)):
            found, number = _of_first(page), page.number
            headers = _HEADERS.get(found.codec, 0)
        if page.serial != found.serial:
            continue
        lost, number = page.number - number, page.number + 1
        if headers > 0:
            headers -= page.packets()
            found = found._replace(codec=b"" if lost else found.codec, header_stop=page.stop)
        else:
            _add(stretches, page, lost)
            found = found._replace(ends=bool(page.flags & _LAST))
    return found._replace(stretches=tuple(stretches))


def write_stretch(file: IO[bytes], pages: Pages, stretch: Stretch, copy: IO[bytes]) -> None:
    """Write the headers of an Ogg and one stretch of its pages, numbered anew."""
    number = 0
    for start, stop in ((0, pages.header_stop), (stretch.start, stretch.stop)):
        for page in _pages(file, start, stop):
            if page is not None and page.serial == pages.serial:
                content = page.content[:18] + number.to_bytes(4, "little") + bytes(4) + page.content[26:]
                copy.write(content[:22] + _checksum(content) + content[26:])
                number += 1


def read_at(file: IO[bytes], at: int, count: int) -> bytes:
    """Return bytes from a place of a file on."""
    file.seek(at)
    return file.read(count)


def _of_first(page: _Page) -> Pages:
    """Return what the first page of a stream tells: the clock of Opus counts what is skipped."""
    codec, body = _codec(page), page.body
    skipped = int.from_bytes(body[10:12], "little") if codec == b"OpusHead" else 0
    return Pages(codec, page.serial, skipped=skipped, ends=False)


def _codec(page: _Page) -> bytes:
    return next((codec for codec in _HEADERS if page.body.startswith(codec)), b"")


def _add(stretches: list[Stretch], page: _Page, lost: int) -> None:
    """Make the last stretch longer, or begin another behind a loss; in the first one frames count from its start."""
    if lost or not stretches:
        stretches.append(Stretch(page.at, page.stop, max(lost, 0)))
    last = stretches[-1]._replace(stop=page.stop)
    if page.end > 0:
        begins = len(stretches) == 1 and not last.lost
        last = last._replace(end=page.end, is_placed=last.is_placed or begins or not page.flags & _LAST)
    stretches[-1] = last


def _pages(file: IO[bytes], start: int, stop: int) -> Iterator[_Page | None]:
    """Yield each whole page between two bytes, and None for each place that holds none."""
    at = start
    while at < stop and (window := read_at(file, at, _LONGEST_PAGE)):
        if length := _page_length(window):
            yield _Page(at, window[:length], *struct.unpack_from("<BqII", window, 5))
            at += length
        else:
            yield None
            following = window.find(b"OggS", 1)
            at += following if following > 0 else max(len(window) - 3, 1)


def _page_length(window: bytes) -> int:
    """Return the bytes of the page that begins here; 0 where it is none, cut, or fails its checksum."""
    if len(window) < 27 or not window.startswith(b"OggS\0"):
        return 0
    length = 27 + window[26] + sum(window[27 : 27 + window[26]])
    if len(window) < length:
        return 0
    page = window[:22] + bytes(4) + window[26:length]
    return length if _checksum(page) == window[22:26] else 0


def _checksum(page: bytes) -> bytes:
    """Return the checksum of a page in which it is zero."""
    mirrored = ~zlib.crc32(page.translate(_MIRRORED), 0xFFFFFFFF) & 0xFFFFFFFF
    return mirrored.to_bytes(4, "big").translate(_MIRRORED)
