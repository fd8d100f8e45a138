"""The model server's process: `python -m components.serving.server --folder RELEASE`.

One worker, one thread for the model. On SIGTERM or SIGINT it says so with `Connection: close` for
`--drain` seconds, finishes what it has, writes the prediction log, and ends with code 0; a second
signal cuts the drain short. Nothing heavy is imported before it is needed, so that `--help` is
quick and the number of threads is settled before numpy asks.
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
from pathlib import Path
from typing import TYPE_CHECKING

from components.core.errors import DriftlineError, ServingError
from components.core.storage import Store
from components.serving.running import RunningServer

if TYPE_CHECKING:
    from components.serving.worker import Worker

__all__ = ["RunningServer", "main", "serve"]


def serve(
    release_folder: Path,
    host: str = "127.0.0.1",
    port: int = 8080,
    log_store: Store | None = None,
    allow_candidate: bool = False,
    *,
    allowed_prefixes: Sequence[str] = ("sklearn.",),
    port_file: Path | None = None,
    drain_s: float = 0.0,
    log_max_age_s: float = 60.0,
    log_patience_s: float = 20.0,
    end_with_stdin: bool = False,
) -> None:
    """Serve a release until a signal ends it.

    Args:
        release_folder: a verified release is loaded from here.
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

    Raises:
        ReleaseError: when the folder holds no release that may be served.
        ServingError: when the port is taken, the model does not answer, or logged rows were lost.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with _bind(host, port) as listener:
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped,unused-ignore]

        from components.serving.app import make_app
        from components.serving.loader import load_model
        from components.serving.log import PredictionLog
        from components.serving.worker import Worker

        model = load_model(
            release_folder, allow_candidate=allow_candidate, allowed_prefixes=allowed_prefixes
        )
        log = None
        if log_store is not None:
            log = PredictionLog(log_store, model.name, max_age_s=log_max_age_s)
        address = f"http://{host}:{listener.getsockname()[1]}"

        def started() -> None:
            if port_file is not None:
                _write_port(port_file, listener.getsockname()[1])
            sys.stdout.write(f"driftline: {model.name} {model.release} answers at {address}\n")
            sys.stdout.flush()

        worker = Worker(make_app(model, log), log, started, drain_s, log_patience_s)
        if end_with_stdin:
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
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        serve(
            options.folder,
            options.host,
            options.port,
            Store(options.log_store) if options.log_store else None,
            options.allow_candidate,
            allowed_prefixes=["sklearn.", *options.allow_prefix],
            port_file=options.port_file,
            drain_s=options.drain,
            log_max_age_s=options.log_max_age,
            log_patience_s=options.log_patience,
            end_with_stdin=options.end_with_stdin,
        )
    except DriftlineError as error:
        sys.stderr.write(f"driftline: {error}\n")
        return 1
    except KeyboardInterrupt:  # before the worker took over the signals
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m components.serving.server",
        description="Serve a release over HTTP: POST /predict and the Open Inference Protocol v2.",
        epilog="Example: python -m components.serving.server --folder RELEASE --port 8080",
    )
    add = parser.add_argument
    add("--folder", type=Path, required=True, help="the release to serve")
    add("--host", default="127.0.0.1", help="the address to listen on (%(default)s)")
    add("--port", type=int, default=8080, help="the port (%(default)s); 0 takes a free one")
    add("--port-file", type=Path, help="write the port there, as JSON, once the server answers")
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
        default=0.0,
        metavar="SECONDS",
        help="on SIGTERM, go on answering that long while clients are sent away (%(default)s)",
    )
    add("--allow-candidate", action="store_true", help="serve a candidate that passed no gate")
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
