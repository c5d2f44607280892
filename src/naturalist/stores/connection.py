"""How to reach an S3 server: options, and a client made from them.

Credentials come from the ordinary AWS chain alone (environment, profile, container or instance
role); they are in no option, and nothing here prints them. boto3 is imported where it is used:
it is slow to import and not needed for folders.
"""

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from naturalist import __version__
from naturalist.errors import ConfigError
from naturalist.stores.s3_errors import s3_errors

if TYPE_CHECKING:
    from botocore.loaders import Loader
    from botocore.session import Session
    from mypy_boto3_s3 import S3Client

MIN_CHUNK_BYTES = 5 << 20
"""S3 refuses smaller parts, except the last."""
CONNECT_TIMEOUT_S = 10
READ_TIMEOUT_S = 60
"""How long a server may send nothing, before and in the middle of an answer."""


def check_endpoint(url: str) -> None:
    """Check the address of a server; empty is that of AWS. The message does not repeat it.

    Raises:
        ConfigError: it is not the address of a server, or holds a password.
    """
    parts = urlsplit(url or "https://s3")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
        raise ConfigError(
            "the endpoint of the store must look like https://host or http://host:port"
        )
    if parts.username or parts.password:
        raise ConfigError(
            "the endpoint of the store must not hold a user name or password: put credentials "
            "in the AWS chain (environment, ~/.aws/credentials, or a role)"
        )


@dataclass(frozen=True)
class S3Options:
    """Where an S3 server is and how it is spoken to; everything else comes from the AWS chain."""

    endpoint_url: str | None = None
    """None: AWS, or what AWS_ENDPOINT_URL or the profile says."""
    region: str | None = None
    addressing: Literal["auto", "path", "virtual"] = "auto"
    requester_pays: bool = False
    anonymous: bool = False
    """Send no signature: for public buckets."""
    max_concurrency: int = 32
    """Requests under way at once; at most this many parts are in memory."""
    multipart_chunk_bytes: int = 8 << 20
    """Size of a part; smaller files are sent in one request."""
    outage_s: float = 120
    """How long a server that was reached may be away in the middle of a transfer."""

    def __post_init__(self) -> None:
        check_endpoint(self.endpoint_url or "")
        if self.addressing not in ("auto", "path", "virtual"):
            raise ConfigError(f"addressing is {self.addressing!r}: choose auto, path or virtual")
        if self.max_concurrency < 1:
            raise ConfigError(f"max_concurrency is {self.max_concurrency}: it must be at least 1")
        if self.multipart_chunk_bytes < MIN_CHUNK_BYTES:
            raise ConfigError(
                f"multipart_chunk_bytes is {self.multipart_chunk_bytes}: S3 accepts no parts "
                f"smaller than {MIN_CHUNK_BYTES}"
            )


@dataclass(frozen=True)
class Connection:
    """A client and the session that holds its credentials."""

    client: "S3Client"
    session: "Session"
    options: S3Options

    @property
    def payer(self) -> dict[str, Any]:
        """The argument that buckets want whose readers pay."""
        return {"RequestPayer": "requester"} if self.options.requester_pays else {}


def connect(options: S3Options) -> Connection:
    """Make a client; nothing is sent yet.

    Raises:
        StoreError: the AWS configuration (profile, region, endpoint) is wrong.
    """
    import boto3
    import botocore.session
    from botocore import UNSIGNED
    from botocore.config import Config

    config = Config(
        signature_version=UNSIGNED if options.anonymous else "s3v4",
        s3={"addressing_style": options.addressing},
        max_pool_connections=options.max_concurrency,
        retries={"mode": "standard", "total_max_attempts": 5},
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=READ_TIMEOUT_S,
        tcp_keepalive=True,
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        user_agent_extra=f"naturalist/{__version__}",
    )
    with s3_errors("reading the AWS configuration", options.endpoint_url or "AWS"):
        session = botocore.session.get_session()
        session.register_component("data_loader", _service_descriptions())
        client = boto3.Session(botocore_session=session).client(
            "s3", endpoint_url=options.endpoint_url, region_name=options.region, config=config
        )
    return Connection(client, session, options)


@functools.cache
def _service_descriptions() -> "Loader":
    """botocore's description of S3, which takes longer to read than all the rest of a client."""
    import botocore.session

    loader: Loader = botocore.session.get_session().get_component("data_loader")
    return loader
