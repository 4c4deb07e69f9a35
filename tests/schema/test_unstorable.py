"""What registration refuses about a schema, from the types alone; and that it refuses no more than that."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pydantic.dataclasses
import pytest
import typing_extensions
from pydantic import (
    AfterValidator,
    AliasChoices,
    AliasPath,
    BaseModel,
    ConfigDict,
    Field,
    FilePath,
    HttpUrl,
    Json,
    RootModel,
    Secret,
    SecretBytes,
    SecretStr,
    SkipValidation,
)

from django_plugin_system.schema.checks import find_unstorable
from django_plugin_system.schema.tree import get_tree, iter_models
from tests.config.helpers import make_schema
from tests.shapes.models import Account, Card, Cash, Payment, Plain, Point, Typed

Same = typing_extensions.TypeAliasType("Same", "dict[str, set[SecretStr] | list[Same]]")
REFUSED: list[tuple[Any, str]] = [
    (set[SecretStr], "a set cannot hold secrets"),
    (frozenset[Secret[int]], "a set cannot hold secrets"),
    (list[set[SecretStr]], "a set cannot hold secrets"),
    (dict[str, set[Account]], "a set cannot hold secrets"),
    (dict[SecretStr, int], "cannot be the key of a dict"),
    (dict[tuple[SecretStr, int], int], "cannot be the key of a dict"),
    (Json[Account], "a JSON string cannot hold a secret"),
    (list[Json[list[SecretStr]]], "a JSON string cannot hold a secret"),
    (Secret[Json[list[int]]], "a secret is JSON already"),
    (list[Secret[Json[Any]] | None], "a secret is JSON already"),
    (str | SecretStr, "cannot be told apart"),
    (SecretBytes | int | None, "cannot be told apart"),
    (Card | Cash, "cannot be told apart"),
    (list[Account | str], "cannot be told apart"),
    (Annotated[Account | str, Field(title="x")], "cannot be told apart"),
    (SkipValidation[SecretStr], "SkipValidation"),
    (list[SkipValidation[SecretStr]], "SkipValidation"),
    (Same, "a set cannot hold secrets"),
]
ACCEPTED: list[Any] = [
    SecretStr | None,
    SecretStr | SecretBytes,
    Account | Card,
    Payment,
    Payment | None,
    list[Payment],
    Annotated[Payment, Field(title="x")],
    dict[int, SecretStr],
    set[int],
    str | int | Cash,
    Json[list[int]],
    SkipValidation[int],
    Secret[set[int]],
    Secret[str | int],
    Typed | None,
    Plain,
    Point,
]


@pytest.mark.parametrize(("annotation", "reason"), REFUSED)
def test_secrets_that_could_not_be_stored_are_found(annotation: Any, reason: str) -> None:
    """Each unsafe place of a secret is named with its class and field, and with what to do."""
    problems = find_unstorable(make_schema(annotation))
    assert [problem for problem in problems if problem.startswith("Config.value: ") and reason in problem]


@pytest.mark.parametrize("annotation", ACCEPTED)
def test_nothing_else_is_refused(annotation: Any) -> None:
    """What can be stored is not refused, and neither is what holds no secret."""
    assert not find_unstorable(make_schema(annotation))


@pytest.mark.parametrize(
    ("annotation", "default"),
    [
        (SecretStr, "plain"),
        (SecretStr | None, "plain"),
        (SecretBytes, b"plain"),
        (Secret[int], 4),
        (list[SecretStr], ["plain"]),
        (dict[str, SecretStr], {"a": "plain"}),
        (tuple[int, SecretStr], (1, "plain")),
        (Account, {"token": "plain"}),
        (list[Account | None], [None, Account.model_construct(token="plain")]),  # type: ignore[arg-type] # that is the point
    ],
)
def test_plain_defaults_of_secrets_are_found(annotation: Any, default: Any) -> None:
    """Pydantic does not wrap a default; one that is left plain is refused, unless it is validated."""
    assert "the default of a secret is plain text" in "".join(find_unstorable(make_schema(annotation, default)))
    assert not find_unstorable(make_schema(annotation, Field(default, validate_default=True)))
    assert not find_unstorable(make_schema(annotation, default, validate_default=True))


@pytest.mark.parametrize(
    ("annotation", "default"),
    [
        (SecretStr, SecretStr("x")),
        (SecretStr | None, None),
        (list[SecretStr], [SecretStr("x")]),
        (list[SecretStr], Field(default_factory=list)),
        (Account, Account(token=SecretStr("x"))),
        (str, "plain"),
    ],
)
def test_wrapped_defaults_are_fine(annotation: Any, default: Any) -> None:
    """A default that is wrapped, empty, made by a factory, or of a plain field is accepted."""
    assert not find_unstorable(make_schema(annotation, default))


@pytest.mark.parametrize(
    ("annotation", "default"),
    [
        (str, None),
        (SecretStr, None),
        (list[str], None),
        (Account, None),
        (Account | None, 5),
        (int, ""),
        (Annotated[int, Field(ge=1)], 0),
        (Literal["a"], "b"),
    ],
)
def test_a_default_that_its_own_type_refuses_is_found(annotation: Any, default: Any) -> None:
    """Pydantic does not look at it, and what is stored of it could not be read."""
    [problem] = find_unstorable(make_schema(annotation, default))
    assert problem.startswith("Config.value: its own type refuses the default")
    assert ("add None to the type" in problem) is (default is None)


@pytest.mark.parametrize(
    ("annotation", "default"),
    [
        (float, 5),
        (HttpUrl, "https://example.com"),
        (Any, None),
        (FilePath, "/there/is/no/such/file"),
        (Annotated[str, AfterValidator(lambda _text: 1 / 0)], "x"),
        (Annotated[str, AfterValidator(lambda text: text.index("y"))], "x"),
    ],
)
def test_a_default_that_only_code_or_a_machine_refuses_is_fine(annotation: Any, default: Any) -> None:
    """What pydantic converts is fine, and what it cannot judge here."""
    assert not find_unstorable(make_schema(annotation, default))


class Swapped(BaseModel):
    """Aliases that are names of other fields."""

    host: str = Field(alias="token")
    token: SecretStr = Field(validation_alias=AliasChoices("host", "TOKEN"))


class Overlapping(BaseModel):
    """Aliases that only look like other fields, or are the field's own name."""

    auth: dict[str, str] = {}
    token: SecretStr = Field(validation_alias=AliasChoices("token", AliasPath("auth", "token")))


class Inside(BaseModel):
    """A model with a problem inside."""

    model_config = ConfigDict(frozen=True)
    swapped: list[Swapped]


def test_an_alias_that_is_another_fields_name_is_refused() -> None:
    """Stored configs go by name and input goes by both, so such a value would end up in the other field."""
    problems = find_unstorable(Inside)
    assert [problem.split(":")[0] for problem in problems] == ["Swapped.host", "Swapped.token"]
    assert all("its alias is the name of another field" in problem for problem in problems)
    assert not find_unstorable(Overlapping)


def test_problems_inside_root_models_are_named() -> None:
    """A root model's only field is called root."""
    assert find_unstorable(RootModel[set[SecretStr]])[0].startswith("RootModel[set[SecretStr]].root: ")


def test_secret_types() -> None:
    """The three types of pydantic and their subclasses are secrets; nothing else is."""
    sub: Any = type("Sub", (SecretStr,), {})
    assert all(get_tree(one).is_secret for one in (SecretStr, SecretBytes, Secret, Secret[int], sub, SecretStr | None))
    assert not any(get_tree(one).is_secret for one in (str, None, Any, list[SecretStr], Account))


def test_types_with_unhashable_metadata_are_looked_through() -> None:
    """Metadata that cannot be hashed does not hide a secret."""
    assert get_tree(Annotated[SecretStr, {"unhashable": []}]).holds_secret
    assert not get_tree(Annotated[str, {"unhashable": []}]).holds_secret
    found = iter_models(get_tree(Annotated[list[Account | Plain], {"a": []}]))
    assert [node.annotation for node in found] == [Account, Plain]


def test_an_alias_that_cannot_be_resolved_is_left_alone() -> None:
    """A recursive type that names something unknown holds no secret that could be found."""
    assert not get_tree(typing_extensions.TypeAliasType("Broken", "list[Nowhere]")).holds_secret  # noqa: F821 - that is the point


class Early(BaseModel):
    """A model that names one that comes later."""

    late: Late


@pydantic.dataclasses.dataclass
class EarlyPair:
    """A dataclass that names a model that comes later."""

    late: list[Late]


SEEN_EARLY = [get_tree(annotation).holds_secret for annotation in (Early, EarlyPair, list[Early])]


class Late(BaseModel):
    """The model that comes later."""

    token: SecretStr


def test_a_model_that_was_not_complete_is_looked_at_again() -> None:
    """A secret in a class that was defined after its use is found, though somebody asked before."""
    assert SEEN_EARLY == [False, False, False]
    assert all(get_tree(annotation).holds_secret for annotation in (Early, EarlyPair, list[Early]))
