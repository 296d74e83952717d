"""The way through on real recordings: a watch on twelve wrists (SP-SW-HAR, CC BY 4.0), found by WRISTKIT_DATA."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from wristkit.datasets import recordings
from wristkit.events import event_table
from wristkit.recording import Recording
from wristkit.train import macro_f1, quick_train
from wristkit.windows import Windows, windows

pytestmark = pytest.mark.real_data


@pytest.fixture(scope="module")
def watches(real_data: Path) -> list[Recording]:
    return [one for one in recordings("spsw", real_data / "spsw") if one.source["device"] == "watch"]


@pytest.fixture(scope="module")
def cut(watches: list[Recording]) -> Windows:
    return windows(watches, streams=("accel", "gyro"), rate_hz=50, length_s=1.0, hop_s=0.2)


def test_the_rate_is_measured_and_not_the_nominal_one(watches: list[Recording]) -> None:
    rates = np.array([one.accel.rate_hz for one in watches])
    assert len(watches) == 115
    assert ((rates > 104) & (rates < 104.6)).all()  # every row kept; 103.7 Hz without those of repeated stamps


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
