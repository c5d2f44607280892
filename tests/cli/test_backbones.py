"""`naturalist backbones`: what there is, what is missing, and how to bring it here."""

from pathlib import Path

import pytest
from tests.cli.conftest import Naturalist

from naturalist.backbones import PRESETS
from naturalist.backbones.weights import HOME_VARIABLE

FLOWERS = "mobilenet_v1_0.5_224_flowers.h5"


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "backbones"))


def test_the_list_says_what_is_ready_and_what_to_do_for_the_rest(naturalist: Naturalist) -> None:
    listed = {one["name"]: one for one in naturalist("backbones", "list", "--json").json["rows"]}
    assert listed["efficientnet_lite0"]["state"] == "ready"
    assert listed["efficientnet_lite0"]["spec"]["dim"] == 512
    assert "naturalist backbones fetch" in listed["mobilenet_v1_050_128"]["state"]
    assert "efficientnet_lite0" in naturalist("backbones", "list").out


def test_show_gives_all_that_a_vector_depends_on(naturalist: Naturalist) -> None:
    shown = naturalist("backbones", "show", "colour_histogram", "--json").json
    assert {"id", "fingerprint", "weights_sha256", "preprocessing", "projection"} <= set(shown)


@pytest.mark.parametrize("command", ["show", "bench", "fetch"])
def test_an_unknown_backbone_is_a_wrong_argument(naturalist: Naturalist, command: str) -> None:
    ended = naturalist("backbones", command, "balancd", "--json")
    assert ended.code == 2
    message = ended.json["error"]["message"]
    assert "efficientnet_lite0" in message
    assert message.endswith("did you mean balanced?")


def test_a_preset_stands_for_a_backbone(naturalist: Naturalist) -> None:
    shown = naturalist("backbones", "show", "fast", "--json").json
    assert shown["name"] == PRESETS["fast"]


def test_weights_from_a_file_make_a_backbone_ready(naturalist: Naturalist, shared: Path) -> None:
    file = shared / "models" / FLOWERS
    fetched = naturalist(
        "backbones", "fetch", "mobilenet_v1_050_128", "--from", str(file), "--json", "--quiet"
    ).json
    shown = naturalist("backbones", "show", "mobilenet_v1_050_128", "--json").json
    assert shown["weights_sha256"] == fetched["sha256"]
    assert shown["dim"] == 512


def test_weights_with_another_sha256_are_refused(naturalist: Naturalist, shared: Path) -> None:
    file = str(shared / "models" / FLOWERS)
    wrong = "0" * 64
    ended = naturalist(
        "backbones", "fetch", "mobilenet_v1_050_128", "--from", file, "--sha256", wrong
    )
    assert ended.code == 8
    assert wrong in ended.err
    assert naturalist("backbones", "show", "mobilenet_v1_050_128").code == 8


def test_a_descriptor_that_is_missing_is_named(naturalist: Naturalist, tmp_path: Path) -> None:
    ended = naturalist("backbones", "add", str(tmp_path / "none.toml"))
    assert ended.code == 8
    assert "none.toml" in ended.err


def test_bench_measures_every_batch_size(naturalist: Naturalist) -> None:
    found = naturalist("backbones", "bench", "colour_histogram", "--seconds", "0.1", "--json").json
    assert all(speed["pictures_per_s"] > 0 for speed in found["speeds"])
