"""Safe walking through zip, 7z, tar and packed files, nested ones too, within limits.

`members` yields every file of an archive, picture or not, whole or with the reason why it cannot
be used. Nothing is ever written under a name that an archive chose, links are not followed, and
memory, disk and time follow `ArchiveLimits`, whatever the archive claims about itself.

The readers are our own, on top of the standard library's decompressors, because `zipfile` and
`tarfile` hold one object per member in memory, give up a whole archive for one damaged name, end a
damaged tar silently, and (`tarfile` before Python 3.11.14) loop on negative sizes and on
hostile pax headers. Formats: PKWARE APPNOTE 6.3.10; POSIX.1-2017 `pax`; GNU tar manual, "Basic Tar
Format" and "Storing Sparse Files"; LZMA SDK, `7zFormat.txt`. What is not read (RAR, split archives
...) is told from what is no archive: `unread.py`.
"""

from naturalist.archives.documents import document_kind, is_named_like_document
from naturalist.archives.kinds import HEAD_BYTES, Kind, archive_kind, kind_from
from naturalist.archives.limits import ArchiveLimits
from naturalist.archives.unread import is_named_like_archive
from naturalist.archives.walk import (
    Choice,
    Member,
    WalkOptions,
    document_refusal,
    find_archive,
    members,
)

__all__ = [
    "HEAD_BYTES",
    "ArchiveLimits",
    "Choice",
    "Kind",
    "Member",
    "WalkOptions",
    "archive_kind",
    "document_kind",
    "document_refusal",
    "find_archive",
    "is_named_like_archive",
    "is_named_like_document",
    "kind_from",
    "members",
]
