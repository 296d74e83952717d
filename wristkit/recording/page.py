"""How a recording looks in a notebook; every text from a file is escaped here."""

import html
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from wristkit.recording.stream import Stream

if TYPE_CHECKING:
    from wristkit.recording.recording import Recording


def recording_html(recording: "Recording") -> str:
    """Return a table of streams with rates, spans, gaps and a small picture each, labels and findings."""
    facts = {
        "subject": recording.subject,
        "wrist": recording.wrist,
        "crown": recording.crown,
        "start": None if recording.start is None else recording.start.isoformat(timespec="seconds"),
        "format": recording.source.get("format"),
    }
    line = ", ".join(f"{name} {html.escape(str(value))}" for name, value in facts.items() if value is not None)
    rows = "".join(_stream_html(stream, recording.findings) for stream in recording.streams.values())
    labels = "; ".join(_tier_html(str(tier), table) for tier, table in recording.labels.groupby("tier"))
    head = "".join(f"<th style='text-align:left'>{name}</th>" for name in _HTML_HEADS)
    return (
        f"<div><b>Recording {html.escape(recording.id)}</b> {line}"
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        f"<div>labels: {labels or 'none'}</div>{_findings_html(recording.findings)}</div>"
    )


_HTML_HEADS = ("stream", "channels", "rate", "span", "gaps", "findings", "at a glance")


def _tier_html(tier: str, labels: pd.DataFrame) -> str:
    counts = ", ".join(f"{label} {count}" for label, count in labels["label"].value_counts(sort=False).items())
    return html.escape(f"{tier}: {counts}")


def _stream_html(stream: Stream, findings: pd.DataFrame) -> str:
    rate = f"{stream.rate_hz:.6g} Hz" + (" stated" if stream.is_uniform else "")
    lost_s = float(np.sum(stream.gaps[:, 1] - stream.gaps[:, 0]))
    cells = (
        stream.name,
        f"{', '.join(stream.channels[:4])}{' ...' if len(stream.channels) > 4 else ''} ({stream.unit})",
        rate,
        f"{stream.start_s:.2f} to {stream.stop_s:.2f} s" if len(stream) else "empty",
        f"{len(stream.gaps)} ({lost_s:.2f} s)" if len(stream.gaps) else "none",
        str(int((findings["stream"] == stream.name).sum())),
    )
    texts = "".join(f"<td style='text-align:left'>{html.escape(cell)}</td>" for cell in cells)
    return f"<tr>{texts}<td>{_sparkline_svg(stream)}</td></tr>"


def _findings_html(findings: pd.DataFrame) -> str:
    if findings.empty:
        return "<div>findings: none</div>"
    rows = [
        f"<li><b>{html.escape(str(row.code))}</b> {html.escape(str(row.stream))}: {html.escape(str(row.note))}. "
        f"{html.escape(str(row.remedy))}.</li>"
        for row in findings.head(8).itertuples()
    ]
    more = f"<li>and {len(findings) - 8} more in <code>.findings</code></li>" if len(findings) > 8 else ""
    return f"<details><summary>findings: {len(findings)}</summary><ul>{''.join(rows)}{more}</ul></details>"


_SPARK_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")  # Okabe and Ito: told apart by the colour-blind


def _sparkline_svg(stream: Stream, *, width: int = 220, height: int = 28, most_points: int = 4000) -> str:
    """Return a small picture of up to four channels, from at most ``most_points`` samples read."""
    step = max(1, -(-len(stream) // most_points))
    seen = np.asarray(stream.values[::step, :4], dtype=np.float64)
    if not np.isfinite(seen).any():
        return ""
    low, high = float(np.nanmin(seen)), float(np.nanmax(seen))
    edges = np.unique(np.linspace(0, len(seen), min(width, len(seen)) + 1 + 1).astype(int))[:-1]
    lines = []
    for colour, column in zip(_SPARK_COLOURS, seen.T, strict=False):
        ends = np.column_stack([np.fmin.reduceat(column, edges), np.fmax.reduceat(column, edges)]).ravel()
        x = np.repeat(edges / max(1, len(seen)) * width, 2)
        y = (height - 2) * (1 - (ends - low) / max(high - low, 1e-12)) + 1
        drawn = np.isfinite(y)
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x[drawn], y[drawn], strict=True))
        lines.append(f"<polyline points='{points}' fill='none' stroke='{colour}' stroke-width='0.8'/>")
    label = html.escape(f"{stream.name} over time", quote=True)
    return f"<svg width='{width}' height='{height}' role='img' aria-label='{label}'>{''.join(lines)}</svg>"
