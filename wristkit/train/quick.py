"""One call from windows to an honest fit: whole people are kept apart, and there is no keyword for anything else."""

import logging
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from wristkit.detector import Detector
from wristkit.errors import RecordingError
from wristkit.train.asked import (
    check_augmentation,
    check_epochs,
    check_folder,
    check_model,
    check_on_epoch,
    check_seed,
    check_threads,
)
from wristkit.train.augmentation import Augmentation
from wristkit.train.decoding import silent_note, spec_of
from wristkit.train.fit import BoostedFit, Fit, check_names, predictions
from wristkit.train.hardware import Device, Threads, choose_device, choose_threads, repeatable, using_threads
from wristkit.train.loop import WIDTH, OnEpoch, Plan, batch_loss, batches, calibrate, run_epochs
from wristkit.windows import PeopleSplit, Windows, check_windows, split_people

if TYPE_CHECKING:
    from torch import nn

    from wristkit.models import Net

BOOSTING = "boosting"
_MOST_PARAMETERS = 150_000
_REFERENCE = 1000  # training windows whose embeddings a fit keeps


class _Parts(NamedTuple):
    """Windows of whole people."""

    train: Windows
    stop: Windows
    held_out: Windows


def quick_train(
    windows: Windows,
    *,
    model: "str | nn.Module" = "tcn",
    epochs: int = 20,
    seed: int = 0,
    augmentation: Augmentation | None = None,
    device: Device = "auto",
    threads: int | None = None,
    on_epoch: OnEpoch | None = None,
    runs: str | Path | None = None,
) -> Fit:
    """Return a net trained with whole people left out, its history and its predictions for them.

    People are split three ways: to train, to stop on (early stopping, calibration, thresholds) and held out, touched
    once. With fewer than four people ``notes`` says what was done instead.

    Parameters
    ----------
    windows
        Labelled windows of several people; every recording needs a subject.
    model
        ``"tcn"`` (streams, ships); ``"cnn"``, ``"lstm"`` and ``"branches"`` (one for motion, one for sound) to compare
        with; ``"boosting"``: scikit-learn's trees on features, a sober number and no detector. Or a net of one's own
        from (n, channels, samples) to logits (n, classes), of which a copy is trained.
    epochs
        Most passes over the training windows; of boosting, fives of trees.
    seed
        Fixes the split, the first weights, the order of the windows and how they are varied.
    augmentation
        How training windows are varied; None is ``Augmentation()``, and ``Augmentation.off()`` leaves them alone.
    device
        ``"auto"`` takes a GPU where there is one.
    threads
        None measures, and takes more than one only where they give the same bits.
    on_epoch
        Called with each row of the history as soon as it is there.
    runs
        Folder in which the run is recorded, for ``wristkit.runs``.

    Raises
    ------
    ValueError
        Where subjects are missing, there are fewer than two classes to tell apart, or a net of one's own gives another
        shape or numbers that are not finite.
    """
    begun_s = time.time()
    check_windows(windows)
    model, seed, threads = _known(model), check_seed(seed), check_threads(threads)
    check_on_epoch(on_epoch)
    where = "cpu" if model == BOOSTING else choose_device(device)
    plan = Plan(check_epochs(epochs), check_augmentation(augmentation), where, on_epoch)
    split = split_people(windows, seed=seed)
    folder = None if runs is None else _ready(runs)
    fit = _fitted(windows, split, model, plan=plan, seed=seed, threads=threads)
    if folder is not None:
        fit = _recorded(fit, windows, folder, epochs=plan.epochs, took_s=time.time() - begun_s)
    logging.getLogger("wristkit").info("%r", fit)
    return fit


def _known(model: "str | nn.Module") -> "str | nn.Module":
    from wristkit.models import MODELS

    return check_model(model, (*MODELS, BOOSTING))


def _ready(runs: str | Path) -> Path:
    """Return the folder of the runs, made and tried before hours of training are spent."""
    from wristkit.train.records import make_folder

    folder = check_folder(runs)
    make_folder(folder)
    return folder


def _recorded(fit: Fit, windows: Windows, folder: Path, *, epochs: int, took_s: float) -> Fit:
    """Return the fit, recorded; where that fails it is not lost with its run, and says so."""
    from wristkit.train.records import record

    try:
        record(fit, windows, folder=folder, epochs=epochs, took_s=took_s)
    except (OSError, RecordingError) as fault:
        return replace(fit, notes=(*fit.notes, f"the run was not recorded: {fault}"))
    return fit


def train_for_others(
    windows: Windows,
    *,
    model: "str | nn.Module" = "tcn",
    width: int = WIDTH,
    epochs: int = 20,
    seed: int = 0,
    augmentation: Augmentation | None = None,
    device: Device = "auto",
) -> Fit:
    """Return a fit for who tests it on people outside of these windows, as each fold of a cross-validation does.

    As :func:`quick_train`, but nobody of these people is held out: those whom it would hold out are trained on.
    ``width`` is how many channels a net has inside.
    """
    check_windows(windows)
    model, seed = _known(model), check_seed(seed)
    where = "cpu" if model == BOOSTING else choose_device(device)
    plan = Plan(check_epochs(epochs), check_augmentation(augmentation), where, None, width)
    split = split_people(windows, seed=seed)
    note = "nobody of these people is held out: figures come from others"
    trained_on = tuple(sorted((*split.train, *split.held_out)))
    if not split.stop:
        who = "1 person" if len(trained_on) == 1 else f"{len(trained_on)} people"
        note = f"{who}: no one is left to stop on, so every epoch is run and nothing is tuned; {note}"
    whole = PeopleSplit(trained_on, split.stop, (), note)
    return _fitted(windows, whole, model, plan=plan, seed=seed, threads=None)


def _fitted(
    windows: Windows, split: PeopleSplit, model: "str | nn.Module", *, plan: Plan, seed: int, threads: int | None
) -> Fit:
    """Return the fit of a net or of trees on people who are split already."""
    parts = _Parts(*(windows.of_subjects(people) for people in (split.train, split.stop, split.held_out)))
    _check_classes(windows.classes, parts.train)
    job = _Job(windows, parts, split, plan, seed)
    with repeatable(seed, device=plan.device), using_threads(threads or 1):
        return _boosted(job) if model == BOOSTING else _trained(job, model, threads)


class _Job(NamedTuple):
    """What is to be trained on, and how."""

    windows: Windows
    parts: _Parts
    split: PeopleSplit
    plan: Plan
    seed: int


def _trained(job: _Job, model: "str | nn.Module", threads: int | None) -> Fit:
    """Return the fit of a net."""
    from wristkit.models import fold

    windows, parts, plan = job.windows, job.parts, job.plan
    net = _net(model, windows, plan.width)
    constant = net.fit_normaliser(parts.train.values)
    chosen = _threads(net, job, threads)
    with using_threads(chosen.number):
        history, ended = run_epochs(net, parts.train, parts.stop, plan=plan, rng=np.random.default_rng(job.seed))
    net = fold(net)
    calibrate(net, parts.train, parts.stop)
    spec = spec_of(windows, net, seen=parts.train, stop=parts.stop)
    return Fit(
        model=net,
        spec=spec,
        history=history,
        held_out=predictions(Detector(spec, net), parts.held_out, fold=0),
        split=job.split,
        notes=_notes(job, constant=constant, ended=ended, more=(chosen.note, *_of_net(net))),
        seed=job.seed,
        threads=chosen.number,
        name=model if isinstance(model, str) else type(model).__name__,
        device=plan.device,
        augmentation=plan.augmentation,
        reference=_reference(net, parts.train, job.seed),
    )


def _net(model: "str | nn.Module", windows: Windows, width: int) -> "Net":
    """Return a new net by name, or a copy of the user's."""
    from wristkit.models import build, own

    channels, classes, samples = windows.channels, windows.classes, windows.samples
    if not isinstance(model, str):
        return own(model, channels=channels, classes=classes, samples=samples)
    return build(model, channels=channels, classes=classes, samples=samples, hop=windows.hop, width=width)


def _threads(net: "Net", job: _Job, wanted: int | None) -> Threads:
    """Return how many threads train: as asked for, or measured on the first batch."""
    if wanted is not None or job.plan.device != "cpu":
        return Threads(wanted or 1)
    train = job.parts.train
    places = np.arange(-(-len(train) // batches(len(train))))
    return choose_threads(net, lambda trial: batch_loss(trial, train.values[places], train, places, device="cpu"))


def _of_net(net: "Net") -> list[str]:
    """Return what a reader must know of a net."""
    from wristkit.models import Branches, Lstm

    notes = [Lstm.warning] if isinstance(net, Lstm) else []
    if isinstance(net, Branches) and len(net.runs) == 1:
        notes.append(f"all channels are of {next(iter(net.runs))}, so the net has one branch")
    if (count := sum(one.numel() for one in net.parameters())) > _MOST_PARAMETERS:
        notes.append(f"the net has {count} parameters, more than the {_MOST_PARAMETERS} that suit a watch")
    return notes


def _notes(job: _Job, *, constant: tuple[str, ...], ended: str, more: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return what a reader of any figure must know."""
    spiky = _spiky(job.parts.train)
    unseen = sorted(set(job.windows.classes) - set(job.parts.train.classes))
    unshown = sorted(set(job.windows.classes) - set(job.parts.held_out.classes)) if len(job.parts.held_out) else []
    remarks = {
        job.split.note: job.split.note,
        f"channels {list(constant)} never varied in training and enter as 0": constant,
        f"channels {spiky} hold spikes beyond a thousand times their usual range: look at them with wk.view": spiky,
        f"classes {unseen} were seen of nobody who was trained on": unseen,
        f"classes {unshown} were shown by nobody who was held out: no figure tells of them": unshown,
        ended: ended,
        (silent := silent_note(job.windows, job.parts.stop)): silent,
    }
    held = (note for note, applies in remarks.items() if applies)
    return (*job.windows.notes, *held, *(note for note in more if note))


def _reference(net: "Net", train: Windows, seed: int) -> np.ndarray:
    """Return embeddings of some training windows; none of a net that tells no embedding."""
    import torch

    places = np.sort(np.random.default_rng(seed).permutation(len(train))[:_REFERENCE])
    with torch.inference_mode():
        try:
            return net.embed(torch.from_numpy(train.values[places])).numpy()
        except NotImplementedError:
            return np.empty((0, 0), dtype=np.float32)


def _boosted(job: _Job) -> BoostedFit:
    """Return the fit of trees on features."""
    from wristkit.train.boosting import boost

    parts = job.parts
    net, history, ended = boost(job.windows, parts.train, parts.stop, plan=job.plan, seed=job.seed)
    spec = spec_of(job.windows, net, seen=parts.train, stop=parts.stop)
    return BoostedFit(
        model=net,
        spec=spec,
        history=history,
        held_out=predictions(Detector(spec, net), parts.held_out, fold=0),
        split=job.split,
        notes=_notes(job, constant=(), ended=ended, more=("boosting is for comparison and gives no detector",)),
        seed=job.seed,
        threads=1,
        name=BOOSTING,
        augmentation=Augmentation.off(),
    )


def _check_classes(classes: tuple[str, ...], train: Windows) -> None:
    if len(train.classes) < 2:
        raise ValueError(
            f"the people to train on ({', '.join(sorted(set(train.subjects)))}) show classes {list(train.classes)}, "
            "expected two or more; give more people, or background='none' for windows under no label"
        )
    check_names(classes)


def _spiky(train: Windows) -> list[str]:
    """Return the channels in which single samples would blow up the normalisation of all others."""
    size = np.abs(train.values - np.median(train.values, axis=(0, 2))[:, None])
    usual = np.percentile(size, 99, axis=(0, 2))
    return [name for name, spiky in zip(train.channels, size.max(axis=(0, 2)) > 1000 * usual, strict=True) if spiky]
