"""Why does clipping weight norms make networks grok sooner? Ten claims, each with the arms that could prove it wrong.
"""
