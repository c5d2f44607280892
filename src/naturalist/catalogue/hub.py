"""Data sets of the Hugging Face Hub, by its own client (`huggingface_hub`, an extra).

The client finds its token and endpoint by itself: ``HF_TOKEN`` and ``HF_ENDPOINT``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from naturalist.errors import MissingExtra, StoreError

_ALLOWED_THREADS = 4


@dataclass(frozen=True)
class HubSet:
    """What the Hub says of a set: the commit that is its newest version, licence and size."""

    version: str
    licence: str
    size_bytes: int | None


def _client() -> Any:
    try:
        import huggingface_hub
    except ImportError as error:
        raise MissingExtra("huggingface_hub", "hub") from error
    return huggingface_hub


def describe(handle: str) -> HubSet:
    """Ask for the newest version of a set.

    Raises:
        StoreError: the Hub refuses, or cannot be reached.
        MissingExtra: the client is not installed.
    """
    client = _client()
    try:
        result = client.HfApi().dataset_info(handle, files_metadata=True)
    except (client.errors.HfHubHTTPError, OSError) as error:
        raise _refusal(handle, error) from error
    sizes = [file.size for file in result.siblings or () if file.size is not None]
    card = result.card_data
    licence = card.get("license") if card is not None else None
    words = licence if isinstance(licence, list) else [licence]
    return HubSet(str(result.sha), ", ".join(map(str, filter(None, words))), sum(sizes) or None)


def download(handle: str, version: str, folder: Path, on_bytes: Callable[[int], None]) -> None:
    """Download all files of a version into a folder; those that are there already are kept.

    Raises:
        StoreError: the Hub refuses, or cannot be reached; run again to go on.
    """
    client = _client()
    try:
        client.snapshot_download(
            handle,
            repo_type="dataset",
            revision=version,
            local_dir=folder,
            max_workers=_ALLOWED_THREADS,
        )
    except (client.errors.HfHubHTTPError, OSError) as error:
        raise _refusal(handle, error) from error
    on_bytes(sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()))


def _refusal(handle: str, error: Exception) -> StoreError:
    """The client's own errors in words."""
    errors = _client().errors
    page = f"https://huggingface.co/datasets/{handle}"
    if isinstance(error, errors.GatedRepoError):
        return StoreError(
            f"{handle} is available only to people who accepted its terms: open {page}, sign in, "
            "accept them, set HF_TOKEN, and run the same command again"
        )
    if isinstance(error, errors.RepositoryNotFoundError):
        return StoreError(
            f"there is no data set {handle} at Hugging Face, or it is private: look at {page}, or "
            "set HF_TOKEN"
        )
    return StoreError(f"fetching {handle}: {error}. Run the same command again to continue")
