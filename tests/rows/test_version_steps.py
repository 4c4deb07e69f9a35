"""What a step of ``migrate_config`` may do with secrets, and what it can do wrong without harm to the row."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import pytest
from pydantic import BaseModel, SecretBytes, SecretStr

from django_plugin_system import explain_selection
from django_plugin_system.exceptions import ConfigError, ConfigMigrationFailed
from django_plugin_system.schema.tree import BoundTo
from django_plugin_system.sync import sync_registered_plugins_to_db
from tests.config.helpers import iter_chain, show_everything
from tests.support.plugins import SECRET, AbstractSms, ConsoleSms, declare_item
from tests.support.rows import add_instance, read_raw, reload

if TYPE_CHECKING:
    from django_plugin_system.models import PluginInstance, PluginItem
    from django_plugin_system.registry import Registry

pytestmark = pytest.mark.django_db


class First(BaseModel):
    """What is stored."""

    url: str = "https://one.example"
    user: str = "root"
    token: SecretStr = SecretStr(SECRET)
    spare: list[SecretStr] = [SecretStr("spare-one"), SecretStr("spare-two")]


class SteppingSms(ConsoleSms):
    """Sends nothing; its schema and its steps are set by ``deploy``."""

    config_schema: ClassVar[type[BaseModel]]
    config_version: ClassVar[int]
    steps: ClassVar[tuple[Any, ...]]

    def __init__(self, config: BaseModel) -> None:
        """Keep nothing."""

    @classmethod
    def migrate_config(cls, config: dict[str, Any], from_version: int) -> Any:
        """Take the step."""
        return cls.steps[from_version - 1](config)


def deploy(declared: Registry, schema: type[BaseModel], *steps: Any) -> None:
    """Let the item's class take ``schema``, with these steps behind it."""
    SteppingSms.config_schema, SteppingSms.config_version, SteppingSms.steps = schema, len(steps) + 1, steps
    declared.items.clear()
    declare_item(SteppingSms)


@pytest.fixture
def row(provider: PluginItem, declared: Registry) -> PluginInstance:
    """Return a row of the first version."""
    deploy(declared, First)
    return reload(add_instance(item=provider, config={"token": SECRET}))


class Renamed(BaseModel):
    """The secret has another name, deeper down."""

    login: dict[str, SecretStr]


class Joined(BaseModel):
    """Two values are one secret now."""

    dsn: SecretStr


class Split(BaseModel):
    """One secret is two, one of them bytes."""

    first: SecretStr
    rest: SecretBytes


class Plain(BaseModel):
    """No secret any more."""

    token: str


class Bound(BaseModel):
    """The endpoint has another name, and the secret belongs to it."""

    endpoint: str
    token: Annotated[SecretStr, BoundTo("endpoint")]


def join(config: dict[str, Any]) -> dict[str, Any]:
    """Make one secret of a name and a secret."""
    return {"dsn": SecretStr(f"{config['user']}:{config['token'].get_secret_value()}")}


def split(config: dict[str, Any]) -> dict[str, Any]:
    """Make two secrets of one."""
    token = config["token"].get_secret_value()
    return {"first": SecretStr(token[:4]), "rest": SecretBytes(token[4:].encode())}


MOVES: list[tuple[type[BaseModel], Any, dict[str, Any]]] = [
    (Renamed, lambda config: {"login": {"main": config["token"], "spare": config["spare"][0]}}, {}),
    (Joined, join, {}),
    (Split, split, {}),
    (Plain, lambda config: {"token": config["token"].get_secret_value()}, {"token": SECRET}),
    (Bound, lambda config: {"endpoint": config["url"], "token": config["token"]}, {"endpoint": "https://one.example"}),
    (First, lambda config: {**config, "spare": (config["token"],)}, {"url": "https://one.example", "user": "root"}),
]


@pytest.mark.parametrize(
    ("schema", "step", "plain"), MOVES, ids=["moved", "joined", "split", "plain", "bound", "tuple"]
)
def test_a_step_may_do_anything_with_secrets(
    row: PluginInstance, declared: Registry, schema: type[BaseModel], step: Any, plain: dict[str, Any]
) -> None:
    """It reads as the step left it, before and after it is written; only what was taken out is stored in the clear."""
    deploy(declared, schema, step)
    before = read_raw(row.pk)
    read = reload(row).load_config()
    assert isinstance(read, schema)
    assert read_raw(row.pk) == before
    assert sync_registered_plugins_to_db(mode="update").configs_upgraded == 1
    assert reload(row).load_config() == read
    assert reload(row).config_version == 2
    stored = json.loads(read_raw(row.pk))
    assert {key: value for key, value in stored.items() if isinstance(value, str)} == plain
    assert (SECRET in read_raw(row.pk)) == (schema is Plain)


def cycle(config: dict[str, Any]) -> dict[str, Any]:
    """Hang the configuration into itself, more than once."""
    config["user"] = [config, config, config]
    return config


def raise_secret(config: dict[str, Any]) -> Any:
    """Raise an error that quotes the secret, with another one behind it."""
    token = config["token"].get_secret_value()
    raise ValueError(token) from KeyError(token)


def nest(config: dict[str, Any]) -> dict[str, Any]:
    """Put a value into many lists."""
    deep: Any = "root"
    for _ in range(500):
        deep = [deep]
    return {**config, "user": deep}


def take_out(config: dict[str, Any]) -> dict[str, Any]:
    """Take the secret out of its type, for the next step."""
    return {**config, "user": config["token"].get_secret_value()}


FAULTS: list[tuple[str, tuple[Any, ...]]] = [
    ("raises", (raise_secret,)),
    ("raises later, with the secret in the clear", (take_out, raise_secret)),
    ("returns nothing", (lambda config: config.clear(),)),
    ("returns a list", (lambda config: [config],)),
    ("returns a model", (lambda config: First(token=config["token"]),)),
    ("returns itself in itself", (cycle,)),
    ("returns what does not fit", (lambda config: {"url": 5, "token": config["token"]},)),
    ("returns what JSON cannot say", (lambda config: {**config, "user": object()},)),
    ("leaves a secret in a plain field", (lambda config: {**config, "user": config["token"]},)),
    (
        "returns a very deep value",
        (nest,),
    ),
    ("is no function", (None,)),
]


@pytest.mark.parametrize("steps", [fault[1] for fault in FAULTS], ids=[fault[0] for fault in FAULTS])
def test_a_faulty_step_leaves_the_row_as_it_was(
    row: PluginInstance, declared: Registry, steps: tuple[Any, ...]
) -> None:
    """The row is marked, by every way that reads; a save of the rest works; nothing quotes the secret."""
    before = read_raw(row.pk)
    deploy(declared, First, *steps)
    found = reload(row)
    with pytest.raises(ConfigError) as caught:
        found.load_config()
    assert SECRET not in show_everything(caught.value)
    assert len(list(iter_chain(caught.value))) == 1
    reason = found.reason_unusable()
    assert reason is not None
    assert SECRET not in reason
    result = sync_registered_plugins_to_db(mode="update")
    assert (result.configs_failed, len(result.config_problems)) == (1, 1)
    assert SECRET not in result.config_problems[0]
    assert [candidate.reason for candidate in explain_selection(AbstractSms).candidates] == [reason]
    found.name = "renamed"
    found.save()
    assert reload(row).name == "renamed"
    assert read_raw(row.pk) == before
    assert reload(row).config_version == 1


def test_a_step_sees_only_the_version_before(row: PluginInstance, declared: Registry) -> None:
    """Steps run one at a time and in order, from the version that is stored."""
    seen: list[int] = []

    def note(number: int) -> Any:
        def step(config: dict[str, Any]) -> dict[str, Any]:
            seen.append(number)
            return config

        return step

    deploy(declared, First, *map(note, (1, 2, 3)))
    reload(row).load_config()
    assert seen == [1, 2, 3]
    sync_registered_plugins_to_db(mode="update")
    seen.clear()
    deploy(declared, First, *map(note, (1, 2, 3, 4)))
    reload(row).load_config()
    assert seen == [4]


def test_a_failed_step_names_class_version_and_kind(row: PluginInstance, declared: Registry) -> None:
    """The error carries what a developer needs, and nothing that the step said."""
    deploy(declared, First, lambda config: config, raise_secret)
    with pytest.raises(ConfigMigrationFailed, match=r"SteppingSms\.migrate_config .* version 2 \(ValueError\)"):
        reload(row).load_config()


def test_a_step_that_dumps_a_model_destroys_nothing(row: PluginInstance, declared: Registry) -> None:
    """A step that returns pydantic's masks in the place of secrets makes the row unusable, never stores them."""
    before = read_raw(row.pk)
    deploy(declared, First, lambda config: First(**config).model_dump(mode="json"))
    assert sync_registered_plugins_to_db(mode="update").configs_upgraded == 0
    with pytest.raises(ConfigError, match="token: is a mask"):
        reload(row).load_config()
    saved = reload(row)
    saved.description = "edited"
    saved.save()
    assert read_raw(row.pk) == before
