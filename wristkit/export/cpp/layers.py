"""What a net's graph is made of: the values between its nodes, and the numbers of its layers in float64."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
from torch import Tensor, fx, nn

from wristkit.export.cpp.text import single
from wristkit.models import Net, Normalise

Double = npt.NDArray[np.float64]
ACTIVATIONS: Mapping[type[nn.Module], str] = MappingProxyType(
    {
        nn.ReLU: "relu",
        nn.ReLU6: "relu6",
        nn.Sigmoid: "sigmoid",
        nn.Tanh: "tanh_of",
        nn.SiLU: "silu",
        nn.Hardswish: "hard_swish",
        nn.Hardsigmoid: "hard_sigmoid",
        nn.Softplus: "softplus",
        nn.GELU: "gelu",
        nn.ELU: "elu",
        nn.LeakyReLU: "leaky",
    }
)


class NotWritableError(ValueError):
    """A layer or a function that no C++ is written for, by name."""


@dataclass(frozen=True)
class Value:
    """What a node gives: ``steps`` columns of ``width`` channels, or one vector where ``steps`` is 0.

    ``ready`` is the flag that says whether a column is complete; empty text where one always is. Two values are in step
    where ``pace``, samples of the window that a column needs and samples from one to the next, is the same.
    """

    name: str
    width: int
    steps: int
    ready: str = ""
    pace: tuple[int, int] = (1, 1)


class Embedding(nn.Module):
    """The part of a net before its head."""

    def __init__(self, net: Net) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        """Return embeddings (n, width)."""
        return self.net.embed(x)


class _Tracer(fx.Tracer):
    """Keeps the normaliser whole."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, Normalise) or super().is_leaf_module(m, module_qualified_name)


def traced_graph(module: nn.Module, net: nn.Module) -> fx.GraphModule:
    """Return the graph of a module, by the name of the net that it is of."""
    try:
        return fx.GraphModule(module, _Tracer().trace(module))
    except Exception as fault:
        told = (str(fault) or "-").splitlines()[0]
        raise NotWritableError(
            f"{type(net).__name__} cannot be read as a graph: {type(fault).__name__}: {told}"
        ) from fault


def attribute(root: nn.Module, target: str) -> Tensor:
    """Return a constant that a graph names."""
    *path, last = target.split(".")
    value = getattr(root.get_submodule(".".join(path)), last)
    if not isinstance(value, Tensor):
        raise NotWritableError(f"{target} is a {type(value).__name__}, expected a tensor")
    return value.detach()


def line_of(how: str, other: float | Tensor, given: Value, *, is_first: bool, node: fx.Node) -> tuple[Double, Double]:
    """Return factor and offset of each channel of arithmetic with a constant."""
    number = np.asarray(other.numpy() if isinstance(other, Tensor) else other, dtype=np.float64)
    number = number[..., 0] if given.steps and number.ndim and number.shape[-1] == 1 else number
    if number.ndim and (given.steps == 0 or number.ndim > 1) and number.shape not in ((given.width,), (1, given.width)):
        raise NotWritableError(f"{node.name}: {how} with {number.shape}, expected a number or one for each channel")
    each = np.broadcast_to(number.ravel() if number.ndim else number, (given.width,)).astype(np.float64)
    one, nothing = np.ones(given.width), np.zeros(given.width)
    if how in {"truediv", "div"} and not is_first:
        raise NotWritableError(f"{node.name}: no C++ is written for a constant divided by what the net gives")
    lines = {
        "add": (one, each),
        "iadd": (one, each),
        "sub": (one, -each) if is_first else (-one, each),
        "mul": (each, nothing),
    }
    return lines[how] if how in lines else (1 / each, nothing)


def activation(layer: nn.Module) -> str:
    """Return the C++ function of an activation."""
    name = ACTIVATIONS[type(layer)]
    if isinstance(layer, nn.GELU) and layer.approximate == "tanh":
        return "gelu_by_tanh"
    if isinstance(layer, nn.LeakyReLU):
        return f"[](float x) {{ return x > 0.0F ? x : {single(layer.negative_slope)} * x; }}"
    if isinstance(layer, nn.ELU) and layer.alpha != 1:
        raise NotWritableError(f"ELU with alpha {layer.alpha}, expected 1")
    if isinstance(layer, nn.Softplus) and (layer.beta, layer.threshold) != (1, 20):
        raise NotWritableError(f"Softplus with beta {layer.beta} and threshold {layer.threshold}, expected 1 and 20")
    return name


def of_norm(layer: nn.Module) -> tuple[Double, Double]:
    """Return factor and offset of each channel of a BatchNorm, in float64."""
    state = {key: value.detach().double().numpy() for key, value in layer.state_dict().items()}
    spread = np.sqrt(state["running_var"] + float(getattr(layer, "eps", 0.0)))
    factors = np.asarray(state.get("weight", 1.0) / spread)
    return factors, np.asarray(state.get("bias", 0.0) - state["running_mean"] * factors)


def bias_of(layer: nn.Conv1d | nn.Linear) -> Double:
    """Return the bias of a layer, zeros where it has none."""
    if layer.bias is None:
        return np.zeros(layer.weight.shape[0])
    return np.asarray(layer.bias.detach().double().numpy())


def ungrouped(weight: Double, groups: int) -> Double:
    """Return (outputs, inputs, kernel) of a grouped convolution, with zeros between the groups."""
    outputs, inputs, kernel = weight.shape
    whole = np.zeros((outputs, inputs * groups, kernel))
    each = outputs // groups
    for group in range(groups):
        rows = slice(group * each, (group + 1) * each)
        whole[rows, group * inputs : (group + 1) * inputs] = weight[rows]
    return whole
