"""Whether what a run directory or a bundle says is what its search would find again."""
