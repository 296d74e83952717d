"""What damage costs a detector: pure, seeded and named; refused or dropped, never unseen."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import t
from torch import nn

import wristkit as wk
from wristkit.condition import Conditioning, Frame
from wristkit.detector import Detector, DetectorSpec
from wristkit.errors import RecordingError
from wristkit.evaluate import EventReport
from wristkit.events import EventDecoder
from wristkit.recording import Recording, Stream, label_table
from wristkit.validate import DAMAGES
from wristkit.validate.damage import clipped, jitter, loose_strap, pace, packet_loss, scaled, wrong_rate, wrong_wrist

SPAN_S = 60.0


def shaker(number: int, *, subject: str | None = None, **stated) -> Recording:
    """Someone who shakes the wrist along the arm for three seconds now and then, 1.5 g strong at 4 Hz."""
    rng = np.random.default_rng(number)
    time_s = (np.arange(int(SPAN_S * 50)) + rng.uniform(0, 0.2, int(SPAN_S * 50))) / 50
    starts_s = 3.0 + 9.0 * np.arange(6) + rng.uniform(0, 3, 6)
    loud = np.zeros(len(time_s))
    for start_s in starts_s:
        loud[(time_s >= start_s) & (time_s < start_s + 3.0)] = 1.0
    shake = loud * np.sin(2 * np.pi * 4 * time_s)
    rest = np.array([0.0, 0.0, -1.0])
    accel = rest + shake[:, None] * [1.5, 0.2, 0.2] + 0.02 * rng.normal(size=(len(time_s), 3))
    gyro = shake[:, None] * [1.0, 6.0, 1.0] + 0.02 * rng.normal(size=(len(time_s), 3))
    rows = [(start_s, start_s + 3.0, "shake", "truth", "made") for start_s in starts_s]
    return Recording.of(
        [Stream.measured("accel", time_s, accel), Stream.measured("gyro", time_s, gyro)],
        labels=label_table(rows),
        labelled={"truth": [(0.0, SPAN_S)]},
        subject=f"p{number}" if subject is None else subject,
        **stated,
    )


class Loud(nn.Module):
    """Says shake where acceleration along the arm varies, and its turning is strong without being impossible."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        along, turning = x[:, 0].std(dim=-1), x[:, 3:].std(dim=-1).amax(dim=-1)
        score = 20 * torch.minimum(along - 0.5, 10 - turning)
        return torch.stack([torch.zeros_like(score), score], dim=1)


def loud_detector(recordings: list[Recording]) -> Detector:
    conditioning = Conditioning.of(recordings, streams=("accel", "gyro"), rate_hz=50)
    decoder = EventDecoder(high=0.6, low=0.4)
    spec = DetectorSpec(
        conditioning=conditioning,
        length=50,
        hop=25,
        classes=("none", "shake"),
        decoder=decoder,
        architecture=None,
    )
    return Detector(spec, Loud())


@pytest.fixture(scope="module")
def people() -> list[Recording]:
    return [shaker(number) for number in range(6)]


@pytest.fixture(scope="module")
def table(people: list[Recording]) -> pd.DataFrame:
    return wk.robustness(loud_detector(people), people)


def test_a_row_each_the_undamaged_first(table: pd.DataFrame) -> None:
    assert table["damage"].tolist() == ["none", *DAMAGES]
    clean = table.iloc[0]
    assert (clean["recall"], clean["recall_drop"], clean["fp_per_hour_rise"]) == (1, 0, 0)
    assert (table["recordings"] == 6).all()
    assert table.loc[1:, "over"].eq("people").all()
    np.testing.assert_allclose(table["recall_drop"], 1 - table["recall"])
    np.testing.assert_allclose(table["fp_per_hour_rise"], table["fp_per_hour"] - clean["fp_per_hour"])
    for name in ("recall_drop", "fp_per_hour_rise"):
        differs = table[f"{name}_low"].notna()
        assert (table[f"{name}_low"] <= table[name])[differs].all()
        assert (table[name] <= table[f"{name}_high"])[differs].all()
        assert not differs[0]  # that nothing differs from itself is no measurement


def test_no_false_alarm_is_an_upper_bound_in_words(table: pd.DataFrame) -> None:
    clean = table.iloc[0]
    assert (clean["false_alarms"], clean["fp_per_hour_low"]) == (0, 0)
    assert clean["fp_per_hour_high"] == pytest.approx(3 / clean["hours"])
    assert f"at most {3 / clean['hours']:.3g} per hour" in clean["note"]


@pytest.mark.parametrize("name", ["gyro in deg/s as rad/s", "accel in m/s2 as g"])
def test_a_wrong_unit_is_refused_or_noticed_or_costs_recall_or_false_alarms(table, name: str) -> None:
    """A detector of what is loud hears no difference in m/s2, but ``load`` would have refused them."""
    row = table.set_index("damage").loc[name]
    assert row["refused"] > 0 or row["noticed"] or row["recall_drop"] > 0.3 or row["fp_per_hour_rise"] > 1


@pytest.mark.parametrize(
    ("name", "code"), [("gyro in deg/s as rad/s", "gyro_unit"), ("accel in m/s2 as g", "unit_contradicts")]
)
def test_a_wrong_unit_is_noticed_where_load_would_refuse_it(name: str, code: str) -> None:
    worn = wk.sample("day_p01").between(0, 120)
    made = wk.robustness(loud_detector([worn]), worn, damages={name: DAMAGES[name]})
    assert made["noticed"].iloc[0] == ""
    assert code in made["noticed"].iloc[1].split(", ")


def test_a_unit_that_no_wrist_gives_is_refused_by_name(people: list[Recording]) -> None:
    thousands = {"thousandths of g as g": lambda one, rng: scaled(one, rng, factors={"accel": 1000.0})}
    row = wk.robustness(loud_detector(people), people, damages=thousands).iloc[1]
    assert row["refused"] == 6
    assert row["note"] == "refused: unit_implausible"
    assert np.isnan(row["recall"])
    assert np.isnan(row["recall_drop"])
    assert row["hours"] == 0


def test_the_figures_equal_those_of_the_damaged_recordings(people: list[Recording]) -> None:
    detector = loud_detector(people)
    row = wk.robustness(detector, people, damages={"weaker": lambda one, _: scaled(one, None, factors={"accel": 0.4})})
    report = detector.evaluate([scaled(one, None, factors={"accel": 0.4}) for one in people])
    assert row["recall"].iloc[1] == report.recall
    assert row["fp_per_hour"].iloc[1] == pytest.approx(report.fp_per_hour)
    assert row["hours"].iloc[1] == pytest.approx(report.hours)


def test_seed_name_and_recording_fix_what_is_drawn(people: list[Recording]) -> None:
    drawn: list[float] = []

    def drawing(recording: Recording, rng: np.random.Generator) -> Recording:
        drawn.append(float(rng.random()))
        return recording

    detector = loud_detector(people)
    wk.robustness(detector, people[:2], damages={"one": drawing, "other": drawing})
    wk.robustness(detector, people[1], damages={"other": drawing})
    wk.robustness(detector, people[1], damages={"other": drawing}, seed=1)
    assert len(set(drawn[:4])) == 4
    assert drawn[4] == drawn[3]
    assert drawn[5] not in drawn[:5]


def test_the_interval_equals_leaving_people_out_one_by_one(people: list[Recording]) -> None:
    def some(recording: Recording, rng: np.random.Generator) -> Recording:
        return scaled(recording, rng, factors={"accel": 0.2}) if recording.subject in ("p1", "p4") else recording

    held = [*people, shaker(20, subject="p1")]  # a second recording of one person is left out with the first
    detector = loud_detector(held)
    row = wk.robustness(detector, held, damages={"some": some}).iloc[1]
    lost = {"p0": 0, "p1": 12, "p2": 0, "p3": 0, "p4": 6, "p5": 0}
    names = sorted(lost)
    moved = []
    for left_out in names:
        others = [name for name in names if name != left_out]
        moved.append(sum(lost[name] for name in others) / sum(12 if name == "p1" else 6 for name in others) - 18 / 42)
    reach = t.ppf(0.975, 5) * np.sqrt(5 / 6 * np.sum(np.square(moved)))
    assert row["recall_drop"] == pytest.approx(18 / 42)
    assert (row["recall_drop_low"], row["recall_drop_high"]) == pytest.approx((18 / 42 - reach, 18 / 42 + reach))


def test_few_people_are_left_out_by_recording_and_fewer_not_at_all() -> None:
    held = [shaker(number, subject=f"p{number % 2}") for number in range(5)]

    def weaker(recording: Recording, rng: np.random.Generator) -> Recording:
        return recording if recording is held[4] else scaled(recording, rng, factors={"accel": 0.3})

    row = wk.robustness(loud_detector(held), held, damages={"weaker": weaker}).iloc[1]
    assert row["over"] == "recordings"
    assert np.isfinite(row["recall_drop_low"])
    row = wk.robustness(loud_detector(held), held[0], damages={"weaker": weaker}).iloc[1]
    assert row["over"] == ""
    assert np.isnan(row["recall_drop_low"])
    assert row["recall_drop"] == 1


def test_what_some_recordings_refuse_is_counted_and_left_out_of_both_sides(people: list[Recording]) -> None:
    def some(recording: Recording, rng: np.random.Generator) -> Recording:
        return scaled(recording, rng, factors={"accel": 1000.0 if recording.subject == "p0" else 0.2})

    row = wk.robustness(loud_detector(people), people, damages={"some": some}).iloc[1]
    assert (row["refused"], row["recordings"]) == (1, 6)
    assert row["recall_drop"] == 1
    assert row["hours"] == pytest.approx(5 * SPAN_S / 3600, rel=0.02)


def test_damage_that_changes_nothing_says_so(people: list[Recording]) -> None:
    row = wk.robustness(loud_detector(people), people[:1], damages={"of sound": lambda one, _: one}).iloc[1]
    assert row["note"].startswith("changes nothing of these recordings; false alarms: 0 in ")


def test_a_slow_clock_makes_no_false_alarms_of_its_own(people: list[Recording]) -> None:
    """The same alarms within the same true hours, whatever the clock says of them."""
    silent = [one.with_labels(one.labels.iloc[:0], labelled=one.labelled) for one in people]
    made = wk.robustness(loud_detector(silent), silent, damages={"slow": DAMAGES["clock 5 % slow"]})
    assert made["false_alarms"].iloc[0] > 0
    assert made["hours"].iloc[1] == pytest.approx(made["hours"].iloc[0], rel=0.01)
    assert made["false_alarms"].iloc[1] == made["false_alarms"].iloc[0]
    assert abs(made["fp_per_hour_rise"].iloc[1]) < 0.01 * made["fp_per_hour"].iloc[0]


def test_a_slow_clock_stamps_life_too_early() -> None:
    one = shaker(0)
    slow = DAMAGES["clock 5 % slow"](one, np.random.default_rng(0))
    assert (slow.labels["start_s"] < one.labels["start_s"]).all()
    assert pace(one, slow) == pytest.approx(1.05)
    for name in ("5 % of packets of 0.2 s lost", "gain 10 % high"):
        assert pace(one, DAMAGES[name](one, np.random.default_rng(0))) == 1
    assert pace(one, jitter(one, np.random.default_rng(0), share=0.2)) == pytest.approx(1, abs=1e-3)


def test_hours_that_copies_share_count_once_as_in_a_report(people: list[Recording]) -> None:
    copies = [
        dataclasses.replace(
            scaled(people[0], None, factors={"accel": 1 + place / 1000}), source={"content_hash": "one"}
        )
        for place in range(3)
    ]
    silent = [one.with_labels(one.labels.iloc[:0], labelled=one.labelled) for one in copies]
    detector = loud_detector(silent)
    report, made = detector.evaluate(silent), wk.robustness(detector, silent, damages={})
    assert made["hours"].iloc[0] == pytest.approx(report.hours) == pytest.approx(SPAN_S / 3600, rel=0.05)
    assert made["fp_per_hour"].iloc[0] == pytest.approx(report.fp_per_hour)
    assert made["false_alarms"].iloc[0] == report.false_alarms.alarms == 6


def test_simulated_hours_are_not_pooled_with_real_ones(people: list[Recording]) -> None:
    simulated = [shaker(number, source={"format": "simulated"}) for number in (30, 31)]
    made = wk.robustness(loud_detector(people), [*people, *simulated], damages={"weak": DAMAGES["gain 10 % high"]})
    assert (made["recordings"] == 6).all()
    assert made["hours"].iloc[0] == pytest.approx(6 * SPAN_S / 3600, rel=0.02)
    assert any("simulated" in note for note in made.attrs["notes"])


def test_simulated_figures_are_said_to_be() -> None:
    held = [shaker(0, source={"format": "simulated"})]
    made = wk.robustness(loud_detector(held), held, damages={})
    assert any("simulated" in note for note in made.attrs["notes"])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"recordings": []}, "no recordings"),
        ({"damages": {"none": wrong_wrist}}, "name it otherwise"),
        ({"seed": "a"}, "seed is 'a', expected a whole number"),
    ],
)
def test_wrong_arguments_are_named(people: list[Recording], arguments: dict, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        wk.robustness(loud_detector(people), **{"recordings": people, **arguments})


def test_what_is_no_detector_and_no_damage_is_named(people: list[Recording]) -> None:
    windows = wk.windows(people, streams=("accel",), rate_hz=25, length_s=2.0, hop_s=1.0, background="none")
    fit, detector = wk.quick_train(windows, epochs=1), loud_detector(people)
    with pytest.raises(TypeError, match=r"a fit of tcn.*give fit\.detector\(\) and the recordings of"):
        wk.robustness(fit, people)
    with pytest.raises(TypeError, match="detector is a str, expected a Detector"):
        wk.robustness("tcn", people)
    for wrong in ("gain", {"gain": 3}, [wrong_wrist]):
        with pytest.raises(TypeError, match="expected a dictionary of name to function"):
            wk.robustness(detector, people, damages=wrong)
    with pytest.raises(TypeError, match="damage 'lost' returned a NoneType"):
        wk.robustness(detector, people, damages={"lost": lambda one, rng: None})


def test_a_fault_that_is_no_refusal_is_not_hidden(people: list[Recording]) -> None:
    class Broken(Detector):
        def evaluate(self, recordings, **rule) -> EventReport:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        wk.robustness(Broken(loud_detector(people).spec, Loud()), people)


def test_a_detector_that_refuses_the_signal_as_it_is_says_so(people: list[Recording]) -> None:
    wrong = scaled(people[0], np.random.default_rng(0), factors={"accel": 1000.0})
    with pytest.raises(RecordingError, match="unit_implausible"):
        wk.robustness(loud_detector(people), [wrong])


# The damages themselves.


@pytest.mark.parametrize("name", list(DAMAGES))
def test_damage_is_pure_and_the_same_for_a_seed(name: str) -> None:
    one = shaker(3, wrist="left", crown="right")
    before = one.id
    first, second = (DAMAGES[name](one, np.random.default_rng(5)) for _ in range(2))
    assert first.id == second.id
    assert first.id != one.id
    assert one.id == before == Recording.of(list(one.streams.values())).id
    kept = ("subject", "wrist", "crown", "start", "zone", "source")
    assert all(getattr(first, field) == getattr(one, field) for field in kept)
    assert len(first.labels) == len(one.labels)
    assert first.labelled.keys() == one.labelled.keys()
    assert list(first.streams) == list(one.streams)


def test_jitter_keeps_order_and_size() -> None:
    one = shaker(0)
    moved = jitter(one, np.random.default_rng(0), share=0.2)
    off_s = moved.accel.time - one.accel.time
    assert off_s.std() * 50 == pytest.approx(0.2, abs=0.03)
    assert np.abs(off_s).max() * 50 <= 0.5
    np.testing.assert_array_equal(moved.accel.values, one.accel.values)
    jitter(one, np.random.default_rng(0), share=50.0)  # however much: a stream refuses stamps out of order


def test_packets_are_lost_at_the_same_moments_of_every_stream() -> None:
    one = shaker(0)
    thin = packet_loss(one, np.random.default_rng(0), share=0.1, packet_s=0.2)
    np.testing.assert_array_equal(thin.accel.time, thin.gyro.time)
    assert len(thin.accel) / len(one.accel) == pytest.approx(0.9, abs=0.05)
    kept = np.isin(one.accel.time, thin.accel.time)
    np.testing.assert_array_equal(one.accel.values[kept], thin.accel.values)
    assert len(thin.accel.gaps) > 10


@pytest.mark.parametrize("wrist", ["left", "right"])
@pytest.mark.parametrize("crown", ["left", "right"])
def test_the_other_wrist_gives_what_its_own_frame_takes_back(wrist: str, crown: str) -> None:
    """Said to be worn as it really was, the wrong wrist's recording is the right one's in the frame of the wrist."""
    one = shaker(0, wrist=wrist, crown=crown)
    wrong = wrong_wrist(one, np.random.default_rng(0))
    other = dataclasses.replace(wrong, wrist="right" if wrist == "left" else "left")
    for name in ("accel", "gyro"):
        np.testing.assert_allclose(
            Frame("wrist").run(one)[name].values, Frame("wrist").run(other)[name].values, atol=1e-6
        )
        assert not np.allclose(wrong[name].values, one[name].values, atol=0.5)


def test_a_loose_strap_turns_all_vectors_alike() -> None:
    one = shaker(0)
    turned = loose_strap(one, np.random.default_rng(0), degrees=20.0)
    for name in ("accel", "gyro"):
        before, after = one[name].values, turned[name].values
        np.testing.assert_allclose(np.linalg.norm(after, axis=1), np.linalg.norm(before, axis=1), rtol=1e-5)
        np.testing.assert_allclose(after[:, 0], before[:, 0], atol=1e-6)
    rest = turned.accel.values.mean(axis=0)
    assert np.degrees(np.arccos(-rest[2] / np.linalg.norm(rest))) == pytest.approx(20, abs=1)


def test_a_wrong_clock_takes_labels_and_hours_with_it() -> None:
    audio = Stream.uniform("audio", np.zeros(8000), rate_hz=8000.0, start_s=2.0)
    one = shaker(0).with_streams(audio)
    slow = wrong_rate(one, np.random.default_rng(0), factor=1.25)
    np.testing.assert_allclose(slow.accel.time * 1.25, one.accel.time)
    np.testing.assert_allclose(slow.labels["start_s"] * 1.25, one.labels["start_s"])
    np.testing.assert_allclose(slow.labelled["truth"] * 1.25, one.labelled["truth"])
    assert slow.accel.rate_hz == pytest.approx(1.25 * one.accel.rate_hz)
    assert (slow.audio.rate_hz, slow.audio.start_s) == (10_000.0, 1.6)
    assert slow.subject == one.subject


def test_sensors_end_at_their_limits() -> None:
    one = shaker(0)
    ended = clipped(one, np.random.default_rng(0), limits={"accel": 1.2, "mag": 1.0})
    assert (ended.accel.values.min(), ended.accel.values.max()) == pytest.approx((-1.2, 1.2))
    np.testing.assert_array_equal(ended.gyro.values, one.gyro.values)


def test_a_cascade_or_any_other_that_evaluates_will_do(people: list[Recording]) -> None:
    class Other:
        def __init__(self) -> None:
            self.inner = loud_detector(people)

        def evaluate(self, recordings, **rule) -> EventReport:
            return self.inner.evaluate(recordings, **rule)

    made = wk.robustness(Other(), people[:2], damages={})
    assert made["recall"].tolist() == [1.0]
