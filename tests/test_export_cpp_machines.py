"""The machines of the C++ core by themselves, and the C functions that an app links."""

import shutil
import subprocess

import numpy as np
import pytest

from tests.compiled import (
    RECIPES,
    Shim,
    build,
    in_the_wrists_frame,
    needs_compiler,
    runtime_text,
    same_events,
    shipped,
    stages_of,
)
from wristkit.detector import Policy
from wristkit.detector.policy import STATES, Seen, path
from wristkit.events import Event, EventDecoder, event_table
from wristkit.export.cpp import write_cpp
from wristkit.export.cpp.spec import decoder_constants, policy_constants
from wristkit.export.cpp.text import struct
from wristkit.recipes import double_tap, handwashing

# ---- the machines by themselves, over random input ----

MACHINES = """#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <tuple>
namespace all {{
{text}
}}
{structs}
template <class Policy>
void policy() {{
  all::PolicyState state;
  int kind = 0;
  int label = 0;
  double time_s = 0.0;
  double centre_s = 0.0;
  double score = 0.0;
  while (std::scanf("%d %lf %lf %lf %d", &kind, &time_s, &centre_s, &score, &label) == 5) {{
    all::Step before = all::Step::idle;
    do {{
      before = state.step;
      state = all::Machine<Policy>::next(state, {{static_cast<all::Kind>(kind), centre_s, score, label}}, time_s);
      const all::Event& event = state.event;
      std::printf("%d %.17g %.17g %d %.17g %.17g\\n", static_cast<int>(state.step), event.start_s, event.stop_s,
                  event.label, event.score, event.decided_s);
    }} while (state.step != before);
  }}
}}
template <class Spec>
void decoder() {{
  all::Decoder<Spec> decoder;
  decoder.reset();
  const auto tell = [](const all::EventUpdate& one) {{
    std::printf("%d %.17g %.17g %d %.17g %.17g\\n", one.is_final ? 1 : 0, one.event.start_s, one.event.stop_s,
                one.event.label, one.event.score, one.event.decided_s);
  }};
  double centre_s = 0.0;
  double score_s = 0.0;
  float scores[3];
  while (std::scanf("%lf %lf %f %f %f", &centre_s, &score_s, &scores[0], &scores[1], &scores[2]) == 5) {{
    decoder.push(centre_s, score_s, scores, tell);
  }}
  decoder.flush(tell);
}}
int main(int, char** words) {{
  const int which = words[1][0] - 'a';
{cases}
}}
"""
FREE = {
    "ceil",
    "erff",
    "exp",
    "expf",
    "expm1f",
    "log",
    "log1pf",
    "logf",
    "memcpy",
    "memset",
    "nextafter",
    "sqrt",
    "tanhf",
}
MANY = 6


def random_policies():
    rng, made = np.random.default_rng(11), []
    while len(made) < MANY:
        alone = rng.choice([None, 0.7])
        high, low = rng.uniform(0.5, 0.9, 2), rng.uniform(0.1, 0.5, 2)
        second = float(rng.uniform(low[1], high[1])) if rng.random() < 0.6 else None
        made.append(
            Policy(
                gate_high=high[0], gate_low=low[0], confirm_high=high[1], confirm_low=low[1], second_chance=second,
                arm_s=rng.choice([0.0, 0.4]), second_chance_s=rng.uniform(0.2, 1), gate_weight=rng.choice([0.0, 0.4]),
                gate_agrees=bool(rng.random() < 0.5), gate_alone=alone,
                alone_s=None if alone is None else rng.choice([None, 0.4]), warm_up_s=0.1,
                confirm_timeout_s=rng.uniform(0.4, 2), gate_release_s=rng.choice([None, 0.6]),
                span_of=str(rng.choice(["gate", "confirm"])), release_s=rng.uniform(0.2, 1),
                longest_s=rng.uniform(1, 5), cool_s=rng.choice([0.0, 0.5]), rejected_s=rng.choice([0.0, 0.3]),
            )
        )  # fmt: skip
    return made


def random_decoders():
    rng = np.random.default_rng(12)
    return [
        EventDecoder(
            high=rng.uniform(0.5, 0.7), low=rng.uniform(0.2, 0.5), smooth=int(rng.integers(1, 5)),
            min_length_s=rng.choice([0.0, 0.2]), merge_s=rng.choice([0.0, 0.35]),
            refractory_s=rng.choice([0.0, 0.5]), refractory_any_s=rng.choice([0.0, 0.4]),
        )
        for _ in range(MANY)
    ]  # fmt: skip


@pytest.fixture(scope="module")
def machines(tmp_path_factory):
    """Return the program of all random policies and decoders."""
    needs_compiler()
    folder, structs, cases = tmp_path_factory.mktemp("machines"), [], []
    more = ["static constexpr int kClasses = 3;", f"static constexpr double kHopS = {(0.1).hex()};"]
    for place, one in enumerate(random_policies()):
        structs.append(
            struct(f"Policy{place}", ["static constexpr double kInfinity = all::kInfinity;", *policy_constants(one)])
        )
        cases.append(f"  if (which == {place}) {{\n    policy<Policy{place}>();\n  }}")
    for place, one in enumerate(random_decoders()):
        structs.append(struct(f"Spec{place}", [*decoder_constants(one, ("a", "b", "none")), *more]))
        cases.append(f"  if (which == {MANY + place}) {{\n    decoder<Spec{place}>();\n  }}")
    text = "\n".join(runtime_text(name) for name in ("base", "decoder", "policy"))
    source = folder / "machines.cpp"
    source.write_text(MACHINES.format(text=text, structs="\n".join(structs), cases="\n".join(cases)))
    program = build(source, folder, "-O1")

    def run(which, rows):
        given = "\n".join(" ".join(map(repr, row)) for row in rows)
        command = [program, chr(ord("a") + which)]
        said = subprocess.run(command, input=given, capture_output=True, text=True, check=True).stdout
        return [tuple(map(float, line.split())) for line in said.splitlines()]

    return run


@pytest.mark.parametrize("place", range(MANY))
def test_the_policy_goes_through_the_same_states(machines, place):
    policy, rng = random_policies()[place], np.random.default_rng(place)
    kinds = ("gate", "confirm", "gate_gap", "confirm_gap")
    rows, time_s, level = [], 0.0, 0.5
    for _ in range(1500):
        time_s += float(rng.choice([0.0, 0.05, 0.1, 0.1, 0.3]))
        level = float(np.clip(level + rng.normal() * 0.2, 0, 1))
        kind = int(rng.choice(4, p=[0.49, 0.49, 0.01, 0.01]))
        rows.append((kind, time_s, time_s - 0.3, level, int(rng.integers(2))))
    state, wanted = policy.start(), []
    for kind, at_s, centre_s, score, label in rows:
        states = path(policy, state, Seen(kinds[kind], centre_s, score, str(label)), at_s)
        state = states[-1]
        wanted += [(STATES.index(one.name), one) for one in states[1:]]
    found = machines(place, rows)
    assert [int(row[0]) for row in found] == [row[0] for row in wanted]
    active = [(row, one) for row, (_, one) in zip(found, wanted, strict=True) if one.name == "active"]
    assert len({row[0] for row in found}) >= 5
    assert len(active) > 20
    for row, one in active:
        event = one.event
        assert row[1:] == (event.start_s, event.stop_s, float(event.label), event.score, event.decided_s)


@pytest.mark.parametrize("place", range(MANY))
def test_the_decoder_tells_the_same_updates(machines, place):
    decoder, rng = random_decoders()[place], np.random.default_rng(100 + place)
    steps = np.where(rng.random(1500) < 0.01, rng.integers(2, 9, 1500), 1)
    centre_s = np.cumsum(steps) * 0.1
    scores = np.abs(np.cumsum(rng.normal(size=(1500, 3)) * 0.25, axis=0) % 2 - 1).astype(np.float32)
    rows = [(c, c + 0.5, *map(float, one)) for c, one in zip(centre_s.tolist(), scores, strict=True)]
    state = decoder.start(("a", "b", "none"), hop_s=0.1)
    updates = state.push(centre_s, centre_s + 0.5, scores) + state.flush()
    wanted = [
        (float(one.final), one.event.start_s, one.event.stop_s, float("ab".index(one.event.label)), one.event.score,
         one.event.decided_s)
        for one in updates
    ]  # fmt: skip
    assert len(wanted) > 20
    assert machines(MANY + place, rows) == wanted


# ---- what an app links ----


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Return the folder of a detector in the wrist's frame and of a cascade that hears."""
    needs_compiler()
    folder = tmp_path_factory.mktemp("written")
    write_cpp(in_the_wrists_frame(), folder / "worn", name="worn")
    write_cpp(handwashing.default(), folder / "washing", name="washing")
    return folder


@pytest.mark.parametrize("name", ["worn", "washing"])
def test_nothing_beyond_libm_is_linked(written, name, tmp_path):
    if shutil.which("nm") is None:
        pytest.skip("nm is not installed, so symbols cannot be listed")
    made = build(written / name / f"{name}_c.cpp", tmp_path, "-O2", "-c", "-fno-exceptions", "-fno-rtti")
    told = subprocess.run(["nm", "-u", made], capture_output=True, text=True, check=True).stdout
    symbols = {line.split()[-1] for line in told.splitlines() if line.split()}
    assert "expf" in symbols
    assert symbols <= FREE | {"_GLOBAL_OFFSET_TABLE_"}


@pytest.mark.parametrize("name", RECIPES)
def test_the_state_of_a_recipe_is_small(name, tmp_path):
    needs_compiler()
    shim = Shim(write_cpp(shipped(name), tmp_path), tmp_path)
    assert shim.bytes <= 32_768


def test_the_c_functions_tell_what_python_tells(tmp_path):
    needs_compiler()
    detector, recording = double_tap.default(), double_tap.simulate(3)
    shim = Shim(write_cpp(detector, tmp_path), tmp_path)
    rows = sorted(
        (time_s, place, values.tolist())
        for place, name in enumerate(("accel", "gyro"))
        for time_s, values in zip(recording[name].time, recording[name].values, strict=True)
    )
    for _ in range(2):  # flush starts anew
        assert {shim.push(place, time_s, values) for time_s, place, values in rows} == {"taken"}
        updates = shim.flush()
        finals = event_table(Event(*row[:5]) for row in updates if row[5])
        same_events(finals, detector.detect(recording))
        assert [row[2] for row in updates if not row[5]] == ["double_tap"] * len(finals)


def test_a_net_that_runs_elsewhere_gives_the_same_events(written, tmp_path):
    """As Core ML would: the C++ core conditions and decides, somebody else scores the windows of both stages."""
    cascade, recording = handwashing.default(), handwashing.simulate(3)
    stages, asked = stages_of(cascade), [0, 0]

    def score(_context, stage, window, probabilities):
        spec = stages[stage].spec
        values = np.ctypeslib.as_array(window, (1, len(spec.conditioning.channels), spec.length))
        for place, one in enumerate(stages[stage].probabilities(values)[0].tolist()):
            probabilities[place] = one
        asked[stage] += 1

    shim = Shim(written / "washing", tmp_path, name="washing", score=score)
    shim.reset()
    clock = [np.asarray(recording[name].time) for name in cascade.streams]
    rows = np.lexsort((np.repeat(np.arange(3), list(map(len, clock))), np.concatenate(clock)))
    place = np.repeat(np.arange(3), list(map(len, clock)))[rows]
    at = np.concatenate([np.arange(len(one)) for one in clock])[rows]
    values = [np.asarray(recording[name].values) for name in cascade.streams]
    for stream, row in zip(place.tolist(), at.tolist(), strict=True):
        if stream < 2 or shim["needs"](shim.detector, 2):
            assert shim.push(stream, clock[stream][row], values[stream][row]) == "taken"
    finals = event_table(Event(*row[:5]) for row in shim.flush() if row[5])
    same_events(finals, cascade.detect(recording))
    assert asked[0] > 100
    assert asked[1] < asked[0]


def test_wrong_samples_are_refused_and_change_nothing(written, tmp_path):
    shim = Shim(written / "worn", tmp_path, name="worn")
    assert shim.push(0, 0.0, [0, 0, 1]) == "sides unknown"
    shim.reset(wrist=2, crown=2)
    assert shim.push(0, 1.0, [0, 0, 1]) == "taken"
    wrong = {
        (0, 1.0, (0, 0, 1)): "not increasing",
        (0, 0.5, (0, 0, 1)): "not increasing",
        (0, float("nan"), (0, 0, 1)): "not finite",
        (0, 1.1, (0, float("inf"), 1)): "not finite",
        (0, 1.1, (0, 9.81 * 100, 1)): "implausible",
        (0, 1e12, (0, 0, 1)): "not seconds",
        (7, 1.1, (0, 0, 1)): "unknown stream",
        (-1, 1.1, (0, 0, 1)): "unknown stream",
    }
    for (stream, time_s, values), told in wrong.items():
        assert shim.push(stream, time_s, values) == told
    assert shim.push(0, 1.01, [0, 0, 1]) == "taken"
    told = [shim.push(0, 1000.0 * second, [0, 0, 1]) for second in range(2, 11)]  # milliseconds
    assert told[-2:] == ["not seconds"] * 2


def test_sound_of_a_rate_without_a_low_pass_is_refused(written, tmp_path):
    shim = Shim(written / "washing", tmp_path, name="washing")
    assert shim["make"](None, 10**6) is None
    small = (bytearray(shim.bytes), shim.bytes - 1)
    assert shim["make"](shim.detector, small[1]) is None
    assert shim["needs"](shim.detector, 2) == 0, "the microphone is off until it is woken"
    assert [shim["stream_name"](place) for place in range(3)] == [b"accel", b"gyro", b"audio"]
