"""Cross-validation by whole people: every window scored once, by a model that has not seen its person."""

import html
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from wristkit.evaluate import PREDICTION_COLUMNS, Comparison, WindowReport, compare_predictions, window_report
from wristkit.features.table import Wanted
from wristkit.load.progress import is_headless
from wristkit.recording import Recording
from wristkit.train import check_names
from wristkit.train.asked import check_epochs, check_seed
from wristkit.validate.folds import By, Fold, check_folds, check_number, folds_of
from wristkit.validate.models import Model, Named, Scored, named
from wristkit.windows import Windows, check_finite, check_windows

_FOLDS = 5


@dataclass(frozen=True, eq=False)
class CrossValidation:
    """Predictions for every window by models that were trained without its person.

    Parameters
    ----------
    model, by
        What was trained, and what was left out: people, or devices or wrists besides.
    predictions
        ``recording, subject, fold, start_s, stop_s, truth, predicted`` and one probability column a class, in the
        order of the windows.
    classes
        All classes, in the order of the probability columns.
    folds
        Fold to the names of whom and what it left out.
    unseen
        Fold to the classes that nobody in its training showed; their windows are counted as wrong.
    notes
        What a reader of any figure must know.
    seed, cpu_s
        Seed of folds and models, and seconds of processor time that training and scoring took.
    """

    model: str
    by: By
    predictions: pd.DataFrame
    classes: tuple[str, ...]
    folds: tuple[tuple[str, ...], ...]
    unseen: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]
    seed: int
    cpu_s: float

    @property
    def macro_f1(self) -> float:
        """Mean F1 over the classes that occur, of all windows together; ``report.over_people`` holds its interval."""
        return self.report.macro_f1

    @cached_property
    def report(self) -> WindowReport:
        """All figures of the predictions: with intervals over people, by class and by person."""
        report = window_report(self.predictions)
        return replace(report, notes=tuple(dict.fromkeys((*self.notes, *report.notes))))

    @property
    def by_fold(self) -> pd.DataFrame:
        """One row a fold: macro-F1 over the classes that its tested people show, and which classes are missing."""
        rows = []
        for number, names in enumerate(self.folds):
            own = self.predictions[self.predictions["fold"] == number]
            absent = sorted(set(self.classes) - set(own["truth"]))
            held = {"fold": number, "held_out": ", ".join(names), "windows": len(own)}
            missing = {"absent": ", ".join(absent), "unseen": ", ".join(self.unseen[number])}
            rows.append({**held, "macro_f1": window_report(own).macro_f1, **missing})
        columns = ["fold", "held_out", "windows", "macro_f1", "absent", "unseen"]
        return pd.DataFrame(rows, columns=columns).set_index("fold")

    def minus(self, other: "CrossValidation") -> Comparison:
        """Return how much higher this one's figures are than another's of the same windows, paired by person.

        The columns of its table are in the order of reading: ``this`` less ``other`` is the ``difference``.
        """
        found = compare_predictions(other.predictions, self.predictions)
        table = found.table.rename(columns={"one": "other", "other": "this"})
        ordered = table[["this", *(name for name in table.columns if name != "this")]]
        return replace(found, table=ordered)

    def __repr__(self) -> str:
        left_out = "" if self.by == "subject" else f", {self.by} by {self.by}"
        head = f"CrossValidation({self.model}, {len(self.folds)} folds of whole people{left_out})"
        return f"{head}\n{self.report!r}"

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(repr(self).partition(chr(10))[0])}</p>{self.report._repr_html_()}"


@dataclass(frozen=True, eq=False)
class SubjectBlindWarning:
    """How good a model would look if it were tested on people it was trained on: for a plot that warns, no result."""

    inflated_macro_f1: float
    model: str
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return "; ".join((self._said, *self.notes))

    @property
    def _said(self) -> str:
        return (
            f"SubjectBlindWarning(no result: {self.model} would show macro-F1 {self.inflated_macro_f1:.3f} with "
            "windows of each person, overlapping ones among them, on both sides; cross_validate says what it is worth)"
        )


def cross_validate(
    windows: Windows,
    *,
    model: Model = "tcn",
    by: By = "subject",
    folds: int | str = _FOLDS,
    features: Wanted | None = None,
    recordings: Recording | Sequence[Recording] | None = None,
    epochs: int = 20,
    seed: int = 0,
) -> CrossValidation:
    """Return predictions for every window by models that were trained on other people.

    Parameters
    ----------
    windows
        Labelled windows of two or more people.
    model
        Name of a net for :func:`wristkit.train.train_for_others`, which stops and tunes on some of the people it is
        given. Or what makes a net of your own: its class, or a function without arguments; of a net as such a copy is
        trained in each fold whose weights were drawn anew, as it may know these people. Or a classifier or pipeline of
        scikit-learn, cloned and fitted anew in each fold, on ``windows.values`` or on ``features``; a ``random_state``
        of None becomes ``seed``. Or a function that takes the windows to train on and returns a ``Fit``, or something
        with ``classes_`` and ``predict_proba(windows)``.
    by
        ``"subject"``; or ``"device"`` or ``"wrist"``, which leave out one of these as well and need ``recordings``.
    folds
        Number of parts of the people, or ``"leave-one-out"``.
    features
        As the settings of :func:`wristkit.features`, for estimators of scikit-learn: computed once, since a window's
        features know of no other window and of no label.
    recordings
        Those that the windows were cut from.
    epochs
        Most passes over the training windows, of nets by name.
    seed
        Fixes folds and models.

    Raises
    ------
    RecordingError
        Where people cannot be told apart, or a person, recording or signal would be on both sides.
    """
    epochs, seed = check_epochs(epochs), check_seed(seed)
    _check_names(windows)
    parts, notes = folds_of(windows, by=by, folds=folds, seed=seed, recordings=recordings)
    notes = (*windows.notes, *notes, *check_folds(windows, parts))
    chosen = named(model, windows, features=features, epochs=epochs, seed=seed)
    done = _run(windows, parts, chosen, by=by, seed=seed, notes=notes)
    logging.getLogger("wristkit").info("%r", done)
    return done


def subject_blind_warning(
    windows: Windows,
    *,
    model: Model = "tcn",
    folds: int = _FOLDS,
    features: Wanted | None = None,
    epochs: int = 20,
    seed: int = 0,
) -> SubjectBlindWarning:
    """Return the macro-F1 that windows dealt out at random would show, as :func:`cross_validate` takes its arguments.

    It overstates how well new people are served: windows of one person are alike, overlapping ones nearly the same.
    """
    epochs, seed = check_epochs(epochs), check_seed(seed)
    _check_names(windows)
    check_finite(windows)
    people = len(set(windows.subjects))
    folds = min(check_number(folds), max(people, _FOLDS))  # as many as cross_validate would have
    dealt = np.random.default_rng(seed).permutation(np.arange(len(windows)) % max(people, folds))
    nobody = replace(windows, subjects=np.array([f"deal {number}" for number in dealt], dtype=object))
    parts, _ = folds_of(nobody, by="subject", folds=folds, seed=seed, recordings=None)
    chosen = named(model, nobody, features=features, epochs=epochs, seed=seed)
    blind = _run(nobody, parts, chosen, by="subject", seed=seed, notes=())
    interrupted = (note for note in blind.notes if note.startswith("interrupted"))
    return SubjectBlindWarning(blind.macro_f1, blind.model, (*windows.notes, *interrupted))


def _check_names(chosen: Windows) -> None:
    check_windows(chosen)
    if len(chosen.classes) < 2:
        raise ValueError(f"windows are all of class {list(chosen.classes)}, expected two or more classes")
    check_names(chosen.classes)


def _run(
    chosen: Windows, parts: Sequence[Fold], model: Named, *, by: By, seed: int, notes: tuple[str, ...]
) -> CrossValidation:
    """Train and score fold by fold; what is done when interrupted is kept."""
    from tqdm.auto import tqdm

    tables: list[pd.DataFrame] = []
    said: dict[str, list[int]] = {}
    unseen = [_unseen(chosen, part, number, len(parts)) for number, part in enumerate(parts)]
    before_s = time.process_time()
    try:
        for number, part in enumerate(tqdm(parts, desc=model.name, unit="fold", disable=is_headless(), leave=False)):
            scored = _scored(model, part, number, len(parts))
            tables.append(_table(chosen, part, scored, number))
            lacking = [f"nobody who was trained on shows {list(unseen[number])}"] if unseen[number] else []
            for note in (*lacking, *scored.notes):
                said.setdefault(note, []).append(number)
    except KeyboardInterrupt:
        if not tables:
            raise
        left = sum(int(part.test.sum()) for part in parts[len(tables) :])
        notes = (*notes, f"interrupted after {len(tables)} of {len(parts)} folds: {left} windows are not predicted")
    predictions = pd.concat(tables).sort_index(kind="stable").reset_index(drop=True)
    predictions.attrs["notes"] = chosen.notes
    return CrossValidation(
        model=model.name,
        by=by,
        predictions=predictions,
        classes=chosen.classes,
        folds=tuple(part.held_out for part in parts[: len(tables)]),
        unseen=tuple(unseen[: len(tables)]),
        notes=(*notes, *_by_fold(said)),
        seed=seed,
        cpu_s=time.process_time() - before_s,
    )


def _by_fold(said: dict[str, list[int]]) -> list[str]:
    return [f"folds {', '.join(map(str, numbers))}: {note}" for note, numbers in said.items()]


def _unseen(chosen: Windows, part: Fold, number: int, count: int) -> tuple[str, ...]:
    """Return the classes that nobody in a fold's training shows, or raise where there is nothing to tell apart."""
    shown = set(chosen.labels[part.train])
    if len(shown) < 2:
        people = sorted(set(chosen.subjects[part.train]))
        raise ValueError(
            f"fold {number} of {count} leaves out {', '.join(part.held_out)} and is trained on {people}, who show "
            f"{sorted(shown)}, expected two or more classes; give more people, or other folds"
        )
    return tuple(sorted(set(chosen.classes) - shown))


def _scored(model: Named, part: Fold, number: int, count: int) -> Scored:
    try:
        return model.score(part.train, part.test)
    except Exception as fault:
        fault.add_note(f"In fold {number} of {count} of {model.name}, which leaves out {', '.join(part.held_out)}.")
        raise


def _table(chosen: Windows, part: Fold, scored: Scored, fold: int) -> pd.DataFrame:
    """Return the predictions of a fold, indexed by the places of its windows."""
    if foreign := sorted(set(scored.classes) - set(chosen.classes)):
        raise ValueError(f"the model knows classes {foreign}, the windows have {list(chosen.classes)}")
    tested = chosen.subset(part.test)
    full = np.zeros((len(tested), len(chosen.classes)))
    full[:, [chosen.classes.index(name) for name in scored.classes]] = scored.probabilities
    names: npt.NDArray[np.object_] = np.array(chosen.classes, dtype=object)
    columns = (tested.recordings, tested.subjects, fold, tested.start_s, tested.stop_s, tested.labels)
    places = np.flatnonzero(part.test)
    table = pd.DataFrame(
        dict(zip(PREDICTION_COLUMNS, (*columns, names[full.argmax(axis=1)]), strict=True)), index=places
    )
    return table.join(pd.DataFrame(full, columns=list(chosen.classes), index=places))
