"""Fetching a list of addresses, beside img2dataset, from a server on this machine, in one run.

    python benchmarks/url_lists.py --img2dataset PROGRAM [--pictures 2000] [--kilobytes 40]

Both fetch the same addresses with the same number of threads and write the bytes as they are
(img2dataset with `--disable_all_reencoding True`, which needs no decoding either, into files). The
server answers a share of them with 404. What is measured is the program around the network, not a
network.
"""

import argparse
import http.server
import io
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from PIL import Image

from naturalist.catalogue.url_lists import ListOptions, fetch_list
from naturalist.catalogue.web_pictures import WebLimits

JOBS = 16
_GONE_EVERY = 50


def _picture(kilobytes: int) -> bytes:
    side = int((kilobytes * 1024 / 1.4) ** 0.5)
    noise = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "JPEG", quality=75)
    return buffer.getvalue()


def _serve(data: bytes) -> http.server.ThreadingHTTPServer:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            number = int(self.path.strip("/").partition(".")[0])
            body = b"" if number % _GONE_EVERY == 0 else data + str(number).encode()
            self.send_response(404 if number % _GONE_EVERY == 0 else 200)
            self.send_header("Content-Type", "image/jpeg")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def _ours(listing: Path, folder: Path) -> None:
    options = ListOptions(
        jobs=JOBS, per_host=JOBS, attempts=1, limits=WebLimits(allow_private=True)
    )
    fetch_list(listing, folder, options)


def _theirs(program: str, listing: Path, folder: Path) -> list[str]:
    return [
        program, "--url_list", str(listing), "--input_format", "csv", "--url_col", "url",
        "--output_folder", str(folder), "--output_format", "files", "--processes_count", "1",
        "--thread_count", str(JOBS), "--disable_all_reencoding", "True", "--retries", "0",
        "--enable_wandb", "False", "--save_additional_columns", '["species"]',
    ]  # fmt: skip


def _measured(name: str, folder: Path, words: list[str]) -> None:
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    took, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    pictures = sum(1 for path in folder.rglob("*.jpg") if path.is_file())
    print(f"{name}: {pictures} pictures, {took:.1f} s, {pictures / took:.0f}/s, {cpu:.1f} s CPU")


def main() -> None:
    """Serve, and let each program fetch in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--img2dataset", default="")
    parser.add_argument("--pictures", type=int, default=2_000)
    parser.add_argument("--kilobytes", type=int, default=40)
    parser.add_argument("--only", nargs=2, metavar=("LIST", "FOLDER"))
    options = parser.parse_args()
    if options.only:
        _ours(Path(options.only[0]), Path(options.only[1]))
        return
    with tempfile.TemporaryDirectory() as name:
        server = _serve(_picture(options.kilobytes))
        base = f"http://127.0.0.1:{server.server_address[1]}"
        listing = Path(name) / "list.csv"
        rows = (f"{base}/{k}.jpg,species {k % 7}\n" for k in range(options.pictures))
        listing.write_text("url,species\n" + "".join(rows))
        ours, theirs = Path(name) / "ours", Path(name) / "theirs"
        words = [sys.executable, __file__, "--only", str(listing), str(ours)]
        _measured("naturalist", ours, words)
        if options.img2dataset:
            words = _theirs(options.img2dataset, listing, theirs)
            _measured("img2dataset", theirs, words)
        server.shutdown()


if __name__ == "__main__":
    main()
