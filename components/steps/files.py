"""Write a step's output file."""

from __future__ import annotations

from pathlib import Path


def write_output(destination: str, text: str) -> None:
    """Write one output; Kubeflow names the file, but does not make its folder."""
    path = Path(destination)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
