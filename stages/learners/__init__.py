"""How a model is trained in one round."""
