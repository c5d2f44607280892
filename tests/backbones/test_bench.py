"""Measuring gives rates, whatever they are."""

from naturalist import backbones


def test_every_batch_size_and_number_of_threads_is_measured() -> None:
    measured = backbones.bench("colour_histogram", batches=(1, 4), threads=(1, 2), seconds=0.01)
    assert [(s.batch, s.threads) for s in measured.speeds] == [(1, 1), (4, 1), (1, 2), (4, 2)]
    assert measured.prepared_per_s > 0
    assert all(s.pictures_per_s > 0 for s in measured.speeds)
    assert measured.best.threads == 1
    assert measured.backbone_id == backbones.describe("colour_histogram").id
