"""What an import costs: heavy packages come only where they are needed."""

from __future__ import annotations

import subprocess
import sys

import pytest

SETUP = """
from django.conf import settings
settings.configure(INSTALLED_APPS=["django_plugin_system"])
import django
django.setup()
"""
HEAVY = ("pydantic", "cryptography", "django_jsonform", "django.forms", "pytest")


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import django_plugin_system", ("django", *HEAVY)),
        ("from django_plugin_system import PluginUnavailable", ("django.forms", *HEAVY[:3], "pytest")),
        ("from django_plugin_system import ConfigurablePlugin", ("cryptography", "django_jsonform", "pytest")),
        (SETUP, ("django_jsonform", "django.contrib.admin", "django.test", "pytest")),
    ],
    ids=["package", "error", "base class", "setup"],
)
def test_an_import_takes_no_more_than_it_needs(code: str, absent: tuple[str, ...]) -> None:
    """The package alone imports nothing heavy, a plugin class no cryptography, a site without an admin no forms."""
    check = f"{code}\nimport sys\nprint([name for name in {absent!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", check], check=True, capture_output=True, text=True, timeout=120)
    assert done.stdout == "[]\n"
