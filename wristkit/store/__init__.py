"""What is kept on disk: a recording as a native folder, and its labels in a store that loses no edit."""

from wristkit.store.labels import RATER, LabelStore
from wristkit.store.native import (
    HEADER,
    SCHEMA,
    atomic_write,
    is_native,
    open_native,
    refuse_foreign,
    save,
    verify,
    writing,
)

__all__ = [
    "HEADER",
    "RATER",
    "SCHEMA",
    "LabelStore",
    "atomic_write",
    "is_native",
    "open_native",
    "refuse_foreign",
    "save",
    "verify",
    "writing",
]
