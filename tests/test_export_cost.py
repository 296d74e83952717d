"""What a detector costs, layer by layer, against sums by hand; variants; and how a bundle is shown."""

import json

import numpy as np
import pandas as pd
import pytest

from tests import cascades
from tests.exporting import detector, recording
from wristkit.export import Energy, cost, export, layers, native, variants
from wristkit.export.cost import cascade_costs, latency, total
from wristkit.export.incremental import Incremental
from wristkit.models import summary
from wristkit.recording import label_table
from wristkit.view import Picture, draw_layers, draw_parity, draw_variants, report


@pytest.fixture(scope="module")
def worn():
    return detector(epochs=5)


@pytest.fixture(scope="module")
def bundle(worn, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(native, "compiler", lambda: None)
        return export(worn, tmp_path_factory.mktemp("parent") / "tour", recordings=recording())


def test_layers_add_up_to_the_net(worn):
    table, net = layers(worn), summary(worn.model, samples=100)
    assert table["macs"].sum() == net.macs
    assert table["state_bytes"].sum() == 4 * net.state
    assert table["weight_bytes"].sum() == 4 * net.parameters
    stem = table.set_index("layer").loc["stem.0"]
    # 100 samples, kernel 6, stride 2: 48 steps; a hop of 20 samples brings 10 new ones
    assert (stem["output"], stem["macs"], stem["macs_streaming"]) == ("32 x 48", 48 * 32 * 6 * 6, 10 * 32 * 6 * 6)
    assert stem["activation_bytes"] == 4 * 32 * 48
    assert stem["state_bytes"] == 4 * 6 * (6 - 2)


def test_what_streams_holds_what_the_layers_say(worn):
    held = Incremental(worn.model, channels=6, samples=100, hop=20).state_size
    table = layers(worn)
    mean = 32 * 4  # of all four steps of the mean, the incremental one makes some anew each time
    assert held <= table["state_bytes"].sum() / 4 <= held + mean


def test_costs_by_hand(worn, bundle):
    one = cost(worn, bundle.mlpackage, duty_cycle=0.25)
    macs = summary(worn.model, samples=100).macs
    assert one.macs_per_hour == macs * 2.5 * 3600 / 4
    assert one.macs_per_hour_streaming == layers(worn)["macs_streaming"].sum() * 2.5 * 3600 / 4
    assert one.energy_floor_uj_per_window == pytest.approx(macs * 4.6e-6)
    assert one.energy_floor_uw == pytest.approx(macs * 4.6e-6 * 2.5 / 4)
    double = cost(worn, bundle.mlpackage, energy=Energy(multiply_pj=7.4, add_pj=1.8))
    assert double.energy_floor_uw == pytest.approx(8 * one.energy_floor_uw)
    with pytest.raises(ValueError, match="expected a share from 0 to 1"):
        cost(worn, bundle.mlpackage, duty_cycle=1.5)


def test_the_published_example_of_energy():
    assert Energy().floor_uj(765_856) == pytest.approx(3.52, abs=0.01)


def test_a_cascade_counts_its_confirmer_for_the_share_that_it_is_on(bundle):
    truth = cascades.recording()
    cascade = cascades.cascade(truth)
    packages = dict.fromkeys(("gate", "confirm"), bundle.mlpackage)
    trace = cascade.trace(truth)
    costs = cascade_costs(cascade, packages, [trace])
    assert costs["gate"].duty_cycle == 1
    assert costs["confirm"].duty_cycle == pytest.approx(trace.duty_cycle)
    both = total(costs)
    assert both.macs_per_hour == costs["gate"].macs_per_hour + costs["confirm"].macs_per_hour
    assert set(both.layers["layer"].str.split(".").str[0]) == {"gate", "confirm"}
    assert cascade_costs(cascade, packages, [])["confirm"].duty_cycle == 1


def test_latency_is_told_with_its_tail(worn):
    table = latency(worn, runs=5)
    assert {"torch", "ONNX Runtime"} == set(table["runtime"])
    assert (table["p50_us"] > 0).all()
    assert (table["worst_us"] >= table["p99_us"]).all()


def test_the_report_holds_cost_and_findings(bundle):
    told = json.loads(bundle.report.read_text())
    assert told["cost"]["macs_per_hour"] == bundle.cost.macs_per_hour
    assert [row["layer"] for row in told["layers"]] == list(bundle.cost.layers["layer"])
    assert told["energy_constants"]["multiply_pj"] == 3.7
    assert {"packages and their parity", "C++ and Swift"} <= set(told["took_s"])
    assert "coremltools" in told["versions"]


def test_variants_are_of_the_packages_and_drawn(worn, tmp_path):
    truth = recording(bouts=6, seed=5)
    labels = label_table(
        [(10.0 * n, 10.0 * n + 9, ("none", "tap", "wash & <dry>")[n % 3], "truth", "made") for n in range(6) if n % 3]
    )
    held = [truth.with_labels(labels, labelled={"truth": [(0.0, 60.0)]})]
    table = variants({"small": worn}, held, fp_per_hour=60.0)
    assert list(table["precision"]) == ["float16", "int8"]
    assert (table["score_apart"] > 0).all()
    assert table["weight_bytes"].is_monotonic_decreasing
    assert table["recall"].between(0, 1).all()
    figure = Picture(figsize=(5, 3))
    draw_variants(figure.subplots(), table)
    assert figure.png()


def test_a_bundle_makes_a_page_that_fetches_nothing(bundle, tmp_path):
    page = report(bundle, tmp_path / "page.html", title="Tour")
    html = page.read_text()
    for said in ("MIL float32, probabilities", "Core ML on Apple hardware", "Layer by layer", "stem.0", "Not checked"):
        assert said in html
    assert "<script" not in html
    assert "http://" not in html.replace("http://www.w3.org", "")
    assert report(bundle) == bundle.report.parent / "report.html"
    with pytest.raises(ValueError, match="given with a Bundle"):
        report(bundle, tmp_path / "other.html", fp_per_hour=1.0)


def test_a_path_is_needed_for_anything_else():
    with pytest.raises(TypeError, match="path is missing"):
        report(object())


def test_pictures_say_why_they_are_empty(bundle):
    for draw, table in ((draw_parity, bundle.parity), (draw_layers, bundle.cost.layers)):
        for rows in (table, table.iloc[:0]):
            figure = Picture(figsize=(5, 3))
            ax = draw(figure.subplots(), rows)
            assert bool(ax.texts) == (len(rows) == 0)
    empty = pd.DataFrame(
        {"recall": [np.nan], "macs_per_s": [1.0], "package_bytes": [1], "precision": ["x"], "variant": ["y"]}
    )
    assert draw_variants(Picture().subplots(), empty).texts
