"""Every detector and cascade that ships, as packages: probabilities, decisions, and events from raw samples."""

from itertools import islice

import pytest

from tests.compiled import RECIPES, shipped, stages_of
from tests.exporting import measured, status
from wristkit.detector import Cascade
from wristkit.export import compared, export, load_mlpackage, native, simulate_device_log


@pytest.fixture(autouse=True)
def no_compiler(monkeypatch):
    """C++ of the recipes is compiled in tests of its own."""
    monkeypatch.setattr(native, "compiler", lambda: None)


def shown(name, count):
    """Return recordings in which something is detected by all stages, simulated by the recipe."""
    detector, simulate = shipped(name), RECIPES[name].simulate
    return list(islice((one for one in map(simulate, range(11, 40)) if detects(detector, one)), count))


def detects(detector, recording):
    if not isinstance(detector, Cascade):
        return len(detector.detect(recording)) > 0
    trace = detector.trace(recording)
    return len(trace.events) > 0 and len(trace.confirm) > 0


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_exports_and_says_the_same(name, tmp_path):
    detector, held = shipped(name), shown(name, 2)
    assert held
    made = export(detector, tmp_path / name, recordings=held)
    rows, found = status(made.parity), measured(made.parity)
    assert "failed" not in rows.values()
    stages = [""] if len(made.packages) == 1 else ["gate: ", "confirm: "]
    for stage, one in zip(stages, stages_of(detector), strict=True):
        assert found[f"{stage}MIL float32, probabilities"] <= 1e-5
        assert found[f"{stage}shipped float16, probabilities"] <= 2e-3
        assert rows[f"{stage}shipped float16, decisions"] == "passed"
        package = load_mlpackage(made.packages[stage.removesuffix(": ")])
        assert package.inputs["window"].shape == (1, len(one.spec.conditioning.channels), one.spec.length)
    events = "shipped float16, events" if stages == [""] else "shipped cascade, events from raw samples"
    assert (rows[events], rows["Python push, events"]) == ("passed", "passed")
    for cost in made.costs.values():
        assert cost.parameters <= 50_000
        assert cost.package_bytes <= 100_000
    log = simulate_device_log(made, held[0], tmp_path / "device.jsonl")
    beside = compared(made, log)
    assert set(beside.checks["status"]) <= {"passed", "not run"}, beside.checks
    assert set(beside.scores["stage"]) == {one.removesuffix(": ") for one in stages}
