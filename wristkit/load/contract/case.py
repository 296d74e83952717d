"""A reader with its example, copies of it to damage, and files that are not of its format."""

import random
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from wristkit.errors import RecordingError
from wristkit.load import Reader, load
from wristkit.recording import Recording, Stream

TRIAL = "reader_on_trial"
EDGE_S = 1e-6
# Findings whose count is of rows that are in the file and not in the recording.
DROPPED = frozenset({"cut_reset", "drop_exact", "drop_tail"})


class FailedError(Exception):
    """A check found what it looks for."""


@dataclass(frozen=True, eq=False)
class Case:
    """A reader under a name, its example, and a folder for copies of it."""

    reader: Reader
    name: str
    path: Path
    folder: Path
    schema: Mapping[str, object] | None
    rows: Mapping[str, int] | None

    @cached_property
    def recording(self) -> Recording:
        """The example as it loads."""
        return self.load(self.path)

    def load(
        self, path: str | Path, *, into: Path | None = None, keep_audio: bool = True, repair: Sequence[str] = ()
    ) -> Recording:
        """Return what a file holds by this reader."""
        return load(path, format=self.name, schema=self.schema, into=into, keep_audio=keep_audio, repair=repair)

    def copy(self, name: str) -> Path:
        """Return the example once more, under another name in a folder of its own."""
        target = Path(tempfile.mkdtemp(dir=self.folder)) / name
        if self.path.is_dir():
            shutil.copytree(self.path, target)
        else:
            shutil.copyfile(self.path, target)
        return target

    def changed(self, change: Callable[[bytes], bytes]) -> Path:
        """Return a copy whose file, or the largest file of whose folder, is changed."""
        path = self.copy(self.path.name)
        largest = max(files_of(path), key=lambda one: one.stat().st_size)
        largest.write_bytes(change(largest.read_bytes()))
        return path

    def refused(self, path: Path) -> RecordingError | None:
        """Return the typed error that a file ends in, if any."""
        try:
            self.load(path)
        except RecordingError as error:
            return error
        return None


def require(holds: object, otherwise: str) -> None:
    """Raise what is wrong unless something holds."""
    if not holds:
        raise FailedError(otherwise)


def files_of(path: Path) -> list[Path]:
    """Return the one file, or every file of a folder and those below it."""
    return [path] if path.is_file() else sorted(one for one in path.rglob("*") if one.is_file())


def streams_of(case: Case) -> Iterator[tuple[str, Stream]]:
    """Yield the name and the stream of all that the example holds."""
    yield from case.recording.streams.items()


def require_same(one: Recording, other: Recording, what: str) -> None:
    """Raise where two recordings differ in any sample."""
    require(one.id == other.id, f"{what} is another recording, {other.id} for {one.id}")


def foreign_files(case: Case) -> list[Path]:
    """Return files and a folder that are of no format at all."""
    folder = Path(tempfile.mkdtemp(dir=case.folder))
    noise = random.Random(1).randbytes(4096)  # noqa: S311  noise, no secret
    contents = {"empty": b"", "noise": noise, "short": b"\x00", "text": b"once upon a time\n", "zeros": bytes(4096)}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    (folder / "folder").mkdir()
    (folder / "folder" / "notes.txt").write_bytes(b"once upon a time\n")
    return sorted(folder.iterdir())
