"""Figures of which irreps (frequencies) a network computes with."""
