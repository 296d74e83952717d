"""Conditioning: the grid, the delay, the gaps, and push equal to run bit for bit."""

import math
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from wristkit.condition import WRIST_SIGNS, Conditioning, Frame, Resample, frame_of, resample
from wristkit.errors import RecordingError
from wristkit.filters import Derivative, Filter, Moving
from wristkit.fusion import fuse
from wristkit.recording import Recording, Stream, deidentify
from wristkit.simulate import people, session
from wristkit.store import open_native, save


def jittered(rate_hz: float, span_s: float, rng: np.random.Generator, *, start_s: float = 0.0) -> np.ndarray:
    steps = rng.uniform(0.5, 1.5, int(span_s * rate_hz)) / rate_hz
    return start_s + np.cumsum(steps)


def make_recording(seed: int = 0, *, span_s: float = 12.0) -> Recording:
    """Two streams of different rates, jittered, each with gaps of its own."""
    rng = np.random.default_rng(seed)
    accel_s = jittered(100, span_s, rng)
    accel_s = accel_s[(accel_s < 4) | (accel_s > 4.7)]
    gyro_s = jittered(63, span_s, rng, start_s=0.31)
    gyro_s = gyro_s[(gyro_s < 7.5) | (gyro_s > 7.9)]
    return Recording.of(
        [
            Stream.measured("accel", accel_s, rng.normal(size=(len(accel_s), 3))),
            Stream.measured("gyro", gyro_s, rng.normal(size=(len(gyro_s), 3))),
        ],
        wrist="right",
        crown="right",
    )


def partition(recording: Recording, cuts: dict[str, list[int]]) -> list[dict[str, tuple]]:
    """Cut each stream at its own places and deal the pieces in turn."""
    pieces = {}
    for name, stream in recording.streams.items():
        edges = [0, *sorted(min(cut, len(stream)) for cut in cuts.get(name, [])), len(stream)]
        pieces[name] = [(stream.time[a:b], stream.values[a:b]) for a, b in pairwise(edges)]
    most = max(len(parts) for parts in pieces.values())
    return [{name: parts[k] for name, parts in pieces.items() if k < len(parts)} for k in range(most)]


def kernel(periods: np.ndarray) -> np.ndarray:
    """The compensated B-spline, written down piece by piece."""

    def spline(v: np.ndarray) -> np.ndarray:
        v = np.abs(v)
        return np.where(v < 0.5, 0.75 - v**2, np.where(v < 1.5, 0.5 * (1.5 - v) ** 2, 0.0))

    return 1.25 * spline(periods) - 0.125 * (spline(periods - 1) + spline(periods + 1))


def slow_resample(time_s: np.ndarray, values: np.ndarray, rate_hz: float, places: np.ndarray) -> np.ndarray:
    """Straight lines between the samples, times the kernel, summed on a very fine grid."""
    fine = (np.arange(20000) + 0.5) / 20000 * 5 - 2.5
    weight = kernel(fine) * 5 / 20000
    return np.array(
        [[weight @ np.interp(k / rate_hz + fine / rate_hz, time_s, column) for column in values.T] for k in places]
    )


@pytest.mark.parametrize("source_hz", [10, 37, 100, 800])
def test_resampling_equals_the_integral_it_stands_for(source_hz: float) -> None:
    rng = np.random.default_rng(3)
    time_s = jittered(source_hz, 4, rng, start_s=0.123)
    values = rng.normal(size=(len(time_s), 2))
    grid = Resample(50).run(time_s, values)
    assert grid.places[0] == np.ceil(time_s[0] * 50)
    assert (np.diff(grid.places) == 1).all()
    np.testing.assert_allclose(grid.values, slow_resample(time_s, values, 50, grid.places), atol=2e-6)


def test_each_output_needs_just_the_samples_up_to_its_stated_time() -> None:
    rng = np.random.default_rng(4)
    time_s = jittered(80, 5, rng)
    values = rng.normal(size=(len(time_s), 1))
    whole = Resample(50).run(time_s, values)
    for k in range(0, len(whole.places), 17):
        last = int(np.searchsorted(time_s, whole.needed_s[k], side="right"))
        known = Resample(50).run(time_s[:last], values[:last])
        assert known.places[-1] >= whole.places[k]
        assert known.values[k] == whole.values[k]
        assert Resample(50).run(time_s[: last - 1], values[: last - 1]).places[-1:].tolist() != [whole.places[k]]


def test_a_slow_sine_stays_where_it_was() -> None:
    rng = np.random.default_rng(5)
    time_s = jittered(100, 20, rng)
    grid = Resample(50).run(time_s, np.sin(2 * np.pi * 2 * time_s)[:, None])
    inside = grid.places > 10
    truth = np.sin(2 * np.pi * 2 * grid.places / 50)
    np.testing.assert_allclose(grid.values[inside, 0], truth[inside], atol=0.01)


@pytest.mark.parametrize(("hz", "least", "most"), [(5, 0.99, 1.01), (10, 0.94, 0.97), (40, 0, 0.02), (45, 0, 0.003)])
def test_pass_band_and_stop_band(hz: float, least: float, most: float) -> None:
    time_s = np.arange(0, 20, 1 / 800)
    grid = Resample(50).run(time_s, np.sin(2 * np.pi * hz * time_s)[:, None])
    amplitude = np.sqrt(2 * np.mean(grid.values[20:, 0] ** 2))
    assert least <= amplitude <= most


def test_a_constant_stays_exactly_itself_from_the_first_sample() -> None:
    time_s = jittered(90, 3, np.random.default_rng(6))
    grid = Resample(25).run(time_s, np.full((len(time_s), 1), 0.1))
    assert (grid.values == 0.1).all()


FILTERS = (Filter("highpass", (0.4,), order=2), Filter("lowpass", (12.0,), order=3))


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 5),
    cuts=st.fixed_dictionaries({name: st.lists(st.integers(0, 1300), max_size=15) for name in ("accel", "gyro")}),
    filters=st.sampled_from(
        [(), FILTERS, (Moving("rms", 0.3), Derivative()), (Derivative(), *FILTERS, Moving("max", 0.1))]
    ),
    frame=st.sampled_from(["device", "wrist"]),
)
def test_any_partition_gives_the_same_bits(seed: int, cuts: dict, filters: tuple, frame: str) -> None:
    recording = make_recording(seed)
    conditioning = Conditioning.of([recording], streams=("accel", "gyro"), rate_hz=50, filters=filters, frame=frame)
    whole = conditioning.run(recording)
    state = conditioning.start(wrist=recording.wrist, crown=recording.crown)
    parts = [state.push(packets) for packets in partition(recording, cuts)]
    for name, grid in whole.items():
        for field in ("places", "values", "needed_s"):
            pushed = np.concatenate([getattr(part[name], field) for part in parts if name in part])
            assert pushed.tobytes() == getattr(grid, field).tobytes(), (name, field)


def test_sample_by_sample_gives_the_same_bits() -> None:
    recording = make_recording(1, span_s=9)
    conditioning = Conditioning.of([recording], streams=("gyro",), rate_hz=31.25, filters=FILTERS)
    state = conditioning.start()
    stream = recording["gyro"]
    parts = [
        state.push({"gyro": (stream.time[k : k + 1], stream.values[k : k + 1])})["gyro"] for k in range(len(stream))
    ]
    whole = conditioning.run(recording)["gyro"]
    assert np.concatenate([part.values for part in parts]).tobytes() == whole.values.tobytes()


def test_a_gap_resets_everything() -> None:
    recording = make_recording(2)
    conditioning = Conditioning.of([recording], streams=("accel",), rate_hz=50, filters=FILTERS)
    whole = conditioning.run(recording)["accel"]
    gap_start_s, gap_stop_s = recording.accel.gaps[0]
    alone = conditioning.run(recording.between(gap_stop_s, 100))["accel"]
    after = whole.places / 50 >= gap_stop_s
    assert whole.values[after].tobytes() == alone.values.tobytes()
    assert not ((whole.places / 50 > gap_start_s) & (whole.places / 50 < gap_stop_s)).any()
    holes = np.flatnonzero(np.diff(whole.places) > 1)
    assert len(holes) == 1


@pytest.mark.parametrize("count", [1, 40])
def test_missing_samples_are_left_out_and_the_gap_rule_covers_them(count: int) -> None:
    """NaN in a recording gives the very bits of a packet stream in which those samples never came."""
    recording = make_recording(3)
    stream = recording.accel
    values = stream.values.copy()
    values[150 : 150 + count] = np.nan
    broken = recording.with_streams(Stream.measured("accel", stream.time, values))
    conditioning = Conditioning.of([recording], streams=("accel",), rate_hz=50, filters=FILTERS)
    state = conditioning.start()
    kept = np.isfinite(values).all(axis=1)
    pushed = state.push({"accel": (stream.time[kept], stream.values[kept])})["accel"]
    damaged = conditioning.run(broken)["accel"]
    for field in ("places", "values", "needed_s"):
        assert getattr(damaged, field).tobytes() == getattr(pushed, field).tobytes()
    lost = np.setdiff1d(conditioning.run(recording)["accel"].places, damaged.places)
    assert (len(lost) > 0) == (count == 40)


@pytest.mark.parametrize("wild", [1e12, -201.0])
def test_what_no_wrist_gives_is_left_out_as_a_missing_sample(wild: float) -> None:
    """One wild value costs its own sample: run leaves it out, and a packet that holds it is refused."""
    recording = make_recording(3)
    stream = recording.accel
    values = stream.values.astype(np.float64)
    values[150, 1] = wild
    conditioning = Conditioning.of([recording], streams=("accel", "gyro"), rate_hz=50, filters=FILTERS)
    state = conditioning.start()
    with pytest.raises(ValueError, match="a wrist gives -200 to 200 g"):
        state.push({"accel": (stream.time, values)})
    kept = np.arange(len(values)) != 150
    pushed = state.push({"accel": (stream.time[kept], values[kept])})["accel"]
    broken = recording.with_streams(Stream.measured("accel", stream.time, values))
    damaged = conditioning.run(broken)["accel"]
    for field in ("places", "values", "needed_s"):
        assert getattr(damaged, field).tobytes() == getattr(pushed, field).tobytes()
    whole = conditioning.run(recording)["accel"]
    assert np.abs(damaged.values).max() < 2 * np.abs(whole.values).max()


def test_a_stream_of_which_most_is_such_as_no_wrist_gives_is_refused() -> None:
    """In thousandths of g nearly all would be left out, and silence would look like rest."""
    recording = make_recording(3)
    stream = recording.accel
    conditioning = Conditioning.of([recording], streams=("accel",), rate_hz=50)
    thousandths = recording.with_streams(Stream.measured("accel", stream.time, 1000 * stream.values))
    with pytest.raises(RecordingError, match="outside -200 to 200 g") as told:
        conditioning.run(thousandths)
    assert told.value.code == "unit_implausible"


def test_a_stream_without_known_limits_takes_what_a_converter_of_32_bits_gives() -> None:
    time_s, counts = np.arange(300) / 100, np.full((300, 1), 4.2e9)
    recording = Recording.of([Stream.measured("ppg", time_s, counts)])
    conditioning = Conditioning.of([recording], streams=("ppg",), rate_hz=50)
    whole = conditioning.run(recording)["ppg"]
    pushed = conditioning.start().push({"ppg": (time_s, counts)})["ppg"]
    assert len(whole.places) > 100
    assert pushed.values.tobytes() == whole.values.tobytes()
    with pytest.raises(ValueError, match=r"has \[99999\d+.0\] at 0.0 s"):
        conditioning.start().push({"ppg": (time_s, np.full((300, 1), 1e12))})
    counts[150] = 1e12
    holed = conditioning.run(Recording.of([Stream.measured("ppg", time_s, counts)]))["ppg"]
    np.testing.assert_allclose(holed.values, 4.2e9, rtol=1e-6)


def test_filters_are_put_back_by_their_stated_delay() -> None:
    time_s = np.arange(0, 30, 0.01)
    recording = Recording.of([Stream.measured("ppg", time_s, np.sin(2 * np.pi * 0.5 * time_s))])
    filter_ = Filter("lowpass", (4.0,), order=4)
    conditioning = Conditioning.of([recording], streams=("ppg",), rate_hz=50, filters=(filter_,))
    grid = conditioning.run(recording)["ppg"]
    assert filter_.delay_s(50) > 0.05
    settled = grid.places > 100
    truth = np.sin(2 * np.pi * 0.5 * grid.places / 50)
    np.testing.assert_allclose(grid.values[settled, 0], truth[settled], atol=0.03)
    assert (grid.needed_s - grid.places / 50 >= conditioning.delay_s - 1e-9).all()
    assert (grid.needed_s - grid.places / 50 <= conditioning.delay_s + 0.011).all()


@pytest.mark.parametrize("wrist", ["left", "right"])
@pytest.mark.parametrize("crown", ["left", "right"])
def test_the_wrist_frame_keeps_lengths_and_the_triple_product(wrist: str, crown: str) -> None:
    rng = np.random.default_rng(8)
    time_s = np.arange(0, 4, 0.02)
    accel, gyro = rng.normal(size=(2, len(time_s), 3))
    streams = [Stream.measured("accel", time_s, accel), Stream.measured("gyro", time_s, gyro)]
    recording = Recording.of(streams, wrist=wrist, crown=crown)
    device = Conditioning.of([recording], streams=("accel", "gyro"), rate_hz=50).run(recording)
    turned = Conditioning.of([recording], streams=("accel", "gyro"), rate_hz=50, frame="wrist").run(recording)
    for name in ("accel", "gyro"):
        np.testing.assert_array_equal(np.abs(turned[name].values), np.abs(device[name].values))
    np.testing.assert_array_equal(turned["accel"].values[:, 2], device["accel"].values[:, 2])
    # gyro x accel is a polar vector: it must be mapped as accel is, on a mirrored wrist, too.
    signs = np.sign(turned["accel"].values[0] / device["accel"].values[0])
    before = np.cross(device["gyro"].values, device["accel"].values)
    after = np.cross(turned["gyro"].values, turned["accel"].values)
    np.testing.assert_allclose(after, before * signs, atol=1e-12)


def test_the_wrist_frame_refuses_what_it_cannot_know() -> None:
    recording = make_recording()
    nameless = Recording.of(list(recording.streams.values()), wrist="left")
    with pytest.raises(RecordingError, match=nameless.id):
        Conditioning.of([nameless], streams=("accel",), rate_hz=50, frame="wrist").run(nameless)
    force = Stream.measured("force", recording.accel.time, recording.accel.values, channels=("x", "y", "z"), unit="N")
    pushed = recording.with_streams(force)
    with pytest.raises(ValueError, match="not defined for 'force'"):
        Conditioning.of([pushed], streams=("force",), rate_hz=50, frame="wrist")
    with pytest.raises(RecordingError, match="'force' has three axes"):
        Frame("wrist").run(pushed)
    with pytest.raises(RecordingError, match=nameless.id):
        Frame("wrist").run(nameless)
    with pytest.raises(RecordingError, match="in the frame 'elbow'"):
        Frame("wrist").run(replace(recording, source={"frame": "elbow"}))
    with pytest.raises(ValueError, match="expected 'device' or 'wrist'"):
        Frame("elbow")


def worn(wrist: str, crown: str) -> Recording:
    """A fused recording of a simulated reach, with a compass."""
    recording = session(people(1, seed=5)[0], seed=5, plan=(("reaching", 6), ("resting", 2)))
    turn = Rotation.from_quat(fuse(recording).attitude.values, scalar_first=True)
    north = turn.inv().apply([22.0, 0.0, -42.0]).astype(np.float32)
    with_mag = recording.with_streams(recording.gyro.with_values("mag", north))
    return replace(fuse(with_mag), wrist=wrist, crown=crown)


@pytest.mark.parametrize(("wrist", "crown"), list(WRIST_SIGNS))
def test_a_recording_turned_into_the_wrist_frame_and_back_is_what_it_was(wrist: str, crown: str) -> None:
    device = worn(wrist, crown)
    turned = Frame("wrist").run(device)
    assert frame_of(turned) == "wrist"
    assert Frame("wrist").run(turned) is turned
    back = Frame("device").run(turned)
    assert back.id == device.id
    assert back.source == device.source
    for name, stream in device.streams.items():
        assert stream.values.tobytes(order="A") == back[name].values.tobytes(order="A"), name
    assert (turned.accel.values[:, 2] == device.accel.values[:, 2]).all()
    assert (turned.id == device.id) == ((wrist, crown) == ("left", "right"))


@pytest.mark.parametrize(("wrist", "crown"), list(WRIST_SIGNS))
def test_in_the_wrist_frame_attitude_still_turns_gravity_and_north(wrist: str, crown: str) -> None:
    turned = Frame("wrist").run(worn(wrist, crown))
    held = np.isfinite(turned.attitude_north.values).all(axis=1)
    for name in ("attitude", "attitude_north"):
        to_earth = Rotation.from_quat(turned[name].values[held], scalar_first=True)
        np.testing.assert_allclose(to_earth.inv().apply([0, 0, -1]), turned.gravity.values[held], atol=1e-5)
    settled = turned.gyro.time[held] > 4
    north = to_earth.apply(turned.mag.values[held])[settled]
    assert np.degrees(np.abs(np.arctan2(north[:, 1], north[:, 0]))).max() < 3  # x points to north
    # A turn by the gyroscope is the turn of the attitude: the mirror treats both alike.
    steps = to_earth[:-1].inv() * to_earth[1:]
    period_s = np.diff(turned.gyro.time[held])[:, None]
    rate = (turned.gyro.values[held][1:] + turned.gyro.values[held][:-1]) / 2
    fast = np.linalg.norm(rate, axis=1) > 1
    assert np.corrcoef((steps.as_rotvec() / period_s)[fast].ravel(), rate[fast].ravel())[0, 1] > 0.98


@pytest.mark.parametrize("frame", ["device", "wrist"])
def test_a_recording_in_either_frame_is_conditioned_to_the_same_bits(tmp_path: Path, frame: str) -> None:
    device = fuse(make_recording()).with_streams()
    north = device.attitude.values[:, [1, 0, 3, 2]]
    device = device.with_streams(device.attitude.with_values("attitude_north", north, channels="wxyz", unit="1"))
    turned = Frame("wrist").run(device)
    streams = ("accel", "gyro", "attitude", "attitude_north")
    conditioning = Conditioning.of([turned], streams=streams, rate_hz=50, frame=frame)
    expected = conditioning.run(device)
    save(turned, tmp_path / "turned")
    for other in (turned, deidentify(turned), open_native(tmp_path / "turned")):
        for name, grid in conditioning.run(other).items():
            np.testing.assert_array_equal(grid.values, expected[name].values)


def test_what_turned_a_recording_turns_it_back_or_nothing_does() -> None:
    turned = Frame("wrist").run(make_recording())
    corrected = replace(turned, wrist="left")
    with pytest.raises(RecordingError, match="as worn right/right, and says left/right"):
        Frame("device").run(corrected)
    with pytest.raises(RecordingError, match="as worn right/right, and says left/right"):
        Conditioning.of([turned], streams=("accel",), rate_hz=50).run(corrected)
    force = Stream.measured("force", turned.accel.time, turned.accel.values, channels=("x", "y", "z"), unit="N")
    pushed = turned.with_streams(force)
    with pytest.raises(RecordingError, match="'force' has three axes"):
        Conditioning.of([pushed], streams=("force",), rate_hz=50).run(pushed)


@given(cuts=st.lists(st.integers(0, 399), max_size=12))
def test_an_attitude_that_jumps_in_sign_stays_one(cuts: list[int]) -> None:
    """Devices that keep w positive let x, y and z jump; interpolated over that, nothing would be left of them."""
    time_s = np.arange(400) / 50 + np.where(np.arange(400) > 250, 1.0, 0.0)
    turns = Rotation.from_rotvec(np.column_stack([3.1 * time_s, 0.4 * np.sin(time_s), 0.2 * time_s]))
    smooth = turns.as_quat(scalar_first=True)
    jumping = smooth * np.sign(smooth[:, :1])
    recording = Recording.of([Stream.measured("attitude", time_s, jumping)])
    conditioning = Conditioning.of([recording], streams=("attitude",), rate_hz=50)
    grid = conditioning.run(recording)["attitude"]
    np.testing.assert_allclose(np.linalg.norm(grid.values, axis=1), 1)
    inside = (grid.places / 50 < 4.9) | (grid.places / 50 > 6.2)
    there = Rotation.from_rotvec(
        np.column_stack([3.1 * grid.places, 20 * np.sin(grid.places / 50), 0.2 * grid.places]) / 50
    )
    apart = there.inv() * Rotation.from_quat(grid.values, scalar_first=True)
    assert np.degrees(apart.magnitude()[inside]).max() < 0.5
    state = conditioning.start()
    edges = [0, *sorted(cuts), 400]
    stream = recording.attitude
    parts = [state.push({"attitude": (stream.time[a:b], stream.values[a:b])}) for a, b in pairwise(edges)]
    pushed = np.concatenate([part["attitude"].values for part in parts if "attitude" in part])
    assert pushed.tobytes() == grid.values.tobytes()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda spec: spec.update(speed=3), r"with \['speed'\]"),
        (lambda spec: spec.pop("sources"), r"without \['sources'\]"),
        (lambda spec: spec["sources"][0].update(gain=2.0), r"with \['gain'\]"),
        (lambda spec: spec["sources"][0].update(longest_step_s=math.nan), "longest_step_s of 'accel' is nan"),
        (lambda spec: spec["sources"][0].update(longest_step_s=True), "longest_step_s of 'accel' is True"),
        (lambda spec: spec["sources"][0].update(longest_step_s=1e5), "lower rate_hz"),
        (lambda spec: spec["sources"][0].update(channels=["x", "x", "z"]), "expected different names"),
        (lambda spec: spec["sources"][0].update(channels=[]), "expected a tuple of names"),
        (lambda spec: spec["sources"][0].update(unit=3), "expected a tuple of names"),
        (lambda spec: spec["steps"].extend(spec["steps"][-1:] * 20), "at most 16"),
        (lambda spec: spec["steps"][1].update(rate_hz=1e7), "expected 0.001 to 100000"),
        (lambda spec: spec["steps"][0].update(tilt=1), r"with \['tilt'\]"),
        (lambda spec: spec["steps"][1].update(order=3), r"with \['order'\]"),
        (lambda spec: spec["steps"][2].update(quailty=3), r"with \['quailty'\]"),
        (lambda spec: spec["steps"][1].update(rate_hz=math.nan), "rate_hz is nan"),
        (lambda spec: spec["steps"][1].update(rate_hz="50"), "rate_hz is '50'"),
        (lambda spec: spec["steps"][2].update(kind="lowpas"), "kind is 'lowpas'"),
        (lambda spec: spec["steps"].append({"step": "filter", "kind": "mean", "length_s": "1"}), "length_s is '1'"),
        (lambda spec: spec["steps"].append({"step": "wavelet"}), "step 'wavelet' is not known"),
    ],
)
def test_a_description_that_cannot_be_honoured_is_refused(change, says: str) -> None:
    spec = Conditioning.of([make_recording()], streams=("accel",), rate_hz=50, filters=FILTERS).to_dict()
    change(spec)
    with pytest.raises(ValueError, match=says):
        Conditioning.from_dict(spec)


def test_streams_are_names_and_recordings_are_there() -> None:
    with pytest.raises(TypeError, match=r"such as \('accel',\)"):
        Conditioning.of([make_recording()], streams="accel", rate_hz=50)
    with pytest.raises(ValueError, match="give one or more"):
        Conditioning.of([], streams=("accel",), rate_hz=50)


def test_a_quaternion_is_turned_by_the_names_of_its_channels() -> None:
    device = fuse(make_recording())
    shuffled = device.attitude.with_values(
        "attitude_north", device.attitude.values[:, [1, 2, 3, 0]], channels="xyzw", unit="1"
    )
    turned = Frame("wrist").run(device.with_streams(shuffled))
    np.testing.assert_array_equal(turned.attitude_north.values[:, [3, 0, 1, 2]], turned.attitude.values)
    short = device.attitude.with_values("attitude_north", device.attitude.values[:, :3], channels="wxy", unit="1")
    with pytest.raises(RecordingError, match="expected a quaternion"):
        Frame("wrist").run(device.with_streams(short))


@pytest.mark.parametrize(
    ("time", "values", "says"),
    [
        (np.arange(4, dtype=np.float32), np.zeros((4, 3)), "stamps in float32"),
        (np.arange(4) + 0j, np.zeros((4, 3)), "of type complex128"),
        (np.arange(4.0), np.zeros((4, 3)) + 1j, "of type complex128"),
        (np.arange(4.0), np.full((4, 3), "1"), "expected numbers"),
        (np.arange(4.0), np.ma.masked_array(np.zeros((4, 3)), mask=np.eye(4, 3)), "NaN or infinite"),
        (np.arange(4).astype("datetime64[s]"), np.zeros((4, 3)), "expected numbers"),
    ],
)
def test_a_packet_is_of_real_numbers(time, values, says: str) -> None:
    state = Conditioning.of([make_recording()], streams=("accel",), rate_hz=50).start()
    with pytest.raises(ValueError, match=says):
        state.push({"accel": (time, values)})
    with pytest.raises(TypeError, match="expected stream name"):
        state.push([("accel", (time, values))])


def test_json_round_trip() -> None:
    recording = make_recording()
    filters = (*FILTERS, Filter("notch", (15.0,), quality=20.0), Derivative(), Moving("std", 0.4))
    conditioning = Conditioning.of([recording], streams=("accel", "gyro"), rate_hz=50, filters=filters, frame="wrist")
    assert conditioning.delay_s == pytest.approx(sum(one.delay_s(50) for one in filters) + 2.5 / 50)
    again = Conditioning.from_json(conditioning.to_json())
    assert again == conditioning
    assert again.to_json() == conditioning.to_json()
    assert again.channels == ("accel_x", "accel_y", "accel_z", "gyro_x", "gyro_y", "gyro_z")


@pytest.mark.parametrize(
    ("packet", "says"),
    [
        (([0.0, 0.0], np.zeros((2, 3))), "expected increasing"),
        (([1.0, 0.5], np.zeros((2, 3))), "expected increasing"),
        (([0.0], np.zeros((1, 2))), r"expected \(n,\) and \(n, 3\)"),
        (([0.0], np.zeros((2, 3))), r"expected \(n,\) and \(n, 3\)"),
        (([0.0], np.zeros(3)), r"expected \(n,\) and \(n, 3\)"),
        (([np.nan], np.zeros((1, 3))), "NaN or infinite"),
        (([0.0], np.full((1, 3), np.nan)), "NaN or infinite"),
        (([0.0], np.full((1, 3), np.inf)), "NaN or infinite"),
    ],
)
def test_a_wrong_packet_is_named_and_changes_nothing(packet: tuple, says: str) -> None:
    recording = make_recording()
    conditioning = Conditioning.of([recording], streams=("accel", "gyro"), rate_hz=50)
    state = conditioning.start()
    with pytest.raises(ValueError, match=says):
        state.push({"gyro": ([0.0], np.zeros((1, 3))), "accel": packet})
    assert state.states["gyro"].newest_s == -np.inf


def test_time_never_goes_back_between_packets() -> None:
    state = Conditioning.of([make_recording()], streams=("accel",), rate_hz=50).start()
    state.push({"accel": ([1.0], np.zeros((1, 3)))})
    with pytest.raises(ValueError, match=r"0\.9 s after 1\.0 s"):
        state.push({"accel": ([0.9], np.zeros((1, 3)))})
    with pytest.raises(ValueError, match="not used here"):
        state.push({"ppg": ([2.0], np.zeros((1, 1)))})


@pytest.mark.parametrize("rows", [1, 3, 20])
def test_stamps_that_are_no_seconds_are_refused_in_any_partition(rows: int) -> None:
    """Eight steps in a row far beyond a gap are too many, in one packet or one by one, at the start or later."""

    def pushed(time_s: np.ndarray) -> int:
        state, count = Conditioning.of([make_recording()], streams=("accel",), rate_hz=50).start(), 0
        for first in range(0, len(time_s), rows):
            state.push({"accel": (part := time_s[first : first + rows], np.zeros((len(part), 3)))})
            count += len(part)
        return count

    with pytest.raises(ValueError, match="give seconds, not milliseconds"):
        pushed(np.arange(9) * 10.0)
    assert pushed(np.arange(8) * 10.0) == 8
    good_s = np.arange(50) / 50
    with pytest.raises(ValueError, match="give seconds, not milliseconds"):
        pushed(np.r_[good_s, 1e3 * (1 + good_s)])
    assert pushed(np.r_[np.arange(12) * 0.5, 6 + good_s]) == 62  # a sensor that wakes up now and then
    assert pushed(np.r_[np.arange(7) * 10.0, 70 + good_s, 80 + np.arange(7) * 10.0]) == 64


def test_another_unit_or_channel_set_is_refused_by_name() -> None:
    time_s = np.arange(0, 3, 0.02)
    volts = Recording.of([Stream.measured("emg", time_s, np.zeros((150, 2)), channels=("a", "b"), unit="V")])
    conditioning = Conditioning.of([volts], streams=("emg",), rate_hz=25)
    other = Recording.of([Stream.measured("emg", time_s, np.zeros((150, 2)), channels=("a", "b"), unit="mV")])
    with pytest.raises(RecordingError, match="is in 'mV', expected 'V'"):
        conditioning.run(other)
    fewer = Recording.of([Stream.measured("emg", time_s, np.zeros((150, 1)), channels=("a",), unit="V")])
    with pytest.raises(RecordingError, match=r"lacks channels \['b'\]"):
        conditioning.run(fewer)
    swapped = np.column_stack([np.zeros(150), np.ones(150)])
    turned = Recording.of([Stream.measured("emg", time_s, swapped, channels=("b", "a"), unit="V")])
    np.testing.assert_array_equal(conditioning.run(turned)["emg"].values[0], [1, 0])


def test_a_source_too_slow_for_its_gap_rule_is_refused() -> None:
    fast = Recording.of([Stream.measured("ppg", np.arange(0, 5, 0.01), np.zeros(500))])
    slow = Recording.of([Stream.measured("ppg", np.arange(0, 50, 0.5), np.zeros(100))])
    with pytest.raises(RecordingError, match="every step would be a gap"):
        Conditioning.of([fast], streams=("ppg",), rate_hz=25).run(slow)


def test_no_drift_over_a_day() -> None:
    start = 24 * 3600 * 100
    time_s = (start + np.arange(500)) / 100
    grid = Resample(50).run(time_s, np.sin(time_s)[:, None])
    np.testing.assert_allclose(grid.values[10:, 0], np.sin(grid.places[10:] / 50), atol=1e-4)


@pytest.mark.parametrize("rows", [8, 32])
def test_packets_of_a_fast_sensor_leave_nothing_behind_and_the_clock_stays(rows: int) -> None:
    """A soak: a minute at 800 Hz holds no more than one support of samples, and each place comes once."""
    time_s = np.arange(60 * 800) / 800
    values = np.sin(2 * np.pi * 2 * time_s)[:, None].astype(np.float32)
    recording = Recording.of([Stream.measured("ppg", time_s[:2000], values[:2000])])
    state = Conditioning.of([recording], streams=("ppg",), rate_hz=50, filters=FILTERS[1:]).start()
    most_rows, parts = 0, []
    for first in range(0, len(time_s), rows):
        grid = state.push({"ppg": (time_s[first : first + rows], values[first : first + rows])})["ppg"]
        parts.append((grid.places.copy(), grid.values.copy()))
        held = state.states["ppg"]._resampler
        most_rows = max(most_rows, len(held.time_s))
        assert held.time_s.base is None  # copies: a view would keep a packet, and all before it, in memory
        assert held.values.base is None
    places, outputs = (np.concatenate(column) for column in zip(*parts, strict=True))
    assert most_rows <= 6 * 800 / 50 + 4 + rows
    assert (np.diff(places) == 1).all()
    delay_s = Filter("lowpass", (12.0,), order=3).delay_s(50) + 2.5 / 50
    assert places[-1] == np.floor((time_s[-1] - delay_s) * 50)
    np.testing.assert_allclose(outputs[100:, 0], np.sin(2 * np.pi * 2 * places[100:] / 50), atol=0.03)


@pytest.mark.parametrize("source_hz", [10, 100, 800])
def test_one_long_call_and_single_samples_give_the_same_bits(source_hz: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many outputs are computed at once, and however long the support is in samples."""
    rng = np.random.default_rng(9)
    time_s = jittered(source_hz, 6, rng)
    values = rng.normal(size=(len(time_s), 3)).astype(np.float32)
    whole = Resample(50).run(time_s, values)
    for shares in (1, 100, 1000):
        monkeypatch.setattr(resample, "SHARES", shares)
        assert Resample(50).run(time_s, values).values.tobytes() == whole.values.tobytes()
    state = Resample(50).start(3)
    parts = [state.push(time_s[k : k + 1], values[k : k + 1]) for k in range(len(time_s))]
    assert np.concatenate([part.values for part in parts]).tobytes() == whole.values.tobytes()
    np.testing.assert_allclose(whole.values, one_line_after_another(time_s, values, whole.places), rtol=0, atol=1e-12)


def one_line_after_another(time_s: np.ndarray, values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The sum over every straight line of the stretch, in Python's exact sum."""
    step, outputs, values = Resample(50), [], values.astype(np.float64)
    for place in places:
        offset = (time_s - place / 50) * 50
        newest = int(np.searchsorted(offset, 2.5))
        integral = step.second_integral(offset[: newest + 1])
        shares = np.diff(integral) / np.diff(offset[: newest + 1])
        rises = np.diff(values[: newest + 1], axis=0)
        outputs.append([values[newest, c] - math.fsum(shares * rises[:, c]) for c in range(values.shape[1])])
    return np.array(outputs)
