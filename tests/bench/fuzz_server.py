"""Tens of thousands of bodies against the real server: it answers or refuses, and never fails.

    python -m tests.bench.fuzz_server --bodies 30000

Bodies are drawn by Hypothesis: right ones, nearly right ones, damaged ones and noise, some of them
compressed. Each is sent as it is and with random damage, to `/predict` and `/infer` of a mixed and
of a numeric model. It prints how often the server answered with which status, and fails where one
is a 5xx, where an answer is no JSON or holds what is no number, or where the server does not end in
order.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

from components.release.package import load_release
from components.serving.client import ServingClient
from components.serving.running import RunningServer
from tests.serving.bodies import Sent, any_body
from tests.serving.conftest import build_release

_BATCH = 200
_DAMAGED = 8
_PIECES = [
    b"null",
    b"NaN",
    b"-",
    b"1e999",
    b'"',
    b":",
    b",",
    b"{}",
    b"[]",
    b"\\u0000",
    b"\xff",
    b"0",
]


def main() -> int:
    """Send them; the exit code says whether the server ever failed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--bodies", type=int, default=30_000, help="how many (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the drawing (%(default)s)")
    options = parser.parse_args()
    begun, counts = time.monotonic(), Counter[tuple[str, int]]()
    with tempfile.TemporaryDirectory() as scratch:
        share = options.bodies // 2
        for place, categorical in enumerate((["site", "shift"], [])):
            folder = build_release(Path(scratch) / str(place) / "release", categorical=categorical)
            counts += _fuzz(folder, share, options.seed + place)
    _tell(counts, time.monotonic() - begun)
    failed = sum(count for (_, status), count in counts.items() if status >= 500)
    return 1 if failed or not counts else 0


def _fuzz(folder: Path, bodies: int, first_seed: int) -> Counter[tuple[str, int]]:
    """Send so many bodies to a server of one release, each to both endpoints by turns."""
    release = load_release(folder)
    paths = {"predict": "/predict", "infer": f"/v2/models/{release.manifest.model}/infer"}
    counts: Counter[tuple[str, int]] = Counter()
    with RunningServer(folder) as server, server.client() as client:
        chance = random.Random(first_seed)  # noqa: S311 - no secret

        def send(sent: Sent) -> None:
            for kind, path in paths.items():
                counts[kind, _ask(client, path, sent)] += 1
            for _ in range(_DAMAGED):
                hurt = replace(sent, body=_damage(sent.body, chance))
                counts[sent.kind, _ask(client, paths[sent.kind], hurt)] += 1

        for batch in range(math.ceil(bodies / (_BATCH * (2 + _DAMAGED)))):
            # Not one long run: Hypothesis remembers all that it drew.
            drawn = given(any_body(release.spec.columns))(send)
            settings(
                max_examples=_BATCH,
                phases=[Phase.generate],
                database=None,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            )(seed(first_seed * 1000 + batch)(drawn))()
            sys.stderr.write(f"\r{folder.parent.name}: {sum(counts.values()):,} of {bodies:,}")
        sys.stderr.write("\n")
    return counts


def _damage(body: bytes, chance: random.Random) -> bytes:
    """The body with a piece lost, doubled, moved elsewhere or overwritten."""
    first, last = sorted(chance.randrange(len(body) + 1) for _ in range(2))
    last = min(last, first + chance.choice([1, 1, 2, 8]))
    piece, rest = body[first:last], body[:first] + body[last:]
    place = chance.randrange(len(rest) + 1)
    return chance.choice(
        [
            rest,
            body[:last] + body[first:],
            rest[:place] + piece + rest[place:],
            body[:first] + chance.randbytes(last - first) + body[last:],
            body[:first] + chance.choice(_PIECES) + body[last:],
        ]
    )


def _ask(client: ServingClient, path: str, sent: Sent) -> int:
    """The status of an answer, which has to be JSON with finite numbers alone."""
    status, headers, content = client.request("POST", path, sent.body, sent.headers)
    if headers.get("content-encoding") == "gzip":
        content = gzip.decompress(content)
    json.loads(content, parse_constant=_no_number)
    return status


def _no_number(name: str) -> None:
    raise AssertionError(f"the server answered {name}")


def _tell(counts: Counter[tuple[str, int]], seconds: float) -> None:
    print(f"{sum(counts.values()):,} bodies in {seconds:.0f} s")
    for (kind, status), count in sorted(counts.items()):
        print(f"  {kind:<8} {status}  {count:>7,}")


if __name__ == "__main__":
    sys.exit(main())
