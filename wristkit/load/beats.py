"""Heart rates: numbers that devices write where they have none."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from wristkit.load.gather import Remark
from wristkit.load.spool import Spool
from wristkit.recording import blocks

Array = npt.NDArray[Any]


def without_sentinels(bpm: Array, spool: Spool, *, also: Sequence[float] = ()) -> tuple[Array, tuple[Remark, ...]]:
    """Return beats a minute (n,) or (n, 1) with NaN where a number stands for none, and how many these are.

    Nobody's heart beats 0 times a minute or less; ``also`` are other numbers that mean so.
    """

    def absent(block: Array) -> Array:
        return (block <= 0) | np.isin(block, also)

    count = sum(int(absent(block).sum()) for (block,) in blocks(bpm))
    if not count:
        return bpm, ()
    written = " or ".join(["0 or less", *(f"{one:g}" for one in also)])
    remark = Remark(
        "no_beat", count, f"{count} values of {written} mean that no beat was found", "treat them as missing"
    )
    return spool.mapped(lambda block: np.where(absent(block), np.float32(np.nan), block), bpm), (remark,)
