"""Work that one process at a time may do, whoever starts it where."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from components.core.errors import ConflictError, StoreError
from components.core.process import ProcessId
from components.core.storage import Store
from components.core.verdict import Document


class Claim(Document):
    """Who does a piece of work, since when."""

    owner: ProcessId
    at: str


@contextmanager
def claimed(store: Store, name: str, what: str) -> Iterator[None]:
    """Do a piece of work alone; what a process left behind that is gone is taken over.

    Args:
        store: where everybody looks who might do it.
        name: the claim's name in the store.
        what: the work, for the message: `the window 2013-04`.

    Raises:
        ConflictError: when somebody else does it; of another machine's process it cannot be known
            whether it still does.
    """
    mine = Claim(owner=ProcessId.own(), at=datetime.now(UTC).isoformat(timespec="seconds"))
    data = mine.model_dump_json().encode()
    if not store.create(name, data):
        _take_over(store, name, data, what)
    try:
        yield
    finally:
        # Somebody may have deleted it, as they were told they might, and another taken it.
        if store.exists(name) and store.read(name) == data:
            store.delete(name)


def _take_over(store: Store, name: str, data: bytes, what: str) -> None:
    try:
        held = store.read(name)
    except StoreError:
        if store.exists(name):
            raise
        raise ConflictError(f"{what} was being worked on just now; start again") from None
    try:
        claim = Claim.model_validate_json(held)
    except ValueError:
        raise StoreError(f"{store.url(name)} is damaged; delete it") from None
    if not claim.owner.is_gone:
        hint = (
            "wait for it" if claim.owner.is_here else f"if it has ended, delete {store.url(name)}"
        )
        raise ConflictError(f"{what} is being worked on by {claim.owner}, since {claim.at}; {hint}")
    store.replace(name, data, held)
