"""Raters side by side, as a viewer shows them: where they differ, and a table of how far they agree."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from wristkit.evaluate import agreement
from wristkit.recording import FloatArray
from wristkit.view.draw.style import plain

HEADER = ("raters", "class", "both", "only first", "only second", "kappa", "start off (p90) s", "stop off (p90) s")


def agreement_rows(
    labels: pd.DataFrame, *, tier: str, looked_at: Mapping[str, FloatArray | None], tolerance_s: float
) -> tuple[list[str], list[list[str]], str]:
    """Return header, rows and a note of how far the raters of a tier agree, as text.

    Time is counted where both of two looked, or under labels alone where one of the raters said nothing of that.
    """
    spans = {rater: own for rater, own in looked_at.items() if own is not None}
    raters = set(labels.loc[labels["tier"] == tier, "rater"])
    if len(raters) < 2:
        return [*HEADER], [], f"tier {plain(tier)} has labels of {len(raters)} rater(s); two can be compared"
    said = bool(spans) and raters <= set(spans)
    table = agreement(labels, tier=tier, labelled=spans if said else None, tolerance_s=tolerance_s)
    rows = [
        [
            f"{plain(row['one'], most=18)} / {plain(row['other'], most=18)}",
            plain(row["label"], most=24) if row["label"] else "all classes",
            *(str(row[name]) for name in ("matched", "only_one", "only_other")),
            _figure(row["kappa"], 2),
            *(
                f"{_figure(row[f'{edge}_median_s'], 3)} ({_figure(row[f'{edge}_p90_s'], 3)})"
                for edge in ("start", "stop")
            ),
        ]
        for row in table.to_dict("records")
    ]
    where = "what both looked at" if said else "labels of either, so silence that both agree about is left out"
    together = f"labels belong together where they overlap or lie at most {tolerance_s:g} s apart"
    return [*HEADER], rows, f"kappa by time, over {where}; {together}"


def _figure(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if np.isfinite(value) else "unknown"
