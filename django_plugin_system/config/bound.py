"""What a secret of a validated model is bound to: the fields that it belongs to, and what its union is told by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from django_plugin_system.schema.tree import SECRET_TYPES, Node, get_tree
from django_plugin_system.schema.values import get_fields, iter_parts, look_through

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django_plugin_system.config.tokens import Bonds
    from django_plugin_system.exceptions import Path


class Belonging(NamedTuple):
    """What one secret is bound to: fields that ``BoundTo`` names, and what tells the members of its union apart."""

    endpoints: Bonds = ()
    tags: Bonds = ()

    @property
    def bonds(self) -> Bonds:
        """All of it, as the token has it."""
        return (*self.endpoints, *self.tags)


UNBOUND = Belonging()


def find_belongings(model: Any, root: Node) -> dict[Path, Belonging]:
    """Return what each secret of a validated value is bound to, by path; ``root`` is the node of its schema."""
    return dict(_iter_belongings(model, root, (), (), ())) if root.is_bound or root.tags else {}


_Named = tuple[tuple[int, "str | None"], ...]
"""Keys of objects, each with how deep the object is."""


def _iter_belongings(
    value: Any, root: Node, path: Path, endpoints: _Named, tags: _Named
) -> Iterator[tuple[Path, Belonging]]:
    value = look_through(value)
    if isinstance(value, SECRET_TYPES):
        yield path, Belonging(*(tuple((len(path) - depth, key) for depth, key in named) for named in (endpoints, tags)))
        return
    parts = {} if get_fields(value) is None else get_tree(type(value)).fields
    if type(value) in root.tags:
        tags = (*tags, (len(path), root.tags[type(value)]))
    for key, item in iter_parts(value):
        own = parts[key].bound_to if key in parts else ()
        inner = (*endpoints, *((len(path), name) for name in own))
        yield from _iter_belongings(item, root, (*path, key), inner, tags)
