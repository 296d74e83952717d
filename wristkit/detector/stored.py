"""The confirmer's streams of a recording, as packets would bring them."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from wristkit.condition import Packet, Source, frame_of
from wristkit.condition.frame import sides_of
from wristkit.detector.session import Session
from wristkit.recording import Recording, Stream
from wristkit.signals.units import usable

if TYPE_CHECKING:
    from wristkit.detector.cascade import Cascade

_SOUND = "audio"


class _Taken(NamedTuple):
    source: Source
    stream: Stream
    columns: list[int]


class Stored:
    """What a recording holds for a confirmer; raises what ``confirm.detect`` would raise about it."""

    def __init__(self, cascade: "Cascade", recording: Recording) -> None:
        self._cascade, self._recording = cascade, recording
        conditioning = cascade.confirm.spec.conditioning
        conditioning.check(recording)
        by_name = {source.name: source for source in conditioning.sources}
        self._taken: dict[str, _Taken] = {}
        for name, source_name in conditioning.inputs.items():
            source = by_name[source_name]
            stream = conditioning.stream(source, recording)
            columns = [0] if stream.name == _SOUND else [stream.channels.index(one) for one in source.channels]
            self._taken[name] = _Taken(source, stream, columns)
        self.stop_s = max((one.stream.stop_s for one in self._taken.values() if len(one.stream)), default=-np.inf)

    def session(self) -> Session:
        """Return a session in which nothing was seen; frames of sound that were stored pass the front end by."""
        sides, given = sides_of(self._recording), frame_of(self._recording)
        session = self._cascade.session(self._cascade.confirm, *sides, given=given)
        for name, taken in self._taken.items():
            if name == _SOUND and taken.stream.name != _SOUND:
                session.take_frames(taken.source.name)
        return session

    def take(self, name: str, after_s: float, until_s: float) -> Packet:
        """Return the usable samples with ``after_s < time <= until_s``."""
        source, stream, columns = self._taken[name]
        first, last = _row_after(stream, after_s), _row_after(stream, until_s)
        rows = np.arange(first, last)
        time_s = stream.start_s + rows / stream.rate_hz if stream.is_uniform else stream.time[first:last]
        values = np.asarray(stream.values[first:last])[:, columns]
        held = np.isfinite(values).all(axis=1) if stream.name == _SOUND else usable(source.name, values)
        return time_s[held], values[held]


def _row_after(stream: Stream, time_s: float) -> int:
    """Return the first row later than a time."""
    if not stream.is_uniform:
        return int(np.searchsorted(stream.time, time_s, side="right"))
    place = (time_s - stream.start_s) * stream.rate_hz
    row = int(np.clip(np.floor(place) - 1, 0, len(stream)))
    while row < len(stream) and stream.start_s + row / stream.rate_hz <= time_s:
        row += 1
    return row
