"""Re-encrypt every stored secret with the first key, and prove that none needs another one.

Rows are read in batches by id, as text, and re-encrypted by path: it is quick, and the code behind them need not be
there. Nothing in a config changes but its tokens. Before a row is written it is locked and, if it was changed since it
was read, looked at again. What was written needs no second look, so an interrupted run is resumed by starting it again.
"""

from __future__ import annotations

import json
import re
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from django.db import connections, router
from django.views.decorators.debug import sensitive_variables

from django_plugin_system.changes import changing
from django_plugin_system.config.keyring import KeyRing, get_keyring
from django_plugin_system.config.opened import open_config
from django_plugin_system.config.tokens import MARKER, VERSION, get_token_key_id, seal
from django_plugin_system.exceptions import ConfigError, MalformedToken, Path, SecretError, make_printable, show_path
from django_plugin_system.models import PluginInstance, PluginItem, PluginState
from django_plugin_system.rows.config import find_plain_secrets, make_place, may_hold_plain_secret
from django_plugin_system.rows.fields import AsText
from django_plugin_system.rows.reasons import describe_config_error
from django_plugin_system.rows.state import make_state_place, open_state, seal_state
from django_plugin_system.schema.tree import get_tree

BATCH_SIZE = 500
LISTED = 100
"""A report names so many rows with problems, and counts the others."""
TABLE = PluginInstance._meta.db_table
_COLUMNS = ("config_version", "name", "item_id", "scope")
_CLAIM = re.compile(rf'"{re.escape(MARKER)}"\s*:\s*"{VERSION}\.([0-9a-f]{{8}})\.', re.ASCII)


@dataclass(eq=False)
class Finding:
    """What one row holds. ``config`` is its text with a new token for each that does not use the first key."""

    row: Any
    """The row as ``_read_rows`` found it."""
    item: PluginItem | None
    """None if it was deleted since the row was read."""
    config: str
    problems: list[str] = field(default_factory=list)
    may_be_plain: bool = False
    plain: list[Path] = field(default_factory=list)
    """Where it holds plain text, and its class declares a secret."""

    @property
    def is_outdated(self) -> bool:
        """Whether the row can, and should, be written with the new text."""
        return not self.problems and self.config != self.row.text

    def __str__(self) -> str:
        return make_printable(f"{self.row.name} ({self.item.name if self.item else '?'}) {self.row.pk}")


# Reading


def _read_rows(using: str, *columns: str) -> Any:
    """Return the rows in the order of their ids: named tuples of an id, the text of a config, and more columns."""
    rows = PluginInstance.objects.using(using).order_by("pk").annotate(text=AsText("config"))
    return rows.values_list("pk", "text", *columns, named=True)


def _iter_batches(rows: Any, size: int) -> Iterator[list[Any]]:
    batch = list(rows[:size])
    while batch:
        yield batch
        batch = list(rows.filter(pk__gt=batch[-1].pk)[:size])


def count_rows_by_key(using: str) -> Counter[str]:
    """Return how many rows hold secrets of which key, by key id; looks at the text only, and opens nothing.

    It touches no other table and no other column: a system check runs it before the migrations that may change one.
    """
    counts: Counter[str] = Counter()
    for row in chain.from_iterable(_iter_batches(_read_rows(using), BATCH_SIZE)):
        counts.update(set(_CLAIM.findall(row.text)))
    is_migrated = PluginState._meta.db_table in connections[using].introspection.table_names()
    states = _read_states(using) if is_migrated else ()
    counts.update(key_id for state in states for key_id in _find_key_ids(state.stored))
    return counts


def _read_states(using: str) -> Any:
    return PluginState.objects.using(using).exclude(stored="").order_by("pk")


def _find_key_ids(token: str) -> list[str]:
    return _CLAIM.findall(json.dumps({MARKER: token}))


# Looking


def examine(rows: Sequence[Any], using: str) -> list[Finding]:
    """Open every secret of the rows, and encrypt those anew that do not use the first key."""
    keyring = get_keyring()
    items = PluginItem.objects.using(using).select_related("plugin_type").in_bulk({row.item_id for row in rows})
    return [_examine(Finding(row, items.get(row.item_id), row.text), keyring) for row in rows]


@sensitive_variables()
def _examine(found: Finding, keyring: KeyRing) -> Finding:
    row = found.row
    try:
        stored = json.loads(row.text)
    except (ValueError, RecursionError):
        found.problems.append("the config is JSON that cannot be read: nested too deeply, or a number too long")
        return found
    place = make_place(row.pk, row.item_id, row.scope, row.config_version)
    opened = open_config(stored, place, keyring)
    found.problems += map(str, opened.failures.values())
    found.may_be_plain = not found.problems and _may_hold_plain(found, stored)
    for path, sealed in opened.tokens.items():
        token = opened.get_token(path)
        if get_token_key_id(token) == keyring.primary_id:
            continue
        if token not in row.text:  # spelled in a way that only raw SQL stores
            found.problems.append(str(MalformedToken(path)))
        renewed = seal(sealed.value, place, path, keyring, stored, sealed.bonds)
        found.config = found.config.replace(token, renewed[MARKER])
    return found


def _may_hold_plain(found: Finding, stored: Any) -> bool:
    declared = found.item.declared if found.item else None
    if declared is None or declared.schema is None or found.row.config_version > declared.version:
        return False  # nobody here can tell
    if found.row.config_version < declared.version:
        return get_tree(declared.schema).holds_secret
    return may_hold_plain_secret(declared.schema, stored)


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

    def add_problems_of(self, findings: Iterable[Finding]) -> None:
        """Count those of ``findings`` that have a problem."""
        for found in findings:
            if found.problems:
                self.add_problem(found, "; ".join(found.problems))


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
    alias, report = using or router.db_for_write(PluginInstance), RotationReport(get_keyring().key_ids)
    for findings in _look_at_all(alias, batch_size, report, on_batch):
        if dry_run:
            report.rewritten += sum(found.is_outdated or bool(found.plain) for found in findings)
            continue
        encrypted = _encrypt_plain([found.row.pk for found in findings if found.plain], alias, report)
        _write({one.row: one for one in findings if one.is_outdated and one.row.pk not in encrypted}, alias, report)
    _look_at_states(alias, report, renew=True, write=not dry_run)
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
    alias, report = using or router.db_for_write(PluginInstance), RotationReport(get_keyring().key_ids)
    for found in chain.from_iterable(_look_at_all(alias, batch_size, report, on_batch)):
        if found.plain:
            places = ", ".join(map(show_path, found.plain))
            report.add_problem(found, f"{places}: a secret in plain text; pluginrotate encrypts it")
    _look_at_states(alias, report)
    return report


def _look_at_all(
    using: str, size: int, report: RotationReport, on_batch: Callable[[RotationReport], object] | None
) -> Iterator[list[Finding]]:
    """Yield what the rows hold, ``size`` rows at a time; all is added to ``report``."""
    for batch in _iter_batches(_read_rows(using, *_COLUMNS), size):
        findings = examine(batch, using)
        report.rows += len(findings)
        for found in findings:
            report.secrets.update(_CLAIM.findall(found.row.text))
        report.add_problems_of(findings)
        _find_plain(findings, using, report)
        yield findings
        if on_batch:
            on_batch(report)


def _find_plain(findings: Sequence[Finding], using: str, report: RotationReport) -> None:
    """Find the places where rows hold plain text, and their class declares a secret."""
    suspects = {found.row.pk: found for found in findings if found.may_be_plain and not found.problems}
    for row in _load(suspects, using):
        found = suspects[row.pk]
        try:
            found.plain = find_plain_secrets(row)
        except ConfigError as error:
            reason = describe_config_error(error)
            report.add_problem(found, f"cannot tell whether it holds a secret in plain text: {reason}")
        report.plain += bool(found.plain)


def _load(ids: Collection[uuid.UUID], using: str) -> Any:
    return PluginInstance.objects.using(using).select_related("item__plugin_type").filter(pk__in=ids)


def _encrypt_plain(ids: Collection[uuid.UUID], using: str, report: RotationReport) -> set[uuid.UUID]:
    """Store the rows anew, in the ordinary way; return the ids of those that were written."""
    reasons = _load(ids, using).renew_configs() if ids else {}
    for row, reason in reasons.items():
        if reason:
            report.add_problem(f"{row} {row.pk}", f"holds a secret in plain text: {reason}")
    written = {row.pk for row, reason in reasons.items() if not reason}
    report.rewritten += len(written)
    return written


def _write(findings: dict[Any, Finding], using: str, report: RotationReport) -> None:
    """Write the new tokens, under the locks of the rows; what was changed meanwhile is looked at again."""
    if not findings:
        return
    connection, key = connections[using], PluginInstance._meta.pk
    statement = f"UPDATE {TABLE} SET config = %s WHERE id = %s"  # noqa: S608 - names only
    with changing(using):
        locked = _read_rows(using, *_COLUMNS).filter(pk__in=[row.pk for row in findings])
        rows = list(locked.select_for_update(no_key=True))
        changed = examine([row for row in rows if row not in findings], using)
        outdated = [findings[row] for row in rows if row in findings] + [one for one in changed if one.is_outdated]
        with connection.cursor() as cursor:
            values = [(one.config, key.get_db_prep_value(one.row.pk, connection)) for one in outdated]
            cursor.executemany(statement, values)
    report.rewritten += len(outdated)
    report.add_problems_of(changed)


@sensitive_variables()
def _look_at_states(using: str, report: RotationReport, *, renew: bool = False, write: bool = False) -> None:
    """Open what providers handed out, and encrypt it anew; what is renewed meanwhile has the first key already."""
    for state in _read_states(using).select_related("instance__item").iterator(BATCH_SIZE):
        key_ids, instance = _find_key_ids(state.stored), state.instance
        report.secrets.update(key_ids)
        place = make_state_place(instance)
        try:
            plain = open_state(state.stored, place, state.revision)
        except SecretError as error:
            report.add_problem(f"{instance} {instance.pk}", str(error))
            continue
        if renew and key_ids != [report.key_ids[0]]:
            report.rewritten += 1
            if write:
                renewed = seal_state(plain, place, state.revision)
                PluginState.objects.using(using).filter(pk=state.pk, stored=state.stored).update(stored=renewed)
