"""Simulated washes and raises: what belongs together in motion, sound and truth, and what is drawn for each."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from wristkit.simulate import (
    LOOK_ALIKES,
    POSTURES,
    RAISE,
    REACHES,
    WASH,
    WASH_STEPS,
    MicrophoneParams,
    everyday,
    ideal,
    look_alike,
    people,
    raise_to_speak,
    stage,
    talking,
    wash,
)
from wristkit.simulate.body import COLUMN, COORDINATES, _left_arm, watch_path
from wristkit.simulate.scene import ECHO_S

CLEAR = MicrophoneParams(noise_db=0.0, rustle_db=-np.inf)
OTHERS = {"wetting", "soaping", "pause", "rinsing", "drying"}


@pytest.fixture(scope="module")
def crowd():
    return people(4, seed=3)


def rng(*seed):
    return np.random.default_rng([17, *seed])


def spans(scene, tier):
    return [(one.start_s, one.stop_s) for one in scene.truths if one.tier == tier]


def named(scene, tier):
    return [one.label for one in scene.truths if one.tier == tier]


def length(pairs):
    return sum(stop_s - start_s for start_s, stop_s in pairs)


def level_db(recording, start_s, stop_s):
    samples = recording.audio.between(start_s, stop_s).values[:, 0].astype(float)
    return 10 * np.log10(np.mean(samples**2))


# ---- what is recorded ----


def test_a_microphone_that_is_off_records_nothing_and_hears_the_rest_as_ever(crowd):
    shown = [everyday(name, 8.0) for name in ("dishes", "typing", "walking", "clapping")]
    asked = []

    def heard(motion):
        asked.append(set(motion) >= {"accel", "gyro"})
        return [True, False, False, True]

    whole = stage(crowd[0], shown, seed=5, microphone=CLEAR)
    part = stage(crowd[0], shown, seed=5, microphone=CLEAR, heard=heard)
    assert asked == [True]
    assert np.array_equal(part["accel"].values, whole["accel"].values)
    assert part.labels.equals(whole.labels)
    time_s = part["audio"].time
    assert (time_s[0], time_s[-1]) == pytest.approx((0.0, 32.0), abs=1e-3)
    whole_seconds = [[np.ceil(8.0 + ECHO_S), np.floor(24.0 - ECHO_S)]]  # as its noise is drawn
    np.testing.assert_allclose(part["audio"].gaps, whole_seconds, atol=1e-3)
    for start_s, stop_s in ((0.0, 7.0), (26.0, 32.0)):
        one, other = (made["audio"].between(start_s, stop_s).values.astype(float) for made in (part, whole))
        assert np.abs(other).max() > 100 * np.abs(one - other).max()


def test_a_microphone_that_is_never_on_records_nothing(crowd):
    part = stage(crowd[0], [everyday("dishes", 4.0)], seed=5, heard=lambda _: [False])
    assert len(part["audio"]) == 0


# ---- washing ----


@pytest.mark.parametrize("seed", range(12))
def test_a_wash_is_told_in_parts_that_follow_each_other(crowd, seed):
    scene = wash(crowd[seed % 4], rng=rng(seed))
    steps = spans(scene, "step")
    np.testing.assert_allclose([stop_s for _, stop_s in steps[:-1]], [start_s for start_s, _ in steps[1:]])
    labels = named(scene, "step")
    assert set(labels) <= set(WASH_STEPS) | OTHERS
    assert labels[0] == "wetting"
    assert labels[-2:] == ["rinsing", "drying"]
    assert spans(scene, "truth") == [(steps[0][0], steps[-2][1])]
    assert named(scene, "truth") == ["washing"]
    rubbed = [span for span, label in zip(steps, labels, strict=True) if label in WASH_STEPS]
    scrubbed = spans(scene, "scrub")
    assert length(scrubbed) == pytest.approx(length(rubbed))
    assert WASH["scrub_s"].low <= length(scrubbed) <= WASH["scrub_s"].high
    assert len(scrubbed) == labels.count("pause") + 1
    assert min(length([span]) for span in rubbed) >= 1.4
    assert scene.duration_s > steps[-1][1] > steps[0][0] > 0.5


def test_washes_differ_as_the_table_says(crowd):
    scenes = [wash(crowd[seed % 4], rng=rng(seed, 1)) for seed in range(60)]
    scrubbed = np.array([length(spans(scene, "scrub")) for scene in scenes])
    assert scrubbed.min() < 15
    assert scrubbed.max() > 50
    assert any("pause" in named(scene, "step") for scene in scenes)
    assert {len(spans(scene, "water")) for scene in scenes} == {1, 2}  # the tap runs on, or is closed meanwhile
    orders = [[label for label in named(scene, "step") if label in WASH_STEPS] for scene in scenes]
    taught = list(WASH_STEPS)
    assert any(order[:6] == taught for order in orders)
    assert any(len(order) >= 6 and order[:6] != taught for order in orders)
    assert {scene.place for scene in scenes} == {"bathroom", "kitchen"}
    for row in WASH.values():
        assert row.low < row.high
        assert row.source


def test_scrubbing_lasts_as_long_as_is_asked_for(crowd):
    for scrub_s in (5.0, 12.5, 20.0, 60.0):
        assert length(spans(wash(crowd[0], rng=rng(2), scrub_s=scrub_s), "scrub")) == pytest.approx(scrub_s)
    with pytest.raises(ValueError, match=r"scrub_s is 2.0, expected at least 5"):
        wash(crowd[0], rng=rng(), scrub_s=2.0)
    with pytest.raises(ValueError, match="scrub_s is nan"):
        wash(crowd[0], rng=rng(), scrub_s=np.nan)


def test_the_same_seed_gives_the_same_wash(crowd):
    first, second, other = (stage(crowd[0], [wash(crowd[0], rng=rng(seed), scrub_s=6.0)], seed=1) for seed in (4, 4, 5))
    assert first.id == second.id != other.id
    assert first.labels.equals(second.labels)


@pytest.mark.parametrize("seed", range(3))
def test_water_is_heard_while_it_runs_and_only_then(crowd, seed):
    scene = wash(crowd[seed], rng=rng(seed, 6), scrub_s=6.0)
    recording = stage(crowd[seed], [scene], seed=seed, microphone=CLEAR)
    running = spans(scene, "water")
    inside = [level_db(recording, start_s + 0.3, stop_s - 0.3) for start_s, stop_s in running]
    before = level_db(recording, 0.0, running[0][0] - 0.05)
    after = level_db(recording, spans(scene, "step")[-1][1] + 0.3, scene.duration_s)
    assert min(inside) > max(before, after) + 8
    onset_s = running[0][0]
    assert level_db(recording, onset_s + 0.1, onset_s + 0.3) > level_db(recording, onset_s - 0.3, onset_s) + 8


@pytest.mark.parametrize("label", WASH_STEPS)
def test_each_way_to_rub_moves_the_watch_at_its_own_pace(crowd, label):
    parts = [part for seed in range(25) for part in wash(crowd[0], rng=rng(seed), scrub_s=60.0).move.parts]
    part = max((one for one in parts if one.label == label), key=lambda one: one.size * (one.stop_s - one.start_s))
    time_s = np.arange(part.start_s + 0.3, part.stop_s - 0.3, 0.005)
    quiet = replace(crowd[0], tremor_rad=0.0)
    made = replace(part, wobble=0.0)
    motion = type(wash(quiet, rng=rng()).move)((made,))(quiet, time_s, rng(1))
    turned = watch_path(quiet, motion, rate_hz=200.0).rate
    spectrum = np.sum(np.abs(np.fft.rfft((turned - turned.mean(axis=0)).T, 8192)) ** 2, axis=0)
    hz = np.fft.rfftfreq(8192, 0.005)
    heard = hz > 0.6
    assert hz[heard][spectrum[heard].argmax()] == pytest.approx(part.hz, rel=0.1)


def test_hands_pause_where_the_truth_says_so(crowd):
    for seed in range(200):
        scene = wash(crowd[1], rng=rng(seed), scrub_s=40.0)
        if "pause" in named(scene, "step"):
            break
    recording = stage(crowd[1], [scene], seed=2, sensor=ideal(50.0), streams=("gyro",))

    def turning(start_s, stop_s):
        return np.sqrt(np.mean(recording.gyro.between(start_s, stop_s).values.astype(float) ** 2))

    steps = dict(zip(named(scene, "step"), spans(scene, "step"), strict=True))
    start_s, stop_s = steps["pause"]
    first_s, last_s = steps["palm_to_palm"]
    assert turning(start_s + 0.3, stop_s - 0.3) < 0.5 * turning(first_s + 0.3, last_s - 0.3)


def test_soap_squishes_with_the_strokes_of_the_hands(crowd):
    scenes = [wash(crowd[2], rng=rng(seed, 3)) for seed in range(30)]
    scene = next(one for one in scenes if len(spans(one, "water")) == 2 and "soaping" in named(one, "step"))
    squished = [one for one in scene.sounds if one.kind == "squish"]
    parts = {part.start_s: part for part in scene.move.parts}
    assert len(squished) == sum(label in WASH_STEPS for label in named(scene, "step"))
    assert {parts[one.start_s].label for one in squished} <= set(WASH_STEPS)
    for one in squished:
        part, at_s = parts[one.start_s], np.array(one.at_s)
        assert len(at_s) == pytest.approx(2 * part.hz * (part.stop_s - part.start_s), abs=2)
        np.testing.assert_allclose(np.sin(part.turns(at_s)), 0.0, atol=0.15)
    assert all(one.kind != "squish" for one in scene.sounds if one.start_s >= spans(scene, "scrub")[-1][1])
    assert len({one.thing for one in scene.sounds if one.kind.startswith("tap")}) == 1


# ---- raising ----


def watch_at(person, name):
    """Return where the watch is against the mouth, in metres, and where its face looks, of a left arm."""
    person = replace(person, wrist="left", crown="right", strap_tilt_rad=0.0, upper_arm_m=0.32, forearm_m=0.25)
    coordinates = np.zeros((4, len(COORDINATES)))
    for joint, angle in REACHES[name].angles.items():
        coordinates[:, COLUMN[joint]] = angle
    axes, position = _left_arm(person, coordinates)
    return position[0] - [0.10, 0.0, 0.66], axes.as_matrix()[0][:, 2]


def test_a_raise_brings_the_watch_before_the_mouth_with_its_face_to_it(crowd):
    place, face = watch_at(crowd[0], "raise_to_speak")
    assert 0.08 < np.linalg.norm(place) < 0.3
    assert place[0] > 0.05
    assert face @ -place / np.linalg.norm(place) > 0.6
    seen, face = watch_at(crowd[0], "looking_at_watch")
    assert seen[2] < place[2] - 0.05  # lower
    assert face[2] > 0.6
    for name in LOOK_ALIKES:
        assert np.linalg.norm(watch_at(crowd[0], name)[0]) < 0.4


@pytest.mark.parametrize("posture", POSTURES)
def test_her_voice_begins_when_the_wrist_has_come_or_soon_after(crowd, posture):
    for seed in range(6):
        scene = raise_to_speak(crowd[seed % 4], rng=rng(seed), posture=posture)
        ((start_s, stop_s),) = spans(scene, "truth")
        assert (start_s, stop_s) in spans(scene, "voice")
        assert named(scene, "truth") == ["raise_to_speak"]
        after_s = start_s - scene.move.arrive_s
        assert RAISE["voice_after_s"].low <= after_s <= RAISE["voice_after_s"].high
        ((first_s, last_s),) = spans(scene, "gesture")
        assert (first_s, last_s) == (scene.move.start_s, scene.move.back_s)
        assert RAISE["raise_s"].low <= scene.move.arrive_s - first_s <= RAISE["raise_s"].high
        assert scene.move.leave_s > stop_s


@pytest.mark.parametrize("posture", POSTURES)
def test_the_arm_leaves_what_it_did_arrives_and_goes_back(crowd, posture):
    move = raise_to_speak(crowd[0], rng=rng(5), posture=posture).move
    time_s = np.arange(0, move.back_s + 1.5, 0.01)
    arm = [COLUMN[name] for name in ("flexion", "abduction", "rotation", "elbow", "pronation")]
    before = move.before(crowd[0], time_s, rng(6)).coordinates[:, arm]
    made = move(crowd[0], time_s, rng(6)).coordinates[:, arm]
    away = (time_s <= move.start_s) | (time_s >= move.back_s)
    np.testing.assert_allclose(made[away], before[away], atol=1e-9)
    there = (time_s >= move.arrive_s) & (time_s <= move.leave_s)
    np.testing.assert_allclose(made[there], np.tile(move.target[:5], (there.sum(), 1)), atol=0.1)


def test_motion_and_sound_are_where_the_truth_puts_them(crowd):
    checked = 0
    for seed in range(8):
        scene = raise_to_speak(crowd[seed % 4], rng=rng(seed, 7), posture="hanging")
        if "far" in named(scene, "voice"):
            continue
        recording = stage(crowd[seed % 4], [scene], seed=seed, sensor=ideal(100.0), microphone=CLEAR)
        turning = np.linalg.norm(recording.gyro.values, axis=1)
        moves = np.flatnonzero(turning > 0.6)
        ((first_s, last_s),) = spans(scene, "gesture")
        assert recording.gyro.time[moves[0]] == pytest.approx(first_s, abs=0.2)
        assert recording.gyro.time[moves[-1]] == pytest.approx(last_s, abs=0.25)
        ((start_s, stop_s),) = spans(scene, "truth")
        assert level_db(recording, start_s, start_s + 0.15) > level_db(recording, start_s - 0.5, start_s) + 10
        assert level_db(recording, stop_s - 0.15, stop_s) > level_db(recording, stop_s + 0.8, scene.duration_s) + 6
        checked += 1
    assert checked >= 4


@pytest.mark.parametrize("kind", LOOK_ALIKES)
def test_a_look_alike_raises_the_wrist_and_is_no_event(crowd, kind):
    scene = look_alike(crowd[0], rng=rng(3), kind=kind, posture="hanging")
    assert named(scene, "gesture") == [kind]
    assert not spans(scene, "truth")
    assert set(named(scene, "voice")) <= {"far"}
    recording = stage(crowd[0], [scene], seed=1, sensor=ideal(50.0), streams=("gravity",))
    ((start_s, stop_s),) = spans(scene, "gesture")
    before = recording.gravity.between(0.0, start_s - 0.2).values.mean(axis=0)
    middle_s = (scene.move.arrive_s + scene.move.leave_s) / 2
    there = recording.gravity.between(middle_s - 0.2, middle_s + 0.2).values.mean(axis=0)
    assert np.degrees(np.arccos(np.clip(before @ there, -1, 1))) > 45
    after = recording.gravity.between(stop_s + 0.1, scene.duration_s).values.mean(axis=0)
    assert np.degrees(np.arccos(np.clip(before @ after, -1, 1))) < 25


def test_others_speak_far_away_in_some_scenes_and_she_in_none_but_her_own(crowd):
    raises = [raise_to_speak(crowd[0], rng=rng(seed)) for seed in range(40)]
    others = [look_alike(crowd[0], rng=rng(seed)) for seed in range(40)]
    shares = [np.mean(["far" in named(scene, "voice") for scene in scenes]) for scenes in (raises, others)]
    assert 0.05 < shares[0] < 0.5 < shares[1] < 0.8
    assert {named(scene, "gesture")[0] for scene in others} == set(LOOK_ALIKES)
    for scene in others:
        assert all(one.distance_m >= RAISE["others_m"].low for one in scene.sounds if one.kind == "voice")


def test_a_talk_is_in_turns_and_is_no_event(crowd):
    scene = talking(crowd[0], rng=rng(1), duration_s=20.0, posture="desk")
    assert not spans(scene, "truth")
    assert not spans(scene, "gesture")
    assert named(scene, "voice")[:4] == ["own", "far", "own", "far"]
    turns = spans(scene, "voice")
    assert all(stop_s < start_s for (_, stop_s), (start_s, _) in pairwise(turns))
    voices = [one for one in scene.sounds if one.kind == "voice"]
    assert len({one.by for one in voices}) == 2
    assert stage(crowd[0], [scene], seed=1).labels["tier"].isin(["scene", "voice"]).all()


@pytest.mark.parametrize("make", [raise_to_speak, look_alike])
def test_the_same_seed_gives_the_same_raise(crowd, make):
    first, second, other = (stage(crowd[0], [make(crowd[0], rng=rng(seed))], seed=1) for seed in (4, 4, 5))
    assert first.id == second.id != other.id


def test_wrong_requests_say_what_is_possible(crowd):
    with pytest.raises(ValueError, match=r"posture is 'flying', expected one of"):
        raise_to_speak(crowd[0], rng=rng(), posture="flying")
    with pytest.raises(ValueError, match=r"posture is 'flying', expected one of"):
        talking(crowd[0], rng=rng(), duration_s=5.0, posture="flying")
    with pytest.raises(ValueError, match=r"kind is 'raise_to_speak', expected one of"):
        look_alike(crowd[0], rng=rng(), kind="raise_to_speak")
