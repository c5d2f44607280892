"""`naturalist audit` finds what was planted, wherever it is packed, and says what it is."""

import io
import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image, PngImagePlugin

import tiny
from cli.conftest import Naturalist, naturalist
from consume.conftest import local, made_once
from naturalist import auditing
from naturalist.auditing.exposure import Collector
from naturalist.images.exposure import told_by
from published import PublishedCollection

__all__ = ["local", "made_once", "naturalist"]

PATH = "/home/mallory-quuxwell/private"
KNOWN = auditing.Known(users=("mallory-quuxwell",), hosts=("host-of-mallory",))


def parquet_of(**columns: object) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer, compression="zstd")
    return buffer.getvalue()


def with_footer(text: str) -> bytes:
    table = pa.table({"n": [1]}).replace_schema_metadata({"about": text})
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


def png_with_text(text: str) -> bytes:
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", text * 20, zip=True)
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4)).save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def tar_of(name: str, data: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def script_of(payload: str) -> bytes:
    return f'naturalistData("a",{json.dumps(payload)})\n'.encode()


HIDDEN: dict[str, Callable[[], tuple[str, bytes]]] = {
    "compressed page": lambda: ("a.parquet", parquet_of(text=["x" * 99, PATH] * 50)),
    "nested list": lambda: ("a.parquet", parquet_of(lists=[[PATH, "b"], ["c"]])),
    "struct": lambda: ("a.parquet", parquet_of(structs=[{"in": PATH}])),
    "binary column": lambda: ("a.parquet", parquet_of(raw=[PATH.encode()])),
    "footer": lambda: ("a.parquet", with_footer(PATH)),
    "escaped JSON": lambda: ("a.json", json.dumps(PATH).replace("/", "\\u002f").encode()),
    "key of JSON": lambda: ("a.json", json.dumps({PATH: 1}).encode()),
    "Delta log": lambda: ("0.json", b'{"a":1}\n{"b":"\\/home\\/mallory-quuxwell\\/x"}\n'),
    "page": lambda: ("index.html", f'<a href="{PATH}">'.encode()),
    "exported dashboard": lambda: ("d.js", script_of(json.dumps([PATH]))),
    "bytes of a dashboard": lambda: ("d.js", script_of("L2hvbWUvbWFsbG9yeS1xdXV4d2VsbC94")),
    "name of a member": lambda: ("a.tar", tar_of("mallory-quuxwell/1.png", b"x")),
    "member": lambda: ("a.tar", tar_of("1.cls", PATH.encode())),
    "compressed text of a PNG": lambda: ("map.png", png_with_text(PATH)),
    "own name": lambda: ("tables/mallory-quuxwell/x.csv", b"1"),
    "model": lambda: ("model.onnx", b"\x08\x07\x12" + PATH.encode() + b"\0"),
}


@pytest.mark.parametrize("hidden", HIDDEN.values(), ids=HIDDEN)
def test_a_planted_name_is_found_wherever_it_is_packed(
    hidden: Callable[[], tuple[str, bytes]],
) -> None:
    collector = Collector(KNOWN)
    collector.look_at(*hidden())
    found = {finding.kind for finding in collector.findings}
    assert found & {"user_name", "local_path"}, collector.findings


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("/home/ann/x", "local_path"),
        (r"C:\Users\ann\x", "local_path"),
        ("file:///data/ann", "local_path"),
        ("AKIAABCDEFGHIJKLMNOP", "secret"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----", "secret"),
        ("s3://key:secret@host/x", "secret"),
        ("ann@example.org", "mail_address"),
        ("on host-of-mallory:80", "host_name"),
    ],
)
def test_each_kind_of_trace_has_its_name(text: str, kind: str) -> None:
    collector = Collector(KNOWN)
    collector.look_at("a.txt", f"so {text} is here".encode())
    assert [finding.kind for finding in collector.findings] == [kind]


@pytest.mark.parametrize(
    "text",
    ["photos/home/ann/1.png", "https://example.org/home/ann", "homework", "b@2x", "a:b@c"],
)
def test_what_only_looks_like_a_trace_is_none(text: str) -> None:
    collector = Collector(KNOWN)
    collector.look_at("a.txt", text.encode())
    assert collector.findings == ()


def test_a_secret_is_counted_and_never_shown() -> None:
    known = auditing.known_here((), {"MY_API_TOKEN": "planted-token-1234"})
    collector = Collector(known)
    collector.look_at("a.txt", b"the planted-token-1234, AKIAABCDEFGHIJKLMNOP")
    (finding,) = collector.findings
    assert (finding.kind, finding.what, finding.count) == ("secret", "", 2)
    assert "planted-token-1234" not in repr(known)


def test_a_position_in_a_picture_is_told_from_other_metadata() -> None:
    exif = Image.Exif()
    exif[270] = "a description"
    described = _jpeg(exif)
    exif.get_ifd(34853)[1] = "N"
    assert told_by(described) is not None
    assert (told_by(described).metadata, told_by(described).position) == (True, False)  # type: ignore[union-attr]
    assert told_by(_jpeg(exif)).position  # type: ignore[union-attr]
    assert told_by(tiny.picture(1)).metadata is False  # type: ignore[union-attr]
    assert told_by(b"no picture") is None


def _jpeg(exif: Image.Exif) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "JPEG", exif=exif)
    return buffer.getvalue()


def test_each_place_is_audited_and_errors_give_exit_code_4(
    naturalist: Naturalist, local: PublishedCollection, tmp_path: Path
) -> None:
    published = naturalist("audit", local.url, "--json")
    assert (published.code, published.json["passed"]) == (0, True)
    assert published.json["kind"] == "published"
    assert any("faces" in text for text in published.json["not_checked"])
    pulled = tmp_path / "pulled"
    assert naturalist("pull", local.url, str(pulled)).code == 0
    # A pulled folder names where it came from, which is a path here: it is not for passing on.
    assert naturalist("audit", str(pulled)).code == 4
    sources = {path.name: {"photos": path} for path in (local.folder / "sources").iterdir()}
    shutil.rmtree(local.workspace)
    publish = {"url": str(tmp_path / "new"), "pictures": "objects", "keep_metadata": True}
    (local.folder / "sources/plant/0000.png").write_bytes(png_with_text(PATH))
    config = tiny.config_file(local.folder, sources, publish=publish)
    assert naturalist("run", "-c", str(config)).code == 0
    ended = naturalist("audit", "-c", str(config))
    assert ended.code == 4
    assert "/home/mallory-quuxwell" in ended.out
    assert "picture metadata" in ended.out
    assert naturalist("audit", str(local.folder), "--json").json["kind"] == "workspace"
    assert naturalist("audit", str(config), "--snapshot", "000001").code == 2


def test_a_damaged_file_is_an_error_and_ends_nothing() -> None:
    collector = Collector(KNOWN)
    for name in ("a.parquet", "a.tar", "a.npz"):
        collector.look_at(name, b"PAR1 not really")
    assert {finding.kind for finding in collector.findings} == {"unreadable"}
