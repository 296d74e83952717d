"""The table of double tap: fifty simulated people of an hour each, taps injected into real motion, real hours."""

import pytest

from tests.recipe_tables import assert_goals, shown
from wristkit.recipes import double_tap

pytestmark = [pytest.mark.benchmark, pytest.mark.real_data]


@pytest.fixture(scope="module")
def parts(real_data):
    return double_tap.parts()


def test_the_table_of_double_tap(parts, benchmark_row):
    made = shown(parts, "double tap", benchmark_row)
    assert made["hours"].iloc[0] >= 49
    assert made["latency_p95_s"].iloc[0] <= 0.25
    assert_goals(made)
