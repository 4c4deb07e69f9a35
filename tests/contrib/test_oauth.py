"""OAuth 2 tokens that renew themselves, against a server on loopback."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel, SecretStr

from django_plugin_system import get_plugin
from django_plugin_system.contrib.oauth import OAuthClient, OAuthPlugin
from django_plugin_system.exceptions import PluginCredentialsRefused, PluginUnavailable
from django_plugin_system.models import PluginState
from django_plugin_system.sync import sync_registered_plugins_to_db
from tests.support.plugins import AbstractSms, declare_item, declare_type
from tests.support.rows import add_instance
from tests.support.token_server import CLIENT_ID, CLIENT_SECRET, FIRST_REFRESH_TOKEN, TokenServer, running_token_server

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.django_db


class ApiConfig(BaseModel):
    """Who asks which server for tokens."""

    token_url: str
    secret: SecretStr = SecretStr(CLIENT_SECRET)
    refresh_token: SecretStr | None = None


class Api(OAuthPlugin[ApiConfig], AbstractSms):
    """A provider that wants a bearer token."""

    def get_oauth_client(self) -> OAuthClient:
        """Return what is configured."""
        return OAuthClient(self.config.token_url, CLIENT_ID, self.config.secret, self.config.refresh_token)

    def send(self, text: str) -> str:
        """Return what would be sent."""
        return f"{text} Bearer {self.access_token}"


@pytest.fixture
def server() -> Iterator[TokenServer]:
    """Run a server of refresh tokens that work once."""
    with running_token_server() as running:
        yield running


def get(server: TokenServer, **values: Any) -> Any:
    """Return a plugin of an instance with these values."""
    declare_type()
    declare_item(Api)
    sync_registered_plugins_to_db()
    add_instance(config={"token_url": server.url, **values})
    return get_plugin(AbstractSms)


def test_a_client_gets_a_token_with_its_own_credentials(server: TokenServer) -> None:
    """The token is stored, used until it is about to end, and got anew when the provider refuses it before."""
    plugin = get(server)
    assert plugin.send("x") == get_plugin(AbstractSms).send("x") == "x Bearer access-1"
    assert plugin.renew_access_token() == "access-2"
    server.expires_in = plugin.leeway
    assert plugin.renew_access_token() == "access-3"
    assert get_plugin(AbstractSms).send("x") == "x Bearer access-4"
    assert (server.granted, server.refreshes) == (4, 0)


def test_a_refresh_token_is_used_once_and_its_successor_kept(server: TokenServer) -> None:
    """The configuration has the first one; the others come from the server, and are stored encrypted."""
    plugin = get(server, refresh_token=FIRST_REFRESH_TOKEN)
    assert plugin.access_token == "access-1"
    again: Any = get_plugin(AbstractSms)
    assert again.renew_access_token() == "access-2"
    assert plugin.renew_access_token() == "access-2"
    assert (server.refreshes, server.refused) == (2, 0)
    assert "planted" not in PluginState.objects.get().stored


def test_refused_credentials_are_told_from_a_server_that_is_down(server: TokenServer) -> None:
    """Who is refused needs an operator; who gets no answer, or nonsense, tries again; no error has a secret in it."""
    plugin = get(server, secret="another planted-secret")
    with pytest.raises(PluginCredentialsRefused, match="the token endpoint answered invalid_client"):
        plugin.send("x")
    server.failing = 503
    with pytest.raises(PluginUnavailable, match=r"gave no tokens \(HTTPError\)"):
        plugin.send("x")
    for status, answer, said in (
        (200, {}, "gave no tokens (KeyError)"),
        (200, {"access_token": 5}, "gave no tokens (ValidationError)"),
        (400, {"error": "temporarily_unavailable"}, "answered temporarily_unavailable"),
        (400, {"error": "no: planted-secret"}, "answered an error"),
        (307, {}, "gave no tokens ("),
    ):
        server.failing, server.failure = status, answer
        with pytest.raises(PluginUnavailable) as caught:
            plugin.send("x")
        assert said in str(caught.value)
        assert "planted" not in str(caught.value)
        assert caught.value.__context__ is None


def test_a_server_that_is_not_there_is_unavailable() -> None:
    """Nothing listens at the address."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    plugin = Api(ApiConfig(token_url=f"http://127.0.0.1:{port}/"))
    with pytest.raises(PluginUnavailable, match="ConnectionError"):
        plugin.send("x")


def test_a_plugin_says_who_its_client_is() -> None:
    """The base knows no configuration."""
    with pytest.raises(NotImplementedError):
        OAuthPlugin(ApiConfig(token_url="x")).get_oauth_client()
