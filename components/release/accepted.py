"""The changes of a model's schema that were accepted by hand; the releases stay as they are."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from components.core.errors import ConflictError, DataError, StoreError
from components.core.storage import Store
from components.core.verdict import Verdict
from components.core.window import Window, format_time
from components.schema.accept import (
    AcceptedChange,
    AcceptedChanges,
    Observation,
    ends_later,
    propose,
)
from components.schema.schema import Schema

_PURPOSES = ("monitoring", "training", "profiling")
_ATTEMPTS = 20


def observed_name(model: str, window: Window, purpose: str) -> str:
    """Where a window's own schema lies in the store, with the verdict on it."""
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
            StoreError: when the document is damaged, or a later driftline's.
        """
        return self._read()[0]

    def widen(self, schema: Schema) -> Schema:
        """A champion's schema with the changes that it has not learned itself."""
        return self.read().widen(schema)

    def keep(self, window: Window, purpose: str, verdict: Verdict, observed: Schema) -> None:
        """Keep what a check saw and said, in one write, to be accepted from there.

        Args:
            window: the window that was checked.
            purpose: what it was read for.
            verdict: what the check said.
            observed: the window's own schema.
        """
        seen = Observation(
            window=str(window),
            purpose=purpose,
            at=datetime.now(UTC).isoformat(timespec="microseconds"),
            verdict=verdict,
            observed=observed,
        )
        name = observed_name(self._model, window, purpose)
        self._store.write(name, seen.model_dump_json().encode())

    def accept(
        self, window: Window, columns: Sequence[str], reason: str, schema: Schema
    ) -> AcceptedChange:
        """Take the flagged columns of a window that was checked for the reference's as well.

        Args:
            window: the window, as it was checked.
            columns: only these; all flagged ones where there are none.
            reason: why, in words.
            schema: the champion's, as it was learned.

        Returns:
            What is new; without any column where all of that was accepted already.

        Raises:
            DataError: when the champion was trained on a later window, or this one was not checked
                yet, or a column cannot be accepted.
            UsageError: when the window has no such column.
            StoreError: when a document in the store is damaged.
        """
        if not ends_later(window, schema):
            end = format_time(Window.parse(schema.window).end)
            raise DataError(
                f"the champion was trained up to {end}; its schema is not widened by an earlier "
                f"window such as {window}; choose one that ends later"
            )
        at = datetime.now(UTC).isoformat(timespec="seconds")
        wanted = propose(self._checked(window), schema, columns, reason, at)
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

    def _checked(self, window: Window) -> list[Observation]:
        found = [
            self._observation(window, purpose)
            for purpose in _PURPOSES
            if self._store.exists(observed_name(self._model, window, purpose))
        ]
        if not found:
            raise DataError(
                f"the schema of {window} was not checked yet in {self._store.address}; "
                f"run 'driftline run monitoring --window {window}' first"
            )
        return found

    def _observation(self, window: Window, purpose: str) -> Observation:
        name = observed_name(self._model, window, purpose)
        try:
            return Observation.model_validate_json(self._store.read(name))
        except ValueError:
            raise StoreError(
                f"{self._store.url(name)} is damaged; run the check again: "
                f"'driftline run {purpose} --window {window}'"
            ) from None

    def _read(self) -> tuple[AcceptedChanges, bytes | None]:
        if not self._store.exists(self._name):
            return AcceptedChanges(), None
        content = self._store.read(self._name)
        place = self._store.url(self._name)
        try:
            self._refuse_later(json.loads(content), place)
            return AcceptedChanges.model_validate_json(content), content
        except ValueError:
            raise StoreError(
                f"{place} is damaged; restore it from a backup, or delete it and accept the "
                "changes again"
            ) from None

    @staticmethod
    def _refuse_later(document: Any, place: str) -> None:
        """A later driftline's document is whole: nobody should delete it."""
        reads = AcceptedChanges().format
        found = document.get("format", reads) if isinstance(document, dict) else reads
        if isinstance(found, int) and found > reads:
            raise StoreError(
                f"{place} has format {found}, and this driftline reads format {reads}; use the "
                "driftline that wrote it"
            )
