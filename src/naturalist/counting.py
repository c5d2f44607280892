"""Counts with their nouns, and sizes with their units, for people."""

_UNITS = ("kB", "MB", "GB", "TB", "PB", "EB")


def counted(count: int, noun: str, several: str = "") -> str:
    """A count with its noun: 1 picture, 2,000 pictures, 2 categories.

    Args:
        count: how many.
        noun: of one.
        several: of more; the noun and an s if empty.
    """
    return f"{count:,} {noun if count == 1 else several or f'{noun}s'}"


def counted_of_several(count: int, several: str) -> str:
    """A count of what is named in the plural: 1 picture, 2,000 pictures, 1 query, 3 MB."""
    return counted(count, _one_of(several), several)


def size_text(size_bytes: float) -> str:
    """A size in the unit that suits it, of 1,000 to the next: 0.2 kB, 45.3 MB, 13.2 PB."""
    size, unit = size_bytes / 1000, 0
    while size >= 999.95 and unit < len(_UNITS) - 1:
        size, unit = size / 1000, unit + 1
    return f"{size:,.1f} {_UNITS[unit]}"


def _one_of(several: str) -> str:
    if several.endswith("ies"):
        return f"{several[:-3]}y"
    if several.endswith(("sses", "ches", "xes")):
        return several[:-2]
    return several.removesuffix("s")
