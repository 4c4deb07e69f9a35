"""Try one instance after the other until one serves, and put into a cooldown those that do not."""

from __future__ import annotations

import copy
import sys
from collections.abc import AsyncIterator, Iterator
from time import perf_counter
from types import TracebackType
from typing import Any, Generic, TypeVar, overload

from asgiref.sync import sync_to_async
from django.utils.functional import cached_property
from typing_extensions import TypeForm, Unpack

from django_plugin_system.exceptions import AllPluginsFailed, PluginBuildError
from django_plugin_system.models import PluginInstance
from django_plugin_system.plugin import ConfigurablePlugin, find_row
from django_plugin_system.selection import health
from django_plugin_system.selection.candidates import Ready, Request, Wanted, Where, make_request
from django_plugin_system.selection.choosing import iter_choice, iter_ready, make_refusal
from django_plugin_system.selection.health import ErrorTypes, Outcome, judge
from django_plugin_system.selection.notes import write_waiting
from django_plugin_system.selection.search import iter_cooling
from django_plugin_system.signals import PluginAttempt, plugin_attempted

T = TypeVar("T")


class Attempt(Generic[T]):
    """One try with one instance: a context manager that gives the plugin. ``instance`` is its row."""

    def __init__(self, plugin: T, ready: Ready, loop: Failover[T], *, is_early: bool) -> None:
        """Offer ``plugin``, built of what is ``ready``, for one try; ``is_early``: before its cooldown is over."""
        self.ready = ready
        self.entered = False
        self.outcome: Outcome | None = None
        self.error: BaseException | None = None
        self.is_probe = health.needs_claim(ready.instance)
        self.is_early = is_early
        self._plugin = plugin
        self._loop = loop
        self._handled: BaseException | None = None
        self._began = 0.0

    @cached_property
    def instance(self) -> PluginInstance:
        """The row, a copy that the caller may change; made when it is asked for, as most calls do not."""
        return copy.deepcopy(self.ready.instance)

    def __enter__(self) -> T:
        """Return the plugin."""
        self.entered = True
        self._handled = sys.exc_info()[1]
        self._began = perf_counter()
        return self._plugin

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        """Note the outcome. True, so that the loop goes on, if the next instance may be tried."""
        seconds = perf_counter() - self._began
        loop = self._loop
        outcome = judge(error, self._handled, loop.retry_on, idempotent=loop.idempotent)
        self.error, self.outcome = error, outcome
        if plugin_attempted.receivers:
            _tell(self.instance, loop.request, outcome, error, seconds)
        loop.settle(self, outcome, error)
        return outcome.leads_on

    async def __aenter__(self) -> T:
        """Return the plugin."""
        return self.__enter__()

    async def __aexit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        """Note the outcome, from asynchronous code."""
        return await sync_to_async(self.__exit__)(error_type, error, traceback)

    def count(self, error: BaseException) -> None:
        """Let ``error`` count against the instance."""
        health.record_failure(self.instance, error, self._loop.cooldown, self.ready.used, is_probe=self.is_probe)

    def release(self) -> None:
        """Let others try the instance, as nothing was learned of it."""
        if self.is_probe:
            health.release(self.instance, was_over=not self.is_early)


class Failover(Generic[T]):
    """The attempts of one call, best instance first; made by ``failover()``, used once."""

    def __init__(self, request: Request, cooldown: float, retry_on: ErrorTypes, *, idempotent: bool) -> None:
        """Keep what was asked for; nothing is read before the first attempt."""
        self.request = request
        self.cooldown = cooldown
        self.retry_on = retry_on
        self.idempotent = idempotent
        self._failed: list[tuple[Attempt[T], BaseException]] = []
        """Failures that count against their instances once another one has served the same request."""
        self._attempts = self._try_in_order()

    def settle(self, attempt: Attempt[T], outcome: Outcome, error: BaseException | None) -> None:
        """Note of the instances what is known after an attempt."""
        if error is None:
            if not health.is_well(attempt.ready.instance):
                health.record_success(attempt.instance)
            for failed, its_error in self._failed:
                failed.count(its_error)
        elif outcome is Outcome.FAILED:
            self._failed.append((attempt, error))
        elif outcome.leads_on:
            attempt.count(error)
        else:
            attempt.release()
            self._release()

    def _release(self) -> None:
        for failed, _error in self._failed:
            failed.release()

    def __iter__(self) -> Iterator[Attempt[T]]:
        """Yield attempts until one succeeds."""
        return self._attempts

    async def __aiter__(self) -> AsyncIterator[Attempt[T]]:
        """Yield attempts until one succeeds, from asynchronous code: ``async for``, then ``async with``."""
        while (attempt := await sync_to_async(lambda: next(self._attempts, None))()) is not None:
            yield attempt

    def _try_in_order(self) -> Iterator[Attempt[T]]:
        write_waiting()
        errors: list[BaseException] = []
        for ready, is_early in self._iter_ready(errors):
            try:
                attempt = Attempt(ready.build(), ready, self, is_early=is_early)
            except PluginBuildError as error:
                errors.append(error)
                continue
            if attempt.is_probe and not health.claim(attempt.instance, self.cooldown):
                continue  # it is for somebody else to try
            yield attempt
            if not attempt.entered:
                raise RuntimeError("Enter each attempt of a failover: with attempt as plugin.")
            if attempt.outcome is Outcome.SERVED:
                return
            errors += filter(None, [attempt.error])
        self._release()
        if failures := [error for error in errors if isinstance(error, Exception)]:
            raise AllPluginsFailed(f"Every usable instance of {self.request} failed", failures)
        raise make_refusal(self.request)

    def _iter_ready(self, errors: list[BaseException]) -> Iterator[tuple[Ready, bool]]:
        """Yield what is usable; or else, while nothing was tried, what is cooling down, which is tried early then."""
        for usable in iter_choice(self.request, goes_on=True):
            yield usable, False
        cooling = iter_ready(iter_cooling(self.request))
        while not errors and (first := next(cooling, None)) is not None:
            yield first, True


def _tell(
    instance: PluginInstance,
    asked: Request | None,
    outcome: Outcome,
    error: BaseException | None = None,
    seconds: float | None = None,
) -> None:
    """Tell listeners, if there are any, what came of an attempt; a report says nothing of what was ``asked`` for."""
    if plugin_attempted.receivers:
        kind = None if error is None else type(error)
        plugin_type = asked.spec.name if asked else instance.item.plugin_type.name
        name, scope = (asked.name, asked.scope) if asked else (None, None)
        attempt = PluginAttempt(instance, plugin_type, name, scope, outcome.value, seconds, kind)
        plugin_attempted.send_robust(sender=PluginInstance, attempt=attempt)


def report_failure(plugin: object, error: BaseException, *, cooldown: float = health.COOLDOWN) -> None:
    """Say that a ``plugin``, as ``get_plugin`` returned it, failed with ``error``: its instance cools down for it.

    That is noted as a failover notes it, and at once: the caller says that it is the provider's failure. What a plugin
    says of the request alone, ``PluginRejected`` or ``PluginOutcomeUnknown``, counts against nobody. An instance's row
    may be given in the place of a plugin; of an object that belongs to none, as a test's fake, nothing is noted.

    :raises TypeError, ValueError: if ``cooldown`` is no number of seconds from 0 to a century.
    """
    _check_options(cooldown, ())
    row, outcome = _find_row(plugin), judge(error)
    if row is not None:
        _tell(row, None, outcome, error)
        if outcome.leads_on:
            used = plugin._origin.used if isinstance(plugin, ConfigurablePlugin) else None  # noqa: SLF001 - ours
            health.record_failure(row, error, cooldown, used)


def report_success(plugin: object) -> None:
    """Say that a ``plugin``, as ``get_plugin`` returned it, served: what an earlier failure left is cleared."""
    row = _find_row(plugin)
    if row is not None:
        _tell(row, None, Outcome.SERVED)
        health.record_success(row)


def _find_row(plugin: object) -> PluginInstance | None:
    return plugin if isinstance(plugin, PluginInstance) else find_row(plugin)


async def areport_failure(plugin: object, error: BaseException, *, cooldown: float = health.COOLDOWN) -> None:
    """Do what ``report_failure`` does, from asynchronous code."""
    await sync_to_async(report_failure)(plugin, error, cooldown=cooldown)


async def areport_success(plugin: object) -> None:
    """Do what ``report_success`` does, from asynchronous code."""
    await sync_to_async(report_success)(plugin)


class Options(Wanted, total=False):
    """What a caller of ``failover()`` may say, each by keyword."""

    cooldown: float
    retry_on: type[Exception] | ErrorTypes
    idempotent: bool


@overload
def failover(ref: TypeForm[T], /, **options: Unpack[Options]) -> Failover[T]: ...
@overload
def failover(ref: str, manager: str, /, **options: Unpack[Options]) -> Failover[Any]: ...
def failover(
    ref: object,
    manager: str | None = None,
    /,
    *,
    name: str | None = None,
    cooldown: float = health.COOLDOWN,
    retry_on: type[Exception] | ErrorTypes = Exception,
    idempotent: bool = False,
    **where: Unpack[Where],
) -> Failover[Any]:
    """Return attempts with a type's instances, best first, until one block ends without an error.

    ``for attempt in failover(AbstractSms): with attempt as sms: ...``; in asynchronous code ``async for`` and ``async
    with``. After ``PluginUnavailable``, or an error of the types ``retry_on``, the next instance is tried. The former
    puts the instance into a cooldown at once, for all processes; any other error does once another instance has served
    the same request. A cooldown lasts ``cooldown`` seconds, twice as long after each further failure, or as long as
    the error says. ``PluginRejected`` is raised at once, and so is ``PluginOutcomeUnknown``, unless the work is
    ``idempotent``: doing it twice does no harm.

    :raises TypeError: if ``retry_on`` is no exception type, nor a tuple of them, or ``cooldown`` no number.
    :raises ValueError: if ``cooldown`` is below zero, or beyond a century.
    :raises PluginTypeNotFound: (a LookupError) if nobody registered the type.
    :raises NoPluginAvailable: (a LookupError) while iterating, if no instance is usable.
    :raises AllPluginsFailed: (an ExceptionGroup) while iterating, if every instance was tried and failed.
    """
    errors = retry_on if isinstance(retry_on, tuple) else (retry_on,)
    _check_options(cooldown, errors)
    return Failover(make_request(ref, manager, name, **where), cooldown, errors, idempotent=idempotent)


def _check_options(cooldown: object, errors: tuple[object, ...]) -> None:
    """Refuse now what would hide the provider's error when it fails."""
    if not all(isinstance(error, type) and issubclass(error, BaseException) for error in errors):
        raise TypeError(f"retry_on takes an exception type, or a tuple of them, not {errors!r}.")
    if not isinstance(cooldown, (int, float)):
        raise TypeError(f"cooldown takes a number of seconds, not {cooldown!r}.")
    if not 0 <= cooldown <= health.LONGEST_COOLDOWN:
        raise ValueError(
            f"cooldown takes a number of seconds from 0 to a century, not {cooldown}. To last, disable the instance."
        )
