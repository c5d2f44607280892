"""Decoding for people who look: in processes apart, which are ended when a picture takes too long.

Anybody who may open the pages may send a picture that keeps a decoder busy. It is ended after
`dashboard.decode_timeout_s`, and meanwhile everything else goes on.
"""

from dataclasses import dataclass, field

from naturalist import artifacts
from naturalist.images import Picture, PictureLimits
from naturalist.images.apart import DecoderProcess


@dataclass(eq=False)
class Decoders:
    """As many processes as pictures are decoded at once; close them when done.

    Attributes:
        timeout_s: longest time for one picture.
    """

    timeout_s: float
    _idle: list[DecoderProcess] = field(default_factory=list, repr=False)

    def decode(
        self, data: bytes, limits: PictureLimits, /, *, longer: int = 0, shorter: int = 0
    ) -> Picture:
        """See `images.decode`; any thread may call it.

        Raises:
            PictureError: the picture cannot be decoded, or not in time.
            MemoryShort: there is no memory for it.
        """
        try:
            process = self._idle.pop()
        except IndexError:
            process = DecoderProcess(self.timeout_s)
        try:
            with artifacts.memory_errors(lambda: "decoding a picture for a page"):
                return process.decode(data, limits, longer=longer, shorter=shorter)
        finally:
            self._idle.append(process)

    def close(self) -> None:
        """End the processes that decode nothing now."""
        while self._idle:
            self._idle.pop().close()
