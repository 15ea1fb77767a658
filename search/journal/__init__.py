"""A run directory: its journal, the state that it describes, its lock."""
