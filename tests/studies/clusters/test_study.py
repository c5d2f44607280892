import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from tests.numeric.mixtures import directions

from naturalist import artifacts
from naturalist.errors import ConfigError, WorkspaceError
from naturalist.features import FeatureTable, open_features, open_file
from naturalist.layout import Layout
from naturalist.progress import Silent
from naturalist.schemas import CLUSTER_MEMBERS
from naturalist.studies.clusters import model as cluster_model
from naturalist.studies.clusters import study as clusters
from naturalist.studies.clusters.methods.clustering import NOISE
from naturalist.studies.clusters.options import ClusterOptions
from naturalist.studies.clusters.report import ClusterReport
from naturalist.studies.clusters.study import ClusterStudy
from naturalist.studies.study import bring_up_to_date
from report_shapes import assert_declared

OPTIONS = ClusterOptions(axes=16, max_count=24, count=4)


def write_vectors(path: Path, features: np.ndarray, **columns: Any) -> FeatureTable:
    """Own vectors, in the order given; names follow from their place."""
    names = [f"p{k}" for k in range(len(features))]
    table = pa.table({"picID": names, "features": list(features)} | columns)
    pq.write_table(table, path)
    return open_file(path)


def study(files: FeatureTable, folder: Path, **more: Any) -> dict[str, Any]:
    rebuild, options = more.pop("rebuild", False), more.pop("options", OPTIONS)
    made = ClusterStudy(files, Layout(folder), options, Silent(), **more)
    result = bring_up_to_date(made, rebuild=rebuild)
    assert_declared(ClusterReport, result.report)
    return result.as_json


def members(folder: Path) -> pa.Table:
    return pq.read_table(Layout(folder).clustering("default") / "members.parquet")


def test_real_photos_are_clustered_with_sheets_numbers_and_words(
    photo_workspace: Path, tmp_path: Path
) -> None:
    files = open_features(photo_workspace)
    found = study(files, tmp_path, pictures=Layout(photo_workspace))
    folder = Layout(tmp_path).clustering("default")
    table = members(tmp_path)
    assert table.schema.equals(CLUSTER_MEMBERS)
    assert table["picID"].to_pylist() == [n for r in files.rows() for n in r.pic_ids.tolist()]
    assert found["metrics"]["purity"] > 0.8
    assert found["metrics"]["ari"] > 0.2
    assert {"ari", "nmi", "stability", "purity", "silhouette", "ari_sources"} <= set(
        found["metrics"]
    )
    sizes = np.bincount(table["cluster"].to_numpy() + 1, minlength=5)
    assert sizes[0] == found["noise"]
    for entry in found["clusters"]:
        assert entry["size"] == sizes[entry["cluster"] + 1] == sum(entry["sources"].values())
        with Image.open(folder / entry["sheet"]) as sheet:
            assert min(sheet.size) > 200
    assert found["clusters"] == artifacts.read_json(folder / "clusters.json")["clusters"]


def test_a_second_call_does_nothing_and_another_option_makes_other_clusters(tmp_path: Path) -> None:
    features, _ = directions([90, 80, 70, 60])
    files = write_vectors(tmp_path / "v.parquet", features)
    assert study(files, tmp_path)["changed"]
    before = (Layout(tmp_path).clustering("default") / "members.parquet").stat()
    assert not study(files, tmp_path)["changed"]
    assert (Layout(tmp_path).clustering("default") / "members.parquet").stat() == before
    other = ClusterOptions(axes=16, count=2)
    assert len(study(files, tmp_path, options=other)["clusters"]) == 2


def test_new_pictures_join_and_no_old_one_moves(tmp_path: Path) -> None:
    features, groups = directions([90, 80, 70, 60])
    study(write_vectors(tmp_path / "v.parquet", features[:240]), tmp_path)
    before = members(tmp_path)
    found = study(write_vectors(tmp_path / "v.parquet", features), tmp_path)
    after = members(tmp_path)
    assert after[:240].equals(before)
    assert found["added"] == {"rows": 60, "noise": 0}
    assert found["measured"]["rows"] == 300, "a quarter more: measured again"
    assert "remade" not in found
    of_group = {g: set(after["cluster"].to_numpy()[:240][groups[:240] == g]) for g in range(4)}
    new = zip(after["cluster"].to_pylist()[240:], groups[240:].tolist(), strict=True)
    assert all(cluster in of_group[group] for cluster, group in new)


def test_measures_of_fewer_pictures_say_so_until_they_are_taken_again(tmp_path: Path) -> None:
    features, _ = directions([90, 80, 70, 60])
    chosen = features[np.random.default_rng(0).permutation(len(features))]
    first = study(write_vectors(tmp_path / "v.parquet", chosen[:280]), tmp_path)
    assert "16 principal axes" in first["words"][-1]
    assert first["metrics"]["silhouette"] != first["metrics"]["silhouette_features"]
    found = study(write_vectors(tmp_path / "v.parquet", chosen), tmp_path)
    assert found["measured"] == first["measured"]
    assert found["words"][-1].endswith("before the last 20 pictures were added")


def test_clusters_that_halves_do_not_find_again_are_called_doubtful(tmp_path: Path) -> None:
    cloud = np.random.default_rng(0).normal(size=(400, 32)).astype(np.float32)
    options = replace(OPTIONS, count=16)
    found = study(write_vectors(tmp_path / "v.parquet", cloud), tmp_path, options=options)
    doubtful = [one["cluster"] for one in found["clusters"] if one["stability"] < 0.6]
    assert doubtful
    assert any("doubtful: stability below 0.6" in sentence for sentence in found["words"])
    for one in found["clusters"]:
        assert any("doubtful" in word for word in one["words"]) == (one["cluster"] in doubtful)


def test_noise_only_has_no_purity(tmp_path: Path) -> None:
    cloud = np.random.default_rng(0).normal(size=(60, 32)).astype(np.float32)
    files = write_vectors(tmp_path / "v.parquet", cloud, category=["plant", "animal"] * 30)
    options = replace(OPTIONS, method="hdbscan", min_size=25)
    found = study(files, tmp_path, options=options)
    assert found["noise"] == 60
    metrics = found["metrics"]
    assert metrics["purity"] is None
    assert metrics["ari_clustered"] is None
    assert metrics["stability"] is None
    assert found["words"] == [
        "no cluster: all 60 pictures are noise, so there are no clusters to describe"
    ]


def test_pictures_that_are_gone_leave_their_clusters(tmp_path: Path) -> None:
    features, _ = directions([90, 80, 70, 60])
    files = write_vectors(tmp_path / "v.parquet", features)
    study(files, tmp_path)
    before = members(tmp_path)
    table = pq.read_table(tmp_path / "v.parquet")
    pq.write_table(pa.concat_tables([table[:10], table[20:]]), tmp_path / "v.parquet")
    found = study(open_file(tmp_path / "v.parquet"), tmp_path)
    assert found["rows"] == 290
    assert members(tmp_path).equals(pa.concat_tables([before[:10], before[20:]]))


def test_clusters_are_made_anew_when_new_pictures_do_not_fit_and_keep_their_ids(
    tmp_path: Path,
) -> None:
    features, groups = directions([90, 80, 70, 60, 50])
    old, new = features[groups < 4], features[groups == 4]
    study(write_vectors(tmp_path / "v.parquet", old), tmp_path)
    before = members(tmp_path)["cluster"].to_numpy()
    files = write_vectors(tmp_path / "v.parquet", np.concatenate([old, new]))
    found = study(files, tmp_path, options=replace(OPTIONS, remake_noise=0.5))
    assert "noise" in found["remade"]["why"]
    now = members(tmp_path)["cluster"].to_numpy()[: len(old)]
    moved = int((now != before).sum())
    assert found["remade"]["moved"] == moved
    assert found["remade"]["of"] == len(old)
    # Four clusters for five groups: two are one now, the others have the ids that they had.
    kept = [group for group in range(4) if set(now[groups[groups < 4] == group]) <= set(before)]
    assert len(kept) >= 3


@pytest.mark.parametrize(("growth", "is_remade"), [(0.2, True), (0.3, False)])
def test_clusters_are_made_anew_when_so_much_was_added_over_all_runs(
    tmp_path: Path, growth: float, is_remade: bool
) -> None:
    features, _ = directions([90, 80, 70, 60])
    chosen = np.random.default_rng(0).permutation(len(features))
    options = replace(OPTIONS, remake_growth=growth)
    # 240 rows, then 30 more twice: an eighth each time, a quarter together.
    for count in (240, 270, 300):
        files = write_vectors(tmp_path / "v.parquet", features[chosen[:count]])
        found = study(files, tmp_path, options=options)
        assert ("remade" in found) == (is_remade and count == 300)
    why = found.get("remade", {}).get("why", "")
    assert why == ("60 rows were added to the 240 that it was made for" if is_remade else "")


def test_clusters_are_made_anew_when_the_features_of_known_pictures_are_others(
    tmp_path: Path,
) -> None:
    features, _ = directions([90, 80, 70, 60])
    study(write_vectors(tmp_path / "v.parquet", features), tmp_path)
    found = study(write_vectors(tmp_path / "v.parquet", features[::-1]), tmp_path)
    assert "have changed" in found["remade"]["why"]


def test_one_source_clusters_and_wrong_labels_are_named(tmp_path: Path) -> None:
    features, groups = directions([90, 80, 70, 60])
    category = np.where(groups < 2, "plant", "animal")
    wrong = int(np.flatnonzero(groups == 0)[0])
    category[wrong] = "animal"
    source = np.where(groups == 2, "zoo", np.where(np.arange(300) % 2, "web", "archive"))
    files = write_vectors(tmp_path / "v.parquet", features, category=category, source=source)
    found = study(files, tmp_path)
    single = [entry for entry in found["clusters"] if entry["single_source"]]
    assert [entry["sources"] for entry in single] == [{"zoo": 70}]
    said = " ".join(single[0]["words"])
    assert "zoo" in said
    assert "artefact" in said
    assert [one["picID"] for one in found["label_candidates"]] == [f"p{wrong}"]
    assert found["label_candidates"][0]["suggested"] == "plant"


def test_a_cluster_of_two_categories_is_called_mixed(tmp_path: Path) -> None:
    features, _ = directions([90, 80, 70, 60])
    category = np.where(np.arange(300) % 3, "plant", "animal")
    found = study(write_vectors(tmp_path / "v.parquet", features, category=category), tmp_path)
    assert all(entry["mixed"] for entry in found["clusters"])
    assert any("mixed" in sentence for sentence in found["words"])


@pytest.mark.parametrize("rows", [1, 9])
def test_too_few_pictures_are_refused(tmp_path: Path, rows: int) -> None:
    files = write_vectors(tmp_path / "v.parquet", directions([rows])[0])
    with pytest.raises(ConfigError, match="at least 10 pictures"):
        study(files, tmp_path)


@pytest.mark.parametrize("method", ["kmeans", "hdbscan"])
def test_pictures_that_are_all_alike_are_one_cluster_or_none(tmp_path: Path, method: str) -> None:
    np.save(tmp_path / "v.npy", np.ones((12, 8), np.float32))
    options = ClusterOptions(method=method)
    found = study(open_file(tmp_path / "v.npy"), tmp_path, options=options)
    assert found["rows"] == 12
    assert len(found["clusters"]) == (1 if method == "kmeans" else 0)


def test_without_categories_there_is_no_word_about_them(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", directions([90, 80, 70, 60])[0])
    found = study(open_file(tmp_path / "v.npy"), tmp_path)
    assert found["metrics"]["ari"] is None
    assert found["metrics"]["purity"] is None
    assert found["clusters"][0]["category"] is None
    assert found["clusters"][0]["sheet"] is None
    assert members(tmp_path)["picID"][0].as_py() == "row_0"


def test_rare_groups_survive_in_a_sample_of_a_fifth(tmp_path: Path) -> None:
    features, groups = directions([2000, 1800, 1200, 14], dim=24, spread=0.3)
    files = write_vectors(tmp_path / "v.parquet", features)
    options = ClusterOptions(method="hdbscan", axes=16, rows=1000)
    found = study(files, tmp_path, options=options)
    assert found["made_from"]["far_rows"] >= 14
    rare = members(tmp_path)["cluster"].to_numpy()[groups == 3]
    assert (rare != NOISE).mean() > 0.8
    assert len(set(rare[rare != NOISE])) == 1


def test_a_damaged_model_says_what_to_do_and_the_next_run_makes_it_anew(tmp_path: Path) -> None:
    features, _ = directions([90, 80, 70, 60])
    study(write_vectors(tmp_path / "v.parquet", features), tmp_path)
    (path,) = Layout(tmp_path).clustering("default").glob("model-*.npz")
    path.write_bytes(b"no model")
    with pytest.raises(WorkspaceError, match="naturalist cluster"):
        cluster_model.read(path)
    found = study(write_vectors(tmp_path / "v.parquet", features[:290]), tmp_path)
    assert found["changed"]
    cluster_model.read(path.with_name(found["model"]))


@pytest.mark.parametrize("step", ["write_sheets", "_report", "_write"])
def test_a_run_that_is_killed_while_it_writes_moves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    features, _ = directions([90, 80, 70, 60])
    study(write_vectors(tmp_path / "v.parquet", features[:200]), tmp_path)
    before = members(tmp_path)
    files = write_vectors(tmp_path / "v.parquet", features)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(clusters, step, killed)
        with pytest.raises(KeyboardInterrupt):
            study(files, tmp_path)
    found = study(files, tmp_path)
    assert members(tmp_path)[:200].equals(before)
    assert found["added"] == {"rows": 100, "noise": 0}
    assert found["rows"] == 300
    assert not study(files, tmp_path)["changed"]
    assert len(list(Layout(tmp_path).clustering("default").glob("model-*.npz"))) == 1


def test_thumbnails_of_any_size_fit_their_place_on_a_sheet() -> None:
    from naturalist.studies.contact_sheet import Tile, contact_sheet

    buffer = io.BytesIO()
    Image.new("RGB", (400, 400), (200, 0, 0)).save(buffer, "JPEG")
    sheet = Image.open(io.BytesIO(contact_sheet([Tile(buffer.getvalue(), "a"), Tile(None, "b")])))
    right = sheet.crop((sheet.width // 2 + 4, 0, sheet.width, sheet.height))
    assert not any(r > 180 and g < 40 for r, g, _ in right.get_flattened_data())
