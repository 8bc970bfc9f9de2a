"""What is computed over the pool. Higher is more wanted."""
