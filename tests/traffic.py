"""Clients that keep asking a model server, never try again, and check every answer.

Bounded in number and time, and for this machine alone.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

TIMEOUT_S = 30.0

Expected = Mapping[str, Sequence[float]]
"""The right answers of every release that may answer, in the order of the rows."""


@dataclass(frozen=True)
class Request:
    """A request as it goes over the wire, and which rows it asks about."""

    wire: bytes
    rows: Sequence[int]


@dataclass
class Tally:
    """What came of the requests while something was going on.

    `failed` counts by what went wrong. `mixed` are answers that are not those of the release that
    they name, `foreign` those of a release that was never to answer.
    """

    requests: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    mixed: int = 0
    foreign: int = 0
    releases: Counter[str] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)

    def quantile(self, share: float) -> float:
        """The latency that this share of the answers did not exceed, in seconds."""
        ordered = sorted(self.latencies)
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else 0.0

    @property
    def sound(self) -> bool:
        """Whether every request was answered, and rightly."""
        return not (self.failed or self.mixed or self.foreign)


class Traffic:
    """Clients in a thread of their own, for as long as a `with` block.

    Args:
        port: where to ask, on 127.0.0.1.
        requests: what to ask, in turn.
        expected: the right answers.
        connections: how many clients ask at once; each keeps its connection and waits for its
            answer, and none tries again.
        pause_s: how long a client waits between an answer and its next request.
        most: how many requests are sent at most.
        longest_s: how long the clients ask at most.
        tolerance: how far an answer may be off.
    """

    def __init__(
        self,
        port: int,
        requests: Sequence[Request],
        expected: Expected,
        *,
        connections: int = 8,
        pause_s: float = 0.0,
        most: int = 2_000_000,
        longest_s: float = 900.0,
        tolerance: float = 1e-5,
    ) -> None:
        self.tallies: dict[str, Tally] = {}
        self.wrong: list[str] = []
        self._port = port
        self._requests = requests
        self._expected = expected
        self._connections = connections
        self._pause_s = pause_s
        self._left = most
        self._end = time.monotonic() + longest_s
        self._tolerance = tolerance
        self._ended = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="traffic")
        self.during("start")

    def during(self, what: str) -> Tally:
        """From now on, requests belong to this; returns what they come to."""
        self._now = self.tallies.setdefault(what, Tally())
        return self._now

    @property
    def total(self) -> Tally:
        """Everything together."""
        total = Tally()
        for tally in list(self.tallies.values()):
            total.requests += tally.requests
            total.failed += tally.failed
            total.mixed += tally.mixed
            total.foreign += tally.foreign
            total.releases += tally.releases
            total.latencies += tally.latencies
        return total

    def __enter__(self) -> Traffic:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    async def _run(self) -> None:
        await asyncio.gather(*[self._client(each) for each in range(self._connections)])

    async def _client(self, place: int) -> None:
        connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        turn = place
        while not self._ended.is_set() and self._left > 0 and time.monotonic() < self._end:
            self._left -= 1
            tally, request = self._now, self._requests[turn % len(self._requests)]
            turn += self._connections
            tally.requests += 1
            begin = time.perf_counter()
            try:
                async with asyncio.timeout(TIMEOUT_S):
                    if connection is None:
                        connection = await asyncio.open_connection("127.0.0.1", self._port)
                    status, goes_on, body = await _exchange(*connection, request.wire)
            except (OSError, EOFError, TimeoutError, ValueError) as error:
                tally.failed[type(error).__name__] += 1
                goes_on = False
            else:
                tally.latencies.append(time.perf_counter() - begin)
                self._check(tally, request, status, body)
            if not goes_on and connection is not None:
                connection[1].close()
                connection = None
            if self._pause_s:
                await asyncio.sleep(self._pause_s)
        if connection is not None:
            connection[1].close()

    def _check(self, tally: Tally, request: Request, status: int, body: bytes) -> None:
        if status != 200:
            tally.failed[str(status)] += 1
            self._note(f"{status}: {body[:200]!r}")
            return
        release, rows, answers = read_answer(json.loads(body))
        tally.releases[release] += 1
        if release not in self._expected:
            tally.foreign += 1
            self._note(f"foreign: {body[:200]!r}")
            return
        right = [self._expected[release][row] for row in request.rows]
        asked = [str(row) for row in request.rows]
        near = len(answers) == len(right) and all(
            abs(answer - other) <= self._tolerance * max(1.0, abs(other))
            for answer, other in zip(answers, right, strict=True)
        )
        if not near or rows not in (asked, []):
            tally.mixed += 1
            self._note(f"mixed: {body[:200]!r}, expected {right}")

    def _note(self, what: str) -> None:
        if len(self.wrong) < 20:
            self.wrong.append(what)


def predict_request(rows: Sequence[Mapping[str, Any]], places: Sequence[int], key: str) -> Request:
    """Ask `/predict` about some of the rows; each one's id is its place among all rows.

    Args:
        rows: all rows, features by column.
        places: which of them.
        key: the column that holds the id.
    """
    body = {"rows": [{**rows[place], key: str(place)} for place in places]}
    return Request(_wire("/predict", body), places)


def infer_request(
    rows: Sequence[Mapping[str, Any]], places: Sequence[int], model: str, numeric: Sequence[str]
) -> Request:
    """Ask `/v2/models/{model}/infer` about some of the rows."""
    inputs = [
        {
            "name": name,
            "datatype": "FP64" if name in numeric else "BYTES",
            "shape": [len(places)],
            "data": [rows[place][name] for place in places],
        }
        for name in rows[0]
    ]
    return Request(_wire(f"/v2/models/{model}/infer", {"inputs": inputs}), places)


def read_answer(document: Mapping[str, Any]) -> tuple[str, list[str], list[float]]:
    """The release that answered, the rows' ids where it says them, and the answers as numbers.

    An answer is the last class's probability, or the prediction where there are none.
    """
    if "predictions" in document:
        found = document["predictions"]
        return (
            document["release"],
            [each["id"] for each in found],
            [
                float(
                    [*each["probability"].values()][-1]
                    if "probability" in each
                    else each["prediction"]
                )
                for each in found
            ],
        )
    outputs = {each["name"]: each for each in document["outputs"]}
    if "probability" in outputs:
        classes = outputs["probability"]["shape"][1]
        return document["model_version"], [], outputs["probability"]["data"][classes - 1 :: classes]
    return document["model_version"], [], [float(x) for x in outputs["prediction"]["data"]]


def _wire(path: str, document: object) -> bytes:
    body = json.dumps(document).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, wire: bytes
) -> tuple[int, bool, bytes]:
    """Send a request; returns the status, whether the connection goes on, and the body."""
    writer.write(wire)
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    fields = dict(line.lower().split(": ", 1) for line in head[1:] if ": " in line)
    body = await reader.readexactly(int(fields["content-length"]))
    return int(head[0].split()[1]), fields.get("connection") != "close", body
