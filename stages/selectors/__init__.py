"""Which candidates are taken. Selectors see arrays and a generator, nothing else.

Each returns positions in the pool, int64, shape (b,), all different, in order of selection.
"""
