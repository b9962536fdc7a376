"""The figures of the README: leftfold, a peer and the raw database, interleaved in one run. ``make bench`` runs it."""
