"""Experiments from sweep to report.

why_clipping  why does clipping weight norms make networks grok sooner?
accelerators  other methods, with and without the clip: what is trained
"""
