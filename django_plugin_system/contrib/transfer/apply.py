"""Import a document: check and prepare all of it, then write all of it, in one short transaction."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from django.db import IntegrityError, OperationalError, router, transaction
from django.db.models import QuerySet
from django.utils import timezone

from django_plugin_system.changes import announce_instances, changing
from django_plugin_system.contrib.transfer.document import VALUES, Problem, read_document
from django_plugin_system.contrib.transfer.planning import BATCH, WRITTEN, Plan, make_digest, make_plan
from django_plugin_system.exceptions import ImportRefused
from django_plugin_system.models import PluginInstance
from django_plugin_system.querysets import WRITTEN_AT_ONCE
from django_plugin_system.rows.fields import NOTES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django_plugin_system.contrib.transfer.planning import Change, Existing

_CONFLICT = "40001"
"""What PostgreSQL says, at REPEATABLE READ and above, where somebody else changed a row since the snapshot."""
ATTEMPTS = 3
"""How often a plan is made anew because somebody wrote meanwhile."""

logger = logging.getLogger(__name__)


def import_document(
    text: str, kind: str, using: str | None = None, *, existing: Existing = "fail", dry_run: bool = False
) -> Plan:
    """Write the instances of a document, all or none, and return what was done. Nothing is ever deleted.

    ``kind`` is ``json`` or ``yaml``. With ``dry_run`` nothing is written, and the plan tells the problems, too.

    :raises InvalidDocument: if ``text`` is no document.
    :raises ImportRefused: with every problem that was found; nothing was written.
    """
    alias = using or router.db_for_write(PluginInstance)
    try:
        entries, problems = read_document(text, kind)
    finally:
        del text  # it may hold secrets, which no error is to show with this frame
    for _attempt in range(ATTEMPTS):
        plan = make_plan(entries, alias, existing)
        plan.problems[:0] = problems
        if dry_run:
            return plan
        if plan.problems:
            raise ImportRefused(plan.problems)
        if _write(plan, alias):
            return plan
    raise ImportRefused([Problem("all entries", "somebody else keeps changing these instances: try again")])


def _write(plan: Plan, alias: str) -> bool:
    """Write what changes, and say whether it was still possible: nobody may have changed these rows since the plan.

    Whoever writes them at the same time waits, or makes this wait, in the order of the keys: so nobody waits in a
    circle. Nothing is validated or encrypted in here, so that it does not take long.
    """
    rows = PluginInstance.objects.using(alias)
    new = [change.row for change in plan.changes if change.action == "create"]
    changed = sorted((one for one in plan.changes if one.action == "update"), key=lambda change: change.row.pk)
    if not new and not changed:
        return True
    try:
        with transaction.atomic(using=alias), changing(alias):
            if not _lock_as_seen(changed, rows):
                return False
            _write_columns([change for change in changed if not change.in_config], rows)
            _write_configs([change for change in changed if change.in_config], alias)
            rows.bulk_create(new, BATCH)
            transaction.on_commit(partial(_log, plan), using=alias)
    except IntegrityError:  # an instance of that name was made, or its item removed
        return False
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", None) == _CONFLICT:
            return False
        raise
    return True


def _lock_as_seen(changes: Sequence[Change], rows: QuerySet[PluginInstance]) -> bool:
    """Lock the rows of ``changes``; say whether they hold what the plan was made for."""
    for start in range(0, len(changes), BATCH):
        batch = changes[start : start + BATCH]
        locked = rows.filter(pk__in=[change.row.pk for change in batch]).order_by("pk").select_for_update(no_key=True)
        found = {row.pk: make_digest(row) for row in locked.only(*WRITTEN)}
        if any(found.get(change.row.pk) != change.seen for change in batch):
            return False
    return True


def _find_columns(changes: Sequence[Change]) -> set[str]:
    """Return the plain columns in which some row changes; the other rows hold there what was seen."""
    return {difference.name for change in changes for difference in change.differences}.intersection(VALUES)


def _write_columns(changes: Sequence[Change], rows: QuerySet[PluginInstance]) -> None:
    columns = [*_find_columns(changes), "updated_at"]
    for change in changes:
        change.row.updated_at = timezone.now()
    rows.bulk_update([change.row for change in changes], columns, WRITTEN_AT_ONCE)


def _write_configs(changes: Sequence[Change], alias: str) -> None:
    """Write rows whose configuration changes, by an INSERT that always conflicts with the row that is there.

    That is eight times as fast as ``bulk_update()``, whose statement has a case for each row and column. The queryset
    is Django's own, since all that ours would do has been done: the rows are encrypted, locked, and as they were seen.
    """
    columns = [*_find_columns(changes), "config", "config_version", *NOTES, "updated_at"]
    written: QuerySet[PluginInstance] = QuerySet(PluginInstance, using=alias)
    fresh = [change.row for change in changes]
    written.bulk_create(fresh, BATCH, update_conflicts=True, unique_fields=["id"], update_fields=columns)
    announce_instances(PluginInstance, alias, [row.pk for row in fresh], columns)


def _log(plan: Plan) -> None:
    for change in plan.changes:
        if change.action in {"create", "update"}:
            names = ", ".join(difference.name for difference in change.differences)
            logger.info("pluginimport: %s %s (%s)", change.action, change.entry, names)
