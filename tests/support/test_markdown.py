"""Finding the documentation's examples."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.markdown import code_blocks

if TYPE_CHECKING:
    from pathlib import Path

PAGE = """\
# A page

```python title="shop/plugins.py"
x = 1
```

Text with `code` in it.

```console
$ make demo
```

````markdown
```python
nested = True
```
````

```python
1 / 0
```
"""


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """Return a Markdown file with four blocks."""
    path = tmp_path / "page.md"
    path.write_text(PAGE)
    return path


def test_blocks_come_in_order_with_their_language_and_title(page: Path) -> None:
    """Each block knows its language, its title and its place; a fence inside a longer fence is text."""
    found = [(block.language, block.title, block.line) for block in code_blocks(page)]
    assert found == [("python", "shop/plugins.py", 4), ("console", "", 10), ("markdown", "", 14), ("python", "", 20)]


def test_only_the_languages_asked_for(page: Path) -> None:
    """Naming a language leaves the others out."""
    assert [block.text for block in code_blocks(page, "python")] == ["x = 1\n", "1 / 0\n"]


def test_an_error_points_into_the_document(page: Path) -> None:
    """A failing example names the document's line."""
    *_, failing = code_blocks(page, "python")
    code: Any = failing.compiled()
    with pytest.raises(ZeroDivisionError) as caught:
        exec(code)  # noqa: S102 - runs the page above
    last = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert (last.filename, last.lineno) == (str(page), 20)
