"""The form field of a configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from django_plugin_system.exceptions import FieldProblem
from django_plugin_system.forms.binding import make_error_map
from django_plugin_system.forms.widgets import GeneratedConfigWidget, TextConfigWidget
from django_plugin_system.forms.wording import localize

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django_plugin_system.forms.binding import ConfigBinding, Submission


class ConfigField(forms.Field):
    """The configuration of one row. Its cleaned value is a ``Submission``.

    Nothing that was typed as a secret is ever drawn, also when the form is shown again.
    """

    widget: GeneratedConfigWidget | TextConfigWidget

    def __init__(self, binding: ConfigBinding, **kwargs: Any) -> None:
        """Show and read the form of ``binding``."""
        self.binding = binding
        widget = GeneratedConfigWidget(binding) if binding.generated else TextConfigWidget()
        kwargs = {
            "label": _("Configuration"),
            "required": False,
            "initial": binding.get_text(),
            "help_text": binding.get_help(),
            **kwargs,
        }
        super().__init__(widget=widget, **kwargs)

    def __deepcopy__(self, memo: dict[int, Any]) -> ConfigField:
        """Return a copy for one form, without the problems of another."""
        copied: ConfigField = super().__deepcopy__(memo)
        copied.widget.error_map = {}
        return copied

    def clean(self, value: Any) -> Submission:
        """Read what was posted.

        :raises ValidationError: if it cannot be taken; each problem also stands at its place in the widget.
        """
        submission = self.binding.read(value)
        if submission.problems:
            raise self.note_problems(submission.problems)
        return submission

    def note_problems(self, problems: Iterable[FieldProblem]) -> ValidationError:
        """Show ``problems`` (with form paths) at their places, and return the error that says them all."""
        found = [FieldProblem(path, localize(message)) for path, message in problems]
        for place, messages in make_error_map(found).items():
            self.widget.error_map.setdefault(place, []).extend(messages)
        return ValidationError([self._describe(problem) for problem in found])

    def _describe(self, problem: FieldProblem) -> str:
        title = self.binding.get_title(problem.path)
        return f"{title}: {problem.message}" if title else problem.message

    def bound_data(self, data: Any, initial: Any) -> str:
        """Return what is shown again of ``data``."""
        del initial
        return self.binding.get_again(data)

    def prepare_value(self, value: Any) -> str:
        """Draw nothing but text of the binding's making."""
        return value if isinstance(value, str) else self.binding.get_text()

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Say whether anything but the layout of the JSON differs."""
        del initial
        return self.binding.read(data).changed
