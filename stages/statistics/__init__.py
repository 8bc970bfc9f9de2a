"""Statistics of a study: pure functions on arrays and tables, without paths or settings."""
