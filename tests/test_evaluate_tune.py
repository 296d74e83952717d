"""A decoder for a rate: the best of all that were tried, on people who are not the test."""

from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
import pytest

import wristkit as wk
from wristkit.evaluate import default_grid, evaluate, stack
from wristkit.events import EventDecoder, Scores
from wristkit.recording import Recording, Stream, label_table

SPAN_S, HOP_S = 1200.0, 0.5


def person(number: int, *, noise: float = 0.35):
    """Return a recording with ten events, and scores that rise a little late, dip within, and spike elsewhere."""
    rng = np.random.default_rng(number)
    time_s = np.arange(0, SPAN_S, HOP_S)
    starts = np.arange(50, 1150, 110.0)
    recording = Recording.of(
        [Stream.measured("ppg", time_s, rng.normal(size=len(time_s)))],
        labels=label_table([(start, start + 6, "wash", "truth", "me") for start in starts]),
        labelled={"truth": [(0.0, SPAN_S)]},
        subject=f"p{number}",
    )
    score = np.abs(rng.normal(0, noise, size=len(time_s)))
    for start in starts:
        inside = (time_s >= start + 0.5) & (time_s < start + 6)
        score[inside] = np.clip(0.75 + rng.normal(0, 0.2, size=inside.sum()), 0, 1)
    score = np.clip(score, 0, 1).astype(np.float32)
    values = np.column_stack([1 - score, score])
    scores = Scores.of(time_s + 0.5, values, classes=("none", "wash"), centre_s=time_s, hop_s=HOP_S)
    return recording, scores


@pytest.fixture(scope="module")
def held():
    pairs = [person(number) for number in range(3)]
    return [one for one, _ in pairs], {one.id: scores for one, scores in pairs}


def test_the_decoder_is_the_best_of_all_that_were_tried(held):
    recordings, scores = held
    grid = {"smooth": (1, 3), "low": (0.3, 0.5), "merge_s": (0.0, 1.0)}
    tuned = wk.tune_decoder(scores, recordings, fp_per_hour=2.0, grid=grid)
    best = 0.0
    for smooth, low, merge_s in product(*grid.values()):
        for high in np.arange(low, 1.001, 0.05):
            one = EventDecoder(high=min(1.0, high), low=low, smooth=smooth, merge_s=merge_s)
            report = evaluate(stack({name: one.run(of) for name, of in scores.items()}), recordings, scores=scores)
            if report.fp_per_hour <= 2.0:
                best = max(best, report.recall)
    assert tuned.point.recall >= best > 0.5
    again = stack({name: tuned.decoder.run(one) for name, one in scores.items()})
    report = evaluate(again, recordings, scores=scores, decoder=tuned.decoder)
    assert report.recall == tuned.point.recall == tuned.table["recall"].max()
    assert report.fp_per_hour == pytest.approx(tuned.point.fp_per_hour)
    assert report.fp_per_hour <= 2.0
    row = tuned.table.iloc[int(tuned.table["recall"].argmax())]
    assert len(tuned.table) == 8
    assert np.isfinite(row["latency_median_s"])
    assert tuned.people == ("p0", "p1", "p2")
    assert "of 8 decoders, on p0, p1, p2" in repr(tuned)


def test_of_equals_the_soonest_is_taken():
    recording, scores = person(0)
    truth = recording.labels[["start_s", "stop_s"]].to_numpy()
    score = np.zeros(len(scores), dtype=np.float32)
    for start, stop in truth:
        score[(scores.centre_s >= start) & (scores.centre_s < stop)] = 0.9
    clean = {recording.id: replace(scores, values=np.column_stack([1 - score, score]))}
    tuned = wk.tune_decoder(clean, [recording], fp_per_hour=0.0, grid={"low": (0.3,), "min_length_s": (3.0, 0.0, 2.0)})
    assert tuned.table["recall"].tolist() == [1.0, 1.0, 1.0]
    assert tuned.table["latency_median_s"].tolist() == [3.5, 0.5, 2.5]
    assert tuned.decoder.min_length_s == 0.0


def test_what_is_not_tuned_stays_and_the_default_follows_the_hop(held):
    recordings, scores = held
    base = EventDecoder(background="wash", refractory_s=3.0)
    renamed = {name: replace(one, channels=("wash", "none")) for name, one in scores.items()}
    swapped = [one.with_labels(one.labels.assign(label="none")) for one in recordings]
    tuned = wk.tune_decoder(renamed, swapped, fp_per_hour=1e6, decoder=base, grid={"low": (0.3,)})
    same = wk.tune_decoder(
        scores, recordings, fp_per_hour=1e6, decoder=EventDecoder(refractory_s=3.0, low=0.3), grid={}
    )
    assert (tuned.decoder.background, tuned.decoder.refractory_s) == ("wash", 3.0)
    assert tuned.point == same.point
    assert replace(tuned.decoder, background="none", refractory_s=0.0) == EventDecoder(
        high=tuned.point.threshold, low=0.3
    )
    assert default_grid(0.5)["merge_s"] == (0.0, 1.0)


def test_nothing_fits_where_no_alarm_may_be():
    recording, _ = person(7)
    time_s = np.arange(0, SPAN_S, HOP_S)
    flat = np.full((len(time_s), 2), 0.5, dtype=np.float32)
    scores = Scores.of(time_s, flat, classes=("none", "wash"), centre_s=time_s, hop_s=HOP_S)
    with pytest.raises(ValueError, match="no decoder of 1 finds a true event at 0 false alarms"):
        wk.tune_decoder({recording.id: scores}, [recording], fp_per_hour=0.0, grid={"min_length_s": (1e6,)})


def test_people_of_the_test_are_refused(held):
    recordings, scores = held
    other, _ = person(0, noise=0.3)
    with pytest.raises(ValueError, match=r"\['p0'\] are among the test people too"):
        wk.tune_decoder(scores, recordings, fp_per_hour=1.0, test=[other])
    renamed = replace(recordings[1], subject="q")
    with pytest.raises(ValueError, match="under another name"):
        wk.tune_decoder(scores, recordings, fp_per_hour=1.0, test=[renamed])
    with pytest.raises(ValueError, match="have no subject"):
        wk.tune_decoder(scores, recordings, fp_per_hour=1.0, test=[replace(other, subject=None)])


def test_a_wrong_grid_is_named(held):
    recordings, scores = held
    with pytest.raises(ValueError, match=r"grid has \['high'\]"):
        wk.tune_decoder(scores, recordings, fp_per_hour=1.0, grid={"high": (0.5,)})


def of_score(recording, score):
    """Return the scores of one class in a recording."""
    time_s = np.arange(0, SPAN_S, HOP_S)
    values = np.column_stack([1 - score, score]).astype(np.float32)
    return Scores.of(time_s + 0.5, values, classes=("none", "wash"), centre_s=time_s, hop_s=HOP_S)


def test_what_is_decided_before_the_event_is_not_soon():
    recording, _ = person(0)
    truth = recording.labels[["start_s", "stop_s"]].to_numpy()
    time_s = np.arange(0, SPAN_S, HOP_S)
    score = np.full(len(time_s), 0.01)
    for start, stop in truth:
        score[(time_s >= start - 30) & (time_s < start - 29)] = 0.9  # a spike that a long merge joins to the event
        score[(time_s >= start + 0.5) & (time_s < stop)] = 0.9
    grid = {"low": (0.3,), "merge_s": (40.0, 0.0)}
    tuned = wk.tune_decoder({recording.id: of_score(recording, score)}, [recording], fp_per_hour=100.0, grid=grid)
    joined, apart = tuned.table.set_index("merge_s").loc[[40.0, 0.0], ["recall", "latency_median_s"]].to_numpy()
    assert joined[0] == apart[0] == 1
    assert joined[1] < -25 < 0 < apart[1]
    assert tuned.decoder.merge_s == 0.0


def test_latency_may_count_from_the_stop(held):
    recordings, scores = held
    given = {"fp_per_hour": 100.0, "grid": {"low": (0.3,)}}
    start, stop = (wk.tune_decoder(scores, recordings, latency_from=one, **given) for one in ("start", "stop"))
    late_s = [one.table["latency_median_s"].iloc[0] for one in (start, stop)]
    assert late_s[1] == pytest.approx(late_s[0] - 6.0)
    with pytest.raises(ValueError, match="latency_from is 'end'"):
        wk.tune_decoder(scores, recordings, latency_from="end", **given)


def test_what_blocks_other_classes_is_tuned_where_its_values_are_named(held):
    assert "refractory_any_s" not in default_grid(0.5)
    recordings, scores = held[0][:1], {held[0][0].id: held[1][held[0][0].id]}
    tuned = wk.tune_decoder(scores, recordings, fp_per_hour=100.0, grid={"low": (0.3,), "refractory_any_s": (0.0, 9.0)})
    assert tuned.table["refractory_any_s"].tolist() == [0.0, 9.0]


def test_names_and_files_that_are_the_same_are_refused(held):
    recordings, scores = held
    other, _ = person(5)
    with pytest.raises(ValueError, match=r"\['p0'\] are among the test people too"):
        wk.tune_decoder(scores, recordings, fp_per_hour=1.0, test=[replace(other, subject=" P0")])
    with pytest.raises(ValueError, match="have no subject"):
        wk.tune_decoder(scores, recordings, fp_per_hour=1.0, test=[replace(other, subject="  ")])
    part, whole = (replace(one, source={"content_hash": "abc"}) for one in (recordings[0], other))
    with pytest.raises(ValueError, match="are of the same file as some of the test set"):
        wk.tune_decoder(scores, [part, *recordings[1:]], fp_per_hour=1.0, test=[whole])


def test_what_is_missing_or_simulated_is_said(held):
    recordings, scores = held
    given = {"fp_per_hour": 100.0, "grid": {"low": (0.3,)}}
    assert "no test people were named" in repr(wk.tune_decoder(scores, recordings, **given))
    made = [replace(one, source={"device": "simulated"}) for one in recordings]
    tuned = wk.tune_decoder(scores, made, test=[person(5)[0]], **given)
    assert tuned.notes == tuned.point.notes != ()
    assert repr(tuned).count("3 of 3 recordings are simulated") == 1
    assert "no test people" not in repr(tuned)


@pytest.mark.parametrize(
    ("name", "other"), [("Zo\u00eb", "Zoe\u0308"), ("A", "a\u200b"), ("\uff21", "A"), ("A", "A\u00a0"), ("A", "A\x07")]
)
def test_names_that_look_alike_are_of_one_person(held, name, other):
    recordings, scores = held
    mine = [replace(one, subject=f"{name}{number or ''}") for number, one in enumerate(recordings)]
    with pytest.raises(ValueError, match="are among the test people too"):
        wk.tune_decoder(scores, mine, fp_per_hour=1.0, test=[replace(person(5)[0], subject=other)])


def test_who_is_hidden_characters_alone_has_no_name(held):
    with pytest.raises(ValueError, match="have no subject"):
        wk.tune_decoder(held[1], held[0], fp_per_hour=1.0, test=[replace(person(5)[0], subject="\u200b")])


def test_beside_real_people_simulated_ones_choose_nothing(held):
    """Neither recall nor alarms nor how late it is: one who is made is far later."""
    recordings, scores = held
    made, of_made = person(7)
    late = Scores.of(
        of_made.time + 60.0, of_made.values, classes=of_made.channels, centre_s=of_made.centre_s, hop_s=HOP_S
    )
    made = replace(made, source={"device": "simulated"})
    given = {"fp_per_hour": 2.0, "grid": {"low": (0.3, 0.5), "smooth": (1, 3)}}
    alone = wk.tune_decoder(scores, recordings, **given)
    beside = wk.tune_decoder({**scores, made.id: late}, [*recordings, made], **given)
    pd.testing.assert_frame_equal(alone.table, beside.table)
    assert alone.decoder == beside.decoder


def test_one_recording_and_its_scores_will_do(held):
    recording, scores = held[0][0], held[1][held[0][0].id]
    given = {"fp_per_hour": 100.0, "grid": {"low": (0.3,)}}
    alone = wk.tune_decoder(scores, recording, test=person(5)[0], **given)
    assert alone.decoder == wk.tune_decoder({recording.id: scores}, [recording], **given).decoder


@pytest.mark.parametrize(
    ("change", "kind", "says"),
    [
        ({"recordings": None}, TypeError, "recordings is None, expected a Recording or a list"),
        ({"recordings": ["a"]}, TypeError, "one of recordings is 'a', expected one Recording"),
        ({"test": 3}, TypeError, "test is 3, expected a Recording"),
        ({"scores": None}, TypeError, "scores is a NoneType, expected a dictionary"),
        ({"grid": {"smooth": 3}}, ValueError, r"grid\['smooth'\] is 3, expected one or more values"),
        ({"grid": {"smooth": []}}, ValueError, r"grid\['smooth'\] is \[\], expected one or more"),
        ({"grid": 3}, TypeError, "grid is a int, expected a dictionary"),
        ({"tier": "other"}, ValueError, r"no true event of tier 'other' that these scores know.*\['wash'\]"),
    ],
)
def test_what_cannot_be_tuned_is_named(held, change, kind, says):
    given = {"scores": held[1], "recordings": held[0], **change}
    with pytest.raises(kind, match=says):
        wk.tune_decoder(given.pop("scores"), given.pop("recordings"), fp_per_hour=1.0, **given)
