"""An interactive scrubber: drag through the training of one to three runs in step.

    scrubber(runs)              an HTML fragment for a page
    scrubber_page(runs, path)   a page of its own

fragment  the HTML, the scripts, and which scripts a page must allow
data      what the fragment shows, from tables
frames    which steps the slider stops at
colours   those of the figures, on a light and on a dark page
"""

from grokscope.report.scrubber.data import MOST_RUNS, scrubber_data
from grokscope.report.scrubber.fragment import scrubber, scrubber_page, scrubber_script_sources

__all__ = ["MOST_RUNS", "scrubber", "scrubber_data", "scrubber_page", "scrubber_script_sources"]
