"""Evaluation: counts by hand, hours looked at and recorded, exact intervals, a curve equal to decoding anew."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import poisson

from wristkit.errors import RecordingError
from wristkit.evaluate import curve, evaluate, failures, rate, share, stack
from wristkit.events import Event, EventDecoder, Scores, event_table, match
from wristkit.recording import Recording, Stream, label_table


def make_recording(
    rows: list, *, seed: int = 0, span_s: float = 3600.0, subject="a", gap=None, labelled=None, source=None
):
    time_s = np.arange(0, span_s + 0.5, 0.5)
    if gap:
        time_s = time_s[(time_s <= gap[0]) | (time_s >= gap[1])]
    values = np.random.default_rng(seed).normal(size=len(time_s))
    return Recording.of(
        [Stream.measured("ppg", time_s, values)],
        labels=label_table([(*row, "truth", "me") for row in rows]),
        labelled={"truth": [(0.0, span_s)]} if labelled is None else labelled,
        subject=subject,
        source=source,
    )


def events(*rows: tuple) -> pd.DataFrame:
    return event_table(Event(start, stop, label, score, decided) for start, stop, label, score, decided in rows)


def test_counts_by_hand() -> None:
    recording = make_recording([(10, 12, "tap"), (100, 101, "tap"), (200, 220, "wash")])
    found = events(
        (10.5, 11.5, "tap", 0.9, 11.7),  # hit
        (11.6, 11.9, "tap", 0.8, 12.1),  # a second one in the same truth
        (50, 51, "tap", 0.7, 51.2),  # nothing there
        (100.2, 100.9, "wash", 0.6, 101),  # the wrong class
        (220.4, 230, "wash", 0.95, 221),  # within the tolerance
    )
    report = evaluate(found, recording)
    assert (report.recall, report.precision) == (pytest.approx(2 / 3), pytest.approx(2 / 5))
    assert report.hours == pytest.approx(1.0)
    assert report.fp_per_hour == pytest.approx(3.0)
    np.testing.assert_allclose(np.sort(report.latency_s), [1.7, 21.0])
    assert report.by_class.loc["tap", ["hits", "misses", "false_alarms"]].tolist() == [1, 1, 2]
    assert report.by_class.loc["wash", ["hits", "misses", "false_alarms"]].tolist() == [1, 0, 1]
    assert report.by_subject.loc["a", "hours"] == pytest.approx(1.0)
    from_stop = evaluate(found, recording, latency_from="stop")
    np.testing.assert_allclose(np.sort(from_stop.latency_s), [-0.3, 1.0])


def test_hours_are_labelled_and_recorded_ones() -> None:
    recording = make_recording([], gap=(600.0, 1200.0), labelled={"truth": [(0.0, 1800.0)]})
    report = evaluate(
        events((700, 701, "tap", 0.9, 701), (2000, 2001, "tap", 0.9, 2001), (30, 31, "tap", 1, 31)), recording
    )
    assert report.hours == pytest.approx(1200 / 3600)
    assert report.matches["kind"].tolist().count("not labelled") == 2
    assert report.false_alarms.alarms == 1


def test_what_was_not_recorded_is_not_a_miss() -> None:
    recording = make_recording([(700, 701, "tap"), (900, 901, "tap"), (1300, 1301, "tap")], gap=(600.0, 1200.0))
    report = evaluate(events(), recording)
    assert sorted(report.matches["kind"]) == ["miss", "not recorded", "not recorded"]
    assert report.recall == 0.0


def test_a_recording_that_nobody_looked_at_gives_no_rate() -> None:
    recording = make_recording([(10, 11, "tap")], labelled={})
    report = evaluate(events((10, 11, "tap", 1.0, 11), (50, 51, "tap", 1.0, 51)), recording)
    assert report.hours == 0
    assert np.isnan(report.fp_per_hour)
    assert report.recall == 1.0
    assert "no alarm is counted" in report.notes[0]
    with pytest.raises(RecordingError, match="no labelled hours"):
        dataclasses.replace(report, decoder=EventDecoder(), scores={}).at(fp_per_hour=1)


def test_zero_alarms_are_a_bound_and_never_a_rate() -> None:
    assert rate(0, 10).high == pytest.approx(0.3)
    assert "at most 0.3 per hour" in str(rate(0, 10))
    assert "no rate" in str(rate(0, 0))


@pytest.mark.parametrize("count", [1, 3, 20])
def test_the_interval_of_a_rate_is_exact(count: int) -> None:
    interval = rate(count, 2.0)
    assert poisson.sf(count - 1, interval.low * 2) == pytest.approx(0.025)
    assert poisson.cdf(count, interval.high * 2) == pytest.approx(0.025)


def test_a_share_of_nothing_is_nan_and_never_zero() -> None:
    assert np.isnan(share(0, 0).value)
    assert share(9, 10).low < 0.9 < share(9, 10).high


def test_simulated_hours_are_named() -> None:
    real, made = make_recording([], seed=1), make_recording([], seed=2, source={"format": "simulated"})
    report = evaluate(stack({}), [real, made])
    assert (report.hours, report.simulated_hours) == (pytest.approx(2.0), pytest.approx(1.0))
    assert "simulated" in report.notes[0]
    assert report.by_source["hours"].to_dict() == {"real": pytest.approx(1.0), "simulated": pytest.approx(1.0)}
    assert "\nreal: recall" in repr(report)
    assert "\nsimulated: recall" in repr(report)


def test_failures_carry_their_recordings() -> None:
    recording = make_recording([(10, 12, "tap")])
    table = failures(evaluate(events((50, 51, "tap", 0.7, 51.2)), recording))
    assert table["kind"].tolist() == ["false alarm", "miss"]
    assert table[table["kind"] == "miss"].attrs["recordings"][recording.id] is recording
    assert list(table.columns) == ["recording", "subject", "kind", "label", "start_s", "stop_s", "score", "decided_s"]


def random_case(seed: int, decoder: EventDecoder):
    rng = np.random.default_rng(seed)
    recordings, scores = [], {}
    for number in range(2):
        rows = [
            (float(at), float(at + rng.integers(1, 9)), str(rng.choice(["tap", "turn"]))) for at in range(5, 290, 40)
        ]
        recording = make_recording(rows, seed=seed * 2 + number, span_s=300.0, subject=f"s{number}")
        values = np.round(rng.dirichlet([0.6, 0.6, 0.6], size=300), 2).astype(np.float32)
        centre_s = np.arange(300.0)
        kept = rng.random(300) > 0.02  # gaps, which reset the decoder
        scores[recording.id] = Scores.of(
            centre_s[kept] + 0.5, values[kept], classes=("none", "tap", "turn"), centre_s=centre_s[kept], hop_s=1.0
        )
        recordings.append(recording)
    found = stack({name: decoder.run(one) for name, one in scores.items()})
    return evaluate(found, recordings, scores=scores, decoder=decoder), recordings, scores


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 1000),
    smooth=st.integers(1, 3),
    refractory_s=st.sampled_from([0.0, 4.0]),
    min_length_s=st.sampled_from([0.0, 1.0]),
)
def test_the_curve_equals_decoding_anew_at_every_threshold(seed, smooth, refractory_s, min_length_s) -> None:
    decoder = EventDecoder(high=0.7, low=0.4, smooth=smooth, refractory_s=refractory_s, min_length_s=min_length_s)
    report, recordings, scores = random_case(seed, decoder)
    table = report.curve()
    assert (np.diff(table["threshold"]) < 0).all()
    for row in table[np.isfinite(table["threshold"])].iloc[::7].itertuples():
        again = dataclasses.replace(decoder, high=min(1.0, row.threshold))
        found = stack({name: again.run(one) for name, one in scores.items()})
        anew = evaluate(found, recordings, scores=scores, decoder=again)
        assert (row.hits, row.false_alarms) == (anew.recall_share.hits, anew.false_alarms.alarms)
    own = table[table["threshold"] >= decoder.high].iloc[-1]
    assert (own.hits, own.false_alarms) == (report.recall_share.hits, report.false_alarms.alarms)


def test_the_curve_of_a_day_matches_each_candidate_about_once(monkeypatch) -> None:
    rng = np.random.default_rng(0)
    centre_s = np.arange(0, 86400, 0.5)
    values = rng.dirichlet([0.6, 0.6], size=len(centre_s)).astype(np.float32)
    scores = Scores.of(centre_s + 1, values, classes=("none", "tap"), centre_s=centre_s, hop_s=0.5)
    rows = [(float(at), float(at) + 1.0, "tap") for at in range(100, 86400, 700)]
    recording = make_recording(rows, span_s=86400.0)
    decoder = EventDecoder(high=0.9, low=0.6)
    report = evaluate(decoder.run(scores), recording, scores=scores, decoder=decoder)
    sizes = []
    monkeypatch.setattr(curve, "match", lambda *given, **named: sizes.append(len(given[0])) or match(*given, **named))
    table = report.curve()
    assert len(table) > 10_000
    assert sum(sizes) < 3 * len(rows)


def test_missing_values_are_no_hours_and_what_lies_in_them_is_not_missed() -> None:
    time_s = np.arange(0, 60, 0.02)
    values = np.random.default_rng(0).normal(size=len(time_s))
    values[(time_s > 10) & (time_s < 50)] = np.nan
    recording = Recording.of(
        [Stream.measured("ppg", time_s, values)],
        labels=label_table([(20.0, 21.0, "tap", "truth", "me")]),
        labelled={"truth": [(0.0, 60.0)]},
    )
    report = evaluate(events(), recording)
    assert report.hours * 3600 == pytest.approx(20, abs=0.1)
    assert report.matches["kind"].tolist() == ["not recorded"]


def test_a_stream_that_comes_now_and_then_costs_no_hours() -> None:
    steady = make_recording([], span_s=600.0)
    pulse = Stream.measured("heart_rate", [100.0, 105.0, 300.0], [60.0, 61.0, 62.0])
    assert evaluate(events(), steady.with_streams(pulse)).hours == evaluate(events(), steady).hours


def test_intervals_over_people_are_wider_than_over_events() -> None:
    held = [
        make_recording([(10 * k, 10 * k + 1, "tap") for k in range(1, 30)], seed=s, subject=f"p{s}") for s in range(6)
    ]
    perfect = event_table(Event(10.0 * k, 10.0 * k + 1, "tap", 0.9, 10.0 * k + 2) for k in range(1, 30))
    report = evaluate(stack({one.id: perfect for one in held[:3]}), held)
    low, high = report.recall_over_people
    assert low < report.recall_share.low
    assert high > report.recall_share.high
    assert "over people" in repr(report)
    assert evaluate(perfect, held[0]).recall_over_people is None
    assert "too few people" in repr(evaluate(perfect, held[0]))


def test_at_takes_the_best_recall_within_the_limit() -> None:
    report, *_ = random_case(3, EventDecoder(high=0.7, low=0.4))
    table = report.curve()
    for limit in (0.0, 60.0, 400.0, 1e9):
        point = report.at(fp_per_hour=limit)
        assert point.fp_per_hour <= limit
        assert point.recall == table.loc[table["fp_per_hour"] <= limit, "recall"].max()
    assert "too few to claim" in report.at(fp_per_hour=0.6).note


def test_classes_that_the_scores_do_not_know_are_not_judged() -> None:
    _, recordings, scores = random_case(1, EventDecoder())
    swim = recordings[0].with_labels(label_table([(1.0, 2.0, "swim", "truth", "me")]))
    again = evaluate(stack({}), [swim, recordings[1]], scores=scores, decoder=EventDecoder())
    assert "swim" not in set(again.matches["label"])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"events": events().drop(columns="score")}, "lack the columns"),
        ({"events": events((2, 1, "tap", 1, 1))}, "end before they start"),
        ({"events": events((0, 1, "tap", 1, 1)).assign(recording="elsewhere")}, "were not given"),
        ({"tolerance_s": -1}, "tolerance_s is -1"),
        ({"latency_from": "middle"}, "expected 'start' or 'stop'"),
        ({"recordings": []}, "no recordings"),
        ({"scores": {}}, "scores are of recordings"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict, says: str) -> None:
    given_ = {"events": events(), "recordings": make_recording([]), **arguments}
    with pytest.raises(ValueError, match=says):
        evaluate(given_.pop("events"), given_.pop("recordings"), **given_)


def test_one_recording_is_not_counted_twice() -> None:
    recording = make_recording([])
    with pytest.raises(RecordingError, match="count twice"):
        evaluate(stack({}), [recording, recording])


def test_a_curve_needs_scores() -> None:
    with pytest.raises(ValueError, match="needs scores= and decoder="):
        evaluate(events(), make_recording([])).curve()


def test_a_quiet_day_has_a_row_for_every_class_and_its_bound() -> None:
    quiet = make_recording([])
    assert evaluate(events(), quiet).by_class.empty
    assert "table" in evaluate(events(), quiet)._repr_html_()
    scores = Scores.of(
        np.arange(3600.0), np.full((3600, 2), 0.5), classes=("none", "tap"), centre_s=np.arange(3600.0), hop_s=1.0
    )
    report = evaluate(events(), quiet, scores=scores, decoder=EventDecoder())
    assert report.by_class.loc["tap", ["hits", "misses", "false_alarms"]].tolist() == [0, 0, 0]
    assert report.by_class.loc["tap", "hours"] == pytest.approx(1.0, abs=1e-3)


def test_labels_and_tiers_that_do_not_fit_are_named() -> None:
    report, recordings, scores = random_case(1, EventDecoder())
    assert not report.notes
    misspelt = recordings[0].with_labels(label_table([(1.0, 2.0, "Tap", "truth", "me")]))
    again = evaluate(stack({}), [misspelt, recordings[1]], scores=scores, decoder=EventDecoder())
    assert "1 labels ['Tap'] are no classes of this detector" in again.notes[0]
    assert "there are ['truth']" in evaluate(events(), recordings[0], tier="other").notes[0]
