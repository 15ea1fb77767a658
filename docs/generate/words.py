"""What each algorithm and engine is for, in a sentence. All else is the schema's, or in its
record."""

CHOICE_WORDS = {
    "algorithm": {
        "random": "Draws each setting at random.",
        "grid": "Goes through every combination; ranges need a `step`.",
        "bayesian": "Models the scores so far (a Gaussian process) and tries where a better one is "
        "likely.",
        "hyperband": "Many settings with few views, the best again with more; several brackets, as "
        "many as `search.trials` pay for.",
        "halving": "Many settings with few views (few epochs where the backbone trains), the best "
        "of them again with more.",
        "asynchronous_halving": "The same, promoting a setting as soon as it has earned it: for "
        "many workers.",
    },
    "engine": {
        "inline": "In this process, one at a time: for debugging.",
        "local": "In worker processes of this machine.",
        "ray": "On a Ray cluster: see [Cluster](cluster.md).",
    },
}
