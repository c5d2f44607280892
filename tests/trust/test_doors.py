"""Whatever is handed in, a person reads a sentence and never a traceback."""

import contextlib
import io
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from naturalist.errors import NaturalistError
from trust.doors import CONFIG, DOORS, Door, mutated


def _twice(name: str, column: pa.Array) -> bytes:
    """A Parquet file of vectors in which a column is there twice."""
    named = {"picID": pa.array(["a"]), "features": pa.array([[1.0, 2.0]])}
    table = pa.Table.from_arrays([*named.values(), column], [*named, name])
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


FOUND_BEFORE: dict[str, tuple[bytes, ...]] = {
    "configuration": (CONFIG.replace(b"**/*.jpg", b"**/[[x--y]&&.jpg"),),
    "coordinates as CSV": (b"picID,x,y\xff\nplant_id_1,1,2\n", b"picID,x,y,picID\na,1,2,b\n"),
    "coordinates as Parquet": (b"PAR1" + bytes(60) + b"\x08\0\0\0PAR1",),
    "decisions": (b'"picID,decision\n',),
    "vectors as Parquet": (
        b"PAR1" + bytes(60) + b"\x08\0\0\0PAR1",
        _twice("features", pa.array([[1.0, 2.0]])),
        _twice("picID", pa.array(["a"])),
    ),
    "vectors as npy": (b"\x93NUMPY\x01\0\x10\0{'descr': '<f4', (",),
}
"""Bytes that once gave a traceback."""


@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)
def test_every_example_is_read(door: Door) -> None:
    for example in door.examples:
        try:
            door.enter(example)
        except NaturalistError as error:
            pytest.fail(str(error))


@pytest.mark.parametrize("name", DOORS)
@settings(max_examples=60)
@given(seed=st.integers(0, 2**32), noise=st.binary(max_size=40))
def test_other_bytes_are_read_or_refused_in_words(name: str, seed: int, noise: bytes) -> None:
    door = DOORS[name]
    chance = random.Random(seed)
    for data in (mutated(chance.choice(door.examples), chance), noise):
        refuse_in_words(door, data)


@pytest.mark.parametrize("name", sorted(FOUND_BEFORE))
def test_what_was_found_before_stays_mended(name: str) -> None:
    for data in FOUND_BEFORE[name]:
        refuse_in_words(DOORS[name], data)


def refuse_in_words(door: Door, data: bytes) -> None:
    """Enter a door; anything but a refusal in words is raised."""
    with contextlib.suppress(NaturalistError):
        door.enter(data)
