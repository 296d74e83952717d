"""ActiGraph ``.gt3x``: a zip of info.txt and log.bin with its records, or activity.bin and lux.bin of old firmware."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from wristkit.errors import NotThisFormatError, RecordingError
from wristkit.load.actigraph_info import INFO, LOG, OLD, OLD_LIGHT, Info, chunks_of
from wristkit.load.actigraph_log import read_log
from wristkit.load.actigraph_old import read_old
from wristkit.load.gather import Gathered, Request, source_of
from wristkit.load.members import Members, find_members, is_zip
from wristkit.recording.hashing import ContentHash, hash_of_file, hash_of_parts

_MOST_INFO_BYTES = 2**16
_HASHED_BYTES = 2**20


def recognises(path: Path) -> bool:
    """Return whether a zip or folder holds what an ActiGraph writes."""
    try:
        if path.is_file() and not is_zip(path):
            return False
        members = find_members(path, (LOG, OLD))
    except (RecordingError, OSError):
        return False
    return members is not None and INFO in members.names


def read(path: Path, request: Request) -> Gathered:
    """Return acceleration, light and battery of an ActiGraph file of either generation."""
    members = find_members(path, (LOG, OLD))
    if members is None or INFO not in members.names:
        raise NotThisFormatError(
            f"it holds no {INFO} beside {LOG} or {OLD}",
            code="format",
            remedy="leave format out, so that the content decides",
            file=path,
        )
    info = Info.of(members.read_text(INFO, most_bytes=_MOST_INFO_BYTES))
    is_new = LOG in members.names
    gathered = read_log(members, info, request) if is_new else read_old(members, info, request)
    read_files = [name for name in ((INFO, LOG) if is_new else (INFO, OLD, OLD_LIGHT)) if name in members.names]
    content_hash = _content_hash(path, members, read_files)
    source = source_of(path, "actigraph", content_hash, {"device": info.model, "firmware": info.firmware})
    return replace(gathered, wrist=info.wrist, source=source)


def _content_hash(path: Path, members: Members, names: Sequence[str]) -> str:
    """Return the hash of the one file, or that of the names and hashes of those in the folder that were read."""
    if path.is_file():
        with path.open("rb") as file:
            return hash_of_file(file)
    return hash_of_parts((name, _hash_of_member(members, name)) for name in names)


def _hash_of_member(members: Members, name: str) -> str:
    whole = ContentHash()
    for chunk in chunks_of(members, name, _HASHED_BYTES):
        whole.update(chunk)
    return whole.hexdigest()
