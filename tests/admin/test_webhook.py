"""Where a provider calls an instance: the page says it, for whoever sets the provider up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.test.utils import override_script_prefix

from tests.admin.helpers import url
from tests.admin.sample import TwilioSms

if TYPE_CHECKING:
    import pytest
    from django.test import Client

    from django_plugin_system.models import PluginInstance


def test_the_address_of_an_instance_is_shown_if_its_class_has_one(
    admin_client: Client, instance: PluginInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole address with the instance's id, below where the project is served; nothing without ``webhook_path``."""
    assert "Webhook" not in admin_client.get(url("change", instance.pk)).content.decode()
    monkeypatch.setattr(TwilioSms, "webhook_path", "/sms/hooks/{id}/")
    page = admin_client.get(url("change", instance.pk)).content.decode()
    assert f"<code>http://testserver/sms/hooks/{instance.pk}/</code>" in page
    address = url("change", instance.pk)
    with override_script_prefix("/below/"):
        page = admin_client.get(address).content.decode()
    assert f"<code>http://testserver/below/sms/hooks/{instance.pk}/</code>" in page
    assert "Webhook" not in admin_client.get(f"{url('add')}?item={instance.item_id}").content.decode()
