"""A bound secret goes where it was entered for: on every way that writes a configuration, and past the ORM."""

from __future__ import annotations

import copy
import io
import json
import uuid
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from django.core.management import call_command
from django.core.serializers.base import DeserializationError
from pydantic import BaseModel, SecretStr

from django_plugin_system import BoundTo, ConfigurablePlugin
from django_plugin_system.config.keyring import get_derived_keys, make_key, show_key
from django_plugin_system.exceptions import ConfigError, EndpointChanged, InvalidConfig
from django_plugin_system.models import PluginInstance, PluginItem
from django_plugin_system.registry import temporary_registry
from django_plugin_system.rotation import rotate_secrets
from django_plugin_system.sync import sync_registered_plugins_to_db
from tests.support.plugins import SECRET, AbstractSms, declare_item, declare_type
from tests.support.rows import assert_sealed, get_item, read_raw, reload, write_raw

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_django import Settings

pytestmark = pytest.mark.django_db

GOOD, EVIL = "https://good.example", "https://evil.example"


class ApiConfig(BaseModel):
    """A secret and where it goes."""

    endpoint: str = GOOD
    token: Annotated[SecretStr, BoundTo("endpoint")]
    note: str = ""


class ApiSms(ConfigurablePlugin[ApiConfig], AbstractSms):
    """A provider whose token belongs to its endpoint."""

    def send(self, text: str) -> str:
        """Name the endpoint."""
        return f"{text} to {self.config.endpoint}"


class LooseConfig(BaseModel):
    """The same, before the secret was bound."""

    endpoint: str = GOOD
    token: SecretStr
    note: str = ""


class LooseSms(ConfigurablePlugin[LooseConfig], AbstractSms):
    """A provider that binds nothing."""

    def send(self, text: str) -> str:
        """Name the endpoint."""
        return f"{text} to {self.config.endpoint}"


@pytest.fixture
def row(db: None) -> PluginInstance:
    """Return a stored row with a bound secret."""
    del db
    declare_type()
    declare_item(ApiSms)
    sync_registered_plugins_to_db()
    return reload(PluginInstance.objects.create(item=get_item(), name="main", config={"token": SECRET}))


def _set(row: PluginInstance, config: Any) -> None:
    row.set_config(config)
    row.save()


def _assign(row: PluginInstance, config: Any) -> None:
    row.config = config
    row.save()


def _assign_named(row: PluginInstance, config: Any) -> None:
    row.config = config
    row.save(update_fields=["config"])


def _change_in_place(row: PluginInstance, config: Any) -> None:
    given = config if isinstance(config, dict) else dict(config)
    row.config.update(given)
    row.save()


def _update_or_create(row: PluginInstance, config: Any) -> None:
    PluginInstance.objects.update_or_create(item=row.item, name=row.name, defaults={"config": config})


def _bulk_update(row: PluginInstance, config: Any) -> None:
    row.config = config
    PluginInstance.objects.bulk_update([row], ["config"])


def _save_by_hand(row: PluginInstance, config: Any) -> None:
    made = PluginInstance(pk=row.pk, item=row.item, name=row.name, config=config, created_at=row.created_at)
    made._state.adding = False
    made.save()


def _bulk_update_by_hand(row: PluginInstance, config: Any) -> None:
    made = PluginInstance(pk=row.pk, item=row.item, name=row.name, config=config)
    PluginInstance.objects.bulk_update([made], ["config"])


def _twice(row: PluginInstance, config: Any) -> None:
    row.set_config({**row.config, "note": "first"})
    row.set_config(config)
    row.save()


WAYS = (
    _set,
    _assign,
    _assign_named,
    _change_in_place,
    _update_or_create,
    _bulk_update,
    _save_by_hand,
    _bulk_update_by_hand,
    _twice,
)
every_way = pytest.mark.parametrize("write", WAYS, ids=lambda way: way.__name__)


def _keep_marker(row: PluginInstance) -> Any:
    return dict(row.config)


def _keep_object(row: PluginInstance) -> Any:
    return {**row.config, "token": SecretStr(SECRET)}


def _keep_model(row: PluginInstance) -> Any:
    return row.load_config()


KEPT = (_keep_marker, _keep_object, _keep_model)


def redirect(config: Any) -> Any:
    """Return a config with another endpoint."""
    return (
        config.model_copy(update={"endpoint": EVIL}) if isinstance(config, BaseModel) else {**config, "endpoint": EVIL}
    )


@every_way
@pytest.mark.parametrize("keep", KEPT, ids=lambda keep: keep.__name__)
def test_no_way_redirects_a_kept_secret(row: PluginInstance, write: Any, keep: Any) -> None:
    """Changing the endpoint without entering the secret again is a problem at the secret; nothing is written."""
    before = read_raw(row.pk)
    with pytest.raises(InvalidConfig, match="enter this secret again") as caught:
        write(row, redirect(keep(row)))
    assert [problem.path for problem in caught.value.errors] == [("token",)]
    assert SECRET not in str(caught.value)
    assert read_raw(row.pk) == before


@every_way
def test_a_secret_that_is_typed_again_goes_to_the_new_endpoint(row: PluginInstance, write: Any) -> None:
    """Plain text was entered anew, even if it says the same as before."""
    for endpoint, token in ((EVIL, SECRET), (GOOD, "other")):
        write(row, {"endpoint": endpoint, "token": token})
        row = reload(row)
        config: Any = row.load_config()
        assert (config.endpoint, config.token.get_secret_value()) == (endpoint, token)


@every_way
@pytest.mark.parametrize("keep", KEPT, ids=lambda keep: keep.__name__)
def test_everything_else_may_change(row: PluginInstance, write: Any, keep: Any) -> None:
    """A kept secret is in the way of no other change."""
    config = keep(row)
    noted = config.model_copy(update={"note": "new"}) if isinstance(config, BaseModel) else {**config, "note": "new"}
    write(row, noted)
    assert_sealed(row)
    assert reload(row).load_config() == ApiConfig(token=SecretStr(SECRET), note="new")


def test_a_sync_leaves_alone_what_it_cannot_read(row: PluginInstance) -> None:
    """A redirected secret is no reason for a sync to fail or to write: the row is shown as unreadable instead."""
    write_raw(row.pk, config={**row.config, "endpoint": EVIL})
    found = read_raw(row.pk)
    sync_registered_plugins_to_db(mode="update")
    assert read_raw(row.pk) == found
    assert "belongs to another value of endpoint" in str(reload(row).reason_unusable())


def load(rows: list[Any], folder: Path) -> None:
    """Load rows as a fixture."""
    path = folder / "rows.json"
    path.write_text(json.dumps(rows))
    call_command("loaddata", path, verbosity=0)


def test_a_fixture_redirects_nothing(row: PluginInstance, tmp_path: Path) -> None:
    """Neither over the row nor into an empty table; with the secret in plain text it does."""
    written = io.StringIO()
    call_command("dumpdata", "django_plugin_system.PluginInstance", stdout=written)
    [dumped] = json.loads(written.getvalue())
    load([dumped], tmp_path)
    evil = copy.deepcopy(dumped)
    evil["fields"]["config"]["endpoint"] = EVIL
    for _time in range(2):
        with pytest.raises((InvalidConfig, DeserializationError), match="enter this secret again"):
            load([evil], tmp_path)
        PluginInstance.objects.all().delete()
    evil["fields"]["config"]["token"] = SECRET
    load([evil], tmp_path)
    config: Any = reload(row).load_config()
    assert (config.endpoint, config.token.get_secret_value()) == (EVIL, SECRET)


def test_raw_sql_redirects_nothing(row: PluginInstance) -> None:
    """An endpoint changed past the ORM makes the secret unreadable; the row says why, is skipped, and can be mended."""
    write_raw(row.pk, config={**row.config, "endpoint": EVIL})
    row = reload(row)
    assert row.reason_unusable() == (
        "secret unreadable: token: the stored secret belongs to another value of endpoint than is stored now. "
        "Enter the secret again."
    )
    with pytest.raises(EndpointChanged):
        row.load_plugin()
    with pytest.raises(EndpointChanged):
        row.open_secrets()
    before = read_raw(row.pk)
    row.priority = 5
    row.save()
    assert read_raw(row.pk) == before
    with pytest.raises(InvalidConfig, match="enter this secret again"):
        row.set_config({**row.config, "note": "new"})
    row.set_config({**row.config, "token": SECRET})
    row.save()
    assert reload(row).load_config() == ApiConfig(endpoint=EVIL, token=SecretStr(SECRET))


def test_rotation_carries_the_tie_along(row: PluginInstance, settings: Settings) -> None:
    """Rotation knows no schema: a new key makes a secret no looser, and a redirected one is reported and stays."""
    evil = PluginInstance.objects.create(item=row.item, name="evil", config={"token": SECRET})
    write_raw(evil.pk, config={**evil.config, "endpoint": EVIL})
    settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": [make_key(), *map(show_key, get_derived_keys())]}
    report = rotate_secrets()
    assert (report.rewritten, report.failed) == (1, 1)
    assert "belongs to another value of endpoint" in report.problems[0]
    assert reload(row).load_config() == ApiConfig(token=SecretStr(SECRET))
    write_raw(row.pk, config={**reload(row).config, "endpoint": EVIL})
    for one in (row, evil):
        with pytest.raises(EndpointChanged):
            reload(one).load_config()


def test_a_row_from_before_is_bound_by_the_next_save(db: None) -> None:
    """A secret stored before its class bound it is readable, is bound by a sync or a save, and is guarded at once."""
    del db
    declare_type()
    declare_item(LooseSms)
    sync_registered_plugins_to_db()
    rows = [PluginInstance.objects.create(item=get_item(), name=name, config={"token": SECRET}) for name in "abc"]
    assert rows[0].load_plugin().send("hi") == f"hi to {GOOD}"
    with temporary_registry(empty=True):
        declare_type()
        declare_item(ApiSms)
        first, second, third = map(reload, rows)
        assert third.load_plugin().send("hi") == f"hi to {GOOD}"
        assert first.reason_unusable() is None
        with pytest.raises(InvalidConfig):
            first.set_config({**first.config, "endpoint": EVIL})
        second.save()
        sync_registered_plugins_to_db(mode="update")
        for row in (first, second, third):
            write_raw(row.pk, config={**reload(row).config, "endpoint": EVIL})
            with pytest.raises(EndpointChanged):
                reload(row).load_config()


def test_a_row_that_is_new_takes_any_secret(row: PluginInstance) -> None:
    """The first secret of an endpoint needs no former one, given as text, object or model."""
    given = ({"endpoint": EVIL, "token": SECRET}, {"endpoint": EVIL, "token": SecretStr(SECRET)})
    for number, config in enumerate((*given, ApiConfig(endpoint=EVIL, token=SecretStr(SECRET)))):
        made = PluginInstance.objects.create(item=row.item, name=f"n{number}", config=config)
        assert reload(made).load_config() == ApiConfig(endpoint=EVIL, token=SecretStr(SECRET))
    bulk = PluginInstance(id=uuid.uuid4(), item=row.item, name="bulk", config={"endpoint": EVIL, "token": SECRET})
    PluginInstance.objects.bulk_create([bulk])
    assert_sealed(bulk)


def test_another_item_does_not_free_the_secret(row: PluginInstance) -> None:
    """Moved to an item whose class binds nothing, a secret still does not go to another endpoint."""
    declare_item(LooseSms, "loose")
    sync_registered_plugins_to_db()
    row.item = PluginItem.objects.get(name="loose")
    row.config = {**row.config, "endpoint": EVIL}
    with pytest.raises(ConfigError):
        row.save()
