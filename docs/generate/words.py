"""What each augmentation, algorithm and engine is for, in a sentence. Those of the other settings
are the schema's, as are names, bounds and defaults."""

AUGMENTATION_WORDS = {
    "rotation_range": "Turns by an angle up to this, either way.",
    "width_shift_range": "Moves sideways by up to this, either way.",
    "height_shift_range": "Moves up or down by up to this.",
    "shear_range": "Slants by an angle up to this, either way.",
    "zoom_range": "Scales width and height, each by its own factor from this range.",
    "horizontal_flip": "Mirrors left and right.",
    "vertical_flip": "Turns upside down, mirrored.",
    "channel_shift_range": "Adds one number up to this, of either sign, to all colours.",
    "brightness_range": "Multiplies all colours by one factor from this range.",
    "contrast_range": "Moves colours away from their mean, or towards it, by a factor from this "
    "range.",
    "saturation_range": "Moves colours away from grey, or towards it, by a factor from this range.",
    "policy": "A published recipe: one operation drawn from many (TrivialAugment, wide), or a few "
    "at one strength (RandAugment).",
    "cutout": "Covers one square in mid-grey.",
    "fill_mode": "What is shown where a picture was moved away.",
    "cval": "The colour of `fill_mode: constant`.",
    "policy_ops": "Operations in a row, for `policy: rand_augment`.",
    "policy_magnitude": "Their strength, for `policy: rand_augment`.",
}

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
