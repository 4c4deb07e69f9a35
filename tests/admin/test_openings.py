"""How often a page of the admin opens a stored secret."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from django_plugin_system.config import tokens
from tests.admin.helpers import edit_config, open_change, save_change

if TYPE_CHECKING:
    from django.test import Client

    from django_plugin_system.models import PluginInstance


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return the paths of the secrets that are opened from now on."""
    paths: list[Any] = []
    open_token = tokens.open_token

    def count(*args: Any, **kwargs: Any) -> Any:
        paths.append(args[2])
        return open_token(*args, **kwargs)

    monkeypatch.setattr(tokens, "open_token", count)
    return paths


def test_a_save_opens_a_secret_twice(admin_client: Client, instance: PluginInstance, opened: list[Any]) -> None:
    """Once to draw the form that was posted, once to store what came of it, whether the secret is kept or replaced."""
    for values in ({"timeout": 20}, {"auth_token": "another secret"}):
        form = edit_config(open_change(admin_client, instance), **values)
        opened.clear()
        assert save_change(admin_client, instance, form).status_code == 302
        assert opened == [("auth_token",)] * 2


def test_a_page_opens_a_secret_twice(admin_client: Client, instance: PluginInstance, opened: list[Any]) -> None:
    """Once for its state, once for its form."""
    open_change(admin_client, instance)
    assert opened == [("auth_token",)] * 2
