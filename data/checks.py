"""What is wrong with a dataset, before a search spends a second on it. One function a check, in one
table.

A check looks at an `Inspection` and says in one sentence what is wrong and what to do, or says
nothing. It reads no file and changes nothing.
"""

from collections.abc import Callable, Iterable

import numpy as np

from data.errors import UserError
from data.inspection import MIN_TRAIN_IMAGES, Inspection
from data.labels import NO_LABEL, in_points, label_remarks, without_labels
from data.messages import did_you_mean, first_of, plural
from data.splits import SPLIT_NAMES, TRAIN

SKIP = "or set dataset.on_bad_file: skip"


def check_dataset(inspection: Inspection) -> None:
    """Raise UserError, in one line, with everything that is wrong."""
    problems = [problem for find in CHECKS for problem in find(inspection)]
    if len(problems) == 1:
        raise UserError(problems[0])
    if problems:
        listed = "; ".join(f"({number}) {problem}" for number, problem in enumerate(problems, 1))
        raise UserError(f"{len(problems)} problems with the dataset: {listed}")


def unusable_files(inspection: Inspection) -> list[str]:
    bad = [item for item in inspection.bad if NO_LABEL not in item.reason]
    if inspection.skips or not bad:
        return []
    listed = first_of([f"{item.name} ({item.reason})" for item in bad])
    return [f"{plural(len(bad), 'file')} cannot be used: {listed}; mend or remove them, {SKIP}"]


def images_without_label(inspection: Inspection) -> list[str]:
    bad = [item for item in inspection.bad if NO_LABEL in item.reason]
    if inspection.skips or not bad:
        return []
    listed = first_of([f"{item.name} ({item.reason})" for item in bad])
    return [
        f"{plural(len(bad), 'image has', 'images have')} no label: {listed}; label or remove them, "
        f"{SKIP}, or give the "
        "class another name if it is one; `predict` answers for images without labels"
    ]


def images_in_two_splits(inspection: Inspection) -> list[str]:
    if inspection.skips or not inspection.leaks:
        return []
    listed = first_of([f"{left} = {kept}" for left, kept in inspection.leaks])
    count = plural(len(inspection.leaks), "image is", "images are")
    return [
        f"{count} in two splits: {listed}; remove one of each pair, {SKIP}, which leaves out the "
        "first"
    ]


def images_in_two_classes(inspection: Inspection) -> list[str]:
    if inspection.skips or not inspection.contradictions:
        return []
    groups = _same_picture(inspection.contradictions)
    most = max(map(len, groups))
    listed = first_of([" = ".join(group[:3]) + _and_more(len(group) - 3) for group in groups])
    blank = f" ({most} files are one picture, as empty ones are: look at it)" if most > 3 else ""
    count = plural(len(groups), "image is", "images are")
    return [
        f"{count} in two classes: {listed}{blank}; keep each in one, {SKIP}, which leaves out all "
        "of them"
    ]


def groups_in_two_splits(inspection: Inspection) -> list[str]:
    if not inspection.crossing:
        return []
    count = plural(len(inspection.crossing), "group is", "groups are")
    return [
        f"{count} in several splits: {first_of(inspection.crossing)}; move each into one, or "
        "remove the splits and let dataset.split draw them"
    ]


def _same_picture(pairs: Iterable[tuple[str, str]]) -> list[list[str]]:
    """The names of each picture that pairs of names are of, in the order met."""
    group_of: dict[str, list[str]] = {}
    for pair in pairs:
        first, second = (group_of.setdefault(name, [name]) for name in pair)
        if first is not second:
            first += second
            group_of |= dict.fromkeys(second, first)
    return list({id(group): sorted(group) for group in group_of.values()}.values())


def _and_more(count: int) -> str:
    return f" and {count} more" if count > 0 else ""


def no_images(inspection: Inspection) -> list[str]:
    said = inspection.contradictions and not inspection.skips  # `images_in_two_classes`
    if len(inspection.labels) or said:
        return []
    left_out = f" ({plural(len(inspection.bad), 'file')} left out)" if inspection.bad else ""
    return [f"the dataset has no image{left_out}; check dataset.path"]


def single_class(inspection: Inspection) -> list[str]:
    if len(inspection.class_names) != 1 or not len(inspection.labels):
        return []
    return [f"there is one class, {inspection.class_names[0]}; there must be two or more"]


def empty_classes(inspection: Inspection) -> list[str]:
    names = inspection.classes(inspection.counts.sum(axis=1) == 0)
    if not names or not len(inspection.labels):
        return []
    count = plural(len(names), "class has", "classes have")
    return [f"{count} no image: {first_of(names)}; fill or remove them"]


def small_classes(inspection: Inspection) -> list[str]:
    totals = inspection.counts.sum(axis=1)
    is_small = inspection.known & (totals > 0) & (totals < inspection.num_needed)
    is_small[list(inspection.twins)] = False  # `classes_in_another_case`
    small = np.flatnonzero(is_small)
    if not len(small):
        return []
    listed = first_of([f"{inspection.class_names[number]} ({totals[number]})" for number in small])
    least = {
        split: MIN_TRAIN_IMAGES if split == TRAIN else 1 for split in inspection.required_splits
    }
    shares = ", ".join(f"{number} in {SPLIT_NAMES[split]}" for split, number in least.items())
    count = plural(len(small), "class has", "classes have")
    names = inspection.classes(is_small)
    remarks = label_remarks(inspection.class_names, totals.tolist())
    return [
        f"{count} too few images: {listed}; {inspection.num_needed} or more are needed ({shares})",
        *(remark for remark in remarks if any(f"'{name}'" in remark for name in names)),
    ]


def unlabelled_splits(inspection: Inspection) -> list[str]:
    """A validation or test set none of whose classes is in train: most often images without
    labels."""
    problems = []
    for split in np.flatnonzero(inspection.foreign).tolist():
        if any(inspection.counts[number, split] for number in inspection.twins):
            continue  # `classes_in_another_case`
        name, held = SPLIT_NAMES[split], inspection.classes(inspection.counts[:, split] > 0)
        problems.append(
            f"{name} has no class of train, but {first_of(held)}: {without_labels(name)}"
        )
    return problems


def classes_in_another_case(inspection: Inspection) -> list[str]:
    names, pairs = inspection.class_names, inspection.twins.items()
    if not pairs:
        return []
    listed = first_of(
        [
            f"{in_points(names[number])} ({SPLIT_NAMES[int(inspection.counts[number].argmax())]}) "
            f"is train's {in_points(names[twin])}"
            for number, twin in pairs
        ]
    )
    return [
        f"{plural(len(pairs), 'class is', 'classes are')} of train in another case or spelling: "
        f"{listed}; write both names alike"
    ]


def classes_missing_from_a_split(inspection: Inspection) -> list[str]:
    enough = inspection.known & (inspection.counts.sum(axis=1) >= inspection.num_needed)
    # `classes_in_another_case`
    enough[[*inspection.twins.keys(), *inspection.twins.values()]] = False
    problems = []
    for split in (each for each in inspection.required_splits if not inspection.foreign[each]):
        names = inspection.classes(enough & (inspection.counts[:, split] == 0))
        if names:
            count = plural(len(names), "class has", "classes have")
            others = [name for name in inspection.class_names if name not in names]
            near = did_you_mean(names[0], others) if split == TRAIN else ""  # a misspelt folder
            problems.append(
                f"{count} no image in {SPLIT_NAMES[split]}: {first_of(names)}; {inspection.mended}"
                f"{near and f', or rename it{near}'}"
            )
    return problems


def classes_thin_in_train(inspection: Inspection) -> list[str]:
    totals, in_train = inspection.counts.sum(axis=1), inspection.counts[:, TRAIN]
    thin = (totals >= inspection.num_needed) & (in_train > 0) & (in_train < MIN_TRAIN_IMAGES)
    names = inspection.classes(thin)
    if not names:
        return []
    count = plural(len(names), "class has", "classes have")
    return [
        f"{count} fewer than {MIN_TRAIN_IMAGES} images in train: {first_of(names)}; "
        f"{inspection.mended}"
    ]


CHECKS: tuple[Callable[[Inspection], list[str]], ...] = (
    unusable_files,
    images_without_label,
    images_in_two_classes,
    images_in_two_splits,
    groups_in_two_splits,
    no_images,
    single_class,
    empty_classes,
    small_classes,
    unlabelled_splits,
    classes_in_another_case,
    classes_missing_from_a_split,
    classes_thin_in_train,
)
