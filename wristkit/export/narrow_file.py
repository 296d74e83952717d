"""Whole numbers of 8 bits into a package: where each lies in its file, and the numbers that were chosen for it.

coremltools writes the forms that Apple's reader takes; its own numbers, the nearest to each weight, are replaced.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from wristkit.export.mlprogram import load_mlpackage
from wristkit.export.narrow import Whole
from wristkit.export.package_file import BLOB_HEADER, coremltools

_NUMBER_TYPES = {10: "<f2", 11: "<f4", 21: "<i1"}


def with_whole_numbers(model: Any, half: Path, path: Path, layers: Sequence[Whole]) -> None:  # noqa: ANN401
    """Write a package whose convolutions have these whole numbers for weights, with a scale for each output channel.

    Parameters
    ----------
    model, half
        The package in float16, of weights that the whole numbers stand for: as coremltools holds it, and its path.
    """
    library = coremltools()
    import coremltools.optimize.coreml as optimise

    found = _found(half, layers)
    each = optimise.OpLinearQuantizerConfig(mode="linear_symmetric", weight_threshold=0)
    names = sorted({weight for weight, _ in found.values()})
    config = optimise.OptimizationConfig(op_name_configs=dict.fromkeys(names, each))
    optimise.linear_quantize_weights(model, config).save(str(path))
    if not path.is_dir():
        raise RuntimeError(f"coremltools {library.__version__} wrote no package with int8 weights; use 'float16'")
    _replace_numbers(path, {result: whole for result, (_, whole) in found.items()})


def _found(half: Path, layers: Sequence[Whole]) -> dict[str, tuple[str, Whole]]:
    """Return for the result of each convolution the name of its weight and the whole numbers that it stands for."""
    package, found, left = load_mlpackage(half), {}, list(layers)
    for one in package.operations:
        weight = one.operands["weight"][0] if one.type == "conv" else None
        held = package.constants.get(weight) if isinstance(weight, str) else None
        if not isinstance(held, Tensor):
            continue
        whole = next((other for other in layers if _stands_for(other, held.numpy())), None)
        if whole is not None:
            found[one.results[0][0]] = str(weight), whole
            left = [other for other in left if other is not whole]
    if left:
        raise ValueError(
            f"{len(left)} layers are changed by the conversion, so that their whole numbers have no place in the "
            "package; put BatchNorm right behind its convolution in a Sequential, or export precision='float16'"
        )
    return found


def _stands_for(whole: Whole, weight: npt.NDArray[np.float32]) -> bool:
    if whole.numbers.shape != weight.shape:
        return False
    return np.array_equal(np.rint(weight / whole.scale[:, None, None]), whole.numbers)


def _replace_numbers(path: Path, layers: Mapping[str, Whole]) -> None:
    library, folder = coremltools(), path / "Data" / "com.apple.CoreML"
    model = library.proto.Model_pb2.Model()
    model.ParseFromString((folder / "model.mlmodel").read_bytes())
    weights = bytearray((folder / "weights" / "weight.bin").read_bytes())
    block = next(iter(model.mlProgram.functions["main"].block_specializations.values()))
    makers = {one.outputs[0].name: one for one in block.operations if one.outputs}
    for one in block.operations:
        if one.type == "conv" and one.outputs[0].name in layers:
            whole, maker = layers[one.outputs[0].name], makers[one.inputs["weight"].arguments[0].name]
            _put(_part(maker, ("quantized_data", "data"), makers), whole.numbers, weights)
            _put(_part(maker, ("scale",), makers), whole.scale, weights)
    (folder / "weights" / "weight.bin").write_bytes(weights)
    (folder / "model.mlmodel").write_bytes(model.SerializeToString())


def _part(maker: Any, names: tuple[str, ...], makers: Mapping[str, Any]) -> Any:  # noqa: ANN401  generated classes
    """Return the value of a part: an attribute in the forms of iOS 16, an input in those of iOS 18."""
    for name in names:
        if name in maker.attributes:
            return maker.attributes[name]
        if name in maker.inputs:
            bound = maker.inputs[name].arguments[0]
            is_named = bound.WhichOneof("binding") == "name"
            return makers[bound.name].attributes["val"] if is_named else bound.value
    raise RuntimeError(f"coremltools made {maker.type!r}, expected a form of weights in int8; use 'float16'")


def _put(value: Any, numbers: npt.NDArray[Any], weights: bytearray) -> None:  # noqa: ANN401  generated classes
    content = numbers.astype(_NUMBER_TYPES[value.type.tensorType.dataType]).tobytes()
    if value.WhichOneof("value") == "blobFileValue":
        _, _, size, start = BLOB_HEADER.unpack_from(weights, value.blobFileValue.offset)
        if size != len(content):
            raise RuntimeError(f"a record has {size} bytes, expected {len(content)}; use 'float16'")
        weights[start : start + size] = content
        return
    tensor = value.immediateValue.tensor
    if tensor.WhichOneof("value") == "bytes":
        tensor.bytes.values = content
    else:
        tensor.floats.values[:] = numbers.ravel().tolist()
