"""The gallery: what a detector got wrong, worst first, as small pictures of the signal around each error."""

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from wristkit.recording import FloatArray, Recording, Stream
from wristkit.view.draw.panes import channel_colours, draw_lines
from wristkit.view.draw.picture import DRAWING, Picture
from wristkit.view.draw.style import COLOURS, INK, MUTED, SMALL_PT, TEXT_PT, fitted, name_axes, plain, second_text
from wristkit.view.notebook import gallery_panel, mimebundle
from wristkit.view.viewer import Viewer, view

if TYPE_CHECKING:
    import ipywidgets
    from matplotlib.axes import Axes

FAILURE_COLUMNS = ("recording", "subject", "kind", "label", "start_s", "stop_s", "score")
KIND_COLOURS = {"false alarm": COLOURS[1], "miss": COLOURS[0]}
MOTION = ("user_accel", "accel", "gyro")
PER_PAGE, PER_ROW = 12, 4
AROUND_S, TILE_IN = 2.0, 2.3


def gallery(failures: pd.DataFrame) -> "Gallery":
    """Return a gallery of the errors of an evaluation.

    Parameters
    ----------
    failures
        As from ``wristkit.evaluate.failures``: columns ``recording, subject, kind, label, start_s, stop_s, score``, and
        the recordings by id in ``failures.attrs["recordings"]``.
    """
    if missing := [column for column in FAILURE_COLUMNS if column not in failures.columns]:
        raise ValueError(f"failures lack the columns {missing}; make the table with wristkit.failures(report)")
    if unknown := sorted(set(failures["kind"]) - set(KIND_COLOURS)):
        raise ValueError(
            f"failures are of kind {unknown}, expected {list(KIND_COLOURS)}; use wristkit.failures(report)"
        )
    recordings: Mapping[str, Recording] = failures.attrs.get("recordings", {})
    if absent := sorted(set(failures["recording"]) - set(recordings)):
        raise ValueError(
            f"the signals of {len(absent)} recordings ({absent[:3]}) are not with the table; set "
            "failures.attrs['recordings'] to a dictionary of id to Recording (some pandas operations drop attrs)"
        )
    return Gallery(failures.iloc[np.argsort(-badness(failures), kind="stable")].reset_index(drop=True), recordings)


def badness(failures: pd.DataFrame) -> FloatArray:
    """Return how wrong each row is (n,): a false alarm by its score, a miss by what it lacks to 1."""
    score = failures["score"].to_numpy(dtype=np.float64)
    lack = np.where(np.isnan(score), np.inf, 1 - score)
    return np.where(failures["kind"] == "miss", lack, np.where(np.isnan(score), -np.inf, score))


class Gallery:
    """Errors of a detector, at most twelve a page, worst first.

    Built by :func:`gallery`. ``page`` can be set and redraws; :meth:`open` gives the viewer at one error.

    Parameters
    ----------
    failures
        Ordered table of errors.
    recordings
        Recording of each id in it.
    """

    def __init__(self, failures: pd.DataFrame, recordings: Mapping[str, Recording]) -> None:
        self._failures, self._recordings, self._page = failures, dict(recordings), 0
        self._png: bytes | None = None
        self._panel: ipywidgets.VBox | None = None
        self._on_change: Callable[[], None] | None = None

    @property
    def failures(self) -> pd.DataFrame:
        """All errors in the order shown."""
        return self._failures

    @property
    def pages(self) -> int:
        """Number of pages, at least one."""
        return max(1, math.ceil(len(self._failures) / PER_PAGE))

    @property
    def page(self) -> int:
        """Page shown, from 0; settable."""
        return self._page

    @page.setter
    def page(self, page: int) -> None:
        if not 0 <= page < self.pages:
            raise ValueError(f"there is no page {page}, the gallery has {self.pages}; count from 0")
        with DRAWING:
            self._page, self._png = page, None
            if self._on_change is not None:
                self._on_change()

    @property
    def shown(self) -> pd.DataFrame:
        """Errors of this page; the index is their place in ``failures``."""
        return self._failures.iloc[self._page * PER_PAGE : (self._page + 1) * PER_PAGE]

    def open(self, place: int) -> Viewer:
        """Return a viewer at the error of this place, with the recording's other errors as events."""
        if not 0 <= place < len(self._failures):
            raise ValueError(f"there is no error {place}, the gallery has {len(self._failures)}; count from 0")
        failure = self._failures.iloc[place]
        own = self._failures[self._failures["recording"] == failure["recording"]]
        events = own[["start_s", "stop_s", "label", "score"]].assign(tier=own["kind"]).sort_values("start_s")
        viewer = view(self._recordings[failure["recording"]], events=events.reset_index(drop=True))
        start_s, stop_s = _window(failure)
        middle_s, width_s = (start_s + stop_s) / 2, max(10.0, (stop_s - start_s) * 1.5)
        viewer.show(middle_s - width_s / 2, width_s)
        return viewer

    def figure(self) -> Picture:
        """Return the picture of this page as a new figure."""
        with DRAWING:
            return draw_failures(self.shown, self._recordings)

    def png(self) -> bytes:
        """Return the picture of this page as a PNG file."""
        with DRAWING:
            if self._png is None:
                self._png = self.figure().png()
            return self._png

    def panel(self) -> "ipywidgets.VBox":
        """Return the controls with the picture, the same widget each time."""
        with DRAWING:
            if self._panel is None:
                self._panel, self._on_change = gallery_panel(self)
            return self._panel

    def __repr__(self) -> str:
        counts = self._failures["kind"].value_counts()
        alarms, misses = counts.get("false alarm", 0), counts.get("miss", 0)
        return f"Gallery({alarms} false alarms, {misses} misses; page {self._page + 1} of {self.pages})"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:  # noqa: ARG002  IPython selects
        return mimebundle(repr(self), self.png(), self.panel())


def draw_failures(shown: pd.DataFrame, recordings: Mapping[str, Recording]) -> Picture:
    """Return a figure with a small picture of each error, numbered by the table's index."""
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
        draw_failure(ax, failure, recordings[failure["recording"]], place=place)
    for ax in axes[len(shown) :]:
        ax.remove()
    return figure


def draw_failure(ax: "Axes", failure: "pd.Series[Any]", recording: Recording, *, place: int) -> "Axes":
    """Draw the motion two seconds around one error, with the error shaded, and return the axes."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    start_s, stop_s = _window(failure)
    colour, stream = KIND_COLOURS[failure["kind"]], main_stream(recording)
    draw_lines(ax, stream, channel_colours(len(stream.channels)), start_s=start_s, stop_s=stop_s, max_points=600)
    ax.axvspan(
        failure["start_s"], failure["stop_s"], facecolor=f"{colour}30", edgecolor=colour, linewidth=1.0, zorder=0.8
    )
    ax.xaxis.set_major_locator(MaxNLocator(nbins=4, steps=[1, 2, 5, 10]))
    ax.xaxis.set_major_formatter(FuncFormatter(second_text))
    name_axes(ax, y=f"{plain(stream.name, most=12)} ({plain(stream.unit, most=8)})")
    score = "no score" if math.isnan(failure["score"]) else f"score {failure['score']:.2f}"
    what = f"{place}  {failure['kind']}  ·  {plain(failure['label'])}"
    where = f"{plain(failure['subject'], most=16)}  ·  {score}  ·  {failure['start_s']:.1f} s"
    for text, above_pt, size_pt, ink in ((what, 17, TEXT_PT, colour), (where, 5, SMALL_PT, MUTED)):
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
    return ax


def main_stream(recording: Recording) -> Stream:
    """Return the stream that shows movement best, or the first that holds samples."""
    held = {name: stream for name, stream in recording.streams.items() if len(stream)}
    return next((held[name] for name in MOTION if name in held), next(iter(held.values())))


def _window(failure: "pd.Series[Any]") -> tuple[float, float]:
    return float(failure["start_s"]) - AROUND_S, float(failure["stop_s"]) + AROUND_S
