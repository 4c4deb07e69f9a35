"""Secrets that stand encrypted in a document.

They are bound to the scope and name of the instance, its item and its type, not to ids, so that they open in every
environment that has the key, and in no row. What else a secret is bound to in a row binds it here, too: whoever changes
the endpoint of a document has to give the secret again.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django_plugin_system.config import tokens
from django_plugin_system.config.keyring import get_keyring
from django_plugin_system.config.opened import Opened, open_config
from django_plugin_system.config.tokens import Place
from django_plugin_system.rows.traceback_safety import leaving_frames_behind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django_plugin_system.config.tokens import Sealed
    from django_plugin_system.exceptions import Path
    from django_plugin_system.models import PluginItem

TABLE = "django_plugin_system.document"


def _make_place(item: PluginItem, key: tuple[str, str], version: int) -> Place:
    whose = json.dumps([*item.plugin_type.key, item.name, item.module])
    return Place(TABLE, json.dumps(key), whose, "", version)


@leaving_frames_behind
def seal_for_document(
    item: PluginItem, key: tuple[str, str], version: int, tree: Any, secrets: Mapping[Path, Sealed]
) -> dict[Path, dict[str, str]]:
    """Return what stands in a document for each of ``secrets``, whose configuration is ``tree`` there."""
    place, keyring = _make_place(item, key, version), get_keyring()
    return {
        path: tokens.seal(sealed.value, place, path, keyring, tree, sealed.bonds) for path, sealed in secrets.items()
    }


@leaving_frames_behind
def open_document_config(item: PluginItem, key: tuple[str, str], version: int, config: dict[str, Any]) -> Opened:
    """Return the configuration of an entry with its secrets in the clear, as far as they can be opened."""
    return open_config(config, _make_place(item, key, version), get_keyring())
