"""A skops archive in one form only: equal models give equal bytes.

skops names array files and shared objects by their address in memory, bytes by a random id, and
stamps every member with the time. Here both are numbered in order of appearance, the times are
fixed, and nothing is compressed, since compressors differ from build to build.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

SCHEMA = "schema.json"
# The earliest time that a zip archive can hold.
_EPOCH = (1980, 1, 1, 0, 0, 0)
# Nodes whose value cannot change once made: whether two places share it makes no difference.
_IMMUTABLE = frozenset({"JsonNode", "TypeNode", "FunctionNode", "BytesNode", "DTypeNode"})


def canonical(archive: bytes, extra: Mapping[str, bytes]) -> bytes:
    """The archive in its one form, with further members added.

    Args:
        archive: what `skops.io.dumps` returned.
        extra: further members, by name.
    """
    members = unpack(archive)
    schema = json.loads(members.pop(SCHEMA))
    _sort_sets(schema)
    _renumber(schema)
    named = {new: members[old] for old, new in _rename_files(schema).items()}
    text = json.dumps(schema, separators=(",", ":")).encode()
    return pack({SCHEMA: text, **dict(sorted(extra.items())), **named})


def unpack(archive: bytes) -> dict[str, bytes]:
    """A zip archive's members by name.

    Raises:
        ValueError: when two members share a name, or they are larger than the archive, although
            nothing in it should be compressed.
        zipfile.BadZipFile: when it is no archive, or a member is damaged.
    """
    with zipfile.ZipFile(io.BytesIO(archive)) as source:
        names = source.namelist()
        if len(set(names)) < len(names):
            raise ValueError("two of its members have one name")
        if sum(info.file_size for info in source.infolist()) > len(archive):
            raise ValueError("its members are larger than itself")
        return {name: source.read(name) for name in names}


def pack(members: Mapping[str, bytes]) -> bytes:
    """A zip archive of these members, in this order, the same bytes on every machine.

    >>> pack({"a": b"1"}) == pack({"a": b"1"})
    True
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as target:
        for name, data in members.items():
            info = zipfile.ZipInfo(name, date_time=_EPOCH)
            info.create_system = 3  # what zipfile writes here depends on the platform otherwise
            info.external_attr = 0o644 << 16
            target.writestr(info, data)
    return buffer.getvalue()


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Every node of a skops schema, in order of appearance.

    >>> tree = {"__loader__": "ListNode", "content": [{"__loader__": "JsonNode"}]}
    >>> [node["__loader__"] for node in nodes(tree)]
    ['ListNode', 'JsonNode']
    """
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            if "__loader__" in item:
                yield item
            pending.extend(reversed(item.values()))
        elif isinstance(item, list):
            pending.extend(reversed(item))


def _sort_sets(schema: Any) -> None:
    """A set's order follows the process's hash seed: sort its items by their content."""
    for node in nodes(schema):
        if node["__loader__"] == "SetNode":
            node["content"].sort(key=_without_ids)


def _without_ids(node: Any) -> str:
    copy = json.loads(json.dumps(node))
    for part in nodes(copy):
        part.pop("__id__", None)
    return json.dumps(copy)


def _renumber(schema: Any) -> None:
    """Number the objects that several places share; the others need no id at all."""
    shared = [node for node in nodes(schema) if "__id__" in node]
    for node in shared:
        if node["__loader__"] in _IMMUTABLE:
            del node["__id__"]
    counts = Counter(node["__id__"] for node in shared if "__id__" in node)
    numbers: dict[int, int] = {}
    for node in shared:
        old = node.pop("__id__", None)
        if old is not None and counts[old] > 1:
            node["__id__"] = numbers.setdefault(old, len(numbers) + 1)


def _rename_files(schema: Any) -> dict[str, str]:
    """Name the files by their order in the schema; returns the new name of each old one."""
    names: dict[str, str] = {}
    for node in nodes(schema):
        if isinstance(old := node.get("file"), str):
            suffix = old.rpartition(".")[2]
            node["file"] = names.setdefault(old, f"{len(names)}.{suffix}")
    return names
