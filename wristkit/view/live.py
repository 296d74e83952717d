"""The live viewer in a notebook: a widget that asks for what its window shows and hands over each edit of a label.

Handlers run on whatever thread the kernel chooses, also while a cell trains: each takes one lock, and draws nothing.
Labels are no trait, since a trait is sent as a whole: a front end asks for all of them once, and is then told what
changed, each change with the number of the state that it leads from.
"""

import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import anywidget
import numpy as np
import pandas as pd
import traitlets

from wristkit.errors import RecordingError
from wristkit.recording import FloatArray, label_table
from wristkit.view.draw.picture import DRAWING
from wristkit.view.draw.style import plain
from wristkit.view.edits import Edits
from wristkit.view.judged import judge
from wristkit.view.packing import packed, told_lines
from wristkit.view.raters import agreement_rows
from wristkit.view.watch import Watch
from wristkit.view.window import (
    Pane,
    described,
    image,
    measured,
    overview,
    panes_of,
    sound,
    sound_of,
    unrecorded,
    whole_span,
    window,
)

if TYPE_CHECKING:
    from wristkit.view.viewer import Viewer

_STATIC = Path(__file__).parent / "static"
_FEWEST_BINS, _MOST_BINS = 50, 20_000
_MOST_COLUMNS = 1000
_NO_EVENTS = pd.DataFrame(columns=["start_s", "stop_s", "label"])
_CLASSES = ("event",)  # where nothing else names any
_Answer = tuple[dict[str, Any], list[bytes]]


class _State(NamedTuple):
    """Labels by key, verdict and state of events by place, and what else is shown with them."""

    rows: dict[int, list[Any]]
    judged: dict[int, list[Any]]
    notes: dict[str, Any]

    def since(self, before: "_State") -> dict[str, Any]:
        """Return what a front end that knows an earlier state has to be told."""
        return {
            "rows": [row for key, row in self.rows.items() if before.rows.get(key) != row],
            "gone": [key for key in before.rows if key not in self.rows],
            "judged": [one for place, one in self.judged.items() if before.judged.get(place) != one],
            "notes": {name: note for name, note in self.notes.items() if before.notes.get(name, ...) != note},
        }


class Live(anywidget.AnyWidget):
    """What a notebook shows of a :class:`Viewer`: linked panes, rows of labels and events, and a map of the whole."""

    _esm = _STATIC / "viewer.js"
    _css = _STATIC / "viewer.css"
    meta: Any = traitlets.Dict().tag(sync=True)
    events: Any = traitlets.List().tag(sync=True)
    view: Any = traitlets.List().tag(sync=True)
    heights: Any = traitlets.Dict().tag(sync=True)  # of panes by name, in pixels, where somebody changed them

    def __init__(self, viewer: "Viewer") -> None:
        # All widgets stay in a table of ipywidgets: only one that is on a page may keep its viewer, and so the data.
        self._held: Viewer | None = None
        self._known, self._on_pages = weakref.ref(viewer, self._ended), set[tuple[str, str]]()
        self._lock, self._watch = DRAWING, Watch(self._catch_up)  # the viewer's own: two would wait for each other
        self._table, self._panes = label_table(), list[Pane]()
        self._step, self._revision = 0, -1
        self._state = _State({}, {}, {})
        self._refusal: str | None = None
        self._looked: Mapping[str, FloatArray] = viewer.recording.labelled
        self._answers: Mapping[str, Callable[[Mapping[str, Any]], _Answer]] = {
            "window": self._window,
            "labels": self._labels,
            "edit": self._edit,
            "choose": self._choose,
            "measure": self._measure,
            "agreement": self._agreement,
            "sound": self._sound,
            "here": self._here,
            "left": self._left,
        }
        super().__init__()
        self.show_recording()
        self.on_msg(self._receive)
        self.observe(self._follow, "view")
        if self.comm is not None:
            self.comm.on_close(lambda _message: self.close())

    @property
    def _viewer(self) -> "Viewer":
        viewer = self._known()
        if viewer is None:
            raise ValueError("this viewer is no more: run its cell again")
        return viewer

    def hold(self) -> None:
        """Keep the viewer, which is about to be on a page, though nothing else may."""
        with self._lock:
            self._held = self._viewer

    def close(self) -> None:
        """Let go of the viewer and of the front ends; its picture stays."""
        with self._lock:
            self._held = None
            self._on_pages.clear()
        self.layout.close()
        super().close()

    def _ended(self, _reference: object) -> None:
        """Let go of what only the viewer had use for."""
        self._panes, self._table, self._state = [], label_table(), _State({}, {}, {})

    @property
    def labels(self) -> list[list[Any]]:
        """Rows of key, start, stop, label, tier, rater and a remark, as all front ends have them."""
        return list(self._state.rows.values())

    def show_recording(self) -> None:
        """Bring everything up to date with the recording that the viewer shows."""
        with self._lock, self.hold_sync():
            viewer = self._viewer
            colours = viewer.colours_of(viewer.classes)
            self._panes = panes_of(viewer.seen, scores=viewer.scores, decoder=viewer.decoder, colours=colours)
            events = _NO_EVENTS if viewer.events is None else viewer.events
            self.events = [
                [float(start_s), float(stop_s), str(label)]
                for start_s, stop_s, label in events[["start_s", "stop_s", "label"]].itertuples(index=False)
            ]
            self.meta = {
                "name": plain(viewer.recording.subject or viewer.recording.id),
                "span": list(whole_span(viewer.seen)),
                "scale": _scale(),
                "panes": [described(pane) for pane in self._panes],
                "overview": overview(viewer.seen),
                "recordings": [plain(f"{one.subject or 'recording'} {one.id}") for one in viewer.recordings],
                "shown": viewer.recordings.index(viewer.recording),
                "kept": viewer.is_kept,
                "sound": sound_of(self._panes) is not None,
            }
            self.show_labels()
            self.show_window()

    def show_labels(self) -> None:
        """Bring labels, and what they say of the events, up to date with the store; tell what is no more as it was."""
        with self._lock:
            before, self._state = self._state, self._state_of(self._read_labels())
            if self._state != before:
                self._step += 1
                told = {"base": self._step - 1, "step": self._step} | self._state.since(before)
                self.send({"id": None, "kind": "labels", **told})

    def _read_labels(self) -> pd.DataFrame:
        """Return the labels with their keys; without a store that holds them they are shown and cannot be edited."""
        try:
            store = self._viewer.store
            self._revision, self._refusal = store.revision, None
            self._table = store.table()
            self._looked = store.labelled()
        except RecordingError as fault:
            self._refusal = plain(fault, most=240)
            with suppress(RecordingError):  # a store that was closed: what was read last stays on show
                self._table = self._viewer.labels
        return self._table

    def _state_of(self, table: pd.DataFrame) -> "_State":
        """Return what is shown of labels: themselves, and what they say of the events and of the raters."""
        events = _NO_EVENTS if self._viewer.events is None else self._viewer.events
        told = judge(table, events, looked=self._looked, tolerance_s=self._viewer.tolerance_s)
        classes = list(self._viewer.classes_of(table))
        notes = {
            "classes": classes or [*_CLASSES],
            "colours": list(self._viewer.colours_of(classes or _CLASSES).values()),
            "tiers": list(self._viewer.tiers_of(table)),
            "refusal": self._refusal,
            "looked": {tier: spans.tolist() for tier, spans in self._looked.items()},
        }
        rows = {row[0]: [*row, remark] for row, remark in zip(table.itertuples(name=None), told.remarks, strict=True)}
        states = zip(told.verdicts, told.states, strict=True)
        return _State(rows, {place: [place, *one] for place, one in enumerate(states)}, notes)

    def show_window(self) -> None:
        """Bring the window up to date with the viewer's own."""
        with self._lock:
            if not self._is_shown(self.view):
                self.view = [self._viewer.start_s, self._viewer.start_s + self._viewer.width_s]

    def _is_shown(self, view: Sequence[float]) -> bool:
        """Whether this is the viewer's window but for rounding; a thousandth of a second counts, in hours too."""
        shown = [self._viewer.start_s, self._viewer.start_s + self._viewer.width_s]
        return len(view) == 2 and bool(np.allclose(view, shown, rtol=0, atol=1e-9))

    def _follow(self, change: Mapping[str, Any]) -> None:
        start_s, stop_s = change["new"]
        with self._lock:
            # A front end echoes what the kernel sets: act only on what differs.
            if not self._is_shown(change["new"]):
                try:
                    self._viewer.show(start_s, stop_s - start_s)
                except ValueError:  # it did not know yet that another recording is shown
                    self.show_window()

    def _receive(self, _widget: object, message: Mapping[str, Any], _buffers: object) -> None:
        answer = self._answers.get(str(message.get("kind")))
        if answer is not None:
            with self._lock:
                try:
                    viewer = None if message["kind"] == "left" else self._viewer  # what is gone is not shown as empty
                    content, buffers = answer(message)
                    del viewer  # nor may it go in the midst of an answer
                except Exception as fault:
                    self.send({"id": message["id"], "fault": plain(fault, most=240)})  # or it would wait for good
                    raise
                self.send({"id": message["id"], **content}, buffers)
                if message["kind"] == "window":
                    self._catch_up()

    def _window(self, message: Mapping[str, Any]) -> _Answer:
        start_s, stop_s = float(message["start"]), float(message["stop"])
        bins = int(np.clip(int(message["bins"]), _FEWEST_BINS, _MOST_BINS))
        columns = int(np.clip(int(message["columns"]), 1, _MOST_COLUMNS))
        parts: list[dict[str, Any]] = []
        buffers: list[bytes] = []
        for pane in self._panes:
            if pane.is_image:
                seen = image(pane, start_s=start_s, stop_s=stop_s, columns=columns)
                parts.append({"image": [*seen.levels.shape, seen.start_s, seen.stop_s]})
                buffers.append(seen.levels.tobytes())
                continue
            time, values = window(pane, start_s=start_s, stop_s=stop_s, bins=bins)
            gaps = packed(unrecorded(pane, start_s=start_s, stop_s=stop_s).ravel() - start_s)
            part, told = told_lines(time - start_s, values, width_s=stop_s - start_s)
            parts.append({"gaps": gaps[:2], **part})
            buffers += [gaps.steps.tobytes(), *told]
        return {"start": start_s, "stop": stop_s, "bins": bins, "panes": parts}, buffers

    def _labels(self, message: Mapping[str, Any]) -> _Answer:
        """Return all labels, or only the number of their state; who asks wants to be told of what others edit, too."""
        if self._viewer.is_kept:
            self._watch.renew()
        self._catch_up()
        return (self._whole() if message["whole"] else {"step": self._step}), []

    def _catch_up(self) -> None:
        with self._lock:
            if self._known() is not None and self._refusal is None and not self._is_newest():
                self._viewer.edited()
                self.show_labels()

    def _is_newest(self) -> bool:
        try:
            return self._viewer.store.revision == self._revision
        except RecordingError:
            return False  # reading the labels says why

    def _whole(self) -> dict[str, Any]:
        return {"base": None, "step": self._step} | self._state.since(_State({}, {}, {}))

    def _edit(self, message: Mapping[str, Any]) -> _Answer:
        fields = {name: value for name, value in message.items() if name not in {"kind", "id", "operation", "shown"}}
        try:
            self._refuse_other(message.get("shown"))
            answer: dict[str, Any] = {"keys": self._done(str(message.get("operation")), fields)}
        except (RecordingError, ValueError, TypeError, KeyError) as fault:
            answer = {"error": plain(fault, most=240)}
        self._viewer.edited()
        self.show_labels()
        # What was shown as if it had been done is taken back.
        return (answer | self._whole() if "error" in answer else answer), []

    def _refuse_other(self, shown: int | None) -> None:
        """Raise where an edit was made in sight of another recording, in which its keys are of other labels."""
        if shown is not None and shown != self._viewer.recordings.index(self._viewer.recording):
            raise ValueError("another recording is shown by now; nothing was changed in it, edit again")

    def _done(self, operation: str, fields: Mapping[str, Any]) -> list[int]:
        if self._refusal is not None:
            raise ValueError(self._refusal)
        return Edits(self._viewer).run(operation, fields)

    def _choose(self, message: Mapping[str, Any]) -> _Answer:
        self._viewer.choose(int(message["index"]))
        return {}, []

    def _measure(self, message: Mapping[str, Any]) -> _Answer:
        start_s, stop_s = float(message["start"]), float(message["stop"])
        return {"text": measured(self._panes, start_s=start_s, stop_s=stop_s)}, []

    def _agreement(self, message: Mapping[str, Any]) -> _Answer:
        tier = str(message["tier"])
        looked_at = {}
        if self._refusal is None:
            store, table = self._viewer.store, self._viewer.store.table(tier=tier)
            looked_at = {rater: store.labelled(rater=rater).get(tier) for rater in set(table["rater"])}
        header, rows, note = agreement_rows(
            self._viewer.labels, tier=tier, looked_at=looked_at, tolerance_s=self._viewer.tolerance_s
        )
        return {"header": header, "rows": rows, "note": note}, []

    def _sound(self, message: Mapping[str, Any]) -> _Answer:
        stream = sound_of(self._panes)
        if stream is None:
            return {"error": "nothing here was heard: there is no stream of sound"}, []
        piece = sound(stream, start_s=float(message["start"]), stop_s=float(message["stop"]))
        return {"start": piece.start_s, "rate": piece.rate_hz, "count": len(piece.levels)}, [piece.levels.tobytes()]

    def _here(self, message: Mapping[str, Any]) -> _Answer:
        """Note a view on a page; those of other pages may have gone with them, without a word."""
        page, view = str(message["page"]), str(message["view"])
        self._on_pages = {one for one in self._on_pages if one[0] == page} | {(page, view)}
        self.hold()
        return {}, []

    def _left(self, message: Mapping[str, Any]) -> _Answer:
        """Note that a view was taken off its page; with the last one goes the reason to keep the viewer."""
        self._on_pages.discard((str(message["page"]), str(message["view"])))
        if not self._on_pages:
            self._held = None
            if self._known() is None:
                self.close()
        return {}, []

    def __repr__(self) -> str:
        return f"Live({self._known()!r})"  # traits hold whole tables


def _scale() -> list[list[int]]:
    """Return red, green and blue of each of 256 steps from dark to light."""
    from matplotlib import colormaps

    return [[int(part) for part in shade[:3]] for shade in colormaps["viridis"](np.arange(256), bytes=True)]
