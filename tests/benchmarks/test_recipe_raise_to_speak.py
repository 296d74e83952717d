"""The table of raise to speak: fifty simulated people of an hour each, raises injected into real motion, real hours."""

import pytest

from tests.recipe_tables import assert_goals, shown
from wristkit.recipes import raise_to_speak

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
    made = raise_to_speak.against_always_on(raise_to_speak.default()).set_index("microphone")
    for name, row in made.iterrows():
        on = f"on {100 * row['duty_cycle']:.3g} % of the time"
        benchmark_row(f"raise to speak, simulated: recall with the microphone {name}", f"{row['recall']:.3f}", on)
    assert made.loc["behind the gate", "recall"] >= made.loc["always on", "recall"] - 0.02
