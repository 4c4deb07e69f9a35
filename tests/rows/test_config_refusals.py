"""Where the ORM could write a configuration unseen, or over another one, it is refused."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import pytest
from django import forms
from django.core import serializers
from django.core.exceptions import ValidationError
from django.db import IntegrityError, models, transaction
from django.db.models import F, JSONField, Value
from pydantic import BaseModel, SecretBytes, SecretStr

from django_plugin_system import ConfigurablePlugin
from django_plugin_system.exceptions import ConfigWriteRefused, InvalidConfig, PluginNotRegistered
from django_plugin_system.forms.binding import BLOT
from django_plugin_system.models import PluginInstance
from tests.support.plugins import SECRET, VALID, ConsoleSms, LenientConfig, ProviderConfig, declare_item
from tests.support.rows import add_instance, assert_sealed, read_raw, reload

if TYPE_CHECKING:
    from django_plugin_system.models import PluginItem
    from django_plugin_system.registry import Registry

pytestmark = pytest.mark.django_db


def plain_rows() -> models.QuerySet[PluginInstance]:
    """Return a queryset of Django's own class, which knows nothing of encryption."""
    return models.QuerySet(PluginInstance)


@pytest.mark.parametrize(
    "config",
    [VALID, Value(VALID, JSONField()), F("description"), [SECRET], None],
    ids=["dict", "value", "other column", "list", "none"],
)
def test_a_plain_queryset_updates_no_config(provider: PluginItem, config: Any) -> None:
    """The field itself refuses what never went through validation, whatever queryset brings it."""
    row = add_instance(item=provider, description=f'"{SECRET}"')
    before = read_raw(row.pk)
    with pytest.raises(ConfigWriteRefused), transaction.atomic():
        plain_rows().update(config=config)
    assert read_raw(row.pk) == before


@pytest.mark.parametrize("config", [VALID, Value(VALID, JSONField())], ids=["dict", "value"])
def test_a_plain_queryset_inserts_no_config(provider: PluginItem, config: Any) -> None:
    """Django's own bulk_create() is refused, and inserts nothing."""
    with pytest.raises(ConfigWriteRefused), transaction.atomic():
        plain_rows().bulk_create([PluginInstance(item=provider, name="new", config=config)])
    assert not PluginInstance.objects.exists()


def test_a_plain_queryset_cannot_bulk_update_a_typed_config(provider: PluginItem) -> None:
    """Django's own bulk_update() is refused for a config that was only typed, and passes one that is sealed."""
    row = add_instance(item=provider)
    row.config = {**VALID, "token": "typed"}
    with pytest.raises(ConfigWriteRefused), transaction.atomic():
        plain_rows().bulk_update([row], ["config"])
    row.set_config({**VALID, "token": "sealed"})
    plain_rows().bulk_update([row], ["config"])
    assert_sealed(row, "sealed")


def test_one_bad_row_stops_a_bulk_write(provider: PluginItem) -> None:
    """bulk_create() and bulk_update() write nothing at all if one configuration is invalid."""
    good, bad = (PluginInstance(item=provider, name=name, config=VALID) for name in ("good", "bad"))
    bad.config = {"account": "AC1"}
    with pytest.raises(InvalidConfig, match=r"bad \(provider\): token: Field required"):
        PluginInstance.objects.bulk_create([good, bad])
    assert not PluginInstance.objects.exists()
    rows = [add_instance("one", provider), add_instance("two", provider)]
    rows[0].config = {**VALID, "retries": 5}
    rows[1].config = {}
    with pytest.raises(InvalidConfig):
        PluginInstance.objects.bulk_update(rows, ["config"])
    assert "5" not in {str(reload(row).config["retries"]) for row in rows}


def test_a_conflict_overwrites_no_config(provider: PluginItem) -> None:
    """An upsert of configs is refused: the tokens are bound to the id of the row that was not inserted."""
    row = add_instance(item=provider)
    clash = [PluginInstance(item=provider, name="main", config={**VALID, "token": "other"})]
    unique = ["item", "name"]
    refused = pytest.raises(ConfigWriteRefused, match=r"bulk_create\(\) cannot write config")
    with refused:
        PluginInstance.objects.bulk_create(clash, update_conflicts=True, update_fields=["config"], unique_fields=unique)
    with refused:
        PluginInstance.objects.bulk_create(clash, None, False, True, ["config"], unique)  # noqa: FBT003 - by position
    assert_sealed(row)


def test_an_upsert_of_other_columns_works(provider: PluginItem) -> None:
    """A conflict may change status and priority; the stored configuration stays, byte by byte."""
    row = add_instance(item=provider)
    before = read_raw(row.pk)
    clash = PluginInstance(item=provider, name="main", config={**VALID, "token": "other"}, status="reserve")
    PluginInstance.objects.bulk_create(
        [clash], update_conflicts=True, update_fields=["status"], unique_fields=["item", "scope", "name"]
    )
    assert (reload(row).status, read_raw(row.pk)) == ("reserve", before)


def test_a_name_is_unique_for_each_item(provider: PluginItem) -> None:
    """A second instance of the same item and name is refused by the database, and can be saved under another name."""
    add_instance(item=provider)
    second = PluginInstance(item=provider, name="main", config=VALID)
    with pytest.raises(IntegrityError), transaction.atomic():
        second.save()
    second.name = "other"
    second.save()
    assert_sealed(second)


def test_a_config_for_a_class_without_one_is_refused(provider: PluginItem) -> None:
    """An item whose class takes no configuration stores an empty one only."""
    declare_item(ConsoleSms, "console")
    item = provider.plugin_type.pluginitem_set.create(name="console", module="apps.items")
    assert add_instance("empty", item, config={}).load_config() is None
    with pytest.raises(InvalidConfig, match="ConsoleSms takes no configuration"):
        add_instance("full", item, config=VALID)


def test_a_config_for_a_missing_class_is_refused(provider: PluginItem, declared: Registry) -> None:
    """Without the class there is no schema, so nothing new can be stored."""
    declared.items.clear()
    with pytest.raises(PluginNotRegistered, match="Is its app installed"):
        add_instance(item=provider)
    assert not PluginInstance.objects.exists()


def test_a_mapping_may_use_names_or_aliases(provider: PluginItem) -> None:
    """A config is typed by field names or aliases, and is stored by field names."""
    by_name = add_instance("name", provider, config={"account": "AC1", "token": SECRET})
    by_alias = add_instance("alias", provider, config={"accountName": "AC1", "token": SECRET})
    assert by_name.config.keys() == by_alias.config.keys() == {"account", "token", "retries", "spare"}


def test_a_model_of_another_class_is_refused(provider: PluginItem) -> None:
    """set_config() takes a model of the item's own schema only, and changes nothing otherwise."""
    row = add_instance(item=provider)
    with pytest.raises(InvalidConfig, match="expected a ProviderConfig"):
        row.set_config(LenientConfig())
    assert_sealed(row)


class Dated(BaseModel):
    """A configuration whose keys are no texts in Python."""

    by_day: dict[dt.date, int]


class DatedSms(ConfigurablePlugin[Dated], ConsoleSms):
    """A provider that is configured so."""


MASKS = {
    "pydantic": "*" * 10,
    "repr": repr(SecretStr("x")),
    "bytes": str(SecretBytes(b"x")),
    "django": "*" * 20,
    "page": BLOT,
    "placeholder": "[stored secret 0123456789abcdef]",
    "typed": "[typed, not saved yet: 01234567.1.x]",
    "retype": "[type this secret again]",
}


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
def test_a_mask_is_no_secret(provider: PluginItem, mask: str) -> None:
    """What stands for a secret in a dump or a form is refused at its field on every way in; the secret stays."""
    row = add_instance(item=provider)
    before = read_raw(row.pk)
    for write in (
        lambda: row.set_config({**VALID, "token": mask}),
        lambda: add_instance("new", provider, config={**VALID, "token": mask}),
        lambda: PluginInstance.objects.bulk_create(
            [PluginInstance(item=provider, name="b", config={**VALID, "token": mask})]
        ),
        lambda: row.set_config(ProviderConfig(accountName="AC1", token=SecretStr(mask))),
    ):
        with pytest.raises(InvalidConfig) as caught:
            write()
        assert [problem.path[0] for problem in caught.value.errors if "mask" in problem.message] == ["token"]
    assert (read_raw(row.pk), PluginInstance.objects.count()) == (before, 1)


def test_what_json_cannot_say_is_refused_or_taken(provider: PluginItem) -> None:
    """A key that is no text, or what contains itself, is no error of Python's; a key that is typed so, is taken."""
    circle: dict[str, Any] = {**VALID}
    circle["more"] = circle
    odd: dict[Any, Any] = {**VALID, (1, 2): 3}
    deep: Any = []
    for _level in range(20_000):
        deep = [deep]
    for config in (odd, circle, {**VALID, "spare": deep}):
        with pytest.raises(InvalidConfig):
            add_instance("odd", provider, config=config)
        with pytest.raises(ValidationError) as caught:
            PluginInstance(item=provider, name="odd", config=config).full_clean()
        assert list(caught.value.message_dict) == ["config"]
    declare_item(DatedSms, name="dated")
    item = provider.plugin_type.pluginitem_set.create(name="dated", module="apps.items")
    row = add_instance("dated", item, config={"by_day": {dt.date(2024, 2, 29): 1}})
    assert reload(row).load_config() == Dated(by_day={dt.date(2024, 2, 29): 1})


def test_a_dumped_model_is_no_config(provider: PluginItem) -> None:
    """A model's JSON, in which pydantic masks the secrets, is refused, and so is what a row is assigned and saved."""
    row = add_instance(item=provider)
    config = row.load_config()
    assert config is not None
    row.config = config.model_dump(mode="json")
    with pytest.raises(InvalidConfig, match="token: is a mask"):
        row.save()
    assert reload(row).open_secrets() == {("token",): SECRET}


OwnForm = forms.modelform_factory(PluginInstance, fields=("item", "name", "status", "config"))


def test_a_form_of_a_project_names_the_field(provider: PluginItem, declared: Registry) -> None:
    """full_clean(), and so every model form, refuses what save() would refuse, as an error of ``config``."""
    data: dict[str, Any] = {"item": provider.pk, "name": "own", "status": "active"}
    refused = OwnForm({**data, "config": json.dumps({**VALID, "retries": "many"})})
    assert "retries: Input should be a valid integer" in refused.errors["config"][0]
    form = OwnForm({**data, "config": json.dumps(VALID)})
    assert form.is_valid()
    assert_sealed(reload(form.save()))
    assert "item" in OwnForm({**data, "item": "", "config": "{}"}).errors
    declared.items.clear()
    gone = PluginInstance(item=provider, name="gone", config=VALID)
    with pytest.raises(ValidationError, match="Is its app installed"):
        gone.full_clean()
    gone.full_clean(exclude=["config"])


@pytest.mark.parametrize("format", ["json", "jsonl", "python", "xml", "yaml"])
def test_what_is_typed_is_not_serialized(provider: PluginItem, format: str) -> None:  # noqa: A002 - Django's word
    """A row whose config is not encrypted yet goes into no fixture."""
    row = add_instance(item=provider)
    assert SECRET not in str(serializers.serialize(format, [row]))
    row.config = {**VALID, "retries": 4}
    with pytest.raises(ConfigWriteRefused, match="serialize"):
        serializers.serialize(format, [row])
