"""The load: wrk with keep-alive connections that wait for each answer, on a core of its own."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.serving.process import LOAD_CORE, pinned

CONNECTIONS = 16
# Each request is another row, in turn; wrk writes what it measured as one line of JSON.
_SCRIPT = """
local requests, position = {}, 0
function init(arguments)
%s
end
function request()
  position = position %% #requests + 1
  return requests[position]
end
function done(summary, latency, requests)
  local e = summary.errors
  print(string.format(
    '{"requests": %%d, "seconds": %%.6f, "p50_ms": %%.4f, "p99_ms": %%.4f, "errors": %%d}',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3,
    latency:percentile(99) / 1e3, e.connect + e.read + e.write + e.status + e.timeout))
end
"""


@dataclass(frozen=True)
class Load:
    """What one run measured; `errors` counts failed connections and answers that are not 2xx."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    errors: int

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds


def check_tools() -> None:
    """See that what is needed is there.

    Raises:
        SystemExit: naming what is missing.
    """
    for tool, package in (("wrk", "wrk"), ("taskset", "util-linux")):
        if shutil.which(tool) is None:
            raise SystemExit(f"{tool} is not installed; on Debian: apt-get install {package}")


def write_script(
    path: Path, target: str, requests: Sequence[tuple[bytes, Mapping[str, str]]]
) -> Path:
    """Write wrk's script that sends these bodies in turn.

    Args:
        path: the script's file.
        target: the path on the server.
        requests: bodies with their headers.
    """
    lines = []
    for body, headers in requests:
        given = {"content-type": "application/json", **headers}
        table = ", ".join(
            f"[{_quoted(k.encode())}]={_quoted(v.encode())}" for k, v in given.items()
        )
        lines.append(
            f'  requests[#requests + 1] = wrk.format("POST", {_quoted(target.encode())}, '
            f"{{{table}}}, {_quoted(body)})"
        )
    path.write_text(_SCRIPT % "\n".join(lines), encoding="ascii")
    return path


def run(script: Path, port: int, seconds: float) -> Load:
    """Send requests for some seconds.

    Raises:
        SystemExit: when wrk fails.
    """
    command = ["wrk", "--threads", "1", "--connections", str(CONNECTIONS)]
    command += ["--duration", f"{max(1, round(seconds))}s", "--timeout", "30s"]
    command += ["--script", str(script), f"http://127.0.0.1:{port}"]
    done = subprocess.run(pinned(LOAD_CORE, command), capture_output=True, text=True, check=False)
    if done.returncode or not done.stdout.strip():
        raise SystemExit(f"wrk failed: {done.stderr.strip() or done.stdout.strip()}")
    return Load(**json.loads(done.stdout.strip().splitlines()[-1]))


def _quoted(data: bytes) -> str:
    """A Lua string of these bytes.

    >>> _quoted(b'a"\\x00')
    '"a\\\\034\\\\000"'
    """
    plain = bytes(range(32, 127)).translate(None, b'"\\')
    return '"' + "".join(chr(byte) if byte in plain else f"\\{byte:03d}" for byte in data) + '"'
