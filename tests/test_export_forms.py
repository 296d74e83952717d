"""The three interfaces, and what is refused before anything is converted."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from tests.exporting import CLASSES, converted, measured, of_net, recording
from wristkit.export import export, load_mlpackage, native, neural_engine, preflight
from wristkit.export.incremental import Incremental, first_samples, why_not_incremental
from wristkit.export.packaged import answers, chunks_of, spec_of
from wristkit.export.parity import trial_windows
from wristkit.export.stage import written
from wristkit.models import build


@pytest.fixture(autouse=True)
def no_compiler(monkeypatch):
    """C++ is compiled in the tests of C++; here it would only take time."""
    monkeypatch.setattr(native, "compiler", lambda: None)


@pytest.mark.parametrize("target", ["watchOS10", "watchOS26"])
@pytest.mark.parametrize(
    ("interface", "precision"),
    [("streaming", "float32"), ("streaming", "float16"), ("streaming", "int8"), ("activity_classifier", "float32")],
)
def test_a_package_with_a_state_says_what_its_windows_say(worn, interface, precision, target, tmp_path):
    if target == "watchOS26" and precision != "int8":
        pytest.skip("one precision shows that the newest target takes it")
    path = converted(worn, tmp_path / "s.mlpackage", target=target, precision=precision, interface=interface)
    package = load_mlpackage(path)
    values = worn.condition(recording()).values[:40]
    bound = {"float32": 1e-5, "float16": 2e-3, "int8": 5e-3}[precision]
    assert answers(package, values).probabilities == pytest.approx(worn.probabilities(values), abs=bound)
    # windows that do not follow one another start anew
    mixed = values[[0, 1, 2, 9, 5]]
    assert answers(package, mixed).probabilities == pytest.approx(worn.probabilities(mixed), abs=bound)


def test_streaming_takes_the_newest_samples_and_tells_how_to_begin(worn, tmp_path):
    made = export(worn, tmp_path / "s", interface="streaming", recordings=recording())
    assert "failed" not in set(made.parity["status"])
    package = load_mlpackage(made.mlpackage)
    told = package.metadata
    size = int(told["state_size"])
    assert dict(package.inputs) == {"samples": ("fp32", (1, 6, 20)), "stateIn": ("fp32", (1, size))}
    assert set(package.outputs) == {"probabilities", "stateOut"}
    assert json.loads(told["classes"]) == list(CLASSES)
    assert (told["warm_up_predictions"], told["first_samples"], told["prediction_window"]) == ("4", "20", "20")
    window, state = worn.condition(recording()).values[0], np.zeros((1, size), dtype=np.float32)
    for chunk in chunks_of(window, 20):
        said = package.predict({"samples": chunk[None], "stateIn": state})
        state = said["stateOut"]
    assert said["probabilities"][0] == pytest.approx(worn.probabilities(window[None])[0], abs=2e-3)
    assert spec_of(package).decoder == worn.spec.decoder


def test_activity_classifier_has_the_features_of_create_ml(worn, tmp_path):
    made = export(worn, tmp_path / "a", interface="activity_classifier", recordings=recording())
    package = load_mlpackage(made.mlpackage)
    rows = dict.fromkeys(worn.spec.conditioning.channels, ("fp32", (20,)))
    assert dict(package.inputs) == {**rows, "stateIn": ("fp32", (6 * 80,))}
    assert {name: one.type for name, one in package.outputs.items()} == {
        "label": "string",
        "labelProbability": "dictionary",
        "stateOut": "fp32",
    }
    assert {kind for one in package.operations for _, kind, _ in one.results} <= {
        "fp32",
        "string",
        "dictionary",
        "int32",
    }
    assert json.loads(made.report.read_text())["precision"] == "float32"
    found = made.preflight.set_index("check").loc["precision"]
    assert found["status"] == "warning"
    assert measured(made.parity)["shipped float32, probabilities"] <= 1e-5
    assert not neural_engine(package)["eligible"].any()


@pytest.mark.parametrize(("samples", "hop"), [(100, 20), (64, 16), (100, 28), (40, 40), (9, 1), (50, 64)])
@pytest.mark.parametrize("name", ["tcn", "cnn", "branches"])
def test_the_newest_samples_alone_give_what_windows_give(name, samples, hop):
    torch.manual_seed(samples)
    channels = ("accel_x", "accel_y", "mel_0", "mel_1", "mel_2")
    net = build(name, channels=channels, classes=CLASSES, samples=samples, hop=hop, width=8).eval()
    assert why_not_incremental(net, channels=5, samples=samples, hop=hop) == ()
    one = Incremental(net, channels=5, samples=samples, hop=hop)
    signal, state = torch.randn(1, 5, samples + 12 * hop), torch.zeros(1, max(1, one.state_size))
    lead = first_samples(samples, hop)
    padded = torch.cat([torch.zeros(1, 5, hop - lead), signal], dim=-1)
    compared = 0
    with torch.no_grad():
        for place in range(0, padded.shape[-1] - hop + 1, hop):
            logits, state = one(padded[..., place : place + hop], state)
            stop = place + lead
            if stop >= samples:
                torch.testing.assert_close(logits, net(signal[..., stop - samples : stop]), rtol=0, atol=1e-5)
                compared += 1
    assert compared >= 6


class Looking(nn.Module):
    """Something in its forward looks across time, and no layer shows it."""

    def __init__(self):
        super().__init__()
        self.stem, self.head = nn.Conv1d(3, 4, 5), nn.Linear(4, 3)

    def forward(self, x):
        x = self.stem(x)
        return self.head((x - x[..., :1]).mean(-1))


class Padded(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.head = nn.Conv1d(3, 4, 5, padding="same"), nn.Linear(4, 3)

    def forward(self, x):
        return self.head(self.stem(x).mean(-1))


class Unwalkable(Padded):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv1d(3, 4, 5)

    def forward(self, x):
        return self.head(self.stem(x).mean(-1)) if bool(x.sum() > 1e9) else self.head(self.stem(x).mean(-1)) * 1


@pytest.mark.parametrize(
    ("net", "reason"),
    [
        (Padded(), "stem: padding 'same' lets the window's edges see zeros"),
        (Looking(), "streamed it is off by"),
        (Unwalkable(), "its forward cannot be walked"),
        (nn.Sequential(nn.Conv1d(3, 4, 5), nn.Flatten(), nn.Linear(64, 3)), "cannot be walked|is off by"),
    ],
)
def test_what_cannot_stream_is_refused_by_name_and_exports_by_window(net, reason, tmp_path):
    torch.manual_seed(0)
    one = of_net(net)
    with pytest.raises(ValueError, match=reason):
        export(one, tmp_path / "s", interface="streaming")
    assert not list(tmp_path.iterdir())
    if not isinstance(net, Unwalkable):
        assert "failed" not in set(export(one, tmp_path / "w", precision="float32").parity["status"])


# Before a conversion


def refusals(one, **asked):
    table = preflight(one, **asked)
    return dict(table.loc[table["status"] == "refused", ["check", "note"]].itertuples(index=False))


def test_preflight_names_each_check_once_where_nothing_is_wrong(worn):
    table = preflight(worn, interface="streaming")
    assert set(table["status"]) == {"passed"}
    assert list(table["check"]) == [
        *("evaluation mode", "finite weights", "recurrent layers", "long strided convolutions", "class names"),
        *("precision", "shape of the answer", "streamable"),
    ]


def test_long_strided_convolutions_are_refused_in_float16_alone():
    net = nn.Sequential(nn.Conv1d(3, 2, 6, stride=6), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(2, 3))
    long = of_net(net, samples=18_001)
    assert "hung on such" in refusals(long)["long strided convolutions"]
    assert refusals(long, precision="float32") == {}
    table = preflight(long, precision="float32").set_index("check")
    assert table.loc["long strided convolutions", "status"] == "warning"
    assert refusals(of_net(net, samples=600)) == {}


def test_int8_is_refused_where_it_cannot_be(worn):
    assert "need watchOS9" in refusals(worn, precision="int8", target="watchOS8")["precision"]
    assert "computes in float32" in refusals(worn, precision="int8", interface="activity_classifier")["precision"]


def test_windows_side_by_side_are_those_in_turn(worn, tmp_path):
    values = trial_windows(worn, [recording()]).values[:12]
    for interface in ("streaming", "activity_classifier"):
        path = converted(worn, tmp_path / f"{interface}.mlpackage", precision="float32", interface=interface)
        package = load_mlpackage(path)
        turned, alone = (answers(package, values, in_turn=one) for one in (True, False))
        np.testing.assert_allclose(alone.probabilities, turned.probabilities, rtol=0, atol=1e-6)
        assert alone.decisions == turned.decisions


def test_a_package_with_a_state_is_judged_on_harder_windows_too(worn, tmp_path, monkeypatch):
    seen = []

    def kept(half, exact, values, wanted, **_):
        seen.append(len(values))
        return frozenset()

    monkeypatch.setitem(written.__globals__, "kept_wide", kept)
    export(worn, tmp_path / "s", interface="streaming", recordings=recording())
    assert seen[0] > 1000


@pytest.mark.parametrize(
    "net", [nn.Sequential(nn.Flatten(), nn.Linear(60, 3)).double(), nn.Sequential(nn.Conv1d(3, 3, 2, dilation=99))]
)
def test_a_net_that_cannot_take_its_window_is_refused_with_what_it_says(net, tmp_path):
    with pytest.raises(ValueError, match=r"cannot take a float32 window \(1, 3, 20\): \w+"):
        export(of_net(net.eval()), tmp_path / "b")
    assert not list(tmp_path.iterdir())
