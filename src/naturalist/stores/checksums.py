"""Proving that a server stored the bytes that were sent.

S3 verifies a SHA-256 sent with a put and repeats it in its answer. A server that does not repeat
it may not have looked at it; then its ETag proves the bytes if it is their MD5. What neither
proves has to be read back.
"""

import base64
import hashlib


def sha256_base64(hex_digest: str) -> str:
    """The form in which S3 wants a SHA-256."""
    return base64.b64encode(bytes.fromhex(hex_digest)).decode()


def sha256_hex(base64_digest: str | None) -> str | None:
    """From the form of S3; None for no checksum, or one of parts (``...-3``)."""
    if not base64_digest or "-" in base64_digest:
        return None
    return base64.b64decode(base64_digest).hex()


def composite(hex_digests: list[str]) -> str:
    """The SHA-256 that S3 gives an object sent in parts: of the parts' digests, and a count."""
    whole = hashlib.sha256(b"".join(map(bytes.fromhex, hex_digests)))
    return f"{base64.b64encode(whole.digest()).decode()}-{len(hex_digests)}"


def proves(data: bytes, hex_digest: str, echoed: str | None, etag: str | None) -> bool:
    """Whether a server's answer shows that it holds `data`.

    Args:
        data: the bytes that were sent.
        hex_digest: their SHA-256.
        echoed: the SHA-256 in the answer, in base64.
        etag: the ETag in the answer, in its quotes.
    """
    if echoed:
        return echoed == sha256_base64(hex_digest)
    md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
    return etag is not None and etag.strip('"') == md5
