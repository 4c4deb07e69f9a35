"""What an error of a plugin means for a failover: who is tried next, and what is noted of the instance."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from enum import Enum

from django_plugin_system.exceptions import (
    PluginCredentialsRefused,
    PluginOutcomeUnknown,
    PluginRejected,
    PluginSystemError,
    PluginUnavailable,
)

if sys.version_info >= (3, 11):  # pragma: no cover - which branch runs depends on the interpreter
    from builtins import BaseExceptionGroup
else:  # pragma: no cover - the backport is installed on Python 3.10 only
    from exceptiongroup import BaseExceptionGroup


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
    if not _is_one_of(error, (PluginUnavailable, PluginCredentialsRefused, PluginOutcomeUnknown, *retry_on)):
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
