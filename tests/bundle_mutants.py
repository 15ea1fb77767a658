"""Bundles made wrong at random, each from a number: the values of its journal, its zip, its arrays,
its other files, with checksums, hashes and manifest made again so that what is wrong reaches its
reader.
"""

import hashlib
import io
import json
import random
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from tampering import events_in, resealed

from data.errors import UserError
from search.driver.experiment_file import parse_config
from search.experiment.answers import Predictions
from search.verification.packing import MANIFEST

Files = dict[str, bytes]
Draw = random.Random
JOURNAL = "journal.jsonl"
NUMBERS = (
    0,
    -1,
    1,
    7,
    10**6,
    2**31,
    2**63,
    -(2**63),
    10**30,
    0.5,
    -0.5,
    1e-320,
    1e38,
    1e300,
    -1e300,
)
UNKNOWN_TO_JSON = (float("nan"), float("inf"), float("-inf"))


def mutant(sound: Files, number: int, planted: tuple[str, ...], path: Path) -> str:
    """Writes the bundle of that number and says what was done. planted: paths that nobody may
    follow."""
    draw = Draw(number)
    ways: tuple[tuple[Callable[..., str], int], ...] = (
        (_journal_value, 11),
        (_journal_events, 2),
        (_config_value, 4),
        (_array, 5),
        (_zip, 6),
        (_other_file, 2),
    )
    way = draw.choices([each for each, _ in ways], [weight for _, weight in ways])[0]
    return way(dict(sound), draw, planted, path)


def journal_of(events: list[dict[str, Any]]) -> bytes:
    """With right checksums, and whatever Python's JSON can write, NaN too."""
    lines = []
    for number, event in enumerate(events):
        fields = {**event, "seq": number}
        fields.pop("crc", None)
        body = json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()
        lines.append(b'{"crc":"%08x",' % zlib.crc32(body) + body[1:] + b"\n")
    return b"".join(lines)


def _places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if at:
        yield at
    items = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, item in items:
        yield from _places(item, (*at, key))


def _wrong(draw: Draw, value: Any, planted: tuple[str, ...]) -> Any:
    """Something else in its place."""
    if isinstance(value, float | int) and draw.random() < 0.06:
        return value * 1.0001 if isinstance(value, float) else value + 1
    texts = (
        *planted,
        "",
        "a\0b",
        "\ud800",
        "x" * 200_000,
        "line\nline",
        "\x1b[2J",
        "0.5",
        "HELPS",
        "none",
    )
    nested: Any = value
    for _ in range(draw.choice((2, 40, 300))):
        nested = [nested] if draw.random() < 0.5 else {"a": nested}
    kinds: tuple[Any, ...] = (
        *(
            draw.choice(NUMBERS),
            draw.choice(UNKNOWN_TO_JSON),
            draw.choice(texts),
            draw.choice(planted),
        ),
        *(None, True, [], {}, [value], {"a": value}, nested, [value] * 1000, str(value)),
    )
    return draw.choice(kinds)


def _change(
    draw: Draw, whole: Any, planted: tuple[str, ...], own: frozenset[str] = frozenset()
) -> str:
    """Changes one place of JSON data. own: keys at the top to leave alone."""
    places = [place for place in _places(whole) if place[0] not in own]
    lengths = sorted({len(place) for place in places})
    depth = draw.choice(lengths)  # else nearly all would be numbers of learning curves
    *parents, last = draw.choice([place for place in places if len(place) == depth])
    target = whole
    for parent in parents:
        target = target[parent]
    if draw.random() < 0.1:
        del target[last]
        return f"{[*parents, last]} deleted"
    if isinstance(target, dict) and draw.random() < 0.1:
        target[draw.choice(("extra", *planted))] = _wrong(draw, target[last], planted)
        return f"{parents} has a key more"
    target[last] = _wrong(draw, target[last], planted)
    return f"{[*parents, last]} is {str(target[last])[:60]!r}"


def _journal_value(files: Files, draw: Draw, planted: tuple[str, ...], path: Path) -> str:
    events = events_in(files)
    kind = draw.choice(sorted({event["type"] for event in events}))
    event = draw.choice([each for each in events if each["type"] == kind])
    said = _change(draw, event, planted, frozenset({"crc", "seq"}))
    files[JOURNAL] = journal_of(events)
    resealed(path, files)
    return f"journal, {kind}: {said}"


def _journal_events(files: Files, draw: Draw, planted: tuple[str, ...], path: Path) -> str:
    events = events_in(files)
    at, other = draw.randrange(len(events)), draw.randrange(len(events))
    what = draw.choice(("dropped", "twice", "exchanged", "unknown", "cut", "spelled", "nothing"))
    if what == "dropped":
        del events[at]
    elif what == "twice":
        events.insert(other, events[at])
    elif what == "exchanged":
        events[at], events[other] = events[other], events[at]
    elif what == "unknown":
        events[at]["type"] = draw.choice(("verified", "opened", "told", *planted))
    elif what == "cut":
        del events[at + 1 :]
    elif what == "nothing":
        events = []
    files[JOURNAL] = journal_of(events)
    if what == "spelled":  # the same values, with a key twice
        body = b'{"seq":0,' + files[JOURNAL].split(b"\n")[0][len(b'{"crc":"12345678",') :]
        rest = files[JOURNAL].split(b"\n", 1)[1]
        files[JOURNAL] = b'{"crc":"%08x",' % zlib.crc32(body) + body[1:] + b"\n" + rest
    resealed(path, files)
    return f"journal: event {at} {what}"


def _config_value(files: Files, draw: Draw, planted: tuple[str, ...], path: Path) -> str:
    """A config changed with its hash, and with its name where that is what was changed."""
    events = events_in(files)
    opened = events[0]["opened"]
    paths = (
        ("dataset", "path"),
        ("model", "weights"),
        ("execution", "cache_dir"),
        ("tracking", "uri"),
    )
    if draw.random() < 0.4:
        section, key = draw.choice(paths)
        opened["config"][section][key] = draw.choice(planted)
        said = f"{section}.{key} is a path"
    else:
        said = _change(draw, opened["config"], planted)
    opened["name"] = opened["config"].get("name", opened["name"])
    try:
        opened["config_hash"] = parse_config(opened["config"], "").hash
    except (UserError, ValueError, TypeError, KeyError, OverflowError, RecursionError):
        said += ", which is no config"
    files[JOURNAL] = journal_of(events)
    resealed(path, files)
    return f"config: {said}"


def _array(files: Files, draw: Draw, planted: tuple[str, ...], path: Path) -> str:
    name = draw.choice(sorted(each for each in files if each.endswith(".npz")))
    true = Predictions.from_bytes(files[name])
    kept = {key: value for key, value in vars(true).items() if value is not None}
    arrays: dict[str, Any] = {key: np.array(value) for key, value in kept.items()}
    key = draw.choice(sorted(arrays))
    what, save = draw.choice(sorted(_ARRAYS)), np.savez
    arrays[key] = _ARRAYS[what](arrays[key])
    if what == "packed":
        save = np.savez_compressed
    if what == "more":
        arrays["extra"] = arrays[key]
    if what == "missing":
        del arrays[key]
    buffer = io.BytesIO()
    if what == "npy":
        np.save(buffer, arrays[key])
    else:
        save(buffer, **arrays)
    content = buffer.getvalue()
    if what == "bytes":
        content = _damaged(content, draw)
    files[name] = content
    events = events_in(files)
    for event in events:
        if event.get("predictions_file") == name:
            event["predictions_sha256"] = hashlib.sha256(content).hexdigest()
    files[JOURNAL] = journal_of(events)
    resealed(path, files)
    return f"{name}: {key} {what}"


_ARRAYS: dict[str, Callable[[np.ndarray], Any]] = {
    **{
        kind: lambda a, kind=kind: a.astype(kind)  # type: ignore[misc]
        for kind in ("complex64", "float64", "int8", ">i8", "object", "U3", "bool")
    },
    **{each: lambda a: a for each in ("more", "missing", "packed", "npy", "bytes")},
    "struct": lambda a: np.zeros(a.shape, [("a", "<i2"), ("b", "<f4")]),
    "empty": lambda a: a[..., :0],
    "no dimension": lambda a: np.array(a.flat[0]),
    "a dimension more": lambda a: a[None],
    "shorter": lambda a: a[..., :-1],
    "longer": lambda a: np.concatenate([a, a], axis=-1),
    "negative": lambda a: -1 - a,
    "large": lambda a: a + 30_000,
    "nan": lambda a: np.full(a.shape, np.nan).astype(a.dtype) if a.dtype.kind == "f" else a[::-1],
    "infinite": lambda a: (
        np.full(a.shape, -np.inf).astype(a.dtype) if a.dtype.kind == "f" else a * 0
    ),
    "bomb": lambda a: np.zeros((*a.shape[:-1], 40_000_000), a.dtype)[..., :2_000_000],
}


def _damaged(content: bytes, draw: Draw) -> bytes:
    at = draw.randrange(len(content))
    return draw.choice(
        (
            content[:at],
            content[:at] + bytes([content[at] ^ (1 << draw.randrange(8))]) + content[at + 1 :],
            content[:at] + draw.randbytes(draw.randrange(1, 9)) + content[at:],
            content + b"tail",
            b"head" + content,
        )
    )


def _zip(files: Files, draw: Draw, planted: tuple[str, ...], path: Path) -> str:
    name = draw.choice(sorted(files))
    what = draw.choice(
        ("bytes", "field", "end", "method", "name", "twice", "missing", "link", "bomb")
    )
    resealed(path, files)
    content = bytearray(path.read_bytes())
    if what == "bytes":
        path.write_bytes(_damaged(bytes(content), draw))
        return "zip: bytes"
    if what in ("field", "end"):  # of a local header, of the directory, of its end
        mark = draw.choice((b"PK\3\4", b"PK\1\2")) if what == "field" else b"PK\5\6"
        starts = [at for at in range(len(content)) if content.startswith(mark, at)]
        at = draw.choice(starts) + draw.choice(range(4, 42 if mark == b"PK\1\2" else 20, 2))
        struct.pack_into("<H", content, at, draw.choice((0, 1, 8, 12, 14, 99, 0x7FFF, 0xFFFF)))
        path.write_bytes(content)
        return f"zip: {what} of {mark!r} at {at}"
    _rewritten(files, name, what, draw, planted, path)
    return f"zip: {name} {what}"


def _rewritten(
    files: Files, name: str, what: str, draw: Draw, planted: tuple[str, ...], path: Path
) -> None:
    methods = {
        "method": draw.choice((zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)),
        "bomb": zipfile.ZIP_DEFLATED,
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for each, content in files.items():
            entry = zipfile.ZipInfo(each)
            entry.compress_type = zipfile.ZIP_STORED
            if each == name and what == "missing":
                continue
            if each == name:
                entry.compress_type = methods.get(what, zipfile.ZIP_STORED)
                entry.external_attr = 0o120777 << 16 if what == "link" else 0
                content = (
                    b"\0" * draw.choice((1 << 20, 1 << 25, 1 << 27)) if what == "bomb" else content
                )
                if what == "name":
                    entry.filename = draw.choice(
                        (each.upper(), "./" + each, each + "/", "a\0b", *planted)
                    )
            archive.writestr(entry, content)
            if each == name and what == "twice":
                again = zipfile.ZipInfo(each.swapcase())
                archive.writestr(again, content)


def _other_file(files: Files, draw: Draw, planted: tuple[str, ...], path: Path) -> str:
    if draw.random() < 0.6:
        manifest = json.loads(files[MANIFEST])
        said = _change(draw, manifest, planted)
        files[MANIFEST] = json.dumps(manifest).encode()
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in files.items():
                archive.writestr(zipfile.ZipInfo(name), content)
        return f"manifest: {said}"
    name = draw.choice(sorted(set(files) - {MANIFEST, JOURNAL}))
    files[name] = _damaged(files[name], draw)
    resealed(path, files)
    return f"{name}: bytes"
