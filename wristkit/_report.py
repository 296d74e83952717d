"""An executed notebook as one page that needs nothing else: pictures inside, no scripts, nothing to fetch.

What a notebook shows may come from data, so each piece of its HTML passes ``safe_html``, and the page's own policy
allows neither scripts nor requests. What only a script could draw is told in words: live controls, and formulas, which
stay TeX. A table's own style sheet, such as pandas' Styler writes, is left out.
"""

from __future__ import annotations

import base64
import re
import tempfile
from dataclasses import dataclass
from functools import partial
from html import escape
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING
from urllib.parse import unquote

import wristkit
from wristkit._environment import SetupError
from wristkit._safe_html import parsed, safe_html

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bs4 import Tag
    from jinja2.runtime import Context
    from nbformat import NotebookNode

_MARK = '<meta name="generator" content="wristkit report">'  # a file without it is somebody's own
_MARK_WITHIN_BYTES = 1000
_WIDGET = "application/vnd.jupyter.widget-view+json"
_PICTURES = ("image/svg+xml", "image/png", "image/jpeg", "image/gif", "image/webp")
# a picture first: what stands beside it may need a script or, as TeX does, a library
_STATIC = (*_PICTURES, "text/html", "text/markdown", "text/latex", "text/plain")
_KIND_OF_FILE = {
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
}
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_BASE64 = re.compile(r"[A-Za-z0-9+/=\s]+")
_SCRIPTED = re.compile(r"<(?:script|iframe|object|embed)\b", re.IGNORECASE)
_PROGRESS = re.compile(r"\[\d+:\d\d[<,]")  # of tqdm: time spent, and what is left or how fast it goes
_FEWEST_CONTENTS = 3
_PAPERMILLS_NOTE = "papermill-error-cell-tag"
_ERROR_NOTE = '<p class="failed"><a href="#error">A cell of this notebook ended in an error.</a></p>'
_LONGEST_ALT = 300


@dataclass(frozen=True, kw_only=True)
class Page:
    """A page, and the code cells (from 1) whose live controls it can only name, and that ended in an error."""

    html: str
    live: Sequence[int]
    failed: Sequence[int]


def report(notebook: Path, *, out: Path | None, run: bool) -> int:
    """Write the page of a notebook beside it or to ``out``, say where, and return 0, or 1 if it was run and failed."""
    if not notebook.is_file():
        raise SetupError(f"there is no notebook {notebook}", remedy="name an .ipynb file")
    out = notebook.with_suffix(".html") if out is None else out
    refuse_foreign(out)
    if not run and not any(cell.get("outputs") for cell in _read(notebook).cells):
        raise SetupError(f"{notebook.name} has no outputs", remedy="run and save it, or add --run to run a copy of it")
    with tempfile.TemporaryDirectory() as folder:
        copy, error = executed(notebook, Path(folder)) if run else (notebook, None)
        page = report_page(copy, named=notebook)
    from wristkit.store import atomic_write

    atomic_write(out, lambda file: file.write(page.html.encode("utf-8", errors="replace")))
    if error is not None:
        print(f"wristkit: {notebook.stem} failed: {' '.join(error.split())[:400]}")
    print(f"wristkit: look at {out} in a browser{_remarks(page)}")
    return int(error is not None)


def refuse_foreign(out: Path) -> None:
    """Raise SetupError where a page cannot be written without harm: only an earlier page is ever replaced."""
    if not out.parent.is_dir():
        raise SetupError(f"there is no folder {out.parent}", remedy="make it, or name another file by --out FILE")
    if not out.exists():
        return
    if out.is_file():
        with out.open("rb") as file:
            if _MARK.encode() in file.read(_MARK_WITHIN_BYTES):
                return
    raise SetupError(
        f"{out} is there already and is no report of this command", remedy="name another file by --out FILE"
    )


def executed(notebook: Path, folder: Path) -> tuple[Path, str | None]:
    """Run a copy of a notebook, beside its neighbours and with its own parameters, and return it and its error."""
    from wristkit import _walk

    copy, log = folder / notebook.name, folder / "papermill.log"
    process = _walk.start(notebook.resolve(), executed=copy, out=None, log=log)
    try:
        process.wait()
    finally:
        if process.poll() is None:
            _walk.stop([process])
    if process.returncode == 0:
        return copy, None
    error, cell = _walk.failure(copy, log)
    if cell is None:
        raise SetupError(f"{notebook.name} does not run: {error}", remedy="open it in JupyterLab and run it there")
    return copy, f"code cell {cell}: {error}"


def report_page(notebook: Path, *, named: Path | None = None) -> Page:
    """Return the page of an executed notebook; ``named`` is what it is a copy of, and has its pictures beside it."""
    from jinja2 import pass_context
    from nbconvert import HTMLExporter
    from nbconvert.preprocessors import CoalesceStreamsPreprocessor

    named = notebook if named is None else named
    exporter = HTMLExporter(
        template_name="basic",  # the cells alone: no head, no scripts
        sanitize_html=True,
        exclude_input_prompt=True,
        exclude_output_prompt=True,
    )
    exporter.register_filter("markdown2html", pass_context(_html_of_markdown))
    exporter.register_filter("clean_html", partial(_clean_html, folder=named.resolve().parent))
    exporter.register_preprocessor(CoalesceStreamsPreprocessor, enabled=True)  # what is printed in pieces is one text
    shown, live, failed = _shown(_read(notebook))
    body, _ = exporter.from_notebook_node(shown, {"metadata": {"name": named.stem}})
    return Page(html=_filled(body, named), live=live, failed=failed)


class _Attachments(dict[str, "dict[str, str]"]):
    """Pictures in a cell by name; one that is not there is nothing, where nbconvert would give up the whole page."""

    def __contains__(self, name: object) -> bool:
        return True

    def __missing__(self, name: str) -> dict[str, str]:
        return self.get(unquote(name)) or {"nothing": ""}


def _html_of_markdown(context: Context, source: str) -> str:
    """Return the HTML of a cell's text, which is not safe yet."""
    from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

    held = context.get("cell", {}).get("attachments", {})
    pictures = _Attachments({name: kinds for name, kinds in held.items() if kinds})
    html: str = MarkdownWithMath(renderer=IPythonRenderer(escape=False, attachments=pictures)).render(source)
    return html


def _clean_html(html: str, *, folder: Path) -> str:
    """Return HTML that is safe, with the pictures that lie beside the notebook, or in a folder there, in it."""
    if "<img" not in html.lower():
        return safe_html(html)
    tree = parsed(html)
    for image in tree.find_all("img", src=True):
        if (picture := _beside(folder, str(image["src"]))) is not None:
            image["src"] = picture
    return safe_html(tree)


def _beside(folder: Path, address: str) -> str | None:
    """Return a picture of a folder as an address that holds it; None for what is elsewhere, or no picture."""
    kind = _KIND_OF_FILE.get(Path(address).suffix.lower())
    if kind is None or _SCHEME.match(address):
        return None
    try:
        place = (folder / unquote(address)).resolve()
        if not (place.is_relative_to(folder) and place.is_file()):
            return None
        return f"data:{kind};base64,{base64.b64encode(place.read_bytes()).decode('ascii')}"
    except (OSError, ValueError):  # no name that a file could have, or one that may not be read
        return None


def _read(notebook: Path) -> NotebookNode:
    import nbformat

    try:
        book: NotebookNode = nbformat.read(notebook, as_version=4)
        nbformat.validate(book)
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError, nbformat.ValidationError) as error:
        said = str(error).splitlines()[0]
        raise SetupError(f"{notebook.name} is no notebook: {said}", remedy="name an .ipynb file that opens") from error
    return book


def _shown(book: NotebookNode) -> tuple[NotebookNode, list[int], list[int]]:
    """Return what a page shows, made anew, and the numbers of the code cells with live controls and with errors."""
    from nbformat import v4

    cells: list[NotebookNode] = []
    live: list[int] = []
    failed: list[int] = []
    code = 0
    for cell in book.cells:
        tags = cell.metadata.get("tags", [])
        if _PAPERMILLS_NOTE in tags:  # it points to a number that the page does not show
            continue
        if cell.cell_type == "code":
            code += "injected-parameters" not in tags
            outputs = [_static(output) for output in cell.outputs if not _is_progress(output)]
            cells.append(v4.new_code_cell(cell.source, outputs=outputs))
            live += [code] * any("live" in output.get("metadata", {}) for output in outputs)
            failed += [code] * any(output.output_type == "error" for output in outputs)
        elif cell.cell_type == "markdown":
            cells.append(v4.new_markdown_cell(cell.source, attachments=cell.get("attachments", {})))
        else:
            cells.append(v4.new_raw_cell(cell.source))
    return v4.new_notebook(cells=cells, metadata={"language_info": {"name": "ipython3"}}), live, failed


def _is_progress(output: NotebookNode) -> bool:
    """Return whether an output is a widget that showed how far some work had come, of which only the start is kept."""
    data = output.get("data", {})
    return _WIDGET in data and _PROGRESS.search(data.get("text/plain", "")) is not None


def _static(output: NotebookNode) -> NotebookNode:
    """Return an output as the one kind of it that is shown; where only a script could show it, as words."""
    if "data" not in output:
        return output
    data = {kind: output.data[kind] for kind in _STATIC if kind in output.data}
    text = data.get("text/plain", "")
    scripted = _is_script(data.get("text/html", ""))
    if scripted or _WIDGET in output.data:  # their text names them, and shows nothing
        data.pop("text/plain", None)
    for kind, content in data.items():
        if kind in _PICTURES:
            if picture := _picture(kind, content, output.metadata.get(kind), alt=text):
                return _display("text/html", picture)
        elif kind != "text/html" or not scripted:
            return _display(kind, content)
    return _display("text/html", _live_line(text), live=True)


def _display(kind: str, content: str, **metadata: bool) -> NotebookNode:
    from nbformat import NotebookNode

    return NotebookNode(output_type="display_data", data=NotebookNode({kind: content}), metadata=NotebookNode(metadata))


def _picture(kind: str, content: str, told: object, *, alt: str) -> str | None:
    """Return a picture, of the size that it is told to have; None for one that is no picture."""
    if kind == "image/svg+xml":
        content = base64.b64encode(content.encode(errors="replace")).decode("ascii")
    elif not _BASE64.fullmatch(content):
        return None
    sizes = told if isinstance(told, dict) else {}
    size = " ".join(f'{name}="{sizes[name]}"' for name in ("width", "height") if isinstance(sizes.get(name), int))
    shown = escape("figure" if alt.startswith("<") else alt[:_LONGEST_ALT])
    return f'<img src="data:{kind};base64,{"".join(content.split())}" alt="{shown}" {size}>'


def _is_script(html: str) -> bool:
    """Return whether nothing is left of HTML but what its script would have drawn."""
    if not _SCRIPTED.search(html):
        return False
    tree = parsed(safe_html(html))
    return not tree.get_text().strip() and tree.find(["img", "svg", "audio", "video"]) is None


def _live_line(text: str) -> str:
    name = re.match(r"\w+(?=\()", text)
    return f'<p class="live">A live control{f" ({name[0]})" if name else ""}: open the notebook to use it.</p>'


def _filled(body: str, notebook: Path) -> str:
    """Return the whole page: a body between a title, a list of its headings and where it comes from."""
    tree = parsed(body)
    headings = tree.select(".text_cell_render :is(h1, h2, h3)")
    for number, heading in enumerate(headings):
        heading["id"] = heading.get("id") or f"part-{number}"
    title = _heading_text(headings[0]) if headings else notebook.stem
    head = "" if headings else f"<header><h1>{escape(title)}</h1></header>"
    if (error := tree.select_one(".output_error")) is not None:
        error["id"] = "error"
        head = _ERROR_NOTE + head
    contents = _contents(headings[1:])
    template = Template((Path(__file__).parent / "_report.html").read_text(encoding="utf-8"))
    return template.substitute(
        mark=_MARK,
        title=escape(title),
        bare="" if contents else " bare",
        contents=contents,
        head=head,
        body=str(tree),
        source=escape(notebook.name),
        version=wristkit.__version__,
    )


def _contents(headings: Sequence[Tag]) -> str:
    if len(headings) < _FEWEST_CONTENTS:
        return ""
    named = [(heading.name[1], escape(str(heading["id"])), escape(_heading_text(heading))) for heading in headings]
    listed = "".join(f'<li class="level{level}"><a href="#{place}">{text}</a></li>' for level, place, text in named)
    return f"<nav><details open><summary>Contents</summary><ul>{listed}</ul></details></nav>"


def _heading_text(heading: Tag) -> str:
    return " ".join(heading.get_text().removesuffix("\N{PILCROW SIGN}").split())


def _remarks(page: Page) -> str:
    parts = []
    if page.live:
        parts.append(f"live controls are lines of text in it (code cells {', '.join(map(str, page.live))})")
    if page.failed:
        parts.append(f"it shows errors (code cells {', '.join(map(str, page.failed))})")
    return "".join(f"; {part}" for part in parts)
