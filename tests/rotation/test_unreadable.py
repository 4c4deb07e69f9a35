"""One row that cannot be read does not stop the others; it is reported, and stays as it is, byte by byte."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection

from django_plugin_system.models import PluginInstance
from django_plugin_system.rotation import LISTED, rotate_secrets, verify_secrets
from tests.rotation.running import (
    NEW,
    NEW_ID,
    OLD,
    OLD_ID,
    OTHER,
    OTHER_ID,
    find_row_key_ids,
    pluginrotate,
    read_all,
)
from tests.support.plugins import SECRET
from tests.support.rows import TABLE, add_instance, read_raw, to_db_id, write_raw

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_django import Settings

    from django_plugin_system.models import PluginItem

pytestmark = pytest.mark.django_db


def flip(config: dict[str, Any], _other: dict[str, Any]) -> Any:
    """Change one character of a token."""
    token = config["token"]["$secret"]
    flipped = token[:40] + ("A" if token[40] != "A" else "B") + token[41:]
    return {**config, "token": {"$secret": flipped}}


def move_rows(config: dict[str, Any], other: dict[str, Any]) -> Any:
    """Put another row's token here."""
    return {**config, "token": other["token"]}


def move_fields(config: dict[str, Any], _other: dict[str, Any]) -> Any:
    """Put a token into another field, too."""
    return {**config, "spare": [config["token"]]}


def relabel(config: dict[str, Any], _other: dict[str, Any]) -> Any:
    """Let a token claim to use the first key."""
    return {**config, "token": {"$secret": config["token"]["$secret"].replace(OLD_ID, NEW_ID)}}


def truncate(config: dict[str, Any], _other: dict[str, Any]) -> Any:
    """Cut a token short."""
    return {**config, "token": {"$secret": config["token"]["$secret"][:20]}}


def change_version(config: dict[str, Any], _other: dict[str, Any]) -> Any:
    """Let a token claim another format."""
    return {**config, "token": {"$secret": config["token"]["$secret"].replace("dps1", "dps2")}}


def replace_by_number(config: dict[str, Any], _other: dict[str, Any]) -> Any:
    """Store a number for a token."""
    return {**config, "token": {"$secret": 7}}


def add_key(config: dict[str, Any], _other: dict[str, Any]) -> Any:
    """Put another key beside the token."""
    return {**config, "token": {**config["token"], "note": SECRET}}


def be_no_object(config: dict[str, Any], _other: dict[str, Any]) -> Any:
    """Store the token alone, in a list."""
    return [config["token"]]


TAMPERED = "does not belong here or was altered"
MALFORMED = "the stored secret is malformed"
SPOILT: list[tuple[Any, str]] = [
    (flip, f"token: the stored secret (key {OLD_ID}) {TAMPERED}"),
    (move_rows, f"token: the stored secret (key {OLD_ID}) {TAMPERED}"),
    (move_fields, f"spare.0: the stored secret (key {OLD_ID}) {TAMPERED}"),
    (relabel, f"token: the stored secret (key {NEW_ID}) {TAMPERED}"),
    (truncate, f"token: {MALFORMED}"),
    (change_version, f"token: {MALFORMED}"),
    (replace_by_number, f"token: {MALFORMED}"),
    (add_key, 'token: "$secret" marks a stored secret and stands alone'),
    (be_no_object, f"0: the stored secret (key {OLD_ID}) {TAMPERED}"),
]


@pytest.mark.parametrize(("spoil", "reason"), SPOILT, ids=[spoil.__name__ for spoil, _reason in SPOILT])
@pytest.mark.parametrize("option", [[], ["--dry-run"], ["--verify"]])
def test_a_spoilt_row_is_reported_and_left_alone(
    rows: list[PluginInstance], spoil: Callable[..., Any], reason: str, option: list[str]
) -> None:
    """The command names the row and the place, ends with an error, and rotates all the other rows."""
    victim = rows[2]
    write_raw(victim.pk, config=spoil(victim.config, rows[0].config))
    before = read_all()
    ran = pluginrotate(*option)
    assert f"- {victim.name} (provider) {victim.pk}: {reason}" in ran.err
    assert ran.error == "Rows with a problem: 1; see above."
    assert read_raw(victim.pk) == before[victim.pk]
    others = [row.pk for row in rows if row != victim]
    assert {key_id for pk in others for key_id in find_row_key_ids(pk)} == {OLD_ID if option else NEW_ID}


def test_every_unreadable_secret_of_a_row_is_named(rows: list[PluginInstance]) -> None:
    """A row with several problems is one line that names them all."""
    write_raw(rows[0].pk, config=truncate({**rows[0].config, "spare": [{"$secret": "x"}]}, {}))
    assert rotate_secrets().problems == verify_secrets().problems
    (line,) = verify_secrets().problems
    assert line.startswith(f"{rows[0].name} (provider) {rows[0].pk}: ")
    assert f"token: {MALFORMED}" in line
    assert f"spare.0: {MALFORMED}" in line


def test_a_key_that_is_not_configured(rows: list[PluginInstance], provider: PluginItem, settings: Settings) -> None:
    """Rows of a lost key are counted and named with its id; they are rotated once the key is back."""
    settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": [OTHER]}
    lost = add_instance("lost", provider)
    settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": [NEW, OLD]}
    ran = pluginrotate()
    assert f"- key {OTHER_ID} (not configured): 1" in ran.out
    assert f"lost (provider) {lost.pk}: token: encrypted with key {OTHER_ID}, which is not configured" in ran.err
    assert f"Key {OTHER_ID} is still needed; secrets encrypted with it: 1." in pluginrotate("--verify").out
    settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": [NEW, OLD, OTHER]}
    assert not pluginrotate().error
    assert find_row_key_ids(lost.pk) == find_row_key_ids(rows[0].pk)[:1] == [NEW_ID]


@pytest.mark.parametrize(
    "rest", ["[" * 990 + "]" * 990, "1" * 5000], ids=["nested too deeply", "a number that is too long"]
)
def test_json_that_python_cannot_read(rows: list[PluginInstance], rest: str) -> None:
    """A row whose JSON Python refuses is one more row with a problem, and its keys count as needed."""
    text = json.dumps(rows[1].config)[:-1] + f', "rest": {rest}}}'
    write_text(rows[1], text)
    before = read_raw(rows[1].pk)
    report = rotate_secrets()
    assert (report.rewritten, report.failed, report.secrets) == (4, 1, {OLD_ID: 15})
    refusals = ("the config is JSON that cannot be read", "rest: is nested more than 100 levels deep")  # from 3.12 on
    assert any(refusal in report.problems[0] for refusal in refusals)
    assert read_raw(rows[1].pk) == before


@pytest.mark.sqlite
def test_an_escaped_token_is_not_taken_apart(rows: list[PluginInstance]) -> None:
    """A token in a spelling that only raw SQL stores, and only SQLite keeps, is reported instead of guessed at."""
    write_text(rows[1], json.dumps(rows[1].config).replace("dps1", "\\u0064ps1", 1))
    report = rotate_secrets()
    assert (report.rewritten, report.failed) == (4, 1)
    assert "the stored secret is malformed" in report.problems[0]


def write_text(row: PluginInstance, text: str) -> None:
    """Write the text of a config past the ORM."""
    statement = f"UPDATE {TABLE} SET config = %s WHERE id = %s"  # noqa: S608 - our table
    with connection.cursor() as cursor:
        cursor.execute(statement, [text, to_db_id(row.pk, "default")])


def test_many_problems_are_counted_not_listed(provider: PluginItem, settings: Settings) -> None:
    """The report names the first rows and counts the rest, so that a lost key does not fill memory and screen."""
    settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": [OTHER]}
    PluginInstance.objects.bulk_create(
        PluginInstance(item=provider, name=f"row-{number}", config={"account": "AC", "token": "x"})
        for number in range(LISTED + 3)
    )
    settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": [NEW, OLD]}
    ran = pluginrotate()
    assert ran.err.count("which is not configured") == LISTED
    assert ran.err.endswith("- and 3 more\n")
    assert ran.error == f"Rows with a problem: {LISTED + 3}; see above."
