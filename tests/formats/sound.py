"""Sound files as recorders write them: WAV byte by byte, FLAC and Ogg by libsndfile."""

import struct
from pathlib import Path

import numpy as np
import soundfile


def tone(*, rate_hz=16_000, seconds=0.5, channels=1):
    """Return (n, channels) of sines, another one in each channel, at half of full scale."""
    time_s = np.arange(round(rate_hz * seconds)) / rate_hz
    return np.column_stack([0.5 * np.sin(2 * np.pi * (200 + 100 * one) * time_s) for one in range(channels)])


def chunk(name, content):
    """Return one chunk of a RIFF file."""
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def bext(date, time, *, described="Anna's kitchen"):
    """Return the chunk in which a Broadcast Wave states when it began."""
    return chunk(b"bext", described.encode().ljust(320, b"\0") + date.encode() + time.encode() + bytes(264))


def wav(
    samples,
    *,
    rate_hz=16_000,
    floating=False,
    bytes_a_second=None,
    promised_bytes=None,
    before=b"",
    after=b"",
):
    """Return the bytes of a WAV of (n, c) samples, 16 bits or float; ``before`` and ``after`` are chunks."""
    kind, width = (3, 4) if floating else (1, 2)
    data = samples.astype("<f4").tobytes() if floating else np.round(samples * 32767).astype("<i2").tobytes()
    frame = width * samples.shape[1]
    rate = rate_hz * frame if bytes_a_second is None else bytes_a_second
    head = chunk(b"fmt ", struct.pack("<HHIIHH", kind, samples.shape[1], rate_hz, rate, frame, 8 * width))
    size = struct.pack("<I", len(data) if promised_bytes is None else promised_bytes)
    body = b"WAVE" + head + before + b"data" + size + data + after
    return b"RIFF" + struct.pack("<I", len(body)) + body


def write(folder: Path, *, kind="WAV", rate_hz=16_000, seconds=0.5, channels=1, name=None, **options) -> Path:
    """Return a file of a tone: ``kind`` is WAV, FLAC, VORBIS or OPUS, ``options`` are those of ``wav``."""
    samples = tone(rate_hz=rate_hz, seconds=seconds, channels=channels)
    suffix = {"WAV": "wav", "FLAC": "flac"}.get(kind, "ogg")
    path = folder / (name or f"sound.{suffix}")
    if kind == "WAV":
        path.write_bytes(wav(samples, rate_hz=rate_hz, **options))
    elif kind == "FLAC":
        soundfile.write(path, samples, rate_hz, format="FLAC", **options)
    else:
        soundfile.write(path, samples, rate_hz, format="OGG", subtype=kind, **options)
    return path
