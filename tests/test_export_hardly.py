"""What stays wide in a float16 package, and the windows that it is judged by."""

import copy

import numpy as np
import pytest

from wristkit.export import load_mlpackage
from wristkit.export.coreml import convert
from wristkit.export.fewest import fewest_kept
from wristkit.export.harder import _undecided, harder
from wristkit.export.packaged import answers
from wristkit.export.parity import expected
from wristkit.export.preflight import HEADROOM
from wristkit.export.widen import SHARE, _layers, kept_wide, wider


@pytest.fixture(scope="module")
def package(worn, tmp_path_factory):
    folder = tmp_path_factory.mktemp("packages")

    def made(precision, kept=frozenset()):
        path = folder / f"{precision}{len(list(folder.iterdir()))}.mlpackage"
        return load_mlpackage(convert(worn, path, target="watchOS10", precision=precision, kept_float32=kept))

    return made


@pytest.fixture(scope="module")
def half(package):
    return package("float16")


@pytest.fixture(scope="module")
def exact(package):
    return package("float32")


def halved(package):
    """Return names and types of results that are in float16."""
    return {name for one in package.operations for name, kind, _ in one.results if kind == "fp16"}


def test_harder_windows_are_those_given_and_others_at_the_border(worn, values):
    made = harder(worn, values)
    assert made.dtype == np.float32
    np.testing.assert_array_equal(made[: len(values)], values)
    np.testing.assert_array_equal(made, harder(worn, values))
    varied, mixed = np.split(made[len(values) :], [1000])
    size, given = (np.ptp(some, axis=2).mean(axis=1) for some in (varied, values))
    assert np.quantile(size, 0.02) < given.min() / 4
    assert 3 * given.max() < np.quantile(size, 0.98) < 20 * given.max()
    first, second = np.sort(worn.probabilities(mixed), axis=1)[:, :-3:-1].T
    assert len(mixed) > 300
    assert np.median(first - second) < 0.1
    assert np.median(np.ptp(np.sort(worn.probabilities(values), axis=1)[:, :-3:-1], axis=1)) > 0.1


def test_where_all_is_decided_alike_nothing_is_mixed(worn, values):
    sure = copy.deepcopy(worn)
    sure.model.shift(np.array([0.0, 1e4, 0.0]))
    assert len(harder(sure, values[:3])) == 3 + 1000


def test_louder_windows_are_those_of_the_largest_sums_within_the_headroom(worn, values, monkeypatch):
    seen = []
    plain = _undecided

    def undecided(detector, given, rng):
        seen.append(given)
        return plain(detector, given, rng)

    monkeypatch.setitem(harder.__globals__, "_undecided", undecided)
    harder(worn, values)
    varied, loud = (np.abs(expected(worn, one)[0]).max(axis=1) for one in seen)
    assert loud.min() > np.median(varied)
    assert loud.max() > varied.max()
    assert HEADROOM / 2 < np.abs(seen[1]).max() / np.abs(values).max() <= HEADROOM


def test_windows_in_which_nothing_is_felt_can_be_made_harder(worn, values):
    made = harder(worn, np.zeros_like(values[:4]))
    assert np.isfinite(made).all()
    assert len(made) >= 4 + 1000


@pytest.mark.parametrize("seed", range(4))
def test_what_is_tried_is_what_is_written(seed, half, exact, values, package):
    names = sorted(one for names in _layers(half).values() for one in names)
    rng = np.random.default_rng(seed)
    kept = frozenset(rng.choice(names, size=rng.integers(1, len(names)), replace=False).tolist())
    tried, written = wider(half, exact, kept), package("float16", kept)
    np.testing.assert_array_equal(answers(tried, values).probabilities, answers(written, values).probabilities)
    assert len(halved(written)) < len(halved(half))


def test_with_all_kept_it_is_the_float32_package(half, exact, values):
    everything = frozenset(one for names in _layers(half).values() for one in names)
    wide = answers(wider(half, exact, everything), values).probabilities
    np.testing.assert_allclose(wide, answers(exact, values).probabilities, rtol=0, atol=1e-7)
    np.testing.assert_array_equal(
        answers(wider(half, exact, frozenset()), values).probabilities, answers(half, values).probabilities
    )


def test_some_results_are_kept_and_hold_the_share(half, exact, values):
    wanted = answers(exact, values).probabilities
    plain = np.abs(answers(half, values).probabilities - wanted).max()
    kept = kept_wide(half, exact, values, wanted, bound=0.5 * plain / SHARE)
    assert kept

    def apart(names):
        return np.abs(answers(wider(half, exact, names), values).probabilities - wanted).max()

    assert apart(kept) <= 0.5 * plain
    assert len(kept) < len(halved(half))
    layers = [set(names) for names in _layers(half).values() if kept.issuperset(names)]
    assert set().union(*layers) == kept
    assert max(apart(kept - one) for one in layers) > 0.5 * plain


class Sums:
    """Parts that each move a window by so much."""

    def __init__(self, moves):
        self.moves = np.asarray(moves, dtype=float)  # (parts, windows)
        self.bytes = {str(place): 1 + place for place in range(len(self.moves))}

    def apart(self, names, rows=None):
        moved = np.abs(self.moves[[int(one) for one in names]].sum(axis=0))
        return moved if rows is None else moved[rows]


def test_as_few_parts_as_the_worst_window_asks():
    moves = np.zeros((4, 2000))
    moves[0], moves[1, 7], moves[2, 1999], moves[3] = 0.1, 5.0, 2.0, 0.2
    assert fewest_kept(Sums(moves), most=10.0) == frozenset()
    assert fewest_kept(Sums(moves), most=3.0) == {"1"}
    assert fewest_kept(Sums(moves), most=1.0) == {"1", "2"}
    assert fewest_kept(Sums(moves), most=0.05) == {"0", "1", "2", "3"}


def test_parts_that_cannot_help_end_the_search():
    class Stubborn(Sums):
        def apart(self, names, rows=None):
            return super().apart(names, rows) + 1.0

    assert fewest_kept(Stubborn(np.ones((3, 700))), most=0.5) == {"0", "1", "2"}


def test_rows_found_late_are_held_as_well():
    """What is worst with all parts narrow is not what is worst with some."""
    moves = np.zeros((2, 1200))
    moves[0, :600], moves[1, :600] = 4.0, 0.0
    moves[0, 600:], moves[1, 600:] = -3.0, 3.0
    assert fewest_kept(Sums(moves), most=3.5) == {"0"}
    assert fewest_kept(Sums(moves), most=1.0) == {"0", "1"}
