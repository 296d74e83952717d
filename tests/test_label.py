"""The notebook in which a recording is labelled: written once, beside the file, and it runs."""

import json
import subprocess
import sys

import nbformat
import numpy as np
import papermill
import pytest

import wristkit as wk
from tests.formats import table
from wristkit._label import label_notebook
from wristkit.recording import Recording, Stream, label_table
from wristkit.store import save


def command(*arguments, folder):
    call = [sys.executable, "-m", "wristkit", "label", "--no-setup", *map(str, arguments)]
    return subprocess.run(call, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.notebook
def test_it_is_written_beside_the_file_and_runs(tmp_path, root):
    time_s = np.arange(0, 20, 0.02)
    values = np.random.default_rng(0).normal([0, 0, -1], 0.02, (len(time_s), 3))
    labels = label_table([(2, 4, "tap", "truth", "me")])
    accel, looked_at = Stream.measured("accel", time_s, values), {"truth": [[0, 15]]}
    save(Recording.of([accel], labels=labels, labelled=looked_at), tmp_path / "a day's walk")
    done = command(tmp_path / "a day's walk", "--write-only", folder=root)
    assert done.returncode == 0, done.stderr
    (notebook,) = tmp_path.glob("label_a_day_s_walk_*.ipynb")
    assert done.stdout.strip() == str(notebook)
    papermill.execute_notebook(str(notebook), str(tmp_path / "done.ipynb"), cwd=str(tmp_path), progress_bar=False)
    cells = nbformat.read(tmp_path / "done.ipynb", as_version=4).cells
    assert "image/png" in cells[2].outputs[0].data
    assert "tap" in cells[3].outputs[0].data["text/plain"]
    (path,) = tmp_path.glob("a_day_s_walk_*.labels.sqlite")
    with wk.LabelStore(path) as store:
        assert store.table()["label"].tolist() == ["tap"]
        assert store.labelled()["truth"].tolist() == [[0, 15]]  # or all silence in it would be lost


def test_each_file_has_a_notebook_and_a_store_of_its_own(tmp_path):
    names = ("day 1.csv", "day_1.csv", "day  1.csv", f"{'d' * 250}.csv", f"{'d' * 249}e.csv")
    notebooks = []
    for name in names:
        (tmp_path / name).write_text("")
        notebooks.append(label_notebook(tmp_path / name))
        assert f"wk.load({json.dumps(name)})" in notebooks[-1].read_text().replace('\\"', '"')
    assert len(set(notebooks)) == len(names)
    assert notebooks[1].name == "label_day_1.csv.ipynb"


def test_a_notebook_that_is_there_stays_as_it_is(tmp_path):
    path = table.write(tmp_path)
    notebook = label_notebook(path)
    notebook.write_text("mine")
    assert label_notebook(path) == notebook
    assert notebook.read_text() == "mine"


def test_a_hostile_name_is_text(tmp_path):
    path = tmp_path / 'x"); import os; os.remove("y") # <img>.csv'
    path.write_text("")
    cells = nbformat.read(label_notebook(path), as_version=4).cells
    assert f"wk.load({json.dumps(path.name)})" in cells[1].source
    assert "<img>" not in cells[0].source
    for cell in cells[1:]:
        compile(cell.source, "cell", "exec")


def test_a_file_that_is_not_there_is_named(tmp_path, root):
    done = command(tmp_path / "none.csv", folder=root)
    assert done.returncode == 1
    assert "there is no file" in done.stderr
    assert not list(tmp_path.iterdir())
