"""What loading costs beside the library that parses the text, or beside one vectorised unpack of the bytes."""

import gc
import statistics
import time
import zipfile
from datetime import datetime, timedelta

import numpy as np
import pyarrow.csv
import pytest

import wristkit as wk
from tests.formats import actigraph, apple_health, axivity, geneactiv, table
from tests.limits import peak_megabytes
from wristkit.load import formats
from wristkit.load.gather import Request
from wristkit.load.spool import Spool
from wristkit.recording import Recording, Stream

pytestmark = pytest.mark.benchmark
MEGABYTE = 10**6


def cpu_s(work):
    """Return the CPU seconds that one call takes."""
    before = time.process_time()
    work()
    return time.process_time() - before


def interleaved(ours, peer, runs=5):
    """Return the median CPU seconds of two ways, run in turn; as timeit does, without the tests' own garbage."""
    ours()  # imports
    gc.collect()
    gc.disable()
    try:
        pairs = [(cpu_s(ours), cpu_s(peer)) for _ in range(runs)]
    finally:
        gc.enable()
    return tuple(statistics.median(column) for column in zip(*pairs, strict=True))


def test_a_csv_beside_pyarrow(tmp_path, benchmark_row):
    path = table.write_long(tmp_path / "a.csv", 100)
    ours, peer = interleaved(
        lambda: wk.load(path, schema=table.LONG_SCHEMA), lambda: pyarrow.csv.read_csv(path), runs=25
    )
    note = f"wk.load {ours:.2f} s CPU, pyarrow.csv.read_csv {peer:.2f} s; wanted 1.3x, bound 1.6x"
    benchmark_row("load a CSV of 100 MB", f"{ours / peer:.2f}x", note)
    assert ours <= 1.6 * peer


def even_stamps(start_s, count, capacity):
    """Return (blocks, capacity) seconds between the starts of blocks."""
    step = np.diff(start_s, append=2 * start_s[-1] - start_s[-2]) / capacity
    return start_s[:, None] + np.arange(capacity) * step[:, None]


def write_axivity(path, layout, blocks):
    """Write a long ``.cwa`` out of 200 blocks that are repeated with stamps and checksums of their own."""
    held = np.frombuffer(b"".join(axivity.contents(layout=layout, blocks=200)), dtype=np.uint8).reshape(200, 512)
    whole = np.tile(held, (blocks // 200, 1))
    begun_s = np.arange(len(whole)) * axivity.CAPACITY[layout] / 98.5
    seconds = np.ceil(begun_s).astype(int)
    stamps = [axivity.stamp(axivity.START + timedelta(seconds=second)) for second in seconds.tolist()]
    whole[:, 10:14] = np.arange(len(whole), dtype="<u4").view(np.uint8).reshape(-1, 4)
    whole[:, 14:18] = np.array(stamps, dtype="<u4").view(np.uint8).reshape(-1, 4)
    whole[:, 26:28] = np.round((seconds - begun_s) * 98.5).astype("<i2").view(np.uint8).reshape(-1, 2)
    sums = np.ascontiguousarray(whole[:, :510]).view("<u2").sum(axis=1, dtype=np.int64)
    whole[:, 510:] = (-sums & 0xFFFF).astype("<u2").view(np.uint8).reshape(-1, 2)
    path.write_bytes(axivity.header(layout=layout) + whole.tobytes())
    return path


def unpack_axivity(path, layout):
    """Return stamps and values of a sound ``.cwa``: read, view, scale, and nothing else."""
    blocks = np.fromfile(path, dtype=np.uint8)[1024:].reshape(-1, 512)
    start_s = np.ascontiguousarray(blocks[:, 14:18]).view("<u4")[:, 0].astype(np.float64)
    data = np.ascontiguousarray(blocks[:, 30:510])
    stamps_s = even_stamps(start_s, len(blocks), axivity.CAPACITY[layout]).ravel()
    if layout == axivity.GYRO:
        counts = data.view("<i2").reshape(-1, 6).T
        return stamps_s, counts[:3] * np.float32(0.001), counts[3:] * np.float32(1 / 2048)
    words = data.view("<i4").ravel()
    exponent = (words >> 30) & 3
    return stamps_s, [((words << above >> 22) << exponent) * np.float32(1 / 256) for above in (22, 12, 2)]


def beside_one_unpack(benchmark_row, name, path, peer):
    """Compare reading alone, and the whole of loading with its checks and hashes, with one unpack of the bytes."""
    reader = formats()[name.split()[0].strip(",")]
    read, unpack = interleaved(lambda: reader.read(path, Request(Spool())), peer, runs=3)
    whole, _ = interleaved(lambda: wk.load(path), peer, runs=3)
    note = (
        f"{read:.2f} s CPU, read and unpack {unpack:.2f} s; wanted 3x. With all checks, hashes: {whole / unpack:.1f}x"
    )
    benchmark_row(f"read {name}", f"{read / unpack:.2f}x", note)
    assert read <= 8 * unpack
    assert whole <= 20 * unpack


@pytest.mark.parametrize(("name", "layout"), [("AX3", axivity.PACKED), ("AX6", axivity.GYRO)])
def test_an_axivity_file_beside_one_unpack(tmp_path, benchmark_row, name, layout):
    path = write_axivity(tmp_path / "a.cwa", layout, 100_000)
    beside_one_unpack(benchmark_row, f"axivity {name}, 51 MB", path, lambda: unpack_axivity(path, layout))


def write_geneactiv(path, pages):
    sample = geneactiv.page(1).splitlines()
    start = datetime(2026, 5, 1, 8)  # noqa: DTZ001  wall clock
    with path.open("w", newline="") as file:
        file.write(geneactiv.header(pages=pages))
        for number in range(pages):
            stamp = start + timedelta(seconds=6 * number)
            sample[2] = f"Sequence Number:{number}"
            sample[3] = f"Page Time:{stamp:%Y-%m-%d %H:%M:%S}:000"
            file.write("\n".join(sample) + "\n")
    return path


def unpack_geneactiv(path, pages):
    """Return stamps, acceleration and light of pages of one length: read, look up, scale, and nothing else."""
    lines = path.read_bytes().split(b"\n")
    text = np.frombuffer(b"".join(line for line in lines if len(line) == 3600), dtype=np.uint8)
    nibbles = (text - np.where(text > 57, 55, 48)).astype(np.int16).reshape(-1, 12)
    numbers = [nibbles[:, k] << 8 | nibbles[:, k + 1] << 4 | nibbles[:, k + 2] for k in (0, 3, 6, 9)]
    accel = [((number ^ 2048) - 2048) * np.float32(0.0039) for number in numbers[:3]]
    return even_stamps(np.arange(pages) * 6.0, pages, 300).ravel(), accel, (numbers[3] >> 2) * np.float32(0.1)


def test_a_geneactiv_file_beside_one_unpack(tmp_path, benchmark_row):
    path = write_geneactiv(tmp_path / "a.bin", 13_000)
    beside_one_unpack(benchmark_row, "geneactiv, 50 MB", path, lambda: unpack_geneactiv(path, 13_000))


def write_actigraph(path, kind, seconds, rate_hz=100):
    """Write a long ``.gt3x`` out of 20 records that are repeated with times and checksums of their own."""
    pack = actigraph.packed if kind == actigraph.ACTIVITY else actigraph.words
    payloads = [np.frombuffer(pack(actigraph.samples_of_second(k, rate_hz)), np.uint8) for k in range(20)]
    size = len(payloads[0])
    rows = np.zeros((seconds, 9 + size), np.uint8)
    rows[:, :2] = 0x1E, kind
    rows[:, 2:6] = (actigraph.START_S + np.arange(seconds)).astype("<u4")[:, None].view(np.uint8)
    rows[:, 6:8] = size & 255, size >> 8
    rows[:, 8:-1] = np.array(payloads)[np.arange(seconds) % 20]
    rows[:, -1] = ~np.bitwise_xor.reduce(rows[:, :-1], axis=1)
    log = actigraph.log(seconds=0, rate_hz=rate_hz) + rows.tobytes()
    return actigraph.write(path.parent, content=log, name=path.name, info={"Sample Rate": str(rate_hz)}), size


def unpack_actigraph(path, kind, seconds, size, rate_hz=100):
    """Return stamps and acceleration of records of one size: inflate, view, scale, and nothing else."""
    with zipfile.ZipFile(path) as archive:
        data = np.frombuffer(archive.read("log.bin"), np.uint8)
    rows = np.ascontiguousarray(data[len(data) - seconds * (size + 9) :].reshape(seconds, -1)[:, 8:-1])
    if kind == actigraph.ACTIVITY:
        three = rows.reshape(-1, 3).astype(np.int16)
        pairs = np.stack([three[:, 0] << 4 | three[:, 1] >> 4, (three[:, 1] & 15) << 8 | three[:, 2]], axis=1)
        counts = (pairs.reshape(-1) ^ 2048) - 2048
    else:
        counts = rows.view("<i2").reshape(-1)
    values = [counts[axis::3] * np.float32(1 / 256) for axis in range(3)]
    return even_stamps(np.arange(seconds) * 1.0, seconds, rate_hz).ravel(), values


@pytest.mark.parametrize(("name", "kind"), [("12-bit", actigraph.ACTIVITY), ("16-bit", actigraph.ACTIVITY2)])
def test_an_actigraph_file_beside_one_unpack(tmp_path, benchmark_row, name, kind):
    path, size = write_actigraph(tmp_path / "a.gt3x", kind, 100_000)
    beside_one_unpack(
        benchmark_row, f"actigraph {name}, 28 h at 100 Hz", path, lambda: unpack_actigraph(path, kind, 100_000, size)
    )


def test_memory_of_long_csvs(tmp_path, benchmark_row):
    peaks = {}
    for megabytes in (100, 1000):
        path = table.write_long(tmp_path / "a.csv", megabytes)
        peaks[megabytes], samples, _ = peak_megabytes(path, tmp_path / f"into{megabytes}", table.LONG_SCHEMA)
        assert samples > 10_000 * megabytes
        path.unlink()
    note = f"{peaks[100]:.0f} MB for 100 MB, {peaks[1000]:.0f} MB for 1 GB; wanted 256 MB, flat within 16 MB"
    benchmark_row("peak memory of load(csv, into=)", f"{peaks[1000]:.0f} MB", note)
    assert peaks[1000] <= 256
    assert peaks[1000] - peaks[100] <= 16


def write_export(path, megabytes):
    begin, end = apple_health.xml("@").split("@")
    first = datetime(2020, 1, 1)  # noqa: DTZ001  the offset is written beside it
    with path.open("w") as file:
        file.write(begin)
        minute = 0
        while file.tell() < megabytes * MEGABYTE:
            stamps = [
                f"{first + timedelta(seconds=5 * k):%Y-%m-%d %H:%M:%S} +0000" for k in range(minute, minute + 1000)
            ]
            file.writelines(
                f'<Record type="HKQuantityTypeIdentifierHeartRate" sourceName="A watch" unit="count/min" '
                f'device="&lt;&lt;HKDevice: 0x1&gt;, name:Apple Watch, hardware:Watch6,2&gt;" creationDate="{stamp}" '
                f'startDate="{stamp}" endDate="{stamp}" value="{60 + k % 40}"/>\n'
                for k, stamp in enumerate(stamps)
            )
            minute += 1000
        file.write(end)
    return path


def test_memory_of_a_long_health_export(tmp_path, benchmark_row):
    path = write_export(tmp_path / "export.xml", 1000)
    peak, samples, _ = peak_megabytes(path, tmp_path / "into")
    benchmark_row("peak memory of load(export.xml, into=)", f"{peak:.0f} MB", "for 1 GB; wanted 64 MB")
    assert samples > 1_000_000
    assert peak <= 64


def test_opening_a_day_reads_no_samples(tmp_path, benchmark_row):
    count = 24 * 3600 * 100
    time_s = np.arange(count) / 100
    streams = [Stream.measured(name, time_s, np.ones((count, 3), np.float32)) for name in ("accel", "gyro")]
    folder = wk.save(Recording.of(streams), tmp_path / "day")
    wk.load(folder)
    spent = statistics.median(cpu_s(lambda: wk.load(folder)) for _ in range(11))
    benchmark_row("open 24 h x 6 x 100 Hz", f"{1000 * spent:.0f} ms", "CPU; wanted at most 20 ms, memory-mapped")
    assert spent < 0.2  # samples would be 130 MB
