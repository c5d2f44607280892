"""What the receipt of near duplicates says; the dashboard's types are checked against it."""

from typing_extensions import TypedDict


class ListedGroup(TypedDict):
    """One group of near duplicates, by its first picture."""

    group: str
    pictures: int
    across_categories: bool
    across_sources: bool


class DuplicateReport(TypedDict):
    """A study of near duplicates."""

    pictures: int
    pairs: int
    groups: int
    grouped: int
    surplus: int
    largest: int
    across_categories: int
    across_sources: int
    listed: list[ListedGroup]
