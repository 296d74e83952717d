"""What a zoom costs on 100 million samples in a file: beside reading its window, in memory, and in rows read."""

import json
import os
import shutil
import subprocess
import sys
import time
from itertools import pairwise

import numpy as np
import psutil
import pytest

from tests.watched import Watched
from wristkit.recording import Recording, Stream
from wristkit.store import open_native, save
from wristkit.view import pyramid
from wristkit.view.window import Pane, overview, window

pytestmark = pytest.mark.benchmark
SAMPLES, RATE_HZ, BINS = 100_000_000, 100.0, 1000
SHARES = (1.0, 0.75, 0.5, 1 / 3, 0.25)  # of the recording: windows that are held to the bound
NARROW_SHARES = (0.1, 0.03, 0.01)  # whose samples are read in milliseconds, too
NAMES = ["accel", "gyro"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a native folder of 3.2 GB, removed at the end: motion with stamps of its own, and with a stated rate."""
    folder = tmp_path_factory.mktemp("long") / "recording"
    rng = np.random.default_rng(0)
    values = rng.standard_normal((3, SAMPLES), dtype=np.float32)
    values[:, ::1_000_003] *= 20
    time_s = np.arange(SAMPLES) / RATE_HZ
    time_s += rng.uniform(0, 2e-3, SAMPLES)
    streams = [Stream.measured("accel", time_s, values.T), Stream.uniform("gyro", values.T, rate_hz=RATE_HZ)]
    save(Recording.of(streams), folder)
    del values, time_s, streams
    yield folder
    shutil.rmtree(folder)


def cpu_s(work):
    """Return the CPU seconds that one call takes."""
    before = time.process_time()
    work()
    return time.process_time() - before


def zoom(stream, span_s, *, bins=BINS):
    """Return what a pane of the stream shows of a window."""
    return window(Pane(stream, (), (), None, 120, ()), start_s=span_s[0], stop_s=span_s[1], bins=bins)


def spans(stream, share, *, count=7):
    """Return (count, 2) windows of a share of a stream, anywhere in it."""
    whole_s = stream.stop_s - stream.start_s
    starts_s = stream.start_s + np.random.default_rng(1).uniform(0, (1 - share) * whole_s, count)
    return np.column_stack([starts_s, starts_s + share * whole_s]).tolist()


def zoom_and_rescan_s(stream, share, monkeypatch):
    """Return the median CPU seconds of a zoom and of one that reads its window, in turn; they show the same."""
    took = []
    for span_s in spans(stream, share):
        shown = []
        for least in (pyramid.PYRAMID_ROWS, SAMPLES + 1):
            monkeypatch.setattr(pyramid, "PYRAMID_ROWS", least)
            before = time.process_time()
            shown.append(zoom(stream, span_s))
            took.append(time.process_time() - before)
        monkeypatch.undo()
        assert all(np.array_equal(ours, theirs, equal_nan=True) for ours, theirs in zip(*shown, strict=True))
    return np.median(np.reshape(took, (-1, 2)), axis=0)


@pytest.mark.parametrize("name", NAMES)
def test_a_zoom_beside_reading_its_window(folder, benchmark_row, monkeypatch, name):
    stream = open_native(folder)[name]
    built_s = cpu_s(lambda: zoom(stream, (stream.start_s, stream.stop_s)))
    costs = {share: zoom_and_rescan_s(stream, share, monkeypatch) for share in (*SHARES, *NARROW_SHARES)}
    ratios = {share: float(rescan_s / zoom_s) for share, (zoom_s, rescan_s) in costs.items()}
    median = float(np.median([ratios[share] for share in SHARES]))
    each = ", ".join(f"{share:.2g}: {1e3 * a:.1f} of {1e3 * b:.1f} ms" for share, (a, b) in costs.items())
    note = f"first view with its pyramid {built_s:.2f} s CPU; by share {each}; bound 1/20, median from 0.25 on"
    benchmark_row(f"zoom on 100 M x 3 in a file, {name}", f"1/{median:.0f} of a rescan", note)
    assert median >= 20
    assert ratios[1.0] >= 20
    assert all(costs[share][0] <= max(3 * costs[share][1], 5e-3) for share in NARROW_SHARES)


MEMORY = """
import json, re, sys, threading, time
from pathlib import Path
import numpy as np
from wristkit.recording import Recording, Stream
from wristkit.store import open_native
from wristkit.view.window import Pane, overview, window

def held():
    text = Path("/proc/self/status").read_text()
    return [1024 * int(re.search(rf"{kind}:\\s+(\\d+)", text)[1]) for kind in ("RssAnon", "RssFile")]

def zoom(stream, start_s, stop_s):
    window(Pane(stream, (), (), None, 120, ()), start_s=start_s, stop_s=stop_s, bins=1000)

def watch():
    while True:
        peaks.append(held()[0])
        time.sleep(5e-4)

recording = open_native(Path(sys.argv[1]))
short = Stream.measured("accel", np.arange(20000) / 50, np.zeros((20000, 3)))
zoom(short, 0, 400), overview(Recording.of([short]))  # what is imported and made once
(before, _), peaks, files = held(), [], []
threading.Thread(target=watch, daemon=True).start()
for name in sys.argv[2:]:
    stream, rng, mapped = recording[name], np.random.default_rng(0), held()[1]
    whole_s = stream.stop_s - stream.start_s
    zoom(stream, stream.start_s, stream.stop_s)
    files.append(held()[1] - mapped)
    for share in rng.uniform(0, 1, 100) ** 3:
        start_s = stream.start_s + rng.uniform(0, 1 - share) * whole_s
        zoom(stream, start_s, start_s + share * whole_s)
overview(recording)
print(json.dumps({"peak": max(peaks) - before, "after": held()[0] - before, "files": files, "looks": len(peaks)}))
"""


def test_memory_of_pyramids_and_zooms(folder, benchmark_row):
    command = [sys.executable, "-c", MEMORY, str(folder), *NAMES]
    said = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    mapped = " and ".join(f"{size / 1e6:.0f} MB" for size in said["files"])
    note = (
        f"two streams of 100 M x 3, their pyramids and 200 zooms; kept {said['after'] / 1e6:.0f} MB; private memory "
        f"(RssAnon), {said['looks']} looks; pages of the files mapped by the first view {mapped}; bound 100 MB"
    )
    benchmark_row("memory of zooms on 100 M x 3", f"peak {said['peak'] / 1e6:.0f} MB", note)
    assert said["looks"] >= 100
    assert said["peak"] <= 100e6


@pytest.mark.parametrize("name", NAMES)
def test_after_its_pyramid_the_file_is_not_read_again(folder, benchmark_row, name):
    opened = open_native(folder)[name]
    values = Watched.of(opened.values)
    stamps = None if opened.is_uniform else Watched.of(opened.time)
    fields = {field: getattr(opened, field) for field in ("name", "start_s", "channels", "unit", "rate_hz", "gaps")}
    stream = Stream.trusted(time=stamps, values=values, **fields)
    counted = [values.counter.rows]
    pyramid.pyramid_of(stream)
    counted.append(values.counter.rows)
    for share in SHARES:
        for span_s in spans(stream, share, count=3):
            zoom(stream, span_s)
            counted.append(values.counter.rows)
    built, *read = [after - before for before, after in pairwise(counted)]
    note = f"of {len(read)} zooms and no more than {max(read):,} by one; the pyramid read each of {built:,} once"
    benchmark_row(f"rows read after the pyramid, {name}", f"{sum(read):,}", note)
    assert built == SAMPLES
    assert max(read) <= 2 * pyramid.BLOCK_ROWS * (BINS + 2)
    assert sum(read) < SAMPLES / 20
    if stamps is not None:
        assert stamps.counter.rows < SAMPLES * 1.05


def test_a_view_of_a_file_that_no_memory_holds(folder, benchmark_row):
    for path in folder.glob("*.npy"):
        with path.open("rb") as file:
            os.fsync(file.fileno())
    stream, process = open_native(folder)["accel"], psutil.Process()
    pyramid.pyramid_of(stream)
    before = forgotten(folder, process)
    zoom(stream, (stream.start_s, stream.stop_s))
    read = process.io_counters().read_bytes - before
    size = sum(path.stat().st_size for path in folder.glob("*accel*.npy"))
    note = f"of {size / 1e6:.0f} MB, in pages of 4 kB; the whole of 100 M x 3 with stamps; bound 1/20"
    benchmark_row("read from disk for a view", f"{read / 1e6:.1f} MB", note)
    assert read <= size / 20


def forgotten(folder, process):
    """Have the system forget what it holds of the files, and return the bytes that this process read from disk."""
    for path in folder.glob("*.npy"):
        handle = os.open(path, os.O_RDONLY)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(handle)
    return process.io_counters().read_bytes


def test_the_map_of_the_whole(folder, benchmark_row):
    recording = open_native(folder)
    first_s, again_s = (cpu_s(lambda: overview(recording)) for _ in range(2))
    note = f"{1e3 * again_s:.1f} ms CPU, the first one {first_s:.2f} s with the pyramid; bound 1/20"
    benchmark_row("map of 100 M x 3, made again", f"1/{first_s / again_s:.0f} of the first", note)
    assert again_s <= first_s / 20
