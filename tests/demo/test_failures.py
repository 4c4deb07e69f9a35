"""What happens when a provider is down, turns a message down, or refuses the credentials."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.demo.running import run_code

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.demo.running import Demo

pytestmark = pytest.mark.sqlite

WRONG = "wrong-token-0123456789"
SET_TOKEN = """
from django_plugin_system.models import PluginInstance
row = PluginInstance.objects.get(item__name="swiftline", name="transactional", scope="")
row.set_config({{**row.config, "token": "{token}"}})
row.save()
print(row.pk)
"""
SET_STATUS = """
from django_plugin_system.models import PluginInstance
PluginInstance.objects.filter(item__name="pigeon", name="marketing").update(status="{status}")
"""


@pytest.fixture
def wrong_token(demo: Demo) -> Iterator[str]:
    """Give Swiftline's transactional instance a token that the gateway does not know; return the instance's id."""
    yield run_code(demo.data, SET_TOKEN.format(token=WRONG))
    run_code(demo.data, SET_TOKEN.format(token=demo.local["swiftline_token"]))


def test_the_next_instance_steps_in_when_a_provider_is_down(demo: Demo) -> None:
    """The reserve carries the message, and the failed instance is shown as cooling down."""
    demo.switch("swiftline", down=True)
    page = demo.send("sms", "transactional", "Code by pigeon")
    result = page.section("result-title")
    assert result.index("Swiftline answered 503.") < result.index("transactional (pigeon) took it: pg-")
    assert "Code by pigeon by Pigeon Post · route express" in page.section("texts-title")
    assert "cooling down" in page.section("routes-title")


def test_a_cooling_instance_is_not_asked_again_until_its_cooldown_ends(demo: Demo) -> None:
    """The next message goes straight to the reserve; after the cooldown the first choice is back."""
    demo.switch("swiftline", down=True)
    demo.send("sms", "transactional", "First")
    demo.switch("swiftline", down=False)
    assert "swiftline" not in _tries(demo.send("sms", "transactional", "Second").section("result-title"))
    demo.post("/cooldowns/end/")
    assert "swiftline" in _tries(demo.send("sms", "transactional", "Third").section("result-title"))


def test_it_is_said_when_every_provider_fails(demo: Demo) -> None:
    """With nobody to step in the message is not sent, and the page says what each provider answered."""
    demo.switch("pigeon", down=True)
    page = demo.send("sms", "marketing", "Lost offer")
    result = page.section("result-title")
    assert "Failed: every provider was tried" in result
    assert "Pigeon Post has its loft closed (error 40)." in result
    assert "Lost offer" not in page.section("texts-title")


def test_it_is_said_when_no_instance_can_be_used(demo: Demo) -> None:
    """With every candidate switched off nobody is asked, and the page gives the reason for each."""
    run_code(demo.data, SET_STATUS.format(status="disable"))
    result = demo.send("sms", "marketing", "Nobody at all").section("result-title")
    run_code(demo.data, SET_STATUS.format(status="active"))
    assert result.startswith("Not sent: no instance can be used")
    assert "marketing (pigeon): disabled" in _tries(result)
    assert "marketing (swiftline): disabled" in _tries(result)


@pytest.mark.parametrize(
    ("purpose", "answer"),
    [
        ("transactional", "Swiftline does not deliver to 12 (422)."),
        ("marketing", "Pigeon Post does not fly to 12 (error 21)."),
    ],
)
def test_a_rejected_message_is_not_tried_elsewhere(demo: Demo, purpose: str, answer: str) -> None:
    """A wrong number is wrong for every provider: one try, and nobody cools down."""
    page = demo.send("sms", purpose, "Nobody home", number="12")
    result = page.section("result-title")
    assert "Rejected" in result
    assert answer in result
    assert [_tries(result).count(item) for item in ("(swiftline)", "(pigeon)")] in ([1, 0], [0, 1])
    assert "cooling down" not in page.section("routes-title")


def test_a_wrong_token_is_said_clearly_and_shown_nowhere(demo: Demo, wrong_token: str) -> None:
    """The gateway answers 401, the reserve steps in, and the token is neither on the page nor in file or log."""
    page = demo.send("sms", "transactional", "Code in spite of it")
    result = page.section("result-title")
    assert "Swiftline refused the bearer token (401). Enter the right one in the admin." in result
    assert "transactional (pigeon) took it" in result
    checked = demo.post(f"/check/{wrong_token}/")
    assert "transactional (swiftline): Swiftline refused the bearer token (401)" in checked.text
    for seen in (page.html, checked.html, demo.log):
        assert WRONG not in seen
    assert WRONG.encode() not in (demo.data / "db.sqlite3").read_bytes()


def test_the_test_button_tries_the_connection_of_every_instance(demo: Demo) -> None:
    """All seeded instances reach their servers and log in, and nothing is sent."""
    before = demo.get()
    ids = sorted(set(re.findall(r"/check/([0-9a-f-]{36})/", before.html)))
    assert len(ids) == 7
    for instance_id in ids:
        assert "the connection works." in demo.post(f"/check/{instance_id}/").text
    assert demo.get().section("texts-title") == before.section("texts-title")


def test_the_test_button_says_when_a_provider_is_down(demo: Demo) -> None:
    """A failing check is a message on the page."""
    demo.switch("swiftline", down=True)
    found = re.search(r"/check/([0-9a-f-]{36})/", demo.get().html)
    assert found
    assert "Swiftline answered 503." in demo.post(f"/check/{found.group(1)}/").text


def _tries(result: str) -> str:
    return result[: result.index("Why this choice?")]
