"""Published tables as experiments, one a module: each declares what it asks, its runs, its tables and its figures.

`grokscope experiment` lists them. They write to reports/tables/, and reports/README.md quotes what they wrote.
"""
