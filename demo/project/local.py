"""What belongs to this machine and not to git: keys and passwords, made at random on the first run.

A real project would take these from its environment or a vault. The demo keeps them in one file, which only its owner
can read, so that a fresh clone runs without any set-up and a second run finds what the first one encrypted.
"""

import base64
import json
import os
import secrets
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path

DATA_DIR = Path(os.environ.get("DEMO_DATA_DIR") or Path(__file__).resolve().parent.parent)
"""Where the database and the file of secrets stand: ``demo/``, unless the environment says otherwise."""

_FILE = DATA_DIR / "local.json"


def _new_token() -> str:
    return secrets.token_urlsafe(24)


def _new_encryption_key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


@dataclass(frozen=True)
class Local:
    """The secrets of this machine, and the loopback ports that the demo served last."""

    secret_key: str = field(default_factory=_new_token, repr=False)
    encryption_key: str = field(default_factory=_new_encryption_key, repr=False)
    """Base64 of 32 random bytes, as ``manage.py pluginkey`` prints it."""
    admin_password: str = field(default_factory=_new_token, repr=False)
    swiftline_token: str = field(default_factory=_new_token, repr=False)
    pigeon_password: str = field(default_factory=_new_token, repr=False)
    smtp_password: str = field(default_factory=_new_token, repr=False)
    courier_key: str = field(default_factory=_new_token, repr=False)
    web_port: int = 8000
    smtp_port: int = 2525


@cache
def get_local() -> Local:
    """Return the secrets of this machine; the first call ever makes them."""
    DATA_DIR.mkdir(parents=True, exist_ok=True)
    if not _FILE.exists():
        draft = _write_draft(Local())
        with suppress(FileExistsError):  # another process was first: its secrets count
            os.link(draft, _FILE)
        draft.unlink()
    return Local(**json.loads(_FILE.read_text(encoding="utf-8")))


def remember_ports(*, web_port: int, smtp_port: int) -> None:
    """Keep the ports that are served from now on."""
    _write_draft(replace(get_local(), web_port=web_port, smtp_port=smtp_port)).replace(_FILE)
    get_local.cache_clear()


def _write_draft(local: Local) -> Path:
    """Write ``local`` beside its file, complete before anybody can see it, and return where."""
    draft = _FILE.with_suffix(f".json.{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(asdict(local), indent=2), encoding="utf-8")
    return draft
