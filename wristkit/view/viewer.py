"""The viewer: panes of one or several recordings with their labels, moved through and edited by code or by hand."""

import shutil
import tempfile
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pandas as pd

from wristkit.events import EVENT_COLUMNS, EventDecoder
from wristkit.filters import is_number
from wristkit.recording import FloatArray, Recording, Stream, check_labels, join_findings, several_recordings
from wristkit.recording.given import told
from wristkit.store import RATER, LabelStore
from wristkit.store.marks import checked_text
from wristkit.view.draw import draw_recording
from wristkit.view.draw.picture import DRAWING, Picture
from wristkit.view.draw.style import palette
from wristkit.view.edits import Edits
from wristkit.view.judged import REJECTED, TOLERANCE_S, event_states
from wristkit.view.notebook import mimebundle
from wristkit.view.window import whole_span

if TYPE_CHECKING:
    from wristkit.view.live import Live

_Held = TypeVar("_Held")

LEAST_WIDTH_S = 1e-3
JUMP_WIDTH_S = 10.0


def view(
    recording_or_several: Recording | Sequence[Recording],
    *,
    events: pd.DataFrame | None = None,
    scores: Stream | Mapping[str, Stream] | None = None,
    decoder: EventDecoder | None = None,
    labels: pd.DataFrame | LabelStore | Mapping[str, LabelStore] | None = None,
    classes: Sequence[str] = (),
    tiers: Sequence[str] = (),
    rater: str = RATER,
    beside: Mapping[str, Recording] | None = None,
    tolerance_s: float = TOLERANCE_S,
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
        A store, which keeps every edit on disk; by recording id where several recordings are shown. Or a label table in
        place of the recordings' own, with a ``recording`` column where several are shown: then edits are lost with
        the viewer, unless they are taken from its ``labels``.
    classes
        Names that a new label can have, the first under the key 1; those of labels, events and scores follow.
    tiers
        Tiers that a new label can go into, also one that has no label yet, the first unless another is chosen; those of
        labels follow. Left out, the first is "truth".
    rater
        Who labels here; labels of others stand in rows of their own.
    beside
        Other devices that recorded the same time, by a name for each, brought onto the clock of the one recording with
        ``wk.align(recording, other).apply(other)``. Their streams are panes of their own, "phone accel".
    tolerance_s
        A label and an event, or labels of two raters, belong together where they overlap or lie at most this far apart,
        as in ``wk.evaluate`` and ``wk.agreement``.
    """
    several = several_recordings(recording_or_several)
    if not several:
        raise ValueError("there is no recording to view; give one or more")
    ids = [recording.id for recording in several]
    if len(set(ids)) < len(ids):
        raise ValueError(f"recordings {sorted({i for i in ids if ids.count(i) > 1})} are given twice; give each once")
    if isinstance(scores, Stream) and len(several) > 1:
        raise ValueError(
            f"scores are one stream for {len(several)} recordings; give a dictionary of recording id to scores"
        )
    own_scores = {ids[0]: scores} if isinstance(scores, Stream) else _mapping("scores", scores)
    if unknown := sorted(set(own_scores) - set(ids)):
        raise ValueError(f"scores are given for {unknown}, which are not among the recordings {ids}; use their ids")
    stores = _stores_of(labels, ids)
    table = labels if isinstance(labels, pd.DataFrame) else None
    return Viewer(
        several,
        stores=stores,
        labels={one.id: check_labels(_rows_of(table, one.id, ids, "labels")) for one in several if table is not None},
        classes=_names("classes", classes),
        tiers=_tiers_of(tiers),
        events={one.id: _rows_of(events, one.id, ids, "events") for one in several if events is not None},
        scores=own_scores,
        decoder=decoder,
        rater=checked_text("rater", rater),
        beside=_beside(several, _mapping("beside", beside)),
        tolerance_s=_tolerance_of(tolerance_s),
    )


def _mapping(what: str, given: Mapping[str, _Held] | None) -> dict[str, _Held]:
    if given is not None and not isinstance(given, Mapping):
        raise TypeError(f"{what} is {told(given)}, expected a dictionary; give a name to each")
    return dict(given or {})


def _names(what: str, names: Sequence[str]) -> tuple[str, ...]:
    if isinstance(names, str):
        raise TypeError(f"{what} are the text {names!r:.60}, expected several; write [{names!r:.60}]")
    return tuple(names)


def _tiers_of(tiers: Sequence[str]) -> tuple[str, ...]:
    held = tuple(checked_text("tier", tier) for tier in _names("tiers", tiers))
    if REJECTED in held:
        raise ValueError(f"tier {REJECTED!r} is for suggestions that were refused; give labels another")
    return held


def _tolerance_of(tolerance_s: float) -> float:
    if not (is_number(tolerance_s) and 0 <= tolerance_s < np.inf):
        raise ValueError(f"tolerance_s is {tolerance_s!r:.60}, expected 0 or more seconds; 0 asks for an overlap")
    return float(tolerance_s)


def _beside(several: Sequence[Recording], beside: Mapping[str, Recording]) -> dict[str, Recording]:
    """Return the other devices, or raise where they cannot stand beside the one recording."""
    if beside and len(several) > 1:
        raise ValueError(f"beside is given for {len(several)} recordings; give one recording with what lay beside it")
    for name, other in beside.items():
        if not isinstance(other, Recording):
            raise TypeError(f"beside {name!r} is a {type(other).__name__}, expected a Recording; load it first")
        if not name.strip():
            raise ValueError("a device beside has a blank name; name it, as 'phone'")
        if not (other.start_s <= several[0].stop_s and other.stop_s >= several[0].start_s):
            raise ValueError(
                f"{name!r} recorded from {other.start_s:.1f} s to {other.stop_s:.1f} s, which is none of the time of "
                f"the recording, {several[0].start_s:.1f} s to {several[0].stop_s:.1f} s; put it onto its clock with "
                "wk.align(recording, other).apply(other)"
            )
    return dict(beside)


def together(recording: Recording, beside: Mapping[str, Recording]) -> Recording:
    """Return a recording with the streams and findings of others, their names led by the device's, for looking at."""
    streams, findings = dict(recording.streams), [recording.findings]
    for device, other in beside.items():
        streams |= {f"{device} {name}": _renamed(stream, f"{device} {name}") for name, stream in other.streams.items()}
        findings.append(other.findings.assign(stream=[f"{device} {name}" for name in other.findings["stream"]]))
    if len(findings) == 1:
        return recording
    # Not with_streams: the id is that of the labels, and a hash over all samples takes its time.
    return replace(recording, streams=MappingProxyType(streams), findings=join_findings(*findings))


def _renamed(stream: Stream, name: str) -> Stream:
    return Stream.trusted(
        name=name,
        time=None if stream.is_uniform else stream.time,
        start_s=stream.start_s,
        values=stream.values,
        channels=stream.channels,
        unit=stream.unit,
        rate_hz=stream.rate_hz,
        gaps=stream.gaps,
    )


def _stores_of(labels: object, ids: Sequence[str]) -> dict[str, LabelStore]:
    """Return the stores that were given, by recording id."""
    if isinstance(labels, LabelStore):
        if len(ids) > 1:
            raise ValueError(f"labels are one store for {len(ids)} recordings; give a dictionary of id to store")
        labels = {ids[0]: labels}
    if labels is None or isinstance(labels, pd.DataFrame):
        return {}
    if not isinstance(labels, Mapping) or not all(isinstance(one, LabelStore) for one in labels.values()):
        raise TypeError(f"labels are a {type(labels).__name__}, expected a label table, a LabelStore or several by id")
    for name, store in labels.items():
        if name not in ids:
            raise ValueError(f"labels are given for {name!r}, which is none of the recordings {ids}; use their ids")
        if store.recording not in {None, name}:
            raise ValueError(f"the store given for {name!r} holds labels of {store.recording!r}; give each its own")
    return dict(labels)


def _rows_of(table: pd.DataFrame, recording_id: str, ids: Sequence[str], name: str) -> pd.DataFrame:
    """Return the rows of one recording, without the column that says so."""
    if not isinstance(table, pd.DataFrame):
        raise TypeError(f"{name} are {told(table)}, expected a table of start_s, stop_s and label")
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
    labels, events, scores, stores
        By recording id; labels in place of the recording's own, and stores in place of these.
    decoder
        Its thresholds are drawn over the scores.
    classes, rater
        Names for new labels, and who gives them.
    beside
        Other devices by name, on the clock of the only recording.
    tiers, tolerance_s
        Tiers for new labels, and how far apart two may lie that belong together.
    """

    def __init__(
        self,
        recordings: Sequence[Recording],
        *,
        labels: Mapping[str, pd.DataFrame],
        events: Mapping[str, pd.DataFrame],
        scores: Mapping[str, Stream],
        decoder: EventDecoder | None,
        stores: Mapping[str, LabelStore],
        classes: Sequence[str],
        tiers: Sequence[str] = (),
        rater: str = RATER,
        beside: Mapping[str, Recording] | None = None,
        tolerance_s: float = TOLERANCE_S,
    ) -> None:
        self._recordings = tuple(recordings)
        self._labels = {recording.id: labels.get(recording.id, recording.labels) for recording in recordings}
        self._events, self._scores, self._decoder = dict(events), dict(scores), decoder
        self._stores, self._classes, self._tiers = dict(stores), tuple(classes), tuple(tiers)
        self._told: dict[str, list[str]] = {}  # classes by recording, as they were told so far
        self._tolerance_s = tolerance_s
        self._scratch: Path | None = None
        self._png: bytes | None = None
        self._panel: Live | None = None
        self._recording = self._recordings[0]
        self._rater, self._beside = rater, dict(beside or {})
        self._together = together(self._recording, self._beside)
        self._start_s, self._width_s = self._whole()

    @property
    def recordings(self) -> tuple[Recording, ...]:
        """All recordings of the viewer."""
        return self._recordings

    @property
    def recording(self) -> Recording:
        """The recording shown."""
        return self._recording

    @property
    def seen(self) -> Recording:
        """The recording shown, with the streams of the devices beside it."""
        return self._together if self._beside else self._recording

    @property
    def rater(self) -> str:
        """Who labels here."""
        return self._rater

    def choose(self, index: int) -> None:
        """Show another of the recordings, whole."""
        if not 0 <= index < len(self._recordings):
            raise ValueError(f"there is no recording {index}, the viewer has {len(self._recordings)}; count from 0")
        with DRAWING:
            if self._recordings[index] is not self._recording:
                self._recording = self._recordings[index]
                self.whole()
                if self._panel is not None:
                    self._panel.show_recording()

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
        store = self._stores.get(self._recording.id)
        return self._labels[self._recording.id] if store is None else store.table().reset_index(drop=True)

    @labels.setter
    def labels(self, labels: pd.DataFrame) -> None:
        table = check_labels(labels)
        with DRAWING:
            store = self._stores.get(self._recording.id)
            if store is None:
                self._labels[self._recording.id] = table
            else:
                store.replace(table)
            self.edited()
            if self._panel is not None:
                self._panel.show_labels()

    @property
    def store(self) -> LabelStore:
        """Where edits of the recording shown are kept; one that is lost with the viewer where none was given."""
        with DRAWING:  # or two threads would fill it twice
            key = self._recording.id
            if key not in self._stores:
                if self._scratch is None:
                    self._scratch = Path(tempfile.mkdtemp(prefix="wristkit-labels-")).resolve()
                    weakref.finalize(self, shutil.rmtree, self._scratch, ignore_errors=True)
                store = LabelStore(self._scratch / f"{key}.sqlite", recording=key)
                # By an author of its own, whom undo does not take back.
                store.add_table(self._labels[key], labelled=self._recording.labelled, by="the recording")
                self._stores[key] = store
            return self._stores[key]

    @property
    def is_kept(self) -> bool:
        """Whether edits of the recording shown outlive the viewer."""
        store = self._stores.get(self._recording.id)
        return store is not None and store.path.parent != self._scratch

    @property
    def scores(self) -> Stream | None:
        """Scores of the recording shown, if any were given."""
        return self._scores.get(self._recording.id)

    @property
    def decoder(self) -> EventDecoder | None:
        """The decoder whose thresholds are drawn."""
        return self._decoder

    @property
    def tolerance_s(self) -> float:
        """How far apart a label and an event, or two labels, may lie that belong together."""
        return self._tolerance_s

    @property
    def classes(self) -> tuple[str, ...]:
        """Names that labels have, had here or may have, those that were asked for first."""
        return self.classes_of(self.labels)

    def classes_of(self, labels: pd.DataFrame) -> tuple[str, ...]:
        """Return names that labels have or may have, where these are the labels.

        Later ones come last, and none goes: the key and the colour of each are the same until the end.
        """
        events = [] if self.events is None else self.events["label"].tolist()
        scored = [] if self.scores is None else list(self.scores.channels)
        with DRAWING:
            told = self._told.get(self._recording.id, [])
            now = [*told, *self._classes, *sorted({*labels["label"], *events}), *scored]
            self._told[self._recording.id] = [*dict.fromkeys(now)]
            return tuple(self._told[self._recording.id])

    def colours_of(self, classes: Sequence[str]) -> dict[str, str]:
        """Return the colour of each class, in their order, the same in the live viewer and in its picture."""
        colours = palette(classes)
        return {name: colours[name] for name in classes}

    @property
    def tiers(self) -> tuple[str, ...]:
        """Tiers that labels have or may have: those asked for, or truth, then the others without what was rejected."""
        return self.tiers_of(self.labels)

    def tiers_of(self, labels: pd.DataFrame) -> tuple[str, ...]:
        """Return tiers that labels have or may have, where these are the labels."""
        return tuple(dict.fromkeys([*(self._tiers or ["truth"]), *sorted(set(labels["tier"]) - {REJECTED})]))

    @property
    def looked(self) -> Mapping[str, FloatArray]:
        """Tier to the spans (k, 2) of the recording shown that were looked at, as its store or it itself says."""
        store = self._stores.get(self._recording.id)
        return self._recording.labelled if store is None else store.labelled()

    def edited(self) -> None:
        """Forget the picture, of which the labels are not those any more."""
        with DRAWING:
            self._png = None

    @property
    def events(self) -> pd.DataFrame | None:
        """Event table of the recording shown, if any was given."""
        return self._events.get(self._recording.id)

    @property
    def suggestions(self) -> pd.DataFrame:
        """Event table of the recording shown with its ``state``: ``open``, ``accepted`` or ``rejected``."""
        events = pd.DataFrame(columns=list(EVENT_COLUMNS)) if self.events is None else self.events
        return events.assign(state=event_states(self.labels, events))

    def accept(self, event: int, *, tier: str = "truth") -> None:
        """Add a label with name and span of an event, by its place in ``suggestions``."""
        self._decide(lambda edits: edits.accept(event=event, tier=tier))

    def reject(self, event: int) -> None:
        """Remember an event as none, in the tier ``rejected``; it is not offered again."""
        self._decide(lambda edits: edits.reject(event=event))

    def _decide(self, decide: Callable[[Edits], object]) -> None:
        with DRAWING:
            decide(Edits(self))
            self.edited()
            if self._panel is not None:
                self._panel.show_labels()

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
        return self._jump(self._standing(), forward=True)

    def previous_label(self) -> bool:
        """Move to the label before and return whether there is one."""
        return self._jump(self._standing(), forward=False)

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
                self.seen,
                start_s=self._start_s,
                stop_s=self._start_s + self._width_s,
                labels=self.labels,
                labelled=self.looked,
                events=self.events,
                scores=self.scores,
                decoder=self._decoder,
                colours=self.colours_of(self.classes),
                tiers=self.tiers,
                tolerance_s=self._tolerance_s,
            )

    def png(self) -> bytes:
        """Return the picture of the window as a PNG file."""
        with DRAWING:
            if self._png is None:
                self._png = self.figure().png()
            return self._png

    def panel(self) -> "Live":
        """Return the live viewer, the same widget each time."""
        from wristkit.view.live import Live

        with DRAWING:
            if self._panel is None or self._panel.comm is None:  # it was closed
                self._panel = Live(self)
            self._panel.hold()
            return self._panel

    def close(self) -> None:
        """Take the live viewer off all pages, and let go of what it keeps; its picture stays."""
        with DRAWING:
            if self._panel is not None:
                self._panel.close()
                self._panel = None

    def _standing(self) -> pd.DataFrame:
        """Return the labels without the events that were rejected, which stand for nothing that happened."""
        labels = self.labels
        return labels[labels["tier"] != REJECTED].reset_index(drop=True)

    def _whole(self) -> tuple[float, float]:
        first_s, last_s = whole_span(self.seen)
        return first_s, last_s - first_s

    def _changed(self) -> None:
        self._png = None
        if self._panel is not None:
            self._panel.show_window()

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
