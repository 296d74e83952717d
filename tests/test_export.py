import json
import logging
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from tests.exporting import (
    CLASSES,
    PRESSURE,
    converted,
    detector,
    edited,
    measured,
    of_net,
    recording,
    records,
    status,
    weight_file,
)
from wristkit.condition import Conditioning, Source
from wristkit.errors import RecordingError
from wristkit.events import EventDecoder
from wristkit.export import ParityError, export, load_mlpackage, native, verify
from wristkit.export.coreml import PRECISIONS, TARGETS, convert, program_sha256
from wristkit.export.folder import MARKER, hashes_under, replacing
from wristkit.export.golden import GOLDEN_WINDOWS
from wristkit.export.packaged import answers
from wristkit.export.parity import parity, raise_failed, trial_windows
from wristkit.export.widen import SHARE, kept_wide
from wristkit.models import summary, weights_sha256
from wristkit.recording import Recording, Stream


@pytest.fixture(autouse=True)
def no_compiler(monkeypatch):
    """Compile C++ for one bundle only: it takes longer than all the rest."""
    monkeypatch.setattr(native, "compiler", lambda: None)


@pytest.fixture(scope="module")
def bundle(worn, tmp_path_factory):
    return export(worn, tmp_path_factory.mktemp("parent") / "tour", recordings=recording())


@pytest.fixture(scope="module")
def packages(worn, tmp_path_factory):
    folder = tmp_path_factory.mktemp("packages")
    return {
        precision: converted(worn, folder / f"{precision}.mlpackage", precision=precision) for precision in PRECISIONS
    }


# The bundle


def test_bundle_passes_on_a_recording_and_says_what_was_not_run(bundle):
    rows = status(bundle.parity)
    assert {
        "file as written",
        "metadata",
        "normalisation constants",
        "labels and their order",
        "MIL float32, probabilities",
        "MIL float32, logits",
        "shipped float16, probabilities",
        "shipped float16, decisions",
        "shipped float16, events",
        "shipped float16, range",
        "ONNX Runtime, probabilities",
        "Python push, events",
    } <= {check for check, said in rows.items() if said == "passed"}
    assert "failed" not in rows.values()
    assert rows["Core ML on Apple hardware"] == "not run"
    assert measured(bundle.parity)["MIL float32, probabilities"] <= 1e-6
    assert 0 < measured(bundle.parity)["shipped float16, probabilities"] <= 2e-3
    assert "Core ML on Apple hardware" in bundle.not_run


def test_bundle_lies_where_it_says(bundle):
    folder = bundle.report.parent
    assert {"MODEL_CARD.md", "golden", "report.json", "tour.mlpackage"} <= {one.name for one in folder.iterdir()}
    assert not [one for one in folder.parent.iterdir() if one != folder]
    report = json.loads(bundle.report.read_text())
    written = {str(one.relative_to(folder)) for one in folder.rglob("*") if one.is_file()}
    assert set(report["files"]) == written
    assert report["program_sha256"] == program_sha256(bundle.mlpackage)
    assert [row["status"] for row in report["parity"]] == list(bundle.parity["status"])
    assert "never run on Apple hardware" in (folder / "MODEL_CARD.md").read_text()


def simulated(one, field="format"):
    return replace(one, source={field: "simulated"})


@pytest.mark.parametrize(
    ("held", "told"),
    [
        ([recording()], "of 1 recording(s)"),
        ([simulated(recording())], "of 1 simulated recording(s)"),
        ([simulated(recording(), "device"), simulated(recording(seed=8))], "of 2 simulated recording(s)"),
        ([recording(), simulated(recording(seed=8))], "of 2 recording(s), 1 of them simulated"),
    ],
)
def test_windows_say_whether_their_recordings_are_simulated(worn, held, told):
    assert trial_windows(worn, held).source.endswith(told)


def test_a_bundle_checked_on_simulated_recordings_says_so_wherever_it_names_them(worn, bundle, tmp_path):
    made = export(worn, tmp_path / "tour", recordings=simulated(recording()))
    notes = dict(zip(made.parity["check"], made.parity["note"], strict=True))
    for check in ("MIL float32, probabilities", "shipped float16, probabilities", "shipped float16, events"):
        assert "in 1 simulated recording(s)" in notes[check] or "of 1 simulated recording(s)" in notes[check]
    told = [made.report, made.report.parent / "MODEL_CARD.md", made.golden / "golden.json"]
    assert all("1 simulated recording(s)" in one.read_text() for one in told)
    worn_by_people = [bundle.report, bundle.report.parent / "MODEL_CARD.md", bundle.golden / "golden.json"]
    assert not any("simulated" in one.read_text() for one in worn_by_people)


def test_the_card_names_the_classes_and_no_count_of_people(bundle):
    card = (bundle.report.parent / "MODEL_CARD.md").read_text()
    assert '- Classes: "none", "tap", "wash & <dry>"' in card
    assert "people" not in card


def test_golden_vectors_are_what_package_and_detector_say(bundle, worn):
    golden = np.load(bundle.golden / "golden.npz")
    facts = json.loads((bundle.golden / "golden.json").read_text())
    assert golden["windows"].shape == (GOLDEN_WINDOWS, 6, 100)
    assert golden["probabilities"] == pytest.approx(worn.probabilities(golden["windows"]), abs=1e-6)
    package = load_mlpackage(bundle.mlpackage)
    for window, expected in zip(golden["windows"], golden["probabilities"], strict=True):
        answer = package.predict({facts["input"]: window[None]})
        got = [answer["probabilities"][name] for name in facts["classes"]]
        assert got == pytest.approx(expected, abs=facts["probability_tolerance"])
        assert answer["label"] == facts["classes"][int(np.argmax(got))]


def test_package_names_shapes_and_metadata(bundle, worn):
    package = load_mlpackage(bundle.mlpackage)
    assert dict(package.inputs) == {"window": ("fp32", (1, 6, 100))}
    assert {name: feature.type for name, feature in package.outputs.items()} == {
        "label": "string",
        "probabilities": "dictionary",
    }
    told = package.metadata
    assert json.loads(told["classes"]) == list(CLASSES)
    assert json.loads(told["channels"]) == list(worn.spec.conditioning.channels)
    assert json.loads(told["units"])["gyro_z"] == "rad/s"
    assert (told["frame"], float(told["rate_hz"]), int(told["length"]), int(told["hop"])) == ("device", 50, 100, 20)
    assert Conditioning.from_json(told["conditioning"]) == worn.spec.conditioning
    assert EventDecoder.from_dict(json.loads(told["decoder"])) == worn.spec.decoder
    assert told["spec_sha256"] == worn.spec.sha256


def test_bundle_shows_itself_short_and_escaped(bundle):
    assert len(repr(bundle)) < 300
    assert "tour.mlpackage" in repr(bundle)
    page = replace(bundle, packages={"": Path("<script>x</script>.mlpackage")})._repr_html_()
    assert "<script>" not in page
    assert "Not run:" in page
    assert "Core ML on Apple hardware" in page


def test_cost_counts(bundle, worn):
    net = summary(worn.model, samples=100)
    assert (bundle.cost.parameters, bundle.cost.macs_per_window) == (net.parameters, net.macs)
    assert bundle.cost.decisions_per_s == 2.5
    assert bundle.cost.macs_per_hour == net.macs * 9000
    weights = bundle.mlpackage / "Data/com.apple.CoreML/weights/weight.bin"
    assert bundle.cost.weight_bytes == weights.stat().st_size < bundle.cost.package_bytes < 100_000


def test_export_leaves_the_model_alone(worn, tmp_path):
    before = weights_sha256(worn.model)
    export(worn, tmp_path / "b", recordings=recording())
    assert weights_sha256(worn.model) == before
    assert not worn.model.training


def test_folder_names_that_are_no_swift_class_give_detector(worn, tmp_path):
    assert (
        export(worn, tmp_path / "2 fast", recordings=recording(), precision="float32").mlpackage.name
        == "detector.mlpackage"
    )


def test_same_detector_gives_the_same_program(worn, packages, tmp_path):
    again = convert(worn, tmp_path / "again.mlpackage", target="watchOS10", precision="float16")
    assert program_sha256(again) == program_sha256(packages["float16"]) != program_sha256(packages["float32"])


def test_a_bundle_is_replaced_and_files_of_others_stay(worn, tmp_path):
    folder = tmp_path / "tour"
    export(worn, folder, recordings=recording())
    (folder / "notes.txt").write_text("mine")
    (folder / "golden" / "more.txt").write_text("mine, too")
    other = detector(seed=1, epochs=2)
    made = export(other, folder, precision="float32", recordings=recording())
    assert (folder / "notes.txt").read_text() == "mine"
    assert (folder / "golden" / "more.txt").read_text() == "mine, too"
    assert json.loads(made.report.read_text())["weights_sha256"] == weights_sha256(other.model)
    assert [one.name for one in tmp_path.iterdir()] == ["tour"]


def test_a_folder_of_others_is_refused_untouched(worn, tmp_path):
    (tmp_path / "report.json").write_text('{"format": "something else"}')
    with pytest.raises(RecordingError, match="not a bundle") as caught:
        export(worn, tmp_path)
    assert caught.value.code == "exists"
    assert [one.name for one in tmp_path.iterdir()] == ["report.json"]
    with pytest.raises(RecordingError, match="not a folder"):
        export(worn, tmp_path / "report.json")


def test_a_file_that_somebody_edited_is_not_written_over(worn, bundle, tmp_path):
    folder = shutil.copytree(bundle.report.parent, tmp_path / "tour")
    (folder / "MODEL_CARD.md").write_text("my own words")
    before = hashes_under(folder)
    with pytest.raises(RecordingError, match=r"1 of its files were changed .*MODEL_CARD\.md") as caught:
        export(worn, folder, recordings=recording())
    assert caught.value.code == "exists"
    assert hashes_under(folder) == before
    assert [one.name for one in tmp_path.iterdir()] == ["tour"]


def filled(folder, *names):
    with replacing(folder) as new:
        for name in names:
            (new / name).write_text("new")


def test_a_file_where_a_new_bundle_has_one_is_not_written_over(tmp_path):
    folder = tmp_path / "tour"
    folder.mkdir()
    (folder / "report.json").write_text(json.dumps({"format": MARKER, "files": ["report.json", "old.txt"]}))
    for name in ("old.txt", "mine.txt"):
        (folder / name).write_text(name)
    with pytest.raises(RecordingError, match=r"files of the same names as others .*: mine\.txt"):
        filled(folder, "report.json", "mine.txt")
    assert sorted(one.name for one in folder.iterdir()) == ["mine.txt", "old.txt", "report.json"]
    assert (folder / "mine.txt").read_text() == "mine.txt"
    filled(folder, "report.json")
    assert {one.name: one.read_text() for one in folder.iterdir()} == {"mine.txt": "mine.txt", "report.json": "new"}
    assert [one.name for one in tmp_path.iterdir()] == ["tour"]


def test_a_crash_leaves_the_old_bundle(worn, tmp_path, monkeypatch):
    old = export(worn, tmp_path / "tour", recordings=recording()).report.read_bytes()

    def crash(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setitem(export.__globals__, "cost", crash)
    for name in ("tour", "new"):
        with pytest.raises(KeyboardInterrupt):
            export(worn, tmp_path / name, recordings=recording())
    assert (tmp_path / "tour" / "report.json").read_bytes() == old
    assert [one.name for one in tmp_path.iterdir()] == ["tour"]


def test_a_failed_row_raises_after_the_report_was_written(worn, tmp_path, monkeypatch):
    monkeypatch.setitem(parity.__globals__, "EXACT_BOUND", -1.0)
    with pytest.raises(ParityError, match="MIL float32, probabilities") as caught:
        export(worn, tmp_path / "b", recordings=[recording()])
    report = json.loads((tmp_path / "b" / "report.json").read_text())
    failed = [row["check"] for row in report["parity"] if row["status"] == "failed"]
    assert failed == ["MIL float32, probabilities", "MIL float32, logits"]
    assert status(caught.value.parity)["shipped float16, probabilities"] == "passed"


# What is refused


@pytest.mark.parametrize(
    ("arguments", "valid"),
    [
        ({"target": "watchOS99"}, ", ".join(TARGETS)),
        ({"precision": "int4"}, "float16, float32, int8"),
        ({"interface": "createml"}, "window"),
    ],
)
def test_unknown_arguments_list_the_valid_ones(worn, tmp_path, arguments, valid):
    with pytest.raises(ValueError, match=valid):
        export(worn, tmp_path / "b", **arguments)
    assert not list(tmp_path.iterdir())


class Recurrent(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.layer, self.head = kind(3, 8, batch_first=True), nn.Linear(8, 3)

    def forward(self, x):
        return self.head(self.layer(x.transpose(1, 2))[0][:, -1])


class Branching(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(60, 3)

    def forward(self, x):
        x = self.head(x.flatten(1))
        return -x if float(x.abs().max()) > 2 else x


@pytest.mark.parametrize(
    ("net", "reason"),
    [
        (Recurrent(nn.GRU), "layer: a GRU becomes a loop"),
        (Recurrent(nn.LSTM), "Neural Engine"),
        (Branching(), "must not branch"),
        (nn.Sequential(nn.Flatten(), nn.Linear(60, 2)), r"gives \(1, 2\)"),
    ],
)
def test_unfit_nets_are_refused_by_name(net, reason, tmp_path):
    with pytest.raises(ValueError, match=reason):
        export(of_net(net), tmp_path / "b")
    assert not list(tmp_path.iterdir())


def test_train_mode_and_weights_that_are_not_finite_are_refused_together(tmp_path):
    unfit = detector(epochs=1)
    with torch.no_grad():
        unfit.model.head.bias[1] = torch.nan
    unfit.model.blocks.train()
    with pytest.raises(ValueError, match=r"blocks is in train mode.*head\.bias holds numbers that are not finite"):
        export(unfit, tmp_path / "b")


def test_recordings_without_a_window_are_refused(worn, tmp_path):
    with pytest.raises(ValueError, match="no complete window"):
        export(worn, tmp_path / "b", recordings=[recording(bouts=1, bout_s=1)])


# Parity: what it passes and what it catches


@pytest.mark.parametrize(
    "made",
    [
        {"samples": 8, "hop": 1},
        {"samples": 64, "hop": 16},
        {"samples": 400, "hop": 100},
        {"sources": PRESSURE, "offset": 101.3, "spread": 0.02},
        {"sources": (Source("ppg", ("green",), "1", 0.1),), "offset": 2e5, "spread": 500},
    ],
    ids=["8", "64", "400", "pressure", "ppg"],
)
def test_any_shape_and_offset_agrees_on_noise_as_well(made, tmp_path):
    one = detector(**made, epochs=10)
    exact, shipped = (
        load_mlpackage(convert(one, tmp_path / f"{precision}.mlpackage", target="watchOS11", precision=precision))
        for precision in ("float32", "float16")
    )
    held = trial_windows(one, None)
    assert "no recording" in held.source
    few = held._replace(values=held.values[:100])
    table = parity(one, exact=exact, shipped=shipped, precision="float16", trial=few)
    rows = status(table)
    assert rows.pop("shipped float16, events") == "not run"
    assert set(rows.values()) == {"passed"}
    assert measured(table)["MIL float32, logits"] <= 2e-6


def test_without_recordings_bundle_says_so(worn, tmp_path):
    made = export(worn, tmp_path / "b", precision="float32")
    assert {"shipped float32, events", "Python push, events", "Core ML on Apple hardware"} <= set(made.not_run)
    assert "no recording" in json.loads(made.report.read_text())["trial"]


def table_of(worn, exact, shipped):
    return parity(
        worn,
        exact=load_mlpackage(exact),
        shipped=load_mlpackage(shipped),
        precision="float16",
        trial=trial_windows(worn, [recording()]),
    )


def test_flipped_exponent_bit_of_one_weight_is_caught(worn, packages, tmp_path):
    data = weight_file(packages["float16"]).read_bytes()
    weights = [record for record in records(data) if record[1] == 1]
    assert len(weights) >= 10
    for number, (_, _, _, start) in enumerate(weights[::4]):
        broken = shutil.copytree(packages["float16"], tmp_path / f"{number}.mlpackage")
        flipped = bytearray(data)
        flipped[start + 1] ^= 0x40
        weight_file(broken).write_bytes(flipped)
        table = table_of(worn, packages["float32"], broken)
        assert status(table)["shipped float16, probabilities"] == "failed"
        assert status(table)["file as written"] == "failed"
        with pytest.raises(ParityError, match="shipped float16"):
            raise_failed(table)


def test_swapped_labels_are_caught(worn, packages, tmp_path):
    def swap(model, operations):
        labels = operations[-1].inputs["classes"].arguments[0].value.immediateValue.list.values
        first, second = (one.immediateValue.tensor.strings.values for one in labels[:2])
        first[0], second[0] = second[0], first[0]

    table = table_of(worn, packages["float32"], edited(packages["float16"], tmp_path, swap))
    assert measured(table)["labels and their order"] == 2
    assert status(table)["labels and their order"] == "failed"
    assert status(table)["shipped float16, decisions"] == "failed"


def test_changed_constant_is_caught(worn, packages, tmp_path):
    def change(model, operations):
        softmax = next(one for one in operations if one.type == "softmax")
        axis = softmax.inputs["axis"].arguments[0].name
        constant = next(one for one in operations if one.outputs[0].name == axis)
        constant.attributes["val"].immediateValue.tensor.ints.values[0] = 0

    table = table_of(worn, edited(packages["float32"], tmp_path, change), packages["float16"])
    assert status(table)["MIL float32, probabilities"] == "failed"
    assert status(table)["MIL float32, logits"] == "passed"


def test_small_change_of_meaning_hides_in_float16_and_shows_in_float32(worn, packages, tmp_path):
    other = detector()
    for layer in other.model.modules():
        if isinstance(layer, nn.BatchNorm1d):
            layer.eps = 3e-5
    exact = convert(other, tmp_path / "x.mlpackage", target="watchOS10", precision="float32")
    shipped = convert(other, tmp_path / "s.mlpackage", target="watchOS10", precision="float16")
    table = table_of(worn, exact, shipped)
    assert status(table)["shipped float16, probabilities"] == "passed"
    assert status(table)["MIL float32, logits"] == "failed"


class Overflowing(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.head = nn.Conv1d(3, 3, 5), nn.Linear(3, 3)

    def forward(self, x):
        x = self.stem(x)
        return self.head(torch.log((x * x).sum(-1) + 1e-3))


def heard_loud():
    """The loudest that a wrist can give."""
    noise = np.sign(np.random.default_rng(0).standard_normal((500, 3))) * 199
    return Recording.of([Stream.measured("accel", np.arange(500) / 50, noise)])


def loud():
    torch.manual_seed(0)
    return of_net(Overflowing())


def test_overflow_of_float16_is_caught(tmp_path):
    one, held = loud(), heard_loud()
    exact, shipped = (
        load_mlpackage(convert(one, tmp_path / f"{precision}.mlpackage", target="watchOS10", precision=precision))
        for precision in ("float32", "float16")
    )
    table = parity(one, exact=exact, shipped=shipped, precision="float16", trial=trial_windows(one, [held]))
    assert measured(table)["shipped float16, range"] == np.inf
    assert status(table)["shipped float16, range"] == "failed"


def test_what_float16_cannot_hold_stays_in_float32_and_is_named(tmp_path):
    made = export(loud(), tmp_path / "b", recordings=heard_loud())
    found = made.preflight.set_index("check").loc["float16 range"]
    assert found["status"] == "warning"
    assert "reaches" in found["note"]
    largest = made.ranges.set_index("tensor")["largest"]
    assert largest.max() > 65504
    assert set(largest.index[largest * 8 > 65504]) <= set(found["where"].split(", "))
    package = load_mlpackage(made.mlpackage)
    kinds = {name: kind for one in package.operations for name, kind, _ in one.results}
    assert {kinds[name] for name in found["where"].split(", ") if name in kinds} == {"fp32"}
    assert "failed" not in set(made.parity["status"])


def test_a_wrong_normalisation_constant_is_caught_by_name(worn, packages, tmp_path):
    other = detector()
    with torch.no_grad():
        other.model.normalise.scale[2] *= 1.001
    wrong = convert(other, tmp_path / "wrong.mlpackage", target="watchOS10", precision="float16")
    table = table_of(worn, packages["float32"], wrong)
    assert status(table)["normalisation constants"] == "failed"
    assert measured(table)["normalisation constants"] == pytest.approx(1e-3, rel=0.01)
    assert status(table)["file as written"] == "passed"


def test_other_conditioning_in_the_metadata_is_caught_by_name(worn, packages, tmp_path):
    def change(model, _):
        model.description.metadata.userDefined["rate_hz"] = "100.0"

    table = table_of(worn, packages["float32"], edited(packages["float16"], tmp_path, change))
    notes = dict(zip(table["check"], table["note"], strict=True))
    assert status(table)["metadata"] == "failed"
    assert "rate_hz" in notes["metadata"]
    assert status(table)["file as written"] == "passed"  # the description is no part of the program


def test_a_bit_that_no_answer_shows_is_caught_by_the_hash(worn, bundle, tmp_path):
    folder = shutil.copytree(bundle.report.parent, tmp_path / "copied")
    assert verify(folder).empty
    package = folder / "tour.mlpackage"
    data = bytearray(weight_file(package).read_bytes())
    data[max(records(data), key=lambda one: one[2])[3]] ^= 1  # the last bit of one weight
    weight_file(package).write_bytes(data)
    table = table_of(worn, package, package)
    assert status(table)["file as written"] == "failed"
    assert list(verify(folder).itertuples(index=False)) == [
        ("file as written", "tour.mlpackage/Data/com.apple.CoreML/weights/weight.bin", "altered")
    ]


def test_operations_go_back_to_float32_until_the_bound_is_kept_with_room(worn, packages, tmp_path):
    values = trial_windows(worn, [recording()]).values
    wanted = worn.probabilities(values).astype(np.float64)
    half = load_mlpackage(packages["float16"])
    worst = np.abs(answers(half, values).probabilities - wanted).max()
    exact = load_mlpackage(packages["float32"])
    assert kept_wide(half, exact, values, wanted, bound=1.05 * worst / SHARE) == frozenset()
    kept = kept_wide(half, exact, values, wanted, bound=worst)
    path = convert(worn, tmp_path / "w.mlpackage", target="watchOS10", precision="float16", kept_float32=kept)
    wide = load_mlpackage(path)
    kinds = {name: kind for one in wide.operations for name, kind, _ in one.results}
    assert kept
    assert {kinds[name] for name in kept if name in kinds} == {"fp32"}
    assert np.abs(answers(wide, values).probabilities - wanted).max() <= (SHARE + 0.1) * worst


def test_events_that_differ_are_counted(worn, packages):
    held = trial_windows(worn, [recording()])
    assert len(held.scores) == 1
    moved = [replace(one, values=one.values[:, [1, 0, 2]]) for one in held.scores]
    table = parity(
        worn,
        exact=load_mlpackage(packages["float32"]),
        shipped=load_mlpackage(packages["float16"]),
        precision="float16",
        trial=held._replace(scores=tuple(moved)),
    )
    assert measured(table)["shipped float16, events"] > 0
    assert status(table)["shipped float16, events"] == "failed"


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_gives_float32_input(worn, target, tmp_path):
    package = load_mlpackage(convert(worn, tmp_path / "t.mlpackage", target=target, precision="float16"))
    assert package.inputs["window"].type == "fp32"
    window = recording().accel.values[:100].T
    both = np.concatenate([window, window])[None]
    answer = package.predict({"window": both})["probabilities"]
    assert [answer[name] for name in CLASSES] == pytest.approx(worn.probabilities(both)[0], abs=2e-3)


# Quiet


def test_reading_a_package_says_nothing_and_leaves_logging_alone(packages):
    before = (logging.getLogger().level, logging.getLogger("coremltools").level)
    code = (
        "import sys, logging; from wristkit.export import load_mlpackage; "
        "package = load_mlpackage(sys.argv[1]); "
        "assert logging.getLogger().level == logging.WARNING and not logging.getLogger().handlers; "
        "assert logging.getLogger('coremltools').level == logging.NOTSET"
    )
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, str(packages["float16"])],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
    assert (logging.getLogger().level, logging.getLogger("coremltools").level) == before


def test_converting_says_nothing(worn, tmp_path, capfd, caplog):
    with caplog.at_level(logging.WARNING):
        convert(worn, tmp_path / "quiet.mlpackage", target="watchOS10", precision="float16")
    assert capfd.readouterr() == ("", "")
    assert not caplog.records
