"""What a notebook shows of a viewer or a gallery: a PNG always, and controls where there is a kernel."""

import base64
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from wristkit.view.draw.picture import DRAWING
from wristkit.view.draw.style import plain

if TYPE_CHECKING:
    import ipywidgets

    from wristkit.view.gallery import Gallery
    from wristkit.view.viewer import Viewer

WIDGET_MIME = "application/vnd.jupyter.widget-view+json"


def mimebundle(text: str, png: bytes, panel: "ipywidgets.Widget") -> dict[str, Any]:
    """Return what a notebook stores: text and picture for readers without a kernel, the widget for those with one."""
    bundle = {"text/plain": text, "image/png": base64.b64encode(png).decode("ascii")}
    live = panel._repr_mimebundle_() or {}
    return bundle | {mime: view for mime, view in live.items() if mime == WIDGET_MIME}


def viewer_panel(viewer: "Viewer") -> "tuple[ipywidgets.VBox, Callable[[], None]]":
    """Return the controls and the picture of a viewer, and a function that brings them up to date."""
    import ipywidgets

    picture, note = ipywidgets.Image(format="png"), ipywidgets.Label()
    start, width = (
        ipywidgets.FloatText(description=name, layout={"width": "170px"}) for name in ("start (s)", "width (s)")
    )
    names = [plain(f"{one.subject or 'recording'} {one.id}") for one in viewer.recordings]
    choice = ipywidgets.Dropdown(options=[(name, index) for index, name in enumerate(names)], layout={"width": "260px"})

    def refresh() -> None:
        picture.value, note.value = viewer.png(), ""
        start.value, width.value = round(viewer.start_s, 3), round(viewer.width_s, 3)
        choice.value = viewer.recordings.index(viewer.recording)

    def attempt(action: Callable[[], object], refusal: str = "") -> None:
        with DRAWING:
            try:
                note.value = refusal if action() is False else ""
            except ValueError as error:
                note.value = plain(error, most=200)

    def button(name: str, action: Callable[[], object], refusal: str = "") -> "ipywidgets.Button":
        made = ipywidgets.Button(description=name, layout={"width": "auto"})
        made.on_click(lambda _: attempt(action, refusal))
        return made

    def follow(box: "ipywidgets.FloatText", current: Callable[[], float], move: Callable[[float], None]) -> None:
        def act(change: Mapping[str, float]) -> None:
            # A front end echoes what the kernel sets: act only on what differs from the viewer.
            if change["new"] != round(current(), 3):
                attempt(lambda: move(change["new"]))

        box.observe(act, "value")

    follow(start, lambda: viewer.start_s, lambda start_s: viewer.show(start_s, viewer.width_s))
    follow(width, lambda: viewer.width_s, lambda width_s: viewer.show(viewer.start_s, width_s))
    choice.observe(lambda change: attempt(lambda: viewer.choose(change["new"])), "value")
    moves = [
        button("earlier", lambda: viewer.shift(-0.8)),
        button("later", lambda: viewer.shift(0.8)),
        button("zoom in", lambda: viewer.zoom(0.5)),
        button("zoom out", lambda: viewer.zoom(2.0)),
        button("whole", viewer.whole),
        button("previous label", viewer.previous_label, "no label before this"),
        button("next label", viewer.next_label, "no label after this"),
        button("previous event", viewer.previous_event, "no event before this"),
        button("next event", viewer.next_event, "no event after this"),
    ]
    wrap = {"flex_flow": "row wrap"}
    places = [choice, start, width, note] if len(viewer.recordings) > 1 else [start, width, note]
    refresh()
    return ipywidgets.VBox(
        [ipywidgets.HBox(places, layout=wrap), ipywidgets.HBox(moves, layout=wrap), picture]
    ), refresh


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
