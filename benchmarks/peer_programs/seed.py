"""The seed system's way: TensorFlow, one picture at a time, one text file each."""

import json
import resource
import sys
import time
from pathlib import Path

import numpy as np
import tensorflow as tf


def processor_s() -> float:
    """Processor seconds of this process and of its children that have ended."""
    used = [resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


pictures, out = Path(sys.argv[1]), Path(sys.argv[2])
model = tf.keras.applications.MobileNet(
    input_shape=(128, 128, 3), alpha=0.5, include_top=False, pooling="avg", weights=None
)
call = tf.function(lambda batch: model(batch, training=False))


def features(path: Path) -> np.ndarray:
    """512 features of one picture."""
    pixels = tf.io.decode_image(tf.io.read_file(str(path)), channels=3, expand_animations=False)
    batch = tf.image.resize_with_pad(pixels, 128, 128)[None] / 127.5 - 1.0
    return call(batch).numpy()[0]


paths = sorted(pictures.iterdir())
features(paths[0])
done = 0
before = processor_s()
start = time.perf_counter()
for path in paths:
    try:
        np.savetxt(out / f"{path.stem}.txt", features(path))
        done += 1
    except tf.errors.InvalidArgumentError:
        continue
seconds = time.perf_counter() - start
found = {"pictures": done, "per_s": done / seconds, "tensorflow": tf.__version__}
print(json.dumps(found | {"processor_ms": 1e3 * (processor_s() - before) / done}))
