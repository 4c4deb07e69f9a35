"""``plugins.py`` of every installed app is imported, and an error in it is never swallowed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from django_plugin_system.registry import discover_plugins

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pytest_django import Settings


@pytest.fixture
def install(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Return a function that installs an app whose ``plugins.py`` has the given code."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def make_app(code: str) -> None:
        name = f"made_up_app_{len(list(tmp_path.iterdir()))}"
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
        (tmp_path / name / "plugins.py").write_text(code)
        settings.INSTALLED_APPS = [name, *settings.INSTALLED_APPS]

    yield make_app
    for name in [name for name in sys.modules if name.startswith("made_up_app")]:
        del sys.modules[name]


def test_plugins_modules_are_imported(install: Callable[[str], None]) -> None:
    """Each app's module runs, also of an app that stands before this package in INSTALLED_APPS."""
    install("FOUND = 1")
    install("FOUND = 2")
    discover_plugins()
    assert sys.modules["made_up_app_0.plugins"].FOUND == 1
    assert sys.modules["made_up_app_1.plugins"].FOUND == 2


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("import a_module_that_is_not_there", ModuleNotFoundError),
        ("1 / 0", ZeroDivisionError),
        ("from django_plugin_system import nothing", ImportError),
    ],
)
def test_an_error_in_a_plugins_module_is_raised(
    install: Callable[[str], None], code: str, error: type[Exception]
) -> None:
    """Whatever goes wrong in such a module stops the start-up with the author's own error."""
    with pytest.raises(error):
        install(code)  # which starts the apps anew


def test_discovery_can_be_switched_off(install: Callable[[str], None], settings: Settings) -> None:
    """With AUTODISCOVER set to False no module is imported."""
    settings.PLUGIN_SYSTEM = {"AUTODISCOVER": False}
    install("raise AssertionError('imported')")
    discover_plugins()
    assert "made_up_app_0.plugins" not in sys.modules
