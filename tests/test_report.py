"""Executed notebooks as single pages: what is shown, what is told in words, and nothing of what could do harm."""

import base64
import re
import subprocess
import sys

import nbformat
import numpy as np
import pytest
from bs4 import BeautifulSoup, Tag
from tqdm.notebook import tqdm

import wristkit as wk
from wristkit._environment import SetupError
from wristkit._report import report, report_page
from wristkit._safe_html import safe_html
from wristkit.recording import Recording, Stream, label_table

CODE, TEXT, OUTPUT = nbformat.v4.new_code_cell, nbformat.v4.new_markdown_cell, nbformat.v4.new_output
WIDGET = "application/vnd.jupyter.widget-view+json"
VIEW = {"model_id": "a", "version_major": 2, "version_minor": 0}
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
SOURCES = (
    """\
import numpy as np, wristkit as wk
accel = wk.Stream.measured("accel", np.arange(500) / 50, np.zeros((500, 3)))
recording = wk.Recording.of([accel], subject="<b>P01</b>")
recording""",
    "wk.view(recording)",
    "import ipywidgets\nipywidgets.IntSlider(value=3)",
)


TOLD = "; live controls are lines of text in it (code cells 3); it shows errors (code cells 4)"


def write(folder, *cells, name="book"):
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    path = folder / f"{name}.ipynb"
    nbformat.write(nbformat.v4.new_notebook(metadata={"kernelspec": kernel}, cells=list(cells)), path)
    return path


def shown(folder, *outputs, text="# A title"):
    return report_page(write(folder, TEXT(text), CODE("x", outputs=list(outputs))))


def display(data, **metadata):
    return OUTPUT("display_data", data, metadata=metadata)


def command(*arguments, folder):
    call = [sys.executable, "-m", "wristkit", "report", "--no-setup", *map(str, arguments)]
    return subprocess.run(call, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.notebook
def test_a_notebook_is_run_and_its_viewer_is_a_picture(tmp_path, root):
    book = write(tmp_path, TEXT("# A day"), *(CODE(source) for source in SOURCES), CODE("1 / 0"))
    before = book.read_bytes()
    done = command(book, "--run", "--out", tmp_path / "day.html", folder=root)
    assert done.returncode == 1, done.stderr
    assert done.stdout.splitlines() == [
        "wristkit: book failed: code cell 4: ZeroDivisionError: division by zero",
        f"wristkit: look at {tmp_path / 'day.html'} in a browser{TOLD}",
    ]
    page = BeautifulSoup((tmp_path / "day.html").read_text(), "html.parser")
    (picture,) = page.select(".output_area img")
    assert picture["src"].startswith("data:image/png;base64,iVBOR")
    assert picture["alt"].startswith("Viewer(")
    assert page.select_one(".live").text == "A live control (IntSlider): open the notebook to use it."
    assert "ZeroDivisionError" in page.select_one(page.select_one(".failed a")["href"]).text
    assert "papermill" not in page.text
    assert "<b>P01</b>" in page.select_one(".output_html").text
    assert page.select(".output_html svg polyline")
    assert not page.select("script, link[href^=http]")
    assert book.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["book.ipynb", "day.html"]


def test_a_widget_gives_way_to_what_needs_no_kernel(tmp_path):
    page = shown(tmp_path, display({WIDGET: VIEW, "image/png": PNG, "text/plain": 'a "viewer"'}))
    picture = BeautifulSoup(page.html, "html.parser").select_one("main img")
    assert picture["src"] == f"data:image/png;base64,{PNG}"
    assert picture["alt"] == 'a "viewer"'
    page = shown(tmp_path, display({WIDGET: VIEW, "text/html": "<b>table</b>", "text/plain": "T()"}))
    assert "<b>table</b>" in page.html
    assert page.live == []


@pytest.mark.parametrize("total", [4, None])
def test_a_bar_of_work_that_is_done_is_left_out(tmp_path, total):
    bar = tqdm(total=total, desc="training", unit="epoch", display=False)
    page = shown(tmp_path, display({WIDGET: VIEW, "text/plain": repr(bar.container)}), OUTPUT("stream", text="done\n"))
    assert "training" in repr(bar.container)
    assert "training" not in page.html
    assert "live control" not in page.html
    assert page.live == []
    assert "done" in page.html


@pytest.mark.parametrize(
    "data",
    [
        {WIDGET: VIEW},
        {WIDGET: VIEW, "text/plain": "HBox(children=())"},
        {"application/javascript": "alert(1)"},
        {"text/html": "<div id='plot'></div><script>draw()</script>", "text/plain": "<IPython.HTML with children>"},
        {"text/html": "<iframe src='https://example.org'></iframe>", "image/png": "<svg>"},
    ],
)
def test_what_only_a_script_could_show_is_told_in_words(tmp_path, data):
    outputs = [display(data)]
    page = report_page(
        write(tmp_path, CODE("1"), CODE("2", metadata={"tags": ["injected-parameters"]}), CODE("x", outputs=outputs))
    )
    assert re.search(r"A live control( \(HBox\))?: open the notebook to use it", page.html)
    assert page.live == [2]
    assert "children" not in page.html


def test_title_contents_and_text(tmp_path):
    text = "# Über <i>all</i>\n\n## One\n\n$x^2$\n\n## Two & three\n\n### Deep\n\n- [x] done\n\n|a|b|\n|-|-|\n|1|2|"
    page = BeautifulSoup(
        shown(tmp_path, OUTPUT("stream", text="a\n"), OUTPUT("stream", text="b\n"), text=text).html, "html.parser"
    )
    assert page.title.text == "Über all"
    links = page.select("nav a")
    assert [link.text for link in links] == ["One", "Two & three", "Deep"]
    assert [page.find(id=link["href"][1:]).name for link in links] == ["h2", "h2", "h3"]
    assert "$x^2$" in page.main.text
    assert "\N{BALLOT BOX WITH CHECK} done" in page.main.text
    assert page.select(".text_cell_render td")
    assert [one.text for one in page.select(".output_stdout pre")] == ["a\nb\n"]


def test_a_notebook_without_a_heading_has_its_name(tmp_path):
    page = BeautifulSoup(report_page(write(tmp_path, CODE("1"), name="a&b")).html, "html.parser")
    assert (page.title.text, page.h1.text) == ("a&b", "a&b")
    assert page.nav is None


def test_pictures_beside_the_notebook_are_embedded_and_others_named(tmp_path):
    (tmp_path / "dot.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "folder.png").mkdir()
    text = "![dot](dot.svg) ![far](https://example.org/far.png) ![no](none.png) ![text](secret.txt) ![up](../x.png)"
    page = BeautifulSoup(shown(tmp_path, text=text).html, "html.parser")
    assert [picture["src"][:26] for picture in page.select("main img")] == ["data:image/svg+xml;base64,"]
    assert "[a picture that is not in this page: far (https://example.org/far.png)]" in page.main.text
    assert page.main.text.count("a picture that is not in this page") == 4
    held = base64.b64encode(b"secret").decode()
    assert held not in str(page)
    (tmp_path / "link.png").symlink_to(tmp_path.parent / "x.png")
    (tmp_path.parent / "x.png").write_text("secret")
    for address in ("", "folder.png", "link.png", "a%00.png", f"{'a' * 999}.png", "/etc/x.png", "attachment:none.png"):
        page = shown(tmp_path, text=f"![words]({address}) <img src='{address}'>").html
        assert page.count("[a picture that is not in this page: ") == 2, address
        assert held not in page


def test_pictures_within_a_cell_are_found_by_their_names(tmp_path):
    cell = TEXT("![one](<attachment:my pic.png>) ![two](attachment:my%20pic.png) ![three](attachment:gone.png)")
    cell["attachments"] = {"my pic.png": {"image/png": PNG}, "empty.png": {}}
    page = BeautifulSoup(report_page(write(tmp_path, cell)).html, "html.parser")
    assert [picture["alt"] for picture in page.select("main img")] == ["one", "two"]
    assert page.main.text.count("a picture that is not in this page") == 1


def test_what_the_package_shows_of_itself_stays(tmp_path):
    accel = Stream.measured("accel", np.arange(500) / 50, np.random.default_rng(0).normal(size=(500, 3)))
    labels = label_table([(2, 4, "<tap>", "truth", "me")])
    html = Recording.of([accel], labels=labels, subject="P")._repr_html_()
    kept, given = (BeautifulSoup(one, "html.parser") for one in (safe_html(html), html))
    assert kept.text == given.text
    assert [(tag.name, set(tag.attrs)) for tag in kept.find_all()] == [
        (tag.name, set(tag.attrs)) for tag in given.find_all()
    ]
    assert kept.td["style"] == "text-align: left"
    events = wk.samples().head(2)
    assert BeautifulSoup(safe_html(events._repr_html_()), "html.parser").select("table.dataframe tbody th")


HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<img src='https://example.org/x.png'>",
    "<svg onload=alert(1)><script>alert(1)</script><style>*{background:url(https://example.org)}</style></svg>",
    "<svg><use href='https://example.org/x.svg#a'/><image href='https://example.org/x.png'/></svg>",
    "<svg><rect fill='url(https://example.org/x#a)' width='3'/></svg>",
    "<svg><rect fill='\\75rl(https://example.org/x#a)' stroke='u\\72l(https://example.org/y)' width='3'/></svg>",
    "<svg></p><title><a title='</title><img src=x onerror=alert(1)>'>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<a href='java\tscript:alert(1)'>x</a><a href=' data:text/html,<script>alert(1)</script>'>y</a>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe><object data='https://example.org'></object>",
    "<base href='https://example.org/'><meta http-equiv=refresh content='0;url=https://example.org'>",
    "<link rel=stylesheet href='https://example.org/x.css'><link rel=dns-prefetch href='//example.org'>",
    "<style>@import 'https://example.org/x.css';</style>",
    "<div style='background:url(https://example.org/x);position:fixed;color:red'>x</div>",
    "<div style=\"background:u\\72l('https://example.org/x')\">x</div>",
    "<table background='https://example.org/x'><tr><td onclick='alert(1)'>x",
    "<video src='https://example.org/x.mp4' poster='https://example.org/x.png' autoplay></video>",
    "<form action='https://example.org'><input name=a autofocus onfocus=alert(1)></form>",
    "<!--><img src=x onerror=alert(1)>-->",
    "<![CDATA[<img src=x onerror=alert(1)>]]>",
    "</pre></div></div></main></body><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
]
KINDS = (
    *("text/html", "text/markdown", "text/plain", "text/latex", "image/png", "image/svg+xml", "text/vnd.mermaid"),
    *("stream", "error"),
)
_HARM = re.compile(r"on\w+|action|background|formaction|poster|srcdoc|srcset|data|http-equiv|autoplay|xlink:href")


def harmful(html):
    """Return what of a page a browser would run, fetch, or give to somebody."""
    for tag in BeautifulSoup(html, "html.parser").find_all():
        if tag.name in {"script", "iframe", "object", "form", "input", "base", "use", "image", "style", "meta", "link"}:
            yield str(tag)
        for name, value in tag.attrs.items():
            if name in {"fill", "stroke"} and not re.fullmatch(r"[\w#]+", value):
                yield f"{tag.name} {name}={value}"
            if _HARM.fullmatch(name) or "url(" in value or (name == "src" and not value.startswith("data:")):
                yield f"{tag.name} {name}={value}"
            if name == "href" and not value.startswith(("#", "https:")):
                yield f"{tag.name} {name}={value}"
            if name == "style" and value != "color: red":
                yield f"{tag.name} {name}={value}"


def hostile_notebook(folder):
    """Write a notebook that does what it can, everywhere in it."""
    outputs = [
        OUTPUT("error", ename=one, evalue=one, traceback=[one])
        if kind == "error"
        else OUTPUT("stream", text=one, name="stderr")
        if kind == "stream"
        else display({kind: one}, **{kind: {"width": one, "height": one, "isolated": True, "alt": one}})
        for one in HOSTILE
        for kind in KINDS
    ]
    cells = [CODE(one, metadata={"tags": [one.replace(",", ";")], "alt": one}) for one in HOSTILE] + [
        TEXT(one) for one in HOSTILE
    ]
    cells += [TEXT(f"## {one}") for one in HOSTILE] + [TEXT(f"```mermaid\n{one}\n```") for one in HOSTILE]
    return write(
        folder,
        TEXT(f"# {HOSTILE[0]} {HOSTILE[-1]}"),
        *cells,
        nbformat.v4.new_raw_cell(HOSTILE[1]),
        CODE("x", outputs=outputs),
    )


@pytest.mark.parametrize("html", HOSTILE)
def test_what_could_do_harm_is_gone(html):
    assert list(harmful(safe_html(html))) == []
    assert "<!" not in safe_html(html)
    assert safe_html(safe_html(html)) == safe_html(html)


def test_nothing_of_a_hostile_notebook_gets_into_the_page(tmp_path):
    page = report_page(hostile_notebook(tmp_path)).html
    own = BeautifulSoup(page, "html.parser")
    assert list(harmful(str(own.body))) == []
    assert len(own.select("body > .page > main > footer")) == 1  # nothing was closed that it did not open
    assert own.title.find(True) is None
    head = page[: page.index("<body>")]
    assert "default-src 'none'" in head
    assert 'http-equiv="x-dns-prefetch-control" content="off"' in head  # no policy keeps names of links from it
    assert not re.search(r"<script|<link(?! rel=\"icon\")|@import|url\(|https?:", head)


def test_only_an_earlier_page_is_replaced(tmp_path, capsys):
    book = write(tmp_path, CODE("x", outputs=[display({"text/plain": "first"})]))
    assert report(book, out=None, run=False) == 0
    assert capsys.readouterr().out == f"wristkit: look at {tmp_path / 'book.html'} in a browser\n"
    write(tmp_path, CODE("x", outputs=[display({"text/plain": "second"})]))
    report(book, out=None, run=False)
    assert "second" in (tmp_path / "book.html").read_text()
    (tmp_path / "book.html").write_text("<html>mine</html>")
    for out in (None, book, tmp_path):
        with pytest.raises(SetupError, match=r"no report of this command\. Remedy: name another file by --out FILE"):
            report(book, out=out, run=False)
    assert (tmp_path / "book.html").read_text() == "<html>mine</html>"
    with pytest.raises(SetupError, match=r"there is no folder .*none\. Remedy: make it"):
        report(book, out=tmp_path / "none" / "x.html", run=False)


def test_a_notebook_that_was_not_run_is_refused_with_the_cure(tmp_path, root):
    done = command(write(tmp_path, CODE("1")), folder=root)
    assert done.returncode == 2
    assert (
        done.stderr
        == "wristkit: book.ipynb has no outputs. Remedy: run and save it, or add --run to run a copy of it.\n"
    )
    assert not (tmp_path / "book.html").exists()


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "nope", '{"cells": 3, "nbformat": 4, "nbformat_minor": 5, "metadata": {}}', "\xff"]
)
def test_what_is_no_notebook_is_refused(tmp_path, text):
    path = tmp_path / "x.ipynb"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(SetupError, match=r"x\.ipynb is no notebook"):
        report(path, out=None, run=False)
    with pytest.raises(SetupError, match="there is no notebook"):
        report(tmp_path / "none.ipynb", out=None, run=False)


@pytest.mark.notebook
def test_half_characters_and_deep_nesting_are_shown_or_refused(tmp_path):
    half = '{"cells": [%s], "metadata": {}, "nbformat": 4, "nbformat_minor": 4}'
    output = '{"output_type": "display_data", "metadata": {}, "data": {"image/svg+xml": "<svg>\\ud800</svg>"}}'
    cell = f'{{"cell_type": "code", "metadata": {{}}, "source": "", "execution_count": 1, "outputs": [{output}]}}'
    (tmp_path / "half.ipynb").write_text(half % cell)
    assert "data:image/svg+xml;base64," in report_page(tmp_path / "half.ipynb").html
    (tmp_path / "deep.ipynb").write_text('{"cells": ' + "[" * 99_999)
    with pytest.raises(SetupError, match="is no notebook"):
        report_page(tmp_path / "deep.ipynb")


def test_what_is_not_kept_costs_no_more_beside_many(monkeypatch):
    looked = []
    index = Tag.index
    monkeypatch.setattr(Tag, "index", lambda tag, child: looked.append(child) or index(tag, child))
    assert safe_html("<font>x</font>" * 50) == "x" * 50
    assert not looked


def test_a_run_that_gets_nowhere_says_why(tmp_path):
    book = write(tmp_path, CODE("1"))
    book.write_text(book.read_text().replace('"cells"', '"cellz"'))
    with pytest.raises(SetupError, match=r"book\.ipynb does not run: .*cells.* Remedy: open it in JupyterLab"):
        report(book, out=None, run=True)
    assert [path.name for path in tmp_path.iterdir()] == ["book.ipynb"]
