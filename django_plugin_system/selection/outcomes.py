"""What the error of a failed attempt says of the request: whether it may be given to the next provider."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from django_plugin_system.exceptions import PluginOutcomeUnknown, PluginRejected, PluginUnavailable

if sys.version_info >= (3, 11):  # pragma: no cover - which branch runs depends on the interpreter
    from builtins import BaseExceptionGroup
else:  # pragma: no cover - the backport is installed on Python 3.10 only
    from exceptiongroup import BaseExceptionGroup

if TYPE_CHECKING:
    from collections.abc import Iterator

Word = PluginUnavailable | PluginRejected | PluginOutcomeUnknown
"""What a plugin can say, each an error of its own."""


def is_final(error: BaseException, handled: BaseException | None, *, idempotent: bool) -> bool:
    """Say whether ``error`` forbids to try another provider.

    It does if a plugin said so: with ``error`` itself, inside of it (a task group), or before it (wrapped in an error
    of another kind, or followed by one of a ``finally``). ``handled`` is the error that the caller was handling when
    the attempt began; what was said before that is of another request.
    """
    final = PluginRejected if idempotent else (PluginRejected, PluginOutcomeUnknown)
    return any(isinstance(word, final) for word in _iter_words(error, handled))


def leads_on(error: BaseException, retry_on: tuple[type[BaseException], ...]) -> bool:
    """Say whether ``error`` is one of ``retry_on``, or a group of nothing else."""
    if isinstance(error, BaseExceptionGroup):
        return error.split(retry_on)[1] is None
    return isinstance(error, retry_on)


def _iter_words(error: BaseException, handled: BaseException | None) -> Iterator[Word]:
    """Yield what plugins said; what led to such a word does not count, as the plugin has judged it."""
    seen, waiting = {id(handled)}, [error]
    while waiting:
        found = waiting.pop()
        if id(found) in seen:
            continue
        seen.add(id(found))
        if isinstance(found, Word):
            yield found
        else:
            waiting += found.exceptions if isinstance(found, BaseExceptionGroup) else ()
            waiting += filter(None, [_get_origin(found)])


def _get_origin(error: BaseException) -> BaseException | None:
    """Return the error that ``error`` came of, as a traceback would show it."""
    return error.__cause__ if error.__suppress_context__ else error.__context__
