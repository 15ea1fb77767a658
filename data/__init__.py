"""Images and labels: where they come from, how they are decoded, checked and augmented. Knows
nothing of search."""
