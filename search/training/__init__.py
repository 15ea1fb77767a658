"""One trial: `run_trial`, the training modes, the stacked heads, the networks. Knows nothing of a
search.
"""
