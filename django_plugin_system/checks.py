"""System checks: one small function for each thing that can be wrong, and a line that says what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.core import checks
from django.core.checks import CheckMessage, Tags

from django_plugin_system.conf import NAME, find_setting_problems
from django_plugin_system.config.keyring import get_keyring, uses_derived_keys
from django_plugin_system.exceptions import InvalidSetting, PluginSystemError
from django_plugin_system.plugin import get_config_schema
from django_plugin_system.registry import registry

if TYPE_CHECKING:
    from collections.abc import Sequence

TAG = "plugins"


def register_checks() -> None:
    """Register every check of this module."""
    checks.register(check_settings, TAG)
    checks.register(check_waiting_items, TAG)
    checks.register(check_form_renderer, TAG)
    checks.register(check_own_key, Tags.security, deploy=True)


def check_settings(app_configs: Sequence[Any] | None, **_kwargs: Any) -> list[CheckMessage]:
    """E001: a setting is unknown or unusable; E002: an encryption key is."""
    del app_configs
    problems = find_setting_problems()
    if problems:
        return [checks.Error(str(problem), id="django_plugin_system.E001") for problem in problems]
    try:
        get_keyring()
    except InvalidSetting as error:
        return [checks.Error(str(error), hint="manage.py pluginkey prints a good one.", id="django_plugin_system.E002")]
    return []


def check_waiting_items(app_configs: Sequence[Any] | None, **_kwargs: Any) -> list[CheckMessage]:
    """W001: an item's type never came."""
    del app_configs
    return [
        checks.Warning(
            f"Plugin item {spec} waits for plugin type {spec.describe_type()}, which nobody registered.",
            hint="Register the type, or correct type_name and manager_name of the item.",
            id="django_plugin_system.W001",
        )
        for spec in registry.waiting
    ]


def check_form_renderer(app_configs: Sequence[Any] | None, **_kwargs: Any) -> list[CheckMessage]:
    """W002: the admin cannot show generated forms."""
    del app_configs
    configurable = any(get_config_schema(spec.plugin_class) for spec in registry.items.values())
    if not configurable or not apps.is_installed("django.contrib.admin") or apps.is_installed("django_jsonform"):
        return []
    return [
        checks.Warning(
            "Plugin configurations are edited as JSON text, because django_jsonform is not installed as an app.",
            hint='Add "django_jsonform" to INSTALLED_APPS.',
            id="django_plugin_system.W002",
        )
    ]


def check_own_key(app_configs: Sequence[Any] | None, **_kwargs: Any) -> list[CheckMessage]:
    """W003: secrets are encrypted with a key derived from SECRET_KEY."""
    del app_configs
    try:
        derived = uses_derived_keys()
    except PluginSystemError:
        return []  # E001 says so already
    if not derived:
        return []
    return [
        checks.Warning(
            "Plugin secrets are encrypted with a key derived from SECRET_KEY.",
            hint=f"Set {NAME}['ENCRYPTION_KEYS'] to a key of its own; manage.py pluginkey prints one.",
            id="django_plugin_system.W003",
        )
    ]
