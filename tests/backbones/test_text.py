"""The network for words of a pair: kept with its backbone, and what it says of words."""

import sys
from pathlib import Path

import numpy as np
import pytest

from backbones.text_pairs import write_pair
from naturalist import backbones
from naturalist.errors import BackboneError, MissingExtra


def test_a_pair_is_kept_whole_and_compares_words_with_pictures(tmp_path: Path) -> None:
    home = tmp_path / "home"
    backbones.add(write_pair(tmp_path / "pair"), home=home)
    tower = backbones.text_tower("colours", home)
    assert tower is not None
    vectors = tower.vectors(["red", "a photo of a blue", "green"])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-6)
    assert vectors.argmax(axis=1).tolist() == [0, 2, 1]
    pictures = np.eye(3, dtype=np.float32)
    red = tower.query("red").probabilities(pictures)
    assert red[0] > 0.95
    assert red[1:].max() < 0.05


def test_a_backbone_without_one_has_none(tmp_path: Path) -> None:
    assert backbones.text_tower("colour_histogram", tmp_path) is None


def test_networks_of_other_lengths_are_no_pair(tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match="vectors of 3 values for pictures and of 5 for texts"):
        backbones.add(write_pair(tmp_path / "pair", dim=5), home=tmp_path / "home")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('output = "nothing"', "has no output 'nothing'"),
        ('prompt = "no place"', "text.prompt"),
        ("background = []", "text.background"),
        ("lenght = 3", "text.lenght"),
        ('file = "missing.onnx"', "the text network cannot be read"),
        ('tokenizer = "colours.toml"', "the tokenizer cannot be read"),
        ('file = "colours.toml"', "ONNX Runtime cannot open the model"),
    ],
)
def test_what_is_wrong_with_it_is_said(tmp_path: Path, line: str, message: str) -> None:
    path = write_pair(tmp_path / "pair")
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(BackboneError, match=message):
        backbones.add(path, home=tmp_path / "home")
    assert backbones.text_tower("colours", tmp_path / "home") is None


def test_vectors_of_a_projection_are_refused(tmp_path: Path) -> None:
    path = write_pair(tmp_path / "pair")
    path.write_text("project_to = 2\n" + path.read_text())
    with pytest.raises(BackboneError, match="project_to cannot be used with a text network"):
        backbones.add(path, home=tmp_path / "home")


def test_a_flipped_bit_is_noticed(tmp_path: Path) -> None:
    home = tmp_path / "home"
    backbones.add(write_pair(tmp_path / "pair"), home=home)
    path = home / "colours" / "text.onnx"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(BackboneError):
        backbones.text_tower("colours", home)


def test_without_the_package_for_tokens_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(MissingExtra, match=r"naturalist\[text\]"):
        backbones.add(write_pair(tmp_path / "pair"), home=tmp_path / "home")
