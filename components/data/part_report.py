"""What was read of a part of a source: counts that add up to the report on the whole window."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import pyarrow as pa

from components.core.verdict import Document
from components.core.window import Window, format_time
from components.data.convert import widen
from components.data.fingerprint import Fingerprint
from components.data.intake import EXAMPLES, Intake, final_label, window_schema
from components.data.report import ColumnReport, IngestReport
from components.data.sources import Scan
from components.spec.model import Spec

LabelType = Literal["null", "int64", "bool", "string", "double"]
_TYPES: dict[LabelType, pa.DataType] = {
    "null": pa.null(),
    "int64": pa.int64(),
    "bool": pa.bool_(),
    "string": pa.string(),
    "double": pa.float64(),
}
_COUNTS = (
    "rows_read",
    "rows_outside",
    "rows_bad_time",
    "rows_no_id",
    "duplicates",
    "rows",
    "labels",
    "labels_not_due",
    "rows_malformed",
)


class PartReport(Document):
    """The counts of `IngestReport` for a part, and what the report on the whole is made from.

    `types` are the columns of the part's files in the files' order, each with its types;
    `fingerprint` are the sums of the rows' fingerprint.
    """

    rows_read: int
    rows_outside: int
    rows_bad_time: int
    rows_no_id: int
    duplicates: int
    rows: int
    labels: int
    labels_not_due: int
    rows_malformed: int
    malformed: list[str]
    types: dict[str, list[str]]
    unparsable: dict[str, int]
    examples: dict[str, list[str]]
    label_type: LabelType
    fingerprint: tuple[int, int]

    @classmethod
    def of(cls, scan: Scan, intake: Intake) -> PartReport:
        """What a scan and its intake have counted up to now."""
        kind = next(name for name, type_ in _TYPES.items() if type_ == intake.label_type)
        return cls(
            rows_read=intake.rows_read + scan.skipped,
            rows_outside=intake.rows_outside + scan.skipped,
            rows_bad_time=intake.rows_bad_time,
            rows_no_id=intake.rows_no_id,
            duplicates=intake.duplicates,
            rows=intake.rows,
            labels=intake.labels,
            labels_not_due=intake.labels_not_due,
            rows_malformed=scan.malformed,
            malformed=scan.malformed_examples,
            types=scan.types,
            unparsable=intake.unparsable,
            examples=intake.examples,
            label_type=kind,
            fingerprint=intake.fingerprint.sums,
        )

    @property
    def final_label(self) -> pa.DataType:
        """The type of the labels in the window's file."""
        return final_label(_TYPES[self.label_type])

    def merge(self, later: PartReport) -> PartReport:
        """The report on this part and one that comes later in the source, read as one.

        No id may be in both: what repeats an id of an earlier part is a duplicate there.
        """
        label = widen(_TYPES[self.label_type], _TYPES[later.label_type])
        total = Fingerprint()
        total.include(self.rows, self.fingerprint)
        total.include(later.rows, later.fingerprint)
        names = [*self.unparsable]
        return PartReport(
            **{name: getattr(self, name) + getattr(later, name) for name in _COUNTS},
            malformed=[*self.malformed, *later.malformed][:EXAMPLES],
            types={
                name: _together(self.types.get(name, []), later.types.get(name, []))
                for name in [*self.types, *later.types]
            },
            unparsable={name: self.unparsable[name] + later.unparsable[name] for name in names},
            examples={
                name: _together(self.examples[name], later.examples[name])[:EXAMPLES]
                for name in names
            },
            label_type=next(name for name, kind in _TYPES.items() if kind == label),
            fingerprint=total.sums,
        )

    def complete(self, spec: Spec, window: Window, as_of: datetime, source: str) -> IngestReport:
        """The report on a window of which nothing is left to read.

        Args:
            spec: the columns' roles.
            window: the window that was read.
            as_of: when the labels were asked for.
            source: the source in one line.
        """
        columns = spec.columns.all
        total = Fingerprint()
        total.include(self.rows, self.fingerprint)
        schema = window_schema(spec.columns, self.final_label)
        return IngestReport(
            window=str(window),
            as_of=format_time(as_of),
            source=source,
            **{name: getattr(self, name) for name in _COUNTS},
            missing_columns=[name for name in columns if name not in self.types],
            extra_columns=[name for name in self.types if name not in columns],
            columns={name: self._column(name) for name in columns},
            fingerprint=total.digest(f"{spec.columns.target}: {schema}"),
            malformed=self.malformed,
        )

    def _column(self, name: str) -> ColumnReport:
        kinds = self.types.get(name)
        return ColumnReport(
            source_type=", ".join(sorted(kinds)) if kinds else "missing",
            unparsable=self.unparsable[name],
            examples=self.examples[name],
        )


def _together(first: list[str], later: list[str]) -> list[str]:
    return list(dict.fromkeys([*first, *later]))
