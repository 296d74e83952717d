"""Sound of a recording as streams of features, and the recording without its sound."""

from collections.abc import Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from wristkit.audio.level import LEVEL_CHANNELS, LevelParams
from wristkit.audio.mel import RATE_HZ, WINDOW, MelParams
from wristkit.audio.sound import FRAME_RATE_HZ, Frames, SoundState, analysed, stated_rate_hz
from wristkit.audio.texture import TEXTURE_CHANNELS, TextureParams
from wristkit.errors import EmptyRecordingError, RecordingError
from wristkit.recording import Recording, Stream, content_id, finding_table


def mel(recording: Recording, *, params: MelParams | None = None, channels: Sequence[str] | None = None) -> Stream:
    """Return the stream ``mel`` of a recording's ``audio``: log power of 40 bands, 100 frames a second.

    Uniform sound without a hole gives a uniform stream, whose first frame lies half a window after the sound's start;
    where the sound's clock was mapped onto another's, its rate is as far from 100 Hz as the sound's from what the
    microphone states. Otherwise frames carry their stamps, and none needs a sample that is missing.

    Parameters
    ----------
    recording
        With a stream ``audio``.
    params
        Other bands than the usual ones.
    channels
        Names of the channels whose mean is taken; may be left out where there is one.

    Raises
    ------
    RecordingError
        With code ``missing_stream``, ``channels``, ``missing_channel``, ``rate``, ``unit_implausible`` or ``empty``.
    """
    step = params or MelParams()
    names = [str(band) for band in range(step.bands)]
    return _stream("mel", recording["audio"], step, channels, names=names, unit="log power")


def level(recording: Recording, *, params: LevelParams | None = None, channels: Sequence[str] | None = None) -> Stream:
    """Return the stream ``level`` of a recording's ``audio``: A-weighted dB of full scale, fast and slow.

    Parameters and errors are those of :func:`mel`.
    """
    return _stream("level", recording["audio"], params or LevelParams(), channels, names=LEVEL_CHANNELS, unit="dB")


def texture(
    recording: Recording, *, params: TextureParams | None = None, channels: Sequence[str] | None = None
) -> Stream:
    """Return the stream ``texture`` of a recording's ``audio``, or of its ``mel`` where no sound was kept.

    Parameters and errors are those of :func:`mel`; ``params`` says which bands a kept ``mel`` has.
    """
    step = params or TextureParams()
    source = mel(recording, params=step.mel, channels=channels) if "audio" in recording.streams else recording["mel"]
    held = np.isfinite(source.values).all(axis=1)
    time_s = source.time[held]
    try:
        found = step.run(Frames(time_s, np.asarray(source.values[held], dtype=np.float64), time_s))
    except ValueError as fault:
        raise RecordingError(
            f"stream {source.name!r} is no log power of these bands: {fault}",
            code="unit_implausible",
            remedy="make it with wristkit.audio.mel, and name its bands in params",
        ) from fault
    names = TEXTURE_CHANNELS
    if held.all():
        return source.with_values("texture", found.values, channels=names, unit="1")
    return Stream.measured("texture", found.time_s, found.values, channels=names, unit="1")


def without_sound(recording: Recording, *, channels: Sequence[str] | None = None) -> Recording:
    """Return the recording with ``mel`` in place of ``audio``; a finding says what was dropped and what is left.

    All other streams are kept, and a ``mel`` that is there already. Words can still be guessed from log power of 40
    bands; ``texture`` and ``level`` say much less.
    """
    if "audio" not in recording.streams:
        return recording
    audio, kept = recording["audio"], {name: one for name, one in recording.streams.items() if name != "audio"}
    made = [] if "mel" in kept else [mel(recording, channels=channels)]
    without = replace(recording, id=content_id(list(kept.values())), streams=MappingProxyType(kept)).with_streams(*made)
    names = ", ".join(sorted(without.streams))
    note = f"raw sound was dropped, {names} kept; words can still be guessed from mel"
    span_s = (audio.start_s, audio.stop_s)
    row = ("audio_left_out", "audio", *span_s, len(audio), note, "keep texture and level alone to say less")
    return without.with_findings(finding_table([row]))


def _stream(
    name: str,
    audio: Stream,
    step: MelParams | LevelParams,
    channels: Sequence[str] | None,
    *,
    names: Sequence[str],
    unit: str,
) -> Stream:
    """Return the frames of all stretches as one stream."""
    state = _started(step, audio)
    values = np.empty((len(audio) * FRAME_RATE_HZ // int(audio.rate_hz * 0.99) + 1, len(names)), dtype=np.float32)
    stamps, count, whole = [], 0, audio.is_uniform
    for broken, frames in analysed(audio, state, channels):
        whole = whole and not broken
        values[count : count + len(frames.values)] = frames.values
        stamps.append(frames.time_s)
        count += len(frames.values)
    if not count:
        raise EmptyRecordingError(
            f"stream {audio.name!r} has no {1000 * WINDOW // RATE_HZ} ms of sound without a hole, {name!r} needs them",
            code="empty",
            remedy="give a longer recording, or leave this stream out",
        )
    time_s = np.concatenate(stamps)
    if whole:
        start_s, rate_hz = float(time_s[0]), FRAME_RATE_HZ * (audio.rate_hz / stated_rate_hz(audio))
        return Stream.uniform(name, values[:count], rate_hz=rate_hz, start_s=start_s, channels=names, unit=unit)
    return Stream.measured(name, time_s, values[:count], channels=names, unit=unit)


def _started(step: MelParams | LevelParams, audio: Stream) -> SoundState:
    try:
        return step.start(stated_rate_hz(audio))
    except RecordingError:
        raise
    except ValueError as fault:
        raise RecordingError(
            f"stream {audio.name!r} cannot be analysed: {fault}", code="rate", remedy="record at 16 kHz or more"
        ) from fault
