"""HTML that results show in notebooks: tables, and pictures with their thumbnails inside.

Everything is escaped: names and paths are those of strangers' files. Nothing is fetched by a
browser, since thumbnails are part of the text.
"""

import base64
import html
from collections.abc import Iterable, Mapping, Sequence

_SIDE = 96
_CELL = f"display:inline-block;vertical-align:top;width:{_SIDE + 8}px;margin:2px;font-size:11px"
_NONE = f"width:{_SIDE}px;height:{_SIDE}px;background:#ddd"


def paragraph(text: str) -> str:
    """Some words."""
    return f"<p>{html.escape(text)}</p>"


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table; numbers with separators of thousands, to the right."""
    head = "".join(f"<th>{html.escape(one)}</th>" for one in columns)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f'<td style="text-align:right">{value:,}</td>'
    return f"<td>{html.escape('' if value is None else str(value))}</td>"


def gallery(captions: Mapping[str, str], thumbnails: Mapping[str, bytes]) -> str:
    """Pictures in a row that wraps, each with its id and a caption; grey where there is none.

    Args:
        captions: what is written below each picture, by id.
        thumbnails: JPEG bytes by id.
    """
    return "".join(
        f'<span style="{_CELL}">{_picture(thumbnails.get(pic_id), pic_id)}<br>'
        f"{html.escape(pic_id)}<br>{html.escape(caption)}</span>"
        for pic_id, caption in captions.items()
    )


def _picture(jpeg: bytes | None, title: str) -> str:
    if jpeg is None:
        return f'<span style="display:inline-block;{_NONE}"></span>'
    return image(jpeg, "jpeg", title, f"max-width:{_SIDE}px;max-height:{_SIDE}px")


def image(data: bytes, kind: str, title: str, style: str = "max-width:100%") -> str:
    """An image whose bytes are part of the text; `kind` is jpeg or png."""
    text = base64.b64encode(data).decode()
    return (
        f'<img alt="{html.escape(title)}" title="{html.escape(title)}" style="{style}" '
        f'src="data:image/{kind};base64,{text}">'
    )
