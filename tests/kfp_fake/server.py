"""The API over HTTP on a port of this machine, with the faults that a test asks for."""

import email
import email.policy
import json
import re
import socket
import struct
import threading
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from tests.kfp_fake import pipelines, recurring, runs
from tests.kfp_fake.refusals import RefusedError, UploadRefusedError
from tests.kfp_fake.workflow import Acts

_API = "/apis/v2beta1"
PROXY = "/api/v1/namespaces/kubeflow/services/ml-pipeline:http/proxy"

_LOG = re.compile("/apis/v1alpha1/runs/[^/]+/nodes/(?P<pod>[^/]+)/log")


@dataclass
class Fault:
    """Meets the next `times` requests of a method whose path holds `part`.

    `kind` is a status to answer with, `reset` to cut the connection, `lost` to do what was asked
    and cut it then, `html` to answer as a proxy or a login page does, or `silent` to answer
    never.
    """

    method: str
    part: str
    kind: int | str
    times: int = 1
    body: dict | str = ""
    met: int = 0


@dataclass
class State:
    """What the installation holds."""

    multi_user: bool = False
    tag: str = "2.17.0"
    acts: Acts = field(default_factory=Acts)
    pipelines: dict = field(default_factory=dict)
    versions: dict = field(default_factory=dict)
    experiments: dict = field(default_factory=dict)
    runs: dict = field(default_factory=dict)
    recurring: dict = field(default_factory=dict)
    seconds: int = 1_780_000_000

    def now(self):
        """The time of day, to the second as the database keeps it; it goes on with each asking."""
        self.seconds += 1
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.seconds))

    def new_id(self):
        return str(uuid.uuid4())

    def default_experiment(self):
        for each in self.experiments.values():
            if each["display_name"] == "Default":
                return each
        return runs.create_experiment(self, {}, {}, {"display_name": "Default"})


class FakeKfp(State):
    """Serves an installation until it is closed."""

    def __init__(self, **state):
        super().__init__(**state)
        self.faults = []
        self.logs = {}  # a part of a pod's name, and what that pod wrote
        self.requests = []  # (method, path) of those that were answered
        self.bearers = []  # what came as Authorization, each new one
        self.token = ""  # a bearer that has to be sent, where it is set
        self.routes = [
            (method, re.compile(_API + pattern), handler)
            for method, pattern, handler in (*pipelines.ROUTES, *runs.ROUTES, *recurring.ROUTES)
        ]
        self.lock = threading.RLock()
        self.released = threading.Event()
        self._connections = set()
        self._port = 0
        self._server = None
        self.open()

    @property
    def url(self):
        return f"http://127.0.0.1:{self._port}"

    def fault(self, method, part, kind, times=1, body=""):
        found = Fault(method, part, kind, times, body)
        self.faults.append(found)
        return found

    def count(self, method, part):
        return sum(each == method and part in path for each, path in self.requests)

    def open(self):
        """Serve, at the same address as before."""
        handler = type("Handler", (_Handler,), {"kfp": self})
        ThreadingHTTPServer.allow_reuse_address = True
        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), handler)
        self._server.daemon_threads = True
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self):
        """Stop serving; what it holds stays, as the database does."""
        self.released.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
            for connection in list(self._connections):
                _cut(connection)


class _Handler(BaseHTTPRequestHandler):
    kfp = None
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def setup(self):
        super().setup()
        self.kfp._connections.add(self.connection)

    def finish(self):
        self.kfp._connections.discard(self.connection)
        with suppress(OSError):  # it was cut
            super().finish()

    def log_message(self, *arguments):
        pass

    def _answer(self):
        body = self._read()
        parts = urlsplit(self.path)
        path = parts.path.removeprefix(PROXY)  # as it arrives through a cluster's API server
        query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        fault = self._fault(path)
        if fault is not None and fault.kind != "lost":
            return self._misbehave(fault)
        try:
            with self.kfp.lock:
                status, content = 200, self._do(path, query, body)
                self.kfp.requests.append((self.command, path))
        except (RefusedError, UploadRefusedError) as refused:
            status, content = refused.status, refused.body
        if fault is not None:
            return self._cut()
        return self._send(status, content)

    def do_GET(self):
        self._answer()

    def do_POST(self):
        self._answer()

    def do_DELETE(self):
        self._answer()

    def _read(self):
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        kind = self.headers.get("Content-Type", "")
        if kind.startswith("multipart/form-data"):
            return _upload(kind, data)
        return json.loads(data) if data else {}

    def _fault(self, path):
        for fault in self.kfp.faults:
            if (
                fault.met < fault.times
                and fault.method in (self.command, "*")
                and fault.part in path
            ):
                fault.met += 1
                return fault
        return None

    def _misbehave(self, fault):
        if fault.kind == "reset":
            return self._cut()
        if fault.kind == "silent":
            self.kfp.released.wait()
            return self._cut()
        if fault.kind == "html":
            return self._send(200, "<html>please log in</html>", "text/html")
        injected = {"code": 2, "message": f"injected {fault.kind}", "details": []}
        return self._send(fault.kind, fault.body or injected)

    def _cut(self):
        _cut(self.connection)
        self.close_connection = True

    def _do(self, path, query, body):
        bearer = self.headers.get("Authorization", "")
        if self.kfp.bearers[-1:] != [bearer]:
            self.kfp.bearers.append(bearer)
        if self.kfp.token and bearer != f"Bearer {self.kfp.token}":
            raise RefusedError(16, "Failed to check authorization. User identity is empty")
        if path == f"{_API}/healthz":
            return {
                "commit_sha": "unknown",
                "tag_name": self.kfp.tag,
                "multi_user": self.kfp.multi_user,
                "pipeline_store": "database",
            }
        if match := _LOG.fullmatch(path):
            return self._log(match["pod"])
        for method, pattern, handler in self.kfp.routes:
            match = pattern.fullmatch(path)
            if match and method == self.command:
                return handler(self.kfp, match, query, body)
        raise _NoRouteError

    def _log(self, pod):
        for part, text in self.kfp.logs.items():
            if part in pod:
                return text
        raise RefusedError(13, f'pods "{pod}" not found')

    def _send(self, status, content, kind="application/json"):
        text = content if isinstance(content, str) else json.dumps(content)
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
        self.wfile.flush()


class _NoRouteError(RefusedError):
    """The gateway's own answer to a path that no handler has."""

    def __init__(self):
        super().__init__(5, "Not Found")

    @property
    def body(self):
        return {"code": 5, "message": "Not Found", "details": []}


def _upload(kind, data):
    """The file of a form, as Go's FormFile gives it: its name and what is in it."""
    message = email.message_from_bytes(
        f"Content-Type: {kind}\r\n\r\n".encode() + data, policy=email.policy.HTTP
    )
    for part in message.iter_parts():
        if part.get_param("name", header="content-disposition") == "uploadfile":
            content = part.get_payload(decode=True)
            return {"name": part.get_filename(), "content": content.decode()}
    return {"name": "", "content": ""}


def _cut(connection):
    with suppress(OSError):
        linger = struct.pack("ii", 1, 0)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        connection.shutdown(socket.SHUT_RDWR)
