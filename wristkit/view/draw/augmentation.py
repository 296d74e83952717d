"""What augmentation does to a window: each kind by itself, over the window as it was measured."""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from wristkit.condition import Source
from wristkit.train import Augmentation, augment
from wristkit.view.draw.panes import channel_colours
from wristkit.view.draw.picture import Picture
from wristkit.view.draw.style import INK, MUTED, RULE, TEXT_PT, clear_axes, legend_above, name_axes, plain
from wristkit.windows import Windows

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DRAWS = 8  # of each kind; the one that moved most is shown
_ROW_IN = 1.15
_SMALL = {"bias", "noise", "dropout"}  # what they change would not be seen on the scale of the signal


def draw_augmentation(
    windows: Windows,
    *,
    place: int = 0,
    augmentation: Augmentation | None = None,
    seed: int = 0,
    figure_width_in: float = 10.0,
) -> Picture:
    """Return a figure with a row for each kind of augmentation that is on, and a column for each stream.

    Each pane shows the window in grey and, of eight draws, the one that moved it most; of what moves it little, bias,
    noise and dropout, the change alone. Every window is mirrored and loses a packet
    here, however rare that is in training.

    Parameters
    ----------
    windows, place
        Windows, and which of them.
    augmentation
        As for :func:`wristkit.quick_train`.
    seed
        Of the draws.
    figure_width_in
        Width in inches; the height follows from what is on.
    """
    if not -len(windows) <= place < len(windows):
        raise ValueError(f"place is {place}, expected one of the {len(windows)} windows")
    wanted = list((Augmentation() if augmentation is None else augmentation).single())
    if not wanted:
        raise ValueError("every kind of augmentation is off, so there is nothing to draw; switch one on")
    sources = windows.conditioning.sources
    figure = Picture(figsize=(figure_width_in, 0.6 + _ROW_IN * len(wanted)), layout="constrained")
    panes = figure.subplots(len(wanted), len(sources), squeeze=False, sharex=True)
    for row, (name, single) in zip(panes, wanted, strict=True):
        varied = _most_moved(windows, place, single, seed)
        first = 0
        for ax, source in zip(row, sources, strict=True):
            part = slice(first, first + len(source.channels))
            first = part.stop
            measured = windows.values[place, part]
            _draw_pane(ax, windows, None if name in _SMALL else measured, varied[part] - measured * (name in _SMALL))
        name_axes(row[0], y=f"{name} alone" if name in _SMALL else name)
    for above, below, source in zip(panes[0], panes[-1], sources, strict=True):
        _name_column(above, source, measured=wanted[0][0] not in _SMALL)
        name_axes(below, x="time (s)")
    return figure


def _most_moved(windows: Windows, place: int, single: Augmentation, seed: int) -> npt.NDArray[np.float32]:
    shown = replace(single, dropout=float(single.dropout > 0), mirror=float(single.mirror > 0))
    copies = np.repeat(windows.values[place][None], _DRAWS, axis=0)
    varied = augment(copies, windows.conditioning, np.random.default_rng(seed), shown)
    moved: npt.NDArray[np.float32] = varied[np.abs(varied - copies).mean(axis=(1, 2)).argmax()]
    return moved


def _draw_pane(
    ax: "Axes", windows: Windows, before: npt.NDArray[np.float32] | None, after: npt.NDArray[np.float32]
) -> None:
    """Draw the channels of one stream of a window as they became, over what they were."""
    time_s = np.arange(windows.samples) / windows.rate_hz
    clear_axes(ax)
    for channel in () if before is None else before:
        ax.plot(time_s, channel, color=RULE, linewidth=2.0)
    for channel, colour in zip(after, channel_colours(len(after)), strict=True):
        ax.plot(time_s, channel, color=colour, linewidth=1.1)
    ax.set_xlim(0, time_s[-1])


def _name_column(ax: "Axes", source: Source, *, measured: bool) -> None:
    lines = ax.get_lines()[-len(source.channels) :]
    name = f"{plain(source.name)} ({plain(source.unit)})"
    ax.set_title(name, loc="left", color=INK, fontsize=TEXT_PT, parse_math=False)
    if len(lines) <= 4:
        grey = ax.get_lines()[:1] if measured else []
        legend_above(ax, [*grey, *lines], [*(["measured"] if measured else []), *source.channels])
    else:
        ax.set_title(f"{len(lines)} channels", loc="right", color=MUTED, fontsize=TEXT_PT)
