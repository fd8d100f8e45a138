"""The part of the drift report that is ours: the verdict, in plain HTML."""

from __future__ import annotations

import html
from collections.abc import Mapping

from components.core.verdict import Finding, Verdict

EMPTY_PAGE = (
    '<!DOCTYPE html><html lang="en"><head><meta charset="UTF-8"></head><body></body></html>'
)

_STATISTICS = {"psi": "PSI", "roc_auc": "AUC"}
_FIGURES = ("Effect", "95 % interval", "Threshold", "p-value", "Could show")

_STYLE = """
.driftline { font: 16px/1.5 system-ui, sans-serif; max-width: 1100px; margin: 24px auto;
  padding: 20px 28px; border: 1px solid #d0d0d0; border-left: 10px solid #3a7d44;
  background: #fff; color: #1c1c1c; }
.driftline.warn { border-left-color: #c98a00; }
.driftline.drift, .driftline.blocked { border-left-color: #b3261e; }
.driftline h1 { font-size: 24px; line-height: 1.3; margin: 4px 0 12px; font-weight: 600; }
.driftline .status { text-transform: uppercase; letter-spacing: 0.08em; margin: 0; color: #555; }
.driftline table { border-collapse: collapse; width: 100%; margin: 12px 0; font-size: 15px; }
.driftline th, .driftline td { text-align: left; vertical-align: top; padding: 5px 12px 5px 0;
  border-bottom: 1px solid #e4e4e4; }
.driftline td.figure, .driftline th.figure { text-align: right; white-space: nowrap;
  font-variant-numeric: tabular-nums; }
.driftline tr.drift td:first-child, .driftline tr.blocked td:first-child { color: #b3261e;
  font-weight: 600; }
.driftline tr.warn td:first-child { color: #8a5e00; font-weight: 600; }
.driftline summary { cursor: pointer; }
.driftline .note { color: #555; font-size: 14px; }
"""


def open_page(page: str, verdict: Verdict, left_out: Mapping[str, str], sampled: int) -> str:
    """Put a verdict at the top of an HTML page.

    Args:
        page: a complete page.
        verdict: what opens it; its texts come from the data and are escaped.
        left_out: columns that are not drawn, with the reason.
        sampled: at most so many rows of each side are drawn; 0 where there are none to draw.

    >>> verdict = Verdict.of("drift", "2013-04", "v1", [], quiet="nothing <new>")
    >>> "<h1>nothing &lt;new&gt;</h1>" in open_page(EMPTY_PAGE, verdict, {}, 5000)
    True
    """
    head, body, rest = page.partition("<body>")
    head = head.replace("</head>", f"<style>{_STYLE}</style></head>", 1)
    return f"{head}{body}{_section(verdict, left_out, sampled)}{rest}"


def _section(verdict: Verdict, left_out: Mapping[str, str], sampled: int) -> str:
    worse = verdict.at_least("warn")
    quiet = verdict.findings[len(worse) :]  # findings are ranked, the worst first
    rows, columns = verdict.facts.get("rows", 0), verdict.facts.get("columns", 0)
    parts = [
        f'<section class="driftline {verdict.status}">',
        f'<p class="status">{verdict.check} check: {verdict.status} (answer: {verdict.answer})</p>',
        f"<h1>{html.escape(verdict.headline)}</h1>",
        f"<p>Window {html.escape(verdict.window)}, {rows:,} rows and {columns:,} columns, "
        f"against the reference of {html.escape(verdict.champion or 'no release')}.</p>",
        _table(worse),
    ]
    if quiet:
        opened = "" if worse else " open"
        parts += [
            f"<details{opened}><summary>{len(quiet):,} findings without alarm</summary>",
            _table(quiet),
            "</details>",
        ]
    drawn = (
        f"The plots below are Evidently's, of at most {sampled:,} rows a side; so are the scores "
        "beside them."
        if sampled
        else "It was reached from a profile, which holds no rows that could be plotted."
    )
    parts.append(f'<p class="note">This verdict is driftline\'s, from all rows. {drawn}</p>')
    if left_out:
        listed = "; ".join(f"{name} ({reason})" for name, reason in left_out.items())
        parts.append(f'<p class="note">Not drawn: {html.escape(listed)}.</p>')
    return "".join([*parts, "</section>"])


def _table(findings: list[Finding]) -> str:
    if not findings:
        return ""
    figures = "".join(f'<th class="figure">{name}</th>' for name in _FIGURES)
    head = f"<tr><th>Column</th><th>Finding</th>{figures}</tr>"
    return f"<table>{head}{''.join(map(_row, findings))}</table>"


def _row(finding: Finding) -> str:
    texts = "".join(f"<td>{html.escape(text)}</td>" for text in (finding.column, finding.message))
    figures = "".join(f'<td class="figure">{text}</td>' for text in _figures(finding))
    return f'<tr class="{finding.severity}">{texts}{figures}</tr>'


def _figures(finding: Finding) -> list[str]:
    """A finding's figures, as `_FIGURES` calls them; nothing where there is none."""
    if finding.statistic not in _STATISTICS or finding.value is None:
        return [""] * len(_FIGURES)
    p_value = finding.p_value
    return [
        f"{_STATISTICS[finding.statistic]} {finding.value:.2f}",
        " to ".join(f"{end:.2f}" for end in finding.interval or ()),
        "" if finding.threshold is None else f"{finding.threshold:.2f}",
        "" if p_value is None else f"{p_value:.1g}" if p_value >= 1e-4 else "&lt; 0.0001",
        "" if finding.minimum_effect is None else f"{finding.minimum_effect:.2g}",
    ]
