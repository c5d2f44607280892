"""How fast a backbone is on this machine."""

import dataclasses
import itertools
import resource
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from naturalist.backbones.registry import load
from naturalist.images import Pixels

_SAMPLE_SHAPE = (240, 320, 3)
_SAMPLES = 64


@dataclasses.dataclass(frozen=True, slots=True)
class Speed:
    """One measurement: pictures a second through the network, `batch` at a time."""

    batch: int
    threads: int
    pictures_per_s: float


@dataclasses.dataclass(frozen=True, slots=True)
class Bench:
    """What was measured of a backbone.

    ``prepared_per_s`` is the rate of ``prepare``; ``open_s`` the seconds until it was ready, and
    ``memory_bytes`` what the process grew by until the end.
    """

    name: str
    backbone_id: str
    prepared_per_s: float
    open_s: float
    memory_bytes: int
    speeds: list[Speed]

    @property
    def best(self) -> Speed:
        """The fastest on one thread."""
        return max(self.speeds, key=lambda s: (s.threads == 1, s.pictures_per_s))


def bench(
    name: str,
    pictures: Sequence[Pixels] | None = None,
    *,
    batches: Sequence[int] = (1, 8, 16, 32, 64),
    threads: Sequence[int] = (1,),
    seconds: float = 1.0,
    home: Path | None = None,
) -> Bench:
    """Measure a backbone for about `seconds` per batch size and number of threads.

    Args:
        name: the backbone.
        pictures: decoded pictures (height, width, 3); noise of 320 x 240 by default.
        batches: batch sizes to try.
        threads: numbers of threads to try.
        seconds: for each measurement.
        home: see :func:`~naturalist.backbones.weights.home_folder`.
    """
    before = _resident_bytes()
    if pictures is None:
        rng = np.random.default_rng(0)
        pictures = list(rng.integers(0, 256, (_SAMPLES, *_SAMPLE_SHAPE), np.uint8))
    start = time.perf_counter()
    backbone = load(name, home=home)
    open_s = time.perf_counter() - start
    prepared = np.stack([backbone.prepare(picture) for picture in pictures])
    prepared_per_s = _rate(backbone.prepare, pictures, seconds)
    speeds = []
    for count in threads:
        network = backbone if count == 1 else load(name, threads=count, home=home)
        for size in batches:
            batch = np.resize(prepared, (size, *prepared.shape[1:]))
            rate = _rate(network.features, [batch], seconds) * size
            speeds.append(Speed(size, count, rate))
    memory_bytes = _resident_bytes() - before
    return Bench(name, backbone.spec.id, prepared_per_s, open_s, memory_bytes, speeds)


def _rate(work: Callable[[Pixels], object], items: Sequence[Pixels], seconds: float) -> float:
    """Calls per second, after one call that does not count."""
    work(items[0])
    done = 0
    start = time.perf_counter()
    for item in itertools.cycle(items):
        work(item)
        done += 1
        spent = time.perf_counter() - start
        if spent >= seconds:
            break
    return done / spent


def _resident_bytes() -> int:
    """Memory of this process that is in RAM now (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()
