"""Heart rates: numbers that devices write where they have none."""

from typing import Any

import numpy as np
import numpy.typing as npt

from wristkit.load.gather import Remark
from wristkit.load.spool import Spool
from wristkit.recording import blocks

Array = npt.NDArray[Any]

_NO_BEAT = 255  # all bits of a byte, which is how devices write "no value"


def without_sentinels(bpm: Array, spool: Spool) -> tuple[Array, tuple[Remark, ...]]:
    """Return beats a minute (n,) or (n, 1) with NaN where a number stands for none, and how many these are.

    Nobody's heart beats 0 times a minute or less, and 255 is a byte without a value.
    """

    def absent(block: Array) -> Array:
        missing: Array = (block <= 0) | (block == _NO_BEAT)
        return missing

    count = sum(int(absent(block).sum()) for (block,) in blocks(bpm))
    if not count:
        return bpm, ()
    note = f"{count} values of 0 or less or {_NO_BEAT} mean that no beat was found"
    remark = Remark("no_beat", count, note, "treat them as missing")
    return spool.mapped(lambda block: np.where(absent(block), np.float32(np.nan), block), bpm), (remark,)
