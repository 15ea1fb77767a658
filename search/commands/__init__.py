"""What the commands of `run_search.py` share, and those that are no part of a search."""
