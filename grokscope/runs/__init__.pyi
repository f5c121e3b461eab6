from .errors import RunError as RunError, RunLocked as RunLocked
from .layout import run_name as run_name, task_label as task_label
from .listing import list_runs as list_runs
from .reached import Milestones as Milestones, milestones as milestones
from .opening import create_run as create_run, is_locked as is_locked, reopen_run as reopen_run
from .reader import Run as Run, open_run as open_run
from .record import ENDED as ENDED
from .repair import Repair as Repair, repair_run as repair_run
from .verify import Finding as Finding, verify_run as verify_run
from .writer import RunWriter as RunWriter
