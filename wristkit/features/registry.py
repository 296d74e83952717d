"""Which calculators there are: each gives a number a series for every set of its parameters, many series at once."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from wristkit.features.batch import Batch
from wristkit.recording import FloatArray

Params = Mapping[str, Any]
Column = tuple[str, FloatArray]  # what follows the calculator's name, and (n,) values
Calculator = Callable[[Batch, Sequence[Params] | None], Iterable[Column]]

CALCULATORS: dict[str, Calculator] = {}


def each(function: Callable[..., Any]) -> Callable[..., Any]:
    """Register ``function(batch, **params) -> (n,)``, called for each set of parameters by itself."""

    def columns(batch: Batch, params: Sequence[Params] | None) -> Iterable[Column]:
        if not params:
            yield "", np.asarray(function(batch), dtype=np.float64)
        for one in params or ():
            yield named(one), np.asarray(function(batch, **one), dtype=np.float64)

    CALCULATORS[function.__name__] = columns
    return function


def together(function: Callable[[Batch, Sequence[Params]], Iterable[Column]]) -> Callable[..., Iterable[Column]]:
    """Register ``function(batch, params) -> (suffix, (n,)) a set``, called once for all sets of parameters."""

    def columns(batch: Batch, params: Sequence[Params] | None) -> Iterable[Column]:
        if not params:
            raise ValueError(f"{function.__name__} is given no parameters; give a list of one or more sets of them")
        try:
            yield from function(batch, params)
        except KeyError as fault:
            raise ValueError(f"parameters of {function.__name__} lack {fault}; give it in each set of them") from fault

    CALCULATORS[function.__name__] = columns
    return function


def named(params: Params) -> str:
    """Return the text that stands for a set of parameters in a column's name, as tsfresh writes it."""
    return "__".join(f"{name}_{_text(params[name])}" for name in sorted(params))


def _text(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)
