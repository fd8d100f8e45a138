"""The objects of the cluster, with their versions and owners."""

import copy
import itertools
import json
import uuid

from tests.kubernetes_api import fields


class RefusedError(Exception):
    """An answer of the API that is no success."""

    def __init__(self, status, reason, message, causes=(), headers=None):
        super().__init__(message)
        self.status = status
        self.headers = headers or {}
        self.body = {
            "kind": "Status",
            "apiVersion": "v1",
            "status": "Failure",
            "message": message,
            "reason": reason,
            "details": {"causes": list(causes)},
            "code": status,
        }


class Store:
    """Objects by resource and name; each change has the next version."""

    def __init__(self, now):
        self._now = now
        self._objects = {}
        self._owners = {}  # (resource, name) -> {(manager, operation): set of paths}
        self._versions = itertools.count(1000)

    def all(self, resource):
        return [body for (kind, _), body in self._objects.items() if kind == resource]

    def get(self, resource, name):
        return self._objects.get((resource, name))

    def shown(self, body, resource):
        """An object as the API shows it, with the owners of its fields."""
        owners = self._owners.get((resource, body["metadata"]["name"]), {})
        shown = json.loads(json.dumps(body))
        shown["metadata"]["managedFields"] = [
            {
                "manager": manager,
                "operation": operation,
                "apiVersion": body["apiVersion"],
                "fieldsType": "FieldsV1",
                "fieldsV1": fields.written(paths),
            }
            for (manager, operation), paths in owners.items()
        ]
        return shown

    def create(self, resource, body, manager="", operation="Update"):
        body = copy.deepcopy(body)
        body["metadata"].update(
            uid=str(uuid.uuid4()),
            creationTimestamp=self._now().isoformat(),
            generation=1,
        )
        self._objects[resource, body["metadata"]["name"]] = body
        if manager:
            paths = fields.field_set(body)
            self._owners[resource, body["metadata"]["name"]] = {(manager, operation): paths}
        self._touch(body)
        return body

    def apply(self, resource, name, applied, manager, force, dry_run, defaults):
        """Server-side apply; returns the object as it is, or would be."""
        live = self._objects.get((resource, name))
        uid = applied["metadata"].get("uid")
        if uid is not None and (live is None or live["metadata"]["uid"] != uid):
            message = (
                f'"{name}" is invalid: metadata.uid: Invalid value: "{uid}": field is immutable'
            )
            raise RefusedError(422, "Invalid", message)
        wanted = applied["metadata"].get("resourceVersion")
        if live is not None and wanted not in (None, live["metadata"]["resourceVersion"]):
            raise self._stale(resource, name)
        applied = copy.deepcopy(applied)
        for unowned in ("resourceVersion", "managedFields"):
            applied["metadata"].pop(unowned, None)
        if live is None:
            body = defaults(copy.deepcopy(applied))
            if dry_run:
                return body
            self.create(resource, body)
            self._owners[resource, name] = {(manager, "Apply"): fields.field_set(applied)}
            return self._objects[resource, name]
        return self._apply_over(resource, live, applied, manager, force, dry_run, defaults)

    def _apply_over(self, resource, live, applied, manager, force, dry_run, defaults):
        name = live["metadata"]["name"]
        owners = copy.deepcopy(self._owners.get((resource, name), {}))
        paths = fields.field_set(applied)
        self._refuse_conflicts(live, applied, owners, paths, manager, force)
        gone = owners.get((manager, "Apply"), set()) - paths
        others = set().union(*(p for key, p in owners.items() if key != (manager, "Apply")))
        merged = fields.merge(live, applied)
        for path in sorted(gone - others, key=len, reverse=True):
            (fields.remove_item if path[-1] == "." else fields.remove)(merged, path)
        merged = defaults(merged)
        owners[manager, "Apply"] = paths
        if dry_run:
            return merged
        self._owners[resource, name] = {key: value for key, value in owners.items() if value}
        return self._write(live, merged)

    def _refuse_conflicts(self, live, applied, owners, paths, manager, force):
        causes = []
        for (other, operation), theirs in owners.items():
            if other == manager and operation == "Apply":
                continue
            contested = {
                path
                for path in paths & theirs
                if fields.value_at(applied, path) != fields.value_at(live, path)
            }
            if force:
                theirs -= contested
                continue
            causes += [
                {
                    "reason": "FieldManagerConflict",
                    "message": f'conflict with "{other}" using {live["apiVersion"]}',
                    "field": fields.dotted(path),
                }
                for path in sorted(contested)
            ]
        if causes:
            message = f"Apply failed with {len(causes)} conflict(s)"
            raise RefusedError(409, "Conflict", message, causes)

    def update(self, resource, name, change, manager):
        """A change that is no apply, such as an edit or the autoscaler's: it takes what it sets."""
        live = self._objects[resource, name]
        changed = copy.deepcopy(live)
        change(changed)
        before, after = fields.field_set(live), fields.field_set(changed)
        taken = {
            path
            for path in after
            if path not in before or fields.value_at(live, path) != fields.value_at(changed, path)
        }
        owners = self._owners.setdefault((resource, name), {})
        for theirs in owners.values():
            theirs -= taken | (before - after)
        owners.setdefault((manager, "Update"), set()).update(taken)
        return self._write(live, changed)

    def set_status(self, body, status):
        if body.get("status") != status:
            body["status"] = copy.deepcopy(status)
            self._touch(body)

    def delete(self, resource, name):
        body = self._objects.pop((resource, name), None)
        self._owners.pop((resource, name), None)
        if body is None:
            return
        for kind, other in list(self._objects):
            owned = self._objects.get((kind, other), {}).get("metadata", {})
            uids = [owner["uid"] for owner in owned.get("ownerReferences", [])]
            if body["metadata"]["uid"] in uids:
                self.delete(kind, other)

    def check_uid(self, resource, name, uid):
        if uid not in (None, self._objects[resource, name]["metadata"]["uid"]):
            raise RefusedError(409, "Conflict", f"Precondition failed: UID in precondition: {uid}")

    def _write(self, live, changed):
        for ours in ("uid", "creationTimestamp", "generation", "resourceVersion"):
            changed["metadata"][ours] = live["metadata"][ours]
        if json.dumps(changed, sort_keys=True) == json.dumps(live, sort_keys=True):
            return live
        if changed.get("spec") != live.get("spec"):
            changed["metadata"]["generation"] += 1
        live.clear()
        live.update(changed)
        self._touch(live)
        return live

    def _touch(self, body):
        body["metadata"]["resourceVersion"] = str(next(self._versions))

    @staticmethod
    def _stale(resource, name):
        return RefusedError(
            409,
            "Conflict",
            f'Operation cannot be fulfilled on {resource} "{name}": the object has been modified; '
            "please apply your changes to the latest version and try again",
        )
