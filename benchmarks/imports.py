"""`python -m benchmarks.imports`: which package imports which, drawn in `docs/how-it-works.md`.

The graph of imports is read from the source of `search/`, `data/` and `run_search.py`, inside
functions too, not for types alone; nothing is imported.
"""

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "how-it-works.md"
BEGIN, END = "<!-- drawn by `python -m benchmarks.imports` -->\n\n```text\n", "\n```\n"
Graph = Mapping[str, set[str]]


def main() -> None:
    drawn = picture(package_graph(import_graph(source_trees())), layers())
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    PAGE.write_text(before + BEGIN + drawn + rest[rest.index(END) :], encoding="utf-8")
    print(drawn)


def drawn_picture() -> str:
    """As the page has it."""
    return PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]


def source_trees() -> dict[str, ast.Module]:
    """Module name -> its parsed source."""
    files = [path for folder in ("data", "search") for path in (ROOT / folder).rglob("*.py")]
    files = [*sorted(files), ROOT / "run_search.py"]
    return {module_name(path): ast.parse(path.read_text()) for path in files}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def import_graph(trees: Mapping[str, ast.Module], types_too: bool = False) -> dict[str, set[str]]:
    """Module -> the modules of this project that it imports. types_too: for types alone as well."""
    return {
        name: set(_imported(ast.walk(tree) if types_too else nodes_that_run(tree), trees)) - {name}
        for name, tree in trees.items()
    }


def _imported(nodes: Iterator[ast.AST], known: Mapping[str, ast.Module]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield from {whole} if whole in known else {node.module} & set(known)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)


def nodes_that_run(node: ast.AST, functions: bool = True) -> Iterator[ast.AST]:
    """All below, but for blocks under TYPE_CHECKING; without functions, what runs on import."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        if functions or not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield child
            yield from nodes_that_run(child, functions)


def package_graph(graph: Graph) -> dict[str, set[str]]:
    """Package -> packages it imports: `data`, those of `search`, `run_search`."""
    found: dict[str, set[str]] = {}
    for name, imported in graph.items():
        package = package_of(name)
        found.setdefault(package, set()).update({package_of(each) for each in imported} - {package})
    return found


def package_of(module: str) -> str:
    parts = module.split(".")
    return ".".join(parts[:2]) if parts[0] == "search" else parts[0]


def circles(graph: Graph) -> list[str]:
    """Groups of modules that reach each other, each in words."""
    reached = {name: _reachable(graph, name) for name in graph}
    groups = {
        frozenset({name} | {other for other in reached[name] if name in reached[other]})
        for name in graph
        if name in reached[name]
    }
    return sorted(" - ".join(sorted(group)) for group in groups)


def _reachable(graph: Graph, start: str) -> set[str]:
    found: set[str] = set()
    waiting = list(graph[start])
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += graph[name]
    return found


def layers() -> list[str]:
    """All packages, highest first: in the order of the table in CONTRIBUTING.md."""
    rows = re.findall(r"^\| `(\w+)` \| ", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    return ["run_search", "search", *(f"search.{name}" for name in rows), "data"]


def picture(packages: Graph, order: Sequence[str]) -> str:
    """A row per package, a column per package of the same number: a dot where the row imports the
    column, an arrow where it does so upwards."""
    numbers = "".join(f"{number:3}" for number in range(1, len(order) + 1))
    width = max(map(len, order)) + 1
    lines = [f"{'':{width + 3}}{numbers}"]
    for row, name in enumerate(order):
        marks = [_mark(row, column, other in packages[name]) for column, other in enumerate(order)]
        lines.append(f"{row + 1:2} {name:{width}}{''.join(marks)}".rstrip())
    return "\n".join(lines)


def _mark(row: int, column: int, imports: bool) -> str:
    if row == column:
        return "  ╲"
    return "   " if not imports else "  ●" if row < column else "  ▲"


if __name__ == "__main__":
    main()
