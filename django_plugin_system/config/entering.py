"""Was a bound secret entered anew where what it is bound to was changed? Whoever only keeps it may not redirect it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import BaseModel

from django_plugin_system.config.bound import digest, get_bonds, is_intact
from django_plugin_system.config.declared import SECRET_TYPES
from django_plugin_system.config.location import locate, make_loc
from django_plugin_system.config.opening import Kept, iter_readable
from django_plugin_system.config.references import Reference, claims_reference, find_references
from django_plugin_system.config.tokens import Tie, is_marker
from django_plugin_system.config.walk import is_same
from django_plugin_system.exceptions import FieldProblem, Path

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from django_plugin_system.config.bound import Endpoints
    from django_plugin_system.config.keyring import KeyRing
    from django_plugin_system.config.tokens import Binding


def find_typed(data: Any, schema: type[BaseModel], opened: Any) -> set[Path]:
    """Return where input ``data`` has plain values: what a person typed, or a program wrote out.

    ``opened`` is the same data with secrets and references replaced by what they are.
    """
    return {locate(make_loc(path, opened), schema, opened) for path in _iter_plain(data, ())}


def _iter_plain(data: Any, path: Path) -> Iterator[Path]:
    if is_marker(data) or claims_reference(data) or isinstance(data, (*SECRET_TYPES, BaseModel, Kept)):
        return
    if isinstance(data, Mapping):
        for key, item in data.items():
            yield from _iter_plain(item, (*path, str(key)))
    elif isinstance(data, (list, tuple)):
        for index, item in enumerate(data):
            yield from _iter_plain(item, (*path, str(index)))
    else:
        yield path


class _Held(NamedTuple):
    """A secret of a stored configuration, or a reference, and whether it stands beside what it belongs to."""

    value: Any
    is_intact: bool


class Snapshot:
    """A stored configuration with what it keeps secret by path, as far as that can be read."""

    def __init__(self, tree: Any, binding: Binding, keyring: KeyRing) -> None:
        """Open what can be opened."""
        self.tree = tree
        self.held: dict[Path, _Held] = {path: _Held(one, is_intact=True) for path, one in find_references(tree).items()}
        for path, _marker, sealed in iter_readable(tree, binding, keyring):
            self.held[path] = _Held(sealed.value, sealed.tie is None or is_intact(sealed.tie, tree, path))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self.held)} secrets>"


class Entry(NamedTuple):
    """What was given by someone who changes a configuration."""

    typed: Collection[Path] = ()
    """Where a plain value was given."""
    ties: Mapping[Path, Tie] = {}
    """What the stored secrets in it are tied to."""


NOTHING_ENTERED = Entry()


def find_unentered(
    new: Snapshot, bound: Iterable[tuple[Path, Endpoints]], entry: Entry, previous: Sequence[Snapshot]
) -> list[FieldProblem]:
    """Return a problem for each bound secret of ``new`` that was kept from ``previous`` and now goes elsewhere.

    A secret that was typed was entered anew. Any other must have stood, in one of ``previous``, beside the same values
    of what it is bound to; unless it was in none of them, and is not tied to anything else.
    """
    problems = []
    for path, endpoints in bound:
        here = next((path[:end] for end in range(1, len(path)) if _is_reference(new, path[:end])), path)
        outside = tuple(endpoint for endpoint in endpoints if endpoint[: len(here)] != here)
        is_typed = any(path[:end] in entry.typed for end in range(1, len(path) + 1))
        if outside and not is_typed and here in new.held and not _may_stay(new, here, outside, entry, previous):
            problems.append(_describe(here, [endpoint[-1] for endpoint in outside]))
    return problems


def find_untied(new: Snapshot, bound: Collection[Path], ties: Mapping[Path, Tie]) -> list[FieldProblem]:
    """Return a problem for each stored secret that was given away from what it is tied to, where nothing binds it now.

    The row may have got another item, whose class knows nothing of endpoints.
    """
    return [
        _describe(path, [name for _up, name in tie.bonds])
        for path, tie in ties.items()
        if path not in bound and not is_intact(tie, new.tree, path)
    ]


def _describe(path: Path, names: Iterable[str]) -> FieldProblem:
    return FieldProblem(path, f"belongs to {', '.join(names)}, which was changed: enter this secret again")


def _is_reference(snapshot: Snapshot, path: Path) -> bool:
    return path in snapshot.held and isinstance(snapshot.held[path].value, Reference)


def _may_stay(new: Snapshot, here: Path, endpoints: Endpoints, entry: Entry, previous: Sequence[Snapshot]) -> bool:
    value = new.held[here].value
    if value in ("", b""):
        return True
    bonds = get_bonds(here, endpoints)
    wanted = digest(new.tree, here, bonds)
    known = [(past, path) for past in previous for path, held in past.held.items() if is_same(held.value, value)]
    if not known:
        return here not in entry.ties or is_intact(entry.ties[here], new.tree, here)
    return any(past.held[path].is_intact and digest(past.tree, path, bonds) == wanted for past, path in known)
