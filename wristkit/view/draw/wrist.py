"""Which way the axes of a watch point on an arm."""

from typing import TYPE_CHECKING, Literal

from wristkit.condition import WRIST_SIGNS
from wristkit.recording import Side
from wristkit.view.draw.style import COLOURS, INK, MUTED, RULE, SMALL_PT, TEXT_PT

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ARM = "#f1ebe4"
_REACH, _NAME_AT = 1.15, 1.38  # of an axis and its name, in half widths of a palm


def draw_wrist(ax: "Axes", *, wrist: Side, crown: Side, frame: Literal["device", "wrist"] = "device") -> "Axes":
    """Draw the back of a hand with a watch on its wrist and the axes of a frame on it, and return the axes.

    The hand points up and z at the reader. A device's x points to its crown; the wrist frame's x to the hand and its y
    to the little finger, on either arm.

    Parameters
    ----------
    ax
        Axes to draw on; they are cleared of ticks and rules.
    wrist, crown
        Side on which the watch is worn, and the wearer's side towards which the crown points.
    frame
        Whose axes to draw, as in ``Conditioning.of``.
    """
    if frame not in ("device", "wrist"):
        raise ValueError(f"frame is {frame!r}, expected 'device' or 'wrist'")
    if (wrist, crown) not in WRIST_SIGNS:
        raise ValueError(f"wrist is {wrist!r} and crown is {crown!r}, expected 'left' or 'right' for each")
    to_thumb = 1.0 if wrist == "left" else -1.0
    signs = WRIST_SIGNS[wrist, crown] if frame == "device" else (1.0, 1.0, 1.0)
    ax.set(xlim=(-1.9, 1.9), ylim=(-1.75, 2.35), aspect="equal")
    ax.set_axis_off()
    _draw_arm(ax, to_thumb)
    _draw_watch(ax, to_hand=1.0 if crown != wrist else -1.0)
    _draw_axis(ax, "x", (0.0, signs[0]), COLOURS[0])
    _draw_axis(ax, "y", (-to_thumb * signs[1], 0.0), COLOURS[1])
    ax.plot(0, 0, "o", markersize=10, color="white", markeredgecolor=COLOURS[2], markeredgewidth=1.6, zorder=5)
    ax.plot(0, 0, "o", markersize=3.5, color=COLOURS[2], zorder=6)
    _name_axis(ax, "z", (0.2 * to_thumb * signs[1], -0.28 * signs[0]), COLOURS[2])
    ax.set_title(f"{wrist} wrist, crown {crown}", fontsize=TEXT_PT, color=INK, pad=2)
    return ax


def _draw_arm(ax: "Axes", to_thumb: float) -> None:
    """Draw forearm, palm, fingers and thumb, the little finger the shortest."""
    from matplotlib.patches import Ellipse

    _round_box(ax, (-0.5, -2.2), 1.0, 3.2, corner=0.2, face=_ARM, edge="none")
    _round_box(ax, (-0.62, 0.72), 1.24, 0.95, corner=0.25, face=_ARM, edge="none")
    for finger, length in enumerate((0.62, 0.75, 0.7, 0.52)):
        middle = to_thumb * (0.48 - 0.32 * finger)
        _round_box(ax, (middle - 0.13, 1.4), 0.26, 0.1 + length, corner=0.13, face=_ARM, edge="none")
    ax.add_patch(Ellipse((to_thumb * 0.76, 1.12), 0.3, 0.95, angle=-to_thumb * 32, facecolor=_ARM, edgecolor="none"))


def _draw_watch(ax: "Axes", *, to_hand: float) -> None:
    _round_box(ax, (-0.56, -0.3), 1.12, 0.6, corner=0.02, face=RULE, edge="none")
    _round_box(ax, (-0.13, 0.48 * to_hand - 0.1), 0.26, 0.2, corner=0.05, face=MUTED, edge=MUTED)
    _round_box(ax, (-0.48, -0.5), 0.96, 1.0, corner=0.2, face="white", edge=MUTED)


def _round_box(
    ax: "Axes", at: tuple[float, float], wide: float, high: float, *, corner: float, face: str, edge: str
) -> None:
    from matplotlib.patches import FancyBboxPatch

    style = f"round,pad=0,rounding_size={corner}"
    ax.add_patch(FancyBboxPatch(at, wide, high, boxstyle=style, facecolor=face, edgecolor=edge, linewidth=1.0))


def _draw_axis(ax: "Axes", name: str, to: tuple[float, float], colour: str) -> None:
    tip = (to[0] * _REACH, to[1] * _REACH)
    arrow = {"arrowstyle": "-|>", "color": colour, "linewidth": 2.0, "shrinkA": 0, "shrinkB": 0}
    ax.annotate("", xy=tip, xytext=(0, 0), arrowprops=arrow, zorder=4)
    _name_axis(ax, name, (to[0] * _NAME_AT, to[1] * _NAME_AT), colour)


def _name_axis(ax: "Axes", name: str, at: tuple[float, float], colour: str) -> None:
    middle = {"ha": "center", "va": "center"}
    ax.text(*at, name, middle, color=colour, fontsize=SMALL_PT + 2, fontweight="bold")
