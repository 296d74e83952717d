"""The viewer: panes of one or several recordings, moved through by code or by buttons."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from wristkit.events import EventDecoder
from wristkit.recording import FloatArray, Recording, Stream, check_labels
from wristkit.view.draw import draw_recording
from wristkit.view.draw.picture import DRAWING, Picture
from wristkit.view.notebook import mimebundle, viewer_panel

if TYPE_CHECKING:
    import ipywidgets

LEAST_WIDTH_S = 1e-3
JUMP_WIDTH_S = 10.0


def view(
    recording_or_several: Recording | Sequence[Recording],
    *,
    events: pd.DataFrame | None = None,
    scores: Stream | Mapping[str, Stream] | None = None,
    decoder: EventDecoder | None = None,
    labels: pd.DataFrame | None = None,
) -> "Viewer":
    """Return a viewer of one or several recordings.

    Parameters
    ----------
    recording_or_several
        What to look at.
    events
        Event table; with a ``recording`` column of ids where several recordings are shown.
    scores
        Scores of a detector; by recording id where several recordings are shown.
    decoder
        Its thresholds are drawn over the scores.
    labels
        Label table in place of the recordings' own; with a ``recording`` column where several recordings are shown.
    """
    several = [recording_or_several] if isinstance(recording_or_several, Recording) else list(recording_or_several)
    if not several:
        raise ValueError("there is no recording to view; give one or more")
    ids = [recording.id for recording in several]
    if len(set(ids)) < len(ids):
        raise ValueError(f"recordings {sorted({i for i in ids if ids.count(i) > 1})} are given twice; give each once")
    if isinstance(scores, Stream) and len(several) > 1:
        raise ValueError(
            f"scores are one stream for {len(several)} recordings; give a dictionary of recording id to scores"
        )
    own_scores = {ids[0]: scores} if isinstance(scores, Stream) else dict(scores or {})
    if unknown := sorted(set(own_scores) - set(ids)):
        raise ValueError(f"scores are given for {unknown}, which are not among the recordings {ids}; use their ids")
    return Viewer(
        several,
        labels={one.id: check_labels(_rows_of(labels, one.id, ids, "labels")) for one in several if labels is not None},
        events={one.id: _rows_of(events, one.id, ids, "events") for one in several if events is not None},
        scores=own_scores,
        decoder=decoder,
    )


def _rows_of(table: pd.DataFrame, recording_id: str, ids: Sequence[str], name: str) -> pd.DataFrame:
    """Return the rows of one recording, without the column that says so."""
    if missing := [column for column in ("start_s", "stop_s", "label") if column not in table.columns]:
        raise ValueError(f"{name} lack the columns {missing}; give start_s, stop_s and label")
    if "recording" not in table.columns:
        if len(ids) > 1:
            raise ValueError(f"{name} have no column 'recording' for {len(ids)} recordings; add one with their ids")
        return table
    if unknown := sorted(set(table["recording"]) - set(ids)):
        raise ValueError(
            f"{name} name the recordings {unknown[:3]}, which are not shown ({ids}); select their rows first"
        )
    return table[table["recording"] == recording_id].drop(columns="recording").reset_index(drop=True)


def window_starts(spans_s: FloatArray, *, width_s: float) -> FloatArray:
    """Return where a window starts (n,) to show each span (n, 2): centred, or from its onset where too long."""
    fits = spans_s[:, 1] - spans_s[:, 0] <= width_s
    return np.where(fits, spans_s.mean(axis=1) - width_s / 2, spans_s[:, 0] - width_s / 5)


class Viewer:
    """Linked panes of one or several recordings over a window of time.

    Built by :func:`view`. ``start_s``, ``width_s`` and ``labels`` can be set and redraw; a displayed viewer
    has controls that set the same.

    Parameters
    ----------
    recordings
        What to look at; the first is shown first, whole.
    labels, events, scores
        By recording id; labels in place of the recording's own.
    decoder
        Its thresholds are drawn over the scores.
    """

    def __init__(
        self,
        recordings: Sequence[Recording],
        *,
        labels: Mapping[str, pd.DataFrame],
        events: Mapping[str, pd.DataFrame],
        scores: Mapping[str, Stream],
        decoder: EventDecoder | None,
    ) -> None:
        self._recordings = tuple(recordings)
        self._labels = {recording.id: labels.get(recording.id, recording.labels) for recording in recordings}
        self._events, self._scores, self._decoder = dict(events), dict(scores), decoder
        self._png: bytes | None = None
        self._on_change: Callable[[], None] | None = None
        self._panel: ipywidgets.VBox | None = None
        self._recording = self._recordings[0]
        self._start_s, self._width_s = self._whole()

    @property
    def recordings(self) -> tuple[Recording, ...]:
        """All recordings of the viewer."""
        return self._recordings

    @property
    def recording(self) -> Recording:
        """The recording shown."""
        return self._recording

    def choose(self, index: int) -> None:
        """Show another of the recordings, whole."""
        if not 0 <= index < len(self._recordings):
            raise ValueError(f"there is no recording {index}, the viewer has {len(self._recordings)}; count from 0")
        with DRAWING:
            if self._recordings[index] is not self._recording:
                self._recording = self._recordings[index]
                self.whole()

    @property
    def start_s(self) -> float:
        """Left end of the window in seconds; settable."""
        return self._start_s

    @start_s.setter
    def start_s(self, start_s: float) -> None:
        self.show(float(start_s), self._width_s)

    @property
    def width_s(self) -> float:
        """Width of the window in seconds; settable, the left end stays."""
        return self._width_s

    @width_s.setter
    def width_s(self, width_s: float) -> None:
        self.show(self._start_s, float(width_s))

    @property
    def labels(self) -> pd.DataFrame:
        """Label table of the recording shown; settable."""
        return self._labels[self._recording.id]

    @labels.setter
    def labels(self, labels: pd.DataFrame) -> None:
        table = check_labels(labels)
        with DRAWING:
            self._labels[self._recording.id] = table
            self._changed()

    @property
    def events(self) -> pd.DataFrame | None:
        """Event table of the recording shown, if any was given."""
        return self._events.get(self._recording.id)

    def show(self, start_s: float, width_s: float) -> None:
        """Move the window; at least a part of the recording must lie in it."""
        first_s, whole_s = self._whole()
        if not (np.isfinite(width_s) and width_s >= LEAST_WIDTH_S):
            raise ValueError(f"width_s is {width_s}, expected at least {LEAST_WIDTH_S} s")
        if not (start_s <= first_s + whole_s and start_s + width_s >= first_s):
            raise ValueError(
                f"nothing was recorded from {start_s} s to {start_s + width_s} s; the recording spans {first_s:.3f} s "
                f"to {first_s + whole_s:.3f} s"
            )
        with DRAWING:
            self._start_s, self._width_s = start_s, width_s
            self._changed()

    def whole(self) -> None:
        """Show the whole recording."""
        self.show(*self._whole())

    def zoom(self, factor: float) -> None:
        """Show ``factor`` times as much time around the same centre."""
        width_s = max(self._width_s * factor, LEAST_WIDTH_S)
        self.show(self._start_s + (self._width_s - width_s) / 2, width_s)

    def shift(self, widths: float) -> None:
        """Move by so many widths of the window; negative is earlier."""
        self.show(self._start_s + widths * self._width_s, self._width_s)

    def next_label(self) -> bool:
        """Move to the next label and return whether there is one."""
        return self._jump(self.labels, forward=True)

    def previous_label(self) -> bool:
        """Move to the label before and return whether there is one."""
        return self._jump(self.labels, forward=False)

    def next_event(self) -> bool:
        """Move to the next event and return whether there is one."""
        return self._jump(self.events, forward=True)

    def previous_event(self) -> bool:
        """Move to the event before and return whether there is one."""
        return self._jump(self.events, forward=False)

    def figure(self) -> Picture:
        """Return the picture of the window as a new figure."""
        with DRAWING:
            return draw_recording(
                self._recording,
                start_s=self._start_s,
                stop_s=self._start_s + self._width_s,
                labels=self.labels,
                events=self.events,
                scores=self._scores.get(self._recording.id),
                decoder=self._decoder,
            )

    def png(self) -> bytes:
        """Return the picture of the window as a PNG file."""
        with DRAWING:
            if self._png is None:
                self._png = self.figure().png()
            return self._png

    def panel(self) -> "ipywidgets.VBox":
        """Return the controls with the picture, the same widget each time."""
        with DRAWING:
            if self._panel is None:
                self._panel, self._on_change = viewer_panel(self)
            return self._panel

    def _whole(self) -> tuple[float, float]:
        span_s = self._recording.stop_s - self._recording.start_s
        return self._recording.start_s, span_s if span_s > 0 else 1.0

    def _changed(self) -> None:
        self._png = None
        if self._on_change is not None:
            self._on_change()

    def _jump(self, table: pd.DataFrame | None, *, forward: bool) -> bool:
        if table is None or table.empty:
            return False
        first_s, whole_s = self._whole()
        table = table[(table["stop_s"] >= first_s) & (table["start_s"] <= first_s + whole_s)]
        from_whole = self._width_s >= whole_s > JUMP_WIDTH_S
        width_s = JUMP_WIDTH_S if from_whole else self._width_s
        starts = window_starts(table[["start_s", "stop_s"]].to_numpy(dtype=np.float64), width_s=width_s)
        found = starts if from_whole else starts[(starts - self._start_s) * (1 if forward else -1) > LEAST_WIDTH_S / 10]
        if len(found):
            self.show(float(found.min() if forward else found.max()), width_s)
        return bool(len(found))

    def __repr__(self) -> str:
        several = f"{len(self._recordings)} recordings, " if len(self._recordings) > 1 else ""
        window = f"{self._start_s:.2f} s to {self._start_s + self._width_s:.2f} s"
        return f"Viewer({several}{self._recording.id} from {window}, {len(self.labels)} labels)"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:  # noqa: ARG002  IPython selects itself
        return mimebundle(repr(self), self.png(), self.panel())
