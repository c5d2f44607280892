"""The vote of the training pictures that are most like a picture, and its mixture with a line.

Every picture of a reference votes for its category, with a weight that falls exponentially with
the distance of the cosine (E. A. Nadaraya, On estimating regression, 1964; the kernel is that of
von Mises and Fisher). On pictures from new sources such a vote is right more often than a linear
model: it looks at what is near, and not at the direction in which the training sources differ.
A share of a linear model is mixed in, for features whose cosines say little.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from naturalist.studies.classifier.methods.linear import LinearModel, softmax
from naturalist.studies.classifier.methods.novelty import unit
from naturalist.studies.classifier.methods.weighting import sample_cells

Features = NDArray[np.float32]
Index = NDArray[np.int64]

FLOOR = 1e-3
"""Added to each share of the votes: nothing is impossible because no neighbour has it."""
_TINY = np.float32(1e-12)
_BLOCK_ROWS = 2_048
_SPREAD_ROWS = 1_500


@dataclass(frozen=True)
class VoteOptions:
    """How neighbours vote.

    Attributes:
        reference: training pictures that are kept, every source with its share.
        width: over what distance of the cosine votes fall to a third, as a share of the spread of
            cosines between pictures of different sources.
        linear_share: weight of the linear model's log-probabilities; the rest is the votes'.
        seed: of the sample.
    """

    reference: int = 3_000
    width: float = 0.35
    linear_share: float = 0.3
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Voters:
    """Pictures that vote: a small value.

    Attributes:
        reference: (R, dim) float16 feature vectors of length 1.
        votes: (R, classes) float32, what each gives to each class, before its distance counts.
        width: over what distance of the cosine votes fall by a factor of e.
    """

    reference: NDArray[np.float16]
    votes: NDArray[np.float32]
    width: float

    def shares(self, features: Features) -> NDArray[np.float32]:
        """Shares (N, classes) of the votes for features (N, dim); each row sums to 1."""
        reference = self.reference.astype(np.float32)
        shares = np.empty((len(features), self.votes.shape[1]), np.float32)
        for start in range(0, len(features), _BLOCK_ROWS):
            part = slice(start, start + _BLOCK_ROWS)
            cosines = unit(features[part]) @ reference.T
            cosines -= cosines.max(axis=1, keepdims=True)
            votes = np.exp(cosines / np.float32(self.width)) @ self.votes
            total = np.maximum(votes.sum(axis=1, keepdims=True), _TINY)
            shares[part] = votes / total
        return shares


@dataclass(frozen=True, eq=False)
class MixedModel:
    """A linear model and voters, mixed by their log-probabilities.

    Attributes:
        linear: the linear model; its own temperature is not used.
        voters: the neighbours.
        linear_share: weight of the linear model, 0 to 1.
        temperature: what scores are divided by before they become probabilities.
    """

    linear: LinearModel
    voters: Voters
    linear_share: float
    temperature: float = 1.0

    @property
    def labels(self) -> Index:
        """The label (classes,) that each class stands for, ascending."""
        return self.linear.labels

    @property
    def dim(self) -> int:
        """Features that it takes."""
        return self.linear.dim

    def scores(self, features: Features) -> NDArray[np.float32]:
        """Scores (N, classes) of features (N, dim), before the temperature."""
        linear = np.log(np.maximum(softmax(self.linear.scores(features)), _TINY))
        voted = np.log(self.voters.shares(features) + np.float32(FLOOR))
        share = np.float32(self.linear_share)
        scores: NDArray[np.float32] = share * linear + (1 - share) * voted
        return scores

    def probabilities(self, features: Features) -> NDArray[np.float32]:
        """Calibrated probabilities (N, classes) of features (N, dim); each row sums to 1."""
        return softmax(self.scores(features), self.temperature)

    def at(self, temperature: float) -> "MixedModel":
        """The same model with another temperature."""
        return replace(self, temperature=temperature)


def fit_voters(
    features: Features,
    classes: Index,
    cell: Index,
    weights: NDArray[np.float64],
    options: VoteOptions,
    drawn: tuple[Index, NDArray[np.float64]] | None = None,
) -> Voters:
    """Choose the pictures that vote, and over what distance.

    Args:
        features: (N, dim) float32.
        classes: (N,) class of each row, from 0; every class has rows.
        cell: (N,) number of the category and source of each row.
        weights: (N,) what each row counts.
        options: how.
        drawn: rows that are to be the reference, and how many rows each stands for; drawn here if
            None.
    """
    rows, stands_for = drawn or sample_cells(cell, options.reference, options.seed)
    reference = unit(features[rows])
    votes = np.zeros((len(rows), int(classes.max()) + 1), np.float32)
    # A mean of 1, so that no vote is lost in float32 whatever the weights' unit is.
    counts = weights[rows] * stands_for
    votes[np.arange(len(rows)), classes[rows]] = counts / max(float(counts.mean()), 1e-30)
    width = max(options.width * cosine_spread(reference, cell[rows], options.seed), 1e-4)
    return Voters(reference.astype(np.float16), votes, width)


def cosine_spread(reference: Features, cell: Index, seed: int) -> float:
    """Standard deviation of the cosines between unit vectors (R, dim) of different cells (R,)."""
    some = np.random.default_rng(seed).permutation(len(reference))[:_SPREAD_ROWS]
    cosines = reference[some] @ reference[some].T
    apart = cell[some][:, np.newaxis] != cell[some][np.newaxis, :]
    return float(cosines[apart].std()) if apart.any() else float(cosines.std())
