"""Calculators that are not batched: a function of the user's, or one that tsfresh alone has; one series at a time."""

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import numpy as np
import numpy.typing as npt

from wristkit.features.batch import Batch
from wristkit.features.catalogue import CALCULATORS
from wristkit.features.registry import Calculator, Column, Params, named

Function = Callable[..., Any]

_WANTS_STAMPS = frozenset({"linear_trend_timewise"})  # tsfresh's settings hold it, and without stamps it is passed over


def calculator_of(which: str | Function) -> Calculator:
    """Return what computes a feature: ours by its name, tsfresh's where we have none, or a function of the user's.

    A function takes (samples,) and the names of its parameters, and returns a number, a sequence of numbers or a
    dictionary of name to number.
    """
    if which in _WANTS_STAMPS:
        return lambda _batch, _params: ()
    if isinstance(which, str):
        return CALCULATORS[which] if which in CALCULATORS else _of_tsfresh(which)
    if not callable(which):
        raise TypeError(f"a setting is {which!r}, expected the name of a calculator or a function of one series")
    return _of_function(which)


def name_of(which: str | Function) -> str:
    """Return what a calculator is called in the names of its columns."""
    name = which if isinstance(which, str) else str(getattr(which, "__name__", ""))
    if not name.isidentifier():
        raise ValueError(f"{which!r} has no name that a column can have; write a function with def, not as a lambda")
    return name


def tell_the_slow(names: Iterable[object]) -> None:
    """Say in one line which of these calculators tsfresh itself computes, and in one which are left out as by it."""
    every = set(names)
    asked = {name for name in every if isinstance(name, str)}
    if stamped := sorted(asked & _WANTS_STAMPS):
        told = f"{', '.join(stamped)} wants stamps, and windows lie on an even grid"
        if every <= _WANTS_STAMPS:
            raise ValueError(f"{told}; use linear_trend")
        warnings.warn(f"{told}: left out, as by tsfresh", stacklevel=3)
    if slow := sorted(asked - _WANTS_STAMPS - set(CALCULATORS)):
        warnings.warn(f"tsfresh itself computes {', '.join(slow)}, one window at a time", stacklevel=3)


def _of_function(function: Function) -> Calculator:
    def columns(batch: Batch, params: Sequence[Params] | None) -> Iterable[Column]:
        for one in params or [{}]:
            found = [_by_name(function(series.copy(), **one)) for series in batch.values]  # it may change its own
            for name, values in _columns(found, str(getattr(function, "__name__", function))):
                yield "__".join(filter(None, (named(one), name))), values

    return columns


def _of_tsfresh(name: str) -> Calculator:
    from tsfresh.feature_extraction import feature_calculators

    function: Any = getattr(feature_calculators, name, None)
    if not hasattr(function, "fctype"):
        near = get_close_matches(name, CALCULATORS, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"there is no calculator {name!r}, here or in tsfresh{hint}")
    if getattr(function, "index_type", None) is not None:
        raise ValueError(f"tsfresh's {name!r} wants stamps, and windows lie on an even grid; use one without")
    if function.fctype == "simple":
        return _of_function(function)

    def columns(batch: Batch, params: Sequence[Params] | None) -> Iterable[Column]:
        return _columns([dict(function(series.copy(), params)) for series in batch.values], name)

    return columns


def _by_name(result: object) -> Mapping[str, float]:
    """Return what a function gave as numbers by name; one number has none."""
    if isinstance(result, Mapping):
        return {str(name): float(value) for name, value in result.items()}
    numbers = np.asarray(result, dtype=np.float64)
    if numbers.ndim == 0:
        return {"": float(numbers)}
    return {str(place): float(value) for place, value in enumerate(numbers.ravel())}


def _columns(found: Sequence[Mapping[str, float]], name: str) -> Iterable[tuple[str, npt.NDArray[np.float64]]]:
    names = list(found[0])
    if not names:
        raise ValueError(f"{name} gave nothing of a window; let it give a number, or several")
    if other := next((one for one in found if list(one) != names), None):
        raise ValueError(f"{name} gave {names} of one window and {list(other)} of another; give the same of each")
    return [(key, np.array([one[key] for one in found], dtype=np.float64)) for key in names]
