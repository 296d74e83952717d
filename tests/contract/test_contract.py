"""What every detector keeps to, whatever it detects; a new one is a new line in ``DETECTORS``."""

import dataclasses
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

import wristkit as wk
from wristkit.detector import Detector
from wristkit.errors import RecordingError
from wristkit.events import EVENT_COLUMNS, EventDecoder, event_table
from wristkit.filters import Filter
from wristkit.recording import CANONICAL, Recording, Stream, label_table

SURE = EventDecoder(high=0.5, low=0.3, smooth=2, merge_s=0.5)
EXACT = ["start_s", "stop_s", "label", "decided_s"]


def bending(seed, *, span_s=60.0):
    """A made-up glove of three sensors in volt, still or bending by turns."""
    rng = np.random.default_rng(seed)
    time_s = 0.003 + np.cumsum(rng.uniform(0.6, 1.4, int(span_s * 80)) / 80)
    loud = 0.1 + 1.5 * ((time_s % 8) < 3)
    values = rng.normal(size=(len(time_s), 3)) * loud[:, None] + [0.0, 1.0, -2.0]
    rows = [
        (8.0 * turn + start_s, 8.0 * turn + stop_s, label, "truth", "made")
        for turn in range(int(span_s // 8))
        for start_s, stop_s, label in ((0, 3, "bend"), (3, 8, "none"))
    ]
    glove = Stream.measured("glove", time_s, values, channels=("thumb", "index", "ring"), unit="V")
    return Recording.of([glove], labels=label_table(rows), subject=f"s{seed}")


def of_bundled_people(**options):
    people = [wk.sample(name) for name in ("day_p01", "day_p05")]
    parts = [people[0].between(0, 90), people[1]]
    chosen = wk.windows(parts, streams=("accel", "gyro"), rate_hz=50, length_s=2.0, hop_s=0.5, **options)
    return wk.quick_train(chosen, epochs=3).detector(SURE), parts[0]


def of_a_glove():
    people = [bending(seed) for seed in (0, 1)]
    chosen = wk.windows(people, streams=("glove",), rate_hz=40, length_s=1.0, hop_s=0.25)
    return wk.quick_train(chosen, epochs=3).detector(SURE), people[0]


DETECTORS = {
    "of bundled people": of_bundled_people,
    "filtered, in the wrist frame": lambda: of_bundled_people(filters=(Filter("lowpass", (18.0,)),), frame="wrist"),
    "of a stream of one's own": of_a_glove,
}


@pytest.fixture(scope="module", params=DETECTORS)
def case(request):
    """Return a detector and a recording in which it finds something."""
    detector, recording = DETECTORS[request.param]()
    assert len(detector.detect(recording)) >= 3
    return detector, recording


def sources_of(detector):
    return [source.name for source in detector.spec.conditioning.sources]


def changed(recording, name, *, time=None, values=None, channels=None, unit=None):
    """Return a recording with one stream in another form."""
    old = recording[name]
    stream = Stream.measured(
        name,
        old.time if time is None else time,
        old.values if values is None else values,
        channels=old.channels if channels is None else channels,
        unit=old.unit if unit is None else unit,
    )
    return recording.with_streams(stream)


def pushed(detector, recording, packet):
    """Return all updates of a recording pushed in packets of some samples."""
    detector.reset(wrist=recording.wrist, crown=recording.crown)
    updates = []
    streams = [recording[name] for name in sources_of(detector)]
    for first in range(0, max(len(stream) for stream in streams), packet):
        part = slice(first, first + packet)
        updates += detector.push({stream.name: (stream.time[part], stream.values[part]) for stream in streams})
    return updates + detector.flush()


def final_table(updates):
    return event_table(update.event for update in updates if update.final)


def test_the_same_recording_gives_the_same_bits(case):
    detector, recording = case
    first, second = detector.scores(recording), detector.scores(recording)
    assert first.values.tobytes() == second.values.tobytes()
    pd.testing.assert_frame_equal(detector.detect(recording), detector.detect(recording), check_exact=True)


def test_scores_are_probabilities_and_events_are_a_table_of_its_classes(case):
    detector, recording = case
    scores, events = detector.scores(recording), detector.detect(recording)
    np.testing.assert_allclose(scores.values.sum(axis=1), 1, atol=1e-5)
    assert scores.values.min() >= 0
    assert scores.channels == detector.spec.classes
    assert tuple(events.columns) == EVENT_COLUMNS
    assert set(events["label"]) <= set(detector.spec.classes) - {detector.spec.decoder.background}
    assert (events["start_s"] <= events["stop_s"]).all()
    assert events["start_s"].is_monotonic_increasing
    assert len(repr(detector)) <= 200


@pytest.mark.parametrize("packet", [7, 50, 10**9])
def test_packets_of_any_size_give_the_events_of_the_recording(case, packet):
    detector, recording = case
    whole, parts = detector.detect(recording), final_table(pushed(detector, recording, packet))
    pd.testing.assert_frame_equal(parts[EXACT], whole[EXACT], check_exact=True)
    np.testing.assert_allclose(parts["score"], whole["score"], rtol=0, atol=1e-6)


def test_a_sender_may_fill_its_arrays_anew_after_each_packet(case):
    detector, recording = case
    detector.reset(wrist=recording.wrist, crown=recording.crown)
    streams = [recording[name] for name in sources_of(detector)]
    sent = {stream.name: (np.empty(8), np.empty((8, len(stream.channels)))) for stream in streams}
    updates = []
    for first in range(0, min(len(stream) for stream in streams) - 8, 8):
        for stream in streams:
            time_s, values = sent[stream.name]
            time_s[:], values[:] = stream.time[first : first + 8], stream.values[first : first + 8]
        updates += detector.push(sent)
    fresh = [one for one in pushed(detector, recording, 8) if not one.final]
    decided = [one for one in updates if not one.final]
    assert len(decided) >= 3
    assert decided == fresh[: len(decided)]


def test_every_event_is_decided_once_and_final_once(case):
    detector, recording = case
    updates = pushed(detector, recording, 25)
    decided = [(one.event.label, one.event.start_s, one.event.decided_s) for one in updates if not one.final]
    final = [(one.event.label, one.event.start_s, one.event.decided_s) for one in updates if one.final]
    assert len(set(decided)) == len(decided)
    assert sorted(decided) == sorted(final)


def test_flush_starts_anew(case):
    detector, recording = case
    assert final_table(pushed(detector, recording, 40)).equals(final_table(pushed(detector, recording, 40)))


def test_a_decision_needs_nothing_later_than_it_says(case):
    detector, recording = case
    whole = detector.detect(recording)
    now_s = float(whole["decided_s"].iloc[len(whole) // 2])
    known = detector.detect(recording.between(-np.inf, np.nextafter(now_s, np.inf)))
    expected = whole[whole["decided_s"] <= now_s]
    pd.testing.assert_frame_equal(known[["start_s", "label", "decided_s"]], expected[["start_s", "label", "decided_s"]])


def test_nothing_recorded_gives_no_event(case):
    detector, recording = case
    empty = recording.with_streams(Stream.measured("elsewhere", [0.0, 1.0], [0.0, 1.0], unit="1"))
    for name in sources_of(detector):
        old = recording[name]
        empty = changed(empty, name, time=old.time[:0], values=old.values[:0])
    assert len(detector.scores(empty)) == 0
    events = detector.detect(empty)
    assert events.empty
    assert tuple(events.columns) == EVENT_COLUMNS
    assert detector.push({}) == []
    assert detector.flush() == []


def test_less_than_one_window_gives_no_event(case):
    detector, recording = case
    start_s = recording.start_s
    assert detector.detect(recording.between(start_s, start_s + 0.9 * detector.spec.length_s)).empty
    longer = recording.between(start_s, start_s + 2 * detector.spec.length_s + 2 * detector.spec.hop_s)
    assert len(detector.scores(longer)) >= 1


def test_a_constant_input_has_a_constant_score(case):
    detector, recording = case
    still = recording
    for name in sources_of(detector):
        values = recording[name].values
        still = changed(still, name, values=np.repeat(values[:1], len(values), axis=0))
    scores = detector.scores(still)
    assert len(scores) == len(detector.scores(recording))
    assert np.isfinite(scores.values).all()
    np.testing.assert_allclose(scores.values, scores.values[:1].repeat(len(scores), axis=0), atol=1e-5)


def test_missing_samples_cost_the_windows_that_hold_them_and_no_more(case):
    detector, recording = case
    name = sources_of(detector)[-1]
    stream = recording[name]
    values = stream.values.copy()
    row, lasting = len(values) // 2, int(np.ceil(0.3 * stream.rate_hz))  # longer than the gap rule lets pass
    values[row : row + lasting, -1] = np.nan
    whole, damaged = detector.scores(recording), detector.scores(changed(recording, name, values=values))
    assert np.isfinite(damaged.values).all()
    lost = np.setdiff1d(whole.centre_s, damaged.centre_s)
    reach_s = detector.spec.length_s / 2 + detector.spec.conditioning.delay_s + (lasting + 2) / stream.rate_hz
    assert 1 <= len(lost) <= 2 * reach_s / detector.spec.hop_s + 1
    assert np.abs(lost - stream.time[row]).max() <= reach_s
    before = int((damaged.centre_s < stream.time[row] - reach_s).sum())
    assert before > 5
    np.testing.assert_allclose(damaged.values[:before], whole.values[:before], rtol=0, atol=1e-6)


def test_a_gap_leaves_no_memory_of_what_was_before(case):
    detector, recording = case
    names = sources_of(detector)
    middle_s = float(recording[names[0]].time[len(recording[names[0]]) // 2])
    torn, rest = recording, recording.between(middle_s + 3, np.inf)
    for name in names:
        time_s = recording[name].time
        kept = (time_s < middle_s) | (time_s >= middle_s + 3)
        torn = changed(torn, name, time=time_s[kept], values=recording[name].values[kept])
    scores, alone = detector.scores(torn), detector.scores(rest)
    after = scores.centre_s > middle_s + 3
    assert not ((scores.centre_s > middle_s) & (scores.centre_s < middle_s + 3)).any()
    np.testing.assert_array_equal(scores.centre_s[after], alone.centre_s)
    np.testing.assert_allclose(scores.values[after], alone.values, rtol=0, atol=1e-6)
    pd.testing.assert_frame_equal(final_table(pushed(detector, torn, 31))[EXACT], detector.detect(torn)[EXACT])


def test_a_clock_that_starts_whole_hops_later_moves_events_by_just_that(case):
    detector, recording = case
    shift_s = 3600 * detector.spec.hop_s
    later = recording
    for name in sources_of(detector):
        later = changed(later, name, time=recording[name].time + shift_s)
    events, moved = detector.detect(recording), detector.detect(later)
    assert moved["label"].tolist() == events["label"].tolist()
    for column in ("start_s", "stop_s", "decided_s"):
        np.testing.assert_allclose(moved[column] - events[column], shift_s, rtol=0, atol=1e-6)
    np.testing.assert_allclose(moved["score"], events["score"], atol=1e-4)


def test_a_missing_stream_is_named(case):
    detector, recording = case
    other = Stream.measured("elsewhere", [0.0, 1.0], [0.0, 1.0], unit="1")
    for name in sources_of(detector):
        rest = [one for one in recording.streams.values() if one.name != name]
        with pytest.raises(RecordingError, match=f"no stream '{name}'") as fault:
            detector.detect(Recording.of([*rest, other], wrist=recording.wrist, crown=recording.crown))
        assert fault.value.code == "missing_stream"


def test_another_unit_is_refused(case):
    detector, recording = case
    for name in sources_of(detector):
        with pytest.raises(RecordingError, match="is in 'furlong', expected") as fault:
            detector.detect(changed(recording, name, unit="furlong"))
        assert fault.value.code == "unit"


def test_channels_are_found_by_name_and_never_by_place(case):
    detector, recording = case
    for name in sources_of(detector):
        stream = recording[name]
        turned = {"values": stream.values[:, ::-1], "channels": stream.channels[::-1]}
        if name in CANONICAL:  # one order for all: another is refused before it can reach a detector
            with pytest.raises(RecordingError, match="in this order"):
                changed(recording, name, **turned)
        else:
            events = detector.detect(changed(recording, name, **turned))
            pd.testing.assert_frame_equal(events, detector.detect(recording), check_exact=True)
            fewer = changed(recording, name, values=stream.values[:, 1:], channels=stream.channels[1:])
            with pytest.raises(RecordingError, match=f"lacks channels \\['{stream.channels[0]}'\\]"):
                detector.detect(fewer)


def test_streams_that_it_does_not_use_change_nothing(case):
    detector, recording = case
    more = recording.with_streams(Stream.uniform("audio", np.zeros(4000), rate_hz=1000))
    pd.testing.assert_frame_equal(detector.detect(more), detector.detect(recording), check_exact=True)


def test_saved_and_loaded_it_is_the_same_detector(case, tmp_path):
    detector, recording = case
    again = Detector.load(detector.save(tmp_path / "d"))
    assert again.spec == detector.spec
    assert again.spec.sha256 == detector.spec.sha256
    pd.testing.assert_frame_equal(again.detect(recording), detector.detect(recording), check_exact=True)
    pd.testing.assert_frame_equal(
        final_table(pushed(again, recording, 60))[EXACT], detector.detect(recording)[EXACT], check_exact=True
    )


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda time_s, values: (time_s[::-1], values), "expected increasing"),
        (lambda time_s, values: (time_s, values[:, 1:]), "expected"),
        (lambda time_s, values: (time_s[1:], values), "expected"),
        (lambda time_s, values: (time_s, values * np.nan), "NaN or infinite"),
        (lambda time_s, values: (time_s + np.inf, values), "NaN or infinite"),
    ],
)
def test_a_wrong_packet_is_refused_and_harms_nothing(case, spoil, says):
    detector, recording = case
    detector.reset(wrist=recording.wrist, crown=recording.crown)
    edges = [0, 90, 180, 10**9]
    updates = []
    for first, last in pairwise(edges):
        part = {
            name: (recording[name].time[first:last], recording[name].values[first:last])
            for name in sources_of(detector)
        }
        with pytest.raises(ValueError, match=says):
            detector.push({name: spoil(*packet) for name, packet in part.items()})
        updates += detector.push(part)
    pd.testing.assert_frame_equal(final_table(updates + detector.flush())[EXACT], detector.detect(recording)[EXACT])


def test_a_stream_that_it_does_not_know_is_refused_in_a_packet(case):
    detector, recording = case
    detector.reset(wrist=recording.wrist, crown=recording.crown)
    with pytest.raises(ValueError, match=r"\['elsewhere'\] are not used here"):
        detector.push({"elsewhere": ([0.0], [[0.0]])})


def test_other_thresholds_are_another_detector_with_the_same_scores(case):
    detector, recording = case
    blunt = Detector(
        dataclasses.replace(detector.spec, decoder=dataclasses.replace(SURE, high=1.0, low=1.0)), detector.model
    )
    assert blunt.detect(recording).empty
    assert blunt.spec.sha256 != detector.spec.sha256
    assert blunt.scores(recording).values.tobytes() == detector.scores(recording).values.tobytes()
