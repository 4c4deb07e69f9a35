"""A disabled instance is reached by its id, by who asks for that: a refund belongs to the account that was charged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from asgiref.sync import async_to_sync

from django_plugin_system import NoPluginAvailable, aget_plugin_by_id, get_plugin_by_id
from django_plugin_system.models import PluginItem, PluginStatus
from tests.support.plugins import AbstractSms, ProviderSms
from tests.support.rows import add_instance

if TYPE_CHECKING:
    from pytest_django import Settings


@pytest.mark.parametrize("staleness", [0, 60])
def test_a_disabled_instance_is_built_for_who_asks_for_it(
    provider: PluginItem, staleness: int, settings: Settings
) -> None:
    """Its own status or its item's does not matter then; who does not ask is refused, before and after."""
    settings.PLUGIN_SYSTEM = {"MAX_STALENESS": staleness}
    row = add_instance(status=PluginStatus.DISABLED)
    for _ in range(2):
        with pytest.raises(NoPluginAvailable, match="disabled"):
            get_plugin_by_id(AbstractSms, row.pk)
        assert isinstance(get_plugin_by_id(AbstractSms, row.pk, disabled=True), ProviderSms)
        PluginItem.objects.filter(pk=provider.pk).update(status=PluginStatus.DISABLED)
    found = get_plugin_by_id("sms", "apps.sms", str(row.pk), disabled=True)
    assert found.plugin_instance == row


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("provider")
def test_asynchronous_code_reaches_it_too() -> None:
    """The same for ``aget_plugin_by_id``."""
    row = add_instance(status=PluginStatus.DISABLED)

    async def ask() -> AbstractSms:
        return await aget_plugin_by_id(AbstractSms, row.pk, disabled=True)

    assert isinstance(async_to_sync(ask)(), ProviderSms)
