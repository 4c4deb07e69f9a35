"""What selection gives in the place of instances while a test puts a fake there: no row, no database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django_plugin_system.fakes.standins import StandIn, find_stand_in, stand_ins
from django_plugin_system.models import PluginInstance

if TYPE_CHECKING:
    from django_plugin_system.registry import TypeKey


@dataclass(frozen=True)
class Substitute:
    """A stand-in with what callers expect beside a plugin: ``instance`` is a row that was never saved."""

    stand_in: StandIn
    instance: PluginInstance

    def copy_row(self) -> PluginInstance:
        """Return the row."""
        return self.instance

    def build(self) -> Any:
        """Return the fake."""
        return self.stand_in.build()


def find_substitute(type_key: TypeKey, name: str | None) -> Substitute | None:
    """Return what a test put in the place of the type's plugins, or of those with this name."""
    stand_in = find_stand_in(type_key, name) if stand_ins else None
    return None if stand_in is None else Substitute(stand_in, PluginInstance(name=f"override_plugin({stand_in})"))
