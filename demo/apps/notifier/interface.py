"""What this project may ask of any notifier."""

from abc import ABC, abstractmethod


class AbstractNotifier(ABC):
    """Tells somebody something."""

    @abstractmethod
    def send(self, recipient: str, subject: str, text: str) -> str:
        """Send ``text`` to ``recipient`` (an address, or a name where there are no addresses) and return a receipt.

        :raises PluginRejected: no notifier would take this message.
        :raises PluginUnavailable: this one cannot take it now; another may.
        :raises PluginOutcomeUnknown: it may have been sent, or not.
        """
