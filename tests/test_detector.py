"""One detector: push in any partition equals detect; it refuses by name; it is saved without pickle."""

import dataclasses
import hashlib
import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wristkit.condition import Conditioning
from wristkit.detector import Detector, DetectorSpec
from wristkit.detector.session import Session
from wristkit.detector.stages import Rater
from wristkit.errors import RecordingError
from wristkit.events import EventDecoder, event_table
from wristkit.filters import Filter
from wristkit.models import build
from wristkit.recording import Recording, Stream, label_table

CLASSES = ("calm", "none", "shake")
SPEC_FIELDS = tuple(field.name for field in dataclasses.fields(DetectorSpec))


def make_recording(seed: int = 0, *, span_s: float = 30.0) -> Recording:
    """Two streams of different rates with jitter, a late start, gaps of their own, and bursts to detect."""
    rng = np.random.default_rng(seed)
    streams = []
    for name, rate_hz, first_s, gap_s in (("accel", 100, 0.0, (9.0, 9.8)), ("gyro", 40, 0.7, (17.0, 18.1))):
        time_s = first_s + np.cumsum(rng.uniform(0.6, 1.4, int(span_s * rate_hz)) / rate_hz)
        time_s = time_s[(time_s < gap_s[0]) | (time_s > gap_s[1])]
        loud = 0.2 + 2.0 * ((time_s % 7) < 2.5)
        streams.append(Stream.measured(name, time_s, rng.normal(size=(len(time_s), 3)) * loud[:, None]))
    return Recording.of(
        streams,
        labels=label_table([(7.0 * k, 7.0 * k + 2.5, "shake", "truth", "test") for k in range(5) if 7 * k < span_s]),
        labelled={"truth": [(0.0, span_s)]},
        subject=f"s{seed}",
        wrist="right",
        crown="left",
    )


def make_detector(
    recording: Recording, *, streams: tuple = ("accel", "gyro"), filters: tuple = (), frame: str = "device", **spec
) -> Detector:
    """A detector with random but fixed weights whose scores move over the whole range."""
    import torch

    conditioning = Conditioning.of([recording], streams=streams, rate_hz=50, filters=filters, frame=frame)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        net = build("tcn", channels=conditioning.channels, classes=CLASSES, samples=50, hop=10)
        for weight in net.head.parameters():
            weight.data *= 25
    spec = {"decoder": EventDecoder(high=0.6, low=0.3, smooth=2, merge_s=0.4, refractory_s=0.3), **spec}
    return Detector(
        DetectorSpec(
            conditioning=conditioning, length=50, hop=10, classes=CLASSES, architecture=net.architecture, **spec
        ),
        net,
    )


def pieces_of(recording: Recording, cuts: dict[str, list[int]]) -> list[dict[str, tuple]]:
    pieces = {}
    for name, stream in recording.streams.items():
        edges = [0, *sorted(min(cut, len(stream)) for cut in cuts.get(name, [])), len(stream)]
        pieces[name] = [(stream.time[a:b], stream.values[a:b]) for a, b in pairwise(edges)]
    most = max(len(parts) for parts in pieces.values())
    return [{name: parts[k] for name, parts in pieces.items() if k < len(parts)} for k in range(most)]


def push_all(detector: Detector, packets: list[dict[str, tuple]], **sides) -> list:
    detector.reset(**sides)
    return [update for packet in packets for update in detector.push(packet)] + detector.flush()


def final_table(updates: list) -> pd.DataFrame:
    return event_table(update.event for update in updates if update.final)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 3),
    cuts=st.fixed_dictionaries({name: st.lists(st.integers(0, 3000), max_size=25) for name in ("accel", "gyro")}),
    filters=st.sampled_from([(), (Filter("highpass", (0.5,)),)]),
    frame=st.sampled_from(["device", "wrist"]),
)
def test_push_in_any_partition_equals_detect(seed: int, cuts: dict, filters: tuple, frame: str) -> None:
    recording = make_recording(seed)
    detector = make_detector(recording, filters=filters, frame=frame)
    whole = detector.detect(recording)
    assert len(whole) >= 2
    updates = push_all(detector, pieces_of(recording, cuts), wrist=recording.wrist, crown=recording.crown)
    pushed = final_table(updates)
    exact = ["start_s", "stop_s", "label", "decided_s"]
    pd.testing.assert_frame_equal(pushed[exact], whole[exact], check_exact=True)
    np.testing.assert_allclose(pushed["score"], whole["score"], rtol=0, atol=1e-6)


@settings(max_examples=8, deadline=None)
@given(
    cuts=st.fixed_dictionaries({"accel": st.lists(st.integers(0, 3000)), "audio": st.lists(st.integers(0, 500_000))})
)
def test_a_detector_that_hears_takes_sound_in_any_partition(cuts: dict) -> None:
    motion = make_recording(2)
    rng = np.random.default_rng(0)
    loud = 0.01 + 0.3 * ((np.arange(16_000 * 30) / 16_000 % 7) < 2.5)
    audio = Stream.uniform("audio", (rng.normal(size=len(loud)) * loud).clip(-1, 1), rate_hz=16_000, channels=("mono",))
    recording = Recording.of(
        [motion["accel"], audio],
        labels=motion.labels,
        labelled=motion.labelled,
        subject="s",
        wrist="left",
        crown="left",
    )
    detector = make_detector(recording, streams=("accel", "mel"))
    whole = detector.detect(recording)
    assert len(whole) >= 1
    pushed = final_table(push_all(detector, pieces_of(recording, cuts)))
    pd.testing.assert_frame_equal(pushed, whole, check_exact=False, rtol=0, atol=1e-6)
    assert detector.evaluate([recording]).hours > 0.004


def test_one_stream_after_the_other_gives_the_same_events() -> None:
    recording = make_recording(1)
    detector = make_detector(recording)
    packets = [{name: (stream.time, stream.values)} for name, stream in recording.streams.items()]
    pd.testing.assert_frame_equal(final_table(push_all(detector, packets)), detector.detect(recording))


def test_scores_equal_a_slow_twin() -> None:
    """Every window by hand: condition, look for one whole run of places, run the net on it alone."""
    import torch

    recording = make_recording(2)
    detector = make_detector(recording)
    scores = detector.scores(recording)
    grids = detector.spec.conditioning.run(recording)
    rows, centres, known = [], [], []
    for first in range(0, 3000, 10):
        wanted = np.arange(first, first + 50)
        if not all(np.isin(wanted, grid.places).all() for grid in grids.values()):
            continue
        at = {name: np.searchsorted(grid.places, wanted) for name, grid in grids.items()}
        window = np.concatenate([grids[name].values[at[name]].T for name in grids]).astype(np.float32)
        with torch.inference_mode():
            rows.append(torch.softmax(detector.model(torch.from_numpy(window[None])), dim=1).numpy()[0])
        centres.append((first + 25) / 50)
        known.append(max(grids[name].needed_s[at[name][-1]] for name in grids))
    np.testing.assert_array_equal(scores.centre_s, centres)
    np.testing.assert_array_equal(scores.time, known)
    np.testing.assert_allclose(scores.values, rows, rtol=0, atol=1e-6)


def test_no_window_lies_across_a_gap() -> None:
    recording = make_recording(0)
    scores = make_detector(recording).scores(recording)
    for stream in recording.streams.values():
        for gap_start_s, gap_stop_s in stream.gaps:
            assert not ((scores.centre_s - 0.5 < gap_stop_s) & (scores.centre_s + 0.5 > gap_start_s)).any()


def test_updates_come_once_decided_and_once_final() -> None:
    recording = make_recording(3)
    detector = make_detector(recording)
    updates = push_all(detector, pieces_of(recording, {"accel": list(range(0, 3000, 80))}))
    open_events = {}
    for update in updates:
        key = (update.event.label, update.event.start_s)
        if not update.final:
            assert key not in open_events
            open_events[key] = update.event
        else:
            decided = open_events.pop(key)
            assert decided.decided_s == update.event.decided_s
            assert decided.stop_s <= update.event.stop_s
            assert decided.score <= update.event.score
    assert not open_events


def test_a_decision_never_comes_before_the_samples_it_needs() -> None:
    recording = make_recording(1)
    detector = make_detector(recording)
    for packet in pieces_of(recording, {name: list(range(0, 3000, 37)) for name in recording.streams}):
        for update in detector.push(packet):
            newest_s = max(state.newest_s for state in detector._session.conditioning.states.values())
            assert update.event.decided_s <= newest_s


def test_flush_starts_anew() -> None:
    recording = make_recording(0)
    detector = make_detector(recording)
    packets = pieces_of(recording, {})
    assert final_table(push_all(detector, packets)).equals(final_table(push_all(detector, packets)))


def test_memory_stays_bounded_however_long_it_runs() -> None:
    recording = make_recording(0)
    detector = make_detector(recording)
    rng = np.random.default_rng(0)
    held = []
    for second in range(120):
        time_s = second + np.arange(50) / 50
        detector.push({name: (time_s, rng.normal(size=(50, 3))) for name in ("accel", "gyro")})
        held.append(sum(len(grid.places) for grid in detector._session._pending.values()))
    assert max(held[5:]) <= 2 * (50 + 10)


def test_a_stream_that_stays_away_longer_than_max_wait_is_a_gap() -> None:
    recording = make_recording(0)
    detector = make_detector(recording, max_wait_s=2.0)
    accel, gyro = recording["accel"], recording["gyro"]
    early = gyro.between(0, 5)
    detector.push({"accel": (accel.between(0, 5).time, accel.between(0, 5).values), "gyro": (early.time, early.values)})
    detector.push({"accel": (accel.between(5, 16).time, accel.between(5, 16).values)})
    late = gyro.between(5, 16)
    detector.push({"gyro": (late.time, late.values)})
    limit_s = accel.between(5, 16).time[-1] - 2.0
    assert detector.late_samples["gyro"] == int((late.time < limit_s).sum()) > 0
    assert detector.late_samples["accel"] == 0
    held = sum(len(grid.places) for grid in detector._session._pending.values())
    assert held < 400


def packet(first: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
    """Samples ``first`` to ``stop`` of a stream of 64 Hz, whose times are exact."""
    return np.arange(first, stop) / 64, np.ones((stop - first, 3))


def waiting() -> Session:
    detector = make_detector(of_64_hz(), max_wait_s=1.0)
    return Session(detector.spec, None, None, max_wait_s=1.0)


def of_64_hz() -> Recording:
    return Recording.of([Stream.measured(name, *packet(0, 640)) for name in ("accel", "gyro")])


def test_a_stream_just_as_far_behind_as_it_may_be_is_waited_for() -> None:
    session = waiting()
    session.push({"accel": packet(0, 385), "gyro": packet(0, 321)})  # 6 s and 5 s
    session.push({"gyro": packet(321, 322)})
    assert session.late_samples == {"accel": 0, "gyro": 0}
    session.push({"accel": packet(385, 395)})  # so that gyro is given up until 5 s and 10 samples
    with pytest.raises(ValueError, match="NaN"):
        session.push({"gyro": packet(322, 340), "accel": (np.array([6.5]), np.full((1, 3), np.nan))})
    session.push({"gyro": packet(322, 340)})
    assert session.late_samples == {"accel": 0, "gyro": 330 - 322}


def test_where_a_stream_was_given_up_no_window_lies_however_short_the_hole() -> None:
    session = waiting()
    first = list(session.push({"accel": packet(0, 387), "gyro": packet(0, 321)}).first)  # gyro: 5 s, given up
    first += list(session.push({"gyro": packet(321, 640), "accel": packet(387, 640)}).first)
    assert session.late_samples["gyro"] == 1, "less than the gap rule would mind"
    rate_hz, length = session.spec.conditioning.rate_hz, session.spec.length
    hole = 5.0 * rate_hz
    assert [one for one in first if one <= hole - length + 1]
    assert [one for one in first if one > hole]
    assert not [one for one in first if hole - length + 1 < one <= hole]


def test_a_window_that_is_missing_starts_averaging_anew() -> None:
    detector = make_detector(make_recording(0), decoder=EventDecoder(smooth=3))
    hop_s = detector.spec.hop_s
    centre_s = hop_s * np.array([0, 1, 2, 4, 5])  # one is missing
    scores = np.array([0.9, 0.9, 0.9, 0.3, 0.3], dtype=np.float32)
    rows = Rater("gate", detector, ("shake",)).push(centre_s, centre_s, scores[:, None].repeat(3, axis=1))
    assert rows.follows_gap.tolist() == [False, False, False, True, False]
    np.testing.assert_allclose(rows.score, [0.9, 0.9, 0.9, 0.3, 0.3], rtol=1e-6)
    np.testing.assert_allclose(centre_s - rows.centre_s, hop_s * np.array([0, 0.5, 1, 0, 0.5]))


def test_an_empty_push_is_no_news() -> None:
    detector = make_detector(make_recording(0))
    assert detector.push({}) == []
    assert detector.push({"accel": (np.empty(0), np.empty((0, 3)))}) == []
    assert detector.flush() == []


def test_save_and_load(tmp_path: Path) -> None:
    recording = make_recording(0)
    detector = make_detector(recording, filters=(Filter("lowpass", (15.0,)),), max_wait_s=5.0)
    again = Detector.load(detector.save(tmp_path / "d"))
    assert again.spec == detector.spec
    assert again.spec.sha256 == detector.spec.sha256
    pd.testing.assert_frame_equal(again.detect(recording), detector.detect(recording))
    assert sorted(path.name for path in (tmp_path / "d").iterdir()) == ["detector.json", "weights.safetensors"]


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (lambda folder: (folder / "detector.json").unlink(), "not_a_detector"),
        (lambda folder: (folder / "weights.safetensors").unlink(), "missing_file"),
        (lambda folder: (folder / "detector.json").write_text("{"), "header"),
        (lambda folder: (folder / "detector.json").write_text("[]"), "schema"),
        (lambda folder: rewrite(folder, lambda header: header.update(schema=7)), "schema"),
        (lambda folder: rewrite(folder, lambda header: header.update(schema=True)), "schema"),
        (lambda folder: rewrite(folder, lambda header: header.pop("weights_sha256")), "schema"),
        (lambda folder: (folder / "detector.json").write_text("[" * 100_000), "header"),
        (lambda folder: rewrite(folder, lambda header: header.pop("spec_sha256")), "header"),
        (lambda folder: flip_last_bit(folder / "weights.safetensors"), "checksum"),
        (lambda folder: rewrite(folder, lambda header: header["spec"].pop("classes")), "header"),
        (lambda folder: rewrite(folder, lambda header: header["spec"].update(length=-1)), "header"),
        (lambda folder: rewrite(folder, lambda header: header["spec"]["architecture"].update(width=8)), "header"),
    ],
)
def test_a_damaged_folder_gives_one_clear_error(tmp_path: Path, damage, code: str) -> None:
    folder = make_detector(make_recording(0)).save(tmp_path / "d")
    damage(folder)
    with pytest.raises(RecordingError) as fault:
        Detector.load(folder)
    assert fault.value.code == code


@pytest.mark.parametrize(
    ("change", "says"),
    [
        *((lambda spec, name=name: spec.pop(name), f"without .'{name}'.") for name in SPEC_FIELDS),
        *((lambda spec, name=name: spec["decoder"].pop(name), f"without .'{name}'.") for name in ("high", "merge_s")),
        (lambda spec: spec.update(more=1), r"with \['more'\]"),
        (lambda spec: spec.update(length=25.0), "whole samples"),
        (lambda spec: spec.update(hop=True), "whole samples"),
        (lambda spec: spec.update(length=24), "the net is of samples 50, the specification of 24"),
        (lambda spec: spec.update(classes=["none", "other"]), "the net is of classes"),
        (lambda spec: spec.update(classes=[1, 2]), "tuple of 2 names"),
        (lambda spec: spec.update(trained_on=[1]), "tuple of 0 names"),
        (lambda spec: spec.update(max_wait_s="5"), "max_wait_s is '5'"),
        (lambda spec: spec["architecture"].update(channels=["accel_x"]), "the net is of channels"),
        (lambda spec: spec["architecture"].update(name="magic"), "model 'magic' is not known"),
        (lambda spec: spec["architecture"].update(width=8), "state_dict"),
    ],
)
def test_a_header_with_a_right_hash_is_still_checked(tmp_path: Path, change, says: str) -> None:
    folder = make_detector(make_recording(0)).save(tmp_path / "d")
    header = json.loads((folder / "detector.json").read_text())
    change(header["spec"])
    header["spec_sha256"] = hashlib.sha256(json.dumps(header["spec"], sort_keys=True).encode()).hexdigest()
    (folder / "detector.json").write_text(json.dumps(header))
    with pytest.raises(RecordingError, match=says) as fault:
        Detector.load(folder)
    assert fault.value.code == "header"


@pytest.mark.parametrize("name", ["decoder", "conditioning"])
def test_a_part_of_another_kind_is_refused_when_it_is_put_together(name: str) -> None:
    with pytest.raises(TypeError, match=f"{name} is 'x', expected a"):
        dataclasses.replace(make_detector(make_recording(0)).spec, **{name: "x"})


def test_weights_with_a_right_hash_are_still_checked(tmp_path: Path) -> None:
    folder = make_detector(make_recording(0)).save(tmp_path / "d")
    (folder / "weights.safetensors").write_bytes(b"no tensors")
    rewrite(folder, lambda header: header.update(weights_sha256=hashlib.sha256(b"no tensors").hexdigest()))
    with pytest.raises(RecordingError, match="does not describe a detector") as fault:
        Detector.load(folder)
    assert fault.value.code == "header"


def test_a_folder_of_something_else_says_what_it_holds(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="there is no such folder"):
        Detector.load(tmp_path / "d")
    (tmp_path / "cascade.json").write_text("{}")
    with pytest.raises(RecordingError, match=r"the folder holds \['cascade.json'\]"):
        Detector.load(tmp_path)


def rewrite(folder: Path, change) -> None:
    header = json.loads((folder / "detector.json").read_text())
    change(header)
    (folder / "detector.json").write_text(json.dumps(header))


def flip_last_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def test_a_net_of_the_users_own_is_not_saved_without_its_code(tmp_path: Path) -> None:
    detector = make_detector(make_recording(0))
    own = Detector(dataclasses.replace(detector.spec, architecture=None), detector.model)
    with pytest.raises(ValueError, match="not one of wristkit's own"):
        own.save(tmp_path / "d")


def test_a_missing_stream_is_refused_by_name() -> None:
    recording = make_recording(0)
    detector = make_detector(recording)
    alone = Recording.of([recording["accel"]])
    with pytest.raises(RecordingError, match="no stream 'gyro'"):
        detector.detect(alone)


def test_a_recording_too_short_for_one_window_has_no_events() -> None:
    recording = make_recording(0)
    detector = make_detector(recording)
    short = recording.between(1.0, 1.5)
    assert len(detector.scores(short)) == 0
    assert detector.detect(short).empty


def test_the_wrist_frame_needs_sides_before_the_first_packet() -> None:
    recording = make_recording(0)
    detector = make_detector(recording, frame="wrist")
    with pytest.raises(RecordingError, match="wrist is None"):
        detector.push({"accel": ([0.0], np.zeros((1, 3)))})


def test_evaluate_says_when_it_was_trained_on_what_it_is_given() -> None:
    recording = make_recording(0)
    detector = make_detector(recording, trained_on=(recording.id,))
    assert "trained or tuned on" in detector.evaluate(recording).notes[-1]
    assert not make_detector(recording).evaluate(recording).notes


def test_a_detector_counts_the_hours_that_evaluate_counts() -> None:
    from wristkit.evaluate import evaluate

    recording = make_recording(0)
    detector = make_detector(recording)
    late = Stream.measured("heart_rate", [12.0, 13.0, 14.0], [60.0, 61.0, 62.0])
    richer = recording.with_streams(late)
    scores = detector.scores(richer)
    again = evaluate(detector.detect(richer), richer, scores=scores, decoder=detector.spec.decoder)
    own = detector.evaluate(richer)
    assert own.hours == again.hours
    assert own.matches.equals(again.matches)


def test_scores_that_are_no_numbers_are_an_error_and_never_silence() -> None:
    accel = make_recording(0).accel
    light = Stream.measured("ppg", accel.time, accel.values[:, 0])
    huge = Stream.measured("ppg", accel.time, np.sign(light.values) * np.float32(3e38))
    with pytest.raises(RecordingError, match="which no wrist gives"):
        make_detector(Recording.of([light]), streams=("ppg",)).detect(Recording.of([huge]))
    broken = make_detector(make_recording(0))
    for parameter in broken.model.parameters():
        parameter.data.fill_(float("nan"))
    with pytest.raises(RecordingError, match="no numbers"):
        broken.detect(make_recording(0))
    loud = make_recording(0).with_streams(
        Stream.measured("accel", accel.time, np.sign(accel.values) * np.float32(3e38))
    )
    with pytest.raises(RecordingError, match="which no wrist gives"):
        make_detector(make_recording(0)).detect(loud)


@pytest.mark.parametrize("time", [np.arange(20) * 10.0, np.arange(20) * 1e18])
def test_packets_in_another_unit_of_time_are_refused(time: np.ndarray) -> None:
    with pytest.raises(ValueError, match="give seconds, not milliseconds"):
        make_detector(make_recording(0)).push({"accel": (time, np.zeros((20, 3)))})


def test_hours_in_which_no_window_fits_are_no_hours() -> None:
    recording = make_recording(0)
    detector = make_detector(recording)
    assert detector.evaluate(recording.between(1.0, 1.6)).hours == 0
