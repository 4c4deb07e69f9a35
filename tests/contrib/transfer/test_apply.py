"""``pluginapply``: files in the repository declare instances, and alone change them."""

from __future__ import annotations

import json
from multiprocessing import get_context
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.db.models import ProtectedError, RestrictedError
from django.db.models.signals import pre_delete
from pydantic import BaseModel, SecretStr

from django_plugin_system.models import PluginInstance, PluginItem
from django_plugin_system.schema.tree import BoundTo
from tests.contrib.transfer.helpers import KEPT, declare, get, make_entry
from tests.management.helpers import run
from tests.support.health import set_health
from tests.support.plugins import SECRET, VALID
from tests.support.rows import add_instance, read_raw

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_django import Settings

pytestmark = pytest.mark.django_db
SUBJECT = "sms (apps.sms) / provider (apps.items) / main"


def counts(**given: int) -> str:
    """Return the line that tells how many instances there were of each kind."""
    words = ("created", "updated", "deleted", "released", "left", "unchanged")
    titles = (word.replace("left", "gone, but left").capitalize() for word in words)
    return " ".join(f"{title}: {given.get(word, 0)}." for title, word in zip(titles, words, strict=True))


def declare_in(path: Path, *entries: Any) -> str:
    """Write a file that declares instances; return its name."""
    path.write_text(json.dumps({"format": "django-plugin-system", "version": 1, "instances": list(entries)}, indent=2))
    return str(path)


@pytest.fixture
def file(folder: Path, provider: PluginItem) -> Path:
    """Return a file that declares one instance, which is there."""
    del provider
    path = folder / "plugins.json"
    assert run("pluginapply", declare_in(path, make_entry(config=VALID, priority=3))).lines[-1] == counts(created=1)
    return path


class TestHistory:
    """What is done is noted in the admin's history of each instance, if it is said who does it."""

    def test_each_instance_has_an_entry(self, file: Path, django_user_model: Any) -> None:
        """It says what was done, by what, and to which fields; never a value."""
        user = django_user_model.objects.create_user("olga")
        assert not LogEntry.objects.exists()  # nobody was named
        declare_in(file, make_entry("other", config=VALID), make_entry(config={**VALID, "account": "AC9"}, priority=4))
        run("pluginapply", str(file), "--user", "olga")
        declare_in(file)
        run("pluginapply", str(file), "--user", "olga", "--release")
        declare_in(file, make_entry(config={**VALID, "account": "AC9"}, priority=4))
        run("pluginapply", str(file), "--adopt")
        declare_in(file)
        run("pluginapply", str(file), "--user", "olga", "--prune")
        entries = [(one.object_repr, one.action_flag, one.change_message) for one in LogEntry.objects.order_by("pk")]
        assert entries[:2] == [
            ("other (provider)", 1, "Created by pluginapply."),
            ("main (provider)", 2, "Changed by pluginapply: priority, config.account, config.token."),
        ]
        assert sorted(entries[2:4]) == [
            ("main (provider)", 2, "Given to the admin by pluginapply."),
            ("other (provider)", 2, "Given to the admin by pluginapply."),
        ]
        assert entries[4:] == [("main (provider)", 3, "Deleted by pluginapply.")]
        assert {one.user for one in LogEntry.objects.all()} == {user}

    def test_an_import_is_noted(self, file: Path, django_user_model: Any) -> None:
        """``pluginimport`` takes a user, too; what is only tried, or stays as it is, is not noted."""
        django_user_model.objects.create_user("olga")
        PluginInstance.objects.all().delete()
        run("pluginimport", str(file), "--user", "olga", "--dry-run")
        assert not LogEntry.objects.exists()
        run("pluginimport", str(file), "--user", "olga")
        declare_in(file, make_entry(config=VALID, priority=3), make_entry("other", config=VALID))
        run("pluginimport", str(file), "--user", "olga")
        assert {one.object_repr: one.change_message for one in LogEntry.objects.all()} == {
            "main (provider)": "Created by pluginimport.",
            "other (provider)": "Created by pluginimport.",
        }
        assert LogEntry.objects.count() == 2

    def test_nobody_to_name(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A user that there is not, or a project without a history, is refused; nothing is written."""
        PluginInstance.objects.all().delete()
        ran = run("pluginapply", str(file), "--user", "nobody")
        assert (ran.code, ran.error) == (2, "There is no user nobody.")
        monkeypatch.setattr("django.apps.apps.is_installed", lambda _name: False)
        ran = run("pluginimport", str(file), "--user", "olga")
        assert (ran.code, ran.error) == (2, "There is no history without django.contrib.admin.")
        assert not PluginInstance.objects.exists()


class TestApply:
    """The database becomes what the files say."""

    def test_an_instance_belongs_to_its_file(self, file: Path) -> None:
        """It is made, remembers the file, and is left alone while nothing changes."""
        row = get()
        assert (row.managed_by, row.priority, row.load_plugin().config.account) == ("plugins.json", 3, "AC1")
        assert run("pluginapply", str(file)).lines == [counts(unchanged=1)]
        assert get().updated_at == row.updated_at
        assert run("pluginapply", str(file), "--check").code == 0

    def test_the_files_of_the_settings(self, folder: Path, provider: PluginItem, settings: Settings) -> None:
        """Without a name the files that the settings list are applied, together."""
        del provider
        assert run("pluginapply").error == "Name a file, or list some in PLUGIN_SYSTEM['INSTANCES']."
        one = declare_in(folder / "one.json", make_entry("one", config=VALID))
        two = declare_in(folder / "two.json", make_entry("two", config=VALID))
        settings.PLUGIN_SYSTEM = {"INSTANCES": [one, two]}
        assert run("pluginapply").lines[-1] == counts(created=2)
        assert {row.name: row.managed_by for row in PluginInstance.objects.all()} == {
            "one": "one.json",
            "two": "two.json",
        }

    def test_what_is_not_given_has_its_default(self, file: Path) -> None:
        """A line that is taken away is a change, too."""
        declare_in(file, make_entry(config={**VALID, "retries": 9}, status="reserve"))
        assert "    priority: 3 -> null" in run("pluginapply", str(file)).lines
        declare_in(file, make_entry(config=VALID))
        run("pluginapply", str(file))
        assert (get().status, get().load_plugin().config.retries) == ("active", 3)

    def test_drift(self, file: Path) -> None:
        """--check shows what differs, writes nothing, and ends with 1."""
        PluginInstance.objects.update(priority=9)
        ran = run("pluginapply", "--check", str(file))
        assert ran.lines == [
            f"~ {SUBJECT}: update",
            "    priority: 9 -> 3",
            "Nothing was written; pluginapply would do this:",
            counts(updated=1),
        ]
        assert (ran.error, ran.code, get().priority) == ("Instances that differ from the files: 1.", 1, 9)
        run("pluginapply", str(file), verbosity=0)
        assert get().priority == 3

    def test_runtime_state_is_untouched(self, file: Path) -> None:
        """Health and the last test stay when columns change."""
        row = get()
        set_health([row], last_error="down", unavailable_until=row.created_at.replace(year=2100))
        declare_in(file, make_entry(config={**VALID, "account": "AC2"}))
        run("pluginapply", str(file))
        assert get().last_error == "down"
        assert get().unavailable_until is not None

    def test_what_is_wrong(self, file: Path, folder: Path) -> None:
        """All problems are listed with their file, and nothing is written."""
        other = declare_in(folder / "other.json", make_entry("x", item="none"), make_entry("y y"), make_entry())
        declare_in(file, make_entry(config={**VALID, "account": "XX"}))
        ran = run("pluginapply", str(file), other)
        assert [line.partition(" / ")[0] for line in ran.err.splitlines()] == [
            "- other.json: entry 2: name: String should match pattern '^[-0-9A-Za-z_]{1,100}$'",
            "- plugins.json: sms (apps.sms)",
            "- other.json: sms (apps.sms)",
            "- other.json: sms (apps.sms)",
        ]
        assert ran.err.endswith("main: stands twice in the document\n")
        assert ran.error == "Nothing was written. Problems: 4; see above."
        assert run("pluginapply", str(file), other, "--check").error == "This would be refused. Problems: 4; see above."
        assert get().config["account"] == "AC1"

    def test_files_that_cannot_be(self, file: Path, folder: Path) -> None:
        """One that cannot be read is named, and so are two of one name; half a file changes nothing."""
        (folder / "sub").mkdir()
        same = declare_in(folder / "sub" / "plugins.json")
        assert "several are called plugins.json" in run("pluginapply", str(file), same).error
        file.write_text(file.read_text()[:50])
        assert run("pluginapply", str(file), "--prune").error.startswith("plugins.json cannot be read: line 3")
        assert get().managed_by == "plugins.json"

    @pytest.mark.parametrize("suffix", ["yaml", "toml"])
    def test_other_formats(self, folder: Path, provider: PluginItem, suffix: str) -> None:
        """YAML and TOML say the same; a date of TOML's is its text."""
        del provider
        texts = {
            "yaml": (
                "format: django-plugin-system\nversion: 1\ninstances:\n"
                "- {type: sms, item: provider, name: main, config: {account: AC1, token: 2026-01-01}}\n"
            ),
            "toml": (
                'format = "django-plugin-system"\nversion = 1\n[[instances]]\ntype = "sms"\nitem = "provider"\n'
                'name = "main"\n[instances.config]\naccount = "AC1"\ntoken = 2026-01-01\n'
            ),
        }
        (folder / f"plugins.{suffix}").write_text(texts[suffix])
        assert run("pluginapply", f"plugins.{suffix}").lines[-1] == counts(created=1)
        assert get().open_secrets() == {("token",): "2026-01-01"}


class TestGone:
    """What is gone from a file."""

    def test_it_is_left_unless_asked_for(self, file: Path) -> None:
        """It is pointed out, and is drift."""
        declare_in(file)
        ran = run("pluginapply", str(file))
        assert ran.lines == [f"? {SUBJECT}: left", counts(left=1)]
        assert ran.err == "In no file any more: 1. Delete them with --prune, or --release them to the admin.\n"
        assert run("pluginapply", str(file), "--check").code == 1
        assert get().managed_by == "plugins.json"

    def test_only_its_own_are_pruned(self, file: Path, folder: Path, provider: PluginItem) -> None:
        """An empty list prunes all of its own, shown first, and no other."""
        add_instance("by-hand", provider)
        run("pluginapply", declare_in(folder / "other.json", make_entry("other", config=VALID)))
        declare_in(file)
        assert run("pluginapply", str(file), "--prune", "--check").lines[-1] == counts(deleted=1)
        file.write_text("\n")
        ran = run("pluginapply", str(file), "--prune")
        assert ran.err == f"No file declares {SUBJECT} any more: it is deleted.\n"
        assert ran.lines == [f"- {SUBJECT}: delete", counts(deleted=1)]
        assert sorted(PluginInstance.objects.values_list("name", flat=True)) == ["by-hand", "other"]

    def test_release(self, file: Path) -> None:
        """Operators get it as it is."""
        declare_in(file)
        row = get()
        assert run("pluginapply", str(file), "--release").lines[-1] == counts(released=1)
        assert (get().managed_by, get().config) == ("", row.config)
        assert run("pluginapply", str(file), "--prune").lines == [counts()]

    @pytest.mark.parametrize("error", [ProtectedError, RestrictedError])
    def test_what_others_refer_to_is_not_pruned(self, file: Path, error: Any) -> None:
        """The command says what is in the way, and nothing is written."""

        def refuse(instance: PluginInstance, **_others: Any) -> None:
            raise error("no", {instance.item})

        declare_in(file, make_entry("new", config=VALID))
        pre_delete.connect(refuse, PluginInstance)
        ran = run("pluginapply", str(file), "--prune")
        pre_delete.disconnect(refuse, PluginInstance)
        assert "all entries: instances that would be deleted are still referred to by: plugin item" in ran.err
        assert [row.name for row in PluginInstance.objects.all()] == ["main"]


class TestHandOver:
    """From operators to a file, from file to file."""

    def test_who_says_the_same_is_adopted(self, folder: Path, provider: PluginItem) -> None:
        """An instance that is there and says the same belongs to the file from then on; its secret may be left out."""
        add_instance("main", provider)
        config = {"account": "AC1", "token": KEPT}
        ran = run("pluginapply", declare_in(folder / "plugins.json", make_entry(config=config)))
        assert ran.lines == [f"~ {SUBJECT}: update", '    managed_by: "" -> "plugins.json"', counts(updated=1)]
        assert get().managed_by == "plugins.json"

    def test_who_differs_is_adopted_when_asked(self, folder: Path, provider: PluginItem) -> None:
        """What an operator typed is not overwritten unasked."""
        add_instance("main", provider, priority=1)
        name = declare_in(folder / "plugins.json", make_entry(config=VALID))
        ran = run("pluginapply", name)
        assert ran.err == (
            f"- plugins.json: {SUBJECT}: is there already and differs in priority: --adopt takes it over\n"
        )
        assert (get().managed_by, get().priority) == ("", 1)
        assert not run("pluginapply", name, "--adopt").error
        assert (get().managed_by, get().priority) == ("plugins.json", None)

    def test_from_file_to_file(self, file: Path, folder: Path) -> None:
        """Applied together, an instance moves with its state; alone, the other file has to be asked to take it over."""
        row = get()
        other = declare_in(folder / "other.json", make_entry(config=VALID, priority=3))
        assert f"{SUBJECT}: is managed by plugins.json: --adopt" in run("pluginapply", other).err
        declare_in(file)
        assert run("pluginapply", str(file), other, "--prune").lines[-1] == counts(updated=1)
        assert (get().pk, get().managed_by) == (row.pk, "other.json")

    def test_an_import_keeps_out(self, file: Path, folder: Path) -> None:
        """What a file manages is changed there only."""
        del file
        name = declare_in(folder / "import.json", make_entry(priority=8))
        ran = run("pluginimport", name, "--existing", "update")
        assert f"{SUBJECT}: is managed by plugins.json and differs in priority: change it there" in ran.err
        assert get().priority == 3

    @pytest.mark.parametrize("args", ["set main account --unset", "disable main", "enable main --reserve"])
    def test_the_command_line_keeps_out(self, file: Path, args: str) -> None:
        """So do the commands for operators, and say which file it is."""
        del file
        ran = run("plugins", *args.split())
        assert ran.error == "main (provider) is managed by plugins.json: change it there, then run pluginapply."
        assert run("plugins", "show", "main", "--json").data["managed_by"] == "plugins.json"


class Bound(BaseModel):
    """A secret that belongs to an endpoint."""

    endpoint: str
    token: Annotated[SecretStr, BoundTo("endpoint")]
    more: list[SecretStr] = []


def test_a_scope_is_part_of_the_name(folder: Path, provider: PluginItem) -> None:
    """One name may be declared for everybody and for a scope; the settings of one are not those of the other."""
    del provider
    entries = [make_entry(config=VALID), make_entry(config={**VALID, "account": "AC2"}, scope="acme")]
    name = declare_in(folder / "plugins.json", *entries)
    assert f"+ {SUBJECT} of acme: create" in run("pluginapply", name).lines
    assert run("pluginapply", name, "--check").lines[-1] == counts(unchanged=2)
    exported = run("pluginexport", "--secrets", "encrypted").data["instances"]
    assert [one.get("scope") for one in exported] == [None, "acme"]
    assert run("pluginapply", declare_in(folder / "plugins.json", *exported)).lines == [counts(unchanged=2)]
    swapped = [{**entries[0], "config": exported[1]["config"]}]
    assert "config.token: the stored secret" in run("pluginapply", declare_in(folder / "plugins.json", *swapped)).err


class TestSecrets:
    """Encrypted in the file, by reference, or in plain text."""

    def test_plain_text_is_warned_of(self, folder: Path, provider: PluginItem) -> None:
        """The warning names the line, not the value."""
        del provider
        config = {**VALID, "spare": ["first\nsecond", SECRET]}
        name = declare_in(folder / "plugins.json", make_entry(config=config))
        ran = run("pluginapply", name, "--check")
        lines = (folder / "plugins.json").read_text().splitlines()
        token, first = (next(n for n, line in enumerate(lines, 1) if part in line) for part in ('"token"', "first"))
        ending = f"of {SUBJECT} is a secret in plain text; encrypt it, or refer to it."
        assert ran.err.splitlines() == [
            f"plugins.json, line {token}: token {ending}",
            f"plugins.json, line {first}: spare.0 {ending}",
            f"plugins.json, line {first + 1}: spare.1 {ending}",
        ]
        assert SECRET not in ran.everything

    def test_a_line_that_cannot_be_told(self, folder: Path, provider: PluginItem) -> None:
        """A secret that is spelled in another way is named without its line."""
        del provider
        name = declare_in(folder / "plugins.json", make_entry(config={**VALID, "token": "\\a"}))
        (folder / "plugins.json").write_text((folder / "plugins.json").read_text().replace("a", "\\u0061"))
        assert run("pluginapply", name, "--check").err.startswith("plugins.json: token of sms")

    def test_lines_of_many(self, folder: Path, provider: PluginItem) -> None:
        """Each warning names the line of its own entry, also where names begin alike and secrets are the same."""
        del provider
        names = ["n11", "n1", "n2"]
        name = declare_in(folder / "plugins.json", *(make_entry(one, config=VALID) for one in names))
        lines = enumerate((folder / "plugins.json").read_text().splitlines(), 1)
        tokens = [number for number, line in lines if '"token"' in line]
        told = [f"plugins.json, line {number}: token of sms" for number in tokens]
        ran = run("pluginapply", name)
        assert [line.partition(" (")[0].partition(" /")[0] for line in ran.err.splitlines()] == told
        assert run("pluginapply", name).lines == [counts(unchanged=3)]

    def test_encrypted_secrets(self, folder: Path, provider: PluginItem) -> None:
        """An export gives secrets that open for this instance in any database that has the key, and nowhere else."""
        del provider
        item = declare(Bound)
        config = {"endpoint": "https://one", "token": SECRET, "more": ["x", SECRET]}
        add_instance("main", item, config=config)
        exported = run("pluginexport", "--secrets", "encrypted").data
        (entry,) = exported["instances"]
        assert SECRET not in json.dumps(exported)
        assert entry["config"]["token"] != get().config["token"]
        PluginInstance.objects.all().delete()
        name = declare_in(folder / "plugins.json", entry)
        ran = run("pluginapply", name)
        assert (ran.err, ran.lines[-1]) == ("", counts(created=1))
        assert get().open_secrets() == {("token",): SECRET, ("more", "0"): "x", ("more", "1"): SECRET}
        assert SECRET not in read_raw(get().pk)
        assert run("pluginapply", name, "--check").lines[-1] == counts(unchanged=1)
        for changed in ({"name": "other"}, {"config": {**entry["config"], "endpoint": "https://evil"}}):
            refused = run("pluginapply", declare_in(folder / "plugins.json", {**entry, **changed}))
            assert "config.token: the stored secret" in refused.err
        assert "belongs to another value of endpoint" in refused.err

    def test_a_stored_secret_is_none_of_a_file(self, folder: Path, provider: PluginItem) -> None:
        """What a row stores opens in no document, and the other way round."""
        del provider
        row = add_instance("main", config=VALID)
        name = declare_in(folder / "plugins.json", make_entry(config=row.config))
        assert "config.token: the stored secret (key " in run("pluginapply", name, "--adopt").err


def apply_elsewhere(name: str) -> str:  # pragma: no cover - a forked process is not measured
    """Apply a file in a process that was forked; return what it says last."""
    ran = run("pluginapply", name, "--prune")
    connection.close()
    return ran.error or ran.lines[-1]


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # it forks, and xdist has a thread
@pytest.mark.django_db(transaction=True)
def test_eight_processes_at_once(folder: Path, provider: PluginItem) -> None:
    """Each process of a deployment may apply the files: all end well, and each change is made once."""
    old = [make_entry(f"old-{number}", config=VALID) for number in range(10)]
    name = declare_in(folder / "plugins.json", *old)
    assert not run("pluginapply", name).error
    changed = [{**entry, "priority": 1, "config": {**VALID, "account": "AC2"}} for entry in old[:5]]
    declare_in(folder / "plugins.json", *changed, *(make_entry(f"new-{number}", config=VALID) for number in range(15)))
    connection.close()
    pool = get_context("fork").Pool(8)
    done = pool.map(apply_elsewhere, [name] * 8, chunksize=1)
    pool.close()
    pool.join()  # a Pool as a context manager kills its workers, and one may hold the lock that the others wait for
    assert sorted(done) == sorted([counts(created=15, updated=5, deleted=5), *[counts(unchanged=20)] * 7])
    assert provider.instances.filter(managed_by="plugins.json").count() == 20
