"""Where a schema declares secrets, in data of any shape."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, SecretStr
from typing_extensions import TypeAliasType

from django_plugin_system.schema.tree import get_tree
from django_plugin_system.schema.values import find_secrets

Hidden: Any = TypeAliasType("Hidden", "dict[str, Hidden] | list[Hidden] | SecretStr")


class Safe(BaseModel):
    """Secrets in a type that holds itself."""

    inside: Hidden = {}


def test_a_type_that_holds_itself_is_looked_through_once_a_level() -> None:
    """A level of such a union has several ways to the next one, and the ways do not multiply."""
    deep: Any = "key"
    for _level in range(40):
        deep = {"a": [deep]}
    found = list(find_secrets(get_tree(Safe), {"inside": deep}))
    assert (("inside", *("a", "0") * 40), "key") in found
    assert len(found) < 40 * 40
