"""Every notebook runs from top to bottom, in a process of its own, and leaves finite figures."""

import json
import math
from pathlib import Path

import pytest

from wristkit import _walk

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("*.ipynb"))


def test_there_are_notebooks():
    assert NOTEBOOKS


@pytest.mark.notebook
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook(notebook, tmp_path):
    assert _walk.parameter_complaint(notebook) is None
    executed, out, log = tmp_path / notebook.name, tmp_path / "out", tmp_path / "papermill.log"
    process = _walk.start(notebook, executed=executed, out=out, log=log)
    try:
        code = process.wait()
    finally:
        if process.poll() is None:
            _walk.stop([process])
    assert code == 0, "{} in code cell {}".format(*_walk.failure(executed, log))
    figures = dict(_numbers(json.loads((out / "metrics.json").read_text())))
    assert figures, "metrics.json holds no figure"
    assert {name: value for name, value in figures.items() if not math.isfinite(value)} == {}


def _numbers(metrics, prefix=""):
    """Yield the name and value of every figure in a nested table."""
    for name, value in metrics.items():
        if isinstance(value, dict):
            yield from _numbers(value, f"{prefix}{name}.")
        elif isinstance(value, (int, float)):
            yield f"{prefix}{name}", value
