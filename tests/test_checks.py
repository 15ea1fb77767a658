"""What is wrong with a dataset is said in one line, whatever there is of it."""

from collections.abc import Sequence

import numpy as np
import pytest

from data.checks import CHECKS, Inspection, check_dataset
from data.dataset_notes import LeftOut
from data.errors import UserError

TRUNCATED = LeftOut(name="train/cat/1.png", reason="damaged: truncated")


def inspection(
    counts: Sequence[Sequence[int]],
    required: tuple[int, ...] = (0, 1, 2),
    bad: tuple[LeftOut, ...] = (),
    leaks: tuple[tuple[str, str], ...] = (),
    skips: bool = False,
) -> Inspection:
    """Images of each class in each split, classes named c0, c1 and so on."""
    table = np.array(counts, np.int64).reshape(-1, 3)
    cells = np.repeat(np.arange(table.size), table.ravel())
    names = tuple(f"c{number}" for number in range(len(table)))
    return Inspection(
        (cells // 3).astype(np.int32),
        (cells % 3).astype(np.int8),
        names,
        required,
        bad,
        leaks,
        skips,
    )


def message(seen: Inspection) -> str:
    with pytest.raises(UserError) as caught:
        check_dataset(seen)
    assert "\n" not in str(caught.value)
    return str(caught.value)


SOUND = inspection([[2, 1, 1], [5, 2, 3]])


@pytest.mark.parametrize("find", CHECKS)
def test_no_check_finds_anything_in_a_sound_dataset(find: object) -> None:
    assert callable(find)
    assert find(SOUND) == []


@pytest.mark.parametrize("find", CHECKS)
def test_every_check_bears_a_dataset_without_images_or_classes(find: object) -> None:
    assert callable(find)
    for empty in (inspection([]), inspection([[0, 0, 0]])):
        assert all("\n" not in problem for problem in find(empty))


def test_a_sound_dataset_passes() -> None:
    check_dataset(SOUND)
    check_dataset(inspection([[2, 0, 0], [2, 0, 0]], required=(0,)))


def test_unusable_files_are_listed_with_their_reasons() -> None:
    said = message(inspection([[2, 1, 1], [2, 1, 1]], bad=(TRUNCATED,)))
    assert said.startswith(
        "1 file cannot be used: train/cat/1.png (damaged: truncated); mend or remove them"
    )
    assert "dataset.on_bad_file: skip" in said


def test_of_many_files_the_first_ten_are_listed_and_all_counted() -> None:
    bad = tuple(LeftOut(name=f"{number}.png", reason="empty") for number in range(37))
    said = message(inspection([[2, 1, 1], [2, 1, 1]], bad=bad))
    assert "37 files cannot be used" in said
    assert "9.png (empty) and 27 more;" in said
    assert "10.png" not in said


def test_leaks_are_named_in_pairs() -> None:
    said = message(inspection([[2, 1, 1], [2, 1, 1]], leaks=(("train/a.png", "test/b.png"),)))
    assert "1 image is in two splits: train/a.png = test/b.png" in said


def test_what_was_left_out_on_request_is_no_error() -> None:
    check_dataset(
        inspection([[2, 1, 1], [2, 1, 1]], bad=(TRUNCATED,), leaks=(("a", "b"),), skips=True)
    )


def test_no_image_is_told_with_how_many_were_left_out() -> None:
    assert message(inspection([[0, 0, 0]])) == "the dataset has no image; check dataset.path"
    assert "no image (1 file left out)" in message(inspection([], bad=(TRUNCATED,), skips=True))


def test_a_single_class_is_refused() -> None:
    assert "there is one class, c0" in message(inspection([[9, 9, 9]]))


def test_an_empty_class_is_refused() -> None:
    assert "1 class has no image: c1" in message(inspection([[2, 1, 1], [0, 0, 0], [2, 1, 1]]))


def test_a_class_with_one_image_is_refused_with_what_is_needed() -> None:
    said = message(inspection([[1, 0, 0], [2, 1, 1]]))
    assert said == (
        "1 class has too few images: c0 (1); 4 or more are needed (2 in train, 1 in validation, 1 "
        "in test)"
    )


def test_a_class_only_in_validation_is_refused() -> None:
    assert "1 class has no image in train: c0" in message(inspection([[0, 9, 1], [2, 1, 1]]))


def test_a_class_missing_from_a_required_split_is_refused() -> None:
    assert "1 class has no image in test: c1" in message(inspection([[2, 1, 1], [9, 1, 0]]))
    check_dataset(inspection([[2, 1, 0], [9, 1, 0]], required=(0, 1)))


def test_a_class_with_one_training_image_is_refused() -> None:
    assert "1 class has fewer than 2 images in train: c0" in message(
        inspection([[1, 9, 9], [2, 1, 1]])
    )


def test_several_problems_are_told_at_once() -> None:
    said = message(inspection([[1, 9, 9], [9, 1, 0]], bad=(TRUNCATED,)))
    assert said.startswith("3 problems with the dataset: (1) 1 file cannot be used")
    assert "(2) 1 class has no image in test" in said
    assert "(3) 1 class has fewer than 2 images in train" in said


def test_ten_thousand_classes_of_one_image_are_told_briefly() -> None:
    said = message(inspection([[1, 0, 0]] * 10_000))
    assert "10000 classes have too few images: c0 (1), c1 (1)" in said
    assert "and 9990 more" in said
    assert len(said) < 400


def test_many_files_of_one_picture_in_two_classes_are_named_once() -> None:
    """As all black ones are, whose pairs would fill the line."""
    names = [f"{number:02}.png ({'ab'[number % 2]})" for number in range(12)]
    pairs = tuple((names[0], name) for name in names[1::2])
    pairs += tuple((name, names[1]) for name in names[2::2])
    nothing = np.empty(0, np.int32)
    found = Inspection(nothing, nothing, ("a", "b"), (0,), (), (), False, pairs)
    with pytest.raises(UserError) as caught:
        check_dataset(found)
    assert str(caught.value).startswith(
        "1 image is in two classes: 00.png (a) = 01.png (b) = 02.png (a) and 9 more (12 files are "
        "one picture, as empty ones are: look at it); keep each in one"
    )
