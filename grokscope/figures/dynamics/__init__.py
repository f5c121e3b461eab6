"""Figures of training dynamics."""
