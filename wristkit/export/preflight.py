"""What must hold before a net is converted, and what the converted one can be expected to do: a table of named checks.

coremltools converts a net in train mode, one that branches on its data and one that overflows without a word; what it
lets through is looked at here.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import nn

from wristkit.export.forms import Interface, shape_of
from wristkit.export.incremental import why_not_incremental
from wristkit.export.mlprogram import MLPackage
from wristkit.export.packaged import Windows32, answers

if TYPE_CHECKING:
    from wristkit.detector import Detector

COLUMNS = ("check", "status", "where", "note")
FP16_LARGEST, FP16_LEAST = 65504.0, 6.104e-5
HEADROOM = 8.0  # real life is louder than what was recorded
_LONG = 8192  # samples; a strided convolution over 18,001 hung the Neural Engine's compiler (apple/coremltools #2660)
_ENGINE = "never runs on the Neural Engine"
_RECURRENT: Mapping[type[nn.Module], str] = {
    nn.GRU: f"a GRU becomes a loop of about 30 operations a step and {_ENGINE}; use 'tcn'",
    nn.RNNBase: f"a recurrent layer {_ENGINE}; use 'tcn'",
    nn.RNNCellBase: f"a recurrent layer {_ENGINE}; use 'tcn'",
}
_OFF_ENGINE: Mapping[str, str] = {
    "classify": "labels are looked up by the CPU",
    "gru": f"recurrent, {_ENGINE}",
    "lstm": f"recurrent, {_ENGINE} (apple/coremltools #1780)",
    "rnn": f"recurrent, {_ENGINE}",
    "while_loop": "a loop",
    "cond": "a branch",
    "cast": "a change of type at the edge of what it computes",
}


class Finding(NamedTuple):
    """One check: passed, a warning, or what refuses the export."""

    check: str
    status: Literal["passed", "warning", "refused"]
    where: str
    note: str


def preflight(
    detector: "Detector",
    *,
    interface: Interface = "window",
    target: str = "watchOS10",
    precision: str = "float16",
) -> pd.DataFrame:
    """Return what can be said before a conversion: ``check, status, where, note``, one row or more a check."""
    found: list[Finding] = []
    for check, faults in _checks(detector, interface, target, precision):
        found += faults or [Finding(check, "passed", "", "")]
    if not any(one.status == "refused" for one in found):
        found += _shape(detector) or [Finding("shape of the answer", "passed", "", "")]
    if interface == "streaming" and not any(one.status == "refused" for one in found):
        channels, samples, hop = shape_of(detector)
        reasons = why_not_incremental(detector.model, channels=channels, samples=samples, hop=hop)
        found += [Finding("streamable", "refused", "", one) for one in reasons] or [
            Finding("streamable", "passed", "", "each chunk gives what its window gives")
        ]
    return pd.DataFrame(found, columns=list(COLUMNS))


def reasons_against(table: pd.DataFrame) -> tuple[str, ...]:
    """Return what refuses an export, each with its layer's name."""
    refused = table[table["status"] == "refused"]
    return tuple(f"{one.where} {one.note}".strip() for one in refused.itertuples())


def _checks(detector: "Detector", interface: str, target: str, precision: str) -> Iterator[tuple[str, list[Finding]]]:
    yield "evaluation mode", list(_train_mode(detector.model))
    yield "finite weights", list(_not_finite(detector.model))
    yield "recurrent layers", list(_recurrent(detector.model))
    yield "long strided convolutions", list(_long_strides(detector, precision))
    yield "class names", list(_class_names(detector))
    yield "precision", list(_precision(interface, target, precision))


def _train_mode(model: nn.Module) -> Iterator[Finding]:
    names = [name for name, layer in model.named_modules() if layer.training]
    for name in [""] if "" in names else names:
        yield Finding("evaluation mode", "refused", name or "the model", "is in train mode; call model.eval()")


def _not_finite(model: nn.Module) -> Iterator[Finding]:
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            note = "holds numbers that are not finite; train again with finite windows"
            yield Finding("finite weights", "refused", name, note)


def _recurrent(model: nn.Module) -> Iterator[Finding]:
    for name, layer in model.named_modules():
        if why := next((why for kind, why in _RECURRENT.items() if isinstance(layer, kind)), None):
            yield Finding("recurrent layers", "refused", f"{name or 'the model'}:", why)


def _long_strides(detector: "Detector", precision: str) -> Iterator[Finding]:
    strided = [
        name
        for name, layer in detector.model.named_modules()
        if isinstance(layer, nn.Conv1d) and layer.stride[0] > 1 and detector.spec.length >= _LONG
    ]
    for name in strided:
        note = (
            f"strides over {detector.spec.length} samples: in float16 the Neural Engine's compiler has hung on such "
            "(apple/coremltools #2660); shorten the window, or export precision='float32', which it leaves alone"
        )
        yield Finding("long strided convolutions", "warning" if precision == "float32" else "refused", name, note)


def _class_names(detector: "Detector") -> Iterator[Finding]:
    if not all(detector.spec.classes):
        note = f"are {detector.spec.classes}; each needs a name that is not empty"
        yield Finding("class names", "refused", "classes", note)


def _precision(interface: str, target: str, precision: str) -> Iterator[Finding]:
    if interface == "activity_classifier" and precision == "int8":
        note = "int8 is not for an activity_classifier, which computes in float32; export precision='float32'"
        yield Finding("precision", "refused", "", note)
    elif interface == "activity_classifier" and precision == "float16":
        note = "computes in float32: coremltools cannot convert a classifier with a second output in float16"
        yield Finding("precision", "warning", "activity_classifier", note)
    if precision == "int8" and target == "watchOS8":
        yield Finding("precision", "refused", "", "int8 weights need watchOS9; export target='watchOS9' or float16")


def _shape(detector: "Detector") -> list[Finding]:
    channels, samples, _ = shape_of(detector)
    expected = (1, len(detector.spec.classes))
    try:
        with torch.no_grad():
            got = tuple(detector.model(torch.zeros(1, channels, samples)).shape)
    except RuntimeError as fault:
        note = f"the model cannot take a float32 window {(1, channels, samples)}: {str(fault).splitlines()[0]}"
        return [Finding("shape of the answer", "refused", "", note)]
    note = f"the model gives {got} for a window {(1, channels, samples)}; expected {expected}"
    return [] if got == expected else [Finding("shape of the answer", "refused", "", note)]


def ranges(package: MLPackage, values: Windows32) -> pd.DataFrame:
    """Return of each tensor how large it gets on conditioned windows (n, channels, samples).

    Columns ``tensor, operation, type, largest, of_float16, tiny``: the largest magnitude, that as a share of the
    largest float16, and the share of numbers that float16 would round coarsely or to 0.
    """
    made_by = {name: one.type for one in package.operations for name, _, _ in one.results}
    seen: dict[str, list[float]] = {}

    def observe(name: str, tensor: torch.Tensor, kind: str) -> None:
        if not kind.startswith("fp") or not tensor.numel():
            return
        size = tensor.abs()
        tiny = float(((size > 0) & (size < FP16_LEAST)).float().mean())
        # A NaN must not be lost in a comparison: it counts as infinite.
        largest = float(torch.nan_to_num(size, nan=np.inf, posinf=np.inf).max())
        before = seen.get(name, [0.0, 0.0])
        seen[name] = [max(before[0], largest), max(before[1], tiny)]

    answers(package, values, observer=observe, in_turn=False)
    kinds = {name: kind for one in package.operations for name, kind, _ in one.results}
    rows: list[tuple[Any, ...]] = [
        (name, made_by.get(name, "input"), kinds.get(name, "fp32"), largest, largest / FP16_LARGEST, tiny)
        for name, (largest, tiny) in seen.items()
    ]
    return pd.DataFrame(rows, columns=["tensor", "operation", "type", "largest", "of_float16", "tiny"])


def too_large(table: pd.DataFrame) -> frozenset[str]:
    """Return the tensors that come so near to the largest float16 that they stay in float32."""
    return frozenset(table.loc[table["of_float16"] * HEADROOM > 1, "tensor"])


def range_findings(table: pd.DataFrame, kept: frozenset[str], precision: str) -> list[Finding]:
    """Return what was found of the range of float16, and what stays in float32 for it."""
    check, largest = "float16 range", table.sort_values("largest").iloc[-1]
    told = f"{largest['tensor']} ({largest['operation']}) reaches {largest['largest']:.3g} of {FP16_LARGEST:g}"
    if precision == "float32":
        return [Finding(check, "passed", "", f"not needed in float32: {told}")]
    if not kept:
        return [Finding(check, "passed", "", told)]
    note = f"stay in float32, which float16 would not hold, or not near enough; {told}"
    return [Finding(check, "warning", ", ".join(sorted(kept)), note)]


def engine_findings(table: pd.DataFrame) -> list[Finding]:
    """Return how much of a package the Neural Engine may take, and why not the rest."""
    others = table[~table["eligible"]]
    counts = others.groupby("why").size()
    why = "; ".join(f"{count} x {name}" for name, count in counts.items())
    note = f"{int(table['eligible'].sum())} of {len(table)} operations; {why}; only a device can tell (MLComputePlan)"
    return [Finding("Neural Engine", "passed" if table["eligible"].any() else "warning", "", note)]


def neural_engine(package: MLPackage) -> pd.DataFrame:
    """Return of each operation whether the Neural Engine may take it: ``operation, result, type, eligible, why``.

    It computes in float16 alone. What its compiler really does only a device can tell (MLComputePlan).
    """
    rows = []
    for one in package.operations:
        name, kind, _ = one.results[0]
        why = _OFF_ENGINE.get(one.type, "" if kind == "fp16" else f"{kind}: it computes in float16 alone")
        rows.append((one.type, name, kind, not why, why))
    return pd.DataFrame(rows, columns=["operation", "result", "type", "eligible", "why"])
