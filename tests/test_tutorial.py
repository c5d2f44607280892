"""The tutorial is true: its commands run, for two people, and print what the page shows.

Kaggle is a server on loopback with small sets under the real names, S3 a real server.
"""

import os
from pathlib import Path

from catalogue.hosts import Host, serving
from catalogue.small_sets import newer_flowers, small_sets
from page_examples import Example, assert_shown, examples, run
from s3_server import ACCESS_KEY, SECRET_KEY, S3Server

PAGE = Path(__file__).resolve().parents[1] / "docs/tutorial.md"


def test_the_tutorial_leads_from_37_sets_to_the_verified_copy_of_somebody_else(
    s3_server: S3Server, tmp_path: Path
) -> None:
    found = examples(PAGE)
    assert [one.word for one in found].count("reader") >= 2
    for person in ("owner", "reader"):
        (tmp_path / person).mkdir()
    with serving() as kaggle:
        kaggle.sets = {handle: [archive] for handle, archive in small_sets().items()}
        try:
            for example in found:
                _follow(example, tmp_path, kaggle, s3_server)
        finally:
            s3_server.remove("pictures")


def _follow(example: Example, folder: Path, kaggle: Host, s3: S3Server) -> None:
    """Run an example as the person whom it is for."""
    person = example.word or "owner"
    if "--newest" in example.code:
        kaggle.sets["alxmamaev/flowers-recognition"].append(newer_flowers())
    surroundings = _machine(folder, s3)
    if person == "owner":
        surroundings |= {
            "AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "KAGGLE_API_ENDPOINT": kaggle.url, "KAGGLE_CONFIG_DIR": str(folder),
        }  # fmt: skip
    printed = run(example, folder / person, surroundings)
    if example.shown:
        assert_shown(example, printed)


def _machine(folder: Path, s3: S3Server) -> dict[str, str]:
    """Variables that a test machine's shell has anyway, and how the S3 server is reached."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return own | {
        "AWS_CONFIG_FILE": str(folder / "no-config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(folder / "no-credentials"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL": s3.endpoint_url,
        "AWS_REGION": "us-east-1",
        "COLUMNS": "150",
    }
