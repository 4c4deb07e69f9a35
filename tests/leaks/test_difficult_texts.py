"""Secrets and plain values that databases, forms and JSON find difficult: kept exactly, or refused with the path."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from django_plugin_system import PluginUnavailable, failover
from django_plugin_system.exceptions import AllPluginsFailed, InvalidConfig
from django_plugin_system.models import PluginInstance
from django_plugin_system.registry import temporary_registry
from tests.admin.helpers import edit_config, get_row, read_form, url
from tests.admin.sample import CONFIG, SID, AbstractSms, make_instance, make_rows, register_sample

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.test import Client

    from django_plugin_system.models import PluginItem

pytestmark = pytest.mark.django_db

TEXTS = {
    "newlines": "first\nsecond\r\nthird\rfourth\n",
    "NUL": "before\x00after",
    "only NUL": "\x00",
    "emoji": "\U0001f511\U0001f3f3\ufe0f\u200d\U0001f308",
    "right to left": "\u202e\u06a9\u0644\u06cc\u062f",
    "spaces": "  \t around  ",
    "quotes": "\"'`<script>&amp;</textarea>{{ x }}%s%%",
    "a marker's name": '{"$secret": "dps1.x"}',
    "controls": "".join(map(chr, range(1, 32))) + "\x7f\x85\u2028\u2029\ufeff",
    "1 MB": "0123456789abcdef" * 65_536,
}
HALVES = ["\ud83d", "a\udcffb", "\udd11\ud83d"]


@pytest.fixture
def twilio() -> Iterator[PluginItem]:
    """Return the row of a configurable item."""
    with temporary_registry(empty=True):
        register_sample()
        yield make_rows()["twilio"]


@pytest.mark.parametrize("text", [*TEXTS.values(), ""], ids=[*TEXTS, "empty"])
def test_the_orm_keeps_every_text_of_a_secret(twilio: PluginItem, text: str) -> None:
    """Created, bulk created, set and saved, and read by another process's eyes."""
    values = {**CONFIG, "auth_token": text, "senders": [{"name": "a", "token": text}]}
    one = make_instance(twilio, "one", config=values)
    two = PluginInstance(item=twilio, name="two", config=values)
    three = make_instance(twilio, "three")
    PluginInstance.objects.bulk_create([two])
    three.set_config(values)
    three.save()
    for row in (one, two, three):
        read = get_row(row).load_config()
        assert read.auth_token.get_secret_value() == read.senders[0].token.get_secret_value() == text


@pytest.mark.parametrize("half", HALVES, ids=ascii)
def test_half_a_surrogate_pair_is_kept_or_refused(twilio: PluginItem, half: str) -> None:
    """No encoding has it: as a secret it comes back as it was, or nothing is stored and the field is named."""
    row = make_instance(twilio, config={**CONFIG, "auth_token": half})
    assert get_row(row).load_config().auth_token.get_secret_value() == half


@pytest.mark.parametrize("text", [*HALVES, "a\x00b"], ids=ascii)
def test_a_plain_text_that_a_database_cannot_hold_is_refused(twilio: PluginItem, text: str) -> None:
    """Not as an error of the database: the field is named, on each of them, and nothing is stored."""
    with pytest.raises(InvalidConfig) as caught:
        make_instance(twilio, config={**CONFIG, "note": text})
    assert [problem.path for problem in caught.value.errors] == [("note",)]
    assert not PluginInstance.objects.exists()


@pytest.mark.parametrize("text", TEXTS.values(), ids=list(TEXTS))
def test_the_admin_keeps_every_text_of_a_secret(admin_client: Client, twilio: PluginItem, text: str) -> None:
    """Typed into the form, it is what is stored; forms write line breaks in their own way, JSON does not."""
    response = admin_client.get(url("add"), {"item": str(twilio.pk)})
    form = edit_config(read_form(response), account_sid=SID, auth_token=text)
    response = admin_client.post(f"{url('add')}?item={twilio.pk}", {**form, "name": "typed"})
    assert response.status_code == 302
    stored: Any = PluginInstance.objects.get().load_config()
    assert stored.auth_token.get_secret_value() == text


@pytest.mark.parametrize("half", HALVES, ids=ascii)
def test_the_admin_takes_half_a_surrogate_pair_as_a_secret_only(
    admin_client: Client, twilio: PluginItem, half: str
) -> None:
    """A browser cannot send one, a script can, as an escape in the JSON of the form; a plain one is an error there."""
    address = f"{url('add')}?item={twilio.pk}"
    form = {**read_form(admin_client.get(address)), "name": "typed"}
    refused = admin_client.post(address, edit_config(form, account_sid=SID, auth_token="x", note=half))
    assert "stored" in refused.content.decode()
    assert not PluginInstance.objects.exists()
    assert admin_client.post(address, edit_config(form, account_sid=SID, auth_token=half)).status_code == 302
    assert PluginInstance.objects.get().load_config().auth_token.get_secret_value() == half  # type: ignore[union-attr]


def _fail(text: str) -> None:
    for attempt in failover(AbstractSms):
        with attempt:
            raise PluginUnavailable(text)


@pytest.mark.parametrize("text", [*TEXTS.values(), *HALVES], ids=[*TEXTS, *map(ascii, HALVES)])
def test_the_text_of_an_error_is_never_in_the_way(twilio: PluginItem, text: str) -> None:
    """A provider's words, whatever they are, neither stop a failover nor break its row."""
    row: Any = make_instance(twilio)
    with pytest.raises(AllPluginsFailed):
        _fail(text)
    assert get_row(row).last_error.startswith("PluginUnavailable")
