"""The catalogue of bad inputs to learning: the cases that no room tests by number; L1, L4, L6-L11, L13 are there."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import wristkit as wk
from wristkit.errors import RecordingError
from wristkit.recording import Recording, Stream, label_table
from wristkit.train import Fit
from wristkit.windows import Windows

SPAN_S, RATE_HZ = 60.0, 50.0
GRID = {"streams": ("accel",), "rate_hz": 25, "length_s": 2.0, "hop_s": 0.4}


def person(number: int) -> Recording:
    """Return somebody who is still and shakes the wrist by turns, six seconds each."""
    time_s = np.arange(0, SPAN_S, 1 / RATE_HZ)
    turn = (time_s // 6).astype(int)
    values = np.random.default_rng(number).normal(size=(len(time_s), 3)) * (0.05 + turn % 2)[:, None] * 0.4
    rows = [(6.0 * one, 6.0 * one + 6, ("still", "shake")[one % 2], "truth", "made") for one in range(10)]
    stream = Stream.measured("accel", time_s, values - np.array([0, 0, 1]))
    return Recording.of([stream], labels=label_table(rows), subject=f"p{number}", wrist="left", crown="right")


@pytest.fixture(scope="module")
def cut() -> Windows:
    return wk.windows([person(number) for number in range(4)], **GRID)


@pytest.fixture(scope="module")
def fit(cut: Windows) -> Fit:
    return wk.quick_train(cut, epochs=2)


def test_l2_labels_that_end_before_they_start_are_refused_with_their_rows() -> None:
    one = person(0)
    with pytest.raises(
        RecordingError, match=r"1 labels end before they start or have no time \(rows \[1\]\)"
    ) as caught:
        one.with_labels(label_table([(1, 2, "still", "truth", "me"), (9, 8, "shake", "truth", "me")]))
    assert (caught.value.code, caught.value.row) == ("label_times", 1)
    point = one.with_labels(label_table([(9, 9, "tap", "truth", "me")]))  # no length is a point, and stays one
    assert point.labels[["start_s", "stop_s"]].to_numpy().tolist() == [[9, 9]]


def test_l3_labels_outside_are_a_finding_and_all_outside_are_another_clock() -> None:
    one, inside, outside = person(0), (1, 2, "a", "truth", "me"), (500, 501, "a", "truth", "me")
    told = one.with_labels(label_table([inside, outside])).findings
    assert "1 of 2 labels" in told.loc[told["code"] == "label_outside", "note"].item()
    with pytest.raises(RecordingError) as caught:
        one.with_labels(label_table([outside]))
    assert caught.value.code == "label_outside"


def test_l5_a_window_half_inside_a_label_is_taken_by_a_policy_that_is_named(cut: Windows) -> None:
    half = cut.subset(cut.label_fraction < 1)
    assert 0.5 <= half.label_fraction.min() < 1
    assert (half.start_s % 6 > 4).all()  # where one activity follows another
    whole = wk.windows([person(number) for number in range(4)], **GRID, labels="whole")
    assert (whole.label_fraction == 1).all()
    assert whole.dropped["label covers too little"] == len(cut) - len(whole) == len(half)


def test_l12_what_is_no_windows_has_no_features(cut: Windows) -> None:
    frame = pd.DataFrame({"id": 0, "x": cut.values[0, 0], "y": cut.values[0, 1]})
    for wrong in (frame, cut.values):
        with pytest.raises(TypeError, match=r"expected Windows; make them with wristkit\.windows"):
            wk.features(wrong)


def test_l14_a_net_in_training_mode_says_what_it_would_say_else_and_nan_weights_are_refused(fit: Fit, tmp_path) -> None:
    detector, one = fit.detector(), person(7)
    wanted = detector.detect(one)
    fit.model.train()
    try:
        pd.testing.assert_frame_equal(detector.detect(one), wanted)
    finally:
        fit.model.eval()
    broken = wk.Detector.load(detector.save(tmp_path / "d"))
    next(iter(broken.model.parameters())).data.fill_(float("nan"))
    with pytest.raises((RecordingError, ValueError)):
        broken.detect(one)


def test_l15_other_units_and_rates_are_refused_and_channels_go_by_name(fit: Fit) -> None:
    detector, accel = fit.detector(), person(7).accel
    with pytest.raises(RecordingError, match="'m/s2', expected 'g'"):
        Stream.measured("accel", accel.time, accel.values, unit="m/s2")
    slow = Recording.of([Stream.measured("accel", accel.time[::9], accel.values[::9])])
    with pytest.raises(RecordingError, match="samples a second, expected at least") as caught:
        detector.detect(slow)
    assert caught.value.code == "rate_too_low"
    with pytest.raises(RecordingError, match="channels"):
        Stream.measured("accel", accel.time, accel.values[:, [2, 0, 1]], channels=("z", "x", "y"))


@pytest.mark.parametrize("change", [{"width": 8}, {"name": "cnn"}])
def test_l16_weights_of_another_net_are_refused(fit: Fit, tmp_path: Path, change: dict) -> None:
    folder = fit.detector().save(tmp_path / "d")
    header = json.loads((folder / "detector.json").read_text())
    header["spec"]["architecture"].update(change)
    header["spec_sha256"] = ""
    (folder / "detector.json").write_text(json.dumps(header))
    with pytest.raises(RecordingError) as caught:
        wk.Detector.load(folder)
    assert caught.value.code == "header"
