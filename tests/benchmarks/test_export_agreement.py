"""What ships, as packages, on real windows of people and sounds that nothing was trained, rounded or judged on.

Each package is made as ``wk.export`` makes it from simulated recordings, and then asked about real ones.
"""

import numpy as np
import pytest

from tests.compiled import RECIPES, shipped
from wristkit.datasets import recordings
from wristkit.export import load_mlpackage, ranges
from wristkit.export.packaged import answers
from wristkit.export.parity import SAME_DECISIONS, SHIPPED_BOUND, expected, trial_windows
from wristkit.export.stage import Asked, float32_twin, written
from wristkit.export.stages import heard_by, stages_of
from wristkit.recipes import hours

pytestmark = [pytest.mark.benchmark, pytest.mark.real_data]


@pytest.fixture(scope="module")
def real(real_data):
    """Return motion of people on whom nothing was trained, and clips of sound."""
    motion = [one for one in recordings("spsw", real_data / "spsw") if one.source["device"] == "watch"]
    washes = list({one.id: one for one in recordings("uwash", real_data / "uwash")}.values())
    trained = {*hours.TRAINED_ON["spsw"], *hours.TRAINED_ON["uwash"]}
    unseen = [one for one in (*motion, *washes) if one.subject not in trained]
    return [*unseen, *recordings("esc10", real_data / "audio/esc10")]


@pytest.mark.parametrize("precision", ["float16", "int8"])
@pytest.mark.parametrize("name", RECIPES)
def test_a_package_on_real_windows(name, precision, real, tmp_path, benchmark_row):
    simulated = [RECIPES[name].simulate(seed) for seed in (11, 12)]
    asked = Asked("window", "watchOS10", precision)
    for stage, one in stages_of(shipped(name)).items():
        what = f"{name}{f', {stage}' if stage else ''}, {precision}"
        trial = trial_windows(one, heard_by(one, simulated))
        exact = float32_twin(one, tmp_path / f"{stage}_exact.mlpackage", asked)
        sizes = ranges(exact, trial.values)
        try:
            made = written(one, tmp_path / f"{stage or name}.mlpackage", asked, exact=exact, sizes=sizes, trial=trial)
        except ValueError as refused:
            benchmark_row(what, "refused", str(refused))
            continue
        held = trial_windows(one, heard_by(one, real))
        wanted = expected(one, held.values)[1]
        said = answers(load_mlpackage(tmp_path / f"{stage or name}.mlpackage"), held.values).probabilities
        apart, same = np.abs(said - wanted).max(axis=1), (said.argmax(axis=1) == wanted.argmax(axis=1)).mean()
        layers = f"; int8 in {len(made.net.layers)} layers, left: {', '.join(made.net.kept) or 'none'}"
        note = f"largest {apart.max():.2g}, 99.9 % below {np.quantile(apart, 0.999):.2g}, of {held.source}"
        benchmark_row(what, f"{100 * same:.2f} % same", note + (layers if precision == "int8" else ""))
        assert same >= SAME_DECISIONS
        assert apart.max() <= SHIPPED_BOUND[precision]
