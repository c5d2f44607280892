"""Lines of a file that only grows, each with a checksum over itself and all lines before it.

A line is the checksum, a space and a text. What was changed, removed or put in shows at the line
where it happened.
"""

import hashlib

_SUM_LETTERS = 16


def chained(before: str, text: str) -> tuple[str, bytes]:
    """The checksum of the next line, and the line.

    Args:
        before: the checksum of the line before; of the first line, a word for the kind of file.
        text: what it says, without a line break.
    """
    total = _sum_of(before, text)
    return total, f"{total} {text}\n".encode()


def split(line: bytes) -> tuple[str, str]:
    """The checksum that a line gives for itself, and its text.

    Raises:
        ValueError: it is not UTF-8.
    """
    total, _, text = line.decode().partition(" ")
    return total, text


def fits(before: str, total: str, text: str) -> bool:
    """Whether a checksum is that of a text after what was there before."""
    return total == _sum_of(before, text)


def damaged_lines(data: bytes, before: str) -> list[int]:
    """Numbers of the lines that do not fit, the first line being 1.

    A line after a damaged one fits if it follows from what that one says of itself. A last line
    without a line break is left out: it was never finished.
    """
    found = []
    for number, line in enumerate(data.split(b"\n")[:-1], start=1):
        try:
            total, text = split(line)
        except ValueError:
            found.append(number)
            before = ""
            continue
        if not fits(before, total, text):
            found.append(number)
        before = total
    return found


def _sum_of(before: str, text: str) -> str:
    data = f"{before}\n{text}".encode()
    return hashlib.blake2b(data, digest_size=_SUM_LETTERS // 2).hexdigest()
