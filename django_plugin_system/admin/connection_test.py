"""The connection test of an instance: runs ``check()`` in bounded time and shows what came of it, without a secret."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import queue
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import connections
from django.http import HttpResponseRedirect, JsonResponse
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables

from django_plugin_system.config.leaks import describe
from django_plugin_system.config.references import Resolver
from django_plugin_system.exceptions import ConfigError, PluginSystemError
from django_plugin_system.plugin import build_plugin
from django_plugin_system.rows.config import collect_hidden_texts, read_config, require_declared
from django_plugin_system.rows.reasons import describe_config_error
from django_plugin_system.schema.secrets import iter_texts
from django_plugin_system.schema.values import iter_secrets
from django_plugin_system.selection.health import record_test

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from django.forms import Form
    from django.http import HttpRequest, HttpResponse
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

_places = threading.BoundedSemaphore(MOST_AT_ONCE)


@dataclass(frozen=True)
class CheckResult:
    """What came of a test; ``error`` is safe to show and to store, and empty if the test passed."""

    error: str = ""
    ran: bool = True
    """False if there was no place for it: then it says nothing about the instance."""

    @property
    def passed(self) -> bool:
        """Whether ``check()`` returned."""
        return self.ran and not self.error


def has_check(plugin_class: type | None) -> bool:
    """Say whether a class has a ``check()`` that can be called without arguments; others mean something else by it."""
    found = getattr(plugin_class, "check", None)
    if not callable(found):
        return False
    bound = isinstance(inspect.getattr_static(plugin_class, "check"), (classmethod, staticmethod))
    try:
        inspect.signature(found).bind(*([] if bound else [plugin_class]))
    except (TypeError, ValueError):
        return False
    return True


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
    answers: queue.SimpleQueue[str] = queue.SimpleQueue()
    work = contextvars.copy_context().run
    thread = threading.Thread(target=work, args=(_work, row, stored, answers.put), name="plugin-test", daemon=True)
    try:
        thread.start()
    except RuntimeError:
        _places.release()
        return CheckResult(_("The server could not start another thread. Try again later."), ran=False)
    try:
        return CheckResult(answers.get(timeout=TIME_LIMIT))
    except queue.Empty:
        return CheckResult(_("No result after %(seconds)g seconds.") % {"seconds": TIME_LIMIT})


@sensitive_variables()
def _work(row: PluginInstance, stored: PluginInstance | None, answer: Callable[[str], None]) -> None:
    """Test ``row``, and leave nothing behind before the answer is given: no connection, no place taken."""
    try:
        error = _find_error(row, stored)
    finally:
        try:
            connections.close_all()
        finally:
            _places.release()
    answer(error)


@sensitive_variables()
def _find_error(row: PluginInstance, stored: PluginInstance | None) -> str:
    used = Resolver()
    try:
        config = read_config(row, used)
        plugin_class = require_declared(row).plugin_class
    except ConfigError as error:
        return describe_config_error(error)
    try:
        plugin = build_plugin(plugin_class, config, stored)
        _wait_for(plugin.check())
    except BaseException as error:  # noqa: BLE001 - foreign code, and this thread is its own: SystemExit too
        return describe(error, find_secret_texts(config, used, row, stored))
    return ""


def _wait_for(result: Any) -> None:
    if inspect.isawaitable(result):
        asyncio.run(_finish(result))


async def _finish(result: Awaitable[object]) -> None:
    """Wait for an ``async def check()``; it is ended when nobody waits for it any more."""
    await asyncio.wait_for(result, TIME_LIMIT + GRACE)


BUTTON = "_test"
"""The name of the submit button; whatever else is posted with it, nothing is saved."""

TEST_PERMISSION = "django_plugin_system.test_plugininstance"


def is_test(request: HttpRequest) -> bool:
    """Say whether the form was sent to be tested."""
    return request.method == "POST" and BUTTON in request.POST


class TriedForm:
    """Makes a form one that is looked at only: there is never anything to save."""

    def is_valid(self) -> bool:
        """Validate, and say that it cannot be saved; ``errors`` says whether it could be."""
        super().is_valid()  # type: ignore[misc]
        return False


@sensitive_variables()
def answer_test(
    model_admin: Any, request: HttpRequest, stored: PluginInstance | None, show: Callable[[], HttpResponse]
) -> HttpResponse:
    """Test what is in the form, laid over what is ``stored``; what only may be looked at is tested as it is stored.

    ``show`` draws the page, whose form is never saved: ``TriedForm`` sees to that.
    """
    if not model_admin.has_test_permission(request, stored):
        raise PermissionDenied
    if stored is not None and not model_admin.has_change_permission(request, stored):
        page: HttpResponse = HttpResponseRedirect(request.get_full_path())
        return _answer(model_admin, request, page, *_test(model_admin, request, stored, stored, saved=True))
    page = show()
    shown = getattr(page, "context_data", {})
    form = shown["adminform"].form if "adminform" in shown else None
    if form is None or (form.errors and _wants_html(request)):
        return page  # there is no such row, or the page says what is wrong
    if form.errors:
        text = _("Nothing was tested. Please correct this first:")
        return JsonResponse({"passed": False, "message": text, "problems": list(_iter_problems(form))})
    saved = stored is not None and "config" not in form.changed_data  # a secret that was typed is never compared
    return _answer(model_admin, request, page, *_test(model_admin, request, form.instance, stored, saved=saved))


@sensitive_variables()
def _test(
    model_admin: Any, request: HttpRequest, row: PluginInstance, stored: PluginInstance | None, *, saved: bool
) -> tuple[CheckResult, str]:
    """Run the test of ``row``, which may be ``saved`` so; return what came of it, with a sentence that says so."""
    if not has_check(row.item.plugin_class):
        return CheckResult(_("This item has no test."), ran=False), _("This item has no test.")
    outcome = run_check(row, stored)
    if not outcome.ran:
        return outcome, outcome.error
    if stored is not None:
        if saved:
            record_test(stored, outcome.error)
            row.health = stored.health  # for the page
        model_admin.log_change(request, stored, _describe_for_history(outcome, saved=saved))
    result = _("The test passed.") if outcome.passed else _("The test failed: %(error)s") % {"error": outcome.error}
    unsaved = _("What is in the form was tested and is not saved yet.")
    return outcome, result if saved else f"{result} {unsaved}"


def _answer(
    model_admin: Any, request: HttpRequest, page: HttpResponse, outcome: CheckResult, text: str
) -> HttpResponse:
    """Return the result to the script of the page, or the page with the result above it."""
    if not _wants_html(request):
        return JsonResponse({"passed": outcome.passed, "message": text, "problems": []})
    model_admin.message_user(request, text, messages.SUCCESS if outcome.passed else messages.ERROR)
    return page


def _describe_for_history(outcome: CheckResult, *, saved: bool) -> str:
    if saved:
        return _("Tested: passed.") if outcome.passed else _("Tested: failed.")
    return _("Tested with unsaved changes: passed.") if outcome.passed else _("Tested with unsaved changes: failed.")


def _wants_html(request: HttpRequest) -> bool:
    """Say whether a browser posted the form; the script asks for nothing but JSON."""
    return request.accepts("text/html")


def _iter_problems(form: Form) -> Iterator[str]:
    """Yield what is wrong with the form, each with the title of its field."""
    for name, found in form.errors.items():
        field = form.fields.get(name)
        prefix = f"{capfirst(str(field.label))}: " if field is not None and name != "config" else ""
        yield from (f"{prefix}{message}" for message in found)
