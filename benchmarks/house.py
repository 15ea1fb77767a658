"""`python -m benchmarks.house`: the size and shape of the code, counted from its source.

Counts `search/`, `data/` and `run_search.py`, and in `docs/generate` the places where an added
thing needs its words.
"""

import ast
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Set
from importlib import import_module

from benchmarks.imports import ROOT, Graph, circles, import_graph, module_name, source_trees

COLUMNS = 100
TABLES = {
    "an augmentation": ("data.augmentations", "AUGMENTATIONS"),
    "an objective": ("search.experiment.objectives", "OBJECTIVES"),
    "a loss": ("search.training.losses", "LOSSES"),
    "an algorithm": ("search.driver.algorithms", "ALGORITHMS"),
    "a training mode": ("search.training.modes", "MODES"),
    "a source": ("data.sources", "SOURCES"),
    "a backbone": ("search.features.backbones", "BACKBONES"),
    "a control": ("search.experiment.controls", "CONTROLS"),
    "a kind of trial": ("search.experiment.kinds", "KINDS"),
}
Trees = Mapping[str, ast.Module]


def main() -> None:
    for name, value in measures().items():
        print(f"{name:48} {value}")


def measures() -> dict[str, str]:
    """What is counted, in words, and the figure."""
    trees = source_trees()
    lines = [line for text in _texts() for line in text.splitlines()]
    graph, functions = import_graph(trees), _functions(trees)
    bodies = sorted(_body_lines(function) for function in functions)
    parameters = [a for f in functions for a in _parameters(f) if a.annotation is not None]
    untyped = sum(ast.unparse(a.annotation) == "Any" for a in parameters if a.annotation)
    wide = sum(len(line) > COLUMNS for line in lines)
    tenth = bodies[int(0.9 * len(bodies))]
    return {
        "lines": f"{len(lines)}",
        "files": f"{len(trees)}",
        "modules imported from one place only": f"{_num_used_once(graph)}",
        "import circles, lazy imports counted": _counted(circles(graph)),
        "public names defined in two modules": _counted(_names_defined_twice(trees)),
        **{
            f"places to add {thing}": _counted(_places(trees, graph, *TABLES[thing]))
            for thing in TABLES
        },
        f"lines over {COLUMNS} columns": f"{wide} ({100 * wide / len(lines):.1f} %)",
        "parameters typed Any": f"{untyped} of {len(parameters)} "
        f"({100 * untyped / len(parameters):.1f} %)",
        "function body, median / 90 % / longest": f"{statistics.median(bodies):g} / {tenth} / "
        f"{bodies[-1]}",
        "parameters of a function, at most": f"{max(len(_parameters(f)) for f in functions)}",
    }


def _texts() -> Iterator[str]:
    for folder in ("data", "search"):
        yield from (path.read_text() for path in (ROOT / folder).rglob("*.py"))
    yield (ROOT / "run_search.py").read_text()


def _counted(names: list[str]) -> str:
    return f"{len(names)} {names or ''}".rstrip()


def _num_used_once(graph: Graph) -> int:
    users: dict[str, set[str]] = defaultdict(set)
    for name, imported in graph.items():
        for other in imported:
            users[other].add(name)
    return sum(len(each) == 1 for each in users.values())


def _functions(trees: Trees) -> list[ast.FunctionDef]:
    nodes = (node for tree in trees.values() for node in ast.walk(tree))
    return [node for node in nodes if isinstance(node, ast.FunctionDef)]


def _parameters(function: ast.FunctionDef) -> list[ast.arg]:
    """Without self and cls."""
    given = function.args
    every = [*given.posonlyargs, *given.args, *given.kwonlyargs]
    return [each for each in every if each.arg not in ("self", "cls")]


def _body_lines(function: ast.FunctionDef) -> int:
    """Lines of code from the first statement after the docstring to the last."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def _names_defined_twice(trees: Trees) -> list[str]:
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


def _places(trees: Trees, graph: Graph, module: str, table: str) -> list[str]:
    """Modules that name more than half of what is in the table, which is all that can be read from
    source: one that lists those of another library by intent is among them, one that decides by a
    single name is not. Where none does, the table's own, if it and what it imports do together."""
    names = set(getattr(import_module(module), table))
    words = {
        module_name(path): ast.parse(path.read_text())
        for path in (ROOT / "docs" / "generate").glob("*.py")
    }
    every = {**trees, **words}
    named = {name: _literals(tree) & names for name, tree in every.items()}
    alone = [name for name, some in named.items() if 2 * len(some) > len(names)]
    together = set().union(*(named[each] for each in {module, *graph[module]}))
    return alone or [module] * (2 * len(together) > len(names))


def _literals(tree: ast.Module) -> Set[str]:
    """Strings in code, and keywords of calls."""
    nodes = list(ast.walk(tree))
    strings = {node.value for node in nodes if isinstance(node, ast.Constant)}
    keywords = {node.arg for node in nodes if isinstance(node, ast.keyword)}
    return {each for each in strings | keywords if isinstance(each, str)}


if __name__ == "__main__":
    main()
