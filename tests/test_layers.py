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
HEAVY = {
    "IPython", "coremltools", "environments", "jax", "jsonschema", "matplotlib", "mlx", "nbclient", "nbformat", "onnx",
    "optuna", "pgx", "playwright", "pyspiel", "rich", "royalur", "sqlalchemy", "tensorboard", "torch",
}  # fmt: skip

#: The most late imports in both trees; one in a nested function counts for each function around it.
MOST_LATE_IMPORTS = 60

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


def late_imports(path: Path) -> Iterator[tuple[int, set[str]]]:
    """(line, dotted names) of each import inside a function of a Python source, once for each function around it."""
    for function in ast.walk(ast.parse(path.read_text())):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            for node in ast.walk(function):
                if isinstance(node, ast.Import):
                    yield node.lineno, {alias.name for alias in node.names}
                elif isinstance(node, ast.ImportFrom):
                    yield node.lineno, {f"{node.module}.{alias.name}" for alias in node.names}


def top_imports(path: Path) -> set[str]:
    """The dotted names that a Python source imports when it is loaded itself."""
    names = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def heavy_modules() -> set[str]:
    """The modules of these trees that load a heavy library when they are imported."""
    graph = {name: top_imports(path) for tree in ORDER for name, path in sources(tree) if path.suffix == ".py"}
    heavy = {name for name, targets in graph.items() if {target.partition(".")[0] for target in targets} & HEAVY}
    users = None
    while users != set():
        users = {name for name in graph.keys() - heavy if {module_of(target) for target in graph[name]} & heavy}
        heavy |= users
    return heavy


def test_late_imports_are_heavy_or_a_commands_worker():
    heavy = heavy_modules()
    assert "mlx_train.networks.mlp" in heavy
    assert "mlx_train.config" not in heavy
    count = 0
    for tree in ORDER:
        for name, path in sources(tree):
            if path.suffix == ".pyx":
                assert not _LATE_CYTHON_IMPORT.search(path.read_text()), f"{name} has a late import"
            for line, targets in late_imports(path) if path.suffix == ".py" else ():
                count += 1
                light = {target for target in targets if target.partition(".")[0] not in HEAVY}
                light = {target for target in light if module_of(target) not in heavy}
                allowed = not light or layer_of(name)[1] in ("commands", "cli", "__main__")
                assert allowed, f"{path.relative_to(ROOT)}:{line} imports {', '.join(sorted(light))} late"
    assert count <= MOST_LATE_IMPORTS
