import unicodedata
from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.drift.causes import Cause, Pattern, choose, describe
from components.drift.number_causes import number_causes
from components.drift.text_causes import text_causes
from components.drift.units import FACTORS, unit_of

DRAW = np.random.default_rng(4)
TRAINED, POPULATION = DRAW.normal(60, 15, 500), DRAW.normal(60, 15, 3000)
NONE = np.full(500, np.nan)
MINUTES = DRAW.integers(0, 1440, 3000).astype(float)
HOURS = DRAW.integers(0, 24, 3000).astype(float)
EPOCH = 1.7e9 + DRAW.integers(0, 2_600_000, 3000)


def _clock(minutes):
    return minutes // 60 * 100 + minutes % 60


def _significant(values, digits):
    return np.array([float(f"{value:.{digits}g}") for value in values])


def _texts(causes):
    return [cause.text for cause in causes]


@pytest.mark.parametrize(
    ("served", "kind", "text"),
    [
        (TRAINED * 1000, "unit", "served is 1000 times trained: thousandths such as milliseconds, "
         "grams or metres for seconds, kilograms or kilometres"),
        (TRAINED / 60, "unit", "served is 0.0166667 times trained: minutes or hours for seconds or "
         "minutes"),
        (TRAINED * 0.45359237, "unit", "served is 0.453592 times trained: kilograms for pounds"),
        ((TRAINED * 0.3048).astype("float32"), "unit", "served is 0.3048 times trained: metres for "
         "feet"),
        (TRAINED * 10, "unit", "served is 10 times trained"),
        ((TRAINED - 32) / 1.8, "unit", "served in degrees Celsius for Fahrenheit"),
        (TRAINED * 1.8 + 32, "unit", "served in degrees Fahrenheit for Celsius"),
        (TRAINED + 273.15, "unit", "served in kelvins for degrees Celsius"),
        (-TRAINED, "sign", "the sign is changed"),
        (TRAINED - 30, "shift", "served is trained minus 30"),
        (TRAINED * 2 + 7, "transform", "served is 2 times trained + 7"),
        (np.log(TRAINED), "transform", "served is the natural logarithm of trained"),
        (np.sqrt(TRAINED), "transform", "served is the square root of trained"),
        ((TRAINED - 60) / 15, "transform", "served is standardised: (trained - 60) / 15"),
        (np.rint(TRAINED), "rounding", "served is rounded to a whole number"),
        (np.trunc(TRAINED), "rounding", "served is truncated to a whole number"),
        (np.ceil(TRAINED), "rounding", "served is rounded up to a whole number"),
        (np.round(TRAINED, 2), "rounding", "served is rounded to 2 decimals"),
        (np.floor(TRAINED / 15) * 15, "rounding", "served is truncated to a multiple of 15"),
        (_significant(TRAINED**3, 3), "transform", ""),
        (TRAINED.astype("float16"), "rounding", "served has the precision of float16"),
        (np.full(500, -999.0), "default", "served is always -999"),
        (np.full(500, 60.1), "default", "served is always 60.1, about the mean of training"),
        (np.full(500, np.inf), "infinite", "served is infinite"),
        (NONE, "missing", "served without a value where training has one"),
        (TRAINED[::-1], "", ""),
        (DRAW.permutation(TRAINED), "", ""),
    ],
)  # fmt: skip
def test_a_pattern_in_numbers_is_named(served, kind, text):
    causes = number_causes(served.astype(float), TRAINED, POPULATION)
    if not text:
        assert causes == []
    else:
        assert causes == [Cause(kind, text, 500)]


@pytest.mark.parametrize("digits", [2, 3, 4])
def test_rounding_to_significant_digits(digits):
    trained = np.exp(DRAW.normal(0, 4, 300))
    causes = number_causes(_significant(trained, digits), trained)
    assert _texts(causes) == [f"served is rounded to {digits} significant digits"]


@pytest.mark.parametrize(
    ("trained", "served", "hours"),
    [
        (EPOCH, EPOCH + 5.5 * 3600, "5.5 hours ahead"),
        (EPOCH * 1000, (EPOCH - 3600) * 1000, "1 hour behind"),
        (MINUTES, (MINUTES - 300) % 1440, "5 hours behind"),
        (HOURS, (HOURS + 2) % 24, "2 hours ahead"),
        (_clock(MINUTES), _clock((MINUTES + 90) % 1440), "1.5 hours ahead"),
    ],
)
def test_another_time_zone(trained, served, hours):
    (cause,) = number_causes(served[:200], trained[:200], trained)
    assert (cause.kind, cause.rows) == ("time zone", 200)
    assert cause.text.startswith(f"served is {hours}, as in another time zone")


@pytest.mark.parametrize("above", [True, False])
def test_values_cut_off_at_a_bound(above):
    bound = 80.0 if above else 40.0
    values = POPULATION
    beyond = values[values > bound] if above else values[values < bound]
    (cause,) = number_causes(np.full(len(beyond), bound), beyond, POPULATION)
    assert (cause.kind, cause.text) == ("clipped", f"served is cut off at {bound:g}")


def test_a_default_that_happens_to_be_the_least_value_is_no_bound():
    counts = DRAW.poisson(4, 3000).astype(float)
    trained = counts[counts > 0][:50]
    (cause,) = number_causes(np.zeros(50), trained, counts)
    assert (cause.kind, cause.text) == ("default", "served is always 0")


def test_a_default_in_place_of_a_missing_value():
    assert _texts(number_causes(np.zeros(500), NONE)) == [
        "served with a value where training has none: 0"
    ]
    assert _texts(number_causes(TRAINED, NONE)) == ["served with a value where training has none"]


def test_the_values_of_another_column_and_of_another_row():
    other = DRAW.normal(60, 15, 500)
    (cause,) = number_causes(other, TRAINED, POPULATION, {"x": TRAINED * 2, "b": other})
    assert (cause.kind, cause.column, cause.rows) == ("column", "b", 500)
    before = np.roll(TRAINED, 1)
    (cause,) = number_causes(before, TRAINED, POPULATION, before=before)
    assert cause.kind == "stale"


def test_several_causes_are_named_with_their_shares_the_largest_first():
    served = TRAINED.copy()
    served[:250] *= 60
    served[250:400] = 0
    served[400:460] += 3.5
    served[460:] += DRAW.normal(0, 1, 40)
    causes = number_causes(served, TRAINED, POPULATION)
    assert [cause.rows for cause in causes] == [250, 150, 60]
    text = describe(causes, 500)
    assert text.startswith("in 250 of 500: served is 60 times trained: seconds or minutes for")
    assert text.endswith("in 150 of 500: served is 0; in 60 of 500: served is trained plus "
                         "3.5")  # fmt: skip


def test_a_few_exceptions_do_not_hide_a_pattern():
    served = TRAINED * 10
    served[:5] = 3.25
    assert describe(number_causes(served, TRAINED), 500).startswith(
        "in 495 of 500: served is 10 times trained"
    )


@pytest.mark.parametrize("size", [0, 1, 4])
def test_few_differences_show_no_pattern(size):
    assert number_causes(TRAINED[:size] * 2, TRAINED[:size]) == []
    assert text_causes(["A"] * size, ["a"] * size) == []


def test_one_trained_value_cannot_tell_a_factor_from_a_shift():
    twos, ones = np.full(9, 2.0), np.full(9, 1.0)
    values = DRAW.normal(1, 3, 500)
    assert _texts(number_causes(twos, ones, values)) == ["served is 2 where training has 1"]
    assert number_causes(twos, ones) == []  # of a constant column nothing can be said


@pytest.mark.parametrize("rate", [1.0, 3.0, 8.0])
def test_counts_that_were_read_too_early_have_no_cause(rate):
    draw = np.random.default_rng(8)
    trained = draw.poisson(rate, 4000).astype(float)
    served = draw.binomial(trained.astype(int), 0.5).astype(float)
    differ = served != trained
    assert number_causes(served[differ], trained[differ], trained) == []


@pytest.mark.parametrize("wrong", [0.5, 1.0])
def test_a_function_is_claimed_where_trained_decides(wrong):
    draw = np.random.default_rng(8)
    trained = draw.integers(1, 9, 400).astype(float)
    served = np.where(draw.random(400) < wrong, np.log(trained), trained + 0.3)
    found = _texts(number_causes(served, trained))
    assert ("served is the natural logarithm of trained" in found) is (wrong == 1)
    squares = np.square(draw.integers(0, 4, 400).astype(float))
    few = squares > 1
    assert number_causes(squares[few], np.sqrt(squares[few])) == []


def test_what_an_older_count_left_of_amounts_is_no_rounding_and_no_default():
    draw = np.random.default_rng(8)
    amounts = np.round(draw.lognormal(2, 1, 5000), 2)
    served = np.maximum(amounts - draw.poisson(1, 5000), 0)
    differ = served != amounts
    texts = _texts(number_causes(served[differ][:400], amounts[differ][:400], amounts))
    assert set(texts) <= {"served is trained minus 1"}  # which is what many of them are


@pytest.mark.parametrize("values", [np.arange(10.0), 2.0 ** np.arange(8)])
def test_the_larger_of_two_values_is_no_default(values):
    draw = np.random.default_rng(8)
    trained, other = draw.choice(values, (2, 900))
    served = np.maximum(trained, other)
    differ = served != trained
    assert number_causes(served[differ], trained[differ], trained) == []


def test_a_default_for_some_is_not_said_to_be_served_always():
    draw = np.random.default_rng(8)
    trained = draw.integers(1, 30, 400).astype(float)
    served = np.where(np.arange(400) % 3 == 0, 40.0, trained + draw.normal(0, 1, 400))
    (cause,) = number_causes(served, trained)
    assert (cause.text, cause.rows) == ("served is 40", 134)
    texts = [CITIES[i % 7] for i in range(90)]
    half = ["none" if i % 2 else f"{text[::-1]}{i}" for i, text in enumerate(texts)]
    assert _texts(text_causes(half, texts)) == ["served is 'none'"]


def test_every_known_factor_names_its_units():
    for factor, _ in FACTORS:
        assert unit_of(factor)


# Noise of every kind: no cause may be read into it.
def _numbers(draw, kind, size):
    """Trained, served and a population without any pattern between them."""
    trained = {
        "normal": draw.normal(60, 15, size),
        "lognormal": draw.lognormal(0, 2, size),
        "decimals": np.round(draw.normal(60, 15, size), 2),
        "whole": draw.integers(0, 50, size).astype(float),
        "counts": draw.poisson(3, size).astype(float),
        "rare": draw.poisson(0.3, size).astype(float),
        "flags": draw.integers(0, 2, size).astype(float),
        "hours": draw.integers(0, 24, size).astype(float),
        "epoch": 1.7e9 + draw.integers(0, 2_600_000, size),
    }[kind]
    lattice = kind in ("whole", "counts", "rare", "flags", "hours")
    return trained, lattice


KINDS = ["normal", "lognormal", "decimals", "whole", "counts", "rare", "flags", "hours", "epoch"]


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    kind=st.sampled_from(KINDS),
    noise=st.sampled_from(["shuffled", "added", "multiplied"]),
    size=st.sampled_from([5, 20, 100, 700]),
)
def test_noise_in_numbers_has_no_cause(seed, kind, noise, size):
    draw = np.random.default_rng(seed)
    trained, lattice = _numbers(draw, kind, size)
    if noise == "shuffled":
        served = draw.choice(_numbers(draw, kind, 4 * size)[0], size)
    elif lattice:
        served = trained + draw.integers(-3, 4, size)
    elif noise == "added":
        served = trained + draw.normal(0, 1 + trained.std() / 10, size)
    else:
        served = trained * np.exp(draw.normal(0, 0.2, size))
    differ = served != trained
    population = _numbers(draw, kind, 3000)[0]
    before = np.roll(trained, 1)[differ]
    others = {"x": _numbers(draw, kind, size)[0][differ]}
    found = number_causes(served[differ], trained[differ], population, others, before)
    assert found == [], (kind, noise)


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    categories=st.sampled_from([2, 3, 5, 30, 1000]),
    noise=st.sampled_from(["shuffled", "edited"]),
    size=st.sampled_from([5, 30, 400]),
)
def test_noise_in_texts_has_no_cause(seed, categories, noise, size):
    draw = np.random.default_rng(seed)
    letters = "abcdefghijklmnopqrstuvwxyz"

    def word():
        return "".join(letters[i] for i in draw.integers(0, 26, 6))

    words = [word() for _ in range(categories)]
    trained, population = (
        [words[i] for i in draw.integers(0, categories, n)] for n in (size, 2000)
    )
    if noise == "shuffled":
        served = [words[i] for i in draw.integers(0, categories, size)]
    else:
        served = [
            text[:place] + letters[letter] + text[place + 1 :]
            for text, place, letter in zip(
                trained, draw.integers(0, 6, size), draw.integers(0, 26, size), strict=True
            )
        ]
    pairs = [(a, b) for a, b in zip(served, trained, strict=True) if a != b]
    assert text_causes([a for a, _ in pairs], [b for _, b in pairs], population) == []


CITIES = ["Zürich", "Genève", "São Paulo", "Málaga", "Kraków", "Århus", "Basel Nord"]
CODES = [f"{number:04d}" for number in range(1, 60, 4)]
AMOUNTS = ["1234567.5", "98765.25", "1000.0", "54321.5", "7654321.125"]
TIMES = [f"2013-04-{day:02d}T{hour:02d}:15:00" for day in range(13, 29) for hour in range(3, 9)]
DATES = [time[:10] for time in TIMES]


def _moved(text):
    return (datetime.fromisoformat(text) + timedelta(minutes=330)).isoformat()


@pytest.mark.parametrize(
    ("texts", "change", "kind", "said"),
    [
        (CITIES, lambda x: f" {x}", "format", "only white space differs"),
        (CITIES, str.upper, "format", "served is in upper case"),
        (CITIES, str.lower, "format", "served is in lower case"),
        (CITIES, str.swapcase, "format", "only upper and lower case differ"),
        (CODES, lambda x: x.lstrip("0"), "format", "only leading zeros differ"),
        (CODES, lambda x: f"{x}.0", "format", "only a decimal point differs"),
        (AMOUNTS, lambda x: f"{float(x):,}", "format", "only thousands separators differ"),
        (AMOUNTS, lambda x: x.replace(".", ","), "format",
         "a decimal comma stands for a decimal point, or the other way round"),
        (AMOUNTS, lambda x: f"{float(x):.9e}", "format", "the same numbers, written differently"),
        (["true", "false"], {"true": "yes", "false": "no"}.get, "format",
         "the same truth values, such as 'yes' for 'true', written differently"),
        (["1", "0"], {"1": "true", "0": "false"}.get, "format",
         "the same truth values, such as 'yes' for 'true', written differently"),
        (CITIES, lambda x: f'"{x}"', "format", "only quotes differ"),
        (["new-york", "san-jose", "el-paso"], lambda x: x.replace("-", "_"), "format",
         "only punctuation differs"),
        (CITIES[:6], lambda x: unicodedata.normalize("NFD", x), "encoding",
         "served is in Unicode's form NFD and trained is not"),
        (CITIES[:6], lambda x: x.encode().decode("latin-1"), "encoding",
         "served is UTF-8 that was read as Latin-1"),
        (CITIES[:6], lambda x: x.encode("ascii", "replace").decode(), "encoding",
         "served has lost the letters outside of ASCII"),
        (CITIES[:6], lambda x: unicodedata.normalize("NFKD", x).encode("ascii", "ignore").decode(),
         "encoding", "only accents differ"),
        (["a&b", "c<d", "e&f"], lambda x: x.replace("&", "&amp;").replace("<", "&lt;"), "encoding",
         "only HTML escapes differ"),
        (CITIES, lambda x: f"id_{x}", "format", "served begins with 'id_' before trained"),
        (CITIES, lambda x: f"{x} (CH)", "format", "served ends with ' (CH)' after trained"),
        ([f"id_{x}" for x in CITIES], lambda x: x[3:], "format", "served lacks 'id_'"),
        (CITIES, lambda x: x[:4], "truncated", "served is cut after 4 characters"),
        (CITIES, lambda _: "unknown", "default", "served is always 'unknown'"),
        (CITIES, lambda _: "nan", "default", "served is always 'nan', a missing value spelled out"),
        (CITIES, lambda _: None, "missing", "served without a value where training has one"),
        (["yes", "no"], {"yes": "J", "no": "N"}.get, "renamed",
         "served has other names: 'N' for 'no', 'J' for 'yes'"),
        (TIMES, _moved, "time zone", "served is 5.5 hours ahead, as in another time zone"),
        (TIMES, lambda x: x.replace("T", " ") + "Z", "time", "the same times, written differently"),
        (DATES, lambda x: f"{x[5:7]}/{x[8:]}/{x[:4]}", "time",
         "the same times, written differently"),
        ([str(hour) for hour in range(24)], lambda x: str((int(x) + 3) % 24), "time zone",
         "served is 3 hours ahead, as in another time zone (hours of the day)"),
    ],
)  # fmt: skip
def test_a_pattern_in_texts_is_named(texts, change, kind, said):
    trained = [texts[i % len(texts)] for i in range(240)]
    served = [change(text) for text in trained]
    assert text_causes(served, trained) == [Cause(kind, said, 240)]


def test_a_text_in_place_of_none():
    assert _texts(text_causes(["unknown"] * 9, [None] * 9)) == [
        "served with a value where training has none: 'unknown'"
    ]
    assert _texts(text_causes([*"abcdefghi"], [None] * 9)) == [
        "served with a value where training has none"
    ]


def test_texts_of_another_column():
    trained, other = [*"abcabcabc"] * 5, [*"xyzyzxzxy"] * 5
    (cause,) = text_causes(other, trained, others={"d": other})
    assert (cause.kind, cause.column) == ("column", "d")


def test_flipped_flags_are_what_chance_makes_too():
    flipped = {"yes": "no", "no": "yes"}
    trained = ["yes", "no"] * 50
    assert text_causes([flipped[text] for text in trained], trained) == []


def test_the_simplest_of_equally_good_patterns_is_named():
    every, nearly = np.ones(100, bool), np.arange(100) < 99
    simple, other = Pattern("a", "simple", nearly), Pattern("b", "other", every)
    assert choose([simple, other], 100)[0].text == "simple"
    assert choose([other, simple], 100)[0].text == "other"


def test_of_long_texts_fewer_rows_are_looked_at():
    long = ["x y " * 6_000 + str(i) for i in range(120)]
    looked = []

    class Counted(str):
        def upper(self):
            looked.append(1)
            return str.upper(self)

    served = [text.upper() if i % 4 else "id-" + text for i, text in enumerate(long)]
    causes = text_causes(served, [Counted(text) for text in long], long[:200])
    assert [cause.text for cause in causes] == [
        "served is in upper case",
        "served begins with 'id-' before trained",
    ]
    assert all(cause.estimated for cause in causes)
    assert sum(cause.rows for cause in causes) == 120
    assert len(looked) <= 150  # 50 rows and 100 pairs by chance
    assert describe(causes, 120).startswith("in about 7")


def test_what_differs_far_into_long_texts_is_not_taken_for_alike():
    long = ["x y " * 1_500 + f"{i:04d}" for i in range(60)]
    served = [text[:-4] + text[-4:][::-1] + "q" * (i % 3) for i, text in enumerate(long)]
    differ = [(a, b) for a, b in zip(served, long, strict=True) if a != b]
    assert text_causes([a for a, _ in differ], [b for _, b in differ], long) == []
