"""Growing a study: who is at work on it, and DVC's own files."""
