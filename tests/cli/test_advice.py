"""Commands that messages name say -c as the person did."""

from pathlib import Path

import pytest

from cli.conftest import Naturalist
from naturalist.cli import advice


@pytest.fixture(autouse=True)
def _forget():
    yield
    advice.set_given([])


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("run  naturalist duplicates", "run  naturalist duplicates -c my\\ garden"),
        ("naturalist review q.csv --dry-run", "naturalist review -c my\\ garden q.csv --dry-run"),
        ("`naturalist concept make owl`", "`naturalist concept make -c my\\ garden owl`"),
        ("first\nnaturalist run again", "first\nnaturalist run -c my\\ garden again"),
        ("naturalist run -c other", "naturalist run -c other"),
        ("naturalist dashboard --from here", "naturalist dashboard --from here"),
        ("naturalist help exit-codes", "naturalist help exit-codes"),
        ("naturalist bucket create x", "naturalist bucket create x"),
        ("naturalist is here, naturalist snapshots too", None),
    ],
)
def test_commands_that_take_a_configuration_name_the_one_that_was_given(
    said: str, shown: str | None
) -> None:
    advice.set_given(["quality", "-c", "my garden"])
    assert advice.completed(said).replace("'my garden'", "my\\ garden") == (shown or said)


@pytest.mark.parametrize(
    "arguments", [["-c", "g"], ["-cg"], ["--config", "g"], ["--config=g"], ["x", "-c", "g", "y"]]
)
def test_every_way_to_give_it_is_known(arguments: list[str]) -> None:
    advice.set_given(["run", *arguments])
    assert advice.completed("naturalist run") == "naturalist run -c g"


@pytest.mark.parametrize("arguments", [[], ["run"], ["search", "--category", "c"], ["run", "-c"]])
def test_where_none_was_given_messages_stay_as_they_are(arguments: list[str]) -> None:
    advice.set_given(arguments)
    assert advice.completed("naturalist run") == "naturalist run"


def test_errors_name_it_too(naturalist: Naturalist, tmp_path: Path) -> None:
    (tmp_path / "naturalist.toml").write_text('name = "g"\n[[category]]\nname="a"\nlabel=0\n')
    ended = naturalist("status", "-c", str(tmp_path))
    assert f"naturalist run -c {tmp_path}" in ended.err
