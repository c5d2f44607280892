"""Search by words as vectors, with a network that is half of a pair."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.cli.conftest import Naturalist

from backbones.text_pairs import COLOURS, write_pair


@pytest.fixture
def collection(naturalist: Naturalist, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Pictures of three colours, in files whose names say nothing, and their features."""
    monkeypatch.setenv("NATURALIST_BACKBONES", str(tmp_path / "backbones"))
    added = naturalist("backbones", "add", str(write_pair(tmp_path / "pair")), "--json")
    assert added.json["name"] == "colours", added.err
    rng = np.random.default_rng(0)
    (tmp_path / "pictures").mkdir()
    for k, colour in enumerate(colour for colour in COLOURS.values() for _ in range(4)):
        pixels = np.clip(rng.normal(np.array(colour) * 0.8 + 20, 8, (40, 40, 3)), 0, 255)
        Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "pictures" / f"{k:03d}.png")
    folder = tmp_path / "collection"
    made = naturalist(
        *("init", str(folder), "--backbone", "colours", "--yes"),
        *("--category", f"thing=0:{tmp_path / 'pictures'}"),
    )
    assert made.code == 0, made.err
    ended = naturalist("run", "-c", str(folder), "-q")
    assert ended.code == 0, ended.err
    return folder


def test_words_find_what_their_network_says_they_show(
    naturalist: Naturalist, collection: Path
) -> None:
    for place, word in enumerate(COLOURS):
        ended = naturalist("search", word, "-k", "4", "-c", str(collection), "--json", "-q")
        assert ended.code == 0, ended.err
        found = [int(hit["path"][:3]) // 4 for hit in ended.json["rows"]]
        assert found == [place] * 4
        assert [one["by"] for one in ended.json["rows"][0]["why"]] == ["text"]
        assert ended.json["messages"] == []
    both = naturalist("search", "green not red", "-k", "4", "-c", str(collection), "--json", "-q")
    assert {int(hit["path"][:3]) // 4 for hit in both.json["rows"]} == {1}
