"""From whatever type a source has to the type of a column's role; what does not fit becomes null.

Every function returns the converted values and a mask of those that were there but do not fit.
Whether a value fits never depends on its neighbours, so batch sizes change nothing.
"""

from __future__ import annotations

from functools import cache

import pyarrow as pa
import pyarrow.compute as pc

from components.data.spelling import category_text

TIME = pa.timestamp("us", tz="UTC")

# Texts that stand for a missing number, time or label: those of pandas and pyarrow.
NO_VALUE = (
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN",
    "<NA>", "N/A", "NA", "NULL", "NaN", "NaT", "None", "n/a", "nan", "null",
)  # fmt: skip
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_TRUTH = r"(?i)^(true|false)$"

Converted = tuple[pa.Array, pa.Array]


def to_categories(values: pa.Array) -> Converted:
    """Strings, each category in its one spelling: see `category_text`.

    >>> to_categories(pa.array(["7.0", "True", "", "x"]))[0].to_pylist()
    ['7', 'true', None, 'x']
    """
    texts, bad = to_texts(values)
    return _spelled(texts), bad


def plain(values: pa.Array) -> pa.Array:
    """The values without their encoding: no dictionaries, extensions, views or large offsets."""
    kind = values.type
    if isinstance(kind, pa.UuidType):
        texts = [None if value is None else str(value) for value in values.to_pylist()]
        return pa.array(texts, pa.string())
    if isinstance(kind, pa.BaseExtensionType):
        return plain(values.storage)
    if pa.types.is_dictionary(kind):
        return plain(values.dictionary_decode())
    if pa.types.is_run_end_encoded(kind):
        return plain(pc.run_end_decode(values))
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return values.cast(pa.string())
    if _is_bytes(kind):
        return _decoded(values.cast(pa.binary()))
    return values


def to_numbers(values: pa.Array) -> Converted:
    """Doubles: from numbers, booleans (0 and 1) and texts; infinities do not fit.

    >>> to_numbers(pa.array(["1", " 2.5 ", "NA", "many", "inf"]))[0].to_pylist()
    [1.0, 2.5, None, None, None]
    """
    values = plain(values)
    kind, missing = values.type, pc.is_null(values)
    if pa.types.is_string(kind):
        values, missing = _trimmed(values)
        numbers = _parsed_numbers(values)
    elif pa.types.is_boolean(kind):
        numbers = values.cast(pa.uint8()).cast(pa.float64())
    elif pa.types.is_floating(kind):
        numbers, missing = values.cast(pa.float64()), pc.is_null(values, nan_is_null=True)
    elif pa.types.is_integer(kind) or pa.types.is_decimal(kind):
        numbers = values.cast(pa.float64(), safe=False)
    else:
        numbers = pa.nulls(len(values), pa.float64())
    fits = pc.fill_null(pc.is_finite(numbers), False)
    if not pc.all(fits).as_py():
        numbers = pc.if_else(fits, numbers, pa.scalar(None, pa.float64()))
    return numbers, pc.and_not(pc.invert(missing), fits)


def to_texts(values: pa.Array) -> Converted:
    """Strings: numbers and booleans are written as categories are; texts stay as they are.

    >>> to_texts(pa.array([7.0, 0.5, None]))[0].to_pylist()
    ['7', '0.5', None]
    """
    values = plain(values)
    kind, missing = values.type, pc.is_null(values)
    if pa.types.is_string(kind):
        texts = values
    elif pa.types.is_floating(kind):
        missing = pc.is_null(values, nan_is_null=True)
        texts = _spelled(values.cast(pa.float64()))
    elif pa.types.is_decimal(kind):
        texts = pa.array(map(category_text, values.to_pylist()), pa.string())
    elif pa.types.is_nested(kind):
        texts = pa.nulls(len(values), pa.string())
    else:
        texts = values.cast(pa.string())
    return texts, pc.and_(pc.invert(missing), pc.is_null(texts))


def to_labels(values: pa.Array, *, typed: bool) -> Converted:
    """Class labels as the source has them: 64-bit integers, booleans or strings.

    A float column of whole numbers is one of integers. Text is text where the source has types;
    where it has none (`typed` false: CSV), texts that all spell whole numbers or all spell
    booleans are these. A batch without any label may have the type null.

    >>> to_labels(pa.array(["1.0", "0", None]), typed=False)[0].to_pylist()
    [1, 0, None]
    >>> to_labels(pa.array(["1", "0"]), typed=True)[0].to_pylist()
    ['1', '0']
    """
    values = plain(values)
    kind = values.type
    if pa.types.is_null(kind) or pa.types.is_boolean(kind):
        return values, _nothing(values)
    if pa.types.is_string(kind) and typed:
        return values, _nothing(values)
    if pa.types.is_integer(kind) and kind != pa.uint64():
        return values.cast(pa.int64()), _nothing(values)
    if pa.types.is_floating(kind):
        finite = pc.is_finite(values)
        bad = pc.and_(pc.fill_null(pc.invert(finite), False), pc.invert(pc.is_nan(values)))
        bad = pc.fill_null(bad, False)
        texts = to_texts(pc.if_else(finite, values, pa.scalar(None, kind)))[0]
    else:
        texts, bad = to_texts(values)
        if not typed:
            texts = _canonical(_trimmed(texts)[0])
    return _typed(texts), bad


def widen(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    """The label type that holds the labels of both: the same one, or string."""
    if pa.types.is_null(one) or one == other:
        return other
    return one if pa.types.is_null(other) else pa.string()


def _parsed_numbers(texts: pa.Array) -> pa.Array:
    try:
        return texts.cast(pa.float64())
    except pa.ArrowInvalid:  # says only that one of them is none; find out which
        truth = pc.match_substring_regex(texts, _TRUTH)
        texts = pc.if_else(truth, _truth_numbers(texts), texts)
        number = pc.match_substring_regex(texts, _NUMBER)
        return pc.if_else(number, texts, pa.scalar(None, pa.string())).cast(pa.float64())


def _truth_numbers(texts: pa.Array) -> pa.Array:
    return pc.if_else(pc.equal(pc.utf8_lower(texts), "true"), "1", "0")


def _trimmed(texts: pa.Array) -> Converted:
    """Texts without surrounding space, null where they stand for no value; and where that is."""
    trimmed = pc.utf8_trim_whitespace(texts)
    missing = pc.or_(pc.is_null(texts), pc.is_in(trimmed, _no_value()))
    return pc.if_else(missing, pa.scalar(None, pa.string()), trimmed), missing


def _spelled(values: pa.Array) -> pa.Array:
    """Every different value spelled as a category."""
    encoded = values.dictionary_encode()
    names = encoded.dictionary.to_pylist()
    spelled = [category_text(name) for name in names]
    if pa.types.is_string(values.type) and spelled == names:
        return values
    return pa.array(spelled, pa.string()).take(encoded.indices)


def _canonical(texts: pa.Array) -> pa.Array:
    """Untyped labels in one spelling: 1.0 as 1, True as true."""
    texts = pc.replace_substring_regex(texts, r"^(-?(?:0|[1-9]\d*))\.0+$", r"\1")
    truth = pc.match_substring_regex(texts, _TRUTH)
    return pc.if_else(truth, pc.utf8_lower(texts), texts)


def _typed(texts: pa.Array) -> pa.Array:
    """Canonical texts as integers or booleans if all of them are."""
    if texts.null_count == len(texts):
        return pa.nulls(len(texts))
    for pattern, kind in ((r"^(0|-?[1-9]\d{0,17})$", pa.int64()), (r"^(true|false)$", pa.bool_())):
        if pc.all(pc.match_substring_regex(texts, pattern)).as_py():
            return texts.cast(kind)
    return texts


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_binary_view(kind)
        or pa.types.is_fixed_size_binary(kind)
    )


def _decoded(values: pa.Array) -> pa.Array:
    """Bytes as UTF-8; where they are none, the foreign bytes are written as escapes."""
    try:
        return values.cast(pa.string())
    except pa.ArrowInvalid:
        texts = (
            v if v is None else v.decode(errors="backslashreplace") for v in values.to_pylist()
        )
        return pa.array(texts, pa.string())


@cache
def _no_value() -> pa.Array:
    return pa.array(NO_VALUE)  # the first array that pyarrow makes imports pandas: not on import


def _nothing(values: pa.Array) -> pa.Array:
    return pa.repeat(pa.scalar(False), len(values))
