"""The arms of the experiment: a module for each thing that the clip does or might do."""
