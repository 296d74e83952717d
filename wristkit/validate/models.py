"""What can be cross-validated: a net by name or what makes one, a scikit-learn estimator, or a function that trains."""

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Union, cast, runtime_checkable

import numpy as np
import numpy.typing as npt
import pandas as pd

from wristkit.detector import Detector
from wristkit.errors import RecordingError
from wristkit.features import features as features_of
from wristkit.features.table import Wanted
from wristkit.recording import FloatArray
from wristkit.train import Fit, train_for_others
from wristkit.validate.folds import Mask
from wristkit.windows import Windows

if TYPE_CHECKING:
    from torch import nn


@runtime_checkable
class Probable(Protocol):
    """Something trained that gives (n, classes) probabilities, in the order of its ``classes_``."""

    classes_: Any

    def predict_proba(self, given: Any, /) -> npt.ArrayLike: ...  # noqa: ANN401, D102  windows, values or a table


@runtime_checkable
class Estimator(Probable, Protocol):
    """A classifier as scikit-learn means it; ``classes_`` comes with the fit."""

    def fit(self, given: Any, labels: Any, /) -> Any: ...  # noqa: ANN401, D102
    def get_params(self, deep: bool = True) -> dict[str, Any]: ...  # noqa: D102, FBT001, FBT002


Trained = Fit | Probable
Model = Union[str, "nn.Module", Callable[[], "nn.Module"], Estimator, Callable[[Windows], Trained]]


class Scored(NamedTuple):
    """Probabilities (n, classes) of tested windows, and what a reader must know of the training."""

    probabilities: FloatArray
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()


Score = Callable[[Mask, Mask], Scored]  # of the windows that are trained on and tested


class Named(NamedTuple):
    """A model with a name to print, and what trains it on some windows and scores others."""

    name: str
    score: Score


def named(model: Model, chosen: Windows, *, features: Wanted | None, epochs: int, seed: int) -> Named:
    """Return what trains and scores a model on parts of these windows, and sees nothing of the others."""
    is_estimator = hasattr(model, "fit") and hasattr(model, "get_params")
    if isinstance(model, type) and is_estimator:
        raise TypeError(f"model is the class {model.__name__}, expected an object; write {model.__name__}(...)")
    if features is not None and not is_estimator:
        raise ValueError(f"features= is for estimators of scikit-learn, and model is {model!r}; leave features= out")
    if isinstance(model, str):
        return Named(model, _of_net(lambda: model, chosen, epochs=epochs, seed=seed))
    if (fresh := _maker(model)) is not None:
        name = type(model).__name__ if fresh is not model else getattr(model, "__name__", type(model).__name__)
        return Named(name, _of_net(_seeded(fresh, seed), chosen, epochs=epochs, seed=seed))
    if is_estimator:
        return Named(type(_last_step(model)).__name__, _of_estimator(model, chosen, features=features, seed=seed))
    if callable(model):
        trains = cast("Callable[[Windows], Trained]", model)
        return Named(getattr(model, "__name__", type(model).__name__), _of_function(trains, chosen))
    raise TypeError(
        f"model is {model!r}, expected a net or its name, an estimator of scikit-learn, or a function of windows that "
        "returns something with predict_proba"
    )


def _maker(model: Any) -> "Callable[[], nn.Module] | None":  # noqa: ANN401
    """Return what makes a new net each time: a class or a function without arguments, or of a net its like; or None."""
    if _is_net(model) and not isinstance(model, type):
        from wristkit.models import drawn_anew

        return lambda: drawn_anew(model)
    takes_nothing = callable(model) and not hasattr(model, "fit") and not _arguments(model)
    return model if takes_nothing or (isinstance(model, type) and _is_net(model)) else None


def _is_net(model: object) -> bool:
    return hasattr(model, "state_dict") and hasattr(model, "parameters")  # without importing torch for a forest


def _arguments(model: Callable[..., Any]) -> list[str]:
    """Return the names of what must be given to call it."""
    try:
        given = inspect.signature(model).parameters.values()
    except (TypeError, ValueError):  # some that are written in C do not say
        return ["?"]
    return [
        one.name for one in given if one.default is one.empty and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
    ]


def _seeded(make: "Callable[[], nn.Module]", seed: int) -> "Callable[[], nn.Module]":
    """Return what makes nets from this seed on, and leaves torch's random numbers as they were."""

    def made() -> "nn.Module":
        import torch

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            try:
                net = make()
            except TypeError as fault:
                fault.add_note("A net's class is called without arguments; give model=lambda: Net(...) with its own.")
                raise
        if not isinstance(net, torch.nn.Module):
            raise TypeError(
                f"model() gave {net!r}, expected a net; a function that trains takes the windows to train on"
            )
        return net

    return made


def _of_net(make: "Callable[[], str | nn.Module]", chosen: Windows, *, epochs: int, seed: int) -> Score:
    return _of_function(lambda train: train_for_others(train, model=make(), epochs=epochs, seed=seed), chosen)


def _of_function(train_on: Callable[[Windows], Trained], chosen: Windows) -> Score:
    def score(train: Mask, test: Mask) -> Scored:
        trained, tested = train_on(chosen.subset(train)), chosen.subset(test)
        if isinstance(trained, Fit) and not isinstance(trained, Probable):
            notes = tuple(note for note in trained.notes if note not in chosen.notes)
            scored = Detector(trained.spec, trained.model)  # made here, as a fit of trees gives none
            return _checked(scored.probabilities(tested.values), trained.classes, tested, notes)
        if not isinstance(trained, Probable):
            raise _scores_nothing(trained)
        return _checked(trained.predict_proba(tested), trained.classes_, tested, tuple(getattr(trained, "notes", ())))

    return score


def _scores_nothing(trained: object) -> TypeError:
    cure = "; to have a net trained, give model=lambda: Net(...)" if _is_net(trained) else ""
    return TypeError(f"training gave {trained!r}, expected something with predict_proba(windows) and classes_{cure}")


def _of_estimator(model: Any, chosen: Windows, *, features: Wanted | None, seed: int) -> Score:  # noqa: ANN401
    """Return what fits a clone anew for each fold, so that scaling, imputing and choosing see the training alone."""
    from sklearn.base import clone

    rows: npt.NDArray[np.float32] | pd.DataFrame = chosen.values
    if features is not None:
        rows = features_of(chosen, features)  # of each window by itself: neither labels nor other windows enter
    if not hasattr(model, "predict_proba"):
        raise TypeError(f"{type(model).__name__} has no predict_proba; wrap it in sklearn's CalibratedClassifierCV")
    unseeded = {name: seed for name, value in model.get_params().items() if _is_seed(name) and value is None}
    labels = chosen.labels.astype(str)

    def score(train: Mask, test: Mask) -> Scored:
        fitted = clone(model).set_params(**unseeded)
        try:
            fitted.fit(rows[train], labels[train])
            given = fitted.predict_proba(rows[test])
        except ValueError as fault:
            if features is None:
                fault.add_note(
                    f"It was given values of the shape (windows, channels, samples), {rows[train].shape}. Give "
                    "features='wrist', or begin a pipeline with wristkit.FeatureExtractor."
                )
            raise
        return _checked(given, fitted.classes_, chosen.subset(test))

    return score


def _is_seed(name: str) -> bool:
    return name.rpartition("__")[2] == "random_state"


def _last_step(model: Any) -> object:  # noqa: ANN401
    steps = getattr(model, "steps", None)
    return steps[-1][1] if steps else model


def _checked(given: npt.ArrayLike, names: Any, tested: Windows, notes: tuple[str, ...] = ()) -> Scored:  # noqa: ANN401
    """Return probabilities as they must be, or raise what is wrong with them."""
    probabilities, classes = np.asarray(given, dtype=np.float64), tuple(str(name) for name in names)
    expected = (len(tested), len(classes))
    if probabilities.shape != expected:
        raise ValueError(f"predict_proba gave an array of {probabilities.shape}, expected {expected}: windows, classes")
    if len(set(classes)) < len(classes):
        raise ValueError(f"the model knows the classes {list(classes)}, expected each of them once")
    off = ~np.isfinite(probabilities).all(axis=1) | (np.abs(probabilities.sum(axis=1) - 1) > 1e-3)
    off |= ((probabilities < -1e-6) | (probabilities > 1 + 1e-3)).any(axis=1)
    if off.any():
        place = int(np.argmax(off))
        where = f"recording {tested.recordings[place]} at {tested.start_s[place]:g} s"
        raise RecordingError(
            f"the model gave {probabilities[place].tolist()} for the window of {where}, expected numbers from "
            "0 to 1 that sum to 1",
            code="not_finite",
            remedy="look at that window for missing or huge values, such as another unit",
        )
    return Scored(probabilities, classes, notes)
