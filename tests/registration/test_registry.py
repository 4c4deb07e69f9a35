"""Types and items in memory: what is refused, naming both sides; what waits; and how things are found again."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING, Any

import pytest

from django_plugin_system.exceptions import (
    AmbiguousPluginType,
    InvalidPluginClass,
    PluginItemNotFound,
    PluginSystemError,
    PluginTypeNotFound,
    RegistrationConflict,
)
from django_plugin_system.register import plugin_item
from django_plugin_system.registry import ItemSpec, temporary_registry
from tests.registration.plugins import AbstractMail, AbstractSms, HalfSms, OtherSms, Sms, declare_item, declare_type
from tests.support.cases import each, tried_on

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_plugin_system.registry import Registry


def get_state(declared: Registry) -> tuple[Any, ...]:
    """Return all that a registry knows, whatever the order it heard of it."""
    waiting = {(item.name, item.describe_type()) for item in declared.waiting.values()}
    return dict(declared.types), dict(declared.items), waiting


STEPS: dict[str, Callable[[], object]] = {
    "type": declare_type,
    "other type": lambda: declare_type("mail", interface=AbstractMail),
    "item by name": lambda: declare_item(Sms, "by-name", priority=3),
    "item by interface": lambda: plugin_item(AbstractSms, name="by-interface", module="tests")(OtherSms),
    "item of no type": lambda: declare_item(Sms, "lost", type_name="nowhere"),
}


@tried_on(each("order", permutations(STEPS), " < ".join))
def test_every_order_of_registration_gives_the_same(order: tuple[str, ...]) -> None:
    """Items may come before their type, by name or by interface; an item whose type never comes keeps waiting."""
    with temporary_registry(empty=True) as declared:
        for step in (*order, *order):  # and the same again is fine
            STEPS[step]()
        assert set(declared.types) == {("sms", "tests"), ("mail", "tests")}
        assert {(key[0], spec.plugin_class, spec.type_key) for key, spec in declared.items.items()} == {
            ("by-name", Sms, ("sms", "tests")),
            ("by-interface", OtherSms, ("sms", "tests")),
        }
        assert {item.name for item in declared.waiting.values()} == {"lost"}
        assert declared.get_item("by-name", "tests", ("sms", "tests")).priority == 3


WRONG: dict[str, tuple[tuple[Callable[[], object], ...], type[Exception], tuple[str, ...]]] = {
    "two classes by name": (
        (declare_type, declare_item, lambda: declare_item(OtherSms)),
        RegistrationConflict,
        ("plain (tests)", "plugins.Sms", "plugins.OtherSms"),
    ),
    "two classes by name and interface": (
        (declare_type, declare_item, lambda: plugin_item(AbstractSms, name="plain", module="tests")(OtherSms)),
        RegistrationConflict,
        ("plain (tests)", "plugins.Sms", "plugins.OtherSms"),
    ),
    "two interfaces": (
        (declare_type, lambda: declare_type(interface=AbstractMail)),
        RegistrationConflict,
        ("sms (tests)", "plugins.AbstractSms", "plugins.AbstractMail"),
    ),
    "missing method": (
        (declare_type, lambda: declare_item(HalfSms)),
        InvalidPluginClass,
        ("HalfSms", "plain (tests)", "does not implement cost of AbstractSms", "sms (tests)"),
    ),
    "another interface": (
        (lambda: declare_type(interface=AbstractMail), declare_item),
        InvalidPluginClass,
        ("Sms", "plain (tests)", "is no subclass of AbstractMail", "sms (tests)"),
    ),
    "two types for an interface that an item goes by": (
        (declare_type, lambda: declare_type("second"), STEPS["item by interface"]),
        AmbiguousPluginType,
        ("AbstractSms", "sms (tests)", "second (tests)"),
    ),
}


def attempt(step: Callable[[], object], declared: Registry) -> PluginSystemError | None:
    """Return the error of a registration, after checking that it changed nothing; None if it went well."""
    before = get_state(declared)
    try:
        step()
    except PluginSystemError as error:
        return error if get_state(declared) == before else None
    return None


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_is_refused_in_every_order(wrong: str) -> None:
    """Of contradicting registrations one fails, whatever the order; it names both sides and changes nothing."""
    steps, error, named = WRONG[wrong]
    for order in permutations(steps):
        with temporary_registry(empty=True) as declared:
            (refusal,) = [failed for step in order if (failed := attempt(step, declared))]
        assert type(refusal) is error
        assert [part for part in named if part not in str(refusal)] == []


def test_two_types_may_share_an_interface(declared: Registry) -> None:
    """As long as items go by name, two types may have one interface; asking by it is ambiguous."""
    declare_type()
    declare_type("second")
    declare_item()
    assert declared.get_type("second", "tests").name == "second"
    with pytest.raises(AmbiguousPluginType) as caught:
        declared.get_type(AbstractSms)
    assert (caught.value.interface, caught.value.names) == (AbstractSms, ("sms (tests)", "second (tests)"))


def test_registering_again_updates_what_may_change(declared: Registry) -> None:
    """The same class under the same name may come with another priority or description; the last one counts."""
    declare_type(description="old")
    declare_type(description="new")
    declare_item(priority=1)
    before = declared.generation
    declare_item(priority=2, description="text")
    assert declared.types["sms", "tests"].description == "new"
    (item,) = declared.items.values()
    assert (item.priority, item.description) == (2, "text")
    assert declared.generation > before


def test_types_are_found_by_interface_or_by_name(declared: Registry) -> None:
    """Both ways give the same type."""
    declare_type()
    assert declared.get_type(AbstractSms) is declared.get_type(AbstractSms) is declared.get_type("sms", "tests")


@pytest.mark.parametrize(
    ("ref", "manager", "hint"),
    [
        ("smss", "tests", "Did you mean sms (tests)?"),
        ("sms", "test", "Did you mean sms (tests)?"),
        ("sms", "another.app", "Did you mean sms (tests)?"),
        (Sms, None, "Did you mean sms (tests)?"),
        ("xyz", "xyz", "Register it in a plugins.py"),
        (int, None, "Register it in a plugins.py"),
    ],
)
def test_a_type_that_is_not_there_names_close_ones(
    declared: Registry, ref: Any, manager: str | None, hint: str
) -> None:
    """A typing error in the name or manager, and an implementation instead of the interface, get a hint."""
    declare_type()
    with pytest.raises(PluginTypeNotFound) as caught:
        declared.get_type(ref, manager)
    assert hint in str(caught.value)
    assert isinstance(caught.value, (KeyError, LookupError))


@pytest.mark.parametrize(("ref", "manager"), [("sms", None), (None, None), (5, "tests")])
def test_asking_in_another_way_is_a_type_error(declared: Registry, ref: Any, manager: str | None) -> None:
    """Neither a name alone nor anything else names a type."""
    with pytest.raises(TypeError, match="by its interface class, or by name and manager"):
        declared.get_type(ref, manager)


def test_an_item_that_is_not_there(declared: Registry) -> None:
    """The error names the item and its type, and is a KeyError that reads well."""
    with pytest.raises(PluginItemNotFound) as caught:
        declared.get_item("a", "b", ("c", "d"))
    assert str(caught.value) == "No class is registered for plugin item a (b) of type c (d). Is its app installed?"
    assert caught.value.__context__ is None


def test_an_item_says_which_type_it_waits_for() -> None:
    """By name and manager, or by its interface."""
    assert ItemSpec("i", "m", Sms, ("sms", "tests")).describe_type() == "sms (tests)"
    assert ItemSpec("i", "m", Sms, None, AbstractSms).describe_type() == "with the interface AbstractSms"
    assert ItemSpec("i", "m", Sms, None).describe_type() == "with the interface ?"


def declare_twice() -> None:
    """Register one item, and then another class under its name."""
    declare_item(Sms)
    declare_item(OtherSms)


def test_a_temporary_registry_leaves_nothing_behind(declared: Registry) -> None:
    """What a block registers ends with it, also when it raises; ``empty`` starts from nothing."""
    declare_type()
    state, generation = get_state(declared), declared.generation
    with pytest.raises(RegistrationConflict), temporary_registry():
        declare_twice()
    assert get_state(declared) == state
    with temporary_registry(empty=True):
        assert not declared.types
    assert get_state(declared) == state
    assert declared.generation > generation
