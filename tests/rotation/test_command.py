"""What ``manage.py pluginrotate`` takes, shows and ends with."""

from __future__ import annotations

import os
import pty
import re
from typing import TYPE_CHECKING

import pytest
from django.core.management import CommandError, call_command

from tests.rotation.running import NEW, NEW_ID, OLD, OLD_ID, OTHER, TOKEN, pluginrotate, start_pluginrotate
from tests.support.plugins import SECRET
from tests.support.rows import add_instance

if TYPE_CHECKING:
    from pytest_django import Settings

    from django_plugin_system.models import PluginInstance, PluginItem


@pytest.mark.django_db
@pytest.mark.usefixtures("rows")
def test_a_rotation_and_a_verification_in_plain_lines() -> None:
    """Away from a terminal a line for each tenth of the rows is followed by what was found and done."""
    lines = [f"{done} of 5 rows ({done * 20}%)\n" for done in range(1, 6)]
    assert pluginrotate("--batch-size", "1").out == "".join(lines) + (
        "Rows: 5. Secrets: 15.\n"
        f"- key {NEW_ID} (first): 0\n"
        f"- key {OLD_ID} (old): 15\n"
        f"Rows written with key {NEW_ID}: 5.\n"
        "Done. Run pluginrotate --verify before you remove an old key.\n"
    )
    assert pluginrotate("--verify", verbosity=0).out == (
        "Rows: 5. Secrets: 15.\n"
        f"- key {NEW_ID} (first): 15\n"
        f"- key {OLD_ID} (old): 0\n"
        f"Key {OLD_ID} may be removed from PLUGIN_SYSTEM['ENCRYPTION_KEYS']: no secret needs it.\n"
        "History tables and backups were not looked at: they still need the old keys.\n"
        f"Every secret opens with key {NEW_ID}.\n"
    )


@pytest.mark.django_db
@pytest.mark.usefixtures("rows")
def test_a_verification_before_the_rotation(settings: Settings) -> None:
    """--verify tells the keys that are still needed from those that are not, and ends with an error."""
    settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": [NEW, OTHER, OLD]}
    ran = pluginrotate("--verify")
    assert re.findall("Key (.*)[.:]", ran.out)[1] == f"{OLD_ID} is still needed; secrets encrypted with it: 15"
    assert ran.error == "Not every secret uses the first key: run pluginrotate."
    assert "may be removed" in ran.out


@pytest.mark.django_db
def test_few_lines_for_many_rows(provider: PluginItem) -> None:
    """There is one line of progress for each tenth, however small the batches are."""
    for number in range(40):
        add_instance(f"row-{number}", provider)
    assert pluginrotate("--batch-size", "1").out.count("of 40 rows") == 10


@pytest.mark.django_db
@pytest.mark.parametrize("size", ["0", "-1", "ten", "10001", "1.5"])
def test_a_batch_size_that_makes_no_sense(size: str) -> None:
    """The command takes a batch size from 1 to 10,000, and nothing else."""
    with pytest.raises(CommandError, match="--batch-size: must be a number from 1 to 10000"):
        call_command("pluginrotate", f"--batch-size={size}")


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("rows")
def test_the_progress_on_a_terminal() -> None:
    """On a terminal one line says, again and again, how far it is."""
    shown = run_on_terminal("--batch-size", "2")
    assert shown.startswith("\r2 of 5 rows (40%)\r4 of 5 rows (80%)\r5 of 5 rows (100%)\r\nRows: 5.")
    assert SECRET not in shown
    assert not TOKEN.search(shown)


@pytest.mark.django_db(transaction=True)
def test_the_exit_status(rows: list[PluginInstance]) -> None:
    """The process ends with status 0 if all is well, and 1 if a row cannot be read."""
    with start_pluginrotate("--verify", keys=(OTHER,), stderr=-2) as process:
        out, _err = process.communicate()
    assert (process.returncode, out.count("which is not configured")) == (1, 3 * len(rows))
    with start_pluginrotate("--verbosity=0") as process:
        out, _err = process.communicate()
    assert process.returncode == 0
    assert out.startswith("Rows: 5.")


def run_on_terminal(*options: str) -> str:
    """Run the command with a terminal for its output; return what it wrote."""
    terminal, end = pty.openpty()
    written = b""
    with start_pluginrotate(*options, stdout=end, stderr=end, stdin=end):
        os.close(end)
        while chunk := read_terminal(terminal):
            written += chunk
    os.close(terminal)
    return written.decode()


def read_terminal(terminal: int) -> bytes:
    """Return the next bytes; none once the other end is closed, which Linux reports as an error."""
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""
