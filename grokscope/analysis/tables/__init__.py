"""What keeps, names and selects tables, whatever they are about.

registry  all analyses by name, several made in one pass
cache     tables kept in the run's folder, under a key of all that they depend on
identity  one run or several; the columns that say which
select    parts of a table
"""
