"""Cross-validation: nobody on both sides, nothing learned of tested windows, nothing dropped unsaid, honest figures."""

import dataclasses
import inspect
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.ndimage import gaussian_filter1d
from scipy.stats import binom
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import LinearSVC
from torch import nn

import wristkit as wk
from wristkit.errors import RecordingError
from wristkit.evaluate import window_report
from wristkit.models import MODELS, weights_sha256
from wristkit.recording import Recording, Stream, label_table
from wristkit.validate import CrossValidation, check_apart
from wristkit.windows import Windows

NETS = [*sorted(MODELS), "boosting"]
COLUMNS = ["recording", "subject", "fold", "start_s", "stop_s", "truth", "predicted"]
LABELS = ("still", "shake")
GRID = {"streams": ("accel",), "rate_hz": 25, "length_s": 2.0, "hop_s": 1.0}


def person(
    number: int,
    *,
    labels: tuple[str, ...] = LABELS,
    rate_hz: float = 50.0,
    subject: str | None = None,
    span_s: float = 24.0,
    **stated,
) -> Recording:
    """Someone whose classes differ in how much the wrist moves, three seconds each in turn, with jittered stamps."""
    rng = np.random.default_rng(number)
    time_s = (np.arange(int(span_s * rate_hz)) + rng.uniform(0, 0.2, int(span_s * rate_hz))) / rate_hz
    place = (time_s // 3).astype(int) % len(labels)
    smooth = gaussian_filter1d(rng.normal(size=(len(time_s), 3)), 0.05 * rate_hz, axis=0)  # up to some 5 Hz
    values = smooth / smooth.std() * (0.05 + place[:, None])
    rows = [(3.0 * k, 3.0 * k + 3.0, labels[k % len(labels)], "truth", "made") for k in range(int(span_s / 3))]
    accel = Stream.measured("accel", time_s, values)
    who = f"p{number}" if subject is None else subject
    return Recording.of([accel], labels=label_table(rows), subject=who, **stated)


def cut(count: int = 6, *, rate_hz: float = 25, **made) -> Windows:
    return wk.windows([person(number, **made) for number in range(count)], **{**GRID, "rate_hz": rate_hz})


def spread(values: np.ndarray) -> np.ndarray:
    return values.std(axis=2)


def by_spread() -> object:
    """A pipeline on windows.values: the spread of each channel, scaled, then a line between the classes."""
    return make_pipeline(FunctionTransformer(spread), StandardScaler(), LogisticRegression())


@pytest.fixture(scope="module")
def six() -> Windows:
    return cut()


@pytest.fixture(scope="module")
def done(six: Windows) -> CrossValidation:
    return wk.cross_validate(six, model=by_spread(), folds=3)


def test_every_window_is_scored_once_by_a_model_that_has_not_seen_its_person(six: Windows, done) -> None:
    table = done.predictions
    assert list(table.columns) == [*COLUMNS, *six.classes]
    for column, own in (("recording", six.recordings), ("subject", six.subjects), ("truth", six.labels)):
        assert table[column].tolist() == own.tolist()
    np.testing.assert_array_equal(table[["start_s", "stop_s"]], np.column_stack([six.start_s, six.stop_s]))
    assert table.groupby("subject")["fold"].nunique().eq(1).all()
    assert sorted(name for names in done.folds for name in names) == sorted(set(six.subjects))
    for number, names in enumerate(done.folds):
        assert set(table.loc[table["fold"] == number, "subject"]) == set(names)
    np.testing.assert_allclose(table[list(six.classes)].sum(axis=1), 1)
    best = table[list(six.classes)].to_numpy().argmax(axis=1)
    assert table["predicted"].tolist() == [six.classes[place] for place in best]
    assert done.macro_f1 > 0.95
    assert "3 folds of whole people)\nmacro-F1" in repr(done)


def test_a_slow_twin_gives_the_same_predictions(six: Windows, done) -> None:
    who = six.subjects.astype(str)
    for names in done.folds:
        tested = np.isin(who, names)
        model = by_spread().fit(six.values[~tested], six.labels[~tested].astype(str))
        np.testing.assert_array_equal(
            done.predictions.loc[tested, list(six.classes)], model.predict_proba(six.values[tested])
        )


def test_its_figures_are_those_of_its_predictions(six: Windows) -> None:
    labels = np.random.default_rng(0).choice(["a", "b", "c"], size=len(six)).astype(object)
    found = wk.cross_validate(dataclasses.replace(six, labels=labels), model=by_spread(), folds=3)
    truth, predicted = found.predictions["truth"], found.predictions["predicted"]
    assert found.macro_f1 == pytest.approx(f1_score(truth, predicted, average="macro", zero_division=0))
    wanted = window_report(found.predictions)
    pd.testing.assert_frame_equal(found.report.over_people, wanted.over_people)
    pd.testing.assert_frame_equal(found.report.by_subject, wanted.by_subject)
    for number, row in found.by_fold.iterrows():
        own = found.predictions[found.predictions["fold"] == number]
        assert row["windows"] == len(own)
        names = sorted(set(own["truth"]))
        assert row["macro_f1"] == pytest.approx(
            f1_score(own["truth"], own["predicted"], labels=names, average="macro", zero_division=0)
        )
    assert "<table" in found._repr_html_()


def test_the_difference_of_two_is_paired(six: Windows, done) -> None:
    guess = wk.cross_validate(six, model=DummyClassifier(), folds=3, features="minimal")
    row = done.minus(guess).table.loc["macro_f1"]
    assert row["difference"] == pytest.approx(done.macro_f1 - guess.macro_f1)
    assert row["difference"] > 0.3
    assert np.isnan(row["low"])  # each person's windows are all told right by one, and are alike for the other
    assert "macro_f1, balanced_accuracy, accuracy: no interval" in repr(done.minus(guess))
    assert list(done.minus(guess).table.columns)[:3] == ["this", "other", "difference"]
    assert row["this"] == pytest.approx(done.macro_f1)
    assert row["other"] == pytest.approx(guess.macro_f1)
    same = done.minus(done).table.loc["macro_f1"]
    assert same["difference"] == 0
    assert np.isnan([same["low"], same["high"]]).all()
    with pytest.raises(ValueError, match="not the same"):
        done.minus(wk.cross_validate(cut(5), model=by_spread(), folds=3))


# What may be trained.


@pytest.mark.parametrize("name", NETS)
def test_a_net_by_name(six: Windows, name: str) -> None:
    found = wk.cross_validate(six, model=name, folds=3, epochs=5)
    assert found.model == name
    assert len(found.predictions) == len(six)
    assert found.macro_f1 > 0.6
    assert found.cpu_s > 0


def test_the_same_seed_gives_the_same_predictions(six: Windows) -> None:
    one, again, other = (wk.cross_validate(six, folds=2, epochs=2, seed=seed) for seed in (0, 0, 1))
    pd.testing.assert_frame_equal(one.predictions, again.predictions, check_exact=True)
    assert not one.predictions.equals(other.predictions)


class Small(nn.Module):
    """A net of the user's own, with weights that a layer draws; ``kept`` is a weight of its own that none does."""

    def __init__(self, *, kept: bool = False) -> None:
        super().__init__()
        self.conv, self.norm, self.head = nn.Conv1d(3, 8, 5), nn.BatchNorm1d(8), nn.Linear(8, 2)
        self.gain = nn.Parameter(torch.ones(8, 1)) if kept else torch.ones(8, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head((self.norm(self.conv(x)) * self.gain).relu().mean(-1))


def test_a_net_of_ones_own_comes_from_what_makes_it(six: Windows) -> None:
    made: list[Small] = []

    def small() -> Small:
        made.append(Small(kept=True))
        return made[-1]

    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    found = wk.cross_validate(six, model=small, folds=3, epochs=2)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert found.model == "small"
    assert len(found.predictions) == len(six)
    assert len(made) == 3
    by_class = wk.cross_validate(six, model=Small, folds=3, epochs=2)
    assert by_class.model == "Small"
    again = wk.cross_validate(six, model=small, folds=3, epochs=2)
    pd.testing.assert_frame_equal(found.predictions, again.predictions, check_exact=True)


def test_what_a_net_knows_of_these_people_is_drawn_anew(six: Windows) -> None:
    """A net that was trained on all of them, and one that never was, give the same predictions."""
    fresh, knowing = Small(), Small()
    train_to_know(knowing, six)
    weights = weights_sha256(knowing)
    found = [wk.cross_validate(six, model=net, folds=3, epochs=1) for net in (fresh, knowing)]
    assert weights_sha256(knowing) == weights  # each fold has a copy
    pd.testing.assert_frame_equal(found[0].predictions, found[1].predictions, check_exact=True)
    assert found[0].model == "Small"


def train_to_know(net: nn.Module, made: Windows) -> None:
    optimiser = torch.optim.Adam(net.parameters(), lr=0.01)
    for _ in range(20):
        target = torch.from_numpy((made.labels == LABELS[0]).astype(np.int64))
        loss = nn.functional.cross_entropy(net(torch.from_numpy(made.values)), target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


def test_a_net_that_cannot_be_drawn_anew_is_refused_with_the_cure(six: Windows) -> None:
    frozen = Small()
    frozen.conv.requires_grad_(requires_grad=False)
    known = wk.quick_train(six, epochs=1).model
    for net, says in (
        (Small(kept=True), "'gain' and has no reset_parameters"),
        (frozen, "frozen weights"),
        (known, "'tcn'"),
    ):
        with pytest.raises((TypeError, ValueError), match=says) as caught:
            wk.cross_validate(six, model=net, folds=2)
        assert net is known or "model=lambda: Small(...)" in str(caught.value)


@pytest.mark.parametrize("features", ["wrist", "minimal", ["accel_x__maximum", "accel_x__variance"]])
def test_an_estimator_on_features(six: Windows, features) -> None:
    forest = RandomForestClassifier(10)
    found = wk.cross_validate(six, model=forest, folds=2, features=features)
    assert found.model == "RandomForestClassifier"
    assert found.macro_f1 > 0.9
    assert not hasattr(forest, "classes_")  # it is a clone that is fitted
    again = wk.cross_validate(six, model=forest, folds=2, features=features)
    pd.testing.assert_frame_equal(found.predictions, again.predictions, check_exact=True)


def test_a_pipeline_that_makes_its_own_features(six: Windows) -> None:
    model = make_pipeline(
        wk.FeatureExtractor("wrist", channels=six.channels, rate_hz=six.rate_hz),
        SelectKBest(k=5),
        RandomForestClassifier(10),
    )
    assert wk.cross_validate(six, model=model, folds=2).macro_f1 > 0.9


class Rule:
    """A threshold, trained by hand."""

    def __init__(self, train: Windows) -> None:
        self.classes_ = train.classes
        loud = train.values.std(axis=(1, 2))
        self.limit = np.mean([loud[train.labels == name].mean() for name in train.classes])

    def predict_proba(self, tested: Windows) -> np.ndarray:
        loud = tested.values.std(axis=(1, 2)) > self.limit
        return np.column_stack([loud, ~loud]).astype(float)


def test_a_function_that_trains(six: Windows) -> None:
    assert wk.cross_validate(six, model=Rule, folds=2).macro_f1 > 0.95


def test_a_function_that_returns_a_fit(six: Windows) -> None:
    def short(train: Windows) -> wk.Fit:
        return wk.quick_train(train, epochs=1)

    found = wk.cross_validate(six, model=short, folds=2)
    assert found.model == "short"
    assert any("folds 0, 1: 3 people: one is held out" in note for note in found.notes)


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"model": RandomForestClassifier}, TypeError, r"write RandomForestClassifier\(\.\.\.\)"),
        ({"model": "mlp"}, ValueError, "'mlp' is not known"),
        ({"model": 7}, TypeError, "expected a net or its name"),
        ({"model": LinearSVC()}, TypeError, "CalibratedClassifierCV"),
        ({"model": lambda _: None}, TypeError, "expected something with predict_proba"),
        ({"model": lambda: None}, TypeError, "a function that trains takes the windows"),
        ({"model": lambda _: Small()}, TypeError, r"give model=lambda: Net\(...\)"),
        ({"model": nn.Linear}, TypeError, "missing 2 required"),
        ({"model": "tcn", "features": "wrist"}, ValueError, "leave features= out"),
        ({"folds": 1}, ValueError, "expected a whole number from 2"),
        ({"folds": True}, ValueError, "expected a whole number from 2"),
        ({"folds": "all"}, ValueError, "'leave-one-out'"),
        ({"by": "room"}, ValueError, "expected 'subject', 'device' or 'wrist'"),
        ({"by": "wrist"}, ValueError, "needs recordings="),
    ],
)
def test_wrong_arguments_are_named(six: Windows, arguments: dict, error: type, says: str) -> None:
    with pytest.raises(error, match=says):
        wk.cross_validate(six, **{"model": by_spread(), **arguments})


def test_a_fault_in_a_fold_names_the_fold_and_the_cure(six: Windows) -> None:
    with pytest.raises(ValueError, match="dim") as caught:
        wk.cross_validate(six, model=RandomForestClassifier(), folds=3)
    notes = "\n".join(caught.value.__notes__)
    assert "features='wrist'" in notes
    assert "In fold 0 of 3 of RandomForestClassifier, which leaves out p" in notes


# Folds.


def test_folds_show_all_classes_as_well_as_it_goes() -> None:
    """Two of eight people show the rare class: with two folds each must have one of them."""
    held = [person(number, labels=(*LABELS, "rare") if number < 2 else LABELS) for number in range(8)]
    made = wk.windows(held, **GRID)
    for seed in range(5):
        found = wk.cross_validate(made, model=by_spread(), folds=2, seed=seed)
        assert [("p0" in names) + ("p1" in names) for names in found.folds] == [1, 1]
        assert [len(names) for names in found.folds] == [4, 4]
        assert found.unseen == ((), ())


def test_leave_one_out_leaves_each_person_out(six: Windows) -> None:
    found = wk.cross_validate(six, model=by_spread(), folds="leave-one-out")
    assert found.folds == tuple((name,) for name in sorted(set(six.subjects)))


def test_two_people_are_few_and_it_says_so() -> None:
    found = wk.cross_validate(cut(2), model=by_spread())
    assert len(found.folds) == 2
    assert "2 people give 2 folds, not 5" in repr(found)
    assert "2 people are too few for an interval" in repr(found)
    said = wk.cross_validate(cut(2), epochs=1).notes
    assert any(note.startswith("folds 0, 1: 1 person: no one is left to stop on") for note in said)


def test_one_person_is_refused() -> None:
    with pytest.raises(ValueError, match="two or more people"):
        wk.cross_validate(cut(1), model=by_spread())


@pytest.mark.parametrize(
    ("rate_hz", "classes", "length_s"), [(20, 3, 2.0), (100, 10, 1.0), (800, 50, 0.5)], ids=["slow", "middle", "fast"]
)
def test_slow_and_fast_few_and_many_classes(rate_hz: float, classes: int, length_s: float) -> None:
    labels = tuple(f"class {number:02}" for number in range(classes))
    people = [person(number, labels=labels, rate_hz=rate_hz, span_s=6.0 * classes) for number in range(3)]
    made = wk.windows(people, streams=("accel",), rate_hz=rate_hz, length_s=length_s, hop_s=length_s)
    assert len(made.classes) == classes
    for model, features in ((by_spread(), None), ("tcn", None), (RandomForestClassifier(5), "wrist")):
        found = wk.cross_validate(made, model=model, features=features, folds=3, epochs=1)
        assert len(found.predictions) == len(made)
        assert list(found.predictions.columns) == [*COLUMNS, *labels]
        assert len(found.report.by_class) == classes


def test_a_device_is_left_out_together_with_the_people_who_are_tested() -> None:
    """Everybody wore both: the tested device's recordings of others, and the others' of the tested, are in no part."""
    held = [
        person(10 * number + place, subject=f"p{number}", source={"device": device})
        for number in range(4)
        for place, device in enumerate(("watch", "phone"))
    ]
    made = wk.windows(held, **GRID)
    device_of = {one.id: one.source["device"] for one in held}
    seen: list[tuple[set, set]] = []

    def watching(train: Windows) -> Rule:
        seen.append(({device_of[name] for name in train.recordings}, set(train.subjects)))
        return Rule(train)

    found = wk.cross_validate(made, model=watching, by="device", folds=2, recordings=held)
    assert len(found.predictions) == len(made)
    assert len(found.folds) == 4
    for number, (devices, people) in enumerate(seen):
        tested = found.predictions[found.predictions["fold"] == number]
        assert {device_of[name] for name in tested["recording"]} == {found.folds[number][0]}
        assert not devices & {found.folds[number][0]}
        assert not people & set(tested["subject"])
    assert "device by device" in repr(found)


def test_a_wrist_worn_by_others_alone_is_one_fold() -> None:
    sides = ("left", "left", "right", "right", "right")
    held = [person(number, wrist=side) for number, side in enumerate(sides)]
    made = wk.windows(held, **GRID)
    found = wk.cross_validate(made, model=by_spread(), by="wrist", recordings=held)
    assert found.folds == (("left", "p0", "p1"), ("right", "p2", "p3", "p4"))
    assert len(found.predictions) == len(made)


def test_devices_must_be_stated_and_several() -> None:
    held = [person(number, source={"device": "watch"} if number else {}) for number in range(3)]
    made = wk.windows(held, **GRID)
    with pytest.raises(RecordingError, match="do not state their device"):
        wk.cross_validate(made, model=by_spread(), by="device", recordings=held)
    with pytest.raises(RecordingError, match="were not given"):
        wk.cross_validate(made, model=by_spread(), by="device", recordings=held[1:])
    with pytest.raises(RecordingError, match="were not given"):
        wk.cross_validate(made, model=by_spread(), by="device", recordings=held[1])
    with pytest.raises(ValueError, match="of the device 'watch'"):
        wk.cross_validate(wk.windows(held[1:], **GRID), model=by_spread(), by="device", recordings=held)


def test_an_interrupt_keeps_what_is_done(six: Windows) -> None:
    count = 0

    def tired(train: Windows) -> Rule:
        nonlocal count
        count += 1
        if count == 3:
            raise KeyboardInterrupt
        return Rule(train)

    found = wk.cross_validate(six, model=tired, folds=3)
    assert len(found.folds) == 2
    left = len(six) - len(found.predictions)
    assert f"interrupted after 2 of 3 folds: {left} windows are not predicted" in found.notes


def test_an_interrupt_before_anything_is_done_is_one(six: Windows) -> None:
    def tired(train: Windows) -> Rule:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        wk.cross_validate(six, model=tired)


# The catalogue of bad inputs: labels, folds, features, models.


def half(chosen: Windows, names: tuple[str, ...]) -> tuple[Windows, Windows]:
    tested = np.isin(chosen.subjects.astype(str), names)
    return chosen.subset(~tested), chosen.subset(tested)


def test_l6_a_subject_on_both_sides(six: Windows) -> None:
    train, test = six.subset(np.arange(0, len(six), 2)), six.subset(np.arange(1, len(six), 2))
    with pytest.raises(RecordingError, match="'p0' is both trained on and tested") as caught:
        check_apart(train, test)
    assert caught.value.code == "same_subject"
    check_apart(*half(six, ("p1", "p2")))


def test_l6_there_is_no_keyword_for_a_split_that_is_blind_to_people() -> None:
    assert list(inspect.signature(wk.cross_validate).parameters) == [
        *("windows", "model", "by", "folds", "features", "recordings", "epochs", "seed"),
    ]
    assert inspect.signature(wk.cross_validate).parameters["by"].default == "subject"


@pytest.mark.parametrize("name", ["", " ", "unknown", "NaN", "None", "?"])
def test_l6_people_without_a_name_are_refused(name: str) -> None:
    made = wk.windows([person(0, subject=name), person(1)], **GRID)
    with pytest.raises(RecordingError, match="people cannot be kept apart") as caught:
        wk.cross_validate(made, model=by_spread())
    assert caught.value.code == "no_subject"
    assert "subject=" in caught.value.remedy


def test_l6_names_that_differ_in_case_alone_are_refused() -> None:
    made = wk.windows([person(0, subject="Ann"), person(1, subject="ann "), person(2)], **GRID)
    with pytest.raises(RecordingError, match="'Ann' and 'ann '") as caught:
        wk.cross_validate(made, model=by_spread())
    assert caught.value.code == "same_subject"


def test_l7_overlapping_windows_of_one_recording(six: Windows) -> None:
    """A recording whose windows were given to two people."""
    own = np.flatnonzero(six.recordings == six.recordings[0])
    subjects = six.subjects.copy()
    subjects[own[1::2]] = "p1"
    split = dataclasses.replace(six, subjects=subjects)
    with pytest.raises(RecordingError, match=r"windows at [\d.]+ s and at [\d.]+ s of recording") as caught:
        wk.cross_validate(split, model=by_spread(), folds="leave-one-out")
    assert caught.value.code == "overlapping_windows"


def test_l7_parts_of_one_recording_that_do_not_overlap(six: Windows) -> None:
    own = np.flatnonzero(six.recordings == six.recordings[0])
    subjects = six.subjects.copy()
    subjects[own[len(own) // 2 + 2 :]] = "p1"
    kept = np.ones(len(six), dtype=bool)
    kept[own[len(own) // 2 : len(own) // 2 + 2]] = False
    split = dataclasses.replace(six, subjects=subjects).subset(kept)
    with pytest.raises(RecordingError, match=six.recordings[0]) as caught:
        wk.cross_validate(split, model=by_spread(), folds="leave-one-out")
    assert caught.value.code == "same_recording"


def copied(one: Recording, start_s: float, stop_s: float, *, moved_s: float, subject: str) -> Recording:
    """A part of a recording as if saved again, its clock begun elsewhere."""
    part = one.between(start_s, stop_s)
    streams = [Stream.measured(name, stream.time + moved_s, stream.values) for name, stream in part.streams.items()]
    labels = part.labels
    labels[["start_s", "stop_s"]] += moved_s
    return Recording.of(streams, labels=labels, subject=subject)


@pytest.mark.parametrize(
    ("start_s", "stop_s", "moved_s"),
    [(0, 30, 1e-9), (0, 30, 1.0), (0, 30, 0.4), (0, 30, 0.013), (7, 24, 0.0), (5.017, 20, -5.017), (12, 18, -11.99)],
    ids=["saved again", "a hop", "a sample", "between samples", "trimmed", "trimmed and begun anew", "a short part"],
)
def test_l8_one_signal_under_two_names(start_s: float, stop_s: float, moved_s: float) -> None:
    people = [person(number) for number in range(4)]
    again = copied(people[1], start_s, stop_s, moved_s=moved_s, subject="somebody else")
    made = wk.windows([*people, again], **GRID)
    with pytest.raises(RecordingError, match=r"of 'p1'|of 'somebody else'") as caught:
        wk.cross_validate(made, model=by_spread(), folds="leave-one-out")
    assert caught.value.code == "duplicate_signal"
    assert "'somebody else'" in str(caught.value)
    assert people[1].id in str(caught.value)
    assert "keep one of the two" in caught.value.remedy
    with pytest.raises(RecordingError, match="hold the same signal"):
        check_apart(*half(made, ("p1",)))
    check_apart(*half(made, ("p1", "somebody else")))


def test_l8_a_copy_of_one_person_is_said() -> None:
    people = [person(number) for number in range(3)]
    made = wk.windows([*people, copied(people[1], 5, 20, moved_s=0.1, subject="p1")], **GRID)
    assert "hold the same signal and count twice" in repr(wk.cross_validate(made, model=by_spread(), folds=3))


def test_l8_two_watches_on_a_table_are_no_copies() -> None:
    """Nothing moves, and the last digit flips alike in both: equal bits that say nothing."""
    time_s = np.arange(0, 24, 0.02)
    held = []
    for number in range(2):
        values = np.tile([0.0, 0.0, -1.0], (len(time_s), 1))
        values[600:] = np.random.default_rng(number).normal(size=(len(time_s) - 600, 3))
        values[::300, 0] = 0.01
        rows = [(0.0, 12.0, "lying", "truth", "made"), (12.0, 24.0, "worn", "truth", "made")]
        accel = Stream.measured("accel", time_s, values)
        held.append(Recording.of([accel], labels=label_table(rows), subject=f"p{number}"))
    made = wk.windows(held, **GRID)
    assert wk.cross_validate(made, model=by_spread()).macro_f1 > 0.9


def test_l9_a_class_that_a_fold_lacks_is_a_gap_and_no_zero() -> None:
    held = [person(number, labels=(*LABELS, "dive") if number == 0 else LABELS) for number in range(4)]
    made = wk.windows(held, **GRID)
    found = wk.cross_validate(made, model=by_spread(), folds="leave-one-out")
    assert found.unseen == (("dive",), (), (), ())
    assert "folds 0: nobody who was trained on shows ['dive']" in found.notes
    assert (found.predictions.loc[found.predictions["fold"] == 0, "dive"] == 0).all()
    table = found.by_fold
    assert table["absent"].tolist() == ["", "dive", "dive", "dive"]
    assert table["unseen"].tolist() == ["dive", "", "", ""]
    assert table["macro_f1"].iloc[1:].min() > 0.9
    assert found.report.by_class.loc["dive", "f1"] == 0  # shown, and never found
    assert np.isnan(found.report.by_class.loc["dive", "precision"])  # never said


def test_l9_training_that_shows_one_class_is_refused_by_its_fold() -> None:
    made = wk.windows([person(0), person(1, labels=("still",))], **GRID)
    with pytest.raises(ValueError, match=r"fold 0 of 2 leaves out p0 and is trained on \['p1'\]"):
        wk.cross_validate(made, model=by_spread())
    with pytest.raises(ValueError, match="all of class"):
        wk.cross_validate(cut(3, labels=("still",)), model=by_spread())


VARIANCES = [f"accel_{axis}__variance" for axis in "xyz"]


class Remembers(ClassifierMixin, BaseEstimator):
    """Writes down what it was fitted on."""

    seen: ClassVar[list] = []

    def fit(self, X, y) -> "Remembers":  # noqa: N803  scikit-learn's name
        self.classes_ = np.unique(y)
        self.seen.append(np.asarray(X).copy())
        return self

    def predict_proba(self, X) -> np.ndarray:  # noqa: N803
        return np.full((len(X), len(self.classes_)), 1 / len(self.classes_))


@pytest.mark.parametrize("features", [None, VARIANCES])
def test_l10_nothing_is_fitted_on_tested_windows(six: Windows, features: list | None) -> None:
    """Scaling and choice of features see the training alone: other values of the tested change nothing of them."""
    first = by_spread() if features is None else StandardScaler()
    model = make_pipeline(first[:-1] if features is None else first, SelectKBest(k=2), Remembers())
    Remembers.seen.clear()
    found = wk.cross_validate(six, model=model, folds=3, features=features)
    tested = (found.predictions["fold"] == 1).to_numpy()
    values = six.values.copy()
    values[tested] = 1000 * np.random.default_rng(0).normal(size=values[tested].shape)
    wk.cross_validate(dataclasses.replace(six, values=values), model=model, folds=3, features=features)
    assert len(Remembers.seen) == 6
    np.testing.assert_array_equal(Remembers.seen[1], Remembers.seen[4])
    assert not np.array_equal(Remembers.seen[0], Remembers.seen[3])


def test_l11_features_that_are_not_defined_reach_the_estimator_as_such(six: Windows) -> None:
    names = ["accel_x__variance", "accel_x__skewness"]
    still = six.values.copy()
    still[:, 0] = 0.5
    calm = dataclasses.replace(six, values=still)
    assert wk.features(calm, names)["accel_x__skewness"].isna().all()
    with pytest.raises(ValueError, match="NaN"):
        wk.cross_validate(calm, model=LogisticRegression(), folds=2, features=names)


class Breaks(Rule):
    """Scores that are no numbers, or do not sum to 1."""

    def __init__(self, train: Windows, score: float) -> None:
        super().__init__(train)
        self.score = score

    def predict_proba(self, tested: Windows) -> np.ndarray:
        given = super().predict_proba(tested)
        given[3] = self.score
        return given


@pytest.mark.parametrize("score", [np.nan, np.inf, 0.0, 0.7])
def test_l13_scores_that_are_no_probabilities_are_no_first_class(six: Windows, score: float) -> None:
    with pytest.raises(RecordingError, match="expected numbers from 0 to 1 that sum to 1") as caught:
        wk.cross_validate(six, model=lambda train: Breaks(train, score), folds=2)
    assert caught.value.code == "not_finite"


class Beyond(Rule):
    """Scores that sum to 1 and are no shares, or classes that come twice."""

    def __init__(self, train: Windows, *, doubled: bool) -> None:
        super().__init__(train)
        if doubled:
            self.classes_ = (self.classes_[0],) * len(self.classes_)

    def predict_proba(self, tested: Windows) -> np.ndarray:
        given = super().predict_proba(tested)
        given[2] = 0.0
        given[2, :2] = (1.5, -0.5)
        return given


@pytest.mark.parametrize(("doubled", "says"), [(False, r"\[1\.5, -0\.5.*from 0 to 1"), (True, "each of them once")])
def test_scores_beyond_0_to_1_and_doubled_classes_are_refused_in_their_fold(six: Windows, doubled, says) -> None:
    with pytest.raises((RecordingError, ValueError), match=says) as caught:
        wk.cross_validate(six, model=lambda train: Beyond(train, doubled=doubled), folds=2)
    assert "In fold 0 of 2" in caught.value.__notes__[0]


@pytest.mark.parametrize("model", ["tcn", by_spread()], ids=["net", "pipeline"])
def test_headless_it_says_one_line_for_all_folds(six: Windows, model, caplog, capsys, monkeypatch) -> None:
    monkeypatch.setenv("TQDM_DISABLE", "1")
    with caplog.at_level("INFO", logger="wristkit"):
        found = wk.cross_validate(six, model=model, folds=3, epochs=1)
    assert [record.getMessage() for record in caplog.records] == [repr(found)]
    assert capsys.readouterr() == ("", "")


def test_classes_named_like_a_column_are_refused() -> None:
    with pytest.raises(ValueError, match=r"classes \['truth'\]"):
        wk.cross_validate(cut(3, labels=("truth", "b")), model=by_spread())


@pytest.mark.parametrize("train", [wk.cross_validate, wk.quick_train, wk.subject_blind_warning])
def test_l4_classes_that_differ_in_case_or_blanks_alone_are_refused(train) -> None:
    with pytest.raises(ValueError, match="'Walk' and 'walk ' differ in case or blanks alone"):
        train(cut(4, labels=("Walk", "walk ")))


def test_classes_that_the_windows_lack_are_refused(six: Windows) -> None:
    class Foreign(Rule):
        def __init__(self, train: Windows) -> None:
            super().__init__(train)
            self.classes_ = ("still", "swim")

    with pytest.raises(ValueError, match=r"knows classes \['swim'\]"):
        wk.cross_validate(six, model=Foreign, folds=2)


# Canaries: who someone is must be worth nothing, and what is there must be found.


def strangers(count: int, *, seed: int, share: float, signal: float) -> Windows:
    """People of whom each has an offset, a gain and a hum of their own, and a favourite of two classes.

    ``share`` of a person's windows are of the favourite; ``signal`` is how much louder one class is.
    """
    rng = np.random.default_rng(seed)
    favourites = rng.permutation(np.arange(count) % 2)
    held = []
    for number, favourite in enumerate(favourites):
        time_s = np.arange(0, 80, 0.04) + rng.uniform(0, 0.002, 2000)
        label = np.where(rng.random(40) < share, favourite, 1 - favourite)
        loud = 1 + signal * label[(time_s // 2.0001).astype(int)]
        hum = rng.uniform(0.2, 2) * np.sin(2 * np.pi * rng.uniform(1, 8) * time_s)
        values = rng.normal(size=3) + hum[:, None] * rng.normal(size=3)
        values = values + loud[:, None] * rng.normal(size=(len(time_s), 3)) * 0.1
        rows = [(2.0 * k, 2.0 * k + 2.0, LABELS[one], "truth", "made") for k, one in enumerate(label)]
        accel = Stream.measured("accel", time_s, values)
        held.append(Recording.of([accel], labels=label_table(rows), subject=f"stranger {number}"))
    return wk.windows(held, **{**GRID, "hop_s": 2.0}, labels="whole")


EVERY = [
    *((name, None) for name in NETS),
    (Small, None),
    (make_pipeline(FunctionTransformer(spread), StandardScaler(), LogisticRegression()), None),
    (RandomForestClassifier(30), "wrist"),
    (Rule, None),
]
IDS = [*NETS, "net of one's own", "pipeline on values", "forest on features", "function"]


@pytest.mark.parametrize(("model", "features"), EVERY, ids=IDS)
def test_l10_tested_windows_change_no_score_of_each_other(six: Windows, model, features) -> None:
    """Whatever else was measured on the tested people, what is said of a window of theirs is the same, bit for bit."""
    found = wk.cross_validate(six, model=model, features=features, folds=2, epochs=1)
    tested = np.flatnonzero(found.predictions["fold"] == 0)
    values, labels = six.values.copy(), six.labels.copy()
    values[tested[::2]] *= -70
    labels[tested] = labels[tested[::-1]]
    other = dataclasses.replace(six, values=values, labels=labels)
    again = wk.cross_validate(other, model=model, features=features, folds=2, epochs=1)
    assert again.folds == found.folds
    kept, names = tested[1::2], list(six.classes)
    pd.testing.assert_frame_equal(
        found.predictions.loc[kept, names], again.predictions.loc[kept, names], check_exact=True
    )
    assert not found.predictions.loc[tested[::2], names].equals(again.predictions.loc[tested[::2], names])


@pytest.mark.parametrize(("model", "features"), EVERY, ids=IDS)
def test_the_canary_that_only_knows_who_someone_is_scores_at_chance(model, features) -> None:
    """Labels are drawn by a coin: nothing but luck is right, within the binomial interval of so many windows."""
    made = strangers(8, seed=1, share=0.5, signal=0.0)
    found = wk.cross_validate(made, model=model, features=features, folds=4, epochs=4)
    right = int((found.predictions["truth"] == found.predictions["predicted"]).sum())
    low, high = binom.interval(0.999, len(made), 0.5)
    assert low <= right <= high


@pytest.mark.parametrize(("model", "features"), EVERY, ids=IDS)
def test_the_canary_whose_people_have_favourites_is_no_better_than_chance(model, features) -> None:
    """Who is known gives the label away to who has seen the person; of a new one only luck is right."""
    made = strangers(10, seed=2, share=0.9, signal=0.0)
    found = wk.cross_validate(made, model=model, features=features, folds=5, epochs=4)
    right = (found.predictions["truth"] == found.predictions["predicted"]).groupby(found.predictions["subject"]).mean()
    assert (right > 0.5).sum() <= binom.interval(0.99, len(right), 0.5)[1]
    assert right.mean() < 0.75


@pytest.mark.parametrize("take_from", ["background", "all"])
def test_the_canary_of_a_new_class_that_only_knows_who_showed_it(take_from) -> None:
    """Five windows of one stranger are called new; of others no more are new where a coin says so than elsewhere."""
    made = strangers(17, seed=5, share=0.5, signal=0.0)
    coin = made.labels == LABELS[0]
    made = dataclasses.replace(made, labels=np.where(coin, "none", "tap").astype(object), background="none")
    names = sorted(set(made.subjects))
    fit = wk.quick_train(made.of_subjects(names[:8]), epochs=4)
    five = made.of_subjects(names[8:9])
    five = dataclasses.replace(five, labels=np.full(len(five), "new", dtype=object)).subset(np.arange(len(five)) < 5)
    more = wk.personalise(fit, five, take_from=take_from)
    others = made.of_subjects(names[9:])
    found, before = (one.detector().probabilities(others.values) for one in (more, fit))
    taken = found.argmax(axis=1) == more.classes.index("new")
    for mine in (others.labels == "none", others.labels == "tap"):
        low, high = binom.interval(0.999, mine.sum(), taken.mean())
        assert low <= taken[mine].sum() <= high
    for name in fit.classes:  # what it was before never rises, and so none of its false alarms is new
        rise = found[:, more.classes.index(name)] - before[:, fit.classes.index(name)]
        assert rise.max() < 1e-5


@pytest.mark.parametrize(
    ("model", "features"), [("tcn", None), ("boosting", None), (RandomForestClassifier(30), "wrist")]
)
def test_the_same_canary_sings_where_people_are_on_both_sides(model, features) -> None:
    made = strangers(10, seed=2, share=0.9, signal=0.0)
    blind = wk.subject_blind_warning(made, model=model, features=features, folds=3)
    assert blind.inflated_macro_f1 > 0.7


@pytest.mark.parametrize(("model", "features"), EVERY, ids=IDS)
def test_where_there_is_signal_it_is_found(model, features) -> None:
    made = strangers(8, seed=3, share=0.5, signal=60.0)
    found = wk.cross_validate(made, model=model, features=features, folds=4, epochs=6)
    assert found.macro_f1 > (0.65 if model in (Rule, Small) else 0.85)


# The number that warns.


def test_the_number_that_warns_cannot_be_taken_for_a_result(six: Windows) -> None:
    warning = wk.subject_blind_warning(six, model=by_spread(), folds=3)
    assert "no result" in repr(warning)
    assert "cross_validate" in repr(warning)
    assert f"{warning.inflated_macro_f1:.3f}" in repr(warning)
    for name in ("macro_f1", "predictions", "by_class", "minus"):
        assert not hasattr(warning, name)
    for use in (float, lambda one: one > 0.5, lambda one: f"{one:.2f}", lambda one: one - 1):
        with pytest.raises(TypeError):
            use(warning)


@pytest.mark.parametrize("folds", ["leave-one-out", None, 1, 1.5, True])
def test_the_number_that_warns_needs_a_number_of_folds(six: Windows, folds) -> None:
    with pytest.raises(ValueError, match=r"folds is .* expected a whole number from 2"):
        wk.subject_blind_warning(six, model=by_spread(), folds=folds)


def test_the_number_that_warns_has_no_more_folds_than_people(six: Windows) -> None:
    fitted: list[Windows] = []

    def rule(train: Windows) -> Rule:
        fitted.append(train)
        return Rule(train)

    wk.subject_blind_warning(six, model=rule, folds=10**9)
    assert len(fitted) == 6


def test_the_number_that_warns_says_that_it_was_interrupted(six: Windows) -> None:
    fitted: list[Windows] = []

    def rule(train: Windows) -> Rule:
        fitted.append(train)
        if len(fitted) == 3:
            raise KeyboardInterrupt
        return Rule(train)

    assert "interrupted after 2 of" in repr(wk.subject_blind_warning(six, model=rule))


@pytest.mark.parametrize("call", [wk.cross_validate, wk.subject_blind_warning])
def test_numbers_that_are_none_are_named_before_anything_is_trained(six: Windows, call) -> None:
    for wrong in ({"seed": -1}, {"seed": "a"}, {"epochs": 0}, {"epochs": True}):
        name = next(iter(wrong))
        with pytest.raises(ValueError, match=f"{name} is .* expected a whole number"):
            call(six, model=lambda _: pytest.fail("it was trained"), **wrong)


@pytest.mark.parametrize("call", [wk.cross_validate, wk.subject_blind_warning])
def test_windows_that_are_not_finite_accuse_nobody_of_a_copy(six: Windows, call) -> None:
    values = six.values.copy()
    values[[3, len(values) - 2]] = np.nan
    where = f"2 of {len(six)} windows .* recording {six.recordings[3]} at {six.start_s[3]:g} s"
    with pytest.raises(RecordingError, match=where) as caught:
        call(dataclasses.replace(six, values=values), model=lambda _: pytest.fail("it was trained"))
    assert caught.value.code == "not_finite"


def test_classes_that_look_the_same_are_refused() -> None:
    with pytest.raises(ValueError, match="differ in how characters are written alone"):
        wk.cross_validate(cut(4, labels=("caf\u00e9", "cafe\u0301")), model=by_spread())


def test_the_number_that_warns_is_that_of_a_random_split() -> None:
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    made = strangers(10, seed=4, share=0.9, signal=0.0)
    forest = RandomForestClassifier(30, random_state=0)
    guessed = cross_val_predict(
        forest,
        wk.features(made, "wrist"),
        made.labels.astype(str),
        cv=StratifiedKFold(5, shuffle=True, random_state=0),
    )
    wanted = f1_score(made.labels.astype(str), guessed, average="macro")
    blind = wk.subject_blind_warning(made, model=forest, features="wrist")
    assert blind.inflated_macro_f1 == pytest.approx(wanted, abs=0.06)


def test_simulated_people_are_said_to_be() -> None:
    held = [person(number, source={"format": "simulated"}) for number in range(3)]
    found = wk.cross_validate(wk.windows(held, **GRID), model=by_spread(), folds=3)
    assert "3 of 3 recordings are simulated" in repr(found)
    assert repr(found).count("3 of 3 recordings are simulated") == 1
    assert "3 of 3 recordings are simulated" in repr(found.minus(found))
    blind = wk.subject_blind_warning(wk.windows(held, **GRID), model=by_spread(), folds=3)
    assert "3 of 3 recordings are simulated" in repr(blind)
