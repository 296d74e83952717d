"""The live viewer in a notebook: a widget that asks for what its window shows and hands over each edit of a label.

Handlers run on whatever thread the kernel chooses, also while a cell trains: each takes one lock, and draws nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import numpy as np
import pandas as pd
import traitlets

from wristkit.errors import RecordingError
from wristkit.view.draw.picture import DRAWING
from wristkit.view.draw.style import plain
from wristkit.view.window import (
    MOST_GAPS,
    described,
    gaps_in,
    image,
    measured,
    moving_stream,
    overview,
    panes_of,
    snapped,
    verdicts,
    whole_span,
    window,
)

if TYPE_CHECKING:
    from wristkit.view.viewer import Viewer

_STATIC = Path(__file__).parent / "static"
_FEWEST_BINS, _MOST_BINS = 50, 4000
_MOST_COLUMNS = 500
_SNAP_S, _SNAP_PIXELS = 0.25, 12
_NO_EVENTS = pd.DataFrame(columns=["start_s", "stop_s", "label"])
_CLASSES = ("event",)  # where nothing else names any


class Live(anywidget.AnyWidget):
    """What a notebook shows of a :class:`Viewer`: linked panes, rows of labels and events, and a map of the whole."""

    _esm = _STATIC / "viewer.js"
    _css = _STATIC / "viewer.css"
    meta: Any = traitlets.Dict().tag(sync=True)
    labels: Any = traitlets.List().tag(sync=True)
    events: Any = traitlets.List().tag(sync=True)
    view: Any = traitlets.List().tag(sync=True)

    def __init__(self, viewer: "Viewer") -> None:
        self._viewer, self._lock = viewer, DRAWING  # the viewer's own: two locks would wait for each other
        self._revision = 0
        self._refusal: str | None = None
        self._edits: Mapping[str, Callable[..., Sequence[int]]] = {
            "add": self._add,
            "change": self._change,
            "remove": self._remove,
            "split": self._split,
            "merge": self._merge,
            "copy": self._copy,
            "snap": self._snap,
            "look": self._look,
            "undo": self._undo,
            "redo": self._redo,
        }
        super().__init__()
        self.show_recording()
        self.on_msg(self._receive)
        self.observe(self._follow, "view")

    def show_recording(self) -> None:
        """Bring everything up to date with the recording that the viewer shows."""
        with self._lock, self.hold_sync():
            viewer = self._viewer
            self._panes = panes_of(viewer.recording, scores=viewer.scores, decoder=viewer.decoder)
            self._overview = overview(viewer.recording)
            self.show_labels()
            self.show_window()

    def show_labels(self) -> None:
        """Bring labels and events up to date with the store."""
        with self._lock, self.hold_sync():
            viewer = self._viewer
            table = self._read_labels()
            events = _NO_EVENTS if viewer.events is None else viewer.events
            told, missed = verdicts(table, events)
            self.labels = [list(row) for row in table.itertuples()]
            self.events = [
                [float(start_s), float(stop_s), str(label), verdict]
                for start_s, stop_s, label, verdict in zip(*_columns(events), told, strict=True)
            ]
            self.meta = {
                "name": plain(viewer.recording.subject or viewer.recording.id),
                "span": list(whole_span(viewer.recording)),
                "scale": _scale(),
                "panes": [described(pane) for pane in self._panes],
                "overview": self._overview,
                "classes": list(viewer.classes or _CLASSES),
                "tiers": list(viewer.tiers),
                "recordings": [plain(f"{one.subject or 'recording'} {one.id}") for one in viewer.recordings],
                "shown": viewer.recordings.index(viewer.recording),
                "kept": viewer.is_kept,
                "missed": [int(table.index[place]) for place in missed],
            }

    def _read_labels(self) -> pd.DataFrame:
        """Return the labels with their keys; without a store that holds them they are shown and cannot be edited."""
        try:
            store = self._viewer.store
            self._revision, self._refusal = store.revision, None
            return store.table()
        except RecordingError as fault:
            self._refusal = plain(fault, most=240)
            return self._viewer.labels

    def show_window(self) -> None:
        """Bring the window up to date with the viewer's own."""
        with self._lock:
            self.view = [self._viewer.start_s, self._viewer.start_s + self._viewer.width_s]

    def _follow(self, change: Mapping[str, Any]) -> None:
        start_s, stop_s = change["new"]
        with self._lock:
            # A front end echoes what the kernel sets: act only on what differs.
            if not np.allclose([self._viewer.start_s, self._viewer.start_s + self._viewer.width_s], [start_s, stop_s]):
                self._viewer.show(start_s, stop_s - start_s)

    def _receive(self, _widget: object, message: Mapping[str, Any], _buffers: object) -> None:
        with self._lock:
            if message.get("kind") == "window":
                self._answer_window(message)
            elif message.get("kind") == "edit":
                self._answer_edit(message)
            elif message.get("kind") == "choose":
                self._viewer.choose(int(message["index"]))
                self.send({"id": message["id"]})
            elif message.get("kind") == "measure":
                start_s, stop_s = float(message["start"]), float(message["stop"])
                self.send({"id": message["id"], "text": measured(self._panes, start_s=start_s, stop_s=stop_s)})

    def _answer_window(self, message: Mapping[str, Any]) -> None:
        start_s, stop_s = float(message["start"]), float(message["stop"])
        bins = int(np.clip(int(message["bins"]), _FEWEST_BINS, _MOST_BINS))
        parts: list[dict[str, Any]] = []
        buffers: list[bytes] = []
        for pane in self._panes:
            if pane.is_image:
                seen = image(pane, start_s=start_s, stop_s=stop_s, columns=min(bins, _MOST_COLUMNS))
                parts.append({"channels": [], "gaps": [], "image": [*seen.levels.shape, seen.start_s, seen.stop_s]})
                buffers.append(seen.levels.tobytes())
                continue
            time, values = window(pane, start_s=start_s, stop_s=stop_s, bins=bins)
            gaps = gaps_in(pane, start_s=start_s, stop_s=stop_s)[:MOST_GAPS]
            parts.append({"channels": list(range(len(values))), "gaps": gaps.tolist()})
            buffers += [time.tobytes(), *(channel.astype(np.float32).tobytes() for channel in values)]
        self.send({"id": message["id"], "panes": parts}, buffers)
        if self._refusal is None and self._viewer.store.revision != self._revision:
            self.show_labels()  # another notebook edited

    def _answer_edit(self, message: Mapping[str, Any]) -> None:
        fields = {name: value for name, value in message.items() if name not in {"kind", "id", "operation"}}
        try:
            answer: dict[str, Any] = {"keys": list(self._operation(str(message.get("operation")))(**fields))}
        except (RecordingError, ValueError, TypeError, KeyError) as fault:
            answer = {"error": plain(fault, most=240)}
        self._viewer.edited()
        self.show_labels()
        if "error" in answer:
            answer["rows"] = self.labels  # what was shown as if it had been done is taken back
        self.send({"id": message["id"], **answer})

    def _operation(self, name: str) -> Callable[..., Sequence[int]]:
        if self._refusal is not None:
            raise ValueError(self._refusal)
        return self._edits[name]

    def _add(self, *, start: float, stop: float, label: str, tier: str) -> Sequence[int]:
        return [self._viewer.store.add(start, stop, label, tier=tier)]

    def _change(self, *, key: int, fields: Mapping[str, Any], seen: Mapping[str, Any]) -> Sequence[int]:
        self._viewer.store.change(key, **_by_column(fields), seen=_by_column(seen))
        return [key]

    def _remove(self, *, keys: Sequence[int]) -> Sequence[int]:
        self._viewer.store.remove(*keys)
        return []

    def _split(self, *, key: int, at: float) -> Sequence[int]:
        return self._viewer.store.split(key, at)

    def _merge(self, *, keys: Sequence[int]) -> Sequence[int]:
        return [self._viewer.store.merge(keys)]

    def _copy(self, *, keys: Sequence[int], tier: str) -> Sequence[int]:
        return self._viewer.store.copy(keys, tier=tier)

    def _snap(self, *, key: int, perPixel: float) -> Sequence[int]:  # noqa: N803  a field of the front end's message
        table = self._viewer.store.table()
        first_s, last_s = (float(table[name][key]) for name in ("start_s", "stop_s"))
        within_s = max(_SNAP_S, _SNAP_PIXELS * float(perPixel))
        stream = moving_stream(self._viewer.recording)
        start_s, stop_s = snapped(stream, start_s=first_s, stop_s=last_s, within_s=within_s)
        self._viewer.store.change(key, start_s=start_s, stop_s=stop_s)
        return [key]

    def _look(self, *, start: float, stop: float, tier: str) -> Sequence[int]:
        self._viewer.store.look(start, stop, tier=tier)
        return []

    def _undo(self) -> Sequence[int]:
        if not self._viewer.store.undo():
            raise ValueError("there is nothing to take back")
        return []

    def _redo(self) -> Sequence[int]:
        if not self._viewer.store.redo():
            raise ValueError("there is nothing to make again")
        return []

    def __repr__(self) -> str:
        return f"Live({self._viewer!r})"  # traits hold whole tables


def _scale() -> list[list[int]]:
    """Return red, green and blue of each of 256 steps from dark to light."""
    from matplotlib import colormaps

    return [[int(part) for part in shade[:3]] for shade in colormaps["viridis"](np.arange(256), bytes=True)]


def _columns(events: pd.DataFrame) -> list[list[Any]]:
    return [events[name].tolist() for name in ("start_s", "stop_s", "label")]


def _by_column(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {{"start": "start_s", "stop": "stop_s"}.get(name, name): value for name, value in fields.items()}
