"""A backbone without a network: the colours of a picture, 8 x 8 x 8 bins of RGB.

The baseline that any network has to beat, and a real, fast backbone for tests. Square roots of the
frequencies make the vector one of unit length whose dot product with another is the Bhattacharyya
coefficient of the two histograms.
"""

import numpy as np

from naturalist.backbones.preprocessing import RULES
from naturalist.backbones.spec import BackboneSpec, Features, check_batch
from naturalist.images import Pixels

BINS = 512


class ColourHistogram:
    """Counts colours; see the module for the vector it gives."""

    def __init__(self, spec: BackboneSpec) -> None:
        self.spec = spec
        self._prepare = RULES[spec.preprocessing].prepare

    def prepare(self, pixels: Pixels) -> Pixels:
        """See :meth:`Backbone.prepare`."""
        return self._prepare(pixels, self.spec.side)

    def features(self, batch: Pixels) -> Features:
        """See :meth:`Backbone.features`."""
        check_batch(batch, self.spec)
        top_bits = (batch >> 5).astype(np.int64)
        bins = top_bits @ np.array([64, 8, 1])
        bins += BINS * np.arange(len(batch)).reshape(-1, 1, 1)
        counts = np.bincount(bins.ravel(), minlength=BINS * len(batch)).reshape(-1, BINS)
        return np.sqrt(counts / self.spec.side**2).astype(np.float32)
