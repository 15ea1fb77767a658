"""What is wrong with images and weights, in the words of whoever verifies a search: the settings of
its experiment file are not theirs to change, and the options of `verify` are."""

import re
from collections.abc import Iterator
from pathlib import Path

from data.messages import escaped
from data.sources import SOURCES
from search.driver.run_reading import Run
from search.verification.right_folder import right_folder

# As what reads them names them, which takes them for a line of an experiment file.
_PATH = re.compile(r"(?<![\w./\\])dataset\.path(?![\w./\\])")
_FILE = re.compile(r"^weights(?= ')|\bweights file(?= )")
_NO_FILE = re.compile(r"imagenet, random or (?=a file)|, imagenet or random\b")
_SETTING = re.compile(
    r"(?<![\w./\\])(dataset|augmentation|model|training|search|evaluation|tracking|execution)"
    r"\.[a-z]\w+(?![\w/\\])"
)


def of_weights(said: str, weights: Path | None) -> str:
    """weights: the file that was named."""
    return said if weights is None else _NO_FILE.sub("", _FILE.sub("--weights", said))


def of_images(said: str, data: Path | None, run: Run | None) -> str:
    """What is wrong with the images, less what only an experiment file could change, and with what
    can be done here. data: where they were said to be; None where the search had them. run: it."""
    kind = SOURCES[run.config.dataset.source].path if run else "required"
    if kind == "none":
        return said
    # a bundle without --data has a path of another machine, if any, which was not followed
    is_own = run is not None and data is None and kind == "required"
    named = run.config.dataset.path if run and is_own else data
    place = None if named is None else escaped(str(named))
    said = said if data else re.sub(r"^dataset\.path: ", "the images of the search: ", said)
    said = without_settings(_PATH.sub("--data", said))
    if place and (place not in said or (data and "--data" not in said)):
        said = f"{'--data ' * bool(data)}{place}: {said}"
    right = right_folder(run, data) if run and data else None
    otherwise = "else " * (len([*_clauses(said)]) > 1)  # beside other advice
    instead = "name a sound copy of" if data else "say with --data where a sound copy is of"
    return f"{said}; {right or f'{otherwise}{instead} the images that the search read'}"


def without_settings(said: str) -> str:
    """Less each piece of advice that names a setting. What was found, which comes first, is left as
    it is."""
    found, *advice = _clauses(said)
    kept = [found]
    for clause in advice:
        ways = clause.split(", or ")
        left = [each for each in ways if not _SETTING.search(each)]
        is_finding = re.match(r"\(\d+\) ", clause)  # the next of several
        left = ways[:1] + [each for each in left if each is not ways[0]] if is_finding else left
        if left:
            kept.append(", or ".join(left))
    return "; ".join(kept)


def _clauses(said: str) -> Iterator[str]:
    """Of what semicolons part, outside brackets."""
    start = depth = 0
    for place, sign in enumerate(said):
        depth += (sign in "([{") - (sign in ")]}")
        if depth <= 0 and said.startswith("; ", place):
            yield said[start:place]
            start, depth = place + 2, 0
    yield said[start:]
