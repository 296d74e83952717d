"""Colours, type and axes shared by every picture, and the one place where text from data is made fit to show."""

import unicodedata
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.text import Text

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")  # Okabe and Ito
INK, MUTED, RULE, GRID, GAP, NOTE = "#222222", "#666666", "#b5b5b5", "#e9e9e9", "#ececec", "#a86500"
LOOKED = COLOURS[2]  # what was looked at, for labels
TEXT_PT, SMALL_PT = 9.0, 8.0
BACKGROUND = "none"
DARK = 125  # lightness, 0 to 255, of the lightest colour on which white is read better than ink


def plain(text: object, *, most: int = 40) -> str:
    """Return text on one line, at most ``most`` characters, with control and direction characters written out."""
    shown = "".join(
        char.encode("unicode_escape").decode() if unicodedata.category(char)[0] == "C" else char
        for char in str(text)[: most + 1]
    )
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"


def palette(names: Iterable[str]) -> dict[str, str]:
    """Return a colour for each name, in order of appearance; the background is grey."""
    events = [name for name in dict.fromkeys(names) if name != BACKGROUND]
    return {BACKGROUND: "#999999"} | {name: COLOURS[index % len(COLOURS)] for index, name in enumerate(events)}


def on_colour(colour: str) -> str:
    """Return white or ink, whichever can be read on a colour such as "#0072B2"."""
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return INK if 0.299 * red + 0.587 * green + 0.114 * blue > DARK else "white"


def tick_text(value: float, _position: int | None = None) -> str:
    """Return a number as short as it goes, never with an offset that stands elsewhere."""
    return f"{value + 0.0:.6g}".replace("-", "\N{MINUS SIGN}")


def second_text(value: float, _position: int | None = None) -> str:
    """Return seconds in full, to the microsecond."""
    return f"{round(value, 6) + 0.0:.6f}".rstrip("0").rstrip(".").replace("-", "\N{MINUS SIGN}")


def clear_axes(ax: "Axes") -> None:
    """Give axes two thin rules, a faint grid and small ticks, whatever the user's style says."""
    ax.set_facecolor("white")
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set(color=RULE, linewidth=0.8)
    ax.grid(visible=True, color=GRID, linewidth=0.7, linestyle="-")
    ax.set_axisbelow(True)
    ax.tick_params(colors=RULE, labelcolor=MUTED, labelsize=SMALL_PT, length=3, width=0.8, which="both")


def name_axes(ax: "Axes", *, x: str = "", y: str = "") -> None:
    """Name one axis or both, as text and nothing else."""
    if x:
        ax.set_xlabel(plain(x), color=INK, fontsize=TEXT_PT, parse_math=False)
    if y:
        ax.set_ylabel(plain(y), color=INK, fontsize=TEXT_PT, parse_math=False)


def no_math(texts: Iterable["Text"]) -> None:
    """Show ``$`` as a dollar sign."""
    for text in texts:
        text.set_parse_math(False)


def legend_above(ax: "Axes", lines: Sequence["Artist"], names: Sequence[str], *, columns: int | None = None) -> None:
    """Name lines above the right end of the axes, in one row or in rows of so many columns."""
    legend = ax.legend(
        lines,
        [str(index) for index in range(len(lines))],  # a name with a leading underscore would be left out
        loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
        ncols=max(1, len(lines)) if columns is None else columns,
        frameon=False,
        fontsize=SMALL_PT,
        labelcolor=INK,
        handlelength=1.1,
        handletextpad=0.4,
        columnspacing=1.1,
        borderpad=0.2,
        borderaxespad=0.0,
    )
    no_math(legend.get_texts())
    for text, name in zip(legend.get_texts(), names, strict=True):
        text.set_text(name)


def width_in(ax: "Axes") -> float:
    """Return the width of axes in inches."""
    figure = ax.get_figure(root=True)
    return float(ax.get_position().width * figure.get_size_inches()[0]) if figure is not None else 1.0


def height_in(ax: "Axes") -> float:
    """Return the height of axes in inches."""
    figure = ax.get_figure(root=True)
    return float(ax.get_position().height * figure.get_size_inches()[1]) if figure is not None else 1.0


def say_in(ax: "Axes", words: str) -> None:
    """Write in the middle of axes why nothing is drawn there."""
    middle = {"ha": "center", "va": "center"}
    ax.text(0.5, 0.5, words, middle, transform=ax.transAxes, color=MUTED, fontsize=TEXT_PT, parse_math=False)


def text_width_in(text: str, *, size_pt: float = SMALL_PT) -> float:
    """Return how wide a line of text is in inches, without a renderer."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    width_pt, _, _ = text_to_path.get_text_width_height_descent(text, FontProperties(size=size_pt), ismath=False)
    return float(width_pt) / 72


def fitted(text: str, room_in: float, *, size_pt: float = SMALL_PT) -> str:
    """Return text, shortened to the room there is; nothing where fewer than three of its letters fit."""
    wide_in = text_width_in(text, size_pt=size_pt)
    if wide_in <= room_in:
        return text
    letters = int(len(text) * room_in / wide_in) - 1
    return f"{text[:letters]}…" if letters >= 3 else ""
