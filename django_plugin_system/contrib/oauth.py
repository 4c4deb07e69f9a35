"""OAuth 2 tokens that renew themselves, by client credentials or a refresh token. Needs the extra ``oauth``."""

from __future__ import annotations

import re
import time
from typing import Any, ClassVar, NamedTuple

import requests
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from pydantic import BaseModel, SecretStr

from django_plugin_system.exceptions import PluginCredentialsRefused, PluginUnavailable
from django_plugin_system.plugin import ConfigT, ConfigurablePlugin

TIMEOUT = 20.0
"""Seconds that a token endpoint has to answer."""
REFUSED = {"invalid_client", "invalid_grant", "unauthorized_client", "access_denied"}
"""Answers of a token endpoint (RFC 6749) that stay the same until somebody changes the configuration."""


class OAuthTokens(BaseModel):
    """What a token endpoint handed out."""

    access_token: SecretStr
    refresh_token: SecretStr | None = None
    expires_at: float = float(2**53)
    """By the Unix clock; of a token that does not say so, never."""


class OAuthClient(NamedTuple):
    """Who asks which token endpoint. Without a ``refresh_token`` to start from, it is the client who is authorised."""

    token_url: str
    client_id: str
    client_secret: SecretStr
    refresh_token: SecretStr | None = None
    scope: str | None = None
    auth_method: str = "client_secret_basic"


class OAuthPlugin(ConfigurablePlugin[ConfigT]):
    """Base of plugins whose provider wants a bearer token: ``get_oauth_client()`` says where it comes from."""

    state_schema: ClassVar[type[BaseModel] | None] = OAuthTokens
    leeway: ClassVar[float] = 60
    """Seconds before its end from which on a token is not used any more."""

    def get_oauth_client(self) -> OAuthClient:
        """Return what is needed to get tokens, as it stands in ``self.config``."""
        raise NotImplementedError

    @property
    def access_token(self) -> str:
        """A token that can be used now; see ``renew_state`` for what may be raised."""
        tokens = self.renew_state(self.refresh_tokens, stale=self._is_stale)
        return str(tokens.access_token.get_secret_value())

    def renew_access_token(self) -> str:
        """Return another token than the last one, which the provider refused before its time."""
        return str(self.renew_state(self.refresh_tokens).access_token.get_secret_value())

    def _is_stale(self, tokens: OAuthTokens) -> bool:
        return tokens.expires_at - self.leeway <= time.time()

    def refresh_tokens(self, tokens: OAuthTokens | None) -> OAuthTokens:
        """Get new tokens from the endpoint.

        :raises PluginCredentialsRefused: if it refuses the client or the refresh token.
        :raises PluginUnavailable: if it does not answer, or with something else.
        """
        client = self.get_oauth_client()
        refresh_token = (tokens and tokens.refresh_token) or client.refresh_token
        try:
            answer = _ask(client, refresh_token)
            return OAuthTokens(
                access_token=answer["access_token"],
                refresh_token=answer.get("refresh_token") or refresh_token,
                expires_at=answer.get("expires_at") or 2**53,
            )
        except OAuthError as error:
            kind = str(error.error) if re.fullmatch("[a-z_]{1,40}", str(error.error)) else "an error"
            failure: Exception = PluginUnavailable(f"the token endpoint answered {kind}")
            if kind in REFUSED:
                failure = PluginCredentialsRefused(f"the token endpoint answered {kind}")
        except (requests.RequestException, ValueError, KeyError) as error:  # whose text may quote a token
            failure = PluginUnavailable(f"the token endpoint gave no tokens ({type(error).__name__})")
        raise failure


def _ask(client: OAuthClient, refresh_token: SecretStr | None) -> dict[str, Any]:
    options = {"token_endpoint_auth_method": client.auth_method, "scope": client.scope}
    secret = client.client_secret.get_secret_value()
    there_only = {"allow_redirects": False}  # a redirect would take the secrets elsewhere
    with OAuth2Session(client.client_id, secret, default_timeout=TIMEOUT, **options) as session:
        if refresh_token is None:
            return dict(session.fetch_token(client.token_url, grant_type="client_credentials", **there_only))
        given = refresh_token.get_secret_value()
        return dict(session.refresh_token(client.token_url, refresh_token=given, **there_only))
