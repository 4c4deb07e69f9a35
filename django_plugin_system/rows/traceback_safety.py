"""Keeps plain secrets out of the local variables that error reports show.

Django's reports respect ``sensitive_variables()``, for what runs below the function that it decorates; other reporters
print every frame they find. So our errors leave the frames behind in which secrets were open, and a configuration on
its way into a row passes Django's managers, querysets and threads inside an object that shows nothing.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, NoReturn, ParamSpec, TypeVar

from django.db import models
from django.views.decorators.debug import sensitive_variables
from pydantic import BaseModel

from django_plugin_system.exceptions import PluginSystemError

P = ParamSpec("P")
T = TypeVar("T")
ModelT = TypeVar("ModelT", bound=models.Model)


def leaving_frames_behind(function: Callable[P, T]) -> Callable[P, T]:
    """Decorate what works on open secrets: its errors bring no frame along, and none of their causes.

    Any other exception is a mistake in somebody's code, which needs its frames; ``sensitive_variables()`` covers them.
    """
    covered = sensitive_variables()(function)

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return covered(*args, **kwargs)
        except PluginSystemError as error:
            refusal = error.with_traceback(None)
        finally:
            del args, kwargs
        refusal.__context__ = None
        try:
            raise refusal
        finally:
            del refusal  # its traceback holds this frame

    return call


@dataclass(frozen=True)
class Concealed:
    """A configuration that somebody gave, on its way into a row. It does not pickle, but copies."""

    config: Any = field(repr=False)

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "This row holds a config that is not encrypted yet: call its set_config(), or save it, then pickle it."
        )

    def __deepcopy__(self, memo: dict[int, Any]) -> Concealed:
        return Concealed(copy.deepcopy(self.config, memo))


def reveal(value: Any) -> Any:
    """Return what was concealed; anything else as it is."""
    return value.config if isinstance(value, Concealed) else value


def conceal(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``values``, by field, with the configuration among them concealed, and that among ``defaults``."""
    return {name: _conceal(name, value) for name, value in values.items()}


def _conceal(name: str, value: Any) -> Any:
    if name == "config" and value and isinstance(value, (Mapping, BaseModel)):
        return Concealed(value)
    if name in {"defaults", "create_defaults"} and isinstance(value, Mapping):
        return conceal(value)
    return value


def concealing(method: Callable[..., T]) -> Callable[..., T]:
    """Decorate what takes values of fields: it gets the configuration among them concealed."""

    @wraps(method)
    def call(self: Any, *args: Any, **kwargs: Any) -> T:
        args = tuple(conceal(value) if isinstance(value, Mapping) else value for value in args)
        kwargs = conceal(kwargs)
        return method(self, *args, **kwargs)

    return call


_TAKING_VALUES = {
    *("create", "get_or_create", "update_or_create", "update"),
    *("acreate", "aget_or_create", "aupdate_or_create", "aupdate"),
}
"""The methods of managers and querysets that take values of fields."""


def conceal_configs(cls: type[T], names: Iterable[str] = _TAKING_VALUES) -> type[T]:
    """Decorate a class of managers or querysets: what it writes, it gets concealed."""
    for name in names:
        setattr(cls, name, concealing(getattr(cls, name)))
    return cls


@conceal_configs
class ConcealingManager(models.Manager[ModelT]):
    """A manager that passes configurations on concealed, as do the related managers that Django derives from it."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Decorate the methods that the subclass brings along."""
        super().__init_subclass__(**kwargs)
        conceal_configs(cls, _TAKING_VALUES & vars(cls).keys())
