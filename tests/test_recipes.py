"""What recipes share: where defaults lie, who is trained on and who tested, which windows are a gesture, the table."""

import importlib
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import torch

import wristkit.recipes
from tests import cascades
from wristkit.detector import Detector
from wristkit.evaluate import evaluate
from wristkit.events import BACKGROUND, Event, event_table
from wristkit.recipes import RECIPES, double_tap, flick, hand_gestures, hours, judging, shelf, spotting, table
from wristkit.recipes.background import Background, apart
from wristkit.recording import Stream, label_table
from wristkit.simulate import CONFOUNDERS, EQUAL_SHARES, FAMILIES, JOLTS, TRAITS, people
from wristkit.train import Augmentation
from wristkit.windows import windows

READY = [name for name in RECIPES if importlib.util.find_spec(f"wristkit.recipes.{name}")]


# ---- the shelf ----


@pytest.mark.parametrize("name", READY)
def test_a_default_is_small_and_loads_the_same_twice(name):
    recipe = importlib.import_module(f"wristkit.recipes.{name}")
    folder = shelf.WEIGHTS / name
    assert sum(path.stat().st_size for path in folder.rglob("*.safetensors")) <= 100_000
    assert repr(recipe.default()) == repr(recipe.default())
    assert recipe.__doc__
    assert "Limits" in recipe.__doc__


def test_a_recipe_that_is_not_there_is_refused_by_name():
    with pytest.raises(AttributeError, match="no attribute 'triple_tap'"):
        getattr(wristkit.recipes, "triple_tap")  # noqa: B009  its own getattr is what is tried
    with pytest.raises(FileNotFoundError, match=r"python3 -m wristkit\.recipes triple_tap"):
        shelf.shipped("triple_tap")


def test_what_is_too_large_does_not_ship(tmp_path, monkeypatch):
    small = cascades.small_stage(cascades.recording(span_s=18.0, sound=False), streams=("accel",))
    assert Detector.load(shelf.ship(small, "small", into=tmp_path)).spec == small.spec
    monkeypatch.setattr(shelf, "MOST_BYTES", 1000)
    with pytest.raises(ValueError, match="expected at most"):
        shelf.ship(small, "large", into=tmp_path)
    assert not (tmp_path / "large").exists()


@pytest.mark.parametrize("name", ["double_tap", "hand_gestures"])
def test_the_tables_that_ship_are_of_the_defaults_that_ship(name):
    whole = shelf.shipped_tables(name)["table"]
    assert tuple(whole.columns) == table.COLUMNS
    assert list(dict.fromkeys(whole["kind"])) == ["simulated", "injected", "real"]
    assert whole["hours"].iloc[0] >= 49
    assert whole["people"].iloc[0] == 50


def test_a_new_gesture_leaves_all_others_as_they_were():
    new = shelf.shipped_tables("hand_gestures")["new_gesture"]
    assert list(new["examples"]) == [1, 3, 5]
    assert (new["others_changed"] == 0).all()


# ---- who is in which part ----


def test_no_simulated_person_is_in_two_parts():
    drawn = [one for part in ("train", "tune", "test") for one in hours.people_of(part, 4)]
    assert len({one.tendon_hz for one in drawn}) == 12
    assert len({one.cadence_hz for one in drawn}) == 12
    assert len({one.subject for one in drawn}) == 12


def test_rare_fingers_are_trained_on_as_often_as_others():
    train, tune = (hours.people_of(part, 200) for part in ("train", "tune"))
    for name in ("tendon_g", "tendon_rad_s", "tendon_hz", "tendon_elevation_rad", "tap_gap_s", "clench_s"):
        trait = TRAITS[name]
        values = np.array([getattr(one, name) for one in train])
        assert (values >= trait.low).all()
        assert (values <= trait.high).all()
        ends = np.log([trait.low, trait.high]) if trait.low > 0 else np.array([trait.low, trait.high])
        places = ((np.log(values) if trait.low > 0 else values) - ends[0]) / (ends[1] - ends[0])
        np.testing.assert_allclose(np.quantile(places, [0.1, 0.5, 0.9]), [0.1, 0.5, 0.9], atol=0.1)
    weak = [sum(one.tendon_rad_s < 0.3 for one in people) for people in (train, tune)]
    assert weak[0] > 2 * weak[1] > 0
    assert train[0].cadence_hz == people(1, seed=8_100)[0].cadence_hz  # the rest of her is as people are


def test_families_left_to_the_test_are_in_no_training():
    assert set(hours.UNSEEN) == {name for family in hours.UNSEEN_FAMILIES for name in FAMILIES[family]}
    for part in ("train", "tune"):
        assert not set(hours.UNSEEN) & set(hours.SHARES[part])
    assert set(CONFOUNDERS) <= set(hours.SHARES["test"])
    assert set(hours.SHARES["test"].values()) == set(EQUAL_SHARES.values()) == {1.0}


@pytest.mark.real_data
def test_no_recorded_person_is_in_two_parts(real_data):
    train, test = (hours.real_hours(part, folder=real_data) for part in ("train", "test"))
    assert not {one.subject for one in train} & {one.subject for one in test}
    assert not {one.id for one in train} & {one.id for one in test}
    assert len({one.id for one in test}) == len(test)
    assert all(one.labels[one.labels["tier"] == "truth"].empty for one in (*train, *test))


def test_without_the_folder_it_says_what_to_set(monkeypatch):
    monkeypatch.delenv("WRISTKIT_DATA", raising=False)
    assert not hours.has_real_hours()
    with pytest.raises(FileNotFoundError, match="WRISTKIT_DATA"):
        hours.real_hours("test")


# ---- which windows are a gesture ----


@pytest.fixture(scope="module")
def tapped():
    return double_tap.simulate(seed=3)


def test_windows_that_end_shortly_after_a_gesture_are_one(tapped):
    cut = double_tap.SPOTTING.windows(tapped)
    stops = tapped.labels.query("label == 'double_tap'")["stop_s"].to_numpy()
    late_s = cut.stop_s[:, None] - stops
    low, high = double_tap.SPOTTING.after_s
    inside = ((late_s >= low) & (late_s <= high)).any(axis=1)
    assert 6 <= inside.sum() <= 9  # two or three of each
    np.testing.assert_array_equal(cut.labels == "double_tap", inside)
    guard = double_tap.SPOTTING.guard_s
    near = ((late_s > low - guard) & (late_s < low)) | ((late_s > high) & (late_s < high + guard))
    assert not near.any()


def test_what_is_too_alike_is_neither_trained_nor_judged(tapped):
    told = spotting.Spotting(gestures=("pinch",), alike=("double_tap",))
    cut, all_of_it = told.windows(tapped), spotting.Spotting(gestures=("pinch",)).windows(tapped)
    taps = tapped.labels.query("label == 'double_tap'")
    assert len(cut) < len(all_of_it)
    for one in taps.itertuples():
        assert not ((cut.start_s <= one.stop_s) & (cut.stop_s >= one.start_s)).any()
    judged = told.judged(tapped)
    assert "double_tap" not in set(judged.labels.query("tier == 'truth'")["label"])
    left_s = float(np.diff(judged.labelled["truth"]).sum())
    assert left_s == pytest.approx(30 - sum(taps["stop_s"] - taps["start_s"] + 2 * 1.0), abs=0.05)


def test_windows_of_several_conditionings_are_not_joined(tapped):
    one = double_tap.SPOTTING.windows(tapped)
    other = windows(tapped, streams=("accel",), rate_hz=50, length_s=1, hop_s=0.5, background="none")
    with pytest.raises(ValueError, match="several ways"):
        spotting.joined([one, other])


def test_gestures_over_real_motion_lie_apart_and_where_it_was_recorded():
    still = double_tap.simulate(seed=4)
    still = replace(still.with_labels(still.labels.iloc[:0], labelled=still.labelled), wrist=None, crown=None)
    wearers = hours.people_of("train", 3)
    told = hours.with_gestures(still, ("pinch", "double_pinch"), wearers, count=4, seed=5, warm_s=1.0)
    starts = told.labels["start_s"].to_numpy()
    assert 3 <= len(starts) <= 4
    assert (np.diff(starts) > 1.0).all()
    assert told.labels["stop_s"].max() < 30.0
    again = hours.with_gestures(still, ("pinch", "double_pinch"), wearers, count=4, seed=5, warm_s=1.0)
    assert again.id == told.id != still.id


# ---- what is trained on ----


def drawn_windows(count=400, *, streams=("accel", "gyro")):
    """Return windows of noise, a quarter of them taps, each recording with a size of its own."""
    rng = np.random.default_rng(5)
    light = np.column_stack([np.sin(np.arange(3000) / 9), np.zeros((3000, 2))])[:, :1].astype(np.float32)
    tapped = double_tap.simulate(seed=3)
    held = tapped.with_streams(Stream.uniform("ppg", light, rate_hz=100.0, start_s=0.0))
    cut = replace(double_tap.SPOTTING, streams=streams).windows(held)
    places = rng.permutation(len(cut))[:count]
    labels = np.where(np.arange(len(places)) % 4 == 0, "double_tap", BACKGROUND).astype(object)
    return replace(cut.subset(np.sort(places)), labels=labels)


def sizes_by_hand(values):
    return np.array([[np.sqrt((one[:3] ** 2).mean()), np.sqrt((one[3:6] ** 2).mean())] for one in values])


def test_motion_under_a_gesture_is_no_larger_than_its_window():
    chosen = drawn_windows()
    made = spotting.moved(chosen, 0.5, seed=1)
    assert set(made.labels) == {"double_tap"}
    assert len(made) == round(0.5 * (chosen.labels == "double_tap").sum())
    of = {round(at, 6): row for row, at in enumerate(chosen.start_s)}
    source = chosen.subset(np.array([of[round(at - 0.5 * chosen.hop_s, 6)] for at in made.start_s]))
    under = sizes_by_hand(made.values.astype(np.float64) - source.values) / sizes_by_hand(source.values)
    assert under.max() <= 1.0 + 1e-4
    assert under.max(axis=1).min() > 0.01
    np.testing.assert_array_equal(made.values, spotting.moved(chosen, 0.5, seed=1).values)
    assert not np.array_equal(made.values, spotting.moved(chosen, 0.5, seed=2).values)


def test_shaken_background_is_two_windows_turned_and_at_most_six_times_as_large():
    chosen = drawn_windows()
    made = spotting.shaken(chosen, 0.25, seed=1)
    assert set(made.labels) == {BACKGROUND}
    assert len(made) == round(0.25 * (chosen.labels == BACKGROUND).sum())
    assert (sizes_by_hand(made.values).max(axis=0) <= 12 * sizes_by_hand(chosen.values).max(axis=0)).all()
    both = spotting.varied(chosen, replace(double_tap.COURSE, shaken=0.25, moved=1.0), seed=1)
    assert len(both) == len(chosen) + len(made) + (chosen.labels == "double_tap").sum()
    assert not len(spotting.shaken(chosen, 0.0, seed=1))


def test_turning_keeps_sizes_and_angles_and_leaves_light_as_it_is():
    chosen = drawn_windows(streams=("accel", "gyro", "ppg"))
    turned = spotting._turned(chosen, np.full(len(chosen), 2.0), np.random.default_rng(0))
    np.testing.assert_allclose(sizes_by_hand(turned), 2 * sizes_by_hand(chosen.values), rtol=1e-4)
    np.testing.assert_array_equal(turned[:, 6], 2 * chosen.values[:, 6])
    between = [np.einsum("nis,nis->ns", one[:, :3], one[:, 3:6]) for one in (turned.astype(float), chosen.values)]
    np.testing.assert_allclose(between[0], 4 * between[1], atol=1e-4 * np.abs(between[1]).max())


def test_the_hardest_background_is_what_a_fit_is_surest_about(monkeypatch):
    chosen = drawn_windows(40)
    sure = np.random.default_rng(2).random(len(chosen))

    class Sure:
        classes = ("clench", BACKGROUND, "pinch")

        def detector(self):
            return self

        def probabilities(self, values):
            return np.column_stack([sure / 3, 1 - sure, 2 * sure / 3])

    found = spotting.hardest(chosen, 7, Sure())
    expected = sorted(sorted(range(len(sure)), key=lambda place: -sure[place])[:7])
    np.testing.assert_array_equal(found.start_s, chosen.start_s[expected])
    sure = np.where(np.arange(len(sure)) < 3, 0.5, 0.01)
    assert len(spotting.hardest(chosen, 7, Sure())) == 3


def test_background_is_taken_by_the_minute():
    cut = drawn_windows(300)
    assert double_tap.COURSE.most(cut) == np.ceil(double_tap.COURSE.background * 300 * 0.08 / 60)


def test_recordings_may_be_a_list_and_no_iterator():
    with pytest.raises(TypeError, match="give a list"):
        double_tap.train(iter([double_tap.simulate(seed=1)]))
    with pytest.raises(ValueError, match="hold no windows"):
        double_tap.train([])


def test_slow_sensors_are_trained_on_and_in_no_test():
    rates = [one.rate_hz for one in hours._SENSORS_TO_TRAIN_ON]
    assert 50.0 in rates
    assert len(rates) % 4  # wrist and crown change with every fourth person
    made = list(hours.lives("train", count=5, hours=0.06, per_hour={}, sensors=hours._SENSORS_TO_TRAIN_ON, first=3))
    assert [round(one["accel"].rate_hz) for one in made] == [100, 50]
    assert {one.rate_hz for one in hours.SENSORS} == {100.0}


def test_jolts_are_seen_as_background_and_gestures_are_not_among_them():
    (first,), (second,) = (list(hours.jolted("tune", count=2, hours=0.06, first=place)) for place in (1, 1))
    assert first.id == second.id
    (plain,) = hours.lives("tune", count=2, hours=0.06, per_hour={}, first=1)
    assert first.subject == plain.subject == hours.people_of("tune", 2)[1].subject
    true = first.labels.query("tier == 'truth'")
    assert set(true["label"]) == set(JOLTS)
    assert len(true) == int(0.06 * 3600 / hours.JOLT_EVERY_S)
    ordered = true.sort_values("start_s")
    assert (ordered["start_s"].to_numpy()[1:] >= ordered["stop_s"].to_numpy()[:-1] + 0.3).all()
    assert set(double_tap.SPOTTING.windows(first).labels) == {BACKGROUND}
    moved = np.abs(np.asarray(first["gyro"].values) - np.asarray(plain["gyro"].values)).max(axis=1)
    assert 0.05 < np.mean(moved > 0.05) < 0.6


def test_real_motion_gets_its_jolts_too():
    still = double_tap.simulate(seed=4)
    told = hours.with_jolts(still, hours.people_of("train", 3), seed=2)
    again, other = (hours.with_jolts(still, hours.people_of("train", 3), seed=seed) for seed in (2, 3))
    assert told.id == again.id != other.id
    assert len(told.labels.query("label in @JOLTS")) == int((still.stop_s - still.start_s) / hours.JOLT_EVERY_S)
    assert "injected" in told.source


def test_how_wide_a_net_is_and_how_windows_are_turned_is_told_by_the_course(monkeypatch):
    asked = []
    monkeypatch.setattr(spotting, "train_for_others", lambda cut, **how: asked.append(how) or _Nothing())
    course = replace(double_tap.COURSE, width=12, worn_rad=0.7, epochs=3)
    spotting._taught([drawn_windows(60)], course, epochs=course.epochs, seed=4, say=str)
    (how,) = asked
    assert (how["width"], how["epochs"], how["seed"]) == (12, 3, 4)
    assert how["augmentation"] == Augmentation(rotation_rad=0.7)


class _Nothing:
    """A fit that tells nothing."""

    history = pd.DataFrame({"epoch": [1]})


# ---- the table ----


def test_alarms_among_jolts_have_a_row_of_their_own():
    jolted = list(hours.jolted("test", count=2, hours=0.02))
    part = judging.jolted_part(double_tap.default(), double_tap.SPOTTING, jolted)
    row = table.table([part]).iloc[0]
    assert part.kind == "simulated"
    assert "720 an hour" in part.name
    assert all(name in part.name for name in JOLTS)
    assert (row["people"], row["events"], row["verdict"]) == (2, 0, "no goal")
    assert row["hours"] == pytest.approx(0.04, rel=0.05)


def judged(found, labels, *, span_s=3600.0):
    one = cascades.recording(span_s=30.0, sound=False)
    labels = label_table([(*row, "truth", "r") for row in labels] + [(0, 10, "sitting", "activity", "r")])
    one = one.with_labels(labels, labelled={"truth": [(0.0, 30.0)]})
    report = evaluate(event_table([Event(*row, row[1]) for row in found]), one, latency_from="stop")
    return table.Judged.of(report, context="activity")


FOUND = [(2.0, 2.5, "pinch", 0.9), (20.0, 20.5, "pinch", 0.8)]


def test_a_row_counts_what_a_report_counts():
    part = table.Part("simulated", "all", judged(FOUND, [(2.1, 2.4, "pinch"), (6, 7, "pinch")]))
    row = table.table([part]).iloc[0]
    assert tuple(row[["people", "events", "recall", "false_alarms", "verdict"]]) == (1, 2, 0.5, 1, "no goal")
    assert row["hours"] == pytest.approx(30 / 3600, rel=0.02)
    assert row["latency_median_s"] == pytest.approx(0.1)
    assert row["fp_per_hour"] == pytest.approx(1 / row["hours"])


def test_contexts_are_parts_of_all():
    one = judged(FOUND, [(2.1, 2.4, "pinch"), (6, 7, "pinch"), (25, 26, "pinch")])
    sitting = one.within(["sitting"])
    assert (sitting.matches["kind"] == "false alarm").sum() == 0
    assert sitting.hours["hours"].sum() == pytest.approx(10 / 3600, rel=0.02)
    counted = one.counting(["sitting"])
    kinds = counted.matches["kind"].value_counts()
    assert (kinds["hit"], kinds["miss"], kinds["false alarm"]) == (1, 1, 1)
    assert counted.hours["hours"].sum() == pytest.approx(one.hours["hours"].sum())


def test_verdicts_say_by_how_much():
    one = judged(FOUND, [(2.1, 2.4, "pinch"), (6, 7, "pinch")])
    goals = [
        table.Goal(recall=0.5, most_alarms=1),
        table.Goal(recall=0.95),
        table.Goal(most_alarms=0),
        table.Goal(fp_per_hour=0.6),
        table.Goal(latency_p95_s=0.05),
    ]
    made = table.table([table.Part("real", str(goal), one, goal) for goal in goals])
    met, recall, alarms, rate, late = made["verdict"]
    assert met == "met"
    assert recall == "missed: recall 0.450 below 0.95"
    assert alarms == "missed: 1 false alarms more than 0"
    assert "false alarms an hour above 0.6" in rate
    assert "p95 of latency 0.050 s above 0.05 s" in late
    assert made["hours_missing"].iloc[3] == pytest.approx(5.57 / 0.6, rel=0.02)


def test_hours_that_are_missing_for_a_claim_are_no_missed_goal():
    one = judged(FOUND, [(2.1, 2.4, "pinch"), (6, 7, "pinch")])
    row = table.table([table.Part("real", "all", one, table.Goal(most_alarms=1, claim_per_hour=0.6))]).iloc[0]
    assert row["fp_per_hour"] > 100
    assert row["verdict"] == "met"
    assert row["hours_missing"] == pytest.approx(5.57 / 0.6, rel=0.02)


def test_rows_by_person_add_up():
    one = judged(FOUND, [(2.1, 2.4, "pinch")])
    both = table.Judged.joined([one, one])
    rows = table.subjects([table.Part("real", "all", both)])
    assert list(rows["hits"]) == [2]
    assert rows["hours"].sum() == pytest.approx(2 * one.hours["hours"].sum())
    with pytest.raises(ValueError, match="no parts"):
        table.Judged.joined([])


def test_a_part_of_some_people_holds_their_hours_and_events():
    one = judged(FOUND, [(2.1, 2.4, "pinch")])
    (person,) = set(one.hours["subject"])
    assert table.Judged.joined([one]).of_subjects([person]).hours.equals(one.hours)
    assert one.of_subjects([person, "nobody"]).matches.equals(one.matches)
    nobody = one.of_subjects(["nobody"])
    assert nobody.hours.empty
    assert nobody.matches.empty


# ---- the two that spot gestures ----


@pytest.mark.parametrize("recipe", [double_tap, hand_gestures], ids=lambda one: one.NAME)
def test_the_default_finds_its_own_example(recipe):
    example = recipe.simulate(seed=20_000)
    report = recipe.default().evaluate(example, latency_from="stop")
    assert report.recall == 1.0
    assert len(report.matches) == len(example.labels.query("tier == 'truth'"))
    assert example.id == recipe.simulate(seed=20_000).id != recipe.simulate(seed=20_001).id


def test_a_double_tap_is_decided_within_a_quarter_of_a_second():
    late_s = [
        double_tap.default().evaluate(double_tap.simulate(seed=seed), latency_from="stop").latency_s
        for seed in range(4)
    ]
    assert np.concatenate(late_s).max() <= 0.25


# ---- a gesture of one's own ----


@pytest.fixture(scope="module")
def lived():
    """Return some minutes of two simulated people."""
    return list(hours.lives("tune", count=2, hours=0.1, per_hour={}))


@pytest.fixture(scope="module")
def everyday(lived):
    return Background.of(hand_gestures.default(), hand_gestures.SPOTTING, lived)


@pytest.fixture(scope="module")
def person():
    return hours.people_of("test", 2)[1]


def test_a_gesture_is_learned_from_three_examples(everyday, lived, person):
    said = []
    shown = [flick.examples(person, count=3, seed=1)]
    detector = hand_gestures.personalise(
        shown, label=flick.LABEL, most_per_hour=20, background=everyday, say=said.append
    )
    assert detector.spec.classes == (*hand_gestures.default().spec.classes, flick.LABEL)
    later = flick.examples(person, count=4, seed=2)
    found = detector.detect(later)
    assert (found["label"] == flick.LABEL).any()
    before = hand_gestures.default().detect(later)
    pd.testing.assert_frame_equal(found.query("label != @flick.LABEL").reset_index(drop=True), before)
    alarms = sum((detector.detect(one)["label"] == flick.LABEL).sum() for one in lived)
    assert alarms <= 20 * everyday.hours
    assert f"{flick.LABEL!r}: " in said[0]
    assert "false alarms an hour in 0.199 simulated hours" in said[0]


def test_what_is_no_gesture_is_refused_with_the_rate_it_would_take(everyday, person):
    shown = flick.examples(person, count=5, seed=1)
    still = shown.labels.assign(start_s=shown.labels["start_s"] + 3.0, stop_s=shown.labels["stop_s"] + 3.0)
    nothing = shown.with_labels(still.query("tier == 'truth'"), labelled=shown.labelled)
    with pytest.raises(ValueError, match=r"at 20 false alarms an hour \d of 5 examples .* allow as many"):
        hand_gestures.personalise([nothing], label=flick.LABEL, most_per_hour=20, background=everyday)


def test_few_hours_of_background_say_nothing_of_a_low_rate(everyday, person):
    shown = [flick.examples(person, count=3, seed=1)]
    with pytest.raises(ValueError, match=r"0\.199 h of background .* give 3 h or more"):
        hand_gestures.personalise(shown, label=flick.LABEL, most_per_hour=1.0, background=everyday)


def alarms_by_hand(at_s, along, border):
    times = [at for at, value in zip(at_s, along, strict=True) if value >= border]
    return len(times[:1]) + sum(later - earlier > 1.0 for earlier, later in pairwise(times))


def test_borders_let_pass_what_they_say():
    rng = np.random.default_rng(4)
    at_s = np.cumsum(rng.choice([0.08, 0.08, 1.5, 3.0], 400))
    seen = Background(rng.normal(size=(400, 3)).astype(np.float32), at_s, np.arange(10), 0.5, 1.0, False)
    for most in (0.0, 2.0, 7.0, 30.0):
        along = rng.normal(size=400)
        border = seen.border(along, most)
        passing = [value for value in along if alarms_by_hand(at_s, along, value) <= most * 0.5]
        assert seen.per_hour(along, border) == alarms_by_hand(at_s, along, border) / 0.5
        assert border == min(passing, default=max(along))


def test_embeddings_are_taken_farthest_first():
    points = np.random.default_rng(6).normal(size=(60, 2)).astype(np.float32) * [1.0, 9.0]
    even = points / points.std(axis=0)
    taken = [int(np.argmax(np.linalg.norm(even - even.mean(axis=0), axis=1)))]
    while len(taken) < 12:
        taken.append(int(np.argmax([min(np.linalg.norm(one - even[at]) for at in taken) for one in even])))
    np.testing.assert_array_equal(apart(points, 12), taken)
    assert sorted(apart(points, 100)) == list(range(60))


def test_a_background_holds_what_the_net_takes_for_none(everyday, lived):
    cut = [hand_gestures.SPOTTING.windows(one) for one in lived]
    assert len(everyday.embeddings) == len(everyday.at_s) <= sum(map(len, cut))
    assert everyday.hours == pytest.approx(0.2, rel=0.05)
    assert everyday.simulated
    assert (np.diff(everyday.at_s) > 0).all()
    assert len(everyday.chosen) == 2 * 300 + 1100
    own = hand_gestures.default().model.embed(torch.from_numpy(cut[1].values[-5:])).detach().numpy()
    np.testing.assert_allclose(everyday.embeddings[-5:], own, atol=1e-5)


def test_a_known_gesture_cannot_be_learned_anew():
    with pytest.raises(ValueError, match="knows already"):
        hand_gestures.personalise([hand_gestures.simulate(seed=1)], label="pinch")


# ---- how strict a threshold is ----


class Learnt:
    """What stands for a fit: a detector whose decoder may be another."""

    def __init__(self, detector):
        self.made = detector

    def detector(self, decoder):
        return Detector(replace(self.made.spec, decoder=decoder), self.made.model)


def test_a_threshold_is_raised_as_far_as_recall_may_be_spent_and_no_further():
    held = list(hours.lives("tune", count=4, hours=0.1, per_hour={"double_tap": 100}))
    judged = [double_tap.SPOTTING.judged(one) for one in held]
    learnt, course = Learnt(double_tap.default()), replace(double_tap.COURSE, fp_per_hour=100.0, spare_recall=0.0)
    plain = spotting.tuned(learnt, double_tap.SPOTTING, held, course=course)
    for spare in (0.1, 0.3):
        found = spotting.tuned(learnt, double_tap.SPOTTING, held, course=replace(course, spare_recall=spare))
        report = learnt.detector(found.decoder).evaluate(judged)
        beyond = learnt.detector(replace(found.decoder, high=found.decoder.high + 1e-6)).evaluate(judged)
        assert found.decoder.high > plain.decoder.high
        assert beyond.recall < plain.point.recall - spare <= report.recall
        assert (found.point.recall, found.point.threshold) == (report.recall, found.decoder.high)
        assert replace(found.decoder, high=plain.decoder.high) == plain.decoder
