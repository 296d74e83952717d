"""The C++ core against Python: layer by layer, machine by machine, and from raw samples to events."""

import re

import numpy as np
import pytest

from tests import cascades
from tests.compiled import EXACT, drawn, needs_compiler, same_events
from wristkit import models
from wristkit.condition import Conditioning, Source
from wristkit.detector import Detector, DetectorSpec
from wristkit.events import EventDecoder
from wristkit.export.cpp import compile_cpp, write_cpp
from wristkit.export.cpp.spec import is_heard_in_cpp
from wristkit.filters import Derivative, Filter, Moving
from wristkit.recording import Recording, Stream

STREAMED = 1e-6
ACCEL = Source("accel", ("x", "y", "z"), "g", 0.1)
GYRO = Source("gyro", ("x", "y", "z"), "rad/s", 0.1)


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
        "gate_agrees": True,
        "gate_alone": 0.8,
        "alone_s": 2.0,
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


def test_sound_of_a_rate_without_a_low_pass_is_refused_with_its_cure(built, tmp_path):
    cascade = cascades.of_small_nets(cascades.recording(), **POLICIES["pre-roll of motion and sound"])
    program = built("pre-roll of motion and sound", cascade)
    sound = Stream.uniform("audio", np.zeros(44_100 * 4, dtype=np.float32), rate_hz=44_100, channels=("mono",))
    held = Recording.of([cascades.recording().between(0.0, 4.0)["accel"], sound])
    with pytest.raises(RuntimeError, match="sound at 44100 Hz is not taken; resample it to 16000, 24000, 32000 or"):
        program.events(held, tmp_path / "recording")
    assert not is_heard_in_cpp(cascade, held)
    assert is_heard_in_cpp(cascade.gate, held)
    assert is_heard_in_cpp(cascade, cascades.recording())


# ---- sanitizers ----

SANITIZED = ("-O1", "-g0", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


def test_nothing_is_found_by_address_and_undefined_behaviour_sanitizers(built, tmp_path):
    """A cascade with sound, pre-roll and gaps goes through all of the text that every header shares."""
    cascade = cascades.of_small_nets(cascades.recording(), **POLICIES["pre-roll of motion and sound"])
    program = built("pre-roll of motion and sound", cascade, *SANITIZED)
    recording = cascades.recording(1, span_s=20.0, drop=[(6.0, 6.4), (13.0, 13.3)])
    wanted = cascades.final_table(cascades.push_all(cascade, cascades.bursts(recording)))
    same_events(program.events(recording, tmp_path / "recording", burst_s=1.0), wanted)
