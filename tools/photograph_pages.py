"""Take the pictures of the dashboard that the documentation shows, from a studied demo.

make demo, make dashboard (which makes the studies; stop it), naturalist search bird,
naturalist names, naturalist names map and naturalist names map --name tsne-3d, twice
naturalist run, so that Health has charts over the runs, and naturalist drift; then

python tools/photograph_pages.py demo
"""

import argparse
import io
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from naturalist.config import load_config
from naturalist.curation.reviewing import people

PICTURES = Path(__file__).resolve().parents[1] / "docs" / "pictures"
MOST_BYTES = 200_000
REVIEWER = "anna"
MARKS = "nnynnnyn"
"""Whether the first birds that the demo finds are water birds."""
ARGUMENTS = ["--no-sandbox", "--disable-quic", "--no-first-run", "--disable-sync"]


@dataclass(frozen=True)
class Shot:
    """A page to take: behind the #, light or dark, and what must be there first."""

    name: str
    address: str
    ready: str
    theme: str = "light"
    size: tuple[int, int] = (1280, 800)


_PICTURES_DRAWN = "() => +document.querySelector('canvas').dataset.pictures > 10"
_IMAGES_DRAWN = (
    "() => !document.images.length || [...document.images].some(one => one.naturalWidth)"
)
SHOTS = (
    Shot("dashboard-map", "map", _PICTURES_DRAWN),
    Shot("dashboard-map-3d-dark", "map?m=tsne-3d&c=confidence", _PICTURES_DRAWN, "dark"),
    Shot("dashboard-review", "review?queue=next", _IMAGES_DRAWN),
    Shot("dashboard-concepts", "review?view=concepts", _IMAGES_DRAWN, "dark"),
    Shot("dashboard-clusters", "clusters", _IMAGES_DRAWN),
    Shot("dashboard-health", "health", _IMAGES_DRAWN),
)


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of the dashboard, with review."""
    command = [sys.executable, "-m", "naturalist", "dashboard", "-c", str(folder), "--review"]
    with subprocess.Popen([*command, "--port", "0"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[0]
        finally:
            process.terminate()


def take(browser: Browser, origin: str, token: str, shot: Shot) -> bytes:
    """A screenshot as PNG."""
    width, height = shot.size
    page: Page = browser.new_page(
        viewport={"width": width, "height": height},
        color_scheme="dark" if shot.theme == "dark" else "light",
    )
    try:
        page.goto(f"{origin}#/{shot.address}")
        if shot.address.startswith("review"):
            page.get_by_label("Your token").fill(token)
            page.get_by_role("button", name="Sign in").click()
            page.wait_for_selector(".panel-picture img, .concepts")
        if "concepts" in shot.address:
            mark_birds(page)
        page.wait_for_load_state("networkidle")
        page.wait_for_function(shot.ready, timeout=20_000)
        page.wait_for_timeout(1_500)
        return page.screenshot()
    finally:
        page.close()


def mark_birds(page: Page) -> None:
    """Look for birds, and mark the first few by the keyboard."""
    page.get_by_label("Name of the concept").fill("water bird")
    page.get_by_label("Look for pictures to mark").fill("bird")
    page.keyboard.press("Enter")
    page.locator(".mark button").first.focus()
    for key in MARKS:
        page.keyboard.press(key)


def save(png: bytes, path: Path) -> int:
    """Write it as WebP, as good as fits; returns its bytes."""
    with Image.open(io.BytesIO(png)) as picture:
        for quality in (90, 82, 74, 60):
            buffer = io.BytesIO()
            picture.convert("RGB").save(buffer, "WEBP", quality=quality, method=6)
            if len(buffer.getvalue()) < MOST_BYTES:
                break
    path.write_bytes(buffer.getvalue())
    return len(buffer.getvalue())


def main() -> None:
    """Take every picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="a studied demo")
    folder: Path = parser.parse_args().folder
    program = shutil.which("chromium") or shutil.which("google-chrome")
    config = load_config(folder)
    token = people.add(config.layout.reviewers, REVIEWER)
    with served(folder) as origin, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        for shot in SHOTS:
            path = PICTURES / f"{shot.name}.webp"
            print(path.name, save(take(browser, origin, token, shot), path))
        browser.close()


if __name__ == "__main__":
    main()
