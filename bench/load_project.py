"""What the load bench selects: instances called "main" of two items, whose configuration counts the changes."""

from __future__ import annotations

import mmap
import struct
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from pydantic import BaseModel, SecretStr

from django_plugin_system import ConfigurablePlugin, get_plugin, plugin_item, plugin_type
from django_plugin_system.config.keyring import KEY_BYTES, show_key

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["KEYS", "AbstractLoad", "Board", "get_plugin"]

KEYS = [show_key(bytes(range(number, number + KEY_BYTES))) for number in (1, 2)]


@plugin_type(name="load", manager="bench")
class AbstractLoad(ABC):
    """What is selected."""

    @abstractmethod
    def run(self) -> None:
        """Do nothing."""


class LoadConfig(BaseModel):
    """``changes`` grows with each change of the operator."""

    changes: int
    token: SecretStr


@plugin_item(AbstractLoad, name="first", module="bench", priority=1)
@plugin_item(AbstractLoad, name="second", module="bench", priority=2)
class Load(ConfigurablePlugin[LoadConfig], AbstractLoad):
    """The class behind both items."""

    def run(self) -> None:
        """Do nothing."""


class Board:
    """Two numbers in a file that processes share: how many changes are committed, and whether it is over."""

    def __init__(self, path: Path) -> None:
        """Open the board; the first to do so makes it."""
        if not path.exists():
            path.write_bytes(bytes(mmap.PAGESIZE))
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), mmap.PAGESIZE)

    @property
    def committed(self) -> int:
        """How many changes everybody must see."""
        return self._get(0)

    @committed.setter
    def committed(self, changes: int) -> None:
        struct.pack_into("q", self._memory, 0, changes)

    @property
    def over(self) -> bool:
        """Whether readers are to stop."""
        return bool(self._get(8))

    def end(self) -> None:
        """Let readers stop."""
        struct.pack_into("q", self._memory, 8, 1)

    def _get(self, offset: int) -> int:
        return int(struct.unpack_from("q", self._memory, offset)[0])
