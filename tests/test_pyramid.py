"""Long streams are thinned by way of a pyramid, to the same bins as by reading all of them."""

import gc
import threading
import weakref
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.watched import Watched
from wristkit.recording import Recording, Stream
from wristkit.recording.blocks import scattered
from wristkit.store import open_native, save
from wristkit.view import pyramid
from wristkit.view.draw.panes import thinned
from wristkit.view.envelope import bin_edges
from wristkit.view.pyramid import bin_extremes, build_pyramid, pyramid_extremes, rows_at, stamps_at
from wristkit.view.window import OVERVIEW_BINS, Pane, measured, overview, strongest_hz, window


def slow_extremes(stream, edges_s):
    """Return the extremes of each bin and whether it holds samples, one bin after another."""
    rows = []
    for first_s, last_s in pairwise(edges_s):
        inside = stream.values[(stream.time >= first_s) & (stream.time < last_s)]
        rows.append((*(fold.reduce(inside, axis=0, initial=np.nan) for fold in (np.fmin, np.fmax)), len(inside) > 0))
    return tuple(np.array(column) for column in zip(*rows, strict=True))


def made(kind, count, seed):
    """Return values (n, 2) of some kind, with runs of missing samples."""
    rng = np.random.default_rng(seed)
    values = {
        "noise": rng.normal(size=(count, 2)),
        "ramp": np.arange(count)[:, None] * np.array([1.0, -1.0]),
        "steps": 1.0 * rng.integers(-1, 2, (count, 2)),
        "spikes": (rng.random((count, 2)) > 0.95) * rng.normal(size=(count, 2)),
    }[kind]
    for first, length in zip(rng.integers(0, count, 3), rng.integers(0, 80, 3), strict=True):
        values[first : first + length, : 1 + length % 2] = np.nan
    return np.asfortranarray(values, dtype=np.float32)


def timed(values, seed, *, uniform):
    """Return a stream of 10 Hz about -5 s on, of which stamps of its own have holes and crowds."""
    if uniform:
        return Stream.uniform("force", values, rate_hz=9.7, start_s=-5.3, channels=("x", "y"), unit="N")
    rng = np.random.default_rng(seed)
    steps_s = rng.choice([1e-6, 0.01, 0.1, 0.13, 6.0], len(values), p=[0.1, 0.3, 0.4, 0.18, 0.02])
    return Stream.measured("force", np.cumsum(steps_s) - 5, values, channels=("x", "y"), unit="N")


@pytest.mark.parametrize("uniform", [False, True])
@given(
    kind=st.sampled_from(["noise", "ramp", "steps", "spikes"]),
    seed=st.integers(0, 2**32 - 1),
    sizes=st.tuples(st.integers(1, 300), st.integers(1, 9)),
    seen=st.tuples(st.floats(-40, 60), st.floats(0.01, 120), st.integers(1, 40)),
)
@example(kind="noise", seed=1, sizes=(64, 8), seen=(-5.3, 64 / 9.7, 8))
def test_a_pyramid_gives_the_bins_of_reading_all(uniform, kind, seed, sizes, seen):
    (count, block_rows), (start_s, width_s, bins) = sizes, seen
    stream = timed(made(kind, count, seed), seed, uniform=uniform)
    edges_s = bin_edges(start_s=start_s, stop_s=start_s + width_s, bins=bins)
    by_pyramid = pyramid_extremes(build_pyramid(stream, block_rows=block_rows), stream, edges_s)
    for ours, slow, plain in zip(
        by_pyramid, slow_extremes(stream, edges_s), bin_extremes(stream, edges_s), strict=True
    ):
        np.testing.assert_array_equal(ours, slow)
        np.testing.assert_array_equal(plain, slow)


@given(
    seed=st.integers(0, 2**32 - 1),
    block_rows=st.integers(1, 9),
    places=st.lists(st.integers(0, 99), min_size=2, max_size=12, unique=True),
    uniform=st.booleans(),
)
def test_edges_on_the_very_stamps(seed, block_rows, places, uniform):
    stream = timed(made("noise", 100, seed), seed, uniform=uniform)
    edges_s = stream.time[np.sort(places)]
    by_pyramid = pyramid_extremes(build_pyramid(stream, block_rows=block_rows), stream, edges_s)
    for ours, slow in zip(by_pyramid, slow_extremes(stream, edges_s), strict=True):
        np.testing.assert_array_equal(ours, slow)


@given(
    start_s=st.floats(-1e9, 1e9) | st.floats(-10, 10),
    rate_hz=st.floats(1e-3, 1e6),
    count=st.integers(1, 400),
    data=st.data(),
)
@example(start_s=1e15, rate_hz=1e6, count=300, data=None)
def test_rows_of_a_uniform_stream_are_those_of_its_stamps(start_s, rate_hz, count, data):
    stream = Stream.uniform("force", np.zeros(count), rate_hz=rate_hz, start_s=start_s, unit="N")
    near = stream.time if data is None else stream.time[data.draw(st.lists(st.integers(0, count - 1), min_size=1))]
    time_s = np.sort(np.concatenate([near, np.nextafter(near, -np.inf), np.nextafter(near, np.inf), near + 0.4]))
    time_s = np.concatenate([[start_s - 1e12], time_s, [start_s + 1e12]])
    np.testing.assert_array_equal(rows_at(stream, time_s), np.searchsorted(stream.time, time_s))
    rows = np.arange(0, count, 3)
    np.testing.assert_array_equal(stamps_at(stream, rows), stream.time[rows])


@pytest.fixture
def tiny(monkeypatch):
    """Make every stream of 1000 samples a long one, with blocks of 8 rows."""
    monkeypatch.setattr(pyramid, "PYRAMID_ROWS", 1000)
    monkeypatch.setattr(pyramid, "BLOCK_ROWS", 8)


def long_stream(*, uniform=False, count=50_000, kind="noise"):
    return timed(made(kind, count, 3), 3, uniform=uniform)


def pane_of(stream):
    return Pane(stream, (), (), None, 90, ())


@pytest.mark.parametrize("uniform", [False, True])
def test_a_window_is_the_same_with_a_pyramid_and_without(monkeypatch, uniform):
    stream = long_stream(uniform=uniform)
    recording = Recording.of([stream])
    span_s = stream.stop_s - stream.start_s
    windows = [(stream.start_s + at * span_s, stream.start_s + (at + share) * span_s) for at, share in WINDOWS]

    def seen():
        shown = [window(pane_of(stream), start_s=first_s, stop_s=last_s, bins=50) for first_s, last_s in windows]
        said = [measured([pane_of(stream)], start_s=first_s, stop_s=last_s) for first_s, last_s in windows]
        return shown, said, overview(recording)

    shown, said, moving = seen()
    monkeypatch.setattr(pyramid, "PYRAMID_ROWS", 1000)
    monkeypatch.setattr(pyramid, "BLOCK_ROWS", 8)
    assert stream not in pyramid._PYRAMIDS
    again, said_again, moving_again = seen()
    assert stream in pyramid._PYRAMIDS
    for one, other in zip(shown, again, strict=True):
        for ours, theirs in zip(one, other, strict=True):
            np.testing.assert_array_equal(ours, theirs)
    assert (said, moving) == (said_again, moving_again)


WINDOWS = [(0.0, 1.0), (-0.5, 3.0), (0.1, 0.5), (0.45, 0.1), (0.9, 0.4), (0.3, 0.01), (0.5, 0.0004)]


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("kind", ["noise", "ramp"])
def test_after_the_pyramid_few_rows_are_read(kind):
    stream, values, stamps = watched(kind)
    recording = Recording.of([stream])  # which reads all, for its id
    whole = {"start_s": stream.start_s, "stop_s": stream.stop_s}
    values.rows = stamps.rows = 0
    pyramid.pyramid_of(stream)
    assert values.rows == stamps.rows == len(stream)  # each once
    values.rows = stamps.rows = 0
    bins = 50
    window(pane_of(stream), **whole, bins=bins)
    most = bins + 2 if kind == "noise" else 2 * 8 * (bins + 2)
    assert values.rows <= most
    assert stamps.rows <= most + 4
    for at, share in WINDOWS:
        values.rows = 0
        start_s = stream.start_s + at * (stream.stop_s - stream.start_s)
        stop_s = start_s + share * (stream.stop_s - stream.start_s)
        window(pane_of(stream), start_s=start_s, stop_s=stop_s, bins=bins)
        # Of narrow windows, all is read: fewer than so many blocks a bin.
        assert values.rows <= pyramid.WORTH_BLOCKS * 8 * (bins + 2)
    values.rows = 0
    overview(recording)
    assert values.rows <= 2 * 8 * (OVERVIEW_BINS + 2)


def watched(kind):
    """Return a stream, its values and its stamps, which count the rows that are read of them."""
    made_of = long_stream(kind=kind)
    values, stamps = (Watched.of(array) for array in (made_of.values, made_of.time))
    stream = Stream.trusted(
        name="force",
        time=stamps,
        start_s=float("nan"),
        values=values,
        channels=made_of.channels,
        unit="N",
        rate_hz=made_of.rate_hz,
        gaps=made_of.gaps,
    )
    return stream, values.counter, stamps.counter


@pytest.mark.usefixtures("tiny")
def test_stamps_of_a_long_uniform_stream_are_never_made(monkeypatch):
    stream = long_stream(uniform=True)

    def refuse(self, name):
        raise AssertionError(name)

    monkeypatch.setattr(Stream, "__getattr__", refuse)
    for at, share in WINDOWS:
        start_s = stream.start_s + at * 5000
        window(pane_of(stream), start_s=start_s, stop_s=start_s + share * 5000, bins=50)
    assert stream in pyramid._PYRAMIDS


@pytest.mark.usefixtures("tiny")
def test_threads_that_ask_at_once_build_one(monkeypatch):
    stream, built, waiting = long_stream(), [], threading.Barrier(4)
    build = build_pyramid

    def counted(*arguments, **options):
        built.append(build(*arguments, **options))
        return built[-1]

    monkeypatch.setattr(pyramid, "build_pyramid", counted)
    got = []

    def ask():
        waiting.wait()
        got.append(pyramid.pyramid_of(stream))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(built) == 1
    assert all(one is built[0] for one in got)


@pytest.mark.usefixtures("tiny")
def test_a_pyramid_goes_with_its_stream(tmp_path):
    stream = long_stream()
    held = weakref.ref(pyramid.pyramid_of(stream).low)
    assert held() is not None
    del stream
    gc.collect()
    assert held() is None


@pytest.mark.usefixtures("tiny")
def test_a_saved_recording_is_thinned_from_its_file(tmp_path):
    stream = long_stream()
    opened = open_native(save(Recording.of([stream]), tmp_path / "long"))["force"]
    shown = [thinned(one, one.gaps, start_s=one.start_s, stop_s=one.stop_s, max_points=100) for one in (stream, opened)]
    for ours, theirs in zip(*shown, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_streams_that_are_read_as_fast_get_no_pyramid():
    stream = long_stream()
    window(pane_of(stream), start_s=stream.start_s, stop_s=stream.stop_s, bins=50)
    assert stream not in pyramid._PYRAMIDS


def test_a_frequency_is_named_of_no_more_than_a_million_samples():
    wave = np.sin(np.arange(2**20 + 1) * 0.1).astype(np.float32)
    assert strongest_hz(wave[:4096], 100.0) == pytest.approx(0.1 * 100 / 2 / np.pi, abs=0.02)
    assert strongest_hz(wave, 100.0) is None


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="only Linux tells how a map is read")
def test_a_file_is_read_by_the_page_only_while_samples_are_picked(tmp_path):
    opened = open_native(save(Recording.of([long_stream()]), tmp_path / "long"))["force"]

    def by_the_page():
        told = Path("/proc/self/smaps").read_text().partition("force-values")[2]
        return "rr" in told.partition("VmFlags:")[2].partition("\n")[0].split()

    seen = []

    def pick():
        with scattered(opened.values, np.zeros(3)):
            seen.append(by_the_page())
            raise KeyError

    with pytest.raises(KeyError):
        pick()
    assert seen == [True]
    assert not by_the_page()
