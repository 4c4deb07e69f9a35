"""Import a document: check and prepare all of it, then write all of it, in one short transaction."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from operator import attrgetter

from django.db import IntegrityError, OperationalError, router, transaction
from django.db.models import ProtectedError, RestrictedError
from django.utils import timezone

from django_plugin_system.changes import changing
from django_plugin_system.contrib.transfer.document import VALUES, Entry, Problem, read_document
from django_plugin_system.contrib.transfer.planning import (
    BATCH,
    Action,
    Change,
    Claim,
    Existing,
    Plan,
    Rules,
    make_plan,
)
from django_plugin_system.exceptions import ImportRefused
from django_plugin_system.models import PluginInstance
from django_plugin_system.querysets import WRITTEN_AT_ONCE, PluginInstanceQuerySet

_CONFLICT = "40001"
"""What PostgreSQL says, at REPEATABLE READ and above, where somebody else changed a row since the snapshot."""
ATTEMPTS = 3
"""How often a plan is made anew because somebody wrote meanwhile."""

_WRITTEN: tuple[Action, ...] = ("update", "release", "delete", "create")

Note = Callable[[Plan], None]
"""Takes down what an import does."""


logger = logging.getLogger(__name__)


def import_document(
    text: str,
    kind: str,
    using: str | None = None,
    *,
    existing: Existing = "fail",
    dry_run: bool = False,
    note: Note | None = None,
) -> Plan:
    """Write the instances of a document, all or none, and return what was done. Nothing is ever deleted.

    ``kind`` is ``json`` or ``yaml``. With ``dry_run`` nothing is written, and the plan tells the problems, too.
    ``note`` is called with what is done, in the transaction that does it.

    :raises InvalidDocument: if ``text`` is no document.
    :raises ImportRefused: with every problem that was found; nothing was written.
    """
    try:
        claims = [(found, "") for found in read_document(text, kind)]
    finally:
        del text  # it may hold secrets, which no error is to show with this frame
    return _carry_out(claims, using, Rules(existing), note, dry_run=dry_run)


def apply_documents(
    documents: Mapping[str, list[Entry | Problem]],
    using: str | None = None,
    *,
    adopt: bool = False,
    gone: Action = "left",
    dry_run: bool = False,
    note: Note | None = None,
) -> Plan:
    """Make the instances that files declare what they declare, all or none, and return what was done.

    ``documents`` has what ``read_document(..., complete=True)`` found in each file, by the name of the file. Each of
    their instances belongs to its file from then on. What is there and differs is taken over with ``adopt`` only.
    ``gone`` says what becomes of instances that belong to one of the files, and are in none any more: ``left`` as they
    are, ``delete``, or ``release`` to operators. ``note`` is called with what is done, in its transaction.

    :raises ImportRefused: with every problem that was found; nothing was written.
    """
    claims = [(found, name) for name, document in documents.items() for found in document]
    rules = Rules(owners=frozenset(documents), adopt=adopt, gone=gone)
    return _carry_out(claims, using, rules, note, dry_run=dry_run)


def _carry_out(claims: Sequence[Claim], using: str | None, rules: Rules, note: Note | None, *, dry_run: bool) -> Plan:
    alias = using or router.db_for_write(PluginInstance)
    for _attempt in range(ATTEMPTS):
        plan = make_plan(claims, alias, rules)
        if dry_run:
            return plan
        if plan.problems:
            raise ImportRefused(plan.problems)
        if _write(plan, alias, rules.command, note):
            return plan
    raise ImportRefused([Problem("all entries", "somebody else keeps changing these instances: try again")])


def _write(plan: Plan, alias: str, command: str, note: Note | None) -> bool:
    """Write what changes, and say whether it was still possible: nobody may have changed these rows since the plan.

    Whoever writes them at the same time waits, or makes this wait, in the order of the keys: so nobody waits in a
    circle. Nothing is validated or encrypted in here, so that it does not take long.
    """
    rows = PluginInstance.objects.using(alias)
    changed, released, deleted, new = map(plan.pick, _WRITTEN)
    touched = sorted(map(attrgetter("row"), (*changed, *deleted, *released)), key=attrgetter("pk"))
    if not new and not touched:
        return True
    try:
        with transaction.atomic(using=alias), changing(alias):
            if not _is_as_seen(touched, alias):
                return False
            _update(rows, changed)
            for change in released:
                rows.filter(pk=change.row.pk).update(managed_by="", updated_at=timezone.now())
            _delete(rows, deleted)
            rows.bulk_create([change.row for change in new], BATCH)
            if note is not None:
                note(plan)
            transaction.on_commit(partial(_log, plan, command), using=alias)
    except (ProtectedError, RestrictedError) as error:  # a table of the project's refers to an instance
        refusal = Problem("all entries", f"instances that would be deleted are still referred to by: {_name(error)}")
    except IntegrityError:  # an instance of that name was made, or its item removed
        return False
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", None) == _CONFLICT:
            return False
        raise
    else:
        return True
    raise ImportRefused([refusal])


def _update(rows: PluginInstanceQuerySet, changes: Sequence[Change]) -> None:
    for in_config in (False, True):  # a configuration that stays may be one that cannot be written
        part = [change for change in changes if change.in_config is in_config]
        columns = {difference.name for change in part for difference in change.differences}
        columns &= {*VALUES, "managed_by"}
        for change in part:
            change.row.updated_at = timezone.now()
        columns |= {"updated_at", "config"} if in_config else {"updated_at"}
        rows.bulk_update([change.row for change in part], columns, WRITTEN_AT_ONCE)


def _delete(rows: PluginInstanceQuerySet, changes: Sequence[Change]) -> None:
    for start in range(0, len(changes), BATCH):
        rows.filter(pk__in=[change.row.pk for change in changes[start : start + BATCH]]).delete()


def _name(error: ProtectedError | RestrictedError) -> str:
    """Return the names of the models that stand in the way of a deletion."""
    rows = error.protected_objects if isinstance(error, ProtectedError) else error.restricted_objects
    return ", ".join(sorted({str(row._meta.verbose_name) for row in rows}))


def _is_as_seen(rows: Sequence[PluginInstance], alias: str) -> bool:
    """Lock ``rows``, and say whether the database still has what they were read with."""
    for start in range(0, len(rows), BATCH):
        seen = {row.pk: row.loaded.settle().values for row in rows[start : start + BATCH]}
        found = PluginInstance.objects.using(alias).filter(pk__in=seen).order_by("pk")
        if {row.pk: row.loaded.values for row in found.select_for_update(no_key=True)} != seen:
            return False
    return True


def _log(plan: Plan, command: str) -> None:
    for change in plan.changes:
        if change.action in _WRITTEN:
            names = ", ".join(difference.name for difference in change.differences)
            logger.info("%s: %s %s (%s)", command, change.action, change.entry, names)
