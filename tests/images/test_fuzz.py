"""Whatever the bytes, reading a picture gives a picture or a PictureError, quietly."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.images.fuzzing import check, seeds

mutations = st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 255)), max_size=6)
bounded = settings(max_examples=40)
"""Enough for each run; `tests.images.fuzzing` goes on for as long as one likes."""


@pytest.mark.parametrize("kind", seeds())
def test_each_seed_is_read(kind: str) -> None:
    assert check(seeds()[kind], 0) == "read"


@pytest.mark.parametrize("kind", seeds())
@bounded
@given(changes=mutations, keep=st.floats(0, 1), cut=st.booleans(), longer=st.sampled_from([0, 20]))
def test_a_mutated_or_cut_picture_is_read_or_refused(
    kind: str, changes: list[tuple[int, int]], keep: float, cut: bool, longer: int
) -> None:
    data = bytearray(seeds()[kind])
    for place, value in changes:
        data[place % len(data)] = value
    check(bytes(data[: int(len(data) * keep)] if cut else data), longer)


@pytest.mark.parametrize("kind", seeds())
@bounded
@given(changes=mutations)
def test_a_picture_with_a_mutated_head_is_read_or_refused(
    kind: str, changes: list[tuple[int, int]]
) -> None:
    data = bytearray(seeds()[kind])
    for place, value in changes:
        data[place % min(64, len(data))] = value
    check(bytes(data), 0)


@pytest.mark.parametrize("kind", [kind for kind in seeds() if "tiff" in kind])
@bounded
@given(changes=mutations)
def test_a_tiff_with_a_mutated_directory_is_read_or_refused(
    kind: str, changes: list[tuple[int, int]]
) -> None:
    data = bytearray(seeds()[kind])
    first = int.from_bytes(data[4:8], "little" if data[:2] == b"II" else "big")
    for place, value in changes:
        data[first + place % (len(data) - first)] = value
    check(bytes(data), 0)


@given(start=st.sampled_from(sorted(seeds().values())), rest=st.binary(max_size=300))
def test_a_picture_that_goes_on_as_noise_is_read_or_refused(start: bytes, rest: bytes) -> None:
    check(start[:16] + rest, 0)
    check(start[:64] + rest, 0)
