"""The likely cause of values that do not fit, told from how they are written."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Mapping, Sequence

from components.data.convert import NO_VALUE

# A pattern is named where it explains this share of the examples or rows.
_MOST = 0.8
_DATE = r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}([T ].*)?|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}([T ].*)?"
_NUMBER = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"
_PLACEHOLDERS = {text.casefold() for text in NO_VALUE if text} | {
    "-", "--", "?", ".", "missing", "unknown", "undefined", "nil", "n.a.", "not available",
    "(null)", "(none)", "#n/a", "#ref!", "#div/0!", "#value!", "-1", "-9", "-99", "-999", "-9999",
}  # fmt: skip
_TRUTHS = {"true", "false", "yes", "no", "y", "n", "t", "f", "0", "1", "on", "off"}
# Texts where numbers belong, the first that fits.
_WRITTEN = {
    "they are infinite": r"[+-]?(inf|infinity|1e999)",
    "they have thousands separators": r"[+-]?\d{1,3}([,'\u00a0\u202f ]\d{3})+(\.\d+)?",
    "they have a decimal comma": r"[+-]?(\d+|\d{1,3}(\.\d{3})+),\d+",
    "they are percentages": rf"{_NUMBER}\s*%",
    "they are dates": _DATE,
    "they have a currency sign": rf"[$€£¥]\s*{_NUMBER}|{_NUMBER}\s*[$€£¥]",
    "they have a unit": rf"{_NUMBER}\s*[A-Za-z°µ/]+\d?",
}


def unreadable_cause(examples: Sequence[str]) -> str:
    """Why some texts are no numbers; empty where they show no pattern.

    >>> unreadable_cause(["1,234.5", "12,000"]), unreadable_cause(["3,14"])
    ('they have thousands separators', 'they have a decimal comma')
    """
    texts = [text.strip() for text in examples]
    for cause, pattern in _WRITTEN.items():
        if _explains(sum(bool(re.fullmatch(pattern, t, re.IGNORECASE)) for t in texts), len(texts)):
            return cause
    if _explains(sum(text.casefold() in _PLACEHOLDERS for text in texts), len(texts)):
        return "they stand for no value"
    if _explains(sum(text.casefold() in _TRUTHS for text in texts), len(texts)):
        return "they are truth values"
    return ""


def category_cause(new: Mapping[str, int], known: Collection[str]) -> str:
    """What makes new categories of old ones; empty where they show no pattern.

    Args:
        new: the new categories, with their rows.
        known: the categories that there were.

    >>> category_cause({"NORTH": 9, "South": 8}, ["north", "south"])
    'they differ from known ones in upper and lower case only'
    >>> category_cause({"null": 9}, ["north"]), category_cause({"west": 9}, ["north"])
    ('they stand for no value', '')
    """

    def holds(test: Callable[[str], bool]) -> bool:
        return _explains(sum(n for name, n in new.items() if test(name)), sum(new.values()))

    if holds(lambda name: name.strip().casefold() in _PLACEHOLDERS):
        return "they stand for no value"
    for cause, form in _FORMS.items():
        if holds(_same(form, known)):
            return cause
    if holds(lambda name: _is_garbled(name, known)):
        return "they are known ones in a wrong character encoding"
    if holds(lambda name: name.casefold() in _TRUTHS) and known and set(known) <= _TRUTHS:
        return "they are truth values in another spelling"
    if holds(lambda name: any(other.startswith(name) for other in known)):
        return "they are the beginnings of known ones: truncated?"
    if holds(_is_date) and any(map(_is_date, known)) and not _shapes(new) & _shapes(known):
        return "they are dates in another format"
    if holds(_is_number) and not any(map(_is_number, known)):
        return "they are numbers, the known ones are not"
    return ""


def _same(form: Callable[[str], str], known: Collection[str]) -> Callable[[str], bool]:
    """Whether a name is a known one when both are brought into a form."""
    forms = {form(name) for name in known}
    return lambda name: form(name) in forms


def _is_date(name: str) -> bool:
    return re.fullmatch(_DATE, name) is not None


def _is_number(name: str) -> bool:
    return re.fullmatch(_NUMBER, name) is not None


def _explains(count: int, total: int) -> bool:
    return total > 0 and count >= _MOST * total


def _plain(name: str) -> str:
    folded = unicodedata.normalize("NFKD", name)
    return "".join(letter for letter in folded if not unicodedata.combining(letter))


def _shapes(names: Collection[str]) -> set[str]:
    return {re.sub(r"\d", "0", name) for name in names}


def _is_garbled(name: str, known: Collection[str]) -> bool:
    """Whether a name is a known one, written in one character encoding and read in another."""
    if "\ufffd" in name or "?" in name:
        pattern = re.escape(name).replace("\ufffd", ".").replace(r"\?", ".")
        return any(re.fullmatch(pattern, other) for other in known)
    for encoding in ("cp1252", "latin-1", "cp437", "mac-roman"):
        try:
            repaired = name.encode(encoding).decode("utf-8")
        except UnicodeError:
            continue
        if repaired != name and repaired in known:
            return True
    return False


_FORMS: dict[str, Callable[[str], str]] = {
    "they differ from known ones in white space only": lambda name: " ".join(name.split()),
    "they differ from known ones in upper and lower case only": str.casefold,
    "they differ from known ones in quotes only": lambda name: name.strip("\"'`"),
    "they differ from known ones in accents only": _plain,
    "they differ from known ones in leading zeros only": lambda name: name.lstrip("0"),
    "they differ from known ones in white space, case or signs only": lambda name: re.sub(
        r"[\W_]+", "", name
    ).casefold(),
}
