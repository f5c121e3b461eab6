"""What declares, keeps, collects and selects tables, whatever they are about.

declared     the decorators that make a function an analysis, and all analyses that were declared
registry     several analyses of one run or several, made together
cache        tables kept in the run's folder, under a key of all that they depend on
source       the source that a table is computed with, as a digest
live_source  where the source of a live function is, in a file or in a notebook
identity     one run or several; the columns that say which
select       parts of a table
"""
