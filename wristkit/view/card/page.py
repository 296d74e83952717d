"""The pieces of a page: text from data made harmless, tables, pictures with words for them, and the page around."""

import base64
from collections.abc import Callable, Iterable, Sequence
from html import escape
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from wristkit import __version__
from wristkit.view.draw.picture import Picture
from wristkit.view.draw.style import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARK = '<meta name="generator" content="wristkit model card">'  # a file without it is somebody's own
MARK_WITHIN_BYTES = 1000
NOTHING = "\N{EN DASH}"
_LONGEST = 200
_MANY_ROWS = 16  # a longer table is folded
_DOTS_PER_INCH, _SHOWN_PER_INCH = 160, 96
_STYLE = """<style>
.card h2 { border-top: 1px solid var(--line); padding-top: 1.6rem; }
.card > p, .card li { max-width: 46rem; }
.card td:first-child, .card th:first-child, .card table.words :is(th, td) { text-align: left; }
.card table.words th { white-space: nowrap; color: var(--soft); font-weight: 400; }
.card .wide { overflow-x: auto; }
.card table:not(.words) :is(th, td) { white-space: nowrap; }
.card caption { text-align: left; color: var(--soft); padding-bottom: 0.3rem; }
.card figcaption { color: var(--soft); font-size: 0.85rem; margin-top: 0.3rem; max-width: 46rem; }
.card .tiles { display: flex; flex-wrap: wrap; gap: 0.8rem; margin: 1.2rem 0; }
.card .tiles div { flex: 1 1 11rem; padding: 0.8rem 1rem; border-radius: 10px; background: var(--card); }
.card .tiles b { display: block; font-size: 1.5rem; line-height: 1.3; letter-spacing: -0.01em; }
.card .tiles span { display: block; color: var(--soft); font-size: 0.85rem; }
</style>"""


class Part(NamedTuple):
    """A part of a card: its heading and its HTML."""

    title: str
    html: str


class Tile(NamedTuple):
    """One figure at the top of a card: its name, its value, and what is to be said beside it."""

    name: str
    value: str
    beside: str


class Card(NamedTuple):
    """What a card says of a report; texts, but for the HTML of its parts."""

    lead: str
    warnings: list[str]
    tiles: list[Tile]
    limits: list[str]
    parts: list[Part]
    unchecked: list[str]


def text(value: object) -> str:
    """Return what comes from data as text that HTML shows and does not read."""
    return escape(plain(value, most=_LONGEST))


def number(value: float) -> str:
    """Return a number to three digits, or to the whole; a dash where there is none."""
    if not np.isfinite(value):
        return NOTHING
    shown = f"{value:,.0f}" if abs(value) >= 100 else f"{value + 0.0:.3g}"
    return shown.replace("-", "\N{MINUS SIGN}")


def spanned(value: float, low: float, high: float) -> str:
    """Return a number with its interval, where it has one."""
    if not (np.isfinite(value) and np.isfinite(low) and np.isfinite(high)):
        return number(value)
    return f"{number(value)} ({number(low)} to {number(high)})"


def paragraph(words: str, *, kind: str = "") -> str:
    """Return a paragraph of text."""
    return f'<p class="{kind}">{escape(words)}</p>' if kind else f"<p>{escape(words)}</p>"


def bullets(lines: Iterable[str]) -> str:
    """Return a list of texts."""
    return "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>"


def table(heads: Sequence[str], rows: Sequence[Sequence[object]], *, caption: str = "", words: bool = False) -> str:
    """Return a table of texts, folded where it is long; ``words`` has a name and its meaning in each row."""
    told = f"<caption>{escape(caption)}</caption>" if caption else ""
    head = "".join(f'<th scope="col">{text(one)}</th>' for one in heads)
    body = "".join(
        f'<tr><th scope="row">{text(row[0])}</th>{"".join(f"<td>{text(one)}</td>" for one in row[1:])}</tr>'
        for row in rows
    )
    kind = ' class="words"' if words else ""
    top = f"<thead><tr>{head}</tr></thead>" if heads else ""
    html = f'<div class="wide"><table{kind}>{told}{top}<tbody>{body}</tbody></table></div>'
    if len(rows) <= _MANY_ROWS or words:
        return html
    return f"<details><summary>{escape(caption or 'A table')} ({len(rows)} rows)</summary>{html}</details>"


def frame(data: pd.DataFrame, *, caption: str = "") -> str:
    """Return a DataFrame with its index as a table, numbers to three digits."""
    heads = [str(data.index.name or ""), *(str(name) for name in data.columns)]
    rows = [
        [name, *(number(one) if isinstance(one, float) else one for one in values)]
        for name, values in zip(data.index, data.astype(object).to_numpy().tolist(), strict=True)
    ]
    return table(heads, rows, caption=caption)


def spoken(data: pd.DataFrame) -> pd.DataFrame:
    """Return a table of ours with its columns in words."""
    return data.rename(columns=lambda name: str(name).replace("_", " "))


def drawn(
    draw: "Callable[[list[Axes]], object]", *, size_in: tuple[float, float], words: str, below: str, columns: int = 1
) -> str:
    """Return a picture that is inside the page, with the words for who does not see it and a line below."""
    figure = Picture(figsize=size_in, dpi=_DOTS_PER_INCH, facecolor="white", layout="constrained")
    draw(list(figure.subplots(1, columns, squeeze=False)[0]))
    data = base64.b64encode(figure.png()).decode("ascii")
    width, height = (round(side * _SHOWN_PER_INCH) for side in size_in)
    image = f'<img src="data:image/png;base64,{data}" alt="{escape(words)}" width="{width}" height="{height}">'
    return f"<figure>{image}<figcaption>{escape(below)}</figcaption></figure>"


def page(card: Card, *, title: str) -> str:
    """Return the whole page of a card: figures and limits first, what was not checked last."""
    tiles = "".join(
        f"<div><span>{text(one.name)}</span><b>{text(one.value)}</b><span>{text(one.beside)}</span></div>"
        for one in card.tiles
    )
    parts = [
        Part("Limits", bullets(card.limits)),
        *card.parts,
        Part("Not checked", bullets(card.unchecked)),
    ]
    warnings = "".join(paragraph(one, kind="failed") for one in card.warnings)
    body = "".join(f'<h2 id="part-{place}">{escape(one.title)}</h2>{one.html}' for place, one in enumerate(parts))
    links = "".join(f'<li><a href="#part-{place}">{escape(one.title)}</a></li>' for place, one in enumerate(parts))
    template = Template(files("wristkit").joinpath("_report.html").read_text(encoding="utf-8"))
    return template.substitute(
        mark=MARK + _STYLE,
        title=text(title),
        bare="",
        contents=f"<nav><details open><summary>Contents</summary><ul>{links}</ul></details></nav>",
        head=f"<header><h1>{text(title)}</h1></header>",
        body=f'<div class="card">{paragraph(card.lead)}{warnings}<div class="tiles">{tiles}</div>{body}</div>',
        source="a report",
        version=__version__,
    )
