"""The figures of docs/benchmarks.md: leftfold, a peer and the raw database, interleaved in a run of ``make bench``."""
