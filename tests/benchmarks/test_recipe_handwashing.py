"""The table of handwashing: fifty simulated people of an hour each, washes injected into real motion, real hours."""

import pytest

from tests.recipe_tables import assert_goals, shown
from wristkit.recipes import handwashing
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
    alone = made[made["gate"] == "simulation alone"].set_index("figure")["value"]
    assert alone["area under the curve"] > 0.8  # area under the curve within the session; chance is 0.5


def test_the_gate_costs_little_recall_against_a_microphone_that_is_always_on(benchmark_row):
    made = handwashing.against_always_on(handwashing.default()).set_index("microphone")
    for name, row in made.iterrows():
        on = f"on {100 * row['duty_cycle']:.3g} % of the time"
        benchmark_row(f"handwashing, simulated: recall with the microphone {name}", f"{row['recall']:.3f}", on)
    assert made.loc["behind the gate", "recall"] >= made.loc["always on", "recall"] - 0.02
