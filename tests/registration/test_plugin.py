"""ConfigurablePlugin and how any plugin class is asked for its schema and built."""

from __future__ import annotations

import copy
import pickle
from typing import Any, Generic, NamedTuple, TypeVar

import pytest
from pydantic import BaseModel, SecretStr

from django_plugin_system.exceptions import InvalidConfigSchema, PluginBuildError
from django_plugin_system.models import PluginInstance
from django_plugin_system.plugin import (
    ConfigurablePlugin,
    build_plugin,
    get_item_config,
    takes_config,
)
from tests.config.helpers import SECRET, iter_chain, show_everything
from tests.registration.plugins import Config, ConfigSms, Listed, ModelT, OtherConfig, Sms

T = TypeVar("T")
U = TypeVar("U")


class Mixin:
    """A base without any configuration."""


class Between(ConfigurablePlugin[ModelT], Generic[ModelT]):
    """A generic base between ConfigurablePlugin and the plugin."""


class Twice(Between[ModelT]):
    """A second one."""


class Swapping(ConfigurablePlugin[ModelT], Generic[U, ModelT]):
    """A base with a further variable, and in another order."""


class Fixed(Swapping[U, Config], Generic[U]):
    """A base that fixes the model and leaves the other variable open."""


class OfGeneric(ConfigurablePlugin[Listed[T]], Generic[T]):
    """A base whose model is generic."""


class Leaf(Between[Config]):
    """A plugin."""


class DeepLeaf(Mixin, Twice[OtherConfig]):
    """A plugin with a mixin, two bases down."""


class SwappedLeaf(Swapping[int, OtherConfig]):
    """A plugin of the base with two variables."""


class FixedLeaf(Fixed[str]):
    """A plugin of the base that fixed the model."""


class GenericLeaf(OfGeneric[int]):
    """A plugin that fills in the model's own variable."""


class ConcreteLeaf(ConfigurablePlugin[Listed[str]]):
    """A plugin with a filled-in generic model."""


class Child(Leaf):
    """A plugin that inherits its configuration."""


class Around(Leaf, Generic[U]):
    """A base that is generic in something else than its model."""


class AroundLeaf(Around[int]):
    """A plugin of that base."""


class Overriding(Leaf):
    """A plugin that says otherwise in its body."""

    config_schema = OtherConfig


class Renewing(Leaf, ConfigurablePlugin[OtherConfig]):
    """A plugin that says otherwise in its brackets."""


@pytest.mark.parametrize(
    ("plugin_class", "schema"),
    [
        (ConfigSms, Config),
        (Leaf, Config),
        (DeepLeaf, OtherConfig),
        (SwappedLeaf, OtherConfig),
        (FixedLeaf, Config),
        (GenericLeaf, Listed[int]),
        (ConcreteLeaf, Listed[str]),
        (Child, Config),
        (AroundLeaf, Config),
        (Overriding, OtherConfig),
        (Renewing, OtherConfig),
        (Between, None),
        (Twice, None),
        (Swapping, None),
        (Mixin, None),
        (Sms, None),
    ],
)
def test_the_model_in_the_brackets_is_the_schema(plugin_class: type, schema: type[BaseModel] | None) -> None:
    """Whatever generic bases stand between, ``config_schema`` is the model in the brackets, or what the body says."""
    assert get_item_config(plugin_class).schema is schema


@pytest.mark.parametrize("wrong", [dict, Config(), "Config", 5, Mixin])
def test_a_schema_that_is_no_model_is_refused(wrong: Any) -> None:
    """``config_schema`` is a pydantic model class and nothing else; the error names the class and what it found."""
    cls = type("Wrong", (), {"config_schema": wrong})
    with pytest.raises(InvalidConfigSchema, match=r"Wrong\.config_schema must be a pydantic BaseModel") as caught:
        get_item_config(cls)
    assert caught.value.registered is cls


def test_versions_start_at_one() -> None:
    """A class that does not say has version 1, with or without the base class."""
    assert get_item_config(Sms).version == get_item_config(ConfigSms).version == 1
    assert get_item_config(type("Later", (Leaf,), {"config_version": 3})).version == 3


def test_a_config_is_left_alone_by_default() -> None:
    """The default migration step changes nothing."""
    config = {"a": 1}
    assert Leaf.migrate_config(config, 1) is config


class NeedsTwo(NamedTuple):
    """A class that one argument does not build."""

    first: object
    second: object


class TakesOne:
    """A class that is configurable without the base."""

    def __init__(self, config: object, *, option: int = 0) -> None:
        """Keep both."""
        self.config = (config, option)


@pytest.mark.parametrize(
    ("plugin_class", "takes"),
    [(Leaf, True), (TakesOne, True), (NeedsTwo, False), (Mixin, False), (dict, True), (type("Sub", (dict,), {}), True)],
)
def test_whether_one_argument_builds_a_class(plugin_class: type, *, takes: bool) -> None:
    """The signature tells; a builtin without one gets the benefit of the doubt."""
    assert takes_config(plugin_class) is takes


def test_a_plugin_gets_its_config_and_a_row_of_its_own() -> None:
    """``config`` is the validated model; ``plugin_instance`` is a copy that nobody else changes, or None."""
    row, config = PluginInstance(name="one"), Config(port=5)
    plugin = build_plugin(Leaf, config, row)
    assert plugin.config is config
    assert plugin.plugin_instance == row
    assert plugin.plugin_instance is plugin.plugin_instance is not row
    assert Leaf(config).plugin_instance is None


def test_classes_without_a_config_are_called_without() -> None:
    """A class that takes no configuration is built as ever, and gets no row."""
    plugin = build_plugin(Sms, None, PluginInstance())
    assert (type(plugin), plugin.send("x"), plugin.cost()) == (Sms, "x", 0)
    assert build_plugin(TakesOne, Config(), PluginInstance()).config == (Config(), 0)


class Explosive(ConfigurablePlugin[Config]):
    """A class whose constructor quotes its secret."""

    def __init__(self, config: Config) -> None:
        """Fail."""
        super().__init__(config)
        raise RuntimeError(config.token.get_secret_value())


def test_a_constructor_that_raises_is_named_without_its_text() -> None:
    """An error of a constructor may quote a secret, so only its type is told."""
    with pytest.raises(
        PluginBuildError, match="Explosive could not be built: its constructor raised RuntimeError"
    ) as caught:
        build_plugin(Explosive, Config(token=SecretStr(SECRET)))
    assert SECRET not in show_everything(caught.value)
    assert list(iter_chain(caught.value)) == [caught.value]
    assert (caught.value.plugin_class, caught.value.error_name) == (Explosive, "RuntimeError")


@pytest.mark.parametrize("carry", [pickle.dumps, copy.copy, copy.deepcopy])
def test_plugins_do_not_pickle(carry: Any) -> None:
    """A built plugin holds plain secrets: pickling and copying it are refused, saying what to pass instead."""
    with pytest.raises(TypeError, match=r"does not pickle; pass plugin\.plugin_instance\.pk"):
        carry(Leaf(Config(token=SecretStr(SECRET))))


def test_a_plugin_does_not_show_its_secrets() -> None:
    """Neither ``repr`` nor ``str`` of a plugin or its config shows a secret."""
    plugin = Leaf(Config(token=SecretStr(SECRET)))
    assert not [text for text in (repr(plugin), str(plugin), repr(plugin.config), str(vars(plugin))) if SECRET in text]
