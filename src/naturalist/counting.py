"""Counts with their nouns, for people."""


def counted(count: int, noun: str, several: str = "") -> str:
    """A count with its noun: 1 picture, 2,000 pictures, 2 categories.

    Args:
        count: how many.
        noun: of one.
        several: of more; the noun and an s if empty.
    """
    return f"{count:,} {noun if count == 1 else several or f'{noun}s'}"
