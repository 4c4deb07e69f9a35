"""What the columns hold: a status, and configurations, whose field lets only checked, encrypted ones through."""

from __future__ import annotations

import copy
import datetime as dt
import json
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Case, Func
from django.db.models.expressions import Col
from django.db.models.functions import Cast
from django.utils.timezone import get_default_timezone, make_aware, make_naive
from django.utils.translation import gettext_lazy as _

from django_plugin_system.config.json_tree import walk_json
from django_plugin_system.exceptions import ConfigWriteRefused
from django_plugin_system.rows.traceback_safety import reveal

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.models.sql.compiler import SQLCompiler

    JSONField = models.JSONField[Any, Any]
    DateTimeField = models.DateTimeField[Any, Any]
else:
    JSONField, DateTimeField = models.JSONField, models.DateTimeField  # not subscriptable at run time


NOTES = ("secret_dates", "config_revision")
"""Columns that say something about the very config beside them, so they are read and written together with it."""


class PluginStatus(models.TextChoices):
    """Whether a row is used: first choice, only when no active one is usable, or never."""

    ACTIVE = "active", _("Active")
    RESERVED = "reserve", _("Reserved")
    DISABLED = "disable", _("Disabled")


class StoredConfig(dict[str, Any]):
    """A configuration in its stored form: validated, secrets encrypted. Only the codec and the database make one."""

    def __init__(self, stored: Mapping[str, Any] | None = None) -> None:
        """Take over ``stored``, and note what it is, so that a later change to it can be told."""
        super().__init__(stored or {})
        self.text = to_text(self)


def to_text(config: Any) -> str:
    """Return a config as text that can be compared later, whatever happens to the object meanwhile."""
    try:
        return json.dumps(config, default=str)
    except (TypeError, ValueError, RecursionError):  # a key that is no text, a circle, great depth: ask the codec
        return object.__repr__(config)


def _is_stored(value: Any) -> bool:
    return isinstance(value, StoredConfig) and value.text == to_text(value)


class _SerializerCheck:
    """Lets a serializer of Django REST framework find what ``full_clean()`` finds: it runs the validators of a field.

    Such a serializer calls no ``full_clean()``, and ``save()`` would be too late to name the field.
    """

    requires_context = True
    """So that it calls this with its field; a model does not, and sees to it itself."""

    def __call__(self, value: Any, field: Any = None) -> None:
        """Check that ``value`` is a configuration of the item that the serializer has, or was given.

        :raises ValidationError: if not.
        """
        serializer: Any = getattr(field, "parent", None)
        given = None if serializer is None else _find_given(serializer, field.field_name, value)
        if given is None:
            return
        stored, items = serializer.instance, serializer.fields.get("item")
        is_row = isinstance(stored, models.Model)  # and not those of a list, of which nobody says which is meant
        row = copy.deepcopy(stored) if is_row else serializer.Meta.model()
        if items is not None and items.field_name in given:
            with suppress(Exception):  # of another library, and named by that field
                row.item = items.run_validation(given[items.field_name])
        row.config = value
        try:
            row.clean_fields({column.name for column in row._meta.fields} - {"config"})
        except ValidationError as error:
            problems = error.message_dict["config"]
        else:
            return
        raise ValidationError(problems)


def _find_given(serializer: Any, name: str, value: Any) -> Any:
    """Return what a serializer was given: inside of another one, or a list, the part that has this very ``value``."""
    given = getattr(serializer.root, "initial_data", None)
    if serializer is serializer.root:
        return given
    parts = (part for _path, part in walk_json(given) if isinstance(part, dict))
    return next((part for part in parts if part.get(name) is value), None)


class _ConfigCol(Col):
    """The column in a query: selected as the text that it is, looked into as JSON."""

    def as_postgresql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, Any]:
        """Return the column for look-ups."""
        sql, params = self.as_sql(compiler, connection)
        return f"({sql})::jsonb", params

    def select_format(self, compiler: SQLCompiler, _sql: str, _params: Any) -> tuple[str, Any]:
        """Return the column as it is selected."""
        return self.as_sql(compiler, compiler.connection)

    def get_group_by_cols(self) -> list[Any]:
        """Return the column as it is selected."""
        return [Col(self.alias, self.target, self.output_field)]


class AsText(Func):
    """The text that a column of configurations holds."""

    output_field = models.TextField()

    def as_sql(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, *_args: Any, **_context: Any
    ) -> tuple[str, Any]:
        """Return the column as it is selected."""
        [column] = self.get_source_expressions()
        return Col.as_sql(column, compiler, connection)


class ConfigField(JSONField):
    """A JSON column that refuses to write what is no ``StoredConfig``: the last guard behind every ORM path.

    Migrations see this very field, so the models that a data migration works with are guarded, too.

    What is read is what was written. So PostgreSQL has it as text: jsonb orders keys, and writes numbers, in its own
    way. That it is JSON which jsonb takes is checked there, so that look-ups can cast each row.
    """

    default_validators = [_SerializerCheck()]  # noqa: RUF012 - as in Django

    def db_type(self, connection: BaseDatabaseWrapper) -> str | None:
        """Return the type of the column."""
        return "text" if connection.vendor == "postgresql" else super().db_type(connection)

    def db_check(self, connection: BaseDatabaseWrapper) -> str | None:
        """Return what a database checks of the column."""
        if connection.vendor == "postgresql":
            return f"({connection.ops.quote_name(str(self.column))})::jsonb IS NOT NULL"
        return super().db_check(connection)

    def get_col(self, alias: str, output_field: Any = None) -> Col:
        """Return the column for a query."""
        return _ConfigCol(alias, self, output_field or self)

    def from_db_value(self, value: Any, expression: Any, connection: BaseDatabaseWrapper) -> Any:
        """Return a stored object as ``StoredConfig``; parts of it (key transforms) as they are.

        JSON that Python refuses, nested too deeply or with too long a number, stays the text that it is. No schema
        takes a text, so this row has a problem, and no other row has.
        """
        try:
            loaded = super().from_db_value(value, expression, connection)
            return StoredConfig(loaded) if isinstance(loaded, dict) else loaded
        except (RecursionError, ValueError):
            return value

    def get_prep_value(self, value: Any) -> Any:
        """Return ``value`` for a look-up."""
        return super().get_prep_value(reveal(value))

    def get_db_prep_save(self, value: Any, connection: BaseDatabaseWrapper) -> Any:
        """Return ``value`` for the database.

        :raises ConfigWriteRefused: if it did not go through ``set_config()``.
        """
        if not _is_stored(value) and not _is_bulk_update(value):
            raise ConfigWriteRefused("This query", [self.name])
        return super().get_db_prep_save(value, connection) if _is_bulk_update(value) else json.dumps(value)

    def validate(self, value: Any, model_instance: models.Model | None) -> None:
        """Check what every field checks; what is no JSON, ``clean_fields()`` finds, and names the place."""
        super(models.JSONField, self).validate(value, model_instance)

    def value_to_string(self, obj: models.Model) -> Any:
        """Return the stored config for serializers, as the plain dict that each of them knows.

        :raises ConfigWriteRefused: if it is not in stored form yet, so that what was typed stays out of fixtures.
        """
        stored = self.value_from_object(obj)
        if isinstance(stored, dict) and not _is_stored(stored):
            raise ConfigWriteRefused("serialize", [self.name])
        return dict(stored) if isinstance(stored, StoredConfig) else stored


def _is_bulk_update(value: Any) -> bool:
    """Say whether ``value`` is the expression by which Django's bulk_update() writes nothing but stored configs."""
    case = value.get_source_expressions()[0] if isinstance(value, Cast) else value
    if not isinstance(case, Case):
        return False
    results = [getattr(when.result, "value", None) for when in case.cases]
    return all(map(_is_stored, results)) and getattr(case.default, "value", "") is None


class DatabaseTimeField(DateTimeField):
    """A time by the database's clock, as ``Now()`` gives it.

    SQLite's ``Now()`` is in UTC, also where ``USE_TZ`` is off and Django stores local times. So is this column, then:
    no hour comes twice in it when summer time ends.
    """

    def from_db_value(self, value: Any, _expression: Any, connection: BaseDatabaseWrapper) -> Any:
        """Return the time as Django gives times to Python."""
        if value is None or not _keeps_local_times(connection):
            return value
        return make_naive(value.replace(tzinfo=dt.timezone.utc), get_default_timezone())

    def get_db_prep_value(self, value: Any, connection: BaseDatabaseWrapper, *args: Any, **kwargs: Any) -> Any:
        """Return a time of Python's for the database."""
        if isinstance(value, dt.datetime) and _keeps_local_times(connection):
            value = make_naive(make_aware(value, get_default_timezone()), dt.timezone.utc)
        return super().get_db_prep_value(value, connection, *args, **kwargs)


def _keeps_local_times(connection: BaseDatabaseWrapper) -> bool:
    return connection.vendor == "sqlite" and not settings.USE_TZ
