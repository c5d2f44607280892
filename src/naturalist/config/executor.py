"""The section `[executor]`: which executor runs the stages."""

import re
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field

from naturalist.config.sources import Section

_HEAD = re.compile(r"[^\s:/]+:[0-9]{1,5}|\[[0-9a-fA-F:]+\]:[0-9]{1,5}")


class ExecutorKind(StrEnum):
    """Processes of this machine, or tasks of a Ray cluster."""

    PROCESSES = "processes"
    RAY = "ray"


def usable_ray_address(address: str) -> str:
    """Return an address of a Ray cluster unchanged.

    Raises:
        ValueError: it is of another form.
    """
    if address in ("local", "auto") or _HEAD.fullmatch(address):
        return address
    hint = ""
    if address.startswith("ray://"):
        hint = "; a Ray Client (ray://) is not used: run naturalist on a machine of the cluster"
    raise ValueError(f"{address!r}: expected local, auto, or host:port of the head node{hint}")


def usable_exchange(url: str) -> str:
    """Return the address of a prefix in a bucket, or nothing.

    Raises:
        ValueError: it is of another form.
    """
    if url and not re.fullmatch(r"s3://[^/]+(/.+)?", url):
        raise ValueError(
            f"{url!r}: expected s3://bucket/prefix, or nothing; the exchange can be in S3 only, "
            "also where sources or publish.url are in Google's or Azure's storage"
        )
    return url.rstrip("/")


class ExecutorSection(Section):
    """Where shards are worked on."""

    kind: ExecutorKind = ExecutorKind.PROCESSES
    ray_address: Annotated[str, AfterValidator(usable_ray_address)] = "local"
    exchange: Annotated[str, AfterValidator(usable_exchange)] = ""
    gpus_per_task: Annotated[float, Field(gt=0, le=16)] = 1.0
    wait_s: Annotated[float, Field(gt=0)] = 600.0
