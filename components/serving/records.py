"""What serving writes down, as JSON documents; imports nothing heavy."""

from __future__ import annotations

from components.core.verdict import Document


class ServingProof(Document):
    """What a real server answered, held against the model.

    `differences` says, in sentences, what stands against the candidate; `rows` were asked for
    over each of the `endpoints`, and `rows_with_missing` of them lack a value. `runtime` is what
    the model travelled in and `runtime_sha256` the digest of the file that answered, by what the
    server said; older proofs do not know.
    """

    passed: bool
    rows: int
    rows_with_missing: int
    endpoints: list[str]
    tolerance: float
    differences: list[str]
    differences_in_all: int
    release: str
    model_sha256: str
    runtime: str = ""
    runtime_sha256: str = ""
    seconds_to_ready: float
    seconds: float
