"""Signing a request with AWS Signature Version 4.

Source: "Create a signed AWS API request", AWS Identity and Access Management user guide. The tests
compare it with botocore's own signatures.
"""

import datetime
import hashlib
import hmac
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from botocore.credentials import ReadOnlyCredentials

_ALGORITHM = "AWS4-HMAC-SHA256"


def sign(
    method: str,
    path: str,
    headers: Mapping[str, str],
    payload_sha256: str,
    region: str,
    credentials: "ReadOnlyCredentials",
    now: datetime.datetime,
) -> dict[str, str]:
    """The headers together with those that sign a request to S3 without a query.

    Args:
        method: of HTTP.
        path: as it is sent, percent-encoded.
        headers: with lower-case names, ``host`` among them.
        payload_sha256: hex digest of the body.
        region: of the bucket.
        credentials: frozen ones.
        now: in UTC.
    """
    time = now.strftime("%Y%m%dT%H%M%SZ")
    signed = {**headers, "x-amz-content-sha256": payload_sha256, "x-amz-date": time}
    if credentials.token:
        signed["x-amz-security-token"] = credentials.token
    names = sorted(signed)
    lines = [f"{name}:{' '.join(signed[name].split())}" for name in names]
    request = "\n".join([method, path, "", *lines, "", ";".join(names), payload_sha256])
    scope = f"{time[:8]}/{region}/s3/aws4_request"
    digest = hashlib.sha256(request.encode()).hexdigest()
    key = f"AWS4{credentials.secret_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, f"{_ALGORITHM}\n{time}\n{scope}\n{digest}".encode(), "sha256")
    signed["authorization"] = (
        f"{_ALGORITHM} Credential={credentials.access_key}/{scope}, "
        f"SignedHeaders={';'.join(names)}, Signature={signature.hex()}"
    )
    return signed
