"""The house rules that a person would forget: which way imports point, and what must not be
imported early."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.imports import (
    drawn_picture,
    import_graph,
    layers,
    package_graph,
    picture,
    source_trees,
)

ROOT = Path(__file__).parent.parent
# The packages of search, lowest first, as CONTRIBUTING.md has them: each imports those before it.
# What is imported inside a function may lie higher.
PACKAGES = [name.partition(".")[2] for name in layers()[::-1] if name.startswith("search.")]
HEAVY = {"tensorflow", "keras", "keras_tuner", "mlflow", "matplotlib", "sklearn", "openvino", "ray"}


def _imports(path: Path, top_level_only: bool = False) -> set[str]:
    tree = ast.parse(path.read_text())
    nodes = ast.iter_child_nodes(tree) if top_level_only else ast.walk(tree)
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


def _modules(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize(
    ("folder", "forbidden"),
    [("data", {"search", "run_search", "experiments"}), ("search", {"run_search", "experiments"})],
)
def test_imports_flow_from_the_command_line_to_search_to_data(
    folder: str, forbidden: set[str]
) -> None:
    wrong = {path.name: bad for path in _modules(folder) if (bad := _imports(path) & forbidden)}
    assert not wrong


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_of_search_import_downwards(package: str) -> None:
    allowed = PACKAGES[: PACKAGES.index(package) + 1]
    wrong = {
        path.name: higher
        for path in _modules(f"search/{package}")
        if (higher := _searched(path) - set(allowed))
    }
    assert not wrong


def test_every_module_of_search_is_in_a_package() -> None:
    assert {path.parent.name for path in _modules("search")} == {"search", *PACKAGES}
    assert [path.name for path in (ROOT / "search").glob("*.py")] == ["__init__.py"]


def _searched(path: Path) -> set[str]:
    """The packages of search that a module imports when it is imported."""
    nodes = ast.parse(path.read_text()).body
    modules = [
        node.module.split(".") for node in nodes if isinstance(node, ast.ImportFrom) and node.module
    ]
    return {parts[1] for parts in modules if parts[0] == "search"}


def test_mlflow_is_imported_in_one_module() -> None:
    importing = [path.name for path in _modules("search") if "mlflow" in _imports(path)]
    assert importing == ["mlflow_store.py"]


def test_nothing_heavy_is_imported_when_a_module_is() -> None:
    early = {
        path.name: bad
        for path in [*_modules("data"), *_modules("search"), ROOT / "run_search.py"]
        if path.name != "mlflow_store.py" and (bad := _imports(path, top_level_only=True) & HEAVY)
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
    packages = package_graph(import_graph(source_trees()))
    assert drawn_picture() == picture(packages, layers()), "run python -m benchmarks.imports"


def test_every_module_says_what_lives_there() -> None:
    silent = [
        str(p)
        for f in ("data", "search")
        for p in _modules(f)
        if not ast.get_docstring(ast.parse(p.read_text()))
    ]
    assert not silent
