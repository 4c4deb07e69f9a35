"""Imports go down only, nothing is imported late, and no file or function grows long."""

from __future__ import annotations

from graphlib import TopologicalSorter
from operator import attrgetter
from typing import TYPE_CHECKING

import pytest

from tests.architecture.source import PACKAGE, Module, modules, room_of
from tests.support.cases import each, tried_on

if TYPE_CHECKING:
    from collections.abc import Callable

FLOORS = (
    ("exceptions",),
    ("conf",),
    ("schema",),
    ("config",),
    ("clients",),
    ("overrides", "plugin", "signals"),
    ("registry",),
    ("changes",),
    ("rows",),
    ("querysets",),
    ("compat",),
    ("models", "register", "storage"),
    ("failover", "rotation", "selection", "sync"),
    ("helpers", "services"),
    (
        *("contrib", "contrib.aws", "contrib.drift", "contrib.email", "contrib.oauth", "contrib.storage"),
        *("contrib.transfer", "diagnosis", "forms"),
    ),
    ("admin", "apps", "checks", "management", "receivers", "testing", "views"),
)
"""The rooms of the package, lowest first; rooms on one floor may use each other as long as no cycle comes of it."""

FLOOR_OF = {room: number for number, floor in enumerate(FLOORS) for room in floor}
LATE_BY_DESIGN = {(PACKAGE, "__getattr__"), (f"{PACKAGE}.apps", "ready")}
MOST_LINES_IN_A_FILE = 500
MOST_LINES_IN_A_FUNCTION = 60
"""With its docstring and blank lines."""

every_module = tried_on(each("module", modules(), attrgetter("name")))


@every_module
def test_a_module_stands_on_a_floor(module: Module) -> None:
    """Every module belongs to a room whose place in the house is written down."""
    assert module.name == PACKAGE or module.room in FLOOR_OF, f"add {module.room} to FLOORS"


@every_module
def test_imports_go_down(module: Module) -> None:
    """A module imports from its own floor or one below, never from above."""
    at_import = [found.target for found in module.imports() if not found.function]
    rooms = {room_of(target) for target in at_import if target != PACKAGE}
    floor = FLOOR_OF.get(module.room, -1)
    assert not [room for room in rooms if FLOOR_OF[room] > floor]


@every_module
def test_nobody_needs_an_optional_room(module: Module) -> None:
    """What stands in contrib is imported by the commands and the admin only: a project can do without it."""
    optional = {room for i in module.imports() if (room := room_of(i.target)).startswith("contrib")} - {module.room}
    assert not optional or module.room in {"admin", "management"}


@every_module
def test_nothing_is_imported_late(module: Module) -> None:
    """Only apps.ready and the package's __getattr__ import the package's own modules inside a function."""
    late = {(module.name, found.function) for found in module.imports() if found.function}
    assert late <= LATE_BY_DESIGN


@every_module
def test_files_and_functions_stay_short(module: Module) -> None:
    """A file and a function each fit into one look."""
    lines = module.path.read_text().count("\n")
    assert lines <= MOST_LINES_IN_A_FILE
    long = [f.name for f in module.functions() if (f.end_lineno or 0) - f.lineno >= MOST_LINES_IN_A_FUNCTION]
    assert not long


@pytest.mark.parametrize("part", [str, room_of], ids=["module", "room"])
def test_nothing_imports_itself_by_a_detour(part: Callable[[str], str]) -> None:
    """There is no cycle of imports, neither between modules nor between rooms."""
    graph: dict[str, set[str]] = {}
    for module in modules():
        targets = {part(found.target) for found in module.imports() if not found.function}
        graph.setdefault(part(module.name), set()).update(targets - {part(module.name)})
    TopologicalSorter(graph).prepare()
