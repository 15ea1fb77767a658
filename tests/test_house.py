"""The measures of the code's size and shape that are reached, and stay so."""

from functools import cache

import pytest

from benchmarks.house import COLUMNS, TABLES, measures

_measures = cache(measures)


@pytest.mark.parametrize("thing", TABLES)
def test_there_is_one_place_to_add_to_every_table(thing: str) -> None:
    assert _measures()[f"places to add {thing}"].split()[0] == "1"


@pytest.mark.parametrize(
    "what",
    [
        "import circles, lazy imports counted",
        "public names defined in two modules",
        f"lines over {COLUMNS} columns",
    ],
)
def test_there_are_none_of_what_should_not_be(what: str) -> None:
    assert _measures()[what].split()[0] == "0", _measures()[what]


def test_functions_stay_short() -> None:
    found = _measures()
    median, tenth, longest = map(float, found["function body, median / 90 % / longest"].split("/"))
    assert median <= 5
    assert tenth <= 15
    assert longest <= 50
