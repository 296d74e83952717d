"""Numbers and names as C++ has them: floats in hexadecimal, so that every bit is kept."""

import re
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

_MOST_COLUMNS = 118


def double(value: float) -> str:
    """Return a float64."""
    if np.isinf(value):
        return "kInfinity" if value > 0 else "-kInfinity"
    return _short(float(value))


def single(value: float) -> str:
    """Return a float32."""
    return f"{_short(float(np.float32(value)))}F"


def _short(value: float) -> str:
    """Return a number in hexadecimal without the zeros at the end of its digits."""
    return re.sub(r"\.?0+p", "p", value.hex())


def text(value: str) -> str:
    """Return a string literal; what is not plain ASCII is written as bytes of UTF-8."""
    plain = {one for one in range(32, 127) if chr(one) not in '"\\?'}
    return '"' + "".join(chr(one) if one in plain else f"\\{one:03o}" for one in value.encode()) + '"'


def comment(value: str) -> str:
    """Return text that no comment ends in or goes on after."""
    plain = "".join(one if one.isascii() and one.isprintable() and one != "\\" else "?" for one in value)
    return plain.replace("*/", "* /")


def array(values: npt.ArrayLike, *, kind: str) -> str:
    """Return nested braces of numbers; ``kind`` is ``"double"``, ``"float"`` or a whole number's type."""
    held = np.asarray(values)
    if held.ndim == 1:
        write = {"double": double, "float": single}.get(kind, lambda one: str(int(one)))
        return "{" + ", ".join(write(one) for one in held.tolist()) + "}"
    return "{" + ",\n".join(array(one, kind=kind) for one in held) + "}"


def constant(kind: str, name: str, values: npt.ArrayLike) -> str:
    """Return a static array with its shape, wrapped to the width of a page."""
    shape = "".join(f"[{length}]" for length in np.shape(values))
    return wrapped(f"static constexpr {kind} {name}{shape} = {array(values, kind=kind)};")


def wrapped(line: str) -> str:
    """Return text whose long lines are broken between numbers."""
    lines: list[str] = []
    for one in line.split("\n"):
        words, held = one.split(", "), ""
        for word in words:
            longer = f"{held}, {word}" if held else word
            if len(longer) > _MOST_COLUMNS and held:
                lines.append(f"{held},")
                longer = f"    {word}"
            held = longer
        lines.append(held)
    return "\n".join(lines)


def struct(name: str, members: Iterable[str]) -> str:
    """Return a struct of members."""
    return f"struct {name} {{\n{indented(members)}\n}};\n"


def indented(lines: Iterable[str], *, by: int = 2) -> str:
    """Return lines moved to the right."""
    return "\n".join(f"{' ' * by}{line}" if line else "" for part in lines for line in part.split("\n"))


def identifier(name: str) -> str:
    """Return a name with nothing in it that C++ forbids."""
    return re.sub(r"\W", "_", name, flags=re.ASCII)


def camel(name: str) -> str:
    """Return a name of a type, such as ``UserAccel``."""
    return "".join(part[:1].upper() + part[1:] for part in identifier(name).split("_"))
