"""wristkit: from a raw wrist recording to a checked Core ML model.

The way of the data: ``load`` a file into a ``Recording``, ``view`` it, keep labels in a ``LabelStore``; ``align`` and
``fuse`` devices; cut ``windows``, look at ``features``; ``quick_train`` with whole people left out; ``evaluate`` a
``Detector`` by false alarms an hour, see its ``failures`` in a ``gallery``; ``export`` it as a Core ML package and as
C++, and ``replay`` a device's log. Rooms behind it: ``wristkit.recipes``, ``wristkit.simulate``, ``wristkit.signals``,
``wristkit.audio``, ``wristkit.view``, ``wristkit.datasets``. Start with the notebook ``00_tour``.

Importing this package loads the standard library alone; a public name is fetched from its room when it is first used.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wristkit.condition import Conditioning as Conditioning
    from wristkit.datasets import sample as sample
    from wristkit.datasets import samples as samples
    from wristkit.detector import Cascade as Cascade
    from wristkit.detector import Detector as Detector
    from wristkit.detector import DetectorSpec as DetectorSpec
    from wristkit.detector import Policy as Policy
    from wristkit.errors import RecordingError as RecordingError
    from wristkit.evaluate import EventReport as EventReport
    from wristkit.evaluate import agreement as agreement
    from wristkit.evaluate import alarm_groups as alarm_groups
    from wristkit.evaluate import compare_events as compare_events
    from wristkit.evaluate import compare_predictions as compare_predictions
    from wristkit.evaluate import continuous_report as continuous_report
    from wristkit.evaluate import evaluate as evaluate
    from wristkit.evaluate import failures as failures
    from wristkit.evaluate import hard_negatives as hard_negatives
    from wristkit.evaluate import tune_decoder as tune_decoder
    from wristkit.evaluate import window_report as window_report
    from wristkit.events import EventDecoder as EventDecoder
    from wristkit.export import Bundle as Bundle
    from wristkit.export import export as export
    from wristkit.export import load_mlpackage as load_mlpackage
    from wristkit.export.replay import replay as replay
    from wristkit.features import FeatureExtractor as FeatureExtractor
    from wristkit.features import features as features
    from wristkit.filters import Filter as Filter
    from wristkit.fusion import fuse as fuse
    from wristkit.load import load as load
    from wristkit.recording import Recording as Recording
    from wristkit.recording import Stream as Stream
    from wristkit.recording import deidentify as deidentify
    from wristkit.signals import align as align
    from wristkit.signals import inspect as inspect
    from wristkit.store import LabelStore as LabelStore
    from wristkit.store import save as save
    from wristkit.train import Augmentation as Augmentation
    from wristkit.train import Fit as Fit
    from wristkit.train import personalise as personalise
    from wristkit.train import quick_train as quick_train
    from wristkit.train import runs as runs
    from wristkit.validate import cross_validate as cross_validate
    from wristkit.validate import robustness as robustness
    from wristkit.validate import subject_blind_warning as subject_blind_warning
    from wristkit.view import report as report
    from wristkit.view import view as view
    from wristkit.view.gallery import gallery as gallery
    from wristkit.windows import Windows as Windows
    from wristkit.windows import windows as windows

__version__ = "0.1.0"

_ROOM_OF = {
    "Augmentation": "train",
    "Bundle": "export",
    "Cascade": "detector",
    "Conditioning": "condition",
    "Detector": "detector",
    "DetectorSpec": "detector",
    "EventDecoder": "events",
    "EventReport": "evaluate",
    "FeatureExtractor": "features",
    "Filter": "filters",
    "Fit": "train",
    "LabelStore": "store",
    "Policy": "detector",
    "Recording": "recording",
    "RecordingError": "errors",
    "Stream": "recording",
    "Windows": "windows",
    "agreement": "evaluate",
    "alarm_groups": "evaluate",
    "align": "signals",
    "compare_events": "evaluate",
    "compare_predictions": "evaluate",
    "continuous_report": "evaluate",
    "cross_validate": "validate",
    "deidentify": "recording",
    "evaluate": "evaluate",
    "export": "export",
    "failures": "evaluate",
    "features": "features",
    "fuse": "fusion",
    "gallery": "view",
    "hard_negatives": "evaluate",
    "inspect": "signals",
    "load": "load",
    "load_mlpackage": "export",
    "personalise": "train",
    "quick_train": "train",
    "replay": "export",
    "report": "view",
    "robustness": "validate",
    "runs": "train",
    "sample": "datasets",
    "samples": "datasets",
    "save": "store",
    "subject_blind_warning": "validate",
    "tune_decoder": "evaluate",
    "view": "view",
    "window_report": "evaluate",
    "windows": "windows",
}

__all__ = list(_ROOM_OF)


class _Package(ModuleType):
    """A package in which ``wristkit.windows`` is the function, also after the room of that name was imported."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  whatever the room holds under this name
        if name not in _ROOM_OF:
            raise AttributeError(f"module 'wristkit' has no attribute {name!r}")
        value = getattr(importlib.import_module(f"wristkit.{_ROOM_OF[name]}"), name)
        self.__dict__[name] = value
        return value

    def __setattr__(self, name: str, value: object) -> None:
        # The import system binds each imported room to its parent; seven rooms carry the name of their function.
        if not (name in _ROOM_OF and isinstance(value, ModuleType)):
            super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *_ROOM_OF})


sys.modules[__name__].__class__ = _Package
