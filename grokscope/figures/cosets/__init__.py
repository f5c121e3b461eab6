"""Figures of whether neurons compute with representations or with cosets."""
