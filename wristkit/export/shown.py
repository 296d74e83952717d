"""How a bundle shows itself in a notebook: what passed, what it costs, and what was not run, escaped."""

import html
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from wristkit.export.bundle import Bundle

_COLOURS = {"passed": "#1e6e3c", "failed": "#b3401a", "not run": "#a86500", "warning": "#a86500", "refused": "#b3401a"}


def page_of(bundle: "Bundle") -> str:
    """Return the HTML of a bundle."""
    names = ", ".join(one.name for one in bundle.packages.values())
    costs = pd.DataFrame({stage or "all": one.numbers for stage, one in bundle.costs.items()}).dropna(how="all")
    costs.index = costs.index.str.replace("_", " ")
    ran = bundle.parity[bundle.parity["status"] != "not run"]
    warned = bundle.preflight[bundle.preflight["status"] != "passed"]
    return (
        f"<p><b>{html.escape(names)}</b></p>"
        f"{_table(ran)}"
        f"{_table(warned) if len(warned) else ''}"
        f"{costs.to_html(na_rep='', float_format='{:,.4g}'.format)}"
        f"<p><b>Not run:</b> {html.escape(', '.join(bundle.not_run) or 'nothing')}</p>"
    )


def _table(table: pd.DataFrame) -> str:
    shown = table.assign(status=[f'<span style="color:{_COLOURS[one]}">{one}</span>' for one in table["status"]])
    words = [name for name in ("check", "where", "note") if name in shown]
    shown[words] = shown[words].map(lambda one: html.escape(str(one)))
    return shown.to_html(index=False, na_rep="", float_format="{:.3g}".format, escape=False)
