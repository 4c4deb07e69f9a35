"""One difference between two snapshots of a schema, and what it means for stored configurations."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple


class Effect(IntEnum):
    """What a change asks of the developer; the highest of several changes counts."""

    LABEL = 1
    """Only people see it."""
    ADDITIVE = 2
    """Every stored configuration is still read, as what it was."""
    MIGRATION = 3
    """A stored configuration may no longer be read, or not as what it was; also where that is not sure."""
    SECRECY = 4
    """A value becomes a secret, or stops being one."""


class Change(NamedTuple):
    """A difference at ``path``, as people write it: ``login.password``, ``tags[]``."""

    path: str
    effect: Effect
    text: str

    def __str__(self) -> str:
        return f"{self.path or '(root)'}: {self.text}"
