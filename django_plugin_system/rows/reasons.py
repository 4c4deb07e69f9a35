"""Why a row cannot be used now, in words for operators; never with a secret in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.utils import timezone
from django.utils.translation import gettext, gettext_noop
from typing_extensions import Self

from django_plugin_system import exceptions
from django_plugin_system.config.references import Resolver
from django_plugin_system.rows.fields import PluginStatus

if TYPE_CHECKING:
    from django_plugin_system.models import PluginInstance

_GONE = gettext_noop("class not registered: is its app installed?")


class Reason(str):
    """Why a row is skipped: in English, as logs and errors say it. ``localize()`` says it to an operator."""

    __slots__ = ("details", "template")

    template: str
    details: dict[str, Any]

    def __new__(cls, template: str, **details: Any) -> Self:
        """Fill ``template``, a text of the catalogue, with ``details``; without details it is taken as it is."""
        made = super().__new__(cls, template % details if details else template)
        made.template, made.details = template, details
        return made

    def localize(self) -> str:
        """Return the reason in the language of the current request; what it quotes stays as it is."""
        text = gettext(self.template)
        details = {key: value.localize() if isinstance(value, Reason) else value for key, value in self.details.items()}
        return text % details if details else text


def _read(row: PluginInstance) -> None:
    row.make_builder(Resolver())


def find_reason(
    row: PluginInstance, *, cools_down: bool | None = None, read: Callable[[PluginInstance], Any] = _read
) -> Reason | None:
    """Return why selection skips ``row``, or None if it can be used.

    ``cools_down`` is what the database says by its clock; if nobody asked it, this process's clock has to do. ``read``
    reads the configuration, once.
    """
    return find_status_reason(row) or find_row_reason(row, cools_down=cools_down, read=read)


def find_status_reason(row: PluginInstance) -> Reason | None:
    """Return which ``disable`` takes ``row`` out, or None."""
    if row.status == PluginStatus.DISABLED:
        return Reason(gettext_noop("disabled"))
    return Reason(gettext_noop("its item is disabled")) if row.item.status == PluginStatus.DISABLED else None


def find_row_reason(
    row: PluginInstance, *, cools_down: bool | None = None, read: Callable[[PluginInstance], Any] = _read
) -> Reason | None:
    """Return why ``row`` cannot be used whatever the statuses say: code gone, cooling down, config unreadable."""
    if not row.item.is_registered:
        return Reason(_GONE)
    if row.is_refused:
        text = gettext_noop("needs attention: the provider refused its credentials (%(error)s)")
        return Reason(text, error=row.last_error)
    if is_cooling_down(row) if cools_down is None else cools_down:
        until = f"{row.unavailable_until:%Y-%m-%d %H:%M:%S %Z}"
        return Reason(gettext_noop("cooling down until %(until)s"), until=until)
    try:
        read(row)
    except exceptions.ConfigError as error:
        return describe_row_error(row, error)
    return None


def is_cooling_down(row: PluginInstance) -> bool:
    """Say whether a failover has set ``row`` aside for now."""
    return row.unavailable_until is not None and row.unavailable_until > timezone.now()


def describe_row_error(row: PluginInstance, error: exceptions.ConfigError) -> Reason:
    """Return the reason for the config of ``row``; where nobody typed one yet, that is what is to be done."""
    reason = describe_config_error(error)
    if row.is_untouched and isinstance(error, exceptions.StoredConfigInvalid):
        return Reason(gettext_noop("needs configuration (%(reason)s)"), reason=reason)
    return reason


def describe_config_error(error: exceptions.ConfigError) -> Reason:
    """Return the reason for a config that cannot be read, with its kind first."""
    if isinstance(error, exceptions.PluginNotRegistered):
        return Reason(_GONE)
    if isinstance(error, exceptions.SecretError):
        return Reason(gettext_noop("secret unreadable: %(error)s"), error=str(error))
    if isinstance(error, exceptions.UnresolvedReference):
        return Reason(gettext_noop("reference unresolved: %(errors)s"), errors="; ".join(map(str, error.errors)))
    if isinstance(error, exceptions.NewerConfigVersion):
        text = gettext_noop("stored by a newer version (%(stored)s, this code knows %(known)s)")
        return Reason(text, stored=error.stored, known=error.known)
    errors = getattr(error, "errors", None)
    details = "; ".join(map(str, errors)) if errors else str(error)
    return Reason(gettext_noop("config invalid: %(errors)s"), errors=details)
