"""The migrations guide, followed with the versions that it starts from, as they are on PyPI."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from typing import TYPE_CHECKING

import django
import pytest

from tests.docs.conftest import open_terminal
from tests.docs.pages import GUIDE
from tests.docs.story import Story
from tests.support.markdown import code_blocks

if TYPE_CHECKING:
    from pathlib import Path

    from tests.docs.terminal import Terminal

slow = [
    pytest.mark.packaging,
    pytest.mark.sqlite,
    pytest.mark.skipif(sys.version_info < (3, 11), reason="1.1.0 and 2.0.x need Python 3.11"),
]

REGISTRATION = """
from abc import ABC, abstractmethod
from django_plugin_system.register import register_plugin_item, register_plugin_type

class AbstractSms(ABC):
    @abstractmethod
    def send(self, number, text): ...

class ConsoleSms(AbstractSms):
    def send(self, number, text):
        print(number, text)

register_plugin_type({"name": "sms", "manager": "apps.sms", "interface": AbstractSms, "description": "Sends."})
register_plugin_item({"name": "console", "module": "apps.sms", "type_name": "sms", "manager_name": "apps.sms",
                      "plugin_class": ConsoleSms, "priority": 5, "description": "Prints."})
"""
"""What a project of 1.1.0 declares."""

APP = """
from django.apps import AppConfig

class SmsConfig(AppConfig):
    name = "apps.sms"

    def ready(self):
        from apps.sms import registration
"""

PLUGINS_2X = """
from abc import abstractmethod
from django import forms
from django_plugin_system.plugin_core import BasePluginItem, BasePluginType, PluginConfiguration
from django_plugin_system.register import register_plugin_item, register_plugin_type

class AbstractSms(BasePluginType):
    name = "sms"

    @abstractmethod
    def send(self, number, text): ...

class GatewayForm(forms.Form):
    token = forms.CharField()
    sender = forms.CharField()
    retries = forms.IntegerField(required=False)
    note = forms.CharField(required=False)

class GatewayConfiguration(PluginConfiguration):
    form_class = GatewayForm

class GatewaySms(BasePluginItem):
    name = "gateway"
    plugin_type = AbstractSms
    configuration = GatewayConfiguration

    def send(self, number, text): ...
"""

FILL_2X = """
from django_plugin_system.models import PluginInstance, PluginItem, PluginType
sms = PluginType.objects.create(name="sms", manager="apps.sms.plugins", description="")
item = PluginItem.objects.create(name="gateway", module="apps.sms.plugins", plugin_type=sms, configurable=True)
config = {"token": "old-token", "sender": "Shop", "retries": 5, "note": None}
PluginInstance.objects.create(item=item, name="Winter sale", priority=3, status="reserve", config=config)
console = PluginItem.objects.create(name="console", module="apps.sms.plugins", plugin_type=sms)
PluginInstance.objects.create(item=console, name="console", priority=8)
"""

CHECK_2X = """
from django_plugin_system.models import PluginInstance
rows = PluginInstance.objects.order_by("name").values_list("name", "item__name", "priority", "status")
assert list(rows) == [("default", "console", 8, "active"), ("winter-sale", "gateway", 3, "reserve")], list(rows)
assert list(PluginInstance.objects.get(name="winter-sale").open_secrets().values()) == ["old-token"]
"""

CHANGE_ITEM = """
from django_plugin_system.models import PluginItem
assert PluginItem.objects.update(priority=7, status="reserve") == 1
"""
CHECK_ITEM = """
from django_plugin_system.models import PluginItem
assert list(PluginItem.objects.values_list("priority", "status")) == [(7, "reserve")]
"""
SETTINGS = '\nINSTALLED_APPS += ["django_plugin_system", "apps.sms"]\n'


def do(terminal: Terminal, *commands: str) -> None:
    """Run ``commands`` in ``terminal``; each must succeed."""
    for command in commands:
        status, output = terminal.run(command)
        assert status == 0, output


def type_in_shell(terminal: Terminal, code: str) -> None:
    """Run ``code`` in the project's shell."""
    status, output = terminal.run("python manage.py shell -v 0", code)
    assert status == 0, output


class Environments:
    """Environments with a published release each, made once and linked into the projects that start from it."""

    def __init__(self, folder: Path) -> None:
        """Keep them in ``folder``."""
        self._folder = folder

    def link(self, version: str, place: Path) -> None:
        """Let the environment with ``version`` be at ``place``; what is installed there later is there only."""
        made = self._folder / version
        if not made.exists():
            venv.create(made)
            # pip, Django and what the package needs are those of the tests, which nothing here installs again
            [site] = made.glob("lib/python*/site-packages")
            (site / "of_the_tests.pth").write_text(sysconfig.get_path("purelib"))
            packages = f"Django=={django.get_version()}", f"django-plugin-system=={version}"
            subprocess.run([made / "bin/python", "-m", "pip", "install", "--quiet", *packages], check=True)
        shutil.copytree(made, place, symlinks=True, copy_function=os.link)
        activate = place / "bin/activate"
        text = activate.read_text().replace(str(made), str(place))
        activate.unlink()
        activate.write_text(text)


@pytest.fixture(scope="session")
def environments(tmp_path_factory: pytest.TempPathFactory) -> Environments:
    """Return the environments of the published releases."""
    return Environments(tmp_path_factory.mktemp("environments"))


def start_project(folder: Path, environments: Environments, version: str) -> Terminal:
    """Return a terminal in a new project, whose environment holds ``version`` of the package."""
    terminal = open_terminal(folder)
    do(terminal, "mkdir shop && cd shop")
    environments.link(version, terminal.place / ".venv")
    do(
        terminal,
        ". .venv/bin/activate",
        "python -m django startproject shop . && mkdir -p apps/sms && touch apps/__init__.py apps/sms/__init__.py",
    )
    return terminal


@pytest.fixture
def old(tmp_path: Path, environments: Environments) -> Terminal:
    """Return a terminal in a project of 1.1.0, without a database yet."""
    terminal = start_project(tmp_path, environments, "1.1.0")
    sms = terminal.place / "apps/sms"
    sms.joinpath("registration.py").write_text(REGISTRATION)
    sms.joinpath("apps.py").write_text(APP)
    write_settings(terminal, SETTINGS)
    return terminal


def write_settings(terminal: Terminal, text: str) -> None:
    """Add ``text`` at the end of the project's settings."""
    with (terminal.place / "shop/settings.py").open("a") as file:
        file.write(text)


def follow(terminal: Terminal, section: str) -> None:
    """Do what the guide says in ``section``."""
    Story(terminal, own_environment=True).tell(GUIDE, section)


class TestFrom110:
    """Projects of the published 1.1.0."""

    pytestmark = slow

    def test_the_usual_way_and_back(self, old: Terminal) -> None:
        """A 1.1.0 database moves to 1.2 and back by the guide's commands, and keeps what operators chose."""
        do(old, "python manage.py makemigrations django_plugin_system", "python manage.py migrate")
        type_in_shell(old, CHANGE_ITEM)
        follow(old, "From 1.1.0")
        type_in_shell(old, CHECK_ITEM)
        follow(old, "Going back")
        type_in_shell(old, CHECK_ITEM)

    def test_a_copy_of_the_migrations(self, old: Terminal) -> None:
        """A project with MIGRATION_MODULES takes the entry out, and goes on with our migrations."""
        do(old, "mkdir shop/plugin_migrations && touch shop/plugin_migrations/__init__.py")
        before = (old.place / "shop/settings.py").read_text()
        write_settings(old, 'MIGRATION_MODULES = {"django_plugin_system": "shop.plugin_migrations"}\n')
        do(old, "python manage.py makemigrations django_plugin_system", "python manage.py migrate")
        type_in_shell(old, CHANGE_ITEM)
        (old.place / "shop/settings.py").write_text(before)
        do(old, "rm -r shop/plugin_migrations")
        follow(old, "From 1.1.0 with MIGRATION_MODULES")
        type_in_shell(old, CHECK_ITEM)

    def test_tables_that_no_migration_made(self, old: Terminal) -> None:
        """Tables of ``migrate --run-syncdb`` are taken over after a faked first migration."""
        do(old, "python manage.py migrate --run-syncdb")
        type_in_shell(old, CHANGE_ITEM)
        follow(old, "Tables without a record")
        type_in_shell(old, CHECK_ITEM)


class TestFrom2x:
    """Projects of the published 2.0.9."""

    pytestmark = slow

    def test_instances_are_imported(self, tmp_path: Path, environments: Environments) -> None:
        """What operators entered in 2.0.9 is written down, and serves in 1.2."""
        terminal = start_project(tmp_path, environments, "2.0.9")
        (terminal.place / "apps/sms/plugins.py").write_text(PLUGINS_2X)
        write_settings(terminal, SETTINGS + 'FIELD_ENCRYPTION_KEY = SALT_KEY = "salt"\n')
        do(terminal, "python manage.py migrate")
        type_in_shell(terminal, FILL_2X)
        follow(terminal, "From 2.0.x")
        type_in_shell(terminal, CHECK_2X)

    def test_what_the_guide_warns_of(self, tmp_path: Path, environments: Environments) -> None:
        """With another key the script of the guide gives up, and 1.2 leaves tables of 2.0.9 alone, byte by byte."""
        terminal = start_project(tmp_path, environments, "2.0.9")
        (terminal.place / "apps/sms/plugins.py").write_text(PLUGINS_2X)
        write_settings(terminal, SETTINGS + 'FIELD_ENCRYPTION_KEY = SALT_KEY = "salt"\n')
        do(terminal, "python manage.py migrate")
        type_in_shell(terminal, FILL_2X)
        before = (terminal.place / "db.sqlite3").read_bytes()
        script = next(block.text for block in code_blocks(GUIDE, "python") if block.title == "instances_of_2x.py")
        write_settings(terminal, 'SALT_KEY = "pepper"\n')
        status, output = terminal.run("python manage.py shell -v 0", script)
        assert status != 0
        assert "cannot be decrypted" in output
        assert "old-token" not in output
        (terminal.place / "apps/sms/plugins.py").write_text("")
        do(terminal, "python -m pip install ../django-plugin-system")
        status, output = terminal.run("python manage.py migrate")
        assert status != 0
        assert "django_plugin_system.E003" in output
        assert (terminal.place / "db.sqlite3").read_bytes() == before


PRELUDE = """
from apps.sms.plugins import AbstractSms
from django_plugin_system import explain_selection, get_plugin, get_plugin_by_id, get_plugins
from django_plugin_system.helpers import get_plugin_class, get_plugin_instance
from django_plugin_system.models import PluginInstance, PluginType
from django_plugin_system.register import load_plugin_item, load_plugin_type
from django_plugin_system.registry import registry
from django_plugin_system.sync import sync_registered_plugins_to_db

plugin_type = PluginType.objects.get(name="sms", manager="apps.sms")
instance = PluginInstance.objects.get(name="transactional", item__name="gateway")
item = instance.item
"""
"""What the table of calls takes for granted."""


def read_calls() -> list[tuple[str, str]]:
    """Return each call of 1.1.0 in the guide's table, and the one that replaces it."""
    section = GUIDE.read_text(encoding="utf-8").partition("| 1.1.0 | 1.2 |")[2].partition("\n\n")[0]
    return re.findall(r"^\| `(.+?)` \| `(.+?)` \|$", section, re.MULTILINE)


@pytest.mark.sqlite
def test_old_calls_and_their_new_forms(terminal: Terminal) -> None:
    """Each example on the way from items to instances does what the guide shows, and each call of its table works."""
    Story(terminal).tell(GUIDE, "From items to instances")
    calls = read_calls()
    assert len(calls) == 11
    checks = [f"old, new = {old}, {new}\nassert None not in (old, new)" for old, new in calls]
    type_in_shell(terminal, "\n".join([PRELUDE, *checks]))


@pytest.mark.sqlite
def test_credentials_move_from_settings(terminal: Terminal) -> None:
    """A token in the settings becomes an instance's, encrypted or as a reference to the environment."""
    Story(terminal).tell(GUIDE, "From settings to instances")
