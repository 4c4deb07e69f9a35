"""The database field of configurations: JSON that only lets checked, encrypted configurations through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import Case
from django.db.models.functions import Cast

from django_plugin_system.exceptions import ConfigWriteRefused

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

    JSONField = models.JSONField[Any, Any]
else:
    JSONField = models.JSONField  # not subscriptable at run time


class StoredConfig(dict[str, Any]):
    """A configuration in its stored form: validated, secrets encrypted. Only the codec and the database make one."""


class ConfigField(JSONField):
    """A JSON column that refuses to write what is no ``StoredConfig``: the last guard behind every ORM path."""

    def from_db_value(self, value: Any, expression: Any, connection: BaseDatabaseWrapper) -> Any:
        """Return a stored object as ``StoredConfig``; parts of it (key transforms) as they are."""
        loaded = super().from_db_value(value, expression, connection)
        return StoredConfig(loaded) if isinstance(loaded, dict) else loaded

    def get_db_prep_save(self, value: Any, connection: BaseDatabaseWrapper) -> Any:
        """Return ``value`` for the database.

        :raises ConfigWriteRefused: if it did not go through ``set_config()``.
        """
        if not isinstance(value, StoredConfig) and not _is_bulk_update(value):
            method = "This query"
            raise ConfigWriteRefused(method, [self.name])
        return super().get_db_prep_save(value, connection)

    def value_to_string(self, obj: models.Model) -> Any:
        """Return the stored config for serializers, as the plain dict that each of them knows."""
        stored = self.value_from_object(obj)
        return dict(stored) if isinstance(stored, StoredConfig) else stored

    def deconstruct(self) -> tuple[str, str, list[Any], dict[str, Any]]:
        """Describe this field to migrations as the plain JSON column that it is."""
        name, _path, args, kwargs = super().deconstruct()
        return name, "django.db.models.JSONField", list(args), dict(kwargs)


def _is_bulk_update(value: Any) -> bool:
    """Say whether ``value`` is the expression by which Django's bulk_update() writes nothing but stored configs."""
    case = value.get_source_expressions()[0] if isinstance(value, Cast) else value
    if not isinstance(case, Case):
        return False
    results = [getattr(when.result, "value", None) for when in case.cases]
    return all(isinstance(result, StoredConfig) for result in results) and getattr(case.default, "value", "") is None
