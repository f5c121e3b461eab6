"""Losses: a module each, with its settings and its formula.

Every module is imported when the first `LossConfig` is made, for its settings: none imports torch before a loss is
computed.
"""
