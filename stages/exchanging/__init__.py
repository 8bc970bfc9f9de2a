"""Index sets and studies of others: reading them with distrust, and giving one's own away."""
