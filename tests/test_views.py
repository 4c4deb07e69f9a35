"""The view for load balancers: who may ask, and what it answers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import OperationalError, connection
from django.test import Client
from django.urls import path

from django_plugin_system.models import PluginInstance
from django_plugin_system.registry import temporary_registry
from django_plugin_system.views import plugins_health
from tests.support.plugins import AbstractSms, ProviderSms, declare_item, declare_type
from tests.support.rows import add_instance

if TYPE_CHECKING:
    from pytest_django import Settings

    from django_plugin_system.models import PluginItem

pytestmark = pytest.mark.django_db

TOKEN = "Kk2vQwq6ZyXfT0sD"
urlpatterns = [path("health/", plugins_health)]


@pytest.fixture(autouse=True)
def addresses(settings: Settings) -> None:
    """Let the view be served, to who has the token."""
    settings.ROOT_URLCONF = __name__
    settings.PLUGIN_SYSTEM = {"HEALTH_TOKEN": TOKEN}


def ask(token: str = TOKEN, status: int = 200) -> dict[str, Any]:
    """Return the answer, which has the ``status``."""
    response = Client(headers={"Authorization": f"Bearer {token}"}).get("/health/")
    assert response.status_code == status
    assert "no-cache" in response["Cache-Control"]
    answer: dict[str, Any] = json.loads(response.content)
    return answer


def test_it_says_who_serves(provider: PluginItem) -> None:
    """One entry for each type; 503 as soon as nobody can serve."""
    row = add_instance("main", provider)
    entry = {"type": "sms", "manager": "apps.sms", "name": None}
    served = {**entry, "status": "ok", "instance": "main (provider)"}
    assert ask() == {"status": "ok", "plugins": [served]}
    row.health.refused_revision = row.config_revision
    row.health.save()
    unserved = {**entry, "status": "unavailable", "instance": None}
    assert ask(status=503) == {"status": "unavailable", "plugins": [unserved]}
    PluginInstance.objects.update(status="disable")
    assert ask() == {"status": "ok", "plugins": [{**unserved, "status": "unused"}]}


def test_declared_names_are_needed(provider: PluginItem) -> None:
    """Each name that a type declares has to be served, whatever other instances there are."""
    add_instance("main", provider)
    with temporary_registry(empty=True):
        declare_type(names=["main", "other"])
        declare_item(ProviderSms)
        statuses = {plugin["name"]: plugin["status"] for plugin in ask(status=503)["plugins"]}
    assert statuses == {"main": "ok", "other": "unavailable"}


def test_a_types_own_choice_is_asked(provider: PluginItem) -> None:
    """What it picks serves; a wrong choice serves nobody."""
    row = add_instance("main", provider)
    for choice, status in ((row, 200), ("nonsense", 503)):
        with temporary_registry():
            declare_type(get_plugin=lambda _plugin_type, choice=choice: choice)
            ask(status=status)


def test_a_database_that_cannot_be_asked() -> None:
    """Is told without its error's text."""

    def refuse(*_args: Any) -> None:
        raise OperationalError("secret host")

    declare_type()
    with connection.execute_wrapper(refuse):
        assert ask(status=503) == {"status": "unavailable", "error": "OperationalError"}


@pytest.mark.parametrize("token", ["", "wrong", TOKEN[:-1], "schlüssel-schlüssel"])
def test_others_learn_nothing(provider: PluginItem, token: str) -> None:
    """Neither with a wrong token, nor without one."""
    add_instance("main", provider)
    assert ask(token, 403) == {"status": "forbidden"}
    assert Client().get("/health/").status_code == 403
    assert Client().post("/health/").status_code == 405


def test_users_need_the_permission(settings: Settings) -> None:
    """Who may view instances may ask; an empty token opens nothing."""
    settings.PLUGIN_SYSTEM = {}
    user = User.objects.create_user("operator")
    client = Client()
    client.force_login(user)
    assert client.get("/health/").status_code == 403
    user.user_permissions.add(Permission.objects.get(codename="view_plugininstance"))
    assert client.get("/health/").status_code == 200
    assert ask("", 403) == {"status": "forbidden"}


def test_it_needs_no_users(provider: PluginItem, settings: Settings) -> None:
    """A project without sessions and users can serve it."""
    add_instance("main", provider)
    settings.MIDDLEWARE = []
    assert ask()["status"] == "ok"
    assert ask("wrong", 403) == {"status": "forbidden"}
    assert AbstractSms.__name__ not in str(ask())
