"""One file a strategy, or a close family: its entry, its settings, how it scores and selects."""
