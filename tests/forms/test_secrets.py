"""Secrets in a form: kept, replaced, cleared, and never shown."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field, Secret, SecretBytes, SecretStr

from django_plugin_system.config.codec import Kept
from django_plugin_system.forms.binding import BLOT, ConfigBinding, drop_secrets, show_fields
from django_plugin_system.forms.placeholders import RETYPE
from tests.forms.helpers import OPENED, SECRET, bind, edit, get_form, make_schema, post
from tests.shapes.form_models import Account, Typed
from tests.shapes.table import MARKER

PEM = "-----BEGIN PRIVATE KEY-----\nMIIE\r\nabc==\n-----END PRIVATE KEY-----\n"
OTHER = {"$secret": "dps1.0000aaaa.other"}


class Config(BaseModel):
    """Secrets beside other fields."""

    url: str = ""
    token: SecretStr
    second: SecretStr | None = None
    accounts: list[Account] = []


STORED = {"url": "u", "token": MARKER, "second": OTHER, "accounts": []}


def test_keep() -> None:
    """A placeholder that comes back stands for what is stored, which is handed on as it is stored."""
    submission = edit(bind(Config, STORED), url="new")
    assert submission.config == {**STORED, "url": "new"}
    assert submission.changed_fields == ("Url",)


def test_replace() -> None:
    """A typed text is the new secret, line breaks and all."""
    submission = edit(bind(Config, STORED), token=PEM)
    assert submission.config is not None
    assert submission.config["token"] == PEM
    assert submission.changed_fields == ("Token",)


def test_clear() -> None:
    """An emptied secret is None where it may be, and missing where it must be filled in."""
    submission = edit(bind(Config, STORED), token="", second="")
    assert submission.config == {"url": "u", "second": None, "accounts": []}


@pytest.mark.parametrize("text", ["********", "••••••", "* * *", "●●", "∙∙∙"])
@pytest.mark.parametrize("generated", [True, False])
def test_mask_is_refused(text: str, generated: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """A text of nothing but mask characters is no secret."""
    submission = edit(bind(Config, STORED, generated=generated), token=text)
    assert submission.config is None
    assert [problem.path for problem in submission.problems] == [("token",)]


def test_added_text_is_refused() -> None:
    """Typing at the end of a placeholder neither keeps nor replaces."""
    binding = bind(Config, STORED)
    submission = edit(binding, token=get_form(binding)["token"] + "x")
    assert "Empty the field" in submission.problems[0].message


def test_placeholder_of_another_field_is_refused() -> None:
    """A placeholder pasted into another secret, or into a plain field, does not carry the secret there."""
    binding = bind(Config, STORED)
    token = get_form(binding)["token"]
    for field in ("second", "url"):
        submission = edit(binding, **{field: token})
        assert submission.config is None
        assert [(p.path, "another field" in p.message) for p in submission.problems] == [((field,), True)]


def test_placeholder_of_another_row_is_refused() -> None:
    """A placeholder opens nothing in another row, and equal secrets of two rows look different."""
    foreign = get_form(ConfigBinding(Config, STORED, {("token",): "same"}, row="row-2"))["token"]
    own = ConfigBinding(Config, STORED, {("token",): "same"}, row="row-1")
    assert get_form(own)["token"] != foreign
    assert "gone" in edit(own, token=foreign).problems[0].message


@pytest.mark.parametrize("text", [f"[stored secret {'0' * 16}]", "[stored secret 1] is gone", RETYPE])
@pytest.mark.parametrize("generated", [True, False])
def test_a_stored_text_may_read_like_a_placeholder(text: str, generated: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """A plain text that a program stored so does not keep the form from being saved; nobody can type one anywhere."""
    binding = bind(Config, {**STORED, "url": text}, generated=generated)
    assert edit(binding, second="new").config == {**STORED, "url": text, "second": "new"}
    assert edit(binding, second=text).config is None
    assert edit(bind(Config, STORED, generated=generated), url=text).config is None


def make_accounts(*markers: dict[str, str]) -> dict[str, Any]:
    """Return a stored configuration with an account for each marker."""
    accounts = [{"user": str(i), "token": marker, "active": True} for i, marker in enumerate(markers)]
    return {**STORED, "accounts": accounts}


def test_reordered_items_keep_their_secrets() -> None:
    """Secrets follow their items: a moved one arrives opened, as its token is bound to the old place."""
    binding = bind(Config, make_accounts(MARKER, OTHER))
    accounts = get_form(binding)["accounts"]
    submission = edit(binding, accounts=accounts[::-1])
    assert submission.config is not None
    tokens = [account["token"] for account in submission.config["accounts"]]
    assert tokens == [Kept(f"{OPENED}-{OTHER['$secret']}"), Kept(f"{OPENED}-{MARKER['$secret']}")]
    assert submission.changed_fields == ("Accounts",)


def test_removed_item_moves_the_rest() -> None:
    """Removing the first item keeps the secret of the second."""
    binding = bind(Config, make_accounts(MARKER, OTHER))
    submission = edit(binding, accounts=get_form(binding)["accounts"][1:])
    assert submission.config is not None
    assert submission.config["accounts"][0]["token"] == Kept(f"{OPENED}-{OTHER['$secret']}")


def test_unreadable_secret_stays_where_it_is() -> None:
    """A secret that cannot be read is kept in its place, and refused elsewhere."""
    binding = bind(Config, make_accounts(MARKER, OTHER), opened={})
    accounts = get_form(binding)["accounts"]
    assert edit(binding, url="new").config == {**make_accounts(MARKER, OTHER), "url": "new"}
    moved = edit(binding, accounts=accounts[::-1])
    assert moved.config is None
    assert [p.path for p in moved.problems] == [("accounts", "0", "token"), ("accounts", "1", "token")]
    assert "cannot be read" in moved.problems[0].message


def test_typed_secret_is_not_shown_again() -> None:
    """After a refusal a typed secret is replaced by a request to type it again, and a placeholder stays."""
    binding = bind(Config, STORED)
    form = {**get_form(binding), "token": SECRET, "url": "new"}
    shown = json.loads(binding.redisplay(json.dumps(form)))
    assert shown == {**form, "token": RETYPE}
    assert "not kept" in post(binding, shown).problems[0].message


def test_request_to_retype_is_refused_anywhere() -> None:
    """The request to type again is no value, also in a plain field."""
    assert [p.path for p in edit(bind(Config, STORED), url=RETYPE).problems] == [("url",)]


def test_text_mode() -> None:
    """In the JSON text secrets are placeholders; keep, replace and clear work, and nothing typed is shown again."""
    binding = bind(Config, STORED, generated=False)
    assert "[stored secret " in binding.get_text()
    kept = edit(binding, url="new")
    assert kept.config == {**STORED, "url": "new"}
    assert edit(binding, token="").config == {key: value for key, value in STORED.items() if key != "token"}
    typed = {**get_form(binding), "token": SECRET, "tokn": SECRET, "accounts": [{"user": "x", "token": SECRET}]}
    shown = binding.redisplay(json.dumps(typed))
    assert SECRET not in shown
    assert json.loads(shown)["accounts"] == [{"user": "x", "token": RETYPE}]


def test_unreadable_text_is_not_shown_again_where_it_may_hold_a_secret() -> None:
    """A text with a comma too many comes back as it was stored if a secret may be in it, else as it was typed."""
    broken = f'{{"token": "{SECRET}",}}'
    binding = bind(Config, STORED, generated=False)
    assert binding.redisplay(broken) == binding.get_text()
    plain = bind(make_schema(str), {"value": "x"}, generated=False)
    assert plain.redisplay('{"value": ') == '{"value": '
    assert plain.redisplay('{"other": 1}') == '{\n  "other": 1\n}'


def test_secret_in_json_text() -> None:
    """A type that only JSON text can show keeps, replaces and hides the secrets in it."""
    binding = bind(make_schema(Typed), {"value": {"token": MARKER, "port": 1}})
    text = get_form(binding)["value"]
    assert edit(binding, value=text.replace("1\n", "2\n")).config == {"value": {"token": MARKER, "port": 2}}
    typed = json.dumps({"token": SECRET, "port": 1})
    assert edit(binding, value=typed).config == {"value": {"token": SECRET, "port": 1}}
    shown = json.loads(binding.redisplay(json.dumps({"value": typed})))["value"]
    assert json.loads(shown) == {"token": RETYPE, "port": 1}
    assert json.loads(binding.redisplay(json.dumps({"value": SECRET})))["value"] == ""
    assert edit(binding, value='{"token": "****"}').config is None
    listed = json.dumps({"value": json.dumps({"token": [SECRET, None]})})
    assert SECRET not in binding.redisplay(listed)


def test_secret_or_a_list() -> None:
    """A secret that may also be something else keeps to its own kind of value."""
    binding = bind(make_schema(SecretStr | list[Account]), {"value": []})
    assert get_form(binding)["value"] == []
    assert edit(binding, value=SECRET).config == {"value": SECRET}


def test_structured_secret_is_typed_as_json() -> None:
    """A secret that is no text is typed as JSON; the placeholder is not."""
    binding = bind(make_schema(Secret[int]), {"value": MARKER})
    assert edit(binding, value="42").config == {"value": 42}
    assert "as JSON" in edit(binding, value="abc").problems[0].message
    assert edit(bind(make_schema(SecretBytes), {"value": MARKER}), value="42").config == {"value": "42"}
    assert edit(binding, value=["x"]).problems[0].path == ("value",)


def test_secret_stored_as_plain_text_is_hidden() -> None:
    """A field that became a secret after it was stored is hidden like any other, and kept."""
    for annotation, value in ((SecretStr, SECRET), (Typed, {"token": SECRET, "port": 1})):
        binding = bind(make_schema(annotation), {"value": value}, opened={})
        assert SECRET not in binding.get_text()
        assert SECRET not in show_fields({"value": value}, make_schema(annotation))
        assert not binding.read(binding.get_text()).changed


def test_secret_default_is_not_sent() -> None:
    """The default of a secret, wrapped or not, is neither in the value nor in the schema of a new form."""

    class Holder(BaseModel):
        token: SecretStr = SecretStr(SECRET)
        raw: SecretStr = SECRET  # type: ignore[assignment]
        inner: Account = Account(user="a", token=SecretStr(SECRET))

    binding = bind(Holder)
    for generated in (True, False):
        binding = bind(Holder, generated=generated)
        sent = binding.get_text() + json.dumps(binding.get_schema(binding.get_text()))
        assert SECRET not in sent
        assert "***" not in sent


def test_new_row_has_nothing_to_keep() -> None:
    """In a new form a typed secret is taken, and an invented placeholder is not."""
    binding = bind(Config)
    assert edit(binding, token=SECRET).config == {"url": "", "token": SECRET, "second": None, "accounts": []}
    assert edit(binding, token=f"[stored secret {'0' * 16}]").config is None


def test_viewers_see_no_secret() -> None:
    """People who may only look see that a secret is stored, and no placeholder; also where the schema is gone."""
    stored = make_accounts(MARKER)
    for shown in (show_fields(stored, Config), show_fields(stored, None)):
        assert BLOT in shown
        assert "stored secret" not in shown
        assert "dps1." not in shown
    assert f"<dt>token</dt><dd>{BLOT}</dd>" in show_fields(stored, None)


def test_copy_starts_without_secrets() -> None:
    """What a copy starts with holds no secret, encrypted or not, and lists lose those that were nothing else."""
    stored = {**make_accounts(MARKER), "second": SECRET}
    start = drop_secrets(stored, Config)
    assert start == {"url": "u", "accounts": [{"user": "0", "active": True}]}
    assert drop_secrets({"value": [MARKER, MARKER]}, make_schema(list[SecretStr])) == {"value": []}


def test_binary_secret_has_a_placeholder() -> None:
    """A secret of raw bytes is identified like any other."""
    binding = bind(make_schema(SecretBytes), {"value": MARKER}, opened={("value",): b"\xff"})
    assert edit(binding, value=get_form(binding)["value"]).changed is False


def test_secrets_beside_the_fields() -> None:
    """Extra values that are declared secrets are kept, replaced and asked for again as those of fields are."""

    class Open(BaseModel):
        model_config = ConfigDict(extra="allow")
        __pydantic_extra__: dict[str, SecretStr] = Field(init=False)
        name: str = ""

    for generated in (True, False):
        binding = bind(Open, {"name": "n", "more": MARKER}, generated=generated)
        form = get_form(binding)
        added = {"_extras": [*form["_extras"], {"key": "new", "value": SECRET}]} if generated else {"new": SECRET}
        assert edit(binding, **added).config == {"name": "n", "more": MARKER, "new": SECRET}
        again = binding.redisplay(json.dumps({**form, **added}))
        assert SECRET not in again
        assert RETYPE in again
        assert SECRET not in binding.redisplay(json.dumps({**form, **added})[:-1])


def test_the_script_is_told_where_secrets_are_typed() -> None:
    """In the schema: in lists, dicts, unions and models inside of these."""

    class Inside(BaseModel):
        token: SecretStr
        named: dict[str, Account] = {}
        either: SecretStr | Account | None = None

    fields = bind(make_schema(list[Inside])).get_schema("{}")["properties"]["value"]["items"]["properties"]
    either, account = fields["either"]["oneOf"]
    entry = fields["named"]["items"]["properties"]["value"]
    for secret in (fields["token"], either, account["properties"]["token"], entry["properties"]["token"]):
        assert secret["dpsSecret"]
    assert "dpsSecret" not in entry["properties"]["user"]


def test_each_stored_secret_has_a_title_and_a_placeholder() -> None:
    """By the path it is stored at: list positions count from 1, an entry of a dict is known by its key."""

    class Named(BaseModel):
        token: SecretStr
        accounts: list[Account]
        by_name: dict[str, Account]
        typed: Typed

    account = {"user": "u", "token": MARKER, "active": True}
    stored = {
        "token": MARKER,
        "accounts": [account],
        "by_name": {"main": account},
        "typed": {"token": MARKER, "port": 1},
    }
    for generated in (True, False):
        binding = bind(Named, stored, generated=generated)
        found = binding.get_stored_secrets()
        assert {path: title for path, (title, _placeholder) in found.items()} == {
            ("token",): "Token",
            ("accounts", "0", "token"): "Accounts > 1 > Token",
            ("by_name", "main", "token"): "By name > main > Token",
            ("typed", "token"): "Typed > token",
        }
        assert all(placeholder in binding.get_text() for _title, placeholder in found.values())


def test_masks_in_json_text() -> None:
    """In the whole configuration as JSON, too, a mask is refused wherever a secret may stand; a stored one may stay."""
    schema = make_schema(Typed)
    binding = bind(schema, {"value": {"token": MARKER, "port": "**"}}, generated=False)
    value = get_form(binding)["value"]
    assert [problem.path for problem in edit(binding, value={**value, "token": "****"}).problems] == [("value",)]
    assert edit(binding, other=1).config == {"value": {"token": MARKER, "port": "**"}, "other": 1}


def test_plain_json_beside_a_secret_is_shown_again() -> None:
    """In the JSON text what is no secret by its type comes back as it was typed."""

    class Mixed(BaseModel):
        token: SecretStr
        options: dict[str, Any] = {}

    typed = {"token": SECRET, "options": {"a": [1, "b"]}}
    shown = bind(Mixed, {"token": MARKER}, generated=False).redisplay(json.dumps(typed))
    assert json.loads(shown) == {**typed, "token": RETYPE}


def test_a_placeholder_says_nothing_about_the_secret() -> None:
    """Equal secrets have different placeholders, another secret at the same place has the same one."""
    binding = bind(Config, make_accounts(MARKER, MARKER))
    first, second = (account["token"] for account in get_form(binding)["accounts"])
    assert first != second
    other = bind(Config, make_accounts(OTHER, MARKER))
    assert get_form(other)["accounts"][0]["token"] == first
