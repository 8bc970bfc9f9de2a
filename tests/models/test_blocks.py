"""The maps of a network's blocks: what is computed on the way to the embedding, from one pass."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from stages import catalogue
from stages.machine.errors import UserError
from stages.models import Network, build, initialise
from stages.study.settings import Model

BLOCKS = {  # of images of 3x32x32: maps, side
    "small_cnn": [(32, 16), (64, 8)],
    "lenet": [(6, 14), (16, 5)],
    "nin": [(64, 9), (128, 2)],
    "nin_10": [(64, 16), (128, 8), (256, 4), (512, 2)],
    "resnet18": [(64, 32), (128, 16), (256, 8), (512, 4)],
    "vgg16": [(128, 8), (256, 4), (512, 2), (512, 1)],
}
SHAPE = (3, 32, 32)


def network_of(name: str) -> Network:
    with torch.random.fork_rng(devices=[]):
        network = build(Model(name=name), SHAPE, 4)
    initialise(network, np.random.default_rng(0))
    return network


@pytest.mark.parametrize("name", BLOCKS)
def test_blocks_are_maps_of_the_same_pass(name):
    network, images = network_of(name).eval(), torch.rand(2, *SHAPE)
    embeddings, maps = network.embed_with_blocks(images)
    assert [tuple(each.shape[1:3]) for each in maps] == BLOCKS[name]
    assert all(each.shape[0] == 2 and each.shape[2] == each.shape[3] for each in maps)
    assert torch.equal(embeddings, network.embed(images))
    assert network.block_channels(SHAPE) == [channels for channels, _ in BLOCKS[name]]


def test_the_last_block_of_a_residual_network_is_what_the_embedding_averages():
    network, images = network_of("resnet18").eval(), torch.rand(2, *SHAPE)
    embeddings, maps = network.embed_with_blocks(images)
    torch.testing.assert_close(maps[-1].mean((2, 3)), embeddings)


def test_each_block_is_the_network_cut_there():
    network, images = network_of("lenet").eval(), torch.rand(2, *SHAPE)
    _, maps = network.embed_with_blocks(images)
    assert torch.equal(maps[0], network.body[:3](images))
    assert torch.equal(maps[1], network.body[:6](images))


def test_gradients_flow_through_blocks_and_embedding():
    network, images = network_of("small_cnn"), torch.rand(2, *SHAPE)
    embeddings, maps = network.embed_with_blocks(images)
    first = network.body[0].weight
    parts = [torch.autograd.grad(each.sum(), first, retain_graph=True)[0] for each in maps]
    parts.append(torch.autograd.grad(embeddings.sum(), first, retain_graph=True)[0])
    whole = sum(each.sum() for each in [*maps, embeddings])
    torch.testing.assert_close(torch.autograd.grad(whole, first)[0], sum(parts))


def test_counting_maps_leaves_a_network_as_it_was():
    network = network_of("resnet18").train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    network.block_channels(SHAPE)
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    _, maps = network.embed_with_blocks(torch.rand(2, *SHAPE))
    network.embed(torch.rand(2, *SHAPE))
    assert len(maps) == 4  # nobody listens any more


def test_an_architecture_without_blocks_says_so():
    with pytest.raises(UserError, match="this model names no blocks"):
        Network(torch.nn.Flatten(), 4, 2, 0.0).embed_with_blocks(torch.rand(1, 1, 2, 2))


def test_a_table_of_ours_forgets_no_architecture():
    images = {name for name in catalogue.ARCHITECTURES}
    assert set(BLOCKS) <= images
