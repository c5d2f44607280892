"""Decoding in a process apart: the same pixels and refusals, and an end to what takes too long."""

import io
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import closing

import numpy as np
import pytest
from PIL import Image
from tests.images.making import LIMITS, encoded, photo

from naturalist import images
from naturalist.errors import PictureError
from naturalist.images import PictureLimits
from naturalist.images.apart import DecoderProcess
from naturalist.reasons import Reason


@pytest.fixture
def process() -> Iterator[DecoderProcess]:
    with closing(DecoderProcess(60.0)) as made:
        yield made


def slow_picture() -> bytes:
    """A PNG whose pixels take longer to unpack than a tenth of a second: ninety megapixels."""
    buffer = io.BytesIO()
    Image.new("RGB", (9000, 9900)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("name", ["jpeg", "png", "webp", "gif", "tiff", "bmp"])
@pytest.mark.parametrize("sides", [{}, {"longer": 64}, {"shorter": 64}])
def test_pixels_are_those_that_are_decoded_here(
    process: DecoderProcess, name: str, sides: dict[str, int]
) -> None:
    data = encoded(photo(), name)
    apart, here = process.decode(data, LIMITS, **sides), images.decode(data, LIMITS, **sides)
    assert np.array_equal(apart.pixels, here.pixels)
    assert (apart.width, apart.height, apart.format) == (here.width, here.height, here.format)


@pytest.mark.parametrize(
    ("data", "limits", "reason"),
    [
        (b"", LIMITS, Reason.EMPTY_FILE),
        (b"no picture at all", LIMITS, Reason.NOT_A_PICTURE),
        (encoded(photo(), "png")[:2000], LIMITS, Reason.TRUNCATED),
        (encoded(photo(), "png"), PictureLimits(max_pixels=9), Reason.TOO_MANY_PIXELS),
    ],
    ids=["empty", "text", "half", "large"],
)
def test_refusals_are_the_same_and_the_process_goes_on(
    process: DecoderProcess, data: bytes, limits: PictureLimits, reason: Reason
) -> None:
    with pytest.raises(PictureError) as caught:
        process.decode(data, limits)
    assert caught.value.reason is reason
    assert process.decode(encoded(photo(), "jpeg"), LIMITS).format == "jpeg"


def test_a_picture_that_takes_too_long_is_refused_and_the_next_is_decoded() -> None:
    data = slow_picture()
    with closing(DecoderProcess(0.1)) as process:
        with pytest.raises(PictureError) as caught:
            process.decode(data, LIMITS)
        assert caught.value.reason is Reason.DECODER_TIMED_OUT
        small = encoded(photo(20, 20), "bmp")
        assert process.decode(small, LIMITS).format == "bmp"


def process_id(process: DecoderProcess) -> int:
    """Of the process itself, begun if it was not."""
    process.decode(encoded(photo(20, 20), "bmp"), LIMITS)
    found = process._process
    assert found is not None
    return found.pid


def test_a_process_that_was_ended_meanwhile_begins_again(process: DecoderProcess) -> None:
    os.kill(process_id(process), signal.SIGSEGV)
    assert process.decode(encoded(photo(), "jpeg"), LIMITS).format == "jpeg"


def test_a_process_that_stands_still_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("naturalist.images.apart._GRACE_S", 0.2)
    with closing(DecoderProcess(0.2)) as process:
        os.kill(process_id(process), signal.SIGSTOP)
        with pytest.raises(PictureError) as caught:
            process.decode(encoded(photo(), "jpeg"), LIMITS)
        assert caught.value.reason is Reason.DECODER_TIMED_OUT


def test_threads_wait_for_each_other(process: DecoderProcess) -> None:
    pictures = [encoded(photo(20 + k, 20), "png") for k in range(8)]
    widths: dict[int, int] = {}

    def decode(k: int) -> None:
        widths[k] = process.decode(pictures[k], LIMITS).width

    threads = [threading.Thread(target=decode, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert widths == {k: 20 + k for k in range(8)}


def test_a_closed_process_is_gone() -> None:
    process = DecoderProcess(60.0)
    number = process_id(process)
    process.close()
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)
