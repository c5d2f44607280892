"""Counts and sizes in words."""

import pytest

from naturalist.counting import size_text


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0.0 kB"),
        (200, "0.2 kB"),
        (999_940, "999.9 kB"),
        (999_960, "1.0 MB"),
        (45_300_000, "45.3 MB"),
        (13_159_000e9, "13.2 PB"),
        (7e21, "7,000.0 EB"),
    ],
)
def test_a_size_has_the_unit_that_suits_it(size_bytes: float, text: str) -> None:
    assert size_text(size_bytes) == text
