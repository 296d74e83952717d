"""Activity on people it has not seen: windows and moments of SP-SW-HAR, each person left out once; CPU of a day."""

import time

import numpy as np
import pandas as pd
import pytest

from wristkit.evaluate import evaluate
from wristkit.recipes import activity, hours
from wristkit.recording import Recording, Stream
from wristkit.simulate import SensorParams
from wristkit.simulate.moving import active

pytestmark = [pytest.mark.benchmark, pytest.mark.real_data]


def shown(report, name, benchmark_row):
    """Add recall, precision and onset error of each moment between activities to the report."""
    hits = report.matches[report.matches["kind"] == "hit"]
    rows = report.by_class
    for label in (*activity.TRANSITIONS, "walking", "sitting"):
        onset_s = (hits["start_s"] - hits["true_start_s"])[hits["label"] == label].to_numpy(dtype=np.float64)
        late = f"onset {np.median(onset_s):+.2f} s, 90 % within {np.percentile(np.abs(onset_s), 90):.2f}"
        row = rows.loc[label]
        benchmark_row(
            f"activity, {name}, {label}",
            f"recall {row['recall']:.2f} of {row['hits'] + row['misses']}, precision {row['precision']:.2f}",
            late if len(onset_s) else "none",
        )
    return rows


def test_sp_sw_har_with_each_person_left_out(real_data, benchmark_row):
    everybody = [*activity.real("train", real_data), *activity.real("test", real_data)]
    found, scores = [], []
    for subject in sorted({one.subject for one in everybody}):
        others = [one for one in everybody if one.subject != subject]
        detector = activity.train(others, epochs=8).detector()
        own = [one for one in everybody if one.subject == subject]
        events = [detector.detect(one).assign(recording=one.id) for one in own]
        found += events
        cut = activity.windows_of(own)
        said = np.array(detector.spec.classes)[detector.probabilities(cut.values).argmax(axis=1)]
        scores.append(pd.DataFrame({"subject": subject, "truth": cut.labels, "said": said}))
    told = pd.concat(found, ignore_index=True)
    report = evaluate(told[["recording", *[name for name in told.columns if name != "recording"]]], everybody)
    shown(report, "people left out (SP-SW-HAR)", benchmark_row)
    windows = pd.concat(scores)
    f1 = [
        2
        * ((windows["truth"] == name) & (windows["said"] == name)).sum()
        / ((windows["truth"] == name).sum() + (windows["said"] == name).sum())
        for name in sorted(set(windows["truth"]))
    ]
    right = (windows["truth"] == windows["said"]).groupby(windows["subject"]).mean()
    benchmark_row(
        "activity, people left out, windows",
        f"macro-F1 {np.mean(f1):.3f}",
        f"right {right.min():.2f} to {right.max():.2f}",
    )
    assert np.mean(f1) > 0.7


def show_sits(report, benchmark_row):
    """Add the recall of sits to the report, by how long they last."""
    sits = report.matches[(report.matches["label"] == "sitting") & (report.matches["kind"] != "false alarm")]
    lasts_s = (sits["true_stop_s"] - sits["true_start_s"]).to_numpy(dtype=np.float64)
    for least_s, most_s in ((0.0, 1.0), (1.0, 3.0), (3.0, np.inf)):
        hits = (sits["kind"] == "hit").to_numpy()[(lasts_s >= least_s) & (lasts_s < most_s)]
        figure = f"recall {hits.mean():.2f} of {len(hits)}" if len(hits) else "none"
        benchmark_row(f"activity, default, sits of {least_s:g} to {most_s:g} s", figure, "a window is 1.6 s long")


def test_the_default_on_people_it_was_not_trained_on(real_data, benchmark_row):
    detector = activity.default()
    report = detector.evaluate(activity.real("test", real_data))
    rows = shown(report, "default, other people", benchmark_row)
    show_sits(report, benchmark_row)
    assert rows.loc["turning", "recall"] > 0.7
    right = {}
    for index, person in enumerate(hours.people_of("test", 12)):
        one = active(person, seed=91_000 + index, minutes=5.0, sensor=SensorParams(rate_hz=50.0))
        cut = activity.windows_of([one])
        said = np.array(detector.spec.classes)[detector.probabilities(cut.values).argmax(axis=1)]
        for truth, hit in zip(cut.labels, cut.labels == said, strict=True):
            right.setdefault(str(truth), []).append(hit)
    for name, hits in sorted(right.items()):
        benchmark_row(f"activity, simulated people, {name}", f"{np.mean(hits):.2f} of {len(hits)} windows", "simulated")


def test_a_day(benchmark_row):
    hour = active(hours.people_of("test", 1)[0], seed=5, minutes=20.0, sensor=SensorParams(rate_hz=50.0))
    values = {name: np.tile(np.asarray(hour[name].values), (18, 1)) for name in ("accel", "gyro")}
    time_s = np.arange(len(values["accel"])) / 50.0
    day = Recording.of([Stream.measured(name, time_s, one) for name, one in values.items()])
    start = time.process_time()
    made = activity.daily(day)
    spent = time.process_time() - start
    span_h = (day.stop_s - day.start_s) / 3600
    benchmark_row("activity, CPU of 24 h at 50 Hz", f"{spent * 24 / span_h:.1f} s", f"daily totals of {span_h:.1f} h")
    assert made.to_numpy().sum() == pytest.approx(span_h, rel=0.01)
