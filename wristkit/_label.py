"""A notebook in which one recording is labelled, beside its file."""

from __future__ import annotations

import hashlib
import json
import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_LONGEST_STEM = 50  # characters of four bytes at most; a file name has 255, and more is put around the stem
_ABOUT = """# Labels of {shown}

Hold Shift and drag to draw a label, press ? for all keys. Each edit is on disk at once, in `{store}`.
"""
_CELLS = (
    """import wristkit as wk

recording = wk.load({name})
recording""",
    """store = wk.LabelStore({store}, recording=recording)
if store.revision == 0:
    store.add_table(recording.labels, labelled=recording.labelled)  # what the file itself says
wk.view(recording, labels=store)""",
    """labelled = store.apply(recording)  # for wk.windows
labelled.labels""",
)


def label_notebook(path: Path) -> Path:
    """Return the notebook in which a recording is labelled; one that is there already stays as it is."""
    stem = re.sub(r"[^\w.-]+", "_", path.name)[:_LONGEST_STEM]
    if stem != path.name:  # "day 1.csv" and "day_1.csv" get a notebook and a store each
        stem += f"_{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:6]}"
    notebook = path.parent / f"label_{stem}.ipynb"
    if notebook.exists():
        return notebook
    import nbformat

    from wristkit.store import atomic_write

    store = f"{stem}.labels.sqlite"
    shown = re.sub(r"[^\w .,()-]", "?", path.name)
    fields = {"name": json.dumps(path.name), "store": json.dumps(store)}
    book = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_markdown_cell(_ABOUT.format(shown=shown, store=store)),
            *(nbformat.v4.new_code_cell(cell.format(**fields)) for cell in _CELLS),
        ]
    )
    book.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    atomic_write(notebook, lambda file: file.write(nbformat.writes(book).encode()))
    return notebook
