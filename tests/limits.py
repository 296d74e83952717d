"""Limits of memory and processor time for code that is given hostile files, and what it took of them."""

import importlib
import json
import os
import resource
import select
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent
MB = 10**6
MOST_CPU_S, MOST_WAIT_S, BACKSTOP_MB = 5, 60, 2000
_MAXRSS_BYTES = 1 if sys.platform == "darwin" else 1024


_LOAD_INTO = """
import json, re, sys
from pathlib import Path
import numpy, pandas, pyarrow.csv, tqdm.auto, wristkit as wk, wristkit.load, wristkit.signals
peak = lambda: int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024
path, into, schema = json.loads(sys.argv[1])
Path("/proc/self/clear_refs").write_text("5")  # what the process had as a fork of the tests' own does not count
base = peak()
recording = wk.load(path, schema=schema, into=into)
told = sorted(set(recording.findings["code"]))
print(json.dumps([peak() - base, len(next(iter(recording.streams.values()))), told]))
"""


class TooSlowError(BaseException):
    """A limit of processor time was passed; no ``except Exception`` can hide it."""


@contextmanager
def cpu_limit(seconds: float) -> Iterator[None]:
    """Stop the block with ``TooSlowError`` after so many seconds of processor time."""
    previous = signal.signal(signal.SIGPROF, _raise_too_slow)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, previous)


def _raise_too_slow(*_):
    raise TooSlowError


def peak_mb() -> float:
    """Return the most memory that this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _MAXRSS_BYTES / MB


def peak_megabytes(path, into, schema=None):
    """Return the peak of memory above the imports, the samples of the first stream, and the codes of what was found.

    In a process of its own, on Linux.
    """
    arguments = json.dumps([str(path), str(into), schema])
    done = subprocess.run([sys.executable, "-c", _LOAD_INTO, arguments], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def refuse_more_memory(mb: int) -> None:
    """Let this process allocate so much more than now, touched or not; elsewhere than on Linux nothing heeds it."""
    most = psutil.Process().memory_info().vms + mb * MB
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def told_of(fault: BaseException) -> str:
    """Return a fault in one line: what it is, and the innermost line of ours where it rose."""
    frames = [
        one for one in traceback.extract_tb(fault.__traceback__) if Path(one.filename).is_relative_to(ROOT / "wristkit")
    ]
    where = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "the test"
    return f"{type(fault).__name__} in {where}: {str(fault)[:160]}"


class Sandbox:
    """A process that does each task in a fork of its own, so that what is imported is imported once.

    A task is ``{"path": ..., "into": ..., "options": {...}}`` for ``load``; what comes back says how it ended.
    """

    def __init__(self) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        command = [sys.executable, "-W", "error", "-m", "tests.limits"]
        self._process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def load(self, path: Path, *, into: Path | None = None, **options) -> dict:
        """Return how loading ended: ``end``, ``told``, ``code``, ``html``, ``cpu_s`` and ``growth_mb``."""
        task = {"path": str(path), "into": None if into is None else str(into), "options": options}
        self._process.stdin.write(json.dumps(task) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def _in_fork(task: dict) -> dict:
    """Do one task in a fork under limits; it is killed where it waits for ever."""
    out, into = os.pipe()
    child = os.fork()
    if not child:
        os.close(out)
        with os.fdopen(into, "w") as answer:
            answer.write(json.dumps(_limited(task)))
        os._exit(0)
    os.close(into)
    with os.fdopen(out) as answer:
        ready = select.select([answer], [], [], MOST_WAIT_S)[0]
        if not ready:
            os.kill(child, signal.SIGKILL)
        text = answer.read()
    status = os.waitpid(child, 0)[1]
    if not ready:
        return {"end": "hung", "told": f"it did nothing for {MOST_WAIT_S} s"}
    return json.loads(text) if text else {"end": "died", "told": f"wait status {status}"}


def _limited(task: dict) -> dict:
    refuse_more_memory(BACKSTOP_MB)
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_CPU_S, MOST_CPU_S))
    base, before = peak_mb(), time.process_time()
    ended = _ended(task)
    return ended | {"cpu_s": time.process_time() - before, "growth_mb": peak_mb() - base}


def _ended(task: dict) -> dict:
    from wristkit.errors import RecordingError
    from wristkit.load import load

    try:
        recording = load(task["path"], into=task["into"], **task["options"])
    except (RecordingError, FileNotFoundError) as error:
        return {"end": "refused", "code": getattr(error, "code", "missing"), "told": str(error)}
    except BaseException as fault:  # noqa: BLE001  whatever it is, the test is told
        return {"end": "escaped", "told": told_of(fault)}
    told = [*recording.labels["label"], *recording.findings["note"], *recording.source.values()]
    return {"end": "loaded", "html": recording._repr_html_(), "told": "\n".join(told)}


def main() -> None:
    """Do the tasks that come in, one a line."""
    for room in ("wristkit.load", "wristkit.store", "pyarrow.csv", "pyarrow.parquet", "soundfile", "tqdm.auto"):
        importlib.import_module(room)
    for line in sys.stdin:
        sys.stdout.write(json.dumps(_in_fork(json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
