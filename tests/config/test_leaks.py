"""Errors about configurations: they say where and why, and quote no secret, whoever wrote the message."""

from __future__ import annotations

import base64
import datetime as dt
import json
import uuid
from decimal import Decimal
from typing import Annotated, Any, Literal

import pydantic.dataclasses
import pytest
from pydantic import (
    AnyUrl,
    BaseModel,
    Field,
    Secret,
    SecretBytes,
    SecretStr,
    ValidationInfo,
    field_serializer,
    field_validator,
)

from django_plugin_system.config import validation
from django_plugin_system.config.codec import Parsed
from django_plugin_system.config.leaks import WITHHELD, describe, scrub
from django_plugin_system.config.references import Resolver, resolve
from django_plugin_system.exceptions import FieldProblem, InvalidConfig, MalformedToken
from django_plugin_system.schema.values import iter_texts
from tests.config.careless import (
    Asserts,
    Before,
    Crashes,
    Custom,
    Deep,
    InField,
    Number,
    Pair,
    Raw,
    Short,
    Sibling,
    Whole,
    WholeBefore,
)
from tests.config.helpers import SECRET, iter_chain, make_codec, make_schema, parse, show_everything
from tests.shapes.models import Account, Payment

AWKWARD = ["hun'\n\ter2 \\x", "h😀unter-two", '  spaced "quotes"  ', "é-accent", "\x00nul-nul"]


@pytest.mark.parametrize("secret", [SECRET, *AWKWARD])
@pytest.mark.parametrize("schema", [InField, Before, WholeBefore, Whole, Asserts, Custom])
def test_messages_of_authors_are_withheld_if_they_quote_a_secret(schema: type[BaseModel], secret: str) -> None:
    """Whatever quotes a secret, as it is, by its repr or stripped, is replaced by a notice; the place stays."""
    with pytest.raises(InvalidConfig) as caught:
        parse(schema, {"token": secret})
    (problem,) = caught.value.errors
    assert problem.message == WITHHELD
    assert problem.path in {("token",), ()}
    for form in (secret, repr(secret)[1:-1], secret.strip()):
        assert form not in show_everything(caught.value)
    assert list(iter_chain(caught.value)) == [caught.value]


@pytest.mark.parametrize(
    ("schema", "data"),
    [
        (Sibling, {"token": "given", "host": "h"}),
        (Sibling, {"host": "h"}),
        (Raw, {"token": SECRET.encode() + b"\xff"}),
        (Raw, {"token": SecretBytes(b"\x01" + SECRET.encode())}),
        (Number, {"token": 8_123_456_789}),
        (Number, {"token": " 08123456789 "}),
        (Number, {"token": "8123456789.50"}),
        (InField, {"token": SecretStr(SECRET)}),
        (Deep, {"pairs": {"a": [[1, SECRET]]}}),
        (Deep, {"typed": {"TOKEN": SECRET}}),
        (Deep, {"members": [None, {"token": SECRET}]}),
        (Deep, {"inner": {"a": [SECRET]}}),
        (Deep, {"inner": Secret({"a": [SecretStr(SECRET)]})}),
        (Deep, {"inner": Secret(Account(token=SecretStr(SECRET)))}),
    ],
)
def test_secrets_are_known_wherever_they_stand(schema: type[BaseModel], data: dict[str, Any]) -> None:
    """Defaults, raw bytes, numbers and secrets at any depth are withheld as well as plain text is."""
    with pytest.raises(InvalidConfig) as caught:
        parse(schema, data)
    shown = show_everything(caught.value)
    assert not [form for form in (SECRET, "given", "8123456789") if form in shown]


def test_secrets_inside_dataclasses_are_known() -> None:
    """A dataclass whose plain field is refused does not quote the secret beside it."""
    with pytest.raises(InvalidConfig) as caught:
        parse(make_schema(Pair), {"value": {"TOKEN": "1", "port": 1}})
    assert caught.value.errors == (FieldProblem(("value", "port"), WITHHELD),)


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (SecretStr, [SECRET]),
        (SecretStr, {"a": SECRET}),
        (SecretStr | None, [SECRET]),
        (list[SecretStr], SECRET),
        (dict[str, SecretStr], SECRET),
        (Secret[int], SECRET),
        (Secret[dt.date], SECRET),
        (Secret[Decimal], SECRET),
        (Secret[uuid.UUID], SECRET),
        (Secret[AnyUrl], SECRET),
        (Secret[Literal["a", "b"]], SECRET),
        (Secret[Annotated[str, Field(pattern="^x$")]], SECRET),
        (Annotated[SecretStr, Field(min_length=100)], SECRET),
        (Secret[list[int]], [SECRET]),
        (tuple[SecretStr, int], [SECRET]),
        (Secret[InField], {"token": [SECRET]}),
    ],
)
def test_pydantics_own_messages_quote_nothing(annotation: Any, value: Any) -> None:
    """What pydantic says about a secret that does not fit is kept, and quotes nothing of it."""
    with pytest.raises(InvalidConfig) as caught:
        parse(make_schema(annotation), {"value": value})
    assert all(problem.message for problem in caught.value.errors)
    assert SECRET not in show_everything(caught.value)


def test_a_missing_sibling_does_not_quote_the_rest() -> None:
    """Pydantic's own error for a missing field quotes the whole input; ours names the field."""
    schema = pydantic.create_model("Config", token=(SecretStr, ...), host=(str, ...))
    with pytest.raises(InvalidConfig) as caught:
        parse(schema, {"token": SECRET})
    assert caught.value.errors == (FieldProblem(("host",), "Field required"),)


def test_a_discriminator_that_holds_the_secret_is_not_quoted() -> None:
    """A secret typed into the wrong field of a discriminated union, which pydantic quotes, is withheld."""
    with pytest.raises(InvalidConfig) as caught:
        parse(make_schema(Payment), {"value": {"kind": SECRET, "token": SECRET}})
    assert caught.value.errors == (FieldProblem(("value",), WITHHELD),)


def test_a_validator_that_crashes_is_named_by_its_error_only() -> None:
    """Any other exception of a validator becomes an InvalidConfig without its text."""
    with pytest.raises(InvalidConfig) as caught:
        parse(Crashes, {"token": SECRET})
    assert caught.value.errors == (FieldProblem((), "validation raised KeyError"),)
    assert SECRET not in show_everything(caught.value)
    assert list(iter_chain(caught.value)) == [caught.value]


def test_harmless_messages_are_kept() -> None:
    """A message that quotes no secret is shown; a very short secret silences authors, but not pydantic."""
    with pytest.raises(InvalidConfig, match="must have four digits"):
        parse(Short, {"pin": "12"})
    with pytest.raises(InvalidConfig, match="withheld"):
        parse(Short, {"pin": "u"})
    with pytest.raises(InvalidConfig, match="Extra inputs are not permitted"):
        parse(Short, {"pin": "1", "x": "r"})


class Pin(BaseModel):
    """A number with a secret beside it."""

    number: int
    pin: SecretStr


def test_a_hundred_problems_are_told() -> None:
    """The first ones, each at its place, so that thousands of secrets are not looked for in thousands of messages."""
    with pytest.raises(InvalidConfig) as caught:
        parse(make_schema(list[Pin]), {"value": [{"number": "x", "pin": f"pin-{i}"} for i in range(2000)]})
    assert [problem.path for problem in caught.value.errors] == [("value", str(i), "number") for i in range(100)]
    assert "valid integer" in caught.value.errors[-1].message


def test_what_takes_too_long_to_look_through_is_withheld(monkeypatch: pytest.MonkeyPatch) -> None:
    """A message that quotes a secret among very many is not shown either."""
    monkeypatch.setattr(validation, "_MOST_EFFORT", 1_000)
    secrets = [{"number": "1", "pin": f"{SECRET}-{i:06d}"} for i in range(1_001)]
    with pytest.raises(InvalidConfig) as caught:
        parse(make_schema(list[Pin]), {"value": [*secrets, {"number": "x", "pin": SECRET}]})
    assert [problem.message for problem in caught.value.errors] == [WITHHELD]
    with pytest.raises(InvalidConfig) as caught:
        parse(make_schema(list[Pin]), {"value": [{"number": "x", "pin": "long " * 21_000}]})
    assert [problem.message for problem in caught.value.errors] == [WITHHELD]


def test_scrubbing_finds_every_written_form() -> None:
    """A secret is found as it is, escaped by Python or JSON, stripped, and as a number; an empty one never."""
    assert scrub("a message", ["", "!?"]) == "a message"
    for secret, message in (
        ("abcd", "x abcd"),
        ("a\nbcd", r"x a\nbcd"),
        ("é\u2028ab", r"x \u00e9\u2028ab"),
        (" abcd ", "xabcdx"),
        ("0012.50", "12.5"),
        ("00125", "125"),
        ("one\n  two", "one two"),
        ("-----BEGIN KEY-----\nMIIBVgIBADAN\n", "cannot read MIIBVgIBADAN"),
    ):
        assert scrub(message, [secret], authored=False) == WITHHELD
        assert scrub("something else", [secret]) == "something else"
    assert scrub("x 12", ["12"], authored=False) == "x 12"
    assert scrub(base64.b64encode(b"short").decode(), ["short"]) != WITHHELD  # by chance, in any other text


def test_the_keys_inside_a_secret_are_not_quoted() -> None:
    """A stored secret, or what looks like one, inside another secret is refused where the whole secret stands."""
    with pytest.raises(MalformedToken) as caught:
        parse(make_schema(Secret[dict[str, Any]]), {"value": {SECRET: [{"$secret": "x"}]}})
    assert caught.value.path == ("value",)
    assert str(caught.value) == "value: the stored secret is malformed. Enter the secret again."
    assert SECRET not in show_everything(caught.value)
    assert list(iter_chain(caught.value)) == [caught.value]


def test_storing_quotes_nothing_either() -> None:
    """A model that was built past its validators is refused when it is stored, without its values."""
    model = InField.model_construct(token=SecretStr(SECRET))
    with pytest.raises(InvalidConfig) as caught:
        make_codec(InField).store(Parsed(model))
    assert caught.value.errors == (FieldProblem(("token",), WITHHELD),)
    assert SECRET not in show_everything(caught.value)


class Generating(BaseModel):
    """A secret that only a factory makes, and a field that quotes it."""

    token: SecretStr = Field(default_factory=lambda: SecretStr(SECRET))
    host: str

    @field_validator("host")
    @classmethod
    def _quote(cls, host: str, info: ValidationInfo) -> str:
        message = f"{host} is not for {info.data['token'].get_secret_value()}"
        raise ValueError(message)


class Rolling(Generating):
    """A factory that makes another secret each time."""

    token: SecretStr = Field(default_factory=lambda: SecretStr(f"{SECRET}-{uuid.uuid4()}"))


class Dependent(Generating):
    """A factory that looks at other fields."""

    token: SecretStr = Field(default_factory=lambda data: SecretStr(f"{SECRET}-{len(data)}"))


@pytest.mark.parametrize("schema", [Generating, Rolling, Dependent])
def test_a_secret_of_a_default_factory_is_not_quoted(schema: type[BaseModel]) -> None:
    """A sibling's validator that quotes what a factory made is silenced, whatever the factory makes."""
    with pytest.raises(InvalidConfig) as caught:
        parse(schema, {"host": "h"})
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("secret", "message"),
    [
        ("Zürich$2024 pass!", "GET /botZ%C3%BCrich$2024%20pass!/send"),
        ("Zürich$2024 pass!", "GET /?key=Z%FCrich%242024+pass%21"),
        ("Zürich$2024 pass!", "GET /?key=Z%u00fcrich%242024+pass%21"),
        ("Zürich-geheim", "ZÃ¼rich-geheim"),
        ("Zürich-geheim", r"b'Z\xc3\xbcrich-geheim' and Z\303\274rich-geheim"),
        ("Zürich-geheim", r"'Z\xfcrich-geheim'"),
        ("Zürich-geheim", r"Z\u{fc}rich-geheim"),
        ("wJalr/XUtnFEMI/K7MDENG", r'{"key": "wJalr\/XUtnFEMI\/K7MDENG"}'),
        ("c2VjcmV0LWtleQ==", r'{"key": "c2VjcmV0LWtleQ\u003d\u003D"}'),
        ("abc+def/ghi==", "/?k=abc%2bdef%2Fghi%3d%3D"),
        ("abc+def/ghi==", "/?k=abc%252bdef%25252Fghi%253d%253D"),
        ("it's-a-secret", "<b>it&#39;s-a&#x2d;secret</b>"),
        ("it's-a-secret", "<b>it&amp;amp;apos;s-a-secret</b>"),
        ("it's-a-secret", r'{"inner": "{\\\"key\\\": \\\"it\\\\u0027s-a-secret\\\"}"}'),
        ("h😀unter-two", r"h\ud83d\ude00unter-two"),
        ("h😀unter-two", r"h\U0001f600unter-two and \U7fffffff"),
        ("hunter2", "h\0u\0n\0t\0e\0r\0" + "2\0"),
        ("hunter2", "%68%75nter" + "%2500" + "2"),
        ("a\nb\tcdef", r"a\nb\tcdef"),
        ("C:\\new\\dir", r"C:\\\\new\\\\dir"),
        ("50%41&amp;x", "the key 50%41&amp;x is bad"),
        ("hunter2-planted", f"Basic {base64.b64encode(b'user:hunter2-planted').decode()}"),
        ("hunter2-planted", base64.urlsafe_b64encode(b"{hunter2-planted").decode()),
        ("hunter2-planted", b"hunter2-planted".hex().upper()),
        ("hünter2-planted", f"Basic {base64.b64encode('user:hünter2-planted'.encode('latin-1')).decode()}"),
        ("hunter2=planted-é", "hunter2=3Dplan=\r\nted-=C3=A9"),
        ("ab/planted", "?key=ab%2Fplanted"),
        ("hunter-planted", r"h\0u\0n\0t\0e\0r\0-\0planted"),
        ("it's-a-secret", "syntax error near 'it''s-a-secret'"),
        ("hunter2-planted", "HUNTER2-PLANTED is unknown"),
        ("Hunter2-Planted", "h-u-n-t-e-r-2-p-l-a-n-t-e-d"),
        ("hunter2", "68:75:6E:74:65:72:32"),
        ("pässwörd", "pa\u0308sswo\u0308rd"),
        ("hunter2", "\uff48\uff55\uff4e\uff54\uff45\uff52\uff12"),
        ("50%41&amp;x", "the key 50%2541%26amp;amp;x is bad"),
    ],
)
def test_a_text_is_decoded_before_it_is_looked_through(secret: str, message: str) -> None:
    """Whatever a program encoded, once or again, is taken back first."""
    assert scrub(message, [secret]) == WITHHELD


def test_bytes_that_are_no_text_are_found() -> None:
    """As Python writes them, as hexadecimal digits and base64 do, whatever stands before them; half a surrogate too."""
    raw = bytes(range(200, 232))
    for secret, form in ((raw, raw), ("\ud800-planted", "\ud800-planted".encode(errors="surrogatepass"))):
        texts = [*iter_texts(secret)]
        for message in (repr(form), form.hex(), base64.b64encode(b"x" + form).decode()):
            assert scrub(message, texts) == WITHHELD
        assert scrub("nothing of it", texts) != WITHHELD


def test_a_text_that_is_encoded_without_end_is_withheld() -> None:
    """It is not decoded for ever, and not shown either."""
    assert scrub("%" + "25" * 20 + "41", ["secret"]) == WITHHELD
    assert scrub("%252541 and \\ud800\\n", ["secret"]) != WITHHELD


def test_an_error_of_an_encoding_tells_no_character_of_a_secret() -> None:
    """It says which one could not be written, and where it stands."""
    for fail in (lambda: "user hünter2".encode("ascii"), lambda: "hünter2".encode("latin-1").decode()):
        with pytest.raises(UnicodeError) as caught:
            fail()
        for secrets, is_shown in ((["hünter2"], False), (["other"], True)):
            assert ("position" in describe(caught.value, secrets)) == is_shown


def test_a_described_error_is_one_line_that_terminals_take() -> None:
    """Control characters, line breaks, bidirectional marks and half surrogates are shown as Python's repr does."""
    shown = describe(OSError("503\x1b]0;x\x07\r\n2026 CRITICAL \u202eabc\ud800 ü😀"), ["secret"])
    assert shown == r"OSError: 503\x1b]0;x\x07\r\n2026 CRITICAL \u202eabc\ud800 ü😀"
    assert len(describe(OSError("\x1b" * 400), [])) == 500


def test_paths_and_reasons_are_one_line_too() -> None:
    """A key of a dict or a validator cannot forge a line of a log."""
    assert str(FieldProblem(("a\x1b[2K\n", "b"), "no\nway")) == r"a\x1b[2K\n.b: no\nway"


def test_a_secret_is_found_behind_others_that_cannot_be() -> None:
    """An empty one, or one that is too short for pydantic's own words, keeps no other from being looked for."""
    assert scrub("hunter2-planted is bad", ["", "hunter2-planted"]) == WITHHELD
    assert scrub("hunter2-planted is bad", ["a", "hunter2-planted"], authored=False) == WITHHELD


def test_what_a_configuration_passes_through_shows_no_secret() -> None:
    """Nothing on its way shows one by its repr, as reporters print each local variable."""
    codec: Any = make_codec(Account)
    stored = codec.store(codec.parse({"token": SECRET}))
    parsed = codec.parse(stored)
    resolved = resolve({"token": SECRET}, Resolver())
    assert not [one for one in (parsed, resolved, codec.restore(stored)) if SECRET in repr(one)]


class Spelled(BaseModel):
    """A configuration that a serializer writes as text, with its secret, and a validator reads again."""

    login: Account

    @field_serializer("login")
    def spell(self, value: Account) -> str:
        """Return all of it."""
        return f"{value.user} {value.token.get_secret_value()}"

    @field_validator("login", mode="before")
    @classmethod
    def read(cls, value: Any) -> Any:
        """Return what was written."""
        return dict(zip(("user", "token"), value.split(), strict=True)) if isinstance(value, str) else value


def test_a_serializer_that_spells_a_secret_stores_none() -> None:
    """What holds a secret is written by its fields, whatever text a serializer makes of it."""
    codec: Any = make_codec(Spelled)
    stored = codec.store(codec.parse({"login": {"user": "me", "token": SECRET}}))
    assert SECRET not in json.dumps(stored)
    assert codec.restore(stored).model.login.token.get_secret_value() == SECRET
