"""Pictures of a list of addresses: bounded, polite, resumed, and never from where none may come."""

import contextlib
import http.server
import ipaddress
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import tiny
from cli.conftest import Naturalist, naturalist
from naturalist import artifacts
from naturalist.catalogue import url_lists, web_pictures
from naturalist.catalogue.url_lists import ListOptions, fetch_list
from naturalist.catalogue.web_pictures import (
    Failure,
    NoPicture,
    WebLimits,
    fetch_picture,
    is_public,
)
from naturalist.config import Config
from naturalist.errors import ConfigError

__all__ = ["naturalist"]

HERE = WebLimits(timeout_s=5.0, allow_private=True)
QUICK = ListOptions(pause_s=0.0, limits=HERE)


@dataclass
class Site:
    """A server of pictures, `/N.png`, and of trouble; knows what was asked and at once."""

    url: str = ""
    asked: list[str] = field(default_factory=list)
    busy: dict[str, int] = field(default_factory=dict)
    active: int = 0
    most_active: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


class _Handler(http.server.BaseHTTPRequestHandler):
    serves: Site
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        site = self.serves
        with site.lock:
            site.asked.append(self.path)
            site.active += 1
            site.most_active = max(site.most_active, site.active)
        self._answer(site)

    def _answer(self, site: Site) -> None:
        name = self.path.partition("?")[0].lstrip("/")
        if site.busy.get(name, 0) > 0:
            site.busy[name] -= 1
            self._send(b"busy", status=503, retry="0")
        elif name.startswith("to/"):
            self._send(b"", status=302, location=f"/{name.removeprefix('to/')}")
        elif name == "loop":
            self._send(b"", status=302, location="/loop")
        elif name == "inside":
            self._send(b"", status=302, location="http://127.0.0.1:1/secret.png")
        elif name == "file":
            self._send(b"", status=302, location="file:///etc/passwd")
        elif name == "bracket":
            self._send(b"", status=302, location="http://[::1")
        elif name == "two.png":
            self._send(b"", status=429, retry="\u00b2")
        elif name == "vast.png":
            self._send(tiny.picture(1), length_text="9" * 5_000)
        elif name == "page.png":
            self._send(b"<html>not here</html>", kind="image/png")
        elif name == "short.png":
            self._send(tiny.picture(1), length=10_000)
        elif name == "gone.png":
            self._send(b"", status=404)
        elif name == "later.png":
            self._send(b"", status=429, retry="86400")
        else:
            self._send(tiny.picture(int(name.partition(".")[0])))

    def _send(
        self,
        body: bytes,
        status: int = 200,
        kind: str = "image/png",
        length: int | None = None,
        length_text: str = "",
        **headers: str,
    ) -> None:
        with self.serves.lock:
            # Before it is sent: whoever has the answer may ask the next at once.
            self.serves.active -= 1
        self.send_response(status)
        self.send_header("Content-Type", kind)
        declared = length_text or str(len(body) if length is None else length)
        self.send_header("Content-Length", declared)
        names = {"location": "Location", "retry": "Retry-After"}
        for key, value in headers.items():
            self.send_header(names[key], value)
        self.end_headers()
        self.wfile.write(body)
        if length is not None or length_text:
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site() -> Iterator[Site]:
    found = Site()

    class Handler(_Handler):
        serves = found

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield found
        finally:
            server.shutdown()
            thread.join()


def _list(path: Path, site: Site, names: list[str], **columns: list[Any]) -> Path:
    urls = [name if "://" in name else f"{site.url}/{name}" for name in names]
    header = ",".join(["url", *columns])
    rows = zip(urls, *columns.values(), strict=True)
    path.write_text(header + "\n" + "".join(",".join(map(str, row)) + "\n" for row in rows))
    return path


def test_a_list_becomes_a_source_with_its_columns(site: Site, tmp_path: Path) -> None:
    names = ["1.png", "2.png", "to/3.png", "gone.png"]
    listing = _list(tmp_path / "l.csv", site, names, species=["owl", "kite", "owl", "wren"])
    done = fetch_list(listing, tmp_path / "birds", QUICK)
    assert (done.rows, done.pictures, done.new) == (4, 3, 3)
    assert done.failures == {"status": 1}
    publish = {"url": str(tmp_path / "published")}
    settings = tiny.settings({"animal": {"birds": tmp_path / "birds"}}, publish=publish)
    section = settings["category"][0]["source"][0]
    section |= {"metadata": [{"file": "rows-*.parquet"}]}
    config = Config.model_validate(settings).in_folder(tmp_path)
    tiny.make_all(config)
    rows = artifacts.read_parquet(next(config.layout.metadata.glob("animal/*.parquet")))
    assert Counter(rows["species"].to_pylist()) == {"owl": 2, "kite": 1}
    (lost,) = pq.read_table(tmp_path / "birds" / "failures-00001.parquet").to_pylist()
    assert (lost["url"], lost["detail"]) == (f"{site.url}/gone.png", "404 Not Found")


@pytest.mark.parametrize(
    ("name", "failure"),
    [
        ("gone.png", Failure.STATUS),
        ("page.png", Failure.NOT_A_PICTURE),
        ("short.png", Failure.TRUNCATED),
        ("loop", Failure.TOO_MANY_REDIRECTS),
        ("file", Failure.BAD_ADDRESS),
        ("inside", Failure.NO_CONNECTION),
        ("http://no-such-host.invalid/1.png", Failure.NO_SUCH_HOST),
        ("ftp://127.0.0.1/1.png", Failure.BAD_ADDRESS),
        ("http://me:secret@127.0.0.1/1.png", Failure.BAD_ADDRESS),
        ("http://[::1/1.png", Failure.BAD_ADDRESS),
        ("bracket", Failure.BAD_ADDRESS),
        ("two.png", Failure.STATUS),
        ("vast.png", Failure.TOO_LARGE),
        ("http://a\0b.example/1.png", Failure.BAD_ADDRESS),
        ("http://a\x7fb.example/1.png", Failure.BAD_ADDRESS),
    ],
)
def test_each_failure_has_a_reason(site: Site, name: str, failure: Failure) -> None:
    url = name if "://" in name else f"{site.url}/{name}"
    with pytest.raises(NoPicture) as caught:
        fetch_picture(url, HERE)
    assert caught.value.failure == failure


def test_what_is_too_large_is_not_read_to_its_end(site: Site) -> None:
    with pytest.raises(NoPicture) as caught:
        fetch_picture(f"{site.url}/1.png", WebLimits(max_bytes=50, allow_private=True))
    assert caught.value.failure == Failure.TOO_LARGE


def test_addresses_inside_are_refused_before_a_byte_is_sent(site: Site) -> None:
    for url in (f"{site.url}/1.png", "http://localhost/x.png", "http://169.254.169.254/latest"):
        with pytest.raises(NoPicture) as caught:
            fetch_picture(url, WebLimits())
        assert caught.value.failure == Failure.PRIVATE_ADDRESS
    assert site.asked == []


@pytest.mark.parametrize(
    "text",
    ["127.0.0.1", "10.1.2.3", "192.168.0.1", "169.254.169.254", "0.0.0.0", "100.64.0.1",
     "224.0.0.1", "::1", "fe80::1", "fd00::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1",
     "2002:7f00:1::"],
)  # fmt: skip
def test_no_inner_address_is_public_in_any_dress(text: str) -> None:
    assert not is_public(ipaddress.ip_address(text))


def test_public_addresses_are() -> None:
    for text in ("93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "::ffff:8.8.8.8"):
        assert is_public(ipaddress.ip_address(text))


def test_the_connection_goes_to_the_address_that_was_looked_at(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter(["127.0.0.1", "192.0.2.1"])
    asked = []

    def resolve(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

    monkeypatch.setattr(web_pictures.socket, "getaddrinfo", resolve)
    monkeypatch.setattr(web_pictures, "is_public", lambda address: str(address) == "127.0.0.1")

    def connect(address: tuple[str, int], timeout: float) -> socket.socket:
        plain = socket.socket()
        plain.settimeout(timeout)
        plain.connect(address)
        return plain

    monkeypatch.setattr(web_pictures.socket, "create_connection", connect)
    port = site.url.rpartition(":")[2]
    found = fetch_picture(f"http://pictures.example:{port}/1.png", WebLimits())
    assert (found.data, found.format) == (tiny.picture(1), "png")
    assert asked == ["pictures.example"]
    # The next hop asks again, and is refused.
    with pytest.raises(NoPicture) as caught:
        fetch_picture(f"http://pictures.example:{port}/1.png", WebLimits())
    assert caught.value.failure == Failure.PRIVATE_ADDRESS


def test_busy_answers_are_tried_again(site: Site, tmp_path: Path) -> None:
    site.busy = {"1.png": 2, "2.png": 99}
    listing = _list(tmp_path / "l.csv", site, ["1.png", "2.png"])
    done = fetch_list(listing, tmp_path / "out", QUICK)
    assert done.pictures == 1
    counted = Counter(site.asked)
    assert (counted["/1.png"], counted["/2.png"]) == (3, 3)
    (lost,) = pq.read_table(tmp_path / "out" / "failures-00001.parquet").to_pylist()
    assert lost["attempts"] == 3


def test_a_host_that_asks_for_a_day_is_left_alone(site: Site, tmp_path: Path) -> None:
    names = ["later.png", *(f"{k}.png" for k in range(30))]
    listing = _list(tmp_path / "l.csv", site, names)
    options = ListOptions(jobs=1, per_host=1, pause_s=0.0, limits=HERE)
    done = fetch_list(listing, tmp_path / "out", options)
    assert done.failures == {"status": 31}
    assert site.asked == ["/later.png"]


def test_a_host_that_was_given_up_is_not_asked_in_later_parts_either(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(url_lists, "PART", 10)
    names = ["later.png", *(f"{k}.png" for k in range(24))]
    listing = _list(tmp_path / "l.csv", site, names)
    options = ListOptions(jobs=1, per_host=1, pause_s=0.0, limits=HERE)
    seen: list[int] = []
    done = fetch_list(listing, tmp_path / "out", options, seen.append)
    assert (done.rows, done.failures, sum(seen)) == (25, {"status": 25}, 25)
    assert site.asked == ["/later.png"]
    # Another call asks again.
    retried = ListOptions(jobs=1, per_host=1, pause_s=0.0, retry=True, limits=HERE)
    fetch_list(listing, tmp_path / "out", retried)
    assert len(site.asked) == 2


def test_no_more_is_asked_of_a_host_at_once_than_allowed(site: Site, tmp_path: Path) -> None:
    listing = _list(tmp_path / "l.csv", site, [f"{k}.png" for k in range(40)])
    options = ListOptions(jobs=16, per_host=2, limits=HERE)
    assert fetch_list(listing, tmp_path / "out", options).pictures == 40
    assert site.most_active <= 2


def test_a_list_goes_on_where_it_was(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(url_lists, "PART", 10)
    names = [f"{k}.png" for k in range(24)] + ["gone.png"]
    listing = _list(tmp_path / "l.csv", site, names)
    heard = 0

    def stop(_: int) -> None:
        nonlocal heard
        heard += 1
        if heard == 15:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch_list(listing, tmp_path / "out", QUICK, stop)
    before = len(site.asked)
    done = fetch_list(listing, tmp_path / "out", QUICK)
    assert (done.rows, done.pictures) == (25, 24)
    assert 25 <= len(site.asked) <= before + 15
    asked = len(site.asked)
    assert fetch_list(listing, tmp_path / "out", QUICK).new == 0
    assert len(site.asked) == asked
    again = ListOptions(retry=True, pause_s=0.0, limits=HERE)
    assert fetch_list(listing, tmp_path / "out", again).failures == {"status": 1}
    assert site.asked[asked:] == ["/gone.png"]


def test_a_second_list_does_not_take_the_place_of_the_first(site: Site, tmp_path: Path) -> None:
    out = tmp_path / "out"
    fetch_list(_list(tmp_path / "a.csv", site, ["1.png"]), out, QUICK)
    with pytest.raises(ConfigError, match=r"pictures of another list, a\.csv: name another folder"):
        fetch_list(_list(tmp_path / "b.csv", site, ["2.png"]), out, QUICK)
    assert site.asked == ["/1.png"]
    assert pq.read_table(out / "rows-00001.parquet")["url"].to_pylist() == [f"{site.url}/1.png"]
    grown = _list(tmp_path / "a.csv", site, ["1.png", "2.png"])
    assert fetch_list(grown, out, QUICK).pictures == 2


def test_parquet_lists_and_the_command(site: Site, tmp_path: Path, naturalist: Naturalist) -> None:
    table = pa.table({"Image_URL": [f"{site.url}/1.png", None], "count": [3, 4]})
    pq.write_table(table, tmp_path / "l.parquet")
    words = ("sources", "urls", str(tmp_path / "l.parquet"), "--to", str(tmp_path / "out"))
    refused = naturalist(*words, "--json").json
    assert refused["failures"] == {"private_address": 1, "bad_address": 1}
    done = naturalist(*words, "--allow-private", "--retry", "--json").json
    assert (done["pictures"], done["failures"]) == (1, {"bad_address": 1})
    assert done["column"] == "Image_URL"
    assert "from the column 'Image_URL'" in naturalist(*words, "--allow-private").out
    kept = pq.read_table(tmp_path / "out" / "rows-00001.parquet")
    assert kept["count"].to_pylist() == [3]
    with pytest.raises(ConfigError, match="has no column 'link'"):
        fetch_list(tmp_path / "l.parquet", tmp_path / "x", ListOptions(column="link"))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (pa.table([["http://h/1.png"], ["x"]], names=["url", "url"]), "more than one .* 'url'"),
        (pa.table([["u"], ["x"], ["y"]], names=["url", "a", "a"]), "more than one .* 'a'"),
        (pa.table({"url": [["http://h/1.png"]]}), "the type list"),
        (pa.table({"url": [{"a": 1}]}), "the type struct"),
        (pa.table({"url": [b"\xff"]}), "the type binary"),
    ],
)
def test_odd_lists_are_refused_in_words(tmp_path: Path, table: pa.Table, message: str) -> None:
    pq.write_table(table, tmp_path / "l.parquet")
    with pytest.raises(ConfigError, match=message):
        fetch_list(tmp_path / "l.parquet", tmp_path / "out", QUICK)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("url,species\n", "has no rows below the names of its columns"),
        ("name,species\na,b\n", "no column of URLs: choose one with --url-column: name, species"),
        ("http://h/1.png\nhttp://h/2.png\n", "first line .* is a row already .*http://h/1.png"),
    ],
)
def test_lists_without_addresses_say_what_is_missing(
    tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "l.csv").write_text(text)
    with pytest.raises(ConfigError, match=message):
        fetch_list(tmp_path / "l.csv", tmp_path / "out", QUICK)
    assert not (tmp_path / "out").exists()


def test_two_columns_of_one_name_in_a_csv_are_refused(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text("url,url\nhttp://h/1.png,x\n")
    with pytest.raises(ConfigError, match="more than one column named 'url'"):
        fetch_list(tmp_path / "l.csv", tmp_path / "out", QUICK)


def test_odd_options_are_refused_in_words(
    site: Site, tmp_path: Path, naturalist: Naturalist
) -> None:
    listing = str(_list(tmp_path / "l.csv", site, ["1.png"]))
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "in"):
        ended = naturalist("sources", "urls", listing, "--to", str(folder))
        assert (ended.code, "is a file: name a folder" in " ".join(ended.err.split())) == (2, True)
    for size in ("inf", "nan", "1e300"):
        ended = naturalist("sources", "urls", listing, "--to", "out", "--max-mb", size)
        assert (ended.code, "--max-mb" in ended.err) == (2, True)
    assert site.asked == []


def test_a_server_that_drips_is_given_up(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, contextlib.ExitStack() as stack:

        def drip() -> None:
            connection, _ = server.accept()
            with contextlib.suppress(OSError), connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                while True:
                    connection.sendall(b"x")
                    time.sleep(0.01)

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        stack.callback(thread.join)
        limits = WebLimits(total_s=0.2, allow_private=True)
        with pytest.raises(NoPicture) as caught:
            fetch_picture(f"http://127.0.0.1:{server.getsockname()[1]}/1.png", limits)
    assert caught.value.failure == Failure.TIMED_OUT
