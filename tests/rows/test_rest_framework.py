"""Serializers of Django REST framework name a bad configuration at its field, and show no secret."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from rest_framework import serializers

from django_plugin_system.exceptions import InvalidConfig
from django_plugin_system.models import PluginInstance, PluginItem
from tests.support.plugins import SECRET, VALID
from tests.support.rows import add_instance, assert_sealed, reload

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = pytest.mark.django_db


class InstanceSerializer(serializers.ModelSerializer):  # type: ignore[misc] # as above
    """A serializer as the framework makes it of the model."""

    class Meta:
        model = PluginInstance
        fields = "__all__"


class ConfigSerializer(serializers.ModelSerializer):  # type: ignore[misc] # as above
    """One that knows the configuration only."""

    class Meta:
        model = PluginInstance
        fields = ("config",)


def make(item: PluginItem, **values: Any) -> InstanceSerializer:
    """Return a serializer that was given an instance."""
    return InstanceSerializer(data={"item": str(item.pk), "name": "main", "config": VALID, **values})


def check_secretless(*shown: Any) -> None:
    """Check that nothing of it holds a secret."""
    assert SECRET not in json.dumps(shown, default=str)


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({"account": "AC1"}, "token: Field required"),
        ({**VALID, "account": SECRET}, "account: "),
        ({**VALID, "retries": SECRET}, "retries: "),
        ({**VALID, "token": "**********"}, "token: "),
        ([SECRET], "(root): "),
    ],
)
def test_a_bad_configuration_is_an_error_of_its_field(provider: PluginItem, config: Any, problem: str) -> None:
    """Of a new row and of a stored one, whole or in part; nothing is written."""
    row = add_instance(item=provider)
    before = dict(reload(row).config)
    tried: list[Any] = [
        make(provider, name="other", config=config),
        InstanceSerializer(row, data={"config": config}, partial=True),
        ConfigSerializer(row, data={"config": config}),
    ]
    for serializer in tried:
        assert not serializer.is_valid()
        assert list(serializer.errors) == ["config"]
        assert problem in str(serializer.errors["config"][0])
        check_secretless(serializer.errors)
    assert dict(reload(row).config) == before == dict(row.config)
    assert PluginInstance.objects.count() == 1


def test_a_good_configuration_is_stored(provider: PluginItem) -> None:
    """It is validated and encrypted; what is shown of the row is what is stored."""
    serializer = make(provider)
    assert serializer.is_valid(), serializer.errors
    row = serializer.save()
    assert_sealed(row)
    check_secretless(serializer.data, InstanceSerializer(reload(row)).data)
    shown: Mapping[str, Any] = InstanceSerializer(reload(row)).data["config"]
    again = ConfigSerializer(row, data={"config": {**shown, "retries": 5}})
    assert again.is_valid(), again.errors
    again.save()
    assert reload(row).open_secrets() == {("token",): SECRET}
    assert reload(row).config["retries"] == 5
    check_secretless(again.data)


def test_what_is_wrong_with_the_item_is_said_of_the_item(provider: PluginItem) -> None:
    """A configuration without an item that it could be of is not looked at."""
    for item in ("no such", None):
        serializer = InstanceSerializer(data={"item": item, "name": "main", "config": {}})
        assert not serializer.is_valid()
        assert list(serializer.errors) == ["item"]
    with_name = make(provider, name="")
    assert not with_name.is_valid()
    assert list(with_name.errors) == ["name"]


class ItemSerializer(serializers.ModelSerializer):  # type: ignore[misc] # as above
    """An item with its instances."""

    instances = InstanceSerializer(many=True)

    class Meta:
        model = PluginItem
        fields = ("name", "instances")


class Decoding(serializers.JSONField):  # type: ignore[misc] # as above
    """A field that makes another value of what it is given."""

    def to_internal_value(self, data: Any) -> Any:
        """Return what the text says."""
        return json.loads(data)


class DecodingSerializer(InstanceSerializer):
    """A serializer with such a field."""

    config = Decoding(validators=PluginInstance._meta.get_field("config").validators)


def test_the_rows_of_a_list_are_checked_one_by_one(provider: PluginItem) -> None:
    """Each with the item that it was given itself: of several rows, and inside of another one."""
    row = add_instance(item=provider)
    bad = {"item": str(provider.pk), "name": "main", "config": {"account": "AC1"}}
    good = {**bad, "name": "good", "config": VALID}
    several: list[Any] = [
        InstanceSerializer(data=[good, bad], many=True),
        ItemSerializer(provider, data={"name": provider.name, "instances": [good, bad]}),
    ]
    for serializer in several:
        assert not serializer.is_valid()
        assert "token: Field required" in str(serializer.errors)
        check_secretless(serializer.errors)
    unknown: Any = ConfigSerializer(PluginInstance.objects.all(), data=[{"config": {}}], many=True)
    assert unknown.is_valid()  # of which of them it is, only the project says
    fine: Any = InstanceSerializer(data=[good], many=True)
    assert fine.is_valid(), fine.errors
    fine.save()
    assert {one.name for one in PluginInstance.objects.all()} == {row.name, "good"}


def test_a_value_of_the_projects_making_is_checked_when_a_list_is_saved(provider: PluginItem) -> None:
    """Nobody can tell then which row it was given in; nothing invalid is stored, either."""
    given = {"item": str(provider.pk), "name": "main", "config": "{}"}
    assert not DecodingSerializer(data=given).is_valid()
    several: Any = DecodingSerializer(data=[given], many=True)
    assert several.is_valid()
    with pytest.raises(InvalidConfig):
        several.save()
    assert not PluginInstance.objects.exists()
