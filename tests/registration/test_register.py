"""How code declares plugins: dicts and decorators, and what each refuses at once."""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING, Any

import pytest
from django.utils.translation import gettext_lazy
from pydantic import BaseModel, SecretStr

from django_plugin_system.exceptions import (
    InvalidConfigSchema,
    InvalidInterface,
    InvalidPluginClass,
    InvalidRegistration,
    PluginSystemError,
    RegistrationConflict,
)
from django_plugin_system.plugin import ConfigurablePlugin
from django_plugin_system.register import plugin_item, plugin_type, register_plugin_item, register_plugin_type
from django_plugin_system.registry import Identity
from tests.registration.plugins import (
    AbstractMail,
    AbstractSms,
    Config,
    ConfigSms,
    OtherSms,
    Sms,
    declare_item,
    declare_type,
)

if TYPE_CHECKING:
    from django_plugin_system.registry import Registry


def test_dicts_and_decorators_register_the_same(declared: Registry) -> None:
    """A decorator returns its class, and registers what the dict does."""
    declare_type(description="d", get_plugin=len)
    declare_item(ConfigSms, "one", priority=5, description="d")
    (old_type,), (old_item,) = declared.types.values(), declared.items.values()
    declared.types, declared.items = {}, {}
    assert plugin_type(name="sms", manager="tests", description="d", get_plugin=len)(AbstractSms) is AbstractSms
    decorate = plugin_item(AbstractSms, name="one", module="tests", priority=5, description="d")
    assert decorate(ConfigSms) is ConfigSms
    (new_type,), (new_item,) = declared.types.values(), declared.items.values()
    assert vars(new_type) == vars(old_type)
    assert vars(new_item) == {**vars(old_item), "interface": AbstractSms}


class NoMethods:
    """A class that is no ABC."""


class Concrete(AbstractSms):
    """An ABC without anything abstract left."""

    send = Sms.send
    cost = Sms.cost


@pytest.mark.parametrize("interface", [NoMethods, Concrete, Sms, "AbstractSms", None, Sms()])
def test_an_interface_is_an_abc_with_an_abstract_method(declared: Registry, interface: Any) -> None:
    """Anything else is refused as a TypeError that names the type and the interface."""
    with pytest.raises(InvalidInterface, match=r"plugin type sms \(tests\) must be an ABC") as caught:
        declare_type(interface=interface)
    assert isinstance(caught.value, TypeError)
    assert caught.value.registered is interface
    assert not declared.types


@pytest.mark.parametrize("missing", ["name", "manager", "interface"])
def test_a_type_needs_its_keys(missing: str) -> None:
    """A missing key of a type is named."""
    given: Any = {"name": "sms", "manager": "tests", "interface": AbstractSms}
    del given[missing]
    with pytest.raises(InvalidRegistration, match=f"plugin type needs name, manager, interface; .* lacks {missing}"):
        register_plugin_type(given)


@pytest.mark.parametrize("missing", ["name", "module", "type_name", "manager_name", "plugin_class"])
def test_an_item_needs_its_keys(missing: str) -> None:
    """A missing key of an item is named."""
    given: Any = {"name": "a", "module": "m", "type_name": "t", "manager_name": "m", "plugin_class": Sms}
    del given[missing]
    with pytest.raises(InvalidRegistration, match=f"lacks {missing}"):
        register_plugin_item(given)


def test_an_unknown_key_is_logged(caplog: pytest.LogCaptureFixture, declared: Registry) -> None:
    """A key that nothing reads, perhaps a typing error, is logged and does no harm: 1.1.0 took it."""
    with caplog.at_level(logging.WARNING, "django_plugin_system"):
        declare_type(descripton="x", another=1)
    assert "another, descripton" in caplog.text
    assert declared.types


@pytest.mark.parametrize("value", ["", "x" * 101, None, 5, b"bytes"])
@pytest.mark.parametrize("key", ["name", "module", "type_name", "manager_name"])
def test_names_fit_their_columns(key: str, value: Any) -> None:
    """A name is text of 1 to 100 characters."""
    with pytest.raises(InvalidRegistration, match=f"{key} of a plugin must be text of 1 to 100 characters"):
        declare_item(**{key: value})


@pytest.mark.parametrize("value", ["", "x" * 101, 5])
def test_names_of_decorated_classes_fit_too(value: Any) -> None:
    """The decorator checks what the dict does."""
    with pytest.raises(InvalidRegistration, match="of 1 to 100 characters"):
        plugin_item(AbstractSms, name=value, module="tests")(Sms)


@pytest.mark.parametrize("value", [1.5, "1", 32768, -32769, [1]])
def test_a_priority_is_a_small_whole_number(value: Any) -> None:
    """A priority that no column takes is refused, by dict and by decorator."""
    for declare in (
        lambda: declare_item(priority=value),
        lambda: plugin_item(AbstractSms, name="plain", module="tests", priority=value)(Sms),
    ):
        with pytest.raises(InvalidRegistration, match="'plain' must be an int from -32768 to 32767"):
            declare()


@pytest.mark.parametrize(("value", "stored"), [(None, 0), (0, 0), (32767, 32767), (-32768, -32768)])
def test_a_priority_may_be_empty(declared: Registry, value: int | None, stored: int) -> None:
    """No priority is 0; a description of None is empty."""
    declare_type()
    declare_item(priority=value, description=None)
    (item,) = declared.items.values()
    assert (item.priority, item.description) == (stored, "")


class ByHand(Sms):
    """Configurable without the base, but with nowhere to put the config."""

    config_schema = Config


@dataclasses.dataclass(kw_only=True)
class KeywordOnly(ByHand):
    """Takes its config by keyword only."""

    config: Config


class NoModel(ConfigurablePlugin, Sms):  # type: ignore[type-arg]
    """A ConfigurablePlugin that forgot its model."""


class Unstorable(BaseModel):
    """A schema with secrets that cannot be stored."""

    tokens: set[SecretStr]
    either: str | SecretStr


class UnstorableSms(ConfigurablePlugin[Unstorable], Sms):
    """An implementation with that schema."""


def make_versioned(version: object) -> type:
    """Return a configurable class with a version."""
    return type("Versioned", (ConfigSms,), {"config_version": version})


@pytest.mark.parametrize(
    ("plugin_class", "error", "message"),
    [
        (5, InvalidPluginClass, "must be a class, not 5"),
        ("Sms", InvalidPluginClass, "must be a class, not 'Sms'"),
        (ByHand, InvalidPluginClass, "ByHand of plugin item plain .* cannot be called with one argument"),
        (KeywordOnly, InvalidPluginClass, "KeywordOnly of plugin item plain .* cannot be called with one argument"),
        (NoModel, InvalidConfigSchema, "NoModel of plugin item plain .* is a ConfigurablePlugin without a model"),
        (
            UnstorableSms,
            InvalidConfigSchema,
            "Unstorable.tokens: a set cannot hold secrets.*Unstorable.either: a union",
        ),
        (type("D", (Sms,), {"config_schema": dict}), InvalidConfigSchema, "must be a pydantic BaseModel subclass"),
        (make_versioned("2"), InvalidPluginClass, "config_version of Versioned must be a whole number .* not '2'"),
        (make_versioned(0), InvalidPluginClass, "not 0"),
        (make_versioned(version=True), InvalidPluginClass, "not True"),
    ],
)
def test_classes_that_cannot_serve_are_refused(
    declared: Registry, plugin_class: Any, error: type[PluginSystemError], message: str
) -> None:
    """A class that could never be built or configured is refused as a TypeError, before or after its type comes."""
    for _ in range(2):
        with pytest.raises(error, match=message) as caught:
            declare_item(plugin_class)
        assert isinstance(caught.value, TypeError)
        assert not declared.items
        assert not declared.waiting
        declare_type()


def test_a_conflict_keeps_the_first(declared: Registry) -> None:
    """After a conflict the registry is as it was, and the error holds what was refused."""
    declare_type()
    declare_item(Sms)
    with pytest.raises(RegistrationConflict) as caught:
        declare_item(OtherSms)
    assert caught.value.registered is OtherSms
    assert isinstance(caught.value, ValueError)
    assert [spec.plugin_class for spec in declared.items.values()] == [Sms]


def test_the_same_names_in_other_types_are_no_conflict(declared: Registry) -> None:
    """A name is one item of one type from one module."""
    declare_type()
    declare_type("mail", interface=AbstractMail)
    declare_item(Sms)
    declare_item(OtherSms, module="other")
    declare_item(type("Mail", (AbstractMail,), {"mail": print}), type_name="mail")
    assert len(declared.items) == 3


def test_virtual_subclasses_implement_their_interface(declared: Registry) -> None:
    """A class that was registered with its ABC counts as an implementation."""
    virtual = type("Virtual", (), {"mail": print})
    AbstractMail.register(virtual)
    declare_type("mail", interface=AbstractMail)
    declare_item(virtual, type_name="mail")
    assert len(declared.items) == 1


IDENTITY: Any = {"label": "One", "icon": "shop/one.svg", "docs_url": "https://one.example", "category": "Phones"}


def test_people_may_know_an_item_by_more_than_its_name(declared: Registry) -> None:
    """By dict and by decorator; nothing of it is needed, and a text may be translated late."""
    declare_type()
    declare_item(ConfigSms, "one", **IDENTITY)
    plugin_item(AbstractSms, name="two", module="tests", **{**IDENTITY, "label": gettext_lazy("Yes")})(OtherSms)
    declare_item(Sms, "three")
    one, two, three = (declared.get_item(name, "tests", ("sms", "tests")) for name in ("one", "two", "three"))
    assert one.identity == Identity(**IDENTITY)
    assert (str(two.identity.label), two.identity.category) == ("Yes", "Phones")
    assert three.identity == Identity()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"label": 5}, "label of plugin item 'one' must be text"),
        ({"docs_url": "javascript:alert(1)"}, "docs_url of plugin item 'one' must be a web address"),
    ],
)
def test_an_identity_is_text(declared: Registry, given: Any, said: str) -> None:
    """Anything else is refused, and an address that is none of the web."""
    with pytest.raises(InvalidRegistration, match=said):
        declare_item(ConfigSms, "one", **given)
    assert not declared.items
