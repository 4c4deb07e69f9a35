"""Try one instance after the other until one serves, and put into a cooldown those that do not."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from asgiref.sync import sync_to_async

from django_plugin_system.exceptions import (
    AllPluginsFailed,
    PluginBuildError,
    PluginOutcomeUnknown,
    PluginRejected,
    PluginUnavailable,
)
from django_plugin_system.selection import health
from django_plugin_system.selection.candidates import Request, Wanted, Where, make_request
from django_plugin_system.selection.choosing import iter_failover, make_refusal

if sys.version_info >= (3, 11):  # pragma: no cover - which branch runs depends on the interpreter
    from builtins import BaseExceptionGroup
else:  # pragma: no cover - the backport is installed on Python 3.10 only
    from exceptiongroup import BaseExceptionGroup

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from types import TracebackType

    from typing_extensions import TypeForm, Unpack

    from django_plugin_system.config.references import Resolver
    from django_plugin_system.models import PluginInstance

T = TypeVar("T")
ErrorTypes = tuple[type[Exception], ...]

COOLDOWN = 60.0
"""Seconds of a cooldown unless the caller says otherwise."""

LONGEST_COOLDOWN = 100 * 365 * 24 * 3600
"""Seconds; a date that every database can store."""


class Attempt(Generic[T]):
    """One try with one instance: a context manager that gives the plugin. ``instance`` is its row."""

    def __init__(self, plugin: T, instance: PluginInstance, loop: Failover[T], used: Resolver) -> None:
        """Offer ``plugin``, built from ``instance`` with the references that it ``used``, for one try."""
        self.instance = instance
        self.entered = False
        self.succeeded = False
        self.error: BaseException | None = None
        """What the plugin raised, if another instance may be tried."""
        self._plugin = plugin
        self._loop = loop
        self._used = used
        self._handled: BaseException | None = None

    def __enter__(self) -> T:
        """Return the plugin."""
        self.entered = True
        self._handled = sys.exc_info()[1]
        return self._plugin

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        """Note the outcome. True, so that the loop goes on, if the next instance may be tried."""
        if error is None:
            self.succeeded = True
            health.record_success(self.instance)
            return False
        if not self._loop.may_retry(error, self._handled):
            return False
        self.error = error
        health.record_failure(self.instance, error, self._loop.cooldown, self._used)
        return True

    async def __aenter__(self) -> T:
        """Return the plugin."""
        return self.__enter__()

    async def __aexit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        """Note the outcome, from asynchronous code."""
        return await sync_to_async(self.__exit__)(error_type, error, traceback)


class Failover(Generic[T]):
    """The attempts of one call, best instance first; made by ``failover()``, used once."""

    def __init__(self, request: Request, cooldown: float, retry_on: ErrorTypes, *, idempotent: bool) -> None:
        """Keep what was asked for; nothing is read before the first attempt."""
        self.cooldown = cooldown
        self._request = request
        self._retry_on: tuple[type[BaseException], ...] = (PluginUnavailable, PluginOutcomeUnknown, *retry_on)
        """``PluginOutcomeUnknown`` counts where the work is idempotent."""
        self._final = PluginRejected if idempotent else (PluginRejected, PluginOutcomeUnknown)
        self._attempts = self._try_in_order()

    def may_retry(self, error: BaseException, handled: BaseException | None) -> bool:
        """Say whether another instance may be tried after ``error``.

        It may not if a plugin said that the request is bad, or may have been served: with ``error`` itself, inside of
        it (a task group), or before it (wrapped in an error of another kind, or followed by one of a ``finally``).
        ``handled`` is the error that the caller was handling when the attempt began; what was said before that is of
        another request.
        """
        final = any(isinstance(verdict, self._final) for verdict in _iter_verdicts(error, handled))
        return not final and _leads_on(error, self._retry_on)

    def __iter__(self) -> Iterator[Attempt[T]]:
        """Yield attempts until one succeeds."""
        return self._attempts

    async def __aiter__(self) -> AsyncIterator[Attempt[T]]:
        """Yield attempts until one succeeds, from asynchronous code: ``async for``, then ``async with``."""
        while (attempt := await sync_to_async(lambda: next(self._attempts, None))()) is not None:
            yield attempt

    def _try_in_order(self) -> Iterator[Attempt[T]]:
        health.write_waiting()
        errors: list[Exception] = []
        for ready in iter_failover(self._request):
            try:
                attempt = Attempt(ready.build(), ready.copy_row(), self, ready.used)
            except PluginBuildError as error:
                errors.append(error)
                continue
            yield attempt
            if not attempt.entered:
                message = "Enter each attempt of a failover: with attempt as plugin."
                raise RuntimeError(message)
            if attempt.succeeded:
                return
            if isinstance(attempt.error, Exception):
                errors.append(attempt.error)
        if errors:
            raise AllPluginsFailed(f"Every usable instance of {self._request} failed", errors)
        raise make_refusal(self._request)


Verdict = PluginUnavailable | PluginRejected | PluginOutcomeUnknown
"""What a plugin can say of a call, each an error of its own."""


def _iter_verdicts(error: BaseException, handled: BaseException | None) -> Iterator[Verdict]:
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


def _leads_on(error: BaseException, retry_on: tuple[type[BaseException], ...]) -> bool:
    """Say whether ``error`` is one of ``retry_on``, or a group of nothing else."""
    if isinstance(error, BaseExceptionGroup):
        return error.split(retry_on)[1] is None
    return isinstance(error, retry_on)


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
    cooldown: float = COOLDOWN,
    retry_on: type[Exception] | ErrorTypes = Exception,
    idempotent: bool = False,
    **where: Unpack[Where],
) -> Failover[Any]:
    """Return attempts with a type's instances, best first, until one block ends without an error.

    ``for attempt in failover(AbstractSms): with attempt as sms: ...``; in asynchronous code ``async for`` and ``async
    with``. An instance whose block raises ``PluginUnavailable``, or an error of the types ``retry_on``, is put into a
    cooldown of ``cooldown`` seconds, for all processes, and the next one is tried. ``PluginRejected`` is raised at
    once, and so is ``PluginOutcomeUnknown``, unless the work is ``idempotent``: doing it twice does no harm.

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
        message = f"retry_on takes an exception type, or a tuple of them, not {errors!r}."
        raise TypeError(message)
    if not isinstance(cooldown, (int, float)):
        message = f"cooldown takes a number of seconds, not {cooldown!r}."
        raise TypeError(message)
    if not 0 <= cooldown <= LONGEST_COOLDOWN:
        message = (
            f"cooldown takes a number of seconds from 0 to a century, not {cooldown}. To last, disable the instance."
        )
        raise ValueError(message)
