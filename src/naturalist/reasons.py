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
        "Created by an operating system or a program (.DS_Store, Thumbs.db, ._*, _SUCCESS)."
    ),
    Reason.UNSUPPORTED_FORMAT: "Unsupported format (SVG, PSD, HEIC without its extra).",
    Reason.EMPTY_FILE: "The file has no bytes.",
    Reason.GIT_LFS_POINTER: "A Git LFS pointer: run `git lfs pull` to fetch the picture itself.",
    Reason.BROKEN_HEADER: "The header of the picture cannot be read.",
    Reason.TRUNCATED: "The file ends before the last pixel.",
    Reason.BROKEN_PIXELS: "The header can be read, but the pixels cannot be decoded.",
    Reason.DECODER_CRASHED: "The decoder crashed twice on this picture.",
    Reason.DECODER_TIMED_OUT: "Decoding took longer than limits.decode_timeout_s.",
    Reason.TOO_MANY_PIXELS: "More pixels than limits.max_pixels; refused before decoding.",
    Reason.TOO_LARGE: "More bytes than limits.max_file_bytes; refused before it is read.",
    Reason.METADATA_TOO_LARGE: "Embedded text or metadata unpacks to an unsafe size.",
    Reason.TOO_MANY_SCANS: "A JPEG with more scans than limits.max_scans; refused before decoding.",
    Reason.DAMAGED: "Part of the JPEG is missing or corrupt, and limits.damaged is refuse.",
    Reason.SPECIAL_FILE: "A pipe, a socket or a device, or a link in an archive; never opened.",
    Reason.BROKEN_LINK: "A link whose target does not exist.",
    Reason.LINK_LEAVES_SOURCE: (
        "A symbolic link to a file or folder outside the source; not followed."
    ),
    Reason.LINK_TO_FOLDER: (
        "A symbolic link to a folder in the same source, whose files are read there."
    ),
    Reason.PERMISSION_DENIED: "You have no permission to read the file or folder.",
    Reason.READ_ERROR: "The operating system failed to read the file.",
    Reason.VANISHED: "The file disappeared between listing and opening.",
    Reason.CHANGED_AFTER_INGEST: "The stored picture has changed since it was ingested.",
    Reason.ARCHIVE_BROKEN: "The archive or one of its members is damaged; readable members were "
    "ingested.",
    Reason.ARCHIVE_ENCRYPTED: "The archive member is encrypted.",
    Reason.ARCHIVE_TOO_DEEP: "An archive inside archives deeper than limits.max_archive_depth.",
    Reason.ARCHIVE_TOO_LARGE: "The archive unpacks to more than limits.max_archive_bytes.",
    Reason.ARCHIVE_RATIO: (
        "It unpacks to more than limits.max_archive_ratio times its compressed size."
    ),
    Reason.ARCHIVE_TOO_MANY_MEMBERS: "More members than limits.max_archive_members.",
    Reason.UNSUPPORTED_ARCHIVE: (
        "An unsupported archive, part of an archive or archive member (RAR, split archives): "
        "unpack it first."
    ),
    Reason.MISNAMED: "Named like a picture or an archive, but its contents are neither.",
    Reason.DOCUMENT: "An office file, array file or program that is a zip inside; not opened by "
    "default.",
    Reason.EXCLUDED: "Excluded by the include and exclude patterns of its source.",
    Reason.NO_CATEGORY: (
        "Its source takes categories from metadata, and its label is missing or not in the mapping."
    ),
    Reason.TAKEN_DOWN: "Taken down on request (naturalist takedown).",
    Reason.RETIRED: "A reviewer removed it from the tables (naturalist review).",
    Reason.REMOVED_FROM_SOURCE: "Its file was deleted from the source, and ingest.removed is "
    "retire.",
}
