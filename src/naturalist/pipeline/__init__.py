"""Running the stages: workspace and lock, executors, progress, reports."""
