"""A file's content, if it is the one that was written; nothing of it is interpreted before."""

from __future__ import annotations

import hashlib
from pathlib import Path

from components.core.errors import ReleaseError

REMEDY = "restore the file, roll back, or train the model again"


def read_verified(path: Path, sha256: str) -> bytes:
    """Read a file whose digest is known.

    Raises:
        ReleaseError: when it is missing, or its sha256 is another one.

    >>> path = getfixture("tmp_path") / "model"
    >>> _ = path.write_bytes(b"a model")
    >>> read_verified(path, hashlib.sha256(b"a model").hexdigest())
    b'a model'
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ReleaseError(f"{path} cannot be read: {error.strerror}; {REMEDY}") from error
    digest = hashlib.sha256(data).hexdigest()
    if digest != sha256:
        raise ReleaseError(
            f"{path} is refused: its sha256 is {digest[:12]}... and not {sha256[:12]}..., so it "
            f"was changed or cut off after it was written; {REMEDY}"
        )
    return data
