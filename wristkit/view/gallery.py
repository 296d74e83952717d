"""The gallery: what a detector got wrong, worst first, as small pictures of the signal around each error."""

import math
import operator
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from wristkit.events import EVENT_COLUMNS
from wristkit.recording import FloatArray, Recording, Stream
from wristkit.view.draw.panes import channel_colours, draw_lines
from wristkit.view.draw.picture import DRAWING, Picture
from wristkit.view.draw.style import COLOURS, INK, MUTED, SMALL_PT, TEXT_PT, fitted, name_axes, plain, second_text
from wristkit.view.marking import MARKS, Marks, checked_mark, errors_of
from wristkit.view.notebook import mimebundle
from wristkit.view.viewer import Viewer, view

if TYPE_CHECKING:
    import ipywidgets
    from matplotlib.axes import Axes

    from wristkit.view.gallery_live import LiveGallery

FAILURE_COLUMNS = ("recording", "subject", "kind", "label", "start_s", "stop_s", "score")
KIND_COLOURS = {"false alarm": COLOURS[1], "miss": COLOURS[0]}
MARK_COLOURS = dict(zip(MARKS, (COLOURS[4], COLOURS[3], COLOURS[2]), strict=True))
MOTION = ("user_accel", "accel", "gyro")
PER_PAGE, PER_ROW = 12, 4
AROUND_S, TILE_IN = 2.0, 2.3


def gallery(failures: pd.DataFrame, *, keep: str | Path | None = None) -> "Gallery":
    """Return a gallery of the errors of an evaluation.

    Parameters
    ----------
    failures
        As from ``wristkit.evaluate.failures``: columns ``recording, subject, kind, label, start_s, stop_s, score``, and
        the recordings by id in ``failures.attrs["recordings"]``. ``failures.attrs["events"]`` is what the viewer shows
        as detected; only the false alarms where it is left out. A column ``mark``, as in :attr:`Gallery.marks`, is
        taken up; None or NaN in it is no mark.
    keep
        JSON file in which marks stand as soon as they are made, and from which they are read when the gallery is made
        again; an error is the same one where recording, kind, label, start and stop are. Without it they are lost with
        the gallery.
    """
    if not isinstance(failures, pd.DataFrame):
        raise TypeError(f"failures are a {type(failures).__name__}, expected the table of wristkit.failures(report)")
    attrs, failures = failures.attrs, failures.copy()
    failures.attrs = {}  # pandas copies them at every step
    _check(failures)
    failures["score"] = failures["score"].to_numpy(dtype=np.float64, na_value=np.nan)
    recordings: Mapping[str, Recording] = attrs.get("recordings", {})
    if absent := sorted(set(failures["recording"]) - set(recordings)):
        raise ValueError(
            f"the signals of {len(absent)} recordings ({absent[:3]}) are not with the table; set "
            "failures.attrs['recordings'] to a dictionary of id to Recording (some pandas operations drop attrs)"
        )
    if keep is not None and "mark" in failures.columns:
        raise ValueError("marks are given by the column mark and by keep; drop one: failures.drop(columns='mark')")
    marks = Marks(None if keep is None else Path(keep))
    for error, mark in zip(errors_of(failures), failures.get("mark", []), strict=False):
        if not pd.isna(mark):
            marks.put(error, checked_mark(mark))
    ordered = failures.drop(columns="mark", errors="ignore").iloc[np.argsort(-badness(failures), kind="stable")]
    return Gallery(ordered.reset_index(drop=True), attrs, marks=marks)


def _check(failures: pd.DataFrame) -> None:
    """Raise where a table is none of failures."""
    if missing := [column for column in FAILURE_COLUMNS if column not in failures.columns]:
        raise ValueError(f"failures lack the columns {missing}; make the table with wristkit.failures(report)")
    if unknown := sorted(set(failures["kind"]) - set(KIND_COLOURS)):
        raise ValueError(
            f"failures are of kind {unknown}, expected {list(KIND_COLOURS)}; use wristkit.failures(report)"
        )
    times_s = failures[["start_s", "stop_s"]].to_numpy(dtype=np.float64)
    if not np.isfinite(times_s).all() or (times_s[:, 1] < times_s[:, 0]).any():
        raise ValueError("failures have no time or end before they start; expected start_s <= stop_s in seconds")


def badness(failures: pd.DataFrame) -> FloatArray:
    """Return how wrong each row is (n,): a false alarm by its score, a miss by what it lacks to 1."""
    score = failures["score"].to_numpy(dtype=np.float64)
    lack = np.where(np.isnan(score), np.inf, 1 - score)
    return np.where(failures["kind"] == "miss", lack, np.where(np.isnan(score), -np.inf, score))


class Gallery:
    """Errors of a detector, at most twelve a page, worst first; what was looked at can be marked.

    Built by :func:`gallery`. ``page`` can be set and redraws; :meth:`open` gives the viewer at one error.

    Parameters
    ----------
    failures
        Ordered table of errors.
    attrs
        Recording of each id in it under ``recordings``, and what was detected in them under ``events``.
    marks
        What was said of these errors, and maybe of others.
    """

    def __init__(self, failures: pd.DataFrame, attrs: Mapping[Hashable, Any], *, marks: Marks) -> None:
        self._failures, self._attrs, self._page = failures, dict(attrs), 0
        self._errors, self._marks = errors_of(failures), marks
        self._viewers: dict[str, Viewer] = {}
        self._png: bytes | None = None
        self._live: LiveGallery | None = None

    @property
    def failures(self) -> pd.DataFrame:
        """All errors in the order shown."""
        return self._with_attrs(self._failures.copy())

    @property
    def pages(self) -> int:
        """Number of pages, at least one."""
        return max(1, math.ceil(len(self._failures) / PER_PAGE))

    @property
    def summary(self) -> str:
        """How many errors there are of each kind."""
        counts = self._failures["kind"].value_counts()
        return f"{counts.get('false alarm', 0)} false alarms, {counts.get('miss', 0)} misses"

    @property
    def page(self) -> int:
        """Page shown, from 0; settable."""
        return self._page

    @page.setter
    def page(self, page: int) -> None:
        page = operator.index(page)
        if not 0 <= page < self.pages:
            raise ValueError(f"there is no page {page}, the gallery has {self.pages}; count from 0")
        with DRAWING:
            self._page, self._png = page, None
            if self._live is not None:
                self._live.show_page()

    @property
    def shown(self) -> pd.DataFrame:
        """Errors of this page; the index is their place in ``failures``."""
        return self._failures.iloc[self._page * PER_PAGE : (self._page + 1) * PER_PAGE]

    @property
    def recordings(self) -> Mapping[str, Recording]:
        """Recordings of the errors, by id."""
        return dict(self._attrs.get("recordings", {}))

    @property
    def marks(self) -> pd.DataFrame:
        """Errors that were marked, in the order shown, with a column ``mark``; the index is their place."""
        table = self._failures.assign(mark=pd.Series(self.every_mark(), dtype=object))
        return self._with_attrs(table.dropna(subset="mark").astype({"mark": str}))

    @property
    def is_kept(self) -> bool:
        """Whether marks outlive the gallery."""
        return self._marks.path is not None

    def every_mark(self) -> list[str | None]:
        """Return the mark of each error in the order shown, None where it has none."""
        return [self._marks.get(error) for error in self._errors]

    def mark(self, place: int, mark: str | None) -> None:
        """Mark the error of this place as "label error", "hard negative" or "real error"; None takes its mark away.

        It is on disk when this returns, where the gallery keeps its marks. Rows that name one error share its mark.
        """
        error = self._errors[self._checked(place)]
        with DRAWING:
            self._marks.put(error, None if mark is None else checked_mark(mark))
            self._png = None
            if self._live is not None:
                self._live.show_marks()

    def open(self, place: int) -> Viewer:
        """Return the viewer of a recording at the error of this place, with what was detected in it as events.

        There is one viewer for each recording: it moves where the next error of that recording is opened.
        """
        failure = self._failures.iloc[self._checked(place)]
        start_s, stop_s = span_around(failure)
        middle_s, width_s = (start_s + stop_s) / 2, max(10.0, (stop_s - start_s) * 1.5)
        with DRAWING:
            key = failure["recording"]
            if key not in self._viewers:
                self._viewers[key] = self._viewer_of(key)
            self._viewers[key].show(middle_s - width_s / 2, width_s)
            return self._viewers[key]

    def _viewer_of(self, recording_id: str) -> Viewer:
        found = self._detected()
        own = found[found["recording"] == recording_id].drop(columns="recording").sort_values("start_s")
        return view(self.recordings[recording_id], events=None if own.empty else own.reset_index(drop=True))

    def _detected(self) -> pd.DataFrame:
        """Return what was detected: a miss is no event, and a hit is none of the failures."""
        if "events" in self._attrs:
            return pd.DataFrame(self._attrs["events"], columns=["recording", *EVENT_COLUMNS])
        alarms = self._failures[self._failures["kind"] == "false alarm"]
        return alarms[["recording", "start_s", "stop_s", "label", "score"]]

    def _with_attrs(self, table: pd.DataFrame) -> pd.DataFrame:
        table.attrs = dict(self._attrs)
        return table

    def _checked(self, place: int) -> int:
        place = operator.index(place)
        if not 0 <= place < len(self._failures):
            raise ValueError(f"there is no error {place}, the gallery has {len(self._failures)}; count from 0")
        return place

    def figure(self) -> Picture:
        """Return the picture of this page as a new figure."""
        with DRAWING:
            return draw_failures(self.shown, self.recordings, marks=self.every_mark())

    def png(self) -> bytes:
        """Return the picture of this page as a PNG file."""
        with DRAWING:
            if self._png is None:
                self._png = self.figure().png()
            return self._png

    def panel(self) -> "ipywidgets.VBox":
        """Return the live gallery with room for a viewer below it, the same widget each time."""
        from wristkit.view.gallery_live import LiveGallery

        with DRAWING:
            if self._live is None:
                self._live = LiveGallery(self)
            return self._live.with_viewer

    def __repr__(self) -> str:
        count = sum(mark is not None for mark in self.every_mark())
        marked = f", {count} marked" if count else ""
        return f"Gallery({self.summary}{marked}; page {self._page + 1} of {self.pages})"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:  # noqa: ARG002  IPython selects
        return mimebundle(repr(self), self.png(), self.panel())


def draw_failures(shown: pd.DataFrame, recordings: Mapping[str, Recording], *, marks: Sequence[str | None]) -> Picture:
    """Return a figure with a small picture of each error, numbered by the table's index, which finds its mark."""
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    if shown.empty:
        figure = Picture(figsize=(8.0, 1.4), dpi=100, facecolor="white")
        figure.text(0.5, 0.58, "No errors: there is nothing to show.", ha="center", va="center", color=INK, fontsize=12)
        hint = "The table of failures holds no miss and no false alarm."
        figure.text(0.5, 0.3, hint, ha="center", va="center", color=MUTED, fontsize=TEXT_PT)
        return figure
    columns = min(PER_ROW, len(shown))
    rows = math.ceil(len(shown) / columns)
    layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1)
    size_in = (max(4.0, 2.9 * columns), 1.95 * rows + 0.3)
    figure = Picture(figsize=size_in, dpi=100, facecolor="white", layout=layout)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax, place, (_, failure) in zip(axes, shown.index, shown.iterrows(), strict=False):
        draw_failure(ax, failure, recordings[failure["recording"]], place=place, mark=marks[place])
    for ax in axes[len(shown) :]:
        ax.remove()
    return figure


def draw_failure(
    ax: "Axes", failure: "pd.Series[Any]", recording: Recording, *, place: int, mark: str | None = None
) -> "Axes":
    """Draw the motion two seconds around one error, with the error shaded and its mark, and return the axes."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    start_s, stop_s = span_around(failure)
    colour, stream = KIND_COLOURS[failure["kind"]], main_stream(recording)
    draw_lines(ax, stream, channel_colours(len(stream.channels)), start_s=start_s, stop_s=stop_s, max_points=600)
    ax.axvspan(
        failure["start_s"], failure["stop_s"], facecolor=f"{colour}30", edgecolor=colour, linewidth=1.0, zorder=0.8
    )
    ax.xaxis.set_major_locator(MaxNLocator(nbins=4, steps=[1, 2, 5, 10]))
    ax.xaxis.set_major_formatter(FuncFormatter(second_text))
    name_axes(ax, y=f"{plain(stream.name, most=12)} ({plain(stream.unit, most=8)})")
    what, where = told(failure)
    for text, above_pt, size_pt, ink in ((f"{place}  {what}", 17, TEXT_PT, colour), (where, 5, SMALL_PT, MUTED)):
        ax.annotate(
            fitted(text, TILE_IN, size_pt=size_pt),
            xy=(0, 1),
            xycoords="axes fraction",
            xytext=(0, above_pt),
            textcoords="offset points",
            color=ink,
            fontsize=size_pt,
            parse_math=False,
        )
    if mark:
        boxed = {"facecolor": "white", "edgecolor": MARK_COLOURS[mark], "boxstyle": "round,pad=0.3"}
        ax.text(
            0.97, 0.94, mark, transform=ax.transAxes, ha="right", va="top", fontsize=SMALL_PT, color=INK, bbox=boxed
        )
    return ax


def told(failure: "pd.Series[Any]") -> tuple[str, str]:
    """Return what an error is, and when, how sure and whose, as text that is fit to show."""
    score = "no score" if math.isnan(failure["score"]) else f"score {failure['score']:.2f}"
    return (
        f"{failure['kind']}  ·  {plain(failure['label'])}",
        f"{failure['start_s']:.1f} s · {score} · {plain(failure['subject'], most=18)}",
    )


def main_stream(recording: Recording) -> Stream:
    """Return the stream that shows movement best, or the first that holds samples."""
    held = {name: stream for name, stream in recording.streams.items() if len(stream)}
    return next((held[name] for name in MOTION if name in held), next(iter(held.values())))


def span_around(failure: "pd.Series[Any]") -> tuple[float, float]:
    """Return start and stop in seconds of what is shown of an error."""
    return float(failure["start_s"]) - AROUND_S, float(failure["stop_s"]) + AROUND_S
