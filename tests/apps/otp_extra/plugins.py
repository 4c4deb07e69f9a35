"""A configurable plugin, declared by a decorator."""

from __future__ import annotations

from pydantic import BaseModel, SecretStr

from django_plugin_system import ConfigurablePlugin, plugin_item
from tests.apps.otp_manager.interfaces import AbstractOtp


class ExtraConfig(BaseModel):
    """What the provider needs."""

    token: SecretStr


@plugin_item(AbstractOtp, name="ExtraOtp", module="tests.apps.otp_extra", priority=9)
class ExtraOtp(ConfigurablePlugin[ExtraConfig], AbstractOtp):
    """A provider with credentials."""

    def send_otp(self, number: str, code: str) -> str:
        """Deliver, with the number of characters of the token."""
        return f"{code} to {number} by ExtraOtp with {len(self.config.token)}"
