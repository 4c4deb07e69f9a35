"""A project in a folder: apps that are installed for the time of a test, and the command that is run in it."""

from __future__ import annotations

import io
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import ModuleType
from typing import TYPE_CHECKING, Any

from django.apps import AppConfig, apps
from django.core.management import CommandError, call_command
from django.test import override_settings

from django_plugin_system.plugin import ConfigurablePlugin
from django_plugin_system.registry import temporary_registry
from tests.support.plugins import ConsoleSms, declare_item, declare_type

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pydantic import BaseModel


def make_plugin(schema: type[BaseModel], version: int = 1, *, step: bool = False) -> type:
    """Return a plugin class with this configuration; with ``step``, one that migrates by doing nothing."""

    class Sms(ConfigurablePlugin[schema], ConsoleSms):  # type: ignore[valid-type]
        """Sends nothing."""

        config_version = version

    class MigratingSms(Sms):
        """The same, with steps."""

        migrate_config = classmethod(lambda _cls, config, _from_version: config)  # type: ignore[assignment]

    return MigratingSms if step else Sms


@dataclass
class Project:
    """Apps below a folder."""

    folder: Path
    names: list[str] = field(default_factory=list)

    @contextmanager
    def running(self) -> Iterator[Project]:
        """Let registrations, and the app ``mail``, end with the block."""
        with temporary_registry(empty=True) as self.registry:
            declare_type()
            try:
                self.mail = self.install("mail", self.folder / "mail")
                yield self
            finally:
                for name in self.names:
                    apps.app_configs.pop(name)
                    sys.modules.pop(name)

    def install(self, name: str, path: Path) -> Path:
        """Install an app whose code stands in ``path``, and return where its snapshot goes."""
        path.mkdir(parents=True, exist_ok=True)
        module = ModuleType(name)
        module.__path__ = [str(path)]
        sys.modules[name] = module
        apps.app_configs[name] = AppConfig(name, module)
        self.names.append(name)
        return path / "plugin_schemas.json"

    def declare(self, schema: type[BaseModel], version: int = 1, *, step: bool = False, **where: Any) -> None:
        """Register one item, in the place of all others: ``name`` and ``module`` say which."""
        self.registry.items.clear()
        declare_item(make_plugin(schema, version, step=step), **{"module": "mail", **where})

    def run(self, *options: str) -> tuple[int, list[str]]:
        """Run ``pluginschema`` and return its exit status with all that it said."""
        out = io.StringIO()
        try:
            call_command("pluginschema", *options, stdout=out)
        except CommandError as error:
            return error.returncode, [*out.getvalue().splitlines(), str(error)]
        return 0, out.getvalue().splitlines()

    def set(self, **settings: Any) -> override_settings:
        """Return ``PLUGIN_SYSTEM`` with these settings, as a context."""
        return override_settings(PLUGIN_SYSTEM=settings)
