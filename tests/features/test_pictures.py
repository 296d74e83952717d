"""Pictures of features say what the tables say."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from wristkit.recording import Stream
from wristkit.view import Picture, draw_distribution, draw_feature, draw_likeness, draw_relevance

HOSTILE = ("$x_1$", "_hidden", "<img onerror=1>", "\u202egnp", "a" * 500)


@pytest.fixture
def ax():
    """Return axes of a figure, and hold that nothing of matplotlib's settings was changed when it was drawn."""
    before = dict(mpl.rcParams)
    figure = Picture(figsize=(7, 4), layout="constrained")
    yield figure.subplots()
    assert figure.png().startswith(b"\x89PNG")
    assert dict(mpl.rcParams) == before


def shown(labels):
    return [label.get_text() for label in labels]


def relevance(count=30):
    p_value = 10.0 ** -np.arange(count, 0, -1)
    return pd.DataFrame({"p_value": p_value, "relevant": p_value < 1e-10}, index=[f"a__f_{k}" for k in range(count)])


def test_the_most_relevant_is_on_top(ax):
    draw_relevance(ax, relevance().sample(frac=1, random_state=0), most=12)
    assert shown(ax.get_yticklabels()) == [f"a__f_{k}" for k in range(12)]
    assert ax.yaxis_inverted()
    (kept, dropped) = ax.collections[1:]
    np.testing.assert_allclose(kept.get_offsets()[:, 0], 30 - np.arange(12))
    assert len(dropped.get_offsets()) == 0


def test_what_was_dropped_is_marked_and_named(ax):
    draw_relevance(ax, relevance(20), most=20)
    assert [len(part.get_offsets()) for part in ax.collections[1:]] == [10, 10]
    assert shown(ax.get_legend().get_texts()) == ["kept", "dropped"]


def test_a_p_of_zero_has_a_place_and_of_nan_none(ax):
    table = pd.DataFrame({"p_value": [0.0, np.nan, 0.5], "relevant": [True, False, False]}, index=["a", "b", "c"])
    draw_relevance(ax, table)
    assert shown(ax.get_yticklabels()) == ["a", "c"]
    assert np.isfinite(ax.get_xlim()).all()


def test_a_table_that_is_none_of_relevance_is_refused():
    with pytest.raises(ValueError, match="p_value"):
        draw_relevance(None, pd.DataFrame({"p": [1.0]}))


def test_each_class_has_its_row_and_each_person_a_mark(ax):
    rng = np.random.default_rng(0)
    labels, subjects = np.repeat(["walking", "rest", "washing"], 40), np.tile(["p1", "p2"], 60)
    values = rng.normal(size=120) + (subjects == "p2")
    draw_distribution(ax, values, labels, subjects=subjects, name="cadence (Hz)")
    assert shown(ax.get_yticklabels()) == ["rest", "walking", "washing"]
    assert ax.get_xlabel() == "cadence (Hz)"
    marks = ax.collections[-1].get_offsets()
    medians = pd.DataFrame({"v": values, "l": labels, "s": subjects}).groupby(["l", "s"])["v"].median()
    np.testing.assert_allclose(marks[:, 0], medians.to_numpy())
    np.testing.assert_array_equal(marks[:, 1], [0, 0, 1, 1, 2, 2])


def test_features_that_rank_alike_are_neighbours(ax):
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(2, 300))
    table = pd.DataFrame({"a": one, "x": other, "b": one**3, "y": -other + 0.01 * rng.normal(size=300)})
    draw_likeness(ax, table)
    names = shown(ax.get_xticklabels())
    assert abs(names.index("a") - names.index("b")) == 1
    assert abs(names.index("x") - names.index("y")) == 1
    values = np.array(ax.collections[0].get_array()).reshape(4, 4)
    place = {name: index for index, name in enumerate(names)}
    assert values[place["a"], place["b"]] == pytest.approx(1.0)
    assert values[place["x"], place["y"]] < -0.99


@pytest.mark.parametrize("count", [0, 1, 41])
def test_too_few_or_too_many_for_a_map_are_refused(count):
    with pytest.raises(ValueError, match=f"has {count} features"):
        draw_likeness(None, pd.DataFrame(np.zeros((5, count))))


def test_a_constant_feature_is_like_none(ax):
    table = pd.DataFrame({"a": np.arange(9.0), "still": np.ones(9), "b": np.arange(9.0) ** 2})
    draw_likeness(ax, table)


def test_a_feature_lies_over_its_windows(ax):
    stream = Stream.measured("accel", np.arange(500) / 50, np.random.default_rng(0).normal(size=(500, 3)))
    draw_feature(ax, stream, [3.0, 5.0, 4.0], start_s=[0, 2, 4], stop_s=[4, 6, 8], name="jerk_peak (g/s)")
    right = next(one for one in ax.figure.axes if one is not ax)
    (bars,) = right.get_lines()
    x, y = bars.get_data()
    np.testing.assert_array_equal(x, [0, 4, np.nan, 2, 6, np.nan, 4, 8, np.nan])
    np.testing.assert_array_equal(y, np.repeat([3.0, 5.0, 4.0], 3))
    assert right.get_ylabel() == "jerk_peak (g/s)"


def test_a_feature_and_windows_of_other_lengths_are_refused():
    stream = Stream.measured("accel", np.arange(50) / 50, np.zeros((50, 3)))
    with pytest.raises(ValueError, match="shapes"):
        draw_feature(None, stream, [1.0], start_s=[0, 1], stop_s=[1, 2])


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_text_and_nothing_else(ax, name):
    labels = np.repeat([name, "other"], 20)
    draw_distribution(ax, np.arange(40.0), labels, subjects=labels, name=name)
    assert all(not label.get_parse_math() for label in ax.get_yticklabels())
    other = ax.figure.add_subplot(2, 1, 2)
    draw_relevance(other, pd.DataFrame({"p_value": [0.1], "relevant": [True]}, index=[name]))
    assert len(shown(other.get_yticklabels())[0]) <= 72
