"""What a training gives: the net, how it came about, and how it does on people it has never seen."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from wristkit.detector import Detector, DetectorSpec
from wristkit.evaluate import PREDICTION_COLUMNS, WindowReport, macro_f1, window_report
from wristkit.events import EventDecoder
from wristkit.train.augmentation import Augmentation
from wristkit.windows import PeopleSplit, Windows, one_name

if TYPE_CHECKING:
    from torch import nn

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
    name
        Name of the net, such as ``"tcn"``.
    seed, threads, device, augmentation
        With the same versions, these give the same weights on a processor; a GPU adds up in an order of its own.
    reference
        (n, width) embeddings of some of the training windows: what a new class must differ from, see ``personalise``.
        Empty where the net tells no embedding.
    """

    model: "nn.Module"
    spec: DetectorSpec
    history: pd.DataFrame
    held_out: pd.DataFrame
    split: PeopleSplit
    notes: tuple[str, ...]
    seed: int
    threads: int
    name: str = "tcn"
    device: str = "cpu"
    augmentation: Augmentation = field(default_factory=Augmentation)
    reference: npt.NDArray[np.float32] = field(default_factory=lambda: np.empty((0, 0), dtype=np.float32))

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
    def report(self) -> WindowReport:
        """All figures of the held-out people, with the notes of this fit: that they are simulated, for one."""
        if self.held_out.empty:
            raise ValueError(f"nobody was held out of this fit, so it has no report; {'; '.join(self.notes)}")
        report = window_report(self.held_out)
        return replace(report, notes=tuple(dict.fromkeys((*self.notes, *report.notes))))

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
        people, held = self.split, "nobody held out"
        if len(self.held_out):
            held = f"macro-F1 {self.macro_f1:.3f} on {len(people.held_out)} held-out people"
        stopped = f", stopped on {len(people.stop)}" if people.stop else ""
        trained = (
            f"{len(self.history)} epochs on {len(people.train)} {'person' if len(people.train) == 1 else 'people'}"
        )
        return "; ".join([f"Fit({self.name}, {trained}{stopped}", held, *self.notes]) + ")"


def check_names(classes: Sequence[str]) -> None:
    """Raise where classes cannot be told apart in a table, or by who reads it."""
    if taken := sorted(set(classes) & set(PREDICTION_COLUMNS)):
        raise ValueError(f"classes {taken} have the names of columns of the predictions; rename these labels")
    if alike := one_name(classes):
        raise ValueError(f"classes {alike}, and may be one; spell them alike")


def predictions(detector: Detector, chosen: Windows, *, fold: int) -> pd.DataFrame:
    """Return one row a window: where it is, what is true, what is predicted, and each class's probability.

    What is predicted is the most probable class. ``.attrs["notes"]`` are those of the windows.
    """
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
    joined = table.join(pd.DataFrame(probabilities, columns=list(classes)))
    joined.attrs["notes"] = chosen.notes
    return joined


class BoostedFit(Fit):
    """A fit of boosted trees on features: a sober number to compare with, and nothing that a watch runs."""

    def detector(self, decoder: EventDecoder | None = None) -> Detector:  # noqa: ARG002  as of any fit
        """Refuse: trees on features neither stream nor convert."""
        raise TypeError(
            "boosting is for comparison and gives no detector: its features and trees are not converted; look at "
            "fit.held_out, and train model='tcn' for what runs"
        )

    @property
    def weights_sha256(self) -> str:
        """Refuse: trees are no weights."""
        raise TypeError("boosting has trees and no weights, so they have no hash; compare fit.held_out")

    @property
    def classes_(self) -> tuple[str, ...]:
        """Classes in the order of :meth:`predict_proba`, as scikit-learn names them."""
        return self.classes

    def predict_proba(self, windows: Windows) -> npt.NDArray[np.float32]:
        """Return (n, classes) probabilities of windows."""
        return Detector(self.spec, self.model).probabilities(windows.values)
