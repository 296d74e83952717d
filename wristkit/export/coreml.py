"""From a detector's net to a Core ML package: the conversion, and the names and words that an app will see."""

import contextlib
import hashlib
import io
import json
import logging
import re
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor

import wristkit
from wristkit.detector import Detector
from wristkit.export.forms import (
    CHUNK,
    INPUT,
    INTERFACES,
    LABEL,
    LABEL_PROBABILITY,
    PROBABILITIES,
    STATE_IN,
    STATE_OUT,
    Form,
    Interface,
    form,
)
from wristkit.export.mlprogram import load_mlpackage
from wristkit.export.more_operations import OPERATIONS
from wristkit.export.narrow import Narrow
from wristkit.export.narrow_file import with_whole_numbers
from wristkit.export.package_file import coremltools

TARGETS = ("watchOS8", "watchOS9", "watchOS10", "watchOS11", "watchOS26")
PRECISIONS = ("float16", "float32", "int8")

# Offsets are removed in float32: at a pressure of 101 kPa the steps of float16 are 0.06 kPa, and raw PPG overflows it.
# So are the last sums before a decision, which cost nothing: of 12 classes float16 alone was off by 2.2e-3.
KEPT_FLOAT32 = frozenset({"sub", "mul", "reduce_mean", "linear", "matmul", "softmax"})
_TRACE_BOUND = 1e-5
_SCALES = (0.0, 0.01, 0.1, 10.0, 100.0)
_RAW = "class_probabilities"


def check_arguments(*, interface: str, target: str, precision: str) -> None:
    """Raise ValueError that lists the valid values where one is unknown: nothing is replaced by a near one."""
    for name, value, valid in (
        ("interface", interface, INTERFACES),
        ("target", target, TARGETS),
        ("precision", precision, PRECISIONS),
    ):
        if value not in valid:
            raise ValueError(f"{name} {value!r} is not known; choose one of {', '.join(valid)}")


def computed_in(interface: str, precision: str) -> str:
    """Return the precision that a package has: that asked for, but for Create ML's interface, always float32."""
    return "float32" if interface == "activity_classifier" else precision


def convert(
    detector: Detector,
    path: Path,
    *,
    target: str,
    precision: str,
    interface: Interface = "window",
    kept_float32: frozenset[str] = frozenset(),
    narrow: Narrow | None = None,
    told: Mapping[str, str] = MappingProxyType({}),
) -> Path:
    """Write the net with its softmax as a package and return its path.

    ``kept_float32`` names results that float16 could not hold; what makes and takes them stays in float32. ``narrow``
    is the same net with the whole numbers that int8 stores, all else being as in float16. ``told`` are more keys for
    the metadata.

    Raises
    ------
    ValueError
        Where the net takes another way for another input, so that one trace cannot hold it, or an operation of it is
        not known to coremltools or to the check; for int8 without whole numbers.
    """
    precision = computed_in(interface, precision)
    if precision == "int8" and (narrow is None or not narrow.layers):
        raise ValueError("int8 needs a net with whole numbers; give narrow=narrowed(model, windows, bound=...)")
    given = detector if narrow is None else Detector(detector.spec, narrow.model)
    shaped = form(given, interface)
    if precision == "int8" and narrow is not None:
        with tempfile.TemporaryDirectory() as folder:
            half = Path(folder) / "half.mlpackage"
            model = _converted(given, shaped, half, target, _selected("float16", kept_float32))
            with _quietly():
                with_whole_numbers(model, half, path, list(narrow.layers.values()))
    else:
        _converted(given, shaped, path, target, _selected(precision, kept_float32))
    _describe(path, detector, shaped, {**told, "precision": precision})
    if unknown := sorted({one.type for one in load_mlpackage(path).operations} - set(OPERATIONS)):
        raise ValueError(f"the net becomes the operations {unknown}, which no check here knows; use other layers")
    return path


def _converted(detector: Detector, shaped: Form, path: Path, target: str, precision: Any) -> Any:  # noqa: ANN401
    """Write a package and return it as coremltools holds it."""
    library = coremltools()
    alone = shaped.is_classifier and not shaped.state
    names = [_RAW if shaped.is_classifier else PROBABILITIES, *([STATE_OUT] if shaped.state else [])]
    # A classifier with a second output fails where outputs are named: it is converted without, and renamed afterwards.
    outputs = (
        [library.TensorType(name, dtype=np.float32) for name in names] if alone or not shaped.is_classifier else None
    )
    classes = library.ClassifierConfig(
        list(detector.spec.classes),
        predicted_feature_name=LABEL,
        predicted_probabilities_output=_RAW if alone else None,
    )
    with _quietly(), _slow_attention():
        trace = _traced(shaped)
        try:
            return library.convert(
                trace,
                convert_to="mlprogram",
                inputs=[library.TensorType(name, shape=size, dtype=np.float32) for name, size in shaped.inputs.items()],
                outputs=outputs,
                classifier_config=classes if shaped.is_classifier else None,
                minimum_deployment_target=library.target[target],
                compute_precision=precision,
                skip_model_load=True,
                package_dir=str(path),
            )
        except (NotImplementedError, ValueError, TypeError, RuntimeError, AssertionError, KeyError) as fault:
            raise ValueError(_why_not(fault)) from fault


def _why_not(fault: Exception) -> str:
    said = " ".join(str(fault).split())
    unknown = re.search(r"PyTorch convert function for op '([^']+)' not implemented", said)
    if unknown:
        return f"coremltools cannot convert the operation {unknown[1]!r}; use another layer in its place"
    return f"coremltools cannot convert the net ({type(fault).__name__}: {said[:300]}); use other layers"


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Keep what conversion says in logs, on stderr and in warnings: the checks around it look at that themselves."""
    logger = logging.getLogger("coremltools")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


@contextlib.contextmanager
def _slow_attention() -> Iterator[None]:
    """Switch off the way in which attention is computed faster, and which no converter knows."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(value=False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(value=before)


def _selected(precision: str, kept: frozenset[str]) -> Any:  # noqa: ANN401  coremltools carries no types
    library = coremltools()
    if precision == "float32":
        return library.precision.FLOAT32

    def is_half(operation: Any) -> bool:  # noqa: ANN401
        given = [one for value in operation.inputs.values() for one in _several(value)]
        touched = {name_in_file(one.name) for one in (*given, *operation.outputs)}
        return operation.op_type not in KEPT_FLOAT32 and not touched & kept

    return library.transform.FP16ComputePrecision(op_selector=is_half)


def name_in_file(name: str) -> str:
    """Return the name that a value has in the float32 file, of what coremltools calls it on the way there."""
    for cast in ("_cast_fp16_to_fp32", "_cast_fp16", "_to_fp16"):
        name = name.removesuffix(cast)
    plain = re.sub(r"\W", "_", name)
    return f"var_{plain}" if plain[:1].isdigit() else plain


def _several(value: Any) -> list[Any]:  # noqa: ANN401
    return list(value) if isinstance(value, list | tuple) else [value]


def _traced(shaped: Form) -> torch.jit.ScriptModule:
    """Return the trace of a net, after inputs of other sizes went the same way."""
    examples = shaped.examples
    others = [tuple(one * scale for one in examples) for scale in _SCALES]
    with torch.no_grad():
        trace: torch.jit.ScriptModule = torch.jit.trace(shaped.module, examples, check_trace=False)  # type: ignore[no-untyped-call]
        worst = max(_apart(trace(*other), shaped.module(*other)) for other in others)
    if not worst <= _TRACE_BOUND:
        raise ValueError(
            f"the model's trace is off by {worst:.2g} on another input; its forward must not branch on data"
        )
    return trace


def _apart(one: Tensor | tuple[Tensor, ...], other: Tensor | tuple[Tensor, ...]) -> float:
    """Return the largest difference in probability."""
    first, second = (given[0] if isinstance(given, tuple) else given for given in (one, other))
    return float((first - second).abs().max())


def _describe(path: Path, detector: Detector, shaped: Form, told: Mapping[str, str]) -> None:
    """Rename what the converter named, and write into the package what an app must know to feed it."""
    library = coremltools()
    file = _model_file(path)
    model = library.proto.Model_pb2.Model()
    model.ParseFromString(file.read_bytes())
    if shaped.is_classifier:
        library.utils.rename_feature(model, f"{LABEL}_probs", shaped.probabilities)
        for name in {one.name for one in model.description.output} - {LABEL, shaped.probabilities}:
            library.utils.rename_feature(model, name, STATE_OUT)
    spec = detector.spec
    description = model.description
    description.metadata.shortDescription = (
        f"{', '.join(spec.classes)} from {spec.length} samples at {spec.conditioning.rate_hz:g} Hz. "
        "Checked off-Mac by an independent reading of this file; not run on Apple hardware."
    )
    description.metadata.versionString = wristkit.__version__
    description.metadata.userDefined.update({**metadata(detector, shaped), **told})
    for feature in (*description.input, *description.output):
        feature.shortDescription = _told(feature.name, detector, shaped)
    description.metadata.userDefined["program_sha256"] = _hashed(model, path)
    file.write_bytes(model.SerializeToString(deterministic=True))


def _told(name: str, detector: Detector, shaped: Form) -> str:
    channels = ", ".join(detector.spec.conditioning.channels)
    texts = {
        INPUT: f"Conditioned samples (1, channels, samples), oldest first: {channels}",
        CHUNK: f"The newest {shaped.chunk} conditioned samples (1, channels, samples), oldest first: {channels}",
        STATE_IN: "Zeros at the start and after a gap, then stateOut of the call before",
        STATE_OUT: "stateIn of the next call",
        PROBABILITIES: "Probability of each class"
        + ("" if shaped.is_classifier else f": {', '.join(detector.spec.classes)}"),
        LABEL_PROBABILITY: "Probability of each class",
        LABEL: "Most probable class",
    }
    return texts.get(name) or f"The newest {shaped.chunk} conditioned samples of {name}, oldest first"


def metadata(detector: Detector, shaped: Form) -> dict[str, str]:
    """Return the package's own keys; lists and objects are JSON."""
    spec = detector.spec
    conditioning = spec.conditioning
    return {
        "wristkit_version": wristkit.__version__,
        "interface": shaped.interface,
        "classes": json.dumps(spec.classes),
        "channels": json.dumps(conditioning.channels),
        "units": json.dumps(units(detector)),
        "frame": conditioning.frame.kind,
        "rate_hz": repr(conditioning.rate_hz),
        "length": str(spec.length),
        "hop": str(spec.hop),
        "prediction_window": str(shaped.chunk),
        "warm_up_predictions": str(shaped.warm_up),
        "first_samples": str(shaped.first_samples),
        "state_size": str(shaped.state),
        "background": json.dumps(spec.background),
        "conditioning": conditioning.to_json(),
        "preprocessing_sha256": preprocessing_sha256(detector),
        "decoder": json.dumps(spec.decoder.to_dict(), sort_keys=True),
        "max_wait_s": json.dumps(spec.max_wait_s),
        "spec_sha256": spec.sha256,
    }


def units(detector: Detector) -> Mapping[str, str]:
    """Return the unit of each channel before it is conditioned."""
    return {name: source.unit for source in detector.spec.conditioning.sources for name in source.channel_names}


def preprocessing_sha256(detector: Detector) -> str:
    """Return the hash of all that happens to samples before the net."""
    return hashlib.sha256(detector.spec.conditioning.to_json().encode()).hexdigest()


def program_sha256(path: Path) -> str:
    """Return the hash of a package's program and weights; its description, which holds a date, does not count."""
    model = coremltools().proto.Model_pb2.Model()
    model.ParseFromString(_model_file(path).read_bytes())
    return _hashed(model, path)


def _hashed(model: Any, path: Path) -> str:  # noqa: ANN401
    digest = hashlib.sha256(model.mlProgram.SerializeToString(deterministic=True))
    for file in sorted((_model_file(path).parent / "weights").glob("*")):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _model_file(path: Path) -> Path:
    return path / "Data" / "com.apple.CoreML" / "model.mlmodel"


def versions() -> str:
    """Return in one line what a package was made with, and what of it Apple has tested."""
    from importlib.metadata import version

    made = ", ".join(f"{name} {version(name)}" for name in ("coremltools", "torch", "numpy"))
    return f"{made}; coremltools 9.0 names torch 2.7 as the newest it was tested with, so each package is checked here"
