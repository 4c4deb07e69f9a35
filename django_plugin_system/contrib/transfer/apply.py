"""Import a document: check all of it, then write all of it, in one transaction in which nobody else writes."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from django.db import router, transaction
from django.views.decorators.debug import sensitive_variables

from django_plugin_system.changes import changing
from django_plugin_system.contrib.transfer.document import read_document
from django_plugin_system.contrib.transfer.planning import Plan, make_plan
from django_plugin_system.exceptions import ImportRefused
from django_plugin_system.models import PluginInstance

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django_plugin_system.contrib.transfer.document import Entry
    from django_plugin_system.contrib.transfer.planning import Change, Existing

logger = logging.getLogger(__name__)


@sensitive_variables()
def import_document(
    text: str, kind: str, using: str | None = None, *, existing: Existing = "fail", dry_run: bool = False
) -> Plan:
    """Write the instances of a document, all or none, and return what was done. Nothing is ever deleted.

    ``kind`` is ``json`` or ``yaml``. With ``dry_run`` nothing is written, and the plan tells the problems, too.

    :raises InvalidDocument: if ``text`` is no document.
    :raises ImportRefused: with every problem that was found; nothing was written.
    """
    alias = using or router.db_for_write(PluginInstance)
    entries, problems = read_document(text, kind)
    plan = make_plan(entries, alias, existing) if dry_run or problems else _carry_out(entries, alias, existing)
    plan.problems[:0] = problems
    if plan.problems and not dry_run:
        raise ImportRefused(plan.problems)
    return plan


@sensitive_variables()
def _carry_out(entries: Sequence[Entry], alias: str, existing: Existing) -> Plan:
    with changing(alias):  # from here on no other writer can come between the look and the write
        plan = make_plan(entries, alias, existing, lock=True)
        if not plan.problems:
            for change in plan.changes:
                _write(change, alias)
            transaction.on_commit(partial(_log, plan), using=alias)
    return plan


def _write(change: Change, alias: str) -> None:
    if change.action == "create":
        change.row.save(force_insert=True, using=alias)
    elif change.action == "update":
        change.row.save(update_fields=[*change.columns, "updated_at"], using=alias)


def _log(plan: Plan) -> None:
    for change in plan.changes:
        if change.action in {"create", "update"}:
            names = ", ".join(difference.name for difference in change.differences)
            logger.info("pluginimport: %s %s (%s)", change.action, change.entry, names)
