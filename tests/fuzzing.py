"""Damages the example files of a format and loads what is left: a recording or a typed error must come of it.

Each format has a process of its own, under limits, as reading damaged bytes may kill a process or never end.
``python -m tests.fuzzing FORMAT --first N --cases 1`` repeats case N and shows its traceback.
"""

import argparse
import gzip
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.formats import actigraph, axivity
from tests.formats.examples import EXAMPLES, Example
from tests.limits import TooSlowError, cpu_limit, peak_mb, refuse_more_memory, told_of
from wristkit.errors import RecordingError
from wristkit.load import load
from wristkit.load.contract import DROPPED
from wristkit.load.order import REPAIRS
from wristkit.recording import FINDING_COLUMNS

ROOT = Path(__file__).resolve().parent.parent
MOST_CPU_S, MOST_GROWTH_MB = 2.0, 200
MOST_WAIT_S = 800  # for all cases of a format; 10,000 take some 200 s
_BACKSTOP_MB = 2000  # of address space, which libraries reserve and never touch
_MOST_TOLD = 8

NASTY = (
    *("", "nan", "NaN", "null", "inf", "-inf", "1e400", "-1e400", "1e-400", "0", "-0", "-1", "1.5", "1,5", "1.", "+1"),
    *("9223372036854775807", "-9223372036854775808", "18446744073709551616", "1e22", "4294967295", "2147483648"),
    *("0x10", "1_000", "1e", "--1", "x", '"', '""', "'", "\\", "\t", "\v", "\x00", "\x7f", "\xa0", "\u202e", "\ufeff"),
    *("1970-01-01 00:00:00", "9999-12-31T23:59:59Z", "2026-02-30 25:61:61", "2026-03-29 02:30:00 +0100", "0000-00-00"),
    *("True", "None", "=1+1", "<a>", "&amp;", "&x;", "]]>", "{}", "[]", "%s", "$a$", "../../x", "a" * 5000, "µ"),
)


@dataclass(frozen=True)
class Target:
    """One example file taken apart: ``files`` by name within a folder or packed file, or the one file itself."""

    kind: str
    example: Example
    name: str
    container: str
    files: dict[str, bytes]

    def write(self, folder: Path, files: dict[str, bytes]) -> Path:
        """Return the example with these contents, put together again."""
        path = folder / self.name
        if self.container == "folder":
            for name, content in files.items():
                (path / name).parent.mkdir(parents=True, exist_ok=True)
                (path / name).write_bytes(content)
        else:
            path.write_bytes(self._packed(files))
        return path

    def _packed(self, files: dict[str, bytes]) -> bytes:
        if self.container == "zip":
            whole = io.BytesIO()
            with zipfile.ZipFile(whole, "w") as archive:
                for name, content in files.items():
                    archive.writestr(name, content)
            return whole.getvalue()
        (content,) = files.values()
        return gzip.compress(content, 1, mtime=0) if self.container == "gzip" else content


def taken_apart(kind: str, example: Example, folder: Path) -> list[Target]:
    """Return the example as it stands, and what it packs where it is packed: checksums hide the one from the other."""
    path = example.write(folder)
    if path.is_dir():
        files = {str(one.relative_to(path)): one.read_bytes() for one in sorted(path.rglob("*")) if one.is_file()}
        return [Target(kind, example, path.name, "folder", files)]
    content = path.read_bytes()
    found = [Target(kind, example, path.name, "file", {path.name: content})]
    if content.startswith(b"PK"):
        with zipfile.ZipFile(path) as archive:
            inside = {name: archive.read(name) for name in archive.namelist()}
        found.append(Target(kind, example, path.name, "zip", inside))
    elif content.startswith(b"\x1f\x8b"):
        found.append(Target(kind, example, path.name, "gzip", {path.name: gzip.decompress(content)}))
    return found


def damaged(content: bytes, other: bytes, chance: random.Random) -> bytes:
    """Return content with one to three places damaged; ``other`` is where foreign blocks come from."""
    for _ in range(chance.choice((1, 1, 2, 3))):
        ways: tuple[Callable[..., bytes], ...] = (_OF_BYTES + _OF_LINES) if b"\n" in content[:4096] else _OF_BYTES
        content = chance.choice(ways)(content, other, chance)
    return content


def _span(content: bytes, chance: random.Random) -> slice:
    """Return where a block lies: a few bytes, a block of a device, or anything up to the end."""
    first = chance.randrange(len(content) + 1)
    length = chance.choice((1, 2, 4, 8, chance.randrange(1, 50), 512, chance.randrange(1, len(content) + 2)))
    return slice(first, first + length)


def _cut(content: bytes, other: bytes, chance: random.Random) -> bytes:
    return content[: chance.randrange(len(content) + 1)]


def _flip(content: bytes, other: bytes, chance: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 8)) if changed else 0):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _set(content: bytes, other: bytes, chance: random.Random) -> bytes:
    span = _span(content, chance)
    size = len(content[span])
    return (
        content[: span.start]
        + chance.choice((bytes(size), b"\xff" * size, chance.randbytes(size)))
        + content[span.start + size :]
    )


def _drop(content: bytes, other: bytes, chance: random.Random) -> bytes:
    span = _span(content, chance)
    return content[: span.start] + content[span.stop :]


def _repeat(content: bytes, other: bytes, chance: random.Random) -> bytes:
    span = _span(content, chance)
    return content[: span.stop] + content[span] * chance.choice((1, 1, 2)) + content[span.stop :]


def _swap(content: bytes, other: bytes, chance: random.Random) -> bytes:
    first, second, third = sorted(chance.randrange(len(content) + 1) for _ in range(3))
    return content[:first] + content[second:third] + content[first:second] + content[third:]


def _splice(content: bytes, other: bytes, chance: random.Random) -> bytes:
    foreign = other[_span(other, chance)]
    span = _span(content, chance)
    return content[: span.start] + foreign + content[chance.choice((span.start, span.stop)) :]


def _insert(content: bytes, other: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(content) + 1)
    return content[:at] + chance.randbytes(chance.randrange(1, 20)) + content[at:]


def _line(content: bytes, other: bytes, chance: random.Random) -> bytes:
    lines = content.split(b"\n")
    first, second = (chance.randrange(len(lines)) for _ in range(2))
    match chance.randrange(4):
        case 0:
            del lines[first]
        case 1:
            lines.insert(second, lines[first])
        case 2:
            lines[first], lines[second] = lines[second], lines[first]
        case _:
            foreign = other.split(b"\n")
            lines.insert(first, chance.choice(foreign))
    return b"\n".join(lines)


def _word(content: bytes, other: bytes, chance: random.Random) -> bytes:
    lines = content.split(b"\n")
    number = chance.randrange(len(lines))
    mark = chance.choice([one for one in (b",", b";", b"\t", b'"', b":") if one in lines[number]] or [b" "])
    words = lines[number].split(mark)
    words[chance.randrange(len(words))] = chance.choice(NASTY).encode()
    lines[number] = mark.join(words)
    return b"\n".join(lines)


_OF_BYTES = (_cut, _flip, _flip, _set, _drop, _repeat, _swap, _splice, _insert)
_OF_LINES = (_line, _word, _word, _word)


def _sealed_blocks(content: bytes) -> bytes:
    """Return Axivity blocks with the sums that they should have, so that damage reaches what lies behind them."""
    size, start = axivity.BLOCK_BYTES, axivity.HEADER_BYTES
    blocks = [content[at : at + size] for at in range(start, len(content), size)]
    return content[:start] + b"".join(axivity.summed(one[:510]) if len(one) == size else one for one in blocks)


def _sealed_records(content: bytes) -> bytes:
    """Return ActiGraph records with the checksums that they should have, as far as their lengths lead."""
    whole, at = b"", 0
    while content[at : at + 1] == b"\x1e" and len(content) > at + 8:
        size = int.from_bytes(content[at + 6 : at + 8], "little")
        second = int.from_bytes(content[at + 2 : at + 6], "little")
        whole += actigraph.record(content[at + 1], second, content[at + 8 : at + 8 + size])
        at += 9 + size
    return whole + content[at:]


_SEALS = {("axivity", "ax.cwa"): _sealed_blocks, ("actigraph", "log.bin"): _sealed_records}


@dataclass
class Outcome:
    """What came of all cases; ``escapes`` are those that ended in neither way, one of each kind."""

    cases: int = 0
    recordings: int = 0
    errors: Counter = field(default_factory=Counter)
    escapes: dict[str, str] = field(default_factory=dict)
    growth_mb: float = 0.0
    cpu_s: float = 0.0
    slowest: list = field(default_factory=list)


class Fuzz:
    """The cases of one format, in a folder of its own."""

    def __init__(self, name: str, folder: Path, *, stops: bool) -> None:
        self.name, self.folder, self.stops = name, folder, stops
        self.outcome = Outcome()
        self.targets = []
        for kind, example in EXAMPLES[name].items():
            made = folder / "made" / kind
            made.mkdir(parents=True)
            self.targets += taken_apart(kind, example, made)
            load(example.write(made), schema=example.schema)  # what is imported late is no growth
        self._base_mb = peak_mb()

    def case(self, number: int) -> None:
        """Damage one file as the number says, and load it."""
        chance = random.Random(f"{self.name} {number}")  # noqa: S311  damage, no secret
        target, foreign = chance.choice(self.targets), chance.choice(self.targets)
        file = chance.choice(sorted(target.files))
        content = damaged(target.files[file], chance.choice(sorted(foreign.files.values())), chance)
        seal = _SEALS.get((self.name, file))
        if seal is not None and chance.random() < 0.5:
            content = seal(content)
        repair = chance.choice(((), (), REPAIRS, tuple(chance.sample(REPAIRS, 2))))
        self.attempt(target, {**target.files, file: content}, repair, f"case {number}")

    def attempt(self, target: Target, files: dict[str, bytes], repair: tuple[str, ...], what: str) -> None:
        """Load these contents under the limits, and count how it ended."""
        place = self.folder / "case"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        path = target.write(place, files)
        before = time.process_time()
        try:
            with cpu_limit(MOST_CPU_S):
                _check(load(path, schema=target.example.schema, repair=repair))
            self.outcome.recordings += 1
        except RecordingError as error:
            self.outcome.errors[error.code] += 1
            if not (error.code and error.remedy and error.file):
                self._escaped(f"an error without code, remedy or file: {error}", what)
        except (Exception, TooSlowError) as fault:  # whatever it is, it is what was looked for
            if self.stops:
                raise
            self._escaped(told_of(fault), what)
        self.outcome.cases += 1
        self.outcome.slowest = sorted([*self.outcome.slowest, (time.process_time() - before, what)])[-3:]
        growth_mb = peak_mb() - self._base_mb
        if growth_mb > MOST_GROWTH_MB >= self.outcome.growth_mb:
            self._escaped(f"memory grew by {growth_mb:.0f} MB", what)
        self.outcome.growth_mb = growth_mb

    def generated(self, count: int) -> None:
        """Load files whose cells hypothesis chose: it looks for odd ones by itself and makes them small."""
        texts = [(one, file) for one in self.targets for file, content in one.files.items() if _is_text(content)]
        if not count:
            return
        given(_CELLS)(lambda cell: None)()  # what hypothesis itself needs is no growth
        self._base_mb = peak_mb() - self.outcome.growth_mb
        for target, file in texts:
            self._generated_in(target, file, -(-count // len(texts)))

    def _generated_in(self, target: Target, file: str, count: int) -> None:
        lines = target.files[file].decode().split("\n")
        edits = st.lists(st.tuples(st.integers(0, len(lines) - 1), st.integers(0, 12), _CELLS), min_size=1, max_size=4)

        @settings(
            max_examples=count,
            deadline=None,
            derandomize=True,
            database=None,
            phases=(Phase.generate,),
            suppress_health_check=list(HealthCheck),
        )
        @given(edits)
        def edited(edits):
            content = "\n".join(_edited(lines, edits)).encode(errors="surrogatepass")
            files = {**target.files, file: content}
            self.attempt(target, files, (), f"generated: {file} of {target.kind} with {edits!r:.400}")

        edited()

    def _escaped(self, told: str, what: str) -> None:
        """Keep the first case of each kind of fault: what follows the last colon differs from case to case."""
        place = told.partition(": ")[0]
        if len(self.outcome.escapes) < _MOST_TOLD:
            self.outcome.escapes.setdefault(place, f"{what}: {told}")


_CELLS = st.one_of(
    st.sampled_from(NASTY),
    st.integers().map(str),
    st.floats().map(repr),
    st.text(max_size=12),
    st.decimals(allow_nan=False, allow_infinity=False).map(str),
)


def _edited(lines: list[str], edits: list[tuple[int, int, str]]) -> list[str]:
    """Return lines with these cells in place of others."""
    changed = list(lines)
    for number, column, cell in edits:
        mark = ";" if changed[number].count(";") > changed[number].count(",") else ","
        cells = changed[number].split(mark)
        cells[column % len(cells)] = cell
        changed[number] = mark.join(cells)
    return changed


def _is_text(content: bytes) -> bool:
    try:
        return b"\0" not in content and "\n" in content.decode()
    except UnicodeDecodeError:
        return False


def _check(recording):
    """Raise where a recording is not what every recording must be."""
    for stream in recording.streams.values():
        assert stream.values.dtype == np.float32
        assert not np.isinf(stream.values).any(), f"{stream.name} is infinite"
        assert np.isfinite(stream.time).all(), f"time of {stream.name} is not finite"
        assert (np.diff(stream.time) > 0).all(), f"time of {stream.name} does not increase"
    findings = recording.findings
    assert tuple(findings.columns) == FINDING_COLUMNS
    least = (~findings["code"].isin(DROPPED)).astype(int)  # what was cut off may hold no whole sample
    assert (findings["count"] >= least).all(), f"findings count nothing: {findings['code'].tolist()}"
    assert findings["remedy"].str.strip().astype(bool).all(), "findings without a remedy"
    assert recording.stop_s >= recording.start_s


def in_child(name: str, *, cases: int = 0, first: int = 0, generated: int = 0) -> dict:
    """Return the outcome of so many cases of a format, tried in a process of its own; raise where it died."""
    with tempfile.TemporaryDirectory() as folder:
        progress = Path(folder) / "progress"
        command = [sys.executable, "-W", "error", "-m", "tests.fuzzing", name, "--progress", progress]
        command += ["--cases", str(cases), "--first", str(first), "--generated", str(generated)]
        environment = {**os.environ, "TMPDIR": folder, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        try:
            done = subprocess.run(
                command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=MOST_WAIT_S
            )
        except subprocess.TimeoutExpired as hung:
            raise AssertionError(f"{name} did not end within {MOST_WAIT_S} s at {progress.read_text()}") from hung
        last = progress.read_text() if progress.is_file() else "none"
    if done.returncode:
        died = signal.Signals(-done.returncode).name if done.returncode < 0 else f"code {done.returncode}"
        raise AssertionError(f"the process ended with {died} at {last} of {name}: {done.stderr[-2000:]}")
    assert done.stderr == "", "something was printed"
    return json.loads(done.stdout)


def main() -> None:
    """Try the cases that the command line names, and print the outcome as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=list(EXAMPLES))
    parser.add_argument("--cases", type=int, default=0)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--generated", type=int, default=0)
    parser.add_argument("--progress", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        fuzz = Fuzz(options.name, Path(folder), stops=options.cases == 1)
        refuse_more_memory(_BACKSTOP_MB)
        before = time.process_time()
        for number in range(options.first, options.first + options.cases):
            if options.progress:
                options.progress.write_text(f"case {number}")
            fuzz.case(number)
        fuzz.generated(options.generated)
        fuzz.outcome.cpu_s = time.process_time() - before
    sys.stdout.write(json.dumps(fuzz.outcome.__dict__))


if __name__ == "__main__":
    main()
