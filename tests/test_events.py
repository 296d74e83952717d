"""Decoding: equal to an obvious twin, for any partition; matching: as many pairs as possible, one to one."""

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


def slow_decode(decoder: EventDecoder, scores: Scores) -> list[tuple]:
    """Split at gaps, average by hand, collect runs by hand, decide by looking back over each run."""
    splits = np.flatnonzero(np.diff(scores.centre_s) > 1.5 * scores.hop_s) + 1
    events = []
    for rows in np.split(np.arange(len(scores)), splits):
        for column, label in enumerate(scores.channels):
            if label == decoder.background:
                continue
            raw = scores.values[rows, column].astype(np.float64)
            smooth = [np.mean(raw[max(0, k - decoder.smooth + 1) : k + 1]) for k in range(len(rows))]
            runs: list[list[int]] = []
            for k, value in enumerate(smooth):
                if value < decoder.low:
                    continue
                centre_s = scores.centre_s[rows]
                near = runs and centre_s[k] - centre_s[runs[-1][-1]] <= max(decoder.merge_s, scores.hop_s) + 1e-9
                runs[-1].append(k) if near else runs.append([k])
            ready_s = -np.inf
            for run in runs:
                start_s, stop_s = centre_s[run[0]], centre_s[run[-1]]
                back = [(min(k + 1, decoder.smooth) - 1) / 2 * scores.hop_s for k in (run[0], run[-1])]
                if start_s - back[0] < ready_s - 1e-9:
                    continue
                decided = next(
                    (
                        scores.time[rows[k]]
                        for k in run
                        if centre_s[k] - start_s >= decoder.min_length_s - 1e-9
                        and max(smooth[i] for i in run if i <= k) >= decoder.high
                    ),
                    None,
                )
                if decided is None:
                    continue
                events.append((start_s - back[0], stop_s - back[1], label, max(smooth[k] for k in run), decided))
                ready_s = stop_s - back[1] + decoder.refractory_s
    return sorted(events, key=lambda event: (event[0], event[2]))


DECODERS = st.builds(
    lambda low, more, smooth, length, merge, refractory: EventDecoder(
        high=min(1.0, low + more),
        low=low,
        smooth=smooth,
        min_length_s=length,
        merge_s=merge,
        refractory_s=refractory,
    ),
    st.floats(0.2, 0.45),
    st.floats(0, 0.2),
    st.integers(1, 4),
    st.sampled_from([0.0, 0.5, 1.2]),
    st.sampled_from([0.0, 0.5, 1.0, 2.3]),
    st.sampled_from([0.0, 1.0, 5.0]),
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
    ],
)
def test_wrong_parameters_are_named(fields: dict, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        EventDecoder(**fields)


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
