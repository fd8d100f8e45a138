"""The model server's process: `python -m components.serving.server --folder RELEASE`.

One worker, one thread for the model. On SIGTERM or SIGINT it is not ready any more, goes on
answering with `Connection: close` for `--drain` seconds, finishes what it has, writes the
prediction log, and ends with code 0; a second signal cuts the drain short. Nothing heavy is
imported before it is needed, so that `--help` is quick, the start as well, and the number of
threads settled before numpy asks.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from components.core.errors import DriftlineError, ServingError
from components.core.storage import Store
from components.serving.running import RunningServer

if TYPE_CHECKING:
    from components.serving.served import ServedModel
    from components.serving.worker import Worker

__all__ = ["RunningServer", "Settings", "main", "serve"]

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a server process behaves, whatever it serves.

    Attributes:
        host: the address to listen on.
        port: the port; 0 takes a free one.
        log_store: where predictions are logged, or None.
        allow_candidate: whether a candidate that passed no gate may be served.
        allowed_prefixes: packages whose classes the model may hold; the user's own spec says.
        port_file: written as JSON, `{"port": ..., "pid": ...}`, once the server answers.
        drain_s: how long to go on answering after a signal.
        log_max_age_s: how long an answered row may wait to be logged.
        log_patience_s: how long, at the end, the store may take for the last rows.
        end_with_stdin: end when standard input does: a parent process that died takes us along.
        token: what clients have to bring as `Authorization: Bearer`, or None.
        access_log: whether each request is logged.
        log_format: how the server's own log is written to stderr.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    log_store: Store | None = None
    allow_candidate: bool = False
    allowed_prefixes: Sequence[str] = ("sklearn.",)
    port_file: Path | None = None
    drain_s: float = 3.0
    log_max_age_s: float = 60.0
    log_patience_s: float = 20.0
    end_with_stdin: bool = False
    token: bytes | None = None
    access_log: bool = False
    log_format: Literal["auto", "json", "text"] = "auto"


def serve(
    release_folder: Path, settings: Settings | None = None, manifest_sha256: str | None = None
) -> None:
    """Serve a release until a signal ends it.

    Args:
        release_folder: a verified release is loaded from here.
        settings: how to; the defaults where left out.
        manifest_sha256: the digest that the release's manifest must have, where it is known.

    Raises:
        ReleaseError: when the folder holds no release that may be served.
        ServingError: when the port is taken, the model does not answer, or logged rows were lost.
    """
    settings = settings or Settings()
    with _ready_to_load(settings) as listener:
        from components.serving.loader import load_model

        model = load_model(
            release_folder,
            manifest_sha256=manifest_sha256,
            allow_candidate=settings.allow_candidate,
            allowed_prefixes=settings.allowed_prefixes,
        )
        _run(listener, model, settings)


def _ready_to_load(settings: Settings) -> socket.socket:
    """Set up the process; returns the socket, so that a port that is taken is known at once."""
    from components.serving.logs import set_up_logs

    os.environ.setdefault("OMP_NUM_THREADS", "1")
    set_up_logs(settings.log_format)
    return _bind(settings.host, settings.port)


def _run(listener: socket.socket, model: ServedModel, settings: Settings) -> None:
    """Answer with a model until a signal ends it; then say whether logged rows were lost."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped,unused-ignore]

    from components.serving.app import make_app
    from components.serving.worker import Worker

    log = None
    if settings.log_store is not None:
        from components.serving.log import PredictionLog

        log = PredictionLog(settings.log_store, model.name, max_age_s=settings.log_max_age_s)
    port = listener.getsockname()[1]

    def started() -> None:
        if settings.port_file is not None:
            _write_port(settings.port_file, port)
        address = f"http://{settings.host}:{port}"
        sys.stdout.write(f"driftline: {model.name} {model.release} answers at {address}\n")
        sys.stdout.flush()

    app = make_app(model, log, token=settings.token, access_log=settings.access_log)
    worker = Worker(app, log, started, settings.drain_s, settings.log_patience_s)
    if settings.end_with_stdin:
        _end_with_stdin(worker)
    # numpy may have been imported, with all cores, before this function was called.
    with threadpool_limits(1):
        worker.run(sockets=[listener])
    if log is not None and (dropped := log.counters.dropped):
        raise ServingError(
            f"{dropped} answered rows are not in the prediction log; the lines above say why"
        )


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code: 0 done, 1 failed, 2 wrong usage."""
    options = _parser().parse_args(arguments)
    try:
        serve(options.folder, _settings(options), options.manifest_sha256)
    except DriftlineError as error:
        sys.stderr.write(f"driftline: {error}\n")
        return 1
    except KeyboardInterrupt:  # before the worker took over the signals
        return 130
    return 0


def _settings(options: argparse.Namespace) -> Settings:
    return Settings(
        host=options.host,
        port=options.port,
        log_store=Store(options.log_store) if options.log_store else None,
        allow_candidate=options.allow_candidate,
        allowed_prefixes=["sklearn.", *options.allow_prefix],
        port_file=options.port_file,
        drain_s=options.drain,
        log_max_age_s=options.log_max_age,
        log_patience_s=options.log_patience,
        end_with_stdin=options.end_with_stdin,
        token=read_token(options.token_file) if options.token_file else None,
        access_log=options.access_log,
        log_format=options.log_format,
    )


def read_token(path: Path) -> bytes:
    """A token from a file, without the space around it.

    Raises:
        ServingError: when the file cannot be read, or holds none.
    """
    try:
        token = path.read_bytes().strip()
    except OSError as error:
        raise ServingError(f"the token file {path} cannot be read: {error.strerror}") from error
    if not token or any(byte <= 0x20 or byte >= 0x7F for byte in token):
        raise ServingError(
            f"the token file {path} must hold one line of ASCII letters, digits and signs"
        )
    return token


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m components.serving.server",
        description="Serve a release over HTTP: POST /predict and the Open Inference Protocol v2.",
        epilog="Example: python -m components.serving.server --folder RELEASE --port 8080",
    )
    add = parser.add_argument
    add("--folder", type=Path, required=True, help="the release to serve")
    add("--manifest-sha256", metavar="HEX", help="serve it only if its manifest has this digest")
    add("--host", default="127.0.0.1", help="the address to listen on (%(default)s)")
    add("--port", type=int, default=8080, help="the port (%(default)s); 0 takes a free one")
    add("--port-file", type=Path, help="write the port there, as JSON, once the server answers")
    add("--token-file", type=Path, help="clients have to send the token in this file as a bearer")
    add(
        "--allow-prefix",
        action="append",
        default=[],
        metavar="PACKAGE.",
        help="a package, besides scikit-learn, whose classes the model may hold",
    )
    add("--log-store", help="log predictions into this store, such as .driftline or s3://bucket/x")
    add(
        "--log-max-age",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="write a logged row after that long at the latest (%(default)s)",
    )
    add(
        "--log-patience",
        type=float,
        default=20.0,
        metavar="SECONDS",
        help="at the end, wait that long for the store to take the last rows (%(default)s)",
    )
    add(
        "--drain",
        type=float,
        default=3.0,
        metavar="SECONDS",
        help="on SIGTERM, go on answering that long while clients are sent away (%(default)s)",
    )
    add("--allow-candidate", action="store_true", help="serve a candidate that passed no gate")
    add("--access-log", action="store_true", help="log every request")
    add(
        "--log-format",
        choices=("auto", "json", "text"),
        default="auto",
        help="of the log on stderr; auto is text on a terminal and JSON lines otherwise",
    )
    add("--end-with-stdin", action="store_true", help="end when standard input is closed")
    return parser


def _bind(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
        except BaseException:
            listener.close()
            raise
    except (OSError, OverflowError) as error:
        raise ServingError(
            f"cannot listen on {host}:{port}: {error}; choose another with --port or --host"
        ) from error
    return listener


def _write_port(path: Path, port: int) -> None:
    temporary = path.with_name(f".{path.name}-{os.getpid()}")
    temporary.write_text(json.dumps({"port": port, "pid": os.getpid()}), encoding="utf-8")
    os.replace(temporary, path)


def _end_with_stdin(worker: Worker) -> None:
    def watch() -> None:
        while os.read(0, 4096):  # not sys.stdin: its lock would be held when the process ends
            pass
        worker.handle_exit(signal.SIGTERM, None)

    threading.Thread(target=watch, name="stdin", daemon=True).start()


if __name__ == "__main__":
    sys.exit(main())
