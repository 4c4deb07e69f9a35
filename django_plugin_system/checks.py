"""System checks: one small function for each thing that can be wrong, and a line that says what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.core import checks
from django.core.checks import CheckMessage, Tags
from django.db import connections, router
from django.db.migrations.executor import MigrationExecutor

from django_plugin_system.conf import find_setting_problems
from django_plugin_system.config.keyring import SETTING, get_derived_keys, get_key_id, get_keyring, uses_derived_keys
from django_plugin_system.config.references import find_exposed_keys
from django_plugin_system.exceptions import InvalidSetting, PluginSystemError, make_printable
from django_plugin_system.models import PluginInstance, PluginItem
from django_plugin_system.registry import TypeSpec, registry
from django_plugin_system.rotation import TABLE, count_rows_by_key
from django_plugin_system.rows.reasons import find_row_reason

if TYPE_CHECKING:
    from collections.abc import Sequence

TAG = "plugins"
_LISTED = 5
"""So many reasons a hint gives."""


def register_checks() -> None:
    """Register every check of this module."""
    checks.register(check_settings, TAG)
    checks.register(check_references, TAG)
    checks.register(check_waiting_items, TAG)
    checks.register(check_form_renderer, TAG)
    checks.register(check_own_key, Tags.security, deploy=True)
    checks.register(check_tables, Tags.database)
    checks.register(check_needed_keys, Tags.database)
    checks.register(check_usable_instances, Tags.database)


def check_settings(**_kwargs: Any) -> list[CheckMessage]:
    """E001: a setting is unknown or unusable; E002: an encryption key is."""
    problems = find_setting_problems()
    if problems:
        return [checks.Error(str(problem), id="django_plugin_system.E001") for problem in problems]
    try:
        get_keyring()
    except InvalidSetting as error:
        return [checks.Error(str(error), hint="manage.py pluginkey prints a good one.", id="django_plugin_system.E002")]
    return []


def check_references(**_kwargs: Any) -> list[CheckMessage]:
    """W005: what the settings list for references covers a key; such a reference is refused."""
    try:
        found = find_exposed_keys()
    except InvalidSetting:
        return []  # E001 or E002 says so already
    return [
        checks.Warning(
            f"{make_printable(name)} holds a key of the settings, and ENV_REFERENCES or FILE_REFERENCES covers it.",
            hint="List narrower names, or keep the key elsewhere. References to it are refused.",
            id="django_plugin_system.W005",
        )
        for name in found
    ]


def check_waiting_items(**_kwargs: Any) -> list[CheckMessage]:
    """W001: an item's type never came."""
    return [
        checks.Warning(
            f"Plugin item {spec} waits for plugin type {spec.describe_type()}, which nobody registered.",
            hint="Register the type, or correct type_name and manager_name of the item.",
            id="django_plugin_system.W001",
        )
        for spec in registry.waiting.values()
    ]


def check_form_renderer(**_kwargs: Any) -> list[CheckMessage]:
    """W002: the admin cannot show generated forms."""
    configurable = any(spec.config.schema for spec in registry.items.values())
    if not configurable or not apps.is_installed("django.contrib.admin") or apps.is_installed("django_jsonform"):
        return []
    return [
        checks.Warning(
            "Plugin configurations are edited as JSON text, because django_jsonform is not installed as an app.",
            hint='Add "django_jsonform" to INSTALLED_APPS.',
            id="django_plugin_system.W002",
        )
    ]


def check_own_key(**_kwargs: Any) -> list[CheckMessage]:
    """W003: secrets are encrypted with a key derived from SECRET_KEY."""
    try:
        derived = uses_derived_keys()
    except PluginSystemError:
        return []  # E001 says so already
    if not derived:
        return []
    return [
        checks.Warning(
            "Plugin secrets are encrypted with a key derived from SECRET_KEY.",
            hint=f"Put a key of your own into {SETTING}, as manage.py pluginkey prints it. "
            "If secrets are stored already, list after it what manage.py pluginkey --derived prints, "
            "and run manage.py pluginrotate.",
            id="django_plugin_system.W003",
        )
    ]


def check_tables(databases: Sequence[str] | None = None, **_kwargs: Any) -> list[CheckMessage]:
    """E003: the tables are those of 2.0.x. Runs with ``check --database`` and with ``migrate``, which it stops."""
    return [
        checks.Error(
            f'The plugin tables in database "{alias}" were made by 2.0.x, another line with other columns.',
            hint="They were not touched. Go back to 2.0.x, write its instances down and remove its tables: "
            'see "From 2.0.x" in migrations_guide.md.',
            id="django_plugin_system.E003",
        )
        for alias in databases or ()
        if _is_of_2x(alias)
    ]


def _is_of_2x(alias: str) -> bool:
    connection = connections[alias]
    table = PluginItem._meta.db_table  # noqa: SLF001 - Django documents _meta
    if not router.allow_migrate_model(alias, PluginItem) or table not in connection.introspection.table_names():
        return False
    with connection.cursor() as cursor:
        columns = connection.introspection.get_table_description(cursor, table)
    return "configurable" in {column.name for column in columns}


def check_needed_keys(databases: Sequence[str] | None = None, **_kwargs: Any) -> list[CheckMessage]:
    """W004: rows hold secrets of a key that is not configured. Runs with ``check --database`` and with ``migrate``."""
    try:
        configured = get_keyring().key_ids
    except InvalidSetting:
        return []  # E001 or E002 says so already
    return [
        checks.Warning(
            f'{count} plugin instances in database "{alias}" need key {key_id}, which is not configured.',
            hint=_say_where_to_find(key_id),
            id="django_plugin_system.W004",
        )
        for alias in databases or ()
        if _has_instances(alias) and not _is_of_2x(alias)
        for key_id, count in sorted(count_rows_by_key(alias).items())
        if key_id not in configured
    ]


def check_usable_instances(databases: Sequence[str] | None = None, **_kwargs: Any) -> list[CheckMessage]:
    """E004: of a type's enabled instances, none can be used. Runs with ``check --database`` and with ``migrate``.

    Nothing is said while there are migrations to apply, as these may mend it, nor of cooldowns, which end.
    """
    return [
        checks.Error(
            f'No instance of plugin type {spec} in database "{alias}" can be used.',
            hint=f"{'; '.join(reasons[:_LISTED])}. Mend one of them, or disable them all.",
            id="django_plugin_system.E004",
        )
        for alias in databases or ()
        if _has_instances(alias) and not _is_behind(alias)
        for spec in registry.types.values()
        if (reasons := _find_reasons(spec, alias))
    ]


def _is_behind(alias: str) -> bool:
    executor = MigrationExecutor(connections[alias])
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def _find_reasons(spec: TypeSpec, alias: str) -> list[str]:
    """Return why each enabled instance of a type cannot be used; nothing if one can, or there is none."""
    reasons = []
    for row in PluginInstance.objects.using(alias).for_type(*spec.key).enabled().select_related("item__plugin_type"):
        reason = find_row_reason(row, cools_down=False)
        if reason is None:
            return []
        reasons.append(f"{row}: {reason}")
    return reasons


def _has_instances(alias: str) -> bool:
    if not router.allow_migrate_model(alias, PluginInstance):
        return False
    return TABLE in connections[alias].introspection.table_names()


def _say_where_to_find(key_id: str) -> str:
    if uses_derived_keys():
        return "If SECRET_KEY was changed, list the former one in SECRET_KEY_FALLBACKS."
    if key_id in map(get_key_id, get_derived_keys()):
        return f"It is derived from SECRET_KEY: add what manage.py pluginkey --derived prints to the end of {SETTING}."
    return f"Put that key back into {SETTING}; manage.py pluginrotate tells which rows need it."
