"""The claims, one a module: each declares itself with `declare_claim`, and `declared_claims` collects the folder.

A module says what is asked and what each answer would predict, trains the arms that tell the answers apart, and reads
from the runs that there are what they show. `causes` is what claims about a suspected cause have in common.
"""
