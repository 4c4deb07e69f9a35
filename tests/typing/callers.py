"""What a caller's type checker knows, with no ignore comment at any call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typing_extensions import assert_type

from django_plugin_system import (
    aget_plugin,
    aget_plugin_by_id,
    aget_plugins,
    explain_selection,
    failover,
    get_plugin,
    get_plugin_by_id,
    get_plugins,
)
from django_plugin_system.models import PluginInstance
from tests.typing.interfaces import AbstractSms, GatewayConfig, GatewaySms, SilentSms

if TYPE_CHECKING:
    from uuid import UUID


def one_plugin_is_the_interface(instance_id: UUID) -> None:
    """An interface class asked for is the type that comes back."""
    assert_type(get_plugin(AbstractSms), AbstractSms)
    assert_type(get_plugin(AbstractSms, name="transactional"), AbstractSms)
    assert_type(get_plugin_by_id(AbstractSms, instance_id), AbstractSms)
    assert_type(get_plugin(AbstractSms).send("1", "hello"), str)


def many_plugins_are_a_list_of_the_interface() -> None:
    """All plugins of an interface are a list of it."""
    assert_type(get_plugins(AbstractSms), list[AbstractSms])
    assert_type(get_plugins(AbstractSms, name="marketing"), list[AbstractSms])


async def async_callers_know_the_same(instance_id: UUID) -> None:
    """The async forms give what the plain ones give."""
    assert_type(await aget_plugin(AbstractSms, name="transactional"), AbstractSms)
    assert_type(await aget_plugins(AbstractSms, scope="acme", shared=False), list[AbstractSms])
    assert_type(await aget_plugin_by_id(AbstractSms, instance_id), AbstractSms)


def failover_gives_the_interface() -> None:
    """Each attempt of a failover gives the interface, and knows its row."""
    for attempt in failover(AbstractSms, name="transactional", scope="acme", shared=False):
        assert_type(attempt.instance, PluginInstance)
        with attempt as sms:
            assert_type(sms, AbstractSms)


async def async_failover_gives_the_interface() -> None:
    """The async form gives the same."""
    async for attempt in failover(AbstractSms, name="transactional"):
        async with attempt as sms:
            assert_type(sms, AbstractSms)


def an_explanation_knows_its_rows() -> None:
    """What was chosen is an instance or nothing, and each candidate has a reason."""
    selection = explain_selection(AbstractSms)
    assert_type(selection.chosen, PluginInstance | None)
    for candidate in selection.candidates:
        assert_type(candidate.instance, PluginInstance)
        assert_type(candidate.usable, bool)


def strings_work_too() -> None:
    """By strings the type is not known, and the call needs no ignore comment either."""
    get_plugin("sms", "apps.sms", name="transactional")
    get_plugins("sms", "apps.sms")


def a_plugin_knows_its_config() -> None:
    """The config of a configurable plugin is the model that its class names."""
    plugin = GatewaySms(GatewayConfig.model_validate({"token": "t"}))
    assert_type(plugin.config, GatewayConfig)
    assert_type(plugin.config.token.get_secret_value(), str)


def decorators_keep_the_class() -> None:
    """A decorated class is still itself."""
    assert_type(SilentSms(), SilentSms)
    assert_type(SilentSms().send("1", "hello"), str)
