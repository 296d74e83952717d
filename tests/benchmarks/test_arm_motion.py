"""Arm motion: inclination of real trials in motion, a day's CPU, and what fusion alone takes of it."""

import time

import pytest

import wristkit as wk
from tests.long_days import day_of
from tests.test_recipe_arm_motion import inclination_deg
from wristkit.datasets import recordings
from wristkit.recipes import arm_motion
from wristkit.recording import Recording
from wristkit.simulate import SensorParams

pytestmark = pytest.mark.benchmark


@pytest.mark.real_data
def test_inclination_of_real_trials_in_motion(real_data, benchmark_row):
    for trial in recordings("broad", real_data / "broad"):
        off_deg = inclination_deg(trial)
        found = arm_motion.measure(trial)
        note = f"RMS in motion, goal 1.5; {len(found.movements)} movements"
        benchmark_row(f"arm motion, BROAD {trial.source['file'][:2]}: inclination", f"{off_deg:.2f} degrees", note)
        assert off_deg <= 1.5


def test_a_day_takes_so_much_cpu(benchmark_row):
    day = day_of(SensorParams(rate_hz=50.0))
    begun = time.process_time()
    found = arm_motion.measure(day)
    took_s = time.process_time() - begun
    begun = time.process_time()
    wk.fuse(Recording.of([day.accel, day.gyro]), offline=True)
    fusing_s = time.process_time() - begun
    note = f"fusion alone {fusing_s:.0f} s; 50 Hz, a life that never rests, {len(found.movements)} movements"
    benchmark_row("arm motion, CPU of 24 h", f"{took_s:.0f} s", note)
