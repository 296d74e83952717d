"""Sound of a recording as streams of features, and the recording without its sound."""

from collections.abc import Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from wristkit.audio.level import LEVEL_CHANNELS, LevelParams
from wristkit.audio.mel import HOP, RATE_HZ, WINDOW, MelParams
from wristkit.audio.sound import FRAME_RATE_HZ, Frames, analysed, chosen, naming_fault, stated_rate_hz
from wristkit.audio.texture import TEXTURE_CHANNELS, TextureParams
from wristkit.errors import EmptyRecordingError, RecordingError
from wristkit.recording import Recording, Stream, content_id, finding_table
from wristkit.signals.pieces import Finding


def mel(recording: Recording, *, params: MelParams | None = None, channels: Sequence[str] | None = None) -> Stream:
    """Return the stream ``mel`` of a recording's ``audio``: log power of 40 bands, 100 frames a second.

    Uniform sound without a hole gives a uniform stream, whose first frame lies half a window after the sound's start;
    where the sound's clock was mapped onto another's, its rate is as far from 100 Hz as the sound's from what the
    microphone states. Otherwise frames carry their stamps, and none needs a sample that is missing: after each step of
    more than 1.5 periods they begin anew, as they do in a conditioning.

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
    """Return the recording with ``mel`` and ``level`` in place of ``audio``, as ``load(keep_audio=False)`` does.

    ``mel`` is what a conditioning takes and what ``texture`` is made of at any time. ``level`` costs little and cannot
    be made of ``mel``: it hears below and above its bands, and sound from 8 kHz on. All other streams are kept, and a
    ``mel`` or ``level`` that is there already. What cannot be made, such as ``mel`` of 8 kHz, is left out, and findings
    say so. Words can still be guessed from log power of 40 bands; ``texture`` and ``level`` say much less.

    Parameters
    ----------
    recording
        Any; one without ``audio`` comes back as it is.
    channels
        Names of the channels whose mean is taken; may be left out where there is one.

    Raises
    ------
    RecordingError
        With code ``channels`` or ``missing_channel``; ``empty`` where nothing would be left.
    """
    if "audio" not in recording.streams:
        return recording
    audio, kept = recording["audio"], {name: one for name, one in recording.streams.items() if name != "audio"}
    heard = [audio.channels[place] for place in chosen(audio, channels)]
    made, rows = list[Stream](), list[Finding]()
    for name, make in (("mel", mel), ("level", level)):
        if name in kept:
            continue
        try:
            made.append(make(recording, channels=channels))
        except RecordingError as fault:
            rows.append(
                _told(audio, "feature_not_made", f"no {name} was made of the sound: {fault.message}", fault.remedy)
            )
    if not kept and not made:
        raise EmptyRecordingError(
            f"it holds nothing but sound, of which no feature can be made ({rows[0].note})",
            code="empty",
            remedy="load it with keep_audio=True",
        )
    without = replace(recording, id=content_id(list(kept.values())), streams=MappingProxyType(kept)).with_streams(*made)
    return without.with_findings(finding_table([_dropped(audio, heard, made, without), *rows]))


def _dropped(audio: Stream, heard: Sequence[str], made: Sequence[Stream], without: Recording) -> Finding:
    """Return what to say of sound that was dropped."""
    names = ", ".join(one.name for one in made) or "nothing"
    mixed = f", as the mean of {', '.join(heard)}" if made and len(heard) > 1 else ""
    note, remedy = f"raw sound was dropped; made of it{mixed}: {names}", "nothing, if it was not wanted"
    if "mel" in without.streams:
        note, remedy = f"{note}; words can still be guessed from mel", "keep texture and level alone to say less"
    return _told(audio, "audio_left_out", note, remedy)


def _told(audio: Stream, code: str, note: str, remedy: str) -> Finding:
    return Finding(code, audio.name, audio.start_s, audio.stop_s, len(audio), note, remedy)


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
    values = np.empty((len(audio) * FRAME_RATE_HZ // int(audio.rate_hz * 0.99) + 1, len(names)), dtype=np.float32)
    stamps, count, whole = [], 0, audio.is_uniform
    with naming_fault(audio, remedy=f"record at {'16' if name == 'mel' else '8'} kHz or more"):
        for broken, frames in analysed(audio, step.start(stated_rate_hz(audio)), channels):
            whole = whole and not broken
            values[count : count + len(frames.values)] = frames.values
            stamps.append(frames.time_s)
            count += len(frames.values)
    if not count:
        needed = WINDOW if name == "mel" else HOP
        raise EmptyRecordingError(
            f"stream {audio.name!r} has no {1000 * needed // RATE_HZ} ms of sound without a hole, {name!r} needs them",
            code="empty",
            remedy="give a longer recording, or leave this stream out",
        )
    time_s = np.concatenate(stamps)
    if whole:
        start_s, rate_hz = float(time_s[0]), FRAME_RATE_HZ * (audio.rate_hz / stated_rate_hz(audio))
        return Stream.uniform(name, values[:count], rate_hz=rate_hz, start_s=start_s, channels=names, unit=unit)
    return Stream.measured(name, time_s, values[:count], channels=names, unit=unit)
