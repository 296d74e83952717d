"""Evaluation: counts by hand, hours looked at and recorded, exact intervals, a curve equal to decoding anew."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.stats import poisson

from wristkit.errors import RecordingError
from wristkit.evaluate import EventReport, evaluate, failures, hours_needed, quantile, rate, share, stack
from wristkit.evaluate.judge import Rule, match_recording, seen_of, touches
from wristkit.events import Event, EventDecoder, Scores, event_table
from wristkit.recording import Recording, Stream, finding_table, label_table


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


def test_beside_real_hours_simulated_ones_are_neither_counted_nor_claimed() -> None:
    made = [
        make_recording([(10, 12, "tap")], seed=seed, subject=f"s{seed}", source={"format": "simulated"})
        for seed in range(5)
    ]
    real = make_recording([(10, 12, "tap"), (30, 32, "tap")], seed=9, subject="r")
    centre_s = np.arange(3600.0)
    values = np.full(3600, 0.01, dtype=np.float32)
    values[10:13] = 0.9
    alarming = values.copy()
    alarming[100::300] = 0.8
    scores = {
        one.id: Scores.of(
            centre_s, np.column_stack([1 - own, own]), classes=("none", "tap"), centre_s=centre_s, hop_s=1.0
        )
        for one, own in [*((one, values) for one in made), (real, alarming)]
    }
    decoder = EventDecoder(high=0.5, low=0.4)

    def report_of(*held: Recording) -> EventReport:
        found = stack({one.id: decoder.run(scores[one.id]) for one in held})
        return evaluate(found, held, scores={one.id: scores[one.id] for one in held}, decoder=decoder)

    both, alone = report_of(*made, real), report_of(real)
    assert (both.hours, both.false_alarms.alarms, both.recall_share.total) == (alone.hours, 12, 2)
    assert both.simulated_hours == pytest.approx(5.0, rel=1e-3)
    for table in ("by_class", "by_subject", "edge_errors", "error_kinds"):
        pd.testing.assert_frame_equal(getattr(both, table), getattr(alone, table))
    pd.testing.assert_frame_equal(both.curve(), alone.curve())
    assert str(both.at(fp_per_hour=1.0)).split(";")[:3] == str(alone.at(fp_per_hour=1.0)).split(";")[:3]
    assert both.latency_s.tolist() == alone.latency_s.tolist()
    assert both.by_source["hours"].to_dict() == {
        "real": pytest.approx(1.0, 1e-3),
        "simulated": pytest.approx(5.0, 1e-3),
    }
    assert both.by_source["false_alarms"].to_dict() == {"real": 12, "simulated": 0}
    assert "5 of 6 recordings are simulated: figures are of the 1 others" in both.notes[0]
    assert "\nreal: recall" in repr(both)
    assert "\nsimulated: recall" in repr(both)
    simulated = both.of_source("simulated")
    assert (simulated.hours, simulated.recall) == (simulated.simulated_hours, 1.0)
    assert "simulated hours are none to claim 1 per hour: 3 real h without alarm" in simulated.at(fp_per_hour=1.0).note
    assert "are simulated: their figures are simulated figures" in repr(report_of(*made))
    with pytest.raises(ValueError, match=r"'injected' is not in the report, expected one of \['real', 'simulated'\]"):
        both.of_source("injected")


def test_of_injected_events_recall_is_simulated_and_hours_are_real() -> None:
    plain = make_recording([(10, 12, "tap")], seed=1)
    source = {"content_hash": plain.id, "injected": "simulated events"}
    copies = [make_recording([(50 + k, 51 + k, "tap")], seed=k + 2, source=source) for k in range(3)]
    made = make_recording([], seed=8, source={**source, "format": "simulated"})
    assert [one.origin for one in (plain, copies[0], made)] == ["real", "injected", "simulated"]
    hits = {one.id: events((50.5 + k, 51 + k, "tap", 0.9, 51 + k)) for k, one in enumerate(copies)}
    report = evaluate(stack(hits), [plain, *copies])
    assert report.by_source["recall"].to_dict() == {"real": 0.0, "injected": 1.0}
    assert report.by_source["hours"].to_dict() == {"real": pytest.approx(1.0), "injected": 0.0}
    assert "events were injected into 3 of 4 recordings: recall and latency of these are simulated" in repr(report)
    alone = evaluate(stack(hits), copies)
    assert alone.by_source.index.tolist() == ["injected"]
    assert alone.hours == pytest.approx(1.0)
    assert alone.simulated_hours == 0


@pytest.mark.parametrize("across_s", [0.0, 1.0])
def test_alarms_count_in_the_hours_that_count(across_s: float) -> None:
    source = {"content_hash": "f00d"}
    copies = [make_recording([(50 + 10 * k, 52 + 10 * k, "tap")], seed=k, source=source) for k in range(10)]
    centre_s = np.arange(3600.0)
    scores = {}
    for k, one in enumerate(copies):
        score = np.zeros(3600, dtype=np.float32)
        score[[50 + 10 * k, 2000]] = 0.9, 0.8
        values = np.column_stack([1 - score, score])
        scores[one.id] = Scores.of(centre_s, values, classes=("none", "tap"), centre_s=centre_s, hop_s=1.0)
    decoder = EventDecoder(high=0.5, low=0.5, refractory_any_s=across_s)
    found = stack({name: decoder.run(one) for name, one in scores.items()})
    report = evaluate(found, copies, scores=scores, decoder=decoder)
    assert (report.recall_share.hits, report.recall_share.total) == (10, 10)
    assert (report.false_alarms.alarms, report.hours) == (1, pytest.approx(1.0, rel=1e-3))
    assert report.fp_per_hour == pytest.approx(evaluate(decoder.run(scores[copies[0].id]), copies[0]).fp_per_hour, 1e-3)
    assert report.matches["kind"].value_counts().to_dict() == {"hit": 10, "counted elsewhere": 9, "false alarm": 1}
    assert report.precision_share[3:] == (1, 2)  # what happened in that one hour
    assert report.f1 == report.by_class.loc["tap", "f1"] == pytest.approx(2 / 3)
    assert report.by_class.loc["tap", "precision"] == 0.5
    last = report.curve().iloc[-1]
    assert (last["hits"], last["false_alarms"]) == (10, 1)
    assert np.isnan(report.curve()["precision"]).all()
    assert report.at(fp_per_hour=1.1).recall == 1.0
    table = failures(report)
    assert len(table) == 1
    assert len(table.attrs["events"]) == 20  # all that was detected, also what is counted elsewhere
    assert "the false alarms in them count once, in the first; recall and latency are of all" in repr(report)


def test_hours_that_findings_call_not_worn_are_no_hours() -> None:
    recording = make_recording([(100, 101, "tap")], labelled={"truth": [(0.0, 3000.0)]})
    rows = [
        ("not_worn", "accel", 600.0, 1800.0, 1, "", ""),
        ("not_worn", "accel", 2900.0, np.nan, 1, "", ""),
        ("wear_unknown", "accel", 0.0, 300.0, 1, "", ""),
    ]
    off = recording.with_findings(finding_table(rows))
    found = events((700, 701, "tap", 1, 701), (590, 601, "tap", 1, 601), (2950, 2951, "tap", 1, 2951))
    report = evaluate(found, off)
    assert report.hours == pytest.approx(1700 / 3600)
    assert report.matches["kind"].value_counts().to_dict() == {"not labelled": 2, "false alarm": 1, "miss": 1}
    assert report.notes == (
        "0.361 labelled hours were not worn, say findings: neither they nor alarms in them count",
        "2 detections where nobody looked, nothing was recorded or worn are not judged",
    )
    assert evaluate(found, recording).hours == pytest.approx(3000 / 3600)


def test_a_detector_that_is_always_on_claims_nothing() -> None:
    taps = [make_recording([(1800, 1800.5, "tap")], seed=seed, subject=f"p{seed}") for seed in range(10)]
    centre_s, decoder = np.arange(3600.0), EventDecoder()
    values = np.full((3600, 2), [0.1, 0.9], dtype=np.float32)
    scores = {
        one.id: Scores.of(centre_s + 0.5, values, classes=("none", "tap"), centre_s=centre_s, hop_s=1.0) for one in taps
    }
    report = evaluate(stack({k: decoder.run(one) for k, one in scores.items()}), taps, scores=scores, decoder=decoder)
    assert (report.recall, report.early_hits) == (1.0, 10)
    np.testing.assert_allclose(report.early_longer_s, 3598.5)
    assert report.by_class.loc["tap", ["early_hits", "early_longer_s"]].tolist() == [10, 3598.5]
    said = (
        "10 of 10 hits were decided more than 0.5 s before the true event began, and outlast it by 3.6e+03 s (median)"
    )
    assert said in repr(report)
    point = report.at(fp_per_hour=0.6)
    assert point.early_hits == 10
    assert "enough" not in point.note
    assert "10 of 10 hits were decided before the true event began" in point.note


def test_few_early_hits_are_counted_and_leave_the_claim() -> None:
    recording = make_recording([(100 * k, 100 * k + 2, "tap") for k in range(1, 31)])
    values = np.zeros(3600, dtype=np.float32)
    for k in range(1, 31):
        values[100 * k : 100 * k + 2] = 0.9
    values[95:100] = 0.9
    values[199] = 0.9  # half a second before, which the tolerance forgives
    centre_s, decoder = np.arange(3600.0), EventDecoder(high=0.5, low=0.5)
    both = np.column_stack([1 - values, values])
    scores = Scores.of(centre_s + 0.5, both, classes=("none", "tap"), centre_s=centre_s, hop_s=1.0)
    report = evaluate(decoder.run(scores), recording, scores=scores, decoder=decoder)
    assert (report.early_hits, report.early_longer_s.tolist()) == (1, [4.0])
    assert "1 of 30 hits were decided more than 0.5 s before" in report.notes[0]
    assert "hours are enough to claim 10 per hour" in report.at(fp_per_hour=10).note
    assert report.at(fp_per_hour=10).early_hits == 1


def test_a_report_has_the_point_of_its_own_decoder_and_that_of_each_person() -> None:
    report, recordings, _ = random_case(3, EventDecoder(high=0.7, low=0.4))
    point = report.point
    assert (point.threshold, point.recall, point.fp_per_hour) == (0.7, report.recall, report.fp_per_hour)
    assert point.early_hits == report.early_hits
    alone = report.of_subject("s1")
    assert list(alone.recordings) == [recordings[1].id]
    assert alone.recall == report.by_subject.loc["s1", "recall"]
    assert alone.curve()["truths"].iloc[0] == alone.recall_share.total < report.recall_share.total
    parts = [report.of_subject(name).error_kinds for name in ("s0", "s1")]
    pd.testing.assert_frame_equal(parts[0] + parts[1], report.error_kinds)
    with pytest.raises(ValueError, match="'s2' is not in the report"):
        report.of_subject("s2")
    with pytest.raises(ValueError, match="needs scores= and decoder="):
        evaluate(events(), recordings[0]).point  # noqa: B018


def test_recordings_without_a_subject_are_nobodys() -> None:
    held = [make_recording([], seed=seed, subject=who) for seed, who in enumerate(["a", "a", None, "b", None])]
    assert "5 recordings of 2 people, 2 of nobody known" in repr(evaluate(stack({}), held))
    assert repr(evaluate(stack({}), held[:2])).endswith("2 recordings of 1 person")


def test_times_share_more_than_nothing_with_spans() -> None:
    spans = np.array([[0.0, 10.0], [20.0, 30.0]])
    times = np.array([[10, 12], [-2, 0], [10, 20], [10, 21], [9, 12], [10, 10], [0, 0], [15, 15], [20, 20], [-5, 40]])
    assert touches(times.astype(float), spans).tolist() == [
        *(False, False, False, True, True),
        *(True, True, False, True, True),
    ]
    assert not touches(times.astype(float), np.empty((0, 2))).any()


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 4)), max_size=12), st.integers(0, 12), st.integers(0, 5))
def test_one_span_is_touched_as_one_of_several_is(times, first, length) -> None:
    table = np.array([(start, start + lasts) for start, lasts in times], dtype=np.float64).reshape(-1, 2)
    span = np.array([[first, first + length]], dtype=np.float64)
    apart = np.concatenate([span, [[100.0, 101.0]]])
    assert touches(table, span).tolist() == touches(table, apart).tolist()


def test_failures_carry_their_recordings() -> None:
    recording = make_recording([(10, 12, "tap")])
    table = failures(evaluate(events((50, 51, "tap", 0.7, 51.2)), recording))
    assert table["kind"].tolist() == ["false alarm", "miss"]
    assert table[table["kind"] == "miss"].attrs["recordings"][recording.id] is recording
    assert list(table.columns) == ["recording", "subject", "kind", "label", "start_s", "stop_s", "score", "decided_s"]


def random_case(seed: int, decoder: EventDecoder, *, apart_s: int = 40, labelled=None, source=None):
    rng = np.random.default_rng(seed)
    recordings, scores = [], {}
    for number in range(2):
        rows = [
            (float(at), float(at + rng.integers(1, 9)), str(rng.choice(["tap", "turn"])))
            for at in range(5, 290, apart_s)
        ]
        spans = labelled[number] if isinstance(labelled, tuple) else labelled
        recording = make_recording(
            rows, seed=seed * 2 + number, span_s=300.0, subject=f"s{number}", labelled=spans, source=source
        )
        values = np.round(rng.dirichlet([0.6, 0.6, 0.6], size=300), 2).astype(np.float32)
        centre_s = np.arange(300.0)
        kept = rng.random(300) > 0.02  # gaps, which reset the decoder
        scores[recording.id] = Scores.of(
            centre_s[kept] + 0.5, values[kept], classes=("none", "tap", "turn"), centre_s=centre_s[kept], hop_s=1.0
        )
        recordings.append(recording)
    found = stack({name: decoder.run(one) for name, one in scores.items()})
    return evaluate(found, recordings, scores=scores, decoder=decoder), recordings, scores


@settings(max_examples=10, deadline=None)
@given(
    seed=st.integers(0, 1000),
    smooth=st.integers(1, 3),
    refractory_s=st.sampled_from([0.0, 4.0, 30.0]),
    refractory_any_s=st.sampled_from([0.0, 0.0, 0.0, 3.0]),
    min_length_s=st.sampled_from([0.0, 1.0]),
    apart_s=st.sampled_from([8, 40]),
)
def test_the_curve_equals_decoding_anew_at_every_threshold(seed, apart_s, **fields) -> None:
    decoder = EventDecoder(high=0.7, low=0.4, **fields)
    looked_at = {"truth": [(0.0, 100.0), (120.0, 211.0)]} if seed % 2 else None
    report, recordings, scores = random_case(seed, decoder, apart_s=apart_s, labelled=looked_at)
    table = report.curve()
    assert (np.diff(table["threshold"]) < 0).all()
    levels = {level for one in scores.values() for _, values in decoder.lasting(one).values() for level in values}
    assert set(table["threshold"]) <= {np.inf, *levels}
    for row in table[np.isfinite(table["threshold"])].iloc[:: 1 + len(table) // 12].itertuples():
        again = dataclasses.replace(decoder, high=min(1.0, row.threshold))
        found = stack({name: again.run(one) for name, one in scores.items()})
        anew = evaluate(found, recordings, scores=scores, decoder=again)
        assert (row.hits, row.false_alarms) == (anew.recall_share.hits, anew.false_alarms.alarms)
        assert row.truths == anew.recall_share.total
    own = table[table["threshold"] >= decoder.high].iloc[-1]
    assert (own.hits, own.false_alarms) == (report.recall_share.hits, report.false_alarms.alarms)


@settings(max_examples=10, deadline=None)
@given(
    seed=st.integers(0, 1000),
    apart_s=st.sampled_from([12, 100]),
    low=st.sampled_from([0.6, 0.8]),
    smooth=st.integers(1, 3),
    refractory_any_s=st.sampled_from([0.5, 6.0]),
    refractory_s=st.sampled_from([0.0, 3.0]),
    merge_s=st.sampled_from([0.0, 2.0]),
)
@example(seed=0, apart_s=100, low=0.6, smooth=2, refractory_any_s=0.5, refractory_s=0.0, merge_s=2.0)
@example(seed=1, apart_s=100, low=0.6, smooth=3, refractory_any_s=0.5, refractory_s=0.0, merge_s=0.0)
def test_the_curve_of_classes_that_block_each_other_equals_decoding_anew(seed, apart_s, **fields) -> None:
    decoder = EventDecoder(high=0.8, **fields)
    report, recordings, scores = random_case(seed, decoder, apart_s=apart_s)
    table = report.curve()
    for row in table[np.isfinite(table["threshold"])].iloc[:: 1 + len(table) // 10].itertuples():
        again = dataclasses.replace(decoder, high=min(1.0, row.threshold))
        anew = evaluate(
            stack({name: again.run(one) for name, one in scores.items()}), recordings, scores=scores, decoder=again
        )
        assert (row.hits, row.false_alarms) == (anew.recall_share.hits, anew.false_alarms.alarms)


@pytest.mark.parametrize("refractory_s", [0.0, 9.0])
@pytest.mark.parametrize("across_s", [0.0, 2.0])
@pytest.mark.parametrize("is_shared", [False, True])
def test_the_curve_equals_brute_force_over_all_thresholds(
    refractory_s: float, across_s: float, is_shared: bool
) -> None:
    decoder = EventDecoder(high=0.5, low=0.4, refractory_s=refractory_s, refractory_any_s=across_s)
    looked_at = {"truth": [(0.0, 130.0), (160.0, 300.0)]}
    report, recordings, scores = random_case(
        11,
        decoder,
        apart_s=12,
        labelled=({"truth": [(0.0, 80.0)]}, looked_at) if is_shared else looked_at,
        source={"content_hash": "f00d"} if is_shared else None,
    )
    assert ("counted elsewhere" in set(report.matches["kind"])) == is_shared
    rows = [(0, 0)]
    for threshold in np.arange(100, 38, -2) / 100:
        again = dataclasses.replace(decoder, high=float(np.float32(threshold)))
        found = stack({name: again.run(one) for name, one in scores.items()})
        anew = evaluate(found, recordings, scores=scores, decoder=again)
        table = report.curve()
        row = table[table["threshold"] >= again.high].iloc[-1]
        assert (row.hits, row.false_alarms) == (anew.recall_share.hits, anew.false_alarms.alarms)
        rows.append((int(row.hits), int(row.false_alarms)))
    assert len(set(rows)) > 15


def test_one_true_event_is_hit_once_by_blocked_and_lone_events_together() -> None:
    recording = make_recording([(10, 30, "tap")], span_s=60.0)
    values = np.zeros(60, dtype=np.float32)
    values[[10, 12, 20]] = 0.9, 0.8, 0.7
    scores = Scores.of(
        np.arange(60.0),
        np.column_stack([1 - values, values]),
        classes=("none", "tap"),
        centre_s=np.arange(60.0),
        hop_s=1.0,
    )
    decoder = EventDecoder(high=0.5, low=0.5, refractory_s=3.0)
    report = evaluate(decoder.run(scores), recording, scores=scores, decoder=decoder)
    assert report.curve()[["hits", "false_alarms"]].to_numpy().tolist() == [[0, 0], [1, 0], [1, 0], [1, 1]]
    assert (report.recall_share.hits, report.false_alarms.alarms) == (1, 1)


def test_the_curve_of_a_day_decodes_once(monkeypatch) -> None:
    rng = np.random.default_rng(0)
    centre_s = np.arange(0, 86400, 0.5)
    values = rng.dirichlet([0.6, 0.6], size=len(centre_s)).astype(np.float32)
    scores = Scores.of(centre_s + 1, values, classes=("none", "tap"), centre_s=centre_s, hop_s=0.5)
    rows = [(float(at), float(at) + 1.0, "tap") for at in range(100, 86400, 700)]
    recording = make_recording(rows, span_s=86400.0)
    decoder = EventDecoder(high=0.9, low=0.6)
    report = evaluate(decoder.run(scores), recording, scores=scores, decoder=decoder)
    calls = []
    runs, run = EventDecoder.runs, EventDecoder.run
    monkeypatch.setattr(EventDecoder, "runs", lambda *given: calls.append("runs") or runs(*given))
    monkeypatch.setattr(EventDecoder, "run", lambda *given: calls.append("run") or run(*given))
    assert len(report.curve()) > 10_000
    assert calls == ["runs"]


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
    with pytest.raises(
        ValueError, match=r"events are of \['swim'\], expected the classes of the scores \['tap', 'turn'\]"
    ):
        evaluate(stack({swim.id: events((1, 2, "swim", 1, 2))}), [swim, recordings[1]], scores=scores)


def flat_scores(classes: tuple[str, ...], *, value: float = 0.1) -> Scores:
    values = np.full((3600, len(classes)), value, dtype=np.float32)
    return Scores.of(np.arange(3600.0), values, classes=classes, centre_s=np.arange(3600.0), hop_s=1.0)


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
        ({"events": events((0, 1, "tap", 1, np.nan))}, "1 of 1 events have no decided_s"),
        ({"events": events((0, 1, "tap", 1, 1), (2, 3, "tap", 1, np.inf))}, r"no decided_s \(rows \[1\]\)"),
        ({"events": events((0, 1, "tap", np.nan, 1))}, r"1 of 1 events have no finite score \(rows \[0\]\)"),
        ({"events": events((0, 1, "tap", np.inf, 1))}, "no finite score"),
        ({"events": events((0, 1, None, 1, 1))}, r"label that is no text, such as None \(rows \[0\]\)"),
        ({"events": events((0, 1, np.nan, 1, 1))}, "label that is no text, such as nan"),
        ({"events": events((0, 1, 3, 1, 1))}, "label that is no text, such as 3"),
        ({"events": events((0, 1, "tap", 1, 1)).assign(score="a")}, "score of events is of type .*, such as 'a'"),
        ({"events": events((0, 1, "tap", 1, 1)).assign(decided_s="x")}, "decided_s of events is of type .* numbers"),
        ({"events": events((0, 1, "tap", 1, 1)).assign(start_s=pd.Timestamp(0))}, "start_s of events is of type date"),
        ({"events": pd.concat([events((0, 1, "tap", 1, 1))] * 2, axis=1)}, "more than once, expected each once"),
        ({"events": events((0, 1, "tap", 1, 1)).assign(recording=None)}, r"recordings \['None'\], which were not"),
        ({"tolerance_s": "a"}, "tolerance_s is 'a', expected seconds"),
        ({"tolerance_s": None}, "tolerance_s is None, expected seconds"),
        (
            {"events": events((5e6, 6e6, "tap", 1, 6e6))},
            r"all 1 events lie outside of .* 5e\+06 to 6e\+06, .* 0 to 3600 s",
        ),
        ({"scores": flat_scores(("none",))}, "scores know no class but the background 'none'"),
        ({"events": events((0, 1, "none", 1, 1))}, r"events are of \['none'\], expected any class and no background"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict, says: str) -> None:
    given_ = {"events": events(), "recordings": make_recording([]), **arguments}
    with pytest.raises(ValueError, match=says):
        evaluate(given_.pop("events"), given_.pop("recordings"), **given_)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"events": None}, "events are a NoneType, expected a DataFrame"),
        ({"events": []}, "events are a list, expected a DataFrame"),
        ({"events": {"one": events()}}, "events are a dict, .* with stack"),
        ({"scores": np.zeros((3, 2))}, "scores are a ndarray, expected Scores or a dict"),
        ({"recordings": {"one": make_recording([])}}, "recordings is a dict, expected a Recording or a list"),
        ({"recordings": [None]}, "one of recordings is None, expected one Recording"),
    ],
)
def test_what_is_of_another_kind_is_named(arguments: dict, says: str) -> None:
    given_ = {"events": events(), "recordings": make_recording([]), **arguments}
    with pytest.raises(TypeError, match=says):
        evaluate(given_.pop("events"), given_.pop("recordings"), **given_)


def test_nan_scores_are_no_quiet_hours() -> None:
    recording, scores = make_recording([]), flat_scores(("none", "tap"))
    values = scores.values.copy()
    values[1200:1300, 1] = np.nan
    times = {"classes": scores.channels, "centre_s": scores.centre_s, "hop_s": 1.0}
    unknown = Scores.of(scores.time, values, **times)
    with pytest.raises(
        ValueError, match=r"are NaN in 100 of 3600 windows \(the first at 1200 s\).* leave these windows"
    ):
        evaluate(events(), recording, scores=unknown, decoder=EventDecoder())
    others = dict.fromkeys([recording.id], unknown.between(0, 1200))
    assert evaluate(events(), recording, scores=others, decoder=EventDecoder()).hours == pytest.approx(1 / 3, abs=1e-3)


def test_scores_of_two_detectors_are_not_mixed() -> None:
    one, two = make_recording([(1, 2, "wash")], seed=1), make_recording([], seed=2)
    scores = {one.id: flat_scores(("none", "tap")), two.id: flat_scores(("none", "wash"))}
    with pytest.raises(
        ValueError, match=r"different classes \[\['none', 'tap'\], \['none', 'wash'\]\], expected the same"
    ):
        evaluate(stack({}), [one, two], scores=scores)


def test_no_class_is_none_and_not_all() -> None:
    recording = make_recording([(10, 12, "tap")])
    rule = Rule("truth", 0.5, "start", None, frozenset())
    seen = seen_of({recording.id: recording}, rule, None)[recording.id]
    assert match_recording(events((10, 12, "tap", 1, 12)), recording, rule, seen, None).empty


def test_detections_where_nobody_looked_are_told() -> None:
    recording = make_recording([(10, 12, "tap")], labelled={"truth": [(0.0, 60.0)]})
    found = events((10, 12, "tap", 1, 12), *((100.0 + k, 100.5 + k, "tap", 1, 101.0 + k) for k in range(500)))
    told = "500 detections where nobody looked, nothing was recorded or worn are not judged"
    assert told in evaluate(found, recording).notes
    assert told in repr(evaluate(found, recording)).splitlines()
    assert not evaluate(found[:1], recording).notes
    ends = events((3600.4, 3601, "tap", 1, 3601))  # within the tolerance of the recording
    assert evaluate(ends, recording).matches["kind"].tolist().count("not labelled") == 1


@pytest.mark.parametrize(
    ("spans", "told"),
    [
        ([], ["1 recordings have no labelled span"]),
        ([(5.0, 5.0)], ["1 of 1 labelled spans of tier 'truth' are points or lie outside", "1 recordings have no lab"]),
        ([(0.0, 60.0), (4000.0, 5000.0)], ["1 of 2 labelled spans of tier 'truth' are points or lie outside"]),
        ([(0.0, 5000.0)], []),
    ],
)
def test_labelled_spans_without_hours_are_told(spans: list, told: list) -> None:
    notes = evaluate(events(), make_recording([], labelled={"truth": spans})).notes
    assert [note[: len(start)] for note, start in zip(notes, told, strict=True)] == told


def test_labels_in_another_spelling_are_told_without_scores() -> None:
    recording = make_recording([(10, 12, "Tap"), (20, 22, "wash")])
    found = events((10, 12, "tap", 1, 12), (20, 22, "wash", 1, 22), (30, 31, "Wash ", 1, 31))
    assert evaluate(found, recording).notes == (
        "label 'Tap' may be class 'tap', spelled otherwise: rename it to have it judged",
        "detections of 'Wash ' may be class 'wash', spelled otherwise: rename it to have it judged",
    )


def test_events_given_twice_or_decided_before_they_begin_are_told() -> None:
    recording = make_recording([(10, 12, "tap")])
    row, later = (10, 12, "tap", 0.9, 12), (100, 101, "tap", 0.9, 90)
    notes = evaluate(events(row, row, later), recording).notes
    assert [note.split(":")[0] for note in notes] == [
        "1 detections are given twice and count beside their likes",
        "1 detections were decided up to 10 s before they begin themselves",
    ]
    again = (10, 12, "wash", 0.9, 12)
    assert not evaluate(events(row, again, (10, 12.5, "tap", 0.9, 12)), recording).notes


def test_one_recording_is_not_counted_twice() -> None:
    recording = make_recording([])
    with pytest.raises(RecordingError, match="count twice"):
        evaluate(stack({}), [recording, recording])


def test_a_curve_needs_scores() -> None:
    with pytest.raises(ValueError, match="needs scores= and decoder="):
        evaluate(events(), make_recording([])).curve()


def test_names_that_turn_text_around_are_written_out() -> None:
    turned = make_recording([(10, 12, "\u202etap")], subject="\u2066a")
    shown = evaluate(events((10, 11, "\u202etap", 0.9, 12.0)), turned)._repr_html_()
    assert not {"\u202e", "\u2066"} & set(shown)
    assert "\\u202etap" in shown
    assert "\\u2066a" in shown


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
    assert not [note for note in report.notes if "hits were decided" not in note]
    misspelt = recordings[0].with_labels(label_table([(1.0, 2.0, "Tap", "truth", "me")]))
    again = evaluate(stack({}), [misspelt, recordings[1]], scores=scores, decoder=EventDecoder())
    assert "1 labels ['Tap'] are no classes of this detector" in again.notes[0]
    assert "there are ['truth']" in evaluate(events(), recordings[0], tier="other").notes[0]


def test_what_a_table_of_figures_says() -> None:
    one = make_recording([(10, 12, "tap"), (100, 101, "tap")], seed=1, subject="a")
    two = make_recording([(10, 12, "tap")], seed=2, subject="b")
    found = stack(
        {
            one.id: events((10.5, 12.25, "tap", 0.9, 12.0), (99.0, 100.5, "tap", 0.9, 102.0)),
            two.id: events((50, 51, "tap", 0.9, 52), (60, 61, "tap", 0.9, 62)),
        }
    )
    report = evaluate(found, [one, two])
    assert report.f1 == pytest.approx(2 * 2 / (2 * 2 + 1 + 2))
    assert (report.fp_per_hour, report.fp_per_day) == (pytest.approx(1.0), pytest.approx(24.0))
    assert (report.latency_median_s, report.latency_p95_s) == (2.0, 2.0)
    worst = report.by_subject.iloc[0]
    assert (worst.name, worst["recall"], worst["f1"], worst["false_alarms"]) == ("b", 0.0, 0.0, 2)
    assert worst["recall_low"] == 0.0 < worst["recall_high"] < 1
    assert worst["fp_per_hour_low"] < 2 < worst["fp_per_hour_high"]
    edges = report.edge_errors.loc["tap"]
    assert edges.to_dict() == {
        "hits": 2,
        "onset_median_s": 0.75,
        "onset_p95_s": pytest.approx(0.975),
        "onset_bias_s": -0.25,
        "offset_median_s": 0.375,
        "offset_p95_s": pytest.approx(0.4875),
        "offset_bias_s": -0.125,
    }
    assert report.f1_over_people is None


def test_l1_true_events_that_lie_over_each_other_are_kept_and_said() -> None:
    recording = make_recording([(10, 20, "tap"), (12, 15, "tap"), (19, 25, "tap"), (25, 26, "tap"), (11, 14, "turn")])
    report = evaluate(events((11, 13, "tap", 0.9, 13)), recording)
    assert report.recall_share.total == 5
    assert "2 true events lie over another of their class" in repr(report)
    apart = evaluate(events(), make_recording([(10, 20, "tap"), (20, 21, "tap"), (12, 13, "turn")]))
    assert "lie over" not in repr(apart)


def test_l4_a_label_in_another_spelling_is_named_with_the_class_it_may_be() -> None:
    recording = make_recording([(10, 12, "Tap "), (30, 31, "tap"), (50, 51, "clap")], span_s=60.0)
    values = np.zeros((60, 2), dtype=np.float32)
    scores = Scores.of(np.arange(60.0), values, classes=("none", "tap"), centre_s=np.arange(60.0), hop_s=1.0)
    said = repr(evaluate(events(), recording, scores=scores, decoder=EventDecoder()))
    assert "2 labels ['Tap ', 'clap'] are no classes" in said
    assert "label 'Tap ' may be class 'tap'" in said
    assert "label 'clap' may be" not in said


def late(people: int, each: int, *, seed: int = 0) -> EventReport:
    """Return a report of hits whose latencies are drawn, more late for each person than for the one before."""
    rng = np.random.default_rng(seed)
    recordings, tables = [], {}
    for number in range(people):
        starts = [20.0 * k + 5 for k in range(each)]
        one = make_recording(
            [(at, at + 1, "tap") for at in starts], seed=number, span_s=20.0 * each + 30, subject=f"p{number}"
        )
        waits = number + rng.exponential(1, size=each)
        tables[one.id] = events(*((at, at + 1, "tap", 0.9, at + wait) for at, wait in zip(starts, waits, strict=True)))
        recordings.append(one)
    return evaluate(stack(tables), recordings)


def test_latency_has_intervals_over_events_and_over_people() -> None:
    report = late(6, 12)
    every = np.sort(report.latency_s)
    assert len(every) == 72
    assert report.latency_median[:3] == (np.median(every), every[27], every[44])  # the 28th and the 45th of 72
    assert report.latency_p95.high == every[-1]
    low, high = report.latency_over_people
    assert low < report.latency_median.low < report.latency_median.high < high
    row = report.by_class.loc["tap"]
    assert (row["latency_median_low_s"], row["latency_median_high_s"]) == report.latency_median[1:3]
    median = report.latency_median
    line = next(one for one in repr(report).splitlines() if one.startswith("latency"))
    assert line.startswith(
        f"latency median {median.value:.2f} s ({median.low:.2f} to {median.high:.2f}), 95th percentile"
    )
    assert line.endswith(f"; over people {low:.3g} to {high:.3g}")


def test_a_95th_percentile_of_few_events_says_how_many_are_needed() -> None:
    report = late(5, 10)
    assert np.isnan(report.latency_p95.high)
    assert "(no interval of 50, 72 are needed)" in repr(report)
    few = late(1, 5)
    assert "(no interval of 5, 6 are needed)" in repr(few)
    assert few.latency_over_people is None
    assert np.isnan(few.by_class["latency_median_low_s"]).all()
    assert "latency of no hit" in repr(evaluate(events(), make_recording([])))


@pytest.mark.parametrize("share", [0.5, 0.95])
def test_the_interval_of_a_quantile_holds_it_19_times_of_20(share: float) -> None:
    rng = np.random.default_rng(0)
    true, held = -np.log(1 - share), []
    for count in (6, 20, 72, 73, 200):
        for _ in range(300):
            one = quantile(rng.exponential(size=count), share)
            assert np.isnan(one.low) or one.low <= one.value
            held.append(not (one.low > true or one.high < true))  # an end that is not known excludes nothing
            assert not np.isnan([one.low, one.high]).any() or one.total < one.needed
    assert np.mean(held) > 0.95
    assert quantile(np.arange(20.0), 0.5)[:3] == (9.5, 5.0, 14.0)  # as tables have it: the 6th and the 15th of 20


def test_people_with_equal_recall_are_ordered_by_their_false_alarms() -> None:
    people = [make_recording([], seed=number, subject=f"p{number}") for number in range(3)]
    found = stack({people[1].id: events((5, 6, "tap", 1.0, 6))})
    assert evaluate(found, people).by_subject.index[0] == "p1"


def test_every_context_has_its_hours_and_alarms() -> None:
    recording = make_recording(
        [(100, 101, "tap"), (2000, 2001, "tap")], labelled={"truth": [(0.0, 1000.0), (1500.0, 3000.0)]}
    )
    activity = [
        (0.0, 1800.0, "typing", "activity", "me"),
        (1200.0, 2400.0, "bus", "activity", "me"),
        (3100.0, 3200.0, "bus", "activity", "me"),
        (500.0, 500.0, "sneeze", "noise", "me"),
    ]
    recording = recording.with_labels(pd.concat([recording.labels, label_table(activity)], ignore_index=True))
    found = events(
        (100, 101, "tap", 1, 101), (300, 301, "tap", 1, 301), (1600, 1601, "tap", 1, 1601), (2500, 2501, "tap", 1, 2501)
    )
    report = evaluate(found, recording)
    table = report.by_context("activity")
    assert table["hours"].to_dict() == {
        "bus": pytest.approx(600 / 3600),
        "typing": pytest.approx(1000 / 3600),
        "bus + typing": pytest.approx(300 / 3600),
        "no label": pytest.approx(600 / 3600),
    }
    assert table["hours"].sum() == pytest.approx(report.hours)
    assert table["false_alarms"].to_dict() == {"bus": 0, "typing": 1, "bus + typing": 1, "no label": 1}
    assert table.loc["bus", ["hits", "misses", "recall"]].tolist() == [0, 1, 0.0]
    assert table.loc["bus", "fp_per_hour_high"] == pytest.approx(3 / (600 / 3600))
    assert failures(report, context="activity")["context"].tolist() == ["typing", "bus + typing", "no label", "bus"]
    with pytest.raises(
        ValueError, match=r"no label of the tier 'place' covers any time; .* \['activity', 'noise', 'truth'\]"
    ):
        report.by_context("place")
    with pytest.raises(ValueError, match="no label of the tier 'noise' covers any time"):
        report.by_context("noise")


def test_hours_that_two_recordings_share_count_once_with_the_alarms_in_them() -> None:
    def part(start_s: float, seed: int, subject: str = "a") -> Recording:
        made = make_recording([], seed=seed, subject=subject, span_s=3600.0)
        return dataclasses.replace(made, start=pd.Timestamp("2026-01-01", tz="UTC") + pd.Timedelta(seconds=start_s))

    first, again, other = part(0.0, 1), part(1800.0, 2), part(1800.0, 3, subject="b")
    alarm = events((1000, 1001, "tap", 1, 1001), (2000, 2001, "tap", 1, 2001))
    report = evaluate(stack({first.id: alarm, again.id: alarm, other.id: alarm}), [first, again, other])
    assert report.hours == pytest.approx(2.5)
    assert report.by_subject.loc["a", "hours"] == pytest.approx(1.5)
    assert report.false_alarms.alarms == 5  # of the second recording's first half hour, the first one's count
    assert report.matches.loc[report.matches["kind"] == "counted elsewhere", "start_s"].tolist() == [1000.0]
    assert "0.5 h of one person's device are in several recordings" in repr(report)


def test_parts_of_one_file_share_its_hours() -> None:
    whole = make_recording([], source={"content_hash": "f00d"})
    parts = [whole.between(0.0, 2000.0), whole.between(1000.0, 3000.0)]
    assert evaluate(stack({}), parts).hours == pytest.approx(3000 / 3600, rel=1e-3)
    apart = [make_recording([], seed=seed, span_s=1000.0) for seed in (1, 2)]
    assert evaluate(stack({}), apart).hours == pytest.approx(2000 / 3600)


def test_an_alarm_that_reaches_into_what_was_looked_at_counts() -> None:
    recording = make_recording([], labelled={"truth": [(100.0, 200.0), (300.0, 400.0)]})
    reaching = events((90, 101, "tap", 1, 101), (250, 301, "tap", 1, 301), (150, 150, "tap", 1, 150))
    beside = events((90, 99, "tap", 1, 101), (201, 299, "tap", 1, 301), (450, 450, "tap", 1, 150))
    assert set(evaluate(reaching, recording).matches["kind"]) == {"false alarm"}
    assert set(evaluate(beside, recording).matches["kind"]) == {"not labelled"}


def test_how_many_hours_a_claim_needs() -> None:
    assert hours_needed(0.6) == pytest.approx(5.0)
    assert rate(4, hours_needed(0.6, alarms=4)).high == pytest.approx(0.6)
    with pytest.raises(ValueError, match="no number of hours"):
        hours_needed(0.0)
    report, *_ = random_case(3, EventDecoder(high=0.7, low=0.4))
    assert "no number of hours" in report.at(fp_per_hour=0).note
    strict, lax = report.at(fp_per_hour=0.6), report.at(fp_per_hour=1e5)
    assert "too few to claim 0.6 per hour: 5 h without alarm are enough" in strict.note
    assert "are enough to claim 100000 per hour" in lax.note
    assert "chosen on these very recordings" in lax.note


def test_where_scores_end_hours_end() -> None:
    recording = make_recording([])
    centre_s = np.concatenate([np.arange(100.0), np.arange(500.0, 600.0)])
    values = np.full((200, 2), 0.5, dtype=np.float32)
    scores = Scores.of(centre_s, values, classes=("none", "tap"), centre_s=centre_s, hop_s=1.0, window_s=4.0)
    report = evaluate(events(), recording, scores=scores, decoder=EventDecoder())
    assert report.hours * 3600 == pytest.approx(101 + 103)  # the first window reaches over the start
