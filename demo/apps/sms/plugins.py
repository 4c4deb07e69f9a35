"""The ``sms`` plugin type: what this project may ask of any SMS provider."""

from abc import ABC, abstractmethod

from django_plugin_system import plugin_type


@plugin_type(name="sms", manager="apps.sms", description="Sends one text message to one phone number.")
class AbstractSms(ABC):
    """Sends text messages."""

    @abstractmethod
    def send(self, number: str, text: str) -> str:
        """Send ``text`` to ``number`` (E.164, such as +15550100123) and return the provider's id of the message.

        :raises PluginRejected: no provider would take this message; the number is wrong, for one.
        :raises PluginUnavailable: this provider cannot take it now; another may.
        :raises PluginOutcomeUnknown: it may have been sent, or not.
        """
