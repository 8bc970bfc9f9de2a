"""The parts of a round that the stages round, tune and full share."""
