"""Networks; each gives logits and the embedding before the classifier."""

from stages.models.networks import Network, build, initialise, restore, state

__all__ = ["Network", "build", "initialise", "restore", "state"]
