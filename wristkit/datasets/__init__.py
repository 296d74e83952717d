"""Recordings to start with: bundled samples, and public sets by catalogue, download and reader.

Nothing here asks the network for anything but ``fetch``.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from wristkit.datasets import broad, capture24, dalia, esc, oxford, pamap2, spsw, uci_har, uwash, wisdm
from wristkit.datasets.bundled import sample, sample_file, samples
from wristkit.datasets.catalogue import PublicSet, RemoteFile, catalogue, described, listed, public_set
from wristkit.datasets.fetch import fetch, verify
from wristkit.recording import Recording

__all__ = [
    "PublicSet",
    "RemoteFile",
    "catalogue",
    "described",
    "fetch",
    "listed",
    "public_set",
    "recordings",
    "sample",
    "sample_file",
    "samples",
    "verify",
]

_READERS: Mapping[str, Callable[[Path], Iterator[Recording]]] = MappingProxyType(
    {
        "spsw": spsw.read,
        "uwash": uwash.read,
        "broad": broad.read,
        "oxford_steps": oxford.read,
        "esc10": esc.read_ten,
        "esc50": esc.read_fifty,
        "uci_har": uci_har.read,
        "pamap2": pamap2.read,
        "wisdm": wisdm.read,
        "capture24": capture24.read,
        "ppg_dalia": dalia.read,
    }
)


def recordings(name: str, folder: str | Path) -> Iterator[Recording]:
    """Return an iterator over the recordings of a public set, one device each, in the order of their files.

    Parameters
    ----------
    name
        A name in ``catalogue()``, whose row names the repairs that are made and the traps that stay.
    folder
        The folder that ``fetch`` returned, or any other that holds the set's files, packed by gzip or not.

    Raises
    ------
    ValueError
        For an unknown name, with the names there are.
    RecordingError
        With file and row where a file is not what it should be, and code ``no_files`` where there is none.
    """
    return _READERS[public_set(name).name](Path(folder))
