"""What filters cost beside scipy's, after a burst, a sample, and in packets from a fast sensor."""

import gc
import resource
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import sosfilt, sosfiltfilt

from wristkit.condition import Conditioning, Frame, Resample, Source
from wristkit.filters import BLOCK, Filter, Moving

pytestmark = pytest.mark.benchmark
RATE_HZ, CHANNELS = 100, 6
DAY = 24 * 3600 * RATE_HZ
FAST_HZ = 800
LOWPASS = Filter("lowpass", (5.0,))


def cpu_s(work):
    """Return the CPU seconds that one call takes."""
    before = time.process_time()
    work()
    return time.process_time() - before


def interleaved(runs, *works):
    """Return the CPU seconds of each of several works, run in turn, (runs, works)."""
    return np.array([[cpu_s(work) for work in works] for _ in range(runs)])


def median_ratio(taken, ours, peer):
    """Return the median of the ratios within a turn: what slows the whole machine slows both."""
    return float(np.median(taken[:, ours] / taken[:, peer]))


def day():
    """Return 24 h of six channels, (n, 6)."""
    return np.random.default_rng(0).normal(size=(DAY, CHANNELS))


def test_filtering_a_day(benchmark_row):
    values = day()
    by_channel, sos = np.ascontiguousarray(values.T), LOWPASS.coefficients(RATE_HZ).sos
    taken = interleaved(
        7,
        lambda: LOWPASS.run(values, rate_hz=RATE_HZ),
        lambda: sosfilt(sos, by_channel),
        lambda: sosfiltfilt(sos, values, axis=0),
    )
    ours, plain, both = np.median(taken, axis=0)
    beside_plain, beside_both = median_ratio(taken, 0, 1), median_ratio(taken, 0, 2)
    note = f"ours {ours:.2f} s CPU, scipy sosfilt by channel {plain:.2f} s; bound 1.2x"
    benchmark_row("filter 24 h x 6 channels", f"{beside_plain:.2f}x", note)
    note = f"scipy sosfiltfilt on (n, 6) {both:.2f} s; bound 0.5x"
    benchmark_row("filter 24 h x 6 channels", f"{beside_both:.2f}x", note)
    assert beside_plain <= 1.2
    assert beside_both <= 0.5


def test_memory_of_filtering(benchmark_row):
    values = day()[: DAY // 24]
    LOWPASS.run(values[:9], rate_hz=RATE_HZ)  # imports what it needs
    tracemalloc.start()
    LOWPASS.run(values, rate_hz=RATE_HZ)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    note = f"at most {most / 1e6:.0f} MB beside {values.nbytes / 1e6:.0f} MB of input; bound 1.5x"
    benchmark_row("memory of filtering 1 h", f"{most / values.nbytes:.2f}x", note)
    assert most <= 1.5 * values.nbytes


def test_silence_after_a_burst_costs_what_noise_costs(benchmark_row):
    """A band-pass of eight sections rings down for ever; without forgetting, it would do so in denormal numbers."""
    ringing, noise = Filter("bandpass", (0.5, 20.0), order=4), day()[: DAY // 24]
    burst = np.zeros_like(noise)
    burst[:BLOCK] = noise[:BLOCK]
    sos = ringing.coefficients(RATE_HZ).sos
    taken = interleaved(
        7,
        lambda: ringing.run(burst, rate_hz=RATE_HZ),
        lambda: ringing.run(noise, rate_hz=RATE_HZ),
        lambda: sosfilt(sos, burst, axis=0),
    )
    quiet, scipy_quiet = median_ratio(taken, 0, 1), median_ratio(taken, 2, 1)
    note = f"of what 1 h of noise costs; scipy sosfilt on the same silence {scipy_quiet:.1f}x; bound 1.5x"
    benchmark_row("filter silence after a burst", f"{quiet:.2f}x", note)
    assert quiet <= 1.5


@pytest.mark.parametrize("kind", ["mean", "std", "max"])
def test_a_long_span_costs_no_more_than_a_short_one(benchmark_row, kind):
    values = day()[: DAY // 24]
    short, long = Moving(kind, 0.5), Moving(kind, 100.0)
    taken = interleaved(5, lambda: long.run(values, rate_hz=RATE_HZ), lambda: short.run(values, rate_hz=RATE_HZ))
    ratio = median_ratio(taken, 0, 1)
    nanoseconds = 1e9 * np.median(taken[:, 0]) / values.size
    note = f"10000 samples beside 50, {nanoseconds:.0f} ns CPU a sample; bound 1.5x"
    benchmark_row(f"moving {kind} of 100 s", f"{ratio:.2f}x", note)
    assert ratio <= 1.5


def fast_sensor():
    """Return a running conditioning of three channels, from 800 to 50 Hz with a high-pass."""
    source = Source(name="accel", channels=("x", "y", "z"), unit="g", longest_step_s=0.1)
    return Conditioning(sources=(source,), steps=(Frame(), Resample(50), Filter("highpass", (0.5,)))).start()


def push_seconds(state, seconds, rows):
    """Push seconds of packets of so many rows and return (CPU seconds, grid samples, the newest place)."""
    values = np.random.default_rng(0).normal(size=(FAST_HZ, 3)).astype(np.float32)
    spent_s, count, newest = 0.0, 0, -1
    for second in seconds:
        time_s = (second * FAST_HZ + np.arange(FAST_HZ)) / FAST_HZ
        packets = [(time_s[k : k + rows], values[k : k + rows]) for k in range(0, FAST_HZ, rows)]
        before = time.process_time()
        for packet in packets:
            places = state.push({"accel": packet})["accel"].places
            count, newest = count + len(places), int(places[-1]) if len(places) else newest
        spent_s += time.process_time() - before
    return spent_s, count, newest


@pytest.mark.parametrize("rows", [8, 32])
def test_an_hour_in_packets_at_800_hz(benchmark_row, rows):
    state = fast_sensor()
    push_seconds(state, range(60), rows)
    before = memory_held()
    spent_s, _, newest = push_seconds(state, range(60, 3660), rows)
    growth = memory_held() - before
    note = f"of CPU; memory grows by {growth / 1e3:.0f} kB after a minute; bounds 50x, 1 MB"
    benchmark_row(f"1 h at 800 Hz, packets of {rows}", f"{3600 / spent_s:.0f}x real time", note)
    assert abs(newest / 50 - (3660 - 1 / FAST_HZ)) < 0.1  # the clock: the newest sample, less the stated delays
    assert 3600 / spent_s >= 50
    assert growth <= 1_000_000


def memory_held():
    """Return the bytes of memory that this process keeps resident."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
