"""The stages of a run: `plan()` lists missing tasks, `run(task)` does one."""
