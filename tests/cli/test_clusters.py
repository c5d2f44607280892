from pathlib import Path

import numpy as np
import pytest
from tests.cli.conftest import Naturalist
from tests.numeric.mixtures import directions


def test_cluster_prints_one_document_with_the_metrics_and_then_has_nothing_to_do(
    naturalist: Naturalist, photo_copy: Path
) -> None:
    ended = naturalist("cluster", "-c", str(photo_copy), "--count", "6", "--json", "-q")
    assert ended.code == 0, ended.err
    assert {"ari", "nmi", "stability", "purity"} <= set(ended.json["metrics"])
    assert len(ended.json["clusters"]) == 6
    assert (photo_copy / "clusters/default/sheets/0.png").is_file()
    again = naturalist("cluster", "-c", str(photo_copy), "--count", "6")
    assert again.code == 0
    assert "nothing new" in again.out
    assert again.err == ""


def test_own_vectors_are_clustered_into_a_folder(naturalist: Naturalist, tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", directions([40, 30, 20])[0])
    arguments = ["--vectors", str(tmp_path / "v.npy"), "--out", str(tmp_path / "out")]
    ended = naturalist("cluster", *arguments, "--count", "3")
    assert ended.code == 0, ended.err
    assert "3 clusters of 90 pictures" in ended.out
    assert (tmp_path / "out/clusters/default/members.parquet").is_file()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--method", "dbscan"], "kmeans, hdbscan"),
        (["--count", "1"], "2 or more"),
        (["--name", "../elsewhere"], "letters"),
        (["--from", "x", "--vectors", "y", "--out", "z"], "cannot be combined"),
        (["--vectors", "y.npy"], "--out"),
        (["--vectors", "no.npy", "--out", "z"], "no such file"),
    ],
)
def test_cluster_refuses_what_makes_no_sense(
    naturalist: Naturalist, photo_workspace: Path, arguments: list[str], said: str
) -> None:
    ended = naturalist("cluster", "-c", str(photo_workspace), *arguments)
    assert ended.code == 2
    assert said in ended.err


@pytest.mark.parametrize("content", [np.zeros(3), np.array([["a"]]), np.zeros((0, 4))])
def test_vectors_that_are_none_are_refused(
    naturalist: Naturalist, tmp_path: Path, content: np.ndarray
) -> None:
    np.save(tmp_path / "v.npy", content)
    ended = naturalist(
        "cluster", "--vectors", str(tmp_path / "v.npy"), "--out", str(tmp_path / "o")
    )
    assert ended.code == 2
    assert "v.npy" in ended.err
