"""check_contract: what it finds in plugin classes, all of it in one error, and what it lets pass."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from pydantic import BaseModel, SecretStr, model_validator

from django_plugin_system import ConfigurablePlugin
from django_plugin_system.exceptions import ContractBroken
from django_plugin_system.testing import check_contract
from tests.support.plugins import SECRET, VALID, AbstractSms, ConsoleSms, LenientSms, ProviderSms, ProviderSmsV2

if TYPE_CHECKING:
    from collections.abc import Awaitable

CURRENT = {"account": "AC1", "token": SECRET, "region": "eu"}


class Config(BaseModel):
    """A configuration whose fields all have defaults."""

    hosts: list[str] = ["a"]
    token: SecretStr = SecretStr("")


class Sender(ABC):
    """An interface with every kind of argument."""

    default = "a value that need not be implemented"

    @abstractmethod
    def send(self, number: str, /, text: str, *, retries: int = 0) -> str:
        """Send."""

    @property
    @abstractmethod
    def name(self) -> str:
        """The sender's name."""


class Good(ConfigurablePlugin[Config], Sender):
    """A class that keeps the contract."""

    name = "good"
    seen: ClassVar[list[str]] = []

    def send(self, number: str, /, text: str = "", *more: object, retries: int = 1, **options: object) -> Any:
        """Take more than has to be."""

    def check(self) -> None:
        """Find nothing wrong."""


class ByHand(AbstractSms):
    """A class that declares its schema by hand."""

    config_schema = Config

    def __init__(self, config: Config) -> None:
        """Keep it under a name of its own."""
        self._settings = config

    def send(self, text: str) -> Any:
        """Send."""


@pytest.mark.parametrize("plugin_class", [Good, ByHand, ConsoleSms, LenientSms, ProviderSms, ProviderSmsV2])
def test_good_classes_pass(plugin_class: type) -> None:
    """A class that keeps the contract passes in one line, with or without an example."""
    check_contract(plugin_class)


def test_examples_are_used() -> None:
    """Examples may be mappings or models; those of former versions go through every step."""
    check_contract(ProviderSms, VALID)
    check_contract(Good, Config(hosts=["b"], token=SecretStr(SECRET)))
    check_contract(ProviderSmsV2, CURRENT, stored={1: VALID, 2: CURRENT})
    check_contract(ProviderSmsV2, stored={1: {"account": "AC1", "token": SecretStr(SECRET)}})


def find(plugin_class: type, config: Any = None, **options: Any) -> tuple[str, ...]:
    """Return the problems of a class."""
    with pytest.raises(ContractBroken) as caught:
        check_contract(plugin_class, config, **options)
    assert caught.value.plugin_class is plugin_class
    for problem in caught.value.problems:
        assert f"\n- {problem}" in str(caught.value)
        assert SECRET not in problem
    return caught.value.problems


def vary(base: type, **members: Any) -> type:
    """Return a subclass of ``base``."""
    return type("Varied", (base,), members)


def test_a_class_must_be_complete() -> None:
    """What registration would refuse is told: missing methods, an impossible schema or version."""
    unfinished = type("Unfinished", (ConfigurablePlugin, AbstractSms), {})
    problems = find(unfinished)
    assert problems[0] == "It does not implement send."
    assert "ConfigurablePlugin without a model" in problems[1]
    assert "must be a whole number" in find(vary(Good, config_version=0))[0]
    assert "config_schema must be a pydantic BaseModel" in find(vary(Good, config_schema=3))[0]


class Wrong:
    """Implementations of send() that callers of the interface cannot call."""

    def _lacks_one(self, number: str) -> Any: ...

    def _wants_more(self, number: str, text: str, extra: str) -> Any: ...

    def _lacks_a_keyword(self, number: str, text: str) -> Any: ...

    def _names_it_otherwise(self, number: str, message: str, *, retries: int = 0) -> Any: ...

    def _needs_a_keyword(self, number: str, text: str, *, retries: int) -> Any: ...


@pytest.mark.parametrize("name", [name for name in vars(Wrong) if not name.startswith("__")])
def test_methods_take_what_the_interface_says(name: str) -> None:
    """An implementation that callers of the interface cannot call is a problem that shows both signatures."""
    (problem,) = find(vary(Good, send=getattr(Wrong, name)))
    assert problem.startswith("send(self, number: 'str'")
    assert "cannot be called as Sender.send(self, number: 'str', /, text: 'str', *, retries: 'int' = 0)" in problem


class Waiting(ABC):
    """An interface whose callers wait, or do not."""

    @abstractmethod
    def now(self, text: str) -> str:
        """Return what is to be had at once."""

    @abstractmethod
    async def later(self, text: str) -> str:
        """Return what has to be waited for."""

    @abstractmethod
    def either(self, text: str) -> Awaitable[str]:
        """Return what has to be waited for."""

    @staticmethod
    @abstractmethod
    def alone(text: str) -> str:
        """Return something that does not depend on the object."""


class Waiter(Waiting):
    """A class that keeps the contract, with static methods and asynchronous ones."""

    @staticmethod
    def now(text: str) -> Any:
        """Return it at once."""

    async def later(self, text: str) -> Any:
        """Return it later."""

    async def either(self, text: str) -> Any:
        """Return it later."""

    @staticmethod
    def alone(text: str) -> Any:
        """Return it."""


def _miss_an_argument() -> None: ...


async def _be_late(self: Any, text: str) -> None: ...


@pytest.mark.parametrize(
    ("now", "text"),
    [
        (5, "now is no method, and cannot be called as Waiting.now(self, text: 'str') -> 'str'."),
        (
            staticmethod(_miss_an_argument),
            "now() -> 'None' cannot be called as Waiting.now(self, text: 'str') -> 'str'.",
        ),
        (_be_late, "now is async, Waiting.now(self, text: 'str') -> 'str' is not: its callers would get a coroutine."),
    ],
)
def test_methods_are_what_the_interface_says(now: Any, text: str) -> None:
    """Static methods and coroutines count as what their callers get; a value in a method's place is told."""
    check_contract(Waiter)
    assert find(vary(Waiter, now=now)) == (text,)


def _take_one(self: Any, thorough: bool) -> None:  # noqa: FBT001 - what a careless author writes
    """Check with an argument."""


async def _wait(self: Any) -> None:
    """Check without blocking."""


@pytest.mark.parametrize(
    ("check", "text"),
    [(True, "must be a method"), (_take_one, "without arguments")],
)
def test_check_is_a_method_without_arguments(check: Any, text: str) -> None:
    """The connection test calls check() with nothing."""
    (problem,) = find(vary(Good, check=check))
    assert text in problem


def test_check_may_be_async() -> None:
    """The connection test waits for what check() returns, if it can be waited for."""
    check_contract(vary(Good, check=_wait))


def test_versions_have_steps() -> None:
    """A version above 1 without a migrate_config of its own is a problem, whatever the class derives from."""
    for base in (Good, ByHand):
        (problem,) = find(vary(base, config_version=3))
        assert problem == "config_version is 3, but there is no migrate_config that brings former versions there."


def test_old_examples_must_arrive() -> None:
    """Each example of a former version must fit the schema after the steps; a step that raises is named."""

    class Careless(ProviderSmsV2):
        config_version: ClassVar[int] = 3

        @classmethod
        def migrate_config(cls, config: dict[str, Any], from_version: int) -> dict[str, Any]:
            return {"region": config["area"], "account": "AC1"} if from_version == 1 else config

    name = Careless.__qualname__
    problems = find(Careless, stored={1: VALID, 2: VALID, 4: VALID, 0: VALID})
    assert problems == (
        "There is an example of version 0, but config_version is 3.",
        f"The example of version 1: {name}.migrate_config failed from version 1 (KeyError): the row is unchanged.",
        f"The example of version 2: The stored config no longer fits {name}: region: Field required",
        "There is an example of version 4, but config_version is 3.",
    )


def test_examples_must_fit() -> None:
    """An example that the schema refuses is a problem; so is one for a class that takes none."""
    assert find(ProviderSms, {"account": SECRET})[0].startswith("The example: Invalid config for ProviderSms: ")
    assert find(ConsoleSms, VALID) == ("It takes no configuration, but an example is given.",)
    check_contract(ConsoleSms, {})


def test_what_does_not_come_back_is_told() -> None:
    """A validator that does not survive its own output is found, with the defaults or with an example."""

    class Growing(BaseModel):
        text: str = ""

        @model_validator(mode="after")
        def grow(self) -> Growing:
            self.text += "!"
            return self

    growing = vary(Good, config_schema=Growing)
    for example in (None, {"text": "x"}):
        (problem,) = find(growing, example)
        assert problem.startswith("The example: This config cannot be stored for Varied: text: does not come back")


def _raise(self: Any, config: Config) -> None:
    del self, config
    raise OSError(SECRET)


def _remember(self: Any, config: Config) -> None:
    type(self).seen.append("one more")
    type(self).latest = config
    self.config = config


def _spoil(self: Any, config: Config) -> None:
    config.hosts.append("b")
    self.config = config


def _forget(self: Any, config: Config) -> None:
    self.settings = config


@pytest.mark.parametrize(
    ("init", "text"),
    [
        (_raise, "Its constructor raised OSError in "),
        (_remember, "Building it changes the class, so plugins would share: Good.seen, Varied.latest."),
        (_spoil, "Its constructor changes the configuration that it is given."),
        (_forget, "self.config is not the configuration it was built with: call super().__init__(config)."),
    ],
)
def test_building_must_be_harmless(init: Any, text: str) -> None:
    """A constructor that fails, shares state, changes its configuration or forgets it is a problem."""
    (problem,) = find(vary(Good, __init__=init))
    assert problem.startswith(text)
    Good.seen.clear()


@pytest.mark.parametrize("method", ["__repr__", "__str__"])
def test_a_secret_must_not_show(method: str) -> None:
    """A repr or str that shows a secret of the example is a problem, which does not repeat it."""
    telling = vary(Good, **{method: lambda self: f"<{self.config.token.get_secret_value()}>"})
    assert find(telling, {"token": SECRET}) == ("Its repr or str shows a secret.",)
    check_contract(telling, {"token": "123"})
