"""One row's configuration for the admin: its generated form, or why there is none and what may be shown instead."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.http import QueryDict
from django.utils.translation import gettext as _

from django_plugin_system.exceptions import ConfigError
from django_plugin_system.forms.binding import ConfigBinding, drop_secrets, redact
from django_plugin_system.forms.widgets import is_jsonform_installed
from django_plugin_system.plugin import get_config_version
from django_plugin_system.rows.secret_dates import open_readable

if TYPE_CHECKING:
    from pydantic import BaseModel

    from django_plugin_system.models import PluginInstance

AS_TEXT = "json"
"""In the address of a page: edit the configuration as JSON text, where a form could be drawn, too."""


@dataclass(frozen=True)
class RowConfig:
    """A row with the schema its configuration can be edited by, or None and the ``obstacle`` in words."""

    row: PluginInstance
    schema: type[BaseModel] | None
    obstacle: str
    source: PluginInstance | None = None
    """The row that a new one is a copy of."""

    def make_binding(self, schema: type[BaseModel], query: QueryDict | None = None) -> ConfigBinding:
        """Return the configuration's form; as one JSON text if the address of the page, in ``query``, asks for that."""
        query = query or QueryDict()
        generated = is_jsonform_installed() and AS_TEXT not in query
        binding = self._make_binding(schema, generated=generated)
        binding.text_url = f"?{urlencode({**query.dict(), AS_TEXT: 1})}"
        return binding

    def _make_binding(self, schema: type[BaseModel], *, generated: bool) -> ConfigBinding:
        row = self.row
        if row._state.adding:  # noqa: SLF001 - how Django says that a row is new
            start = drop_secrets(_get_current(self.source), schema) if self.source else None
            return ConfigBinding(schema, row=str(row.pk), start=start, generated=generated)
        stored = _get_current(row)
        opened = open_readable(row, stored)
        return ConfigBinding(schema, stored, opened, row=str(row.pk), generated=generated)

    def get_redacted(self) -> str:
        """Return the stored configuration without its secrets."""
        return redact(self.row.config, self.schema)


def look_at(row: PluginInstance, source: PluginInstance | None = None) -> RowConfig:
    """Return how the configuration of ``row``, which may be new and a copy of ``source``, can be edited, if it can."""
    plugin_class = row.item.plugin_class
    if plugin_class is None:
        return RowConfig(
            row, None, _("The code of this item is gone, so its configuration can be neither read nor changed.")
        )
    known = get_config_version(plugin_class)
    if not row._state.adding and row.config_version > known:  # noqa: SLF001 - how Django says that a row is new
        text = _("Stored by newer code (version %(stored)s, this code knows %(known)s), so it is read-only here.")
        return RowConfig(row, None, text % {"stored": row.config_version, "known": known})
    schema = row.item.config_schema
    return RowConfig(row, schema, "" if schema else _("This item takes no configuration."), source)


def _get_current(row: PluginInstance) -> dict[str, Any]:
    """Return the stored configuration, brought to the version of the code if that is possible."""
    if not isinstance(row.config, dict):  # raw SQL left no object there, and so nothing to show in fields
        return {}
    plugin_class = row.item.plugin_class
    if plugin_class is None or row.config_version >= get_config_version(plugin_class):
        return dict(row.config)
    upgraded = copy.copy(row)
    try:
        upgraded.renew_config()
    except ConfigError:
        return dict(row.config)
    return dict(upgraded.config)
