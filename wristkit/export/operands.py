"""What an operation of an ML Program is given, by name: tensors (float32 or int32), text, or lists of text."""

from collections.abc import Callable, Mapping, Sequence

from torch import Tensor

Value = Tensor | str | tuple[str, ...] | Mapping[str, float]


class Operands:
    """Operands of one operation by name, as the kind that the operation expects."""

    def __init__(self, values: Mapping[str, tuple[Value, ...]]) -> None:
        self._values = values

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def tensor(self, key: str) -> Tensor:
        """Return the tensor of this name."""
        value = self._values[key][0]
        if not isinstance(value, Tensor):
            raise TypeError(f"operand {key!r} is {value!r}, expected a tensor")
        return value

    def tensors(self, key: str) -> list[Tensor]:
        """Return all tensors given under this name."""
        return [value for value in self._values[key] if isinstance(value, Tensor)]

    def text(self, key: str) -> str:
        """Return the text of this name."""
        value = self._values[key][0]
        if not isinstance(value, str):
            raise TypeError(f"operand {key!r} is {value!r}, expected text")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """Return the list of text of this name."""
        value = self._values[key][0]
        if not isinstance(value, tuple):
            raise TypeError(f"operand {key!r} is {value!r}, expected a list of text")
        return value

    def whole(self, key: str, default: int | None = None) -> int:
        """Return the whole number of this name."""
        return default if default is not None and key not in self else int(self.tensor(key).item())

    def wholes(self, key: str, default: Sequence[int] | None = None) -> list[int]:
        """Return the whole numbers of this name as a list."""
        if default is not None and key not in self:
            return list(default)
        return [int(one) for one in self.tensor(key).reshape(-1).tolist()]

    def number(self, key: str, default: float | None = None) -> float:
        """Return the number of this name."""
        return default if default is not None and key not in self else float(self.tensor(key).item())

    def optional(self, key: str) -> Tensor | None:
        """Return the tensor of this name; None where it was not given."""
        return self.tensor(key) if key in self else None

    def flags(self, key: str, count: int) -> list[bool]:
        """Return ``count`` flags, all false where the name was not given."""
        return [bool(one) for one in self.wholes(key, [0] * count)]


Run = Callable[[Operands], tuple[Value, ...]]
