"""The house rules that a person would forget: which way imports point, inside functions too, and
what must not be imported early."""

import ast
import subprocess
import sys
from collections.abc import Iterator

import pytest

from benchmarks.imports import (
    ROOT,
    Graph,
    circles,
    drawn_picture,
    import_graph,
    layers,
    nodes_that_run,
    package_graph,
    package_of,
    picture,
    source_trees,
)

TREES = source_trees()
GRAPH = import_graph(TREES)
HEAVY = {
    "tensorflow",
    "keras",
    "keras_tuner",
    "mlflow",
    "matplotlib",
    "sklearn",
    "openvino",
    "nncf",
    "ray",
}


def _libraries(nodes: Iterator[ast.AST]) -> set[str]:
    """The first names of all that is imported there."""
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


def _importing(library: str) -> set[str]:
    return {name for name, tree in TREES.items() if library in _libraries(ast.walk(tree))}


def _upwards(graph: Graph, package: str) -> set[str]:
    higher = layers()[: layers().index(package)]
    return {
        f"{name} -> {other}"
        for name in graph
        if package_of(name) == package
        for other in graph[name]
        if package_of(other) in higher
    }


@pytest.mark.parametrize("package", layers())
def test_packages_import_downwards(package: str) -> None:
    assert not _upwards(GRAPH, package)


def test_types_are_taken_from_above_by_guests_alone() -> None:
    """Which the search hands its own values."""
    graph = import_graph(TREES, types_too=True)
    assert {package for package in layers() if _upwards(graph, package)} == {"search.guests"}


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert circles(GRAPH) == []


def test_every_package_has_its_place_in_contributing_and_every_module_of_search_a_package() -> None:
    assert {package_of(name) for name in TREES} == set(layers())
    assert [path.name for path in (ROOT / "search").glob("*.py")] == ["__init__.py"]


@pytest.mark.parametrize("folder", ["benchmarks", "docs", "experiments", "tests"])
def test_what_is_installed_imports_nothing_of(folder: str) -> None:
    assert not _importing(folder)


def test_mlflow_is_imported_in_one_module() -> None:
    assert _importing("mlflow") == {"search.tracking.mlflow_store"}


def test_ray_is_behind_the_factory_of_its_engine() -> None:
    """The modules that import it are reached through the table of engines alone."""
    ray = {name for name in TREES if name.startswith("search.execution.ray_")}
    assert _importing("ray") <= ray
    assert {name for name in TREES if GRAPH[name] & ray} - ray == {"search.execution.engines"}


def test_nothing_heavy_is_imported_when_a_module_is() -> None:
    early = {
        name: heavy
        for name, tree in TREES.items()
        if (heavy := _libraries(nodes_that_run(tree, functions=False)) & HEAVY)
    }
    assert not early


def test_help_loads_no_numerical_library() -> None:
    code = (
        "import sys, run_search\n"
        "from typer.testing import CliRunner\n"
        "assert CliRunner().invoke(run_search.app, ['--help']).exit_code == 0\n"
        f"loaded = {HEAVY | {'numpy', 'pandas', 'pydantic'}!r} & set(sys.modules)\n"
        "assert not loaded, loaded\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_the_picture_of_the_packages_is_what_the_imports_give() -> None:
    assert drawn_picture() == picture(package_graph(GRAPH), layers()), (
        "run python -m benchmarks.imports"
    )


def test_every_module_says_what_lives_there() -> None:
    assert [name for name, tree in TREES.items() if not ast.get_docstring(tree)] == []
