"""Decoding: equal to an obvious twin, for any partition; matching: as many pairs as possible, one to one."""

import time
from dataclasses import replace
from itertools import pairwise, permutations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wristkit.events import EventDecoder, Scores, event_table, match

CLASSES = ("none", "tap", "turn")
HOP_S = 0.5


def make_scores(seed: int, count: int = 120) -> Scores:
    rng = np.random.default_rng(seed)
    level = np.repeat(rng.random((count // 4, 3)), 4, axis=0) + 0.2 * rng.random((count, 3))
    values = (level / level.sum(axis=1, keepdims=True)).astype(np.float32)
    steps = np.where(rng.random(count) < 0.04, 3 * HOP_S, HOP_S)
    centre_s = np.cumsum(steps)
    return Scores.of(centre_s + 1.07, values, classes=CLASSES, centre_s=centre_s, hop_s=HOP_S)


def slow_runs(decoder: EventDecoder, scores: Scores, rows: np.ndarray, column: int) -> list[dict]:
    """Average by hand, collect runs by hand, and say where each would be decided and is over."""
    raw, centre_s = scores.values[rows, column].astype(np.float64), scores.centre_s[rows]
    smooth = [np.mean(raw[max(0, k - decoder.smooth + 1) : k + 1]) for k in range(len(rows))]
    runs: list[list[int]] = []
    for k, value in enumerate(smooth):
        if value < decoder.low:
            continue
        near = runs and centre_s[k] - centre_s[runs[-1][-1]] <= max(decoder.merge_s, scores.hop_s) + 1e-9
        runs[-1].append(k) if near else runs.append([k])
    found = []
    for run in runs:
        start_s, stop_s = centre_s[run[0]], centre_s[run[-1]]
        back = [(min(k + 1, decoder.smooth) - 1) / 2 * scores.hop_s for k in (run[0], run[-1])]
        decided = [
            k
            for k in run
            if centre_s[k] - start_s >= decoder.min_length_s - 1e-9
            and max(smooth[i] for i in run if i <= k) >= decoder.high
        ]
        later = range(run[-1] + 1, len(rows))
        over = [k for k in later if centre_s[k] + scores.hop_s - stop_s > decoder.merge_s + 1e-9]
        if decided:
            times = {"start_s": start_s - back[0], "stop_s": stop_s - back[1], "score": max(smooth[k] for k in run)}
            ends = over[0] if over else len(rows)
            found.append({**times, "row": decided[0], "then": smooth[decided[0]], "over": ends, "column": column})
    return found


def slow_decode(decoder: EventDecoder, scores: Scores) -> list[tuple]:
    """Split at gaps, collect the runs of each class, and let them be decided one after another."""
    splits = np.flatnonzero(np.diff(scores.centre_s) > 1.5 * scores.hop_s) + 1
    events = []
    for rows in np.split(np.arange(len(scores)), splits):
        columns = [place for place, label in enumerate(scores.channels) if label != decoder.background]
        runs = [run for column in columns for run in slow_runs(decoder, scores, rows, column)]
        kept: list[dict] = []
        for run in sorted(runs, key=lambda one: (one["row"], -one["then"], one["column"])):
            same = [one for one in kept if one["column"] == run["column"]]
            others = [one for one in kept if one["column"] != run["column"]] if decoder.refractory_any_s else []
            if any(run["start_s"] < one["stop_s"] + decoder.refractory_s - 1e-9 for one in same):
                continue
            if any(run["row"] < one["over"] for one in others):
                continue
            if any(run["start_s"] < one["stop_s"] + decoder.refractory_any_s - 1e-9 for one in others):
                continue
            kept.append(run)
        events += [
            (one["start_s"], one["stop_s"], scores.channels[one["column"]], one["score"], scores.time[rows[one["row"]]])
            for one in kept
        ]
    return sorted(events, key=lambda event: (event[0], event[2]))


DECODERS = st.builds(
    lambda low, more, smooth, length, merge, refractory, across: EventDecoder(
        high=min(1.0, low + more),
        low=low,
        smooth=smooth,
        min_length_s=length,
        merge_s=merge,
        refractory_s=refractory,
        refractory_any_s=across,
    ),
    st.floats(0.2, 0.45),
    st.floats(0, 0.2),
    st.integers(1, 4),
    st.sampled_from([0.0, 0.5, 1.2]),
    st.sampled_from([0.0, 0.5, 1.0, 2.3]),
    st.sampled_from([0.0, 1.0, 5.0]),
    st.sampled_from([0.0, 0.0, 0.5, 3.0]),
)


@settings(max_examples=150, deadline=None)
@given(decoder=DECODERS, seed=st.integers(0, 200))
def test_equals_the_slow_twin(decoder: EventDecoder, seed: int) -> None:
    scores = make_scores(seed)
    slow = slow_decode(decoder, scores)
    fast = decoder.run(scores)
    assert fast["label"].tolist() == [event[2] for event in slow]
    for place, column in ((0, "start_s"), (1, "stop_s"), (4, "decided_s")):
        np.testing.assert_array_equal(fast[column], [event[place] for event in slow])
    np.testing.assert_allclose(fast["score"], [event[3] for event in slow], atol=1e-9)


@settings(max_examples=80, deadline=None)
@given(decoder=DECODERS, seed=st.integers(0, 50), cuts=st.lists(st.integers(0, 120), max_size=20))
def test_any_partition_gives_the_same_updates(decoder: EventDecoder, seed: int, cuts: list[int]) -> None:
    scores = make_scores(seed)
    whole = decoder.start(CLASSES, hop_s=HOP_S)
    wanted = whole.push(scores.centre_s, scores.time, scores.values) + whole.flush()
    state, updates = decoder.start(CLASSES, hop_s=HOP_S), []
    for a, b in pairwise([0, *sorted(cuts), 120]):
        updates += state.push(scores.centre_s[a:b], scores.time[a:b], scores.values[a:b])
    assert updates + state.flush() == wanted
    pd.testing.assert_frame_equal(decoder.run(scores), event_table(update.event for update in wanted if update.final))


def test_hysteresis_holds_an_event_through_a_dip() -> None:
    values = np.array([0.1, 0.5, 0.9, 0.5, 0.1, 0.5, 0.1], dtype=np.float32)
    scores = Scores.of(
        np.arange(7.0) + 1,
        np.column_stack([1 - values, values]),
        classes=("none", "tap"),
        centre_s=np.arange(7.0),
        hop_s=1.0,
    )
    events = EventDecoder(high=0.8, low=0.4).run(scores)
    assert events[["start_s", "stop_s", "decided_s"]].to_numpy().tolist() == [[1.0, 3.0, 3.0]]
    merged = EventDecoder(high=0.8, low=0.4, merge_s=2.0).run(scores)
    assert merged[["start_s", "stop_s"]].to_numpy().tolist() == [[1.0, 5.0]]


@pytest.mark.parametrize("smooth", [1, 3, 5])
def test_smoothing_does_not_move_an_event(smooth: int) -> None:
    centre_s = np.arange(100) * 0.5
    values = ((centre_s >= 20) & (centre_s <= 30)).astype(np.float32)
    scores = Scores.of(
        centre_s + 1, np.column_stack([1 - values, values]), classes=("none", "tap"), centre_s=centre_s, hop_s=0.5
    )
    found = EventDecoder(high=0.5, low=0.5, smooth=smooth).run(scores)
    assert found[["start_s", "stop_s"]].to_numpy().tolist() == [[20.0, 30.0]]
    assert found["decided_s"].tolist() == [20 + 1 + (smooth - 1) / 4]


def test_no_scores_no_events() -> None:
    empty = Scores.of(np.empty(0), np.empty((0, 3)), classes=CLASSES, centre_s=np.empty(0), hop_s=HOP_S)
    pd.testing.assert_frame_equal(EventDecoder().run(empty), event_table([]))


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"high": 0.3, "low": 0.4}, "low <= high"),
        ({"high": 1.2}, "low <= high"),
        ({"low": 0.0}, "0 < low"),
        ({"high": float("nan")}, "low <= high"),
        ({"smooth": 0}, "1 or more"),
        ({"smooth": 1.5}, "1 or more"),
        ({"merge_s": -1.0}, "merge_s is -1"),
        ({"refractory_s": float("inf")}, "refractory_s is inf"),
        ({"refractory_any_s": -1.0}, "refractory_any_s is -1"),
    ],
)
def test_wrong_parameters_are_named(fields: dict, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        EventDecoder(**fields)


def test_other_classes_wait_while_an_event_lasts_and_after_it() -> None:
    tap = np.array([0, 0.9, 0.9, 0, 0, 0, 0, 0, 0], dtype=np.float32)
    turn = np.array([0, 0, 0.8, 0.8, 0, 0.8, 0, 0, 0.8], dtype=np.float32)
    scores = Scores.of(
        np.arange(9.0),
        np.column_stack([1 - np.maximum(tap, turn), tap, turn]),
        classes=CLASSES,
        centre_s=np.arange(9.0),
        hop_s=1.0,
    )
    alone = EventDecoder(high=0.7, low=0.4).run(scores)
    assert alone["label"].tolist() == ["tap", "turn", "turn", "turn"]
    across = EventDecoder(high=0.7, low=0.4, refractory_any_s=4.0).run(scores)
    assert across[["label", "start_s"]].to_numpy().tolist() == [["tap", 1.0], ["turn", 8.0]]


@settings(max_examples=150, deadline=None)
@given(decoder=DECODERS, across_s=st.sampled_from([0.2, 0.5, 4.0]), classes=st.integers(1, 6), seed=st.integers(0, 999))
def test_many_classes_that_block_each_other_equal_pushing_and_the_slow_twin(decoder, across_s, classes, seed) -> None:
    rng = np.random.default_rng(seed)
    names = tuple(rng.permutation(["none", *(f"class {number}" for number in range(classes))]))
    values = np.round(rng.dirichlet([0.4] * len(names), size=80), 1).astype(np.float32)  # many are equal
    centre_s = np.cumsum(np.where(rng.random(80) < 0.05, 3 * HOP_S, HOP_S))
    scores = Scores.of(centre_s + 1, values, classes=names, centre_s=centre_s, hop_s=HOP_S)
    decoder = replace(decoder, refractory_any_s=across_s)
    state = decoder.start(names, hop_s=HOP_S)
    updates = state.push(scores.centre_s, scores.time, scores.values) + state.flush()
    fast = decoder.run(scores)
    pd.testing.assert_frame_equal(fast, event_table(update.event for update in updates if update.final))
    slow = slow_decode(decoder, scores)
    assert list(zip(fast["start_s"], fast["stop_s"], fast["label"], strict=True)) == [event[:3] for event in slow]


def test_the_surer_of_two_in_one_window_goes_first() -> None:
    values = np.array([[0.1, 0.4, 0.5], [1.0, 0.0, 0.0]], dtype=np.float32)
    scores = Scores.of(np.arange(2.0), values, classes=CLASSES, centre_s=np.arange(2.0), hop_s=1.0)
    found = EventDecoder(high=0.4, low=0.4, refractory_any_s=1.0).run(scores)
    assert found["label"].tolist() == ["turn"]


TIMES = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 6)), max_size=5).map(
    lambda rows: np.array([(start, start + length) for start, length in rows], dtype=float).reshape(-1, 2)
)


@settings(max_examples=200, deadline=None)
@given(predicted=TIMES, truth=TIMES, tolerance_s=st.sampled_from([0.0, 0.5, 2.0]))
def test_matching_finds_as_many_pairs_as_trying_everything(predicted, truth, tolerance_s: float) -> None:
    pairs = match(predicted, truth, tolerance_s=tolerance_s)
    assert len(set(pairs[:, 0])) == len(set(pairs[:, 1])) == len(pairs)

    def near(p: int, t: int) -> bool:
        return predicted[p, 0] <= truth[t, 1] + tolerance_s and predicted[p, 1] >= truth[t, 0] - tolerance_s

    assert all(near(p, t) for p, t in pairs)
    short, long = sorted((len(predicted), len(truth)))
    best = 0
    for chosen in permutations(range(long), short):
        pairing = zip(range(short), chosen, strict=True)
        ordered = pairing if len(predicted) == short else ((p, t) for t, p in pairing)
        best = max(best, sum(near(p, t) for p, t in ordered))
    assert len(pairs) == best


@settings(max_examples=200, deadline=None)
@given(predicted=TIMES, truth=TIMES, tolerance_s=st.sampled_from([0.0, 1.0]), seed=st.integers(0, 99))
def test_the_surest_are_matched_and_the_nearest_paired(predicted, truth, tolerance_s, seed) -> None:
    score = np.random.default_rng(seed).permutation(len(predicted)).astype(float)
    pairs = match(predicted, truth, tolerance_s=tolerance_s, score=score)

    def near(p: int, t: int) -> bool:
        return predicted[p, 0] <= truth[t, 1] + tolerance_s and predicted[p, 1] >= truth[t, 0] - tolerance_s

    def ways(places: list[int], left: frozenset):
        if not places:
            yield 0.0
            return
        for t in left:
            if near(places[0], t):
                apart = np.abs(predicted[places[0]] - truth[t]).sum()
                yield from (apart + rest for rest in ways(places[1:], left - {t}))

    every = frozenset(range(len(truth)))
    served: list[int] = []
    for place in np.argsort(-score).tolist():
        if next(ways([*served, place], every), None) is not None:
            served.append(place)
    assert sorted(pairs[:, 0].tolist()) == sorted(served)
    apart = np.abs(predicted[pairs[:, 0]] - truth[pairs[:, 1]]).sum()
    assert apart == min(ways(served, every))


def test_matching_a_long_chain_takes_no_time() -> None:
    starts = np.arange(20_000.0)
    chain = np.column_stack([starts, starts + 1.0])
    pairs = match(chain, chain + 0.5, tolerance_s=0.0, score=-starts)
    assert len(pairs) == len(chain)


PAIRS = np.array([[0.9, 0.1], [0.2, 0.8]], dtype=np.float32)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"probabilities": PAIRS * 92.5}, r"scores reach 83.25, expected 0 to 1; apply a softmax"),
        ({"probabilities": PAIRS - 1}, "scores reach -0.9, expected 0 to 1"),
        ({"probabilities": PAIRS + np.inf}, "scores reach inf"),
        ({"probabilities": PAIRS.astype(str)}, "scores are of type <U32, expected numbers"),
        ({"hop_s": 0}, "hop_s of scores is 0, expected seconds above 0"),
        ({"hop_s": -1.0}, "hop_s of scores is -1"),
        ({"hop_s": float("nan")}, "hop_s of scores is nan"),
        ({"hop_s": "1"}, "hop_s of scores is '1'"),
        ({"window_s": 0.0}, "window_s of scores is 0"),
        ({"centre_s": np.array([0.0, np.nan])}, "centre_s is nan in row 1"),
        ({"centre_s": np.array([0.0])}, r"centre_s is of shape \(1,\), expected \(2,\)"),
        (
            {"centre_s": np.array([5.0, 4.0])},
            "centre_s falls from 5 to 4 s in row 1 of scores, expected times in order",
        ),
        ({"score_s": np.array([5.0, 4.0])}, "score_s falls from 5 to 4 s in row 1"),
    ],
)
def test_scores_that_are_no_probabilities_or_have_no_times_are_refused(fields: dict, says: str) -> None:
    right = {"score_s": np.arange(2.0), "probabilities": PAIRS, "centre_s": np.arange(2.0), "hop_s": 1.0, **fields}
    with pytest.raises(ValueError, match=says):
        Scores.of(right.pop("score_s"), right.pop("probabilities"), classes=("none", "tap"), **right)


def test_scores_beyond_one_by_rounding_stay_as_they_are() -> None:
    near = np.array([[1 + 1e-6, -1e-6], [np.nan, np.nan]], dtype=np.float32)
    scores = Scores.of(np.arange(2.0), near, classes=("none", "tap"), centre_s=np.arange(2.0), hop_s=1.0)
    np.testing.assert_array_equal(scores.values, near)


@pytest.mark.parametrize("smooth", [100, 10**7])
@pytest.mark.parametrize("pushed", [1, 3, 120])
def test_smoothing_over_more_than_there_is_takes_all_there_is_at_once(smooth: int, pushed: int) -> None:
    scores = make_scores(3)
    decoder, longest = EventDecoder(high=0.4, low=0.3, smooth=smooth), EventDecoder(high=0.4, low=0.3, smooth=120)
    began_s = time.process_time()
    found, state = decoder.run(scores), decoder.start(CLASSES, hop_s=HOP_S)
    pieces = [slice(first, first + pushed) for first in range(0, 120, pushed)]
    updates = [one for at in pieces for one in state.push(scores.centre_s[at], scores.time[at], scores.values[at])]
    assert time.process_time() - began_s < 2
    assert len(found)
    pd.testing.assert_frame_equal(found, longest.run(scores))
    pushed_table = event_table(update.event for update in updates + state.flush() if update.final)
    pd.testing.assert_frame_equal(found, pushed_table)
