"""Nobody but the door, and the stages that write features, turns files into vectors."""

import ast
from collections.abc import Iterator
from pathlib import Path

import naturalist

PACKAGE = Path(naturalist.__file__).parent
ALLOWED = ("features", "consume", "stages")
NAMES_A_MISSING_FILE = "pipeline/steps.py"


def _readers(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            yield from (f"imports {one.name}" for one in node.names if one.name == "features_of")
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = ast.unparse(node.func.value)
            if node.func.attr == "features" and owner.endswith("layout"):
                yield f"calls {owner}.features"


def test_features_are_read_through_one_door() -> None:
    found = {
        f"{path.relative_to(PACKAGE)} {what}"
        for path in PACKAGE.rglob("*.py")
        if path.relative_to(PACKAGE).parts[0] not in ALLOWED
        for what in _readers(path)
    }
    assert found == {f"{NAMES_A_MISSING_FILE} calls layout.features"}
