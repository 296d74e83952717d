"""What a running detector costs: CPU beside real time, and memory over a long run."""

import statistics
import time

import numpy as np
import psutil
import pytest

import wristkit as wk
from wristkit.detector import Detector

pytestmark = pytest.mark.benchmark
RATE_HZ, PACKET = 100, 8


@pytest.fixture(scope="module")
def detector():
    """A tour's detector: accel and gyro at 50 Hz, two seconds every half second."""
    people = [wk.sample(name) for name in ("day_p01", "day_p05")]
    chosen = wk.windows(people, streams=("accel", "gyro"), rate_hz=50, length_s=2.0, hop_s=0.5)
    return wk.quick_train(chosen, epochs=1).detector()


def packets(start_s, span_s):
    """Return packets of eight samples of two streams of 100 Hz."""
    rng = np.random.default_rng(0)
    count = int(span_s * RATE_HZ)
    time_s = start_s + np.arange(count) / RATE_HZ
    values = rng.normal(size=(count, 3)).astype(np.float32)
    parts = [slice(first, first + PACKET) for first in range(0, count, PACKET)]
    return [dict.fromkeys(("accel", "gyro"), (time_s[part], values[part])) for part in parts]


def cpu_of_pushing(detector: Detector, parts):
    before = time.process_time()
    for part in parts:
        detector.push(part)
    return time.process_time() - before


def test_pushing_small_packets(detector, benchmark_row):
    span_s = 60.0
    detector.reset()
    spent = [cpu_of_pushing(detector, packets(minute * span_s, span_s)) for minute in range(5)]
    per_hour = statistics.median(spent) * 3600 / span_s
    speed = 3600 / per_hour
    note = f"{per_hour:.0f} s CPU an hour of signal in packets of {PACKET} at {RATE_HZ} Hz, two streams; bound 50x"
    benchmark_row("push, beside real time", f"{speed:.0f}x", note)
    assert speed >= 50


def test_a_whole_recording_beside_its_packets(detector, benchmark_row):
    recording = wk.sample("day_p01")
    streams = [recording["accel"], recording["gyro"]]
    parts = [
        {
            stream.name: (stream.time[first : first + PACKET], stream.values[first : first + PACKET])
            for stream in streams
        }
        for first in range(0, max(len(stream) for stream in streams), PACKET)
    ]
    pairs = []
    for _ in range(3):
        detector.reset()
        pushed = cpu_of_pushing(detector, parts)
        before = time.process_time()
        detector.detect(recording)
        pairs.append((pushed, time.process_time() - before))
    pushed, whole = (statistics.median(column) for column in zip(*pairs, strict=True))
    note = f"packets {pushed:.2f} s CPU, the recording at once {whole:.3f} s; bound: packets cost more"
    benchmark_row("push beside detect", f"{pushed / whole:.0f}x", note)
    assert pushed > whole


def test_memory_of_a_long_run(detector, benchmark_row):
    process = psutil.Process()
    detector.reset()
    held = []
    for minute in range(10):
        for part in packets(60.0 * minute, 60.0):
            detector.push(part)
        held.append(process.memory_info().rss)
    grown = held[-1] - held[4]
    benchmark_row("growth over the last 5 of 10 min of push", f"{grown / 1e3:.0f} kB", "resident memory; bound 1000 kB")
    assert grown <= 1_000_000
