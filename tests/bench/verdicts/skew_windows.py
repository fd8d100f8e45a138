"""Windows of which some values are made wrong on purpose, written as trained and as served."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

WRONG = 500
NUMERIC = ["warmth", "distance", "mass", "minute", "clock", "price", "rate", "count"]
CATEGORICAL = ["carrier", "city", "code", "member"]
FEATURES = [*NUMERIC, *CATEGORICAL]
SPEC = f"""
model: skewed
task: binary
source: {{kind: files, path: nowhere.parquet}}
columns: {{id: id, time: time, target: y, numeric: {json.dumps(NUMERIC)},
  categorical: {json.dumps(CATEGORICAL)}}}
estimator: {{class: sklearn.linear_model.LogisticRegression}}
metric: roc_auc
"""
CITIES = [
    "Zürich",
    "Genève",
    "Kraków",
    "Malmö",
    "São Paulo",
    "Orléans",
    "Århus",
    "Łódź",
    "Würzburg",
]
_CHUNK = 1_000_000

Column = np.ndarray
Break = Callable[[Column, dict[str, Column], np.random.Generator], Column]


@dataclass(frozen=True)
class Wrong:
    """What is done to some values of a column, and the words by which its finding explains it.

    `rows` says which rows are chosen from, where not all will do; no words: nothing explains it.
    `causes` is how many there are to be named where there are words.
    """

    column: str
    name: str
    change: Break
    words: str = ""
    rows: Callable[[dict[str, Column]], Column] | None = None
    causes: int = 1


def _each(function: Callable[[str], str | None]) -> Break:
    return lambda v, _, __: np.array([function(x) for x in v.tolist()], object)


def _on(function: Callable[[Column], Column]) -> Break:
    return lambda v, _, __: function(v)


def _non_ascii(name: str) -> Callable[[dict[str, Column]], Column]:
    return lambda made: np.array([not x.isascii() for x in made[name].tolist()])


def _mixed(values: Column) -> Column:
    """Three fifths in Celsius, a fifth zero, the rest noise."""
    place = np.arange(len(values)) % 5
    others = np.where(place == 3, 0.0, values + np.sin(values))
    return np.where(place < 3, (values - 32) / 1.8, others)


WINDOWS: dict[str, list[Wrong]] = {
    "units and formats": [
        Wrong("warmth", "Celsius", _on(lambda v: (v - 32) / 1.8), "Celsius for Fahrenheit"),
        Wrong("distance", "miles", _on(lambda v: v / 1.609344), "miles for kilometres"),
        Wrong("mass", "grams", _on(lambda v: v * 1000), "1000 times trained: .*grams"),
        Wrong("minute", "time zone", _on(lambda v: (v + 300) % 1440), "5 hours ahead.*minutes"),
        Wrong("clock", "time zone", _on(lambda v: v - 4 * 3600), "4 hours behind.*since 1970"),
        Wrong("price", "truncated", _on(np.trunc), "truncated to a whole number"),
        Wrong("rate", "percent", _on(lambda v: v * 100), "100 times trained: percent"),
        Wrong("count", "default", _on(lambda v: v * 0 - 999), "always -999"),
        Wrong("carrier", "lower case", _each(str.lower), "lower case"),
        Wrong("city", "mojibake", _each(lambda x: x.encode().decode("latin-1")), "read as Latin-1",
              _non_ascii("city")),
        Wrong("code", "zeros lost", _each(lambda x: x.lstrip("0")), "leading zeros",
              lambda made: np.char.startswith(made["code"].astype(str), "0")),
        Wrong("member", "truth values", _each(lambda x: "true" if x == "yes" else "false"),
              "truth values"),
    ],
    "values of others": [
        Wrong("warmth", "missing", _on(lambda v: v * np.nan), "without a value"),
        Wrong("distance", "sign", _on(np.negative), "sign is changed"),
        Wrong("mass", "logarithm", _on(np.log1p), "logarithm of 1 \\+ trained"),
        Wrong("minute", "clock in hours", _on(lambda v: v // 60 * 60), "multiple of 60"),
        Wrong("clock", "milliseconds", _on(lambda v: v * 1000), "milliseconds"),
        Wrong("price", "swapped", lambda _, made, __: made["rate"], "swapped with rate"),
        Wrong("rate", "swapped", lambda _, made, __: made["price"], "swapped with price"),
        Wrong("count", "shift", _on(lambda v: v + 3), "trained plus 3"),
        Wrong("carrier", "white space", _each(lambda x: x + " "), "white space"),
        Wrong("city", "cut", _each(lambda x: x[:4]), "cut after 4"),
        Wrong("code", "prefix", _each(lambda x: "id-" + x), "begins with 'id-'"),
        Wrong("member", "renamed", _each({"yes": "J", "no": "N"}.get), "'J' for 'yes'"),
    ],
    "mixed, six columns clean": [
        Wrong("warmth", "Celsius, 0 and noise", _on(_mixed),
              r"in \d+ of \d+: served in degrees Celsius.*; in \d+ of \d+: served is 0", causes=2),
        Wrong("mass", "cut off", lambda v, _, __: np.full(len(v), v.min() * 0.999), "cut off at",
              lambda made: made["mass"] >= np.partition(made["mass"], -84)[-84]),
        Wrong("rate", "half precision", _on(lambda v: v.astype("f2").astype("f8")), "float16"),
        Wrong("price", "one decimal", _on(lambda v: np.round(v, 1)), "rounded to 1 decimal"),
        Wrong("city", "normal form", _each(lambda x: unicodedata.normalize("NFD", x)), "NFD",
              _non_ascii("city")),
        Wrong("code", "default", _each(lambda _: "unknown"), "always 'unknown'"),
    ],
    "noise, eight columns clean": [
        Wrong("warmth", "noise", lambda v, _, r: v + r.normal(0, 2, len(v))),
        Wrong("count", "other counts", lambda v, _, r: np.abs(v + r.integers(-2, 3, len(v)))),
        Wrong("carrier", "other carriers", lambda v, _, r: r.permutation(v)),
        Wrong("member", "flips", _each(lambda x: "no" if x == "yes" else "yes")),
    ],
    "all columns clean": [],
}  # fmt: skip


def write_window(folder: Path, rows: int, wrongs: list[Wrong], seed: int) -> dict[str, set[str]]:
    """Write data.parquet and log.parquet; returns the ids of the rows wrong, by column."""
    random = np.random.default_rng(seed)
    truth: dict[str, set[str]] = {}
    chunk = min(rows, _CHUNK)
    with (
        pq.ParquetWriter(folder / "data.parquet", _schema("")) as data,
        pq.ParquetWriter(folder / "log.parquet", _schema("feature.")) as log,
    ):
        for start in range(0, rows, chunk):
            made = make_columns(chunk, random)
            ids = [f"order-{start + i:09d}" for i in range(chunk)]
            data.write_table(_table(made, ids, "", chunk), row_group_size=1 << 17)
            served = dict(made)
            for wrong in wrongs if start == 0 else ():
                served[wrong.column], places = _broken(wrong, wrongs, made, random)
                truth[wrong.column] = {ids[place] for place in places.tolist()}
            order = random.permutation(chunk)
            logged = _table(served, ids, "feature.", chunk).take(pa.array(order))
            log.write_table(logged, row_group_size=1 << 16)
            if start == 0:
                log.write_table(_table(served, ids, "feature.", chunk // 100, "v0"))
    return truth


def _broken(
    wrong: Wrong, wrongs: list[Wrong], made: dict[str, Column], random: np.random.Generator
) -> tuple[Column, Column]:
    """A column with some of its values made wrong, and their places.

    They are the same for all columns of a swap.
    """
    values, count = made[wrong.column], -(-WRONG // len(wrongs))
    if wrong.rows is not None:
        able = np.flatnonzero(wrong.rows(made))
        rows = random.choice(able, min(count, len(able)), replace=False)
        if wrong.name == "cut off":
            rows = able
    else:
        able = np.flatnonzero(~_missing(values))
        rows = np.sort(np.random.default_rng(1).choice(able, count, replace=False))
    changed = wrong.change(
        values[rows], {name: column[rows] for name, column in made.items()}, random
    )
    served = values.copy()
    served[rows] = changed
    old = values[rows]
    if values.dtype == float:  # what is within the tolerance is not wrong
        same = np.isclose(changed, old, rtol=1e-6, atol=0.0, equal_nan=True)
    else:
        same = changed == old
    return served, rows[~same]


def _missing(values: Column) -> Column:
    return values != values if values.dtype == float else np.zeros(len(values), bool)


def make_columns(rows: int, random: np.random.Generator) -> dict[str, Column]:
    """The twelve columns: skewed, discrete, rounded, of few categories and of many."""
    missing = random.random(rows) < 0.03
    warmth = np.round(random.normal(58, 17, rows), 2)
    return {
        "warmth": np.where(missing, np.nan, warmth),
        "distance": np.round(random.gamma(2.0, 400.0, rows), 3),
        "mass": random.lognormal(1.0, 0.8, rows),
        "minute": random.integers(0, 1440, rows).astype(float),
        "clock": 1_700_000_000.0 + np.floor(random.random(rows) * 2_592_000),
        "price": np.round(random.exponential(40.0, rows) + 1, 2),
        "rate": random.beta(2.0, 5.0, rows),
        "count": random.poisson(6.0, rows).astype(float),
        "carrier": random.choice(np.array(["UA", "AA", "B6", "DL", "WN", "MQ"], object), rows),
        "city": random.choice(np.array([*CITIES, "Oslo", "Bern", "Roma"], object), rows),
        "code": random.choice(np.array([f"{i:04d}" for i in range(300)], object), rows),
        "member": random.choice(np.array(["yes", "no"], object), rows, p=[0.7, 0.3]),
    }


def _schema(prefix: str) -> pa.Schema:
    own = [("row_id", pa.string()), ("release", pa.string())] if prefix else [("id", pa.string())]
    numbers = [(prefix + name, pa.float64()) for name in NUMERIC]
    return pa.schema([*own, *numbers, *((prefix + name, pa.string()) for name in CATEGORICAL)])


def _table(
    made: dict[str, Column], ids: list[str], prefix: str, rows: int, release: str = "v1"
) -> pa.Table:
    """The first rows as a table of the window, or of the log with its prefix."""
    own = [ids[:rows], [release] * rows] if prefix else [ids[:rows]]
    arrays = [pa.array(values) for values in own]
    arrays += [pa.array(made[name][:rows], from_pandas=True) for name in FEATURES]
    return pa.Table.from_arrays(arrays, schema=_schema(prefix))
