"""A net as C++: its graph is read layer by layer, each becoming one that goes on from column to column."""

import re
from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, fx, nn

from wristkit.export.cpp.layers import (
    ACTIVATIONS,
    Double,
    Embedding,
    NotWritableError,
    Value,
    activation,
    attribute,
    bias_of,
    line_of,
    of_norm,
    traced_graph,
    ungrouped,
)
from wristkit.export.cpp.text import constant, indented, single, struct
from wristkit.export.narrow import Whole
from wristkit.models import Added, Normalise, why_not_streamable
from wristkit.models.added import QUIET

_NOTHING_WHOLE: Mapping[nn.Module, Whole] = MappingProxyType({})
_FUNCTIONS: Mapping[str, str] = MappingProxyType(
    {
        "relu": "relu",
        "relu_": "relu",
        "relu6": "relu6",
        "sigmoid": "sigmoid",
        "tanh": "tanh_of",
        "silu": "silu",
        "hardswish": "hard_swish",
        "hardsigmoid": "hard_sigmoid",
    }
)
_WITH_DEFAULTS: Mapping[str, type[nn.Module]] = MappingProxyType(
    {"gelu": nn.GELU, "elu": nn.ELU, "softplus": nn.Softplus}
)
_SAME = (nn.Identity, nn.Dropout, nn.Dropout1d)
_REDUCED: Mapping[str, str] = MappingProxyType({"mean": "mean", "amax": "most", "flatten": "all", "squeeze": "last"})


class NetText(NamedTuple):
    """A net's text: its layers' constants, and the class ``Net``."""

    layers: str
    net: str


def why_not_writable(model: nn.Module, *, channels: int, samples: int) -> tuple[str, ...]:
    """Return the reasons why a net cannot be written as C++ that streams; none means it can."""
    if reasons := why_not_streamable(model, samples):
        return reasons
    held = [(name, one) for name, one in model.state_dict().items() if one.is_floating_point()]
    if wild := [name for name, one in held if not torch.isfinite(one).all()]:
        return tuple(f"{name} holds numbers that are not finite; train it anew" for name in wild)
    try:
        write_net(model, channels=channels, samples=samples)
    except NotWritableError as fault:
        return (str(fault),)
    return ()


def write_net(
    model: nn.Module, *, channels: int, samples: int, whole: Mapping[nn.Module, Whole] = _NOTHING_WHOLE
) -> NetText:
    """Return a net in evaluation mode as C++; ``whole`` are the layers of it that have whole numbers for weights.

    Raises
    ------
    NotWritableError
        For a layer or function that is not known here, by its name in the net.
    """
    writer = _Writer(channels, samples, whole)
    with torch.no_grad():
        logits = writer.added(model) if isinstance(model, Added) else writer.graph(model, model)
    return writer.text(logits)


class _Writer:
    """The text of a net while its nodes are passed in order."""

    def __init__(self, channels: int, samples: int, whole: Mapping[nn.Module, Whole]) -> None:
        self._channels, self._samples, self._whole = channels, samples, whole
        self._layers: list[str] = []
        self._members: list[str] = []
        self._push: list[str] = []
        self._logits: list[str] = []
        self._values: dict[fx.Node, Value | Tensor] = {}
        self._root: nn.Module = nn.Identity()

    def text(self, logits: Value) -> NetText:
        members = indented([*(f"{one};" for one in self._members)])
        resets = indented([f"{one.split()[-1]}.reset();" for one in self._members], by=4)
        return NetText(
            "\n".join(self._layers),
            _NET.format(
                channels=self._channels,
                classes=logits.width,
                reset=resets,
                push=indented(_without_unused_flags(self._push), by=4),
                logits=indented([*self._logits, f"each({logits.name}, logits, [](float x) {{ return x; }});"], by=4),
                members=members,
            ),
        )

    def added(self, model: Added) -> Value:
        """Return the logits of a net with classes that were added to it, one after the other."""
        outer = [model]
        while isinstance(outer[-1].base, Added):
            outer.append(outer[-1].base)
        base = outer[-1].base
        embedded = self.graph(Embedding(base), base)
        logits = self._dense("head", base.head, embedded)
        for number, one in enumerate(reversed(outer)):
            name, nothing = f"added_{number}", 1 / (1 + np.exp(-QUIET))
            direction = one.direction.weight.detach().double().T.numpy()
            self._weighted(name, direction, one.direction.bias)
            more = struct(
                f"{_layer(name)}_share : {_layer(name)}",
                [
                    f"static constexpr int kFirst = {one.donors.start};",
                    f"static constexpr int kStop = {one.donors.stop};",
                    f"static constexpr float kNothing = {single(nothing)};",
                    f"static constexpr float kStretch = {single(1 / (1 - nothing))};",
                ],
            )
            self._layers.append(more)
            result = Value(f"of_{name}", logits.width + 1, 0)
            self._logits += [
                f"float {result.name}[{result.width}];",
                f"add_class<{_layer(name)}_share>({embedded.name}, {logits.name}, {result.name});",
            ]
            logits = result
        return logits

    def graph(self, module: nn.Module, net: nn.Module) -> Value:
        """Return what a module gives, all its nodes written."""
        traced = traced_graph(module, net)
        self._root = traced
        self._shapes(traced)
        for node in traced.graph.nodes:
            if node.op == "output":
                return self._vector(node.args[0], node)
            if node not in self._values:
                self._values[node] = self._node(node)
        raise NotWritableError(f"{type(net).__name__} gives nothing")

    def _shapes(self, traced: fx.GraphModule) -> None:
        from torch.fx.passes.shape_prop import ShapeProp

        ShapeProp(traced).propagate(torch.zeros(1, self._channels, self._samples))

    def _node(self, node: fx.Node) -> Value | Tensor:
        match node.op:
            case "placeholder":
                return Value("column", self._channels, self._samples)
            case "get_attr":
                return attribute(self._root, str(node.target))
            case "call_module":
                return self._module(node, self._root.get_submodule(str(node.target)))
        name = str(node.target) if isinstance(node.target, str) else str(getattr(node.target, "__name__", node.target))
        return self._function(node, name)

    # ---- modules ----

    def _module(self, node: fx.Node, layer: nn.Module) -> Value:
        name = _name(node)
        if isinstance(layer, nn.Flatten) and layer.start_dim == 1:
            return self._reduced(node, name, "all")
        if isinstance(layer, nn.Linear):
            return self._dense(name, layer, self._vector(node.args[0], node))
        if isinstance(layer, nn.Conv1d):
            return self._convolution(node, name, layer)
        if isinstance(layer, nn.MaxPool1d | nn.AvgPool1d):
            return self._pool(node, name, layer)
        return self._of_each(node, name, layer)

    def _of_each(self, node: fx.Node, name: str, layer: nn.Module) -> Value:
        """Return what a layer makes of each channel by itself."""
        given = self._given(node.args[0], node)
        if isinstance(layer, _SAME):
            return given
        if isinstance(layer, Normalise):
            mean, scale = (constant("float", key, one) for key, one in (("kMean", layer.mean), ("kScale", layer.scale)))
            self._layers.append(struct(_layer(name), [mean, scale]))
            return self._mapped(name, given, f"normalise<{_layer(name)}>")
        if isinstance(layer, nn.BatchNorm1d):
            return self._affine(name, given, *of_norm(layer))
        if type(layer) in ACTIVATIONS:
            return self._activated(node, name, given, activation(layer))
        raise NotWritableError(f"{node.target}: no C++ is written for {type(layer).__name__}")

    def _convolution(self, node: fx.Node, name: str, layer: nn.Conv1d) -> Value:
        given = self._given(node.args[0], node)
        weight, bias = layer.weight.detach().double().numpy(), bias_of(layer)
        norm, whole = self._norm_behind(node), self._whole.get(layer)
        if norm is not None:
            factors, offsets = of_norm(self._root.get_submodule(str(norm.target)))
            weight, bias = weight * factors[:, None, None], bias * factors + offsets
            whole = None if whole is None else whole._replace(scale=(whole.scale * factors).astype(np.float32))
        is_depthwise = layer.groups == layer.in_channels == layer.out_channels > 1
        columns = weight[:, 0].T if is_depthwise else ungrouped(weight, layer.groups).transpose(2, 1, 0)
        kernel, stride, dilation = layer.kernel_size[0], layer.stride[0], layer.dilation[0]
        sizes = kernel, stride, dilation
        self._weighted(name, columns, torch.from_numpy(bias), inputs=layer.in_channels, sizes=sizes, whole=whole)
        kind = "Depthwise" if is_depthwise else "Convolution"
        value = self._through_time(node, name, f"{kind}<{_layer(name)}>", given, sizes)
        if norm is not None:
            self._values[norm] = value
        return value

    def _norm_behind(self, node: fx.Node) -> fx.Node | None:
        """Return the BatchNorm that alone takes what a convolution gives."""
        users = list(node.users)
        if len(users) != 1 or users[0].op != "call_module":
            return None
        return users[0] if isinstance(self._root.get_submodule(str(users[0].target)), nn.BatchNorm1d) else None

    def _pool(self, node: fx.Node, name: str, layer: nn.MaxPool1d | nn.AvgPool1d) -> Value:
        given = self._given(node.args[0], node)
        kernel, stride = _one(layer.kernel_size), _one(layer.stride)
        dilation = _one(layer.dilation) if isinstance(layer, nn.MaxPool1d) else 1
        kind = "most" if isinstance(layer, nn.MaxPool1d) else "mean"
        kept = f"Pool<{given.width}, {kernel}, {stride}, {dilation}, Pooled::{kind}>"
        return self._through_time(node, name, kept, given, (kernel, stride, dilation))

    def _through_time(self, node: fx.Node, name: str, kind: str, given: Value, sizes: tuple[int, int, int]) -> Value:
        kernel, stride, dilation = sizes
        _, width, steps = _shape(node)
        reach, every = given.pace
        pace = reach + (kernel - 1) * dilation * every, every * stride
        value = Value(f"of_{name}", width, steps, f"has_{name}", pace)
        self._members.append(f"{kind} {name}_")
        before = f"{given.ready} && " if given.ready else ""
        self._push += [
            f"float {value.name}[{width}] = {{}};",
            f"const bool {value.ready} = {before}{name}_.push({given.name}, {value.name});",
        ]
        return value

    def _dense(self, name: str, layer: nn.Linear, given: Value) -> Value:
        self._weighted(name, layer.weight.detach().double().T.numpy(), torch.from_numpy(bias_of(layer)))
        value = Value(f"of_{name}", layer.out_features, 0)
        self._logits += [f"float {value.name}[{value.width}];", f"dense<{_layer(name)}>({given.name}, {value.name});"]
        return value

    def _weighted(
        self,
        name: str,
        weight: Double,
        bias: Tensor,
        *,
        inputs: int | None = None,
        sizes: tuple[int, int, int] | None = None,
        whole: Whole | None = None,
    ) -> None:
        """Write the constants of a layer; outputs are the last axis of its weights."""
        outputs = weight.shape[-1]
        inputs = weight.shape[0] if inputs is None else inputs
        members = [f"static constexpr int kInputs = {inputs};", f"static constexpr int kOutputs = {outputs};"]
        if sizes is not None:
            named = zip(("kKernel", "kStride", "kDilation"), sizes, strict=True)
            members += [f"static constexpr int {one} = {size};" for one, size in named]
        members.append(f"static constexpr bool kIsQuantised = {str(whole is not None).lower()};")
        if whole is not None:
            members += ["using Weight = std::int8_t;", constant("Weight", "kWeights", whole.numbers.transpose(2, 1, 0))]
            members.append(constant("float", "kScale", whole.scale))
        else:
            members += ["using Weight = float;", f"alignas(32) {constant('float', 'kWeights', weight)}"]
        members.append(f"alignas(32) {constant('float', 'kBias', bias.detach().double().numpy())}")
        self._layers.append(struct(_layer(name), members))

    # ---- functions ----

    def _function(self, node: fx.Node, name: str) -> Value:
        own = _name(node)
        if name in _REDUCED:
            return self._reduced(node, own, _REDUCED[name])
        if name in {"cat", "concat", "concatenate"}:
            return self._joined(node, own)
        if name == "getitem":
            return self._slice(node, own)
        if name in {"add", "iadd", "sub", "mul", "truediv", "div"}:
            return self._arithmetic(node, own, name)
        return self._of_each_number(node, own, name)

    def _of_each_number(self, node: fx.Node, own: str, name: str) -> Value:
        if name in {"dropout", "contiguous"}:
            return self._given(node.args[0], node)
        is_plain = len(node.args) == 1 and set(node.kwargs) <= {"inplace"}
        if name in _FUNCTIONS or (name in _WITH_DEFAULTS and is_plain):
            function = _FUNCTIONS.get(name) or activation(_WITH_DEFAULTS[name]())
            return self._activated(node, own, self._given(node.args[0], node), function)
        raise NotWritableError(f"{node.name}: no C++ is written for {name}()")

    def _reduced(self, node: fx.Node, name: str, how: str) -> Value:
        given = self._given(node.args[0], node)
        if not given.steps:
            if how in {"all", "last"}:
                return given
            raise NotWritableError(f"{node.name}: {node.target} of a vector; reduce over time, once")
        axes = [*node.args[1:], *(node.kwargs[key] for key in ("dim", "start_dim") if key in node.kwargs)]
        wanted = {"all": ([1], [], [(1)]), "last": ([-1], [2])}.get(how, ([-1], [2], [(-1,)], [[-1]]))
        keeps = bool(node.kwargs.get("keepdim"))
        if keeps or (node.op != "call_module" and axes not in wanted) or (how == "last" and given.steps != 1):
            raise NotWritableError(f"{node.name}: {node.target} with {axes}; reduce over time alone, as mean(-1) does")
        return self._of_newest(name, given, how)

    def _of_newest(self, name: str, given: Value, how: str) -> Value:
        width = given.width * given.steps if how == "all" else given.width
        value = Value(f"of_{name}", width, 0)
        self._members.append(f"Newest<{given.width}, {given.steps}> {name}_")
        self._push.append(_if(given.ready, f"{name}_.push({given.name});"))
        self._logits += [f"float {value.name}[{width}];", f"{name}_.{how}({value.name});"]
        return value

    def _joined(self, node: fx.Node, name: str) -> Value:
        several, axis = node.args[0], node.args[1] if len(node.args) > 1 else node.kwargs.get("dim", 0)
        if axis != 1 or not isinstance(several, list | tuple):
            raise NotWritableError(f"{node.name}: cat along {axis}, expected channels: 1")
        parts = [self._given(one, node) for one in several]
        first = parts[0]
        if any((one.steps, one.pace, bool(one.ready)) != (first.steps, first.pace, bool(first.ready)) for one in parts):
            raise NotWritableError(f"{node.name}: joins columns that are not complete at the same samples")
        value = Value(f"of_{name}", sum(one.width for one in parts), first.steps, first.ready, first.pace)
        lines, place = [f"float {value.name}[{value.width}] = {{}};"], 0
        for one in parts:
            copied = f"copy({one.name}, 0, {one.width}, {value.name}, {place});"
            lines.append(_if(one.ready, copied))
            place += one.width
        self._lines(value).extend(lines)
        return value

    def _slice(self, node: fx.Node, name: str) -> Value:
        given, places = self._given(node.args[0], node), node.args[1]
        every = slice(None)
        if given.steps and places == (every, every, -1):
            return self._of_newest(name, given, "last")
        if isinstance(places, tuple) and len(places) in {2, 3} and places[0] == every and places[2:] in ((), (every,)):
            chosen = places[1]
            if isinstance(chosen, slice) and chosen.step in (None, 1):
                first, stop, _ = chosen.indices(given.width)
                value = Value(f"of_{name}", stop - first, given.steps, given.ready, given.pace)
                taken = f"copy({given.name}, {first}, {value.width}, {value.name}, 0);"
                self._lines(value).extend([f"float {value.name}[{value.width}] = {{}};", _if(given.ready, taken)])
                return value
        raise NotWritableError(
            f"{node.name}: no C++ is written for the slice {places}; slice channels, or take the last step"
        )

    def _arithmetic(self, node: fx.Node, name: str, how: str) -> Value:
        left, right = (self._values.get(one, one) if isinstance(one, fx.Node) else one for one in node.args[:2])
        if isinstance(left, Value) and isinstance(right, Value):
            if how not in {"add", "iadd"} or (left.width, left.steps, left.pace) != (
                right.width,
                right.steps,
                right.pace,
            ):
                raise NotWritableError(f"{node.name}: {how} of two that are not complete at the same samples")
            value = Value(f"of_{name}", left.width, left.steps, left.ready, left.pace)
            summed = f"add({left.name}, {right.name}, {value.name});"
            self._lines(value).extend([f"float {value.name}[{value.width}] = {{}};", _if(left.ready, summed)])
            return value
        given, other = (left, right) if isinstance(left, Value) else (right, left)
        if not isinstance(given, Value) or not isinstance(other, int | float | Tensor):
            raise NotWritableError(f"{node.name}: no C++ is written for {how} of {left!r} and {right!r}")
        factors, offsets = line_of(how, other, given, is_first=given is left, node=node)
        return self._affine(name, given, factors, offsets)

    # ---- what several need ----

    def _affine(self, name: str, given: Value, factors: Double, offsets: Double) -> Value:
        members = [constant("float", "kFactors", factors), constant("float", "kOffsets", offsets)]
        self._layers.append(struct(_layer(name), members))
        return self._mapped(name, given, f"affine<{_layer(name)}>")

    def _activated(self, node: fx.Node, name: str, given: Value, function: str) -> Value:
        source = node.args[0]
        if isinstance(source, fx.Node) and len(source.users) == 1 and given.name != "column":
            self._lines(given).append(_if(given.ready, f"each({given.name}, {given.name}, {function});"))
            return given
        value = Value(f"of_{name}", given.width, given.steps, given.ready, given.pace)
        line = _if(given.ready, f"each({given.name}, {value.name}, {function});")
        self._lines(value).extend([f"float {value.name}[{value.width}] = {{}};", line])
        return value

    def _mapped(self, name: str, given: Value, function: str) -> Value:
        value = Value(f"of_{name}", given.width, given.steps, given.ready, given.pace)
        line = _if(given.ready, f"{function}({given.name}, {value.name});")
        self._lines(value).extend([f"float {value.name}[{value.width}] = {{}};", line])
        return value

    def _lines(self, value: Value) -> list[str]:
        return self._push if value.steps else self._logits

    def _given(self, argument: Any, node: fx.Node) -> Value:  # noqa: ANN401  an argument of a graph
        value = self._values.get(argument) if isinstance(argument, fx.Node) else None
        if not isinstance(value, Value):
            raise NotWritableError(f"{node.name}: {node.target} of {argument}, which is no column and no vector")
        return value

    def _vector(self, argument: Any, node: fx.Node) -> Value:  # noqa: ANN401  an argument of a graph
        value = self._given(argument, node)
        if value.steps:
            raise NotWritableError(
                f"{node.name}: takes {value.steps} steps, expected one vector: reduce over time first"
            )
        return value


def _shape(node: fx.Node) -> tuple[int, ...]:
    return tuple(node.meta["tensor_meta"].shape)


def _one(size: int | tuple[int, ...]) -> int:
    return size if isinstance(size, int) else size[0]


def _name(node: fx.Node) -> str:
    return node.name.removeprefix("net_")


def _layer(name: str) -> str:
    return f"Layer_{name}"


def _without_unused_flags(lines: list[str]) -> list[str]:
    """Return lines with every flag marked that is never asked for, of which compilers would warn."""
    words = Counter(re.findall(r"has_\w+", "\n".join(lines)))
    unused = [f"const bool {flag} " for flag, count in words.items() if count == 1]
    return [f"[[maybe_unused]] {one}" if one.startswith(tuple(unused)) and unused else one for one in lines]


def _if(ready: str, line: str) -> str:
    return f"if ({ready}) {{\n  {line}\n}}" if ready else line


_NET = """/// The net: `push` takes a conditioned column, `logits` is asked where a window is complete.
class Net {{
 public:
  void reset() noexcept {{
{reset}
  }}

  void push(const float (&column)[{channels}]) noexcept {{
{push}
  }}

  void logits(float (&logits)[{classes}]) const noexcept {{
{logits}
  }}

 private:
{members}
}};
"""
