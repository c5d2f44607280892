"""Our signatures are those of botocore."""

import datetime
import hashlib
from urllib.parse import quote

import botocore.auth
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from naturalist.stores.signing import sign

NOW = datetime.datetime(2026, 11, 24, 3, 4, 5, tzinfo=datetime.UTC)


@given(
    key=st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40),
    data=st.binary(max_size=100),
    token=st.none() | st.just("session/token=="),
    region=st.sampled_from(["us-east-1", "eu-central-1", "auto"]),
    extra=st.text(st.sampled_from("ab  c"), max_size=9).map(str.strip),
)
def test_a_signature_is_the_one_that_botocore_makes(
    key: str, data: bytes, token: str | None, region: str, extra: str
) -> None:
    path = "/bucket/" + quote(key, safe="/~").replace("//", "/x/")
    digest = hashlib.sha256(data).hexdigest()
    credentials = Credentials("access", "secret", token)
    headers = {"host": "store.example:9000", "x-amz-meta-extra": extra}
    ours = sign("PUT", path, headers, digest, region, credentials.get_frozen_credentials(), NOW)

    request = AWSRequest(
        "PUT",
        f"http://store.example:9000{path}",
        {"x-amz-meta-extra": extra, "X-Amz-Content-SHA256": digest},
        data,
    )
    request.context["payload_signing_enabled"] = True
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.auth, "get_current_datetime", lambda *_, **__: NOW)
        botocore.auth.S3SigV4Auth(credentials, "s3", region).add_auth(request)
    assert ours["authorization"] == request.headers["Authorization"]
