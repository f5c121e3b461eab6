"""Gradient transforms: a module each, with the settings that it reads, what it remembers, and what it does.

Every module is imported when the first `GradientConfig` is made, for its settings: none imports torch before a
transform is built.
"""
