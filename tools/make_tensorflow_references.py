"""Write what TensorFlow itself does into tests/backbones/data, for tests that run without it.

Needs an environment of its own with tensorflow-cpu (2.21 was used):

    python tools/make_tensorflow_references.py tests/backbones/data
"""

import hashlib
import json
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import tensorflow as tf

SIDE = 128
SIZES = [
    (300, 451), (451, 300), (64, 64), (128, 128), (1, 1), (5, 500), (500, 5), (129, 127),
    (200, 133), (97, 211), (1000, 750), (77, 128), (128, 77), (50, 33),
]  # fmt: skip
VARIABLES = 40


def main() -> None:
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    digests = {f"{height}x{width}": resized_sha256(height, width) for height, width in SIZES}
    (target / "resize_with_pad.json").write_text(json.dumps(digests, indent=1) + "\n")
    for write in (write_tensorflow_1, write_tensorflow_2):
        with tempfile.TemporaryDirectory() as folder:
            write(Path(folder) / "model")
            kept = target / write.__name__.removeprefix("write_")
            shutil.rmtree(kept, ignore_errors=True)
            shutil.copytree(Path(folder) / "model" / "variables", kept / "variables")


def resized_sha256(height: int, width: int) -> str:
    pixels = np.random.default_rng([height, width]).integers(0, 256, (height, width, 3), np.uint8)
    resized = tf.image.resize_with_pad(pixels, SIDE, SIDE).numpy()
    return hashlib.sha256(np.rint(resized).astype(np.uint8).tobytes()).hexdigest()


def value(number: int) -> np.ndarray:
    return np.arange(number, number + 6, dtype=np.float32).reshape(2, 3)


def write_tensorflow_1(folder: Path) -> None:
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        for number in range(VARIABLES):
            tf.compat.v1.get_variable(f"module/layer_{number}/weights", initializer=value(number))
        session.run(tf.compat.v1.global_variables_initializer())
        builder = tf.compat.v1.saved_model.Builder(str(folder))
        builder.add_meta_graph_and_variables(session, ["serve"])
        builder.save()


def write_tensorflow_2(folder: Path) -> None:
    module = tf.Module()
    module.kept = [
        tf.Variable(value(number), name=f"layer_{number}/weights") for number in range(VARIABLES)
    ]
    tf.saved_model.save(module, str(folder))


if __name__ == "__main__":
    main()
