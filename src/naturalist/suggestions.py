"""What to type instead of an unknown name: what there is, and the name nearest to it."""

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(word: str, known: Iterable[str]) -> str:
    """The known name that a mistyped word resembles most, in any case; empty if none is near."""
    by_lower = {name.lower(): name for name in known}
    near = get_close_matches(word.lower(), by_lower, n=1)
    return by_lower[near[0]] if near else ""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown name: "; did you mean plant?", or nothing."""
    near = nearest(word, known)
    return f"; did you mean {near}?" if near else ""


def choose_one_of(word: str, known: Iterable[str]) -> str:
    """What a message about an unknown name advises, with the nearest name.

    For example "choose one of animal, plant; did you mean plant?"; "there is none yet" where there
    is nothing to choose from.
    """
    names = list(known)
    if not names:
        return "there is none yet"
    return f"choose one of {', '.join(names)}{did_you_mean(word, names)}"
