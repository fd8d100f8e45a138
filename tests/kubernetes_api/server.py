"""The API over HTTP, with the faults that a test asks for."""

import json
import socket
import struct
import threading
import urllib.request
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import yaml

from components.release.kubernetes.names import read_entry
from tests.kubernetes_api.store import RefusedError

_GROUPS = {
    "/apis/apps/v1": {"deployments", "replicasets"},
    "/apis/autoscaling/v2": {"horizontalpodautoscalers"},
    "/apis/policy/v1": {"poddisruptionbudgets"},
    "/apis/serving.kserve.io/v1beta1": {"inferenceservices"},
    "/api/v1": {"pods", "services"},
}
_CREDENTIALS = "of-the-test"


@dataclass
class Fault:
    """Meets the next `times` requests of a verb whose path holds `part`.

    `kind` is a status to answer with, or `reset` to cut the connection, or `lost` to do what was
    asked and cut it then, `html` to answer as a proxy does, or `misunderstood` as the server
    does to a manifest that is not of its schema.
    """

    verb: str
    part: str
    kind: int | str
    times: int = 1
    headers: dict = field(default_factory=dict)
    met: int = 0


class FakeApi:
    """Serves a cluster on a port of this machine until it is closed."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.faults = []
        self.denied = set()  # (verb, resource), as the access rules name them
        self.rules = None  # those of a Role; None for a user who may do everything
        self.user = "dora"
        self.requests = []
        self.connections = set()
        self.bearer = _CREDENTIALS
        self._port = 0
        self._server = None
        self._thread = None
        self._back_at = None
        self._open()
        cluster.waiting.append(self._come_back)

    @property
    def url(self):
        return f"http://127.0.0.1:{self._port}"

    def kubeconfig(self, path, **changes):
        """Write a kubeconfig for it; `changes` are what is wrong with it."""
        cluster = {"server": changes.get("server", self.url)}
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": changes.get("current", "test"),
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": "test", "user": {"token": changes.get("token", _CREDENTIALS)}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        }
        path.write_text(yaml.safe_dump(content))
        return path

    def fault(self, verb, part, kind, times=1, **headers):
        found = Fault(verb, part, kind, times, headers)
        self.faults.append(found)
        return found

    def restart(self, seconds):
        """Stop serving for so many seconds of the cluster's time."""
        self._shut()
        self._back_at = self.cluster.seconds + seconds

    def close(self):
        self._back_at = None
        self._shut()

    def _come_back(self, seconds):
        if self._back_at is not None and seconds >= self._back_at:
            self._back_at = None
            self._open()

    def _open(self):
        handler = type("Handler", (_Handler,), {"api": self})
        ThreadingHTTPServer.allow_reuse_address = True
        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), handler)
        self._server.daemon_threads = True
        self._port = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,), daemon=True
        )
        self._thread.start()

    def _shut(self):
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()
            self._server = None
            for connection in list(self.connections):
                _cut(connection)


class _Handler(BaseHTTPRequestHandler):
    api = None
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def setup(self):
        super().setup()
        self.api.connections.add(self.connection)

    def finish(self):
        self.api.connections.discard(self.connection)
        with suppress(OSError):  # it was cut
            super().finish()

    def do_GET(self):
        self._answer("get")

    def do_PATCH(self):
        self._answer("patch")

    def do_DELETE(self):
        self._answer("delete")

    def log_message(self, *arguments):
        pass

    def _answer(self, verb):
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else {}
        parts = urlsplit(self.path)
        query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        fault = self._fault(verb, parts.path)
        if fault is not None and fault.kind != "lost":
            self._misbehave(fault)
            return None
        try:
            with self.api.cluster.lock:
                self._check_token()
                status, content = self._do(verb, parts.path, query, body)
        except RefusedError as refused:
            if fault is not None:
                return self._cut()
            return self._send(refused.status, json.dumps(refused.body), refused.headers)
        if fault is not None:
            return self._cut()
        self.api.requests.append((verb, parts.path, query))
        text = content if isinstance(content, str) else json.dumps(content)
        return self._send(status, text)

    def _fault(self, verb, path):
        for fault in self.api.faults:
            if fault.met < fault.times and fault.verb in (verb, "*") and fault.part in path:
                fault.met += 1
                return fault
        return None

    def _misbehave(self, fault):
        if fault.kind == "reset":
            self._cut()
        elif fault.kind == "html":
            self._send(200, "<html>welcome to the proxy</html>")
        elif fault.kind == "misunderstood":
            message = (
                "failed to create typed patch object: .spec.imagee: field not declared in schema"
            )
            self._send(500, json.dumps({**RefusedError(500, None, message).body}))
        else:
            refused = RefusedError(fault.kind, "Injected", f"injected {fault.kind}")
            self._send(fault.kind, json.dumps(refused.body), fault.headers)

    def _cut(self):
        _cut(self.connection)
        self.close_connection = True

    def _send(self, status, text, headers=None):
        data = text.encode()
        self.send_response(status)
        for key, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(key.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
        self.wfile.flush()

    def _check_token(self):
        if self.headers.get("Authorization") != f"Bearer {self.api.bearer}":
            raise RefusedError(401, "Unauthorized", "Unauthorized")

    def _do(self, verb, path, query, body):
        cluster, store = self.api.cluster, self.api.cluster.store
        group = next(found for found in _GROUPS if path.startswith(found))
        rest = path.removeprefix(group).strip("/").split("/")
        if rest == [""]:
            return 200, {"resources": self._resources(group)}
        _, namespace, resource, *names = rest
        name, sub = names[0] if names else "", names[1:]
        self._check_access(verb, resource, name, sub, namespace, group)
        if resource not in {one["name"] for one in self._resources(group)}:
            raise RefusedError(404, "NotFound", "the server could not find the requested resource")
        if sub:
            return 200, self._subresource(name, sub, query)
        if verb == "patch":
            self._check_namespace(namespace)
            return self._patch(resource, name, query, body, group)
        if namespace not in cluster.namespaces and not name:
            return 200, {"items": []}
        if not name:
            return 200, {"items": self._selected(resource, query.get("labelSelector", ""))}
        found = store.get(resource, name) if namespace in cluster.namespaces else None
        if found is None:
            raise RefusedError(404, "NotFound", f'{resource} "{name}" not found')
        if verb == "delete":
            store.check_uid(resource, name, (body.get("preconditions") or {}).get("uid"))
            store.delete(resource, name)
            return 200, {"status": "Success"}
        return 200, store.shown(found, resource)

    def _resources(self, group):
        known = _GROUPS[group]
        if "inferenceservices" in known and not self.api.cluster.kserve:
            raise RefusedError(404, "NotFound", "404 page not found")
        return [{"name": name} for name in sorted(known)]

    def _check_access(self, verb, resource, name, sub, namespace, group):
        verb = "list" if verb == "get" and not name else verb
        asked = "/".join([resource, *sub[:1]])
        group = group.split("/")[2] if "apis" in group else ""
        verbs = [verb]
        if verb == "patch" and self.api.cluster.store.get(resource, name) is None:
            verbs.append("create")
        for one in verbs:
            if (one, asked) in self.api.denied or not self._granted(one, group, asked, name):
                raise RefusedError(
                    403,
                    "Forbidden",
                    f'{asked} "{name}" is forbidden: User "{self.api.user}" cannot {one} resource '
                    f'"{asked}" in API group "{group}" in the namespace "{namespace}"',
                )

    def _granted(self, verb, group, resource, name):
        """As a Role grants it: with names, or to every object where it names none."""
        return self.api.rules is None or any(
            verb in rule["verbs"]
            and group in rule["apiGroups"]
            and resource in rule["resources"]
            and (not rule.get("resourceNames") or name in rule["resourceNames"])
            for rule in self.api.rules
        )

    def _check_namespace(self, namespace):
        if namespace not in self.api.cluster.namespaces:
            raise RefusedError(404, "NotFound", f'namespaces "{namespace}" not found')

    def _patch(self, resource, name, query, body, group):
        if self.headers["Content-Type"] != "application/apply-patch+yaml":
            raise RefusedError(415, "UnsupportedMediaType", "only server-side apply")
        store = self.api.cluster.store
        before = store.get(resource, name)
        made = before is None
        if before is not None and resource == "deployments":
            selector = body.get("spec", {}).get("selector")
            if selector not in (None, before["spec"]["selector"]):
                raise RefusedError(
                    422,
                    "Invalid",
                    f'Deployment "{name}" is invalid: spec.selector: '
                    "Invalid value: field is immutable",
                )
        applied = store.apply(
            resource,
            name,
            body,
            query["fieldManager"],
            query.get("force", "").lower() == "true",
            query.get("dryRun") == "All",
            _defaults if resource == "deployments" else lambda found: found,
        )
        return 201 if made else 200, store.shown(applied, resource)

    def _selected(self, resource, selector):
        wanted = dict(part.split("=") for part in selector.split(",") if part)
        return [
            body
            for body in self.api.cluster.store.all(resource)
            if wanted.items() <= (body["metadata"].get("labels") or {}).items()
        ]

    def _subresource(self, place, sub, query):
        name = place.split(":")[0]
        pod = self.api.cluster.store.get("pods", name)
        if pod is None:
            raise RefusedError(404, "NotFound", f'pods "{name}" not found')
        entry = read_entry(pod["metadata"]["annotations"])
        acts = self.api.cluster.pods[entry.version]
        if sub[0] == "log":
            crashed = acts.fails in ("crash", "fetch")
            if query.get("previous") == "true" and not crashed:
                message = f'previous terminated container "{query["container"]}" not found'
                raise RefusedError(400, "BadRequest", message)
            return "\n".join(acts.log.splitlines()[-int(query["tailLines"]) :])
        if pod["status"]["phase"] != "Running":
            raise RefusedError(503, "ServiceUnavailable", "no endpoints available for the pod")
        if acts.url:
            with urllib.request.urlopen(f"{acts.url}/{'/'.join(sub[1:])}") as response:  # noqa: S310
                return response.read().decode()
        ago = float(sub[-1]) if sub[1:-1] == ["metrics", "ago"] else 0.0
        return acts.metrics(name, entry.version, ago)


def _cut(connection):
    with suppress(OSError):
        linger = struct.pack("ii", 1, 0)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        connection.shutdown(socket.SHUT_RDWR)


def _defaults(deployment):
    spec = deployment["spec"]
    spec.setdefault("replicas", 1)
    template = spec["template"]["spec"]
    for key, value in (
        ("dnsPolicy", "ClusterFirst"),
        ("restartPolicy", "Always"),
        ("schedulerName", "default-scheduler"),
    ):
        template.setdefault(key, value)
    for container in [*template["containers"], *template.get("initContainers", [])]:
        for mount in container.get("volumeMounts", []):
            if mount.get("readOnly") is False:
                del mount["readOnly"]  # as the server does, whoever owns it
        container.setdefault("imagePullPolicy", "IfNotPresent")
        container.setdefault("terminationMessagePath", "/dev/termination-log")
    return deployment
