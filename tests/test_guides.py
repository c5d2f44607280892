"""Every command of the guides does what the page says, in the order of the page."""

import re
from pathlib import Path

import pytest

from drawn_photos import draw_all
from page_examples import Example, examples, run

DOCS = Path(__file__).resolve().parents[1] / "docs"
GUIDES = ("guides/find.md", "guides/clean-labels.md", "guides/recover.md", "guides/move.md")
_GARDEN = """
naturalist init garden --each-folder --publish shared \
  --category plant=0:photos/plant --category animal=1:photos/animal --category human=2:photos/human
naturalist run -c garden
"""
"""What somebody has done before they follow a guide."""


@pytest.mark.long
def test_the_guides_can_be_followed(tmp_path: Path) -> None:
    draw_all(tmp_path / "photos", per_source=12)
    run(Example("bash", _GARDEN), tmp_path)
    for name in GUIDES:
        for example in examples(DOCS / name):
            run(example, tmp_path)


def test_every_page_is_in_the_navigation_of_the_site() -> None:
    navigation = (DOCS.parent / "mkdocs.yml").read_text().partition("\nnav:\n")[2]
    listed = set(re.findall(r": ([\w/-]+\.md)$", navigation, re.MULTILINE))
    pages = {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")}
    pages = {name for name in pages if not name.startswith("decisions/")}
    assert pages <= listed
