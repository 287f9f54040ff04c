"""Benchmarks: what is fast, against whom, measured in one interleaved run."""
