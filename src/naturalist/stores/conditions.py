"""Whether a server keeps the conditions on writes: some old ones ignore or refuse them."""

import logging
from dataclasses import replace

from botocore.exceptions import ClientError

from naturalist.stores.keys import RESERVED_SEGMENT
from naturalist.stores.prefix import BucketPrefix
from naturalist.stores.s3_errors import error_code

REFUSED = ("PreconditionFailed", "ConditionalRequestConflict", "412")
_PROBE_KEY = f"{RESERVED_SEGMENT}/conditions"
_PROBE = b"Written by naturalist, to learn whether this server keeps conditions on writes.\n"
_log = logging.getLogger(__name__)


def learn_conditions(place: BucketPrefix) -> BucketPrefix:
    """The place, knowing whether its server keeps conditions; one request if it was asked before.

    Raises:
        ClientError, BotoCoreError: as botocore raises them.
    """
    kept = _refuses_second(place) or _refuses_second(place)
    if not kept:
        _log.warning(
            "%s does not support conditional writes: let only one publisher write to it at a time",
            place.url,
        )
    return replace(place, conditions=kept)


def _refuses_second(place: BucketPrefix) -> bool:
    try:
        place.connection.client.put_object(
            Bucket=place.bucket,
            Key=place.prefix + _PROBE_KEY,
            Body=_PROBE,
            IfNoneMatch="*",
            **place.connection.payer,
        )
    except ClientError as error:
        if error_code(error) in REFUSED:
            return True
        if error_code(error) == "NotImplemented":
            return False
        raise
    return False
