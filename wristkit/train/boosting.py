"""Boosted trees on features: what a careful colleague would try first, to compare a net with."""

import copy
from collections.abc import Iterator
from itertools import islice, repeat
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from sklearn.ensemble import HistGradientBoostingClassifier
from torch import Tensor

from wristkit.features.settings import NAMED
from wristkit.features.table import table_of
from wristkit.load.progress import is_headless
from wristkit.models import Net
from wristkit.recording import FloatArray
from wristkit.train.fit import HISTORY_COLUMNS
from wristkit.train.loop import INTERRUPTED, Plan, calibrate, history_of, judge, targets
from wristkit.windows import Windows

TREES_AN_EPOCH = 5
_LEARNING_RATE = 0.1
_BINS = 255
_LEAST = 1e-6  # probability, so that its logarithm is a number
_MOTION = tuple(tuple(f"{stream}_{axis}" for axis in "xyz") for stream in ("accel", "gyro"))


def feature_table(values: npt.NDArray[np.float32], *, channels: tuple[str, ...], rate_hz: float) -> pd.DataFrame:
    """Return the wrist set of accel and gyro where they are, and tsfresh's minimal set of every other channel."""
    held = [name for stream in _MOTION if set(stream) <= set(channels) for name in stream]
    others = [name for name in channels if name not in held]
    tables = [table_of(values, "wrist", channels=channels, rate_hz=rate_hz)] if held else []
    if others:
        minimal = dict.fromkeys(others, NAMED["minimal"])
        tables.append(table_of(values, minimal, channels=channels, rate_hz=rate_hz))
    return pd.concat(tables, axis=1)


class Boosted(Net):
    """Trees behind the face of a net: windows in, logits out. It has no weights and is never converted."""

    never_streams = "trees look at features of a whole window"

    def __init__(self, windows: Windows, estimator: Any) -> None:  # noqa: ANN401  scikit-learn has no types
        super().__init__(channels=windows.channels, classes=windows.classes, samples=windows.samples)
        self.estimator = estimator
        self.edges: list[FloatArray] = []
        self.epochs = 1
        self.offset: FloatArray = np.zeros(len(windows.classes))
        self.temperature = 1.0
        self._rate_hz = windows.rate_hz

    def table(self, values: npt.NDArray[np.float32]) -> pd.DataFrame:
        """Return the features that the trees look at."""
        return feature_table(values, channels=self.channels, rate_hz=self._rate_hz)

    def bins(self, table: pd.DataFrame) -> FloatArray:
        """Return (n, features) which of at most 255 bins each value lies in; NaN stays NaN.

        The trees would cut them so themselves, but of weighted windows by quantiles that take longer than to grow.
        """
        values = table.to_numpy(dtype=np.float64)
        if not self.edges:
            self.edges = [_edges(column) for column in values.T]
        placed = [np.searchsorted(edges, column) for edges, column in zip(self.edges, values.T, strict=True)]
        return np.where(np.isnan(values), np.nan, np.column_stack(placed))

    def stages(self, table: pd.DataFrame) -> Iterator[npt.NDArray[np.float32]]:
        """Yield (n, classes) logits by the trees of one epoch, of two, and so on.

        A class that was not trained on has that of hardly ever.
        """
        known = self.estimator.classes_.astype(int)
        for given in islice(
            self.estimator.staged_predict_proba(self.bins(table)), TREES_AN_EPOCH - 1, None, TREES_AN_EPOCH
        ):
            probabilities = np.full((len(table), len(self.classes)), _LEAST)
            probabilities[:, known] = np.maximum(given, _LEAST)
            yield ((np.log(probabilities) + self.offset) / self.temperature).astype(np.float32)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (n, classes) of windows (n, channels, samples)."""
        if not len(x):
            return torch.empty((0, len(self.classes)))
        table = self.table(x.detach().cpu().numpy())
        return torch.from_numpy(next(islice(self.stages(table), self.epochs - 1, None)))

    def shift(self, logits: npt.NDArray[np.float64]) -> None:
        """Add a constant to the logit of each class from now on."""
        self.offset = self.offset + logits * self.temperature

    def cool(self, temperature: float) -> None:
        """Divide all logits by a temperature from now on."""
        self.temperature *= temperature


def boost(
    windows: Windows, train: Windows, stop: Windows, *, plan: Plan, seed: int
) -> tuple[Boosted, pd.DataFrame, str]:
    """Return calibrated trees, as many as suit the stopping people best, the history by fives of trees, and its end.

    The last is empty text, or says that it was interrupted; the trees that were grown and looked at are kept.
    """
    made = Boosted(windows, _estimator(len(train), seed=seed))
    table = made.table(train.values)
    ended = _grow(made, made.bins(table), targets(train, windows.classes), epochs=plan.epochs)
    of_stop = made.stages(made.table(stop.values)) if len(stop) else repeat(np.empty((0, 0), dtype=np.float32))
    rows: list[dict[str, float]] = []
    try:
        for epoch, (logits, other) in enumerate(zip(made.stages(table), of_stop, strict=False), start=1):
            train_loss, _ = judge(logits, train, windows.classes)
            figures = (epoch, _LEARNING_RATE, train_loss, *judge(other, stop, windows.classes))
            rows.append(dict(zip(HISTORY_COLUMNS, figures, strict=True)))
            if plan.on_epoch is not None:
                plan.on_epoch(dict(rows[-1]))
    except KeyboardInterrupt:
        if not rows:
            raise
        ended = INTERRUPTED
    history = history_of(rows)
    made.epochs = len(rows)
    if len(stop):
        made.epochs = 1 + int(history["stop_loss"].argmin())
    calibrate(made, train, stop)
    return made.eval(), history, ended


def _grow(made: Boosted, table: FloatArray, target: npt.NDArray[np.int64], *, epochs: int) -> str:
    """Grow the trees of one epoch after another, and return what ended it early; of an epoch all are kept or none."""
    from tqdm.auto import tqdm

    try:
        for epoch in tqdm(range(1, epochs + 1), desc="growing trees", unit="epoch", disable=is_headless(), leave=False):
            more = copy.deepcopy(made.estimator).set_params(max_iter=TREES_AN_EPOCH * epoch)
            made.estimator = more.fit(table, target)
    except KeyboardInterrupt:
        if not hasattr(made.estimator, "classes_"):
            raise
        return INTERRUPTED
    return ""


def _edges(column: FloatArray) -> FloatArray:
    """Return the values of training that part bins of about equal count; none of what is never a number."""
    known: FloatArray = column[~np.isnan(column)]
    if not len(known):
        return known
    edges: FloatArray = np.unique(np.quantile(known, np.arange(1, _BINS) / _BINS, method="lower"))
    return edges


def _estimator(count: int, *, seed: int) -> HistGradientBoostingClassifier:
    """Return trees to fit; few windows have smaller leaves. People decide how many are used, not windows at random."""
    return HistGradientBoostingClassifier(
        learning_rate=_LEARNING_RATE,
        warm_start=True,
        min_samples_leaf=max(2, min(20, count // 20)),
        class_weight="balanced",
        early_stopping=False,
        random_state=seed,
    )
