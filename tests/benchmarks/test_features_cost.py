"""What features cost beside tsfresh and other libraries, on the same windows of a simulated wrist, one thread."""

import json
import subprocess
import sys
import time
import warnings

import numpy as np
import pandas as pd
import psutil
import pytest
from tsfresh.feature_extraction import extract_features
from tsfresh.feature_extraction.settings import ComprehensiveFCParameters, EfficientFCParameters

import wristkit as wk
from wristkit.features.extract import series_features
from wristkit.features.wrist import wrist_features

pytestmark = pytest.mark.benchmark
CHANNELS = [f"{stream}_{axis}" for stream in ("accel", "gyro") for axis in "xyz"]
SAMPLES, RATE_HZ = 256, 50.0


def cpu_s(work):
    """Return the CPU seconds that one call takes, and what it returns."""
    before = time.process_time()
    result = work()
    return time.process_time() - before, result


def wrist_windows(count):
    """Return (count, 6, 256) of simulated days, as a detector sees them: float32, half overlapping."""
    parts = []
    for number in range(1, 9):
        recording = wk.sample(f"day_p{number:02}")
        whole = np.concatenate([recording[name].values for name in ("accel", "gyro")], axis=1)
        firsts = range(0, len(whole) - SAMPLES, 41)
        parts.append(np.stack([whole[first : first + SAMPLES].T for first in firsts]))
    every = np.concatenate(parts)
    order = np.random.default_rng(0).permutation(len(every))
    return every[np.resize(order, count)]


def of_tsfresh(windows, settings):
    """Return tsfresh's own table, of a long one that is made beforehand."""
    count, channels, samples = windows.shape
    long = pd.DataFrame(np.moveaxis(windows, 1, 2).reshape(-1, channels).astype(np.float64), columns=CHANNELS)
    long.insert(0, "id", np.repeat(np.arange(count), samples))

    def work():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return extract_features(
                long, column_id="id", default_fc_parameters=settings, n_jobs=0, disable_progressbar=True
            )

    return work


def unequal(ours, theirs):
    """Return the columns that differ beyond the tolerance, without those that tsfresh leaves to its sort."""
    assert set(ours.columns) == set(theirs.columns)
    wrong = [
        name
        for name in ours.columns
        if not np.allclose(ours[name], theirs[name].astype(np.float64), rtol=1e-6, atol=1e-9, equal_nan=True)
    ]
    return [name for name in wrong if "permutation_entropy" not in name]


@pytest.mark.parametrize(
    ("name", "settings", "count"),
    [("efficient", EfficientFCParameters, 30), ("comprehensive", ComprehensiveFCParameters, 20)],
)
def test_beside_tsfresh(benchmark_row, name, settings, count):
    windows = wrist_windows(count)
    theirs = of_tsfresh(windows, settings())
    ours = lambda: series_features(windows, channels=CHANNELS, settings=name)  # noqa: E731  timed like the other
    ours()
    runs = [(cpu_s(ours), cpu_s(theirs)) for _ in range(3)]
    assert unequal(runs[0][0][1], runs[0][1][1]) == []
    own_s, their_s = (float(np.median([run[place][0] for run in runs])) for place in (0, 1))
    many = wrist_windows(1000)
    whole_s = min(cpu_s(lambda: series_features(many, channels=CHANNELS, settings=name))[0] for _ in range(2))
    each_us, at_once_us = 1e6 * own_s / count / 6, 1e6 * whole_s / len(many) / 6
    note = (
        f"{1e3 * their_s / count:.0f} ms CPU a window of tsfresh, {each_us / 1e3 * 6:.2f} ms of ours in a batch of "
        f"{count}, {at_once_us / 1e3 * 6:.2f} ms in one of 1,000; equal in the same run; bound 100x"
    )
    ratio = their_s / own_s
    benchmark_row(
        f"features, {name}, 6 x 256", f"{ratio:.0f}x tsfresh ({their_s / count / (whole_s / 1000):.0f}x)", note
    )
    assert ratio >= 100


def test_cost_grows_with_the_windows(benchmark_row):
    counts = (100, 1000, 10_000)
    seconds = []
    for count in counts:
        windows = wrist_windows(count)
        work = lambda: series_features(windows, channels=CHANNELS, settings="efficient")  # noqa: B023, E731
        seconds.append(min(cpu_s(work)[0] for _ in range(3 if count < 10_000 else 1)) / count)
    each_ms = [f"{1e3 * one:.2f}" for one in seconds]
    benchmark_row(
        "features, 100 to 10,000 windows", f"{max(seconds) / min(seconds):.2f}x", f"{each_ms} ms each; bound 1.3x"
    )
    assert max(seconds) <= 1.3 * min(seconds)


def cpu_of_all_s(work):
    """Return the CPU seconds that this process and those that it started took for a work, and the seconds it lasted."""
    own = psutil.Process()

    def taken_s():
        return sum(sum(process.cpu_times()[:2]) for process in (own, *own.children(recursive=True)))

    before_s, begun_s = taken_s(), time.perf_counter()
    work()
    return taken_s() - before_s, time.perf_counter() - begun_s


def test_two_workers_cost_little_more_than_one(benchmark_row):
    windows = wrist_windows(3000)
    work = {
        n: (lambda n=n: series_features(windows, channels=CHANNELS, settings="efficient", workers=n)) for n in (1, 2)
    }
    first_s, _ = cpu_of_all_s(work[2])  # starts them: they stay
    (one_s, two_s), (one_lasts_s, two_last_s) = np.median(
        [[cpu_of_all_s(work[n]) for n in (1, 2)] for _ in range(5)], axis=0
    ).T
    note = (
        f"bound 1.1x; they last {two_last_s / one_lasts_s:.2f}x, and starting them once costs {first_s - two_s:.1f} s"
    )
    benchmark_row("features, two workers", f"{two_s / one_s:.2f}x CPU of one", note)
    assert two_s <= 1.1 * one_s


IN_A_NEW_PROCESS = """
import json, resource, sys
import numpy as np
from wristkit.features.table import table_of
name, count = sys.argv[1], int(sys.argv[2])
values = np.random.default_rng(0).normal(size=(count, 6, 256)).astype(np.float32)
channels = [f"{s}_{a}" for s in ("accel", "gyro") for a in "xyz"]
peak_kb = lambda: int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
before = peak_kb()
table = table_of(values, name, channels=channels, rate_hz=50.0)
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({"cpu_s": used.ru_utime + used.ru_stime, "mb": (peak_kb() - before) / 1e3, "shape": table.shape}))
"""


def in_a_new_process(name, count):
    """Return CPU seconds, growth of memory in MB and the shape of a table, computed by a fresh interpreter."""
    told = subprocess.run(
        [sys.executable, "-c", IN_A_NEW_PROCESS, name, str(count)], capture_output=True, text=True, check=True
    )
    return json.loads(told.stdout)


@pytest.mark.parametrize(("name", "most_s"), [("wrist", 1.0), ("efficient", 5.0), ("comprehensive", 5.0)])
def test_the_first_call_of_a_process(benchmark_row, name, most_s):
    told = min((in_a_new_process(name, 10) for _ in range(3)), key=lambda one: one["cpu_s"])
    benchmark_row(
        f"features, first call, {name}", f"{told['cpu_s']:.2f} s CPU", f"with all imports; bound {most_s:g} s"
    )
    assert told["cpu_s"] <= most_s


def test_memory_of_ten_thousand_windows(benchmark_row):
    told = in_a_new_process("efficient", 10_000)
    table_mb = np.prod(told["shape"]) * 8 / 1e6
    note = f"of which the table is {table_mb:.0f} MB; bound 1 GB"
    benchmark_row("features, memory of 10,000 windows", f"{told['mb']:.0f} MB", note)
    assert told["mb"] <= 1000


def of_tsfel(windows):
    import tsfel

    settings = tsfel.get_features_by_domain("statistical")
    return [
        tsfel.time_series_features_extractor(settings, pd.DataFrame(one.T), fs=RATE_HZ, verbose=0) for one in windows
    ]


def of_catch22(windows):
    import pycatch22

    return [[pycatch22.catch22_all(channel.tolist())["values"] for channel in one] for one in windows]


def of_tsflex(windows):
    from tsflex.features import FeatureCollection, MultipleFeatureDescriptors

    functions = [np.mean, np.std, np.min, np.max, np.median, np.ptp, np.var, np.sum]
    table = pd.DataFrame(np.concatenate(list(np.moveaxis(windows, 1, 2))), columns=CHANNELS)
    described = MultipleFeatureDescriptors(functions, CHANNELS, windows=SAMPLES, strides=SAMPLES)
    return FeatureCollection(described).calculate(table, return_df=True, n_jobs=0)


def of_seglearn(windows):
    from seglearn.transform import FeatureRep

    return FeatureRep().fit_transform(np.moveaxis(windows, 1, 2))


@pytest.mark.parametrize(
    ("module", "peer", "features"),
    [
        ("tsfel", of_tsfel, None),
        ("tsflex", of_tsflex, 48),
        ("pycatch22", of_catch22, 132),
        ("seglearn", of_seglearn, None),
    ],
)
def test_beside_other_libraries_per_feature(benchmark_row, module, peer, features):
    pytest.importorskip(module, reason=f"{module} is not installed; pip install 'wristkit[peers]'")
    windows = wrist_windows(60).astype(np.float64)
    own = lambda: series_features(windows, channels=CHANNELS, settings="efficient")  # noqa: E731
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        runs = [(cpu_s(own), cpu_s(lambda: peer(windows))) for _ in range(3)]
    table, theirs = runs[0][0][1], runs[0][1][1]
    if features is None:
        features = theirs[0].shape[1] if isinstance(theirs, list) else theirs.shape[1]
    own_s, their_s = (float(np.median([run[place][0] for run in runs])) for place in (0, 1))
    own_us, their_us = (
        1e6 * seconds / len(windows) / count for seconds, count in ((own_s, len(table.columns)), (their_s, features))
    )
    note = f"{their_us:.1f} us CPU a feature ({features} a window) and {own_us:.2f} of ours (efficient); other features"
    benchmark_row(f"features beside {module}", f"{their_us / own_us:.0f}x", note)


def test_the_wrist_set(benchmark_row):
    windows = wrist_windows(1000)
    seconds = min(cpu_s(lambda: wrist_features(windows, channels=CHANNELS, rate_hz=RATE_HZ))[0] for _ in range(3))
    benchmark_row("features, wrist set", f"{1e6 * seconds / 1000:.0f} us CPU a window", "67 features; no peer has them")
