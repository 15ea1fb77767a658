"""MkDocs's hook: adds the generated page and pictures to the site. Nothing generated is written
into the repository."""

import sys
from pathlib import Path
from typing import Any

SETTINGS = "settings.md"


def on_config(config: Any) -> Any:
    """Pages of the navigation that are not written yet are left out of it."""
    root = Path(config["config_file_path"]).parent
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    docs = Path(config["docs_dir"])
    config["nav"] = [each for each in config["nav"] if _is_there(docs, next(iter(each.values())))]
    return config


def _is_there(docs: Path, page: Any) -> bool:
    return page == SETTINGS or not isinstance(page, str) or (docs / page).exists()


def on_files(files: Any, config: Any) -> Any:
    from mkdocs.structure.files import File

    from data.augmentations import AUGMENTATIONS
    from docs.generate.pictures import (
        augmentation_sheet,
        curve_picture,
        floor_picture,
        interval_picture,
        luck_picture,
        together_picture,
    )
    from docs.generate.settings_page import settings_page

    made: dict[str, str | bytes] = {
        SETTINGS: settings_page(),
        "pictures/luck.svg": luck_picture(),
        "pictures/intervals.svg": interval_picture(),
        "pictures/together.svg": together_picture(),
        "pictures/curve.svg": curve_picture(),
        "pictures/floor.svg": floor_picture(),
        **{f"pictures/{name}.png": augmentation_sheet(name) for name in AUGMENTATIONS},
    }
    for path, content in made.items():
        files.append(File.generated(config, path, content=content))
    return files
