"""The folder of a bundle: made beside its place and moved there as a whole, and never over what is not a bundle."""

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from wristkit.errors import RecordingError

MARKER = "wristkit bundle"
REPORT, CARD, PAGE = "report.json", "MODEL_CARD.md", "report.html"


def package_name(folder: Path) -> str:
    """Return the folder's name where it can be a Swift class, as Xcode makes one of it; else ``detector``."""
    name = folder.resolve().name
    return name if re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) else "detector"


def hashes_under(folder: Path) -> dict[str, str]:
    """Return the hash of every file of a bundle by its path, but for the report, which holds them."""
    files = (file for file in folder.rglob("*") if file.is_file() and file.relative_to(folder) != Path(REPORT))
    return {str(file.relative_to(folder)): _sha256(file) for file in sorted(files)}


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def verify(folder: str | Path) -> pd.DataFrame:
    """Return the files of a bundle that are not as they were written: ``check, file, status``; empty where all are.

    It finds what no comparison of answers could: one bit of one weight that hardly matters.
    """
    folder = Path(folder)
    written = read_bundle_report(folder).get("file_sha256")
    if not isinstance(written, dict):
        raise RecordingError("it holds no hashes", code="bundle", remedy="export anew", file=folder / REPORT)
    now = hashes_under(folder)
    rows = [
        ("file as written", name, "missing" if name not in now else "altered")
        for name, digest in written.items()
        if now.get(name) != digest
    ]
    return pd.DataFrame(rows, columns=["check", "file", "status"])


def read_bundle_report(folder: Path) -> dict[str, object]:
    """Return what an export wrote, nothing where it is no bundle."""
    try:
        report = json.loads((folder / REPORT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return report if isinstance(report, dict) and report.get("format") == MARKER else {}


def refuse_foreign(folder: Path) -> None:
    """Raise where the folder holds anything but an earlier bundle, as it was written."""
    place = folder.absolute() if folder.name else folder.resolve()
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise RecordingError("it is not a folder", code="exists", remedy="give the path of a folder", file=place)
    if folder.is_dir() and any(folder.iterdir()) and not _files_of_bundle(folder):
        raise RecordingError(
            "the folder holds files that are not a bundle",
            code="exists",
            remedy="give a new or an empty folder",
            file=place,
        )
    if changed := _changed(folder):
        raise RecordingError(
            f"{len(changed)} of its files were changed since they were written: {', '.join(changed[:3])}",
            code="exists",
            remedy="keep them elsewhere and delete them here, or give a new folder",
            file=place,
        )


def _changed(folder: Path) -> list[str]:
    """Return the files of an earlier bundle that somebody edited."""
    written = read_bundle_report(folder).get("file_sha256")
    held = written.items() if isinstance(written, dict) else ()
    return [name for name, digest in held if (folder / name).is_file() and _sha256(folder / name) != digest]


def _files_of_bundle(folder: Path) -> frozenset[str]:
    """Return the relative paths that an earlier export wrote, none where it is no bundle."""
    files = read_bundle_report(folder).get("files", ())
    return frozenset(map(str, [*files, PAGE])) if isinstance(files, list) and files else frozenset()


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """Give a new folder to fill; on success it takes the place of the old one, and files of others move over."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".tmp", dir=folder.parent))
    except OSError as fault:
        message = f"nothing can be written there ({fault.strerror})"
        remedy = "give the path of a folder that you may write to"
        raise RecordingError(message, code="folder", remedy=remedy, file=folder.absolute()) from fault
    try:
        yield staging
        staging.chmod(0o777 & ~_umask())
        if folder.exists():
            _swap(folder, staging)
        else:
            staging.rename(folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _swap(folder: Path, staging: Path) -> None:
    """Let a new bundle take the place of an old one; the files of others in it stay."""
    ours, old = _files_of_bundle(folder), staging.with_suffix(".old")
    files = (one.relative_to(folder) for one in folder.rglob("*") if one.is_symlink() or one.is_file())
    others = [one for one in files if str(one) not in ours]
    if taken := [str(one) for one in others if (staging / one).exists()]:
        raise RecordingError(
            f"the new bundle has files of the same names as others in the folder: {', '.join(taken[:3])}",
            code="exists",
            remedy="move them, or give a new folder",
            file=folder.absolute(),
        )
    folder.rename(old)
    staging.rename(folder)
    for one in others:
        (folder / one).parent.mkdir(parents=True, exist_ok=True)
        (old / one).rename(folder / one)
    shutil.rmtree(old)


def _umask() -> int:
    """Return the process's mask, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
