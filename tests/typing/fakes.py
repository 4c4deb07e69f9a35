"""What a test author's type checker knows: a fake has to implement the interface that it stands for."""

# pyright: reportUnnecessaryTypeIgnoreComment=true
from __future__ import annotations

from contextlib import ExitStack
from unittest import mock

from typing_extensions import assert_type, override

from django_plugin_system.registry import Registry
from django_plugin_system.testing import allow_plugins, check_contract, override_plugin, temporary_registry
from tests.typing.interfaces import AbstractSms, GatewaySms, SilentSms


class FakeMail:
    """No AbstractSms."""


class FakeSms(AbstractSms):
    """An AbstractSms."""

    @override
    def send(self, number: str, text: str) -> str:
        return ""


def make_fake() -> FakeSms:
    """Return a fake."""
    return FakeSms()


def a_fake_of_the_interface_will_do() -> None:
    """An object, a class and a function are accepted, in each form, with no ignore comment."""
    with override_plugin(AbstractSms, FakeSms()), override_plugin(AbstractSms, FakeSms, name="marketing"):
        pass
    with override_plugin(AbstractSms, make_fake), override_plugin("sms", "tests.typing", FakeSms):
        pass
    with override_plugin(AbstractSms, mock.Mock(spec=AbstractSms)), ExitStack() as stack:
        stack.enter_context(override_plugin(AbstractSms, SilentSms()))


@override_plugin(AbstractSms, FakeSms)
def a_decorated_function_keeps_its_type(number: int) -> str:
    """The decorator is invisible."""
    return str(number)


@override_plugin(AbstractSms, FakeSms)
class DecoratedClass:
    """A class stays a class."""


assert_type(a_decorated_function_keeps_its_type(1), str)
assert_type(DecoratedClass(), DecoratedClass)


def any_other_fake_is_an_error() -> None:
    """An object, class or function of another kind is refused; each line has an error that is expected here."""
    with override_plugin(AbstractSms, FakeMail()):  # type: ignore[arg-type]
        pass
    with override_plugin(AbstractSms, FakeMail):  # type: ignore[arg-type]
        pass
    with override_plugin(AbstractSms, 3):  # type: ignore[arg-type]
        pass


@override_plugin(AbstractSms, FakeMail())  # type: ignore[arg-type]
def a_wrong_decorator() -> None:
    """Be decorated with a fake of another kind."""


def the_others_are_typed() -> None:
    """A registry comes out of its block; classes go into the rest."""
    with temporary_registry(empty=True) as registry, allow_plugins(GatewaySms, AbstractSms):
        assert_type(registry, Registry)
    check_contract(GatewaySms, {"token": "t"}, stored={1: {}})
