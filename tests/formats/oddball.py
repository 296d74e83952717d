"""A format that another package brings: a table whose first cell says so."""

import numpy as np

from wristkit.load.gather import Gathered, Track
from wristkit.recording.hashing import hash_of


def recognises(path):
    """Return whether the file says that it is one."""
    return path.is_file() and path.read_bytes().startswith(b"oddball")


def read(path, request):
    """Return two samples."""
    track = Track("own", np.zeros((2, 1)), np.array([0, 10**9]), channels=("a",), unit="1")
    source = {"format": "oddball", "file": path.name, "content_hash": hash_of(path.read_bytes())}
    return Gathered([track], clock="none", source=source)
