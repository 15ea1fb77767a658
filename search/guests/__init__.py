"""Demonstrations that a search may end with: `guest` says what one is, `table` which there are. The
search knows them by that table alone; what one does, finds and says is its own module's."""
