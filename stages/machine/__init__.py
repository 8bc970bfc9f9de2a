"""What every program needs of its machine: errors, files, signals, chance, progress; no torch."""
