"""Where, in a text, an @ ends a name and a password, and where they begin. An address may be
written wrongly, and a password hold any sign."""

import re

from data.named_secrets import MASK

MOST_BEFORE = 240  # characters before an @: what is longer is no address
# A name and a colon behind which no port stands, and no space: what follows is a password.
_USER = r"(?P<user>[^\s:/\\@\"'<>]*:(?!\d+(?:[\s\"'<>/?#,;.)]|\Z)|[\s\"']|//|\Z))"
# How an address begins at the start of a word. Looked for in the little text before an @ alone: in
# a page with megabytes of base64 it would take half a minute.
_BEGINS = re.compile(
    r"(?<![^\s\"'(<\[{,;=/\\])(?=[^\s\"'<>])"
    r"(?P<scheme>[A-Za-z][\w+.\-]{0,39}:(?=[/\\]|[^\s:/\\@\"'<>]+:))?"
    rf"(?P<slashes>[/\\]*){_USER}?"
)
_DRIVE = re.compile(r"[A-Z]:\\")
# An @ within a name: of a picture (`@2x`), of a file without an address, of a version of what is
# fetched, below a bucket.
_IN_NAME = re.compile(r"@\dx(?:\.\w{2,5})?(?![\w.])")
_OF_FILE = re.compile(
    r"@[\w-]+\.(?:txt|png|jpe?g|gif|tiff?|csv|json|ya?ml|np[yz])(?![\w./:])|@sha256:"
)
_FETCHED = re.compile(r"mailto:[^:]*\Z|(?:(?:git|hg|svn|bzr)\+\w+|s3|gs)://[^\s:/@]+/[^\s:@]*\Z")
# A few letters of two names and a third, which is no server's: `foo:bar@baz`, `val:acc@1`.
_THREE_NAMES = re.compile(
    r"(?<![^\s(\[,;=])(?!(?:admin|me|my|postgres|root|user)\w*:)[A-Za-z]+:[a-z]{3,4}"
    r"@(?!(?:cache|db|host|local|mongo|my|postgres|pg|redis|server|sql))\w+(?![\w.:/\\@?#-])"
)
_WORD = re.compile(r"[^\s\"'<>]*")
# A password in quotes, of an address or closed right before its @.
_IN_QUOTES = re.compile(r"[^\s:/\\@\"'<>]*:[\"']")
_CLOSED = re.compile(r"[^\s:/\\@\"'<>]+:(?:\"[^\"\n]*\"|'[^'\n]*')\Z")


def is_of_name(before: str, text: str, at: int) -> bool:
    """Whether an @ is part of a name, and ends no credentials."""
    word = last_word(before)
    if _THREE_NAMES.match(text, at - len(word)):
        return True
    rest = word.partition("://")[2]
    if _IN_NAME.match(text, at):
        return ":" not in rest and ("/" in rest or not rest)
    if "//" not in word and _OF_FILE.match(text, at):
        return True
    return _FETCHED.match(word) is not None


def last_word(text: str) -> str:
    found = _WORD.match(text[::-1])
    return text[len(text) - found.end() :] if found else ""


def credentials_begin(before: str) -> int | None:
    """Where, in the text before an @, the credentials begin that it ends; None where there are
    none."""
    for found in _BEGINS.finditer(before):
        rest, scheme, slashes = before[found.end("slashes") :], found["scheme"], found["slashes"]
        if (scheme or "").lower().startswith(("sqlite", "file")) and len(slashes) > 2:
            continue  # a path: an @ is part of it
        if _DRIVE.match(found.group()):
            continue
        if found["user"] and rest == f"{found['user']}{MASK}":
            continue  # hidden before
        if found["user"] and (slashes or scheme or "\n" not in rest) and found.group() != ":":
            return found.end("slashes")
        if (scheme and len(slashes) > 1 and _IN_QUOTES.match(rest)) or _CLOSED.match(rest):
            return found.end("slashes")
        is_word = not re.search(r"[\s\"'<>]", rest)
        if is_word and slashes and (scheme or not re.search(r"[/\\]", rest)):
            return found.end("slashes")
    return None


def may_be_options(credentials: str) -> bool:
    """Whether the @ behind them may be within an option's value, which then goes on."""
    return bool(re.search("[?#;]", credentials)) and not re.match(_USER, credentials)


def credentials_end(text: str, at: int) -> int:
    """The last @ on the line near by, before another address begins."""
    following = re.match(r"[^\n]*", text[at : at + MOST_BEFORE])
    assert following is not None, "nothing matches too"
    return at + following.group().partition("://")[0].rindex("@")
