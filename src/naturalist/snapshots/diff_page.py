"""A page of what changed between two snapshots: pictures by what happened, reason and region.

It is one file without script, which loads nothing from anywhere.
"""

import base64
import hashlib
from collections.abc import Mapping
from html import escape

from naturalist.counting import counted
from naturalist.snapshots.picture_diff import PictureChange, PictureDiff, spread

SHOWN = 60
"""Pictures of a group that are shown; the others are counted."""

_STYLE = """
:root{color-scheme:light dark;--paper:#fbfaf7;--ink:#1d2321;--quiet:#5c6662;--wash:#eef1ec}
@media(prefers-color-scheme:dark){:root{--paper:#14181a;--ink:#e8ece9;--quiet:#a3aeaa;--wash:#242b2d}}
body{background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,"DejaVu Sans",sans-serif;
max-width:1240px;margin:0 auto;padding:1.4rem 1.2rem 3rem}
h1{font-size:1.6rem}h2{margin:2rem 0 .2rem}h3{margin:1.2rem 0 .2rem;font-size:1rem}
h4{margin:.8rem 0 .3rem;font-size:.9rem}p,small,h4{color:var(--quiet);font-weight:400}
ul{list-style:none;padding:0;margin:0;display:grid;gap:.6rem;
grid-template-columns:repeat(auto-fill,minmax(7.5rem,1fr))}
img,.none{width:100%;aspect-ratio:1;object-fit:contain;background:var(--wash);border-radius:8px;
display:grid;place-items:center;text-align:center;font-size:.8rem;color:var(--quiet)}
li{font-size:.8rem;overflow-wrap:anywhere;line-height:1.3}
"""
_TITLES = {"came": "What came", "left": "What left", "relabelled": "What was relabelled"}


def wanted_pictures(found: PictureDiff) -> list[PictureChange]:
    """The changes whose pictures the page shows."""
    return [one for group in found.groups().values() for one in spread(group, SHOWN)]


def page(found: PictureDiff, collection: str, jpegs: Mapping[str, bytes]) -> str:
    """The page as HTML.

    Args:
        found: what changed.
        collection: its name.
        jpegs: thumbnails by picture id, of `wanted_pictures`; others have a grey tile.
    """
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'"
    title = escape(f"{collection}: from snapshot {found.before} to {found.after}")
    parts = [
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{title}</title><style>{_STYLE}</style></head><body><h1>{title}</h1>",
        f"<p>{escape(summary(found))}</p>",
    ]
    heading = ("", "")
    for (what, reason, region), group in found.groups().items():
        if what != heading[0]:
            parts.append(f"<h2>{_TITLES[what]} ({found.counts()[what]:,})</h2>")
        if (what, reason) != heading:
            parts.append(f"<h3>{escape(reason)}</h3>")
        heading = (what, reason)
        parts.append(f"<h4>{escape(region)}: {len(group):,}</h4><ul>")
        parts += [_tile(one, jpegs.get(one.pic_id)) for one in spread(group, SHOWN)]
        parts.append("</ul>")
        if len(group) > SHOWN:
            parts.append(f"<p>and {len(group) - SHOWN:,} more</p>")
    parts.append("</body></html>\n")
    return "\n".join(parts)


def summary(found: PictureDiff) -> str:
    """One sentence about all changes."""
    counts = found.counts()
    if not found.changes:
        return "No pictures were added, removed or relabelled."
    return (
        f"{counted(counts['came'], 'picture')} came, {counts['left']:,} left, "
        f"{counts['relabelled']:,} relabelled."
    )


def _tile(change: PictureChange, jpeg: bytes | None) -> str:
    name = escape(change.pic_id)
    if change.is_hidden:
        image = '<span class="none">no longer shown</span>'
    elif jpeg is None:
        image = '<span class="none">no thumbnail</span>'
    else:
        image = f'<img alt="{name}" src="data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}">'
    was = f"<br><small>was {escape(change.was)}</small>" if change.was else ""
    source = f"<br><small>{escape(change.source)}</small>" if change.source else ""
    return f"<li>{image}<b>{name}</b>{was}{source}</li>"
