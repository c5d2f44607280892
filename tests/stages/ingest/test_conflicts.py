"""Equal bytes in two categories: whom they are compared with, and what they do not overrule."""

from pathlib import Path

import tiny
from naturalist.curation.takedown import take_down


def _outcomes(config: tiny.Config, category: str) -> set[str]:
    return {r["outcome"] for r in tiny.ledger_rows(config) if r["category"] == category}


def test_a_takedown_stands_when_the_bytes_turn_up_in_another_category(tmp_path: Path) -> None:
    sources = tiny.make_sources(tmp_path / "in", {"plant": range(4), "animal": range(10, 13)})
    config = tiny.collection(tmp_path, sources)
    tiny.make_all(config)
    take_down(config, ["plant_id_2"], "asked", "me")
    tiny.write_picture(sources["animal"]["photos"] / "again.png", 1)
    tiny.make_all(config)
    row = next(r for r in tiny.ledger_rows(config) if r["pic_id"] == "plant_id_2")
    assert (row["outcome"], row["reason"], row["detail"]) == ("refused", "taken_down", "asked")
    again = next(r for r in tiny.ledger_rows(config) if r["path_text"] == "again.png")
    assert again["outcome"] == "conflict"
