"""What must agree in a study's folder: its settings, index sets, records and commit."""
