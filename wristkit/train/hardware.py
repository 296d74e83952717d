"""Where a training runs: the device, and how many threads, which are put back afterwards."""

import copy
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    import torch

    from wristkit.models import Net

Device = Literal["auto", "cpu", "cuda", "mps"]
_WORTH = 1.3  # times as fast as one thread, to be worth a mention or a change
_REPEATS = 3


class Threads(NamedTuple):
    """How many threads train, and what a reader may want to know of others."""

    number: int
    note: str = ""


def choose_device(device: Device) -> str:
    """Return the device by name; ``"auto"`` is a GPU where there is one.

    Raises
    ------
    ValueError
        Where the device is unknown or not there.
    """
    import torch

    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if device == "auto":
        return next(name for name, found in there.items() if found)
    if device not in there:
        raise ValueError(f"device is {device!r}, expected 'auto', {', '.join(map(repr, there))}")
    if not there[device]:
        raise ValueError(f"device {device!r} is not on this machine; give device='auto'")
    return device


def choose_threads(net: "Net", step: "Callable[[Net], torch.Tensor]") -> Threads:
    """Return the fastest thread count for steps of training that gives the same bits as one thread.

    A seed gives the same weights on every machine's processor count this way. A count that is faster but adds up in
    another order is named in the note, and taken where the caller asks for it.

    Parameters
    ----------
    net
        Left as it is: copies are stepped.
    step
        From a net to the loss of a batch that is the same each time.
    """
    import torch

    most = torch.get_num_threads()
    counts = [1, *(2**power for power in range(1, most.bit_length()) if 2**power <= most)]
    if len(counts) == 1:
        return Threads(1)
    tried = {count: _try(net, step, count) for count in counts}
    alone_s, alone = tried[1]
    faster = [count for count in counts if tried[count][0] * _WORTH < alone_s]
    same = [count for count in faster if _equal(tried[count][1], alone)]
    best = min((1, *same), key=lambda count: tried[count][0])
    quickest = min((1, *faster), key=lambda count: tried[count][0])
    if quickest in (1, best):
        return Threads(best)
    times = alone_s / tried[quickest][0]
    return Threads(best, f"threads={quickest} would train {times:.1f} times as fast as 1, to other last digits")


def _try(net: "Net", step: "Callable[[Net], torch.Tensor]", threads: int) -> "tuple[float, list[torch.Tensor]]":
    """Return the least seconds of a step with so many threads, and its gradients."""
    import torch

    trial = copy.deepcopy(net).train()
    least_s = float("inf")
    with using_threads(threads), torch.random.fork_rng(devices=[]):
        for _ in range(_REPEATS):
            torch.manual_seed(0)  # the same dropout each time
            trial.zero_grad()
            begun_s = time.perf_counter()
            step(trial).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            least_s = min(least_s, time.perf_counter() - begun_s)
    return least_s, [one.grad for one in trial.parameters() if one.grad is not None]


def _equal(one: "list[torch.Tensor]", other: "list[torch.Tensor]") -> bool:
    import torch

    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@contextmanager
def using_threads(count: int) -> Iterator[None]:
    """Let torch use so many threads for a while."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def repeatable(seed: int, *, device: str) -> Iterator[None]:
    """Fix seed and algorithms of torch for a while, and put back what was there.

    On a GPU the seed is fixed and the order of its sums is not.
    """
    import torch

    deterministic = torch.are_deterministic_algorithms_enabled()
    with torch.random.fork_rng(devices=range(torch.cuda.device_count()) if device == "cuda" else []):
        torch.manual_seed(seed)
        if device == "cpu":
            torch.use_deterministic_algorithms(mode=True)
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(deterministic)
