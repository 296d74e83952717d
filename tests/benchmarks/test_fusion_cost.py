"""What fusion costs beside vqf alone, on the same columns of a recording."""

import time

import numpy as np
import psutil
import pytest
from vqf import VQF, offlineVQF

import wristkit as wk
from wristkit.fusion import Clock, Fusion, FusionParams
from wristkit.recording import Recording, Stream

pytestmark = pytest.mark.benchmark
RATE_HZ, MINUTES = 100.0, 10


def cpu_s(work):
    """Return the CPU seconds that one call takes."""
    before = time.process_time()
    work()
    return time.process_time() - before


@pytest.fixture(scope="module")
def recording():
    """Return some minutes of motion, column after column in memory, as loaders give it."""
    rng, count = np.random.default_rng(0), round(RATE_HZ * 60 * MINUTES)
    time_s = np.arange(count) / RATE_HZ
    means = {"accel": [0, 0, -1], "gyro": [0, 0, 0], "mag": [20, 0, -40]}
    sizes = {"accel": 0.1, "gyro": 0.5, "mag": 1.0}
    columns = {
        name: np.asfortranarray(means[name] + sizes[name] * rng.normal(size=(count, 3)), dtype=np.float32)
        for name in means
    }
    return Recording.of([Stream.measured(name, time_s, values) for name, values in columns.items()])


def prepared(recording, *, magnetometer):
    """Return gyr, acc, mag as vqf takes them: rows of float64 in SI units."""
    gyr, acc, mag = (np.ascontiguousarray(recording[name].values, np.float64) for name in ("gyro", "accel", "mag"))
    acc *= -9.80665
    return gyr, acc, (mag if magnetometer else None)


def interleaved(ours, *theirs, runs=15):
    """Return the least CPU seconds of each, run in turn: what a busy machine adds is left out of all."""
    return np.min([[cpu_s(one) for one in (ours, *theirs)] for _ in range(runs)], axis=0)


@pytest.mark.parametrize("magnetometer", [True, False], ids=["9D", "6D"])
def test_packets_beside_raw_vqf(recording, benchmark_row, magnetometer):
    params = FusionParams.of(recording, magnetometer=magnetometer)
    names = ("gyro", "accel", "mag") if magnetometer else ("gyro", "accel")
    packets = {name: (recording[name].time, recording[name].values) for name in names}
    arrays = prepared(recording, magnetometer=magnetometer)
    ours, raw, bare = interleaved(
        lambda: Fusion(params).run(packets),
        lambda: VQF(1 / RATE_HZ).updateBatch(*prepared(recording, magnetometer=magnetometer)),
        lambda: VQF(1 / RATE_HZ).updateBatch(*arrays),
    )
    each_ns = 1e9 * np.array([ours, raw]) / len(recording.gyro)
    note = (
        f"ours {each_ns[0]:.0f} ns CPU a sample, raw vqf {each_ns[1]:.0f} from the same columns; {ours / bare:.2f}x of "
        "raw vqf from arrays as it wants them; bound 1.2x"
    )
    benchmark_row(f"fusion, {'9D' if magnetometer else '6D'}", f"{ours / raw:.2f}x", note)
    assert ours <= 1.2 * raw


@pytest.mark.parametrize(("offline", "most"), [(False, 2.0), (True, 1.5)], ids=["online", "offline"])
def test_a_whole_recording_beside_raw_vqf(recording, benchmark_row, offline, most):
    def raw():
        gyr, acc, mag = prepared(recording, magnetometer=True)
        return offlineVQF(gyr, acc, mag, 1 / RATE_HZ) if offline else VQF(1 / RATE_HZ).updateBatch(gyr, acc, mag)

    ours, theirs = interleaved(lambda: wk.fuse(recording, offline=offline), raw, runs=9)
    note = (
        f"with checks, streams, findings and the id: {1e9 * (ours - theirs) / len(recording.gyro):.0f} ns a sample more"
    )
    benchmark_row(
        f"fuse a recording, {'offline' if offline else 'online'}", f"{ours / theirs:.2f}x", f"{note}; bound {most:g}x"
    )
    assert ours <= most * theirs


def test_small_packets_of_a_fast_sensor(benchmark_row):
    rate_hz, minutes, size = 800.0, 60, 8
    rng, count = np.random.default_rng(0), round(rate_hz * 60 * minutes)
    time_s, gyro = np.arange(count) / rate_hz, rng.normal(size=(count, 3)).astype(np.float32)
    accel = (0.1 * rng.normal(size=(count, 3)) - [0, 0, 1]).astype(np.float32)
    clock = Clock(rate_hz, 0.1)
    fusion = Fusion(FusionParams(clock, clock))

    def push(first_minute, stop_minute):
        per_minute = round(60 * rate_hz)
        for first in range(first_minute * per_minute, stop_minute * per_minute, size):
            part = slice(first, first + size)
            fusion.push({"gyro": (time_s[part], gyro[part]), "accel": (time_s[part], accel[part])})

    push(0, 1)  # what is imported and computed once
    process = psutil.Process()
    before = process.memory_info().rss
    took_s = cpu_s(lambda: push(1, minutes))
    grown = process.memory_info().rss - before
    speed = 60 * (minutes - 1) / took_s
    note = f"{1e6 * took_s * size / count:.0f} us CPU a packet; memory grows by {grown / 1e3:.0f} kB; bounds 50x, 1 MB"
    benchmark_row("fusion, 1 h in packets of 8 at 800 Hz", f"{speed:.0f}x real time", note)
    assert speed >= 50
    assert grown <= 2**20
