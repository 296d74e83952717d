"""Which operations a float16 package keeps in float32, so that its probabilities stay well within their bound.

A net that was trained until it is sure has large logits, and what float16 rounds away in its first layers is as much of
them. So the first operations are given back, as few as it takes, on the windows that came out worst.
"""

from collections.abc import Set as AbstractSet
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from wristkit.export.coreml import name_in_file
from wristkit.export.mlprogram import MLPackage
from wristkit.export.package_file import Operation
from wristkit.export.packaged import Windows32, answers

SHARE = 0.5  # of the bound: other windows come out worse than those at hand
_HARDEST = 256
_IN_TURN = 64  # of a package with a state, whose windows cannot be picked


def kept_wide(half: MLPackage, values: Windows32, wanted: npt.NDArray[np.float64], *, bound: float) -> frozenset[str]:
    """Return the results that are to stay in float32, none where float16 is near enough.

    Parameters
    ----------
    half
        The package in float16.
    values, wanted
        Conditioned windows (n, channels, samples) and what the net says to them (n, classes).
    bound
        Of the largest difference in probability.
    """
    apart = np.abs(answers(half, values).probabilities - wanted).max(axis=1)
    if float(apart.max()) <= SHARE * bound:
        return frozenset()
    alone = half.metadata.get("interface", "window") == "window"
    hard = np.argsort(apart)[-_HARDEST:] if alone else np.arange(min(len(values), _IN_TURN))
    narrow = [one.results[0][0] for one in half.operations if one.results[0][1] == "fp16"]
    for count in range(1, len(narrow) + 1):
        said = answers(_wider(half, set(narrow[:count])), values[hard]).probabilities
        if float(np.abs(said - wanted[hard]).max()) <= SHARE * bound:
            return frozenset(map(name_in_file, narrow[:count]))
    return frozenset(map(name_in_file, narrow))


def _wider(half: MLPackage, names: AbstractSet[str]) -> MLPackage:
    """Return a package in which these results are not rounded."""
    operations = [
        Operation(
            one.type,
            one.operands,
            tuple((name, "fp32" if name in names else kind, shape) for name, kind, shape in one.results),
        )
        for one in half.operations
    ]
    return replace(half, operations=tuple(operations))
