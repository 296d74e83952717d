"""How well windows are told apart: F1, confusion and calibration of a table of predictions, and for whom they fail."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from wristkit.evaluate.figures import FEWEST_PEOPLE, share
from wristkit.evaluate.people import interval_of
from wristkit.evaluate.shown import lines_html, table_html
from wristkit.recording import FloatArray

PREDICTION_COLUMNS = ("recording", "subject", "fold", "start_s", "stop_s", "truth", "predicted")
BINS = 10


@dataclass(frozen=True, eq=False)
class WindowReport:
    """Predictions against truth, window by window.

    Parameters
    ----------
    predictions
        As in cross-validation: ``recording, subject, fold, start_s, stop_s, truth, predicted`` and one probability
        column a class.
    classes
        Names of the probability columns and of what was true besides.
    notes
        What a reader must know beside the figures.
    """

    predictions: pd.DataFrame
    classes: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def accuracy(self) -> float:
        """Share of windows that were told right."""
        return float(np.trace(self._counts) / self._counts.sum())

    @property
    def macro_f1(self) -> float:
        """Mean F1 of the classes that occur in truth; ``over_people`` holds its interval."""
        return float(window_figures(self._counts[None])[0, 0])

    @property
    def balanced_accuracy(self) -> float:
        """Mean recall of the classes that occur in truth; ``over_people`` holds its interval."""
        return float(window_figures(self._counts[None])[0, 1])

    @cached_property
    def over_people(self) -> pd.DataFrame:
        """Macro-F1, balanced accuracy and accuracy with their 95 % interval over people.

        NaN of fewer than five people, and where they do not differ, as where all is right.
        """
        low, high = interval_of(self._counts_of_people, window_figures, ["share"] * 3)
        names = pd.Index(["macro_f1", "balanced_accuracy", "accuracy"], name="figure")
        return pd.DataFrame({"value": window_figures(self._counts[None])[0], "low": low, "high": high}, index=names)

    @cached_property
    def by_class(self) -> pd.DataFrame:
        """One row a class, lowest F1 first: windows, precision, recall and F1 with intervals over people, Brier score.

        An interval takes five people who show the class, or for precision of whom it was said.
        A class that is never true has no recall and no F1, and one that is never predicted no precision: NaN, not 0.
        """
        count, figures = len(self.classes), _by_class(self._counts[None])[0]
        low, high = interval_of(self._counts_of_people, _by_class, ["share"] * len(figures))
        columns: dict[str, FloatArray] = {"windows": self._counts.sum(axis=1), "predicted": self._counts.sum(axis=0)}
        for place, name in enumerate(("precision", "recall", "f1")):
            own = slice(place * count, (place + 1) * count)
            columns |= {name: figures[own], f"{name}_low": low[own], f"{name}_high": high[own]}
        columns["brier"] = ((self._probabilities - self._is_true) ** 2).mean(axis=0)
        table = pd.DataFrame(columns, index=pd.Index(self.classes, name="label", dtype=object))
        return table.astype({"windows": int, "predicted": int}).sort_values("f1", kind="stable")

    @cached_property
    def by_subject(self) -> pd.DataFrame:
        """One row a person, lowest macro-F1 first; each over the classes that this person shows."""
        figures, counts = window_figures(self._counts_of_people), self._counts_of_people
        table = pd.DataFrame(figures, columns=["macro_f1", "balanced_accuracy", "accuracy"])
        table.insert(0, "windows", counts.sum(axis=(1, 2)).astype(int))
        table.insert(1, "classes", (counts.sum(axis=2) > 0).sum(axis=1))
        return table.set_index(pd.Index(self._people, name="subject", dtype=object)).sort_values("macro_f1")

    @property
    def confusion(self) -> pd.DataFrame:
        """How often each true class (row) was taken for each class (column)."""
        index, columns = pd.Index(self.classes, name="truth"), pd.Index(self.classes, name="predicted")
        return pd.DataFrame(self._counts.astype(int), index=index, columns=columns)

    @property
    def brier(self) -> float:
        """Mean squared distance of the probabilities from the truth, summed over classes: 0 is best, 2 is worst."""
        return float(((self._probabilities - self._is_true) ** 2).sum(axis=1).mean())

    @property
    def calibration_error(self) -> float:
        """Expected calibration error: by how much confidence differs from accuracy, over ten bins of equal width."""
        table = self.reliability()
        weight = table["windows"] / table["windows"].sum()
        return float((weight * (table["accuracy"] - table["confidence"]).abs()).sum())

    def reliability(self, *, label: str | None = None, bins: int = BINS) -> pd.DataFrame:
        """Return confidence beside accuracy, a row for each of ``bins`` of equal width that holds windows.

        Of the predicted class; or, with ``label``, of this class's probability beside how often it is true. The
        interval is Wilson's over windows, which is too narrow where they overlap.
        """
        if not isinstance(bins, int | np.integer) or isinstance(bins, bool) or bins < 1:
            raise ValueError(f"bins is {bins!r}, expected a whole number, 1 or more")
        if label is not None and label not in self.classes:
            raise ValueError(f"label is {label!r}, expected one of {list(self.classes)}")
        said = self._said if label is None else self.classes.index(label)
        rows = np.arange(len(self._probabilities))
        confidence, right = self._probabilities[rows, said], self._is_true[rows, said]
        place = np.minimum((confidence * bins).astype(int), bins - 1)
        table = []
        for one in np.unique(place):
            inside = place == one
            accuracy = share(int(right[inside].sum()), int(inside.sum()))
            figures = (accuracy.value, accuracy.low, accuracy.high)
            table.append((one / bins, (one + 1) / bins, accuracy.total, confidence[inside].mean(), *figures))
        columns = ["low", "high", "windows", "confidence", "accuracy", "accuracy_low", "accuracy_high"]
        return pd.DataFrame(table, columns=columns)

    @cached_property
    def _people(self) -> list[str]:
        return sorted(set(self.predictions["subject"]))

    @cached_property
    def _counts_of_people(self) -> FloatArray:
        return counts_of_people(self.predictions, self._people, self.classes)

    @property
    def _counts(self) -> FloatArray:
        return np.asarray(self._counts_of_people.sum(axis=0))

    @property
    def _probabilities(self) -> FloatArray:
        """(n, classes); a class without a column was never thought of."""
        return self.predictions.reindex(columns=list(self.classes)).fillna(0.0).to_numpy(dtype=np.float64)

    @property
    def _said(self) -> npt.NDArray[np.intp]:
        return places_in(self.predictions["predicted"], self.classes)

    @property
    def _is_true(self) -> npt.NDArray[np.bool_]:
        return np.asarray(places_in(self.predictions["truth"], self.classes)[:, None] == np.arange(len(self.classes)))

    def __repr__(self) -> str:
        return "\n".join(_lines(self))

    def _repr_html_(self) -> str:
        tables = (self.by_class, self.by_subject, self.confusion)
        return lines_html(_lines(self)) + "".join(map(table_html, tables))


def window_report(predictions: pd.DataFrame) -> WindowReport:
    """Return how well windows were told apart, from a table of predictions such as ``CrossValidation.predictions``.

    What ``predictions.attrs["notes"]`` says of them, such as that they are simulated, the report says too;
    ``fit.held_out`` carries the notes of its training.

    Raises
    ------
    ValueError
        Where columns are missing, doubled or neither known nor a class, a window has no time or comes twice, or
        probabilities are none.
    """
    _refuse_other_columns(predictions)
    if missing := [name for name in PREDICTION_COLUMNS if name not in predictions.columns]:
        raise ValueError(f"predictions lack the columns {missing}, expected {list(PREDICTION_COLUMNS)} and the classes")
    if predictions.empty:
        raise ValueError("predictions are empty, expected a row a window; predict for at least one recording")
    thought_of = tuple(str(name) for name in predictions.columns if name not in PREDICTION_COLUMNS)
    notes = _check(predictions, thought_of)
    classes = (*thought_of, *sorted(set(predictions["truth"]) - set(thought_of)))
    told = tuple(predictions.attrs.get("notes", ()))
    return WindowReport(predictions.reset_index(drop=True), classes, (*told, *notes))


def counts_of_people(predictions: pd.DataFrame, people: list[str], classes: tuple[str, ...]) -> FloatArray:
    """Return (people, classes, classes) how often each true class was taken for each class."""
    place = np.searchsorted(np.array(people, dtype=str), predictions["subject"].to_numpy(dtype=str))
    pair = _pairs(predictions["truth"], predictions["predicted"], classes)
    flat = np.bincount(place * len(classes) ** 2 + pair, minlength=len(people) * len(classes) ** 2)
    return flat.reshape(len(people), len(classes), len(classes)).astype(np.float64)


def confusion_counts(truth: npt.ArrayLike, predicted: npt.ArrayLike, classes: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return (classes, classes) how often each true class was taken for each class."""
    true, said = (np.asarray(names, dtype=object) for names in (truth, predicted))
    if true.shape != said.shape or true.ndim != 1:
        raise ValueError(f"truth has shape {true.shape} and predicted {said.shape}; give one of each a window")
    if unknown := sorted({str(name) for name in (*true, *said)} - set(classes)):
        raise ValueError(f"{unknown[:5]} are not among the classes {list(classes)}; name every class")
    count = len(classes)
    return np.bincount(_pairs(true, said, classes), minlength=count**2).reshape(count, count).astype(np.int64)


def macro_f1(truth: npt.ArrayLike, predicted: npt.ArrayLike) -> float:
    """Return the mean F1 over the classes that occur in truth; NaN where there is none."""
    names = sorted({*np.asarray(truth, dtype=str).tolist(), *np.asarray(predicted, dtype=str).tolist()})
    true, said = (np.asarray(one, dtype=str).astype(object) for one in (truth, predicted))
    return float(window_figures(confusion_counts(true, said, names)[None].astype(np.float64))[0, 0])


def _pairs(truth: npt.ArrayLike, predicted: npt.ArrayLike, classes: Sequence[str]) -> npt.NDArray[np.intp]:
    """Return the cell of the confusion of each window, row by row."""
    return np.asarray(places_in(truth, classes) * len(classes) + places_in(predicted, classes))


def places_in(names: npt.ArrayLike, classes: Sequence[str]) -> npt.NDArray[np.intp]:
    """Return the place of each name among the classes."""
    return pd.Index(list(classes), dtype=object).get_indexer(pd.Index(np.asarray(names, dtype=object)))


def _check(predictions: pd.DataFrame, classes: tuple[str, ...]) -> list[str]:
    """Raise where the table contradicts itself; return what is to be said of it."""
    for column in ("recording", "subject", "truth", "predicted"):
        if rows := [at for at, one in enumerate(predictions[column].tolist()) if not (isinstance(one, str) and one)]:
            raise ValueError(
                f"the column {column!r} holds empty or other than text in {len(rows)} rows, such as {rows[:3]}; name "
                "every one"
            )
    _refuse_wrong_times(predictions)
    if predictions["fold"].isna().any():
        raise ValueError(
            f"{int(predictions['fold'].isna().sum())} windows have no fold, expected the number of the fold they were "
            "held out in; give 0 where there is one"
        )
    if unknown := sorted(set(predictions["predicted"]) - set(classes)):
        raise ValueError(f"predicted {unknown[:5]} have no probability column, expected one of {list(classes)}")
    twice = predictions.duplicated(["recording", "start_s", "stop_s"])
    if twice.any():
        raise ValueError(f"{int(twice.sum())} windows come twice; keep one prediction of each, out of its own fold")
    probabilities = predictions[list(classes)].to_numpy(dtype=np.float64)
    without = [
        f"{name!r} in fold {fold}"
        for fold, rows in predictions.groupby("fold")
        for name in classes
        if rows[name].isna().all()
    ]
    held = ~predictions[list(classes)].isna() | predictions.groupby("fold")[list(classes)].transform("count").eq(0)
    known = np.nan_to_num(probabilities, nan=0.0, posinf=2.0, neginf=-1.0)
    wrong = ~held.to_numpy().all(axis=1) | (known < 0).any(axis=1) | (np.abs(known.sum(axis=1) - 1) > 1e-3)
    if wrong.any():
        beyond = [
            name for name, column in zip(classes, known.T, strict=True) if (column < 0).any() or (column > 1.001).any()
        ]
        told = f"; {beyond[:5]} hold values beyond 0 to 1 and may be no class: drop such columns" if beyond else ""
        raise ValueError(
            f"probabilities are missing, below 0 or do not add up to 1 in {int(wrong.sum())} rows, such as "
            f"{np.flatnonzero(wrong)[:3].tolist()}; give the class probabilities{told}"
        )
    return [
        *_notes(predictions, classes),
        *_shared(predictions),
        *([f"not thought of, so counted as 0: {without}"] if without else []),
    ]


def _refuse_other_columns(predictions: pd.DataFrame) -> None:
    """Raise where it is not clear what a column is: all but the known ones are classes."""
    if not isinstance(predictions, pd.DataFrame):
        raise TypeError(
            f"predictions is a {type(predictions).__name__}, expected a table such as CrossValidation.predictions"
        )
    names = predictions.columns
    if nameless := [name for name in names if not isinstance(name, str)]:
        raise ValueError(f"the columns {nameless[:5]} are not named by text; name the column of a class as the class")
    if doubled := sorted(set(names[names.duplicated()])):
        raise ValueError(f"the columns {doubled[:5]} come twice; keep one of each")
    others = [name for name in names if name not in PREDICTION_COLUMNS]
    if texts := [name for name in others if not pd.api.types.is_numeric_dtype(predictions[name])]:
        raise ValueError(
            f"the columns {texts[:5]} hold no numbers, expected {list(PREDICTION_COLUMNS)} and the probabilities of "
            "the classes; drop them"
        )


def _refuse_wrong_times(predictions: pd.DataFrame) -> None:
    for column in ("start_s", "stop_s"):
        if not pd.api.types.is_numeric_dtype(predictions[column]):
            raise ValueError(f"{column!r} holds {predictions[column].dtype} values, expected seconds")
    times = predictions[["start_s", "stop_s"]].to_numpy(dtype=np.float64, na_value=np.nan)
    if (wrong := ~(np.isfinite(times).all(axis=1) & (times[:, 1] > times[:, 0]))).any():
        raise ValueError(
            f"{int(wrong.sum())} windows have no time or do not end after they start, such as rows "
            f"{np.flatnonzero(wrong)[:3].tolist()}; expected start_s < stop_s in seconds"
        )


def _shared(predictions: pd.DataFrame) -> list[str]:
    """Return what is to be said of recordings that several people are named for."""
    people = predictions.groupby("recording")["subject"].nunique()
    shared = sorted(people.index[people > 1])
    told = "so figures by person and intervals over people hold only if each window is of who is named"
    return [f"{len(shared)} recordings are of several subjects, such as {shared[0]!r}, {told}"] if shared else []


def _notes(predictions: pd.DataFrame, classes: tuple[str, ...]) -> list[str]:
    people, true = set(predictions["subject"]), set(predictions["truth"])
    notes = []
    if len(people) < FEWEST_PEOPLE:
        notes.append(f"{len(people)} people are too few for an interval over them: {FEWEST_PEOPLE} are needed")
    if absent := [name for name in classes if name not in true]:
        notes.append(f"classes {absent} are never true: they have no recall and do not enter the means")
    if foreign := sorted(true - set(classes)):
        notes.append(f"true {foreign} are no classes of the net, so each of their windows is an error")
    return notes


def _by_class(counts: FloatArray) -> FloatArray:
    """Return (sets, 3 classes) precision, recall and F1 of confusion counts (sets, classes, classes)."""
    hits, true, said = np.diagonal(counts, axis1=1, axis2=2), counts.sum(axis=2), counts.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        f1 = np.where(true > 0, 2 * hits / (true + said), np.nan)
        return np.concatenate([hits / said, hits / true, f1], axis=1)


def window_figures(counts: FloatArray) -> FloatArray:
    """Return (sets, 3) macro-F1, balanced accuracy and accuracy of confusion counts (sets, classes, classes)."""
    _, recall, f1 = np.split(_by_class(counts), 3, axis=1)
    occurs = counts.sum(axis=2) > 0
    count = occurs.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = [np.where(occurs, one, 0).sum(axis=1) / count for one in (f1, recall)]
        return np.column_stack([*means, np.trace(counts, axis1=1, axis2=2) / counts.sum(axis=(1, 2))])


def _lines(report: WindowReport) -> list[str]:
    figures = []
    rows = report.over_people.to_numpy(dtype=np.float64).tolist()
    for name, (value, low, high) in zip(("macro-F1", "balanced accuracy", "accuracy"), rows, strict=True):
        alike = "; no interval over people, as they do not differ" if len(report.by_subject) >= FEWEST_PEOPLE else ""
        span = alike if np.isnan(low) else f"; over people {low:.3f} to {high:.3f}"
        figures.append(f"{name} {value:.3f}{span}")
    worst = report.by_subject.iloc[0]
    return [
        *figures,
        f"calibration error {report.calibration_error:.3f}, Brier score {report.brier:.3f}",
        f"worst of {len(report.by_subject)} people: {worst.name}, macro-F1 {worst['macro_f1']:.3f}",
        *report.notes,
    ]
