"""What was typed as a secret into a form that was refused: encrypted on its way back, and of use nowhere else."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel, Secret, SecretStr

from django_plugin_system.forms.placeholders import LIFETIME, RETYPE, TypedSecrets
from tests.forms.helpers import SECRET, bind, get_form, make_schema, post
from tests.shapes.form_models import Typed
from tests.shapes.table import MARKER

if TYPE_CHECKING:
    from django_plugin_system.forms.binding import ConfigBinding

HERE = TypedSecrets("user-1", "item-1", "row-1")
both = pytest.mark.parametrize("generated", [True, False])


class Account(BaseModel):
    """A secret in a list."""

    user: str = ""
    token: SecretStr


class Config(BaseModel):
    """Secrets beside other fields."""

    url: str = ""
    token: SecretStr
    second: SecretStr | None = None
    number: Secret[int] | None = None
    accounts: list[Account] = []
    odd: Typed | None = None


STORED = {"url": "u", "token": MARKER}


def make(generated: bool = True, typed: TypedSecrets | None = HERE) -> ConfigBinding:  # noqa: FBT001, FBT002 - a parameter of the tests
    """Return the form of a stored row."""
    return bind(Config, STORED, generated=generated, typed=typed)


def refuse(binding: ConfigBinding, **values: Any) -> Any:
    """Return the form as it is shown after a refusal."""
    shown = binding.redisplay(json.dumps({**get_form(binding), **values}))
    assert SECRET not in shown
    return json.loads(shown)


@both
def test_it_comes_back(generated: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """Again and again, beside what was kept; in lists too, whose entries may be moved meanwhile."""
    binding = make(generated)
    accounts = [{"user": "a", "token": f"{SECRET}-a"}, {"user": "b", "token": f"{SECRET}-b"}]
    shown = refuse(binding, second=SECRET, accounts=accounts)
    assert shown["second"].startswith("[typed, not saved yet: ")
    assert shown["token"] == get_form(binding)["token"]
    again = refuse(binding, **{**shown, "accounts": shown["accounts"][::-1]})
    assert again["second"] != shown["second"]
    config = post(make(generated), again).config
    assert config is not None
    assert (config["second"], config["token"]) == (SECRET, MARKER)
    assert [account["token"] for account in config["accounts"]] == [f"{SECRET}-b", f"{SECRET}-a"]


def test_any_json_comes_back() -> None:
    """A secret that is no text, and each part of a JSON text with secrets in it."""
    binding = make()
    shown = refuse(binding, number="42", odd=json.dumps({"token": SECRET, "port": 5}))
    inside = json.loads(shown["odd"])
    assert all(value.startswith("[typed, not saved yet: ") for value in inside.values())
    config = post(binding, refuse(binding, **shown)).config
    assert config is not None
    assert (config["number"], config["odd"]) == (42, {"token": SECRET, "port": 5})


@both
@pytest.mark.parametrize(
    "other",
    [
        TypedSecrets("user-2", "item-1", "row-1"),
        TypedSecrets("user-1", "item-2", "row-1"),
        TypedSecrets("user-1", "item-1", "row-2"),
        None,
    ],
)
def test_it_is_of_no_use_elsewhere(generated: bool, other: TypedSecrets | None) -> None:  # noqa: FBT001 - as above
    """Another user, item or row, a program without any: the form asks for the secret."""
    shown = refuse(make(generated), second=SECRET)
    binding = make(generated, other)
    submission = post(binding, shown)
    assert submission.config is None
    assert [(p.path, "Type the secret again" in p.message) for p in submission.problems] == [(("second",), True)]
    assert refuse(binding, **shown)["second"] == RETYPE


@both
def test_it_is_of_no_use_in_another_field(generated: bool) -> None:  # noqa: FBT001 - as above
    """In another secret, in a plain field, inside another text."""
    binding = make(generated)
    text = refuse(binding, second=SECRET)["second"]
    for values in ({"token": text}, {"url": text}, {"second": f"{text}x"}, {"accounts": [{"user": "", "token": text}]}):
        submission = post(binding, {**get_form(binding), **values})
        assert submission.config is None
        assert SECRET not in str(submission.problems)
        assert SECRET not in json.dumps(refuse(binding, **values))


def test_it_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half an hour later it has to be typed again."""
    binding = make()
    shown = refuse(binding, second=SECRET)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + LIFETIME + 2)
    assert post(binding, shown).config is None
    assert refuse(binding, **shown)["second"] == RETYPE


def test_what_was_altered_does_not_open() -> None:
    """The key's id, the time, the data: each is checked, and none raises."""
    binding = make()
    shown = refuse(binding, second=SECRET)
    opening, text = shown["second"].rstrip("]").split(": ")
    key_id, expiry, data = text.split(".")
    for forged in (
        f"0badf00d.{expiry}.{data}",
        f"{key_id}.{int(expiry) + 1}.{data}",
        f"{key_id}.{expiry}.{data[:-8]}AAAAAAA=",
        f"{key_id}.{expiry}.{'A' * 41}",
        f"{key_id}.{expiry}",
    ):
        submission = post(binding, {**shown, "second": f"{opening}: {forged}]"})
        assert [problem.path for problem in submission.problems] == [("second",)]


def test_a_placeholder_or_a_request_is_not_what_was_typed() -> None:
    """What was not typed is not handed back as if it were."""
    binding = bind(make_schema(SecretStr), {"value": MARKER}, typed=HERE)
    for text in (RETYPE, f"[stored secret {'0' * 16}]", f"{get_form(binding)['value']}x"):
        assert refuse(binding, value=text)["value"] == RETYPE


@both
def test_a_stored_text_may_read_like_one(generated: bool) -> None:  # noqa: FBT001 - as above
    """A plain text that a program stored so does not keep the form from being saved."""
    text = f"[typed, not saved yet: 0badf00d.1.{'A' * 40}]"
    binding = bind(Config, {**STORED, "url": text}, generated=generated, typed=HERE)
    config = post(binding, {**get_form(binding), "second": "new"}).config
    assert config is not None
    assert config["url"] == text


def test_json_with_a_mistake_comes_back() -> None:
    """What was typed is there, encrypted where it may be a secret, and can be read once the mistake is mended."""
    binding = make(generated=False)
    typed = f'{{"url": "u", "token": "{SECRET}", "second": "a\\"b", "number": 4711,\n "accounts": [],}}'
    shown = binding.redisplay(typed)
    assert SECRET not in shown
    assert "4711" not in shown
    assert shown.startswith('{"url": "u", "token": "[typed, not saved yet: ')
    again = binding.redisplay(shown)
    assert again != shown
    config = make(generated=False).read(again.replace(",}", "}")).config
    assert config is not None
    assert (config["token"], config["second"], config["number"]) == (SECRET, 'a"b', 4711)
    other = make(generated=False, typed=TypedSecrets("user-2", "item-1", "row-1"))
    assert other.read(shown.replace(",}", "}")).config is None
    assert SECRET not in binding.redisplay(f'["{SECRET}"]') + binding.redisplay(f'"{SECRET}')
