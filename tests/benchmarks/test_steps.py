"""Steps against counts: a phone in six places, a sensor of 610 steps, washed hands, simulated wrists, a peer, a day."""

import os
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from wristkit.datasets import recordings
from wristkit.events import match
from wristkit.load import load
from wristkit.recipes import steps
from wristkit.recording import Recording, Stream
from wristkit.simulate import (
    EXERCISES,
    STEPLESS,
    ExerciseSet,
    Gait,
    SensorParams,
    gait_session,
    people,
    stepless,
    true_steps,
    workout,
)

pytestmark = [pytest.mark.benchmark]
WATCH = SensorParams(rate_hz=50.0)
PEER = Path(os.environ.get("WRISTKIT_PEER_STEPS", "/nowhere")) / "bin" / "python"  # with scikit-digital-health
ASK = """
import sys, warnings
warnings.simplefilter("ignore")
import numpy as np
from skdh.gait import GaitLumbar
held = np.load(sys.argv[1])
found = GaitLumbar().predict(time=held["time"], accel=held["accel"], height=1.75)
counts = found.get("Bout Steps", found.get("Bout N Steps", []))
starts = np.unique(np.asarray(found["Bout Starts"]), return_index=True)[1] if len(counts) else []
print("STEPS", int(np.nansum(np.asarray(counts)[starts])) if len(counts) else 0)
"""


@pytest.mark.real_data
def test_a_phone_in_six_places(real_data, benchmark_row):
    errors = {}
    for one in recordings("oxford_steps", real_data / "oxford_steps"):
        found, true = len(steps.detect(one)), len(true_steps(one))
        errors[f"{one.subject} {one.source['place']}"] = abs(found / true - 1)
        benchmark_row(
            f"steps, phone, {one.source['place']}", f"{found} of {true}", f"{100 * (found / true - 1):+.1f} %"
        )
    middle, most = float(np.median(list(errors.values()))), max(errors.values())
    benchmark_row("steps, phone in six places", f"median {100 * middle:.1f} %, at most {100 * most:.1f} %", "3, 8 %")
    assert middle <= 0.03
    assert most <= 0.08


@pytest.mark.real_data
def test_a_sensor_for_610_steps(real_data, benchmark_row):
    walk = load(real_data / "devices" / "openmovement" / "example-610-steps.cwa")
    found = len(steps.detect(walk))
    benchmark_row("steps, AX3 of 610 steps", str(found), f"{100 * (found / 610 - 1):+.1f} %; goal within 3 %")
    assert found == pytest.approx(610, rel=0.03)


@pytest.mark.real_data
def test_washing_hands_is_no_walk(real_data, benchmark_row):
    held = {one.id: one for one in recordings("uwash", real_data / "uwash")}.values()  # one of two copies
    minutes = sum(one.stop_s - one.start_s for one in held) / 60
    found = sum(len(steps.detect(one)) for one in held)
    benchmark_row(
        "steps, washing hands (UWash)", f"{found / minutes:.1f} a minute of {minutes:.0f}", "goal 10 a minute"
    )
    assert found / minutes <= 10


def wrists(*, count=8):
    """Yield simulated walks of a minute and more, of all carriages and speeds, with pauses between them."""
    for index, person in enumerate(people(count, seed=9_900)):
        for carriage in ("swing", "bag", "pocket", "trolley", "phone", "handrail"):
            speeds = (0.5, 0.8, 1.1, 1.4, 1.8) + ((2.4, 3.0) if carriage == "swing" else ())
            for place, speed_m_s in enumerate(speeds):
                plan = [("sitting", 8.0), (Gait(speed_m_s, carriage), 70.0), ("reaching", 8.0)]
                seed = 10_000 + 100 * index + place
                yield carriage, speed_m_s, gait_session(person, plan, seed=seed, sensor=WATCH, streams=("accel",))


def test_simulated_wrists(benchmark_row):
    by_carriage, by_speed, every = {}, {}, []
    for carriage, speed_m_s, one in wrists():
        found, true = steps.detect(one)["start_s"].to_numpy(), true_steps(one)["start_s"].to_numpy()
        hits = len(match(np.c_[found, found], np.c_[true, true], tolerance_s=0.25))
        for counts in (by_carriage.setdefault(carriage, []), by_speed.setdefault(speed_m_s, []), every):
            counts.append((hits, len(found), len(true)))
    for name, counts in [*by_carriage.items(), *by_speed.items(), ("all", every)]:
        hits, found, true = np.sum(counts, axis=0)
        benchmark_row(
            f"steps, simulated wrist, {name}", f"F1 {2 * hits / (found + true):.3f} of {true}", "within 0.25 s"
        )
    hits, found, true = np.sum(every, axis=0)
    assert 2 * hits / (found + true) >= 0.97


@pytest.mark.parametrize("turns", [0.0, 4.0, 8.0])
def test_simulated_ways_with_turns(turns, benchmark_row):
    found, true = 0, 0
    for index, person in enumerate(people(6, seed=9_960)):
        for carriage in ("swing", "bag", "pocket", "trolley", "phone", "handrail"):
            for speed_m_s in (0.9, 1.3):
                plan = [("sitting", 8.0), (Gait(speed_m_s, carriage, turns), 45.0), ("reaching", 8.0)]
                made = gait_session(person, plan, seed=700 + index, sensor=WATCH, streams=("accel",))
                found, true = found + len(steps.detect(made)), true + len(true_steps(made))
    figure = f"{100 * (found / true - 1):+.1f} % of {true}"
    benchmark_row(f"steps, simulated walks of 45 s, {turns:g} turns a minute", figure, "no goal")


def test_simulated_exercises_are_no_walks(benchmark_row):
    counts = {name: [] for name in EXERCISES}
    for index, person in enumerate(people(6, seed=9_970)):
        for name, rows in counts.items():
            plan = [("sitting", 6.0), ExerciseSet(exercise=name, repetitions=12), ("sitting", 6.0)]
            rows.append(len(steps.detect(workout(person, plan=plan, seed=index, sensor=WATCH, streams=("accel",)))))
    for name, rows in counts.items():
        benchmark_row(f"steps, simulated {name}, 12 repetitions", f"{np.mean(rows):.1f} false", f"worst {max(rows)}")


@pytest.mark.parametrize("scene", sorted(STEPLESS))
def test_half_an_hour_in_a_chair(scene, benchmark_row):
    counts = [len(steps.detect(stepless(one, scene, seed=77 + i))) for i, one in enumerate(people(4, seed=9_950))]
    goal = "no goal: hands in a rhythm" if scene == "kitchen" else "goal 1 a minute"
    benchmark_row(
        f"steps, simulated {scene}", f"{np.mean(counts) / 30:.2f} a minute, worst {max(counts) / 30:.2f}", goal
    )
    assert scene == "kitchen" or np.mean(counts) / 30 <= 1.0


def a_day(rate_hz=50.0):
    """Return a day of which an hour is walked, the rest is a chair."""
    walked = gait_session(people(1, seed=1)[0], [(Gait(1.3), 150.0)], seed=1, sensor=WATCH)["accel"].values
    sat = stepless(people(1, seed=1)[0], "desk", seed=1, minutes=10.0)["accel"].values
    values = np.concatenate([np.tile(walked, (24, 1)), np.tile(sat, (138, 1))])
    return Recording.of([Stream.measured("accel", np.arange(len(values)) / rate_hz, values)])


def test_a_day(benchmark_row):
    day = a_day()
    start = time.process_time()
    found = len(steps.detect(day))
    spent = time.process_time() - start
    hours = (day.stop_s - day.start_s) / 3600
    benchmark_row("steps, CPU of 24 h at 50 Hz", f"{spent * 24 / hours:.1f} s", f"{found} steps in {hours:.1f} h")
    assert hours > 23


@pytest.mark.real_data
def test_beside_a_peer(real_data, benchmark_row, tmp_path):
    if not PEER.is_file():
        pytest.skip("WRISTKIT_PEER_STEPS names no environment with scikit-digital-health")
    for one in recordings("oxford_steps", real_data / "oxford_steps"):
        accel = one["accel"]
        np.savez(tmp_path / "one.npz", time=accel.time, accel=np.asarray(accel.values, dtype=np.float64))
        asked = [str(PEER), "-c", ASK, str(tmp_path / "one.npz")]
        done = subprocess.run(asked, capture_output=True, text=True, check=False)
        said = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("STEPS")]
        note = f"scikit-digital-health {said[0] if said else done.stderr.strip().splitlines()[-1]}"
        benchmark_row(
            f"steps beside a peer, {one.source['place']}", f"{len(steps.detect(one))} of {len(true_steps(one))}", note
        )
