"""The walk on small notebooks, through real kernels; and the pages that it writes."""

import base64
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

from wristkit import _walk
from wristkit._environment import SetupError

CODE, TEXT = nbformat.v4.new_code_cell, nbformat.v4.new_markdown_cell
OUT = 'out: str = "../runs/x"  # folder for what this notebook writes'
FINISH = """\
import json, os, pathlib
folder = pathlib.Path(out)
(folder / "net.mlpackage").mkdir()
(folder / "net.mlpackage" / "Manifest.json").write_text("{}")
(folder / "metrics.json").write_text(json.dumps({"f1": 0.912345, "threads": os.environ["OMP_NUM_THREADS"]}))
"""
PICTURE = """\
import base64
from IPython.display import display
png = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
display({"image/png": png, "text/plain": "a dot"}, raw=True)
"""


def write(folder, name, *cells):
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": kernel}, cells=list(cells))
    folder.mkdir(exist_ok=True)
    nbformat.write(notebook, folder / f"{name}.ipynb")
    return folder / f"{name}.ipynb"


def parameters(*lines):
    return CODE("\n".join(lines), metadata={"tags": ["parameters"]})


@pytest.fixture(scope="module")
def walked(tmp_path_factory):
    """Return the folder, the exit code and the words of one walk over a good notebook and three that fail."""
    base = tmp_path_factory.mktemp("walk")
    books = base / "notebooks"
    title = TEXT("# A <b>first</b> look\n\nWhat is *seen* in `it` ([more](x)).\n\nNot this: [on](01_raises.ipynb).")
    write(books, "00_good", title, parameters(OUT), CODE(PICTURE), CODE(FINISH))
    write(books, "01_raises", parameters(OUT), CODE("1 / 1"), CODE("raise ValueError('<script>alert(1)</script>')"))
    write(books, "02_dies", parameters(OUT), CODE("import os\nos.kill(os.getpid(), 9)"))
    write(books, "03_good_too", parameters(OUT), CODE(FINISH))
    write(books, "04_deaf", parameters("rate_hz: int = 50"), CODE("1"))
    write(books, "05_no_figures", parameters(OUT))
    command = [sys.executable, "-m", "wristkit", "walk", "--no-setup", "--notebooks", books, "--out", base / "out"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(_walk.__file__).parent.parent)
    return base / "out", done.returncode, done.stdout + done.stderr


def test_a_failure_stops_nothing_and_is_named_with_its_cell(walked):
    _, code, words = walked
    assert code == 1
    assert "wristkit: 01_raises failed in code cell 3: ValueError: <script>" in words
    assert "wristkit: 02_dies failed in code cell 2: nbclient.exceptions.DeadKernelError" in words, words
    assert "wristkit: 04_deaf failed: no parameter `out: str`" in words
    assert "wristkit: 05_no_figures failed: it left no readable metrics.json" in words, words
    assert words.count(" done after ") == 2
    assert "python3 -m wristkit lab" in words
    assert "index.html" in words


def test_what_was_made_lies_at_hand(walked):
    out, _, _ = walked
    made = {"f1": 0.912345, "threads": "1"}
    assert json.loads((out / "metrics.json").read_text()) == {"00_good": made, "03_good_too": made}
    models = sorted(path.name for path in out.glob("*.mlpackage"))
    assert models in (["00_good_net.mlpackage", "net.mlpackage"], ["03_good_too_net.mlpackage", "net.mlpackage"])
    assert all((out / model / "Manifest.json").is_file() for model in models)
    for name in ("00_good", "01_raises", "02_dies", "03_good_too"):
        assert nbformat.read(out / f"{name}.ipynb", as_version=4).cells
        assert (out / f"{name}.html").is_file()
    assert not (out / "00_good.log").exists()


def test_what_is_shown_around_names_no_folder_of_the_machine(walked):
    out, _, _ = walked
    shown = [*out.glob("*.ipynb"), *out.glob("*.html"), out / "metrics.json"]
    assert len(shown) >= 8
    assert [path.name for path in shown if str(out.parent) in path.read_text(encoding="utf-8")] == []


def test_the_gallery_opens_without_a_network_and_escapes_everything(walked):
    out, _, _ = walked
    page = (out / "index.html").read_text()
    assert "A &lt;b&gt;first&lt;/b&gt; look" in page
    assert "What is seen in it (more)." in page
    assert "Not this" not in page
    assert "<dt>f1</dt><dd>0.9123</dd>" in page
    assert 'src="data:image/png;base64,iVBOR' in page
    assert "&lt;script&gt;alert(1)" in page
    assert '<a href="01_raises.html">on</a>' in (out / "00_good.html").read_text()  # from page to page
    for text in (page, (out / "00_good.html").read_text(), (out / "01_raises.html").read_text()):
        assert "<script" not in text
        assert 'src="http' not in text
        assert "@import" not in text


def test_another_walk_over_one_notebook_keeps_the_others(walked, tmp_path, monkeypatch):
    out, _, _ = walked
    copy = tmp_path / "out"
    subprocess.run(["cp", "-r", out, copy], check=True)
    (copy / "mine.txt").write_text("kept")
    books = tmp_path / "notebooks"
    write(books, "01_raises", parameters("rate_hz: int = 50"))
    assert _walk.walk(books, out=copy, names=["01_raises"]) == 1
    assert not (copy / "01_raises.ipynb").exists()
    assert (copy / "00_good.html").exists()
    assert "A &lt;b&gt;first" in (copy / "index.html").read_text()
    assert _walk.walk(books, out=copy, names=[]) == 1
    assert not (copy / "00_good.html").exists()
    assert not list(copy.glob("*.mlpackage"))
    assert (copy / "mine.txt").read_text() == "kept"


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    write(tmp_path / "notebooks", "00_x", parameters(OUT))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "precious").write_text("mine")
    with pytest.raises(SetupError, match="something else"):
        _walk.walk(tmp_path / "notebooks", out=tmp_path / "out", names=[])
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["precious"]


@pytest.mark.parametrize(
    ("names", "said"), [(["01_tour"], r"no notebook '01_tour' .* did you mean 00_tour\?"), (["zzz"], "did you mean")]
)
def test_an_unknown_notebook_is_answered_with_the_nearest(tmp_path, names, said):
    write(tmp_path / "n", "00_tour", parameters(OUT))
    assert _walk.find_notebooks(tmp_path / "n", ["00_tour.ipynb"]) == [tmp_path / "n" / "00_tour.ipynb"]
    with pytest.raises(SetupError, match=said):
        _walk.find_notebooks(tmp_path / "n", names)


@pytest.mark.parametrize("folder", ["empty", "absent"])
def test_no_notebooks_is_one_line(tmp_path, folder):
    (tmp_path / "empty").mkdir()
    with pytest.raises(SetupError, match=r"no notebooks in .*--notebooks"):
        _walk.find_notebooks(tmp_path / folder, [])


# Who runs the tests in the background of a shell has Ctrl-C ignored, and children take that over.
HEEDS_CTRL_C = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from wristkit.__main__ import main
sys.exit(main())
"""


def test_an_interrupted_walk_leaves_no_process_behind(tmp_path):
    import psutil

    books = tmp_path / "notebooks"
    wait = 'import os, pathlib, time\npathlib.Path(out, "pid").write_text(str(os.getpid()))\ntime.sleep(60)'
    write(books, "00_waits", parameters(OUT), CODE(wait))
    command = [
        sys.executable,
        "-c",
        HEEDS_CTRL_C,
        "walk",
        "--no-setup",
        "--notebooks",
        books,
        "--out",
        tmp_path / "out",
    ]
    root = Path(_walk.__file__).parent.parent
    process = subprocess.Popen(command, cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    note = tmp_path / "out" / "00_waits" / "pid"
    while process.poll() is None and not (note.exists() and note.read_text()):
        time.sleep(0.05)
    below = psutil.Process(process.pid).children(recursive=True)
    assert int(note.read_text()) in {child.pid for child in below}
    os.kill(process.pid, signal.SIGINT)
    try:
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert errors == "\nwristkit: stopped; the same command goes on or starts again\n"
    assert psutil.wait_procs(below, timeout=30)[1] == []


def test_pictures_of_every_kind_are_found(tmp_path):
    outputs = [
        nbformat.v4.new_output("display_data", {"image/svg+xml": "<svg/>"}),
        nbformat.v4.new_output("display_data", {"image/jpeg": "AAAA\n"}),
        nbformat.v4.new_output("stream", text="no picture"),
    ]
    path = write(tmp_path, "p", CODE("x", outputs=outputs))
    svg = base64.b64encode(b"<svg/>").decode()
    assert _walk._pictures(path) == [f"data:image/svg+xml;base64,{svg}", "data:image/jpeg;base64,AAAA"]


def test_nested_figures_are_flattened():
    assert list(_walk._flat({"a": {"b": 0.123456, "c": 7}, "d": "x"})) == [("a.b", "0.1235"), ("a.c", "7"), ("d", "x")]
