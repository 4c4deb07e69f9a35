"""Import a document: check and prepare all of it, then write all of it, in one short transaction."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from django.db import IntegrityError, OperationalError, router, transaction
from django.utils import timezone

from django_plugin_system.changes import changing
from django_plugin_system.contrib.transfer.document import VALUES, Problem, read_document
from django_plugin_system.contrib.transfer.planning import BATCH, Plan, make_plan
from django_plugin_system.exceptions import ImportRefused
from django_plugin_system.models import PluginInstance
from django_plugin_system.querysets import WRITTEN_AT_ONCE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django_plugin_system.contrib.transfer.planning import Existing

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
    new = plan.pick("create")
    changed = plan.pick("update")
    if not new and not changed:
        return True
    try:
        with transaction.atomic(using=alias), changing(alias):
            if not _is_as_seen([change.row for change in changed], alias):
                return False
            for in_config in (False, True):  # a configuration that stays may be one that cannot be written
                part = [change for change in changed if change.in_config is in_config]
                columns = {difference.name for change in part for difference in change.differences}.intersection(VALUES)
                for change in part:
                    change.row.updated_at = timezone.now()
                columns |= {"updated_at", "config"} if in_config else {"updated_at"}
                rows.bulk_update([change.row for change in part], columns, WRITTEN_AT_ONCE)
            rows.bulk_create([change.row for change in new], BATCH)
            transaction.on_commit(partial(_log, plan), using=alias)
    except IntegrityError:  # an instance of that name was made, or its item removed
        return False
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", None) == _CONFLICT:
            return False
        raise
    return True


def _is_as_seen(rows: Sequence[PluginInstance], alias: str) -> bool:
    """Lock ``rows``, and say whether the database still has what they were read with."""
    for start in range(0, len(rows), BATCH):
        seen = {row.pk: row.loaded.settle().values for row in rows[start : start + BATCH]}
        found = PluginInstance.objects.using(alias).filter(pk__in=seen).order_by("pk")
        if {row.pk: row.loaded.values for row in found.select_for_update(no_key=True)} != seen:
            return False
    return True


def _log(plan: Plan) -> None:
    for change in (*plan.pick("update"), *plan.pick("create")):
        names = ", ".join(difference.name for difference in change.differences)
        logger.info("pluginimport: %s %s (%s)", change.action, change.entry, names)
