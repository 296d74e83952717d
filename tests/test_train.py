"""Training: people kept apart, the same weights for the same seed in fresh processes, no learning of identity."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import logsumexp
from torch import nn

import wristkit as wk
from wristkit.events import EventDecoder, Scores
from wristkit.models import MODELS, build, summary, weights_sha256
from wristkit.models.own import Own
from wristkit.recording import Recording, Stream, label_table
from wristkit.train import (
    Augmentation,
    BoostedFit,
    Fit,
    hardware,
    loop,
    macro_f1,
    personalise,
    quick_train,
    runs,
    train_for_others,
)
from wristkit.train.decoding import _worth, spec_of
from wristkit.windows import Windows, split_people, windows

LABELS = ("still", "shake")
NAMES = (*sorted(MODELS), "boosting")
CHOICES = ("model", "epochs", "seed", "augmentation", "device", "threads", "on_epoch", "runs")


def make_person(number: int, *, labels: tuple[str, ...] = LABELS, identity_only: bool = False) -> Recording:
    """A person whose classes differ in how much the wrist moves; or in nothing but who it is."""
    rng = np.random.default_rng(number)
    time_s = np.arange(0, 48, 0.02)
    place = (time_s // 6).astype(int) % len(labels)
    loud = np.ones(len(time_s)) if identity_only else 0.05 + place * 1.5
    hum = np.sin(2 * np.pi * (1 + number) * time_s) if identity_only else 0.0
    values = rng.normal(size=(len(time_s), 3)) * loud[:, None] * 0.3 + np.asarray(hum)[..., None]
    label_of = rng.permutation(len(labels))[place] if identity_only else place
    rows = [(6.0 * k, 6.0 * k + 6.0, labels[label_of[k * 300]], "truth", "made") for k in range(8)]
    return Recording.of([Stream.measured("accel", time_s, values)], labels=label_table(rows), subject=f"p{number}")


def make_windows(count: int = 6, **person) -> Windows:
    held = [make_person(number, **person) for number in range(count)]
    return windows(held, streams=("accel",), rate_hz=25, length_s=2.0, hop_s=0.4)


def test_it_learns_and_says_for_whom() -> None:
    made = make_windows()
    fit = quick_train(made, epochs=6)
    assert fit.macro_f1 > 0.95
    assert set(fit.held_out["subject"]) == set(fit.held_out_subjects)
    assert not set(fit.held_out_subjects) & (set(fit.split.train) | set(fit.split.stop))
    columns = ["recording", "subject", "fold", "start_s", "stop_s", "truth", "predicted", *fit.classes]
    assert list(fit.held_out.columns) == columns
    np.testing.assert_allclose(fit.held_out[list(fit.classes)].sum(axis=1), 1, atol=1e-5)
    assert fit.history["epoch"].tolist() == list(range(1, len(fit.history) + 1))
    assert fit.history["train_loss"].iloc[-1] < fit.history["train_loss"].iloc[0]
    seen = set(fit.spec.trained_on)
    assert seen == set(made.recordings[~np.isin(made.subjects.astype(str), fit.held_out_subjects)])
    detector = fit.detector()
    assert detector.spec.conditioning == made.conditioning
    assert (detector.spec.length, detector.spec.hop) == (50, 10)


def test_held_out_people_change_nothing_of_the_fit() -> None:
    """Whatever was measured on the held-out people, the weights, the thresholds and the history are the same."""
    made = make_windows()
    fit = quick_train(made, epochs=2)
    touched = np.isin(made.subjects.astype(str), fit.held_out_subjects)
    values = made.values.copy()
    values[touched] = 7.0
    other = dataclasses.replace(made, values=values)
    again = quick_train(other, epochs=2)
    assert again.held_out_subjects == fit.held_out_subjects
    assert again.weights_sha256 == fit.weights_sha256
    assert again.spec == fit.spec
    assert again.history.equals(fit.history)


SCRIPT = """
import sys; sys.path.insert(0, {tests!r})
import test_train
from wristkit.train import quick_train
fit = quick_train(test_train.make_windows(5), epochs=2, seed=3)
print(fit.weights_sha256, fit.threads)
"""


def test_the_same_seed_gives_the_same_weights_in_fresh_processes() -> None:
    script = SCRIPT.format(tests=str(Path(__file__).parent))
    printed = [
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout for _ in "ab"
    ]
    sha256, threads = printed[0].split()
    assert printed[0] == printed[1]
    assert (len(sha256), threads) == (64, "1")
    assert quick_train(make_windows(5), epochs=2, seed=4).weights_sha256 != sha256


def test_training_leaves_torch_as_it_was() -> None:
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    before = (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled())
    quick_train(make_windows(4), epochs=1)
    assert (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()) == before
    assert torch.equal(torch.rand(3), wanted)


def make_strangers(count: int) -> Windows:
    """People with a hum of their own who do one of two things nine times in ten; no motion tells which."""
    made = make_windows(count, identity_only=True)
    rng = np.random.default_rng(7)
    number = np.array([int(name[1:]) for name in made.subjects])
    favourite = rng.permutation(np.arange(count) % 2)[number]
    place = np.where(rng.random(len(made)) < 0.9, favourite, 1 - favourite)
    return dataclasses.replace(made, labels=np.array(LABELS, dtype=object)[place])


@pytest.mark.parametrize("name", NAMES)
def test_who_someone_is_says_nothing_about_others(name: str) -> None:
    """A canary: where only identity is in the signal, a subject-blind split scores high and this must not."""
    fit = quick_train(make_strangers(8), model=name, epochs=4)
    assert fit.macro_f1 < 0.7


@pytest.mark.parametrize("name", ["tcn", "boosting"])
def test_the_same_canary_sings_where_people_are_on_both_sides(name: str) -> None:
    blind = wk.subject_blind_warning(make_strangers(8), model=name, epochs=5, folds=2)
    assert blind.inflated_macro_f1 > 0.8


@pytest.mark.parametrize(("count", "says"), [(1, "nobody is held out"), (2, "no one is left"), (3, "no one is left")])
def test_with_too_few_people_it_says_what_it_did(count: int, says: str) -> None:
    fit = quick_train(make_windows(count), epochs=2)
    assert says in fit.notes[0]
    assert says.partition(" ")[0] in repr(fit)
    assert fit.history["stop_loss"].isna().all()
    assert len(fit.held_out_subjects) == (count > 1)
    assert np.isnan(fit.macro_f1) == (count == 1)


def test_one_class_is_nothing_to_learn() -> None:
    with pytest.raises(ValueError, match="expected two or more"):
        quick_train(make_windows(4, labels=("still",)))


@pytest.mark.parametrize("count", [2, 6])
def test_for_people_elsewhere_nobody_is_held_out(count: int) -> None:
    made = make_windows(count)
    usual, fit = quick_train(made, epochs=2), train_for_others(made, epochs=2)
    assert set(fit.split.train) == {*usual.split.train, *usual.split.held_out}
    assert fit.split.stop == usual.split.stop
    assert fit.held_out.empty
    assert f"on {count - len(fit.split.stop)} people" in repr(fit)
    assert "nobody of these people is held out" in repr(fit)
    assert set(fit.spec.trained_on) == set(made.recordings)
    with pytest.raises(ValueError, match="epochs is 0, expected a whole number from 1"):
        train_for_others(made, epochs=0)


def test_for_people_elsewhere_a_net_may_be_wider_and_windows_varied_otherwise() -> None:
    made = make_windows(4)
    usual, off = train_for_others(made, epochs=1), Augmentation.off()
    wide = train_for_others(made, epochs=1, width=12, augmentation=off)
    assert wide.model.architecture is not None
    assert wide.model.architecture["width"] == 12
    assert usual.model.architecture is not None
    assert usual.model.architecture["width"] == 32
    assert (usual.augmentation, wide.augmentation) == (Augmentation(), off)
    with pytest.raises(ValueError, match=r"width 1; got .* and 0"):
        train_for_others(made, epochs=1, width=0)
    with pytest.raises((TypeError, ValueError), match=r"augmentation is .* expected an Augmentation"):
        train_for_others(made, augmentation=0.5)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        *(
            ({"epochs": wrong}, "epochs is .* expected a whole number from 1")
            for wrong in (0, -1, 2**70, None, 1.5, True)
        ),
        *(
            ({"seed": wrong}, "seed is .* expected a whole number from 0")
            for wrong in (-1, 2**70, None, 1.5, "a", True)
        ),
        *(({"threads": wrong}, "threads is .* expected a whole number from 1") for wrong in (0, 10**6, 1.5, True, "2")),
        *(({"model": wrong}, "model is .* expected the name of a net") for wrong in (nn.Linear, len, None, 3)),
        *(({"augmentation": wrong}, "augmentation is .* expected an Augmentation") for wrong in ({}, True)),
        ({"model": "mlp"}, "model 'mlp' is not known"),
        ({"on_epoch": 3}, "on_epoch is 3, expected a function"),
        *(({"runs": wrong}, "runs is .* expected the path of a folder") for wrong in ("", "a\0b", 3)),
    ],
)
def test_wrong_arguments_are_named(changes: dict, says: str) -> None:
    with pytest.raises((TypeError, ValueError), match=says):
        quick_train(make_windows(4), **changes)


def test_what_is_no_windows_is_named() -> None:
    calls = (quick_train, train_for_others, wk.cross_validate, wk.subject_blind_warning)
    fit = quick_train(make_windows(3), epochs=1)
    for call in (*calls, lambda wrong: personalise(fit, wrong)):
        for wrong in (None, pd.DataFrame()):
            with pytest.raises(TypeError, match=r"expected Windows; make them with wristkit\.windows"):
                call(wrong)
    with pytest.raises(TypeError, match="fit is a int, expected a Fit"):
        personalise(3, make_windows(3))


def test_windows_that_are_not_finite_are_named_before_training() -> None:
    made = make_windows(4)
    values = made.values.copy()
    values[[5, 9], 0, 3] = np.nan
    says = f"2 of {len(made)} windows .* recording {made.recordings[5]} at {made.start_s[5]:g} s"
    with pytest.raises(ValueError, match=says):
        quick_train(dataclasses.replace(made, values=values), on_epoch=lambda _: pytest.fail("it was trained"))


def test_classes_that_the_held_out_never_show_are_told() -> None:
    made = make_windows(4)
    held = quick_train(made, epochs=1).held_out_subjects
    labels = made.labels.copy()
    labels[:9] = "swim"
    labels[np.isin(made.subjects.astype(str), held) & (labels == "swim")] = "still"
    fit = quick_train(dataclasses.replace(made, labels=labels), epochs=1)
    shown = set(fit.held_out["truth"])
    assert any("shown by nobody who was held out" in note for note in fit.notes) == ("swim" not in shown)
    assert "swim" not in shown


def test_a_row_that_is_changed_by_who_is_told_changes_no_history() -> None:
    made = make_windows(4)
    fit = quick_train(made, epochs=2, on_epoch=lambda row: row.clear())
    pd.testing.assert_frame_equal(fit.history, quick_train(made, epochs=2).history)


@pytest.mark.parametrize("count", [3, 4])
def test_weights_that_are_no_numbers_are_no_fit(count: int, monkeypatch) -> None:
    """With someone to stop on or nobody; the windows are blamed where they are huge, else the net."""
    monkeypatch.setattr(loop, "LEARNING_RATE", 1e30)
    made = make_windows(count)
    with pytest.raises(ValueError, match=r"never a number; their windows reach no more than .* so it is the net"):
        quick_train(made, epochs=2)
    values = made.values.copy()
    place = int(np.flatnonzero(np.isin(made.subjects.astype(str), split_people(made, seed=0).train))[0])
    values[place] = 1e30
    where = f"recording {made.recordings[place]} at {made.start_s[place]:g} s"
    with pytest.raises(ValueError, match=rf"trained on was never a number; their windows reach 1e\+30 in {where}"):
        quick_train(dataclasses.replace(made, values=values), epochs=2)


def test_a_fit_on_simulated_people_says_so() -> None:
    people = [
        Recording.of(list(one.streams.values()), labels=one.labels, subject=one.subject, source={"format": "simulated"})
        for one in (make_person(number) for number in range(4))
    ]
    made = windows(people, streams=("accel",), rate_hz=25, length_s=2.0, hop_s=0.4)
    assert "4 of 4 recordings are simulated" in repr(quick_train(made, epochs=1))


def test_a_loss_that_is_no_number_is_named() -> None:
    made = make_windows(4)
    stop = split_people(made, seed=0).stop
    values = made.values.copy()
    values[np.isin(made.subjects.astype(str), stop)] = np.nan
    with pytest.raises(ValueError, match="hold values that are not finite"):
        quick_train(dataclasses.replace(made, values=values), epochs=1)


def test_the_background_keeps_its_name_and_is_no_event() -> None:
    held = [
        one.with_labels(one.labels[one.labels["label"] == "shake"], labelled={"truth": [(0.0, 48.0)]})
        for one in (make_person(number) for number in range(4))
    ]
    made = windows(held, streams=("accel",), rate_hz=25, length_s=2.0, hop_s=0.4, background="silence")
    detector = quick_train(made, epochs=2).detector()
    assert detector.spec.background == "silence"
    assert "silence" not in set(detector.detect(held[0])["label"])


def test_a_class_named_like_a_column_is_refused_before_training() -> None:
    with pytest.raises(ValueError, match=r"classes \['truth'\] have the names of columns"):
        quick_train(make_windows(4, labels=("truth", "shake")))


def test_a_spike_in_training_is_named() -> None:
    made = make_windows(4)
    values = made.values.copy()
    values[np.flatnonzero(made.subjects == quick_train(made, epochs=1).split.train[0])[0], 1, 5] = 1e30
    notes = quick_train(dataclasses.replace(made, values=values), epochs=1).notes
    assert any("['accel_y'] hold spikes" in note for note in notes)
    assert not any("spikes" in note for note in quick_train(made, epochs=1).notes)


def test_there_is_no_keyword_for_a_subject_blind_split() -> None:
    import inspect

    parameters = inspect.signature(quick_train).parameters
    assert list(parameters) == ["windows", *CHOICES]


def test_macro_f1_counts_the_classes_that_occur() -> None:
    assert macro_f1(["a", "a", "b"], ["a", "a", "c"]) == pytest.approx(0.5)
    assert np.isnan(macro_f1([], []))


# Any net, and trees.


@pytest.mark.parametrize("name", NAMES)
def test_every_trainer_learns_and_repeats(name: str) -> None:
    made = make_windows(5)
    fits = [quick_train(made, model=name, epochs=4) for _ in "ab"]
    assert fits[0].macro_f1 > 0.85
    assert fits[0].name == name
    assert name in repr(fits[0])
    pd.testing.assert_frame_equal(fits[0].held_out, fits[1].held_out, check_exact=True)
    pd.testing.assert_frame_equal(fits[0].history, fits[1].history, check_exact=True)
    if name != "boosting":
        assert fits[0].weights_sha256 == fits[1].weights_sha256
        assert summary(fits[0].model).parameters <= 150_000


def test_nets_that_are_only_to_compare_with_say_so() -> None:
    made = make_windows(4)
    assert any("wk.export refuses it" in note for note in quick_train(made, model="lstm", epochs=1).notes)
    assert any("has one branch" in note for note in quick_train(made, model="branches", epochs=1).notes)


def test_every_net_by_name_is_saved_and_loaded(tmp_path: Path) -> None:
    made = make_windows(4)
    for name in MODELS:
        detector = quick_train(made, model=name, epochs=1).detector()
        again = wk.Detector.load(detector.save(tmp_path / name))
        np.testing.assert_array_equal(again.probabilities(made.values), detector.probabilities(made.values))


def test_boosting_is_a_number_and_no_detector() -> None:
    made = make_windows(6)
    fit = quick_train(made, model="boosting", epochs=6)
    assert isinstance(fit, BoostedFit)
    assert fit.macro_f1 > 0.9
    assert fit.history["stop_loss"].iloc[-1] < fit.history["stop_loss"].iloc[0]
    with pytest.raises(TypeError, match="train model='tcn'"):
        fit.detector()
    with pytest.raises(TypeError, match="no weights"):
        _ = fit.weights_sha256
    held = made.of_subjects(fit.held_out_subjects)
    np.testing.assert_array_equal(fit.predict_proba(held), fit.held_out[list(fit.classes_)].to_numpy())
    told = summary(fit.model)
    assert (told.parameters, told.receptive_field, told.streamable) == (0, made.samples, False)
    assert "whole window" in told.not_streamable[0]
    found = wk.cross_validate(made, model="boosting", folds=3, epochs=3)
    assert found.macro_f1 > 0.9


def test_trees_stop_on_people_and_keep_the_best_number() -> None:
    """Labels by coin: more trees only learn the training people, so few are used; a fit of so many says the same."""
    made = make_windows(6, identity_only=True)
    fit = quick_train(made, model="boosting", epochs=12)
    best = int(fit.history.loc[fit.history["stop_loss"].idxmin(), "epoch"])
    assert fit.model.epochs == best < 12
    fewer = quick_train(made, model="boosting", epochs=best)
    pd.testing.assert_frame_equal(fewer.held_out, fit.held_out)


def test_trees_look_at_every_channel() -> None:
    from wristkit.train.boosting import feature_table

    values = np.random.default_rng(0).normal(size=(3, 5, 50)).astype(np.float32)
    channels = ("accel_x", "accel_y", "accel_z", "ppg", "gyro_x")
    table = feature_table(values, channels=channels, rate_hz=25)
    assert {name.partition("__")[0] for name in table.columns if "__" in name} == {"ppg", "gyro_x"}
    assert len([name for name in table.columns if "__" not in name]) > 20
    only = feature_table(values[:, 3:4], channels=("ppg",), rate_hz=25)
    assert set(only.columns) == {name for name in table.columns if name.startswith("ppg__")}


class Mine(nn.Module):
    """A net of the user's own."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.conv = nn.Conv1d(3, width, 5)
        self.norm = nn.BatchNorm1d(width)
        self.head = nn.Linear(width, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.norm(self.conv(x)).relu().mean(-1))


def test_a_net_of_ones_own_is_trained_and_left_alone() -> None:
    made = make_windows(5)
    torch.manual_seed(3)
    mine = Mine()
    before = weights_sha256(mine)
    fits = [quick_train(made, model=mine, epochs=5) for _ in "ab"]
    assert fits[0].macro_f1 > 0.8
    assert fits[0].name == "Mine"
    assert fits[0].weights_sha256 == fits[1].weights_sha256
    assert weights_sha256(mine) == before
    events = fits[0].detector().detect(make_person(0))
    assert set(events["label"]) <= set(LABELS)
    with pytest.raises(ValueError, match=r"expected \(4, 2\)"):
        quick_train(made, model=nn.Sequential(nn.Flatten(), nn.Linear(150, 3)), epochs=1)


def test_a_net_too_big_for_a_watch_is_named() -> None:
    fit = quick_train(make_windows(4), model=Mine(9000), epochs=1)
    assert any("more than the 150000 that suit a watch" in note for note in fit.notes)


# What is told while it runs, and what is left behind.


def test_each_epoch_is_told_as_soon_as_it_is_over() -> None:
    rows: list[dict] = []
    fit = quick_train(make_windows(4), epochs=3, on_epoch=lambda row: rows.append(dict(row)))
    pd.testing.assert_frame_equal(pd.DataFrame(rows), fit.history)
    trees: list[dict] = []
    fit = quick_train(make_windows(4), model="boosting", epochs=2, on_epoch=lambda row: trees.append(dict(row)))
    pd.testing.assert_frame_equal(pd.DataFrame(trees), fit.history)


def test_an_interruption_keeps_the_best_epoch_and_says_so() -> None:
    def stop(row: dict) -> None:
        if row["epoch"] == 2:
            raise KeyboardInterrupt

    fit = quick_train(make_windows(4), epochs=9, on_epoch=stop)
    assert len(fit.history) == 2
    assert any("interrupted" in note for note in fit.notes)


def test_the_learning_rate_falls_along_a_cosine() -> None:
    history = quick_train(make_windows(3), epochs=5).history
    wanted = 3e-3 * (1 + np.cos(np.pi * np.arange(5) / 5)) / 2
    np.testing.assert_allclose(history["learning_rate"], wanted)


def test_it_stops_on_people_and_keeps_the_best_epoch() -> None:
    """Labels are drawn by a coin, so what is learned soon harms others: the epoch before that is the one that stays."""
    made = make_windows(4)
    coins = dataclasses.replace(made, labels=np.random.default_rng(0).choice(LABELS, size=len(made)).astype(object))
    train, stop = coins.of_subjects(sorted(set(made.subjects))[:3]), coins.of_subjects(sorted(set(made.subjects))[3:])
    torch.manual_seed(0)
    net = build("tcn", channels=made.channels, classes=made.classes, samples=made.samples, hop=made.hop)
    net.fit_normaliser(train.values)
    plan = loop.Plan(60, Augmentation.off(), "cpu", None)
    history, interrupted = loop.run_epochs(net, train, stop, plan=plan, rng=np.random.default_rng(0))
    best = int(history["epoch"][history["stop_loss"].argmin()])
    assert not interrupted
    assert len(history) == best + loop.PATIENCE < 60
    loss, _ = loop.judge(loop.logits_of(net, stop.values), stop, net.classes)
    assert loss == history["stop_loss"].min()


def test_each_class_weighs_alike_however_rare() -> None:
    made = make_windows(4)
    rare = made.subset((made.labels == LABELS[0]) | (np.arange(len(made)) % 7 == 0))
    torch.manual_seed(0)
    net = build("tcn", channels=made.channels, classes=made.classes, samples=made.samples, hop=made.hop).eval()
    places = np.arange(len(rare))
    loss = loop.batch_loss(net, rare.values, rare, places, device="cpu").item()
    logits = loop.logits_of(net, rare.values).astype(np.float64)
    wrong = logsumexp(logits, axis=1) - logits[places, [made.classes.index(one) for one in rare.labels]]
    assert loss == pytest.approx(np.mean([wrong[rare.labels == name].mean() for name in made.classes]), rel=1e-5)


def make_rare(share: float, *, count: int = 8) -> Windows:
    """Windows in which two classes overlap, and one of them is rare with everybody."""
    rng = np.random.default_rng(3)
    made = make_windows(count)
    is_rare = rng.random(len(made)) < share
    loud = np.where(is_rare, 1.6, 1.0) * rng.uniform(0.75, 1.35, len(made))
    values = rng.normal(size=made.values.shape) * loud[:, None, None]
    labels = np.where(is_rare, "rare", "usual").astype(object)
    return dataclasses.replace(made, values=values.astype(np.float32), labels=labels)


@pytest.mark.parametrize("name", ["tcn", "boosting", "own"])
def test_probabilities_of_a_rare_class_are_as_high_as_it_is_common(name: str) -> None:
    """Training in which each class weighs alike takes the prior away; it is given back before the temperature."""
    fit = quick_train(make_rare(0.08), model=Mine() if name == "own" else name, epochs=5)
    table = fit.held_out
    said, true = table["rare"].to_numpy(), (table["truth"] == "rare").to_numpy()
    assert 0.5 * true.mean() < said.mean() < 2 * true.mean()
    always = np.mean((true - true.mean()) ** 2)  # who says the share each time
    assert np.mean((said - true) ** 2) < 1.05 * always
    reliability = fit.report.reliability(label="rare", bins=5)
    weight = reliability["windows"] / reliability["windows"].sum()
    assert (weight * (reliability["accuracy"] - reliability["confidence"]).abs()).sum() < 0.05
    assert fit.report.brier < 2.1 * always


def test_a_tcn_gets_the_whole_prior_back_where_those_it_is_stopped_on_lack_a_class() -> None:
    made = make_rare(0.08)
    torch.manual_seed(0)
    shape = {"channels": made.channels, "classes": made.classes, "samples": made.samples, "hop": made.hop}
    net = build("tcn", **shape).eval()
    before = loop.logits_of(net, made.values).astype(np.float64)
    loop.calibrate(net, made, made.subset(made.labels == "usual"))
    after = loop.logits_of(net, made.values).astype(np.float64)
    slope, moved = np.polyfit(before[:, 0] - before[:, 1], after[:, 0] - after[:, 1], 1)
    rare, usual = loop.prior_of(made, made.classes)
    assert (made.classes, rare < 0.15) == (("rare", "usual"), True)
    assert moved / slope == pytest.approx(np.log(rare / usual), rel=0.02)  # float16 weights


def test_the_shift_is_that_of_the_prior_and_chosen_on_who_shows_all_classes() -> None:
    rng = np.random.default_rng(0)
    prior = np.array([0.7, 0.25, 0.05])
    target = rng.choice(3, size=4000, p=prior)
    seen = np.eye(3)[target] * 2 + rng.normal(size=(4000, 3))
    balanced = (2 * seen).astype(np.float32)  # log odds of these normals where all classes are alike common
    whole = np.log(prior) - np.log(prior).mean()
    found = loop.calibration_of(balanced, target, prior=prior)
    assert found.temperature == pytest.approx(1, abs=0.1)
    np.testing.assert_allclose(found.shift, whole, atol=0.2)
    knowing = loop.calibration_of(balanced + whole.astype(np.float32), target, prior=prior)
    np.testing.assert_allclose(knowing.shift, 0, atol=0.1)
    lacking = target != 2
    for logits in (balanced, balanced + whole.astype(np.float32)):
        np.testing.assert_allclose(loop.calibration_of(logits[lacking], target[lacking], prior=prior).shift, whole)
    nobody = loop.calibration_of(balanced[:0], target[:0], prior=prior)
    np.testing.assert_allclose(nobody.shift, whole)
    assert nobody.temperature == 1


def test_a_class_that_nobody_showed_in_training_is_rare_and_not_impossible() -> None:
    made = make_rare(0.08)
    rare, usual, never = loop.prior_of(made, (*made.classes, "zzz"))
    assert never == pytest.approx(1 / (len(made) + 3))
    assert rare + usual + never == pytest.approx(1)


def test_of_decoders_that_find_all_events_the_one_that_finds_nothing_else_is_best() -> None:
    centre_s = np.arange(40) * 0.5
    score = np.full(40, 0.05)
    score[[10, 11]], score[[2, 20, 30]] = 0.9, 0.6  # one event, and three that are none
    scores = Scores.of(
        centre_s + 1, np.column_stack([score, 1 - score]), classes=("shake", "none"), centre_s=centre_s, hop_s=0.5
    )
    tracks = [(scores, {"shake": np.array([[5.0, 5.5]])})]
    sure, eager = (_worth(EventDecoder(high=high, low=0.3), tracks) for high in (0.8, 0.5))
    assert sure[0] == 1.0
    assert eager[0] == pytest.approx(2 / (4 + 1))
    assert sure > eager


def test_a_net_shifts_and_cools_in_any_order() -> None:
    made = make_windows(2)
    x = torch.from_numpy(made.values[:5])
    shift = np.array([0.5, -1.5])
    for name in ("tcn", "own"):
        net = Own(Mine(), channels=made.channels, classes=made.classes, samples=made.samples)
        if name == "tcn":
            net = build("tcn", channels=made.channels, classes=made.classes, samples=made.samples, hop=made.hop)
        net.eval()
        with torch.no_grad():
            logits = net(x)
            net.shift(shift)
            net.cool(2.0)
            torch.testing.assert_close(net(x), (logits + torch.tensor(shift, dtype=torch.float32)) / 2)
            net.shift(shift)
            wanted = (logits + torch.tensor(shift, dtype=torch.float32)) / 2 + torch.tensor(shift, dtype=torch.float32)
            torch.testing.assert_close(net(x), wanted)


def test_who_shows_no_event_does_not_choose_the_most_trigger_happy_decoder() -> None:
    people = [
        one.with_labels(one.labels[one.labels["label"] == "shake"], labelled={"truth": [(0.0, 48.0)]})
        for one in (make_person(number) for number in range(6))
    ]
    made = windows(people, streams=("accel",), rate_hz=25, length_s=2.0, hop_s=0.4, background="none")
    fit = quick_train(made, epochs=3)
    train, stop = made.of_subjects(fit.split.train), made.of_subjects(fit.split.stop)
    silent = dataclasses.replace(stop, labels=np.full(len(stop), "none", dtype=object))
    chosen = spec_of(made, fit.model, seen=train, stop=silent).decoder
    shown = [one for one in people if one.subject in fit.split.stop]
    eager = dataclasses.replace(chosen, smooth=1, high=0.15, low=0.09)
    few, many = (sum(len(fit.detector(decoder).detect(one)) for one in shown) for decoder in (chosen, eager))
    assert few <= many
    assert chosen.high > eager.high
    labels = np.where(made.subjects == "p0", made.labels, "none").astype(object)  # who alone shows events trains
    fit = quick_train(dataclasses.replace(made, labels=labels), epochs=1)
    assert any("nobody it was stopped on shows an event" in note for note in fit.notes)
    assert not any("shows an event" in note for note in quick_train(made, epochs=1).notes)


def test_the_report_of_a_fit_has_its_notes(gestures: Fit) -> None:
    report = gestures.report
    assert report.macro_f1 == pytest.approx(gestures.macro_f1)
    assert "8 of 8 recordings are simulated, and so are the figures" in report.notes
    assert any("simulated" in note for note in wk.window_report(gestures.held_out).notes)
    with pytest.raises(ValueError, match="nobody was held out"):
        _ = personalise(gestures, shown("turn", 1)).report


def test_headless_it_says_one_line_and_prints_nothing(caplog, capsys, monkeypatch) -> None:
    monkeypatch.setenv("TQDM_DISABLE", "1")
    with caplog.at_level("INFO", logger="wristkit"):
        fit = quick_train(make_windows(4), epochs=1)
    assert [record.getMessage() for record in caplog.records] == [repr(fit)]
    assert "\n" not in repr(fit)
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


@pytest.mark.parametrize(
    ("there", "wanted"), [((True, True), "cuda"), ((False, True), "mps"), ((False, False), "cpu")], ids=str
)
def test_a_gpu_is_taken_where_there_is_one(monkeypatch, there: tuple, wanted: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there[0])
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: there[1])
    assert hardware.choose_device("auto") == wanted
    assert hardware.choose_device("cpu") == "cpu"
    if wanted == "cpu":
        with pytest.raises(ValueError, match="not on this machine"):
            hardware.choose_device("cuda")
    with pytest.raises(ValueError, match="expected 'auto'"):
        hardware.choose_device("tpu")


@pytest.mark.parametrize(
    ("seconds", "same", "wanted", "says"),
    [
        ({1: 1.0, 2: 0.9, 4: 0.9}, True, 1, ""),
        ({1: 1.0, 2: 0.5, 4: 0.6}, True, 2, ""),
        ({1: 1.0, 2: 0.5, 4: 0.25}, False, 1, "threads=4 would train 4.0 times as fast"),
        ({1: 1.0, 2: 2.0, 4: 5.0}, False, 1, ""),
    ],
)
def test_threads_are_measured_and_bits_come_first(monkeypatch, seconds, same, wanted, says) -> None:
    def tried(net: object, step: object, threads: int) -> tuple:
        return seconds[threads], [torch.ones(2) * (1 if same else threads)]

    monkeypatch.setattr(hardware, "_try", tried)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 5)
    found = hardware.choose_threads(None, None)
    assert found.number == wanted
    assert (says in found.note) if says else not found.note


def test_measuring_threads_leaves_net_numbers_and_threads_alone() -> None:
    made = make_windows(2)
    hashes = []
    for most in (1, 2):
        with hardware.using_threads(most):
            fit = quick_train(made, epochs=1)
            hashes.append((fit.weights_sha256, fit.threads))
            assert torch.get_num_threads() == most
    assert hashes[0] == hashes[1] or hashes[1][1] > 1
    assert hashes[0][0] == hashes[1][0]
    with pytest.raises(ValueError, match="threads is 0"):
        quick_train(made, threads=0)
    assert quick_train(made, epochs=1, threads=2).threads == 2


# Runs on disk.


def test_runs_are_a_table(tmp_path: Path) -> None:
    made = make_windows(4)
    fits = {
        name: quick_train(made, model=model, epochs=1, runs=tmp_path / "runs")
        for name, model in (("tcn", "tcn"), ("boosting", "boosting"), ("Mine", Mine()))
    }
    table = runs(tmp_path / "runs")
    assert table["model"].tolist() == ["Mine", "boosting", "tcn"]
    assert (table["damage"] == "").all()
    assert len(set(table["data_sha256"])) == 1
    assert table["people"].tolist() == [4, 4, 4]
    assert not table["simulated"].any()
    for row in table.itertuples():
        assert row.macro_f1 == pytest.approx(fits[row.model].macro_f1)
    folder = tmp_path / "runs" / table["run"].iloc[2]
    again = wk.Detector.load(folder)
    np.testing.assert_array_equal(again.probabilities(made.values), fits["tcn"].detector().probabilities(made.values))
    assert table["weights_sha256"].iloc[2] == weights_sha256(again.model)
    pd.testing.assert_frame_equal(pd.read_csv(folder / "history.csv"), fits["tcn"].history)
    said = json.loads((folder / "run.json").read_text())
    assert said["config"]["seed"] == 0
    assert Augmentation(**said["config"]["augmentation"]) == Augmentation()
    assert torch.__version__.startswith(said["environment"]["torch"].partition("+")[0])
    assert said["data"]["split"]["held_out"] == list(fits["tcn"].held_out_subjects)
    assert {path.name for path in (tmp_path / "runs" / table["run"].iloc[0]).iterdir()} == {
        *("history.csv", "held_out.csv", "run.json", "weights.safetensors")
    }


def test_a_run_is_there_whole_or_not_at_all(tmp_path: Path, monkeypatch) -> None:
    from wristkit.train import records

    made = make_windows(3)
    monkeypatch.setattr(records, "_write_text", lambda path, text: (_ for _ in ()).throw(RuntimeError("power cut")))
    with pytest.raises(RuntimeError, match="power cut"):
        quick_train(made, epochs=1, runs=tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert runs(tmp_path).empty


def test_a_damaged_run_stands_in_its_row(tmp_path: Path) -> None:
    deep = "[" * 100_000
    for name, text in (("deep", deep), ("a", "{"), ("b", '{"schema": 9}'), ("c", '{"schema": 1}'), (".d.tmp", "{")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text(text)
    (tmp_path / "of somebody else").mkdir()
    table = runs(tmp_path).set_index("run")
    assert table.index.tolist() == ["deep", "c", "b", "a"]
    assert "RecursionError" in table.loc["deep", "damage"]
    assert "JSONDecodeError" in table.loc["a", "damage"]
    assert "schema 9" in table.loc["b", "damage"]
    assert "KeyError" in table.loc["c", "damage"]
    with pytest.raises(FileNotFoundError, match=r"quick_train\(..., runs=folder\) makes it"):
        runs(tmp_path / "missing")


def test_a_run_without_a_zone_is_damaged_and_sorts(tmp_path: Path) -> None:
    made = make_windows(3)
    for seed in (0, np.int64(1)):
        quick_train(made, epochs=1, seed=seed, runs=tmp_path)
    path = tmp_path / runs(tmp_path)["run"].iloc[0] / "run.json"
    said = json.loads(path.read_text())
    path.write_text(json.dumps({**said, "started": said["started"][:19]}))
    table = runs(tmp_path)
    assert "expected a time with a zone" in table["damage"].iloc[0]
    assert table.sort_values("started")["seed"].tolist()[0] == 0


def test_a_folder_that_cannot_be_written_is_said_before_training(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for folder in (tmp_path / "file", "/proc/runs"):
        with pytest.raises(wk.RecordingError, match="cannot be written"):
            quick_train(make_windows(4), runs=folder, on_epoch=lambda _: pytest.fail("it was trained"))


def test_a_fit_is_not_lost_with_its_run(tmp_path: Path, monkeypatch) -> None:
    from wristkit.train import records

    monkeypatch.setattr(records, "_write_text", lambda path, text: (_ for _ in ()).throw(OSError(28, "No space")))
    fit = quick_train(make_windows(3), epochs=1, runs=tmp_path)
    assert any("the run was not recorded" in note and "No space" in note for note in fit.notes)
    assert list(tmp_path.iterdir()) == []


def test_an_interruption_of_trees_keeps_what_was_looked_at(tmp_path: Path) -> None:
    def stop(row: dict) -> None:
        if row["epoch"] == 2:
            raise KeyboardInterrupt

    fit = quick_train(make_windows(4), model="boosting", epochs=9, on_epoch=stop, runs=tmp_path)
    assert len(fit.history) == 2
    assert "interrupted" in repr(fit)
    quick_train(make_windows(4), epochs=1, runs=tmp_path)
    assert runs(tmp_path)["interrupted"].tolist() == [False, True]


def test_an_interruption_while_trees_grow_keeps_those_of_whole_epochs(monkeypatch) -> None:
    from sklearn.ensemble import HistGradientBoostingClassifier

    grow, made = HistGradientBoostingClassifier.fit, make_windows(4)

    def interrupted(self, *given):
        if self.max_iter > 10:
            raise KeyboardInterrupt
        return grow(self, *given)

    whole = quick_train(made, model="boosting", epochs=2)
    monkeypatch.setattr(HistGradientBoostingClassifier, "fit", interrupted)
    fit = quick_train(made, model="boosting", epochs=9)
    assert len(fit.history) == 2
    assert "interrupted" in repr(fit)
    pd.testing.assert_frame_equal(fit.held_out, whole.held_out)
    monkeypatch.setattr(HistGradientBoostingClassifier, "fit", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        quick_train(made, model="boosting", epochs=9)


def test_trees_grown_by_epochs_are_those_of_one_fit() -> None:
    from sklearn.base import clone

    fit = quick_train(made := make_windows(4), model="boosting", epochs=3)
    train = made.of_subjects(fit.split.train)
    grown, table = fit.model.estimator, fit.model.bins(fit.model.table(train.values))
    at_once = clone(grown).set_params(warm_start=False).fit(table, loop.targets(train, made.classes))
    np.testing.assert_allclose(grown.predict_proba(table), at_once.predict_proba(table), atol=1e-6)


def test_names_in_a_run_are_no_formulas(tmp_path: Path) -> None:
    made = make_windows(3)
    names = np.array(["=HYPERLINK(1)" if one == "p0" else f"@{one}" for one in made.subjects], dtype=object)
    labels = np.array([f"+{one}" for one in made.labels], dtype=object)
    fit = quick_train(dataclasses.replace(made, subjects=names, labels=labels), epochs=1, runs=tmp_path)
    table = pd.read_csv(next(tmp_path.glob("*/held_out.csv")))
    assert table["subject"].str.startswith(("'@", "'=")).all()
    assert table["truth"].str.startswith("'+").all()
    assert list(table.columns[-2:]) == [f"'{name}" for name in fit.classes]
    np.testing.assert_allclose(table.iloc[:, -2:], fit.held_out.iloc[:, -2:], rtol=1e-6)


def test_the_hash_of_the_data_sees_samples_labels_and_people() -> None:
    from wristkit.train.records import data_sha256

    made = make_windows(2)
    hashes = {data_sha256(made), data_sha256(make_windows(2))}
    assert len(hashes) == 1
    for name in ("values", "labels", "subjects", "start_s"):
        changed = getattr(made, name).copy()
        changed[0] = 7 if name in {"values", "start_s"} else "other"
        hashes.add(data_sha256(dataclasses.replace(made, **{name: changed})))
    assert len(hashes) == 5


# A new class from a few examples.

GESTURES = {"streams": ("accel",), "rate_hz": 25, "length_s": 1.2, "hop_s": 0.2, "background": "none"}
MOTIONS = {"shake": (5.0, 0, 0.8), "turn": (0.4, 1, 0.9), "sway": (0.3, 0, 0.5), "wave": (1.5, 1, 0.8)}


def gesturing(number: int, *, gestures: tuple[str, ...], seconds: int = 62) -> Recording:
    """A simulated person who makes gestures by turns; who sways in between, which is labelled as nothing."""
    rng = np.random.default_rng(number)
    time_s = np.arange(0, seconds, 0.02)
    values = rng.normal(size=(len(time_s), 3)) * 0.03 + [0, 0, -1]
    rows = []
    for turn, start_s in enumerate(range(2, seconds - 4, 5)):
        name = gestures[turn % len(gestures)]
        rate_hz, axis, loud = MOTIONS[name]
        during = (time_s >= start_s) & (time_s < start_s + 2)
        pace_hz = rate_hz * (1 + 0.1 * rng.normal())
        values[during, axis] += loud * (1 + 0.3 * rng.random()) * np.sin(2 * np.pi * pace_hz * time_s[during])
        if name != "sway":
            rows.append((start_s, start_s + 2, name, "truth", "made"))
    return Recording.of(
        [Stream.measured("accel", time_s, values)],
        labels=label_table(rows),
        labelled={"truth": [(0.0, float(seconds))]},
        subject=f"p{number}",
        source={"format": "simulated"},
    )


@pytest.fixture(scope="module")
def gestures() -> Fit:
    return quick_train(windows([gesturing(n, gestures=("shake", "sway")) for n in range(8)], **GESTURES), epochs=8)


def shown(name: str, examples: int, *, number: int = 100) -> Windows:
    """Windows over the first few examples of a gesture, as one person makes it."""
    made = windows([gesturing(number, gestures=(name,))], **GESTURES)
    return made.subset((made.labels == name) & (made.start_s < 2 + 5 * examples - 3))


@pytest.mark.parametrize("examples", [1, 3, 5])
def test_a_new_class_leaves_the_old_ones_as_they_were(gestures: Fit, examples: int) -> None:
    more = personalise(gestures, shown("turn", examples))
    assert more.classes == (*gestures.classes, "turn")
    assert "nobody was held out for it" in more.notes[-1] or "nobody was held out for it" in more.notes[-2]
    before, after = gestures.detector(), more.detector()
    others = [gesturing(n, gestures=("shake", "turn", "wave", "sway")) for n in (40, 41, 42)]
    for one in others:
        old, new = before.scores(one), after.scores(one)
        shake = gestures.classes.index("shake")
        np.testing.assert_allclose(new.values[:, shake], old.values[:, shake], rtol=0, atol=1e-6)
        found = after.detect(one)
        kept = found[found["label"] == "shake"].reset_index(drop=True)
        exact = ["start_s", "stop_s", "label", "decided_s"]
        pd.testing.assert_frame_equal(kept[exact], before.detect(one)[exact])
    assert set(gestures.spec.trained_on) < set(more.spec.trained_on)
    assert more.held_out.empty
    assert "nobody held out" in repr(more)
    assert more.held_out_subjects == gestures.held_out_subjects  # p100 is none of them
    assert list(more.held_out.columns[-3:]) == list(more.classes)


def test_five_examples_find_most_of_what_others_do(gestures: Fit) -> None:
    more = personalise(gestures, shown("turn", 5)).detector()
    hits = total = alarms = 0
    for number in (50, 51, 52, 53):
        one = gesturing(number, gestures=("turn", "sway", "shake"))
        found = more.detect(one)
        found = found[found["label"] == "turn"]
        truth = one.labels[one.labels["label"] == "turn"]
        near = [(found["start_s"] < t.stop_s) & (found["stop_s"] > t.start_s) for t in truth.itertuples()]
        hits, total = hits + sum(map(np.any, near)), total + len(truth)
        alarms += len(found) - int(np.any(near, axis=0).sum())
    assert hits >= 0.7 * total
    assert alarms <= 0.2 * total


def test_what_the_net_takes_for_an_old_class_is_told_and_can_be_taken(gestures: Fit) -> None:
    """A wave is a shake to the net: by default it stays one, and the note says so; taken from all, it is a wave."""
    examples = shown("wave", 5)
    taken_for = gestures.detector().probabilities(examples.values).argmax(axis=1)
    share = np.mean(taken_for == gestures.classes.index("shake"))
    assert share > 0.3
    assert any(f"{share:.0%} of its examples are 'shake'" in note for note in personalise(gestures, examples).notes)
    more = personalise(gestures, examples, take_from="all")
    assert not any("of its examples" in note for note in more.notes)
    tested = windows([gesturing(n, gestures=("wave", "shake")) for n in (60, 61)], **GESTURES)
    old = gestures.detector().probabilities(tested.values)
    new = more.detector().probabilities(tested.values)
    assert (new[:, :2] <= old + 2e-6).all()
    assert (new.argmax(axis=1) == 2)[tested.labels == "wave"].mean() > 0.6
    assert (new.argmax(axis=1) == 2)[tested.labels != "wave"].mean() < 0.05


def test_a_second_new_class_and_a_folder(gestures: Fit, tmp_path: Path) -> None:
    more = personalise(personalise(gestures, shown("turn", 3)), shown("wave", 3), take_from="all")
    assert more.classes == (*gestures.classes, "turn", "wave")
    detector = more.detector()
    again = wk.Detector.load(detector.save(tmp_path))
    one = gesturing(70, gestures=("turn", "wave"))
    pd.testing.assert_frame_equal(again.detect(one), detector.detect(one), check_exact=True)


def test_personalising_leaves_the_fit_alone(gestures: Fit) -> None:
    before = gestures.weights_sha256
    personalise(gestures, shown("turn", 1), take_from="all")
    assert gestures.weights_sha256 == before
    assert all(weight.requires_grad for weight in gestures.model.parameters())


def test_who_gives_the_examples_is_no_longer_unseen(gestures: Fit) -> None:
    own = dataclasses.replace(
        one := shown("turn", 1), subjects=np.full(len(one), gestures.held_out_subjects[0], object)
    )
    more = personalise(gestures, own)
    assert more.held_out_subjects == gestures.held_out_subjects[1:]
    assert set(more.split.train) == {*gestures.split.train, gestures.held_out_subjects[0]}
    assert set(personalise(gestures, one).split.train) == {*gestures.split.train, "p100"}


def test_wrong_examples_are_named(gestures: Fit) -> None:
    turn = shown("turn", 1)
    both = dataclasses.replace(turn, labels=np.array(["turn", "wave"] * 99, dtype=object)[: len(turn)])
    with pytest.raises(ValueError, match=r"labels \['turn', 'wave'\] are new"):
        personalise(gestures, both)
    with pytest.raises(ValueError, match=r"labels \[\] are new"):
        personalise(gestures, dataclasses.replace(turn, labels=np.full(len(turn), "shake", dtype=object)))
    with pytest.raises(ValueError, match="conditioned or cut otherwise"):
        personalise(gestures, make_windows(1))
    with pytest.raises(ValueError, match="expected 'background' or 'all'"):
        personalise(gestures, turn, take_from="shake")
    with pytest.raises(ValueError, match="name of a column"):
        personalise(gestures, dataclasses.replace(turn, labels=np.full(len(turn), "truth", dtype=object)))
    with pytest.raises(ValueError, match="'shake' and 'Shake' differ in case or blanks alone"):
        personalise(gestures, dataclasses.replace(turn, labels=np.full(len(turn), "Shake", dtype=object)))
    values = turn.values.copy()
    values[0] = np.nan
    with pytest.raises(ValueError, match=r"1 of \d+ windows hold values that are not finite"):
        personalise(gestures, dataclasses.replace(turn, values=values))
    values[0] = 3e38
    with pytest.raises(ValueError, match=r"reach 3e\+38, too much for the net"):
        personalise(gestures, dataclasses.replace(turn, values=values))
    plain = make_windows(4)
    boosted = quick_train(plain, model="boosting", epochs=1)
    swim = dataclasses.replace(plain, labels=np.full(len(plain), "swim", dtype=object))
    with pytest.raises(ValueError, match="a fit of boosting tells no embedding"):
        personalise(boosted, swim)
    fit = quick_train(plain, epochs=1)
    with pytest.raises(ValueError, match="none of them is a background"):
        personalise(fit, swim)


# Motion and sound, and what ships.


def humming(number: int) -> Recording:
    """A person whose classes differ in sound alone: band 7 is loud in one of them."""
    quiet = make_person(number, identity_only=True)
    rng = np.random.default_rng(number)
    time_s = np.arange(0, 48, 0.04)
    table = quiet.labels
    loud = np.zeros(len(time_s))
    for row in table[table["label"] == "shake"].itertuples():
        loud[(time_s >= row.start_s) & (time_s < row.stop_s)] = 4.0
    bands = rng.normal(-4, 0.7, size=(len(time_s), 40))
    bands[:, 7] += loud
    channels = tuple(str(band) for band in range(40))
    mel = Stream.measured("mel", time_s, bands, channels=channels, unit="log power")
    return Recording.of([quiet.accel, mel], labels=table, subject=quiet.subject)


def test_sound_beside_motion_is_learned_by_its_branch() -> None:
    held = [humming(number) for number in range(5)]
    made = windows(held, streams=("accel", "mel"), rate_hz=25, length_s=2.0, hop_s=0.8)
    fit = quick_train(made, model="branches", epochs=4)
    assert list(fit.model.branches) == ["motion", "sound"]
    assert fit.macro_f1 > 0.95
    assert not any("branch" in note for note in fit.notes)
    events = fit.detector().detect(held[0])
    assert set(events["label"]) <= set(LABELS)
    assert len(events)


@pytest.mark.parametrize("name", ["cnn", "branches", "turn"])
def test_nets_to_compare_with_and_new_classes_pass_the_check_off_the_mac(
    gestures: Fit, tmp_path: Path, name: str
) -> None:
    if name == "turn":
        detector = personalise(gestures, shown("turn", 5), take_from="all").detector()
        recording = gesturing(80, gestures=("turn", "shake"))
    elif name == "branches":
        held = [humming(number) for number in range(2)]
        made = windows(held, streams=("mel", "accel"), rate_hz=25, length_s=2.0, hop_s=0.8)
        detector, recording = quick_train(made, model=name, epochs=2).detector(), held[0]
    else:
        detector, recording = quick_train(make_windows(2), model=name, epochs=2).detector(), make_person(0)
    bundle = wk.export(detector, tmp_path / name, recordings=recording)
    assert bundle.mlpackage.is_dir()


def test_an_lstm_is_not_exported(tmp_path: Path) -> None:
    detector = quick_train(make_windows(2), model="lstm", epochs=1).detector()
    with pytest.raises(ValueError, match="never runs on the Neural Engine"):
        wk.export(detector, tmp_path / "lstm")
