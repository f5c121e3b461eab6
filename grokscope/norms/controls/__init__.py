"""Norm controls: a module each, with the settings that it reads, what it remembers, and what it does to the weights.

Every module is imported when the first `NormConfig` is made, for its settings: none imports torch before a control is
built.
"""
