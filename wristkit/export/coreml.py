"""From a detector's net to a Core ML package: what must hold before, the conversion, and the names an app will see."""

import contextlib
import hashlib
import io
import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

import wristkit
from wristkit.export.mlprogram import coremltools

if TYPE_CHECKING:
    from wristkit.detector import Detector

INTERFACES = ("window",)
TARGETS = ("watchOS8", "watchOS9", "watchOS10", "watchOS11", "watchOS26")
PRECISIONS = ("float16", "float32")
INPUT, PROBABILITIES, LABEL = "window", "probabilities", "label"

# Offsets are removed in float32: at a pressure of 101 kPa the steps of float16 are 0.06 kPa, and raw PPG overflows it.
_KEPT_FLOAT32 = frozenset({"sub", "mul"})
_TRACE_BOUND = 1e-5

_RECURRENT: Mapping[type[nn.Module], str] = {
    nn.GRU: "a GRU becomes a loop of about 30 operations a step and never runs on the Neural Engine",
    nn.RNNBase: "a recurrent layer never runs on the Neural Engine, and the off-Mac check does not know it",
    nn.RNNCellBase: "a recurrent layer never runs on the Neural Engine, and the off-Mac check does not know it",
}


def check_arguments(*, interface: str, target: str, precision: str) -> None:
    """Raise ValueError that lists the valid values where one is unknown: nothing is replaced by a near one."""
    for name, value, valid in (
        ("interface", interface, INTERFACES),
        ("target", target, TARGETS),
        ("precision", precision, PRECISIONS),
    ):
        if value not in valid:
            raise ValueError(f"{name} {value!r} is not known; choose one of {', '.join(valid)}")


def why_not_exportable(detector: "Detector") -> tuple[str, ...]:
    """Return what coremltools would let through and a watch would suffer from, each with its layer's name."""
    model = detector.model
    reasons = [f"{name or 'the model'} is in train mode; call model.eval()" for name in _in_train_mode(model)]
    reasons += [
        f"{name} holds numbers that are not finite; train again with finite windows"
        for name, tensor in model.state_dict().items()
        if tensor.is_floating_point() and not torch.isfinite(tensor).all()
    ]
    reasons += [
        f"{name or 'the model'}: {next(why for kind, why in _RECURRENT.items() if isinstance(layer, kind))}; use 'tcn'"
        for name, layer in model.named_modules()
        if isinstance(layer, tuple(_RECURRENT))
    ]
    if not all(detector.spec.classes):
        reasons.append(f"classes are {detector.spec.classes}; each needs a name that is not empty")
    return tuple(reasons) or _why_shape_is_wrong(detector)


def _in_train_mode(model: nn.Module) -> list[str]:
    """Return the outermost layers in train mode."""
    names = [name for name, layer in model.named_modules() if layer.training]
    return [""] if "" in names else names


def _why_shape_is_wrong(detector: "Detector") -> tuple[str, ...]:
    shape = window_shape(detector)
    with torch.no_grad():
        got = tuple(detector.model(torch.zeros(shape)).shape)
    expected = (1, len(detector.spec.classes))
    return () if got == expected else (f"the model gives {got} for a window {shape}; expected {expected}",)


def window_shape(detector: "Detector") -> tuple[int, int, int]:
    """Return (1, channels, samples), the input of one prediction."""
    return 1, len(detector.spec.conditioning.channels), detector.spec.length


class _WithSoftmax(nn.Module):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, window: Tensor) -> Tensor:
        return torch.softmax(self.model(window), dim=-1)


def convert(detector: "Detector", path: Path, *, target: str, precision: str) -> Path:
    """Write the net with its softmax as a classifier package and return its path.

    Raises
    ------
    ValueError
        Where the net takes another way for another input, so that one trace cannot hold it.
    """
    library = coremltools()
    shape = window_shape(detector)
    # Conversion says on stderr and in warnings what the checks around it look at themselves.
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        library.convert(
            _traced(detector.model, shape),
            convert_to="mlprogram",
            inputs=[library.TensorType(INPUT, shape=shape, dtype=np.float32)],
            outputs=[library.TensorType(_RAW_PROBABILITIES, dtype=np.float32)],
            classifier_config=library.ClassifierConfig(
                list(detector.spec.classes),
                predicted_feature_name=LABEL,
                predicted_probabilities_output=_RAW_PROBABILITIES,
            ),
            minimum_deployment_target=library.target[target],
            compute_precision=_compute_precision(library, precision),
            skip_model_load=True,
            package_dir=str(path),
        )
    _describe(path, detector)
    return path


_RAW_PROBABILITIES = "class_probabilities"


def _compute_precision(library: Any, precision: str) -> Any:  # noqa: ANN401  coremltools carries no types
    if precision == "float32":
        return library.precision.FLOAT32
    return library.transform.FP16ComputePrecision(op_selector=lambda operation: operation.op_type not in _KEPT_FLOAT32)


def _traced(model: nn.Module, shape: tuple[int, int, int]) -> torch.jit.ScriptModule:
    """Return the trace of the model with softmax, after a second and third input went the same way."""
    whole = _WithSoftmax(model).eval()
    random = torch.Generator().manual_seed(0)
    example, *others = (torch.randn(shape, generator=random) * scale for scale in (1.0, 0.1, 10.0))
    with torch.no_grad():
        trace: torch.jit.ScriptModule = torch.jit.trace(whole, example, check_trace=False)  # type: ignore[no-untyped-call]
        worst = max(float((trace(other) - whole(other)).abs().max()) for other in others)
    if not worst <= _TRACE_BOUND:
        raise ValueError(
            f"the model's trace is off by {worst:.2g} on another input; its forward must not branch on data"
        )
    return trace


def _describe(path: Path, detector: "Detector") -> None:
    """Rename what the converter named, and write into the package what an app must know to feed it."""
    library = coremltools()
    file = path / "Data" / "com.apple.CoreML" / "model.mlmodel"
    model = library.proto.Model_pb2.Model()
    model.ParseFromString(file.read_bytes())
    library.utils.rename_feature(model, f"{LABEL}_probs", PROBABILITIES)
    spec = detector.spec
    description = model.description
    description.metadata.shortDescription = (
        f"{', '.join(spec.classes)} from {spec.length} samples at {spec.conditioning.rate_hz:g} Hz. "
        "Checked off-Mac by an independent reading of this file; not run on Apple hardware."
    )
    description.metadata.versionString = wristkit.__version__
    description.metadata.userDefined.update(metadata(detector))
    texts = {
        INPUT: f"Conditioned samples (1, channels, samples), oldest first: {', '.join(spec.conditioning.channels)}",
        PROBABILITIES: "Probability of each class",
        LABEL: "Most probable class",
    }
    for feature in (*description.input, *description.output):
        feature.shortDescription = texts[feature.name]
    file.write_bytes(model.SerializeToString(deterministic=True))


def metadata(detector: "Detector") -> dict[str, str]:
    """Return the package's own keys; lists and objects are JSON."""
    spec = detector.spec
    conditioning = spec.conditioning
    units = {name: source.unit for source in conditioning.sources for name in source.channel_names}
    return {
        "wristkit_version": wristkit.__version__,
        "classes": json.dumps(spec.classes),
        "channels": json.dumps(conditioning.channels),
        "units": json.dumps(units),
        "frame": conditioning.frame.kind,
        "rate_hz": repr(conditioning.rate_hz),
        "length": str(spec.length),
        "hop": str(spec.hop),
        "background": json.dumps(spec.background),
        "conditioning": conditioning.to_json(),
        "decoder": json.dumps(spec.decoder.to_dict(), sort_keys=True),
        "spec_sha256": spec.sha256,
    }


def program_sha256(path: Path) -> str:
    """Return the hash of a package's program and weights; its description, which holds a date, does not count."""
    folder = path / "Data" / "com.apple.CoreML"
    model = coremltools().proto.Model_pb2.Model()
    model.ParseFromString((folder / "model.mlmodel").read_bytes())
    digest = hashlib.sha256(model.mlProgram.SerializeToString(deterministic=True))
    for file in sorted((folder / "weights").glob("*")):
        digest.update(file.read_bytes())
    return digest.hexdigest()
