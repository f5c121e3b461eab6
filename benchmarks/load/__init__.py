"""Load on what must survive it, a module for each kind of load; `python -m benchmarks.faults` runs and counts them.

processes    work in a process that is killed after some time, and processes that bear a mark
training     `kills`: training is killed at random moments
analyses     `analyses`: `analyze` and `report` are killed at random moments
sweeps       `sweeps`: a sweep, its workers, or both are killed at random moments
nodes        `nodes`: a node of a Ray cluster is killed while a sweep runs on it
many         `runs` and `checkpoints`: very many of them are listed, opened, verified and read

Each part is a function of a folder, how often, and a source of random numbers; it returns counts, and `bad` among them
is how often something was not as promised.
"""
