"""Run directories: dense checkpoints that can be trusted.

opening      create a run, or reopen it to resume, for one process at a time
writer       everything that training puts on disk
reader       open a run: config, metrics, weights, models, trajectories
verify       check every file of a run against its recorded digest
repair       the way back from what is damaged or lost
listing      all runs below a directory
named        weights by name, which know the nearest name
reached      memorisation, grok and sustained-grok steps

record       config.json and status.json
manifest     the list of checkpoints, which is the truth about them; one checkpoint on disk
seals        what the other files of a run must be; how they are chained
closing      the seal of a run that a process leaves
content      what must be in a checkpoint, by the config
environment  versions, processor and threads, and which of them round otherwise
file_record  a file and what is known of its content
summary      the row that a listing shows of a run
metrics      metrics.jsonl while training, metrics.parquet at the end
probes       probes.jsonl: what was recorded about training itself
state        what a resume continues from
task_file    what is in a task that is given by its labels or examples
background   the one thread that writes
layout       file names, run names, and which paths are accepted
errors       `RunError`, `RunLocked`, and the errors of the disk as these

A run directory:

    config.json       the config, the format, and the versions and machine of the first process
    status.json       how far it is, why it stopped, and which process says so
    task.safetensors  what is in a task of labels, or one made in Python; config.json has its digest
    manifest.jsonl    a line {step, file, bytes, sha256} per checkpoint
    checkpoints/      step_00000540.safetensors, ...
    metrics.jsonl     a line per evaluation; kept, since it is what a resume continues
    metrics.parquet   the same as a table, once the run has ended
    probes.jsonl      a line per step that was recorded (`Run.probes`)
    state.json        the resume state, and which of state.0.safetensors and state.1.safetensors belongs to it
    seals.jsonl       what all these files must be, as of each time that they were known to belong together
    run.lock          held by the process that writes
    analysis/         results computed from the run, by `grokscope.analysis`
    quarantine/       what a repair has set aside

What `__init__.pyi` names is imported when it is first used: listing closed runs, for one, needs no torch.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
