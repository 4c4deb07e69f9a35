"""Try one instance after the other until one serves, and set aside for a while those that do not."""

from __future__ import annotations

import sys
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from asgiref.sync import sync_to_async

from django_plugin_system import selection
from django_plugin_system.exceptions import (
    AllPluginsFailed,
    NoPluginAvailable,
    PluginBuildError,
    PluginOutcomeUnknown,
    PluginUnavailable,
)
from django_plugin_system.selection import Request, health, make_request
from django_plugin_system.selection.outcomes import is_final, leads_on

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from typing_extensions import TypeForm

    from django_plugin_system.models import PluginInstance

T = TypeVar("T")
ErrorTypes = tuple[type[Exception], ...]

COOLDOWN = 60.0
"""Seconds for which a failed instance is set aside unless the caller says otherwise."""

LONGEST_COOLDOWN = 100 * 365 * 24 * 3600
"""Seconds; a date that every database can store."""


class Attempt(Generic[T]):
    """One try with one instance: a context manager that gives the plugin. ``instance`` is its row."""

    def __init__(self, plugin: T, instance: PluginInstance, loop: Failover[T]) -> None:
        """Offer ``plugin``, built from ``instance``, for one try."""
        self.instance = instance
        self.entered = False
        self.succeeded = False
        self._plugin = plugin
        self._loop = loop
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
        self._loop.note_failure(self.instance, error)
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
        self._request = request
        self._cooldown = cooldown
        self._retry_on: tuple[type[BaseException], ...] = (PluginUnavailable, PluginOutcomeUnknown, *retry_on)
        """``PluginOutcomeUnknown`` counts where the work is idempotent."""
        self._idempotent = idempotent
        self._tried: set[object] = set()
        self._errors: list[Exception] = []
        self._last: Attempt[T] | None = None

    def may_retry(self, error: BaseException, handled: BaseException | None) -> bool:
        """Say whether another instance may be tried after ``error``; see ``outcomes``."""
        return leads_on(error, self._retry_on) and not is_final(error, handled, idempotent=self._idempotent)

    def note_failure(self, instance: PluginInstance, error: BaseException) -> None:
        """Remember ``error``, and set the instance aside for everyone."""
        if isinstance(error, Exception):
            self._errors.append(error)
        health.record_failure(instance, error, self._cooldown)

    def __iter__(self) -> Iterator[Attempt[T]]:
        """Yield attempts until one succeeds."""
        while (attempt := self._get_next()) is not None:
            yield attempt

    async def __aiter__(self) -> AsyncIterator[Attempt[T]]:
        """Yield attempts until one succeeds, from asynchronous code: ``async for``, then ``async with``."""
        while (attempt := await sync_to_async(self._get_next)()) is not None:
            yield attempt

    def _get_next(self) -> Attempt[T] | None:
        if self._last is not None and not self._last.entered:
            message = "Enter each attempt of a failover: with attempt as plugin."
            raise RuntimeError(message)
        if self._last is not None and self._last.succeeded:
            return None
        self._last = self._find_next()
        if self._last is None:
            raise self._make_final_error()
        return self._last

    def _find_next(self) -> Attempt[T] | None:
        """Return an attempt with the best instance that was not tried yet and can be built."""
        if not self._tried:
            health.write_waiting()
        for ready in selection.iter_failover(self._request, first=not self._tried):
            if ready.instance.pk in self._tried:
                continue
            self._tried.add(ready.instance.pk)
            try:
                return Attempt(ready.build(), ready.copy_row(), self)
            except PluginBuildError as error:
                self._errors.append(error)
        return None

    def _make_final_error(self) -> Exception:
        if self._errors:
            return AllPluginsFailed(f"Every usable instance of {self._request} failed", self._errors)
        return NoPluginAvailable(str(self._request), selection.explain(self._request).candidates)


@overload
def failover(
    ref: TypeForm[T],
    /,
    *,
    name: str | None = None,
    cooldown: float = COOLDOWN,
    retry_on: type[Exception] | ErrorTypes = Exception,
    idempotent: bool = False,
    using: str | None = None,
) -> Failover[T]: ...
@overload
def failover(
    ref: str,
    manager: str,
    /,
    *,
    name: str | None = None,
    cooldown: float = COOLDOWN,
    retry_on: type[Exception] | ErrorTypes = Exception,
    idempotent: bool = False,
    using: str | None = None,
) -> Failover[Any]: ...
def failover(  # noqa: PLR0913 - what a caller may say, each by keyword
    ref: object,
    manager: str | None = None,
    /,
    *,
    name: str | None = None,
    cooldown: float = COOLDOWN,
    retry_on: type[Exception] | ErrorTypes = Exception,
    idempotent: bool = False,
    using: str | None = None,
) -> Failover[Any]:
    """Return attempts with a type's instances, best first, until one block ends without an error.

    ``for attempt in failover(AbstractSms): with attempt as sms: ...``; in asynchronous code ``async for`` and ``async
    with``. An instance whose block raises ``PluginUnavailable``, or an error of the types ``retry_on``, is set aside
    for ``cooldown`` seconds, for all processes, and the next one is tried. ``PluginRejected`` is raised at once, and
    so is ``PluginOutcomeUnknown``, unless the work is ``idempotent``: doing it twice does no harm.

    :raises TypeError: if ``retry_on`` is no exception type, nor a tuple of them, or ``cooldown`` no number.
    :raises ValueError: if ``cooldown`` is below zero, or beyond a century.
    :raises PluginTypeNotFound: (a LookupError) if nobody registered the type.
    :raises NoPluginAvailable: (a LookupError) while iterating, if no instance is usable.
    :raises AllPluginsFailed: (an ExceptionGroup) while iterating, if every instance was tried and failed.
    """
    errors = retry_on if isinstance(retry_on, tuple) else (retry_on,)
    _check_options(cooldown, errors)
    return Failover(make_request(ref, manager, name, using), cooldown, errors, idempotent=idempotent)


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


class _CallableModule(ModuleType):
    """Makes ``django_plugin_system.failover`` callable: the import system puts this module where the function was."""

    def __call__(self, *args: Any, **kwargs: Any) -> Failover[Any]:
        made: Failover[Any] = failover(*args, **kwargs)
        return made


sys.modules[__name__].__class__ = _CallableModule
