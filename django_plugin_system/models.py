"""The tables: types and items mirror what code declares; instances are what operators configure."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Hashable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from django.db import DEFAULT_DB_ALIAS, models
from django.db.models import Index, UniqueConstraint
from django.utils.translation import gettext_lazy as _

from django_plugin_system.changes import TABLE, get_place
from django_plugin_system.clients import Origin
from django_plugin_system.compat import LegacyItemMethods, LegacyTypeMethods  # RemovedInPluginSystem30Warning
from django_plugin_system.config.references import Resolver
from django_plugin_system.config.validation import make_copier
from django_plugin_system.exceptions import make_printable
from django_plugin_system.plugin import ConfigurablePlugin, ItemConfig, make_builder
from django_plugin_system.querysets import (
    DEFAULT_NAME,
    NAME_LENGTH,
    ChangeAnnouncingQuerySet,
    PluginInstanceManager,
    protect_configured,
)
from django_plugin_system.registry import Identity, ItemSpec, TypeKey, registry
from django_plugin_system.rows import config as configuration
from django_plugin_system.rows.fields import ConfigField, DatabaseTimeField, PluginStatus, StoredConfig, to_text
from django_plugin_system.rows.reasons import Reason, find_reason
from django_plugin_system.rows.rows import ChangeAnnouncingModel, ConfiguredModel
from django_plugin_system.rows.state import StateStore
from django_plugin_system.rows.traceback_safety import leaving_frames_behind

if TYPE_CHECKING:
    import datetime as dt

    from pydantic import BaseModel

__all__ = [
    "Change",
    "PluginHealth",
    "PluginInstance",
    "PluginItem",
    "PluginOverview",
    "PluginState",
    "PluginStatus",
    "PluginType",
]


class PluginType(
    LegacyTypeMethods,  # RemovedInPluginSystem30Warning
    ChangeAnnouncingModel,
):
    """An interface that code declared, under a name and the manager that owns it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(_("name"), max_length=100, db_index=True)
    manager = models.CharField(_("manager"), max_length=100, help_text=_("The app that owns this type."))
    description = models.TextField(_("description"))

    objects = ChangeAnnouncingQuerySet.as_manager()

    class Meta:
        base_manager_name = "objects"
        verbose_name = _("plugin type")
        verbose_name_plural = _("plugin types")
        constraints = (UniqueConstraint(fields=["name", "manager"], name="uniq_plugin_type_name_manager"),)
        indexes = (
            Index(fields=["name"], name="django_plug_name_73298a_idx"),
            Index(fields=["manager"], name="django_plug_manager_593144_idx"),
        )

    NATURAL_KEY = ("name", "manager")

    def __str__(self) -> str:
        return f"{self.name} ({self.manager})"

    def natural_key(self) -> tuple[str, ...]:
        """Name this type in a fixture."""
        return self.key

    @property
    def key(self) -> TypeKey:
        """What this type is registered under."""
        return (self.name, self.manager)

    @property
    def is_registered(self) -> bool:
        """Whether code declares this type."""
        return self.key in registry.types


class PluginOverview(PluginType):
    """No table: what the admin's index lists the overview by, in every theme."""

    class Meta:
        proxy = True
        default_permissions = ()
        verbose_name = _("overview")
        verbose_name_plural = _("overview")


class PluginItem(
    LegacyItemMethods,  # RemovedInPluginSystem30Warning
    ChangeAnnouncingModel,
):
    """A class that implements a type, with the status and priority that operators give it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    plugin_type = models.ForeignKey(PluginType, on_delete=models.CASCADE, verbose_name=_("plugin type"))
    module = models.CharField(_("module"), max_length=100, help_text=_("The app that provides this item."))
    name = models.CharField(_("name"), max_length=100, db_index=True)
    status = models.CharField(
        _("status"), max_length=10, choices=PluginStatus.choices, default=PluginStatus.ACTIVE, db_index=True
    )
    priority = models.SmallIntegerField(_("priority"), default=0, help_text=_("Lower is better."))
    description = models.TextField(_("description"), null=True, blank=True)  # noqa: DJ001 - the column of 1.1.0

    objects = ChangeAnnouncingQuerySet.as_manager()

    class Meta:
        base_manager_name = "objects"
        verbose_name = _("plugin item")
        verbose_name_plural = _("plugin items")
        constraints = (
            UniqueConstraint(fields=["name", "module", "plugin_type"], name="uniq_plugin_item_name_module_type"),
        )
        indexes = (
            Index(fields=["plugin_type", "status", "priority"], name="django_plug_plugin__1c995d_idx"),
            Index(fields=["module"], name="django_plug_module_1bcece_idx"),
        )

    NATURAL_KEY = ("name", "module", "plugin_type__name", "plugin_type__manager")

    def __str__(self) -> str:
        return f"{self.name} ({self.module})"

    def natural_key(self) -> tuple[str, ...]:
        """Name this item in a fixture."""
        return (self.name, self.module, *self.plugin_type.key)

    natural_key.dependencies = ("django_plugin_system.plugintype",)  # type: ignore[attr-defined]

    @property
    def _spec(self) -> ItemSpec | None:
        return registry.items.get((self.name, self.module, self.plugin_type.key))

    @property
    def plugin_class(self) -> type | None:
        """The class that code registered for this item, or None if its code is gone."""
        return None if self._spec is None else self._spec.plugin_class

    @property
    def identity(self) -> Identity:
        """How people know the provider, as far as its code says so."""
        return Identity() if self._spec is None else self._spec.identity

    @property
    def label(self) -> str:
        """What people call the provider: its label, or else its name."""
        return str(self.identity.label or self.name)

    @property
    def is_registered(self) -> bool:
        """Whether code declares this item."""
        return self.plugin_class is not None

    @property
    def config_schema(self) -> type[BaseModel] | None:
        """The pydantic model of this item's configuration; None if it takes none, or its code is gone."""
        return None if self.declared is None else self.declared.schema

    @property
    def declared(self) -> ItemConfig | None:
        """What the item's class declares of its configuration, or None if its code is gone."""
        return None if self._spec is None else self._spec.config


class PluginInstance(ConfiguredModel):
    """A named, configured use of an item. Secrets in ``config`` are encrypted; read it with ``load_config()``."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    item = models.ForeignKey(
        PluginItem, on_delete=protect_configured, related_name="instances", verbose_name=_("plugin item")
    )
    name = models.SlugField(
        _("name"),
        max_length=NAME_LENGTH,
        db_index=False,
        help_text=_("What code asks for, for example “transactional”. Unique for each item and scope."),
    )
    scope = models.CharField(
        _("scope"),
        max_length=NAME_LENGTH,
        blank=True,
        default="",
        help_text=_("Whose instance it is, as code asks for it: a tenant, a site. Empty: everybody's."),
    )
    config = ConfigField(_("configuration"), default=StoredConfig, blank=True)
    config_version = models.PositiveIntegerField(_("configuration version"), default=1, editable=False)
    status = models.CharField(_("status"), max_length=10, choices=PluginStatus.choices, default=PluginStatus.ACTIVE)
    priority = models.SmallIntegerField(
        _("priority"), null=True, blank=True, help_text=_("Lower is better. Empty: the item's priority.")
    )
    description = models.TextField(_("description"), blank=True, default="")
    managed_by = models.CharField(_("managed by"), max_length=255, blank=True, default="", editable=False)
    """The name of the file that declares this instance, and alone changes it; empty where operators do."""
    config_revision = models.UUIDField(default=uuid.uuid4, editable=False)
    secret_dates = models.JSONField(_("dates of the secrets"), blank=True, default=dict, editable=False)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)

    objects = PluginInstanceManager()

    class Meta:
        base_manager_name = "objects"
        verbose_name = _("plugin instance")
        verbose_name_plural = _("plugin instances")
        permissions = (("test_plugininstance", _("Can test plugin instance")),)
        constraints = (UniqueConstraint(fields=["item", "scope", "name"], name="uniq_plugin_instance_scope_name"),)
        indexes = (
            Index(fields=["item", "scope", "status", "priority", "name"], name="idx_plugin_instance_order"),
            Index(fields=["name", "scope"], name="idx_plugin_instance_name"),
            # How names begin: PostgreSQL's other indexes are sorted by a language.
            Index(fields=["name"], name="idx_plugin_instance_begin", opclasses=["varchar_pattern_ops"]),
        )

    NATURAL_KEY = ("name", "scope", *(f"item__{name}" for name in PluginItem.NATURAL_KEY))

    def __str__(self) -> str:
        shown = f"{self.name} ({self.item.name})" if self.__dict__.get("item_id") else self.name
        scope = self.__dict__.get("scope")
        return make_printable(f"{shown} of {scope}" if scope else shown)

    def natural_key(self) -> tuple[str, ...]:
        """Name this instance in a fixture."""
        return (self.name, self.scope, *self.item.natural_key())

    natural_key.dependencies = ("django_plugin_system.pluginitem",)  # type: ignore[attr-defined]

    @property
    def is_untouched(self) -> bool:
        """Whether this is the instance that the sync made and nobody configured."""
        return self.name == DEFAULT_NAME and not self.scope and not self.config

    @property
    def effective_priority(self) -> int:
        """The priority that counts: this row's, or its item's where this row has none. Lower is better."""
        return self.item.priority if self.priority is None else self.priority

    @property
    def effective_tier(self) -> PluginStatus:
        """The status that counts: the worse of this row's and its item's."""
        return max(PluginStatus(self.status), PluginStatus(self.item.status), key=PluginStatus.values.index)

    def get_health(self) -> PluginHealth:
        """Return how this instance fares; a blank row where there is none."""
        with suppress(PluginHealth.DoesNotExist):
            if not self._state.adding:
                return self.health
        return PluginHealth(instance=self, item_id=self.item_id, scope=self.scope)

    @property
    def unavailable_until(self) -> dt.datetime | None:
        """Until when the instance is cooling down after a failure."""
        until: dt.datetime | None = self.get_health().unavailable_until
        return until

    @property
    def last_error(self) -> str:
        """The error of the last failure that no success followed."""
        return self.get_health().last_error

    @property
    def is_refused(self) -> bool:
        """Whether the provider refused the credentials as they are stored now: somebody has to see to it."""
        refused: uuid.UUID | None = self.get_health().refused_revision
        return refused is not None and refused == self.config_revision

    @property
    def last_tested_at(self) -> dt.datetime | None:
        """When the configuration, as it is now, was tested."""
        health = self.get_health()
        return health.last_tested_at if health.tested_revision == self.config_revision else None

    @property
    def last_test_error(self) -> str:
        """What came of that test; empty if it passed."""
        return self.get_health().last_test_error if self.last_tested_at else ""

    def load_plugin(self) -> Any:
        """Return a new plugin object with this configuration.

        :raises ConfigError: if the configuration cannot be read.
        :raises PluginBuildError: if the class's constructor raises.
        """
        return self.make_builder(Resolver())()

    def make_builder(self, used: Resolver) -> Callable[[], Any]:
        """Return a function that returns a new plugin each time; its references are followed now, with ``used``.

        :raises ConfigError: if the configuration cannot be read.
        """
        config = configuration.read_config(self, used)
        plugin_class = configuration.require_declared(self).plugin_class
        get_config = None if config is None else make_copier(config)
        line: Hashable = None
        contents: tuple[Any, ...] = ()
        if not self._state.adding and not self.is_changed("config_revision") and not self.is_config_changed():
            line = (get_place(self._state.db or DEFAULT_DB_ALIAS), self.pk)
            contents = (id(plugin_class), self.config_version, to_text(self.config), sorted(used.given.items()))
            self.read_state()
        return make_builder(plugin_class, get_config, Origin(self, line, contents, get_config, used))

    def read_state(self) -> BaseModel | None:
        """Return what a provider handed out; None if it did not, or the class keeps nothing.

        :raises ConfigError: if it cannot be read.
        """
        plugin_class = self.item.plugin_class or object
        schema = plugin_class.state_schema if issubclass(plugin_class, ConfigurablePlugin) else None
        return None if schema is None else self.open_state(schema).read()

    def open_state(self, schema: type[BaseModel]) -> StateStore:
        """Return where plugins of this configuration keep their state, models of ``schema``."""
        return StateStore(self, schema)

    @leaving_frames_behind
    def open_secrets(self) -> dict[tuple[str, ...], Any]:
        """Return the plain secrets by path: JSON values, or bytes. Never show them.

        :raises SecretError: if one cannot be opened.
        """
        opened = configuration.open_row(self)
        opened.check()
        return opened.secrets

    def reason_unusable(self) -> Reason | None:
        """Return why selection skips this row, safe to show; None if it can be used."""
        return find_reason(self)


_instance_id: Any = PluginInstance._meta.pk
_instance_id.serialize = True  # a dump by natural keys has it as well: secrets open under this id only


class PluginHealth(ChangeAnnouncingModel):
    """How an instance fares: one row for each, apart from what operators edit, written by failovers and tests.

    It is made together with the instance and never locked for longer than one small statement takes.
    """

    instance = models.OneToOneField(PluginInstance, models.CASCADE, primary_key=True, related_name="health")
    item = models.ForeignKey(PluginItem, models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False)
    scope = models.CharField(max_length=NAME_LENGTH, default="")
    """The instance's item and scope once more: an index finds who of these is usable, however many are not."""
    unavailable_until = DatabaseTimeField(_("unavailable until"), null=True)
    claimed_until = DatabaseTimeField(null=True)
    """Until when nobody but who claimed the instance may try it early, or to see whether it is back."""
    refused_revision = models.UUIDField(null=True)
    """The revision of the configuration whose credentials the provider refused."""
    failures = models.PositiveIntegerField(default=0)
    last_error = models.TextField(_("last error"), default="")
    last_tested_at = DatabaseTimeField(_("last tested at"), null=True)
    last_test_error = models.TextField(_("error of the last test"), default="")
    tested_revision = models.UUIDField(null=True)

    objects = ChangeAnnouncingQuerySet.as_manager()

    class Meta:
        default_permissions = ()
        verbose_name = _("plugin health")
        verbose_name_plural = _("plugin health")
        indexes = (
            Index(
                fields=["item", "scope", "unavailable_until"],
                condition=models.Q(refused_revision=None),
                name="idx_plugin_health_usable",
            ),
            Index(
                fields=["item", "scope"],
                condition=models.Q(refused_revision__isnull=False),
                name="idx_plugin_health_refused",
            ),
        )

    def __str__(self) -> str:
        return self.instance.name  # and not the item, which Django's page of a deletion would look up for each


class PluginState(models.Model):
    """What a provider handed out for one revision of an instance's configuration: one token, and who is renewing it.

    No constraint ties it to the instance, as checking one would wait for whoever locks that. An older revision's row
    goes when the current one is renewed.
    """

    instance = models.ForeignKey(PluginInstance, models.CASCADE, related_name="states", db_constraint=False)
    revision = models.UUIDField()
    stored = models.TextField(default="")
    lease = models.UUIDField(null=True)
    lease_until = DatabaseTimeField(null=True)

    class Meta:
        default_permissions = ()
        verbose_name = _("plugin state")
        verbose_name_plural = _("plugin states")
        constraints = (UniqueConstraint(fields=["instance", "revision"], name="uniq_plugin_state_instance_revision"),)

    def __str__(self) -> str:
        return str(self.revision)


class Change(models.Model):
    """A change of the other tables, or the sum of many: what their numbers add up to differs after every change."""

    id = models.BigAutoField(primary_key=True)
    nonce = models.BigIntegerField()

    class Meta:
        db_table = TABLE

    def __str__(self) -> str:
        return str(self.nonce)
