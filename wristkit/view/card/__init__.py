"""A model card: what was judged, on whom, with which figures and limits, as one HTML page that needs nothing else."""

import os
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

import pandas as pd

from wristkit.evaluate import ContinuousReport, EventReport, WindowReport
from wristkit.store import atomic_write
from wristkit.view.card.events import Asked, event_card, refuse_other_costs
from wristkit.view.card.measures import continuous_card, window_card
from wristkit.view.card.model import Model
from wristkit.view.card.page import MARK, MARK_WITHIN_BYTES, Card, page

if TYPE_CHECKING:
    from wristkit.export import Bundle

__all__ = ["report"]

Judged = EventReport | WindowReport | ContinuousReport
_LONGEST_NAME = 200  # bytes; a file system takes 255, and the card is written under a longer name first


def report(
    judged: "Judged | Bundle",
    path: str | Path | None = None,
    *,
    model: Model | None = None,
    robustness: pd.DataFrame | None = None,
    context: str | None = None,
    fp_per_hour: float | None = None,
    unit: str = "",
    title: str = "Model card",
) -> Path:
    """Write a report as one HTML page, pictures inside and nothing to fetch, and return where it lies.

    The same report gives the same bytes. Only an earlier card is ever replaced.

    Parameters
    ----------
    judged
        As from ``Detector.evaluate`` or ``wristkit.evaluate``, ``window_report`` or ``continuous_report``; or a bundle
        as from ``wristkit.export``, which takes nothing but a path and a title.
    path
        A name that ends in ``.html``; its folder is made. Of a bundle it may be left out: ``report.html`` beside the
        other files.
    model
        The detector, or better the fit, which knows its people.
    robustness
        The table of ``wristkit.robustness`` for the same detector.
    context
        A tier of labels, such as activities, by which events are told apart.
    fp_per_hour
        Marks the best threshold at no more than so many false alarms; the detector's own where left out.
    unit
        Of what a continuous report measures.
    title
        Heading of the page.
    """
    place = _place(judged, path)
    _refuse(place)
    if model is not None and not isinstance(model, Model):
        raise TypeError(f"model is {model!r}, expected a Detector, or better the Fit; for a cascade leave it out")
    if robustness is not None:
        refuse_other_costs(robustness)
    html = page(_card(judged, Asked(model, robustness, context, fp_per_hour), unit=unit), title=title)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(place, lambda file: file.write(html.encode("utf-8", errors="replace")))
    except OSError as fault:
        raise _not_writable(place, fault) from fault
    return place


def _place(judged: "Judged | Bundle", path: str | Path | None) -> Path:
    if path is not None:
        return Path(path)
    folder = getattr(getattr(judged, "report", None), "parent", None)
    if not isinstance(folder, Path):
        raise TypeError("path is missing; give a name that ends in .html")
    return folder / "report.html"


def _card(judged: "Judged | Bundle", asked: Asked, *, unit: str) -> Card:
    if type(judged).__module__.startswith("wristkit.export"):  # torch comes with that room, and is not loaded for this
        return _exported(judged, asked, unit)
    if isinstance(judged, EventReport):
        if unit:
            raise ValueError(f"unit is {unit!r}, which events do not have; it is for a ContinuousReport")
        return event_card(judged, asked)
    if unused := [name for name in ("robustness", "context", "fp_per_hour") if getattr(asked, name) is not None]:
        raise ValueError(
            f"{unused} are for an EventReport and were given with a {type(judged).__name__}; leave them out"
        )
    if isinstance(judged, WindowReport):
        return window_card(judged, asked.model)
    if isinstance(judged, ContinuousReport):
        return continuous_card(judged, asked.model, unit=unit)
    raise TypeError(
        f"a {type(judged).__name__} makes no card; give an EventReport, a WindowReport (such as "
        "CrossValidation.report) or a ContinuousReport"
    )


def _exported(bundle: "Judged | Bundle", asked: Asked, unit: str) -> Card:
    from wristkit.export import Bundle
    from wristkit.view.card.exported import bundle_card

    if not isinstance(bundle, Bundle):
        raise TypeError(f"a {type(bundle).__name__} makes no card; give the Bundle")
    if unused := [name for name, value in (*asked._asdict().items(), ("unit", unit or None)) if value is not None]:
        raise ValueError(f"{unused} are for a report of figures and were given with a Bundle; leave them out")
    return bundle_card(bundle)


def _refuse(place: Path) -> None:
    """Raise where a card cannot be written without harm."""
    if place.suffix.lower() != ".html":
        raise ValueError(f"path is {place.name!r}, expected a name that ends in .html")
    if len(os.fsencode(place.name)) > _LONGEST_NAME:
        raise ValueError(
            f"path's name is {len(os.fsencode(place.name))} bytes long, expected at most {_LONGEST_NAME}; shorten it"
        )
    _refuse_folder(place)
    if not place.exists():
        return
    if place.is_file():
        with place.open("rb") as file:
            if MARK.encode() in file.read(MARK_WITHIN_BYTES):
                return
    raise FileExistsError(f"{place.name!r} is there already and is no model card; name another file, or move it")


def _refuse_folder(place: Path) -> None:
    """Raise, before anything is drawn, where the folder takes no file or cannot be made."""
    try:
        folder = next(one for one in place.absolute().parents if one.exists())
        if not folder.is_dir():
            raise NotADirectoryError(f"{folder.name!r} is a file")
        with TemporaryFile(dir=folder):
            pass
    except OSError as fault:
        raise _not_writable(place, fault) from fault


def _not_writable(place: Path, fault: OSError) -> OSError:
    why = fault.strerror or fault
    return OSError(f"no card can be written to {str(place)!r} ({why}); name a folder that takes files")
