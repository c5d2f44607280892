from pathlib import Path

import pytest
from tests import tiny
from tests.cli.conftest import Naturalist

from naturalist.config import load_config


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two batches of two categories, with their tables."""
    root = tmp_path_factory.mktemp("drift")
    sources = tiny.make_sources(root / "in", {"plant": range(30), "animal": range(100, 130)})
    tiny.config_file(root, sources, drift={"least_rows": 5})
    tiny.make_all(load_config(root))
    for seed in range(30, 45):
        tiny.write_picture(root / "in/plant" / f"{seed}.png", seed)
    tiny.make_all(load_config(root))
    return root


def test_the_newest_batch_is_compared_and_the_exit_code_is_0(
    naturalist: Naturalist, workspace: Path
) -> None:
    ended = naturalist("drift", "-c", str(workspace), "--json")
    assert ended.code == 0
    report = ended.json
    assert (report["batch"], report["verdict"], report["row_count"]) == (2, "none", 15)
    said = naturalist("drift", "-c", str(workspace), "-q")
    assert said.out.startswith("batch 2: no drift\n15 pictures beside 60 from before")
    assert str(workspace / "work/reports/drift/000002.png") in said.out


def test_a_source_alone_is_compared_with_all_others(
    naturalist: Naturalist, workspace: Path
) -> None:
    arguments = ("--source", "plant/photos", "--against", "everything", "--json")
    report = naturalist("drift", "-c", str(workspace), *arguments).json
    assert (report["row_count"], report["reference"]["rows"]) == (45, 30)
    assert report["reference"]["against"] == "everything"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--batch", "9"), "no accepted pictures in batch 9"),
        (("--source", "nowhere"), "no accepted pictures of source 'nowhere'"),
        (("--against", "nothing"), "choose one of sources, everything"),
        (("--batch", "0"), "--batch"),
    ],
)
def test_bad_input_says_what_is_allowed(
    naturalist: Naturalist, workspace: Path, arguments: tuple[str, ...], said: str
) -> None:
    ended = naturalist("drift", "-c", str(workspace), *arguments)
    assert ended.code == 2
    assert said in ended.err
