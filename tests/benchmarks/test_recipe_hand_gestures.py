"""The table of hand gestures: fifty simulated people, gestures injected into real motion, real hours."""

import pytest

from tests.recipe_tables import assert_goals, shown
from wristkit.recipes import hand_gestures

pytestmark = [pytest.mark.benchmark, pytest.mark.real_data]


@pytest.fixture(scope="module")
def parts(real_data):
    return hand_gestures.parts()


def test_the_table_of_hand_gestures(parts, benchmark_row):
    made = shown(parts, "hand gestures", benchmark_row)
    assert made["hours"].iloc[0] >= 49
    assert_goals(made)


def test_a_new_gesture_from_one_three_and_five_examples(benchmark_row):
    made = hand_gestures.new_gesture_table(people=10)
    for row in made.itertuples():
        alarms = f"{row.false_alarms} alarms in {row.hours:.3g} h, {row.refused} people refused"
        benchmark_row("hand gestures", f"{row.recall:.2f} of wrist flicks after {row.examples}; {alarms}", "simulated")
    assert made["recall"].iloc[-1] >= made["recall"].iloc[0]
    assert (made["others_changed"] == 0).all()
