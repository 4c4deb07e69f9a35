"""From types to controls: labels, hints, limits, and what falls back to JSON text."""

from __future__ import annotations

import json
from datetime import date, datetime, time, timedelta
from enum import Enum
from typing import Annotated, Any, Generic, Literal, TypeVar

import pytest
import typing_extensions
from pydantic import BaseModel, ConfigDict, Field, Json, RootModel, SecretStr, WithJsonSchema, create_model
from pydantic_core import core_schema

from django_plugin_system.forms.binding import ConfigBinding, show_fields
from django_plugin_system.forms.builder import build, get_model_title
from django_plugin_system.forms.controls import Control
from django_plugin_system.forms.scalars import JsonTextControl
from django_plugin_system.schema.tree import get_tree
from tests.forms.helpers import SECRET, bind, edit, get_form, make_schema, post
from tests.shapes.form_models import Color, Smtp, Typed
from tests.shapes.table import MARKER

T = TypeVar("T")
Nested = typing_extensions.TypeAliasType("Nested", "dict[str, Nested] | int")


def describe(annotation: Any, default: Any = ..., stored: Any = None) -> dict[str, Any]:
    """Return the schema of a model's one field."""
    binding = bind(make_schema(annotation, default), stored)
    field: dict[str, Any] = binding.get_schema(binding.get_text())["properties"]["value"]
    return field


def test_texts_of_a_field() -> None:
    """Title, description, first example and hints of a field reach the renderer."""
    info = Field(title="SID", description="From the console.", examples=["AC1"], json_schema_extra={"multiline": True})
    assert describe(str, info) == {
        "title": "SID",
        "help_text": "From the console.",
        "placeholder": "AC1",
        "type": "string",
        "widget": "textarea",
    }
    assert "placeholder" not in describe(list[str], Field(examples=[["a"]]))
    assert describe(Annotated[Annotated[str, Field(title="Inner", description="d")], "note"])["title"] == "Inner"
    assert describe(list[Annotated[str, "note"]])["items"] == {"type": "string"}
    item = describe(list[Annotated[str, Field(title="Tag", description="One word.")]])["items"]
    assert (item["title"], item["help_text"]) == ("Tag", "One word.")


def test_titles_of_fields_and_models() -> None:
    """Names become words; a generator or a title in the model's config wins."""

    class HTTPBasicAuth(BaseModel):
        model_config = ConfigDict(field_title_generator=lambda name, _info: name.upper())
        user_name: str = ""

    class Titled(BaseModel):
        model_config = ConfigDict(title="Another name")

    assert get_model_title(HTTPBasicAuth) == "HTTP basic auth"
    assert get_model_title(Titled) == "Another name"
    assert describe(HTTPBasicAuth)["properties"]["user_name"]["title"] == "USER_NAME"


def test_bounds_and_limits() -> None:
    """Bounds help the browser; length limits of secrets are left out, as they would cut the placeholder."""
    assert describe(Annotated[int, Field(gt=0, lt=9)])["type"] == "integer"
    assert describe(Annotated[float, Field(ge=0, le=1)])["maximum"] == 1
    assert describe(Annotated[list[str], Field(max_length=3)])["maxItems"] == 3
    assert describe(list[str])["maxItems"] > 100
    secret = describe(Annotated[SecretStr, Field(max_length=8)])
    assert not {"maxLength", "minLength", "default"} & secret.keys()


def test_required_fields_are_marked() -> None:
    """Only inputs that can be seen to be empty are marked as required."""

    class Fields(BaseModel):
        text: str
        number: int
        flag: bool
        items: list[str]
        kind: Literal["only"]
        optional: str | None

    binding = bind(Fields)
    assert binding.get_schema(binding.get_text())["required"] == ["text", "number", "optional"]


def test_read_only_field() -> None:
    """The renderer is told that a field is only shown."""
    assert describe(str, Field(default="d", json_schema_extra={"readOnly": True}))["readonly"] is True


def test_defaults() -> None:
    """A new form starts with the defaults; one that JSON cannot say, or that fails, is left out."""

    def fail() -> str:
        raise RuntimeError

    assert get_form(bind(make_schema(str, Field(default_factory=lambda: "made"))))["value"] == "made"
    assert get_form(bind(make_schema(str, Field(default_factory=fail))))["value"] == ""
    assert get_form(bind(make_schema(float, float("inf"))))["value"] is None
    assert get_form(bind(make_schema(list[Smtp], [Smtp(host="h")])))["value"][0]["host"] == "h"
    assert get_form(bind(make_schema(str, Field(default_factory=lambda data: data["name"]))))["value"] == ""


def test_defaults_for_added_items() -> None:
    """Items added in the browser get the defaults, but never over a text that was emptied on purpose."""
    item = describe(list[Smtp], [], {"value": [{"host": "x", "port": 1, "password": None}]})["items"]
    assert item["properties"]["port"]["default"] == 25

    class Named(BaseModel):
        name: str = "standard"

    assert describe(list[Named])["items"]["properties"]["name"]["default"] == "standard"
    emptied = describe(list[Named], [], {"value": [{"name": ""}]})["items"]
    assert "default" not in emptied["properties"]["name"]


def test_default_that_no_control_can_show() -> None:
    """A default of the wrong type falls back to JSON text for that field."""
    assert get_form(bind(make_schema(bool, None)))["value"] == "null"
    assert "default" not in describe(list[Annotated[int, Field(ge=0, le=9)]], "x").get("items", {})


def test_stored_value_of_another_type() -> None:
    """A stored value that its control cannot show is shown as JSON text, for that field alone, and survives."""
    for annotation, value in ((int, "x"), (float, "x"), (bool, None), (str, 5), (list[int], {"a": 1}), (Smtp, [1])):
        binding = bind(make_schema(annotation), {"value": value})
        assert json.loads(get_form(binding)["value"]) == value
        assert not binding.read(binding.get_text()).changed
    inner = bind(make_schema(Smtp), {"value": {"host": 7, "port": 1, "password": None}})
    assert get_form(inner)["value"]["host"] == "7"
    structures: list[Any] = [Smtp | None, tuple[int, int], dict[str, int]]
    for structure in structures:
        assert json.loads(get_form(bind(make_schema(structure), {"value": 5}))["value"]) == 5
    empty_key = bind(make_schema(dict[str, int]), {"value": {"": 1}})
    assert json.loads(get_form(empty_key)["value"]) == {"": 1}


def test_union_member_with_an_odd_value() -> None:
    """In a member of a union only the odd field falls back."""
    binding = bind(make_schema(Smtp | None, None), {"value": {"host": 7, "port": 1, "password": None}})
    assert get_form(binding)["value"]["host"] == "7"


def test_stored_choice_that_is_gone() -> None:
    """A stored value that is no choice any more is offered, marked as such, so that opening the form drops nothing."""
    binding = bind(make_schema(Literal["a", "b"]), {"value": "old"})
    choices = binding.get_schema(binding.get_text())["properties"]["value"]["choices"]
    assert choices[-1] == {"title": "old (not a choice any more)", "value": '"old"'}
    assert not binding.read(binding.get_text()).changed
    single = bind(make_schema(Literal["only"]), {"value": "old"})
    assert get_form(single)["value"] == '"old"'
    for annotation in (Literal["a", "b"], Literal["only"]):
        assert get_form(bind(make_schema(annotation), {"value": [1]}))["value"] == "[\n  1\n]"


def test_missing_stored_keys() -> None:
    """A configuration from before a field existed shows the field's default, and stays as it is unless it is edited."""
    binding = bind(make_schema(str, "new"), {})
    assert get_form(binding) == {"value": "new"}
    assert not binding.read(binding.get_text()).changed


def test_enum_titles() -> None:
    """Members are shown by label, else by text, else by name."""

    class Size(Enum):
        SMALL_ONE = 1
        TEXT = "text"

        @property
        def label(self) -> str | None:
            return "Labelled" if self.value == "text" else None

    titles = [choice["title"] for choice in describe(Size)["choices"]]
    assert titles == ["Small one", "Labelled"]


def test_root_models_and_aliases() -> None:
    """A model of one root value is drawn as that value; an alias inside itself as JSON text."""

    class Names(RootModel[list[str]]):
        pass

    class Ring(RootModel["dict[str, Ring]"]):
        pass

    class Name(RootModel[str]):
        pass

    assert get_form(bind(make_schema(Names), {"value": ["a"]}))["value"] == ["a"]
    assert get_form(bind(make_schema(Name | None), {"value": None}))["value"] == ""
    assert get_form(bind(make_schema(Nested), {"value": {"a": 1}}))["value"] == '{\n  "a": 1\n}'
    assert get_form(bind(make_schema(Ring), {"value": {}}))["value"] == "{}"


def test_generic_model() -> None:
    """A parametrised model is drawn like any other."""

    class Box(BaseModel, Generic[T]):
        content: T

    assert get_form(bind(make_schema(Box[int]), {"value": {"content": 5}}))["value"] == {"content": "5"}


class Opaque:
    """A class that pydantic knows nothing of."""


class Plain:
    """A class that says what it is written as, but not what it is."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """Take anything."""
        del source, handler
        return core_schema.any_schema()


@pytest.mark.parametrize(
    "annotation",
    [
        list,
        dict,
        type[int],
        Plain,
        Annotated[str, WithJsonSchema({"enum": ["a"]})],
        Color | str,
        list[int] | set[str],
        Any | None,
        dict[str, date | str],
        date | str | None,
    ],
)
def test_json_text_fallbacks(annotation: Any) -> None:
    """What no control is sure to fit is JSON text: bare containers, own hooks, unions of one JSON type."""
    assert describe(annotation)["widget"] == "textarea"
    assert describe(annotation)["help_text"] == "JSON."


def test_arbitrary_type() -> None:
    """A type that has no JSON form at all gets JSON text, too."""
    schema = create_model("Config", __config__=ConfigDict(arbitrary_types_allowed=True), value=(Opaque, ...))
    assert bind(schema).get_schema("{}")["properties"]["value"]["widget"] == "textarea"


def test_name_that_is_not_resolved() -> None:
    """What stands behind a name that Python left as text may be a secret, so what is typed is not shown again."""
    control = build(get_tree("Account"))
    assert isinstance(control, JsonTextControl)
    assert control.label.holds_secret


def test_unions() -> None:
    """Unions within unions are one choice; where the browser could not tell two apart, JSON text."""
    titles = [option["title"] for option in describe(int | Annotated[list[str] | bool | None, "note"])["oneOf"]]
    assert titles == ["Not set", "Number", "List", "Yes or no"]
    assert [option["title"] for option in describe(Typed | int)["oneOf"]] == ["Text", "Number"]
    odd = bind(make_schema(int | list[str]), {"value": "text"})
    assert get_form(odd)["value"] == '"text"'
    assert get_form(bind(make_schema(list[int | list[str]]), {"value": ["x"]}))["value"] == '[\n  "x"\n]'


def test_union_of_tuples() -> None:
    """Tuples in a union are told apart as models are, and no position is lost."""
    binding = bind(make_schema(tuple[int, int] | tuple[str, bool]), {"value": ["a", True]})
    assert get_form(binding)["value"] == {"_variant": "1", "item_0": "a", "item_1": True}
    assert edit(binding, value={"_variant": "0", "item_0": "1", "item_1": "2"}).config == {"value": [1, 2]}
    single = bind(make_schema(tuple[int, int]), {"value": [1, 2]})
    assert edit(single, value=[3, 4]).config == {"value": [3, 4]}
    assert [problem.path for problem in edit(single, value=[3, 4, 5]).problems] == [("value", "item_2")]


def test_a_model_may_stand_inside_itself_many_times() -> None:
    """The first level is fields, what is below JSON text with placeholders; sixty are shown, kept and read."""

    class Chain(BaseModel):
        name: str
        token: SecretStr | None = None
        after: Chain | int | None = None

    chain: Any = None
    for number in range(60):
        chain = {"name": str(number), "token": MARKER, "after": chain}
    binding = bind(make_schema(Chain), {"value": chain})
    assert not post(binding, get_form(binding)).changed
    form = get_form(binding)["value"]
    below = json.loads(form["after"])
    below["after"]["name"] = "changed"
    changed = edit(binding, value={**form, "name": "too", "after": json.dumps(below)}).config
    wanted = {**chain["after"]["after"], "name": "changed"}
    assert changed == {"value": {**chain, "name": "too", "after": {**chain["after"], "after": wanted}}}
    assert len(binding.get_stored_secrets()) == 60


def test_models_that_hold_each_other_make_no_endless_form() -> None:
    """Fourteen that all hold each other: the first one's fields are drawn, and each other one as JSON text."""
    fields = {f"to_{number}": (f"M{number} | None", None) for number in range(14)}
    names: dict[str, Any] = {}
    for number in range(14):
        names[f"M{number}"] = create_model(f"M{number}", **fields)  # type: ignore[call-overload]
    for model in names.values():
        model.model_rebuild(_types_namespace=names)
    form = get_form(bind(make_schema(names["M0"]), {"value": {"to_1": {"to_2": {}}}}))
    assert form["value"]["to_1"] == '{\n  "to_2": {}\n}'
    assert list(form["value"]) == list(fields)


def test_json_string() -> None:
    """A JSON string is text, whatever it is read as."""
    assert describe(Json[dict[str, int]]) == {"title": "Value", "type": "string"}


def test_schema_that_cannot_be_built_at_all() -> None:
    """Where an author's hook fails, the whole configuration is one JSON text, and all of it may be secret."""

    class Failing(Enum):
        ONE = 1

        @property
        def label(self) -> str:
            raise RuntimeError

    schema = make_schema(Failing | SecretStr)
    binding = bind(schema, {"value": MARKER})
    assert not binding.generated
    assert edit(binding, value=SECRET).config == {"value": SECRET}
    assert SECRET not in binding.redisplay(json.dumps({"value": SECRET}))
    assert "stored secret" not in show_fields({"value": MARKER}, schema)
    assert post(bind(schema), {"a": 1}).config == {"a": 1}


def test_root_schema_that_is_no_object() -> None:
    """A configuration that is no object at its root is edited as JSON text."""

    class Pairs(RootModel[dict[str, str]]):
        pass

    binding = ConfigBinding(Pairs, {"a": "b"})
    assert not binding.generated
    assert edit(binding, a="c").config == {"a": "c"}
    assert json.loads(ConfigBinding(Pairs).get_text()) == {}


def test_extras_with_an_empty_key() -> None:
    """What the form cannot show at the root is edited as JSON text, all of it."""

    class Open(BaseModel):
        model_config = ConfigDict(extra="allow")

    binding = ConfigBinding(Open, {"": 1})
    assert not binding.generated
    assert json.loads(binding.get_text()) == {"": 1}


def test_text_mode_outline() -> None:
    """A new JSON text lists every field, with its default or empty."""

    class Whole(BaseModel):
        name: str
        port: int = 25
        flag: bool
        tags: list[str]
        smtp: Smtp
        maybe: int | None
        token: SecretStr = SecretStr(SECRET)
        mapping: dict[str, int]
        pair: tuple[str, int | None]

    text = ConfigBinding(Whole, generated=False).get_text()
    assert json.loads(text) == {
        "name": "",
        "port": 25,
        "flag": False,
        "tags": [],
        "smtp": {"host": "", "port": 25, "password": None},
        "maybe": None,
        "token": "",
        "mapping": {},
        "pair": ["", None],
    }
    lists = edit(ConfigBinding(Whole, generated=False), tags=["a", {"x": 1}], name="")
    assert lists.config is not None
    assert "name" not in lists.config
    assert lists.config["tags"] == ["a", {"x": 1}]


def test_controls_must_say_how_they_carry_values() -> None:
    """The base of all controls carries nothing itself."""
    control = Control()
    with pytest.raises(NotImplementedError):
        control.encode(1)


def test_help_for_dates_and_durations() -> None:
    """Our script is told what is typed; the value stays the text that pydantic writes."""
    for annotation, kind in ((date, "date"), (time, "time"), (datetime, "date-time"), (timedelta, "duration")):
        assert describe(annotation)["dpsInput"] == kind
    assert "dpsInput" not in describe(str)


def test_a_set_of_choices() -> None:
    """It is one text, in which our script draws boxes; anything else that is stored falls back to JSON text."""
    days = set[Literal["mon", "tue"]]
    assert [choice["value"] for choice in describe(days)["dpsChoices"]] == ['"mon"', '"tue"']
    binding = bind(make_schema(days), {"value": ["tue"]})
    assert get_form(binding) == {"value": '["tue"]'}
    assert edit(binding, value='["mon", "tue"]').config == {"value": ["mon", "tue"]}
    assert edit(binding, value="").config == {}
    for odd in (["sun"], ["mon", "mon"], "mon"):
        assert json.loads(get_form(bind(make_schema(days), {"value": odd}))["value"]) == odd
    assert describe(dict[str, days])["items"]["properties"]["value"]["dpsChoices"]
    for annotation in (list[Literal["mon", "tue"]], days | int, set[Literal["mon"] | None]):
        assert "dpsChoices" not in json.dumps(describe(annotation))
