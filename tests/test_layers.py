"""Packages import in one direction, and no module imports itself by a detour.

import-linter holds Python to the same order (pyproject.toml). It can't read Cython, and it finds no circles between the
modules of one package.
"""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]

#: Each tree's packages and single modules, the lowest first.
ORDER = {contract["containers"][0]: contract["layers"][::-1] for contract in CONTRACTS if contract["type"] == "layers"}

#: Libraries that are imported late because a command that does not need them would wait for them.
HEAVY = (
    "IPython",
    "jsonschema",
    "matplotlib",
    "mlx",
    "optuna",
    "playwright",
    "rich",
    "tensorboard",
    "torch",
    "royalur",
)

_CYTHON_IMPORT = re.compile(r"^[ \t]*from ([\w.]+) c?import (\([^)]*\)|[^\n]*)|^[ \t]*c?import ([\w.]+)", re.MULTILINE)
_LATE_CYTHON_IMPORT = re.compile(r"^[ \t]+(?:from [\w.]+ import|import )", re.MULTILINE)
_HEADER = re.compile(r'(?:extern from|#include) "(\w+)/\w+\.h"')


def sources(tree: str) -> Iterator[tuple[str, Path]]:
    """(dotted name, path) of each source of a tree; a module of Cython has several sources."""
    for path in sorted((ROOT / tree).rglob("*")):
        if path.suffix in (".py", ".pyx", ".pxd", ".h") and "site" not in path.parts:
            yield ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"), path


MODULES = {name for tree in ORDER for name, path in sources(tree) if path.suffix != ".h"}


def imported(path: Path) -> Iterator[str]:
    """The dotted names that a source imports, from whichever place in it."""
    text = path.read_text()
    if path.suffix == ".py":
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}: a relative import"
                yield from (f"{node.module}.{alias.name}" for alias in node.names)
        return
    for package, names, module in _CYTHON_IMPORT.findall(text):
        if module:
            yield module
        else:
            yield from (f"{package}.{name.split()[0]}" for name in names.strip("()").split(",") if name.strip())


def module_of(name: str) -> str:
    """The module of these trees that a dotted name is, or is in; empty for others."""
    while name and name not in MODULES:
        name = name.rpartition(".")[0]
    return name


def layer_of(name: str) -> tuple[str, str]:
    """(tree, package or single module) of a module's name."""
    tree, _, rest = name.partition(".")
    return tree, rest.partition(".")[0]


@pytest.mark.parametrize("tree", ORDER)
def test_a_package_imports_only_from_those_below_it(tree):
    order = ORDER[tree]
    for name, path in sources(tree):
        layer = layer_of(name)[1]
        if not layer:  # the tree's own __init__
            continue
        targets = [layer_of(module_of(target)) for target in imported(path)]
        targets += [(tree, package) for package in _HEADER.findall(path.read_text()) if path.suffix != ".py"]
        for other, below in targets:
            if other == tree and below and below != layer:
                assert order.index(below) < order.index(layer), f"{path.relative_to(ROOT)} imports from {below}"


def test_the_engine_does_not_know_mlx_train():
    for name, path in sources("engine"):
        strangers = {target.partition(".")[0] for target in imported(path)} & {"mlx_train", "mlx", "typer"}
        assert not strangers, f"{name} imports {strangers}"


def test_no_module_imports_itself_by_a_detour():
    graph: dict[str, set[str]] = {name: set() for name in MODULES}
    for tree in ORDER:
        for name, path in sources(tree):
            if path.suffix != ".h":
                targets = {module_of(target) for target in imported(path)}
                graph[name] |= {target for target in targets if target and not f"{name}.".startswith(f"{target}.")}
    finished: set[str] = set()

    def visit(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, " -> ".join((*way[way.index(name) :], name))
        if name not in finished:
            for target in sorted(graph[name]):
                visit(target, (*way, name))
            finished.add(name)

    for name in sorted(graph):
        visit(name, ())


def late_imports(path: Path) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of each import inside a function."""
    for function in ast.walk(ast.parse(path.read_text())):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            for node in ast.walk(function):
                if isinstance(node, ast.Import):
                    yield from ((node.lineno, alias.name) for alias in node.names)
                elif isinstance(node, ast.ImportFrom):
                    yield node.lineno, node.module or ""


def test_late_imports_are_heavy_or_a_commands_worker():
    for tree in ORDER:
        for name, path in sources(tree):
            if path.suffix == ".pyx":
                assert not _LATE_CYTHON_IMPORT.search(path.read_text()), f"{name} has a late import"
            if path.suffix != ".py" or layer_of(name)[1] in ("commands", "cli"):
                continue
            for line, target in late_imports(path):
                assert target.partition(".")[0] in HEAVY, f"{path.relative_to(ROOT)}:{line} imports {target} late"
