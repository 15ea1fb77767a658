"""What is secret by the name before it: `password=…`, `"client_secret": "…"`, `Authorization: …`,
`--token …`, private keys. Addresses are `secrets`'s.
"""

import re

MASK = "***"

# With any letters before them: AWS_SECRET_ACCESS_KEY, X-Auth-Token, PGPASSWORD, SharedAccessKey.
_WORDS = ("passcode", "passphrase", "passwd", "password", "passwort", "pwd", "secret", "token")
_KEYS = ("access", "account", "api", "auth", "private", "secret", "signing", "subscription")
_NAMES = (
    *_WORDS,
    *("credential", "credentials", "sharedaccesssignature", "shared_access_signature"),
    *(f"{each}{between}key" for each in _KEYS for between in ("", "[-_. ]")),
)
_NAME = f"(?:{'|'.join(_NAMES)})"
# Looked for from the sign behind it: in megabytes of base64 a word would begin everywhere.
_NAMED = f"(?:{'|'.join(f'(?<={name})' for name in _NAMES)})"
_NAME_ENDS = re.compile(rf"{_NAME}\Z", re.IGNORECASE)
_GIVEN = r"\s{0,9}(?:=>?|:=|%3D)\s*"
# For what may be secret.
_OPEN = r"(?!\*\*\*|[=\[(]|\{(?![^{}\n]*\})|(?:none|null|true|false)(?![^\s,;}\])]))"
# A quote within JSON within JSON has backslashes before it.
_QUOTED = (
    r"""\\{1,7}"(?:\\{4}|\\{3}"|\\(?!")|[^"\\])*\\{0,7}"|"(?:[^"\\]|\\.)*"|"""
    r"""'(?:[^'\\]|\\.)*'"""
)
_VALUE = (
    rf"{_OPEN}(?:[bruf]{{0,2}}(?:\"{{3}}.+?\"{{3}}|'{{3}}.+?'{{3}}|{_QUOTED})|\{{[^{{}}\n]*\}}"
    r"|[\"']?(?:\\[ ]|[^\s;&,\"'<>)])+)"
)
_PASS = r"(?<![^\W_])(?:admin|db|ftp|mail|my|pg|root|smtp|sql|ssh|user)_?pass"
# How tokens of well-known services begin (GitHub, GitLab, Databricks, Hugging Face, OpenAI, Slack,
# AWS), and JSON Web Tokens.
TOKENS = (
    r"(?:(?:gh[oprsu]_|glpat-|dapi|hf_|sk-|npm_|AIza|AKIA)(?=[A-Za-z]*\d)[A-Za-z0-9]{16,}"
    r"|github_pat_\w{16,}|sk-(?:ant|proj)-[\w-]{16,}|xox[abprs]-\d[\w-]{12,}"
    r"|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*)"
)
_TO_THE_END = r"(?:aws4-hmac-sha256|digest|hawk|oauth|signature)\b"
_SCHEME = r"(?:api-?key|basic|bearer|bot|jwt|key|negotiate|ntlm|sharedkey|token)[ \t]+"
_HEADER = r"\bauthorization[ \t]*[:=][ \t]*"
_HIDDEN = tuple(
    re.compile(pattern, re.IGNORECASE | re.DOTALL)
    for pattern in (
        # `host=h password=pw`, `Server=h;Pwd=pw`, `secret: s`, `--password pw`
        rf"(?=\s{{0,9}}[=:%])({_NAMED}(?:{_GIVEN}|[ \t]{{0,9}}:[ \t]*(?:\n[ \t]+)?(?![/\\])))"
        rf"{_VALUE}",
        rf"((?<![^\W_])(?:auth|pass|pw){_GIVEN}){_VALUE}",
        rf"({_PASS}(?:{_GIVEN}|[ \t]?:[ \t]*(?![/\\]))){_VALUE}",
        r"((?<=[?&])(?:key|code|sid)=)(?!\*\*\*)[^\s&;,\"'<>)]+",
        r"(\b(?:j|php)?sess(?:ion)?_?id=)(?!\*\*\*)[^\s&;,\"'<>)]{6,}",
        r"(hooks\.slack\.com/services/)(?!\*\*\*)[\w/-]+",
        r"((?:\bcurl\b[^\n]{0,80}?[ ]-u|[ ]--user)[ ][^\s:]+:)(?!\*\*\*)\S+",
        r"(\bsshpass[ ]-p[ ]?)(?!\*\*\*)\S+",
        r"(\bpass:)(?!\*\*\*|[/\\])[^\s;&,\"'<>)]+",
        r"((?:\bauth[\"']?[ \t]*[:=]|\bHTTP\w*Auth|\bBasicAuth)[ \t]*\()(?!\*\*\*)[^()\n]+",
        rf"(<(?:\w*[-_:])?(?:{_NAME})>)(?!\*\*\*)[^<]+",
        rf"((?<![\w-]))(?:{TOKENS})",
        rf"((?<!\S)--(?:\w+-)*{_NAME}[ \t]+){_VALUE}",
        r"(\b(?:set-)?cookie[ \t]*:[ \t]*+)(?!\*\*\*)[^\n\"'<>]+",
        rf"({_HEADER}{_TO_THE_END}[ \t]*+)(?!\*\*\*)[^\n]+",
        rf"({_HEADER}[\"']?(?:{_SCHEME})?+)(?!\*\*\*|{_TO_THE_END})"
        r"[^\s\"'<>,;]+(?:[ \t]+[^\s\"'<>,;]+)?",
        r"(\bbearer[ \t]+)(?=[\w.~+/=-]*\d)[\w.~+/=-]{16,}",
        r"((?<!\w)(?:x-(?:amz|goog)-signature|sig)\s{0,9}=\s*)[\w%+/=-]{16,}",  # not sig=0.05
        r"(-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----)(?!\*\*\*)(?:(?!-----END).)+",
    )
)
# As JSON and Python write it: what is hidden stays a text, so that JSON is JSON.
_ITEM = re.compile(
    rf"((\\{{0,7}}[\"'])[\w.\- ]{{0,60}}(?:{_NAME}|authorization|cookie|"
    r"(?<![^\W_])(?:auth|pass|pw))\2\s*(?:=>?|:)\s*)"
    rf"{_OPEN}[bru]?(?:{_QUOTED}|[\w.+/-]+)",
    re.IGNORECASE | re.DOTALL,
)


def is_secret_name(name: str) -> bool:
    """Whether what such a name is given is secret: that of a variable of the environment, say."""
    return bool(_NAME_ENDS.search(name))


def without_named(text: str) -> str:
    """The text with `***` in place of what is secret by its name."""
    text = _ITEM.sub(rf"\1\2{MASK}\2", text)
    for pattern in _HIDDEN:
        text = pattern.sub(rf"\1{MASK}", text)
    return text
