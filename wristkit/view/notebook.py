"""What a notebook shows of a viewer or a gallery: a PNG always, and controls where there is a kernel."""

import base64
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ipywidgets

WIDGET_MIME = "application/vnd.jupyter.widget-view+json"


def mimebundle(text: str, png: bytes, panel: "ipywidgets.Widget") -> dict[str, Any]:
    """Return what a notebook stores: text and picture for readers without a kernel, the widget for those with one."""
    bundle = {"text/plain": text, "image/png": base64.b64encode(png).decode("ascii")}
    live = panel._repr_mimebundle_() or {}
    views = live[0] if isinstance(live, tuple) else live  # anywidget gives its metadata beside it
    return bundle | {mime: view for mime, view in views.items() if mime == WIDGET_MIME}
