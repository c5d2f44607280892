"""train, evaluate, refine, predict and models, as a person calls them."""

from pathlib import Path

import pyarrow.parquet as pq
from tests.cli.conftest import Naturalist

from naturalist import artifacts
from naturalist.config import load_config


def test_from_tables_to_a_champion_and_its_predictions(
    naturalist: Naturalist, photo_copy: Path, photos: Path, tmp_path: Path
) -> None:
    place = ("-c", str(photo_copy))
    assert naturalist("predict", str(photos / "human"), *place, "--json").code == 2
    trained = naturalist("train", *place, "--json").json
    assert trained["new"]
    assert trained["champion"]
    assert not naturalist("train", *place, "--json").json["new"]
    evaluated = naturalist("evaluate", *place, "--json", "-q").json
    assert evaluated["model"] == trained["id"]
    told = naturalist("evaluate", *place)
    assert "each source left out in turn" in told.out
    assert "sure predictions" in told.out
    assert "of wrong and" in told.out
    assert "held for" in told.out
    refined = naturalist("refine", *place)
    assert "nothing new" in refined.out
    face = next(iter(sorted((photos / "human").rglob("*.jpg"))))
    (row,) = naturalist("predict", str(face), *place, "--json").json["rows"]
    assert row["category"] == "human"
    assert row["path"] == str(face)
    assert row["decision"] in ("sure", "unsure", "unlike")
    every = naturalist("predict", str(face.parent), *place, "--json", "-q").json["rows"]
    sure = naturalist("predict", str(face.parent), *place, "--json", "-q", "--only-sure").json[
        "rows"
    ]
    assert sure == [one for one in every if one["decision"] == "sure"]
    assert 0 < len(sure) < len(every)
    assert row["nearest"][0]["category"] == "human"
    assert "human" in naturalist("predict", str(face), *place).out
    _nearest_need_the_same_backbone(naturalist, place, face)
    (tmp_path / "words.txt").write_text("no picture")
    told = naturalist("predict", str(tmp_path / "words.txt"), *place)
    assert told.out.rstrip().endswith("cannot be used: not a picture")
    _models(naturalist, place, trained["id"], tmp_path)


def _nearest_need_the_same_backbone(
    naturalist: Naturalist, place: tuple[str, str], face: Path
) -> None:
    path = min(load_config(Path(place[1])).layout.tables.glob("*/image_df_1.parquet"))
    receipt = path.with_suffix(".json")
    kept = path.read_bytes(), receipt.read_bytes()
    table = pq.read_table(path)
    metadata = table.schema.metadata | {b"backbone": b"another-network"}
    artifacts.write_parquet(path, table.replace_schema_metadata(metadata))
    facts = artifacts.read_json(receipt)
    facts["sha256"][path.name] = artifacts.sha256_file(path)
    artifacts.write_json(receipt, facts)
    ended = naturalist("predict", str(face), *place, "--json")
    path.write_bytes(kept[0])
    receipt.write_bytes(kept[1])
    assert not ended.json["rows"][0].get("nearest")
    assert "different backbones" in ended.err


def _models(naturalist: Naturalist, place: tuple[str, str], name: str, folder: Path) -> None:
    listed = naturalist("models", "list", *place, "--json").json
    assert [one["state"] for one in listed["rows"]] == ["champion"]
    assert listed["history"][0]["reason"] == "it is the first"
    assert "champion" in naturalist("models", "list", *place).out
    assert name in naturalist("models", "show", *place).out
    assert naturalist("models", "show", *place, "--json").json["evaluation"]["gap"] > 0
    assert naturalist("models", "rollback", *place).code == 2
    assert naturalist("models", "promote", "nothing", *place).code == 2
    exported = naturalist("models", "export", str(folder / "all.onnx"), *place, "--json").json
    assert exported["size_bytes"] == (folder / "all.onnx").stat().st_size


def test_tables_from_elsewhere_need_a_folder_for_the_model(
    naturalist: Naturalist, photo_workspace: Path, tmp_path: Path
) -> None:
    assert naturalist("train", "--from", str(photo_workspace)).code == 2
    out = str(tmp_path / "models")
    told = naturalist("train", "--from", str(photo_workspace), "--out", out, "--json").json
    assert Path(told["folder"]).parent == Path(out)
    assert (Path(told["folder"]) / "model.onnx").exists()
    assert naturalist("train", "--from", str(tmp_path / "nothing"), "--out", out).code != 0


def test_evaluating_says_which_model_is_in_use(naturalist: Naturalist, photo_copy: Path) -> None:
    place = ("-c", str(photo_copy))
    first = naturalist("train", *place, "--json").json["id"]
    settings = photo_copy / "naturalist.toml"
    settings.write_text(settings.read_text() + "\n[classifier]\npenalty = 0.5\n")
    ended = naturalist("evaluate", *place)
    assert f"{first} is still in use" in ended.out
    told = naturalist("evaluate", *place, "--json", "-q").json
    assert (told["champion"], told["model"] == first) == (first, False)
    naturalist("refine", *place)
    listed = naturalist("models", "list", *place, "--json").json["rows"]
    (in_use,) = (one["id"] for one in listed if one["state"] == "champion")
    told = naturalist("evaluate", *place)
    assert ("still in use" in told.out) == (in_use == first)
    (other,) = (one["id"] for one in listed if one["id"] != in_use)
    promoted = naturalist("models", "promote", other, *place, "--json").json
    assert (promoted["model"], promoted["before"]) == (other, in_use)
    back = naturalist("models", "rollback", *place, "--json").json
    assert (back["model"], back["action"]) == (in_use, "rollback")
