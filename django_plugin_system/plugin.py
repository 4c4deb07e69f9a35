"""What a plugin class looks like: ``ConfigurablePlugin``, and how any class is asked for its schema and built."""

from __future__ import annotations

import copy
import inspect
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, NoReturn, TypeVar

from asgiref.sync import async_to_sync, sync_to_async
from pydantic import BaseModel
from typing_extensions import get_original_bases

from django_plugin_system.clients import NO_ORIGIN, Origin, failures, find_failure
from django_plugin_system.exceptions import InvalidConfigSchema, PluginBuildError
from django_plugin_system.overrides import check_may_be_built, find_override, overrides
from django_plugin_system.schema.tree import get_tree

if TYPE_CHECKING:
    from django_plugin_system.models import PluginInstance

ConfigT = TypeVar("ConfigT", bound=BaseModel)


class ConfigurablePlugin(Generic[ConfigT]):
    """Base of plugin classes with a configuration: ``class TwilioSms(ConfigurablePlugin[TwilioConfig], AbstractSms)``.

    The model in brackets becomes ``config_schema``; the validated model is ``self.config``.
    """

    config_schema: ClassVar[type[BaseModel]]
    config_version: ClassVar[int] = 1
    """Raise this by one, and add a step to ``migrate_config``, whenever stored configurations no longer fit."""

    webhook_path: ClassVar[str] = ""
    """Where a provider calls the project, ``/payments/hooks/{id}/`` say: the admin shows it with the instance's id."""
    state_schema: ClassVar[type[BaseModel] | None] = None
    """What the provider hands out at run time, as a token that expires: see ``state`` and ``renew_state``."""

    config: ConfigT
    _state: Any = None
    _origin: Origin = NO_ORIGIN
    _own_row: PluginInstance | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Set ``config_schema`` from the model in brackets, unless the class body sets it."""
        super().__init_subclass__(**kwargs)
        schema = _find_model_in_brackets(cls, {})
        if schema is not None and "config_schema" not in cls.__dict__:
            cls.config_schema = schema

    def __init__(self, config: ConfigT) -> None:
        """Keep the validated ``config``."""
        self.config = config

    @property
    def plugin_instance(self) -> PluginInstance | None:
        """The row this object was built from, as a copy of its own; None when it was built by hand."""
        if self._own_row is None and self._origin.row is not None:
            self._own_row = copy.deepcopy(self._origin.row)
        return self._own_row

    @property
    def state(self) -> Any:
        """What the provider handed out last, a ``state_schema``, read once for each object; None before the first time.

        :raises ConfigError: if it cannot be read.
        """
        store = self._get_store() if self._state is None else None
        if store is not None:
            self._state = store.read()
        return self._state

    def renew_state(
        self,
        refresh: Callable[[Any], BaseModel],
        *,
        stale: Callable[[Any], object] | None = None,
        lease: float = 60,
        timeout: float = 30,
    ) -> Any:
        """Return the state, replaced by what ``refresh(state)`` returns if it is None or ``stale(state)``.

        Without ``stale``, the one that this object knows is. Of all processes, one calls ``refresh`` at a time; it has
        ``lease`` seconds for that. The others take what it stores, and wait ``timeout`` seconds for it at most. It is
        committed at once, whatever becomes of the caller's transaction.

        :raises StateUnavailable: if the one that tried to renew it failed, or took too long.
        :raises ConfigError: if it cannot be read or stored. What ``refresh`` raises comes as it is.
        """
        known = self.state
        is_stale = stale or (lambda state: state == known)
        if known is None or is_stale(known):
            store = self._get_store()
            self._state = refresh(known) if store is None else store.renew(refresh, is_stale, lease, timeout)
        return self._state

    async def arenew_state(self, refresh: Callable[[Any], Any], **options: Any) -> Any:
        """Do what ``renew_state`` does, from asynchronous code; ``refresh`` may be a coroutine function.

        The database is asked, and others are waited for, in another thread.
        """
        ask = async_to_sync(refresh) if inspect.iscoroutinefunction(refresh) else refresh
        return await sync_to_async(self.renew_state)(ask, **options)

    def _get_store(self) -> Any:
        """Return where the state is kept; None for a plugin that was built by hand, which keeps its own."""
        row = self._origin.row if self._origin.digest is not None else None
        return None if row is None or self.state_schema is None else row.open_state(self.state_schema)

    @classmethod
    def migrate_config(
        cls,
        config: dict[str, Any],
        from_version: int,  # noqa: ARG003 - what a step goes by
    ) -> dict[str, Any]:
        """Return ``config``, stored with ``from_version``, in the form of the version after it (one step).

        Secrets arrive inside pydantic's secret types (text as ``SecretStr``, bytes as ``SecretBytes``, anything else
        as ``Secret``): what stays inside one must land on a field declared as a secret, what is taken out is stored
        in the clear.
        """
        return config

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled: the pickle would carry the secrets.

        :raises TypeError: always. Pass ``plugin.plugin_instance.pk`` and use ``get_plugin_by_id`` at the other end.
        """
        raise TypeError(
            f"{type(self).__qualname__} holds decrypted secrets and does not pickle; "
            "pass plugin.plugin_instance.pk and call get_plugin_by_id() where it is needed."
        )


def _find_model_in_brackets(cls: type, given: dict[Any, Any]) -> type[BaseModel] | None:
    """Return what stands for ConfigurablePlugin's type variable in ``cls``, with what is ``given`` for its own."""
    for base in get_original_bases(cls):
        origin: Any = getattr(base, "__origin__", None)
        if isinstance(origin, type) and issubclass(origin, ConfigurablePlugin):
            args = [_fill_in(arg, given) for arg in base.__args__]
            inner = dict(zip(getattr(origin, "__parameters__", ()), args, strict=True))
            model = args[0] if origin is ConfigurablePlugin else _find_model_in_brackets(origin, inner)
            if isinstance(model, type) and issubclass(model, BaseModel):
                return model
    return None


def _fill_in(arg: Any, given: dict[Any, Any]) -> Any:
    """Return a type variable, or a generic model, with what is ``given`` for the variables."""
    parameters = getattr(arg, "__pydantic_generic_metadata__", {}).get("parameters")
    return arg[tuple(given.get(one, one) for one in parameters)] if parameters else given.get(arg, arg)


class ItemConfig(NamedTuple):
    """What a plugin class declares of its configuration: the model, or None if it takes none, and its version."""

    plugin_class: type
    schema: type[BaseModel] | None
    version: int

    @property
    def is_bound(self) -> bool:
        """Whether the model binds secrets to other fields."""
        return self.schema is not None and get_tree(self.schema).is_bound


def get_item_config(plugin_class: type) -> ItemConfig:
    """Return what ``plugin_class`` declares of its configuration; the version is 1 where it does not say.

    :raises InvalidConfigSchema: if ``config_schema`` is something else than a pydantic model class.
    """
    schema = getattr(plugin_class, "config_schema", None)
    if schema is not None and not (isinstance(schema, type) and issubclass(schema, BaseModel)):
        message = f"{plugin_class.__qualname__}.config_schema must be a pydantic BaseModel subclass, not {schema!r}."
        raise InvalidConfigSchema(message, registered=plugin_class)
    return ItemConfig(plugin_class, schema, getattr(plugin_class, "config_version", 1))


def has_steps(plugin_class: type) -> bool:
    """Say whether ``plugin_class`` has a ``migrate_config`` of its own; that of ``ConfigurablePlugin`` does nothing."""
    step = getattr(plugin_class, "migrate_config", None)
    inherited: Any = ConfigurablePlugin.migrate_config
    return step is not None and getattr(step, "__func__", step) is not inherited.__func__


def takes_config(plugin_class: type) -> bool:
    """Say whether ``plugin_class`` can be called with one argument, the configuration."""
    try:
        inspect.signature(plugin_class).bind(object())
    except TypeError:
        return False
    except ValueError:  # a builtin without a signature: only calling it would tell
        return True
    return True


def has_check(plugin_class: type | None) -> bool:
    """Say whether a class has a ``check()`` that can be called without arguments; others mean something else by it."""
    found = getattr(plugin_class, "check", None)
    if not callable(found):
        return False
    bound = isinstance(inspect.getattr_static(plugin_class, "check"), (classmethod, staticmethod))
    try:
        inspect.signature(found).bind(*([] if bound else [plugin_class]))
    except (TypeError, ValueError):
        return False
    return True


def build_plugin(plugin_class: type, config: BaseModel | None, row: PluginInstance | None = None) -> Any:
    """Return a new plugin: ``plugin_class(config)``, or ``plugin_class()`` where there is no configuration.

    A test may have put something else in its place.

    :raises PluginBuildError: if the constructor raises.
    :raises PluginBlocked: in a test run that may not reach real providers.
    """
    return make_builder(plugin_class, None if config is None else lambda: config, Origin(row))()


def make_builder(
    plugin_class: type, get_config: Callable[[], BaseModel] | None, origin: Origin = NO_ORIGIN
) -> Callable[[], Any]:
    """Return a function that does what ``build_plugin`` does, each time with what ``get_config`` returns."""
    row, knows_origin = origin.row, issubclass(plugin_class, ConfigurablePlugin)

    def build() -> Any:
        if overrides and row is not None and (override := find_override(row.item.plugin_type.key, row.name, row.scope)):
            return override.build()
        check_may_be_built(plugin_class)
        if failures and (failed := find_failure(origin)):
            raise PluginBuildError(plugin_class, *failed)
        try:
            args = () if get_config is None else (get_config(),)
            if not knows_origin:
                made = plugin_class(*args)
                _note_row(made, row)
                return made
            plugin: Any = plugin_class.__new__(plugin_class, *args)
            plugin._origin = origin  # noqa: SLF001 - ours, and the constructor may use a client
            plugin.__init__(*args)
        except Exception as error:  # noqa: BLE001 - foreign code
            failure = PluginBuildError(plugin_class, type(error).__name__)
        else:
            return plugin
        raise failure

    return build


_rows: dict[int, tuple[weakref.ref[Any], PluginInstance]] = {}
"""The rows that plugins were built from whose classes know nothing of rows, by the identity of the plugin."""


def _note_row(plugin: object, row: PluginInstance | None) -> None:
    key = id(plugin)
    if row is None:
        return
    with suppress(TypeError):  # a class with slots may allow no weak references
        _rows[key] = (weakref.ref(plugin, lambda _gone: _rows.pop(key, None)), row)


def find_row(plugin: object) -> PluginInstance | None:
    """Return the row that ``plugin`` was built from; None for one that was built by hand, or is a fake."""
    if isinstance(plugin, ConfigurablePlugin):
        return plugin.plugin_instance
    known = _rows.get(id(plugin))
    if known is None:
        return None
    own = copy.deepcopy(known[1])  # the one that was kept may be others' too
    _rows[id(plugin)] = (known[0], own)
    return own
