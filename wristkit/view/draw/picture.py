"""A figure that a notebook shows by itself."""

import io
import threading

from matplotlib.figure import Figure

# One lock for every picture: widget handlers run on threads of their own, and matplotlib's caches of type are shared.
DRAWING = threading.RLock()


class Picture(Figure):
    """A figure outside pyplot; as the last line of a cell it is shown, where a plain one leaves only its name."""

    def png(self) -> bytes:
        """Return the figure as a PNG file, drawn by Agg."""
        file = io.BytesIO()
        with DRAWING:
            self.savefig(file, format="png")
        return file.getvalue()

    def _repr_png_(self) -> bytes:
        return self.png()
