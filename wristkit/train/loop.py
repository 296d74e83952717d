"""Epochs of a net: batches, a cosine schedule, early stopping, and the calibration that follows."""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import logsumexp

from wristkit.evaluate import macro_f1
from wristkit.load.progress import is_headless
from wristkit.recording import FloatArray
from wristkit.train.augmentation import Augmentation, augment
from wristkit.train.fit import HISTORY_COLUMNS
from wristkit.windows import Windows

if TYPE_CHECKING:
    import torch

    from wristkit.models import Net

BATCH = 64
LEAST_STEPS = 24
LEARNING_RATE = 3e-3
WEIGHT_DECAY = 1e-2
PATIENCE = 8
WIDTH = 32  # channels inside a net
INTERRUPTED = "interrupted: the best epoch so far was kept"
_HUGE = 1e6  # of any unit that a wrist gives
_AT_ONCE = 1024  # windows scored at once: bounds memory
OnEpoch = Callable[[Mapping[str, float]], object]


class Plan(NamedTuple):
    """How a training goes: how long, how it is varied, where it runs, who is told of each epoch, and how wide a net."""

    epochs: int
    augmentation: Augmentation
    device: str
    on_epoch: OnEpoch | None
    width: int = WIDTH


def run_epochs(
    net: "Net", train: Windows, stop: Windows, *, plan: Plan, rng: np.random.Generator
) -> tuple[pd.DataFrame, str]:
    """Train until the loss on the stopping people no longer falls; return the history and what ended it early.

    The net comes back to the processor with the weights of its best epoch, or of the last with nobody to stop on.
    """
    best = _Best()
    rows: list[dict[str, float]] = []
    ended = ""
    try:
        for row in _epochs(net.to(plan.device), train, stop, plan, rng):
            rows.append(row)
            best = best.after(row, net)
            if plan.on_epoch is not None:
                plan.on_epoch(dict(row))
            if not np.isfinite(row["train_loss"]):
                ended = f"in epoch {row['epoch']} the loss was no longer a number: the best epoch before it was kept"
                break
            if row["epoch"] - best.epoch >= PATIENCE:
                break
    except KeyboardInterrupt:
        if not best.weights:
            raise
        ended = INTERRUPTED
    if not best.weights:
        raise _never_a_number(train, stop, rows)
    net.cpu().load_state_dict(best.weights)
    return history_of(rows), ended


def _never_a_number(train: Windows, stop: Windows, rows: list[dict[str, float]]) -> ValueError:
    """Return what is wrong where no epoch left a net whose loss is a number: whose windows are huge, or the net."""
    learned = bool(rows) and np.isfinite(rows[0]["train_loss"])
    whose, part = ("stopping people", stop) if learned and len(stop) else ("people trained on", train)
    size = np.abs(part.values).max(axis=(1, 2))
    place = int(size.argmax())
    where = f"recording {part.recordings[place]} at {part.start_s[place]:g} s"
    cure = (
        f"their windows reach {size[place]:.3g} in {where}: look for a stream in another unit"
        if size[place] > _HUGE
        else f"their windows reach no more than {size[place]:.3g}, so it is the net: give it smaller first weights"
    )
    return ValueError(f"the loss on the {whose} was never a number; {cure}")


def history_of(rows: list[dict[str, float]]) -> pd.DataFrame:
    """Return rows of epochs as a table."""
    return pd.DataFrame(rows, columns=list(HISTORY_COLUMNS)).astype({"epoch": int})


class _Best(NamedTuple):
    """The weights of the best epoch so far."""

    loss: float = np.inf
    epoch: int = 0
    weights: "Mapping[str, torch.Tensor]" = MappingProxyType({})

    def after(self, row: Mapping[str, float], net: "Net") -> "_Best":
        """Return this, or what the epoch left where it was better or nobody can say."""
        nobody_to_stop_on = np.isnan(row["stop_macro_f1"])
        if not (nobody_to_stop_on or row["stop_loss"] < self.loss):
            return self
        weights = {name: value.detach().cpu().clone() for name, value in net.state_dict().items()}
        learned = all(bool(one.isfinite().all()) for one in net.parameters())
        if not learned or any(bool(value.isnan().any()) for value in weights.values()):  # a spread may be infinite
            return self
        return _Best(row["stop_loss"], int(row["epoch"]), weights)


def _epochs(
    net: "Net", train: Windows, stop: Windows, plan: Plan, rng: np.random.Generator
) -> Iterator[dict[str, float]]:
    """Yield the row of each epoch; the learning rate falls along a cosine."""
    import torch
    from tqdm.auto import tqdm

    optimiser = torch.optim.AdamW(net.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=plan.epochs)
    for epoch in tqdm(range(1, plan.epochs + 1), desc="training", unit="epoch", disable=is_headless(), leave=False):
        rate = float(schedule.get_last_lr()[0])
        train_loss = _one_epoch(net, train, optimiser, plan, rng)
        schedule.step()
        stop_loss, stop_f1 = judge(logits_of(net, stop.values, device=plan.device), stop, net.classes)
        yield dict(zip(HISTORY_COLUMNS, (epoch, rate, train_loss, stop_loss, stop_f1), strict=True))


def _one_epoch(
    net: "Net", train: Windows, optimiser: "torch.optim.Optimizer", plan: Plan, rng: np.random.Generator
) -> float:
    net.train()
    loss_sum = 0.0
    for places in np.array_split(rng.permutation(len(train)), batches(len(train))):
        varied = augment(train.values[places], train.conditioning, rng, plan.augmentation)
        loss = batch_loss(net, varied, train, places, device=plan.device)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        optimiser.step()
        loss_sum += loss.item() * len(places)
    return loss_sum / len(train)


def batch_loss(
    net: "Net", values: npt.NDArray[np.float32], train: Windows, places: npt.NDArray[np.int64], *, device: str
) -> "torch.Tensor":
    """Return the loss of some training windows, in which each class counts alike."""
    import torch

    target = targets(train, net.classes)
    weights = torch.from_numpy(_class_weights(target, len(net.classes))).to(device)
    inputs, wanted = torch.from_numpy(values).to(device), torch.from_numpy(target[places]).to(device)
    return torch.nn.functional.cross_entropy(net(inputs), wanted, weight=weights)


def batches(count: int) -> int:
    """Return into how many batches an epoch is cut: few windows are seen in smaller ones, of at least four."""
    return max(1, min(max(round(count / BATCH), LEAST_STEPS), count // 4))


def logits_of(net: "Net", values: npt.NDArray[np.float32], *, device: str = "cpu") -> npt.NDArray[np.float32]:
    """Return (n, classes) logits of windows, in evaluation mode."""
    import torch

    net.eval()
    parts = [np.empty((0, len(net.classes)), dtype=np.float32)]
    with torch.inference_mode():
        for first in range(0, len(values), _AT_ONCE):
            inputs = torch.from_numpy(np.ascontiguousarray(values[first : first + _AT_ONCE])).to(device)
            parts.append(net(inputs).cpu().numpy())
    return np.concatenate(parts)


def judge(logits: npt.NDArray[np.float32], chosen: Windows, classes: tuple[str, ...]) -> tuple[float, float]:
    """Return loss and macro-F1 of windows; NaN where there are none."""
    if not len(chosen):
        return float("nan"), float("nan")
    predicted = np.array(classes, dtype=object)[logits.argmax(axis=1)]
    return cross_entropy(logits, targets(chosen, classes)), macro_f1(chosen.labels, predicted)


def cross_entropy(logits: npt.NDArray[np.floating], target: npt.NDArray[np.int64]) -> float:
    """Return the mean cross-entropy of logits (n, classes)."""
    wide = logits.astype(np.float64)
    return float(np.mean(logsumexp(wide, axis=1) - wide[np.arange(len(wide)), target]))


class Calibration(NamedTuple):
    """What turns scores of a training in which each class counted alike into probabilities: first shift, then divide.

    ``shift`` (classes,) is added to the logits: a share of the logarithm of how common each class was in training.
    """

    shift: FloatArray
    temperature: float


def calibrate(net: "Net", train: Windows, stop: Windows) -> None:
    """Give the logits back how common each class is, and the temperature that fits the stopping people best."""
    from wristkit.models import round_weights

    found = calibration_of(logits_of(net, stop.values), targets(stop, net.classes), prior=prior_of(train, net.classes))
    net.shift(found.shift)
    net.cool(found.temperature)
    if net.architecture is not None:
        round_weights(net)


def prior_of(train: Windows, classes: tuple[str, ...]) -> FloatArray:
    """Return the share of each class in training, by one window more than there are: none is impossible."""
    counts = np.bincount(targets(train, classes), minlength=len(classes)) + 1.0
    return np.asarray(counts / counts.sum())


def calibration_of(logits: npt.NDArray[np.float32], target: npt.NDArray[np.int64], *, prior: FloatArray) -> Calibration:
    """Return shift and temperature by which the cross-entropy on the stopping people is least (Guo et al., 2017).

    How much of the training prior is given back is chosen with the temperature where they show all classes: a net that
    learned its windows by heart has kept some of it. Elsewhere it is all of it, and without people no temperature.
    """
    from scipy.optimize import minimize

    whole = np.log(prior) - np.log(prior).mean()
    if not len(target):
        return Calibration(whole, 1.0)
    least = 0.0 if len(np.unique(target)) == len(prior) else 1.0

    def loss(given: FloatArray) -> float:
        return cross_entropy((logits + given[0] * whole) / np.exp(given[1]), target)

    found = minimize(loss, x0=np.array([1.0, 0.0]), bounds=[(least, 1.0), (-1.5, 2.0)], method="L-BFGS-B")
    return Calibration(found.x[0] * whole, float(np.exp(found.x[1])))


def targets(chosen: Windows, classes: tuple[str, ...]) -> npt.NDArray[np.int64]:
    """Return the place of each label among sorted classes."""
    return np.searchsorted(np.array(classes, dtype=str), chosen.labels.astype(str)).astype(np.int64)


def _class_weights(target: npt.NDArray[np.int64], classes: int) -> npt.NDArray[np.float32]:
    """Return weights by which each class that occurs counts alike."""
    counts = np.bincount(target, minlength=classes)
    return np.where(counts, len(target) / (np.count_nonzero(counts) * np.maximum(counts, 1)), 0.0).astype(np.float32)
