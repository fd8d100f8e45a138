"""The changes of a model's schema that were accepted by hand; the releases stay as they are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from components.core.errors import ConflictError, DataError, StoreError
from components.core.storage import Store
from components.core.verdict import Verdict
from components.core.window import Window
from components.schema.accept import AcceptedChange, AcceptedChanges, propose
from components.schema.schema import Schema

_PURPOSES = ("monitoring", "training")
_ATTEMPTS = 20


def observed_name(model: str, window: Window, purpose: str) -> str:
    """Where a window's own schema lies in the store, beside the verdict on it."""
    return f"{model}/checks/{window.key}/schema_{purpose}_observed.json"


class AcceptedSchemas:
    """`<model>/schema.json` in the store: one document, changed by compare-and-swap alone."""

    def __init__(self, store: Store, model: str) -> None:
        self._store = store
        self._model = model
        self._name = f"{model}/schema.json"

    def read(self) -> AcceptedChanges:
        """All changes so far, oldest first.

        Raises:
            StoreError: when the document is damaged.
        """
        return self._read()[0]

    def widen(self, schema: Schema) -> Schema:
        """A champion's schema with the changes that it has not learned itself."""
        return self.read().widen(schema)

    def accept(self, window: Window, columns: Sequence[str], reason: str) -> AcceptedChange:
        """Take the flagged columns of a window that was checked for the reference's as well.

        Args:
            window: the window, as it was checked.
            columns: only these; all flagged ones where there are none.
            reason: why, in words.

        Returns:
            What is new; without any column where all of that was accepted already.

        Raises:
            DataError: when the window was not checked yet, or a column cannot be accepted.
            UsageError: when the window has no such column.
        """
        verdict, observed = self._checked(window)
        at = datetime.now(UTC).isoformat(timespec="seconds")
        wanted = propose(verdict, observed, columns, reason, at)
        for _ in range(_ATTEMPTS):
            known, seen = self._read()
            change = wanted.without(known.changes)
            if not change.names:
                return change
            after = AcceptedChanges(changes=[*known.changes, change])
            try:
                self._store.replace(self._name, after.model_dump_json(indent=2).encode(), seen)
            except ConflictError:
                continue  # somebody accepted something else: with that
            return change
        raise ConflictError(
            f"{self._store.url(self._name)} is written by others all the time; try again"
        )

    def _checked(self, window: Window) -> tuple[Verdict, Schema]:
        for purpose in _PURPOSES:
            verdict = f"{self._model}/checks/{window.key}/schema_{purpose}.json"
            observed = observed_name(self._model, window, purpose)
            if self._store.exists(observed) and self._store.exists(verdict):
                return (
                    Verdict.model_validate_json(self._store.read(verdict)),
                    Schema.model_validate_json(self._store.read(observed)),
                )
        raise DataError(
            f"the schema of {window} was not checked yet in {self._store.address}; "
            f"run 'driftline run monitoring --window {window}' first"
        )

    def _read(self) -> tuple[AcceptedChanges, bytes | None]:
        if not self._store.exists(self._name):
            return AcceptedChanges(), None
        content = self._store.read(self._name)
        try:
            return AcceptedChanges.model_validate_json(content), content
        except ValueError:
            raise StoreError(
                f"{self._store.url(self._name)} is damaged; restore it from a backup, or delete "
                "it and accept the changes again"
            ) from None
