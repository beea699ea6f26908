"""The compiled reader: all patterns of a job in one pass over the bytes, by Numba."""
