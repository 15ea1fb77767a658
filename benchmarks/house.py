"""`python -m benchmarks.house`: the size and shape of the code, counted from its source.

Counts `search/`, `data/` and `run_search.py`. Reads files as text; imports none of them.
"""

import ast
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
COLUMNS = 100


def main() -> None:
    for name, value in measures().items():
        print(f"{name:48} {value}")


def measures() -> dict[str, str]:
    """What is counted, in words, and the figure."""
    trees = {_module(path): ast.parse(path.read_text()) for path in _files()}
    lines = [line for path in _files() for line in path.read_text().splitlines()]
    imports = import_graph(trees)
    bodies = sorted(_body_lines(function) for function in _functions(trees))
    parameters = [a for f in _functions(trees) for a in _parameters(f) if a.annotation is not None]
    repeated = _names_defined_twice(trees)
    circles = import_circles(imports)
    used_once = [name for name, users in _users(imports).items() if len(users) == 1]
    wide = sum(len(line) > COLUMNS for line in lines)
    untyped = sum(ast.unparse(a.annotation) == "Any" for a in parameters if a.annotation)
    most = max(len(_parameters(function)) for function in _functions(trees))
    tenth = bodies[int(0.9 * len(bodies))]
    return {
        "lines": f"{len(lines)}",
        "files": f"{len(trees)}",
        "modules imported from one place only": f"{len(used_once)}",
        "import circles, lazy imports counted": f"{len(circles)} {circles or ''}".rstrip(),
        "public names defined in two modules": f"{len(repeated)} {repeated or ''}".rstrip(),
        f"lines over {COLUMNS} columns": f"{wide} ({100 * wide / len(lines):.1f} %)",
        "parameters typed Any": f"{untyped} of {len(parameters)} "
        f"({100 * untyped / len(parameters):.1f} %)",
        "function body, median / 90 % / longest": f"{statistics.median(bodies):g} / {tenth} / "
        f"{bodies[-1]}",
        "parameters of a function, at most": f"{most}",
    }


def _files() -> list[Path]:
    return [
        *(p for f in ("data", "search") for p in sorted((ROOT / f).rglob("*.py"))),
        ROOT / "run_search.py",
    ]


def _module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def import_graph(trees: dict[str, ast.Module]) -> dict[str, set[str]]:
    """Module -> the modules of this project that it imports, inside functions too, for types
    not."""
    return {name: set(_imported(tree, trees)) - {name} for name, tree in trees.items()}


def _imported(tree: ast.Module, known: dict[str, ast.Module]) -> Iterator[str]:
    for node in _outside_type_checking(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield from {whole, node.module} & set(known) if whole not in known else {whole}
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)


def _outside_type_checking(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        yield child
        yield from _outside_type_checking(child)


def import_circles(graph: dict[str, set[str]]) -> list[str]:
    """Groups of modules that reach each other, each in words."""
    reached = {name: _reachable(graph, name) for name in graph}
    groups = {
        frozenset({name} | {other for other in reached[name] if name in reached[other]})
        for name in graph
        if name in reached[name]
    }
    return sorted(" - ".join(sorted(group)) for group in groups)


def _reachable(graph: dict[str, set[str]], start: str) -> set[str]:
    found: set[str] = set()
    waiting = list(graph[start])
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += graph[name]
    return found


def _users(graph: dict[str, set[str]]) -> dict[str, set[str]]:
    users: dict[str, set[str]] = defaultdict(set)
    for name, imported in graph.items():
        for other in imported:
            users[other].add(name)
    return users


def _functions(trees: dict[str, ast.Module]) -> list[ast.FunctionDef]:
    return [
        node
        for tree in trees.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
    ]


def _parameters(function: ast.FunctionDef) -> list[ast.arg]:
    """Without self and cls."""
    given = function.args
    every = [*given.posonlyargs, *given.args, *given.kwonlyargs]
    return [each for each in every if each.arg not in ("self", "cls")]


def _body_lines(function: ast.FunctionDef) -> int:
    """Lines of code from the first statement after the docstring to the last."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def _names_defined_twice(trees: dict[str, ast.Module]) -> list[str]:
    counts = Counter(name for tree in trees.values() for name in set(_defined(tree)))
    return sorted(name for name, count in counts.items() if count > 1 and not name.startswith("_"))


def _defined(tree: ast.Module) -> Iterator[str]:
    """Functions, classes and values of a module; `_` begins what is its own."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id


if __name__ == "__main__":
    main()
