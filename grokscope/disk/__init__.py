"""Files that are written whole or not at all, and the error of those that cannot be.

files    durable writes, JSON files, JSON lines that survive a kill in the middle of one
tables   tables as CSV that no spreadsheet runs
packing  nested values as named tensors, without pickle
places   whether something can be written to a place, before it is made
errors   `DiskError`, and `disk_errors`, which raises it
"""

from grokscope.disk.errors import DiskError, disk_errors
from grokscope.disk.files import (
    TEMPORARY,
    JsonLines,
    LineAppender,
    digest,
    json_bytes,
    parse_lines,
    read_json,
    read_lines,
    sync_directory,
    write_atomic,
    write_json,
)
from grokscope.disk.places import check_file, check_folder
from grokscope.disk.tables import csv_bytes

__all__ = [
    "TEMPORARY",
    "DiskError",
    "JsonLines",
    "LineAppender",
    "check_file",
    "check_folder",
    "csv_bytes",
    "digest",
    "disk_errors",
    "json_bytes",
    "parse_lines",
    "read_json",
    "read_lines",
    "sync_directory",
    "write_atomic",
    "write_json",
]
