"""Patterns in texts that differ: formatting, encodings, spellings, cut texts, defaults."""

from __future__ import annotations

import html
import re
import unicodedata
import urllib.parse
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import numpy as np

from components.data.convert import NO_VALUE
from components.drift.causes import Cause, Pattern, choose
from components.drift.number_causes import number_causes
from components.drift.text_pairs import Same, TextPairs, Texts, spread_rows
from components.drift.text_times import same_time, time_shift

_TRUTHS = [{"yes", "true", "1", "y", "t", "on"}, {"no", "false", "0", "n", "f", "off"}]
_GROUPED = re.compile(r"(?<=\d)[ ,'_\u00a0\u202f](?=\d{3}(?!\d))")
# A category needs this many rows, nearly all with one other name, to be called renamed.
_RENAMED_ROWS = 5
_RENAMED_SHARE = 0.95
_NUMBERS_SHARE = 0.95
_SHOWN = 3
_LONG = 40


def text_causes(
    served: Texts,
    trained: Texts,
    population: Texts | None = None,
    others: Mapping[str, Texts] | None = None,
    before: Texts | None = None,
) -> list[Cause]:
    """What turns the trained texts into the served ones; empty where there is no pattern.

    Of texts with more than about a million characters in all, evenly spread rows are looked at that
    have so many, but at least 50: how many rows a cause explains is then an estimate. Each is
    looked at as a whole, since what differs further on only would seem to be alike.

    Args:
        served: (n,) with None for missing, of the rows that differ.
        trained: (n,) likewise.
        population: (m,) trained values of rows in general; those that differ where left out.
        others: what training has in other columns for the same rows, (n,) each.
        before: what training has for the rows that were logged just before these, (n,).

    >>> text_causes([" ua", "aa ", " b6", " mq", "us "], ["ua", "aa", "b6", "mq", "us"])
    [Cause(kind='format', text='only white space differs', rows=5, column='')]
    """
    population = trained if population is None else population
    rows = spread_rows(served, trained)
    if rows is None:
        return _causes(served, trained, population, others or {}, before)

    def some(texts: Texts) -> Texts:
        return [texts[row] for row in rows]

    few = {name: some(texts) for name, texts in (others or {}).items()}
    last = None if before is None else some(before)
    found = _causes(some(served), some(trained), population, few, last)
    scale = len(served) / len(rows)
    return [replace(one, rows=round(one.rows * scale), estimated=True) for one in found]


def _causes(
    served: Texts,
    trained: Texts,
    population: Texts,
    others: Mapping[str, Texts],
    before: Texts | None,
) -> list[Cause]:
    pairs = TextPairs(served, trained, population)
    patterns = [*_gaps(pairs), *_defaults(pairs)]
    for name, values in others.items():
        if pattern := pairs.copy("column", f"served is what training has in {name}", values, name):
            patterns.append(pattern)
    if before is not None:
        text = "served is the value of the row before, so it is stale"
        if pattern := pairs.copy("stale", text, before):
            patterns.append(pattern)
    patterns += [*_rewritten(pairs), *_affixes(pairs), *_cut(pairs)]
    patterns += time_shift(pairs)
    found = choose(patterns, len(served)) or _as_numbers(pairs)
    return found or choose([*_renamed(pairs)], len(served))


def _gaps(pairs: TextPairs) -> Iterator[Pattern]:
    lost = pairs.where(lambda a, b: a is None and b is not None)
    yield Pattern("missing", "served without a value where training has one", lost)
    filled = "served with a value where training has none"
    gained = Counter(a for a, b in pairs.all if b is None and a is not None)
    if gained:
        value = gained.most_common(1)[0][0]
        same = pairs.where(lambda a, b: b is None and a == value)
        yield Pattern("default", f"{filled}: {_quoted(value)}", same)
    gone = pairs.where(lambda a, b: b is None and a is not None)
    yield Pattern("default", filled, gone)


def _defaults(pairs: TextPairs) -> Iterator[Pattern]:
    """One text for many."""
    for value in pairs.frequent(3):
        always = "always " if all(a == value for a in pairs.served) else ""
        yield pairs.pattern("default", f"served is {always}{_quoted(value)}", _is(value))


def _is(value: str) -> Same:
    return lambda a, _: a == value


def _quoted(value: str) -> str:
    shown = repr(value if len(value) <= _LONG else f"{value[:_LONG]}...")
    return f"{shown}, a missing value spelled out" if value in NO_VALUE else shown


def _rewritten(pairs: TextPairs) -> Iterator[Pattern]:
    """Served and trained are the same text, written in two ways."""
    for kind, text, same in _SAME:
        yield pairs.pattern(kind, text, same)


def _alike(way: Callable[[str], object]) -> Same:
    return lambda a, b: way(a) == way(b)


def _bare(text: str) -> str:
    return "".join(text.split())


def _without_zeros(text: str) -> str:
    return re.sub(r"^([^0-9]*)0+(?=[0-9])", r"\1", text)


def _whole(text: str) -> str:
    return re.sub(r"^(-?\d+)\.0+$", r"\1", text)


def _ungrouped(text: str) -> str:
    return _GROUPED.sub("", text)


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _truth(text: str) -> object:
    word = text.strip().lower()
    return next((index for index, words in enumerate(_TRUTHS) if word in words), text)


def _recoded(encoding: str) -> Same:
    """Whether one text is the other one's bytes in UTF-8, read in another encoding."""

    def same(a: str, b: str) -> bool:
        try:
            return b.encode("utf-8").decode(encoding) == a
        except UnicodeError:
            return False

    return same


def _lost_letters(a: str, b: str) -> bool:
    """Letters outside of ASCII were replaced one by one, or dropped."""
    marks = {re.sub(r"[^\x00-\x7f]", mark, b) for mark in ("?", "\ufffd", "")}
    return not b.isascii() and a in marks


def _unaccented(text: str) -> str:
    parts = unicodedata.normalize("NFKD", text)
    return "".join(part for part in parts if not unicodedata.combining(part))


def _reversed(same: Same) -> Same:
    return lambda a, b: same(b, a)


def _form(name: str) -> Same:
    def same(a: str, b: str) -> bool:
        return unicodedata.normalize(name, b) == a  # type: ignore[arg-type]

    return same


# Kind, text, and whether a served and a trained text that differ are the same in that sense; the
# narrow ones before those that include them.
_SAME: list[tuple[str, str, Same]] = [
    ("format", "only white space differs", _alike(_bare)),
    ("format", "served is in upper case", lambda a, b: a == b.upper()),
    ("format", "served is in lower case", lambda a, b: a == b.lower()),
    ("format", "only upper and lower case differ", _alike(str.casefold)),
    ("format", "only white space and case differ", _alike(lambda t: _bare(t).casefold())),
    ("format", "only leading zeros differ", _alike(_without_zeros)),
    ("format", "only a decimal point differs", _alike(_whole)),
    ("format", "only thousands separators differ", _alike(_ungrouped)),
    (
        "format",
        "a decimal comma stands for a decimal point, or the other way round",
        _alike(lambda t: t.translate({44: ".", 46: "."})),
    ),
    ("format", "the same numbers, written differently", _alike(_number)),
    ("format", "the same truth values, such as 'yes' for 'true', written differently",
     _alike(_truth)),
    ("format", "only quotes differ", _alike(lambda t: t.strip("'\"`\u201c\u201d\u2018\u2019"))),
    ("encoding", "served is in Unicode's form NFC and trained is not", _form("NFC")),
    ("encoding", "served is in Unicode's form NFD and trained is not", _form("NFD")),
    ("encoding", "only Unicode's normal form differs",
     _alike(lambda t: unicodedata.normalize("NFKC", t))),
    ("encoding", "served is UTF-8 that was read as Latin-1", _recoded("latin-1")),
    ("encoding", "served is UTF-8 that was read as Windows-1252", _recoded("cp1252")),
    ("encoding", "trained is UTF-8 that was read as Latin-1", _reversed(_recoded("latin-1"))),
    ("encoding", "served has lost the letters outside of ASCII", _lost_letters),
    ("encoding", "only accents differ", _alike(_unaccented)),
    ("encoding", "only HTML escapes differ", _alike(html.unescape)),
    ("encoding", "only URL escapes differ", _alike(urllib.parse.unquote_plus)),
    ("time", "the same times, written differently", same_time),
    ("format", "only punctuation differs", _alike(lambda t: re.sub(r"[\W_]+", "", t))),
]  # fmt: skip


def _affixes(pairs: TextPairs) -> Iterator[Pattern]:
    """A constant beginning or end, added or lost."""
    for word, other, of in (
        ("begins with", "before trained", str.endswith),
        ("ends with", "after trained", str.startswith),
    ):
        for added in (True, False):
            affixes: Counter[str] = Counter()
            for (a, b), count in pairs.counts.items():
                long, short = (a, b) if added else (b, a)
                if short and len(long) > len(short) and of(long, short):
                    cut = len(long) - len(short)
                    affixes[long[:cut] if word == "begins with" else long[-cut:]] += count
            if not pairs.clear(affixes):
                continue
            affix = affixes.most_common(1)[0][0]
            text = f"served {word} {affix!r} {other}" if added else f"served lacks {affix!r}"
            first = word == "begins with"

            def same(a: str, b: str, added: bool = added, x: str = affix, f: bool = first) -> bool:
                long, short = (a, b) if added else (b, a)
                return long == (x + short if f else short + x)

            yield pairs.pattern("format", text, same)


def _cut(pairs: TextPairs) -> Iterator[Pattern]:
    """Texts that are cut at one length."""
    lengths: Counter[int] = Counter()
    for (a, b), count in pairs.counts.items():
        if a and len(a) < len(b) and b.startswith(a):
            lengths[len(a)] += count
    for length, _ in lengths.most_common(2):
        yield pairs.pattern(
            "truncated",
            f"served is cut after {length} character{'s' if length > 1 else ''}",
            _cut_after(length),
        )


def _cut_after(length: int) -> Same:
    return lambda a, b: len(b) > length and a == b[:length]


def _renamed(pairs: TextPairs) -> Iterator[Pattern]:
    """Categories that have other names, each the same one all over."""
    names: dict[str, Counter[str]] = {}
    for (a, b), count in pairs.counts.items():
        names.setdefault(b, Counter())[a] += count
    renamed = {}
    for old, found in names.items():
        new, count = found.most_common(1)[0]
        if count >= max(_RENAMED_ROWS, _RENAMED_SHARE * found.total()):
            renamed[old] = new
    if not renamed:
        return
    shown = sorted(renamed, key=lambda old: (-names[old].total(), old))[:_SHOWN]
    listed = ", ".join(f"{renamed[old]!r} for {old!r}" for old in shown)
    more = " and others" if len(renamed) > _SHOWN else ""
    yield pairs.pattern(
        "renamed",
        f"served has other names: {listed}{more}",
        lambda a, b: renamed.get(b) == a,
        least=1,
    )


def _as_numbers(pairs: TextPairs) -> list[Cause]:
    """What the texts have as numbers, where they are numbers: codes, hours, amounts."""
    served, trained, population = (
        np.array([_float(text) for text in texts])
        for texts in (pairs.served, pairs.trained, pairs.population)
    )
    known = np.isfinite(served) & np.isfinite(trained)
    if not len(served) or np.mean(known) < _NUMBERS_SHARE:
        return []
    return number_causes(served, trained, population)


def _float(text: str | None) -> float:
    number = _number(text) if text else np.nan
    return number if isinstance(number, float) else np.nan
