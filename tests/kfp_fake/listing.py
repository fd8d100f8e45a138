"""Lists as the API server gives them: filtered, sorted, a page at a time."""

import base64
import binascii
import json
from urllib.parse import unquote_plus

from tests.kfp_fake.refusals import invalid

_DEFAULT_PAGE, _LARGEST_PAGE = 20, 200
_VALUES = (
    "int_value",
    "long_value",
    "string_value",
    "timestamp_value",
    "int_values",
    "long_values",
    "string_values",
)
_CAMEL = {"".join([name.split("_")[0], name.split("_")[1].title()]): name for name in _VALUES}
_COMPARES = {
    "EQUALS": lambda found, wanted: found.lower() == wanted.lower(),
    "NOT_EQUALS": lambda found, wanted: found.lower() != wanted.lower(),
    "GREATER_THAN": lambda found, wanted: found > wanted,
    "GREATER_THAN_EQUALS": lambda found, wanted: found >= wanted,
    "LESS_THAN": lambda found, wanted: found < wanted,
    "LESS_THAN_EQUALS": lambda found, wanted: found <= wanted,
    "IN": lambda found, wanted: found.lower() in [each.lower() for each in wanted],
    # LIKE, in which these two stand for any text and any letter
    "IS_SUBSTRING": lambda found, wanted: _like(found.lower(), wanted.lower()),
}


def page(rows, query, fields, key):
    """One page of rows: `(rows, total, token of the next page)`.

    Args:
        rows: as the API shows them, plus what it does not show under `_` names.
        query: `page_size`, `page_token`, `sort_by` and `filter`, as they were sent.
        fields: from the API's names for fields to the rows' keys.
        key: the rows' key that is unique.
    """
    size = _size(query.get("page_size", ""))
    asked = {name: query.get(name, "") for name in ("sort_by", "filter")}
    began = {"after": None, **asked}
    if token := query.get("page_token", ""):
        began = _token(token)
        if any(asked.values()) and asked != {name: began[name] for name in asked}:
            raise invalid(
                "page token does not match the supplied sort by and/or filtering criteria. Either "
                "specify the same criteria or leave the latter empty if page token is specified"
            )
    column, descending = _order(began["sort_by"], fields)
    kept = [row for row in rows if _matches(row, _predicates(began["filter"], fields))]
    kept.sort(key=lambda row: (str(row.get(column) or ""), row[key]), reverse=descending)
    start = next(
        (at for at, row in enumerate(kept) if began["after"] == row[key]),
        0 if began["after"] is None else len(kept),
    )
    shown, rest = kept[start : start + size], kept[start + size :]
    following = _write_token({**began, "after": rest[0][key]}) if rest else ""
    return shown, len(kept), following


def answer(name, rows, total, following):
    """A list as JSON, in which what is empty is left out."""
    found = {name: rows, "total_size": total, "next_page_token": following}
    return {field: value for field, value in found.items() if value}


def _size(text):
    size = int(text or 0)
    if size < 0:
        raise invalid(f"The page size should be greater than 0. Got {size}")
    return min(size or _DEFAULT_PAGE, _LARGEST_PAGE)


def _order(text, fields):
    words = text.lower().split()
    if len(words) > 2 or (len(words) == 2 and words[1] not in ("asc", "desc")):
        raise invalid(f'Received invalid sort by format "{text}".')
    if words and words[0] not in fields:
        raise invalid(f'Invalid sorting field: "{words[0]}"')
    return fields[words[0]] if words else "created_at", words[1:] == ["desc"]


def _predicates(text, fields):
    if not text:
        return []
    encoded = unquote_plus(text)  # a second time, after the query string was decoded
    for old, new in _CAMEL.items():
        encoded = encoded.replace(f'"{old}":', f'"{new}":')
    try:
        content = json.loads(encoded)
        found = [_predicate(each, fields) for each in content.get("predicates", [])]
    except (ValueError, AttributeError, TypeError, KeyError) as error:
        raise invalid(f'failed to parse valid filter from "{text}": {error}') from None
    return found


def _predicate(each, fields):
    values = [name for name in _VALUES if name in each]
    unknown = each.keys() - {"operation", "key", *_VALUES}
    if unknown or len(values) != 1 or each["operation"] not in _COMPARES:
        raise ValueError(f"proto: {sorted(unknown) or values or each['operation']}")
    if each["key"] not in fields:
        raise invalid(f'no support for filtering on unrecognized field "{each["key"]}"')
    value = each[values[0]]
    several = values[0].endswith("values")
    if several != (each["operation"] == "IN"):
        raise invalid(f"cannot use operator {each['operation']} with {values[0]}")
    value = [str(one) for one in value["values"]] if several else str(value)
    return fields[each["key"]], _COMPARES[each["operation"]], value


def _matches(row, predicates):
    return all(compare(str(row.get(column) or ""), value) for column, compare, value in predicates)


def _like(found, wanted):
    import re

    pattern = re.escape(wanted).replace("%", ".*").replace("_", ".")
    return re.search(pattern, found) is not None


def _token(text):
    try:
        return json.loads(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        raise invalid("Invalid page token") from None


def _write_token(content):
    return base64.b64encode(json.dumps(content).encode()).decode()
