"""Figures of when runs grok, arm against arm."""
