"""The model server's process: `python -m components.serving.server --folder RELEASE`.

With `--store` and `--model` instead of a folder it follows what is deployed there.

One worker, one thread for the model. On SIGTERM or SIGINT it is not ready any more, goes on
answering with `Connection: close` for `--drain` seconds, finishes what it has, writes the
prediction log, and ends with code 0; a second signal cuts the drain short. Nothing heavy is
imported before it is needed, so that `--help` is quick, the start as well, and the number of
threads settled before numpy asks.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from components.core.errors import DriftlineError, ServingError
from components.core.signals import termination_raises
from components.core.storage import Store
from components.serving.options import Settings, make_parser, read_settings
from components.serving.running import RunningServer

if TYPE_CHECKING:
    from components.serving.follow import Follower
    from components.serving.log import PredictionLog
    from components.serving.served import ServedModel
    from components.serving.worker import Worker

__all__ = ["RunningServer", "Settings", "follow", "main", "serve"]

_logger = logging.getLogger(__name__)


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


def follow(
    store: Store,
    model: str,
    settings: Settings | None = None,
    *,
    wait: bool = False,
    url: str = "",
) -> None:
    """Serve what is deployed in a store, and switch to what is deployed later.

    Args:
        store: the store with the releases and `deployment.json`.
        model: the spec's model name.
        settings: how to; the defaults where left out.
        wait: where nothing is deployed yet, wait for it.
        url: where others reach the server; by host and port where left out.

    Raises:
        ReleaseError: when nothing is deployed, or what is cannot be loaded.
        ServingError: when the port is taken, logged rows were lost, or what was served is no longer
            deployed and nothing else is.
    """
    from components.serving.follow import Follower, reachable

    settings = settings or Settings()
    with _ready_to_load(settings) as listener, termination_raises():
        address = url or reachable(settings.host, listener.getsockname()[1])
        follower = Follower(store, model, address, settings.allowed_prefixes)
        if not wait:
            follower.require_deployed()
        with follower:
            _run(listener, follower.first(wait=wait), settings, follower)
        if follower.failure:
            raise ServingError(f"the server ended: {follower.failure}")


def _ready_to_load(settings: Settings) -> socket.socket:
    """Set up the process; returns the socket, so that a port that is taken is known at once."""
    from components.serving.logs import set_up_logs

    os.environ.setdefault("OMP_NUM_THREADS", "1")
    set_up_logs(settings.log_format)
    return _bind(settings.host, settings.port)


def _run(
    listener: socket.socket,
    model: ServedModel,
    settings: Settings,
    follower: Follower | None = None,
) -> None:
    """Answer with a model until a signal ends it; then say whether logged rows were lost."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped,unused-ignore]

    from components.serving.app import make_app
    from components.serving.worker import Worker

    log = None if settings.log_store is None else _log_of(model.name, settings)
    app = make_app(
        model,
        log,
        token=settings.token,
        access_log=settings.access_log,
        counting=settings.metrics,
    )

    def started() -> None:
        _announce(model, settings, listener.getsockname()[1])
        # What is loaded stays: without this, collections walk through all of it while clients wait.
        gc.freeze()
        if log is not None:
            log.prepare()

    worker = Worker(app, log, started, settings.drain_s, settings.log_patience_s)
    if settings.end_with_stdin:
        _end_with_stdin(worker)
    if follower is not None:
        follower.attend(app.state, lambda: worker.handle_exit(signal.SIGTERM, None))
    # numpy may have been imported, with all cores, before this function was called.
    with threadpool_limits(1):
        worker.run(sockets=[listener])
    if log is not None and log.fault is not None:
        raise log.fault
    if log is not None and (dropped := log.counters.dropped):
        raise ServingError(
            f"{dropped} answered rows are not in the prediction log; the lines above say why"
        )


def _log_of(name: str, settings: Settings) -> PredictionLog:
    from components.serving.backlog import Limits
    from components.serving.log import PredictionLog

    assert settings.log_store is not None  # noqa: S101 # only then is it called
    most = int(settings.log_queue_mb * 2**20)
    # Rows leave well before the queue is full, where the store takes them.
    each = min(Limits.bytes, most // 8)
    limits = Limits(age_s=settings.log_max_age_s, bytes=each, held_bytes=most)
    return PredictionLog(settings.log_store, name, limits)


def _announce(model: ServedModel, settings: Settings, port: int) -> None:
    """Say that the server answers, and where."""
    if settings.port_file is not None:
        _write_port(settings.port_file, port)
    address = f"http://{settings.host}:{port}"
    sys.stdout.write(f"driftline: {model.name} {model.release} answers at {address}\n")
    sys.stdout.flush()


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code: 0 done, 1 failed, 2 wrong usage."""
    parser = make_parser()
    options = parser.parse_args(arguments)
    if options.store and not options.model:
        parser.error("--store needs the --model whose deployments are followed")
    try:
        settings = read_settings(options)
        if options.store:
            store = Store(options.store)
            follow(store, options.model, settings, wait=options.wait, url=options.url or "")
        else:
            serve(options.folder, settings, options.manifest_sha256)
    except DriftlineError as error:
        sys.stderr.write(f"driftline: {error}\n")
        return 1
    except KeyboardInterrupt:  # before the worker took over the signals
        return 130
    return 0


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
