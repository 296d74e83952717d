"""What a notebook shows of a viewer or a gallery: a PNG always, and controls where there is a kernel."""

import base64
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from wristkit.view.draw.picture import DRAWING
from wristkit.view.draw.style import plain

if TYPE_CHECKING:
    import ipywidgets

    from wristkit.view.gallery import Gallery

WIDGET_MIME = "application/vnd.jupyter.widget-view+json"


def mimebundle(text: str, png: bytes, panel: "ipywidgets.Widget") -> dict[str, Any]:
    """Return what a notebook stores: text and picture for readers without a kernel, the widget for those with one."""
    bundle = {"text/plain": text, "image/png": base64.b64encode(png).decode("ascii")}
    live = panel._repr_mimebundle_() or {}
    views = live[0] if isinstance(live, tuple) else live  # anywidget gives its metadata beside it
    return bundle | {mime: view for mime, view in views.items() if mime == WIDGET_MIME}


def gallery_panel(gallery: "Gallery") -> "tuple[ipywidgets.VBox, Callable[[], None]]":
    """Return a page of errors with a choice that opens the viewer below, and a function that brings them up to date."""
    import ipywidgets

    picture, below = ipywidgets.Image(format="png"), ipywidgets.VBox()
    choice = ipywidgets.Dropdown(description="open", layout={"width": "420px"})
    page = ipywidgets.Dropdown(
        description="page", options=[(f"{one + 1} of {gallery.pages}", one) for one in range(gallery.pages)]
    )

    def refresh() -> None:
        picture.value, below.children, page.value = gallery.png(), (), gallery.page
        names = [
            (plain(f"{place}: {row.kind}, {plain(row.label)}, {plain(row.subject)}", most=90), place)
            for place, row in gallery.shown.iterrows()
        ]
        choice.options = [("an error to see it in its recording", None), *names]

    def turn(change: Mapping[str, int]) -> None:
        if change["new"] != gallery.page:
            gallery.page = change["new"]

    def show(change: Mapping[str, int | None]) -> None:
        with DRAWING:
            below.children = () if change["new"] is None else (gallery.open(change["new"]).panel(),)

    page.observe(turn, "value")
    choice.observe(show, "value")
    refresh()
    return ipywidgets.VBox([ipywidgets.HBox([page, choice]), picture, below]), refresh
