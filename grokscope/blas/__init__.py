"""float32 matrix products into memory that is there already, by the library that is fast on the processor at hand.

products   the rule which library multiplies, and a product as a call
openblas   numpy's OpenBLAS
processor  what the processor is called
"""

from grokscope.blas import openblas
from grokscope.blas.processor import name_and_family
from grokscope.blas.products import Library, library, product

__all__ = ["Library", "library", "name_and_family", "openblas", "product"]
