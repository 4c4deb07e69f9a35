"""For tests: put fakes in the place of plugins, keep real ones away, check plugin classes. Needs no pytest.

``override_plugin``, ``allow_plugins`` and ``temporary_registry`` are context managers, and decorators of functions,
coroutines and classes. Fixtures for pytest are in ``django_plugin_system.testing.fixtures``.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from inspect import isfunction
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload
from unittest import TestCase

from django.apps import apps
from django.db import models
from django.db.models.signals import pre_save
from django.test.utils import TestContextDecorator
from typing_extensions import TypedDict, TypeForm, Unpack

from django_plugin_system import overrides
from django_plugin_system import registry as registrations
from django_plugin_system.registry import Registry, registry
from django_plugin_system.testing.contract import check_contract

__all__ = ["allow_plugins", "check_contract", "override_plugin", "temporary_registry"]

EnteredT = TypeVar("EnteredT")
InterfaceT = TypeVar("InterfaceT")
FakeT = TypeVar("FakeT")
FakeT_co = TypeVar("FakeT_co", covariant=True)
TestT = TypeVar("TestT", bound="Callable[..., Any]")
SameT = TypeVar("SameT")


class Switch(TestContextDecorator, Generic[EnteredT]):
    """Something that is on inside a ``with`` block, or while the decorated test runs; each use begins it anew."""

    def __init__(self, begin: Callable[[], AbstractContextManager[EnteredT]]) -> None:
        """Keep ``begin``, which returns the context manager that does it once."""
        super().__init__()
        self._begin = begin
        self._open: list[AbstractContextManager[EnteredT]] = []

    def enable(self) -> EnteredT:
        """Switch it on."""
        block = self._begin()
        entered = block.__enter__()
        self._open.append(block)
        return entered

    def disable(self) -> None:
        """Switch it off again."""
        self._open.pop().__exit__(None, None, None)

    def decorate_class(self, cls: type) -> type:
        """Switch it on before each ``setUp``, or, in a class that is no ``TestCase``, around each test."""
        if issubclass(cls, TestCase):
            return super().decorate_class(cls)  # type: ignore[arg-type] # any TestCase will do
        for name, member in list(vars(cls).items()):
            if name.startswith("test") and isfunction(member):
                setattr(cls, name, self.decorate_callable(member))
        return cls

    if TYPE_CHECKING:

        def __enter__(self) -> EnteredT: ...  # type: ignore[override] # Django's own have no type parameter
        def __call__(self, decorated: TestT) -> TestT:
            """Decorate a test, or a class of tests."""


class Override(Switch[None], Generic[InterfaceT, FakeT_co]):
    """What ``override_plugin`` returns. Type checkers let it be used only if the fake is of the interface."""

    if TYPE_CHECKING:

        def __enter__(self: Override[SameT, SameT]) -> None: ...
        def __call__(self: Override[SameT, SameT], decorated: TestT) -> TestT:
            """Decorate a test, or a class of tests."""


class Wanted(TypedDict, total=False):
    """Which plugins a fake stands in for; all of the type by default."""

    name: str | None
    scope: str | None


MYPY = False
if MYPY:  # pragma: no cover - it learns the type from ``ref`` first; others find out where the result is used

    @overload
    def override_plugin(
        ref: TypeForm[InterfaceT], fake: InterfaceT | Callable[[], InterfaceT], /, **wanted: Unpack[Wanted]
    ) -> Override[InterfaceT, InterfaceT]: ...
    @overload
    def override_plugin(ref: str, manager: str, fake: object, /, **wanted: Unpack[Wanted]) -> Override[Any, Any]: ...
    def override_plugin(*args: Any, **wanted: Unpack[Wanted]) -> Override[Any, Any]:
        """Stand for the real one below."""

else:

    @overload
    def override_plugin(
        ref: TypeForm[InterfaceT], fake: Callable[[], FakeT], /, **wanted: Unpack[Wanted]
    ) -> Override[InterfaceT, FakeT]: ...
    @overload
    def override_plugin(
        ref: TypeForm[InterfaceT], fake: FakeT, /, **wanted: Unpack[Wanted]
    ) -> Override[InterfaceT, FakeT]: ...
    @overload
    def override_plugin(ref: str, manager: str, fake: object, /, **wanted: Unpack[Wanted]) -> Override[Any, Any]: ...
    def override_plugin(
        ref: object, *args: Any, name: str | None = None, scope: str | None = None
    ) -> Override[Any, Any]:
        """Put ``fake`` in the place of a type's plugins, or only of those with a ``name`` or in a ``scope``.

        No database is needed.

        The type is given by its interface class, or by its name and manager. ``fake`` is the object that every caller
        gets, or a class or function that is called, without arguments, for each of them.

        It counts for the whole process, threads and async tasks included. The override that began last answers first.

        :raises PluginTypeNotFound: on entering, if nobody registered the type.
        :raises InvalidPluginClass: (a TypeError) if the fake does not implement the interface.
        """
        *manager, fake = args
        return Override(lambda: _replacing(ref, manager[0] if manager else None, fake, name, scope))


@contextmanager
def _replacing(ref: object, manager: str | None, fake: object, name: str | None, scope: str | None) -> Iterator[None]:
    spec = registry.get_type(ref, manager)
    override = overrides.Override(spec.key, spec.interface, fake, name, scope)
    override.check()
    overrides.overrides.append(override)
    registry.generation += 1
    store = partial(_store_row, override)
    pre_save.connect(store)
    try:
        yield
    finally:
        pre_save.disconnect(store)
        overrides.overrides.remove(override)
        registry.generation += 1


def _store_row(override: overrides.Override, instance: models.Model, using: str, **_kwargs: Any) -> None:
    """Store the row of a fake that ``instance``, about to be saved, refers to: disabled, of a disabled item."""
    get_model: Any = apps.get_app_config("django_plugin_system").get_model  # there are none yet when this is imported
    model, types, items = map(get_model, ("PluginInstance", "PluginType", "PluginItem"))
    keys = [field for field in instance._meta.concrete_fields if field.related_model is model]
    named = {getattr(instance, key.attname) for key in keys}
    for row in [row for row in override.rows.values() if row.pk in named]:
        name, manager = override.type_key
        plugin_type, _made = types.objects.using(using).get_or_create(name=name, manager=manager)
        of_type = {"plugin_type": plugin_type, "module": __name__, "name": "override_plugin"}
        item, _made = items.objects.using(using).get_or_create(**of_type, defaults={"status": "disable"})
        stored = copy.copy(row)
        stored.item, stored.name, stored.status = item, str(row.pk), "disable"
        for made in (stored, get_model("PluginHealth")(instance=stored, item=item, scope=row.scope)):
            models.QuerySet(type(made), using=using).bulk_create([made], ignore_conflicts=True)


def allow_plugins(*classes: type) -> Switch[None]:
    """Let real plugins be built although ``PLUGIN_SYSTEM["BLOCK_IN_TESTS"]`` is on: those that are of ``classes``.

    Plugin classes and interfaces will do; without any, everything is allowed.
    """
    return Switch(lambda: overrides.allowing(classes or (object,)))


def temporary_registry(*, empty: bool = False) -> Switch[Registry]:
    """Let registrations end with the block or test; with ``empty``, it starts without any. Gives the registry.

    Rows of types and items come with ``sync_registered_plugins_to_db()``, as ever.
    """
    return Switch(lambda: registrations.temporary_registry(empty=empty))
