"""Downloads of public sets, by checksum; the one file of the package that asks the network for anything."""

import csv
import fnmatch
import hashlib
import shutil
import stat
import sys
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import pandas as pd

from wristkit.datasets.catalogue import PublicSet, RemoteFile, public_set
from wristkit.datasets.text import neutral_name, unpacked_hash
from wristkit.errors import EmptyRecordingError, RecordingError
from wristkit.load.members import MOST_BYTES, MOST_RATIO

_KNOWN = Path(__file__).with_name("known.tsv")  # hashes of single files within the archives
_SMALL_BYTES = 2**20  # a few repeated bytes may pack as they like
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)


def fetch(name: str, folder: str | Path) -> Path:
    """Return the folder ``folder/name`` with the files of a set, downloaded and unpacked where they are not there yet.

    A file without a published hash is held against the hash it had when it was first downloaded, which is kept beside
    it as ``<file>.sha256``.

    Raises
    ------
    RecordingError
        With code ``by_hand`` where a person must ask for the set first, ``download`` where the network or the server
        refuses, ``checksum`` where what came is not what it was, ``unsafe_name`` and ``zip_bomb`` for a hostile zip.
    """
    one = public_set(name)
    root = Path(folder) / name
    if one.by_hand:
        raise RecordingError(
            f"{one.title} is not for programs to download", code="by_hand", remedy=f"{one.by_hand}; page: {one.home}"
        )
    root.mkdir(parents=True, exist_ok=True)
    for remote in one.files:
        archive = _downloaded(one, remote, root)
        done = root / f"{remote.name}.unpacked"
        digest = _sha256(archive)
        if not done.is_file() or done.read_text(encoding="utf-8") != digest:
            unpack(archive, root, remote.members)
            done.write_text(digest, encoding="utf-8")
    return root


def verify(name: str, folder: str | Path) -> pd.DataFrame:
    """Return a table ``file, sha256, state`` of the files of a set whose hashes are known.

    The state is ``as published``, ``as first seen``, ``changed`` or ``damaged``. Files in gzip are hashed unpacked, so
    that packing them changes nothing.

    Raises
    ------
    RecordingError
        With code ``no_files`` where the folder holds none of them.
    """
    one, root = public_set(name), Path(folder)
    if not root.is_dir():
        raise FileNotFoundError(f"{root} is no folder; give the one that fetch returned")
    known = _known(name)
    rows = [_of_archive(root, remote) for remote in one.files if (root / remote.name).is_file()]
    for path in sorted(root.rglob("*")):
        file = neutral_name(path)
        if file in known and path.is_file():
            rows.append((file, *_of_file(path, known[file])))
    if not rows:
        raise EmptyRecordingError(
            f"the folder {root.name!r} holds no file of {name} whose hash is known",
            code="no_files",
            remedy=f"python3 -m wristkit data {name} --fetch",
        )
    return pd.DataFrame(rows, columns=["file", "sha256", "state"])


def unpack(archive: Path, folder: Path, members: Sequence[str]) -> None:
    """Write the files of a zip that match ``members`` below a folder.

    A zip in it that ``members`` names in full is unpacked too, and not kept. Names that would leave the folder, and
    links, are refused before anything is written.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            wanted = [one for one in opened.infolist() if _is_wanted(one, members)]
            for info in wanted:
                _check_safe(info)
            for info in wanted:
                target = folder / PurePosixPath(info.filename)
                _write(opened, info, target)
                if info.filename in members:
                    unpack(target, folder, members)
                    target.unlink()
    except _BROKEN as error:
        raise RecordingError(
            f"the zip is damaged ({error})", code="damaged_zip", remedy="delete it and fetch it again", file=archive
        ) from error


def _downloaded(one: PublicSet, remote: RemoteFile, root: Path) -> Path:
    import pooch

    path, note = root / remote.name, root / f"{remote.name}.sha256"
    expected = remote.sha256 or (note.read_text(encoding="utf-8").split()[0] if note.is_file() else None)
    try:
        pooch.retrieve(
            remote.url,
            known_hash=None if expected is None else f"sha256:{expected}",
            fname=remote.name,
            path=root,
            downloader=pooch.HTTPDownloader(progressbar=sys.stderr.isatty()),
        )
    except ValueError as error:
        of = "published" if remote.sha256 else "first downloaded here"
        raise RecordingError(
            f"what came from {remote.url} is not the file that was {of}: {error}",
            code="checksum",
            remedy=f"try again; if it stays so, look at {one.home} for a new version",
            file=path,
        ) from error
    except OSError as error:
        raise RecordingError(
            f"{remote.url} could not be downloaded ({type(error).__name__}: {str(error)[:160]})",
            code="download",
            remedy=f"get it from {one.home} with a browser, put it into {root} as {remote.name}, and fetch again",
            file=path,
        ) from error
    if not note.is_file():
        note.write_text(f"{_sha256(path)}  {remote.name}\n", encoding="utf-8")
    return path


def _is_wanted(info: zipfile.ZipInfo, members: Sequence[str]) -> bool:
    return not info.is_dir() and any(fnmatch.fnmatchcase(info.filename, pattern) for pattern in members)


def _check_safe(info: zipfile.ZipInfo) -> None:
    path = PurePosixPath(info.filename)
    strange = path.is_absolute() or ".." in path.parts or any(char in info.filename for char in "\\:\0")
    if strange or stat.S_ISLNK(info.external_attr >> 16):
        raise RecordingError(
            f"the zip holds {info.filename[:80]!r}, which would be written outside its folder or is a link",
            code="unsafe_name",
            remedy="do not open it unless you know where it is from",
        )
    ratio = info.file_size / max(info.compress_size, 1)
    if info.file_size > MOST_BYTES or (info.file_size > _SMALL_BYTES and ratio > MOST_RATIO):
        raise RecordingError(
            f"{path.name[:80]!r} unpacks to {info.file_size} bytes, {ratio:.0f} times its packed size",
            code="zip_bomb",
            remedy="do not open it unless you know where it is from",
        )


def _write(opened: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path) -> None:
    """Write one file; it has its name once it is whole."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    with opened.open(info) as source, part.open("wb") as copy:
        shutil.copyfileobj(source, copy, 2**20)
    part.replace(target)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _known(name: str) -> dict[str, str]:
    with _KNOWN.open(encoding="utf-8", newline="") as file:
        return {row["file"]: row["sha256"] for row in csv.DictReader(file, delimiter="\t") if row["set"] == name}


def _of_archive(root: Path, remote: RemoteFile) -> tuple[str, str, str]:
    note, found = root / f"{remote.name}.sha256", _sha256(root / remote.name)
    if remote.sha256:
        return remote.name, found, "as published" if found == remote.sha256 else "changed"
    seen = note.read_text(encoding="utf-8").split()[0] if note.is_file() else found
    return remote.name, found, "as first seen" if found == seen else "changed"


def _of_file(path: Path, expected: str) -> tuple[str, str]:
    try:
        found = unpacked_hash(path, kind=hashlib.sha256)
    except RecordingError:
        return "", "damaged"
    return found, "as published" if found == expected else "changed"
