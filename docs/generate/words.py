"""What each setting, augmentation, algorithm and engine is for, in a sentence. Names, bounds and
defaults are the schema's."""

WORDS = {
    "name": "Names the run directory and the MLflow experiment.",
    "seed": "Everything random follows from it: splits, folds, views, first weights. The same file "
    "and seed give the same numbers.",
    "dataset.source": "Where the images come from; see the table of sources.",
    "dataset.path": "A folder, a .csv or an .npz; relative to the experiment file.",
    "dataset.split": "Shares set aside for validation and test, stratified by class; only where "
    "the source has no splits.",
    "dataset.on_bad_file": "What to do with a file that cannot be read, or is in two splits or "
    "classes; `skip` leaves it out.",
    "dataset.image_size": "Pixels a side of the square picture that the model sees.",
    "dataset.max_pixels": "A larger picture is refused without being decoded.",
    "dataset.path_column": "The csv's column of file names.",
    "dataset.label_column": "The csv's column of classes.",
    "dataset.split_column": "The csv's column of splits, if it has one.",
    "split.validation": "Share of all images.",
    "split.test": "Share of all images.",
    "dataset.limit_per_class": "Keeps only so many training images a class.",
    "model.backbone": "The network whose features are used; see the table of backbones.",
    "model.weights": "`imagenet`, `random`, or a weights file.",
    "model.head_units": "Units of the dense layer on top; 0 for none.",
    "model.dropout": "Share of them that is dropped in training.",
    "model.learning_rate": "Adam's, for the head.",
    "training.max_epochs": "A head stops here at the latest.",
    "training.patience": "A head stops after so many epochs without improvement on its clean "
    "validation images.",
    "training.batch_size": "Images a step.",
    "training.views": "Augmented pictures made of each image; `fresh` makes a new one every epoch. "
    "Few views are biased against "
    "augmentation.",
    "training.mode": "`frozen` trains a head on the backbone's features; `finetune` then its upper "
    "part too; `scratch` all of it, "
    "from random weights.",
    "training.finetune": "The second phase of mode `finetune`.",
    "training.weight_decay": "Adam's decoupled weight decay, on kernels only.",
    "training.label_smoothing": "Share of the target spread over all classes.",
    "training.mixup": "Mixes pairs of pictures; the alpha of its Beta distribution, 0 is off.",
    "training.cutmix": "Pastes a part of one picture into another; the alpha of its Beta "
    "distribution, 0 is off.",
    "finetune.from": "The first layer or block that trains, `last: N`, or `all`.",
    "finetune.learning_rate": "Adam's, for this phase.",
    "finetune.warmup_epochs": "Epochs over which it rises to that.",
    "finetune.max_epochs": "Those of training by default.",
    "finetune.batch_norm": "`frozen` keeps the backbone's batch norms as they are; `train` trains "
    "them too.",
    "search.algorithm": "Which settings are tried next; see the table of algorithms.",
    "search.trials": "How many settings are tried.",
    "search.max_hours": "No new trial is asked for when this would run out before the best is "
    "confirmed.",
    "search.lookahead": "Trials asked for ahead of the last answer. It bounds how many run at "
    "once, and is part of what "
    "makes a search repeat.",
    "search.reduction": "Halving and Hyperband promote one setting in so many.",
    "search.min_views": "Halving: views of the lowest rung (of the only one, where all views are "
    "hardly more).",
    "evaluation.folds": "1 scores on the validation split; more cross-validate over train and "
    "validation.",
    "evaluation.seeds": "Heads trained a fold, each from other first weights.",
    "evaluation.objective": "What a trial is ranked by.",
    "evaluation.confirm": "The best are trained again on fresh folds, seeds and views; null: "
    "nothing is recommended.",
    "evaluation.ablation": "Each augmentation taken out of the best setting, and each alone.",
    "evaluation.test": "The test split is scored once, at the end.",
    "confirm.top": "How many of the best trials are confirmed.",
    "confirm.seeds": "Fresh heads a fold.",
    "confirm.views": "Fresh views an image.",
    "tracking.uri": "Where MLflow keeps the search; null for nowhere.",
    "tracking.experiment": "MLflow's experiment; the file's name by default.",
    "execution.engine": "Where trials run; see the table of engines.",
    "execution.order": "How answers reach the algorithm: in the order of the trials, so that the "
    "search repeats, or `eager`, as they "
    "come: faster where trials differ in length, and another search each time.",
    "execution.workers": "Trials at a time.",
    "execution.threads": "Threads a trial; all cores by default.",
    "execution.trial_timeout_minutes": "Ends a trial that takes longer.",
    "execution.retries": "How often a trial whose process died is tried again.",
    "execution.feature_engine": "What runs the backbone.",
    "execution.precision": "The backbone's arithmetic. It changes numbers, in the last digits.",
    "execution.feature_dtype": "What features are kept in; float16 halves the disk. It changes "
    "numbers, in the last digits.",
    "execution.address": "The cluster's, for an engine that has one.",
    "execution.max_workers": "Trials at a time on a cluster, at most; as many as it has room for "
    "by default.",
    "execution.resources": "What a trial asks of a cluster.",
    "resources.cpu": "Cores a trial.",
    "resources.gpu": "Graphics processors a trial.",
    "execution.cache_dir": "Where decoded images and clean features are kept.",
    "execution.disk_gb": "The most that views may take on the disk.",
}

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
