"""Sending by purpose, and what the front page says of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.demo.running import Demo

pytestmark = pytest.mark.sqlite


def test_the_page_shows_who_would_carry_each_purpose(demo: Demo) -> None:
    """Every route names its candidates, with the chosen, the standby and the disabled one marked."""
    routes = demo.get().section("routes-title")
    assert 'get_plugin(AbstractSms, name="transactional")' in routes
    assert "chosen" in routes
    assert "standby" in routes
    assert "disabled" in routes


def test_the_page_links_into_the_admin(demo: Demo) -> None:
    """The links lead to admin pages that exist: without a login, to the login form."""
    html = demo.get().html
    overview = "/admin/django_plugin_system/pluginoverview/"
    for path in ("/admin/", overview, "/admin/django_plugin_system/plugininstance/"):
        assert f'href="{path}"' in html
        assert demo.get(path).url == f"{demo.url}/admin/login/?next={path}"


def test_a_transactional_text_goes_through_swiftline(demo: Demo) -> None:
    """The active instance with the asked name carries the message, and it arrives in the gateway's outbox."""
    page = demo.send("sms", "transactional", "Code one")
    assert page.section("result-title").startswith("Sent SMS · transactional")
    assert "transactional (swiftline) took it: sw-" in page.section("result-title")
    assert "Code one by Swiftline" in page.section("texts-title")


def test_a_marketing_text_goes_through_pigeon_with_its_options(demo: Demo) -> None:
    """Another purpose means another instance, whose configured options reach the provider."""
    page = demo.send("sms", "marketing", "Offer one")
    assert "marketing (pigeon) took it: pg-" in page.section("result-title")
    assert "Offer one by Pigeon Post · route economy · max_price 0.035 · tags newsletter" in page.section("texts-title")


@pytest.mark.parametrize(
    ("purpose", "sender"), [("transactional", "desk@shop.example"), ("marketing", "news@shop.example")]
)
def test_a_mail_goes_out_over_smtp_in_the_name_of_its_purpose(demo: Demo, purpose: str, sender: str) -> None:
    """A mail passes the SMTP server and comes from the sender that the instance of its purpose configures."""
    page = demo.send("email", purpose, f"Mail for {purpose}", address="grace@example.com")
    mails = page.section("mails-title")
    assert f"grace@example.com from {sender}" in mails
    assert f"A {purpose} message Mail for {purpose}" in mails


def test_the_page_says_why_an_instance_was_chosen(demo: Demo) -> None:
    """The explanation lists every candidate as it was before the first try."""
    result = demo.send("sms", "marketing", "Offer two").section("result-title")
    explanation = result[result.index("explain_selection()") :]
    assert "pigeon" in explanation
    assert "swiftline" in explanation
    assert "disabled" in explanation


def test_a_token_renews_itself(demo: Demo) -> None:
    """Messages share a token, which is kept as the state of the instance; the page says which one was used."""
    first, second = (demo.send("sms", "alerts", f"Alarm {number}") for number in range(2))
    assert "with token" in first.section("result-title")
    assert "alerts (courier) took it: co-" in second.section("result-title")


def test_tenants(demo: Demo) -> None:
    """The one tenant has an account of its own, the other uses everybody's."""
    acme = demo.send("sms", "transactional", "For Acme", tenant="acme")
    assert "For Acme" in acme.section("texts-title")
    assert "transactional (swiftline) of acme took it" in acme.section("result-title")
    umbrella = demo.send("sms", "transactional", "For Umbrella", tenant="umbrella")
    assert "transactional (swiftline) took it" in umbrella.section("result-title")


def test_a_receipt_is_kept_and_mailed(demo: Demo) -> None:
    """A file goes to the folder that is chosen now, and a mail of Django's through an instance."""
    page = demo.send("sms", "marketing", "With a receipt")
    (path,) = set(re.findall(r'action="(/receipts/\d+/)"', page.html))
    result = demo.post(path)
    assert "Receipt: ~" in result.section("result-title")
    assert "Your receipt Sent: With a receipt" in result.section("mails-title")
    assert [file.name for file in (demo.data / "files/eu").rglob("*.txt")] == [f"{path.split('/')[2]}.txt"]
    assert list((demo.data / "files/us").rglob("*.txt")) == []


def test_a_call_site_of_1_1_0_runs_beside_it(demo: Demo) -> None:
    """After each message the untouched legacy code tells the operator, by way of a class without configuration."""
    page = demo.send("sms", "transactional", "Code two")
    note = "[operator@example.com] Front desk: sms for transactional: sent"
    assert note in page.section("notes-title")
    assert note in demo.log


def test_a_message_without_a_purpose_takes_the_best_instance_of_all(demo: Demo) -> None:
    """No name means any name."""
    assert "transactional (swiftline) took it" in demo.send("sms", "", "Any").section("result-title")


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"purpose": "nonsense"}, "Select a valid choice. nonsense is not one of the available choices."),
        ({"channel": "fax"}, "Select a valid choice. fax is not one of the available choices."),
        ({"number": ""}, "Who shall get it?"),
        ({"text": ""}, "This field is required."),
    ],
)
def test_a_form_that_is_not_right_is_shown_again(demo: Demo, fields: dict[str, str], complaint: str) -> None:
    """Nothing is sent, and the page says what is missing."""
    asked = {"channel": "sms", "purpose": "marketing", "number": "+15550100123", "text": "Never sent", **fields}
    page = demo.post("/send/", **asked)
    assert page.status == 400
    assert complaint in page.text
    assert "Never sent" not in page.section("texts-title")


def test_unknown_addresses_are_refused(demo: Demo) -> None:
    """A provider that is not there is 404, and a message is not sent by a GET."""
    assert demo.switch("fax", down=True).status == 404
    assert demo.get("/send/").status == 405
