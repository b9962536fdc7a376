"""The trial, ``leftfold verify``: many workers append, read and follow while faults are injected; a checker judges.

It is told in docs/trial.md. `leftfold.testing.trial.checker` decides, as a pure function of what was written down.
"""
