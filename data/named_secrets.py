"""What is secret by the name before it: `password=…`, `"client_secret": "…"`, `Authorization: …`,
`--token …`, private keys. Addresses are `secrets`'s.
"""

import re

MASK = "***"

# With any letters before them: AWS_SECRET_ACCESS_KEY, X-Auth-Token, PGPASSWORD, SharedAccessKey.
_WORDS = (
    *("pass[-_]word", "passcode", "passphrase", "passwd", "password", "passwort", "pwd"),
    *("secret", "token"),
)
_KEYS = (
    *("access", "account", "anthropic", "api", "auth", "consumer", "deploy", "encryption", "hf"),
    *("kaggle", "license", "master", "openai", "private", "secret", "service", "signing"),
    *("storage", "subscription", "wandb", "webhook"),
)
_NAMES = (
    *_WORDS,
    *("credential", "credentials", "sharedaccesssignature", "shared_access_signature"),
    *(f"{each}{between}key" for each in _KEYS for between in ("", "[-_. ]")),
)
_NAME = f"(?:{'|'.join(_NAMES)})"
# Looked for from the sign behind it: in megabytes of base64 a word would begin everywhere.
_NAMED = f"(?:{'|'.join(f'(?<={name})' for name in _NAMES)})"
_NAME_ENDS = re.compile(rf"{_NAME}\Z", re.IGNORECASE)
# Of a variable of the environment any word, but where the last one says that it is about one.
_NAME_WITHIN = re.compile(rf"{_NAME}s?_")
_PASSWORD_WITHIN = re.compile("(?:pass_?word|passwd|passphrase)s?_")
_ABOUT = re.compile(
    "(?:count|dir|endpoint|expiry|file|folder|host|length|limit|mode|name|parallelism|path|policy"
    "|prompt|size|sock|timeout|ttl|type|uri|url)s?"
)
_WEBHOOK = re.compile(r"webhooks?(?:_ur[il])?\Z")  # what its address ends with is a secret
# `DBPASS`, `smtp_pass`
_ANYBODYS_PASS = (
    "(?:admin|db|ftp|imap|ldap|mail|mongo|my|mysql|pg|postgres|proxy|redis|root|smtp|sql|ssh|sudo"
    "|user|vpn|web|wifi)_?pass"
)
_GLUED_PASS = re.compile(_ANYBODYS_PASS)
_ONLY_BEHIND_OTHERS = re.compile("(?:cred|pat|salt|sk)s?")  # `db_salt`: alone a word as any
# The last word of a name, of a setting or a variable of the environment.
_LAST_WORD = re.compile(
    "(?:apikey|auth|authorization|bearer|cookie|cred|credential|dsn|jwt|pass|passkey|pat|pw|salt"
    "|sk)s?"
)
# Behind it: whose or which it is. SECRET_KEY_BASE, AWS_ACCESS_KEY_ID, HF_TOKEN_READ.
_ROLE = re.compile(
    "admin|backup|base|current|dev|env|header|id|live|main|master|new|old|primary|prod|production"
    "|raw|read|readonly|ro|root|rw|secondary|staging|test|user|val|value|write"
)
_LIMIT = re.compile("max|min|num|number|count|limit|total|per|pad|eos|bos|unk|sep|cls|mask")
# Keys of other kinds: of a table, of a mapping, to be told to all.
_OTHER_KEY = re.compile(
    "cache|dict|foreign|group|hot|image|index|label|map|natural|object|partition|primary|pub|public"
    "|row|share|sort|unique"
)
_PASSED = re.compile("all|band|first|high|last|low|one|second|single|two")
_OWN_RULES = re.compile(r"(?:auth|authorization|cookie|pass)\Z", re.IGNORECASE)
_CONNECTION = re.compile(r"(?:connection|conn|connect)_?(?:string|str)\Z")
_FOLDERS = ("PWD", "OLDPWD")  # a shell's, where it is and was
# An augmentation of own code, `mine.py:token: 0.5`: whose name may be any but that of a password.
_OWN_NAME = re.compile(
    r"(?<=\.py:)(?!\w*(?:pass(?:word|wd|phrase|code)|pwd|secret|key))[A-Za-z_]\w*+"
    r"(?=[\"']?:|[\"']|\s+[^\s=:]|,|\Z)"
)
_KEPT = re.compile("\ue002(\\d+)\ue003")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_GIVEN = r"\s{0,9}(?:=>?|:=|%3D)\s*"
# For what may be secret.
_OPEN = (
    r"(?!\*\*\*|[=\[(]|\{(?![^{}\n]*\})|(?:none|null|true|false|str|int|float|bool|bytes|got"
    r"|expected|found|invalid|missing|required|unexpected)"
    r"(?![^\s,;=}\])])"
    r"|\d{1,2}(?![^\s,;}\])])"
    # a sign, which a parser did not expect, and a word of a vocabulary
    r"|(?P<q>[\"']?)(?:[^\w\s\"']{1,3}|</?[a-z_|]+>|\[[a-z]+\])(?P=q)(?![^\s,;.:}\])]))"
)
# A quote within JSON within JSON has backslashes before it.
_QUOTED = (
    r"""\\{1,7}"(?:\\{4}|\\{3}"|\\(?!")|[^"\\])*\\{0,7}"|"(?:[^"\\]|\\.)*"|"""
    r"""'(?:[^'\\]|\\.)*'"""
)
_VALUE = (
    rf"{_OPEN}(?:[bruf]{{0,2}}(?:\"{{3}}.+?\"{{3}}|'{{3}}.+?'{{3}}|{_QUOTED})|\{{[^{{}}\n]*\}}"
    r"|[\"']?(?:\\[ ]|[^\s;&,\"'<>)])+)"
)
_PASS = rf"(?<![^\W_]){_ANYBODYS_PASS}"
# How tokens of well-known services begin (GitHub, GitLab, Databricks, Hugging Face, OpenAI, Slack,
# AWS), and JSON Web Tokens.
TOKENS = (
    r"(?:(?:gh[oprsu]_|gl(?:pat|ptt|rt|dt|soat)-|dapi|hf_|sk-|npm_|gsk_|r8_|AIza|A[KS]IA|dop_v1_"
    r"|shp\w\w_|[rs]k_(?:live|test)_|whsec_|lin_api_)(?=[A-Za-z]*\d)[A-Za-z0-9]{16,}"
    r"|(?:SG\.|pypi-|ya29\.|hvs\.|nvapi-|GOCSPX-|xapp-)(?=[\w.-]*\d)[\w.-]{16,}"
    r"|github_pat_\w{16,}|sk-(?:ant|proj)-[\w-]{16,}|xox[abprs]-\d[\w-]{12,}"
    r"|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*)"
)
_TO_THE_END = r"(?:aws4-hmac-sha256|digest|hawk|oauth|signature)\b"
_SCHEME = r"(?:api-?key|basic|bearer|bot|jwt|key|negotiate|ntlm|sharedkey|token)[ \t]+"
_HEADER = r"\bauthorization[ \t]*[:=][ \t]*"
_HIDDEN = tuple(
    re.compile(pattern, re.IGNORECASE | re.DOTALL)
    for pattern in (
        r"((?:\bauth[\"']?[ \t]*[:=]|\bHTTP\w*Auth|\bBasicAuth)[ \t]*\()(?!\*\*\*)[^()\n]+",
        # `host=h password=pw`, `Server=h;Pwd=pw`, `secret: s`, `--password pw`
        rf"(?=\s{{0,9}}[=:%])({_NAMED}(?:{_GIVEN}|[ \t]{{0,9}}:[ \t]*(?:\n[ \t]+)?(?![/\\])))"
        rf"(?!(?<=pwd=)/[\w.-]+/){_VALUE}",
        rf"((?<![^\W_])(?:auth|pass|pw){_GIVEN})(?!\w*Auth\(|\d{{1,3}}(?![\w.])){_VALUE}",
        rf"({_PASS}(?:{_GIVEN}|[ \t]?:[ \t]*(?![/\\]))){_VALUE}",
        r"((?<=[?&])(?:key|code|sid)=)(?!\*\*\*)[^\s&;,\"'<>)]+",
        r"(\b(?:j|php)?sess(?:ion)?_?id=)(?!\*\*\*)[^\s&;,\"'<>)]{6,}",
        r"(hooks\.slack\.com/services/)(?!\*\*\*)[\w/-]+",
        r"(\bdiscord(?:app)?\.com/api/webhooks/\d+/|\bapi\.telegram\.org/bot\d+:)[\w-]+",
        r"(\blogin[ ]\S+[ ]password[ ])(?!\*\*\*)\S+",
        r"((?:\bcurl\b[^\n]{0,80}?[ ]-u|[ ]--user)[ ][^\s:]+:)(?!\*\*\*)\S+",
        r"(\bsshpass[ ]-p[ ]?)(?!\*\*\*)\S+",
        r"(\bpass:)(?!\*\*\*|[/\\])[^\s;&,\"'<>)]+",
        r"(\bauth[ \t]*=[ \t]*\[)(?!\*\*\*)[^\[\]\n]+",
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
_LISTED = rf"\[\s*(?:{_QUOTED})(?:\s*,\s*(?:{_QUOTED}))*\s*\]"
_ITEM = re.compile(
    r"(?P<before>(?P<quote>\\{0,7}[\"'])(?P<name>[\w.\- ]{1,80})(?P=quote)\s*(?:=>?|:)\s*)"
    rf"(?P<value>{_LISTED}|{_OPEN}[bru]?(?:{_QUOTED}|[\w.+/-]+))",
    re.IGNORECASE | re.DOTALL,
)
# `("Authorization", "…")`, `setdefault("DB_PASSWORD", "…")`
_PAIR = re.compile(
    r"(?P<before>\(\s*(?P<quote>[\"'])(?P<name>[\w.-]{2,80})(?P=quote)\s*,\s*)"
    rf"(?P<value>{_OPEN}(?:{_QUOTED}))",
    re.DOTALL | re.IGNORECASE,
)
# `password: str = "…"`, `os.environ["DB_PASSWORD"] = "…"`
_DECLARED = re.compile(
    r"(?P<before>(?<!\w)(?P<name>[A-Za-z]\w{1,60}+)(?:[ ]?:[ ]?[A-Za-z]\w*(?:\[[\w, ]*\])?"
    rf"(?:[ ]?\|[ ]?None)?|[\"']\])\s{{0,9}}=\s{{0,9}})"
    rf"(?P<value>(?!\d{{1,6}}(?![\w.])){_OPEN}(?:{_QUOTED}|[^\s\"',;()]+))",
    re.DOTALL | re.IGNORECASE,
)
# `passwords = ["…", "…"]`
_LIST_GIVEN = re.compile(
    r"(?P<before>(?<!\w)(?P<name>[A-Za-z]\w{1,60}+)(?:\s{0,9}=\s{0,9}|:[ \t]+))"
    rf"(?P<value>{_LISTED})",
    re.DOTALL,
)
# `DB_PW=…`, `github_pat: …`
_GIVEN_TO = re.compile(
    r"(?P<before>(?<![\w.])(?P<name>[A-Za-z]\w{1,60}+)(?:\s{0,9}=\s{0,9}|:[ \t]+(?![/\\])))"
    rf"(?P<value>(?!\d{{1,6}}(?![\w.])){_VALUE})",
    re.DOTALL | re.IGNORECASE,
)


def is_secret_name(name: str) -> bool:
    """Whether what such a name is given is secret: that of a variable of the environment, or of an
    item in a text."""
    if _OWN_NAME.search(name):
        return False
    words = [word.lower() for word in _WORD.findall(name)]
    while len(words) > 1 and _ROLE.fullmatch(words[-1]):
        words.pop()
    if not words or name in _FOLDERS or _LIMIT.fullmatch(words[0]):
        return False
    before, last, joined = "".join(words[-2:-1]), words[-1], "_".join(words)
    if _WEBHOOK.search(joined) or _GLUED_PASS.fullmatch(last):
        return True
    within = _NAME_WITHIN if name.isupper() else _PASSWORD_WITHIN
    if within.search(joined) and not _ABOUT.fullmatch(last):
        return True
    if _NAME_ENDS.search(joined) or _NAME_ENDS.search(joined.removesuffix("s")):
        return True
    if last in ("key", "keys"):
        return bool(before) and not _OTHER_KEY.fullmatch(before)
    if last == "pass" and _PASSED.fullmatch(before):
        return False
    if len(words) == 1 and _ONLY_BEHIND_OTHERS.fullmatch(last):
        return False
    return bool(_LAST_WORD.fullmatch(last) or _CONNECTION.search(joined))


def is_secret_item(name: str) -> bool:
    """The same of a name in a text, where `x_key` and `tokens` in small letters are often no
    secret."""
    is_vague = re.search(r"key\Z|keys\Z|tokens\Z", name) is not None
    is_vague &= name.endswith("tokens") or not _NAME_ENDS.search(name.removesuffix("s"))
    return is_secret_name(name) and not is_vague


def named_in(text: str) -> set[str]:
    """What `without_named` would hide, without the quotes around it."""
    found = [
        each["value"]
        for pattern in (_ITEM, _PAIR, _DECLARED, _GIVEN_TO)
        for each in pattern.finditer(text)
        if is_secret_item(each["name"])
    ]
    found += [
        each.group().removeprefix(each[1]) for pattern in _HIDDEN for each in pattern.finditer(text)
    ]
    return {each.strip("\\\"'") for each in found}


def without_named(text: str) -> str:
    """The text with `***` in place of what is secret by its name."""
    own = [] if "\ue002" in text else list(dict.fromkeys(_OWN_NAME.findall(text)))
    if not own:
        return _without_named(text)
    places = {name: place for place, name in enumerate(own)}
    text = _OWN_NAME.sub(lambda found: f"\ue002{places[found.group()]}\ue003", text)
    return _KEPT.sub(lambda kept: own[int(kept[1])], _without_named(text))


def _without_named(text: str) -> str:
    for pattern in (_ITEM, _PAIR, _DECLARED, _LIST_GIVEN):
        text = pattern.sub(_hidden_text, text)
    for pattern in _HIDDEN:
        text = pattern.sub(rf"\1{MASK}", text)
    return _GIVEN_TO.sub(_hidden_value, text)


def _hidden_text(found: re.Match[str]) -> str:
    """The mask in quotes, those of the name where it has some."""
    if not is_secret_item(found["name"]):
        return found.group()
    first = found["value"][0]
    quote = found.groupdict().get("quote") or (first if first in "\"'" else "")
    return f"{found['before']}{quote}{MASK}{quote}"


def _hidden_value(found: re.Match[str]) -> str:
    name = found["name"]
    # Those stand in `_HIDDEN`: what follows them is not always one word, nor a secret.
    is_word = _OWN_RULES.search(name) and not (name.isupper() and "_" in name)
    is_hidden = is_secret_item(name) and not is_word
    return f"{found['before']}{MASK}" if is_hidden else found.group()
