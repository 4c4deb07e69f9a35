"""Each page of the documentation, as it stands there, in the project that the quickstart leaves behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.docs.pages import MAIL_QUICKSTART, QUICKSTART, README, SITE_PAGES
from tests.docs.story import Story

if TYPE_CHECKING:
    from pathlib import Path

    from tests.docs.terminal import Terminal

pytestmark = pytest.mark.sqlite


PAGES = [README, *(page for page in SITE_PAGES if page not in (QUICKSTART, MAIL_QUICKSTART))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_examples_of_a_page_run_as_written(page: Path, terminal: Terminal) -> None:
    """Every file, command and Python example of a page does, in order, what the page shows."""
    Story(terminal).tell(page)
