"""The proof that a real server with a candidate answers as the candidate's model does."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from components.core.errors import DriftlineError
from components.model.files import MODEL
from components.model.records import Label
from components.release.package import Release
from components.serving.client import ServingClient
from components.serving.codec import class_name
from components.serving.outgoing import to_rows, to_tensors
from components.serving.records import ServingProof
from components.serving.running import RunningServer
from components.spec.load import dump_spec
from components.spec.model import Columns, Spec

Array = NDArray[Any]
Start = Callable[[Path], AbstractContextManager[RunningServer]]

__all__ = ["TOLERANCE", "ServingProof", "prove_candidate"]

TOLERANCE = 1e-9
"""How far a probability may be off; a regression's value by that share of it, or that much.

A model that is served from ONNX may be off by what its spec allows, and then also by the class
where two are so nearly equally probable.
"""

_ROWS, _TENSORS = "/predict", "/v2/infer"
_BATCH = 50
_SHOWN = 20


def prove_candidate(
    spec: Spec,
    data_path: Path,
    folder: Path,
    *,
    start: Start | None = None,
) -> ServingProof:
    """Start the real server with a candidate and compare its answers with the model's own.

    The rows are real ones, spread evenly over the window's time, and some with each missing value
    that occurs. Labels have to be equal, numbers within the tolerance. The model's own answers are
    scikit-learn's, from the Parquet file, as in training; the server's have gone through JSON.

    Args:
        spec: the spec of the run.
        data_path: a window file.
        folder: the candidate.
        start: starts the server for a folder; for tests.

    Returns:
        The proof; it has not passed where anything at all went wrong, and says what.
    """
    begun = time.monotonic()
    facts = _Facts()
    try:
        begin = start or _starter(spec)
        facts.differences.extend(_differences(spec, data_path, folder, begin, facts))
    except Exception as error:  # whatever stops the proof stands against the candidate
        facts.differences.append(_sentence(error))
    return ServingProof(
        passed=not facts.differences and facts.rows > 0,
        rows=facts.rows,
        rows_with_missing=facts.rows_with_missing,
        endpoints=[_ROWS, _TENSORS],
        tolerance=facts.tolerance,
        differences=facts.differences[:_SHOWN],
        differences_in_all=len(facts.differences),
        release=facts.release,
        model_sha256=facts.model_sha256,
        runtime=facts.runtime,
        runtime_sha256=facts.runtime_sha256,
        seconds_to_ready=round(facts.seconds_to_ready, 3),
        seconds=round(time.monotonic() - begun, 3),
    )


@dataclass
class _Facts:
    """What is known by the time the proof ends, however it ends."""

    differences: list[str] = field(default_factory=list)
    rows: int = 0
    rows_with_missing: int = 0
    release: str = ""
    model_sha256: str = ""
    runtime: str = ""
    runtime_sha256: str = ""
    tolerance: float = TOLERANCE
    seconds_to_ready: float = 0.0


@dataclass(frozen=True)
class _Answers:
    """Answers in one shape, whoever gave them; no probability for regression."""

    ids: list[Any]
    labels: list[Any]
    probability: list[list[float]] | None


def _sentence(error: Exception) -> str:
    # Only our own errors speak in whole sentences: a KeyError's text is the bare key.
    return str(error) if isinstance(error, DriftlineError) else f"the proof broke off: {error!r}"


def _starter(spec: Spec) -> Start:
    prefixes = spec.estimator.allowed_prefixes
    return lambda folder: RunningServer(folder, allow_candidate=True, allowed_prefixes=prefixes)


def _differences(
    spec: Spec, data_path: Path, folder: Path, start: Start, facts: _Facts
) -> Iterator[str]:
    from components.data.frame import read_rows
    from components.release.package import load_release

    columns = spec.columns
    release = load_release(folder)
    facts.release = release.version
    facts.model_sha256 = release.manifest.files[MODEL]
    if (record := release.runtime_record) and record.chosen == "onnx":
        facts.tolerance = record.limit
    yield from _check_folder(release, spec)
    rows = read_rows(data_path, [columns.id, columns.time, *columns.features])
    rows = _choose(rows, columns, spec.serving.proof_rows)
    facts.rows = rows.num_rows
    facts.rows_with_missing = int(_missing(rows, columns).sum())
    if not facts.rows:
        yield f"{data_path} has no rows to ask for"
        return
    expected, classes = _own_answers(release, spec, rows)
    ties = classes if facts.tolerance > TOLERANCE else []
    with start(folder) as server, server.client() as client:
        facts.seconds_to_ready = server.seconds_to_ready
        yield from _check_identity(client, release, facts)
        batch = min(_BATCH, spec.serving.max_rows)
        for ask in (_ask_rows, _ask_tensors):
            got = _joined(
                ask(client, rows.slice(first, batch), spec, classes)
                for first in range(0, rows.num_rows, batch)
            )
            endpoint = _ROWS if ask is _ask_rows else _TENSORS
            yield from _compare(endpoint, expected, got, ties, facts.tolerance)


def _own_answers(release: Release, spec: Spec, rows: pa.Table) -> tuple[_Answers, list[Label]]:
    """What the model itself answers, and its classes."""
    from components.data.frame import features_frame

    model = release.model(spec.estimator.allowed_prefixes)
    answers = model.predict(features_frame(rows, spec.columns))
    probability = None if answers.probability is None else answers.probability.tolist()
    ids = rows.column(spec.columns.id).to_pylist()
    return _Answers(ids, answers.prediction.tolist(), probability), list(model.classes)


def _check_folder(release: Release, spec: Spec) -> Iterator[str]:
    if dump_spec(release.spec) != dump_spec(spec):
        yield f"the spec in {release.version} is not the spec of this run"
    if "training.json" in release.manifest.files:
        trained = release.training.model_sha256
        packed = release.manifest.files[MODEL]
        if trained != packed:
            yield f"the model in the folder is {packed[:8]}, but {trained[:8]} was trained"


def _check_identity(client: ServingClient, release: Release, facts: _Facts) -> Iterator[str]:
    model = release.manifest.model
    status, _, body = client.request("GET", f"/v2/models/{model}")
    said = json.loads(body) if status == 200 else {}
    parameters = said.get("parameters", {})
    sha256 = parameters.get("model_sha256")
    facts.runtime = str(parameters.get("runtime", ""))
    facts.runtime_sha256 = str(parameters.get("runtime_sha256", ""))
    if said.get("versions") != [release.version] or sha256 != release.manifest.files[MODEL]:
        yield (
            f"the server says that it serves {said.get('versions')} with model {sha256}, "
            f"not {release.version} (HTTP {status})"
        )
    if facts.runtime_sha256 != release.runtime_sha256:
        yield (
            f"the server says that the file {facts.runtime_sha256[:8]} answers, not "
            f"{release.runtime_sha256[:8]} of {release.version}"
        )


def _choose(rows: pa.Table, columns: Columns, wanted: int) -> pa.Table:
    """Rows spread evenly over time, and for each feature one that lacks it, if there is any."""
    rows = rows.sort_by([(columns.time, "ascending"), (columns.id, "ascending")])
    chosen = set(np.linspace(0, rows.num_rows - 1, min(wanted, rows.num_rows)).astype(int).tolist())
    for name in columns.features:
        lacking = np.flatnonzero(_is_missing(rows.column(name)))
        if len(lacking) and chosen.isdisjoint(lacking.tolist()):
            chosen.add(int(lacking[len(lacking) // 2]))
    return rows.take(pa.array(sorted(chosen), pa.int64()))


def _missing(rows: pa.Table, columns: Columns) -> Array:
    lacking = [_is_missing(rows.column(name)) for name in columns.features]
    return np.asarray(np.any(lacking, axis=0))


def _is_missing(column: pa.ChunkedArray) -> Array:
    return np.asarray(column.is_null(nan_is_null=True))


def _ask_rows(client: ServingClient, rows: pa.Table, spec: Spec, classes: list[Label]) -> _Answers:
    answers = client.predict(to_rows(rows, spec.columns))["predictions"]
    probability = None
    if any("probability" in answer for answer in answers):
        names = [class_name(value) for value in classes]
        probability = [[answer["probability"][name] for name in names] for answer in answers]
    return _Answers(
        [answer["id"] for answer in answers],
        [answer["prediction"] for answer in answers],
        probability,
    )


def _ask_tensors(
    client: ServingClient, rows: pa.Table, spec: Spec, classes: list[Label]
) -> _Answers:
    answer = client.infer(spec.model, to_tensors(rows, spec.columns))
    data = {tensor["name"]: tensor["data"] for tensor in answer["outputs"]}
    probability = None
    if "probability" in data:
        flat, width = data["probability"], len(classes)
        probability = [flat[row : row + width] for row in range(0, len(flat), width)]
    # The protocol has no ids in its answers: the order is what tells the rows apart.
    return _Answers(rows.column(spec.columns.id).to_pylist(), data["prediction"], probability)


def _joined(parts: Iterable[_Answers]) -> _Answers:
    ids, labels = [], []
    probability: list[list[float]] = []
    for part in parts:
        ids += part.ids
        labels += part.labels
        probability += part.probability or []
    return _Answers(ids, labels, probability or None)


def _compare(
    endpoint: str,
    expected: _Answers,
    got: _Answers,
    ties: Sequence[Label],
    tolerance: float,
) -> Iterator[str]:
    """One sentence for each row whose answers differ; `ties` are classes that may be confused."""
    if got.ids != expected.ids or len(got.labels) != len(expected.labels):
        yield f"{endpoint}: the answers are not for the rows that were asked for, in their order"
        return
    if (got.probability is None) != (expected.probability is None):
        yield f"{endpoint}: only one of server and model gives probabilities"
        return
    nothing: list[list[float]] = [[]] * len(expected.ids)
    for row_id, mine, theirs, my_share, their_share in zip(
        expected.ids,
        expected.labels,
        got.labels,
        expected.probability or nothing,
        got.probability or nothing,
        strict=True,
    ):
        same = partial(_same, tolerance=tolerance)
        if not (same(mine, theirs) or _tied(mine, theirs, my_share, ties, tolerance)):
            yield f"{endpoint}: {row_id}: the server answers {theirs!r}, the model {mine!r}"
        elif len(my_share) != len(their_share) or not all(map(same, my_share, their_share)):
            yield f"{endpoint}: {row_id}: probability {their_share}, the model says {my_share}"


def _same(mine: Any, theirs: Any, tolerance: float) -> bool:
    """Equal labels of the same type, or numbers within the tolerance."""
    if type(mine) is not type(theirs):
        return False
    if isinstance(mine, float):
        return math.isclose(mine, theirs, rel_tol=tolerance, abs_tol=tolerance)
    return bool(mine == theirs)


def _tied(
    mine: Any, theirs: Any, shares: list[float], classes: Sequence[Label], tolerance: float
) -> bool:
    """Whether two classes are as good as equally probable, by the model's own answer."""
    places = {(type(value), value): place for place, value in enumerate(classes)}
    pair = [places.get((type(value), value)) for value in (mine, theirs)]
    if not shares or None in pair:
        return False
    one, other = (shares[place] for place in pair if place is not None)
    return abs(one - other) <= tolerance
