"""The connection test of an instance: tries what is in the form, and shows what came of it, without a secret."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from time import monotonic
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_variables

from django_plugin_system.plugin import has_check
from django_plugin_system.selection.health import record_test
from django_plugin_system.selection.trial import CheckResult, run_check

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.forms import Form

    from django_plugin_system.models import PluginInstance

BUTTON = "_test"
"""The name of the submit button; whatever else is posted with it, nothing is saved."""

AND_TEST = "test"
"""What the button that saves and goes on says if a test is to follow."""

PATIENCE = 20.0
"""Seconds after which no further test of many is started."""

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
    result = _describe_result(outcome)
    unsaved = _("What is in the form was tested and is not saved yet.")
    end = "" if result.endswith(".") else "."  # a provider's error may end without
    return outcome, result if saved else f"{result}{end} {unsaved}"


def _describe_result(outcome: CheckResult) -> str:
    if not outcome.passed:
        return _("The test failed: %(error)s") % {"error": outcome.error}
    return _("The test passed: %(answer)s.") % {"answer": outcome.answer} if outcome.answer else _("The test passed.")


def test_stored(model_admin: Any, request: HttpRequest, row: PluginInstance) -> None:
    """Test ``row`` as it is stored, and say what came of it."""
    outcome, text = _test(model_admin, request, row, row, saved=True)
    level = messages.SUCCESS if outcome.passed else messages.ERROR
    model_admin.message_user(request, f"{row}: {text}", level)


@admin.action(permissions=["test"], description=gettext_lazy("Test selected %(verbose_name_plural)s"))
def test_selected(model_admin: Any, request: HttpRequest, queryset: QuerySet[PluginInstance]) -> None:
    """Test each row as it is stored, one after the other, as long as an operator waits."""
    rows, start = list(queryset), monotonic()
    for number, row in enumerate(rows):
        if monotonic() - start > PATIENCE:
            text = _("%(count)d were not tested, as it took too long: select them again.")
            model_admin.message_user(request, text % {"count": len(rows) - number}, messages.WARNING)
            return
        if model_admin.has_test_permission(request, row):
            test_stored(model_admin, request, row)
        else:
            model_admin.message_user(request, _("You may not test %(name)s.") % {"name": row}, messages.ERROR)


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
