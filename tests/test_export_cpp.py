"""The C++ core against Python: layer by layer, machine by machine, and from raw samples to events."""

import re
import subprocess

import numpy as np
import pytest
import torch

from tests import cascades
from tests.compiled import EXACT, RECIPES, build, drawn, needs_compiler, same_events, shipped, stages_of
from wristkit import models
from wristkit.condition import Conditioning, Source
from wristkit.detector import Detector, DetectorSpec
from wristkit.events import EventDecoder
from wristkit.export.cpp import compile_cpp, write_cpp
from wristkit.filters import Derivative, Filter, Moving
from wristkit.recording import Recording, Stream

STREAMED = 1e-6
ACCEL = Source("accel", ("x", "y", "z"), "g", 0.1)
GYRO = Source("gyro", ("x", "y", "z"), "rad/s", 0.1)


def lost(recording, spans=(), every=0):
    """Return a recording without the samples in spans, nor one in so many."""
    streams = []
    for place, stream in enumerate(recording.streams.values()):
        time_s, values = np.asarray(stream.time), np.asarray(stream.values)
        kept = ~np.any([(time_s >= a) & (time_s < b) for a, b in spans] or [np.zeros(len(time_s), bool)], axis=0)
        if every and not stream.is_uniform:
            kept &= (np.arange(len(time_s)) + place) % every > 0
        streams.append(Stream.measured(stream.name, time_s[kept], values[kept], channels=stream.channels))
    return Recording.of(streams, wrist=recording.wrist, crown=recording.crown)


def at_rate(recording, rate_hz, *, span_s=1e9):
    """Return a recording with motion at another rate, whose clock jitters, and its first seconds alone."""
    rng, streams = np.random.default_rng(5), []
    for stream in recording.streams.values():
        time_s, values = np.asarray(stream.time), np.asarray(stream.values)
        if not stream.is_uniform:
            new_s = np.arange(time_s[0] + 0.01, time_s[-1], 1 / rate_hz)
            new_s = new_s + rng.uniform(-0.2, 0.2, len(new_s)) / rate_hz
            values = np.column_stack([np.interp(new_s, time_s, column) for column in values.T])
            time_s = new_s
        kept = time_s < span_s
        streams.append(Stream.measured(stream.name, time_s[kept], values[kept], channels=stream.channels))
    return Recording.of(streams, wrist=recording.wrist, crown=recording.crown)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Return a function that gives the program of a detector, built once."""
    made = {}

    def program(key, detector, *options):
        needs_compiler()
        if (key, options) not in made:
            folder = write_cpp(detector, tmp_path_factory.mktemp(re.sub(r"\W", "_", key)))
            made[key, options] = compile_cpp(folder, folder / "run", options=options or ("-O1",))
        return made[key, options]

    return program


# ---- every shipped recipe, from raw samples to events ----


@pytest.fixture(scope="module", params=RECIPES)
def recipe(request, built):
    """Return name, detector, program and a recording of a shipped recipe."""
    detector = shipped(request.param)
    shown = map(RECIPES[request.param].simulate, range(7, 15))
    recording = next(one for one in shown if len(detector.detect(one)))
    return detector, built(request.param, detector), recording


HARM = {
    "as it is": lambda one: one,
    "gaps and lost samples": lambda one: lost(one, [(3.0, 3.5), (14.3, 14.9), (25.0, 29.0)], every=17),
    "104 Hz with jitter": lambda one: at_rate(one, 104.0),
    "faster": lambda one: at_rate(one, 410.0),
}


@pytest.mark.parametrize("harm", HARM)
def test_a_recipe_decides_alike(recipe, harm, tmp_path):
    detector, program, recording = recipe
    harmed = HARM[harm](recording)
    wanted = detector.detect(harmed)
    assert len(wanted) or harm != "as it is"
    same_events(program.events(harmed, tmp_path / "recording"), wanted)
    same_events(program.events(harmed, tmp_path / "recording", burst_s=1.0), wanted)


def test_windows_of_a_recipe_are_scored_alike(recipe):
    detector, program, recording = recipe
    for stage, one in enumerate(stages_of(detector)):
        windows = one.condition(recording).values
        with torch.no_grad():
            wanted = one.model(torch.from_numpy(windows)).numpy()
        assert len(windows) > 100
        np.testing.assert_allclose(program.logits(windows, stage=stage), wanted, rtol=0, atol=EXACT)


def test_a_stream_is_scored_as_its_windows_are(recipe, tmp_path):
    detector, program, recording = recipe
    first = stages_of(detector)[0]
    streamed = program.scores(recording, tmp_path / "recording")
    streamed = streamed[streamed["stage"] == 0]
    wanted = first.scores(recording)
    np.testing.assert_array_equal(streamed["centre_s"], wanted.centre_s)
    np.testing.assert_array_equal(streamed["time_s"], wanted.time)
    probabilities = np.stack(streamed["probabilities"])
    np.testing.assert_allclose(probabilities, wanted.values, rtol=0, atol=EXACT)
    windows = torch.softmax(torch.from_numpy(program.logits(first.condition(recording).values)), dim=1).numpy()
    np.testing.assert_allclose(probabilities, windows, rtol=0, atol=STREAMED)


# ---- conditioning ----

FILTERS = (
    Filter("bandpass", (0.5, 12.0), 2),
    Filter("notch", (8.0,), quality=5.0),
    Derivative(),
    Moving("mean", 0.1),
)


def flat(time_s, *, seed, channels=3, size=1.0):
    """Return slow noise of several channels at any times, the same at the same times."""
    rng = np.random.default_rng(seed)
    waves = rng.uniform(0.2, 9.0, (channels, 12)), rng.uniform(0, 6.3, (channels, 12)), rng.normal(size=(channels, 12))
    return size * np.stack(
        [(c * np.sin(2 * np.pi * np.outer(time_s, f) + p)).sum(1) for f, p, c in zip(*waves, strict=True)], 1
    )


def worn(*, wrist="right", crown="right", seed=0):
    """Return 20 s of motion, attitude and pressure, each on a clock of its own, with gaps of its own."""
    rng = np.random.default_rng(seed)
    streams = []
    for name, channels, rate_hz in (("accel", "xyz", 90.0), ("gyro", "xyz", 61.0), ("attitude", "wxyz", 55.0)):
        time_s = np.cumsum(rng.uniform(0.6, 1.4, int(20 * rate_hz)) / rate_hz)
        time_s = time_s[(time_s < 8 + len(streams)) | (time_s > 8.6 + len(streams))]
        values = flat(time_s, seed=len(streams), channels=len(channels), size=0.5)
        if name == "attitude":
            values /= np.linalg.norm(values, axis=1)[:, None]
            values *= np.where(np.arange(len(values)) % 50 < 25, 1, -1)[:, None]
        streams.append(Stream.measured(name, time_s, values, channels=tuple(channels)))
    return Recording.of(streams, wrist=wrist, crown=crown)


def conditioned(*filters, frame="wrist", streams=("accel", "gyro", "attitude"), rate_hz=50.0):
    return Conditioning.of([worn()], streams=streams, rate_hz=rate_hz, filters=filters, frame=frame)


def of_conditioning(conditioning, *, samples=40, hop=8, seed=1):
    channels = conditioning.channels
    net = drawn(models.build("tcn", channels=channels, classes=("a", "b", "none"), samples=samples, hop=hop), seed=seed)
    net.fit_normaliser(np.random.default_rng(0).normal(size=(4, len(channels), 20)))
    decoder = EventDecoder(high=0.45, low=0.3, smooth=2, merge_s=0.3, refractory_s=0.2)
    return Detector(DetectorSpec(conditioning, samples, hop, net.classes, decoder, net.architecture), net)


CONDITIONINGS = {
    "the wrist's frame, all filters": lambda: conditioned(*FILTERS),
    "moving deviation": lambda: conditioned(Moving("std", 0.3), frame="device", streams=("gyro", "accel")),
    "moving rms and extremes": lambda: conditioned(
        Moving("rms", 0.2), Moving("max", 0.1), Moving("min", 0.3), frame="device", streams=("accel",)
    ),
    "a fast grid": lambda: conditioned(
        Filter("highpass", (1.0,), 3), frame="device", streams=("accel",), rate_hz=200.0
    ),
    "a slow grid": lambda: conditioned(frame="device", streams=("accel", "gyro"), rate_hz=12.5),
}


@pytest.mark.parametrize("what", CONDITIONINGS)
def test_conditioning_gives_the_same_scores(what, built, tmp_path):
    detector = of_conditioning(CONDITIONINGS[what]())
    program = built(what, detector)
    for wrist, crown in (("right", "right"), ("left", "left")):
        recording = worn(wrist=wrist, crown=crown)
        wanted, found = detector.scores(recording), program.scores(recording, tmp_path / wrist)
        assert len(wanted) > 15
        np.testing.assert_array_equal(found["centre_s"], wanted.centre_s)
        np.testing.assert_array_equal(found["time_s"], wanted.time)
        np.testing.assert_allclose(np.stack(found["probabilities"]), wanted.values, rtol=0, atol=EXACT)
        same_events(program.events(recording, tmp_path / wrist), detector.detect(recording))


# ---- sound and cascades ----


POLICIES = {
    "pre-roll of motion and sound": {
        "pre_roll_s": 0.4,
        "warm_up_s": 0.0,
        "always_on": ("audio",),
        "span_of": "confirm",
        "max_wait_s": 2.0,
        "gate_release_s": 1.5,
        "gate_high": 0.7,
        "confirm_high": 0.7,
        "release_s": 0.5,
        "longest_s": 3.0,
    },
    "woken sound, late fusion, a second chance": {
        "gate_weight": 0.3,
        "second_chance": 0.5,
        "confirm_high": 0.8,
        "confirm_timeout_s": 1.6,
        "arm_s": 0.2,
        "gate_alone": 0.8,
        "label": "wash",
        "span_of": "gate",
        "release_s": 0.9,
        "max_wait_s": 2.0,
    },
}


@pytest.mark.parametrize("what", POLICIES)
def test_a_cascade_of_motion_and_sound_decides_alike(what, built, tmp_path):
    cascade = cascades.of_small_nets(cascades.recording(), **POLICIES[what])
    program = built(what, cascade)
    for name, recording in {
        "whole": cascades.recording(),
        "gaps": cascades.recording(1, drop=[(6.0, 6.4), (13.0, 13.3)]),
        "silent": cascades.recording(2, sound=False),
    }.items():
        wanted = cascades.final_table(cascades.push_all(cascade, cascades.bursts(recording)))
        assert len(wanted) or name != "whole"
        same_events(program.events(recording, tmp_path / name), wanted)
        same_events(program.events(recording, tmp_path / name, burst_s=1.0), wanted)


@pytest.mark.parametrize("rate_hz", [24_000, 32_000, 48_000])
def test_sound_of_other_rates_gives_the_same_scores(rate_hz, built, tmp_path):
    clock = np.arange(int(2.5 * rate_hz)) / rate_hz
    chirp = 0.3 * np.sin(2 * np.pi * (200 + 900 * clock) * clock) * (clock > 0.7)
    noise = 0.05 * np.random.default_rng(0).normal(size=len(clock))
    recording = Recording.of([Stream.uniform("audio", (chirp + noise).clip(-1, 1), rate_hz=rate_hz)])
    conditioning = Conditioning.of([recording], streams=("mel",), rate_hz=50.0)
    detector = of_conditioning(conditioning, samples=20, hop=4)
    wanted = detector.scores(recording)
    found = built("sound", detector).scores(recording, tmp_path / "sound")
    assert len(wanted) > 20
    np.testing.assert_array_equal(found["time_s"], wanted.time)
    np.testing.assert_allclose(np.stack(found["probabilities"]), wanted.values, rtol=0, atol=EXACT)


# ---- sanitizers ----

SANITIZED = ("-O1", "-g0", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


def test_nothing_is_found_by_address_and_undefined_behaviour_sanitizers(built, tmp_path):
    """A cascade with sound, pre-roll and gaps goes through all of the text that every header shares."""
    cascade = cascades.of_small_nets(cascades.recording(), **POLICIES["pre-roll of motion and sound"])
    program = built("pre-roll of motion and sound", cascade, *SANITIZED)
    recording = cascades.recording(1, span_s=20.0, drop=[(6.0, 6.4), (13.0, 13.3)])
    wanted = cascades.final_table(cascades.push_all(cascade, cascades.bursts(recording)))
    same_events(program.events(recording, tmp_path / "recording", burst_s=1.0), wanted)


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_nothing_is_found_in_any_recipe(name, built, tmp_path):
    detector = shipped(name)
    program = built(name, detector, *SANITIZED)
    for harm in HARM.values():
        recording = harm(RECIPES[name].simulate(9))
        same_events(program.events(recording, tmp_path / str(id(harm))), detector.detect(recording))


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_two_threads_race_nowhere_and_drop_nothing(name, tmp_path):
    needs_compiler()
    folder = write_cpp(shipped(name), tmp_path / "written")
    program = build(folder / "two_threads.cpp", tmp_path, "-O1", "-fsanitize=thread", "-pthread")
    done = subprocess.run([program, "10", "800", "1", "4"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("dropped 0, overrun 0, late 0")
