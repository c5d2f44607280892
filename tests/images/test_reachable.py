"""Which decoders the bytes of a stranger can reach."""

import ast
from pathlib import Path

import naturalist
from naturalist.images import pillow_files

PLUGINS = {"Avif", "Bmp", "Gif", "Jpeg", "Jpeg2K", "Png", "Tiff", "WebP"}
"""Eight of Pillow's forty-odd; docs/pictures.md lists them."""
SOURCE = Path(naturalist.__file__).parent


def test_only_these_plugins_of_pillow_are_called() -> None:
    names = {opener.__module__ for opener in pillow_files._OPENERS.values()}
    assert names == {f"PIL.{name}ImagePlugin" for name in PLUGINS}


def test_pillow_never_chooses_the_plugin_by_itself() -> None:
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "Image.open":
                assert "formats" in {word.arg for word in node.keywords}, path


def test_the_page_of_pictures_lists_them() -> None:
    page = (SOURCE.parents[1] / "docs/pictures.md").read_text()
    (line,) = [line for line in page.splitlines() if line.startswith("Pillow's plugins")]
    assert {word.strip("`") for word in line.split() if word.startswith("`")} == {
        *PLUGINS,
    }
