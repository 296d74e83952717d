"""What a detector costs: operations and bytes by layer and by hour, latency on this host, and a floor of energy.

Counts are exact; latency is of the machine that measured it. No figure of energy for a watch has been published, so
there is none here: only what the arithmetic alone would take at published constants, labelled as a floor.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd

from wristkit.detector import Cascade, Detector, Trace, one_thread
from wristkit.models import summary

LAYER_COLUMNS = ("layer", "kind", "output", "macs", "macs_streaming", "weight_bytes", "activation_bytes", "state_bytes")
_FLOAT_BYTES = 4
_TIMED, _BEFORE = 200, 20
_WALKING = ("Conv1d", "MaxPool1d", "AvgPool1d")


@dataclass(frozen=True, kw_only=True)
class Energy:
    """Published constants of the energy floor, in picojoules, yours to change.

    The defaults are float32 in 45 nm (Horowitz 2014, by PMC8934428, table 3). Memory, wake-up and sensors are left out
    and dominate: a ratio of two floors says more than either.
    """

    multiply_pj: float = 3.7
    add_pj: float = 0.9
    weight_byte_pj: float = 0.0

    def floor_uj(self, macs: float, *, weight_bytes: float = 0.0) -> float:
        """Return the least microjoules that so many multiply-accumulates take."""
        return (macs * (self.multiply_pj + self.add_pj) + weight_bytes * self.weight_byte_pj) * 1e-6


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Counts for one detector and its package.

    ``macs`` are multiply-accumulates of convolutions and linear layers. The hourly figure recomputes every window, as a
    package with the window interface does; ``macs_per_hour_streaming`` takes the newest samples alone, as the streaming
    interface and C++ do, and is None where the net cannot stream. ``duty_cycle`` is the share of time that it is on,
    which both hourly figures have in them. Energies are floors; see :class:`Energy`.
    """

    parameters: int
    macs_per_window: int
    decisions_per_s: float
    duty_cycle: float
    macs_per_hour: int
    macs_per_hour_streaming: int | None
    weight_bytes: int
    package_bytes: int
    activation_bytes: int
    state_bytes: int
    code_bytes: int | None
    energy_floor_uj_per_window: float
    energy_floor_uw: float
    energy_floor_uw_streaming: float | None
    layers: pd.DataFrame = field(repr=False, compare=False)

    @property
    def numbers(self) -> dict[str, Any]:
        """All but the layers, by name."""
        return {name: value for name, value in vars(self).items() if name != "layers"}


def cost(
    detector: Detector,
    mlpackage: Path,
    *,
    duty_cycle: float = 1.0,
    code_bytes: int | None = None,
    energy: Energy | None = None,
) -> Cost:
    """Return the cost of running a detector from a package.

    Parameters
    ----------
    duty_cycle
        Share of the time for which it is on; of a cascade's confirmer that of its trace.
    code_bytes
        Of the compiled C++ core, if one was compiled.
    energy
        Constants of the floor.
    """
    if not 0 <= duty_cycle <= 1:
        raise ValueError(f"duty_cycle is {duty_cycle}, expected a share from 0 to 1")
    energy = Energy() if energy is None else energy
    spec, net = detector.spec, summary(detector.model, samples=detector.spec.length)
    table = layers(detector)
    per_s = spec.conditioning.rate_hz / spec.hop
    newest = int(table["macs_streaming"].sum()) if net.streamable else None
    uw = energy.floor_uj(net.macs * per_s * duty_cycle)
    return Cost(
        parameters=net.parameters,
        macs_per_window=net.macs,
        decisions_per_s=per_s,
        duty_cycle=duty_cycle,
        macs_per_hour=math.ceil(net.macs * per_s * duty_cycle * 3600),
        macs_per_hour_streaming=None if newest is None else math.ceil(newest * per_s * duty_cycle * 3600),
        weight_bytes=bytes_under(mlpackage / "Data" / "com.apple.CoreML" / "weights"),
        package_bytes=bytes_under(mlpackage),
        activation_bytes=_two_largest(table["activation_bytes"]),
        state_bytes=net.state * _FLOAT_BYTES,
        code_bytes=code_bytes,
        energy_floor_uj_per_window=energy.floor_uj(net.macs),
        energy_floor_uw=uw,
        energy_floor_uw_streaming=None if newest is None else energy.floor_uj(newest * per_s * duty_cycle),
        layers=table,
    )


def _two_largest(sizes: pd.Series) -> int:
    """Return the bytes of the two largest outputs: what a layer by layer run holds at once, at most."""
    return int(sizes.nlargest(2).sum())


def layers(detector: Detector) -> pd.DataFrame:
    """Return what each layer of a net costs, in the order in which a window passes them.

    ``macs_streaming`` is of one hop: what is along time is only computed for new steps. ``state_bytes`` are the inputs
    that a layer will look at again; the steps that a mean over time holds stand in a row of their own.
    """
    import torch

    counter = _Counter(samples=detector.spec.length, hop=detector.spec.hop)
    leaves = [(name, one) for name, one in detector.model.named_modules() if not list(one.children())]
    handles = [one.register_forward_hook(partial(counter.see, name)) for name, one in leaves]
    try:
        with torch.no_grad():
            detector.model(torch.zeros(1, len(detector.spec.conditioning.channels), detector.spec.length))
    finally:
        for handle in handles:
            handle.remove()
    table = pd.DataFrame(counter.rows, columns=list(LAYER_COLUMNS))
    held = summary(detector.model, samples=detector.spec.length).state * _FLOAT_BYTES - int(table["state_bytes"].sum())
    if held > 0:
        rest = pd.DataFrame([("mean over time", "Mean", "", 0, 0, 0, 0, held)], columns=list(LAYER_COLUMNS))
        return pd.concat([table, rest], ignore_index=True)
    return table


class _Counter:
    """Rows of layers as a window passes them; whoever sees a whole window again begins another branch."""

    def __init__(self, *, samples: int, hop: int) -> None:
        self.rows: list[tuple[Any, ...]] = []
        self._samples, self._hop, self._stride = samples, hop, 1

    def see(self, name: str, layer: Any, given: tuple[Any, ...], made: Any) -> None:  # noqa: ANN401  as torch calls it
        """Note one layer."""
        x = given[0]
        if x.ndim == 3 and x.shape[-1] == self._samples:
            self._stride = 1
        state = 0
        if type(layer).__name__ in _WALKING:
            kernel, stride, dilation = (_one(getattr(layer, key, 1)) for key in ("kernel_size", "stride", "dilation"))
            state = x.shape[1] * max(0, dilation * (kernel - 1) + 1 - stride) * _FLOAT_BYTES
            self._stride *= stride
        macs = _macs(layer, made)
        steps = made.shape[-1] if made.ndim == 3 else 1
        newest = macs // steps * min(steps, max(1, self._hop // self._stride)) if made.ndim == 3 else macs
        weights = sum(one.numel() for one in layer.parameters(recurse=False))
        shape = " x ".join(map(str, made.shape[1:]))
        sizes = (weights * _FLOAT_BYTES, made.numel() * _FLOAT_BYTES, state)
        self.rows.append((name, type(layer).__name__, shape, macs, newest, *sizes))


def _macs(layer: Any, made: Any) -> int:  # noqa: ANN401
    kind = type(layer).__name__
    if kind == "Linear":
        return int(made.numel() * layer.in_features)
    return int(made.numel() * layer.in_channels // layer.groups * layer.kernel_size[0]) if kind == "Conv1d" else 0


def _one(size: Any) -> int:  # noqa: ANN401  torch holds a number or a tuple of one
    return int(size[0]) if isinstance(size, tuple) else int(size)


def cascade_costs(cascade: Cascade, packages: Mapping[str, Path], traces: Sequence[Trace]) -> dict[str, Cost]:
    """Return the cost of each stage: the gate is always on, the confirmer for the share that it was in the traces.

    Without traces the confirmer counts as always on, which is the most that it can cost.
    """
    recorded_s = sum(one.recorded_s for one in traces)
    duty = sum(one.on_s for one in traces) / recorded_s if recorded_s else 1.0
    shares = {"gate": 1.0, "confirm": min(1.0, duty)}
    stages = {"gate": cascade.gate, "confirm": cascade.confirm}
    return {name: cost(stages[name], packages[name], duty_cycle=share) for name, share in shares.items()}


def total(costs: Mapping[str, Cost]) -> Cost:
    """Return what several stages cost together; counts of one window and of one second are summed as they stand."""
    if len(costs) == 1:
        return next(iter(costs.values()))
    parts = list(costs.values())
    named = [
        one.layers.assign(layer=[f"{stage}.{name}" for name in one.layers["layer"]]) for stage, one in costs.items()
    ]
    sums: dict[str, Any] = {
        name: None if any(one.numbers[name] is None for one in parts) else sum(one.numbers[name] for one in parts)
        for name in parts[0].numbers
    }
    sums["duty_cycle"] = max(one.duty_cycle for one in parts)
    return Cost(**sums, layers=pd.concat(named, ignore_index=True))


def latency(detector: Detector, *, runs: int = _TIMED) -> pd.DataFrame:
    """Return how long one window takes on this machine: ``runtime, p50_us, p99_us, worst_us, runs``; one thread."""
    import torch

    from wristkit.export.onnx import onnx_session

    window = np.zeros((1, len(detector.spec.conditioning.channels), detector.spec.length), dtype=np.float32)
    asked: dict[str, Any] = {"torch": lambda: detector.model(torch.from_numpy(window))}
    session = onnx_session(detector)
    if not isinstance(session, str):
        asked["ONNX Runtime"] = lambda: session.run(None, {"window": window})
    rows = []
    with one_thread(), torch.inference_mode():
        for name, ask in asked.items():
            took = np.array([_timed(ask) for _ in range(_BEFORE + runs)][_BEFORE:]) * 1e6
            rows.append((name, *np.quantile(took, (0.5, 0.99)).tolist(), float(took.max()), runs))
    return pd.DataFrame(rows, columns=["runtime", "p50_us", "p99_us", "worst_us", "runs"])


def _timed(ask: Callable[[], object]) -> float:
    start_s = perf_counter()
    ask()
    return perf_counter() - start_s


def bytes_under(folder: Path) -> int:
    """Return the bytes of all files under a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
