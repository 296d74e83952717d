"""A notebook in which one recording is labelled, beside its file."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_ABOUT = """# Labels of {shown}

Hold Shift and drag to draw a label, press ? for all keys. Each edit is on disk at once, in `{store}`.
"""
_CELLS = (
    """import wristkit as wk

recording = wk.load({name})
recording""",
    """store = wk.LabelStore({store}, recording=recording)
if store.revision == 0:
    store.add_table(recording.labels)  # what the file itself says
wk.view(recording, labels=store)""",
    """labelled = store.apply(recording)  # for wk.windows
labelled.labels""",
)


def label_notebook(path: Path) -> Path:
    """Return the notebook in which a recording is labelled; one that is there already stays as it is."""
    stem = re.sub(r"[^\w.-]+", "_", path.name)
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
