"""The gate: ``pluginschema --check`` fails in CI when a schema changed, ``--write`` takes what is safe to take."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import translation
from django.utils.translation import gettext_lazy
from pydantic import BaseModel, Field, SecretStr, create_model

from tests.config.helpers import SECRET
from tests.contrib.drift.project import make_plugin
from tests.support.plugins import ConsoleSms, declare_item

if TYPE_CHECKING:
    from tests.contrib.drift.project import Project

ITEM = "sms (apps.sms): provider (mail)"


def make(**fields: Any) -> type[BaseModel]:
    """Return a schema; a field is a type, or a type with its default."""
    given: dict[str, Any] = {key: value if isinstance(value, tuple) else (value, ...) for key, value in fields.items()}
    schema: type[BaseModel] = create_model("Config", **given)
    return schema


FIRST = make(host=str, token=SecretStr)
ADDITIVE = make(host=str, token=SecretStr, port=(int, 25))
LABELS = make(host=(str, Field(title="Host")), token=SecretStr)
RENAMED = make(server=str, token=SecretStr)
SECRET_HOST = make(host=SecretStr, token=SecretStr)
PLAIN_TOKEN = make(host=str, token=str)


@pytest.fixture
def written(project: Project) -> Project:
    """Return the project with a snapshot of its first schema."""
    project.declare(FIRST)
    assert project.run("--write")[0] == 0
    return project


def test_a_snapshot_stands_beside_the_code(project: Project) -> None:
    """--write makes one readable file in the app; a second run writes nothing, and --check is content."""
    project.declare(FIRST)
    assert project.run("--check") == (
        1,
        [
            f"{ITEM}: new",
            "  Run pluginschema --write.",
            "Items that differ from their snapshot, or have none: 1; see above.",
        ],
    )
    assert not project.mail.exists()
    assert project.run("--write")[1][-2:] == [f"Wrote {project.mail}", "Items with a snapshot: 1."]
    assert project.run("--write")[1] == ["Items with a snapshot: 1."]
    assert project.run("--check") == (0, ["Every schema is as its snapshot says: 1."])
    lines = project.mail.read_text().splitlines()
    assert lines[:3] == ["{", '  "format": 1,', '  "items": [']
    assert json.loads(project.mail.read_text())["items"][0]["root"]["types"]["object"]["parts"]["token"] == {
        "types": {"text": {"kind": "string", "secret": True}}
    }


@pytest.mark.parametrize(
    ("schema", "outcome"),
    [(ADDITIVE, "additive, with defaults"), (LABELS, "only labels changed"), (make(host=str, token=SecretStr), None)],
)
def test_a_safe_change_is_only_written(written: Project, schema: type[BaseModel], outcome: str | None) -> None:
    """--check fails, as CI should see the new snapshot in the same commit; --write takes it."""
    written.declare(schema)
    status, said = written.run("--check")
    assert status == (outcome is not None)
    if outcome is not None:
        assert said[0] == f"{ITEM}: {outcome}"
        assert said[-2] == "  Run pluginschema --write."
    assert written.run("--write")[0] == 0
    assert written.run("--check")[0] == 0


@pytest.mark.parametrize(
    ("schema", "outcome", "advice"),
    [
        (RENAMED, "needs a migration", "Set config_version = 2 in "),
        (SECRET_HOST, "changes what is secret", "stays readable until it is encrypted"),
        (PLAIN_TOKEN, "changes what is secret", "stored rows are refused until a step"),
    ],
)
def test_a_change_that_rows_do_not_survive_is_refused(
    written: Project, schema: type[BaseModel], outcome: str, advice: str
) -> None:
    """--write names the item and writes nothing, until there is a new version and a step; then it is done right."""
    before = written.mail.read_bytes()
    written.declare(schema)
    for option in ("--check", "--write"):
        status, said = written.run(option)
        assert (status, said[0]) == (1, f"{ITEM}: {outcome}")
        assert advice in "\n".join(said)
        assert "let migrate_config handle from_version 1" in "\n".join(said)
        assert written.mail.read_bytes() == before
    written.declare(schema, 2, step=True)
    status, said = written.run("--check")
    assert (status, said[0]) == (1, f"{ITEM}: changed, with a new version and migrate_config")
    assert said[-2] == "  Run pluginschema --write."
    assert written.run("--write")[0] == 0
    assert written.run("--check")[0] == 0


def test_nothing_is_written_when_one_item_is_refused(written: Project) -> None:
    """A second item that is fine does not slip through with one that is not."""
    before = written.mail.read_bytes()
    written.declare(RENAMED)
    second = written.install("second", written.folder / "second")
    declare_item(make_plugin(ADDITIVE), "other", module="second")
    status, said = written.run("--write")
    assert (status, said[-1]) == (1, "Nothing was written. Items to be changed first: 1; see above.")
    assert written.mail.read_bytes() == before
    assert not second.exists()


@pytest.mark.parametrize("schema", [FIRST, RENAMED])
def test_a_version_without_a_step_is_refused(written: Project, schema: type[BaseModel]) -> None:
    """Rows would be marked as new without having been changed."""
    written.declare(schema, 2)
    for option in ("--check", "--write"):
        status, said = written.run(option)
        assert (status, said[0]) == (1, f"{ITEM}: a new version without migrate_config")
        assert "migrate_config that handles from_version 1, or set config_version back to 1." in said[-2]


def test_an_older_version_than_the_snapshot_is_refused(written: Project) -> None:
    """Going back would make rows of the newer version read-only."""
    written.declare(RENAMED, 2, step=True)
    written.run("--write")
    written.declare(FIRST)
    for option in ("--check", "--write"):
        status, said = written.run(option)
        assert (status, said[0]) == (1, f"{ITEM}: the snapshot is of a newer version than the code")
        assert "Set config_version to 2 or more" in "\n".join(said)


def test_a_class_by_hand_has_its_steps(written: Project) -> None:
    """A class that derives from nothing of ours may have ``migrate_config`` of any kind, or none."""

    class ByHand(ConsoleSms):
        """Takes its configuration itself."""

        config_schema = RENAMED
        config_version = 2

        def __init__(self, config: BaseModel) -> None: ...

    class WithSteps(ByHand):
        """Migrates, without being a classmethod."""

        migrate_config = staticmethod(lambda config, _from_version: config)

    for plugin_class, outcome in (
        (ByHand, "a new version without migrate_config"),
        (WithSteps, "changed, with a new version and migrate_config"),
    ):
        written.registry.items.clear()
        declare_item(plugin_class, module="mail")
        assert written.run("--check")[1][0] == f"{ITEM}: {outcome}"


def test_an_item_that_is_gone_leaves_its_file(written: Project) -> None:
    """--check says so, as it may have been renamed; --write removes it, and a file that nothing is left in."""
    written.registry.items.clear()
    status, said = written.run("--check")
    assert (status, said[0]) == (1, f"{ITEM}: no longer registered as a configurable item")
    assert written.run("--write")[1][-2:] == [f"Removed {written.mail}", "Items with a snapshot: 0."]
    assert not written.mail.exists()
    assert written.run("--check") == (0, ["Every schema is as its snapshot says: 0."])


def test_an_item_without_configuration_has_no_snapshot(project: Project) -> None:
    """Plugins of the 1.1.0 kind are none of the gate's business."""
    declare_item(ConsoleSms, module="mail")
    assert project.run("--check") == (0, ["Every schema is as its snapshot says: 0."])
    assert project.run("--write")[0] == 0
    assert not project.mail.exists()


def test_items_are_in_a_fixed_order(project: Project) -> None:
    """The order of registration does not show."""
    for name in ("b", "c", "a"):
        declare_item(make_plugin(FIRST), name, module="mail")
    project.run("--write")
    assert [item["name"] for item in json.loads(project.mail.read_text())["items"]] == ["a", "b", "c"]


def test_code_that_was_installed_is_left_out(project: Project) -> None:
    """Nothing is written into site-packages; with a directory of the project's own, those items are kept, too."""
    theirs = project.install("theirs", project.folder / ".venv/lib/site-packages/theirs")
    project.declare(FIRST, module="theirs")
    status, said = project.run("--check")
    assert status == 0
    assert said[0].startswith("Left out: provider (theirs): theirs is installed in ")
    assert project.run("--write")[0] == 0
    assert not theirs.exists()
    with project.set(SCHEMA_DIRECTORY=project.folder / "schemas"):
        assert project.run("--check")[0] == 1
        assert project.run("--write")[1][-2] == f"Wrote {project.folder / 'schemas/theirs.json'}"
        assert project.run("--check")[0] == 0
        project.registry.items.clear()
        assert project.run("--check")[0] == 1
        assert project.run("--write")[1][-2] == f"Removed {project.folder / 'schemas/theirs.json'}"


def test_code_that_was_installed_with_a_snapshot_is_checked(project: Project) -> None:
    """What its authors put beside it is compared, and never written."""
    theirs = project.install("theirs", project.folder / ".venv/lib/site-packages/theirs")
    project.declare(FIRST, module="theirs")
    with project.set(SCHEMA_DIRECTORY=project.folder / "schemas"):
        assert project.run("--write")[0] == 0
    snapshot = (project.folder / "schemas/theirs.json").read_bytes()
    theirs.write_bytes(snapshot)
    assert project.run("--check") == (0, ["Every schema is as its snapshot says: 1."])
    project.declare(ADDITIVE, module="theirs")
    status, said = project.run("--check")
    assert status == 1
    assert "  It was installed so: tell its authors, or keep a snapshot of yours in PLUGIN_SYSTEM" in "\n".join(said)
    assert project.run("--write")[0] == 0
    assert theirs.read_bytes() == snapshot
    project.registry.items.clear()
    assert project.run("--check")[0] == 1


def test_the_module_of_an_item_says_where_it_belongs(project: Project) -> None:
    """It may be a module of an app; a name that is no app falls back on the place of the class."""
    project.declare(FIRST, module="mail.providers")
    assert project.run("--write")[0] == 0
    assert project.mail.exists()


def test_an_item_of_no_app_needs_a_directory(project: Project) -> None:
    """It is said, and fails both runs; the others are written. With the setting, its module names the file."""
    project.declare(FIRST, module="../no where")
    declare_item(make_plugin(FIRST), "other", module="mail")
    for option in ("--check", "--write"):
        status, said = project.run(option)
        assert status == 1
        assert "No place for a snapshot: provider (../no where): ../no where is no installed app" in "\n".join(said)
        assert "PLUGIN_SYSTEM['SCHEMA_DIRECTORY']" in "\n".join(said)
    assert said[-2:] == [f"Wrote {project.mail}", "Items that have no place for a snapshot: 1; see above."]
    with project.set(SCHEMA_DIRECTORY=str(project.folder / "schemas")):
        assert project.run("--write")[0] == 0
        assert sorted(path.name for path in (project.folder / "schemas").iterdir()) == [
            "..%2Fno%20where.json",
            "mail.json",
        ]
        assert project.run("--check")[0] == 0


def test_a_class_of_an_installed_library_is_left_out(project: Project) -> None:
    """A class that no app of the project provides, from a library that is no app, is not ours to write beside."""
    library = make_plugin(FIRST)
    library.__module__ = "pydantic.main"
    declare_item(library, module="elsewhere")
    status, said = project.run("--check")
    assert status == 0
    assert said[0].startswith("Left out: provider (elsewhere): pydantic.main is installed in ")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("<<<<<<< HEAD", "the file: Invalid JSON"),
        ("", "the file: Invalid JSON"),
        ("[]", "the file: Input should be an object"),
        ('{"items": []}', ""),
        ('{"format": 2, "items": []}', "format: Input should be 1"),
        ('{"items": [], "more": 1}', "more: Extra inputs are not permitted"),
        ('{"items": [{"name": "x"}]}', "items.0.module: Field required"),
        ("\udcff", "cannot be read (UnicodeDecodeError)"),
    ],
)
def test_a_broken_snapshot_is_not_written_over(written: Project, content: str, reason: str) -> None:
    """Both runs say what is wrong with it; a base that cannot be read cannot be compared with."""
    written.mail.write_text(content, encoding="utf-8", errors="surrogateescape")
    for option in ("--check", "--write") if reason else ():
        status, said = written.run(option)
        assert status == 1
        assert said == [said[0]]
        assert said[0].startswith(f"{written.mail} is no snapshot that this release understands: {reason}")
        assert written.mail.read_bytes() == content.encode(errors="surrogateescape")


def test_an_item_has_one_snapshot(written: Project) -> None:
    """An item that stands there twice, as a bad merge leaves it, is an error."""
    good = json.loads(written.mail.read_text())
    written.mail.write_text(json.dumps(good | {"items": good["items"] * 2}))
    assert f"{ITEM} stands there twice" in written.run("--check")[1][0]


def test_a_place_that_cannot_be_written_is_named(project: Project) -> None:
    """A directory that is none, for example."""
    project.declare(FIRST)
    blocked = project.install("zz", project.folder / "zz")
    declare_item(make_plugin(FIRST), "other", module="zz")
    blocked.parent.rmdir()
    blocked.parent.write_text("a file where the directory was")
    status, said = project.run("--write")
    assert status == 1
    assert said[-1].startswith(f"{blocked} cannot be written: ")


def test_a_snapshot_that_is_a_directory_is_named(project: Project) -> None:
    """What is in the way is neither read nor removed."""
    project.declare(FIRST)
    project.mail.mkdir()
    status, said = project.run("--check")
    assert status == 1
    assert "cannot be read (IsADirectoryError)" in said[0]


def test_one_of_the_options_is_needed() -> None:
    """Without one, or with both, nothing happens."""
    for options in ((), ("--check", "--write")):
        with pytest.raises(CommandError, match=r"one of the arguments|not allowed with"):
            call_command("pluginschema", *options)


def test_labels_are_in_one_language(project: Project) -> None:
    """A translated title is written as the code has it, whatever language is on."""
    title: Any = gettext_lazy("Password")
    project.declare(make(host=(str, Field(title=title))))
    with translation.override("de"):
        project.run("--write")
    assert (
        json.loads(project.mail.read_text())["items"][0]["root"]["types"]["object"]["parts"]["host"]["title"]
        == "Password"
    )


def test_text_of_any_kind_can_be_written(project: Project) -> None:
    """Letters of any script are readable in the file; half a surrogate pair comes back as it was."""
    project.declare(make(host=(str, Field(title="\u0645\u06cc\u0632\u0628\u0627\u0646", description="\ud83d"))))
    project.run("--write")
    assert "\u0645\u06cc\u0632\u0628\u0627\u0646" in project.mail.read_text(encoding="utf-8")
    assert (
        json.loads(project.mail.read_bytes())["items"][0]["root"]["types"]["object"]["parts"]["host"]["description"]
        == "\ud83d"
    )


def test_no_secret_gets_into_file_or_output(project: Project) -> None:
    """Not as a default, not in a change."""
    project.declare(make(token=(SecretStr, SecretStr(SECRET))))
    said = project.run("--write")[1]
    project.declare(make(token=(str, SECRET)))
    said += project.run("--check")[1]
    assert SECRET not in "\n".join(said) + project.mail.read_text()
