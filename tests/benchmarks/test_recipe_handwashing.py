"""The table of handwashing: fifty simulated people of an hour each, washes injected into real motion, real hours."""

import pytest

from tests.recipe_tables import assert_goals, shown
from wristkit.recipes import cascading, handwashing, scenes
from wristkit.recipes.handwashing.uwash import on_uwash

pytestmark = [pytest.mark.benchmark, pytest.mark.real_data]


@pytest.fixture(scope="module")
def parts(real_data):
    return handwashing.parts()


def test_the_table_of_handwashing(parts, benchmark_row):
    made = shown(parts, "handwashing", benchmark_row)
    assert made["hours"].iloc[0] >= 49
    assert made["latency_median_s"].iloc[0] <= 5.0
    assert_goals(made)


def test_real_washes_within_their_session_and_across_sets(real_data, benchmark_row):
    made = on_uwash(handwashing.default())
    for row in made.itertuples():
        benchmark_row(
            f"handwashing, {row.kind}: {row.gate}, {row.figure}", f"{row.value:.3f} of {row.of}", row.sentence
        )
    alone = made[made["gate"] == "simulation alone"]["value"].tolist()
    assert alone[0] > 0.8  # area under the curve within the session; chance is 0.5


def test_the_gate_costs_little_recall_against_a_microphone_that_is_always_on(benchmark_row):
    cascade = handwashing.default()
    always = cascade.with_policy(cascading.always_open(cascade.policy))
    held = list(scenes.lives("test", count=4, hours=0.5, washes=24.0))
    (gated, cost), (open_, _) = (cascading.judge(handwashing.TASK, one, held) for one in (cascade, always))
    recalls = [one.by("label")["recall"].iloc[0] for one in (gated, open_)]
    benchmark_row(
        "handwashing: recall behind the gate, and always on", f"{recalls[0]:.3f}, {recalls[1]:.3f}", repr(cost)
    )
    assert recalls[0] >= recalls[1] - 0.02
    assert cost.duty_cycle <= 0.05
