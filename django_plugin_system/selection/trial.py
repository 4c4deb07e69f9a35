"""Try an instance: run its ``check()`` in bounded time, and say what came of it, without a secret."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import queue
import threading
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db import connections
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables

from django_plugin_system.config.leaks import describe, quotes
from django_plugin_system.config.references import Resolver
from django_plugin_system.exceptions import ConfigError, PluginSystemError, make_printable
from django_plugin_system.plugin import build_plugin
from django_plugin_system.rows.config import collect_hidden_texts, read_config, require_declared
from django_plugin_system.rows.reasons import describe_config_error
from django_plugin_system.schema.values import iter_secrets, iter_texts

if TYPE_CHECKING:
    from pydantic import BaseModel

    from django_plugin_system.models import PluginInstance


@sensitive_variables()
def find_secret_texts(config: BaseModel | None, used: Resolver, *rows: PluginInstance | None) -> set[str]:
    """Return every text that must not be shown: the secrets of ``config`` and of ``rows``, and what references gave."""
    found = set(iter_texts([secret for _path, secret in iter_secrets(config)]))
    for row in rows:
        with suppress(PluginSystemError):
            found |= collect_hidden_texts(row) | collect_hidden_texts(row, used) if row else set()
    return {text for text in found if text}


TIME_LIMIT = 10.0
"""Seconds that a test may take: reading the configuration, building the plugin, and its ``check()``."""

MOST_AT_ONCE = 4
"""Tests that one process runs at a time. One that hangs counts until it ends, as a thread cannot be ended."""

GRACE = 1.0
"""Seconds after which an ``async def check()`` is ended that nobody waits for any more."""

MOST_SHOWN, MOST_SEARCHED = 200, 10_000
"""Characters of what ``check()`` returns that are shown, and that are looked through for secrets."""

_places = threading.BoundedSemaphore(MOST_AT_ONCE)


@dataclass(frozen=True)
class CheckResult:
    """What came of a test; ``error`` is safe to show and to store, and empty if the test passed."""

    error: str = ""
    ran: bool = True
    """False if there was no place for it: then it says nothing about the instance."""
    answer: str = ""
    """The short text that ``check()`` returned, if it did, safe to show: an account, a balance."""

    @property
    def passed(self) -> bool:
        """Whether ``check()`` returned."""
        return self.ran and not self.error


@sensitive_variables()
def run_check(row: PluginInstance, stored: PluginInstance | None) -> CheckResult:
    """Build the plugin of ``row``, whose config need not be stored yet, and call its ``check()``.

    ``stored`` is the row as the database has it, None if it has none: the plugin gets that one as its
    ``plugin_instance``, so that nothing it does can store what is only being tested. The work is done in a thread of
    its own, and is no longer waited for after ``TIME_LIMIT`` seconds.
    """
    if not _places.acquire(blocking=False):
        text = _("%(count)d tests are running or hang, more are not started. Try again later.")
        return CheckResult(text % {"count": MOST_AT_ONCE}, ran=False)
    answers: queue.SimpleQueue[CheckResult] = queue.SimpleQueue()
    work = contextvars.copy_context().run
    thread = threading.Thread(target=work, args=(_work, row, stored, answers.put), name="plugin-test", daemon=True)
    try:
        thread.start()
    except RuntimeError:
        _places.release()
        return CheckResult(_("The server could not start another thread. Try again later."), ran=False)
    try:
        return answers.get(timeout=TIME_LIMIT)
    except queue.Empty:
        return CheckResult(_("No result after %(seconds)g seconds.") % {"seconds": TIME_LIMIT})


@sensitive_variables()
def _work(row: PluginInstance, stored: PluginInstance | None, answer: Callable[[CheckResult], None]) -> None:
    """Test ``row``, and leave nothing behind before the answer is given: no connection, no place taken."""
    with ExitStack() as stack:
        stack.callback(_places.release)
        stack.callback(connections.close_all)
        result = _try(row, stored)
    answer(result)


@sensitive_variables()
def _try(row: PluginInstance, stored: PluginInstance | None) -> CheckResult:
    used = Resolver()
    try:
        config = read_config(row, used)
        plugin_class = require_declared(row).plugin_class
    except ConfigError as error:
        return CheckResult(describe_config_error(error))
    try:
        if stored is not None and row.config_revision == stored.config_revision:
            plugin = stored.make_builder(used)()  # with its state, as nothing of the configuration is unsaved
        else:
            plugin = build_plugin(plugin_class, config, stored)
        answer = _wait_for(plugin.check())
    except BaseException as error:  # noqa: BLE001 - foreign code, and this thread is its own: SystemExit too
        return CheckResult(describe(error, find_secret_texts(config, used, row, stored)))
    if not isinstance(answer, str):
        return CheckResult()
    return CheckResult(answer=_describe_answer(answer, find_secret_texts(config, used, row, stored)))


@sensitive_variables()
def _describe_answer(answer: str, secrets: set[str]) -> str:
    """Return what ``check()`` returned, fit to be shown: in one line, of no great length, and with no secret in it."""
    text = "".join(answer)  # and not what a class of its own makes of it
    if len(text) > MOST_SEARCHED or quotes(text, secrets):
        return _("what it answered is too long, or quotes a secret, so it is withheld")
    return Truncator(make_printable(" ".join(text.split()))).chars(MOST_SHOWN)


def _wait_for(result: Any) -> Any:
    return asyncio.run(_finish(result)) if inspect.isawaitable(result) else result


async def _finish(result: Awaitable[object]) -> object:
    """Wait for an ``async def check()``; it is ended when nobody waits for it any more."""
    return await asyncio.wait_for(result, TIME_LIMIT + GRACE)
