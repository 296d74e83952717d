"""The way through on real recordings: a watch on twelve wrists (SP-SW-HAR, CC BY 4.0), found by WRISTKIT_DATA."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from wristkit.events import event_table
from wristkit.recording import Recording, Stream, label_table
from wristkit.train import macro_f1, quick_train
from wristkit.windows import Windows, windows

pytestmark = pytest.mark.real_data

STANDARD_GRAVITY = 9.80665


def read_watch(path: Path) -> Recording:
    """One recording; rows whose stamp repeats are left out, since integer milliseconds cannot tell them apart."""
    table = pd.read_csv(path).drop_duplicates("timestamp")
    time_s = (table["timestamp"] - table["timestamp"].iloc[0]).to_numpy() / 1e3
    accel = -table[["x_acc", "y_acc", "z_acc"]].to_numpy() / STANDARD_GRAVITY  # to Core Motion's sign and unit
    gyro = table[["x_gyro", "y_gyro", "z_gyro"]].to_numpy()
    names = table["label"].str.lower().to_numpy()
    first = np.flatnonzero(np.append([True], names[1:] != names[:-1]))
    stop_s = np.append(time_s[first[1:]], time_s[-1])
    return Recording.of(
        [Stream.measured("accel", time_s, accel), Stream.measured("gyro", time_s, gyro)],
        labels=label_table([(time_s[a], b, names[a], "truth", "authors") for a, b in zip(first, stop_s, strict=True)]),
        labelled={"truth": [(0.0, time_s[-1])]},
        subject=path.parent.name,
    )


@pytest.fixture(scope="module")
def watches(real_data: Path) -> list[Recording]:
    return [read_watch(path) for path in sorted((real_data / "spsw").glob("s*/*_sw.csv.gz"))]


@pytest.fixture(scope="module")
def cut(watches: list[Recording]) -> Windows:
    return windows(watches, streams=("accel", "gyro"), rate_hz=50, length_s=1.0, hop_s=0.2)


def test_the_rate_is_measured_and_not_the_nominal_one(watches: list[Recording]) -> None:
    rates = np.array([one.accel.rate_hz for one in watches])
    assert len(watches) == 115
    assert ((rates > 103) & (rates < 104.5)).all()


def test_a_net_holds_for_people_it_has_never_seen(watches: list[Recording], cut: Windows) -> None:
    fit = quick_train(cut, epochs=12)
    seen = np.isin(cut.subjects.astype(str), fit.split.train + fit.split.stop)
    most_common = pd.Series(cut.labels[seen]).mode()[0]
    truth = fit.held_out["truth"]
    assert fit.macro_f1 > 0.7
    assert fit.macro_f1 > macro_f1(truth, np.full(len(truth), most_common)) + 0.4
    assert not any("simulated" in note for note in fit.notes)
    unseen = [one for one in watches if one.subject in fit.held_out_subjects]
    report = fit.detector().evaluate(unseen)
    assert report.recall > 0.7
    assert report.simulated_hours == 0
    assert report.hours * 3600 == pytest.approx(sum(one.stop_s for one in unseen), rel=0.02)


def test_packets_of_a_real_watch_give_the_events_of_its_recording(watches: list[Recording], cut: Windows) -> None:
    detector = quick_train(cut, epochs=2).detector()
    for recording in watches[::23]:
        updates = []
        for start_s in np.arange(-0.1, recording.stop_s + 1, 0.37):
            part = {name: one.between(start_s, start_s + 0.37) for name, one in recording.streams.items()}
            updates += detector.push({name: (one.time, one.values) for name, one in part.items()})
        updates += detector.flush()
        pushed = event_table(update.event for update in updates if update.final)
        whole = detector.detect(recording)
        exact = ["start_s", "stop_s", "label", "decided_s"]
        pd.testing.assert_frame_equal(pushed[exact], whole[exact], check_exact=True)
        np.testing.assert_allclose(pushed["score"], whole["score"], rtol=0, atol=1e-6)
