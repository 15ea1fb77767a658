"""Damage at random to experiment files: one clear line a mistake, or an experiment that reads back
as itself; no traceback.

300 examples, the same ones every time; AUGSEARCH_FUZZ_EXAMPLES=20000 (or more) draws that many new
ones.
"""

import os
from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from data.errors import UserError
from search.driver.experiment_file import load_config, parse_config

EXAMPLES = int(os.environ.get("AUGSEARCH_FUZZ_EXAMPLES", "300"))
CHOSEN_BY_HAND = "AUGSEARCH_FUZZ_EXAMPLES" in os.environ
EXPERIMENTS = sorted((Path(__file__).parents[1] / "experiments").glob("*.yaml"))
TEXTS = tuple(path.read_bytes() for path in EXPERIMENTS)
TREES = tuple(yaml.safe_load(text) for text in TEXTS)
PIECES = [
    b"&a ",
    b"*a",
    b"!!python/object ",
    b"{",
    b"]",
    b": ",
    b"\n",
    b"\t",
    b"- ",
    b".nan",
    b"1e999",
    b"\0",
    b"\xff",
    b"null",
    b"?",
]

odd = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.lists(st.integers(-2, 40), max_size=3),
    st.dictionaries(
        st.sampled_from(["min", "max", "step", "choices", "sampling", "source"]),
        st.floats(-1, 50),
        max_size=3,
    ),
)


def fuzz(share: float) -> settings:
    """Repeatable in the suite; new draws where the number of examples was asked for."""
    return settings(
        max_examples=int(EXAMPLES * share),
        derandomize=not CHOSEN_BY_HAND,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )


@fuzz(0.5)
@given(
    number=st.integers(0, len(TEXTS) - 1),
    cuts=st.lists(
        st.tuples(st.floats(0, 1), st.integers(0, 20), st.sampled_from(PIECES)),
        min_size=1,
        max_size=4,
    ),
)
def test_a_damaged_file_is_refused_or_is_an_experiment(
    tmp_path: Path, number: int, cuts: list[tuple[float, int, bytes]]
) -> None:
    text = TEXTS[number]
    for place, length, piece in cuts:
        at = int(place * len(text))
        text = text[:at] + piece + text[at + length :]
    path = tmp_path / "experiment.yaml"
    path.write_bytes(text)
    try:
        config = load_config(path)
    except UserError as error:
        assert_a_line_a_mistake(error, str(path))
    else:
        assert parse_config(config.filled, "again").hash == config.hash


@fuzz(0.5)
@given(number=st.integers(0, len(TREES) - 1), data=st.data())
def test_odd_values_anywhere_are_refused_or_are_an_experiment(
    number: int, data: st.DataObject
) -> None:
    tree = yaml.safe_load(TEXTS[number])
    for _ in range(data.draw(st.integers(1, 3))):
        places = list(places_of(tree))
        if places:
            holder, key = data.draw(st.sampled_from(places))
            holder[key] = data.draw(odd)
    try:
        config = parse_config(tree, "fuzzed")
    except UserError as error:
        assert_a_line_a_mistake(error, "fuzzed")
    else:
        assert parse_config(config.filled, "again").hash == config.hash


def places_of(tree: Any) -> Any:
    """Every (container, key) of nested dicts and lists."""
    items = (
        tree.items()
        if isinstance(tree, dict)
        else enumerate(tree)
        if isinstance(tree, list)
        else ()
    )
    for key, value in list(items):
        yield tree, key
        yield from places_of(value)


def assert_a_line_a_mistake(error: UserError, name: str) -> None:
    lines = str(error).splitlines()
    assert lines
    assert all(line.startswith(name) for line in lines)
