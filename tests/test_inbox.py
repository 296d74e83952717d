"""Links as they are: packets lost, late, repeated and in bursts; the inbox that puts them in order."""

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import cascades
from tests.cascades import bursts, final_table
from wristkit.detector import Inbox
from wristkit.events import EventDecoder

EXACT = ["start_s", "stop_s", "decided_s"]
recording_of = functools.cache(cascades.recording)


def lossy(recording, rng, *, share):
    """Return packets of which some are lost, come again or change places, and the spans that were lost."""
    packets, lost = [], []
    for packet in bursts(recording, packet_s=0.25, delays_s={"audio": 0.4}):
        ((name, (time_s, _)),) = packet.items()
        if rng.random() < share:
            lost.append((name, float(time_s[0]), float(time_s[-1])))
            continue
        packets.append(packet)
        if rng.random() < share:
            packets.append(packet)
    for place in np.flatnonzero(rng.random(len(packets) - 1) < share):
        packets[place], packets[place + 1] = packets[place + 1], packets[place]
    return packets, lost


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_a_cascade_with_one_in_a_hundred_packets_lost_changes_only_what_that_touches(seed):
    recording = recording_of(seed % 3)
    cascade = cascades.cascade(recording, max_wait_s=2.0)
    packets, lost = lossy(recording, np.random.default_rng(seed), share=0.01)
    inbox = Inbox(wait_s=1.0)
    cascade.reset()
    updates = [update for packet in packets for update in cascade.push(inbox.take(packet))]
    updates += cascade.push(inbox.rest())
    quiet_s = recording.stop_s + np.arange(1, 1200) / 100
    updates += cascade.push({"accel": (quiet_s, np.zeros((len(quiet_s), 3)))})
    assert cascade.state.name == "idle", "it is stuck"
    found, whole = final_table(updates + cascade.flush()), cascade.detect(recording)
    spans = cascade.trace(recording).spans
    touched = [touched_by(one[1:], spans) for one in lost]
    for one in whole.itertuples():
        if any(one.start_s < stop_s and one.decided_s > start_s for start_s, stop_s in touched):
            continue
        same = found[(found["start_s"] == one.start_s) & (found["decided_s"] == one.decided_s)]
        assert len(same) == 1
        assert same["stop_s"].iloc[0] == one.stop_s or any(a < one.stop_s + 2 for a, _ in touched)
    assert len(found) <= len(whole) + len(lost)


def touched_by(lost, spans):
    """Return what a lost span may change: the windows over it, and on until the machine next comes to rest."""
    start_s, stop_s = lost[0] - 1.5, lost[1] + 1.5
    rest = spans[(spans["state"] == "idle") & (spans["stop_s"] > stop_s)]
    return start_s, max(stop_s, float(rest["start_s"].min())) + 1.0 if len(rest) else np.inf


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), streams=st.sampled_from([("accel",), ("accel", "mel")]))
def test_a_detector_with_one_in_a_hundred_packets_lost_changes_only_what_that_touches(seed, streams):
    recording = recording_of(seed % 3)
    decoder = EventDecoder(high=0.55, low=0.5, smooth=2, merge_s=0.3)
    detector = cascades.small_stage(recording, streams=streams, decoder=decoder, max_wait_s=2.0)
    packets, lost = lossy(recording, np.random.default_rng(seed), share=0.01)
    wanted = detector.spec.conditioning.inputs
    lost = [(start_s, stop_s) for name, start_s, stop_s in lost if name in wanted]
    inbox = Inbox(wait_s=1.0)
    detector.reset()
    updates = []
    for packet in packets:
        updates += detector.push(inbox.take({name: one for name, one in packet.items() if name in wanted}))
    updates += detector.push(inbox.rest())
    found, whole = final_table(updates + detector.flush()), detector.detect(recording)
    reach_s = detector.spec.length_s + decoder.smooth * detector.spec.hop_s + decoder.merge_s + 0.3
    for mine, other in ((whole, found), (found, whole)):
        for one in mine.itertuples():
            if any(one.start_s < stop_s + reach_s and one.stop_s > start_s - reach_s for start_s, stop_s in lost):
                continue
            same = other[(other["start_s"] == one.start_s) & (other["stop_s"] == one.stop_s)]
            assert len(same) == 1


@pytest.mark.parametrize("streams", [("accel",), ("accel", "mel")])
def test_a_detector_takes_bursts_with_delays_of_each_stream(streams):
    recording = recording_of(0)
    detector = cascades.small_stage(recording, streams=streams)
    whole = detector.detect(recording)
    assert len(whole) >= 2
    for delays_s in ({}, {"accel": 1.7}, {"audio": 1.7}):
        packets = [
            one for one in bursts(recording, delays_s=delays_s) if set(one) & set(detector.spec.conditioning.inputs)
        ]
        pushed = final_table(cascades.push_all(detector, packets))
        np.testing.assert_array_equal(
            pushed[["start_s", "stop_s", "decided_s"]], whole[["start_s", "stop_s", "decided_s"]]
        )


def test_what_is_repeated_without_an_inbox_is_refused_by_name():
    recording = recording_of(0)
    for detector in (cascades.gate(recording), cascades.cascade(recording)):
        part = recording["accel"].between(0, 1)
        detector.push({"accel": (part.time, part.values)})
        with pytest.raises(ValueError, match="drop repeated packets"):
            detector.push({"accel": (part.time, part.values)})
        detector.reset()


def test_an_inbox_orders_waits_and_counts():
    time_s = np.arange(100) / 50
    values = np.arange(300.0).reshape(100, 3)
    parts = [slice(first, first + 20) for first in range(0, 100, 20)]
    inbox, got = Inbox(wait_s=1.0), []
    for place in (0, 2, 2, 1, 0, 3, 4):
        part = inbox.take({"accel": (time_s[parts[place]], values[parts[place]])})
        got += [part["accel"]] if part else []
    np.testing.assert_array_equal(np.concatenate([one[0] for one in got]), time_s)
    np.testing.assert_array_equal(np.concatenate([one[1] for one in got]), values)
    assert inbox.left_out == {"accel": {"repeated": 40, "late": 0}}


def test_a_packet_with_a_hole_of_its_own_does_not_hide_the_holes_that_follow():
    time_s, values = np.arange(200) / 50, np.zeros((200, 3))
    holed = np.r_[0:20, 40:60]
    inbox = Inbox(wait_s=1.0)
    assert len(inbox.take({"accel": (time_s[holed], values[holed])})["accel"][0]) == 20
    assert inbox.take({"accel": (time_s[80:90], values[80:90])}) == {}
    assert len(inbox.take({"accel": (time_s[20:40], values[20:40])})["accel"][0]) == 40
    assert len(inbox.take({"accel": (time_s[60:80], values[60:80])})["accel"][0]) == 30


@pytest.mark.parametrize("size", [1, 2, 7])
def test_packets_of_few_samples_are_put_in_order_too(size):
    time_s, values = np.arange(420) / 50, np.arange(420.0)[:, None].repeat(3, axis=1)
    starts = np.arange(0, 420, size)
    rng = np.random.default_rng(size)
    come = np.argsort(starts + np.where(starts > 20, rng.uniform(0, 25, len(starts)), 0.0))  # up to 0.5 s late
    inbox = Inbox(wait_s=0.6)
    parts = [slice(first, first + size) for first in starts[come]]
    got = [*(inbox.take({"accel": (time_s[part], values[part])}) for part in parts), inbox.rest()]
    passed = [one["accel"] for one in got if one]
    np.testing.assert_array_equal(np.concatenate([one[0] for one in passed]), time_s)
    np.testing.assert_array_equal(np.concatenate([one[1] for one in passed]), values)
    assert inbox.left_out["accel"] == {"repeated": 0, "late": 0}


def test_an_inbox_refuses_stamps_as_a_detector_does():
    inbox = Inbox(wait_s=1.0)
    with pytest.raises(ValueError, match="float32"):
        inbox.take({"accel": (np.arange(3, dtype=np.float32), np.zeros((3, 3)))})
    with pytest.raises(ValueError, match="finite seconds"):
        inbox.take({"accel": ([0.0, np.nan], np.zeros((2, 3)))})
    with pytest.raises(ValueError, match="n rows"):
        inbox.take({"accel": ([0.0, 0.1], np.zeros((3, 3)))})
    assert inbox.take({"accel": ([], [])}) == {}
    assert len(inbox.take({"accel": ([0.0, 0.1], np.zeros((2, 3)))})["accel"][0]) == 2
    with pytest.raises(ValueError, match=r"rows of shape \(2,\) after \(3,\)"):
        inbox.take({"accel": ([0.2, 0.3], np.zeros((2, 2)))})
    assert inbox.take({"accel": ([], [])}) == {}


def test_an_inbox_gives_up_on_what_stays_away_and_counts_what_comes_after():
    time_s, values = np.arange(200) / 50, np.zeros((200, 3))
    inbox = Inbox(wait_s=1.0)
    assert len(inbox.take({"accel": (time_s[:50], values[:50])})["accel"][0]) == 50
    assert inbox.take({"accel": (time_s[60:80], values[60:80])}) == {}
    assert len(inbox.take({"accel": (time_s[80:180], values[80:180])})["accel"][0]) == 120
    assert inbox.take({"accel": (time_s[50:60], values[50:60])}) == {}
    assert inbox.left_out["accel"] == {"repeated": 0, "late": 10}
    assert inbox.rest() == {}
    with pytest.raises(ValueError, match="wait_s"):
        Inbox(wait_s=-1)
