import json
import math
import shutil

import numpy as np
import pytest
import torch

from tests.exporting import converted, detector, edited, program_file, recording, records, weight_file
from wristkit.errors import NotThisFormatError, RecordingError, TruncatedError
from wristkit.export import load_mlpackage
from wristkit.export.coreml import PRECISIONS
from wristkit.export.more_operations import OPERATIONS
from wristkit.export.package_file import coremltools


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    folder, worn = tmp_path_factory.mktemp("packages"), detector(epochs=5)
    return {
        precision: converted(worn, folder / f"{precision}.mlpackage", precision=precision) for precision in PRECISIONS
    }


# The executor: each operation against numpy, through a file that coremltools wrote

X = np.random.default_rng(0).standard_normal((2, 3, 10)).astype(np.float32)
Y = np.random.default_rng(1).standard_normal((2, 3, 10)).astype(np.float32) + 3
W = np.random.default_rng(2).standard_normal((6, 3, 3)).astype(np.float32)
DEPTHWISE = np.random.default_rng(3).standard_normal((3, 1, 3)).astype(np.float32)
SQUARE = np.random.default_rng(4).standard_normal((6, 3, 3, 2)).astype(np.float32)
DENSE = np.random.default_rng(5).standard_normal((4, 10)).astype(np.float32)
BIAS = np.random.default_rng(6).standard_normal(6).astype(np.float32)


def convolved(x, weight, *, bias=None, stride=1, dilation=1, groups=1, pad=(0, 0)):
    """Sums by definition, for one axis."""
    x = np.pad(x.astype(np.float64), ((0, 0), (0, 0), pad))
    out, per_group, kernel = weight.shape
    places = range(0, x.shape[2] - dilation * (kernel - 1), stride)
    result = np.zeros((len(x), out, len(places)))
    for o in range(out):
        group = o // (out // groups)
        for k, place in enumerate(places):
            taps = x[
                :, group * per_group : (group + 1) * per_group, place : place + dilation * (kernel - 1) + 1 : dilation
            ]
            result[:, o, k] = (taps * weight[o]).sum(axis=(1, 2)) + (0 if bias is None else bias[o])
    return result


def convolved_2d(x, weight, *, pad):
    x = np.pad(x.astype(np.float64), ((0, 0), (0, 0), pad[:2], pad[2:]))
    windows = np.lib.stride_tricks.sliding_window_view(x, weight.shape[2:], axis=(2, 3))
    return np.einsum("ncijkl,ockl->noij", windows, weight)


def softmax(x, axis):
    return np.exp(x) / np.exp(x).sum(axis=axis, keepdims=True)


def normed(x, mean, variance, *, gamma, beta, epsilon):
    mean, variance, gamma, beta = (np.array(one)[:, None] for one in (mean, variance, gamma, beta))
    return (x - mean) / np.sqrt(variance + epsilon) * gamma + beta


M, V, G, B = (np.array(one, dtype=np.float32) for one in ([0.1, 1, -1], [0.5, 2, 1], [1, 2, 0.5], [0, -1, 3]))

CASES = {
    "abs": (lambda mb, x: mb.abs(x=x), np.abs),
    "add": (lambda mb, x: mb.add(x=x, y=Y), lambda x: x + Y),
    "add broadcast": (lambda mb, x: mb.add(x=x, y=M[:, None]), lambda x: x + M[:, None]),
    "batch_norm": (
        lambda mb, x: mb.batch_norm(x=x, mean=M, variance=V, gamma=G, beta=B, epsilon=np.float32(0.1)),
        lambda x: normed(x, M, V, gamma=G, beta=B, epsilon=0.1),
    ),
    "cast": (
        lambda mb, x: mb.cast(x=mb.cast(x=mb.mul(x=x, y=np.float32(3)), dtype="int32"), dtype="fp32"),
        lambda x: np.trunc(np.float32(3) * x),
    ),
    "clip": (lambda mb, x: mb.clip(x=x, alpha=np.float32(-0.5), beta=np.float32(0.7)), lambda x: np.clip(x, -0.5, 0.7)),
    "concat": (lambda mb, x: mb.concat(values=[x, Y], axis=1), lambda x: np.concatenate([x, Y], axis=1)),
    "conv": (lambda mb, x: mb.conv(x=x, weight=W, bias=BIAS), lambda x: convolved(x, W, bias=BIAS)),
    "conv strided": (lambda mb, x: mb.conv(x=x, weight=W, strides=[2]), lambda x: convolved(x, W, stride=2)),
    "conv dilated": (
        lambda mb, x: mb.conv(x=x, weight=DEPTHWISE, groups=3, dilations=[4]),
        lambda x: convolved(x, DEPTHWISE, groups=3, dilation=4),
    ),
    "conv custom": (
        lambda mb, x: mb.conv(x=x, weight=W, pad_type="custom", pad=[3, 1]),
        lambda x: convolved(x, W, pad=(3, 1)),
    ),
    "conv same": (
        lambda mb, x: mb.conv(x=x, weight=W[:, :, :2], pad_type="same"),
        lambda x: convolved(x, W[:, :, :2], pad=(0, 1)),
    ),
    "conv same_lower": (
        lambda mb, x: mb.conv(x=x, weight=W[:, :, :2], pad_type="same_lower"),
        lambda x: convolved(x, W[:, :, :2], pad=(1, 0)),
    ),
    "conv 2d": (
        lambda mb, x: mb.conv(
            x=mb.reshape(x=x, shape=[2, 3, 5, 2]), weight=SQUARE, pad_type="custom", pad=[1, 0, 2, 1]
        ),
        lambda x: convolved_2d(x.reshape(2, 3, 5, 2), SQUARE, pad=(1, 0, 2, 1)),
    ),
    "exp": (lambda mb, x: mb.exp(x=x), np.exp),
    "expand_dims": (lambda mb, x: mb.expand_dims(x=x, axes=[0, -1]), lambda x: x[None, ..., None]),
    "identity": (lambda mb, x: mb.identity(x=x), lambda x: x),
    "linear": (lambda mb, x: mb.linear(x=x, weight=DENSE, bias=BIAS[:4]), lambda x: x @ DENSE.T + BIAS[:4]),
    "log": (lambda mb, x: mb.log(x=mb.abs(x=x), epsilon=np.float32(0.1)), lambda x: np.log(np.abs(x) + 0.1)),
    "matmul": (lambda mb, x: mb.matmul(x=x, y=Y, transpose_y=True), lambda x: x @ Y.transpose(0, 2, 1)),
    "matmul x": (lambda mb, x: mb.matmul(x=x, y=Y, transpose_x=True), lambda x: x.transpose(0, 2, 1) @ Y),
    "maximum": (lambda mb, x: mb.maximum(x=x, y=np.float32(0.2)), lambda x: np.maximum(x, 0.2)),
    "minimum": (lambda mb, x: mb.minimum(x=x, y=np.float32(0.2)), lambda x: np.minimum(x, 0.2)),
    "mul": (lambda mb, x: mb.mul(x=x, y=Y), lambda x: x * Y),
    "pow": (lambda mb, x: mb.pow(x=mb.abs(x=x), y=np.float32(1.7)), lambda x: np.abs(x) ** 1.7),
    "real_div": (lambda mb, x: mb.real_div(x=x, y=Y), lambda x: x / Y),
    "reduce_max": (lambda mb, x: mb.reduce_max(x=x, axes=[1]), lambda x: x.max(axis=1)),
    "reduce_mean": (
        lambda mb, x: mb.reduce_mean(x=x, axes=[-1], keep_dims=True),
        lambda x: x.mean(axis=-1, keepdims=True),
    ),
    "reduce_sum": (lambda mb, x: mb.reduce_sum(x=x, axes=[0, 2]), lambda x: x.sum(axis=(0, 2))),
    "relu": (lambda mb, x: mb.relu(x=x), lambda x: np.maximum(x, 0)),
    "relu6": (lambda mb, x: mb.relu6(x=mb.mul(x=x, y=np.float32(9))), lambda x: np.clip(9 * x, 0, 6)),
    "reshape": (lambda mb, x: mb.reshape(x=x, shape=[0, -1, 5]), lambda x: x.reshape(2, 6, 5)),
    "reshape flat": (lambda mb, x: mb.reshape(x=x, shape=[2, -1]), lambda x: x.reshape(2, 30)),
    "rsqrt": (
        lambda mb, x: mb.rsqrt(x=mb.abs(x=x), epsilon=np.float32(0.3)),
        lambda x: 1 / np.sqrt(np.abs(x) + 0.3),
    ),
    "sigmoid": (lambda mb, x: mb.sigmoid(x=x), lambda x: 1 / (1 + np.exp(-x))),
    "slice_by_index": (
        lambda mb, x: mb.slice_by_index(
            x=x,
            begin=[1, 0, 2],
            end=[2, 0, 9],
            stride=[1, 1, 3],
            end_mask=[False, True, False],
            squeeze_mask=[True, False, False],
        ),
        lambda x: x[1, :, 2:9:3],
    ),
    "slice_by_index last": (
        lambda mb, x: mb.slice_by_index(
            x=x, begin=[0, 0, -4], end=[0, 0, 0], begin_mask=[True, True, False], end_mask=[True, True, True]
        ),
        lambda x: x[:, :, -4:],
    ),
    "softmax": (lambda mb, x: mb.softmax(x=x, axis=1), lambda x: softmax(x, 1)),
    "sqrt": (lambda mb, x: mb.sqrt(x=mb.abs(x=x)), lambda x: np.sqrt(np.abs(x))),
    "square": (lambda mb, x: mb.square(x=x), np.square),
    "squeeze": (
        lambda mb, x: mb.squeeze(x=mb.expand_dims(x=x, axes=[1, 2]), axes=[2]),
        lambda x: x[:, None],
    ),
    "sub": (lambda mb, x: mb.sub(x=np.float32(2), y=x), lambda x: 2 - x),
    "tanh": (lambda mb, x: mb.tanh(x=x), np.tanh),
    "transpose": (lambda mb, x: mb.transpose(x=x, perm=[2, 0, 1]), lambda x: x.transpose(2, 0, 1)),
}


H, C0 = (np.random.default_rng(seed).standard_normal((3, 4)).astype(np.float32) for seed in (7, 8))
IH, HH = (np.random.default_rng(seed).standard_normal((16, n)).astype(np.float32) for seed, n in ((9, 10), (10, 4)))
GATES = np.random.default_rng(11).standard_normal(16).astype(np.float32)
TRANSPOSED = np.random.default_rng(12).standard_normal((3, 2, 4)).astype(np.float32)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm(x, *, backward=False, weights=(IH, HH, GATES), state=(H, C0)):
    """Gates in the order input, forget, output, cell."""
    (h, c), (ih, hh, bias), outputs = state, weights, []
    for step in x[::-1] if backward else x:
        i, f, o, g = np.split(step @ ih.T + h @ hh.T + bias, 4, axis=-1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        outputs.append(h)
    return np.stack(outputs[::-1] if backward else outputs)


def rnn(x):
    h, outputs = H, []
    for step in x:
        h = np.tanh(step @ IH[:4].T + h @ HH[:4].T + GATES[:4])
        outputs.append(h)
    return np.stack(outputs)


def pooled(x, kernel, stride, function, *, pad=(0, 0), fill=0.0):
    x = np.pad(x, ((0, 0), (0, 0), pad), constant_values=fill)
    return np.stack(
        [function(x[:, :, at : at + kernel], axis=2) for at in range(0, x.shape[2] - kernel + 1, stride)], 2
    )


def transposed(x, weight, *, stride, pad):
    """Each input adds its kernel to the outputs around it."""
    length = (x.shape[2] - 1) * stride + weight.shape[2]
    whole = np.zeros((len(x), weight.shape[1], length))
    for at in range(x.shape[2]):
        whole[:, :, at * stride : at * stride + weight.shape[2]] += np.einsum("nc,cok->nok", x[:, :, at], weight)
    return whole[:, :, pad[0] : length - pad[1]]


def layer_normed(x):
    mean, variance = x.mean(axis=-1, keepdims=True), x.var(axis=-1, keepdims=True)
    return (x - mean) / np.sqrt(variance + 1e-3) * DENSE[0] + DENSE[1]


def attention(q, k, v):
    return softmax(q @ k.transpose(0, 2, 1) / np.sqrt(q.shape[-1]), -1) @ v


def back(mb, x):
    return mb.cast(x=x, dtype="fp32")


def erf(x):
    return np.vectorize(math.erf)(x)


CASES |= {
    "avg_pool": (
        lambda mb, x: mb.avg_pool(x=x, kernel_sizes=[3], strides=[2], pad_type="valid"),
        lambda x: pooled(x, 3, 2, np.mean),
    ),
    "avg_pool padded": (
        lambda mb, x: mb.avg_pool(
            x=x, kernel_sizes=[3], strides=[1], pad_type="custom", pad=[1, 1], exclude_padding_from_average=True
        ),
        lambda x: pooled(x, 3, 1, np.sum, pad=(1, 1)) / np.array([2, *[3] * 8, 2]),
    ),
    "ceil": (lambda mb, x: mb.ceil(x=x), np.ceil),
    "conv_transpose": (
        lambda mb, x: mb.conv_transpose(x=x, weight=TRANSPOSED, strides=[2], pad_type="custom", pad=[1, 1]),
        lambda x: transposed(x, TRANSPOSED, stride=2, pad=(1, 1)),
    ),
    "cos": (lambda mb, x: mb.cos(x=x), np.cos),
    "cumsum": (lambda mb, x: mb.cumsum(x=x, axis=2), lambda x: x.cumsum(axis=2)),
    "cumsum back": (
        lambda mb, x: mb.cumsum(x=x, axis=2, exclusive=True, reverse=True),
        lambda x: x[..., ::-1].cumsum(axis=2)[..., ::-1] - x,
    ),
    "einsum": (
        lambda mb, x: mb.einsum(
            values=(mb.reshape(x=x, shape=[2, 3, 5, 2]), Y.reshape(2, 2, 5, 3)), equation="nchw,nwhu->nchu"
        ),
        lambda x: np.einsum("nchw,nwhu->nchu", x.reshape(2, 3, 5, 2), Y.reshape(2, 2, 5, 3)),
    ),
    "elu": (lambda mb, x: mb.elu(x=x, alpha=np.float32(0.5)), lambda x: np.where(x > 0, x, 0.5 * np.expm1(x))),
    "equal": (lambda mb, x: back(mb, mb.equal(x=mb.floor(x=x), y=np.float32(0))), lambda x: np.floor(x) == 0),
    "erf": (lambda mb, x: mb.erf(x=x), erf),
    "floor": (lambda mb, x: mb.floor(x=x), np.floor),
    "floor_div": (lambda mb, x: mb.floor_div(x=x, y=np.float32(0.7)), lambda x: np.floor(x / np.float32(0.7))),
    "gather": (
        lambda mb, x: mb.gather(x=x, indices=np.array([2, 0, 2], dtype=np.int32), axis=1),
        lambda x: x[:, [2, 0, 2]],
    ),
    "gelu": (lambda mb, x: mb.gelu(x=x, mode="EXACT"), lambda x: x * (1 + erf(x / np.sqrt(2))) / 2),
    "gelu tanh": (
        lambda mb, x: mb.gelu(x=x, mode="TANH_APPROXIMATION"),
        lambda x: x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))) / 2,
    ),
    "gelu sigmoid": (lambda mb, x: mb.gelu(x=x, mode="SIGMOID_APPROXIMATION"), lambda x: x * sigmoid(1.702 * x)),
    "greater": (lambda mb, x: back(mb, mb.greater(x=x, y=np.float32(0.1))), lambda x: x > 0.1),
    "greater_equal": (lambda mb, x: back(mb, mb.greater_equal(x=x, y=np.float32(0.1))), lambda x: x >= 0.1),
    "instance_norm": (
        lambda mb, x: mb.instance_norm(x=x, gamma=G, beta=B, epsilon=np.float32(1e-3)),
        lambda x: (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-3) * G[:, None] + B[:, None],
    ),
    "inverse": (lambda mb, x: mb.inverse(x=mb.abs(x=x), epsilon=np.float32(0.5)), lambda x: 1 / (np.abs(x) + 0.5)),
    "layer_norm": (
        lambda mb, x: mb.layer_norm(x=x, axes=[-1], gamma=DENSE[0], beta=DENSE[1], epsilon=np.float32(1e-3)),
        layer_normed,
    ),
    "leaky_relu": (lambda mb, x: mb.leaky_relu(x=x, alpha=np.float32(0.2)), lambda x: np.where(x > 0, x, 0.2 * x)),
    "less": (lambda mb, x: back(mb, mb.less(x=x, y=np.float32(0.1))), lambda x: x < 0.1),
    "less_equal": (lambda mb, x: back(mb, mb.less_equal(x=x, y=np.float32(0.1))), lambda x: x <= 0.1),
    "linear_activation": (
        lambda mb, x: mb.linear_activation(x=x, alpha=np.float32(2), beta=np.float32(-1)),
        lambda x: 2 * x - 1,
    ),
    "logical_and": (
        lambda mb, x: back(mb, mb.logical_and(x=mb.greater(x=x, y=np.float32(0)), y=mb.less(x=x, y=np.float32(1)))),
        lambda x: (x > 0) & (x < 1),
    ),
    "logical_not": (lambda mb, x: back(mb, mb.logical_not(x=mb.greater(x=x, y=np.float32(0)))), lambda x: ~(x > 0)),
    "logical_or": (
        lambda mb, x: back(mb, mb.logical_or(x=mb.greater(x=x, y=np.float32(1)), y=mb.less(x=x, y=np.float32(0)))),
        lambda x: (x > 1) | (x < 0),
    ),
    "lstm": (
        lambda mb, x: mb.lstm(
            x=x, initial_h=H, initial_c=C0, weight_ih=IH, weight_hh=HH, bias=GATES, output_sequence=True
        )[0],
        lstm,
    ),
    "lstm last": (
        lambda mb, x: mb.lstm(x=x, initial_h=H, initial_c=C0, weight_ih=IH, weight_hh=HH, bias=GATES)[0],
        lambda x: lstm(x)[-1:],
    ),
    "lstm both": (
        lambda mb, x: mb.lstm(
            x=x,
            initial_h=np.concatenate([H, C0], axis=1),
            initial_c=np.concatenate([C0, H], axis=1),
            weight_ih=IH,
            weight_hh=HH,
            bias=GATES,
            weight_ih_back=-IH,
            weight_hh_back=HH,
            bias_back=-GATES,
            direction="bidirectional",
            output_sequence=True,
        )[0],
        lambda x: np.concatenate(
            [lstm(x), lstm(x, backward=True, weights=(-IH, HH, -GATES), state=(C0, H))],
            axis=-1,
        ),
    ),
    "max_pool": (
        lambda mb, x: mb.max_pool(x=x, kernel_sizes=[3], strides=[2], pad_type="custom", pad=[1, 1]),
        lambda x: pooled(x, 3, 2, np.max, pad=(1, 1), fill=-np.inf),
    ),
    "mod": (lambda mb, x: mb.mod(x=x, y=np.float32(0.7)), lambda x: np.mod(x, np.float32(0.7))),
    "not_equal": (lambda mb, x: back(mb, mb.not_equal(x=mb.floor(x=x), y=np.float32(0))), lambda x: np.floor(x) != 0),
    "pad": (
        lambda mb, x: mb.pad(x=x, pad=[1, 0, 2, 3], constant_val=np.float32(7)),
        lambda x: np.pad(x, ((0, 0), (1, 0), (2, 3)), constant_values=7),
    ),
    "pad mirrored": (
        lambda mb, x: mb.pad(x=x, pad=[2, 3], mode="reflect"),
        lambda x: np.pad(x, ((0, 0), (0, 0), (2, 3)), mode="reflect"),
    ),
    "prelu": (
        lambda mb, x: mb.prelu(x=mb.reshape(x=x, shape=[2, 3, 5, 2]), alpha=G),
        lambda x: np.where(x > 0, x, G[:, None] * x).reshape(2, 3, 5, 2),
    ),
    "reduce_argmax": (lambda mb, x: back(mb, mb.reduce_argmax(x=x, axis=2)), lambda x: x.argmax(axis=2)),
    "reduce_l2_norm": (lambda mb, x: mb.reduce_l2_norm(x=x, axes=[1]), lambda x: np.sqrt((x**2).sum(axis=1))),
    "reduce_log_sum_exp": (
        lambda mb, x: mb.reduce_log_sum_exp(x=x, axes=[1]),
        lambda x: np.log(np.exp(x).sum(axis=1)),
    ),
    "reduce_min": (lambda mb, x: mb.reduce_min(x=x, axes=[2]), lambda x: x.min(axis=2)),
    "reduce_prod": (lambda mb, x: mb.reduce_prod(x=x, axes=[0, 2]), lambda x: x.prod(axis=(0, 2))),
    "reduce_sum_square": (lambda mb, x: mb.reduce_sum_square(x=x, axes=[2]), lambda x: (x**2).sum(axis=2)),
    "reverse": (lambda mb, x: mb.reverse(x=x, axes=[0, 2]), lambda x: x[::-1, :, ::-1]),
    "rnn": (
        lambda mb, x: mb.rnn(
            x=x, initial_h=H, weight_ih=IH[:4], weight_hh=HH[:4], bias=GATES[:4], output_sequence=True
        )[0],
        rnn,
    ),
    "round": (lambda mb, x: mb.round(x=x), np.round),
    "scaled_dot_product_attention": (
        lambda mb, x: mb.scaled_dot_product_attention(query=x, key=Y, value=Y),
        lambda x: attention(x, Y, Y),
    ),
    "select": (
        lambda mb, x: mb.select(cond=mb.greater(x=x, y=np.float32(0)), a=x, b=Y),
        lambda x: np.where(x > 0, x, Y),
    ),
    "sigmoid_hard": (
        lambda mb, x: mb.sigmoid_hard(x=x, alpha=np.float32(0.3), beta=np.float32(0.4)),
        lambda x: np.clip(0.3 * x + 0.4, 0, 1),
    ),
    "sign": (lambda mb, x: mb.sign(x=x), np.sign),
    "silu": (lambda mb, x: mb.silu(x=x), lambda x: x * sigmoid(x)),
    "sin": (lambda mb, x: mb.sin(x=x), np.sin),
    "slice_by_size": (
        lambda mb, x: mb.slice_by_size(x=x, begin=[0, 1, 2], size=[-1, 2, 5]),
        lambda x: x[:, 1:3, 2:7],
    ),
    "softplus": (lambda mb, x: mb.softplus(x=x), lambda x: np.log1p(np.exp(x))),
    "softsign": (lambda mb, x: mb.softsign(x=x), lambda x: x / (1 + np.abs(x))),
    "split": (lambda mb, x: mb.split(x=x, split_sizes=[3, 7], axis=2)[1], lambda x: x[..., 3:]),
    "stack": (lambda mb, x: mb.stack(values=[x, Y], axis=1), lambda x: np.stack([x, Y], axis=1)),
    "thresholded_relu": (
        lambda mb, x: mb.thresholded_relu(x=x, alpha=np.float32(0.4)),
        lambda x: np.where(x >= np.float32(0.4), x, 0),
    ),
    "tile": (lambda mb, x: mb.tile(x=x, reps=[1, 2, 1]), lambda x: np.tile(x, (1, 2, 1))),
}


def test_every_operation_has_a_case():
    # classify is run by every bundle above
    assert {name.split()[0] for name in CASES} | {"classify"} == set(OPERATIONS)


def written(build_program, path, capsys):
    """Write a program of one float32 input ``x`` of X's shape, its operations kept as they are."""
    library = coremltools()
    from coremltools.converters.mil import Builder as mb  # noqa: N813  the library's own custom

    @mb.program(input_specs=[mb.TensorSpec(shape=X.shape)], opset_version=library.target.iOS18)
    def program(x):
        return mb.identity(x=build_program(mb, x), name="out")

    library.convert(
        program,
        convert_to="mlprogram",
        minimum_deployment_target=library.target.iOS18,
        pass_pipeline=library.PassPipeline.EMPTY,
        outputs=[library.TensorType("out", dtype=np.float32)],
        skip_model_load=True,
        package_dir=str(path),
    )
    capsys.readouterr()
    return path


@pytest.mark.filterwarnings("ignore:Implicitly cleaning up:ResourceWarning")
@pytest.mark.parametrize("case", CASES)
def test_operation_equals_numpy(case, tmp_path, capsys):
    build_program, oracle = CASES[case]
    package = load_mlpackage(written(build_program, tmp_path / "one.mlpackage", capsys))
    assert case.split()[0] in {one.type for one in package.operations}
    got = package.predict({"x": X})["out"]
    expected = np.asarray(oracle(X.astype(np.float64)) if case != "cast" else oracle(X), dtype=np.float64)
    assert got.shape == expected.shape
    assert got == pytest.approx(expected, rel=2e-5, abs=2e-5)


@pytest.mark.filterwarnings("ignore:Implicitly cleaning up:ResourceWarning")
@pytest.mark.parametrize("operation", ["cosh", "exp2"])
def test_unknown_operation_is_named_with_its_result(operation, tmp_path, capsys):
    path = written(lambda mb, x: getattr(mb, operation)(x=x, name="odd_one"), tmp_path / "one.mlpackage", capsys)
    with pytest.raises(NotImplementedError, match=f"'{operation}' of result 'odd_one'"):
        load_mlpackage(path).predict({"x": X})


def test_observer_sees_every_array_rounded_to_its_declared_type(packages):
    seen = {}
    package = load_mlpackage(packages["float16"])
    window = recording().accel.values[:100].T
    package.predict(
        {"window": np.concatenate([window, window])[None]}, observer=lambda *one: seen.update({one[0]: one[1:]})
    )
    arrays = {name: kind for one in package.operations for name, kind, shape in one.results if kind.startswith("fp")}
    assert {name: kind for name, (_, kind) in seen.items()} == {"window": "fp32", **arrays}
    assert set(arrays.values()) == {"fp16", "fp32"}
    for tensor, kind in seen.values():
        if kind == "fp16":
            assert torch.equal(tensor, tensor.half().float())


def test_predict_refuses_other_names_and_shapes(packages):
    package = load_mlpackage(packages["float16"])
    with pytest.raises(ValueError, match=r"expected \['window'\]"):
        package.predict({"x": np.zeros((1, 6, 100))})
    with pytest.raises(ValueError, match=r"shape \(6, 100\), expected \(1, 6, 100\)"):
        package.predict({"window": np.zeros((6, 100))})
    with pytest.raises(ValueError, match="holds NaN"):
        package.predict({"window": np.full((1, 6, 100), np.nan)})


# Broken packages


def manifest(change):
    def damage(package):
        path = package / "Manifest.json"
        fields = json.loads(path.read_text())
        change(fields)
        path.write_text(json.dumps(fields))

    return damage


def root_path(value):
    return manifest(lambda fields: fields["itemInfoEntries"][fields["rootModelIdentifier"]].update(path=value))


def cut(select, size):
    return lambda package: select(package).write_bytes(select(package).read_bytes()[:size])


def patched(position, value):
    """Overwrite bytes of the second weight record's header."""

    def damage(package):
        data = bytearray(weight_file(package).read_bytes())
        offset = list(records(data))[1][0] + position
        data[offset : offset + len(value)] = value
        weight_file(package).write_bytes(data)

    return damage


def other_kind(package):
    model = coremltools().proto.Model_pb2.Model()
    model.neuralNetwork.SetInParent()
    program_file(package).write_bytes(model.SerializeToString())


def proto(edit):
    def damage(package):
        model = coremltools().proto.Model_pb2.Model()
        model.ParseFromString(program_file(package).read_bytes())
        edit(model, next(iter(model.mlProgram.functions["main"].block_specializations.values())).operations)
        program_file(package).write_bytes(model.SerializeToString())

    return damage


def blob_path(model, operations):
    for one in operations:
        if one.attributes["val"].WhichOneof("value") == "blobFileValue":
            one.attributes["val"].blobFileValue.fileName = "@model_path/../../../outside.bin"


def blob_offset(model, operations):
    for one in operations:
        if one.attributes["val"].WhichOneof("value") == "blobFileValue":
            one.attributes["val"].blobFileValue.offset = 2**40


def huge_shape(model, operations):
    for one in operations:
        if one.attributes["val"].WhichOneof("value") == "blobFileValue":
            one.attributes["val"].type.tensorType.dimensions[0].constant.size = 2**60


def rename_operand(model, operations):
    next(one for one in operations if one.type == "relu").inputs["x"].arguments[0].name = "nobody"


def in_a_circle(model, operations):
    first, second = [one for one in operations if one.type == "relu"][:2]
    first.inputs["x"].arguments[0].name = second.outputs[0].name


def twice(model, operations):
    first, second = [one for one in operations if one.type == "relu"][:2]
    second.outputs[0].name = first.outputs[0].name


def declared_huge(model, operations):
    relu = next(one for one in operations if one.type == "relu")
    relu.outputs[0].type.tensorType.dimensions[2].constant.size = 2**50


def huge_constant(model, operations):
    one = next(one for one in operations if one.type == "const" and one.attributes["val"].HasField("immediateValue"))
    kind = one.attributes["val"].type.tensorType
    kind.dimensions.add().constant.size = 2**40
    kind.rank = 1


def linked(select):
    def damage(package):
        secret = package.parent / "outside.bin"
        select(package).unlink()
        select(package).symlink_to(secret)

    return damage


def linked_in_a_circle(package):
    weight_file(package).unlink()
    weight_file(package).symlink_to(weight_file(package))


def bloated(package):
    with weight_file(package).open("r+b") as file:
        file.truncate(2**34)


def drop_scale(model, operations):
    for one in operations:
        if one.type.startswith("constexpr"):
            one.attributes.pop("scale", None)
            one.inputs.pop("scale", None)


DAMAGES = {
    "an operation takes what comes later": (proto(in_a_circle), RecordingError, "nothing before it makes"),
    "an operation takes nobody's result": (
        proto(rename_operand),
        RecordingError,
        "takes \\['nobody'\\], which nothing before it makes",
    ),
    "a result is made twice": (proto(twice), RecordingError, "was made before"),
    "a result is declared huge": (proto(declared_huge), RecordingError, "more than"),
    "a constant is declared huge": (proto(huge_constant), RecordingError, "has .* numbers"),
    "weights are a link to elsewhere": (linked(weight_file), RecordingError, "leads out"),
    "the model is a link to elsewhere": (linked(program_file), RecordingError, "leads out"),
    "the manifest is a link to elsewhere": (
        linked(lambda package: package / "Manifest.json"),
        RecordingError,
        "leads out",
    ),
    "weights are a link to themselves": (linked_in_a_circle, RecordingError, "leads|missing"),
    "weights are 16 GB of nothing": (bloated, RecordingError, "expected at most"),
    "manifest is deep": (
        lambda package: (package / "Manifest.json").write_text("[" * 100_000),
        NotThisFormatError,
        "name a model",
    ),
    "manifest names a name with a zero": (root_path("a\0b"), RecordingError, "leads"),
    "no manifest": (lambda package: (package / "Manifest.json").unlink(), NotThisFormatError, "no Manifest"),
    "manifest is no JSON": (cut(lambda package: package / "Manifest.json", 40), NotThisFormatError, "name a model"),
    "manifest is a list": (
        lambda package: (package / "Manifest.json").write_text("[]"),
        NotThisFormatError,
        "name a model",
    ),
    "no root": (manifest(lambda fields: fields.pop("rootModelIdentifier")), NotThisFormatError, "name a model"),
    "path out of it": (root_path("../../../../etc/hostname"), RecordingError, "leads out"),
    "absolute path": (root_path("/etc/hostname"), RecordingError, "leads out"),
    "model is missing": (root_path("com.apple.CoreML/other.mlmodel"), RecordingError, "which is missing"),
    "model is cut": (cut(program_file, 1000), NotThisFormatError, "no Core ML model"),
    "model is noise": (lambda package: program_file(package).write_bytes(b"\xff" * 99), NotThisFormatError, "no Core"),
    "model is empty": (cut(program_file, 0), NotThisFormatError, "expected 'mlProgram'"),
    "neural network": (other_kind, NotThisFormatError, "expected 'mlProgram'"),
    "no function": (proto(lambda model, _: model.mlProgram.functions.clear()), RecordingError, "0 forms"),
    "no weights": (lambda package: weight_file(package).unlink(), RecordingError, "missing"),
    "weights are cut in a record": (cut(weight_file, 200), TruncatedError, "ends"),
    "weights are empty": (cut(weight_file, 0), TruncatedError, "before a record"),
    "wrong magic": (patched(0, b"\0\0"), RecordingError, "expected 0xdeadbeef"),
    "wrong type": (patched(4, b"\x04"), RecordingError, "is declared"),
    "wrong size": (patched(8, b"\x01\x00"), RecordingError, "is declared"),
    "weights start behind the end": (patched(16, b"\xff\xff\xff\xff"), TruncatedError, "inside a record"),
    "weights lead out": (proto(blob_path), RecordingError, "leads out"),
    "record behind the end": (proto(blob_offset), TruncatedError, "before a record"),
    "huge shape": (proto(huge_shape), RecordingError, "is declared"),
    "output is nobody's": (proto(lambda model, operations: operations.pop()), RecordingError, "no operation gives"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_broken_package_is_refused_with_a_remedy(damage, packages, tmp_path):
    package = shutil.copytree(packages["float16"], tmp_path / "broken.mlpackage")
    (tmp_path / "outside.bin").write_bytes(weight_file(package).read_bytes())
    break_it, kind, match = DAMAGES[damage]
    break_it(package)
    with pytest.raises(kind, match=match) as caught:
        load_mlpackage(package)
    assert caught.value.remedy


def declare_other_shape(model, operations):
    relu = next(one for one in operations if one.type == "relu")
    relu.outputs[0].type.tensorType.dimensions[2].constant.size = 7


def drop_label(model, operations):
    del operations[-1].inputs["classes"].arguments[0].value.immediateValue.list.values[0]


def other_groups(model, operations):
    conv = next(one for one in operations if one.type == "conv")
    name = conv.inputs["groups"].arguments[0].name
    constant = next(one for one in operations if one.outputs[0].name == name)
    constant.attributes["val"].immediateValue.tensor.ints.values[0] = 5


@pytest.mark.parametrize(
    ("edit", "match"),
    [
        (declare_other_shape, "the file declares"),
        (drop_label, "2 labels for 3"),
        (other_groups, "'conv' of result .* cannot be run"),
    ],
)
def test_inconsistent_program_is_refused_when_it_runs(edit, match, packages, tmp_path):
    package = load_mlpackage(edited(packages["float16"], tmp_path, edit))
    with pytest.raises(RecordingError, match=match):
        package.predict({"window": np.zeros((1, 6, 100))})


def test_missing_package_is_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="not a folder"):
        load_mlpackage(tmp_path / "nothing.mlpackage")


@pytest.mark.parametrize(
    ("edit", "match"), [(drop_scale, "cannot be unpacked: KeyError: 'scale'"), (None, "nothing before it makes")]
)
def test_compressed_weights_that_cannot_be_unpacked_are_named(edit, match, packages, tmp_path):
    def drop_all(model, operations):
        for one in [one for one in operations if one.type.startswith("constexpr")]:
            operations.remove(one)

    with pytest.raises(RecordingError, match=match):
        load_mlpackage(edited(packages["int8"], tmp_path, edit or drop_all))


def test_many_inputs_side_by_side_give_what_each_gives_alone(packages):
    values = np.random.default_rng(3).standard_normal((300, 1, 6, 100)).astype(np.float32)
    for path in packages.values():
        package = load_mlpackage(path)
        counts = set()
        many = package.predict_many({"window": values}, observer=lambda name, tensor, _: counts.add(len(tensor)))  # noqa: B023
        for row in (0, 255, 256, 299):
            alone = package.predict({"window": values[row]})
            assert many[row]["label"] == alone["label"]
            assert list(many[row]["probabilities"].values()) == pytest.approx(
                list(alone["probabilities"].values()), abs=2e-3 if "32" not in path.name else 1e-6
            )
        assert counts == {256, 44}
    with pytest.raises(ValueError, match="holds NaN"):
        package.predict_many({"window": np.full((2, 1, 6, 100), np.nan)})
    with pytest.raises(ValueError, match="shape"):
        package.predict_many({"window": values[:, 0]})


def test_core_ml_itself_is_refused_where_it_is_not(packages):
    with pytest.raises(RuntimeError, match="Core ML runs on Apple's systems"):
        load_mlpackage(packages["float32"]).on_apple()
