"""What may be secret in the address of a server or database: an address, or a text that holds some,
shown without it. Which addresses are allowed is `tracking_uri`'s.
"""

import contextlib
import json
import re
import unicodedata
from urllib.parse import quote, unquote_plus

from data.credentials import (
    MOST_BEFORE,
    credentials_begin,
    credentials_end,
    is_of_name,
    last_word,
    may_be_options,
)
from data.environment_secrets import of_environment
from data.errors import UserError
from data.named_secrets import MASK, TOKENS, without_named

_SHORT = 7  # characters; a shorter secret is hidden where it stands as a word of its own
_PLAIN = re.compile("[a-z]+")  # and one that is a word as others are
_SCHEME = re.compile(r"[A-Za-z][\w+.\-]{1,39}\Z")  # a letter alone is a drive
_PATHS = ("sqlite", "file", "databricks")  # schemes behind which no host and port stand
_SQLITE_OPTIONS = re.compile(r"\w+=[^&]*(&\w+=[^&]*)*")
# Tokens as passwords are long; written rightly they are found without looking back.
_LONG = re.compile(rf"(://)[^\s/@\"'<>]{{{MOST_BEFORE},9999}}(?=@)")
# What has no sign that every secret has beside it, such as the names of a hundred thousand files.
_HARMLESS = re.compile(
    rf"(?:(?!--|(?i:bearer |sshpass|login |hooks\.slack)|{TOKENS})[\w./\\ ()\[\],+\-])*", re.ASCII
)
# A page of MLflow's dashboard, which the search's own page leads to.
_OF_MLFLOW = re.compile(
    r"/experiments/\d+(?:/runs)?(?:\?viewStateShareKey=\w+(?:&(?:amp;)?workflowType=\w+)?)?"
)
_CLOSING = ",.;:)]}"  # a sentence around an address
_WORD_ENDS = re.compile(r"(?=[\s\"'<>])|\Z")
_SPACED = re.compile(r"(?<=://)[^\s:/@\"'<>]+:[ ][^\s/:@\"'<>]+(?=@[\w\[])")
# A part of a page: `#section-2`, `#L10`.
_SECTION = re.compile(
    r"egg=[\w.-]+|L\d+(?:C\d+)?(?:-L\d+(?:C\d+)?)?|[A-Za-z]+(?:[-_.](?:[A-Za-z]+|\d{1,4}))*"
)
_AT = re.compile(r"@")
_HOST_FOLLOWS = re.compile(r"@[\w\[*/${%]")  # or what stands for one in a template
_ADDRESS = re.compile(r"(?::[/\\]|(?<![^\s\"'(<\[{,;=])[/\\]{2})[/\\]*[^\s\"'<>]*")
_HOST = r"(?:\[[^\]/]*\]|[^/\\?#;:\[]*)"
_NO_PORT = re.compile(
    rf"\A((?:[A-Za-z][\w+.\-]+:[/\\]+|[/\\]{{2,}})?{_HOST}):(?!\d{{0,5}}(?:[/?#;,]|\Z))[^/?#;]*"
)
_NO_PORT_IN_TEXT = re.compile(
    rf"\A(:?[/\\]{{2,}}{_HOST}):(?!(?:\d{{0,5}}|PORT)(?:[/?#;,.)\]}}`…]|\Z)|\*\*\*)[^/?#;,)\]}}]*"
)
_BARE_ENCODED = re.compile(
    r"(?i)(?<![^\s\"'(<\[{,;=])[^\s:/\\@\"'<>]{1,200}:[^\s:/\\@\"'<>]{1,200}%40(?=\w)"
)
_ENCODED_AT = re.compile(r"(?i)\A((?::[/\\]+)?)[^/\\?#;]*%40")


class _Narrow(dict[int, str]):
    """Each sign as ASCII where it is one by its looks: the letters and signs of a keyboard for
    Japanese, say. Filled in as it is read."""

    def __missing__(self, code: int) -> str:
        sign = chr(code)
        narrow = unicodedata.normalize("NFKC", sign)
        self[code] = narrow if len(narrow) == 1 and narrow.isascii() else sign
        return self[code]


_NARROW = _Narrow()


def kind_of(uri: str) -> str:
    """The scheme without its driver: "postgresql" of "postgresql+psycopg://…"."""
    return uri.partition("://")[0].split("+")[0].lower()


def sqlite_parts(uri: str) -> tuple[str, str]:
    """The path as it is written, and the options behind it. A `?` before anything else is part of
    the file's name."""
    rest = uri.partition("://")[2].removeprefix("/")
    path, _, options = rest.rpartition("?")
    return (path, options) if path and _SQLITE_OPTIONS.fullmatch(options) else (rest, "")


def shown_uri(uri: str) -> str:
    """One address, whatever is in it, without what may be secret: all between scheme and host, the
    value of every option, and the fragment. Where the parts are in doubt more is hidden."""
    narrow = _narrow(uri)
    scheme, separator, rest = narrow.partition("://")
    if not separator or not _SCHEME.match(scheme):
        scheme, separator, rest = "", "", narrow
    hidden = f"{scheme}{separator}{_without_secrets(scheme, rest)}"
    shown = without_named(hidden if scheme else _ADDRESS.sub(_shown_options, hidden))
    return uri if shown == narrow else shown


def _narrow(text: str) -> str:
    return text if text.isascii() else text.translate(_NARROW)


def shown_override(text: str) -> str:
    """What was written behind --set, wrongly, as one address: all up to its last @ is hidden but
    for the name before."""
    before, separator, rest = text.partition("://")
    return (
        f"{before}{shown_uri(f'xx://{rest}')[2:]}"
        if separator and "@" not in before
        else shown_uri(text)
    )


def redacted(text: str) -> str:
    """`text` with the secrets of every address in it replaced by `***`, to be shown, logged or
    stored. An address may be written wrongly (one slash, none, backslashes, no scheme) and a
    password hold any sign: from where one begins all up to the last @ near by is hidden."""
    if _HARMLESS.fullmatch(text):
        return text
    if (narrow := _narrow(text)) != text and (shown := redacted(narrow)) != narrow:
        return shown
    return _redacted(text)


def _redacted(text: str) -> str:
    text = _SPACED.sub(MASK, _LONG.sub(rf"\1{MASK}", text))
    shown: list[str] = []
    done = 0
    for found in _AT.finditer(text):
        if found.start() < done:
            continue
        before = text[max(done, found.start() - MOST_BEFORE) : found.start()]
        if is_of_name(before, text, found.start()):
            continue
        if not _HOST_FOLLOWS.match(text, found.start()):
            before = last_word(before)  # an address that is one word
        begin = credentials_begin(before)
        if begin is not None:
            begin += found.start() - len(before)
            shown.append(text[done:begin])
            done = credentials_end(text, found.start())
            if may_be_options(text[begin:done]):
                shown.append(f"{MASK}@")
                done = next(_WORD_ENDS.finditer(text, done)).start()
            shown.append(MASK)
    hidden = _ADDRESS.sub(_shown_options, "".join([*shown, text[done:]]))
    return without_named(_BARE_ENCODED.sub(f"{MASK}%40", hidden))


def without_secret(text: str) -> str:
    """The same text, which is to be stored. Raises UserError where it holds an address with what
    may be secret."""
    if (shown := redacted(text)) != text:
        raise UserError(
            f"{shown!r} holds what may be a password, and is stored with the search; leave it out"
        )
    return text


def _shown_options(found: re.Match[str]) -> str:
    address = found.group()
    before = _SCHEME.search(found.string[max(0, found.start() - 40) : found.start()])
    if before is None or not before.group().lower().startswith(_PATHS):
        return _NO_PORT_IN_TEXT.sub(rf"\1:{MASK}", _hidden_options(address))
    _, options = sqlite_parts(address)
    return address.removesuffix(options) + _hidden(options)


def without_secrets_of(text: str, uri: str) -> str:
    """`text` that MLflow or a driver has written about this address: neither its secrets nor those
    of any other are in it."""
    spelled = {form for secret in secrets_of(uri) for form in _forms(secret)}
    for secret in sorted(spelled, key=len, reverse=True):
        is_word = len(secret) < _SHORT or _PLAIN.fullmatch(secret)
        edge = r"(?<!\w){}(?!\w)" if is_word else "{}"
        text = re.sub(edge.format(re.escape(secret)), MASK, text)
    return redacted(text)


def _forms(secret: str) -> set[str]:
    """As it is, and as Python, JSON, an address and a line spell it."""
    escaped = secret.encode("unicode_escape", "surrogatepass").decode()
    quoted = {repr(secret)[1:-1], escaped, escaped.replace("'", "\\'")}
    as_json = {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    in_address = quote(secret, safe="", errors="surrogateescape")
    return {secret, *quoted, *as_json, in_address, " ".join(secret.split())} - {""}


def redacted_here(text: str) -> str:
    """What a program that ran here has said, whatever it was: also without the secrets of the
    environment."""
    return without_secrets_of(text, "")


def secrets_of(uri: str) -> set[str]:
    """Every string of an address that is not to be shown, as it is written and as a driver decodes
    it, and the secrets of the environment."""
    found = of_environment()
    rest = uri.partition("://")[2] or uri
    if kind_of(uri) == "sqlite" and rest.startswith("/"):
        rest = f"?{sqlite_parts(uri)[1]}"
    credentials, _, rest = rest.rpartition("@")
    # a driver may cut elsewhere
    found |= {credentials, *credentials.split(":", 1), *re.split(r"[@:/?#\\]", credentials)}
    if no_port := _NO_PORT.match(rest):
        found.add(no_port.group()[no_port.end(1) + 1 :])
    rest, _, fragment = rest.partition("#")
    items = re.split("[&;]", rest.partition("?")[2])
    found |= {fragment, *(item.partition("=")[2] or item for item in items)}
    found |= _read_by_sqlalchemy(uri)
    found |= {unquote_plus(each) for each in found}
    # odbc_connect is a list of its own: DRIVER=…;UID=…;PWD=…
    found |= {part.partition("=")[2] for each in found if ";" in each for part in each.split(";")}
    return found - {"", MASK}


def _without_secrets(scheme: str, rest: str) -> str:
    """rest: what follows `scheme://`."""
    if scheme.split("+")[0].lower() == "sqlite" and rest.startswith("/"):
        path, options = sqlite_parts(f"://{rest}")  # an @ or a # is part of it
        return f"/{path}?{_hidden(options)}" if options else rest
    # A password may hold any sign, so that only the last @ is sure to end it.
    credentials, at, rest = rest.rpartition("@")
    if may_be_options(credentials):
        return f"{MASK}@{MASK}"
    is_path = not scheme and not at and rest.partition(":")[0].lower() in _PATHS
    if not (is_path or re.match(r"[A-Za-z]:[/\\]", rest)):
        rest = _NO_PORT.sub(rf"\1:{MASK}", rest)
    return f"{MASK if credentials else ''}{at}{_hidden_options(rest)}"


def _hidden_options(rest: str) -> str:
    """rest: host, path, parameters, options and fragment. An @ may be written %40."""
    rest = _ENCODED_AT.sub(rf"\1{MASK}%40", rest)
    rest, hash_sign, fragment = rest.partition("#")
    rest, question, options = rest.partition("?")
    rest, semicolon, parameters = rest.partition(";")  # of a path
    shown = f"{rest}{semicolon}{_hidden(parameters)}{question}{_hidden(options)}"
    is_page = _OF_MLFLOW.fullmatch(fragment.rstrip(_CLOSING)) is not None
    is_shown = not fragment or is_page or _is_section(fragment, shown)
    return f"{shown}{hash_sign}{fragment if is_shown else MASK}"


def _is_section(fragment: str, address: str) -> bool:
    """Not where anything else of the address is hidden."""
    is_bare = "?" not in address and MASK not in address
    return is_bare and _SECTION.fullmatch(fragment.rstrip(_CLOSING)) is not None


def _hidden(options: str) -> str:
    return re.sub(r"([^&;=]*=)?[^&;]+", lambda item: f"{item[1] or ''}{MASK}", options)


def _read_by_sqlalchemy(uri: str) -> set[str]:
    if not uri:
        return set()
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    with contextlib.suppress(ArgumentError, ValueError):  # no address, or no such port
        read = make_url(uri)
        values = (value if isinstance(value, tuple) else (value,) for value in read.query.values())
        return {
            read.username or "",
            str(read.password or ""),
            *(each for group in values for each in group),
        }
    return set()
