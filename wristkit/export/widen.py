"""Which results a float16 package keeps in float32, so that its probabilities stay well within their bound.

A net that was trained until it is sure has large logits, and what float16 rounds away in its layers is as much of them.
So some results are given back, as few as it takes.
"""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from torch import Tensor

from wristkit.export.coreml import name_in_file
from wristkit.export.fewest import Double, fewest_kept
from wristkit.export.mlprogram import MLPackage
from wristkit.export.operands import Value
from wristkit.export.package_file import Name, Operation
from wristkit.export.packaged import Windows32, answers

SHARE = 0.4  # of the bound: of other windows the worst was up to 2.5 times as far off as of those judged by


def kept_wide(
    half: MLPackage, exact: MLPackage, values: Windows32, wanted: npt.NDArray[np.float64], *, bound: float
) -> frozenset[str]:
    """Return the results that are to stay in float32, none where float16 is near enough.

    Parameters
    ----------
    half, exact
        The package in float16, and in float32.
    values, wanted
        Conditioned windows (n, channels, samples) and what the net says to them (n, classes).
    bound
        Of the largest difference in probability.
    """
    most = SHARE * bound
    tried = _Tried(half, exact, values, wanted)
    return tried.results_of(fewest_kept(tried, most=most))


class _Tried:
    """The package with any of its layers rounded, beside the net."""

    def __init__(self, half: MLPackage, exact: MLPackage, values: Windows32, wanted: npt.NDArray[np.float64]) -> None:
        self._half, self._exact, self._values, self._wanted = half, exact, values, wanted
        self._layers = _layers(half)
        self.bytes: Mapping[str, int] = {
            layer: _weights(half, _touching(half, set(names))) for layer, names in self._layers.items()
        }

    def results_of(self, layers: Iterable[str]) -> frozenset[str]:
        """Return what such layers give."""
        return frozenset(name for layer in layers for name in self._layers[layer])

    def apart(self, names: Iterable[str], rows: npt.NDArray[np.int64] | None = None) -> Double:
        """Return the largest difference in probability in each window, with these layers in float16."""
        package = wider(self._half, self._exact, self.results_of(self._layers.keys() - set(names)))
        picked = slice(None) if rows is None else rows
        said = answers(package, self._values[picked], in_turn=False).probabilities
        return np.asarray(np.abs(said - self._wanted[picked]).max(axis=1))


def _layers(half: MLPackage) -> dict[str, list[str]]:
    """Return results in float16 by the convolution that they follow: what stands between two is rounded with them."""
    layers: dict[str, list[str]] = {}
    for one in half.operations:
        if _is_half(one):
            names = [name_in_file(name) for name, _, _ in one.results]
            last = names[0] if not layers or one.type == "conv" else next(reversed(layers))
            layers.setdefault(last, []).extend(names)
    return layers


def wider(half: MLPackage, exact: MLPackage, kept: AbstractSet[str]) -> MLPackage:
    """Return what ``convert`` makes of a package where it keeps results in float32, without converting it again.

    What both kinds of operation take is rounded for both, where the file would round it for those in float16 alone.
    """
    wide = {id(one) for one in _touching(half, kept)}
    narrow = [one for one in half.operations if id(one) not in wide and one.type != "cast" and _is_half(one)]
    exactly = {name for one in half.operations if id(one) in wide for name, _, _ in one.results}
    exactly -= {name for one in narrow for name in _taken(one)}
    before = {one.results[0][0]: one.operands["x"] for one in half.operations if one.type == "cast"}

    def given(name: str | Value) -> str | Value:
        """Return what is taken in float32 in place of what was rounded."""
        if not isinstance(name, Name):
            return name
        plain = Name(name_in_file(name))
        return plain if plain in exact.constants else before.get(name, (name,))[0]

    def said(one: Operation) -> Operation:
        operands = {key: tuple(map(given, names)) for key, names in one.operands.items()}
        results = tuple(
            (name, "fp32" if kind == "fp16" and (name in exactly or name_in_file(name) in kept) else kind, shape)
            for name, kind, shape in one.results
        )
        return Operation(one.type, operands if id(one) in wide else one.operands, results)

    operations = tuple(map(said, half.operations))
    return replace(half, operations=operations, constants={**exact.constants, **half.constants})


def _touching(package: MLPackage, kept: AbstractSet[str]) -> list[Operation]:
    """Return the operations that make or take one of these results."""
    return [
        one
        for one in package.operations
        if one.type != "cast"
        and kept & {name_in_file(name) for name in (*_taken(one), *(name for name, _, _ in one.results))}
    ]


def _is_half(one: Operation) -> bool:
    return one.results[0][1] == "fp16"


def _weights(package: MLPackage, operations: Iterable[Operation]) -> int:
    held = [package.constants.get(name) for one in operations for name in _taken(one)]
    return sum(2 * one.numel() for one in held if isinstance(one, Tensor))


def _taken(one: Operation) -> list[Name]:
    return [name for names in one.operands.values() for name in names if isinstance(name, Name)]
