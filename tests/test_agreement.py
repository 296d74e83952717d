from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

import wristkit as wk
from wristkit.evaluate import disputed
from wristkit.evaluate.agreement import AGREEMENT_COLUMNS, LABELLED, LOOKED_AT
from wristkit.events import match
from wristkit.recording import label_table

SECONDS = st.integers(0, 12)
SPANS = st.lists(st.tuples(SECONDS, st.integers(0, 4)).map(lambda one: (one[0], one[0] + one[1])), max_size=5)
NAMED = st.lists(st.tuples(SECONDS, st.integers(0, 4), st.sampled_from(["tap", "wash"])), max_size=5)


def table(ann, ben, *, tier="truth"):
    rows = [
        (start, start + long, label, tier, rater)
        for rater, own in (("ann", ann), ("ben", ben))
        for start, long, label in own
    ]
    return label_table(rows)


def slow_pairs(one, other, tolerance_s):
    """The most pairs that may be made, and of all such choices the least sum of distances between edges."""

    def choices(places, left):
        if not places:
            yield []
            return
        yield from choices(places[1:], left)
        for other_place in left:
            a, b = one[places[0]], other[other_place]
            if a[0] <= b[1] + tolerance_s and b[0] <= a[1] + tolerance_s:
                for rest in choices(places[1:], left - {other_place}):
                    yield [(places[0], other_place), *rest]

    found = list(choices(tuple(range(len(one))), frozenset(range(len(other)))))
    most = max(map(len, found))
    cost = [sum(abs(one[a][0] - other[b][0]) + abs(one[a][1] - other[b][1]) for a, b in pairs) for pairs in found]
    return most, min(c for c, pairs in zip(cost, found, strict=True) if len(pairs) == most)


def slow_kappa(ann, ben, spans):
    """Cohen's kappa of what both said in the middle of each whole second."""
    moments = [second + 0.5 for second in range(40) if any(a <= second + 0.5 <= b for a, b in spans)]
    said = [
        [" ".join(sorted({label for start, long, label in own if start < m < start + long})) for m in moments]
        for own in (ann, ben)
    ]
    if not moments or len({*said[0], *said[1]}) < 2:
        return float("nan")
    return cohen_kappa_score(*said)


@settings(deadline=None, max_examples=200)
@given(one=SPANS, other=SPANS, tolerance_s=st.sampled_from([0.0, 1.0]))
def test_pairs_are_the_most_and_the_nearest_that_can_be(one, other, tolerance_s):
    arrays = [np.array(spans, dtype=np.float64).reshape(-1, 2) for spans in (one, other)]
    pairs = match(*arrays, tolerance_s=tolerance_s)
    assert all(len(set(side)) == len(pairs) for side in pairs.T)
    most, _ = slow_pairs(one, other, tolerance_s)
    assert len(pairs) == most
    apart_s = np.abs(arrays[0][pairs[:, 0]] - arrays[1][pairs[:, 1]]).sum()
    mine, theirs = pairs[:, 0], pairs[:, 1]
    for order in permutations(theirs):  # no other way to pair the same ones is nearer
        near = all(
            arrays[0][a][0] <= arrays[1][b][1] + tolerance_s and arrays[1][b][0] <= arrays[0][a][1] + tolerance_s
            for a, b in zip(mine, order, strict=True)
        )
        assert not near or np.abs(arrays[0][mine] - arrays[1][list(order)]).sum() >= apart_s - 1e-9


@settings(deadline=None, max_examples=150)
@given(ann=NAMED, ben=NAMED, looked=st.booleans())
def test_kappa_is_that_of_every_second_asked_alone(ann, ben, looked):
    labels = table(ann, ben)
    if set(labels["rater"]) != {"ann", "ben"}:
        with pytest.raises(ValueError, match="expected two or more"):
            wk.agreement(labels)
        return
    labelled = {"ann": np.array([[0.0, 9.0], [11.0, 30.0]]), "ben": np.array([[2.0, 14.0]])} if looked else None
    spans = [(2, 9), (11, 14)] if looked else [(start, start + long) for start, long, _ in [*ann, *ben]]
    told = wk.agreement(labels, labelled=labelled)
    assert tuple(told.columns) == AGREEMENT_COLUMNS
    assert set(told["over"]) == {LOOKED_AT if looked else LABELLED}
    together = told[told["label"] == ""].iloc[0]
    np.testing.assert_allclose(together["kappa"], slow_kappa(ann, ben, spans), atol=1e-9)
    for _, row in told[told["label"] != ""].iterrows():
        own = [[one for one in rows if one[2] == row["label"]] for rows in (ann, ben)]
        np.testing.assert_allclose(row["kappa"], slow_kappa(*own, spans), atol=1e-9)


def test_what_raters_share_and_miss_is_counted_by_class():
    ann = [(1, 2, "tap"), (10, 2, "tap"), (20, 10, "wash"), (50, 1, "walk")]
    ben = [(1.5, 2, "tap"), (10, 3, "tap"), (15, 1, "tap"), (21, 10, "wash")]
    told = wk.agreement(table(ann, ben)).set_index("label")
    assert told.loc[["tap", "walk", "wash", ""], ["matched", "only_one", "only_other"]].to_numpy().tolist() == [
        [2, 0, 1],
        [0, 1, 0],
        [1, 0, 0],
        [3, 1, 1],
    ]
    assert told.loc["tap", "start_median_s"] == 0.25
    assert told.loc["tap", "stop_p90_s"] == pytest.approx(np.percentile([0.5, 1.0], 90))
    assert np.isnan(told.loc["walk", "start_median_s"])
    assert disputed(table(ann, ben)) == [3, 6]


def test_neighbours_are_not_paired_crosswise():
    spans = np.array([[0.0, 2.0], [2.0, 4.0], [4.0, 6.0]])  # each touches the next, so that crossed pairs would do too
    np.testing.assert_array_equal(match(spans, spans, tolerance_s=0.5), [[0, 0], [1, 1], [2, 2]])


def test_three_raters_are_compared_by_twos_and_other_tiers_left_out():
    rows = [(1, 2, "tap", "truth", rater) for rater in ("c", "a", "b")] + [(1, 2, "tap", "rejected", "d")]
    told = wk.agreement(label_table(rows))
    assert told.loc[told["label"] == "", ["one", "other"]].to_numpy().tolist() == [["a", "b"], ["a", "c"], ["b", "c"]]
    with pytest.raises(ValueError, match=r"'rejected' are of the raters \['d'\], expected two or more; .*'truth'\]"):
        wk.agreement(label_table(rows), tier="rejected")
    with pytest.raises(ValueError, match=r"labels of tier 'trth' are of the raters \[\], .*\['rejected', 'truth'\]"):
        wk.agreement(label_table(rows), tier="trth")


def test_points_and_nothing_looked_at_leave_kappa_unknown():
    points = table([(1, 0, "tap")], [(1, 0, "tap")])
    row = wk.agreement(points).iloc[-1]
    assert (row["matched"], row["seconds"]) == (1, 0)
    assert np.isnan(row["kappa"])
    both = table([(1, 2, "tap")], [(1, 2, "tap")])
    nothing = {"ann": np.array([[0.0, 5.0]]), "ben": np.empty((0, 2))}
    assert np.isnan(wk.agreement(both, labelled=nothing)["kappa"]).all()


def test_tables_that_cannot_be_compared_are_refused():
    both = table([(1, 2, "tap")], [(1, 2, "tap")])
    with pytest.raises(ValueError, match=r"says nothing of the raters \['ben'\]"):
        wk.agreement(both, labelled={"ann": np.array([[0.0, 5.0]])})
    with pytest.raises(ValueError, match="labels are of 2 recordings, expected one"):
        wk.agreement(pd.concat([both.assign(recording="a"), both.assign(recording="b")]))


@pytest.mark.parametrize(
    ("spans", "says"),
    [
        ([0.0, 5.0], r"labelled of 'ben' is of shape \(2,\), expected \(k, 2\) seconds"),
        ([(5.0, 0.0)], "'ben' has a span from 5 to 0 s, expected start <= stop"),
        ([(np.nan, 5.0)], "'ben' has a span from nan to 5 s"),
        ([(0.0, np.inf)], "'ben' has a span from 0 to inf s"),
        ("all", "labelled of 'ben' is 'all', expected"),
    ],
)
def test_what_raters_looked_at_is_checked(spans, says):
    both = table([(1, 2, "tap")], [(1, 2, "tap")])
    with pytest.raises(ValueError, match=says):
        wk.agreement(both, labelled={"ann": [(0.0, 5.0)], "ben": spans})
    assert wk.agreement(both, labelled={"ann": [(0.0, 5.0)], "ben": []})["seconds"].tolist() == [0, 0]


@pytest.mark.parametrize("tolerance_s", [np.nan, -1, np.inf, "a", None, True])
def test_a_tolerance_that_is_no_time_is_refused(tolerance_s):
    both = table([(1, 2, "tap")], [(1, 2, "tap")])
    for ask in (wk.agreement, disputed):
        with pytest.raises(ValueError, match=r"tolerance_s is .*, expected seconds, 0 or more"):
            ask(both, tolerance_s=tolerance_s)
