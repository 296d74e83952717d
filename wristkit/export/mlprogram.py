"""An independent reader of Core ML packages: the saved file itself is run, with torch, on any machine.

Each operation is computed in float32 and its result rounded to the type that the file declares. It finds conversion
errors, overflow, wrong weights and wrong names; it cannot know in which order Apple hardware adds.
"""

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from wristkit.export.more_operations import OPERATIONS
from wristkit.export.operands import Operands, Value
from wristkit.export.package_file import Feature, Name, Operation, broken, coremltools, read_package, rounded

Observer = Callable[[str, Tensor, str], None]
_ONE_BY_ONE = frozenset({"classify"})  # what gives no tensor
_SIDE_BY_SIDE = 256  # bounds memory


@dataclass(frozen=True, eq=False)
class MLPackage:
    """A Core ML package that was read completely.

    ``inputs`` and ``outputs`` say what an app gives and gets; ``metadata`` holds the exporter's own keys; ``constants``
    are the weights and parameters by name; ``operations`` are in order of execution.
    """

    path: Path
    inputs: Mapping[str, Feature]
    outputs: Mapping[str, Feature]
    metadata: Mapping[str, str]
    constants: Mapping[str, Value]
    operations: tuple[Operation, ...]

    def predict(
        self, inputs: Mapping[str, npt.ArrayLike], *, observer: Observer | None = None
    ) -> dict[str, npt.NDArray[Any] | str | dict[str, float]]:
        """Return what the package computes: arrays, the label, and a dictionary of probabilities.

        Parameters
        ----------
        inputs
            Input name to array of the declared shape.
        observer
            Called with (name, tensor, declared type) for each input and each result.

        Raises
        ------
        NotImplementedError
            Naming the operation and its result, where the file holds one that is not known here.
        """
        values: dict[str, Value] = {**self.constants, **self._checked(inputs)}
        for name, feature in self.inputs.items():
            _observe(observer, name, values[name], feature.type)
        for operation in self.operations:
            self._step(operation, values)
            for name, kind, _ in operation.results:
                _observe(observer, name, values[name], kind)
        return {name: _plain(values[name], feature) for name, feature in self.outputs.items()}

    def predict_many(
        self, inputs: Mapping[str, npt.ArrayLike], *, observer: Observer | None = None
    ) -> list[dict[str, npt.NDArray[Any] | str | dict[str, float]]]:
        """Return what :meth:`predict` does for each of many inputs (n, ...), computed side by side.

        The observer is called with tensors (k, ...) of several inputs at once.
        """
        arrays = {name: np.asarray(array, dtype=np.float32) for name, array in inputs.items()}
        counts = {len(array) if array.ndim else 0 for array in arrays.values()}
        if len(counts) != 1:
            raise ValueError(f"inputs have {sorted(counts)} rows, expected as many of each")
        rows = range(0, counts.pop(), _SIDE_BY_SIDE)
        parts = ({name: array[first : first + _SIDE_BY_SIDE] for name, array in arrays.items()} for first in rows)
        return [one for part in parts for one in self._many(part, observer)]

    def _many(
        self, arrays: Mapping[str, npt.NDArray[np.float32]], observer: Observer | None
    ) -> list[dict[str, npt.NDArray[Any] | str | dict[str, float]]]:
        count = len(next(iter(arrays.values())))
        given = {name: _tensor(one) for name, one in self._checked(arrays, many=True).items()}
        last = [one for one in self.operations if one.type in _ONE_BY_ONE]
        kinds = {name: kind for one in self.operations if one.type not in _ONE_BY_ONE for name, kind, _ in one.results}

        def whole(*tensors: Tensor) -> tuple[Tensor, ...]:
            values: dict[str, Value] = {**self.constants, **dict(zip(given, tensors, strict=True))}
            for operation in self.operations:
                if operation.type not in _ONE_BY_ONE:
                    self._step(operation, values)
            return tuple(_tensor(values[name]) for name in kinds)

        made = dict(zip(kinds, torch.vmap(whole)(*given.values()), strict=True))
        for name, tensor in {**given, **made}.items():
            _observe(observer, name, tensor, kinds.get(name) or self.inputs[name].type)
        asked = {
            *self.outputs,
            *(name for one in last for several in one.operands.values() for name in several if isinstance(name, Name)),
        }
        held = {name: tensor for name, tensor in {**given, **made}.items() if name in asked}
        return [self._one_of(held, row, last) for row in range(count)]

    def _one_of(
        self, many: Mapping[str, Tensor], row: int, last: Sequence[Operation]
    ) -> dict[str, npt.NDArray[Any] | str | dict[str, float]]:
        values: dict[str, Value] = {**self.constants, **{name: tensor[row] for name, tensor in many.items()}}
        for operation in last:
            self._step(operation, values)
        return {name: _plain(values[name], feature) for name, feature in self.outputs.items()}

    def _step(self, operation: Operation, values: dict[str, Value]) -> None:
        for (name, kind, shape), value in zip(operation.results, self._run(operation, values), strict=True):
            values[name] = self._settled(name, value, kind, shape)

    def on_apple(self) -> "MLPackage":
        """Return the same package as Core ML itself runs it, on a Mac.

        Raises
        ------
        RuntimeError
            Anywhere else: Apple's framework is part of its systems.
        """
        system = platform.system()
        if system != "Darwin":
            raise RuntimeError(f"Core ML runs on Apple's systems, and this is {system}; predict() runs anywhere")
        return _OnApple(**vars(self))

    def _checked(self, inputs: Mapping[str, npt.ArrayLike], *, many: bool = False) -> dict[str, Value]:
        if set(inputs) != set(self.inputs):
            raise ValueError(f"inputs are {sorted(inputs)}, expected {sorted(self.inputs)}")
        arrays = {name: np.asarray(array, dtype=np.float32) for name, array in inputs.items()}
        for name, feature in self.inputs.items():
            shape = arrays[name].shape[1:] if many else arrays[name].shape
            if shape != feature.shape:
                raise ValueError(f"input {name!r} has shape {shape}, expected {feature.shape}")
            if not np.isfinite(arrays[name]).all():
                raise ValueError(f"input {name!r} holds NaN or infinite numbers; leave such windows out")
        return {name: rounded(torch.tensor(arrays[name]), feature.type) for name, feature in self.inputs.items()}

    def _run(self, operation: Operation, values: Mapping[str, Value]) -> tuple[Value, ...]:
        named = f"operation {operation.type!r} of result {operation.results[0][0]!r}"
        if operation.type not in OPERATIONS:
            raise NotImplementedError(f"{named} is not known here; known are {', '.join(sorted(OPERATIONS))}")
        try:
            operands = {
                key: tuple(values[one] if isinstance(one, Name) else one for one in several)
                for key, several in operation.operands.items()
            }
            results = OPERATIONS[operation.type](Operands(operands))
        except NotImplementedError:
            raise
        except (KeyError, IndexError, RuntimeError, TypeError, ValueError) as error:
            raise broken(self.path, f"{named} cannot be run: {type(error).__name__}: {error}") from error
        if len(results) != len(operation.results):
            raise broken(self.path, f"{named} gives {len(results)} results, the file declares {len(operation.results)}")
        return results

    def _settled(self, name: str, value: Value, kind: str, shape: tuple[int, ...] | None) -> Value:
        if not isinstance(value, Tensor):
            return value
        if shape is not None and tuple(value.shape) != shape:
            raise broken(self.path, f"result {name!r} has shape {tuple(value.shape)}, the file declares {shape}")
        return rounded(value, kind)

    def __repr__(self) -> str:
        return f"MLPackage({self.path.name}: {', '.join(self.inputs)} -> {', '.join(self.outputs)})"


class _OnApple(MLPackage):
    """A package that Core ML runs."""

    def predict(
        self,
        inputs: Mapping[str, npt.ArrayLike],
        *,
        observer: Observer | None = None,  # noqa: ARG002  Core ML shows nothing of its inside
    ) -> dict[str, npt.NDArray[Any] | str | dict[str, float]]:
        given = {name: one.numpy() for name, one in self._checked(inputs).items() if isinstance(one, Tensor)}
        said: dict[str, Any] = coremltools().models.MLModel(str(self.path)).predict(given)
        return said

    def predict_many(
        self, inputs: Mapping[str, npt.ArrayLike], *, observer: Observer | None = None
    ) -> list[dict[str, npt.NDArray[Any] | str | dict[str, float]]]:
        arrays = {name: np.asarray(array, dtype=np.float32) for name, array in inputs.items()}
        rows = range(len(next(iter(arrays.values()))))
        return [self.predict({name: one[row] for name, one in arrays.items()}, observer=observer) for row in rows]


def load_mlpackage(path: str | Path) -> MLPackage:
    """Return a Core ML package that can be run here: ``load_mlpackage(path).predict({"window": array})``.

    Raises
    ------
    FileNotFoundError
        Where there is no such folder.
    RecordingError
        With file, code and remedy, where the package is cut, inconsistent, or not an ML Program.
    """
    read = read_package(Path(path))
    return MLPackage(Path(path), read.inputs, read.outputs, read.metadata, read.constants, read.operations)


def _observe(observer: Observer | None, name: str, value: Value, kind: str) -> None:
    if observer is not None and isinstance(value, Tensor):
        observer(name, value, kind)


def _plain(value: Value, feature: Feature) -> npt.NDArray[Any] | str | dict[str, float]:
    if isinstance(value, Tensor):
        array: npt.NDArray[Any] = value.numpy()
        return array.astype(np.float16) if feature.type == "fp16" else array
    return dict(value) if isinstance(value, Mapping) else str(value)


def _tensor(value: Value) -> Tensor:
    if not isinstance(value, Tensor):
        raise TypeError(f"{type(value).__name__} between operations, expected a tensor")
    return value
