"""What can be wrong: one small function for each, and a line that says what to do; CHECKS lists them all.

``manage.py check`` runs what is quick, ``manage.py plugins doctor`` all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

from django.apps import apps
from django.core import checks
from django.core.checks import ERROR, WARNING, CheckMessage, Tags
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
Messages = Iterator[CheckMessage]


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


def _say(level: int, number: str, text: str, hint: str | None = None) -> CheckMessage:
    return CheckMessage(level, text, hint=hint, id=f"django_plugin_system.{number}")


def check_settings(**_kwargs: Any) -> Messages:
    """E001: a setting is unknown or unusable; E002: an encryption key is."""
    problems = find_setting_problems()
    yield from (_say(ERROR, "E001", str(problem)) for problem in problems)
    try:
        get_keyring()
    except InvalidSetting as error:
        if not problems:
            yield _say(ERROR, "E002", str(error), "manage.py pluginkey prints a good one.")


def check_references(**_kwargs: Any) -> Messages:
    """W005: what the settings list for references covers a key; such a reference is refused. E006: a wrong backend."""
    try:
        kinds, found = get_settings().REFERENCES, find_exposed_keys()
    except InvalidSetting:
        return  # E001 or E002 says so already
    hint = "BACKEND is the dotted path of a ReferenceBackend, OPTIONS what its constructor takes."
    for fault in filter(None, (find_fault(f"${name}") for name in kinds)):
        yield _say(ERROR, "E006", fault, hint)
    hint = "List narrower names, or keep the key elsewhere. References to it are refused."
    for name in map(make_printable, found):
        text = f"{name} holds a key of the settings, and ENV_REFERENCES or FILE_REFERENCES covers it."
        yield _say(WARNING, "W005", text, hint)


def check_waiting_items(**_kwargs: Any) -> Messages:
    """W001: an item's type never came."""
    hint = "Register the type, or correct type_name and manager_name of the item."
    for spec in registry.waiting.values():
        text = f"Plugin item {spec} waits for plugin type {spec.describe_type()}, which nobody registered."
        yield _say(WARNING, "W001", text, hint)


def check_form_renderer(**_kwargs: Any) -> Messages:
    """W002: the admin cannot show generated forms."""
    configurable = any(spec.config.schema for spec in registry.items.values())
    if configurable and apps.is_installed("django.contrib.admin") and not apps.is_installed("django_jsonform"):
        text = "Plugin configurations are edited as JSON text, because django_jsonform is not installed as an app."
        yield _say(WARNING, "W002", text, 'Add "django_jsonform" to INSTALLED_APPS.')


def check_own_key(**_kwargs: Any) -> Messages:
    """W003: secrets are encrypted with a key derived from SECRET_KEY."""
    with suppress(PluginSystemError):  # E001 says so already
        if uses_derived_keys():
            hint = (
                f"Put a key of your own into {SETTING}, as manage.py pluginkey prints it. "
                "If secrets are stored already, list after it what manage.py pluginkey --derived prints, "
                "and run manage.py pluginrotate."
            )
            yield _say(WARNING, "W003", "Plugin secrets are encrypted with a key derived from SECRET_KEY.", hint)


def check_tables(databases: Sequence[str] | None = None, **_kwargs: Any) -> Messages:
    """E003: the tables are those of 2.0.x. Runs with ``check --database`` and with ``migrate``, which it stops."""
    hint = (
        "They were not touched. Go back to 2.0.x, write its instances down and remove its tables: "
        'see "From 2.0.x" in migrations_guide.md.'
    )
    for alias in filter(_is_of_2x, databases or ()):
        text = f'The plugin tables in database "{alias}" were made by 2.0.x, another line with other columns.'
        yield _say(ERROR, "E003", text, hint)


def _is_of_2x(alias: str) -> bool:
    return "configurable" in _find_columns(alias, PluginItem)


def _find_columns(alias: str, model: type[Any]) -> set[str]:
    """Return the names of the columns that a model's table has in a database; none if there is no such table."""
    introspection, table = connections[alias].introspection, model._meta.db_table
    if not router.allow_migrate_model(alias, model) or table not in introspection.table_names(include_views=True):
        return set()
    with connections[alias].cursor() as cursor:
        return {column.name for column in introspection.get_table_description(cursor, table)}


def check_migrations(databases: Sequence[str] | None = None, **_kwargs: Any) -> Messages:
    """E007: the tables are missing, or not those of this version. Only the doctor says so: ``migrate`` may follow."""
    for alias in databases or ():
        if router.allow_migrate_model(alias, PluginInstance) and not _has_columns(alias):
            text = f'The plugin tables in database "{alias}" are missing, or not those of this version.'
            yield _say(ERROR, "E007", text, "Run manage.py migrate.")


def check_needed_keys(databases: Sequence[str] | None = None, **_kwargs: Any) -> Messages:
    """W004: rows hold secrets of a key that is not configured. Runs with ``check --database`` and with ``migrate``."""
    try:
        configured = get_keyring().key_ids
    except InvalidSetting:
        return  # E001 or E002 says so already
    for alias in databases or ():
        readable = _find_columns(alias, PluginInstance) and not _is_of_2x(alias)
        needed = count_rows_by_key(alias) if readable else {}
        for key_id in sorted(needed.keys() - {*configured}):
            rows = f'{needed[key_id]} plugin instances in database "{alias}"'
            text = f"{rows} need key {key_id}, which is not configured."
            yield _say(WARNING, "W004", text, _say_where_to_find(key_id))


def _say_where_to_find(key_id: str) -> str:
    if uses_derived_keys():
        return "If SECRET_KEY was changed, list the former one in SECRET_KEY_FALLBACKS."
    if key_id in map(get_key_id, get_derived_keys()):
        return f"It is derived from SECRET_KEY: add what manage.py pluginkey --derived prints to the end of {SETTING}."
    return f"Put that key back into {SETTING}; manage.py pluginrotate tells which rows need it."


def check_service(databases: Sequence[str] | None = None, **_kwargs: Any) -> Messages:
    """E004: of a type's enabled instances, none can be used; E005: a name that code asks for, and nobody serves.

    Runs with ``check --database`` and with ``migrate``. Nothing is said while there are migrations to apply, as these
    may mend it.
    """
    for alias in filter(_is_up_to_date, databases or ()):
        executor = MigrationExecutor(connections[alias])
        if not executor.migration_plan(executor.loader.graph.leaf_nodes()):
            yield from iter_unserved(alias)


def check_instances(
    databases: Sequence[str] | None = None, on_page: Callable[[int, int], object] | None = None, **_kwargs: Any
) -> Messages:
    """W006 to W012, I001 and I002: what is wrong with instances. Opens each of them, so only the doctor runs it."""
    for alias in filter(_is_up_to_date, databases or ()):
        yield from iter_troubles(alias, on_page)


def check_files(databases: Sequence[str] | None = None, **_kwargs: Any) -> Messages:
    """I004: instances of a file that nobody applies any more. Only the doctor says so."""
    for alias in filter(_is_up_to_date, databases or ()):
        yield from iter_orphans(alias)


def check_unused_keys(databases: Sequence[str] | None = None, **_kwargs: Any) -> Messages:
    """I003: a key that no secret needs any more. Looks at each instance, so that only the doctor runs it."""
    for alias in filter(_is_up_to_date, databases or ()):
        yield from iter_unused_keys(alias)


def check_stores(**_kwargs: Any) -> Messages:
    """W013: a store that instances refer to does not answer this process."""
    hint = "Processes use what they hold of it for a while. Instances without a value are skipped."
    yield from (_say(WARNING, "W013", f"{outage}.", hint) for outage in find_outages())


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


CHECKS: dict[Callable[..., Messages], str | None] = {
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
