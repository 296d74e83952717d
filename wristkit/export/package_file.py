"""What lies in a Core ML package, read from its files: manifest, program and weights, each fault with its remedy.

Everything is checked while it is read: paths stay inside the package, records hold what is declared, and each operation
takes only what was made before it. So what can be run at all is known before anything runs.
"""

import json
import logging
import math
import struct
import warnings
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from wristkit.errors import NotThisFormatError, RecordingError, TruncatedError
from wristkit.export.compressed import COMPRESSED
from wristkit.export.operands import Operands, Value

# Names of MIL data types by their number in the file: (name, numpy type).
_TYPES: Mapping[int, tuple[str, str]] = MappingProxyType(
    {
        1: ("bool", "?"),
        2: ("string", ""),
        10: ("fp16", "<f2"),
        11: ("fp32", "<f4"),
        12: ("fp64", "<f8"),
        21: ("int8", "<i1"),
        22: ("int16", "<i2"),
        23: ("int32", "<i4"),
        31: ("uint8", "<u1"),
        32: ("uint16", "<u2"),
        33: ("uint32", "<u4"),
    }
)
_BLOB_TYPES: Mapping[int, str] = MappingProxyType(
    {1: "fp16", 2: "fp32", 3: "uint8", 4: "int8", 6: "int16", 7: "uint16", 14: "int32"}
)
BLOB_HEADER = struct.Struct("<IIQQ")
_BLOB_MAGIC = 0xDEADBEEF
_MOST_BYTES = 512 * 2**20  # of one file; nets on a wrist take less than a hundredth of it
_MOST_NUMBERS = 2**26  # of one result
_REBUILD = "export the package again, or copy it again as a whole"


@cache
def coremltools() -> ModuleType:
    """Return the library, imported without its remarks on Apple frameworks that no other system has."""
    logger = logging.getLogger("coremltools")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import coremltools as library
            import coremltools.proto.Model_pb2  # the generated classes are an attribute from here on
    finally:
        logger.setLevel(level)
    module: ModuleType = library
    return module


class Feature(NamedTuple):
    """An input or output as an app sees it: fp16 or fp32 with a shape, string, or dictionary."""

    type: str
    shape: tuple[int, ...]


class Operation(NamedTuple):
    """One operation: its type, the names or constants it takes, and name, type and shape of each result."""

    type: str
    operands: Mapping[str, tuple[str | Value, ...]]
    results: tuple[tuple[str, str, tuple[int, ...] | None], ...]


class Name(str):
    """The name of an earlier result, as against a string constant."""

    __slots__ = ()


class PackageFile(NamedTuple):
    """All that was read of a package; ``description`` is the protobuf's own."""

    inputs: Mapping[str, Feature]
    outputs: Mapping[str, Feature]
    metadata: Mapping[str, str]
    constants: Mapping[str, Value]
    operations: tuple[Operation, ...]
    program: Any
    model_path: Path


def read_package(path: Path) -> PackageFile:
    """Return what lies in a package.

    Raises
    ------
    FileNotFoundError
        Where there is no such folder.
    RecordingError
        With file, code and remedy, where the package is cut, inconsistent, or not an ML Program.
    """
    if not path.is_dir():
        raise FileNotFoundError(f"{path} is not a folder; a Core ML package is a folder named <name>.mlpackage")
    model_path = _model_path(path)
    model = _parse_model(model_path)
    block = _main_block(model_path, model)
    inputs, outputs = _features(model.description.input), _features(model.description.output)
    constants, operations = _program(block, set(inputs), _Reader(model_path.parent), model_path)
    made = {*inputs, *constants, *(name for one in operations for name, _, _ in one.results)}
    if missing := sorted(set(outputs) - made):
        raise broken(model_path, f"no operation gives the outputs {missing}")
    metadata = MappingProxyType(dict(model.description.metadata.userDefined))
    return PackageFile(inputs, outputs, metadata, constants, operations, model.mlProgram, model_path)


def _program(
    block: Any,  # noqa: ANN401
    inputs: set[str],
    reader: "_Reader",
    path: Path,
) -> tuple[Mapping[str, Value], tuple[Operation, ...]]:
    """Return constants and operations, each of which takes only what was made before it."""
    constants: dict[str, Value] = {}
    operations: list[Operation] = []
    made = set(inputs)
    for one in block.operations:
        names = [output.name for output in one.outputs]
        if twice := sorted(made & set(names)):
            raise broken(path, f"operation {one.type!r} makes {twice}, which was made before")
        if one.type == "const":
            constants[names[0]] = reader.value(one.attributes["val"])
        elif one.type in COMPRESSED:
            constants[names[0]] = reader.decompressed(one, constants)
        else:
            operations.append(reader.operation(one))
            _check_order(operations[-1], made, path)
        made.update(names)
    return MappingProxyType(constants), tuple(operations)


def _check_order(operation: Operation, made: set[str], path: Path) -> None:
    taken = {one for several in operation.operands.values() for one in several if isinstance(one, Name)}
    if missing := sorted(taken - made):
        raise broken(
            path,
            f"operation {operation.type!r} of result {operation.results[0][0]!r} takes {missing}, which nothing before "
            "it makes",
        )
    for name, _, shape in operation.results:
        if shape is not None and math.prod(shape) > _MOST_NUMBERS:
            message = f"result {name!r} is declared with shape {shape}: more than {_MOST_NUMBERS} numbers"
            raise RecordingError(message, code="size", remedy="do not use this package on a watch", file=path)


def _model_path(path: Path) -> Path:
    """Return the file that the manifest names as the model, which must lie inside the package."""
    manifest = _inside(path, "Manifest.json")
    if not manifest.is_file():
        raise NotThisFormatError("there is no Manifest.json in it", code="manifest", remedy=_REBUILD, file=path)
    try:
        fields = json.loads(_content(manifest))
        relative = str(fields["itemInfoEntries"][fields["rootModelIdentifier"]]["path"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        message = f"it does not name a model ({type(error).__name__}: {error})"
        raise NotThisFormatError(message, code="manifest", remedy=_REBUILD, file=manifest) from error
    model_path = _inside(path / "Data", relative)
    if not model_path.is_file():
        message = f"it names {relative!r}, which is missing"
        raise RecordingError(message, code="manifest", remedy=_REBUILD, file=manifest)
    return model_path


def _content(path: Path) -> bytes:
    """Return what a file holds, unless it is far larger than anything for a wrist."""
    size = path.stat().st_size
    if size > _MOST_BYTES:
        message = f"it has {size} bytes, expected at most {_MOST_BYTES}"
        raise RecordingError(message, code="size", remedy="do not use this package on a watch", file=path)
    return path.read_bytes()


def _inside(folder: Path, relative: str) -> Path:
    try:
        target = (folder / relative).resolve()
    except (OSError, RuntimeError, ValueError) as error:  # links in a circle, names no file can have
        message = f"the path {relative!r} leads nowhere ({error})"
        raise RecordingError(message, code="path", remedy=_REBUILD, file=folder.parent) from error
    if not target.is_relative_to(folder.resolve()):
        raise RecordingError(
            f"the path {relative[:200]!r} leads out of the package",
            code="path",
            remedy="do not use this package; it was not made by an exporter",
            file=folder.parent,
        )
    return target


def _parse_model(path: Path) -> Any:  # noqa: ANN401  generated protobuf classes carry no types
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    model = coremltools().proto.Model_pb2.Model()
    try:
        model.ParseFromString(_content(path))
    except DecodeError as error:
        message = f"it is no Core ML model ({error})"
        raise NotThisFormatError(message, code="model", remedy=_REBUILD, file=path) from error
    return model


def _main_block(path: Path, model: Any) -> Any:  # noqa: ANN401
    kind = model.WhichOneof("Type")
    if kind != "mlProgram":
        raise NotThisFormatError(
            f"it holds a model of type {kind!r}, expected 'mlProgram'",
            code="model",
            remedy="convert it with convert_to='mlprogram'",
            file=path,
        )
    functions = model.mlProgram.functions
    blocks = functions["main"].block_specializations if "main" in functions else {}
    if len(blocks) != 1:
        raise broken(path, f"the program has {len(blocks)} forms of its function 'main', expected 1")
    return next(iter(blocks.values()))


def _features(descriptions: Sequence[Any]) -> Mapping[str, Feature]:
    return MappingProxyType({one.name: _feature(one.type) for one in descriptions})


def _feature(kind: Any) -> Feature:  # noqa: ANN401
    match kind.WhichOneof("Type"):
        case "multiArrayType":
            names = {65552: "fp16", 65568: "fp32"}
            array = kind.multiArrayType
            if array.dataType not in names:
                raise NotImplementedError(f"arrays of type {array.dataType} as inputs or outputs are not known here")
            return Feature(names[array.dataType], tuple(array.shape))
        case "stringType":
            return Feature("string", ())
        case "dictionaryType":
            return Feature("dictionary", ())
        case other:
            raise NotImplementedError(f"inputs and outputs of type {other!r} are not known here")


class _Reader:
    """Turns the file's operations and values into tensors and names."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._blobs: dict[str, bytes] = {}

    def operation(self, operation: Any) -> Operation:  # noqa: ANN401
        if operation.blocks:
            name = operation.outputs[0].name if operation.outputs else ""
            raise NotImplementedError(f"operation {operation.type!r} of result {name!r} holds blocks, not known here")
        if not operation.outputs:
            raise broken(self._folder, f"operation {operation.type!r} has no result")
        operands = {key: tuple(map(self._operand, several.arguments)) for key, several in operation.inputs.items()}
        return Operation(operation.type, operands, tuple(map(_declared, operation.outputs)))

    def decompressed(self, operation: Any, constants: Mapping[str, Value]) -> Tensor:  # noqa: ANN401
        """Return the weight that an operation unpacks, as its result is declared."""
        name = operation.outputs[0].name
        values: dict[str, tuple[Value, ...]] = {
            key: (self.value(one),) for key, one in operation.attributes.items() if key != "name"
        }
        for key, several in operation.inputs.items():
            given = [self._operand(one) for one in several.arguments]
            values[key] = tuple(constants[one] if isinstance(one, Name) else one for one in given)
        try:
            weight = COMPRESSED[operation.type](Operands(values))
        except (KeyError, IndexError, RuntimeError, TypeError, ValueError, OverflowError) as error:
            message = (
                f"operation {operation.type!r} of result {name!r} cannot be unpacked: {type(error).__name__}: {error}"
            )
            raise broken(self._folder, message) from error
        _, kind, shape = _declared(operation.outputs[0])
        if shape is not None and tuple(weight.shape) != shape:
            raise broken(self._folder, f"weight {name!r} has shape {tuple(weight.shape)}, declared is {shape}")
        return rounded(weight, kind)

    def _operand(self, binding: Any) -> str | Value:  # noqa: ANN401
        return Name(binding.name) if binding.WhichOneof("binding") == "name" else self.value(binding.value)

    def value(self, value: Any) -> Value:  # noqa: ANN401
        if value.type.WhichOneof("type") == "listType":
            items = [self.value(item) for item in value.immediateValue.list.values]
            return tuple(item for item in items if isinstance(item, str))
        kind, shape = _tensor_type(value.type.tensorType)
        if value.WhichOneof("value") == "blobFileValue":
            return self._blob(value.blobFileValue, kind, shape or ())
        return self._immediate(value.immediateValue.tensor, kind, shape or ())

    def _immediate(self, tensor: Any, kind: str, shape: tuple[int, ...]) -> Value:  # noqa: ANN401
        field = tensor.WhichOneof("value")
        if field is None:
            return self._shaped(np.empty(0, dtype=_numpy_type(kind)), kind, shape)
        content = getattr(tensor, field).values
        if kind == "string" and len(content) == 1:
            return str(content[0])
        if field == "bytes":
            if len(content) % np.dtype(_numpy_type(kind)).itemsize:
                raise broken(self._folder, f"a constant of type {kind} has {len(content)} bytes")
            return self._shaped(np.frombuffer(content, dtype=_numpy_type(kind)), kind, shape)
        return self._shaped(np.array(content, dtype=_numpy_type(kind)), kind, shape)

    def _shaped(self, array: npt.NDArray[Any], kind: str, shape: tuple[int, ...]) -> Tensor:
        if array.size != math.prod(shape):
            raise broken(self._folder, f"a constant of shape {shape} has {array.size} numbers")
        return rounded(torch.tensor(array.reshape(shape).astype(_working_type(kind))), kind)

    def _blob(self, place: Any, kind: str, shape: tuple[int, ...]) -> Tensor:  # noqa: ANN401
        data, offset = self._file(place.fileName), place.offset
        if offset + BLOB_HEADER.size > len(data):
            raise _bad_weights(TruncatedError, "the file ends before a record", place)
        magic, blob_type, size, start = BLOB_HEADER.unpack_from(data, offset)
        if magic != _BLOB_MAGIC:
            raise _bad_weights(RecordingError, f"a record starts with {magic:#x}, expected {_BLOB_MAGIC:#x}", place)
        count, stored = math.prod(shape), _BLOB_TYPES.get(blob_type, f"type {blob_type}")
        if stored != kind or size != count * np.dtype(_numpy_type(kind)).itemsize:
            message = f"a record of {size} bytes of {stored} is declared as {kind} of shape {shape}"
            raise _bad_weights(RecordingError, message, place)
        if start + size > len(data):
            raise _bad_weights(TruncatedError, "the file ends inside a record", place)
        return self._shaped(np.frombuffer(data, dtype=_numpy_type(kind), count=count, offset=start), kind, shape)

    def _file(self, name: str) -> bytes:
        if name not in self._blobs:
            path = _inside(self._folder, name.removeprefix("@model_path/"))
            if not path.is_file():
                raise RecordingError("it is missing", code="weights", remedy=_REBUILD, file=path)
            self._blobs[name] = _content(path)
        return self._blobs[name]


def _declared(output: Any) -> tuple[str, str, tuple[int, ...] | None]:  # noqa: ANN401
    if output.type.WhichOneof("type") != "tensorType":
        return output.name, "dictionary", None
    return output.name, *_tensor_type(output.type.tensorType)


def _tensor_type(tensor: Any) -> tuple[str, tuple[int, ...] | None]:  # noqa: ANN401
    if tensor.dataType not in _TYPES:
        raise NotImplementedError(f"data type {tensor.dataType} of the file is not known here")
    fixed = all(one.WhichOneof("dimension") == "constant" for one in tensor.dimensions)
    shape = tuple(one.constant.size for one in tensor.dimensions) if fixed else None
    return _TYPES[tensor.dataType][0], shape


def _numpy_type(kind: str) -> str:
    return next(code for name, code in _TYPES.values() if name == kind)


def _working_type(kind: str) -> type[np.generic]:
    if kind.startswith("fp"):
        return np.float32
    return np.bool_ if kind == "bool" else np.int32


def rounded(value: Tensor, kind: str) -> Tensor:
    """Return float32 values that are representable in the declared type; whole numbers stay int32."""
    if kind == "fp16":
        return value.to(torch.float16).to(torch.float32)
    return value.to(torch.float32) if kind.startswith("fp") else value


def _bad_weights(kind: type[RecordingError], message: str, place: Any) -> RecordingError:  # noqa: ANN401
    return kind(message, code="weights", remedy=_REBUILD, file=place.fileName, byte=place.offset)


def broken(path: Path, message: str) -> RecordingError:
    """Return the error of a program that contradicts itself."""
    return RecordingError(message, code="program", remedy=_REBUILD, file=path)
