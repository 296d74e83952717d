import json
import logging
import shutil
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from wristkit.condition import Conditioning, Frame, Resample, Source
from wristkit.detector import Detector, DetectorSpec
from wristkit.errors import NotThisFormatError, RecordingError, TruncatedError
from wristkit.events import EventDecoder
from wristkit.export import ParityError, export, load_mlpackage
from wristkit.export.bundle import GOLDEN_WINDOWS
from wristkit.export.coreml import PRECISIONS, TARGETS, convert, program_sha256
from wristkit.export.mlprogram import coremltools
from wristkit.export.operations import OPERATIONS
from wristkit.export.parity import parity, raise_failed, trial_windows
from wristkit.models import build, summary, weights_sha256
from wristkit.recording import Recording, Stream

CLASSES = ("none", "tap", "wash & <dry>")
MOTION = (Source("accel", ("x", "y", "z"), "g", 0.1), Source("gyro", ("x", "y", "z"), "rad/s", 0.1))
PRESSURE = (Source("pressure", ("pressure",), "kPa", 0.5),)


FREQUENCIES_HZ = (0.0, 1.0, 5.0)


def motion(labels, samples, channels, *, seed):
    """Return (n, channels, samples): noise, and for each class a swing of its own frequency."""
    random = np.random.default_rng(seed)
    phase = np.array(FREQUENCIES_HZ)[labels, None] * np.arange(samples) / 50 + random.random((len(labels), 1))
    swing = np.sin(2 * np.pi * phase)[:, None, :] * (0.5 + random.random((len(labels), 1, 1)))
    return swing + 0.3 * random.standard_normal((len(labels), channels, samples))


def detector(samples=100, hop=20, *, sources=MOTION, offset=0.0, spread=1.0, seed=0, epochs=40):
    """Return a net that was trained for a second."""
    torch.manual_seed(seed)
    conditioning = Conditioning(sources, (Frame(), Resample(50.0)))
    channels = conditioning.channels
    model = build("tcn", channels=channels, classes=CLASSES, samples=samples, hop=hop)
    labels = np.arange(96) % 3
    values = (motion(labels, samples, len(channels), seed=seed) * spread + offset).astype(np.float32)
    model.fit_normaliser(values)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(epochs):
        optimiser.zero_grad()
        nn.functional.cross_entropy(model(torch.from_numpy(values)), torch.from_numpy(labels)).backward()
        optimiser.step()
    spec = DetectorSpec(conditioning, samples, hop, CLASSES, EventDecoder(), model.architecture)
    return Detector(spec, model)


def of_net(net, *, samples=20, channels=("x", "y", "z")):
    """Return a detector around any net."""
    conditioning = Conditioning((Source("accel", channels, "g", 0.1),), (Frame(), Resample(50.0)))
    return Detector(DetectorSpec(conditioning, samples, 5, CLASSES, EventDecoder(), None), net)


def recording(bouts=4, bout_s=10, seed=7):
    """Return bouts of the classes in turn."""
    values = np.concatenate(list(motion(np.arange(bouts) % 3, bout_s * 50, 6, seed=seed)), axis=1).T
    time_s = np.arange(len(values)) / 50
    return Recording.of(
        [Stream.measured("accel", time_s, values[:, :3]), Stream.measured("gyro", time_s, values[:, 3:])]
    )


@pytest.fixture(scope="module")
def worn():
    return detector()


@pytest.fixture(scope="module")
def bundle(worn, tmp_path_factory):
    return export(worn, tmp_path_factory.mktemp("parent") / "tour", recordings=recording())


@pytest.fixture(scope="module")
def packages(worn, tmp_path_factory):
    folder = tmp_path_factory.mktemp("packages")
    return {
        precision: convert(worn, folder / f"{precision}.mlpackage", target="watchOS10", precision=precision)
        for precision in PRECISIONS
    }


def status(table):
    return dict(zip(table["check"], table["status"], strict=True))


def measured(table):
    return dict(zip(table["check"], table["measured"], strict=True))


# The bundle


def test_bundle_passes_on_a_recording_and_says_what_was_not_run(bundle):
    assert status(bundle.parity) == {
        "labels and their order": "passed",
        "MIL float32, probabilities": "passed",
        "MIL float32, logits": "passed",
        "shipped float16, probabilities": "passed",
        "shipped float16, decisions": "passed",
        "shipped float16, events": "passed",
        "shipped float16, range": "passed",
        "Core ML on Apple hardware": "not run",
    }
    assert measured(bundle.parity)["MIL float32, probabilities"] <= 1e-6
    assert 0 < measured(bundle.parity)["shipped float16, probabilities"] <= 2e-3
    assert bundle.not_run == ("Core ML on Apple hardware",)


def test_bundle_lies_where_it_says(bundle):
    folder = bundle.report.parent
    assert sorted(one.name for one in folder.iterdir()) == ["MODEL_CARD.md", "golden", "report.json", "tour.mlpackage"]
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
    page = replace(bundle, mlpackage=Path("<script>x</script>.mlpackage"))._repr_html_()
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
    monkeypatch.setitem(parity.__globals__["SHIPPED_BOUND"], "float16", 1e-9)
    with pytest.raises(ParityError, match="shipped float16, probabilities") as caught:
        export(worn, tmp_path / "b", recordings=[recording()])
    report = json.loads((tmp_path / "b" / "report.json").read_text())
    failed = [row["check"] for row in report["parity"] if row["status"] == "failed"]
    assert failed == ["shipped float16, probabilities"]
    assert status(caught.value.parity)["MIL float32, logits"] == "passed"


# What is refused


@pytest.mark.parametrize(
    ("arguments", "valid"),
    [
        ({"target": "watchOS99"}, ", ".join(TARGETS)),
        ({"precision": "int8"}, "float16, float32"),
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
    assert rows.pop("shipped float16, events") == rows.pop("Core ML on Apple hardware") == "not run"
    assert set(rows.values()) == {"passed"}
    assert measured(table)["MIL float32, logits"] <= 2e-6


def test_without_recordings_bundle_says_so(worn, tmp_path):
    made = export(worn, tmp_path / "b", precision="float32")
    assert made.not_run == ("shipped float32, events", "Core ML on Apple hardware")
    assert "no recording" in json.loads(made.report.read_text())["trial"]


def table_of(worn, exact, shipped):
    return parity(
        worn,
        exact=load_mlpackage(exact),
        shipped=load_mlpackage(shipped),
        precision="float16",
        trial=trial_windows(worn, [recording()]),
    )


def program_file(package):
    return package / "Data/com.apple.CoreML/model.mlmodel"


def edited(package, folder, edit):
    """Return a copy of a package whose program went through ``edit(model, operations)``."""
    copy = shutil.copytree(package, folder / "edited.mlpackage")
    model = coremltools().proto.Model_pb2.Model()
    model.ParseFromString(program_file(copy).read_bytes())
    edit(model, next(iter(model.mlProgram.functions["main"].block_specializations.values())).operations)
    program_file(copy).write_bytes(model.SerializeToString())
    return copy


def weight_file(package):
    return package / "Data/com.apple.CoreML/weights/weight.bin"


def records(data):
    """Yield (offset, type, bytes, start) of each record of a weight file."""
    for offset in range(0, len(data) - 24, 64):
        magic, kind, size, start = struct.unpack_from("<IIQQ", data, offset)
        if magic == 0xDEADBEEF:
            yield offset, kind, size, start


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


def test_overflow_of_float16_is_caught_and_float32_passes(tmp_path):
    torch.manual_seed(0)
    loud = of_net(Overflowing())
    time_s = np.arange(500) / 50
    noise = np.sign(np.random.default_rng(0).standard_normal((500, 3))) * 199  # the loudest that a wrist can give
    heard = Recording.of([Stream.measured("accel", time_s, noise)])
    with pytest.raises(ParityError, match="shipped float16, range"):
        export(loud, tmp_path / "b", recordings=heard)
    report = json.loads((tmp_path / "b" / "report.json").read_text())
    assert next(row["measured"] for row in report["parity"] if row["check"].endswith("range")) == "inf"
    assert "failed" not in set(export(loud, tmp_path / "c", recordings=heard, precision="float32").parity["status"])


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


# The executor: each operation against numpy, through a file that coremltools wrote

X = np.random.default_rng(0).standard_normal((2, 3, 10)).astype(np.float32)
Y = np.random.default_rng(1).standard_normal((2, 3, 10)).astype(np.float32) + 3
W = np.random.default_rng(2).standard_normal((6, 3, 3)).astype(np.float32)
DEPTHWISE = np.random.default_rng(3).standard_normal((3, 1, 3)).astype(np.float32)
SQUARE = np.random.default_rng(4).standard_normal((6, 3, 3, 2)).astype(np.float32)
DENSE = np.random.default_rng(5).standard_normal((4, 10)).astype(np.float32)
BIAS = np.random.default_rng(6).standard_normal(6).astype(np.float32)


def convolved(x, weight, *, bias=None, stride=1, dilation=1, groups=1, pad=(0, 0)):
    """Sums by definition, for one axis."""
    x = np.pad(x.astype(np.float64), ((0, 0), (0, 0), pad))
    out, per_group, kernel = weight.shape
    places = range(0, x.shape[2] - dilation * (kernel - 1), stride)
    result = np.zeros((len(x), out, len(places)))
    for o in range(out):
        group = o // (out // groups)
        for k, place in enumerate(places):
            taps = x[
                :, group * per_group : (group + 1) * per_group, place : place + dilation * (kernel - 1) + 1 : dilation
            ]
            result[:, o, k] = (taps * weight[o]).sum(axis=(1, 2)) + (0 if bias is None else bias[o])
    return result


def convolved_2d(x, weight, *, pad):
    x = np.pad(x.astype(np.float64), ((0, 0), (0, 0), pad[:2], pad[2:]))
    windows = np.lib.stride_tricks.sliding_window_view(x, weight.shape[2:], axis=(2, 3))
    return np.einsum("ncijkl,ockl->noij", windows, weight)


def softmax(x, axis):
    return np.exp(x) / np.exp(x).sum(axis=axis, keepdims=True)


def normed(x, mean, variance, *, gamma, beta, epsilon):
    mean, variance, gamma, beta = (np.array(one)[:, None] for one in (mean, variance, gamma, beta))
    return (x - mean) / np.sqrt(variance + epsilon) * gamma + beta


M, V, G, B = (np.array(one, dtype=np.float32) for one in ([0.1, 1, -1], [0.5, 2, 1], [1, 2, 0.5], [0, -1, 3]))

CASES = {
    "abs": (lambda mb, x: mb.abs(x=x), np.abs),
    "add": (lambda mb, x: mb.add(x=x, y=Y), lambda x: x + Y),
    "add broadcast": (lambda mb, x: mb.add(x=x, y=M[:, None]), lambda x: x + M[:, None]),
    "batch_norm": (
        lambda mb, x: mb.batch_norm(x=x, mean=M, variance=V, gamma=G, beta=B, epsilon=np.float32(0.1)),
        lambda x: normed(x, M, V, gamma=G, beta=B, epsilon=0.1),
    ),
    "cast": (
        lambda mb, x: mb.cast(x=mb.cast(x=mb.mul(x=x, y=np.float32(3)), dtype="int32"), dtype="fp32"),
        lambda x: np.trunc(np.float32(3) * x),
    ),
    "clip": (lambda mb, x: mb.clip(x=x, alpha=np.float32(-0.5), beta=np.float32(0.7)), lambda x: np.clip(x, -0.5, 0.7)),
    "concat": (lambda mb, x: mb.concat(values=[x, Y], axis=1), lambda x: np.concatenate([x, Y], axis=1)),
    "conv": (lambda mb, x: mb.conv(x=x, weight=W, bias=BIAS), lambda x: convolved(x, W, bias=BIAS)),
    "conv strided": (lambda mb, x: mb.conv(x=x, weight=W, strides=[2]), lambda x: convolved(x, W, stride=2)),
    "conv dilated": (
        lambda mb, x: mb.conv(x=x, weight=DEPTHWISE, groups=3, dilations=[4]),
        lambda x: convolved(x, DEPTHWISE, groups=3, dilation=4),
    ),
    "conv custom": (
        lambda mb, x: mb.conv(x=x, weight=W, pad_type="custom", pad=[3, 1]),
        lambda x: convolved(x, W, pad=(3, 1)),
    ),
    "conv same": (
        lambda mb, x: mb.conv(x=x, weight=W[:, :, :2], pad_type="same"),
        lambda x: convolved(x, W[:, :, :2], pad=(0, 1)),
    ),
    "conv same_lower": (
        lambda mb, x: mb.conv(x=x, weight=W[:, :, :2], pad_type="same_lower"),
        lambda x: convolved(x, W[:, :, :2], pad=(1, 0)),
    ),
    "conv 2d": (
        lambda mb, x: mb.conv(
            x=mb.reshape(x=x, shape=[2, 3, 5, 2]), weight=SQUARE, pad_type="custom", pad=[1, 0, 2, 1]
        ),
        lambda x: convolved_2d(x.reshape(2, 3, 5, 2), SQUARE, pad=(1, 0, 2, 1)),
    ),
    "exp": (lambda mb, x: mb.exp(x=x), np.exp),
    "expand_dims": (lambda mb, x: mb.expand_dims(x=x, axes=[0, -1]), lambda x: x[None, ..., None]),
    "identity": (lambda mb, x: mb.identity(x=x), lambda x: x),
    "linear": (lambda mb, x: mb.linear(x=x, weight=DENSE, bias=BIAS[:4]), lambda x: x @ DENSE.T + BIAS[:4]),
    "log": (lambda mb, x: mb.log(x=mb.abs(x=x), epsilon=np.float32(0.1)), lambda x: np.log(np.abs(x) + 0.1)),
    "matmul": (lambda mb, x: mb.matmul(x=x, y=Y, transpose_y=True), lambda x: x @ Y.transpose(0, 2, 1)),
    "matmul x": (lambda mb, x: mb.matmul(x=x, y=Y, transpose_x=True), lambda x: x.transpose(0, 2, 1) @ Y),
    "maximum": (lambda mb, x: mb.maximum(x=x, y=np.float32(0.2)), lambda x: np.maximum(x, 0.2)),
    "minimum": (lambda mb, x: mb.minimum(x=x, y=np.float32(0.2)), lambda x: np.minimum(x, 0.2)),
    "mul": (lambda mb, x: mb.mul(x=x, y=Y), lambda x: x * Y),
    "pow": (lambda mb, x: mb.pow(x=mb.abs(x=x), y=np.float32(1.7)), lambda x: np.abs(x) ** 1.7),
    "real_div": (lambda mb, x: mb.real_div(x=x, y=Y), lambda x: x / Y),
    "reduce_max": (lambda mb, x: mb.reduce_max(x=x, axes=[1]), lambda x: x.max(axis=1)),
    "reduce_mean": (
        lambda mb, x: mb.reduce_mean(x=x, axes=[-1], keep_dims=True),
        lambda x: x.mean(axis=-1, keepdims=True),
    ),
    "reduce_sum": (lambda mb, x: mb.reduce_sum(x=x, axes=[0, 2]), lambda x: x.sum(axis=(0, 2))),
    "relu": (lambda mb, x: mb.relu(x=x), lambda x: np.maximum(x, 0)),
    "relu6": (lambda mb, x: mb.relu6(x=mb.mul(x=x, y=np.float32(9))), lambda x: np.clip(9 * x, 0, 6)),
    "reshape": (lambda mb, x: mb.reshape(x=x, shape=[0, -1, 5]), lambda x: x.reshape(2, 6, 5)),
    "reshape flat": (lambda mb, x: mb.reshape(x=x, shape=[2, -1]), lambda x: x.reshape(2, 30)),
    "rsqrt": (
        lambda mb, x: mb.rsqrt(x=mb.abs(x=x), epsilon=np.float32(0.3)),
        lambda x: 1 / np.sqrt(np.abs(x) + 0.3),
    ),
    "sigmoid": (lambda mb, x: mb.sigmoid(x=x), lambda x: 1 / (1 + np.exp(-x))),
    "slice_by_index": (
        lambda mb, x: mb.slice_by_index(
            x=x,
            begin=[1, 0, 2],
            end=[2, 0, 9],
            stride=[1, 1, 3],
            end_mask=[False, True, False],
            squeeze_mask=[True, False, False],
        ),
        lambda x: x[1, :, 2:9:3],
    ),
    "slice_by_index last": (
        lambda mb, x: mb.slice_by_index(
            x=x, begin=[0, 0, -4], end=[0, 0, 0], begin_mask=[True, True, False], end_mask=[True, True, True]
        ),
        lambda x: x[:, :, -4:],
    ),
    "softmax": (lambda mb, x: mb.softmax(x=x, axis=1), lambda x: softmax(x, 1)),
    "sqrt": (lambda mb, x: mb.sqrt(x=mb.abs(x=x)), lambda x: np.sqrt(np.abs(x))),
    "square": (lambda mb, x: mb.square(x=x), np.square),
    "squeeze": (
        lambda mb, x: mb.squeeze(x=mb.expand_dims(x=x, axes=[1, 2]), axes=[2]),
        lambda x: x[:, None],
    ),
    "sub": (lambda mb, x: mb.sub(x=np.float32(2), y=x), lambda x: 2 - x),
    "tanh": (lambda mb, x: mb.tanh(x=x), np.tanh),
    "transpose": (lambda mb, x: mb.transpose(x=x, perm=[2, 0, 1]), lambda x: x.transpose(2, 0, 1)),
}


def test_every_operation_has_a_case():
    # classify is run by every bundle above
    assert {name.split()[0] for name in CASES} | {"classify"} == set(OPERATIONS)


def written(build_program, path, capsys):
    """Write a program of one float32 input ``x`` of X's shape, its operations kept as they are."""
    library = coremltools()
    from coremltools.converters.mil import Builder as mb  # noqa: N813  the library's own custom

    @mb.program(input_specs=[mb.TensorSpec(shape=X.shape)], opset_version=library.target.iOS17)
    def program(x):
        return mb.identity(x=build_program(mb, x), name="out")

    library.convert(
        program,
        convert_to="mlprogram",
        minimum_deployment_target=library.target.iOS17,
        pass_pipeline=library.PassPipeline.EMPTY,
        outputs=[library.TensorType("out", dtype=np.float32)],
        skip_model_load=True,
        package_dir=str(path),
    )
    capsys.readouterr()
    return path


@pytest.mark.filterwarnings("ignore:Implicitly cleaning up:ResourceWarning")
@pytest.mark.parametrize("case", CASES)
def test_operation_equals_numpy(case, tmp_path, capsys):
    build_program, oracle = CASES[case]
    package = load_mlpackage(written(build_program, tmp_path / "one.mlpackage", capsys))
    assert case.split()[0] in {one.type for one in package.operations}
    got = package.predict({"x": X})["out"]
    expected = oracle(X.astype(np.float64)) if case != "cast" else oracle(X)
    assert got.shape == expected.shape
    assert got == pytest.approx(expected, rel=2e-5, abs=2e-5)


@pytest.mark.filterwarnings("ignore:Implicitly cleaning up:ResourceWarning")
@pytest.mark.parametrize("operation", ["erf", "cumsum"])
def test_unknown_operation_is_named_with_its_result(operation, tmp_path, capsys):
    path = written(lambda mb, x: getattr(mb, operation)(x=x, name="odd_one"), tmp_path / "one.mlpackage", capsys)
    with pytest.raises(NotImplementedError, match=f"'{operation}' of result 'odd_one'"):
        load_mlpackage(path).predict({"x": X})


def test_observer_sees_every_array_rounded_to_its_declared_type(packages):
    seen = {}
    package = load_mlpackage(packages["float16"])
    window = recording().accel.values[:100].T
    package.predict(
        {"window": np.concatenate([window, window])[None]}, observer=lambda *one: seen.update({one[0]: one[1:]})
    )
    arrays = {name: kind for one in package.operations for name, kind, shape in one.results if kind.startswith("fp")}
    assert {name: kind for name, (_, kind) in seen.items()} == {"window": "fp32", **arrays}
    assert set(arrays.values()) == {"fp16", "fp32"}
    for tensor, kind in seen.values():
        if kind == "fp16":
            assert torch.equal(tensor, tensor.half().float())


def test_predict_refuses_other_names_and_shapes(packages):
    package = load_mlpackage(packages["float16"])
    with pytest.raises(ValueError, match=r"expected \['window'\]"):
        package.predict({"x": np.zeros((1, 6, 100))})
    with pytest.raises(ValueError, match=r"shape \(6, 100\), expected \(1, 6, 100\)"):
        package.predict({"window": np.zeros((6, 100))})
    with pytest.raises(ValueError, match="holds NaN"):
        package.predict({"window": np.full((1, 6, 100), np.nan)})


# Broken packages


def manifest(change):
    def damage(package):
        path = package / "Manifest.json"
        fields = json.loads(path.read_text())
        change(fields)
        path.write_text(json.dumps(fields))

    return damage


def root_path(value):
    return manifest(lambda fields: fields["itemInfoEntries"][fields["rootModelIdentifier"]].update(path=value))


def cut(select, size):
    return lambda package: select(package).write_bytes(select(package).read_bytes()[:size])


def patched(position, value):
    """Overwrite bytes of the second weight record's header."""

    def damage(package):
        data = bytearray(weight_file(package).read_bytes())
        offset = list(records(data))[1][0] + position
        data[offset : offset + len(value)] = value
        weight_file(package).write_bytes(data)

    return damage


def other_kind(package):
    model = coremltools().proto.Model_pb2.Model()
    model.neuralNetwork.SetInParent()
    program_file(package).write_bytes(model.SerializeToString())


def proto(edit):
    def damage(package):
        model = coremltools().proto.Model_pb2.Model()
        model.ParseFromString(program_file(package).read_bytes())
        edit(model, next(iter(model.mlProgram.functions["main"].block_specializations.values())).operations)
        program_file(package).write_bytes(model.SerializeToString())

    return damage


def blob_path(model, operations):
    for one in operations:
        if one.attributes["val"].WhichOneof("value") == "blobFileValue":
            one.attributes["val"].blobFileValue.fileName = "@model_path/../../../outside.bin"


def blob_offset(model, operations):
    for one in operations:
        if one.attributes["val"].WhichOneof("value") == "blobFileValue":
            one.attributes["val"].blobFileValue.offset = 2**40


def huge_shape(model, operations):
    for one in operations:
        if one.attributes["val"].WhichOneof("value") == "blobFileValue":
            one.attributes["val"].type.tensorType.dimensions[0].constant.size = 2**60


DAMAGES = {
    "no manifest": (lambda package: (package / "Manifest.json").unlink(), NotThisFormatError, "no Manifest"),
    "manifest is no JSON": (cut(lambda package: package / "Manifest.json", 40), NotThisFormatError, "name a model"),
    "manifest is a list": (
        lambda package: (package / "Manifest.json").write_text("[]"),
        NotThisFormatError,
        "name a model",
    ),
    "no root": (manifest(lambda fields: fields.pop("rootModelIdentifier")), NotThisFormatError, "name a model"),
    "path out of it": (root_path("../../../../etc/hostname"), RecordingError, "leads out"),
    "absolute path": (root_path("/etc/hostname"), RecordingError, "leads out"),
    "model is missing": (root_path("com.apple.CoreML/other.mlmodel"), RecordingError, "which is missing"),
    "model is cut": (cut(program_file, 1000), NotThisFormatError, "no Core ML model"),
    "model is noise": (lambda package: program_file(package).write_bytes(b"\xff" * 99), NotThisFormatError, "no Core"),
    "model is empty": (cut(program_file, 0), NotThisFormatError, "expected 'mlProgram'"),
    "neural network": (other_kind, NotThisFormatError, "expected 'mlProgram'"),
    "no function": (proto(lambda model, _: model.mlProgram.functions.clear()), RecordingError, "0 forms"),
    "no weights": (lambda package: weight_file(package).unlink(), RecordingError, "missing"),
    "weights are cut in a record": (cut(weight_file, 200), TruncatedError, "ends"),
    "weights are empty": (cut(weight_file, 0), TruncatedError, "before a record"),
    "wrong magic": (patched(0, b"\0\0"), RecordingError, "expected 0xdeadbeef"),
    "wrong type": (patched(4, b"\x04"), RecordingError, "is declared"),
    "wrong size": (patched(8, b"\x01\x00"), RecordingError, "is declared"),
    "weights start behind the end": (patched(16, b"\xff\xff\xff\xff"), TruncatedError, "inside a record"),
    "weights lead out": (proto(blob_path), RecordingError, "leads out"),
    "record behind the end": (proto(blob_offset), TruncatedError, "before a record"),
    "huge shape": (proto(huge_shape), RecordingError, "is declared"),
    "output is nobody's": (proto(lambda model, operations: operations.pop()), RecordingError, "no operation gives"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_broken_package_is_refused_with_a_remedy(damage, packages, tmp_path):
    package = shutil.copytree(packages["float16"], tmp_path / "broken.mlpackage")
    (tmp_path / "outside.bin").write_bytes(weight_file(package).read_bytes())
    break_it, kind, match = DAMAGES[damage]
    break_it(package)
    with pytest.raises(kind, match=match) as caught:
        load_mlpackage(package)
    assert caught.value.remedy


def rename_operand(model, operations):
    next(one for one in operations if one.type == "relu").inputs["x"].arguments[0].name = "nobody"


def declare_other_shape(model, operations):
    relu = next(one for one in operations if one.type == "relu")
    relu.outputs[0].type.tensorType.dimensions[2].constant.size = 7


def drop_label(model, operations):
    del operations[-1].inputs["classes"].arguments[0].value.immediateValue.list.values[0]


def other_groups(model, operations):
    conv = next(one for one in operations if one.type == "conv")
    name = conv.inputs["groups"].arguments[0].name
    constant = next(one for one in operations if one.outputs[0].name == name)
    constant.attributes["val"].immediateValue.tensor.ints.values[0] = 5


@pytest.mark.parametrize(
    ("edit", "match"),
    [
        (rename_operand, "'relu' of result .* cannot be run: KeyError: 'nobody'"),
        (declare_other_shape, "the file declares"),
        (drop_label, "2 labels for 3"),
        (other_groups, "'conv' of result .* cannot be run"),
    ],
)
def test_inconsistent_program_is_refused_when_it_runs(edit, match, packages, tmp_path):
    package = load_mlpackage(edited(packages["float16"], tmp_path, edit))
    with pytest.raises(RecordingError, match=match):
        package.predict({"window": np.zeros((1, 6, 100))})


def test_missing_package_is_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="not a folder"):
        load_mlpackage(tmp_path / "nothing.mlpackage")


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
