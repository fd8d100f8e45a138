"""Read a spec from YAML or JSON; an error names the line and the nearest valid key."""

from __future__ import annotations

import difflib
import json
import re
import types
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from components.core.errors import SpecError
from components.spec.model import Spec

# What pydantic's errors ask for, in the words of a spec.
_WANTED = {
    "model_type": "a mapping of keys to values",
    "dict_type": "a mapping of keys to values",
    "list_type": "a list, such as [a, b]",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "float_parsing": "a number",
    "float_type": "a number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "int_type": "a whole number",
    "string_type": "a text; put it in quotes",
}


def load_spec(path: str | Path) -> Spec:
    """Read a spec from a YAML file.

    Raises:
        SpecError: when the file is not there, is no YAML, or is no valid spec.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SpecError(f"there is no spec at {path}; pass one with --spec") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"the spec {path} cannot be read: {error}") from error
    return parse_spec(text, name=str(path))


def parse_spec(text: str, name: str = "spec") -> Spec:
    """Read a spec from text; JSON, as it travels in a run's parameters, is YAML too.

    Args:
        text: the spec.
        name: what the error messages call it.

    Raises:
        SpecError: one line a mistake, each with its line number.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        content = _read(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{name}:{mark.line + 1}" if mark else name
        problem = getattr(error, "problem", None) or str(error)
        raise SpecError(f"{where}: this is not YAML: {problem}") from None
    if twice := _twice(root):
        key, first, second = twice
        raise SpecError(f"{name}:{second}: key {key!r} is there already, in line {first}; keep one")
    if not isinstance(content, dict):
        raise SpecError(f"{name}: a spec is a mapping of keys to values, such as 'model: flights'")
    try:
        return Spec.model_validate(content)
    except ValidationError as error:
        lines = [_explain(item, root, name) for item in error.errors()]
        raise SpecError("\n".join(lines)) from None


def dump_spec(spec: Spec) -> str:
    """The whole spec, defaults included, as canonical JSON: equal specs give equal text."""
    # kfp.local puts its interpreter's path wherever a parameter says python3; JSON can say it
    # in another way.
    return spec.model_dump_json(by_alias=True).replace("python3", "\\u0070ython3")


def _read(text: str) -> Any:
    """JSON as JSON: YAML 1.1 takes 1e-7, which JSON may write, for a text."""
    try:
        return json.loads(text)
    except ValueError:
        return yaml.safe_load(text)


def _twice(node: yaml.Node | None) -> tuple[str, int, int] | None:
    """A key that one mapping has twice, of which YAML would silently take the last; and lines."""
    if isinstance(node, yaml.SequenceNode):
        return next((found for item in node.value if (found := _twice(item))), None)
    if not isinstance(node, yaml.MappingNode):
        return None
    lines: dict[str, int] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if key.value in lines:
            return key.value, lines[key.value], line
        lines[key.value] = line
        if found := _twice(value):
            return found
    return None


def _explain(error: Any, root: yaml.Node | None, name: str) -> str:
    path = [part for part in error["loc"] if not _is_tag(part, root, error["loc"])]
    where = ".".join(str(part) for part in path)
    line = f"{name}:{_line(root, path)}"
    if error["type"] == "extra_forbidden":
        return f"{line}: unknown key {where!r}{_suggest(path)}"
    if error["type"] == "missing":
        return f"{line}: {where!r} is missing"
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] in ("literal_error", "union_tag_invalid"):
        return f"{line}: {where}: {_choice(error)}"
    if error["type"] == "string_pattern_mismatch":
        message = "use lower-case letters, digits and '-', and begin with a letter"
    elif error["type"] in _WANTED:
        message = f"{error['input']!r} is not {_WANTED[error['type']]}"
    return f"{line}: {where}: {message}" if where else f"{line}: {message}"


def _choice(error: Any) -> str:
    context = error["ctx"]
    valid = re.findall(r"'([^']+)'", context.get("expected") or context["expected_tags"])
    given = context.get("tag", error["input"])
    close = difflib.get_close_matches(str(given), valid, n=1, cutoff=0.5)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"{given!r} is not one of {', '.join(valid)}{hint}"


def _is_tag(part: Any, root: yaml.Node | None, location: Sequence[Any]) -> bool:
    # pydantic puts the chosen member of a union into the path: source.files.path
    return (
        len(location) > 1
        and location[0] == "source"
        and part == location[1]
        and (_child(_child(root, "source"), part) is None)
    )


def _suggest(path: Sequence[Any]) -> str:
    valid = _keys(Spec, path[:-1])
    close = difflib.get_close_matches(str(path[-1]), valid, n=1, cutoff=0.5)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; valid keys here: {', '.join(valid)}" if valid else ""


def _keys(model: type[BaseModel], path: Sequence[Any]) -> list[str]:
    models = [model]
    for part in path:
        models = [
            child
            for parent in models
            for key, field in parent.model_fields.items()
            if (field.alias or key) == part
            for child in _models(field.annotation)
        ]
    return sorted({f.alias or k for m in models for k, f in m.model_fields.items()})


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is not None:
        return [m for part in typing.get_args(annotation) for m in _models(part)]
    return []


def _child(node: yaml.Node | None, key: Any) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        return next((value for name, value in node.value if name.value == str(key)), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
        item: yaml.Node = node.value[key]
        return item
    return None


def _line(root: yaml.Node | None, path: Sequence[Any]) -> int:
    """The line of the deepest node on the path that the text has, counted from one."""
    line, node = 0, root
    for part in path:
        if isinstance(node, yaml.MappingNode):
            key = next((name for name, _ in node.value if name.value == str(part)), None)
            line = key.start_mark.line if key is not None else line
        node = _child(node, part)
        if node is None:
            break
        if isinstance(part, int):
            line = node.start_mark.line
    return line + 1
