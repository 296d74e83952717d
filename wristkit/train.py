"""One call from windows to an honest fit: whole people are kept apart, and there is no keyword for anything else."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from wristkit.condition import AXIAL, POLAR, WRIST_SIGNS, Conditioning
from wristkit.detector import Detector, DetectorSpec, one_thread
from wristkit.events import BACKGROUND, EventDecoder, Scores, match
from wristkit.load.progress import is_headless
from wristkit.recording import FloatArray
from wristkit.windows import PeopleSplit, Windows, split_people

if TYPE_CHECKING:
    import torch
    from torch import nn

    from wristkit.models import Tcn

BATCH = 64
LEAST_STEPS = 24
LEARNING_RATE = 3e-3
WEIGHT_DECAY = 1e-2
PATIENCE = 8
THREADS = 1
STRAP_PLAY_RAD = 0.15  # estimate: a band lets a watch turn by about ten degrees
PREDICTION_COLUMNS = ("recording", "subject", "fold", "start_s", "stop_s", "truth", "predicted")
HISTORY_COLUMNS = ("epoch", "learning_rate", "train_loss", "stop_loss", "stop_macro_f1")


@dataclass(frozen=True, eq=False)
class Fit:
    """A trained net, how it came about, and how it does on people it has never seen.

    Parameters
    ----------
    model
        Net as it ships (see ``wristkit.models.fold``), calibrated on the people it was stopped on.
    spec
        Conditioning, window, classes and the thresholds chosen on the people it was stopped on.
    history
        One row an epoch: ``epoch, learning_rate, train_loss, stop_loss, stop_macro_f1``.
    held_out
        Predictions for the held-out people: ``recording, subject, fold, start_s, stop_s, truth, predicted`` and one
        probability column a class.
    split
        Who was in which part.
    notes
        What was done instead where something was missing, such as people for three parts.
    seed, threads
        With the same versions, these give the same weights.
    """

    model: "nn.Module"
    spec: DetectorSpec
    history: pd.DataFrame
    held_out: pd.DataFrame
    split: PeopleSplit
    notes: tuple[str, ...]
    seed: int
    threads: int

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the outputs, in order."""
        return self.spec.classes

    @property
    def held_out_subjects(self) -> tuple[str, ...]:
        """People who were touched once, for ``held_out``."""
        return self.split.held_out

    @property
    def macro_f1(self) -> float:
        """Macro-averaged F1 on the held-out people, over the classes they show; NaN where nobody was held out."""
        return macro_f1(self.held_out["truth"], self.held_out["predicted"])

    @property
    def weights_sha256(self) -> str:
        """Hash of all weights."""
        from wristkit.models import weights_sha256

        return weights_sha256(self.model)

    def detector(self, decoder: EventDecoder | None = None) -> Detector:
        """Return the detector that runs this net, with thresholds chosen on the stopping people unless given."""
        spec = self.spec if decoder is None else replace(self.spec, decoder=decoder)
        return Detector(spec, self.model)

    def __repr__(self) -> str:
        epochs, people = len(self.history), self.split
        if not people.held_out:
            return f"Fit({epochs} epochs on {len(people.train)} person; nobody held out; {'; '.join(self.notes)})"
        notes = f"; {'; '.join(self.notes)}" if self.notes else ""
        return (
            f"Fit({epochs} epochs on {len(people.train)} people, stopped on {len(people.stop)}; macro-F1 "
            f"{self.macro_f1:.3f} on {len(people.held_out)} held-out people{notes})"
        )


def quick_train(windows: Windows, *, model: str = "tcn", epochs: int = 20, seed: int = 0) -> Fit:
    """Return a net trained with whole people left out, its history and its predictions for them.

    People are split three ways: to train, to stop on (early stopping, calibration, thresholds) and held out, touched
    once. With fewer than four people ``notes`` says what was done instead.

    Parameters
    ----------
    windows
        Labelled windows of several people; every recording needs a subject.
    model
        Name of a net in ``wristkit.models``.
    epochs
        Most passes over the training windows.
    seed
        Fixes the split, the first weights and the order of the windows.

    Raises
    ------
    ValueError
        Where subjects are missing, or there are fewer than two classes to tell apart.
    """
    from wristkit.models import build, fold

    if epochs < 1:
        raise ValueError(f"epochs is {epochs}, expected 1 or more")
    split = split_people(windows, seed=seed)
    parts = {name: windows.of_subjects(getattr(split, name)) for name in ("train", "stop", "held_out")}
    _check_classes(windows.classes, parts["train"])
    with repeatable(seed):
        net = build(model, channels=windows.channels, classes=windows.classes, samples=windows.samples, hop=windows.hop)
        constant = net.fit_normaliser(parts["train"].values)
        rng = np.random.default_rng(seed)
        history, interrupted = _run_epochs(net, parts["train"], parts["stop"], epochs=epochs, rng=rng)
        net = fold(net)
        _calibrate(net, parts["stop"])
        spec = _spec_of(windows, net, parts)
        held_out = predictions(Detector(spec, net), parts["held_out"], fold=0)
    spiky = _spiky(parts["train"])
    unseen = sorted(set(windows.classes) - set(parts["train"].classes))
    remarks = {
        split.note: split.note,
        f"channels {list(constant)} never varied in training and enter as 0": constant,
        f"channels {spiky} hold spikes beyond a thousand times their usual range: look at them with wk.view": spiky,
        f"classes {unseen} were seen of nobody who was trained on": unseen,
        "interrupted: the best epoch so far was kept": interrupted,
    }
    fit = Fit(
        model=net,
        spec=spec,
        history=history,
        held_out=held_out,
        split=split,
        notes=(*windows.notes, *(note for note, applies in remarks.items() if applies)),
        seed=seed,
        threads=THREADS,
    )
    logging.getLogger("wristkit").info("%r", fit)
    return fit


def _check_classes(classes: tuple[str, ...], train: Windows) -> None:
    if len(train.classes) < 2:
        raise ValueError(
            f"the people to train on ({', '.join(sorted(set(train.subjects)))}) show classes {list(train.classes)}, "
            "expected two or more; give more people, or background='none' for windows under no label"
        )
    if taken := sorted(set(classes) & set(PREDICTION_COLUMNS)):
        raise ValueError(f"classes {taken} have the names of columns of the predictions; rename these labels")


def _spiky(train: Windows) -> list[str]:
    """Return the channels in which single samples would blow up the normalisation of all others."""
    size = np.abs(train.values - np.median(train.values, axis=(0, 2))[:, None])
    usual = np.percentile(size, 99, axis=(0, 2))
    return [name for name, spiky in zip(train.channels, size.max(axis=(0, 2)) > 1000 * usual, strict=True) if spiky]


def macro_f1(truth: npt.ArrayLike, predicted: npt.ArrayLike) -> float:
    """Return the mean F1 over the classes that occur in truth; NaN where there is none."""
    from sklearn.metrics import f1_score

    true_names = np.asarray(truth, dtype=str)
    if not len(true_names):
        return float("nan")
    names = np.unique(true_names)
    return float(f1_score(true_names, np.asarray(predicted, dtype=str), labels=names, average="macro", zero_division=0))


def predictions(detector: Detector, chosen: Windows, *, fold: int) -> pd.DataFrame:
    """Return one row a window: where it is, what is true, what is predicted, and each class's probability."""
    probabilities = detector.probabilities(chosen.values)
    classes = np.array(detector.spec.classes, dtype=object)
    table = pd.DataFrame(
        {
            "recording": chosen.recordings,
            "subject": chosen.subjects,
            "fold": fold,
            "start_s": chosen.start_s,
            "stop_s": chosen.stop_s,
            "truth": chosen.labels,
            "predicted": classes[probabilities.argmax(axis=1)],
        }
    )
    return table.join(pd.DataFrame(probabilities, columns=list(classes)))


def augment(
    values: npt.NDArray[np.float32], conditioning: Conditioning, rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    """Return windows (n, channels, samples) as other wearers of the same motion would have given them.

    In the device frame each window is worn on either wrist with the crown to either side, at random; in both frames the
    strap turns the device a little, by the same rotation for every vector stream of a window.
    """
    sides = np.array(list(WRIST_SIGNS.values()))
    signs = sides[rng.integers(len(sides), size=len(values))] if conditioning.frame.kind == "device" else None
    turns = _small_rotations(len(values), rng)
    varied, first = values.copy(), 0
    for source in conditioning.sources:
        columns = slice(first, first + len(source.channels))
        first = columns.stop
        if source.name not in POLAR | AXIAL:
            continue
        maps = turns
        if signs is not None:
            axial = np.prod(signs, axis=1, keepdims=True) if source.name in AXIAL else 1.0
            maps = turns * (signs * axial)[:, None, :]
        varied[:, columns] = np.einsum("nij,njs->nis", maps, values[:, columns]).astype(np.float32)
    return varied


def _small_rotations(count: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Return (count, 3, 3) rotations about random axes by a normal angle of ``STRAP_PLAY_RAD``."""
    from scipy.spatial.transform import Rotation

    axes = rng.normal(size=(count, 3))
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    return np.asarray(Rotation.from_rotvec(axes * rng.normal(0, STRAP_PLAY_RAD, size=(count, 1))).as_matrix())


@contextmanager
def repeatable(seed: int) -> Iterator[None]:
    """Fix seed, thread count and algorithms of torch for a while, and put back what was there."""
    import torch

    deterministic = torch.are_deterministic_algorithms_enabled()
    with one_thread(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        torch.use_deterministic_algorithms(mode=True)
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(deterministic)


def _run_epochs(
    net: "Tcn", train: Windows, stop: Windows, *, epochs: int, rng: np.random.Generator
) -> tuple[pd.DataFrame, bool]:
    """Train until the loss on the stopping people no longer falls; return the history and whether it was interrupted.

    The net is left with the weights of its best epoch, or of the last where there is nobody to stop on.
    """
    import torch
    from tqdm.auto import tqdm

    optimiser = torch.optim.AdamW(net.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=epochs)
    rows: list[tuple[float, ...]] = []
    best: tuple[float, int, dict[str, torch.Tensor]] = (np.inf, 0, {})
    interrupted = False
    try:
        for epoch in tqdm(range(1, epochs + 1), desc="training", unit="epoch", disable=is_headless(), leave=False):
            rate = float(schedule.get_last_lr()[0])
            train_loss = _one_epoch(net, train, optimiser, rng)
            schedule.step()
            stop_loss, stop_f1 = _judge(net, stop)
            rows.append((epoch, rate, train_loss, stop_loss, stop_f1))
            if not len(stop) or stop_loss < best[0]:
                best = (stop_loss, epoch, {name: value.clone() for name, value in net.state_dict().items()})
            if epoch - best[1] >= PATIENCE:
                break
    except KeyboardInterrupt:
        if not best[2]:
            raise
        interrupted = True
    if not best[2]:
        raise ValueError(
            "the loss on the stopping people was never a number; look for huge values in windows.values, "
            "such as a stream in another unit"
        )
    net.load_state_dict(best[2])
    history = pd.DataFrame(rows, columns=list(HISTORY_COLUMNS)).astype({"epoch": int})
    return history, interrupted


def _one_epoch(net: "Tcn", train: Windows, optimiser: "torch.optim.Optimizer", rng: np.random.Generator) -> float:
    import torch

    net.train()
    target = _targets(train, net.classes)
    weights = torch.from_numpy(_class_weights(target, len(net.classes)))
    loss_sum = 0.0
    for places in np.array_split(rng.permutation(len(train)), _steps(len(train))):
        varied = augment(train.values[places], train.conditioning, rng)
        inputs, wanted = torch.from_numpy(varied), torch.from_numpy(target[places])
        loss = torch.nn.functional.cross_entropy(net(inputs), wanted, weight=weights)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        optimiser.step()
        loss_sum += loss.item() * len(places)
    return loss_sum / len(train)


def _steps(count: int) -> int:
    """Return into how many batches an epoch is cut: few windows are seen in smaller ones, of at least four."""
    return max(1, min(max(round(count / BATCH), LEAST_STEPS), count // 4))


def _judge(net: "Tcn", stop: Windows) -> tuple[float, float]:
    """Return loss and macro-F1 on the stopping people; NaN where there are none."""
    import torch

    if not len(stop):
        return float("nan"), float("nan")
    net.eval()
    with torch.inference_mode():
        logits = net(torch.from_numpy(stop.values))
        loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(_targets(stop, net.classes))).item()
    predicted = np.array(net.classes, dtype=object)[logits.argmax(dim=1).numpy()]
    return loss, macro_f1(stop.labels, predicted)


def _calibrate(net: "Tcn", stop: Windows) -> None:
    """Divide the logits by the temperature that fits the stopping people best (Guo et al., 2017)."""
    import torch
    from scipy.optimize import minimize_scalar

    from wristkit.models import round_weights

    if not len(stop):
        return
    with torch.inference_mode():
        logits, target = net(torch.from_numpy(stop.values)), torch.from_numpy(_targets(stop, net.classes))

        def loss(log_temperature: float) -> float:
            return torch.nn.functional.cross_entropy(logits / np.exp(log_temperature), target).item()

        found = minimize_scalar(loss, bounds=(-1.5, 2.0), method="bounded")
        for weight in net.head.parameters():
            weight.div_(float(np.exp(found.x)))
    round_weights(net)


def _spec_of(windows: Windows, net: "Tcn", parts: dict[str, Windows]) -> DetectorSpec:
    seen = {str(name) for part in ("train", "stop") for name in parts[part].recordings}
    spec = DetectorSpec(
        conditioning=windows.conditioning,
        length=windows.samples,
        hop=windows.hop,
        classes=net.classes,
        decoder=EventDecoder(merge_s=2 * windows.hop_s, background=windows.background or BACKGROUND),
        architecture=net.architecture,
        trained_on=tuple(sorted(seen)),
    )
    if not len(parts["stop"]):
        return spec
    return replace(spec, decoder=_choose_decoder(spec, parts["stop"], Detector(spec, net)))


def _choose_decoder(spec: DetectorSpec, stop: Windows, detector: Detector) -> EventDecoder:
    """Return the decoder whose events agree best with the runs of one label in the stopping people's windows."""
    tracks = []
    for name in sorted(set(stop.recordings)):
        part = stop.subset(stop.recordings == name)
        centre_s = (part.start_s + part.stop_s) / 2
        probabilities = detector.probabilities(part.values)
        scores = Scores.of(part.stop_s, probabilities, classes=spec.classes, centre_s=centre_s, hop_s=spec.hop_s)
        tracks.append((scores, _runs(part.labels, centre_s, spec)))
    return max(_decoders(spec), key=lambda decoder: _event_f1(decoder, tracks))


def _decoders(spec: DetectorSpec) -> list[EventDecoder]:
    """Return the decoders to choose from, the simplest first."""
    return [
        replace(spec.decoder, smooth=smooth, high=high, low=round(0.6 * high, 3))
        for smooth in (1, 3, 5)
        for high in (0.35, 0.45, 0.55, 0.65, 0.75, 0.85)
    ]


def _runs(labels: npt.NDArray[np.object_], centre_s: FloatArray, spec: DetectorSpec) -> pd.DataFrame:
    """Return consecutive windows of one label as a table of true events."""
    scores = (labels[:, None] == np.array(spec.classes, dtype=object)).astype(np.float32)
    track = Scores.of(centre_s, scores, classes=spec.classes, centre_s=centre_s, hop_s=spec.hop_s)
    return EventDecoder(high=0.5, low=0.5, background=spec.decoder.background).run(track)


def _event_f1(decoder: EventDecoder, tracks: list[tuple[Scores, pd.DataFrame]]) -> float:
    hits = total = 0
    for scores, truth in tracks:
        found = decoder.run(scores)
        total += len(found) + len(truth)
        for label, wanted in truth.groupby("label"):
            predicted = found.loc[found["label"] == label, ["start_s", "stop_s"]].to_numpy(dtype=np.float64)
            hits += len(match(predicted, wanted[["start_s", "stop_s"]].to_numpy(dtype=np.float64), tolerance_s=0.5))
    return 2 * hits / total if total else 0.0


def _targets(chosen: Windows, classes: tuple[str, ...]) -> npt.NDArray[np.int64]:
    return np.searchsorted(np.array(classes, dtype=str), chosen.labels.astype(str)).astype(np.int64)


def _class_weights(target: npt.NDArray[np.int64], classes: int) -> npt.NDArray[np.float32]:
    """Return weights by which each class that occurs counts alike."""
    counts = np.bincount(target, minlength=classes)
    return np.where(counts, len(target) / (np.count_nonzero(counts) * np.maximum(counts, 1)), 0.0).astype(np.float32)
