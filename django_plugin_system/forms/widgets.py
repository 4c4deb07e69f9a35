"""The widgets of a configuration: django-jsonform's form, or a plain area of text."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django import forms
from django.apps import apps
from django.utils.translation import gettext as _
from django_jsonform.widgets import JSONFormWidget

if TYPE_CHECKING:
    from django_plugin_system.forms.binding import ConfigBinding


def is_jsonform_installed() -> bool:
    """Say whether generated forms can be drawn: their scripts are found only in installed apps."""
    return apps.is_installed("django_jsonform")


def get_script_texts() -> dict[str, str]:
    """Return the texts that django-jsonform's script writes in English, in the language of the request."""
    return {
        "Add item": _("Add item"),
        "Add new item": _("Add new item"),
        "Collapse": _("Collapse"),
        "Collapsed": _("Collapsed"),
        "Configuration": _("Configuration"),
        "Expand": _("Expand"),
        "Move down": _("Move down"),
        "Move up": _("Move up"),
        "Remove": _("Remove"),
        "Select...": _("Select…"),
    }


class GeneratedConfigWidget(JSONFormWidget):  # type: ignore[misc]  # it ships no types
    """A form generated from the schema. Without JavaScript, or should it crash, the form is there as JSON text."""

    template_name = "django_plugin_system/widgets/config.html"

    def __init__(self, binding: ConfigBinding) -> None:
        """Draw the form of ``binding``."""
        super().__init__(schema={})
        self.binding = binding
        self.error_map: dict[str, list[str]] = {}

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        """Add what our script needs: where secrets are typed, headings between fields, its texts in any language."""
        context: dict[str, Any] = super().get_context(name, value, attrs)
        context["widget"]["secret_paths"] = json.dumps(self.binding.get_secret_paths())
        context["widget"]["headings"] = json.dumps(self.binding.control.get_headings())
        context["widget"]["texts"] = json.dumps(get_script_texts())
        return context

    def render(self, name: str, value: Any, attrs: dict[str, Any] | None = None, renderer: Any = None) -> Any:
        """Draw the schema for the very value that is shown."""
        self.schema = self.binding.get_schema(value)
        return super().render(name, value, attrs, renderer)

    @property
    def media(self) -> forms.Media:
        """Add our own style and script, after django-jsonform's."""
        own = forms.Media(
            css={"all": ["django_jsonform/style.css", "django_plugin_system/config-form.css"]},
            js=["django_jsonform/index.js", "django_plugin_system/config-form.js"],
        )
        media: forms.Media = super().media + own
        return media


class TextConfigWidget(forms.Textarea):
    """The whole configuration as JSON text."""

    def __init__(self) -> None:
        """Make room for a configuration of usual size."""
        super().__init__(attrs={"class": "vLargeTextField", "rows": 16, "spellcheck": "false", "autocomplete": "off"})
        self.error_map: dict[str, list[str]] = {}
