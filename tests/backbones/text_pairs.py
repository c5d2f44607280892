"""A small pair of networks: colours of pictures, and words for colours, in three numbers."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers

WORDS = ("[PAD]", "[UNK]", "red", "green", "blue", "a", "photo", "of", "picture")
COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}
_PLAIN = (1.0, 1.0, 1.0)
"""Direction of words that name no colour, and of grey pictures."""


def write_pair(folder: Path, *, dim: int = 3) -> Path:
    """Write both networks, the tokenizer and the descriptor; its path."""
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save_model(_pictures(), folder / "net.onnx")
    onnx.save_model(_words(dim), folder / "text.onnx")
    tokenizer = Tokenizer(models.WordLevel({w: k for k, w in enumerate(WORDS)}, "[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.enable_padding(pad_id=0, pad_token=WORDS[0])
    tokenizer.save(str(folder / "tokenizer.json"))
    path = folder / "colours.toml"
    path.write_text(
        'name = "colours"\nfile = "net.onnx"\nside = 16\nlicence = "MIT"\npooling = "average"\n'
        "scale = [0.01, 0.01, 0.01]\n[text]\nlength = 8\nscale = 20.0\n"
    )
    return path


def _pictures() -> onnx.ModelProto:
    shape = ["N", 3, 16, 16]
    return _model([helper.make_node("Identity", ["x"], ["y"])], [("x", TensorProto.FLOAT, shape)])


def _words(dim: int) -> onnx.ModelProto:
    """The mean of the vectors of words, of which colours weigh most; padding weighs nothing."""
    table = np.zeros((len(WORDS), 3), np.float32)
    table[1:] = np.array(_PLAIN) * 0.02
    for name, colour in COLOURS.items():
        table[WORDS.index(name)] = np.array(colour) / 255
    table = np.pad(table, ((0, 0), (0, dim - 3)))
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["each"]),
        helper.make_node("ReduceMean", ["each"], ["text_embeds"], axes=[1], keepdims=0),
    ]
    ids = [("input_ids", TensorProto.INT64, ["N", 8])]
    return _model(nodes, ids, "text_embeds", [numpy_helper.from_array(table, "table")])


def _model(nodes: list, inputs: list, output: str = "y", numbers: list | None = None):
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(*one) for one in inputs],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
        numbers or [],
    )
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opset, ir_version=8)
