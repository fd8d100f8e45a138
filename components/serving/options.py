"""How a server process behaves, and the flags that say so."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from components.core.errors import ServingError
from components.core.storage import Store


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
        log_queue_mb: how much memory rows may take that are not in the store yet.
        log_patience_s: how long, at the end, the store may take for the last rows.
        end_with_stdin: end when standard input does: a parent process that died takes us along.
        token: what clients have to bring as `Authorization: Bearer`, or None.
        access_log: whether each request is logged.
        metrics: whether requests are counted; a guard needs it.
        log_format: how the server's own log is written to stderr.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    log_store: Store | str | None = None
    allow_candidate: bool = False
    allowed_prefixes: Sequence[str] = ("sklearn.",)
    port_file: Path | None = None
    drain_s: float = 3.0
    log_max_age_s: float = 60.0
    log_queue_mb: float = 256.0
    log_patience_s: float = 20.0
    end_with_stdin: bool = False
    token: bytes | None = None
    access_log: bool = False
    metrics: bool = True
    log_format: Literal["auto", "json", "text"] = "auto"


def read_settings(options: argparse.Namespace) -> Settings:
    """The settings from the command line.

    Raises:
        ServingError: when the token file cannot be read, or holds none.
    """
    return Settings(
        host=options.host,
        port=options.port,
        log_store=options.log_store or None,
        allow_candidate=options.allow_candidate,
        allowed_prefixes=["sklearn.", *options.allow_prefix],
        port_file=options.port_file,
        drain_s=options.drain,
        log_max_age_s=options.log_max_age,
        log_queue_mb=options.log_queue,
        log_patience_s=options.log_patience,
        end_with_stdin=options.end_with_stdin,
        token=read_token(options.token_file) if options.token_file else None,
        access_log=options.access_log,
        metrics=not options.no_metrics,
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


def _megabytes(text: str) -> float:
    """A size from one megabyte on: less would not hold the rows of a single flush."""
    size = float(text)
    if not 1 <= size < 2**20:
        raise argparse.ArgumentTypeError(f"{text} is no number of megabytes from 1 to {2**20}")
    return size


def make_parser() -> argparse.ArgumentParser:
    """The flags of the server's command line."""
    parser = argparse.ArgumentParser(
        prog="python -m components.serving.server",
        description="Serve a release over HTTP: POST /predict and the Open Inference Protocol v2.",
        epilog="Example: python -m components.serving.server --folder RELEASE --port 8080",
    )
    _add_what(parser)
    _add_where(parser)
    _add_log(parser)
    _add_ways(parser)
    return parser


def _add_what(parser: argparse.ArgumentParser) -> None:
    """What is served."""
    add = parser.add_argument
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--folder", type=Path, help="the release to serve, and no other")
    what.add_argument("--store", help="follow what is deployed in this store, of the --model")
    add("--model", help="the model whose deployments are followed")
    add("--wait", action="store_true", help="wait where nothing is deployed in the --store yet")
    add("--manifest-sha256", metavar="HEX", help="serve it only if its manifest has this digest")
    add(
        "--allow-prefix",
        action="append",
        default=[],
        metavar="PACKAGE.",
        help="a package, besides scikit-learn, whose classes the model may hold",
    )
    add("--allow-candidate", action="store_true", help="serve a candidate that passed no gate")


def _add_where(parser: argparse.ArgumentParser) -> None:
    """Where it is served, and to whom."""
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="the address to listen on (%(default)s)")
    add("--port", type=int, default=8080, help="the port (%(default)s); 0 takes a free one")
    add("--port-file", type=Path, help="write the port there, as JSON, once the server answers")
    add("--url", help="where others reach this server, if not by --host and --port")
    add("--token-file", type=Path, help="clients have to send the token in this file as a bearer")


def _add_log(parser: argparse.ArgumentParser) -> None:
    """The prediction log."""
    add = parser.add_argument
    add("--log-store", help="log predictions into this store, such as .driftline or s3://bucket/x")
    add(
        "--log-max-age",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="write a logged row after that long at the latest (%(default)s)",
    )
    add(
        "--log-queue",
        type=_megabytes,
        default=256.0,
        metavar="MEGABYTES",
        help="hold so much of rows that the store has not taken, then drop and count (%(default)s)",
    )
    add(
        "--log-patience",
        type=float,
        default=20.0,
        metavar="SECONDS",
        help="at the end, wait that long for the store to take the last rows (%(default)s)",
    )


def _add_ways(parser: argparse.ArgumentParser) -> None:
    """What the process tells of itself, and how it ends."""
    add = parser.add_argument
    add("--access-log", action="store_true", help="log every request")
    add("--no-metrics", action="store_true", help="count nothing; no guard can watch this server")
    add(
        "--log-format",
        choices=("auto", "json", "text"),
        default="auto",
        help="of the log on stderr; auto is text on a terminal and JSON lines otherwise",
    )
    add(
        "--drain",
        type=float,
        default=3.0,
        metavar="SECONDS",
        help="on SIGTERM, go on answering that long while clients are sent away (%(default)s)",
    )
    add("--end-with-stdin", action="store_true", help="end when standard input is closed")
