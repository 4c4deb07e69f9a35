"""Whatever stands in a document, the answer is a list of problems or an import: no crash, no secret, no half of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Secret, SecretBytes, SecretStr

from django_plugin_system.models import PluginInstance
from django_plugin_system.schema.tree import BoundTo
from tests.contrib.transfer.helpers import KEPT, declare, make_entry, run_import
from tests.shapes.models import Node, Payment
from tests.support.plugins import SECRET
from tests.support.rows import add_instance

if TYPE_CHECKING:
    from pathlib import Path

    from django_plugin_system.models import PluginItem

pytestmark = pytest.mark.django_db


class Rich(BaseModel):
    """A configuration with a bit of everything."""

    url: str
    token: Annotated[SecretStr, BoundTo("url")]
    raw: SecretBytes = SecretBytes(b"")
    number: Secret[int] = Secret(1)
    node: Node | None = None
    payments: list[Payment] = []
    more: dict[str, Any] = {}


GOOD: dict[str, Any] = {
    "url": "a",
    "token": SECRET,
    "raw": SECRET,
    "node": {"token": SECRET, "children": [{"token": SECRET}], "by_name": {"x": {"token": SECRET}}},
    "payments": [{"kind": "cash", "till": 1}, {"kind": "card", "token": SECRET}],
}
EXPORTED = {**GOOD, "token": KEPT, "raw": KEPT, "node": KEPT, "payments": [GOOD["payments"][0], KEPT]}
odd = st.sampled_from(
    [
        KEPT,
        {"$redacted": SECRET},
        {"$env": "HOME"},
        {"$env": "SHOP_NONE"},
        {"$file": "/etc/passwd"},
        {"$env": "A", "$file": "b"},
        {"$secret": "dps1.00000000." + "A" * 60},
        {"$secret": [KEPT]},
        SECRET,
        [SECRET],
        {"deep": {"er": [SECRET, KEPT]}},
        "\x00",
        10**400,
        -0.0,
        1e308,
        "",
        None,
        True,
        [],
        {},
    ]
)
keys = st.sampled_from([*Rich.model_fields, "kind", "0", "", "$env", "token", "children", "\x00", "más"])
trees = st.recursive(odd, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4))
configs = st.builds(
    lambda base, change: {**base, **change},
    st.sampled_from([GOOD, EXPORTED, {}]),
    st.dictionaries(keys, trees, max_size=3),
)
changes = st.dictionaries(
    st.sampled_from(
        ["type", "manager", "item", "module", "name", "status", "priority", "config_version", "x", "config"]
    ),
    trees.filter(lambda tree: SECRET not in str(tree)),
    max_size=1,
)


@pytest.fixture
def rich(provider: PluginItem) -> PluginItem:
    """Return an item with one instance."""
    del provider
    item = declare(Rich)
    add_instance("main", item, config=GOOD)
    return item


def read_all() -> list[Any]:
    """Return what the database holds."""
    return list(PluginInstance.objects.order_by("pk").values("pk", "name", "config", "status", "updated_at"))


def hide_plain(text: str) -> str:
    """Return what was shown, without the lines that show the plain fields."""
    return "\n".join(line for line in text.splitlines() if not line.startswith(("    config.url", "    config.more")))


@settings(
    deadline=None,
    max_examples=80,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(configs, changes, st.sampled_from(["main", "new"]))
def test_any_document_is_answered(
    rich: PluginItem, folder: Path, config: dict[str, Any], change: dict[str, Any], name: str
) -> None:
    """What is imported can be read and holds its secrets encrypted; what is refused leaves all as it was."""
    before = read_all()
    with transaction.atomic():
        entry = {**make_entry(name, item="shape", config=config), **change}
        ran = run_import(folder, entry, args=("--existing", "update"))
        assert bool(ran.error) == bool(ran.problems)
        assert not ran.error or read_all() == before
        assert SECRET not in hide_plain(ran.everything)
        for row in rich.instances.all():
            assert row.load_config() is not None
            assert SECRET not in str({**row.config, "url": "", "more": ""})
        transaction.set_rollback(True)
