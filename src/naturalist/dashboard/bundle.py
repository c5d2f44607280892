"""The built front end, which `hatch_build.py` puts beside this module when a wheel is built."""

import gzip
import hashlib
import logging
from dataclasses import dataclass
from html import escape
from importlib import resources

from naturalist.dashboard import front_end_sources
from naturalist.errors import BundleMissing

logger = logging.getLogger(__name__)

_SCRIPT, _STYLE = "app.js", "app.css"
ABSENT = (
    "the pages of the dashboard are not in this installation: it was made with "
    "NATURALIST_NO_DASHBOARD set, or not from a wheel. Install naturalist again without it "
    "(pip install 'naturalist[dashboard]'), or in a clone run `pip install -e '.[dashboard]'`"
)


STALE = (
    "the pages of the dashboard were built from other sources than those in %s: "
    "run `make front-end` there"
)


@dataclass(frozen=True, eq=False)
class Bundle:
    """The script and the style sheet of all pages."""

    script: bytes
    style: bytes

    @property
    def version(self) -> str:
        """Changes when either does."""
        return hashlib.sha256(self.script + self.style).hexdigest()[:12]

    def files(self) -> dict[str, tuple[str, bytes, bytes]]:
        """Content type, bytes, and bytes compressed, of each file by its name."""
        kinds = {_SCRIPT: ("text/javascript", self.script), _STYLE: ("text/css", self.style)}
        return {
            name: (f"{kind}; charset=utf-8", data, gzip.compress(data, 6, mtime=0))
            for name, (kind, data) in kinds.items()
        }


def load_bundle() -> Bundle:
    """Read the front end; in a clone, warn if its sources have changed since it was built.

    Raises:
        BundleMissing: the installation was made without it.
    """
    folder = resources.files(__package__).joinpath("static")
    try:
        bundle = Bundle(folder.joinpath(_SCRIPT).read_bytes(), folder.joinpath(_STYLE).read_bytes())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise BundleMissing(ABSENT) from error
    clone = front_end_sources.clone_root()
    if clone is not None and not front_end_sources.is_current(clone):
        logger.warning(STALE, clone / "frontend")
    return bundle


def page(title: str, base: str, version: str, before: str = "") -> str:
    """The one HTML page, in which the script draws everything.

    Args:
        title: of the collection; escaped here.
        base: where the files of the bundle lie, such as "static/"; relative to the page.
        version: for the names of the files, so that a browser takes new ones.
        before: more elements for the head, as HTML.
    """
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(title)} · naturalist</title>\n{before}"
        f'<link rel="stylesheet" href="{base}{_STYLE}?v={version}">\n'
        '<link rel="icon" href="data:,">\n'
        f'<script defer src="{base}{_SCRIPT}?v={version}"></script>\n'
        '</head>\n<body><div id="app"><noscript>These pages need JavaScript.</noscript></div>'
        "</body>\n</html>\n"
    )
