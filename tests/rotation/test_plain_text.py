"""Plain text that was stored before its field became a secret: reported by a verification, encrypted by a rotation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import pytest
from pydantic import AfterValidator, BaseModel, Field, SecretStr

from django_plugin_system import changes
from django_plugin_system.models import PluginInstance
from django_plugin_system.plugin import ConfigurablePlugin
from django_plugin_system.rotation import rotate_secrets
from django_plugin_system.rows.config import find_plain_secrets
from tests.rotation.running import NEW_ID, find_row_key_ids, pluginrotate, read_all
from tests.support.plugins import SECRET, AbstractSms, ProviderSmsV2, declare_item
from tests.support.rows import add_instance, assert_sealed, read_raw, reload, write_raw, write_version

if TYPE_CHECKING:
    from django_plugin_system.models import PluginItem
    from django_plugin_system.registry import Registry

pytestmark = pytest.mark.django_db

OTHER_SECRET = f"{SECRET}-too"


@pytest.fixture
def exposed(rows: list[PluginInstance]) -> PluginInstance:
    """Return a row with two secrets in plain text, and an old key's token."""
    row = rows[3]
    config = {**row.config, "token": OTHER_SECRET, "spare": [SECRET, row.config["spare"][1]]}
    write_raw(row.pk, config=config)
    return reload(row)


def test_a_verification_names_the_places(exposed: PluginInstance) -> None:
    """--verify names row and fields, ends with an error, and writes nothing."""
    stored = read_all()
    ran = pluginrotate("--verify")
    line = f"- {exposed.name} (provider) {exposed.pk}: token, spare.0: a secret in plain text; pluginrotate encrypts it"
    assert line in ran.err
    assert ran.error == "Rows with a problem: 1; see above."
    assert read_all() == stored


def test_a_rotation_encrypts_it(exposed: PluginInstance) -> None:
    """After a rotation the plain text is a secret like the others, and the row reads as before."""
    assert exposed.load_plugin().send("hi") == f"hi by AC1 with {OTHER_SECRET}"
    before = changes.read("default")
    ran = pluginrotate()
    assert f"Rows written with key {NEW_ID}: 5.\nRows found with a secret in plain text: 1." in ran.out
    assert not ran.error
    assert changes.read("default") != before
    assert_sealed(exposed, OTHER_SECRET)
    assert SECRET not in read_raw(exposed.pk)
    assert find_row_key_ids(exposed.pk) == [NEW_ID] * 3
    assert reload(exposed).load_plugin().send("hi") == f"hi by AC1 with {OTHER_SECRET}"
    assert not pluginrotate("--verify").error
    assert rotate_secrets().plain == 0


def test_the_next_save_encrypts_it(exposed: PluginInstance) -> None:
    """A save of the whole row encrypts the plain text; one of other columns leaves the config as it is."""
    before = read_raw(exposed.pk)
    exposed.status = "reserve"
    exposed.save(update_fields=["status"])
    assert read_raw(exposed.pk) == before
    exposed.save()
    assert_sealed(exposed, OTHER_SECRET)
    assert find_row_key_ids(exposed.pk) == [NEW_ID] * 3


def test_a_save_leaves_alone_what_it_cannot_read(exposed: PluginInstance) -> None:
    """Plain text beside something invalid or unreadable is saved as it is, byte by byte."""
    for broken in ({"retries": "many"}, {"spare": [{"$secret": "x"}]}):
        write_raw(exposed.pk, config={**exposed.config, **broken})
        before, row = read_raw(exposed.pk), reload(exposed)
        row.priority = 3
        row.save()
        assert (read_raw(row.pk), reload(row).priority) == (before, 3)


@pytest.mark.usefixtures("exposed")
def test_a_dry_run_counts_it() -> None:
    """A dry run says how many rows hold plain text, and encrypts none."""
    stored = read_all()
    assert (
        f"Rows to write with key {NEW_ID}: 5.\nRows found with a secret in plain text: 1."
        in pluginrotate("--dry-run").out
    )
    assert read_all() == stored


def test_rows_that_code_cannot_judge(exposed: PluginInstance, declared: Registry) -> None:
    """Where the class is gone, or older than the row, nobody can tell what is a secret: only tokens are renewed."""
    write_version(exposed, 2)
    assert rotate_secrets(dry_run=True).plain == 0
    declared.items.clear()
    report = rotate_secrets()
    assert (report.plain, report.rewritten, report.failed) == (0, 5, 0)
    assert (find_row_key_ids(exposed.pk), reload(exposed).config["token"]) == ([NEW_ID], OTHER_SECRET)


def test_rows_of_an_older_version(exposed: PluginInstance, declared: Registry) -> None:
    """Plain text in a row of an older version is found by the current version, and stored in its form."""
    write_raw(exposed.pk, config={"account": "AC1", "token": OTHER_SECRET})
    declared.items.clear()
    declare_item(ProviderSmsV2)
    report = rotate_secrets()
    assert (report.plain, report.rewritten, report.failed) == (1, 5, 0)
    row = reload(exposed)
    assert (row.config_version, row.open_secrets()) == (2, {("token",): OTHER_SECRET})
    assert PluginInstance.objects.filter(config_version=1).count() == 4


def test_a_config_that_does_not_fit(exposed: PluginInstance) -> None:
    """A row that is invalid besides is reported, without its values; its tokens are renewed all the same."""
    write_raw(exposed.pk, config={**exposed.config, "retries": SECRET})
    ran = pluginrotate()
    reason = "cannot tell whether it holds a secret in plain text: config invalid: retries: Input should be"
    assert f"{exposed.pk}: {reason}" in ran.err
    assert find_row_key_ids(exposed.pk) == [NEW_ID]
    assert reload(exposed).config["token"] == OTHER_SECRET


class GrowingConfig(BaseModel):
    """A configuration that changes each time it is validated, so that it cannot be stored."""

    account: Annotated[str, AfterValidator(lambda text: f"{text}!")]
    token: SecretStr
    spare: list[SecretStr] = []
    retries: int = 3


class GrowingSms(ConfigurablePlugin[GrowingConfig], AbstractSms):
    """A provider with that configuration."""

    def send(self, text: str) -> str:
        """Name the account."""
        return f"{text} by {self.config.account}"


def test_a_config_that_cannot_be_stored(exposed: PluginInstance, declared: Registry) -> None:
    """A row whose class refuses to store it again is reported; its tokens are renewed all the same."""
    declared.items.clear()
    declare_item(GrowingSms)
    ran = pluginrotate()
    assert f"{exposed.pk}: holds a secret in plain text: config invalid: account: does not come back" in ran.err
    assert ran.error == "Rows with a problem: 1; see above."
    assert reload(exposed).load_plugin().send("hi") == "hi by AC1!"
    assert find_row_key_ids(exposed.pk) == [NEW_ID]


class Open(BaseModel):
    """A way in without a secret."""

    kind: Literal["open"] = "open"
    value: str


class Closed(BaseModel):
    """A way in with a secret of the same name."""

    kind: Literal["closed"] = "closed"
    value: SecretStr


class EitherConfig(BaseModel):
    """One of the two, and a secret with a default."""

    way: Open | Closed = Field(discriminator="kind")
    spare: SecretStr = SecretStr("none")


class EitherSms(ConfigurablePlugin[EitherConfig], AbstractSms):
    """A provider with that configuration."""

    def send(self, text: str) -> str:
        """Say which way."""
        return f"{text} by {self.config.way.kind}"


def test_what_is_rightly_plain(provider: PluginItem, declared: Registry) -> None:
    """A plain branch beside a secret one, and a default that is not stored, are no plain text secrets."""
    declared.items.clear()
    declare_item(EitherSms)
    made = [
        add_instance(kind, provider, config={"way": {"kind": kind, "value": SECRET}, "spare": "x"})
        for kind in ("open", "closed")
    ]
    for row in made:
        write_raw(row.pk, config={"way": row.config["way"]})
    stored = read_all()
    report = rotate_secrets()
    assert (report.rows, report.plain, report.rewritten, report.failed) == (2, 0, 0, 0)
    assert read_all() == stored
    write_raw(made[1].pk, config={"way": {"kind": "closed", "value": SECRET}})
    assert rotate_secrets().plain == 1
    assert_sealed(made[1])
    assert reload(made[1]).load_plugin().send("hi") == "hi by closed"


def test_items_that_take_no_secrets(all_kinds: dict[str, PluginItem]) -> None:
    """Rows of classes without secrets, or without a configuration, are looked at and left alone."""
    report = rotate_secrets()
    assert (report.rows, report.plain, report.rewritten, report.failed) == (len(all_kinds) - 1, 0, 0, 0)
    assert find_plain_secrets(PluginInstance.objects.get(item=all_kinds["console"])) == []
