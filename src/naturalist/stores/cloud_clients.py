"""Clients for Google Cloud Storage and Azure Blob, from addresses and the environment.

Credentials and other endpoints come from the environment variables that the services' own
libraries use; they are in no option, and nothing here prints them.
"""

import os
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from naturalist import __version__
from naturalist.errors import ConfigError, MissingExtra
from naturalist.stores.cloud_errors import credentials_for
from naturalist.stores.connection import S3Options

if TYPE_CHECKING:
    from obstore.store import ObjectStore

SCHEMES = ("gs", "az")
_ENDPOINTS = {"gs": ("GOOGLE_BASE_URL",), "az": ("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT")}
_FIRST_CONTACT_S = 10.0
_MAX_OUTAGE_S = 240.0
"""Longer, and the credentials of a repeated request may have expired."""

_NO_ACCOUNT = "Account must be specified"

Client = Callable[[float], "ObjectStore"]
"""Makes a client that repeats requests for so many seconds; 0: a few, for a first contact."""


def client_for(scheme: str, bucket: str, prefix: str, options: S3Options) -> Client:
    """How a client for ``gs://bucket/prefix`` or ``az://container/prefix`` is made.

    Raises:
        MissingExtra: obstore is not installed.
        ConfigError: an option is one of S3 alone, or the environment holds what cannot be used.
    """
    try:
        from obstore import store
        from obstore.exceptions import BaseError
    except ImportError as error:
        raise MissingExtra("obstore", "clouds") from error
    if options.endpoint_url or options.region:
        raise ConfigError(
            f"endpoint_url and region are settings of S3: for {scheme}:// set the environment "
            f"variable {_ENDPOINTS[scheme][0]} instead"
        )
    kind: Any = {"gs": store.GCSStore, "az": store.AzureStore}[scheme]
    config = {"skip_signature": True} if options.anonymous else {}

    def make(outage_s: float) -> "ObjectStore":
        try:
            made: ObjectStore = kind(
                bucket,
                prefix=prefix or None,
                config=config,
                client_options=_client_options(scheme),
                retry_config=retries(outage_s),
            )
        except (BaseError, ValueError) as error:
            what = f"{scheme}://{bucket} cannot be opened with this environment"
            if _NO_ACCOUNT in str(error):
                raise ConfigError(
                    f"{what}: it names no storage account: set {credentials_for(f'{scheme}://')}"
                ) from error
            raise ConfigError(f"{what}: {_first_line(error)}") from error
        return made

    return make


def retries(outage_s: float) -> dict[str, Any]:
    """How long a failing request is repeated."""
    return {
        "max_retries": 3 if outage_s == 0 else 1000,
        "retry_timeout": timedelta(seconds=min(outage_s or _FIRST_CONTACT_S, _MAX_OUTAGE_S)),
        "backoff": {"max_backoff": timedelta(seconds=5)},
    }


def _client_options(scheme: str) -> dict[str, Any]:
    endpoint = next(filter(None, map(os.environ.get, _ENDPOINTS[scheme])), "")
    return {
        "allow_http": endpoint.startswith("http://"),
        "connect_timeout": timedelta(seconds=10),
        "read_timeout": timedelta(seconds=60),
        # The default of 30 s for a whole transfer is too short for a slow line.
        "timeout": timedelta(hours=1),
        "user_agent": f"naturalist/{__version__}",
    }


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
