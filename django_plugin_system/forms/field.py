"""What Django sees of a configuration: a form field, drawn by django-jsonform or as a plain area of text."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.apps import apps
from django.core.exceptions import ValidationError
from django.http import HttpRequest, QueryDict
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django_jsonform.widgets import JSONFormWidget

from django_plugin_system.conf import get_settings
from django_plugin_system.config.backends import ENV, FILE, Unavailable
from django_plugin_system.config.references import Reference, Resolver, is_listed
from django_plugin_system.config.validation import MOST_PROBLEMS
from django_plugin_system.forms.controls import JOIN, escape_surrogates
from django_plugin_system.forms.messages import localize

if TYPE_CHECKING:
    from django_plugin_system.exceptions import FieldProblem
    from django_plugin_system.forms.binding import ConfigBinding, Submission

MOST_NAMES = 100
"""Names of one kind that are offered; others that are allowed can be typed."""


def list_sources() -> list[dict[str, Any]]:
    """Return each kind of reference that the settings allow: its title, what is allowed, the names there are now.

    A name says whether it gives a value, never which; of a store, which would have to be asked, it says nothing.
    """
    settings, resolver = get_settings(), Resolver()
    known = {*settings.ENV_REFERENCES, *os.environ}
    variables = sorted(name for name in known if is_listed(name) and not name.endswith("*"))
    paths = chain.from_iterable(sorted(Path(folder).glob("*")) for folder in settings.FILE_REFERENCES)

    kinds: list[tuple[str, str, Sequence[str], Iterable[str]]] = [
        (ENV, _("Environment variable"), settings.ENV_REFERENCES, variables),
        (FILE, _("File"), settings.FILE_REFERENCES, map(str, filter(Path.is_file, paths))),
    ]
    for store, options in settings.REFERENCES.items():
        names = [name for name in options["ALLOW"] if "*" not in name]
        kinds.append((f"${store}", _("Store: %s") % store, options["ALLOW"], names))

    def offer(kind: str, name: str) -> dict[str, Any]:
        works = None
        if kind in {ENV, FILE}:
            works = not isinstance(resolver.get(Reference(kind, name)), Unavailable)
        return {"name": name, "works": works}

    return [
        {
            "kind": kind,
            "title": title,
            "allowed": ", ".join(allowed),
            "names": [offer(kind, name) for name in islice(names, MOST_NAMES)],
        }
        for kind, title, allowed, names in kinds
        if allowed
    ]


HIDDEN = "********"
"""What error reporters see of a configuration that was posted."""


class ConfigFormField(forms.Field):
    """The configuration of one row. Its cleaned value is a ``Submission``.

    Nothing that was typed as a secret is ever drawn, other than encrypted when the form is shown again.
    """

    widget: GeneratedConfigWidget | TextConfigWidget

    def __init__(self, binding: ConfigBinding, text_url: str = "") -> None:
        """Show and read the form of ``binding``; ``text_url`` is where the same is one JSON text, if anywhere."""
        self.binding = binding
        widget = GeneratedConfigWidget(binding) if binding.generated else TextConfigWidget()
        help_text = _describe_references(text_url if binding.generated else "")
        label, initial = _("Configuration"), binding.get_text()
        super().__init__(widget=widget, label=label, required=False, initial=initial, help_text=help_text)

    def clean(self, value: Any) -> Submission:
        """Read what was posted.

        :raises ValidationError: if it cannot be taken; each problem also stands at its place in the widget.
        """
        submission = self.binding.read(value)
        if submission.problems:
            raise self.note_problems(submission.problems, submission.form)
        return submission

    def note_problems(self, problems: Iterable[FieldProblem], form: Any = None) -> ValidationError:
        """Show ``problems`` (with paths in a posted ``form``) at their places; return the error that says them all."""
        found, errors = [], defaultdict(list)
        for path, message in islice(problems, MOST_PROBLEMS):
            title, example = self.binding.describe_place(path, form)
            title, text = escape_surrogates(title), escape_surrogates(localize(message, example))
            errors[JOIN.join(path)].append(text)
            found.append(f"{title}: {text}" if title else text)
        self.widget.error_map = dict(errors)
        return ValidationError(found)

    def bound_data(self, data: Any, initial: Any) -> str:
        """Return what is shown again of ``data``."""
        return self.binding.redisplay(data)

    def prepare_value(self, value: Any) -> str:
        """Draw nothing but text of the binding's making."""
        return value if isinstance(value, str) else self.binding.get_text()

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Say whether anything but the layout of the JSON differs."""
        return self.binding.has_changed(data)


def _describe_references(text_url: str) -> SafeString:
    """Return what operators may refer to by the settings, in words; nothing where that is nothing."""
    sources = list_sources()
    if not sources:
        return mark_safe("")
    if text_url:
        link = _("Edit the configuration as JSON to refer to the server from any other field.")
        return format_html('<a href="{}">{}</a>', text_url, link)
    ways = [(json.dumps({one["kind"]: "…"}, ensure_ascii=False), one["title"], one["allowed"]) for one in sources]
    said = _("A value may also stand on the server, in the place of any part of the JSON:")
    return format_html("{} {}", said, format_html_join(" / ", "<code>{}</code> {} ({})", ways))


def is_jsonform_installed() -> bool:
    """Say whether generated forms can be drawn: their scripts are found only in installed apps."""
    return apps.is_installed("django_jsonform")


class HiddenPost(QueryDict):
    """What was posted, the configuration out of sight: error reporters copy a POST, whatever Django hides."""

    config = ""
    """The configuration, for the form."""


def hide_config(request: HttpRequest, name: str = "config") -> None:
    """Keep what was typed into the configuration's form out of the POST that others see."""
    if name in request.POST:
        posted = HiddenPost(mutable=True)
        posted.update(request.POST)
        posted.config, posted[name] = request.POST[name], HIDDEN
        request.POST = posted  # type: ignore[assignment]


class _HiddenWidget:
    def value_from_datadict(self, data: Mapping[str, Any], _files: Any, name: str) -> Any:
        """Return what was posted, also where it was hidden."""
        return data.config if isinstance(data, HiddenPost) and data.get(name) == HIDDEN else data.get(name)


class GeneratedConfigWidget(_HiddenWidget, JSONFormWidget):  # type: ignore[misc]  # it ships no types
    """A form generated from the schema. Without JavaScript, or should it crash, the form is there as JSON text."""

    template_name = "django_plugin_system/widgets/config.html"

    class Media:
        css: ClassVar[Any] = {"all": ["django_jsonform/style.css", "django_plugin_system/config-form.css"]}
        js = (
            "django_jsonform/index.js",
            "django_plugin_system/config-inputs.js",
            "django_plugin_system/config-form.js",
        )

    def __init__(self, binding: ConfigBinding) -> None:
        """Draw the form of ``binding``."""
        super().__init__(schema={})
        self.binding = binding
        self.error_map: dict[str, list[str]] = {}

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        """Add what a value may refer to; all else our script is told in the schema and by the template."""
        context: dict[str, Any] = super().get_context(name, value, attrs)
        context["widget"]["sources"] = json.dumps(list_sources())
        return context

    def render(self, name: str, value: Any, attrs: dict[str, Any] | None = None, renderer: Any = None) -> Any:
        """Draw the schema for the very value that is shown."""
        self.schema = self.binding.get_schema(value)
        return super().render(name, value, attrs, renderer)


class TextConfigWidget(_HiddenWidget, forms.Textarea):
    """The whole configuration as JSON text."""

    def __init__(self) -> None:
        """Make room for a configuration of usual size."""
        super().__init__(attrs={"class": "vLargeTextField", "rows": 16, "spellcheck": "false", "autocomplete": "off"})
        self.error_map: dict[str, list[str]] = {}
