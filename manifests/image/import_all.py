"""Imports all that the project's code ever imports, also inside functions: `import_all.py FOLDER`.

Run while the image is built. A part that slim.py took out and that is needed after all, or a
requirement that the lock lacks, fails the build and not a pipeline's last step.
"""

import ast
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

# What Kubeflow starts in the image, and what fsspec and pandas load by name.
BY_NAME = (
    "kfp.dsl.executor_main",
    "s3fs",
    "gcsfs",
    "fsspec.implementations.http",
    "pyarrow.parquet",
)


def imports(source: str) -> Iterator[tuple[str, str]]:
    r"""The import statements, as a module and a name in it, which may be empty.

    >>> list(imports("import a.b\ndef f():\n    from c import d"))
    [('a.b', ''), ('c', 'd')]
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((each.name, "") for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.module, each.name) for each in node.names)


def load(module: str, name: str) -> None:
    """Import it as the statement would.

    Raises:
        ImportError: when it is not there.
    """
    found = importlib.import_module(module)
    if name and not hasattr(found, name):
        importlib.import_module(f"{module}.{name}")


def load_all(folder: Path) -> int:
    """Import all modules below a folder and all they import; returns how many statements."""
    wanted = {(name, "") for name in BY_NAME}
    for path in folder.rglob("*.py"):
        module = ".".join(path.relative_to(folder).with_suffix("").parts)
        wanted |= set(imports(path.read_text(encoding="utf-8")))
        if path.name not in ("__init__.py", "__main__.py"):
            wanted.add((module, ""))
    for module, name in sorted(wanted):
        load(module, name)
    return len(wanted)


if __name__ == "__main__":
    print(f"import_all.py: {load_all(Path(sys.argv[1]))} imports work")
