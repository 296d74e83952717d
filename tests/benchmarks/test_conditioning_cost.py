"""What conditioning costs beside a plain polyphase resampler, and what opening a day costs."""

import statistics
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import resample_poly

import wristkit as wk
from wristkit.condition import Resample
from wristkit.recording import Recording, Stream

pytestmark = pytest.mark.benchmark
RATE_HZ, CHANNELS = 100, 6
HOUR, DAY = 3600 * RATE_HZ, 24 * 3600 * RATE_HZ


def cpu_s(work):
    """Return the CPU seconds that one call takes."""
    before = time.process_time()
    work()
    return time.process_time() - before


def signal(count):
    """Return stamps (n,) of a jittered clock and values (n, 6)."""
    rng = np.random.default_rng(0)
    return np.cumsum(rng.uniform(0.5, 1.5, count)) / RATE_HZ, rng.normal(size=(count, CHANNELS))


def interleaved(count, runs):
    """Return the median CPU seconds of our resampler and of scipy's, run in turn."""
    even_s = np.arange(count) / RATE_HZ
    _, values = signal(count)
    pairs = [
        (cpu_s(lambda: Resample(50).run(even_s, values)), cpu_s(lambda: resample_poly(values, 1, 2)))
        for _ in range(runs)
    ]
    return tuple(statistics.median(column) for column in zip(*pairs, strict=True))


def test_resampling_an_hour(benchmark_row):
    ours, peer = interleaved(HOUR, 15)
    note = f"ours {1000 * ours:.0f} ms CPU, scipy resample_poly {1000 * peer:.0f} ms; bound 2x"
    benchmark_row("resample 1 h x 6 channels, 100 to 50 Hz", f"{ours / peer:.2f}x", note)
    assert ours <= 2 * peer


def test_resampling_a_day(benchmark_row):
    ours, peer = interleaved(DAY, 5)
    note = f"ours {ours:.2f} s CPU, scipy resample_poly {peer:.2f} s; wanted 2x, bound 2x"
    benchmark_row("resample 24 h x 6 channels, 100 to 50 Hz", f"{ours / peer:.2f}x", note)
    assert ours <= 2 * peer


def test_jitter_costs_little(benchmark_row):
    time_s, values = signal(HOUR)
    even_s = np.arange(HOUR) / RATE_HZ
    pairs = [
        (cpu_s(lambda: Resample(50).run(time_s, values)), cpu_s(lambda: Resample(50).run(even_s, values)))
        for _ in range(9)
    ]
    jittered, even = (statistics.median(column) for column in zip(*pairs, strict=True))
    note = f"jittered stamps {1000 * jittered:.0f} ms CPU, even stamps {1000 * even:.0f} ms; bound 2x"
    benchmark_row("resample 1 h of jittered stamps", f"{jittered / even:.2f}x", note)
    assert jittered <= 2 * even


def test_memory_of_resampling(benchmark_row):
    time_s, values = signal(HOUR)
    held = time_s.nbytes + values.nbytes
    tracemalloc.start()
    Resample(50).run(time_s, values)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    note = f"at most {most / 1e6:.0f} MB beside {held / 1e6:.0f} MB of input; bound 3x"
    benchmark_row("memory of resampling 1 h", f"{most / held:.2f}x", note)
    assert most <= 3 * held


def bytes_read():
    """Return the bytes that this process has asked files for; mapped pages that are never touched do not count."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("rchar")).split()[1])


def day_of(folder):
    """Write 24 h of two streams of three channels and return the folder and its bytes."""
    rng = np.random.default_rng(0)
    time_s = np.arange(DAY) / RATE_HZ
    streams = [
        Stream.measured(name, time_s, rng.normal(size=(DAY, 3)).astype(np.float32)) for name in ("accel", "gyro")
    ]
    wk.save(Recording.of(streams), folder)
    return folder, sum(path.stat().st_size for path in folder.iterdir())


@pytest.mark.skipif(not Path("/proc/self/io").is_file(), reason="this system does not count the bytes a process reads")
def test_opening_a_day_reads_no_sample(tmp_path, benchmark_row):
    folder, size = day_of(tmp_path / "day")
    wk.load(folder)  # imports what it needs
    before = bytes_read()
    opened = wk.load(folder)
    read = bytes_read() - before
    milliseconds = 1000 * statistics.median(cpu_s(lambda: wk.load(folder)) for _ in range(20))
    page = 1000 * cpu_s(opened._repr_html_)
    note = f"of {size / 1e6:.0f} MB; bound 1 MB; {milliseconds:.1f} ms CPU to open, {page:.0f} ms to show"
    benchmark_row("open 24 h x 6 x 100 Hz", f"{read / 1e3:.0f} kB read", note)
    assert len(opened.accel) == DAY
    assert read < 1_000_000
