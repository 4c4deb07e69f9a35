"""One demo that serves for all the tests of this folder, as new before each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.demo.running import Demo, running_demo

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """Serve a freshly seeded demo."""
    with running_demo(tmp_path_factory.mktemp("demo") / "data") as demo:
        yield demo


@pytest.fixture
def demo(served: Demo) -> Demo:
    """Return the demo with both providers up and no instance cooling down."""
    for provider in ("swiftline", "pigeon"):
        served.switch(provider, down=False)
    served.post("/cooldowns/end/")
    return served
