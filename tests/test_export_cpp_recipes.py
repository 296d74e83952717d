"""Every detector and cascade that ships, in C++ against Python: windows, streams, and events from raw samples."""

import re
import subprocess

import numpy as np
import pytest
import torch

from tests.compiled import EXACT, RECIPES, build, needs_compiler, same_events, shipped, stages_of
from wristkit.export import export
from wristkit.export.cpp import compile_cpp, write_cpp
from wristkit.recipes import handwashing
from wristkit.recording import Recording, Stream

STREAMED = 1e-6
SANITIZED = ("-O1", "-g0", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


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


def test_an_export_on_sound_of_another_rate_says_that_cpp_was_not_run_on_it(tmp_path):
    needs_compiler()
    washer = handwashing.simulate(3)
    noise = 0.01 * np.random.default_rng(0).normal(size=int(washer.stop_s * 44_100))
    sound = Stream.uniform("audio", noise, rate_hz=44_100, channels=("mono",))
    made = export(handwashing.default(), tmp_path / "b", recordings=[washer.with_streams(sound)])
    table = made.parity.set_index("check")
    assert table.loc["C++, events from raw samples", "status"] == "not run"
    assert "C++ takes sound of 16, 24, 32, 48 kHz" in table.loc["C++, events from raw samples", "note"]
    assert table.loc["gate: C++ window, probabilities", "status"] == "passed"


# ---- sanitizers ----


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
