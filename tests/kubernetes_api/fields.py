"""Which fields an object has, and who owns them: what server-side apply is made of."""

import copy
import json

# List items that are told apart by keys; all other lists are one value.
_KEYS = {
    "containers": ("name",),
    "initContainers": ("name",),
    "volumes": ("name",),
    "env": ("name",),
    "volumeMounts": ("mountPath",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
    "conditions": ("type",),
}
_CONTAINER_PORT = ("containerPort", "protocol")
_SERVICE_PORT = ("port", "protocol")
# Mappings that are one value.
_ATOMIC = {"selector", "labelSelector", "secretRef", "scaleTargetRef"}
_UNOWNED = {"name", "namespace", "uid", "resourceVersion", "managedFields", "creationTimestamp"}


def keys_of(name, items):
    """The keys of a list's items, or None where the list is one value."""
    if name == "ports" and items:
        return _CONTAINER_PORT if "containerPort" in items[0] else _SERVICE_PORT
    return _KEYS.get(name)


def field_set(body):
    """The paths of all leaves of what somebody applied."""
    found = set()
    for name, value in body.items():
        if name in ("apiVersion", "kind", "status"):
            continue
        if name == "metadata":
            value = {key: inner for key, inner in value.items() if key not in _UNOWNED}
            if not value:
                continue
        _collect(value, (f"f:{name}",), name, found, spec_selector=body.get("kind") == "Service")
    return found


def _collect(value, path, name, found, spec_selector=False):
    atomic = name in _ATOMIC and not (spec_selector and name == "selector")
    if isinstance(value, dict) and value and not atomic:
        for key, inner in value.items():
            _collect(inner, (*path, f"f:{key}"), key, found, spec_selector)
    elif isinstance(value, list) and (keys := keys_of(name, value)):
        for item in value:
            inner_path = (*path, _item(item, keys))
            found.add((*inner_path, "."))
            for key, inner in item.items():
                _collect(inner, (*inner_path, f"f:{key}"), key, found, spec_selector)
    else:
        found.add(path)


def _item(item, keys):
    defaults = {"protocol": "TCP"}
    return "k:" + json.dumps({key: item.get(key, defaults.get(key)) for key in keys})


def value_at(body, path):
    """The value of a leaf, or None."""
    for step in path:
        if step == ".":
            return body is not None
        if body is None:
            return None
        if step.startswith("f:"):
            body = body.get(step[2:]) if isinstance(body, dict) else None
        else:
            body = _find(body, json.loads(step[2:]))
    return body


def _find(items, wanted):
    defaults = {"protocol": "TCP"}
    for item in items or []:
        if all(item.get(key, defaults.get(key)) == value for key, value in wanted.items()):
            return item
    return None


def remove(body, path):
    """Take a leaf out of an object, and a list's item once nothing but its keys is left."""
    *parents, last = path
    for step in parents:
        if body is None:
            return
        if step.startswith("f:"):
            body = body.get(step[2:]) if isinstance(body, dict) else None
        else:
            body = _find(body, json.loads(step[2:]))
    if isinstance(body, dict) and last.startswith("f:"):
        body.pop(last[2:], None)


def remove_item(body, path):
    """Take a whole item out of a list of items with keys."""
    *parents, item, _ = path
    items = value_at(body, tuple(parents))
    found = _find(items, json.loads(item[2:]))
    if found is not None:
        items.remove(found)


def merge(live, applied, name=""):
    """The live object with everything that was applied in it."""
    if isinstance(live, dict) and isinstance(applied, dict) and name not in _ATOMIC:
        merged = dict(live)
        for key, value in applied.items():
            merged[key] = merge(live[key], value, key) if key in live else copy.deepcopy(value)
        return merged
    if isinstance(live, list) and isinstance(applied, list) and (keys := keys_of(name, applied)):
        rest = list(live)
        merged = []
        for item in applied:
            before = _find(rest, json.loads(_item(item, keys)[2:]))
            if before is not None:
                rest.remove(before)
            merged.append(merge(before, item) if before is not None else copy.deepcopy(item))
        return merged + rest
    return copy.deepcopy(applied)


def written(paths):
    """A set of paths as `fieldsV1` writes it."""
    fields = {}
    for path in sorted(paths):
        place = fields
        for step in path:
            place = place.setdefault(step, {})
    return fields


def dotted(path):
    """A path as an error message writes it."""
    text = ""
    for step in path:
        if step.startswith("f:"):
            text += f".{step[2:]}"
        elif step != ".":
            inner = ",".join(f"{k}={json.dumps(v)}" for k, v in json.loads(step[2:]).items())
            text += f"[{inner}]"
    return text
