"""A plain load balancer: nginx, as a real deployment would have it in front of its servers."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.bench.rollout.fleet import free_port, wait_until

# A request that met a server that just went is sent to the next one: asking a model twice does no
# harm, hence `non_idempotent`, without which nginx gives up on a POST.
_CONFIG = """
{user}
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    upstream servers {{
{servers}
        keepalive 32;
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://servers;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_connect_timeout 1s;
            proxy_next_upstream error timeout http_503 non_idempotent;
            proxy_next_upstream_tries 3;
        }}
    }}
}}
"""


def find_nginx() -> str | None:
    """Where nginx is, or None."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")


@contextmanager
def balanced(ports: Sequence[int]) -> Iterator[int]:
    """Run nginx before these servers, for as long as the block; yields its port."""
    program = find_nginx()
    assert program, "there is no nginx"
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="driftline-nginx-") as folder:
        servers = [
            f"        server 127.0.0.1:{each} max_fails=1 fail_timeout=1s;" for each in ports
        ]
        config = Path(folder) / "nginx.conf"
        user = "user root;" if os.geteuid() == 0 else ""
        config.write_text(
            _CONFIG.format(user=user, folder=folder, port=port, servers="\n".join(servers))
        )
        command = [program, "-p", folder, "-c", str(config), "-g", "daemon off;"]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            wait_until(lambda: _listens(port), "nginx does not start")
            yield port
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
