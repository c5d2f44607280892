"""Secrets that lie where programs meet them, and a search for them in all that tests print.

Every test is searched (`planted_search`). The log of a whole test run is searched by
`python tests/planted.py LOG ...`.
"""

import sys
from pathlib import Path

S3_SECRET = "naturalist-test-secret"
"""That of the tests' own server."""
ENVIRONMENT = {
    "AWS_SECRET_ACCESS_KEY": S3_SECRET,
    "HF_TOKEN": "hf_PlantedTokenOfNobody0123456789abcdef",
    "KAGGLE_KEY": "planted-kaggle-key-93f1c2",
    "DATABASE_PASSWORD": "planted-password-7c1e!x",
    "GITHUB_TOKEN": "ghp_PlantedPlantedPlantedPlantedPlanted1",
}
"""Values of variables."""
IN_FILE = "planted-secret-of-another-profile"
"""In a file of credentials."""
OF_ALL_TESTS = "DATABASE_PASSWORD"
"""What no program asks for is set in every test: whoever prints the whole environment is found."""


def told(*texts: str) -> list[str]:
    """Names of the secrets that are in one of the texts."""
    named = ENVIRONMENT | {"a file of credentials": IN_FILE}
    return [name for name, secret in named.items() if any(secret in text for text in texts)]


def check(*texts: str) -> None:
    """Fail if a secret is in one of the texts, without showing it again."""
    found = told(*texts)
    assert not found, f"secrets were printed: {found}"


def main(logs: list[str]) -> int:
    """Say which logs tell which secrets."""
    code = 0
    for log in logs:
        if found := told(Path(log).read_text("utf-8", errors="replace")):
            print(f"{log}: secrets were printed: {found}")
            code = 1
    return code


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
