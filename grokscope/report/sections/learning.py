"""When the networks memorised and when they grokked."""

from grokscope.report.plate import DeclaredSection

SECTION = DeclaredSection("learning", "Learning curves")
