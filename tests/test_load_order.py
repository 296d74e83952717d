"""Rows in the order of time: which repairs are proposed, and what they do together."""

import numpy as np
import pytest

from wristkit.errors import RecordingError
from wristkit.load.gather import Rows
from wristkit.load.order import in_order
from wristkit.load.spool import Spool

MS = 10**6


def rows(*stamps_and_values):
    stamps_ms, values = zip(*stamps_and_values, strict=True)
    return Rows("a.csv", MS * np.array(stamps_ms, dtype=np.int64), {"x": np.array(values)})


def remedy(table, *repair):
    with pytest.raises(RecordingError) as caught:
        in_order(table, repair, Spool())
    return caught.value.remedy


REPEATED = rows((0, 1.0), (10, 2.0), (10, 2.0), (20, 3.0))
BURST = rows((0, 1.0), (10, 2.0), (10, 2.5), (20, 3.0))
BOTH = rows((0, 1.0), (10, 2.0), (10, 2.0), (20, 3.0), (20, 4.0), (20, 4.0), (30, 5.0))


def test_the_repairs_proposed_are_those_that_fit():
    assert remedy(REPEATED).startswith("repair=('drop_exact',) if")
    assert remedy(BURST).startswith("repair=('spread_stamps',) if")
    assert remedy(BOTH).startswith("repair=('drop_exact', 'spread_stamps') if")


def test_repairs_that_were_asked_for_stay_among_those_proposed():
    assert remedy(BOTH, "drop_exact").startswith("repair=('drop_exact', 'spread_stamps') if")
    assert remedy(BURST, "drop_tail").startswith("repair=('drop_tail', 'spread_stamps') if")
    back = rows((0, 1.0), (10, 2.0), (20, 3.0), (2, 4.0), (3, 5.0))
    assert remedy(back, "drop_exact").startswith("repair=('drop_exact', 'sort_blocks') if")


@pytest.mark.parametrize("on_disk", [False, True])
def test_repeats_are_dropped_before_the_other_equal_stamps_are_spread(tmp_path, on_disk):
    found = in_order(BOTH, ("spread_stamps", "drop_exact"), Spool(tmp_path if on_disk else None))
    assert found.columns["x"].tolist() == [1, 2, 3, 4, 5]
    assert found.time_ns.tolist() == [0, 10 * MS, 20 * MS, 25 * MS, 30 * MS]
    assert [(remark.code, remark.count) for remark in found.remarks] == [("drop_exact", 2), ("spread_stamps", 1)]
