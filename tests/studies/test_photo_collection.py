from pathlib import Path

from naturalist.features import open_features


def test_the_shared_photo_collection_has_every_source_and_category(photo_workspace: Path) -> None:
    rows = open_features(photo_workspace).read()
    assert 550 <= len(rows) <= 600
    assert list(rows.categories) == ["plant", "animal", "human"]
    pairs = zip(rows.category_names.tolist(), rows.sources.tolist(), strict=True)
    assert len(set(pairs)) == 8
    assert rows.features.shape[1] == 512
