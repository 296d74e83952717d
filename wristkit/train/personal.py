"""A new class from one, three or five examples, on a net that is left as it is."""

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from wristkit.detector import Detector
from wristkit.evaluate import PREDICTION_COLUMNS
from wristkit.recording import FloatArray
from wristkit.train.fit import BoostedFit, Fit, check_names
from wristkit.windows import PeopleSplit, Windows, check_finite, check_windows

if TYPE_CHECKING:
    from wristkit.models import Added

_QUIET_SHARE = 0.995  # of windows that are not the new class must lie below its border
_SURE = 3.0  # log odds of the new class at its examples' mean
_SHRINK = 0.3  # of the covariance, to its mean variance


class _Direction(NamedTuple):
    """Weight (width,) and bias of the log odds of a new class, and which share of others it takes for it."""

    weight: FloatArray
    bias: float
    taken: float


def personalise(fit: Fit, windows: Windows, *, take_from: Literal["background", "all"] = "background") -> Fit:
    """Return a fit that knows one more class, shown by a few windows of it; the net that was trained stays as it is.

    Parameters
    ----------
    fit
        Of a net of this package.
    windows
        Conditioned as those of the fit. Exactly one label is new; windows under known labels are further examples of
        what it must differ from, beside those of the training that the fit remembers.
    take_from
        What the new class takes its probability from. ``"background"``: all other classes keep their probabilities, and
        so their events and false alarms; what the net takes for one of them stays one of them, and a note says how many
        of the examples do. ``"all"``: none rises, but an event of an old class may come in pieces where the new class
        is seen in the middle of it.

    Raises
    ------
    ValueError
        Where not exactly one label is new, windows are conditioned otherwise, the fit tells no embedding, or it has no
        background class to take from.
    """
    if not isinstance(fit, Fit):
        raise TypeError(f"fit is a {type(fit).__name__}, expected a Fit, as wristkit.quick_train returns")
    check_windows(windows)
    name = _new_class(fit, windows)
    is_new = windows.labels.astype(str) == name
    donor = _donor(fit, take_from)
    net = _with(fit, name, donor)
    examples = _embedded(net, windows.values[is_new])
    others = np.concatenate([fit.reference, _embedded(net, windows.values[~is_new])]).astype(np.float64)
    found = _direction(examples, others)
    _set_direction(net, found)
    spec = replace(
        fit.spec,
        classes=net.classes,
        architecture=net.architecture,
        trained_on=tuple(sorted({*fit.spec.trained_on, *map(str, windows.recordings)})),
    )
    shown = f"class {name!r} was learned from {int(is_new.sum())} windows, and nobody was held out for it"
    passing = f"of {len(others)} windows of other classes {found.taken:.1%} pass its border"
    kept = _kept(fit, windows.values[is_new], donor)
    return replace(
        fit,
        model=net.eval(),
        spec=spec,
        split=_split_with(fit.split, {str(one) for one in windows.subjects}),
        held_out=fit.held_out.iloc[:0].reindex(columns=[*PREDICTION_COLUMNS, *net.classes]),
        notes=(*fit.notes, f"{shown}; {passing}", *kept),
    )


def _split_with(split: PeopleSplit, givers: set[str]) -> PeopleSplit:
    """Return the split with those who gave examples among the people trained on, and no longer held out."""
    taught = {*split.train, *(givers - {""} - set(split.stop))}
    return replace(
        split, train=tuple(sorted(taught)), held_out=tuple(name for name in split.held_out if name not in givers)
    )


def _donor(fit: Fit, take_from: str) -> str | None:
    """Return the class that gives; None for all."""
    if take_from not in ("background", "all"):
        raise ValueError(f"take_from is {take_from!r}, expected 'background' or 'all'")
    if take_from == "background" and fit.spec.background is None:
        raise ValueError(
            f"the fit knows {list(fit.classes)} and none of them is a background to take from; give take_from='all', "
            "or train on windows with background='none'"
        )
    return fit.spec.background if take_from == "background" else None


def _kept(fit: Fit, values: npt.NDArray[np.float32], donor: str | None) -> tuple[str, ...]:
    """Return which share of the examples the net takes for another class than the one that gives."""
    if donor is None:
        return ()
    taken_for = Detector(fit.spec, fit.model).probabilities(values).argmax(axis=1)
    shares = {name: float(np.mean(taken_for == place)) for place, name in enumerate(fit.classes) if name != donor}
    return tuple(
        f"{share:.0%} of its examples are {name!r} to the net, which keeps them; take_from='all' lets the new "
        "class have them"
        for name, share in shares.items()
        if share > 0
    )


def _new_class(fit: Fit, windows: Windows) -> str:
    """Return the label that the fit does not know, or raise what is wrong."""
    if isinstance(fit, BoostedFit) or not fit.reference.size:
        raise ValueError(f"a fit of {fit.name} tells no embedding, so nothing can be added; train model='tcn'")
    if windows.conditioning != fit.spec.conditioning or windows.samples != fit.spec.length:
        raise ValueError(
            "the windows are conditioned or cut otherwise than those of the fit; give wk.windows the same streams, "
            "rate_hz, length_s, filters and frame"
        )
    new = sorted({str(label) for label in windows.labels} - set(fit.classes))
    if len(new) != 1:
        raise ValueError(f"labels {new} are new to {list(fit.classes)}, expected exactly one; add one after the other")
    if new[0] in PREDICTION_COLUMNS:
        raise ValueError(f"class {new[0]!r} has the name of a column of the predictions; rename the label")
    check_names([*fit.classes, *new])
    check_finite(windows)
    return new[0]


def _with(fit: Fit, name: str, donor: str | None) -> "Added":
    """Return a frozen copy of the fit's net with one more class."""
    from wristkit.models import Net, add

    if not isinstance(fit.model, Net):
        raise TypeError(f"the fit holds a {type(fit.model).__name__}, expected a net of wristkit; train model='tcn'")
    return add(copy.deepcopy(fit.model), name, donor=donor)


def _embedded(net: "Added", values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    import torch

    with torch.inference_mode():
        embedded: npt.NDArray[np.float32] = net.eval().embed(torch.from_numpy(np.ascontiguousarray(values))).numpy()
    if not np.isfinite(embedded).all():
        raise ValueError(
            f"the windows reach {np.abs(values).max():.3g}, too much for the net, whose embedding of them is not "
            "finite; look for a stream in another unit"
        )
    return embedded


def _direction(examples: npt.NDArray[np.float32], others: FloatArray) -> _Direction:
    """Return Fisher's direction from the others to the examples, with its border beyond nearly all of the others.

    The covariance is that of the others, shrunk: a handful of examples tells where they are, not how they spread.
    """
    from wristkit.models.added import QUIET

    mean = others.mean(axis=0)
    away = examples.astype(np.float64).mean(axis=0) - mean
    covariance = np.cov(others, rowvar=False) if len(others) > 1 else np.eye(len(away))
    variance = float(np.trace(covariance)) / len(away) or 1.0
    shrunk = (1 - _SHRINK) * covariance + _SHRINK * variance * np.eye(len(away))
    raw = np.linalg.solve(shrunk, away)
    reach = float(raw @ away)  # the examples' mean lies at 1, the others' at 0
    if not reach > 0:
        raise ValueError("the examples lie where all other windows do; give other examples, or a longer window")
    border = float(np.quantile((others - mean) @ raw / reach, _QUIET_SHARE))
    border = min(border, 0.9)
    slope = (_SURE - QUIET) / (1 - border)
    weight = raw / reach * slope
    bias = QUIET - slope * border - float(weight @ mean)
    return _Direction(weight, bias, float(np.mean(others @ weight + bias > QUIET)))


def _set_direction(net: "Added", found: _Direction) -> None:
    import torch

    from wristkit.models import round_weights

    with torch.no_grad():
        net.direction.weight.copy_(torch.from_numpy(found.weight)[None])
        net.direction.bias.fill_(found.bias)
    round_weights(net.direction)
