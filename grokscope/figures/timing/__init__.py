"""Figures of when runs grok, with arms compared."""
