"""What this app asks of its plugins."""

from __future__ import annotations

from abc import ABC, abstractmethod


class NoCreditError(Exception):
    """The provider's account is empty."""


class AbstractOtp(ABC):
    """Delivers one-time passwords."""

    @abstractmethod
    def send_otp(self, number: str, code: str) -> str:
        """Send ``code`` to ``number`` and say how."""
