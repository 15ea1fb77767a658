"""Ranges and lists as people write them, and every way to write them wrong."""

from typing import Any

import pytest

from search.experiment.dimensions import Choices, Range, parse_dimension


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(_number, value))


def _number_or_pair(value: Any) -> bool:
    return _number(value) or _pair(value)


def test_a_plain_value_is_no_dimension() -> None:
    assert parse_dimension(3, _number) is None


def test_a_range_of_a_whole_number_setting_is_whole() -> None:
    assert parse_dimension({"min": 1, "max": 9}, _whole) == Range(1, 9, integer=True)


def test_whole_ends_do_not_make_a_fractional_setting_whole() -> None:
    assert parse_dimension({"min": 0, "max": 1}, _number) == Range(0, 1)


def test_a_list_is_searched() -> None:
    assert parse_dimension([1, 2, 3], _number) == Choices((1, 2, 3))


def test_a_pair_is_one_value_where_only_pairs_are_valid() -> None:
    assert parse_dimension([0.8, 1.2], _pair) is None


def test_a_list_of_pairs_is_searched() -> None:
    assert parse_dimension([[1, 1], [0.8, 1.2]], _pair) == Choices(([1, 1], [0.8, 1.2]))


def test_two_numbers_are_refused_where_they_may_be_a_pair_or_a_choice() -> None:
    with pytest.raises(ValueError, match=r"write \{choices: \[0.8, 1.2\]\} for the two"):
        parse_dimension([0.8, 1.2], _number_or_pair)


def test_choices_written_out_settle_what_two_numbers_mean() -> None:
    assert parse_dimension({"choices": [0.8, 1.2]}, _number_or_pair) == Choices((0.8, 1.2))


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"min": 1}, "allowed: {min: A, max: B}"),
        ({"min": 1, "max": 2, "steps": 1}, "allowed: {min: A, max: B}"),
        ({"min": 2, "max": 1}, "min 2 is above max 1"),
        ({"min": 2, "max": 2}, "one point is no range"),
        ({"min": 0, "max": 1, "step": 0}, "step is 0"),
        ({"min": 0, "max": 1, "step": 2}, "step is 2"),
        ({"min": float("nan"), "max": 1}, "min: received NaN"),
        ({"min": 0, "max": float("inf")}, "max: received Infinity"),
        ({"min": "0", "max": 1}, 'min: received "0"'),
        ({"min": True, "max": 2}, "min: received true"),
        ({"min": 0, "max": 1, "sampling": "log"}, "must be above 0"),
        ({"min": 1, "max": 2, "step": 0.5, "sampling": "log"}, "cannot be combined"),
        ({"min": 1, "max": 2, "sampling": "cubic"}, "allowed: linear, log"),
        ([1], "nothing to choose"),
        ([1, 1], "stands twice"),
    ],
)
def test_a_wrong_range_says_what_is_wrong(raw: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_dimension(raw, _number)


def test_a_grid_counts_both_ends() -> None:
    assert Range(0.0, 0.3, 0.1).num_values == 4
