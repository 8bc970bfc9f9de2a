"""Networks; each gives logits and the embedding before the classifier.

What is asked for here is in :mod:`stages.models.networks`, which is imported then: settings are
read with the architectures, and without torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stages.models.networks import Network, build, initialise, restore, state

__all__ = ["Network", "build", "initialise", "restore", "state"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from stages.models import networks

    return getattr(networks, name)
