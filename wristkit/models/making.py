"""Nets by name, and as they ship."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import torch
from torch import nn

from wristkit.models.added import Added
from wristkit.models.branches import Branches
from wristkit.models.cnn import Cnn
from wristkit.models.layers import Net
from wristkit.models.lstm import Lstm
from wristkit.models.rounding import round_weights
from wristkit.models.tcn import Tcn

MODELS: Mapping[str, type[Tcn | Cnn | Lstm | Branches]] = MappingProxyType(
    {"tcn": Tcn, "cnn": Cnn, "lstm": Lstm, "branches": Branches}
)


def build(
    name: str,
    *,
    channels: Sequence[str],
    classes: Sequence[str],
    samples: int,
    hop: int,
    width: int = 32,
    folded: bool = False,
    added: Sequence[str] = (),
    donors: Sequence[str] = (),
) -> Net:
    """Return a new net; its ``architecture`` holds these arguments, so ``build(**net.architecture)`` gives its like.

    ``added`` are classes beyond ``classes``, each learned later from a few examples, and ``donors`` what each takes its
    share from: a class, or all of them where it is empty text; see :class:`Added`.

    Raises
    ------
    ValueError
        For an unknown name, or a window shorter than the net needs, with the shortest one.
    """
    if name not in MODELS:
        raise ValueError(f"model {name!r} is not known; choose one of {', '.join(MODELS)}")
    if not channels or len(classes) < 2 or width < 1:
        raise ValueError(
            f"a net needs at least 1 channel, 2 classes and width 1; got {len(channels)}, {len(classes)} and {width}"
        )
    shape = {"channels": tuple(channels), "classes": tuple(classes), "samples": samples, "hop": hop}
    net: Net = MODELS[name](
        channels=tuple(channels), classes=tuple(classes), samples=samples, hop=hop, width=width, folded=folded
    )
    net.architecture = {"name": name, **shape, "width": width, "folded": folded}
    for one, donor in zip(added, donors, strict=True):
        net = add(net, one, donor=donor or None)
    return net


def add(net: Net, name: str, *, donor: str | None) -> Added:
    """Return a net around a trained one, frozen, with one more class whose direction is yet to be set."""
    more = Added(net, name, donor=donor)
    if net.architecture is not None:
        added, donors = (
            (*net.architecture.get(key, ()), value) for key, value in (("added", name), ("donors", donor or ""))
        )
        more.architecture = {**net.architecture, "added": added, "donors": donors}
    return more


def fold(net: Net) -> Net:
    """Return a trained net as it ships: BatchNorm folded into the convolutions, and weights rounded.

    They are rounded before calibration and thresholds, so that the net that is evaluated has the very weights that a
    package holds, in float16 or int8, and only activations are left to round; see :func:`round_weights`. A net of the
    user's own is only put into evaluation mode.
    """
    if net.architecture is None:
        return net.eval()
    shipped = build(**{**net.architecture, "folded": True}).eval()
    kept = shipped.state_dict()
    shipped.load_state_dict({name: value for name, value in net.state_dict().items() if name in kept}, strict=False)
    for trained, folded in zip(_stages(net), _stages(shipped), strict=True):
        _fold_norm(trained, folded)
    round_weights(shipped)
    return shipped


def _stages(net: nn.Module) -> list[nn.Sequential]:
    """Return the rows of layers that hold a convolution, in order."""
    rows = [layer for layer in net.modules() if isinstance(layer, nn.Sequential)]
    return [row for row in rows if any(isinstance(layer, nn.Conv1d) for layer in row)]


@torch.no_grad()
def _fold_norm(trained: nn.Module, folded: nn.Module) -> None:
    """Copy convolutions, the last one with the BatchNorm behind it folded in, computed in float64."""
    sources = [layer for layer in trained.children() if isinstance(layer, nn.Conv1d)]
    targets = [layer for layer in folded.children() if isinstance(layer, nn.Conv1d)]
    norm = next(layer for layer in trained.children() if isinstance(layer, nn.BatchNorm1d))
    for source, target in zip(sources, targets, strict=True):
        target.weight.copy_(source.weight)
    mean, variance = (buffer.double() for name, buffer in norm.named_buffers() if name != "num_batches_tracked")
    factor = norm.weight.double() / torch.sqrt(variance + norm.eps)
    targets[-1].weight.copy_(sources[-1].weight.double() * factor[:, None, None])
    for name, bias in targets[-1].named_parameters():
        if name == "bias":
            bias.copy_(norm.bias.double() - mean * factor)
