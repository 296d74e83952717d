"""The file under a label store: marks and their history, made whole, and recognised without being touched."""

import json
import os
import sqlite3
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from wristkit.errors import NotThisFormatError, RecordingError, TruncatedError
from wristkit.store.marks import Mark, checked_text
from wristkit.store.native import _sync_folder, writing

VERSION = 1
_APPLICATION = 0x776B6C62  # "wklb"; this and the version stand in the head of the file
_PATIENCE_S = 5.0
# A mark without a label is a span that was looked at. AUTOINCREMENT: no key is given twice, so that an old one held by
# somebody cannot hit a new label. A change holds a mark before and after as JSON, NULL where there was none.
_TABLES = (
    "CREATE TABLE store (recording TEXT, revision INTEGER NOT NULL)",
    (
        "CREATE TABLE mark (key INTEGER PRIMARY KEY AUTOINCREMENT, start_s REAL NOT NULL, stop_s REAL NOT NULL, "
        "label TEXT, tier TEXT NOT NULL, rater TEXT NOT NULL, "
        "CHECK (-9e999 < start_s AND start_s <= stop_s AND stop_s < 9e999))"
    ),
    "CREATE INDEX looked_at ON mark (start_s, stop_s, key, tier, rater) WHERE label IS NULL",
    "CREATE TABLE edit (number INTEGER PRIMARY KEY AUTOINCREMENT, author TEXT NOT NULL, undone INTEGER NOT NULL)",
    "CREATE INDEX edits_of ON edit (author, undone)",
    "CREATE TABLE change (edit INTEGER, key INTEGER, before TEXT, after TEXT, PRIMARY KEY (edit, key)) WITHOUT ROWID",
)
_COLUMNS = "start_s, stop_s, label, tier, rater"
_CHOSEN = "(?1 IS NULL OR tier = ?1) AND (?2 IS NULL OR rater = ?2) ORDER BY start_s, stop_s, key"
_LABELS = f"SELECT key, {_COLUMNS} FROM mark WHERE label IS NOT NULL AND {_CHOSEN}"  # noqa: S608  no text from outside
_LOOKS = f"SELECT key, {_COLUMNS} FROM mark INDEXED BY looked_at WHERE label IS NULL AND {_CHOSEN}"  # noqa: S608
_UNDONE = "edit WHERE author = ? AND undone = 1"
_UNTOUCHED = "nothing was changed"
_FAULTS = {
    sqlite3.SQLITE_BUSY: ("locked", f"close what else writes to it, then try again; {_UNTOUCHED}"),
    sqlite3.SQLITE_READONLY: ("not_writable", f"give yourself rights, or work on a copy; {_UNTOUCHED}"),
    sqlite3.SQLITE_CANTOPEN: ("not_writable", f"give yourself rights to it and its folder; {_UNTOUCHED}"),
    sqlite3.SQLITE_FULL: ("not_writable", "make room on the disk; the edit was not kept"),
    sqlite3.SQLITE_IOERR: ("not_writable", "see that the disk is sound and has room; the edit was not kept"),
    sqlite3.SQLITE_NOTADB: ("not_labels", f"choose another path; {_UNTOUCHED}"),
}


Put = Callable[[int | None, Mark | None], int]
_Change = tuple[int, Mark | None, Mark | None]


class MarkFile:
    """Marks by key in one file, and every edit of them with what was before and after; safe from any thread."""

    def __init__(self, path: Path) -> None:
        self.path = Path(os.path.realpath(path))
        self._lock = threading.RLock()  # handlers of widgets run on other threads
        with told(self.path):
            self._connection = _opened(self.path)
        self._file = self.path.stat()

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._connection.close()

    @property
    def recording(self) -> str | None:
        """Id of the recording, where it was ever said."""
        held: str | None = self._one("SELECT recording FROM store")
        return held

    @property
    def revision(self) -> int:
        """Number of edits, undone and made again ones included."""
        return int(self._one("SELECT revision FROM store"))

    def bind(self, recording: str) -> None:
        """Keep the id of the recording where none is kept yet; raise where it is another."""
        if self.recording is None:
            with self._transaction("BEGIN IMMEDIATE"):
                self._run("UPDATE store SET recording = ? WHERE recording IS NULL", recording)
        self.refuse_other(recording)

    def refuse_other(self, recording: str) -> None:
        """Raise where the marks belong to another recording."""
        if self.recording not in {None, recording}:
            raise RecordingError(
                f"its labels are of recording {self.recording}, not of {recording[:60]}",
                code="other_recording",
                remedy="open the store of that recording, or start one in a new file",
                file=self.path,
            )

    def held(self, key: int) -> Mark | None:
        """Return the mark under a key."""
        if not 0 < key < 2**63:
            return None
        row = self._run(f"SELECT {_COLUMNS} FROM mark WHERE key = ?", key).fetchone()  # noqa: S608
        return None if row is None else Mark(*row)

    def select(self, tier: str | None, rater: str | None, *, looks: bool = False) -> list[Any]:
        """Return rows of a key and the fields of a mark, of labels or of looks, in time order."""
        given = {"tier": tier, "rater": rater}
        chosen = [None if text is None else checked_text(name, text) for name, text in given.items()]
        with self._lock, told(self.path):
            return self._run(_LOOKS if looks else _LABELS, *chosen).fetchall()

    @contextmanager
    def reading(self) -> Iterator[None]:
        """See one state of the file in all that is read inside."""
        with self._transaction("BEGIN"):
            yield

    @contextmanager
    def editing(self, by: str | None) -> Iterator[Put]:
        """Make one edit of all that is put: a mark under a key, under a new one for None, or None to take it away."""
        author, changes = _author(by), list[_Change]()

        def put(key: int | None, mark: Mark | None) -> int:
            before = None if key is None else self.held(key)
            stored = self._store(key, mark)
            changes.append((stored, before, mark))
            return stored

        with self._transaction("BEGIN IMMEDIATE"):
            yield put
            if made := [change for change in changes if change[1] != change[2]]:
                self._remember(author, made)

    def step(self, by: str | None, *, back: bool) -> bool:
        """Go one edit of an author back or forth, if its marks are as that edit left or found them."""
        author, pick = _author(by), "max(number)" if back else "min(number)"
        columns = "key, after, before" if back else "key, before, after"
        with self._transaction("BEGIN IMMEDIATE"):
            number = self._one(f"SELECT {pick} FROM edit WHERE author = ? AND undone = ?", author, not back)  # noqa: S608
            if number is None:
                return False
            for key, here, there in self._run(f"SELECT {columns} FROM change WHERE edit = ?", number).fetchall():  # noqa: S608
                if self.held(key) != _of_json(here):
                    raise self.changed(key)
                self._store(key, _of_json(there))
            self._run("UPDATE edit SET undone = ? WHERE number = ?", back, number)
            self._run("UPDATE store SET revision = revision + 1")
        return True

    def changed(self, key: int) -> RecordingError:
        """Return the error that says that a mark is not as it was seen."""
        held = self.held(key)
        fields = {} if held is None else held._asdict()
        now = ", ".join(f"{name} {str(value)[:40]!r}" for name, value in fields.items()) or "gone"
        return RecordingError(
            f"label {key} was changed by somebody else since, it is now {now}",
            code="label_changed",
            remedy=f"look at it again, then decide; {_UNTOUCHED}",
            file=self.path,
        )

    def _run(self, statement: str, *values: object) -> sqlite3.Cursor:
        return self._connection.execute(statement, values)

    def _one(self, statement: str, *values: object) -> Any:  # noqa: ANN401  whatever the column holds
        with self._lock, told(self.path):
            return self._run(statement, *values).fetchone()[0]

    def _store(self, key: int | None, mark: Mark | None) -> int:
        """Put a mark under a key, under a new one for None, or take it away; return the key."""
        if mark is None:
            self._run("DELETE FROM mark WHERE key = ?", key)
            return key or 0
        return self._run("INSERT OR REPLACE INTO mark VALUES (?, ?, ?, ?, ?, ?)", key, *mark).lastrowid or 0

    def _remember(self, author: str, changes: list[_Change]) -> None:
        """Write an edit into the history, where it ends what its author could have made again."""
        self._run(f"DELETE FROM change WHERE edit IN (SELECT number FROM {_UNDONE})", author)  # noqa: S608
        self._run(f"DELETE FROM {_UNDONE}", author)  # noqa: S608
        number = self._run("INSERT INTO edit (author, undone) VALUES (?, 0)", author).lastrowid
        rows = ((number, key, _to_json(before), _to_json(after)) for key, before, after in changes)
        self._connection.executemany("INSERT INTO change VALUES (?, ?, ?, ?)", rows)
        self._run("UPDATE store SET revision = revision + 1")

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[None]:
        """Hold the file; what happens inside is kept as a whole or not at all."""
        with self._lock, told(self.path):
            self._refuse_moved()
            try:
                self._run(begin)
                yield
                self._run("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._run("ROLLBACK")
                raise

    def _refuse_moved(self) -> None:
        """Raise where the path leads elsewhere by now, since an edit of the old file would be lost with it."""
        with suppress(FileNotFoundError):
            if os.path.samestat(self._file, self.path.stat()):
                return
        raise RecordingError(
            "the file was moved, removed or replaced while it was open",
            code="moved",
            remedy=f"put it back, or close this store and open the file anew; {_UNTOUCHED}",
            file=self.path,
        )


def _author(by: str | None) -> str:
    return "" if by is None else checked_text("by", by)


def _to_json(mark: Mark | None) -> str | None:
    return None if mark is None else json.dumps(mark, ensure_ascii=False)


def _of_json(text: str | None) -> Mark | None:
    return None if text is None else Mark(*json.loads(text))


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Turn what SQLite says of a file into an error of ours."""
    try:
        yield
    except sqlite3.ProgrammingError as fault:
        raise RecordingError(str(fault), code="closed", remedy="open the store again", file=path) from fault
    except sqlite3.Error as fault:
        primary = getattr(fault, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
        code, remedy = _FAULTS.get(primary, ("damaged", f"restore it from a copy; {_UNTOUCHED}"))
        kind = NotThisFormatError if code == "not_labels" else RecordingError
        raise kind(f"it cannot be used: {fault}", code=code, remedy=remedy, file=path) from fault


def _opened(path: Path) -> sqlite3.Connection:
    """Return a connection to the store at a path, which is made where there is none."""
    if not path.exists():
        _create(path)
    _refuse_unsound(path)
    connection = _connect(path, "rw")
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")  # a commit returns when the disk has it
        connection.execute("PRAGMA trusted_schema = OFF")
    except BaseException:
        connection.close()
        raise
    return connection


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    address = f"file:{quote(os.fsencode(path))}?mode={mode}"
    return sqlite3.connect(address, uri=True, timeout=_PATIENCE_S, isolation_level=None, check_same_thread=False)


def _create(path: Path) -> None:
    """Make an empty store in full beside its place, then link it there, so that nobody meets half of one."""
    wal = path.with_name(f"{path.name}-wal")
    if wal.exists() and wal.stat().st_size and not path.exists():
        raise RecordingError(
            f"there is no such store, but {wal.name} holds edits of one",
            code="lone_wal",
            remedy="put the store back beside it, or move it away yourself",
            file=path,
        )
    if not path.parent.is_dir():
        raise FileNotFoundError(f"the folder {path.parent.name!r} for the label store does not exist; make it first")
    with writing(path.parent), tempfile.TemporaryDirectory(prefix=".labels.", dir=path.parent) as folder:
        new = Path(folder) / "new"
        new.touch(mode=0o600)  # labels are about a person
        with closing(_connect(new, "rw")) as connection:
            connection.execute("PRAGMA synchronous = OFF")  # nobody has it yet, and it is synced as a whole below
            for statement in (*_TABLES, "INSERT INTO store VALUES (NULL, 0)"):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {_APPLICATION}")
            connection.execute(f"PRAGMA user_version = {VERSION}")
            connection.execute("PRAGMA journal_mode = WAL")
        with new.open("rb+") as file:
            os.fsync(file.fileno())
        with suppress(FileExistsError):  # another process was first, and its file is as good
            os.link(new, path)
        _sync_folder(path.parent)


def _refuse_unsound(path: Path) -> None:
    """Raise where a file is no sound label store, without writing to it.

    SQLite alone may open it: another ``open`` and ``close`` would let go of the locks that this process has on it.
    """
    if not path.is_file() or not path.stat().st_size:
        raise TruncatedError(
            "it is empty or no regular file", code="damaged", remedy=f"restore it from a copy; {_UNTOUCHED}", file=path
        )
    for place in (path, path.parent):
        if not os.access(place, os.R_OK | os.W_OK) or not place.stat().st_mode & 0o222:
            raise RecordingError(
                f"{place.name} is read-only", code="not_writable", remedy="give yourself rights, or copy it", file=path
            )
    _refuse_foreign(path)
    _refuse_second_name(path)
    with closing(_connect(path, "ro")) as connection:
        held = connection.execute("SELECT sql FROM sqlite_master WHERE name NOT LIKE 'sqlite%'").fetchall()
        (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok" or sorted(held) != sorted((statement,) for statement in _TABLES):
            raise sqlite3.DatabaseError(verdict if verdict != "ok" else "it has other tables than a label store")
        if connection.execute("SELECT count(*) FROM store").fetchone() != (1,):
            raise sqlite3.DatabaseError("it has lost the row that counts its edits")


def _refuse_second_name(path: Path) -> None:
    """Raise where a file has a second name (hard link): edits by one would be lost to who opened it by the other."""
    for new in path.parent.glob(".labels.*/new"):  # a process that was killed while it made the store left one
        with suppress(FileNotFoundError):
            if new.samefile(path):
                new.unlink()
    if path.stat().st_nlink > 1:
        raise RecordingError(
            "it has a second name (hard link), by which edits would be lost",
            code="second_name",
            remedy=f"copy it to a file of its own and open that; {_UNTOUCHED}",
            file=path,
        )


def _refuse_foreign(path: Path) -> None:
    """Raise where the head of a file is another application's or another schema's; leaves no file beside it."""
    with closing(_connect(path, "ro&immutable=1")) as connection:
        connection.execute("PRAGMA writable_schema = ON")  # read it also where the newest pages are in the -wal file
        names = ("application_id", "user_version")
        application, version = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names)
    if application != _APPLICATION:
        raise NotThisFormatError(
            "it is the database of another application",
            code="not_labels",
            remedy=f"choose another path; {_UNTOUCHED}",
            file=path,
        )
    if version != VERSION:
        raise RecordingError(
            f"it is of schema {version}, expected {VERSION}",
            code="schema",
            remedy=f"open it with the version of wristkit that wrote it; {_UNTOUCHED}",
            file=path,
        )
