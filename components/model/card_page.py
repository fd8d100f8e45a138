"""The model card as a page of its own: no script, no network, nothing that the card did not say."""

from __future__ import annotations

import html

_STYLE = """
:root { color-scheme: light dark; --text: #1c1c1c; --faint: #5c5c5c; --line: #dcdcdc;
  --back: #ffffff; --band: #f5f6f7; --mark: #2f6f8f; }
@media (prefers-color-scheme: dark) { :root { --text: #e6e6e6; --faint: #a5a5a5;
  --line: #3c3f43; --back: #16181b; --band: #1e2125; --mark: #79b8d4; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--text);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
h1 { font-size: 2rem; line-height: 1.2; margin: 0 0 0.75rem; padding-bottom: 0.75rem;
  border-bottom: 3px solid var(--mark); }
h2 { font-size: 1.3rem; margin: 2.5rem 0 0.75rem; }
h3 { font-size: 1.05rem; margin: 1.5rem 0 0.5rem; }
.wide { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; width: 100%; font-size: 0.925rem; }
th, td { text-align: left; vertical-align: top; padding: 0.4rem 1rem 0.4rem 0.5rem;
  border-bottom: 1px solid var(--line); overflow-wrap: break-word;
  font-variant-numeric: tabular-nums; }
th { color: var(--faint); font-weight: 600; white-space: nowrap; overflow-wrap: normal; }
thead tr:not(:has(th:not(:empty))) { display: none; }
tbody tr:nth-child(odd) { background: var(--band); }
code { font: 0.9em ui-monospace, SFMono-Regular, Menlo, Consolas, monospace;
  overflow-wrap: anywhere; background: var(--band); padding: 0.1em 0.3em; border-radius: 3px; }
ul { padding-left: 1.25rem; }
@media print { main { max-width: none; padding: 0; } h2 { break-after: avoid; }
  tr { break-inside: avoid; } }
"""


def card_page(card: str, title: str) -> str:
    """A card as a complete HTML page.

    Args:
        card: in Markdown; what looks like HTML in it is text.
        title: the page's.

    >>> "<h1>flights</h1>" in card_page("# flights", "flights")
    True
    >>> "&lt;script&gt;" in card_page("<script>", "x")
    True
    """
    from markdown_it import MarkdownIt

    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(card)
    body = body.replace("<table>", '<div class="wide"><table>').replace(
        "</table>", "</table></div>"
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>{html.escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n{body}</main>\n</body>\n</html>\n"
    )
