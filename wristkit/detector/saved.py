"""A folder as a detector is saved in it: JSON and safetensors, each checked by its hash."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wristkit.errors import NotThisFormatError, RecordingError, TruncatedError
from wristkit.store import atomic_write

SCHEMA = 1


def sha256_of(fields: object) -> str:
    """Return the hash of what JSON can say, the same for equal content."""
    return hashlib.sha256(json.dumps(fields, sort_keys=True, allow_nan=False).encode()).hexdigest()


def write_header(path: Path, fields: Mapping[str, Any]) -> None:
    """Write a header of this schema as JSON."""
    text = json.dumps({"schema": SCHEMA, **fields}, indent=1, sort_keys=True, allow_nan=False)
    atomic_write(path, lambda file: file.write(text.encode()))


def read_header(path: Path, *, needed: Sequence[str], hashed: str, writer: str) -> dict[str, Any]:
    """Return a header with the ``needed`` fields, whose field ``hashed`` is what ``<hashed>_sha256`` says."""
    header = _parsed(path, writer)
    schema, lacks = header.get("schema"), sorted(set(needed) - set(header))
    if type(schema) is not int or schema != SCHEMA or lacks:
        raise RecordingError(
            f"this is not of schema {SCHEMA}: it says {schema!r:.20}, and lacks {lacks}",
            code="schema",
            remedy="load it with the version of wristkit that wrote it",
            file=path,
        )
    said = hashlib.sha256(json.dumps(header.get(hashed), sort_keys=True).encode()).hexdigest()
    if said != header.get(f"{hashed}_sha256"):
        raise RecordingError(
            "this was changed since it was saved",
            code="header",
            remedy="copy the whole folder again, or save the detector anew",
            file=path,
        )
    return header


def _parsed(path: Path, writer: str) -> dict[str, Any]:
    """Return the fields of a header; none where its JSON is something else."""
    if not path.is_file():
        raise NotThisFormatError(
            f"this file is missing, {_held(path.parent)}",
            code="not_a_detector",
            remedy=f"give a folder that {writer} wrote",
            file=path,
        )
    try:
        header = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as fault:
        raise RecordingError(
            f"this is not JSON: {fault}", code="header", remedy="save the detector again", file=path
        ) from fault
    return header if isinstance(header, dict) else {}


def _held(folder: Path) -> str:
    """Return in words what lies in a folder in place of a header."""
    if not folder.is_dir():
        return "and there is no such folder"
    return f"the folder holds {sorted(one.name for one in folder.iterdir())[:6]}"


def not_of_this_version(path: Path, fault: Exception, *, what: str) -> RecordingError:
    """Return the error of a header that is whole, but describes nothing that is known here."""
    return RecordingError(
        f"this does not describe a {what} of this version: {(str(fault).splitlines() or ['?'])[0]}",
        code="header",
        remedy="load it with the version of wristkit that wrote it",
        file=path,
    )


def read_weights(path: Path, sha256: str) -> bytes:
    """Return the bytes of the weights, or raise where they are not those that were saved."""
    if not path.is_file():
        raise TruncatedError("the weights are missing", code="missing_file", remedy="copy the whole folder", file=path)
    weights = path.read_bytes()
    if hashlib.sha256(weights).hexdigest() != sha256:
        raise RecordingError(
            "the weights are not those that were saved with this detector",
            code="checksum",
            remedy="copy the whole folder again, or save the detector anew",
            file=path,
        )
    return weights
