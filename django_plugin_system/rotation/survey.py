"""Look through the rows as they are stored: which keys their secrets need, what cannot be opened, what is plain text.

Rows are read in batches by id, as text, past the models: it is quick, and works for rows whose code is gone.
"""

from __future__ import annotations

import json
import re
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db import connections
from django.views.decorators.debug import sensitive_variables

from django_plugin_system.config.declared import holds_secret
from django_plugin_system.config.keyring import KeyRing, get_keyring
from django_plugin_system.config.opening import iter_markers
from django_plugin_system.config.plain import may_hold_plain_secret
from django_plugin_system.config.tokens import MARKER, VERSION, Binding, get_token_key_id, open_token, seal
from django_plugin_system.exceptions import MalformedToken, Path, SecretError
from django_plugin_system.models import PluginInstance, PluginItem
from django_plugin_system.plugin import get_config_schema, get_config_version
from django_plugin_system.rows.config import SCOPE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from pydantic import BaseModel

BATCH_SIZE = 500
TABLE = PluginInstance._meta.db_table  # noqa: SLF001 - Django documents _meta
_SELECT = f"SELECT id, config, config_version, name, item_id FROM {TABLE}"  # noqa: S608 - names only
_CLAIM = rf"{VERSION}\.([0-9a-f]{{8}})\."
_CLAIM_IN_TEXT = re.compile(rf'"{re.escape(MARKER)}"\s*:\s*"{_CLAIM}', re.ASCII)
_CLAIM_OF_TOKEN = re.compile(rf"\A{_CLAIM}", re.ASCII)


class Source(NamedTuple):
    """What a row is an instance of: its item's name, and what the class declares, if it is there and has secrets."""

    name: str
    schema: type[BaseModel] | None = None
    version: int = 1


class Row(NamedTuple):
    """One row as the database holds it; ``config`` is JSON text."""

    id: Any
    config: str
    version: int
    name: str
    source: Source

    @property
    def pk(self) -> uuid.UUID:
        """The id as Python knows it, to which the tokens are bound."""
        return _to_uuid(self.id)

    def __str__(self) -> str:
        return f"{self.name} ({self.source.name}) {self.pk}"


@dataclass
class Finding:
    """What one row holds. ``config`` is the row's text with a new token for each that does not use the first key."""

    row: Row
    config: str
    key_ids: list[str] = field(default_factory=list)
    """The key that each stored secret, readable or not, says it needs."""
    problems: list[str] = field(default_factory=list)
    may_be_plain: bool = False

    @property
    def is_outdated(self) -> bool:
        """Whether the row can, and should, be written with the new text."""
        return not self.problems and self.config != self.row.config


# Reading


def _iter_batches(using: str, size: int) -> Iterator[list[tuple[Any, ...]]]:
    batch = _fetch(using, "ORDER BY id LIMIT %s", [size])
    while batch:
        yield batch
        batch = _fetch(using, "WHERE id > %s ORDER BY id LIMIT %s", [batch[-1][0], size])


def _fetch(using: str, condition: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    with connections[using].cursor() as cursor:
        cursor.execute(f"{_SELECT} {condition}", values)
        return list(cursor.fetchall())


def read_range(using: str, first: Any, last: Any) -> list[Row]:
    """Return the rows from one id to another, both as the database holds them."""
    return _make_rows(_fetch(using, "WHERE id BETWEEN %s AND %s ORDER BY id", [first, last]), using)


def _make_rows(fetched: Sequence[tuple[Any, ...]], using: str) -> list[Row]:
    sources = _get_sources({values[-1] for values in fetched}, using)
    return [Row._make([*values[:-1], sources[values[-1]]]) for values in fetched]


def _get_sources(ids: Collection[Any], using: str) -> dict[Any, Source]:
    items = PluginItem.objects.using(using).select_related("plugin_type").in_bulk({_to_uuid(key) for key in ids})
    return {key: _describe(items.get(_to_uuid(key))) for key in ids}


def _describe(item: PluginItem | None) -> Source:
    if item is None:  # deleted since the row was read
        return Source("?")
    plugin_class = item.plugin_class
    if plugin_class is None:
        return Source(item.name)
    schema = get_config_schema(plugin_class)
    return Source(item.name, schema if holds_secret(schema) else None, get_config_version(plugin_class))


def _to_uuid(value: Any) -> uuid.UUID:
    """Return an id as Python knows it; databases without a type for it hold its 32 hex digits."""
    return value if isinstance(value, uuid.UUID) else uuid.UUID(value)


def count_rows_by_key(using: str) -> Counter[str]:
    """Return how many rows hold secrets of which key, by key id; looks at the text only, and opens nothing.

    It touches no other table: a system check runs it before the migrations that may change one.
    """
    counts: Counter[str] = Counter()
    for batch in _iter_batches(using, BATCH_SIZE):
        for _id, config, *_others in batch:
            counts.update(set(_CLAIM_IN_TEXT.findall(config)))
    return counts


# Looking


def iter_findings(using: str, size: int) -> Iterator[list[Finding]]:
    """Yield what the rows hold, ``size`` rows at a time."""
    keyring = get_keyring()
    for batch in _iter_batches(using, size):
        yield [examine(row, keyring) for row in _make_rows(batch, using)]


@sensitive_variables()
def examine(row: Row, keyring: KeyRing) -> Finding:
    """Open every secret of ``row``, and encrypt those anew that do not use the first key."""
    found = Finding(row, row.config)
    try:
        stored = json.loads(row.config)
        markers = iter_markers(stored)
        found.may_be_plain = _may_hold_plain(row, stored)
    except (ValueError, RecursionError):
        found.key_ids += _CLAIM_IN_TEXT.findall(row.config)
        found.problems.append("the config is JSON that cannot be read: nested too deeply, or a number too long")
        return found
    binding = Binding(SCOPE, str(row.pk))
    for path, marker in markers:
        _renew(found, path, marker, binding, keyring)
    return found


def _renew(found: Finding, path: Path, marker: dict[str, Any], binding: Binding, keyring: KeyRing) -> None:
    found.key_ids += _CLAIM_OF_TOKEN.findall(str(marker[MARKER]))
    try:
        found.config = _replace_token(found, path, marker, binding, keyring)
    except SecretError as error:
        found.problems.append(str(error))


@sensitive_variables()
def _replace_token(found: Finding, path: Path, marker: dict[str, Any], binding: Binding, keyring: KeyRing) -> str:
    """Return the text of ``found`` with this marker's token made anew, unless it uses the first key already.

    :raises SecretError: if the secret cannot be opened, or its token is spelled in a way that only raw SQL stores.
    """
    sealed = open_token(marker, binding, path, keyring)
    token = marker[MARKER]
    if get_token_key_id(token) == keyring.primary_id:
        return found.config
    if token not in found.config:
        raise MalformedToken(path)
    return found.config.replace(token, seal(sealed.value, binding, path, keyring, sealed.tie)[MARKER])


def _may_hold_plain(row: Row, stored: Any) -> bool:
    schema, version = row.source.schema, row.source.version
    if schema is None or row.version > version:
        return False  # nobody here can tell
    return row.version < version or may_hold_plain_secret(schema, stored)
