"""Arithmetic on arrays that selections need: distances, clusters, covers, determinants."""
