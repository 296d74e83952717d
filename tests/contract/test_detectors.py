"""Every recipe, and detectors and cascades of small nets, keep to the contract; and it finds what is wrong."""

import importlib
from pathlib import Path

import numpy as np
import pytest

import wristkit
from tests import cascades
from wristkit.detector import Detector
from wristkit.detector.contract import CHECKS, check_detector

RECIPES = Path(wristkit.__file__).parent / "recipes"
EXAMPLES = {
    "a detector of motion": lambda one: cascades.small_stage(one, streams=("accel",)),
    "a detector of motion and sound": lambda one: cascades.small_stage(one, streams=("accel", "mel"), model="branches"),
    "a cascade of small nets": lambda one: cascades.of_small_nets(one, pre_roll_s=1.2),
    "a cascade that the gate keeps alive": lambda one: cascades.cascade(one, span_of="gate", gate_alone=0.9),
    "a cascade that waits for no stream for long": lambda one: cascades.cascade(one, max_wait_s=1.5),
}


def detectors_among_recipes():
    """Return the names of the files on the shelf that give a detector; an estimator has no ``default``."""
    found = (path for path in RECIPES.glob("*") if path.suffix == ".py" or (path / "__init__.py").is_file())
    names = sorted(path.stem for path in found if not path.stem.startswith("_"))
    return [name for name in names if hasattr(importlib.import_module(f"wristkit.recipes.{name}"), "default")]


def assert_kept(table):
    failed = table[~table["passed"]]
    assert failed.empty, "\n".join(f"{row.check}: {row.note}" for row in failed.itertuples())


def test_there_are_thirty_checks_and_more_each_with_a_name_of_its_own():
    assert len(CHECKS) >= 30


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_keeps_to_the_contract(name):
    recording = cascades.recording(span_s=18.0)
    table = check_detector(EXAMPLES[name](recording), recording)
    assert list(table["check"]) == list(CHECKS)
    assert_kept(table)


@pytest.mark.parametrize("name", detectors_among_recipes())
def test_a_recipe_keeps_to_the_contract(name):
    recipe = importlib.import_module(f"wristkit.recipes.{name}")
    assert_kept(check_detector(recipe.default(), recipe.simulate(seed=20_000)))


class Forgetful(Detector):
    """It leaves out the last event, and only where it is given packets."""

    def flush(self):
        return super().flush()[:-1]


class Guessing(Detector):
    """It never gives the same score twice."""

    rng = np.random.default_rng(0)

    def detect(self, recording):
        found = super().detect(recording)
        return found.assign(start_s=found["start_s"] - self.rng.random())


@pytest.mark.parametrize(
    ("kind", "finds"),
    [(Forgetful, "all at once gives its events"), (Guessing, "the same recording gives the same bits")],
)
def test_the_contract_finds_what_is_wrong(kind, finds):
    recording = cascades.recording(span_s=18.0, sound=False)
    good = cascades.small_stage(recording, streams=("accel",))
    table = check_detector(kind(good.spec, good.model), recording).set_index("check")
    assert not table.loc[finds, "passed"]
    assert table.loc["a missing channel is refused by name", "passed"]
