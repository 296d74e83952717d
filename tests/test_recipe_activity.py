"""Activity: its labels, bouts one at a time, days, what it is trained on, and the default that ships."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from tests import cascades
from wristkit.recipes import activity
from wristkit.recording import Recording, Stream, label_table
from wristkit.simulate import SensorParams, moving, people
from wristkit.simulate.body import COLUMN
from wristkit.simulate.moving import ACTIVE_LABELS, active
from wristkit.train import Fit

HOP_S, LENGTH_S = 0.16, 1.6


@pytest.fixture(scope="module")
def example():
    return activity.simulate(seed=20_000)


# ---- the simulated day ----


def test_every_moment_has_one_label_and_nobody_walks_out_of_a_chair():
    one = active(people(1, seed=4)[0], seed=5, minutes=6.0)
    labels = one.labels.sort_values("start_s")
    np.testing.assert_allclose(labels["start_s"].to_numpy()[1:], labels["stop_s"].to_numpy()[:-1], atol=1e-9)
    assert set(labels["label"]) <= set(ACTIVE_LABELS)
    names = labels["label"].tolist()
    for before, after in pairwise(names):
        assert (before == "sitting") == (after == "standing_up")
        assert (after == "sitting") == (before == "sitting_down")
    assert one.id == active(people(1, seed=4)[0], seed=5, minutes=6.0).id
    with pytest.raises(ValueError, match="minutes"):
        active(people(1, seed=4)[0], seed=5, minutes=0.1)


def test_a_body_that_rises_comes_to_stand_forty_centimetres_higher():
    person = people(1, seed=4)[0]
    one = active(person, seed=6, minutes=2.0, sensor=SensorParams(rate_hz=100.0, accel_step_g=0.0))
    still = one.between(*one.labels.query("label == 'sitting'")[["start_s", "stop_s"]].iloc[0])
    assert np.linalg.norm(still["accel"].values, axis=1).mean() == pytest.approx(1.0, abs=0.06)


def test_nobody_turns_where_no_label_says_so(monkeypatch):
    made, plain = [], moving.perform
    monkeypatch.setattr(moving, "perform", lambda *given: made.append(plain(*given)) or made[-1])
    one = active(people(1, seed=4)[0], seed=7, minutes=6.0, sensor=SensorParams(rate_hz=50.0))
    heading = made[0].coordinates[:, COLUMN["heading"]]
    rows = one.labels.assign(turned=0.0)
    for row in rows.itertuples():
        first, last = (round(at_s / one.stop_s * len(heading)) for at_s in (row.start_s, row.stop_s))
        rows.loc[row.Index, "turned"] = abs(heading[min(last, len(heading)) - 1] - heading[first])
    assert set(rows["label"]) >= {"turning", "sitting", "standing", "walking"}
    assert rows.query("label != 'turning'")["turned"].max() < 0.35
    assert rows.query("label == 'turning'")["turned"].min() > 1.0


# ---- what it is trained on ----


def test_windows_carry_the_names_of_the_classes(example):
    cut = activity.windows_of([example])
    assert set(cut.classes) <= set(activity.CLASSES)
    assert cut.rate_hz == 25.0
    assert cut.samples == 40
    seated = example.with_labels(
        example.labels.assign(label=example.labels["label"].replace("sitting", "seated")), labelled=example.labelled
    )
    np.testing.assert_array_equal(activity.windows_of([seated]).labels, cut.labels)


def test_any_labelled_recordings_train_a_detector_of_their_labels():
    several = [active(one, seed=i, minutes=0.7) for i, one in enumerate(people(4, seed=9))]
    renamed = {
        name: "moving" if name in ("walking", "turning", "running", "stairs") else "other" for name in ACTIVE_LABELS
    }
    fit = activity.train(several, labels=renamed, epochs=1)
    assert isinstance(fit, Fit)
    assert set(fit.classes) == {"moving", "other"}
    made = activity.bouts(several[0], detector=fit.detector())
    assert set(made["label"]) <= {"moving", "other", activity.UNKNOWN}


@pytest.mark.real_data
def test_nobody_is_trained_on_and_tested_on(real_data):
    train, test = (activity.real(part, real_data) for part in ("train", "test"))
    assert not {one.subject for one in train} & {one.subject for one in test}
    assert {"sitting", *activity.TRANSITIONS, "walking"} == {name for one in train for name in one.labels["label"]}


def test_without_the_folder_it_says_what_to_set(monkeypatch):
    monkeypatch.delenv("WRISTKIT_DATA", raising=False)
    with pytest.raises(FileNotFoundError, match="WRISTKIT_DATA"):
        activity.real("train")


# ---- one thing at a time ----


def timeline(values, *, gap_at=None):
    time_s = LENGTH_S + HOP_S * np.arange(len(values))
    if gap_at is not None:
        time_s[gap_at:] += 5.0
    return activity._timeline(time_s, np.asarray(values, dtype=np.float64), ("a", "b"))


def slow_twin(values):
    """Return the label of each window, as a loop over windows says it."""
    names = []
    for place in range(len(values)):
        around = [values[min(max(other, 0), len(values) - 1)] for other in range(place - 3, place + 4)]
        mean = np.mean(around, axis=0)
        names.append("ab"[int(np.argmax(mean))] if mean.max() >= activity.LEAST else activity.UNKNOWN)
    return names


@pytest.mark.parametrize("seed", range(5))
def test_bouts_are_the_runs_of_the_likeliest_class(seed):
    rng = np.random.default_rng(seed)
    values = np.repeat(rng.dirichlet([0.4, 0.4], 12), 9, axis=0) * rng.uniform(0.5, 1.0, (108, 1))
    made = timeline(values)
    names = slow_twin(values)
    spelled = [name for row in made.itertuples() for name in [row.label] * round((row.stop_s - row.start_s) / HOP_S)]
    assert spelled == names
    np.testing.assert_allclose(made["start_s"].to_numpy()[1:], made["stop_s"].to_numpy()[:-1])
    assert (made["label"].to_numpy()[1:] != made["label"].to_numpy()[:-1]).all()


def test_a_gap_is_in_no_bout():
    made = timeline(np.tile([0.9, 0.1], (40, 1)), gap_at=20)
    assert len(made) == 2
    assert made["start_s"].iloc[1] - made["stop_s"].iloc[0] == pytest.approx(5.0)
    assert timeline(np.empty((0, 2))).empty


def test_one_odd_window_is_no_bout():
    values = np.tile([0.9, 0.1], (40, 1))
    values[20] = [0.1, 0.9]
    assert timeline(values)["label"].tolist() == ["a"]


# ---- doubt ----


@pytest.mark.parametrize(
    ("name", "change", "code"),
    [
        ("accel", lambda values: 9.80665 * values, "unit_contradicts"),
        ("accel", lambda values: values * [0, 1, 1], "constant_channel"),
        ("gyro", lambda values: values * 0, "stuck"),
    ],
)
def test_a_wrong_sensor_is_unknown_and_says_why(example, name, change, code):
    wrong = example.with_streams(Stream.measured(name, example[name].time, change(example[name].values)))
    assert code in set(activity.doubts(wrong)["code"])
    assert set(activity.bouts(wrong)["label"]) == {activity.UNKNOWN}
    assert activity.doubts(example).empty


def test_a_watch_on_the_table_is_unknown_and_nobody_sits():
    rng, time_s = np.random.default_rng(0), np.arange(0, 2 * 3600, 0.05)
    still = [Stream.measured("accel", time_s, [0, 0, -1.0] + 0.002 * rng.normal(size=(len(time_s), 3)))]
    still.append(Stream.measured("gyro", time_s, 0.002 * rng.normal(size=(len(time_s), 3))))
    table = Recording.of(still)
    assert set(activity.doubts(table)["code"]) == {"not_worn"}
    days = activity.daily(table)
    assert days["unknown"].sum() == pytest.approx(2.0, abs=0.01)


def test_what_was_not_recorded_or_too_slowly_is_said(example):
    accel = example["accel"]
    values = np.where((accel.time > 20)[:, None] & (accel.time < 30)[:, None], np.nan, accel.values)
    holed = example.with_streams(Stream.measured("accel", accel.time, values))
    assert set(activity.doubts(holed)["code"]) == {"missing"}
    slow = Recording.of([Stream.measured(name, example[name].time[::5], example[name].values[::5]) for name in
                         ("accel", "gyro")])  # fmt: skip
    assert set(activity.doubts(slow)["code"]) == {"rate_too_low"}


# ---- days ----


def constant_detector(recording):
    """Return a detector that is always surer of its first class."""
    return cascades.small_stage(recording, streams=("accel",))


def hours_long(start=None, zone=None, *, hours=30.0):
    rng = np.random.default_rng(0)
    time_s = np.arange(0, hours * 3600, 0.5)
    accel = Stream.measured("accel", time_s, rng.normal([0, 0, -1], 0.01, (len(time_s), 3)))
    return replace(Recording.of([accel], start=start), zone=zone)


def test_days_are_those_of_the_zone_of_the_recording():
    edges, names = activity._days(hours_long("2026-03-28T21:30:00Z", "Europe/Berlin"))
    assert names == ["2026-03-28", "2026-03-29", "2026-03-30"]
    # 22:30 local; the 29th has 23 hours: the clock is put forward.
    np.testing.assert_allclose(np.diff(edges)[1] / 3600, 23.0)
    assert edges[1] == pytest.approx(1.5 * 3600)
    assert activity._days(hours_long())[1] == ["day 1", "day 2"]
    accel = hours_long()["accel"]
    late = Recording.of([Stream.measured("accel", accel.time + 3 * 86_400.0, accel.values)])
    assert activity._days(late)[1] == ["day 4", "day 5"]


def test_a_day_adds_up(monkeypatch):
    recording = hours_long("2026-03-01T22:00:00Z", hours=4.0)
    rows = [
        (0.0, 3600.0, "sitting", 0.9),
        (3600.0, 3 * 3600.0, "walking", 0.8),
        (3 * 3600.0, 3.5 * 3600, "unknown", 0.2),
    ]
    made = pd.DataFrame(rows, columns=activity.BOUT_COLUMNS)
    monkeypatch.setattr(activity, "bouts", lambda *_, **__: made)
    days = activity.daily(recording, detector=activity.default())
    assert list(days.index) == ["2026-03-01", "2026-03-02"]
    assert days["sitting"].tolist() == [1.0, 0.0]
    assert days["walking"].tolist() == [1.0, 1.0]
    assert days["unknown"].tolist() == [0.0, 0.5]
    assert days["not_recorded"].sum() == pytest.approx(0.5, abs=1e-3)
    assert days.to_numpy().sum() == pytest.approx(4.0, abs=1e-3)


# ---- the default ----


def test_the_default_knows_its_own_example(example):
    made = activity.bouts(example)
    centre_s = np.arange(example.start_s + 1.5, example.stop_s - 1.5, 0.25)
    labels = example.labels
    true = np.array([labels["label"][(labels["start_s"] <= at) & (labels["stop_s"] > at)].iloc[0] for at in centre_s])
    said = made["label"].to_numpy()[np.searchsorted(made["start_s"], centre_s, side="right") - 1]
    assert np.mean(true == said) > 0.7
    assert activity.default().spec.classes == tuple(sorted(activity.CLASSES))


def test_bouts_of_a_walk_and_a_run_are_told_apart():
    one = active(people(3, seed=31)[2], seed=12, minutes=5.0)
    made = activity.bouts(one)
    label_of = label_table([(row.start_s, row.stop_s, row.label, "said", "net") for row in made.itertuples()])
    assert set(label_of["label"]) <= {*activity.CLASSES, activity.UNKNOWN}
    for row in one.labels[one.labels["label"].isin(["running", "walking"])].itertuples():
        middle = (row.start_s + row.stop_s) / 2
        said = made["label"][(made["start_s"] <= middle) & (made["stop_s"] > middle)].tolist()
        assert said != [{"running": "sitting", "walking": "sitting"}[row.label]]
