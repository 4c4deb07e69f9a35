"""Starting the demo in a process of its own, and talking to it as a browser does."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import unescape
from http.cookiejar import CookieJar
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, OpenerDirector, ProxyHandler, Request, build_opener

from tests.support import warm

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
MANAGE = ROOT / "demo" / "manage.py"
_SECONDS_TO_START = 120
"""A limit against hanging; what is slower fails."""
_READY = re.compile(r"Ready: (http://\S+?)/ ")
_SECRETS = ("secret_key", "encryption_key", "swiftline_token", "pigeon_password", "smtp_password", "courier_key")
"""What the demo made at random and must never show; the admin's password is printed on purpose."""


def environment(data: Path) -> dict[str, str]:
    """Return the environment of a demo that keeps its files in ``data``, and is not measured.

    ``DEMO_PACKAGES`` is a folder with further packages, as an environment has them.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    own = {"DEMO_DATA_DIR": str(data), "DJANGO_SETTINGS_MODULE": "project.settings"}
    path = os.pathsep.join(filter(None, [str(ROOT), str(MANAGE.parent), os.environ.get("DEMO_PACKAGES")]))
    return {**kept, **own, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}


def manage(data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a management command of the demo to its end; the caller looks at what came of it."""
    command = [warm.python(), str(MANAGE), *arguments]
    return subprocess.run(command, env=environment(data), capture_output=True, text=True, check=False)


def run_code(data: Path, code: str) -> str:
    """Run Python in the demo's project and return what it printed."""
    command = [warm.python(), "-c", f"import django\ndjango.setup()\n{code}"]
    return subprocess.run(command, env=environment(data), capture_output=True, text=True, check=True).stdout.strip()


def _new_opener() -> OpenerDirector:
    return build_opener(ProxyHandler({}), HTTPCookieProcessor(CookieJar()))


@dataclass
class Page:
    """An answer, as text with its entities resolved and its white space folded."""

    status: int
    url: str
    html: str

    @property
    def text(self) -> str:
        """What a person reads, roughly."""
        return " ".join(unescape(re.sub(r"<[^>]*>", " ", self.html)).split())

    def section(self, name: str) -> str:
        """Return the text of the section that ``name``, the id of its heading, labels."""
        start = self.html.index(f'id="{name}">')
        html = self.html[start : self.html.index("</section>", start)]
        return Page(self.status, self.url, html[html.index(">") + 1 :]).text


@dataclass
class Demo:
    """A demo that serves."""

    data: Path
    url: str
    process: subprocess.Popen[bytes]
    opener: OpenerDirector = field(default_factory=_new_opener)

    @property
    def log(self) -> str:
        """All that the process has printed so far."""
        return log_file(self.data).read_text(encoding="utf-8")

    @property
    def local(self) -> dict[str, Any]:
        """The demo's file of secrets."""
        return dict(json.loads((self.data / "local.json").read_text(encoding="utf-8")))

    @property
    def secrets(self) -> list[str]:
        """What must not be seen anywhere."""
        return [self.local[name] for name in _SECRETS]

    def get(self, path: str = "/") -> Page:
        """Fetch a page."""
        return self._open(Request(self.url + path))  # noqa: S310 - loopback

    def post(self, path: str, *, form_at: str = "/", **fields: str) -> Page:
        """Post a form that stands on the page ``form_at``, and follow the redirect."""
        found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', self.get(form_at).html)
        token = found.group(1) if found else ""
        body = urlencode({"csrfmiddlewaretoken": token, **fields}).encode()
        return self._open(Request(self.url + path, body))  # noqa: S310 - loopback

    def send(self, channel: str, purpose: str, text: str, **fields: str) -> Page:
        """Send a message through the form of the front page."""
        recipients = {"number": "+15550100123", "address": "ada@example.com"}
        return self.post("/send/", channel=channel, purpose=purpose, text=text, **{**recipients, **fields})

    def switch(self, provider: str, *, down: bool) -> Page:
        """Put a provider out of service, or back."""
        return self.post(f"/providers/{provider}/", down="1" if down else "0")

    def _open(self, request: Request) -> Page:
        try:
            with self.opener.open(request) as response:
                return Page(response.status, response.url, response.read().decode())
        except HTTPError as error:
            with error:
                return Page(error.code, error.url or "", error.read().decode())


def log_file(data: Path) -> Path:
    """Return where a demo that keeps its files in ``data`` logs."""
    return data.parent / f"{data.name}.log"


@contextmanager
def running_demo(data: Path, *arguments: str) -> Iterator[Demo]:
    """Serve a demo on a free port while the block lasts; it is stopped as Ctrl-C stops it."""
    command = [warm.python(), str(MANAGE), "demo", "--port", "0", "--verbosity", "2", *arguments]
    with log_file(data).open("ab") as log:
        start = log.tell()
        process = subprocess.Popen(command, env=environment(data), stdout=log, stderr=subprocess.STDOUT)
    try:
        yield Demo(data, _wait_until_ready(process, log_file(data), start), process)
        process.send_signal(signal.SIGINT)
        process.wait(_SECONDS_TO_START)
    finally:
        process.kill()
        process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], log: Path, start: int) -> str:
    """Return the address that the process printed after position ``start`` of its log."""
    deadline = time.monotonic() + _SECONDS_TO_START
    while time.monotonic() < deadline and process.poll() is None:  # pragma: no branch
        found = _READY.search(log.read_bytes()[start:].decode())
        if found:
            return found.group(1)
        time.sleep(0.1)
    raise AssertionError(log.read_text(encoding="utf-8"))  # pragma: no cover - a demo that does not start
