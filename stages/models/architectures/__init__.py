"""The architectures, one file each; importing them imports no torch."""
