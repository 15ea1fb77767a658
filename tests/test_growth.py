"""The tables of images that growth is measured on."""

import csv
from collections import Counter
from pathlib import Path

from benchmarks.growth import repeated


def test_a_table_smaller_than_its_folder_holds_every_class_in_both_splits(tmp_path: Path) -> None:
    for split, count in (("train", 160), ("validation", 18)):
        for label in range(10):
            place = tmp_path / "images" / split / str(label)
            place.mkdir(parents=True)
            for number in range(count):
                (place / f"{number:04d}.png").touch()
    with repeated(tmp_path / "images", 1000, tmp_path).open() as file:
        rows = list(csv.DictReader(file))
    found = Counter((row["split"], row["label"]) for row in rows)
    assert len(rows) == 1000
    assert len(found) == 20
