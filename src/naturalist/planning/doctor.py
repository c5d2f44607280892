"""What works on this machine and what does not: `naturalist doctor`.

Each check looks at one thing, changes nothing, and says what to do where something does not work.
A missing optional package is no error: the check names what it is for.
"""

import importlib.metadata
import os
import platform
import re
import resource
import shutil
import socket
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from naturalist import __version__, backbones
from naturalist.config import Config
from naturalist.errors import NaturalistError
from naturalist.snapshots import LATEST
from naturalist.stores import open_store

State = Literal["ok", "off", "warning", "error"]

_GB = 1e9
_LOW_SPACE_BYTES = 5e9
_ENOUGH_FILES = 1024
_ENOUGH_MEMORY_BYTES = 2e9
_CONNECT_S = 3.0

EXTRAS = {
    "analysis": "maps, clusters, samples, drift and the classifier",
    "dashboard": "the pages in the browser",
    "clouds": "Google Cloud Storage and Azure Blob",
    "airflow": "daily runs with Apache Airflow",
    "ray": "running on several machines",
    "heic": "HEIC pictures of phones",
    "pandas": "tables as pandas data frames",
    "polars": "tables as polars data frames",
    "torch": "data sets for PyTorch",
    "mcp": "assistants that search and propose decisions",
    "umap": "maps by UMAP",
    "pacmap": "maps by PaCMAP",
    "hub": "data sets from Hugging Face",
    "text": "searching with backbones of your own, such as CLIP",
    "keras": "backbones from Keras weights",
    "squeezenet": "the backbone SqueezeNet",
    "timm": "backbones from timm",
}


@dataclass(frozen=True)
class Check:
    """One thing that was checked.

    Attributes:
        name: what was checked.
        state: ok; off (optional, and not installed or not configured); warning; error.
        found: what there is.
        advice: what to do; empty if nothing.
    """

    name: str
    state: State
    found: str
    advice: str = ""


def examine(config: Config | None) -> Iterator[Check]:
    """Check the machine, and what a configuration needs where there is one.

    The store and the head node of a Ray cluster are contacted; nothing is written to them.
    """
    yield _python()
    yield _processors()
    yield _memory()
    yield _open_files()
    yield _drive("temporary folder", Path(tempfile.gettempdir()))
    if config is not None:
        yield from _drives(config)
        yield _store(config)
        yield _backbone(config)
    yield _airflow(config)
    yield _ray(config)
    yield _gpu()
    yield from (_extra(name, purpose) for name, purpose in EXTRAS.items())


def _python() -> Check:
    result = f"naturalist {__version__}, Python {platform.python_version()}, {platform.platform()}"
    if platform.system() == "Linux":
        return Check("environment", "ok", result)
    return Check("environment", "warning", result, "naturalist is tested on Linux only")


def _processors() -> Check:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return Check("processors", "ok", f"{usable} of {os.cpu_count()} usable")


def _memory() -> Check:
    size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    text = f"{size / _GB:,.1f} GB"
    if limit != resource.RLIM_INFINITY:
        text += f", limited to {limit / _GB:,.1f} GB of addresses per process"
        size = min(size, limit)
    if size < _ENOUGH_MEMORY_BYTES:
        return Check("memory", "warning", text, "set extract.workers = 1, and raise `ulimit -v`")
    return Check("memory", "ok", text)


def _open_files() -> Check:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= _ENOUGH_FILES:
        return Check("open files", "ok", f"at most {soft:,} per process")
    return Check(
        "open files",
        "warning",
        f"at most {soft:,} per process",
        f"raise the limit: ulimit -n {4 * _ENOUGH_FILES}",
    )


def _drive(name: str, folder: Path, *, is_written: bool = True) -> Check:
    """A folder's free space; of a folder that will be made, that of the one it will be in."""
    there = next((at for at in (folder, *folder.parents) if at.exists()), Path("/"))
    if is_written and not os.access(there, os.W_OK):
        return Check(name, "error", str(folder), f"{there} is not writable: change its owner")
    if not is_written and there != folder:
        return Check(name, "error", f"{folder} is missing", "mount its drive or correct its path")
    if not is_written:
        return Check(name, "ok", str(folder))
    free = shutil.disk_usage(there).free
    result = f"{folder}: {free / _GB:,.1f} GB free"
    if free < _LOW_SPACE_BYTES:
        return Check(name, "warning", result, "free some space, or use another drive")
    return Check(name, "ok", result)


def _drives(config: Config) -> Iterator[Check]:
    yield _drive("workspace", config.layout.root)
    for root in config.image_roots:
        folder = config.layout.image_root(root)
        if not folder.is_relative_to(config.layout.root):
            yield _drive(f"image root {root}", folder)
    for source in config.sources:
        if isinstance(source.path, Path):
            named = f"source {source.category}/{source.name}"
            yield _drive(named, source.path, is_written=False)


def _store(config: Config) -> Check:
    url = config.publish_url
    if not url:
        return Check("store", "off", "publish.url is empty: nothing is published")
    if "://" not in url:
        return _drive("store", Path(url))
    try:
        known = open_store(url, config.s3_options).head(LATEST)
    except NaturalistError as error:
        advice = "check publish.url, publish.endpoint_url, region and the AWS credentials"
        return Check("store", "error", f"{url}: {error}", advice)
    return Check("store", "ok", f"{url}: {'has' if known else 'has no'} published snapshot yet")


def _backbone(config: Config) -> Check:
    name = config.extract.backbone
    listed = {one.name: one.state for one in backbones.listing()}
    state = listed.get(name, "unknown")
    if state == "ready":
        return Check("backbone", "ok", f"{name}: ready, no internet needed")
    return Check(
        "backbone", "error", f"{name}: {state}", f"run `naturalist backbones fetch {name}`"
    )


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _airflow(config: Config | None) -> Check:
    version = _version("apache-airflow")
    if version is None:
        return Check("Airflow", "off", "not installed", "for daily runs see docs/airflow.md")
    home = Path(os.environ.get("AIRFLOW_HOME", "~/airflow")).expanduser()
    files = sorted(path.name for path in (home / "dags").glob("*.py"))
    result = f"version {version}, home {home}, DAG files: {', '.join(files) or 'none'}"
    advice = "" if files or config is None else "write the DAG file: `naturalist airflow init`"
    return Check("Airflow", "ok", result, advice)


def _ray(config: Config | None) -> Check:
    version = _version("ray")
    needed = config is not None and config.executor.kind == "ray"
    if version is None:
        advice = "run `pip install 'naturalist[ray]'`" if needed else ""
        return Check("Ray", "error" if needed else "off", "not installed", advice)
    address = config.executor.ray_address if config is not None else "local"
    host, _, port = address.rpartition(":")
    if not needed or not host:
        return Check("Ray", "ok", f"version {version}")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_S).close()
    except OSError as error:
        result = f"version {version}, {address} does not answer: {error.strerror or error}"
        return Check("Ray", "error", result, "start the cluster, or correct executor.ray_address")
    return Check("Ray", "ok", f"version {version}, {address} answers")


def _gpu() -> Check:
    # Its import takes a third of a second, and only this check needs it.
    import onnxruntime

    providers = [one for one in onnxruntime.get_available_providers() if _IS_GPU.match(one)]
    if providers:
        return Check("GPU", "ok", f"ONNX Runtime can use: {', '.join(providers)}")
    if Path("/dev/nvidia0").exists():
        advice = "install onnxruntime-gpu in place of onnxruntime to use it"
        return Check("GPU", "off", "there is one, but ONNX Runtime cannot use it", advice)
    return Check("GPU", "off", "none found; backbones run on the processor")


_IS_GPU = re.compile(r"(CUDA|Tensorrt|ROCM|MIGraphX|Dml|CoreML)ExecutionProvider")


def _extra(extra: str, purpose: str) -> Check:
    missing = list(_missing(extra))
    name = f"extra {extra}"
    if not missing:
        return Check(name, "ok", purpose)
    advice = f"for {purpose}: pip install 'naturalist[{extra}]'"
    return Check(name, "off", f"not installed: {', '.join(missing)}", advice)


def _missing(extra: str) -> Iterator[str]:
    """The packages of an extra that are not installed."""
    for text in _requirements():
        package, _, marker = text.partition(";")
        if re.search(rf"extra\s*==\s*['\"]{extra}['\"]", marker):
            name = re.split(r"[\[<>=!~ (]", package.strip())[0]
            if _version(name) is None and not _is_importable(name.replace("-", "_")):
                yield name


def _is_importable(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        # Commands refuse pandas this way, instead of finding nothing (`without_pandas`).
        return False


def _requirements() -> Iterable[str]:
    try:
        return importlib.metadata.requires("naturalist") or ()
    except importlib.metadata.PackageNotFoundError:
        return ()
