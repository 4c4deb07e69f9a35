"""How instances fare: a circuit breaker for all processes, kept in the database and timed by its clock.

A failure puts an instance into a cooldown. Once that is over, one caller claims the instance and probes it, while all
others pass it over: the claim is a cooldown, too, so that it runs out if the prober dies.
"""

from __future__ import annotations

import datetime as dt
import os
import sys
import threading
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import replace
from enum import Enum
from math import isfinite
from time import monotonic
from typing import TYPE_CHECKING, Any

from django.db import Error, OperationalError
from django.db.models import Case, DateTimeField, F, Q, When
from django.db.models.functions import Now
from django.utils import timezone

from django_plugin_system.changes import is_in_transaction
from django_plugin_system.conf import get_settings
from django_plugin_system.config.leaks import describe
from django_plugin_system.exceptions import (
    PluginCredentialsRefused,
    PluginOutcomeUnknown,
    PluginRejected,
    PluginSystemError,
    PluginUnavailable,
)
from django_plugin_system.models import PluginHealth, PluginInstance
from django_plugin_system.rows.config import collect_hidden_texts
from django_plugin_system.selection.notes import Note, forget_waiting, is_known, logger, make_note, write, write_or_wait
from django_plugin_system.signals import plugin_failed, plugin_recovered

if sys.version_info >= (3, 11):  # pragma: no cover - which branch runs depends on the interpreter
    from builtins import BaseExceptionGroup
else:  # pragma: no cover - the backport is installed on Python 3.10 only
    from exceptiongroup import BaseExceptionGroup

if TYPE_CHECKING:
    from django_plugin_system.config.references import Resolver

COOLDOWN = 60.0
"""Seconds of the first cooldown unless the caller says otherwise."""
LONGEST_COOLDOWN = 100 * 365 * 24 * 3600.0
"""Seconds; a date that every database can store."""

_OVER = Q(unavailable_until=None) | Q(unavailable_until__lte=Now())
_UNCLAIMED = Q(claimed_until=None) | Q(claimed_until__lte=Now())

_NOT_COOLING: dict[str, Any] = {"unavailable_until": None, "claimed_until": None, "refused_revision": None}
_NOTHING_LEFT = {**_NOT_COOLING, "last_error": "", "failures": 0}
"""The health of an instance that no failure has left anything of."""


def _in(seconds: float) -> Any:
    """Return the time so many seconds from now, by the database's clock."""
    return Now() + dt.timedelta(seconds=max(0.0, seconds))


# What a plugin's error means: who is tried next, and what is noted


ErrorTypes = tuple[type[Exception], ...]


class Outcome(str, Enum):
    """What came of one attempt."""

    SERVED = "served"
    UNAVAILABLE = "unavailable"
    """The plugin said that its provider cannot serve now."""
    CREDENTIALS_REFUSED = "credentials_refused"
    FAILED = "failed"
    """Any other error after which another instance is tried: of the provider, or of the request."""
    REJECTED = "rejected"
    """The plugin said that the request is bad."""
    UNKNOWN = "unknown"
    """The plugin said that it may have happened."""
    RAISED = "raised"
    """An error that ends the failover, as it is none to try another instance after."""

    @property
    def leads_on(self) -> bool:
        """Whether another instance is tried."""
        return self in {Outcome.UNAVAILABLE, Outcome.CREDENTIALS_REFUSED, Outcome.FAILED}


Verdict = PluginUnavailable | PluginCredentialsRefused | PluginRejected | PluginOutcomeUnknown
"""What a plugin can say of a call, each an error of its own."""


def judge(
    error: BaseException | None,
    handled: BaseException | None = None,
    retry_on: tuple[type[BaseException], ...] = (Exception,),
    *,
    idempotent: bool = False,
) -> Outcome:
    """Return what ``error`` means, or that there was none.

    What a plugin said counts wherever it stands: ``error`` itself, inside of it (a task group), or before it (wrapped
    in an error of another kind, or followed by one of a ``finally``). ``handled`` is the error that the caller was
    handling when the attempt began; what was said before that is of another request.
    """
    if error is None:
        return Outcome.SERVED
    said = list(iter_verdicts(error, handled))

    def has(kind: type[PluginSystemError]) -> bool:
        return any(isinstance(verdict, kind) for verdict in said)

    if has(PluginRejected):
        return Outcome.REJECTED
    if not idempotent and has(PluginOutcomeUnknown):
        return Outcome.UNKNOWN
    if not _is_one_of(
        error,
        (PluginUnavailable, PluginCredentialsRefused, PluginOutcomeUnknown, *retry_on),
    ):
        return Outcome.RAISED
    if has(PluginCredentialsRefused):
        return Outcome.CREDENTIALS_REFUSED
    return Outcome.UNAVAILABLE if said else Outcome.FAILED


def iter_verdicts(error: BaseException, handled: BaseException | None = None) -> Iterator[Verdict]:
    """Yield what plugins said; what led to such an error does not count, as the plugin has judged it."""
    seen, waiting = {id(handled)}, [error]
    while waiting:
        found = waiting.pop()
        if id(found) in seen:
            continue
        seen.add(id(found))
        if isinstance(found, Verdict):
            yield found
        else:
            waiting += found.exceptions if isinstance(found, BaseExceptionGroup) else ()
            waiting += filter(None, [_get_origin(found)])


def _get_origin(error: BaseException) -> BaseException | None:
    """Return the error that ``error`` came of, as a traceback would show it."""
    return error.__cause__ if error.__suppress_context__ else error.__context__


def _is_one_of(error: BaseException, kinds: tuple[type[BaseException], ...]) -> bool:
    """Say whether ``error`` is one of ``kinds``, or a group of nothing else."""
    if isinstance(error, BaseExceptionGroup):
        return error.split(kinds)[1] is None
    return isinstance(error, kinds)


# What happened


def record_failure(
    instance: PluginInstance,
    error: BaseException,
    cooldown: float,
    used: Resolver | None = None,
    *,
    is_probe: bool = False,
) -> None:
    """Put ``instance``, built with what ``used`` gave, into a cooldown; of many that notice at once, one writes.

    It lasts ``cooldown`` seconds, doubled for each failure in a row before, or as long as the provider said. If the
    credentials were refused, it lasts until the configuration changes. A failed probe always counts.
    """
    if _is_fake(instance):
        return
    text, said, began = describe_error(instance, error, used), list(iter_verdicts(error)), monotonic()
    is_refused, wait = any(isinstance(one, PluginCredentialsRefused) for one in said), _find_wait(said)
    seconds = get_cooldown(cooldown, _get_loaded(instance).failures) if wait is None else wait
    refused = {**_NOT_COOLING, "refused_revision": instance.config_revision}

    def tell() -> None:
        logger.warning("Plugin instance %s (%s) failed: %s", instance, instance.pk, text)
        plugin_failed.send_robust(sender=PluginInstance, instance=instance, error=error)

    def get_values(failures: int) -> dict[str, Any]:
        passed = monotonic() - began
        end = refused if is_refused else _cool_down(cooldown, wait, failures, passed, is_probe=is_probe)
        return {**end, "last_error": text, "failures": F("failures") + 1}

    not_refused = Q(refused_revision=None) | ~Q(refused_revision=instance.config_revision)
    condition = not_refused if is_refused or is_probe else not_refused & _OVER
    may_be_early, end = wait is None and not is_refused, began + (LONGEST_COOLDOWN if is_refused else seconds)
    note = make_note(instance, condition, get_values, end=end, may_be_early=may_be_early, tell=tell)
    cooling = {"unavailable_until": timezone.now() + dt.timedelta(seconds=seconds), "refused_revision": None}
    _show(instance, **(refused if is_refused else cooling), last_error=text)
    _shorten_claim(note)
    if not is_known(note):
        write_or_wait(note)


def _cool_down(cooldown: float, wait: float | None, failures: int, passed: float, *, is_probe: bool) -> dict[str, Any]:
    """Return the columns of a cooldown that is written when so many seconds of it have ``passed``.

    After a failed probe nobody tries the instance early for ``cooldown`` seconds, and nobody ever does before the time
    that the provider has given. Else nothing is cut short: who writes late may meet the claim of the next prober.
    """
    if wait is not None:
        until = claimed = _in(wait - passed)
    else:
        until = _get_later("unavailable_until", get_cooldown(cooldown, failures) - passed)
        claimed = _get_later("claimed_until", cooldown - passed) if is_probe else None
    return {"unavailable_until": until, "claimed_until": claimed, "refused_revision": None}


def _get_later(column: str, seconds: float) -> Any:
    """Return the time so many seconds from now, or what ``column`` holds if that is later."""
    new = _in(seconds)
    return Case(When(**{f"{column}__gt": new}, then=F(column)), default=new, output_field=DateTimeField())


def _find_wait(said: Iterable[BaseException]) -> float | None:
    """Return the longest time that providers gave, in seconds; None if they gave none that is a number."""
    given = [one.retry_after for one in said if isinstance(one, PluginUnavailable)]
    waits = [wait for wait in given if isinstance(wait, (int, float)) and isfinite(wait)]
    return min(max(0.0, *waits), LONGEST_COOLDOWN) if waits else None


def get_cooldown(cooldown: float, failures: int) -> float:
    """Return the seconds of a cooldown after so many failures in a row before: each doubles it, up to the cap."""
    return min(cooldown * 2.0 ** min(failures, 50), max(cooldown, get_settings().MAX_COOLDOWN))


def is_well(instance: PluginInstance) -> bool:
    """Say whether there is nothing to clear after ``instance`` has served; nothing is read for that."""
    if _is_fake(instance):
        return True
    is_loaded, health = PluginInstance.health.is_cached(instance), _get_loaded(instance)
    return is_loaded and all(getattr(health, name) == value for name, value in _NOTHING_LEFT.items())


def record_success(instance: PluginInstance) -> None:
    """Clear what an earlier failure left, if there is anything."""
    if is_well(instance):
        return
    _show(instance, **_NOTHING_LEFT)

    def tell() -> None:
        logger.info("Plugin instance %s (%s) serves again.", instance, instance.pk)
        plugin_recovered.send_robust(sender=PluginInstance, instance=instance)

    note = make_note(instance, ~Q(**_NOTHING_LEFT), lambda _failures: _NOTHING_LEFT, tell=tell)
    _end_claim(note)
    write_or_wait(note)


def record_test(instance: PluginInstance, error: str) -> None:
    """Note what came of a test of the stored configuration: an error, or nothing. Selection does not go by it."""
    values = {"last_test_error": error, "tested_revision": instance.config_revision}
    _show(instance, **values, last_tested_at=timezone.now())
    write_or_wait(make_note(instance, Q(), lambda _failures: {**values, "last_tested_at": Now()}, matters=False))


def end_cooldown(instance: PluginInstance) -> None:
    """Let an instance be used again, as an operator says, in the operator's transaction."""
    note = make_note(instance, Q(), lambda _failures: _NOT_COOLING)
    PluginHealth.objects.using(note.using).filter(pk=instance.pk).update(**_NOT_COOLING)
    _end_claim(note)
    forget_waiting(note.key)


def _get_loaded(instance: PluginInstance) -> PluginHealth:
    """Return the health that was read with ``instance``, or a blank one: there may be no way to read it now."""
    loaded = PluginInstance.health.is_cached(instance)
    return instance.health if loaded else PluginHealth(instance=instance, item_id=instance.item_id)


def _show(instance: PluginInstance, **values: Any) -> None:
    """Let ``instance`` say of its health what is noted."""
    health = _get_loaded(instance)
    for name, value in values.items():
        setattr(health, name, value)


def show_waiting(row: PluginInstance, end: float) -> None:
    """Let ``row`` say until when it is cooling down, as only this process knows."""
    _show(row, unavailable_until=timezone.now() + dt.timedelta(seconds=end - monotonic()))


def _is_fake(instance: PluginInstance) -> bool:
    """Say whether a test's fake came without a row."""
    return instance._state.adding


def describe_error(instance: PluginInstance, error: BaseException, used: Resolver | None = None) -> str:
    """Return the type and text of ``error``, fit to be stored and shown: no secret of ``instance``, no great length."""
    try:
        secrets = collect_hidden_texts(instance) | collect_hidden_texts(instance, used)
    except Exception:  # noqa: BLE001 - what cannot be opened, for whatever reason, cannot be looked for
        return type(error).__name__
    return describe(error, secrets)


# Who may try


_claims: dict[tuple[Hashable, ...], float] = {}
"""What is claimed in this process alone, until when by its clock: while a claim is written, or where it cannot be."""
_lock = threading.Lock()
getattr(os, "register_at_fork", lambda **_options: None)(
    before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release
)


def needs_claim(instance: PluginInstance) -> bool:
    """Say whether ``instance`` has failed and not served since, so that only one caller may try it."""
    return not _is_fake(instance) and _get_loaded(instance).unavailable_until is not None


def claim(instance: PluginInstance, seconds: float) -> bool:
    """Say whether the caller may try ``instance``, which needs a claim; nobody else may for so many ``seconds``.

    While it is cooling down still, who comes first may try it early, and nobody else for that time.
    """
    is_over = Q(unavailable_until__lte=Now())
    later = Case(When(is_over, then=_in(seconds)), default=F("unavailable_until"), output_field=DateTimeField())
    values = {"unavailable_until": later, "claimed_until": _in(seconds)}
    note = make_note(instance, is_over | (Q(unavailable_until__gt=Now()) & _UNCLAIMED), lambda _failures: values)
    with _lock:
        now = monotonic()
        for key in [key for key, end in _claims.items() if end <= now]:
            del _claims[key]
        if note.key in _claims:
            return False
        _claims[note.key] = now + seconds
    tells_all = not is_in_transaction(note.using)  # whose end comes too late for a claim
    try:
        may_try = (write(note) if tells_all else note.rows.exists()) or _is_free(note)
    except OperationalError as error:  # somebody else writes just now, or SQLite's file is for reading only
        tells_all, may_try = False, "readonly" in str(error)
    except Error:  # nobody can write now: one caller of each process may try
        tells_all, may_try = False, True
    if tells_all or not may_try:
        _end_claim(note)
    return may_try


def _is_free(note: Note) -> bool:
    """Say whether the instance has served since it was read, and needs no claim any more."""
    return replace(note, condition=Q(unavailable_until=None, refused_revision=None)).rows.exists()


def release(instance: PluginInstance, *, was_over: bool) -> None:
    """Give a claim back, as nothing was learned: the next caller may try, if the cooldown ``was_over``."""
    values: dict[str, Any] = {"claimed_until": None, **({"unavailable_until": Now()} if was_over else {})}
    note = make_note(instance, Q(claimed_until__isnull=False), lambda _failures: values)
    _end_claim(note)
    if not is_in_transaction(note.using):
        try:
            write(note)
        except Error as error:
            logger.debug("A claim of %s runs out by itself: %s", instance.pk, type(error).__name__)


def _end_claim(note: Note) -> None:
    _claims.pop(note.key, None)


def _shorten_claim(note: Note) -> None:
    """Let no claim of this process outlast the cooldown that ``note`` begins."""
    with _lock:
        if note.key in _claims:
            _claims[note.key] = min(_claims[note.key], note.end)
