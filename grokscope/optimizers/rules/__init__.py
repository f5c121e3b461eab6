"""Update rules: a module each, with the settings that it reads, what it remembers, and its update.

Every module is imported when the first `OptimizerConfig` is made, for its settings: none imports torch before a rule is
built.
"""
