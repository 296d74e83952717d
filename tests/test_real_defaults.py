"""Every detector that ships, on real motion with simulated events and a sound: packets as links give them, no surprise.

Nothing here says how well a detector does; real motion is what no simulation thought of.
"""

import importlib

import numpy as np
import pytest

from tests.cascades import bursts, final_table, push_all
from wristkit.datasets import recordings
from wristkit.detector import Cascade, Inbox
from wristkit.recording import Stream
from wristkit.simulate import gesture, inject, people, sound

pytestmark = pytest.mark.real_data

RECIPES = ("activity", "double_tap", "hand_gestures", "handwashing", "raise_to_speak")
SETS = {"spsw": 40, "uwash": 3, "broad": 1}  # which of its recordings
GESTURES = ("double_tap", "pinch", "double_clench")
SPAN_S, RATE_HZ = 30.0, 16_000


@pytest.fixture(scope="module")
def moved(real_data):
    """Half a minute of each set, with three simulated gestures and a sound that swells."""
    return [busy(take(recordings(name, real_data / name), place), seed=place) for name, place in SETS.items()]


def take(found, place):
    return next(one for index, one in enumerate(found) if index == place)


def busy(recording, *, seed):
    rng = np.random.default_rng(seed)
    part = recording.between(recording.start_s, recording.start_s + SPAN_S)
    wearers = people(len(GESTURES), seed=seed)
    taps = [gesture(name, one, seed=seed) for name, one in zip(GESTURES, wearers, strict=True)]
    laid = inject(part, taps, at_s=part.start_s + 1.0 + 2.2 * np.arange(3), worn="drawn", seed=seed)
    heard, _ = sound("tap_on_hands", part.stop_s - part.start_s - 1.0, rng=rng, thing=rng)
    heard = (0.05 * heard / np.abs(heard).max()).astype(np.float32)
    return laid.with_streams(Stream.uniform("audio", heard, rate_hz=RATE_HZ, start_s=part.start_s + 0.7))


def wanted(detector):
    return detector.streams if isinstance(detector, Cascade) else tuple(detector.spec.conditioning.inputs)


def finite(packet):
    ((name, (time_s, values)),) = packet.items()
    held = np.isfinite(values).all(axis=1)
    return {name: (time_s[held], values[held])}


@pytest.mark.parametrize("recipe", RECIPES)
def test_packets_give_the_events_of_the_recording(moved, recipe):
    detector = importlib.import_module(f"wristkit.recipes.{recipe}").default()
    rng = np.random.default_rng(5)
    for recording in moved:
        whole = detector.detect(recording)
        for packet_s in (0.09, 1.0):
            delays_s = {name: rng.uniform(0.0, 0.8) for name in wanted(detector)}
            packets = [
                one for one in bursts(recording, packet_s=packet_s, delays_s=delays_s) if set(one) <= {*delays_s}
            ]
            found = final_table(push_all(detector, map(finite, packets)))
            for column in ("start_s", "stop_s", "label", "decided_s"):
                assert found[column].tolist() == whole[column].tolist()
            np.testing.assert_allclose(found["score"], whole["score"], atol=1e-5)


@pytest.mark.parametrize("recipe", RECIPES)
def test_what_is_lost_late_and_repeated_neither_crashes_it_nor_leaves_it_stuck(moved, recipe):
    detector = importlib.import_module(f"wristkit.recipes.{recipe}").default()
    rng = np.random.default_rng(6)
    for recording in moved:
        packets = [one for one in bursts(recording, packet_s=0.25) if set(one) <= {*wanted(detector)}]
        come = [one for one in packets if rng.random() >= 0.05]
        come = [one for one in come for _ in range(1 + (rng.random() < 0.05))]
        late = np.argsort(np.arange(len(come)) + rng.uniform(0.0, 6.0, len(come)), kind="stable")
        inbox = Inbox(wait_s=1.0)
        updates = [update for place in late for update in detector.push(inbox.take(finite(come[place])))]
        updates += detector.push(inbox.rest()) + detector.flush()
        assert sum(one.final for one in updates) == sum(not one.final for one in updates)
        again = final_table(push_all(detector, [finite(one) for one in packets]))
        assert again["decided_s"].tolist() == detector.detect(recording)["decided_s"].tolist()


def test_some_of_it_is_found(moved):
    found = {
        recipe: sum(len(importlib.import_module(f"wristkit.recipes.{recipe}").default().detect(one)) for one in moved)
        for recipe in ("activity", "double_tap", "hand_gestures")
    }
    assert min(found.values()) >= 1, found
