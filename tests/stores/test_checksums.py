"""What proves that bytes arrived."""

import base64
import hashlib

import pytest

from naturalist.stores.checksums import composite, proves, sha256_base64, sha256_hex

DATA = b"bytes"
SHA256 = hashlib.sha256(DATA).hexdigest()
MD5 = hashlib.md5(DATA).hexdigest()


@pytest.mark.parametrize(
    ("echoed", "etag", "proved"),
    [
        (sha256_base64(SHA256), '"anything"', True),
        (sha256_base64("0" * 64), f'"{MD5}"', False),
        (None, f'"{MD5}"', True),
        (None, f'"{MD5}-1"', False),
        (None, '"opaque"', False),
        (None, None, False),
    ],
)
def test_an_echo_or_an_md5_proves_the_bytes(
    echoed: str | None, etag: str | None, proved: bool
) -> None:
    assert proves(DATA, SHA256, echoed, etag) is proved


def test_digests_change_their_form_and_back() -> None:
    assert sha256_hex(sha256_base64(SHA256)) == SHA256
    assert sha256_hex(None) is None
    assert sha256_hex(composite([SHA256])) is None


def test_the_checksum_of_parts_is_that_of_their_digests() -> None:
    both = hashlib.sha256(bytes.fromhex(SHA256) * 2).digest()
    assert composite([SHA256, SHA256]) == base64.b64encode(both).decode() + "-2"
