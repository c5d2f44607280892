"""Why a file was refused: the one list, with its meaning and whether it counts as a failure.

A *failure* is a file that was meant to be a picture (or to hold pictures) and could not be used;
it counts against the failure budget. A text file in a picture folder is refused too, but it is no
failure.
"""

from enum import StrEnum


class Reason(StrEnum):
    """The reason column of a refused ledger row."""

    NOT_A_PICTURE = "not_a_picture"
    SYSTEM_FILE = "system_file"
    UNSUPPORTED_FORMAT = "unsupported_format"
    EMPTY_FILE = "empty_file"
    GIT_LFS_POINTER = "git_lfs_pointer"
    BROKEN_HEADER = "broken_header"
    TRUNCATED = "truncated"
    BROKEN_PIXELS = "broken_pixels"
    DECODER_CRASHED = "decoder_crashed"
    DECODER_TIMED_OUT = "decoder_timed_out"
    TOO_MANY_PIXELS = "too_many_pixels"
    TOO_LARGE = "too_large"
    METADATA_TOO_LARGE = "metadata_too_large"
    TOO_MANY_SCANS = "too_many_scans"
    DAMAGED = "damaged"
    SPECIAL_FILE = "special_file"
    BROKEN_LINK = "broken_link"
    LINK_LEAVES_SOURCE = "link_leaves_source"
    LINK_TO_FOLDER = "link_to_folder"
    PERMISSION_DENIED = "permission_denied"
    READ_ERROR = "read_error"
    VANISHED = "vanished"
    CHANGED_AFTER_INGEST = "changed_after_ingest"
    ARCHIVE_BROKEN = "archive_broken"
    ARCHIVE_ENCRYPTED = "archive_encrypted"
    ARCHIVE_TOO_DEEP = "archive_too_deep"
    ARCHIVE_TOO_LARGE = "archive_too_large"
    ARCHIVE_RATIO = "archive_ratio"
    ARCHIVE_TOO_MANY_MEMBERS = "archive_too_many_members"
    UNSUPPORTED_ARCHIVE = "unsupported_archive"
    MISNAMED = "misnamed"
    DOCUMENT = "document"
    EXCLUDED = "excluded"
    NO_CATEGORY = "no_category"
    TAKEN_DOWN = "taken_down"
    REMOVED_FROM_SOURCE = "removed_from_source"
    RETIRED = "retired"

    @property
    def meaning(self) -> str:
        """One sentence for people."""
        return _MEANINGS[self]

    @property
    def is_failure(self) -> bool:
        """Whether a file refused for this reason counts against the failure budget."""
        return self not in _NO_FAILURE

    @property
    def is_lasting(self) -> bool:
        """Whether looking at the same bytes again, another day, must give the same answer.

        Permissions, limits and installed decoders change: files refused for those are looked
        at again in every run.
        """
        return self not in _PASSING


_PASSING = frozenset(
    {
        Reason.PERMISSION_DENIED,
        Reason.READ_ERROR,
        Reason.VANISHED,
        Reason.BROKEN_LINK,
        Reason.UNSUPPORTED_FORMAT,
        Reason.UNSUPPORTED_ARCHIVE,
        Reason.TOO_LARGE,
        Reason.TOO_MANY_PIXELS,
        Reason.METADATA_TOO_LARGE,
        Reason.TOO_MANY_SCANS,
        Reason.DAMAGED,
    }
)

_NO_FAILURE = frozenset(
    {
        Reason.NOT_A_PICTURE,
        Reason.SYSTEM_FILE,
        Reason.SPECIAL_FILE,
        Reason.LINK_TO_FOLDER,
        Reason.DOCUMENT,
        Reason.EXCLUDED,
        Reason.NO_CATEGORY,
        Reason.TAKEN_DOWN,
        Reason.REMOVED_FROM_SOURCE,
        Reason.RETIRED,
    }
)

_MEANINGS = {
    Reason.NOT_A_PICTURE: "The first bytes are not those of any picture or archive format.",
    Reason.SYSTEM_FILE: (
        "Left behind by an operating system or a program (.DS_Store, Thumbs.db, ._*, _SUCCESS)."
    ),
    Reason.UNSUPPORTED_FORMAT: "A format that is not read (SVG, PSD, HEIC without its extra).",
    Reason.EMPTY_FILE: "The file has no bytes.",
    Reason.GIT_LFS_POINTER: "A Git LFS pointer: the picture itself was never fetched.",
    Reason.BROKEN_HEADER: "The header of the picture cannot be read.",
    Reason.TRUNCATED: "The picture ends before its last pixel.",
    Reason.BROKEN_PIXELS: "The header is fine, the pixels cannot be decoded.",
    Reason.DECODER_CRASHED: "The decoder took its process down, twice, on this picture.",
    Reason.DECODER_TIMED_OUT: "Decoding took longer than limits.decode_timeout_s.",
    Reason.TOO_MANY_PIXELS: "More pixels than limits.max_pixels; refused before decoding.",
    Reason.TOO_LARGE: "More bytes than limits.max_file_bytes; refused before it is read.",
    Reason.METADATA_TOO_LARGE: "Text or metadata inside the picture unpacks to more than is safe.",
    Reason.TOO_MANY_SCANS: "A JPEG with more scans than limits.max_scans; refused before decoding.",
    Reason.DAMAGED: "A part of the JPEG is lost or garbled, and limits.damaged is refuse.",
    Reason.SPECIAL_FILE: "A pipe, a socket or a device, or a link in an archive: never opened.",
    Reason.BROKEN_LINK: "A link to something that is not there.",
    Reason.LINK_LEAVES_SOURCE: (
        "A symbolic link to a file or a folder outside of the source: not followed."
    ),
    Reason.LINK_TO_FOLDER: (
        "A symbolic link to a folder of the source, whose files are found where they lie."
    ),
    Reason.PERMISSION_DENIED: "The file or folder may not be read by this user.",
    Reason.READ_ERROR: "The operating system failed to read the file.",
    Reason.VANISHED: "The file was listed and gone when it was opened.",
    Reason.CHANGED_AFTER_INGEST: "The stored picture no longer has the bytes that were ingested.",
    Reason.ARCHIVE_BROKEN: "The archive, or a member of it, is damaged; what could be read was.",
    Reason.ARCHIVE_ENCRYPTED: "The archive member is encrypted.",
    Reason.ARCHIVE_TOO_DEEP: "An archive inside archives deeper than limits.max_archive_depth.",
    Reason.ARCHIVE_TOO_LARGE: "The archive unpacks to more than limits.max_archive_bytes.",
    Reason.ARCHIVE_RATIO: "It unpacks to more than limits.max_archive_ratio times its packed size.",
    Reason.ARCHIVE_TOO_MANY_MEMBERS: "More members than limits.max_archive_members.",
    Reason.UNSUPPORTED_ARCHIVE: (
        "An archive, a piece of one or a member of one that is not read (RAR, split archives): "
        "unpack it first."
    ),
    Reason.MISNAMED: "Named like a picture or an archive, and its bytes are neither.",
    Reason.DOCUMENT: "An office file, arrays or a program: a zip inside, not opened unless asked.",
    Reason.EXCLUDED: "Left out by exclude or include of its source.",
    Reason.NO_CATEGORY: (
        "Its source takes categories from metadata and has none for it: no label, or one that "
        "is not in the mapping."
    ),
    Reason.TAKEN_DOWN: "A person asked for it to be taken down.",
    Reason.RETIRED: "A person looked at it and wants it in no table (naturalist review).",
    Reason.REMOVED_FROM_SOURCE: "Its file was removed, and ingest.removed is retire.",
}
