"""Whatever a decoder raises becomes a PictureError; the process is left as it was."""

import os
import struct
import threading
import warnings

import pytest
from PIL import Image
from tests.images.making import LIMITS, encoded, photo

from naturalist.errors import PictureError
from naturalist.images import decode
from naturalist.images.pillow_files import decoder_errors, pillow_errors
from naturalist.images.silence import silent_stderr
from naturalist.reasons import Reason


@pytest.mark.parametrize(
    ("raised", "reason"),
    [
        (TypeError("Missing dimensions"), Reason.BROKEN_PIXELS),
        (struct.error("unpack requires a buffer"), Reason.BROKEN_PIXELS),
        (MemoryError(), Reason.BROKEN_PIXELS),
        (RecursionError(), Reason.BROKEN_PIXELS),
        (OSError("image file is truncated (3 bytes not processed)"), Reason.TRUNCATED),
        (EOFError("no more images"), Reason.TRUNCATED),
        (ValueError("Premature end of JPEG file"), Reason.TRUNCATED),
        (SyntaxError("unknown pixel mode"), Reason.UNSUPPORTED_FORMAT),
        (Image.DecompressionBombError("too large"), Reason.TOO_MANY_PIXELS),
        (PictureError(Reason.METADATA_TOO_LARGE, "text"), Reason.METADATA_TOO_LARGE),
    ],
)
def test_every_exception_of_a_decoder_gets_a_reason(raised: Exception, reason: Reason) -> None:
    with pytest.raises(PictureError) as caught, decoder_errors(Reason.BROKEN_PIXELS):
        raise raised
    assert caught.value.reason is reason
    assert caught.value.detail


@pytest.mark.parametrize("raised", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_is_not_trouble_with_a_picture(raised: type[BaseException]) -> None:
    with pytest.raises(raised), decoder_errors(Reason.BROKEN_PIXELS):
        raise raised


def test_a_decoders_warning_is_not_seen_even_where_warnings_are_errors() -> None:
    with warnings.catch_warnings(record=True) as seen, pillow_errors(Reason.BROKEN_PIXELS):
        warnings.warn("Corrupt EXIF data", UserWarning, stacklevel=1)
    assert seen == []


def test_standard_error_speaks_again_after_its_silence(capfd: pytest.CaptureFixture[str]) -> None:
    with silent_stderr():
        os.write(2, b"lost\n")
    os.write(2, b"seen\n")
    with pytest.raises(ValueError, match="inside"), silent_stderr():
        raise ValueError("inside")
    os.write(2, b"seen again\n")
    assert capfd.readouterr().err == "seen\nseen again\n"


def test_threads_that_decode_at_once_leave_warnings_and_standard_error_as_they_were(
    capfd: pytest.CaptureFixture[str],
) -> None:
    filters = list(warnings.filters)
    data = encoded(photo(60, 40), "TIFF", compression="tiff_lzw")

    def read_many() -> None:
        for _ in range(20):
            decode(data, LIMITS)

    threads = [threading.Thread(target=read_many) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(warnings.filters) == filters
    os.write(2, b"seen\n")
    assert capfd.readouterr().err == "seen\n"


def test_a_frame_larger_than_its_screen_is_refused_by_the_limit_that_can_be_set() -> None:
    screen, frame = struct.pack("<HH", 32, 32), struct.pack("<HHHH", 0, 0, 60_000, 60_000)
    palette = b"\x00\x00\x00\xff\xff\xff"
    data = b"GIF89a" + screen + b"\x80\x00\x00" + palette + b"," + frame + b"\x00\x02\x02D\x01\x00;"
    with pytest.raises(PictureError) as caught:
        decode(data, LIMITS)
    assert caught.value.reason is Reason.TOO_MANY_PIXELS
    assert caught.value.detail == (
        f"a frame of 3600000000 pixels; max_whole_pixels allows {LIMITS.max_whole_pixels}"
    )
