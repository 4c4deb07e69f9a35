"""What can be wrong: one small function for each, and a line that says what to do; CHECKS lists them all.

``manage.py check`` runs what is quick, ``manage.py plugins doctor`` all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django.apps import apps
from django.core import checks
from django.core.checks import CheckMessage, Tags
from django.db import connections, router
from django.db.migrations.executor import MigrationExecutor

from django_plugin_system.conf import find_setting_problems, get_settings
from django_plugin_system.config.backends import find_fault, find_outages
from django_plugin_system.config.keyring import SETTING, get_derived_keys, get_key_id, get_keyring, uses_derived_keys
from django_plugin_system.config.references import find_exposed_keys
from django_plugin_system.diagnosis import iter_orphans, iter_troubles, iter_unserved, iter_unused_keys
from django_plugin_system.exceptions import InvalidSetting, PluginSystemError, make_printable
from django_plugin_system.models import PluginHealth, PluginInstance, PluginItem
from django_plugin_system.registry import registry
from django_plugin_system.rotation import count_rows_by_key

TAG = "plugins"


def register_checks() -> None:
    """Register every check of this module but those that take long."""
    for check, tag in CHECKS.items():
        if tag is not None:
            checks.register(check, tag, deploy=check is check_own_key)


def find_everything(using: str, on_page: Callable[[int, int], object] | None = None) -> list[CheckMessage]:
    """Return what all checks find, those that take long included; ``on_page`` gets how many instances are done."""
    found: list[CheckMessage] = []
    for check in CHECKS:
        found += check(databases=[using], on_page=on_page)
        if any(message.id in {"django_plugin_system.E003", "django_plugin_system.E007"} for message in found):
            break  # nothing else can be said of these tables
    return found


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
    """W005: what the settings list for references covers a key; such a reference is refused. E006: a wrong backend."""
    try:
        kinds, found = get_settings().REFERENCES, find_exposed_keys()
    except InvalidSetting:
        return []  # E001 or E002 says so already
    hint = "BACKEND is the dotted path of a ReferenceBackend, OPTIONS what its constructor takes."
    faults = filter(None, (find_fault(f"${name}") for name in kinds))
    errors = [checks.Error(fault, hint=hint, id="django_plugin_system.E006") for fault in faults]
    return [*errors] + [
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
    return "configurable" in _find_columns(alias, PluginItem)


def _find_columns(alias: str, model: type[Any]) -> set[str]:
    """Return the names of the columns that a model's table has in a database; none if there is no such table."""
    introspection, table = connections[alias].introspection, model._meta.db_table
    if not router.allow_migrate_model(alias, model) or table not in introspection.table_names(include_views=True):
        return set()
    with connections[alias].cursor() as cursor:
        return {column.name for column in introspection.get_table_description(cursor, table)}


def check_migrations(databases: Sequence[str] | None = None, **_kwargs: Any) -> list[CheckMessage]:
    """E007: the tables are missing, or not those of this version. Only the doctor says so: ``migrate`` may follow."""
    return [
        checks.Error(
            f'The plugin tables in database "{alias}" are missing, or not those of this version.',
            hint="Run manage.py migrate.",
            id="django_plugin_system.E007",
        )
        for alias in databases or ()
        if router.allow_migrate_model(alias, PluginInstance) and not _has_columns(alias)
    ]


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
        if _find_columns(alias, PluginInstance) and not _is_of_2x(alias)
        for key_id, count in sorted(count_rows_by_key(alias).items())
        if key_id not in configured
    ]


def _say_where_to_find(key_id: str) -> str:
    if uses_derived_keys():
        return "If SECRET_KEY was changed, list the former one in SECRET_KEY_FALLBACKS."
    if key_id in map(get_key_id, get_derived_keys()):
        return f"It is derived from SECRET_KEY: add what manage.py pluginkey --derived prints to the end of {SETTING}."
    return f"Put that key back into {SETTING}; manage.py pluginrotate tells which rows need it."


def check_service(databases: Sequence[str] | None = None, **_kwargs: Any) -> list[CheckMessage]:
    """E004: of a type's enabled instances, none can be used; E005: a name that code asks for, and nobody serves.

    Runs with ``check --database`` and with ``migrate``. Nothing is said while there are migrations to apply, as these
    may mend it.
    """
    aliases = [alias for alias in databases or () if _is_up_to_date(alias) and not _is_behind(alias)]
    return [found for alias in aliases for found in iter_unserved(alias)]


def _is_behind(alias: str) -> bool:
    executor = MigrationExecutor(connections[alias])
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def check_instances(
    databases: Sequence[str] | None = None, on_page: Callable[[int, int], object] | None = None, **_kwargs: Any
) -> list[CheckMessage]:
    """W006 to W012, I001 and I002: what is wrong with instances. Opens each of them, so only the doctor runs it."""
    return [found for alias in databases or () if _is_up_to_date(alias) for found in iter_troubles(alias, on_page)]


def check_files(databases: Sequence[str] | None = None, **_kwargs: Any) -> list[CheckMessage]:
    """I004: instances of a file that nobody applies any more. Only the doctor says so."""
    return [found for alias in databases or () if _is_up_to_date(alias) for found in iter_orphans(alias)]


def check_unused_keys(databases: Sequence[str] | None = None, **_kwargs: Any) -> list[CheckMessage]:
    """I003: a key that no secret needs any more. Looks at each instance, so that only the doctor runs it."""
    return [found for alias in databases or () if _is_up_to_date(alias) for found in iter_unused_keys(alias)]


def check_stores(**_kwargs: Any) -> list[CheckMessage]:
    """W013: a store that instances refer to does not answer this process."""
    hint = "Processes use what they hold of it for a while. Instances without a value are skipped."
    return [checks.Warning(f"{outage}.", hint=hint, id="django_plugin_system.W013") for outage in find_outages()]


def _is_up_to_date(alias: str) -> bool:
    """Say whether instances can be read: their tables are there and migrated, and the keys can be used."""
    try:
        get_keyring()
    except InvalidSetting:
        return False  # E001 or E002 says so already
    return _has_columns(alias)


def _has_columns(alias: str) -> bool:
    return all(
        {column.column for column in model._meta.concrete_fields} <= _find_columns(alias, model)
        for model in (PluginInstance, PluginHealth)
    )


CHECKS: dict[Callable[..., list[CheckMessage]], str | None] = {
    check_settings: TAG,
    check_references: TAG,
    check_waiting_items: TAG,
    check_form_renderer: TAG,
    check_own_key: Tags.security,
    check_tables: Tags.database,
    check_migrations: None,
    check_needed_keys: Tags.database,
    check_service: Tags.database,
    check_unused_keys: None,
    check_files: None,
    check_instances: None,
    check_stores: None,
}
"""All that is looked for, with the tag under which ``manage.py check`` does; None: only ``plugins doctor`` does."""
