"""Words as vectors, by a network that was trained together with one for pictures (CLIP, SigLIP).

A word is compared with a picture as in Radford and others, "Learning Transferable Visual Models
From Natural Language Supervision" (2021): the cosine of the two vectors, times a scale. Its
probability is that of the word's text against texts that fit any picture.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from naturalist.backbones.session import RUNTIME_ERRORS, open_session
from naturalist.errors import BackboneError, MissingExtra
from naturalist.suggestions import choose_one_of

if TYPE_CHECKING:
    from naturalist.backbones.descriptors import TextDescriptor

Floats = NDArray[np.float32]
_IDS, _MASK = "input_ids", "attention_mask"


@dataclass(frozen=True, eq=False)
class TextQuery:
    """A word as vectors.

    Attributes:
        word: (dim,) unit float32.
        background: (texts, dim) unit float32, of texts that fit any picture.
        scale: of cosines.
    """

    word: Floats
    background: Floats
    scale: float

    def probabilities(self, vectors: NDArray[np.floating]) -> Floats:
        """(N,) from 0 to 1, how much unit vectors (N, dim) of pictures fit the word."""
        vectors = np.asarray(vectors, np.float32)
        general = np.asarray(self.scale * (vectors @ self.background.T), np.float32)
        margins = self.scale * (vectors @ self.word) - _log_mean(general)
        return np.asarray(1 / (1 + np.exp(-np.clip(margins, -60, 60))), np.float32)


class TextTower:
    """The network for words of a pair, and its tokenizer.

    Raises:
        BackboneError: one of them cannot be read.
        MissingExtra: the package `tokenizers` is not installed.
    """

    def __init__(self, descriptor: "TextDescriptor", model: bytes, tokenizer: bytes) -> None:
        self._about = descriptor
        self._session = open_session(model)
        self._tokenizer = _read_tokenizer(tokenizer, descriptor.length)
        inputs = {one.name: one.type for one in self._session.get_inputs()}
        self._ids = _IDS if _IDS in inputs else next(iter(inputs))
        self._mask = _MASK if _MASK in inputs else None
        self._kinds = {
            name: np.int32 if "int32" in kind else np.int64 for name, kind in inputs.items()
        }

    def query(self, word: str) -> TextQuery:
        """The word in the descriptor's prompt, and the background."""
        texts = [self._about.prompt.format(word), *self._about.background]
        vectors = self.vectors(texts)
        return TextQuery(vectors[0], vectors[1:], self._about.scale)

    def vectors(self, texts: Sequence[str]) -> Floats:
        """Unit vectors (N, dim), float32, of texts.

        Raises:
            BackboneError: the network cannot be run, or gives no vector for each text.
        """
        encoded = self._tokenizer.encode_batch(list(texts))
        given = {self._ids: np.array([one.ids for one in encoded], self._kinds[self._ids])}
        if self._mask is not None:
            mask = np.array([one.attention_mask for one in encoded], self._kinds[self._mask])
            given[self._mask] = mask
        try:
            found = self._session.run([self._output()], given)[0]
        except RUNTIME_ERRORS as error:
            raise BackboneError(f"the text network cannot be run: {error}") from error
        vectors = np.asarray(found, np.float32)
        norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
        if (
            vectors.ndim != 2
            or len(vectors) != len(texts)
            or not (np.isfinite(norms) & (norms > 0)).all()
        ):
            raise BackboneError(
                f"the text network returns an array of shape {vectors.shape} for {len(texts)} "
                "texts instead of one vector of finite numbers each: choose another output"
            )
        return np.asarray(vectors / norms, np.float32)

    def _output(self) -> str:
        names = [one.name for one in self._session.get_outputs()]
        expected = self._about.output or ("text_embeds" if "text_embeds" in names else names[0])
        if expected not in names:
            raise BackboneError(
                f"the text network has no output {expected!r}: {choose_one_of(expected, names)}"
            )
        return expected


def _read_tokenizer(data: bytes, length: int) -> Any:
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise MissingExtra("tokenizers", "text") from error
    try:
        tokenizer = Tokenizer.from_str(data.decode("utf-8"))
    except Exception as error:  # The package raises Exception itself.
        raise BackboneError(f"the tokenizer cannot be read: {error}") from error
    padding = tokenizer.padding or {}
    kept = {key: padding[key] for key in ("pad_id", "pad_type_id", "pad_token") if key in padding}
    tokenizer.enable_truncation(length)
    tokenizer.enable_padding(length=length, **kept)
    return tokenizer


def _log_mean(scores: Floats) -> Floats:
    """Logarithm of the mean of exponentials over the last axis."""
    most = scores.max(axis=-1)
    shares = np.exp(scores - most[..., np.newaxis]).mean(axis=-1)
    return np.asarray(most + np.log(shares), np.float32)
