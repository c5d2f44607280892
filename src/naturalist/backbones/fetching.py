"""Bringing the weights of a backbone to this machine: from an address, a file or a folder."""

import os
import shutil
import tarfile
from pathlib import Path

from naturalist import artifacts
from naturalist.backbones.registry import Entry, entry_of, names
from naturalist.backbones.weights import (
    FetchedFile,
    FetchedWeights,
    home_folder,
    packaged_path,
    read_checked,
    record,
)
from naturalist.errors import BackboneError, StoreError
from naturalist.stores.downloads import Progress, download
from naturalist.suggestions import choose_one_of

_INCOMING = "incoming"


def source_variable(key: str) -> str:
    """Name of the environment variable that overrides where weights come from."""
    return f"NATURALIST_WEIGHTS_{key.upper()}"


def fetch(
    name: str,
    source: str | Path | None = None,
    *,
    sha256: str | None = None,
    home: Path | None = None,
    progress: Progress | None = None,
) -> FetchedFile:
    """Bring the weights of a backbone here, try them, and record where they came from.

    Args:
        name: a backbone of the table.
        source: address, file, or folder of a SavedModel; by default what the environment variable
            :func:`source_variable` says, else the weights' own public address.
        sha256: of the file; if given, anything else is refused. A SavedModel folder is packed into
            a tar with fixed dates first, whose sha256 this is.
        home: see :func:`home_folder`.
        progress: called while downloading.

    Raises:
        BackboneError: nothing can be fetched for this name, the source cannot be had, is not the
            expected file, or holds another network.
    """
    entry = entry_of(name)
    if entry is None:
        known = [n for n in names(home) if entry_of(n)]
        raise BackboneError(f"no weights are available for {name!r}: {choose_one_of(name, known)}")
    if not isinstance(entry.weights, FetchedWeights):
        return _installed(entry)
    weights = entry.weights
    source = source or os.environ.get(source_variable(weights.key)) or weights.url
    folder = home_folder(home) / weights.key
    incoming = folder / f"{_INCOMING}{Path(str(source)).suffix}"
    result = _bring(source, incoming, sha256, progress)
    _try(entry, incoming, result, source)
    kept = incoming.with_name(f"{result[:16]}{incoming.suffix}")
    incoming.replace(kept)
    fetched = record(weights.key, kept, result, str(source), home)
    _forget_others(folder, kept)
    return fetched


def _installed(entry: Entry) -> FetchedFile:
    """What pip has already brought, checked."""
    if entry.weights is None or isinstance(entry.weights, FetchedWeights):
        raise BackboneError(f"{entry.spec.name} needs no weights: there is nothing to download")
    path = packaged_path(entry.weights)
    read_checked(path, entry.weights.sha256)
    return FetchedFile(path, entry.weights.sha256, entry.weights.install)


def _bring(
    source: str | Path, incoming: Path, sha256: str | None, progress: Progress | None
) -> str:
    if isinstance(source, str) and "://" in source:
        try:
            return download(source, incoming, sha256=sha256, progress=progress)
        except StoreError as error:
            raise BackboneError(str(error)) from error
    path = Path(source)
    if not path.exists():
        raise BackboneError(f"no such file or folder: {path}")
    with artifacts.atomic(incoming) as temporary:
        if path.is_dir():
            _pack(path, temporary)
        else:
            shutil.copyfile(path, temporary)
    result = artifacts.sha256_file(incoming)
    if sha256 is not None and result != sha256.lower():
        incoming.unlink()
        raise BackboneError(
            f"{path} is not the expected file: its sha256 is {result}, not {sha256}"
        )
    return result


def _pack(folder: Path, target: Path) -> None:
    """Pack the variables of a SavedModel into a tar that depends on nothing but their bytes."""
    with tarfile.open(target, "w", format=tarfile.USTAR_FORMAT) as tar:
        for path in sorted((folder / "variables").glob("variables.*")):
            info = tarfile.TarInfo(f"variables/{path.name}")
            info.size = path.stat().st_size
            with path.open("rb") as file:
                tar.addfile(info, file)


def _try(entry: Entry, incoming: Path, sha256: str, source: str | Path) -> None:
    """Build the network once, so that a wrong file is found now and not in the workers."""
    if entry.model is None:
        return
    try:
        entry.model(incoming.read_bytes(), entry.spec)
    except BackboneError as error:
        incoming.unlink()
        raise BackboneError(f"{source} (sha256 {sha256}) cannot be used: {error}") from error


def _forget_others(folder: Path, kept: Path) -> None:
    for path in folder.iterdir():
        if path.suffix == kept.suffix and path.stem != kept.stem and len(path.stem) == 16:
            path.unlink(missing_ok=True)
