"""The search: experiment files, trials, algorithms, evidence, tracking and the report."""
