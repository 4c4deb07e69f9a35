"""The form that asks for a message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms

from apps.frontdesk.seed import ACME, UMBRELLA
from apps.frontdesk.sending import Order

if TYPE_CHECKING:
    from collections.abc import Iterable

ANY_PURPOSE = ""
CHANNELS = (("sms", "SMS"), ("email", "E-mail"))
TENANTS = (("", "none"), (ACME, "Acme"), (UMBRELLA, "Umbrella"))


class MessageForm(forms.Form):
    """Channel, purpose, recipient and text of one message."""

    channel = forms.ChoiceField(choices=CHANNELS, widget=forms.RadioSelect, initial="sms")
    tenant = forms.ChoiceField(choices=TENANTS, widget=forms.RadioSelect, initial="", required=False)
    number = forms.CharField(
        max_length=20,
        required=False,
        initial="+15550100123",
        label="Phone number",
        help_text="The providers turn a wrong one down. Try 12.",
        widget=forms.TextInput(attrs={"inputmode": "tel", "autocomplete": "off"}),
    )
    address = forms.EmailField(
        required=False,
        initial="ada@example.com",
        label="E-mail address",
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
    )
    text = forms.CharField(
        max_length=480, initial="Your code is 4711.", label="Message", widget=forms.Textarea(attrs={"rows": 3})
    )

    def __init__(self, *args: Any, purposes: Iterable[str], **kwargs: Any) -> None:
        """Offer ``purposes``, the instance names there are, and the choice to name none."""
        super().__init__(*args, **kwargs)
        choices = [*((name, name) for name in purposes), (ANY_PURPOSE, "any")]
        self.fields["purpose"] = forms.ChoiceField(
            choices=choices, widget=forms.RadioSelect, required=False, initial=choices[0][0]
        )

    def clean(self) -> dict[str, Any]:
        """Ask for the recipient that the channel needs."""
        data: dict[str, Any] = super().clean() or self.cleaned_data
        wanted = "address" if data.get("channel") == "email" else "number"
        if wanted not in self.errors and not data.get(wanted):
            self.add_error(wanted, "Who shall get it?")
        return data

    def get_order(self) -> Order:
        """Return what a valid form asks for."""
        data = self.cleaned_data
        recipient = data["address"] if data["channel"] == "email" else data["number"]
        return Order(
            channel=data["channel"],
            purpose=data["purpose"],
            recipient=recipient,
            text=data["text"],
            tenant=data["tenant"],
        )
