"""Stored keys that the schema does not know: newer code wrote them, beside older code. They are carried along, unread.

A class that rewrites its input, by a validator that runs before pydantic's own, answers for the keys in it.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import BeforeValidator, PlainValidator, WrapValidator

from django_plugin_system.config import tokens
from django_plugin_system.config.json_tree import iter_json, look_up
from django_plugin_system.config.references import claims_reference
from django_plugin_system.schema.errors import rewrites_input
from django_plugin_system.schema.tree import Kind, Node, Step

if TYPE_CHECKING:
    from django_plugin_system.config.encoding import Encoded
    from django_plugin_system.config.keyring import KeyRing
    from django_plugin_system.config.opened import Opened
    from django_plugin_system.exceptions import Path

_SCALARS = (str, bytes, int, float, bool, None)
_OTHERS = (Step.ITEM, Step.VALUE, Step.EXTRA)
_REWRITING = (BeforeValidator, PlainValidator, WrapValidator)


class _Known(NamedTuple):
    """What is known of the keys of an object, or the items of a list."""

    fields: dict[str, tuple[Node, ...]]
    """What may stand at a key; nothing, if a validator makes something else of it first."""
    others: tuple[Node, ...] | None
    """What may stand at any other key; None if there is none."""
    shows_others: bool
    """Whether any other key may stand there, and nothing at it is a secret."""


def find_undeclared(nodes: tuple[Node, ...], data: Any, secrets: Iterable[Path] = ()) -> Iterator[Path]:
    """Yield the path of each key in stored ``data``, ``secrets`` in the clear, that none of ``nodes`` has a place for.

    What one member of a union knows is no news: whoever switched the member meant to leave it behind. A model that
    takes any key (``extra="allow"``) has no place for one that is, or has inside, a secret, as it would show it.
    """
    return _iter_undeclared(nodes, data, {path[:end] for path in secrets for end in range(1, len(path) + 1)}, ())


def _iter_undeclared(nodes: tuple[Node, ...], data: Any, secrets: Collection[Path], path: Path) -> Iterator[Path]:
    if tokens.is_marker(data) or claims_reference(data):
        return
    known = _get_known(nodes, isinstance(data, dict))
    if known is None:
        return
    for key, item in iter_json(data):
        inner, at = known.fields.get(key, known.others), (*path, key)
        if inner is None or (known.shows_others and key not in known.fields and at in secrets):
            yield at
        elif inner and isinstance(item, (dict, list)):
            yield from _iter_undeclared(inner, item, secrets, at)


@lru_cache(maxsize=4096)
def _get_known(nodes: tuple[Node, ...], is_object: bool) -> _Known | None:  # noqa: FBT001 - a cache has no keywords
    """Return what is known of an object, or a list, that is one of ``nodes``; None if nobody knows what is read."""
    members = list(_iter_members(nodes, is_object=is_object))
    if not members or any(map(_is_opaque, [*members, *nodes])):
        return None
    others = {member: tuple(part.node for part in member.parts if part.step in _OTHERS) for member in members}
    fields = {key: _find_inner(others, key) for member in members for key in member.fields}
    inner = tuple(dict.fromkeys(chain.from_iterable(others.values())))
    is_open = any(map(_is_open, members))
    shows_others = is_open and not any(node.holds_secret for node in inner)
    return _Known(fields, inner if inner or not is_object or is_open else None, shows_others)


def _iter_members(nodes: Iterable[Node], *, is_object: bool) -> Iterator[Node]:
    """Yield what an object, or a list, may be that is one of ``nodes``, also inside of a secret."""
    for node in chain.from_iterable(node.members for node in nodes):
        for member in (node.get_inner(Step.CONTENT) or node).members:
            is_list = member.kind in (Kind.LIST, Kind.TUPLE)
            if member.annotation not in _SCALARS and not (is_object and is_list):
                yield member


def _find_inner(others: Mapping[Node, tuple[Node, ...]], key: str) -> tuple[Node, ...]:
    """Return what may stand at ``key`` of one of these members; ``others``: at any key that is no field of it."""
    if any(rewrites_input(member.cls, key) for member in others):
        return ()
    found = ((member.fields[key].node,) if key in member.fields else other for member, other in others.items())
    return tuple(dict.fromkeys(chain.from_iterable(found)))


def _is_opaque(node: Node) -> bool:
    """Say whether nobody knows what is read of a value."""
    if node.kind is Kind.MODEL and rewrites_input(node.cls):
        return True
    is_rewritten = any(isinstance(item, _REWRITING) for item in node.metadata)
    return is_rewritten or node.kind in (Kind.VALUE, Kind.UNKNOWN)


def _is_open(member: Node) -> bool:
    settings = getattr(member.cls, "model_config", None) or getattr(member.cls, "__pydantic_config__", None) or {}
    return bool(settings.get("extra") == "allow")


def drop(data: Any, paths: Collection[Path], at: Path = ()) -> Any:
    """Return ``data`` without what stands at ``paths``."""
    if not paths or not isinstance(data, (dict, list)):
        return data
    kept = {key: drop(item, paths, (*at, key)) for key, item in iter_json(data) if (*at, key) not in paths}
    return kept if isinstance(data, dict) else [*kept.values()]


def is_below(path: Path, paths: Collection[Path]) -> bool:
    """Say whether ``path`` is, or leads through, one of ``paths``."""
    return bool(paths) and any(path[:end] in paths for end in range(len(path) + 1))


def carry(encoded: Encoded, data: Any, before: Opened, paths: Collection[Path]) -> dict[Path, Path]:
    """Put what stands at ``paths`` of ``before`` into what is to be stored, and into ``data``, the same in the clear.

    An item of a list is found by what it says, or by its position; what belongs to one that is gone, goes with it.
    Returns where each stands, by where it stood, other than inside of a secret.
    """
    carried = {}
    former = drop(before.data, paths)
    found = {path: _follow(path[:-1], former, data) for path in paths}
    for path, parent in found.items():
        if parent is None:
            continue
        new = (*parent, path[-1])
        if look_up(data, new):
            continue  # somebody typed it, where any key may stand
        look_up(data, parent)[0][path[-1]] = copy.deepcopy(look_up(before.data, path)[0])
        secret = next((new[:end] for end in range(len(new)) if new[:end] in encoded.secrets), None)
        if secret is not None:
            [encoded.secrets[secret]] = look_up(data, secret)
        else:
            look_up(encoded.tree, parent)[0][path[-1]] = copy.deepcopy(look_up(before.stored, path)[0])
            carried[path] = new
    return carried


def _follow(path: Path, old: Any, new: Any) -> Path | None:
    """Return where that stands in ``new`` which stands at ``path`` of ``old``; None if it is gone."""
    found: list[str] = []
    for key in path:
        place = _find_item(key, old, new) if isinstance(old, list) and isinstance(new, list) else key
        old, inside = look_up(old, (key,))[0], look_up(new, (place,))
        if not inside:
            return None
        [new] = inside
        found.append(place)
    return tuple(found) if isinstance(new, dict) else None


def _find_item(key: str, old: list[Any], new: list[Any]) -> str:
    """Return the position in ``new`` of what stands at ``key`` of ``old``; an empty text if it is gone."""
    same = [str(index) for index, item in enumerate(new) if item == old[int(key)]]
    is_edited = not same and int(key) < len(new) and new[int(key)] not in old
    return key if key in same or is_edited else next(iter(same), "")


def carry_tokens(stored: Opened, before: Opened, carried: Mapping[Path, Path], keyring: KeyRing) -> None:
    """Encrypt the secrets in what was carried for where they are now.

    One whose endpoints are others by now stays as it is: it opens for nobody until it is typed again.
    """
    for path, sealed in before.tokens.items() if carried else ():
        old = next((path[:end] for end in range(len(path) + 1) if path[:end] in carried), None)
        if old is None:
            continue
        place = (*carried[old], *path[len(old) :])
        context = tokens.get_context(stored.place, stored.stored, place, sealed.bonds)
        if context[-1] == sealed.context[-1]:
            stored.tokens[place] = sealed._replace(context=context)
            if context != sealed.context:
                marker = tokens.seal(sealed.value, stored.place, place, keyring, stored.stored, sealed.bonds)
                look_up(stored.stored, place)[0].update(marker)
