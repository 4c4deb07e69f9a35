"""The test of an instance on its page: who may run it, on what, and where the result goes. It never saves the form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import HttpResponseRedirect, JsonResponse
from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables

from django_plugin_system.admin.connection_test import Outcome, has_check, run_check
from django_plugin_system.models import PluginInstance
from django_plugin_system.rows.config import says_the_same

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.http import HttpRequest, HttpResponse

    from django_plugin_system.models import PluginItem

    ModelAdmin = admin.ModelAdmin[Any]
else:
    ModelAdmin = admin.ModelAdmin  # not subscriptable at run time

BUTTON = "_test"
"""The name of the submit button; whatever else is posted with it, nothing is saved."""

PERMISSION = "django_plugin_system.test_plugininstance"
_SCRIPT = forms.Media(js=["django_plugin_system/connection-test.js"])


def is_test(request: HttpRequest) -> bool:
    """Say whether the form was sent to be tested."""
    return request.method == "POST" and BUTTON in request.POST


class TriedForm:
    """Makes a form one that is looked at only: there is never anything to save."""

    def is_valid(self) -> bool:
        """Validate, and say that it cannot be saved; ``errors`` says whether it could be."""
        super().is_valid()  # type: ignore[misc]
        return False


class ConnectionTests(ModelAdmin):
    """Adds the button that runs ``check()`` with the stored configuration and what is typed over it."""

    def has_test_permission(self, request: HttpRequest, obj: PluginInstance | None = None) -> bool:
        """Say whether the user may run a test: it has a permission of its own, on what the user may view."""
        return request.user.has_perm(PERMISSION) and self.has_view_permission(request, obj)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:  # noqa: FBT001, FBT002 - Django's signature
        """Return the form class; for a test one that is never saved."""
        made: Any = super().get_form(request, obj, change=change, **kwargs)
        return type(made)(made.__name__, (TriedForm, made), {}) if is_test(request) else made

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        """Offer the test where there is one, to those who may run it."""
        row: PluginInstance | None = kwargs.get("obj")
        item: PluginItem | None = row.item if row else getattr(request, "plugin_item", None)
        if item and has_check(item.plugin_class) and self.has_test_permission(request, row):
            context["test_button"] = BUTTON
            context["media"] += _SCRIPT
        return super().render_change_form(request, context, *args, **kwargs)

    @sensitive_variables()
    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show, save or test one instance."""
        if not is_test(request):
            return super().changeform_view(request, object_id, form_url, extra_context)
        stored = self.get_object(request, unquote(object_id)) if object_id else None
        if not self.has_test_permission(request, stored):
            raise PermissionDenied
        if stored is not None and not self.has_change_permission(request, stored):
            return self._test_stored(request, stored)
        page = super().changeform_view(request, object_id, form_url, extra_context)
        shown = getattr(page, "context_data", {})
        form = shown["adminform"].form if "adminform" in shown else None
        if form is None or (form.errors and _wants_html(request)):
            return page  # there is no such row, or the page says what is wrong
        if form.errors:
            text = _("Nothing was tested. Please correct this first:")
            return JsonResponse({"passed": False, "message": text, "problems": list(_iter_problems(form))})
        return self._answer(request, page, *self._test(request, form.instance, stored))

    def _test_stored(self, request: HttpRequest, stored: PluginInstance) -> HttpResponse:
        """Test what is stored for a user who may not change it; whatever was posted does not count."""
        page = HttpResponseRedirect(request.get_full_path())
        return self._answer(request, page, *self._test(request, stored, stored))

    @sensitive_variables()
    def _test(self, request: HttpRequest, row: PluginInstance, stored: PluginInstance | None) -> tuple[Outcome, str]:
        """Run the test; return what came of it, with a sentence that says so."""
        if not has_check(row.item.plugin_class):
            return Outcome(_("This item has no test."), ran=False), _("This item has no test.")
        outcome = run_check(row, stored)
        if not outcome.ran:
            return outcome, outcome.error
        saved = stored is not None and says_the_same(row, row.config, stored.config)
        if stored is not None:
            if saved:
                keep_result(stored, outcome)
                row.last_tested_at, row.last_test_error = stored.last_tested_at, stored.last_test_error  # for the page
            self.log_change(request, stored, _describe_for_history(outcome, saved=saved))
        result = _("The test passed.") if outcome.passed else _("The test failed: %(error)s") % {"error": outcome.error}
        unsaved = _("What is in the form was tested and is not saved yet.")
        return outcome, result if saved else f"{result} {unsaved}"

    def _answer(self, request: HttpRequest, page: HttpResponse, outcome: Outcome, text: str) -> HttpResponse:
        """Return the result to the script of the page, or the page with the result above it."""
        if not _wants_html(request):
            return JsonResponse({"passed": outcome.passed, "message": text, "problems": []})
        self.message_user(request, text, messages.SUCCESS if outcome.passed else messages.ERROR)
        return page


def keep_result(row: PluginInstance, outcome: Outcome) -> None:
    """Note the result in the row, unless its configuration was changed meanwhile.

    Selection does not depend on it, so no change is announced, and ``updated_at`` stays.
    """
    row.last_tested_at, row.last_test_error = timezone.now(), outcome.error
    rows = PluginInstance.objects.filter(pk=row.pk, config=row.config)
    rows.update_unannounced(last_tested_at=row.last_tested_at, last_test_error=row.last_test_error)


def _describe_for_history(outcome: Outcome, *, saved: bool) -> str:
    if saved:
        return _("Tested: passed.") if outcome.passed else _("Tested: failed.")
    return _("Tested with unsaved changes: passed.") if outcome.passed else _("Tested with unsaved changes: failed.")


def _wants_html(request: HttpRequest) -> bool:
    """Say whether a browser posted the form; the script asks for nothing but JSON."""
    return request.accepts("text/html")


def _iter_problems(form: forms.Form) -> Iterator[str]:
    """Yield what is wrong with the form, each with the title of its field."""
    for name, found in form.errors.items():
        field = form.fields.get(name)
        prefix = f"{capfirst(str(field.label))}: " if field is not None and name != "config" else ""
        yield from (f"{prefix}{message}" for message in found)
