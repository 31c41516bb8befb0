"""Medians, ratios, and the table they make."""

import re
import statistics
from dataclasses import dataclass
from pathlib import Path

MARKED = re.compile(r"(<!-- figures -->\n).*?(<!-- /?figures -->)", re.S)


@dataclass(frozen=True)
class Row:
    title: str
    unit: str
    base: float | None
    ours: float
    ratio: float | None
    goal: str
    met: bool | None


def row_of(line, values):
    """The row of LINE, or None where it was not measured. VALUES: "experiment/side/figure" -> one value a round."""
    if not values.get(line.ours) or (line.base and not values.get(line.base)):
        return None
    ours = statistics.median(values[line.ours])
    base = statistics.median(values[line.base]) if line.base else None
    ratio = None
    if base is not None and min(base, ours) > 0:
        ratio = base / ours if line.lower_is_better else ours / base
    if line.limit is not None:
        return Row(line.title, line.unit, base, ours, ratio, f"≤ {line.limit:g} {line.unit}", ours <= line.limit)
    if line.goal is not None:
        return Row(line.title, line.unit, base, ours, ratio, f"≥ {line.goal:g}x", ratio is not None and ratio >= line.goal)
    return Row(line.title, line.unit, base, ours, ratio, "", None)


def number(value):
    if value is None:
        return ""
    if value >= 10_000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value < 1000 else f"{value:.0f}"


def markdown(rows):
    lines = ["| what | unit | against | ours | ratio | goal | |", "|---|---|---:|---:|---:|---:|---|"]
    for row in rows:
        ratio = f"{row.ratio:.2f}x" if row.ratio is not None else ""
        verdict = {True: "met", False: "missed", None: ""}[row.met]
        lines.append(f"| {row.title} | {row.unit} | {number(row.base)} | {number(row.ours)} | {ratio} | {row.goal} | {verdict} |")
    return "\n".join(lines)


def replace_section(path, text):
    """Puts TEXT between the markers of the file at PATH."""
    path = Path(path)
    content = path.read_text()
    if not MARKED.search(content):
        raise SystemExit(f"{path} has no <!-- figures --> section")
    path.write_text(MARKED.sub(lambda match: match[1] + text + "\n" + match[2], content, count=1))
