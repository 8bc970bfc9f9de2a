"""What a study's folder holds, as tidy tables."""
