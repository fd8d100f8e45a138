"""What can happen to a table on its way, and how the schema check has to name it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tests.bench.verdicts.schema_clean import START

Random = np.random.Generator
Change = Callable[[pa.Table, Random], pa.Table]

_CITIES = ["Zürich", "Málaga", "Köln", "Lyon", "Gdańsk", "Oslo"]
_SHOPS = ["north", "south", "east", "west", "central"]


@dataclass(frozen=True)
class Anomaly:
    """A change of a table, or of the text of its CSV, and the finding that has to name it.

    `with_it` are other columns that are rightly flagged too; `harmless` anomalies are a note only.
    """

    name: str
    column: str
    statistic: str
    words: str
    change: Change = lambda table, random: table
    text: Callable[[str], str] | None = None
    kind: str = "parquet"
    task: str = "binary"
    with_it: tuple[str, ...] = ()
    harmless: bool = False
    no_rows: bool = False


def base(random: Random, rows: int, task: str) -> pa.Table:
    """Clean rows: amounts, shares, counts, times and codes, as shops have them."""
    start = int(START.timestamp())
    seconds = np.sort(random.integers(0, 30 * 86_400, rows))
    days = np.datetime64("2000-01-01") - random.integers(0, 200, rows).astype("timedelta64[D]")
    classes = {"binary": 2, "multiclass": 4}.get(task, 0)
    label = random.integers(0, classes, rows) if classes else random.normal(0, 3, rows)
    return pa.table(
        {
            "id": [f"r{row}" for row in range(rows)],
            "at": pa.array((seconds + start) * 1_000_000, pa.timestamp("us", "UTC")),
            "price": random.lognormal(3.5, 0.6, rows),
            "share": random.beta(2, 3, rows),
            "percent": 100 * random.beta(3, 2, rows),
            "weight": random.normal(70, 9, rows).clip(35),
            "degrees": random.normal(12, 8, rows),
            "items": random.poisson(6, rows),
            "visit": seconds + start - random.integers(0, 10**6, rows),
            "score": pa.array(random.normal(0, 1, rows), mask=random.random(rows) < 0.002),
            "shop": random.choice(_SHOPS, rows),
            "city": random.choice(_CITIES, rows),
            "code": [f"{code:05d}" for code in random.integers(100, 190, rows)],
            "member": random.random(rows) < 0.4,
            "born": np.datetime_as_string(days).tolist(),
            "y": label,
            "extra": random.random(rows),
        }
    )


def _set(name: str, make: Callable[[pa.ChunkedArray, Random], pa.Array]) -> Change:
    def change(table: pa.Table, random: Random) -> pa.Table:
        place = table.column_names.index(name)
        return table.set_column(place, name, pa.chunked_array([make(table.column(name), random)]))

    return change


def _some(name: str, value: object, share: float) -> Change:
    """A share of a column's rows gets a value, by chance."""

    def make(column: pa.ChunkedArray, random: Random) -> pa.Array:
        hit = random.random(len(column)) < share
        kept = column.to_pylist()
        made = [value if h else k for h, k in zip(hit.tolist(), kept, strict=True)]
        return pa.array(made, column.type if value is None else None)

    return _set(name, make)


def _every(name: str, value: Callable[[object], object]) -> Change:
    return _set(name, lambda column, _: pa.array([value(each) for each in column.to_pylist()]))


def _times(name: str, factor: float) -> Change:
    return _set(name, lambda column, _: pc.multiply(column, factor).combine_chunks())


def _renamed(old: str, new: str) -> Change:
    return lambda table, _: table.rename_columns(
        [new if name == old else name for name in table.column_names]
    )


def _swapped(one: str, other: str) -> Change:
    names = {one: other, other: one}
    return lambda table, _: table.rename_columns([names.get(n, n) for n in table.column_names])


def _twice(table: pa.Table, random: Random) -> pa.Table:
    return pa.concat_tables([table, table.take(pa.array(random.integers(0, len(table), 150)))])


def _garbled(text: object) -> str:
    return str(text).encode().decode("cp1252", errors="replace")


def _field(number: int, made: Callable[[str], str], every: int = 1) -> Callable[[str], str]:
    """Rewrite one field of every so many lines of a CSV with plain fields."""

    def change(text: str) -> str:
        head, *lines = text.splitlines()
        for place in range(0, len(lines), every):
            fields = lines[place].split(",")
            fields[number] = made(fields[number])
            lines[place] = ",".join(fields)
        return "\n".join([head, *lines, ""])

    return change


def _broken(text: str) -> str:
    head, *lines = text.splitlines()
    return "\n".join([head, *(f"{x},1,2" if i % 30 == 0 else x for i, x in enumerate(lines)), ""])


def _with_semicolons(text: str) -> str:
    rows = [line.split(",") for line in text.splitlines()]
    lines = [[*row[:2], *(field.replace(".", ",") for field in row[2:])] for row in rows]
    return "\n".join([*(";".join(line) for line in lines), ""])


def _gone(name: str) -> Change:
    return lambda table, _: table.drop_columns([name])


def _nothing(name: str) -> Change:
    return _set(name, lambda column, _: pa.nulls(len(column), column.type))


# Names, columns and statistics, and a part of the sentence that tells the cause.
A = Anomaly
ANOMALIES = [
    A("missing column", "price", "missing column", "is missing in the source", _gone("price")),
    A("renamed column", "price", "missing column", "renamed to 'unit_price'?",
      _renamed("price", "unit_price")),
    A("column name in capitals", "shop", "missing column", "renamed to 'SHOP'?",
      _renamed("shop", "SHOP")),
    A("new column", "colour", "new column", "a new column",
      lambda t, _: t.append_column("colour", pa.array(["red"] * len(t))), harmless=True),
    A("numbers as text", "price", "type", "double -> string", _every("price", str)),
    A("whole numbers as text", "items", "type", "int64 -> string", _every("items", str)),
    A("text as numbers", "code", "type", "string -> int64", _every("code", int)),
    A("fractions cut off by a type", "price", "type", "cannot hold the fractions",
      _every("price", int)),
    A("a list for a number", "items", "type", "list", _every("items", lambda v: [v])),
    A("date for a text", "born", "type", "date32",
      _set("born", lambda c, _: c.cast(pa.date32()).combine_chunks())),
    A("truth as text", "member", "type", "bool -> string", _every("member", str)),
    A("truth in other words", "member", "new categories", "truth values in another spelling",
      kind="csv", text=_field(13, lambda v: "yes" if v == "true" else "no")),
    A("times as text", "at", "type", "timestamp[us, tz=UTC] -> string", _every("at", str)),
    A("cents for euros", "price", "scale", "about 100 times", _times("price", 100.0)),
    A("thousands", "price", "scale", "about 1/1,000 of", _times("price", 0.001)),
    A("milliseconds for seconds", "visit", "scale", "about 1,000 times", _times("visit", 1000)),
    A("percent for shares", "share", "scale", "about 100 times", _times("share", 100.0)),
    A("shares for percent", "percent", "scale", "about 1/100 of", _times("percent", 0.01)),
    A("negative amounts", "price", "range", "it never was negative", _some("price", -20.0, 0.03)),
    A("the sign turned round", "weight", "range", "it never was negative", _times("weight", -1.0)),
    A("-1 for missing", "weight", "negative", "goes down to -1 and never was negative",
      _some("weight", -1.0, 0.02)),
    A("-999 for missing", "degrees", "range", "-999 often stands for a missing value",
      _some("degrees", -999.0, 0.02)),
    A("the largest integer", "items", "range", "2147483647 often stands for a missing value",
      _some("items", 2_147_483_647, 0.02)),
    A("overflow", "price", "range", "an overflow?", _some("price", 1e308, 0.02)),
    A("infinite values", "price", "unparsable", "they are infinite",
      _some("price", float("inf"), 0.02)),
    A("infinite as text", "price", "unparsable", "they are infinite", kind="csv",
      text=_field(2, lambda v: "Infinity", every=40)),
    A("zeros where there were none", "weight", "zeros", "is zero in", _some("weight", 0.0, 0.03)),
    A("rounded values", "price", "resolution", "multiples of 1 alone",
      _every("price", lambda v: float(round(v)))),
    A("fractional counts", "items", "whole numbers", "has fractions in",
      _some("items", 2.5, 0.05)),
    A("all null", "score", "missing values", "no values in any of 3,000 rows", _nothing("score")),
    A("half null", "score", "missing values", "more rows without a value",
      _some("score", None, 0.5)),
    A("2 % nulls", "price", "missing values", "more rows without a value",
      _some("price", None, 0.02)),
    A("2 % NaN", "price", "missing values", "more rows without a value",
      _some("price", float("nan"), 0.02)),
    A("NA in a CSV", "price", "missing values", "more rows without a value", kind="csv",
      text=_field(2, lambda v: "NA", every=40)),
    A("empty fields in a CSV", "shop", "missing values", "more rows without a value", kind="csv",
      text=_field(10, lambda v: "", every=40)),
    A("empty text", "shop", "missing values", "more rows without a value", _some("shop", "", 0.03)),
    A("'null' as text", "shop", "new categories", "they stand for no value",
      _some("shop", "null", 0.03)),
    A("'N/A' as text", "city", "new categories", "they stand for no value",
      _some("city", "N/A", 0.03)),
    A("'NaN' as text", "score", "type", "double -> string",
      _every("score", lambda v: "NaN" if v is None else str(v))),
    A("constant number", "degrees", "constant", "every value is 21",
      _every("degrees", lambda v: 21.0)),
    A("constant category", "shop", "constant", "every value is north",
      _every("shop", lambda v: "north")),
    A("new category", "shop", "new categories", "'online'", _some("shop", "online", 0.02)),
    A("capitals", "shop", "new categories", "upper and lower case only",
      _every("shop", lambda v: str(v).upper())),
    A("white space", "shop", "new categories", "white space only",
      _every("shop", lambda v: f"{v}  ")),
    A("truncated names", "shop", "new categories", "truncated?",
      _every("shop", lambda v: str(v)[:3])),
    A("wrong encoding", "city", "new categories", "wrong character encoding",
      _every("city", _garbled)),
    A("accents lost", "city", "new categories", "accents only",
      _every("city", lambda v: str(v).translate(str.maketrans("üáöń", "uaon")))),
    A("quotes", "shop", "new categories", "quotes only", _every("shop", lambda v: f"'{v}'")),
    A("leading zeros lost", "code", "new categories", "leading zeros only",
      _every("code", lambda v: str(int(str(v))))),
    A("numbers for names", "shop", "new categories", "they are numbers",
      _every("shop", lambda v: str(_SHOPS.index(str(v))))),
    A("dates in another format", "born", "new categories", "dates in another format",
      _every("born", lambda v: "/".join(reversed(str(v).split("-"))))),
    A("ids for categories", "shop", "new categories", "and others",
      _set("shop", lambda c, r: pa.array([f"u{x}" for x in r.integers(0, 2**50, len(c))]))),
    A("swapped numbers", "weight", "swapped columns", "weight and degrees are swapped",
      _swapped("weight", "degrees"), with_it=("degrees",)),
    A("swapped categories", "shop", "swapped columns", "shop and city are swapped",
      _swapped("shop", "city"), with_it=("city",)),
    A("thousands separators", "visit", "unparsable", "thousands separators",
      _every("visit", lambda v: f"{v:,}"), with_it=("visit",)),
    A("decimal commas", "price", "unparsable", "a decimal comma", kind="csv",
      text=_with_semicolons, with_it=("share", "percent", "weight", "degrees", "score")),
    A("currency signs", "price", "unparsable", "a currency sign", kind="csv",
      text=_field(2, lambda v: f"€{v}")),
    A("units", "weight", "unparsable", "they have a unit", kind="csv",
      text=_field(5, lambda v: f"{v} kg")),
    A("percent signs", "percent", "unparsable", "they are percentages", kind="csv",
      text=_field(4, lambda v: f"{v}%", every=9)),
    A("a spreadsheet's errors", "price", "unparsable", "they stand for no value", kind="csv",
      text=_field(2, lambda v: "#DIV/0!", every=50)),
    A("dates for numbers", "items", "unparsable", "they are dates", kind="csv",
      text=_field(7, lambda v: "2024-03-0" + v[:1], every=30)),
    A("bad times", "", "rows bad time", "no readable event time", kind="csv",
      text=_field(1, lambda v: "soon", every=30)),
    A("times in milliseconds", "", "rows bad time", "such as '17", kind="csv",
      text=_field(1, lambda v: "1709294400000", every=30)),
    A("malformed rows", "", "rows malformed", "are malformed", kind="csv", text=_broken),
    A("repeated ids", "", "duplicates", "repeat an id", _twice),
    A("ids missing", "", "rows no id", "have no id", _some("id", None, 0.03)),
    A("no rows", "", "rows", "the window has no rows", no_rows=True),
    A("target missing", "y", "missing column", "the target, is missing", _gone("y")),
    A("target empty", "y", "missing values", "no values in any", _nothing("y")),
    A("target half empty", "y", "missing values", "more rows without a value",
      _some("y", None, 0.5)),
    A("target as text", "y", "type", "int64 -> string", _every("y", str)),
    A("third class for two", "y", "classes", "3 classes, but the task is binary",
      _some("y", 2, 0.02)),
    A("class never seen", "y", "new categories", "1 new class", _some("y", 7, 0.005),
      task="multiclass"),
    A("one class only", "y", "constant", "every value is 0", _every("y", lambda v: 0)),
    A("target out of range", "y", "range", "-9999 often stands for a missing value",
      _some("y", -9999.0, 0.01), task="regression"),
]  # fmt: skip
