"""Figures of cosets and representations."""
