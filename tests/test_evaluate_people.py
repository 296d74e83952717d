"""Intervals over people: how often they hold the truth, whom they count, and when there is none."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from wristkit.evaluate.people import (
    figure_over_people,
    interval_of,
    interval_of_difference,
    median_over_people,
    ratio_over_people,
)

TIMES = 1500


def ratio(counts):
    with np.errstate(invalid="ignore", divide="ignore"):
        return counts[:, :1] / counts[:, 1:]


def recall_of_people(rng, count, shape):
    """Return hits and truths of people whose own recall has a beta distribution, and its mean."""
    mean, alike, events = shape
    truths = rng.poisson(events, size=count) + 1
    return rng.binomial(truths, rng.beta(mean * alike, (1 - mean) * alike, size=count)), truths, mean


def alarms_of_people(rng, count, shape):
    """Return alarms and hours of people whose own rate has a gamma distribution, and its mean."""
    mean, alike, each = shape
    hours = rng.uniform(0.5, 1.5, size=count) * each
    return rng.poisson(rng.gamma(alike, mean / alike, size=count) * hours), hours, mean


@pytest.mark.parametrize("count", [5, 6, 8, 10])
@pytest.mark.parametrize(
    ("draw", "shape", "scale"),
    [
        (recall_of_people, (0.8, 8, 20), "share"),
        (recall_of_people, (0.9, 8, 20), "share"),
        (recall_of_people, (0.6, 4, 20), "share"),
        (alarms_of_people, (2.0, 2, 4), "amount"),
        (alarms_of_people, (0.2, 2, 12), "amount"),
        (alarms_of_people, (1.0, 4, 4), "amount"),
    ],
)
def test_19_of_20_intervals_hold_the_truth_however_few_the_people(count, draw, shape, scale):
    rng, held = np.random.default_rng(1), []
    for _ in range(TIMES):
        counts, totals, true = draw(rng, count, shape)
        low, high = interval_of(np.column_stack([counts, totals]).astype(float), ratio, [scale])[:, 0]
        if not np.isnan(low):
            held.append(low <= true <= high)
    assert len(held) > 0.95 * TIMES
    assert 0.92 <= np.mean(held) <= 0.98


def test_so_do_intervals_of_medians_and_of_differences():
    rng, medians, differences = np.random.default_rng(0), [], []
    for count in (5, 6, 8, 10) * 75:
        people = np.repeat(np.arange(count).astype(str), rng.poisson(10, size=count) + 1).astype(object)
        own = rng.normal(0, 0.3, size=count)[people.astype(int)]
        low, high = median_over_people(1.0 + own + rng.normal(0, 0.5, size=len(people)), people).span
        medians.append(low <= 1.0 <= high)
        truths = rng.poisson(30, size=count) + 1.0
        share = rng.beta(4, 4, size=count)
        one, other = (
            np.column_stack([rng.binomial(truths.astype(int), 0.6 * share + more), truths]) for more in (0, 0.3)
        )
        low, high = interval_of_difference(one.astype(float), other.astype(float), ratio)[:, 0]
        differences.append(low <= 0.3 <= high)
    assert 0.92 <= np.mean(medians) <= 0.985
    assert 0.92 <= np.mean(differences) <= 0.98


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=9),
    scale=st.sampled_from(["share", "amount"]),
)
def test_the_interval_is_that_of_leaving_out_one_after_another(rows, scale):
    counts = np.array([(hits, hits + misses) for hits, misses in rows], dtype=float)
    low, high = interval_of(counts, ratio, [scale])[:, 0]
    held = counts[counts[:, 1] > 0]
    hits, total = held.sum(axis=0) if len(held) else (0.0, 0.0)
    if len(held) < 5 or not hits or (hits == total and scale == "share"):
        assert np.isnan([low, high]).all()
        return
    value = hits / total
    apart = [(hits - one) / (total - of) - value for one, of in held]
    spread = np.sqrt((len(held) - 1) / len(held) * np.sum(np.square(apart)))
    if spread < 1e-9:
        assert np.isnan([low, high]).all()
        return
    reach = stats.t.ppf(0.975, len(held) - 1) * spread
    if scale == "amount":
        wanted = value * np.exp([-reach / value, reach / value])
    else:
        odds = np.log(value / (1 - value)) + np.array([-1, 1]) * reach / (value * (1 - value))
        wanted = 1 / (1 + np.exp(-odds))
    np.testing.assert_allclose([low, high], wanted, rtol=1e-6)
    assert low < value < high


def of_people(hits, misses, alarms, hours, names=None):
    table = pd.DataFrame({"hits": hits, "misses": misses, "false_alarms": alarms, "hours": hours})
    return table.set_index(pd.Index(names or [f"p{one}" for one in range(len(table))], name="subject"))


def test_only_people_with_data_for_a_figure_count_for_it():
    table = of_people([3, 2, 1, 4, 0, 0], [1, 2, 3, 1, 0, 0], [1, 0, 2, 1, 5, 1], [1.0] * 6)
    recall = figure_over_people(table, "recall")
    assert recall.span is None
    assert recall.words == "too few people for an interval over them: 4 with data, 5 are needed"
    low, high = figure_over_people(table, "fp_per_hour").span
    assert 0 < low < 10 / 6 < high
    counts = np.column_stack([table["hits"], table["hits"] + table["misses"]]).astype(float)
    assert np.isnan(interval_of(counts, ratio, ["share"])).all()


def test_nothing_and_everything_have_no_interval_and_it_is_said():
    table = of_people([3, 2, 1, 4, 5], [0] * 5, [0] * 5, [2.0] * 5)
    assert figure_over_people(table, "recall") == (None, "no interval over people, as all are hits")
    assert figure_over_people(table, "f1") == (None, "no interval over people, as all are hits")
    assert figure_over_people(table, "fp_per_hour") == (None, "no interval over people, as the count is 0")
    alike = figure_over_people(table.assign(false_alarms=4), "fp_per_hour")
    assert alike == (None, "no interval over people, as they do not differ")


def test_what_has_no_name_is_left_out_and_it_is_said():
    counts, totals = np.array([1.0, 2, 3, 1, 2, 9]), np.full(6, 4.0)
    names = ["a", "b", "c", "d", "e", ""]
    told = ratio_over_people(counts, totals + 10.0 * (counts == 9), names, scale="share")
    assert told.span == ratio_over_people(counts[:5], totals[:5], names[:5], scale="share").span
    assert told.words.endswith(", without what has no subject")
    few = ratio_over_people(counts[1:], totals[1:], names[1:], scale="share")
    assert few.words.endswith("4 with data, as what has no subject is nobody's, 5 are needed")
    people = np.repeat(["a", "b", "c", "d", "e", ""], 4).astype(object)
    values = np.random.default_rng(0).normal(size=24)
    assert median_over_people(values, people).span == median_over_people(values[:20], people[:20]).span
    assert median_over_people(values[4:], people[4:]).span is None


def test_the_median_lies_between_its_ends_also_where_values_are_on_a_grid():
    for seed in range(40):
        rng = np.random.default_rng(seed)
        people = rng.choice(list("abcdefg"), size=90).astype(object)
        values = rng.normal(size=90).round(1)
        low, high = median_over_people(values, people).span
        assert low <= np.median(values) <= high
        assert {low, high} <= set(values.tolist())
