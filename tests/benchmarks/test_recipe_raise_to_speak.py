"""The table of raise to speak: fifty simulated people of an hour each, raises injected into real motion, real hours."""

import pytest

from tests.recipe_tables import assert_goals, shown
from wristkit.recipes import cascading, raise_to_speak, scenes

pytestmark = [pytest.mark.benchmark, pytest.mark.real_data]


@pytest.fixture(scope="module")
def parts(real_data):
    return raise_to_speak.parts()


def test_the_table_of_raise_to_speak(parts, benchmark_row):
    made = shown(parts, "raise to speak", benchmark_row)
    assert made["hours"].iloc[0] >= 49
    assert made["latency_p95_s"].iloc[0] <= 0.4
    assert_goals(made)


def test_the_gate_costs_little_recall_against_a_microphone_that_is_always_on(benchmark_row):
    cascade = raise_to_speak.default()
    always = cascade.with_policy(cascading.always_open(cascade.policy))
    held = list(scenes.lives("test", count=4, hours=0.5, raises=60.0))
    (gated, cost), (open_, _) = (cascading.judge(raise_to_speak.TASK, one, held) for one in (cascade, always))
    recalls = [one.by("label")["recall"].iloc[0] for one in (gated, open_)]
    benchmark_row(
        "raise to speak: recall behind the gate, and always on", f"{recalls[0]:.3f}, {recalls[1]:.3f}", repr(cost)
    )
    assert recalls[0] >= recalls[1] - 0.02
    assert cost.duty_cycle <= 0.05
