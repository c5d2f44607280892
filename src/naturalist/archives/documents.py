"""Files that are zips inside and no archives to those who use them: documents, arrays, programs."""

import re

_ENDINGS = {
    b"docx docm dotx xlsx xlsm xltx pptx pptm ppsx potx vsdx": "an Office document",
    b"odt ods odp odg ott epub": "a document or a book",
    b"npz": "numpy arrays",
    b"jar war apk aab ipa xpi whl nupkg vsix crx": "a program",
    b"kmz sketch fig pages numbers key 3mf usdz": "a document",
    b"pt pth ckpt keras": "a trained network",
}
_BY_ENDING = {ending: what for endings, what in _ENDINGS.items() for ending in endings.split()}
_ENDING = re.compile(rb".*\.([^./]+)", re.DOTALL)
_FIRST_MEMBERS = (
    (b"[Content_Types].xml", "an Office document"),
    (b"_rels/.rels", "an Office document"),
    (b"docProps/", "an Office document"),
    (b"META-INF/MANIFEST.MF", "a program"),
    (b"AndroidManifest.xml", "a program"),
)


def document_kind(head: bytes, name: bytes) -> str:
    """What a file that begins as a zip is to those who use it; empty for an archive.

    It is told by the first member, which these formats prescribe or always have, else by the name.
    """
    if not head.startswith(b"PK\x03\x04"):
        return ""
    length = int.from_bytes(head[26:28], "little")
    first = head[30 : 30 + length]
    if first == b"mimetype" and b"application/" in head[30 + length : 120 + length]:
        return "a document or a book"
    for start, what in _FIRST_MEMBERS:
        if first.startswith(start):
            return what
    if first.endswith(b".npy") and not name.lower().endswith(b".zip"):
        return "numpy arrays"
    return _by_ending(name)


def is_named_like_document(name: bytes) -> bool:
    """Whether a file is named like a document that is a zip inside."""
    return bool(_by_ending(name))


def _by_ending(name: bytes) -> str:
    ending = _ENDING.fullmatch(name.lower())
    return _BY_ENDING.get(ending[1], "") if ending else ""
