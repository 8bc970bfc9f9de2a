"""The floor of benchmarks/throughput.py does exactly the passes of what it is compared with."""

from __future__ import annotations

import torch
from halves import problem

from benchmarks.floor import Floor, recorded
from stages.models.fit import cross_entropy, fit, fresh


def test_passes_are_recorded_and_repeated():
    given = problem(how="machine", epochs=2)

    def loss(batch, network):
        with torch.no_grad():
            batch.logits(network, batch.unlabeled.view())
        return cross_entropy(batch, network)

    with recorded() as events:
        fit(fresh(given), given, loss, unlabeled_per_labeled=2)
    assert events == [-16, 8, 0, -16, 8, 0, -8, 4, 0] * 2

    seen, network = [], fresh(given)
    network.register_forward_hook(
        lambda _, images, __: seen.append(len(images[0]) * (1 if torch.is_grad_enabled() else -1))
    )
    before = [parameter.clone() for parameter in network.parameters()]
    Floor(network, given.task, torch.rand(16, 1, 8, 8), torch.arange(16) % 2).run(events)
    assert seen == [event for event in events if event]
    assert not any(map(torch.equal, before, network.parameters()))
    with recorded() as none:
        pass
    fit(fresh(given), given)
    assert none == []
