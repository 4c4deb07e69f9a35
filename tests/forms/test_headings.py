"""Headings between the fields of a form, and their order."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy
from pydantic import BaseModel, ConfigDict, Field

from tests.forms.helpers import bind, edit, get_form, make_schema

FIRST: Any = {"group": "First"}
SECOND: Any = {"group": gettext_lazy("Status")}


class Grouped(BaseModel):
    """Fields under headings, not in the order of the page."""

    model_config = ConfigDict(extra="allow")

    late: str = Field("", json_schema_extra=SECOND)
    plain: str = ""
    early: str = Field("", json_schema_extra=FIRST)
    late_too: str = Field("", json_schema_extra=SECOND)


def test_fields_of_a_group_stand_together() -> None:
    """Fields without a heading come first, then each group in the order of its first field."""
    binding = bind(Grouped, {"late": "x"})
    drawn = binding.get_schema(binding.get_text())["properties"]
    assert [*drawn] == ["plain", "_extras", "late", "late_too", "early"]
    assert [field.get("dpsHeading") for field in drawn.values()] == [None, None, "Status", "Status", "First"]


def test_headings_change_no_value() -> None:
    """The posted form and what is stored have the fields of the model, as ever."""
    binding = bind(Grouped, {"late": "x"})
    assert [*get_form(binding)] == ["late", "plain", "early", "late_too", "_extras"]
    assert not binding.read(binding.get_text()).changed
    assert edit(binding, early="y").config == {"late": "x", "plain": "", "early": "y", "late_too": ""}


def test_no_headings() -> None:
    """A model without groups has none; what is no text counts as none."""
    odd: Any = {"group": 7}
    for schema in (make_schema(str), make_schema(str, Field(json_schema_extra=odd))):
        assert "dpsHeading" not in str(bind(schema).get_schema("{}"))
