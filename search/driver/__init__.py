"""The search itself: the oracles, what is asked and told, the phases, what is concluded, and one
sitting from start to end."""
