import pytest

from components.schema.causes import category_cause, unreadable_cause

SHOPS = ["north", "south", "Zürich"]


@pytest.mark.parametrize(
    ("examples", "expected"),
    [
        (["inf", "-Infinity"], "they are infinite"),
        (["1,234", "12,345.6"], "they have thousands separators"),
        (["1.234,5", "3,14"], "they have a decimal comma"),
        (["5%", "12.5 %"], "they are percentages"),
        (["2024-03-01", "2024-03-02T10:00"], "they are dates"),
        (["$5", "7 €"], "they have a currency sign"),
        (["12 kg", "3 m/s"], "they have a unit"),
        (["#REF!", "n.a.", "-"], "they stand for no value"),
        (["yes", "No"], "they are truth values"),
        (["yes", "12 kg"], ""),
        (["many"], ""),
        ([], ""),
    ],
)
def test_unreadable_numbers_tell_their_cause(examples, expected):
    assert unreadable_cause(examples) == expected


@pytest.mark.parametrize(
    ("new", "known", "words"),
    [
        (["NORTH", "South"], SHOPS, "upper and lower case"),
        ([" north", "south  "], SHOPS, "white space only"),
        (["'north'"], SHOPS, "quotes"),
        (["Zurich"], SHOPS, "accents"),
        (["North-"], SHOPS, "white space, case or signs"),
        (["ZÃ¼rich"], SHOPS, "wrong character encoding"),
        (["Z\ufffdrich"], SHOPS, "wrong character encoding"),
        (["nor", "sou"], SHOPS, "truncated"),
        (["N/A", "missing"], SHOPS, "stand for no value"),
        (["7"], ["007"], "leading zeros"),
        (["1", "2"], SHOPS, "numbers"),
        (["1", "2"], ["3", "4"], ""),
        (["yes"], ["true", "false"], "truth values"),
        (["01/03/2024"], ["2024-03-01"], "dates in another format"),
        (["2024-03-02"], ["2024-03-01"], ""),
        (["west"], SHOPS, ""),
    ],
)
def test_new_categories_tell_their_cause(new, known, words):
    cause = category_cause(dict.fromkeys(new, 10), known)
    assert (words in cause) if words else cause == ""


def test_a_few_others_do_not_hide_the_cause():
    assert category_cause({"NORTH": 90, "west": 10}, SHOPS)
    assert not category_cause({"NORTH": 70, "west": 30}, SHOPS)
