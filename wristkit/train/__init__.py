"""From windows to a fit: training with whole people left out, how windows are varied, new classes, recorded runs."""

from wristkit.evaluate import PREDICTION_COLUMNS, macro_f1
from wristkit.train.augmentation import SENSORS, Augmentation, augment
from wristkit.train.fit import (
    HISTORY_COLUMNS,
    BoostedFit,
    Fit,
    check_names,
    predictions,
)
from wristkit.train.personal import personalise
from wristkit.train.quick import quick_train, train_for_others
from wristkit.train.records import runs

__all__ = [
    "HISTORY_COLUMNS",
    "PREDICTION_COLUMNS",
    "SENSORS",
    "Augmentation",
    "BoostedFit",
    "Fit",
    "augment",
    "check_names",
    "macro_f1",
    "personalise",
    "predictions",
    "quick_train",
    "runs",
    "train_for_others",
]
