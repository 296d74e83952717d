"""A third opinion where ONNX Runtime is installed: the net by way of ONNX, one thread."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from wristkit.detector import Detector
from wristkit.export.parity import EXACT_BOUND, Row, Trial, at_most, not_run, worst

_CHECK = "ONNX Runtime, probabilities"


def onnx_row(detector: Detector, trial: Trial, probabilities: npt.NDArray[np.float64]) -> Row:
    """Return how far ONNX Runtime is from torch on the windows of a trial."""
    session = onnx_session(detector)
    if isinstance(session, str):
        return not_run(_CHECK, session)
    logits = np.concatenate([session.run(None, {"window": one[None]})[0] for one in trial.values])
    odds = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return at_most(_CHECK, worst(odds / odds.sum(axis=1, keepdims=True), probabilities), EXACT_BOUND, trial.source)


def onnx_session(detector: Detector) -> Any:  # noqa: ANN401  a session, or in words why there is none
    """Return a session that runs a detector's net; where none can be had, why."""
    import torch

    try:
        import onnxruntime  # type: ignore[import-untyped]
    except ImportError:
        return "onnxruntime is not installed"
    file = io.BytesIO()
    window = torch.zeros(1, len(detector.spec.conditioning.channels), detector.spec.length)
    try:
        with _quietly(), _without_its_own_functions():
            torch.onnx.export(detector.model, (window,), file, input_names=["window"], dynamo=False)  # type: ignore[arg-type]
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = options.inter_op_num_threads = 1
            return onnxruntime.InferenceSession(file.getvalue(), options, providers=["CPUExecutionProvider"])
    except Exception as fault:  # noqa: BLE001  what a net can meet there has no common kind
        return f"the net has no ONNX form ({type(fault).__name__}: {(str(fault) or '-').splitlines()[0][:200]})"


@contextlib.contextmanager
def _without_its_own_functions() -> Iterator[None]:
    """Leave out what torch adds with the package onnx, functions that are none of ONNX's: here are none."""
    from torch.onnx._internal.torchscript_exporter import onnx_proto_utils as added

    before = added._add_onnxscript_fn
    added._add_onnxscript_fn = lambda model_bytes, custom_opsets: model_bytes  # noqa: ARG005
    try:
        yield
    finally:
        added._add_onnxscript_fn = before


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
