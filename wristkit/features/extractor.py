"""Features as a step of a scikit-learn pipeline."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from wristkit.features.table import Wanted, table_of
from wristkit.windows import Windows


class _Form(NamedTuple):
    """What all windows of a pipeline have in common."""

    channels: tuple[str, ...]
    rate_hz: float | None
    samples: int


class FeatureExtractor(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Transformer from windows to a table of their features; it learns nothing of them but their form.

    Since nothing is learned, a table of :func:`wristkit.features` made once and a pipeline from the next step on is as
    honest, and quicker. For cross-validation give ``windows.values``, and labels as an array: tsfresh's
    ``FeatureSelector`` takes a Series by its index.

    Parameters
    ----------
    settings
        As in :func:`wristkit.features`.
    channels, rate_hz
        What arrays hold; :class:`wristkit.Windows` say it themselves. Without them an array of (n, samples) is one
        channel named ``value``, one of (n, channels, samples) has channels named by number, and there is no rate: the
        wrist's own features, which want one, are refused.
    workers
        Processes that share the work.
    """

    def __init__(
        self,
        settings: Wanted = "wrist",
        *,
        channels: Sequence[str] | None = None,
        rate_hz: float | None = None,
        workers: int = 1,
    ) -> None:
        self.settings = settings
        self.channels = channels
        self.rate_hz = rate_hz
        self.workers = workers

    def __sklearn_tags__(self) -> Any:  # noqa: ANN401  scikit-learn's own
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []  # a table of float64, whatever comes in
        return tags

    def fit(self, X: Windows | npt.ArrayLike, y: object = None) -> Self:  # noqa: ARG002, N803  scikit-learn's names
        """Learn the form of windows, and the names of their features."""
        values, self.form_ = self._values(X, reset=True)
        self.names_ = tuple(self._table(values[:1]).columns)
        return self

    def transform(self, X: Windows | npt.ArrayLike) -> pd.DataFrame:  # noqa: N803
        """Return a table of features, a row a window, named; with the index of a data frame."""
        check_is_fitted(self)
        values, form = self._values(X, reset=False)
        if form != self.form_:
            raise ValueError(f"windows are {form}, expected {self.form_} as when it was fitted; condition them alike")
        table = self._table(values)
        if tuple(table.columns) != self.names_:
            other = sorted({*table.columns} ^ {*self.names_})[:4] or "the same in another order"
            raise ValueError(
                f"features differ from those of when it was fitted: {other}; fit again after a change of settings, and "
                "let a function give the same names of each window"
            )
        return table.set_axis(X.index) if isinstance(X, pd.DataFrame) else table

    def get_feature_names_out(self, input_features: object = None) -> npt.NDArray[np.object_]:  # noqa: ARG002
        """Return the names of the columns."""
        check_is_fitted(self)
        return np.array(self.names_, dtype=object)

    def _table(self, values: npt.NDArray[np.floating]) -> pd.DataFrame:
        form = self.form_
        return table_of(values, self.settings, channels=form.channels, rate_hz=form.rate_hz, workers=self.workers)

    def _values(self, given: Any, *, reset: bool) -> tuple[npt.NDArray[np.floating], _Form]:  # noqa: ANN401
        """Return (n, channels, samples), and their form."""
        if isinstance(given, Windows):
            return given.values, _Form(given.channels, given.rate_hz, given.samples)
        values = validate_data(self, given, reset=reset, allow_nd=True, dtype=[np.float64, np.float32])
        values = values[:, None] if values.ndim == 2 else values
        if values.ndim != 3:
            raise ValueError(f"X has the shape {values.shape}, expected (n, samples) or (n, channels, samples)")
        numbered = ("value",) if values.shape[1] == 1 else tuple(map(str, range(values.shape[1])))
        return values, _Form(numbered if self.channels is None else tuple(self.channels), self.rate_hz, values.shape[2])
