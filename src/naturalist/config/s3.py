"""The section `[s3]`: how sources in buckets are reached, and how much of them is kept here."""

from typing import Annotated, Literal

from pydantic import Field

from naturalist.config.sources import Endpoint, Flag, Section
from naturalist.stores import S3Options
from naturalist.stores.remote import CACHE_BYTES, RemoteFolder


class S3Section(Section):
    """Where the server of the sources is; credentials come from the AWS chain alone."""

    endpoint_url: Endpoint = ""
    region: str = ""
    addressing: Literal["auto", "path", "virtual"] = "auto"
    requester_pays: Flag = False
    anonymous: Flag = False
    outage_s: Annotated[float, Field(ge=0)] = S3Options.outage_s
    cache_bytes: Annotated[int, Field(ge=0, strict=True)] = CACHE_BYTES

    def folder(self, url: str) -> RemoteFolder:
        """A source in a bucket; of others than S3 the environment names server and region."""
        is_s3 = url.startswith("s3://")
        options = S3Options(
            endpoint_url=(is_s3 and self.endpoint_url) or None,
            region=(is_s3 and self.region) or None,
            addressing=self.addressing,
            requester_pays=self.requester_pays,
            anonymous=self.anonymous,
            outage_s=self.outage_s,
        )
        return RemoteFolder(url, options, self.cache_bytes)
