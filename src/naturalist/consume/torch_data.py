"""The rows of a collection as a dataset of PyTorch; imported only when it is asked for."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data import IterableDataset, get_worker_info

if TYPE_CHECKING:
    from naturalist.consume.loading import Collection


class TorchBatches(IterableDataset[Any]):
    """Batches of features, float32 (rows, dim), and labels, int64 (rows,), as tensors.

    See `Collection.torch`.
    """

    def __init__(self, collection: "Collection", rows: int, seed: int | None) -> None:
        super().__init__()
        # Before the workers begin, or each would do it.
        collection.fetch()
        self.collection = collection
        self.rows = rows
        self.seed = seed
        self.epoch = 0

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Go through the tables of this worker once."""
        worker = get_worker_info()
        index, count = (worker.id, worker.num_workers) if worker else (0, 1)
        seed = None if self.seed is None else (self.seed, self.epoch, index)
        for batch in self.collection.share(index, count).batches(self.rows, seed):
            yield torch.from_numpy(batch.features), torch.from_numpy(batch.labels).long()
