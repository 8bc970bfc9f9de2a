"""The statistics of this package on what other studies printed."""
