"""Re-encrypt every stored secret with the first key, and prove that none needs another one.

Rows are read in batches by id, as text and past the models, and re-encrypted by path: it is quick, and the code behind
them need not be there. Nothing in a config changes but its tokens, and a row is written only if it still is as it was
read: a concurrent edit wins, and the row is looked at again. What was written needs no second look, so an interrupted
run is resumed by starting it again.
"""

from __future__ import annotations

import json
import re
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db import connections, router
from django.views.decorators.debug import sensitive_variables

from django_plugin_system.changes import changing
from django_plugin_system.config.keyring import KeyRing, get_keyring
from django_plugin_system.config.opened import iter_markers
from django_plugin_system.config.tokens import MARKER, VERSION, get_token_key_id, open_token, seal
from django_plugin_system.exceptions import (
    ConfigError,
    MalformedToken,
    Path,
    SecretError,
    make_printable,
    show_path,
)
from django_plugin_system.models import PluginInstance, PluginItem
from django_plugin_system.rows.config import find_plain_secrets, make_place, may_hold_plain_secret
from django_plugin_system.rows.reasons import describe_config_error
from django_plugin_system.schema.tree import get_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from django.db.models import QuerySet
    from pydantic import BaseModel

BATCH_SIZE = 500
LISTED = 100
"""A report names so many rows with problems, and counts the others."""
ATTEMPTS = 5
"""How often a row is tried that others keep changing between the look and the write."""
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
    item_id: Any
    source: Source

    @property
    def pk(self) -> uuid.UUID:
        """The id as Python knows it."""
        return _to_uuid(self.id)

    def __str__(self) -> str:
        return make_printable(f"{self.name} ({self.source.name}) {self.pk}")


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
    return [Row._make([*values, sources[values[-1]]]) for values in fetched]


def _get_sources(ids: Collection[Any], using: str) -> dict[Any, Source]:
    items = PluginItem.objects.using(using).select_related("plugin_type").in_bulk({_to_uuid(key) for key in ids})
    return {key: _describe(items.get(_to_uuid(key))) for key in ids}


def _describe(item: PluginItem | None) -> Source:
    if item is None:  # deleted since the row was read
        return Source("?")
    declared = item.declared
    if declared is None or declared.schema is None or not get_tree(declared.schema).holds_secret:
        return Source(item.name)
    return Source(item.name, declared.schema, declared.version)


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
    place = make_place(row.pk, _to_uuid(row.item_id), row.version)
    for path, marker in markers:
        found.key_ids += _CLAIM_OF_TOKEN.findall(str(marker[MARKER]))
        try:
            sealed = open_token(marker, place, path, keyring, stored)
            if get_token_key_id(marker[MARKER]) != keyring.primary_id:
                renewed = seal(sealed.value, place, path, keyring, stored, sealed.bonds)
                found.config = _replace_token(found.config, marker[MARKER], renewed[MARKER], path)
        except SecretError as error:
            found.problems.append(str(error))
    return found


def _replace_token(config: str, token: str, renewed: str, path: Path) -> str:
    """Return the text of a config with another token.

    :raises MalformedToken: if the token is spelled in a way that only raw SQL stores.
    """
    if token not in config:
        raise MalformedToken(path)
    return config.replace(token, renewed)


def _may_hold_plain(row: Row, stored: Any) -> bool:
    schema, version = row.source.schema, row.source.version
    if schema is None or row.version > version:
        return False  # nobody here can tell
    return row.version < version or may_hold_plain_secret(schema, stored)


# Writing


@dataclass
class RotationReport:
    """What a run found and did. ``key_ids`` are those configured; the first one encrypts."""

    key_ids: tuple[str, ...]
    rows: int = 0
    """Rows looked at."""
    secrets: Counter[str] = field(default_factory=Counter)
    """Secrets found, by the id of the key that they were encrypted with when the run came by."""
    rewritten: int = 0
    """Rows written; in a dry run, rows that would be."""
    plain: int = 0
    """Rows found with plain text where their class, by now, declares a secret."""
    failed: int = 0
    """Rows with a problem."""
    problems: list[str] = field(default_factory=list)
    """What is wrong with the first of them: one line for a row, and no secret in it."""

    @property
    def outdated(self) -> dict[str, int]:
        """How many secrets were encrypted with each key that is not the first."""
        return {key_id: count for key_id, count in sorted(self.secrets.items()) if key_id != self.key_ids[0]}

    @property
    def unused(self) -> tuple[str, ...]:
        """The configured keys, other than the first, that no secret was encrypted with."""
        return tuple(key_id for key_id in self.key_ids[1:] if not self.secrets[key_id])

    def add_problem(self, row: object, reason: str) -> None:
        """Count a row among those with a problem, and name it while there are few."""
        self.failed += 1
        if len(self.problems) < LISTED:
            self.problems.append(f"{row}: {reason}")


def rotate_secrets(
    using: str | None = None,
    *,
    batch_size: int = BATCH_SIZE,
    dry_run: bool = False,
    on_batch: Callable[[RotationReport], object] | None = None,
) -> RotationReport:
    """Encrypt every secret with the first key, batch by batch; ``on_batch`` gets the growing report after each.

    A row with a secret that cannot be opened is reported and stays as it is, byte by byte. ``dry_run`` only counts.
    """
    alias = using or router.db_for_write(PluginInstance)
    report = RotationReport(get_keyring().key_ids)
    for findings in iter_findings(alias, batch_size):
        plain = _add_findings(findings, alias, report)
        if dry_run:
            report.rewritten += sum(finding.is_outdated or finding.row.pk in plain for finding in findings)
        else:
            encrypted = _encrypt_plain(plain, alias, report)
            _write([one for one in findings if one.is_outdated and one.row.pk not in encrypted], alias, report)
        if on_batch:
            on_batch(report)
    return report


def verify_secrets(
    using: str | None = None,
    *,
    batch_size: int = BATCH_SIZE,
    on_batch: Callable[[RotationReport], object] | None = None,
) -> RotationReport:
    """Open every secret and write nothing. ``outdated`` of the report tells which keys are still needed.

    A secret in plain text counts as a problem here.
    """
    alias = using or router.db_for_write(PluginInstance)
    report = RotationReport(get_keyring().key_ids)
    for findings in iter_findings(alias, batch_size):
        plain = _add_findings(findings, alias, report)
        for row in (finding.row for finding in findings if finding.row.pk in plain):
            places = ", ".join(show_path(path) for path in plain[row.pk])
            report.add_problem(row, f"{places}: a secret in plain text; pluginrotate encrypts it")
        if on_batch:
            on_batch(report)
    return report


def _add_findings(findings: Sequence[Finding], using: str, report: RotationReport) -> dict[uuid.UUID, list[Path]]:
    """Add what was found to ``report``; return the ids of the rows that hold plain text, with the places."""
    report.rows += len(findings)
    for finding in findings:
        report.secrets.update(finding.key_ids)
        if finding.problems:
            report.add_problem(finding.row, "; ".join(finding.problems))
    suspects = {finding.row.pk: finding.row for finding in findings if finding.may_be_plain and not finding.problems}
    plain = {}
    for row in _load(suspects, using):
        if paths := _find_plain(row, suspects[row.pk], report):
            plain[row.pk] = paths
    report.plain += len(plain)
    return plain


def _find_plain(row: PluginInstance, label: Row, report: RotationReport) -> list[Path]:
    try:
        return find_plain_secrets(row)
    except ConfigError as error:
        report.add_problem(
            label, f"cannot tell whether it holds a secret in plain text: {describe_config_error(error)}"
        )
    return []


def _load(ids: Collection[uuid.UUID], using: str) -> QuerySet[PluginInstance]:
    return PluginInstance.objects.using(using).select_related("item__plugin_type").filter(pk__in=ids)


def _encrypt_plain(plain: Mapping[uuid.UUID, object], using: str, report: RotationReport) -> set[uuid.UUID]:
    """Store the rows anew, in the ordinary way; return the ids of those that were written."""
    if not plain:
        return set()
    rows = _load(plain, using).order_by("pk").select_for_update(of=("self",), no_key=True)
    with changing(using):  # nobody else can come between the look, which locks, and the write
        written = {row.pk for row in rows if _store_again(row, using, report)}
    report.rewritten += len(written)
    return written


@sensitive_variables()
def _store_again(row: PluginInstance, using: str, report: RotationReport) -> bool:
    try:
        row.renew_config()
    except ConfigError as error:
        report.add_problem(f"{row} {row.pk}", f"holds a secret in plain text: {describe_config_error(error)}")
        return False
    row.save(update_fields=["config"], using=using)
    return True


def _write(findings: Sequence[Finding], using: str, report: RotationReport) -> None:
    """Write the new tokens; look again at rows that were changed meanwhile."""
    pending = {finding.row.id: finding for finding in findings}
    for _attempt in range(ATTEMPTS):
        if _swap(pending.values(), using) == len(pending):
            report.rewritten += len(pending)
            return
        pending = _look_again(pending, using, report)
    for finding in pending.values():
        report.add_problem(finding.row, "was changed again and again meanwhile: rotate once more")


def _swap(findings: Collection[Finding], using: str) -> int:
    """Write each new text whose row still holds the old one; return how many rows the database says were written."""
    if not findings:
        return 0
    config = "CAST(%s AS jsonb)" if connections[using].vendor == "postgresql" else "%s"
    statement = f"UPDATE {TABLE} SET config = {config} WHERE id = %s AND config = {config}"  # noqa: S608 - names only
    with changing(using), connections[using].cursor() as cursor:
        cursor.executemany(statement, [(found.config, found.row.id, found.row.config) for found in findings])
        return int(cursor.rowcount)


def _look_again(pending: Mapping[Any, Finding], using: str, report: RotationReport) -> dict[Any, Finding]:
    """Return what is left to do for rows of which not all were written."""
    ids = list(pending)
    left = {}
    for row in read_range(using, ids[0], ids[-1]):
        if row.id not in pending:
            continue
        if row.config == pending[row.id].config:
            report.rewritten += 1
            continue
        found = examine(row, get_keyring())
        if found.problems:
            report.add_problem(row, "; ".join(found.problems))
        elif found.is_outdated:
            left[row.id] = found
    return left
