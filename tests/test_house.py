"""The measures of the code's size and shape: that all of them can be taken."""

from benchmarks.house import TABLES, measures


def test_every_table_has_at_least_one_place_to_add_to() -> None:
    found = measures()
    assert all(found[f"places to add {thing}"][0] in "123456789" for thing in TABLES)
    assert int(found["lines"]) > 1000 * int(found["files"]) / 50
