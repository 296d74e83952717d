"""The live gallery in a notebook: a page of small pictures that open the viewer below them and can be marked.

Handlers run on whatever thread the kernel chooses: each takes the one lock, and the browser draws.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import ipywidgets
import numpy as np
import pandas as pd
import traitlets

from wristkit.errors import RecordingError
from wristkit.recording import Recording
from wristkit.view.draw.panes import channel_colours, thinned
from wristkit.view.draw.picture import DRAWING
from wristkit.view.draw.style import plain
from wristkit.view.gallery import KIND_COLOURS, MARK_COLOURS, main_stream, span_around, told
from wristkit.view.marking import MARKS

if TYPE_CHECKING:
    from wristkit.view.gallery import Gallery

_STATIC = Path(__file__).parent / "static"
_MOST_POINTS, _MOST_NAMED, _MOST_GAPS = 400, 6, 100


class LiveGallery(anywidget.AnyWidget):
    """What a notebook shows of a :class:`Gallery`: tiles of a page, and how many errors are marked as what."""

    _esm = _STATIC / "gallery.js"
    _css = _STATIC / "gallery.css"
    meta: Any = traitlets.Dict().tag(sync=True)
    tiles: Any = traitlets.List().tag(sync=True)
    marks: Any = traitlets.List().tag(sync=True)
    counts: Any = traitlets.List().tag(sync=True)
    opened: Any = traitlets.Int(allow_none=True, default_value=None).tag(sync=True)

    def __init__(self, gallery: "Gallery") -> None:
        self._gallery = gallery
        self._acts: Mapping[str, Callable[..., None]] = {
            "hello": lambda: None,
            "page": self._turn,
            "open": self._open,
            "mark": gallery.mark,
        }
        super().__init__()
        self._below = ipywidgets.VBox()
        self.with_viewer = ipywidgets.VBox([self, self._below])
        self.show_page()
        self.on_msg(self._receive)

    def show_page(self) -> None:
        """Bring tiles and marks up to date with the page of the gallery."""
        with DRAWING, self.hold_sync():
            gallery, recordings = self._gallery, self._gallery.recordings
            self.tiles = [
                tile(failure, recordings[failure["recording"]], place=place)
                for place, (_, failure) in zip(gallery.shown.index.tolist(), gallery.shown.iterrows(), strict=True)
            ]
            self.show_marks()
            self.meta = {
                "summary": gallery.summary,
                "page": gallery.page,
                "pages": gallery.pages,
                "kept": gallery.is_kept,
                "marks": [{"name": name, "colour": MARK_COLOURS[name]} for name in MARKS],
            }

    def show_marks(self) -> None:
        """Bring the marks of the tiles and their numbers up to date."""
        with DRAWING, self.hold_sync():
            marks = self._gallery.every_mark()
            self.marks = [marks[place] for place in self._gallery.shown.index]
            self.counts = [marks.count(name) for name in MARKS]

    def _receive(self, _widget: object, message: Mapping[str, Any], _buffers: object) -> None:
        fields = {name: value for name, value in message.items() if name not in {"kind", "id"}}
        answer: dict[str, Any] = {}
        with DRAWING:
            try:
                self._acts[str(message.get("kind"))](**fields)
            except (RecordingError, ValueError, TypeError, KeyError, OSError) as fault:
                answer = {"error": plain(fault, most=240)}
            self.send({"id": message["id"], **answer})

    def _turn(self, *, page: int) -> None:
        self._gallery.page = page

    def _open(self, *, place: int | None) -> None:
        panels = () if place is None else (self._gallery.open(place).panel(),)
        if self._below.children != panels:
            self._below.children = panels
        self.opened = place

    def __repr__(self) -> str:
        return f"LiveGallery({self._gallery!r})"  # traits hold a page of signals


def tile(failure: "pd.Series[Any]", recording: Recording, *, place: int) -> dict[str, Any]:
    """Return what a front end draws of one error: texts, colours, and its signal, NaN where a line is broken."""
    stream, (start_s, stop_s) = main_stream(recording), span_around(failure)
    gaps = stream.gaps[(stream.gaps[:, 0] < stop_s) & (stream.gaps[:, 1] > start_s)]
    time_s, values = thinned(stream, gaps, start_s=start_s, stop_s=stop_s, max_points=_MOST_POINTS)
    what, where = told(failure)
    return {
        "place": place,
        "what": what,
        "where": where,
        "colour": KIND_COLOURS[failure["kind"]],
        "span": [start_s, stop_s],
        "error": [float(failure["start_s"]), float(failure["stop_s"])],
        "stream": f"{plain(stream.name, most=16)} ({plain(stream.unit, most=8)})",
        "channels": [plain(name, most=10) for name in stream.channels[:_MOST_NAMED]],
        "colours": list(channel_colours(len(stream.channels))),
        "gaps": gaps[:_MOST_GAPS].tolist(),
        "time": pd.Series(time_s).ffill().to_numpy(dtype=np.float64).tobytes(),
        "values": [np.ascontiguousarray(values[:, one], dtype=np.float32).tobytes() for one in range(values.shape[1])],
    }
