"""The package's source as data: its modules, what each imports, and where."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import resolve_name
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import django_plugin_system

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(django_plugin_system.__file__).parent
PACKAGE = ROOT.name

Function: TypeAlias = "ast.FunctionDef | ast.AsyncFunctionDef"


@dataclass(frozen=True)
class Import:
    """One import of the package's own: the module it names, and the function it stands in, or ``""``."""

    target: str
    function: str


@dataclass(frozen=True)
class Module:
    """One file of the package."""

    name: str
    path: Path
    tree: ast.Module

    @property
    def room(self) -> str:
        """Return the room it stands in."""
        return room_of(self.name)

    def imports(self) -> Iterator[Import]:
        """Yield every import of the own package that runs, so none under ``if TYPE_CHECKING``."""
        yield from self._imports_in(self.tree, "")

    def functions(self) -> Iterator[Function]:
        """Yield every function and method."""
        for node in ast.walk(self.tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield node

    def _imports_in(self, parent: ast.AST, function: str) -> Iterator[Import]:
        for node in ast.iter_child_nodes(parent):
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
                continue
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                yield from (Import(name, function) for name in self._targets(node) if name.startswith(PACKAGE))
            inner = node.name if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) else function
            yield from self._imports_in(node, inner)

    def _targets(self, node: ast.Import | ast.ImportFrom) -> Iterator[str]:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
            return
        package = self.name if self.path.name == "__init__.py" else self.name.rpartition(".")[0]
        base = resolve_name("." * node.level + (node.module or ""), package)
        yield from (name if name in module_names() else base for name in (f"{base}.{a.name}" for a in node.names))


def room_of(name: str) -> str:
    """Return a module's room: ``config`` for ``django_plugin_system.config.codec``; each folder of contrib is one."""
    _package, *below = name.split(".")
    return ".".join(below[: 2 if below[:1] == ["contrib"] else 1])


@lru_cache(maxsize=1)
def module_names() -> frozenset[str]:
    """Return the dotted names of all modules of the package, migrations left out."""
    return frozenset(map(_name_of, _files()))


@lru_cache(maxsize=1)
def modules() -> tuple[Module, ...]:
    """Return all modules of the package, migrations left out."""
    return tuple(Module(_name_of(path), path, ast.parse(path.read_text())) for path in _files())


def _files() -> list[Path]:
    return [path for path in sorted(ROOT.rglob("*.py")) if "migrations" not in path.parts]


def _name_of(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
