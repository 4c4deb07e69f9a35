"""What a failover learns about an instance, kept in its row, so that every process knows."""

from __future__ import annotations

import datetime as dt
import logging
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError, router, transaction
from django.db.models import Q
from django.utils import timezone

from django_plugin_system.changes import note_change
from django_plugin_system.config.problems import scrub
from django_plugin_system.models import PluginInstance
from django_plugin_system.rows.config import collect_hidden_texts
from django_plugin_system.selection.lost_marks import Mark, keep, keep_until_commit, take_lost
from django_plugin_system.signals import plugin_failed, plugin_recovered

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

logger = logging.getLogger("django_plugin_system")

MAX_ERROR_LENGTH = 500
"""Characters of an error's text that are kept."""


def record_failure(instance: PluginInstance, error: BaseException, cooldown: float) -> None:
    """Set ``instance`` aside for ``cooldown`` seconds; one write, however many processes see it fail."""
    if _is_fake(instance):
        return
    until, text = timezone.now() + dt.timedelta(seconds=cooldown), describe_error(instance, error)
    instance.unavailable_until, instance.last_error = until, text
    if _write_mark(Mark(_get_alias(instance), instance.pk, until, text)):
        logger.warning("Plugin instance %s (%s) failed: %s", instance, instance.pk, instance.last_error)
        plugin_failed.send_robust(sender=PluginInstance, instance=instance, error=error)


def record_success(instance: PluginInstance) -> None:
    """Clear the mark of an earlier failure, if there is one."""
    if _is_fake(instance) or (instance.unavailable_until is None and not instance.last_error):
        return
    marked = Q(unavailable_until__isnull=False) | ~Q(last_error="")
    instance.unavailable_until, instance.last_error = None, ""
    if _write(_get_alias(instance), instance.pk, marked, {"unavailable_until": None, "last_error": ""}):
        logger.info("Plugin instance %s (%s) serves again.", instance, instance.pk)
        plugin_recovered.send_robust(sender=PluginInstance, instance=instance)


def rewrite_lost_marks(**_kwargs: Any) -> None:
    """Write what rolled-back transactions of this thread took along, as long as it still holds."""
    for mark in take_lost():
        if mark.unavailable_until > timezone.now():
            _write_mark(mark)


def _get_alias(instance: PluginInstance) -> str:
    """Return the database to write to; not where the row was read: that may be a replica."""
    return router.db_for_write(PluginInstance, instance=instance)


def _is_fake(instance: PluginInstance) -> bool:
    """Say whether a test's fake came without a row."""
    return instance._state.adding  # noqa: SLF001 - Django documents _state


def describe_error(instance: PluginInstance, error: BaseException) -> str:
    """Return the type and text of ``error``, fit to be stored and shown: no secret of ``instance``, no great length."""
    name = type(error).__name__
    try:
        text = f"{name}: {scrub(str(error), collect_hidden_texts(instance))}"
    except Exception:  # noqa: BLE001 - the config cannot be read, or a foreign __str__ raises
        return name
    storable = text.replace("\x00", "").encode(errors="replace").decode()  # no NUL, no half of a surrogate pair
    return storable[:MAX_ERROR_LENGTH]


def _write_mark(mark: Mark) -> bool:
    """Set an instance aside unless it is by now; say whether this was the call that did."""
    awake = Q(unavailable_until__isnull=True) | Q(unavailable_until__lte=timezone.now())
    values = {"unavailable_until": mark.unavailable_until, "last_error": mark.last_error}
    written = _write(mark.using, mark.pk, awake, values)
    if written is None:
        keep(mark)
    elif written:
        keep_until_commit(mark)
    return bool(written)


def _write(using: str, pk: UUID, condition: Q, values: Mapping[str, object]) -> bool | None:
    """Write ``values`` if the row still meets ``condition``; a change is noted only if it did. None: no way."""
    rows = PluginInstance.objects.using(using).filter(condition, pk=pk)
    try:
        if not rows.exists():
            return False
        with transaction.atomic(using=using):
            changed: bool = rows.update_unannounced(**values) > 0
            if changed:
                note_change(using)
            return changed
    except DatabaseError:
        logger.exception("The health of plugin instance %s could not be noted.", pk)
        return None
