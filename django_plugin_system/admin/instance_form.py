"""The form of one plugin instance: its own columns, the generated configuration, the optimistic lock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, cast

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from django_plugin_system.admin.lock import get_version, is_current
from django_plugin_system.exceptions import ConfigError, InvalidConfig
from django_plugin_system.forms.field import ConfigField
from django_plugin_system.models import PluginInstance

if TYPE_CHECKING:
    from django_plugin_system.forms.binding import ConfigBinding, Submission
    from django_plugin_system.models import PluginItem

    ModelForm = forms.ModelForm[PluginInstance]
else:
    ModelForm = forms.ModelForm  # not subscriptable at run time


class VersionField(forms.CharField):
    """Which state of the row the form was made from; no edit of the operator's."""

    widget = forms.HiddenInput

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Never count as a change."""
        del initial, data
        return False


class PluginInstanceForm(ModelForm):
    """The columns of an instance. ``make_form_class`` adds the configuration."""

    item: ClassVar[PluginItem]

    version = VersionField(required=False)

    class Meta:
        model = PluginInstance
        fields = ("name", "status", "priority", "description")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Start from the row, or from a new one of the item."""
        super().__init__(*args, **kwargs)
        self.initial.pop("config", None)  # the form is made from the binding, never from what is stored
        if self.instance._state.adding:  # noqa: SLF001 - how Django says that a row is new
            self.instance.item = self.item
        else:
            self.initial["version"] = get_version(self.instance)

    def clean_name(self) -> str:
        """Refuse a name that the item has given to another instance."""
        name: str = self.cleaned_data["name"]
        others = PluginInstance.objects.filter(item=self.item, name=name).exclude(pk=self.instance.pk)
        if others.exists():
            raise ValidationError(_("This item has an instance named “%(name)s” already.") % {"name": name})
        return name

    def clean(self) -> dict[str, Any]:
        """Refuse a form that was made from an older state of the row."""
        version = self.cleaned_data.get("version")
        if version and not self.instance._state.adding and not is_current(self.instance, version):  # noqa: SLF001
            raise ValidationError(
                _(
                    "Someone else changed this instance after you opened this page, so nothing was saved. "
                    "Open the page again to see the change, then repeat yours."
                ),
                code="stale",
            )
        return self.cleaned_data

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]
        submission: Submission | None = self.cleaned_data.get("config")
        if submission is not None and submission.config is not None:
            self._take_config(submission, submission.config)

    def _take_config(self, submission: Submission, config: dict[str, Any]) -> None:
        field = cast("ConfigField", self.fields["config"])
        try:
            self.instance.set_config(config)
        except InvalidConfig as invalid:
            problems = field.binding.to_form_paths(invalid.errors, submission.form)
            self.add_error("config", field.note_problems(problems))
        except ConfigError as refused:
            self.add_error("config", str(refused))

    def get_changed_config_fields(self) -> tuple[str, ...]:
        """Return the titles of the configuration's fields that were changed."""
        submission: Submission | None = self.cleaned_data.get("config")
        return submission.changed_fields if submission else ()


def make_form_class(item: PluginItem, binding: ConfigBinding | None) -> type[PluginInstanceForm]:
    """Return the form of an instance of ``item``, with the configuration of ``binding`` if it can be edited."""
    attributes: dict[str, Any] = {"item": item}
    if binding is not None:
        attributes["config"] = ConfigField(binding)
    metaclass: Any = type(PluginInstanceForm)
    made: type[PluginInstanceForm] = metaclass(PluginInstanceForm.__name__, (PluginInstanceForm,), attributes)
    return made
