"""What clusters are called: the names that were found for them, told apart where they repeat."""

from collections import Counter
from collections.abc import Mapping
from typing import Any


def names(document: Any, members_sha256: str) -> dict[int, str]:
    """Names by number.

    Args:
        document: what `names.json` beside a clustering holds, whoever wrote it.
        members_sha256: of `members.parquet`; names that were found for others are not theirs.
    """
    if not isinstance(document, dict) or document.get("members_sha256") != members_sha256:
        return {}
    held = document.get("names")
    if not isinstance(held, dict):
        return {}
    return {int(k): str(name) for k, name in held.items() if str(k).isdecimal()}


def titles(named: Mapping[int, str]) -> dict[int, str]:
    """Names with the number where several clusters have the same one."""
    repeated = Counter(named.values())
    return {k: f"{name} {k}" if repeated[name] > 1 else name for k, name in named.items()}


def numbered(number: int, known: Mapping[int, str]) -> str:
    """A cluster that nobody takes for a category or a source: `mammal (cluster 3)`."""
    return f"{known[number]} (cluster {number})" if number in known else f"cluster {number}"


def title(number: int, known: Mapping[int, str]) -> str:
    """The title of a cluster, or its number if it has no name."""
    return known.get(number, f"cluster {number}")
