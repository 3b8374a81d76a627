r"""Keys, tokens and authorization headers out of what is logged, kept or returned as an error. Pure.

It knows formats, not entropy: a commit's SHA, a UUID or a path stays as it is, and a secret that has neither
a known shape nor a telling name before it is not found. So this is the second net; the first is that no
secret gets here (the environment's allowlist). Scrub before a text is cut short: half a key has no known
shape.

Why not a library: detect-secrets scans files line by line, brings requests and PyYAML, and reports rather
than replaces; redact-secret is a beta with a native core; redactkit knows only the names of keys (late 2026).

Every pattern takes linear time on any input: what repeats is bounded, or possessive (`++`) behind a fixed
start; groups are atomic (`(?>…)`) instead, for Python 3.11.2 gets possessive groups wrong. And to scrub twice
is to scrub once: nothing here takes `[redacted]` for a secret.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

MARK: Final = "[redacted]"
"""What stands where a secret stood."""

_DEPTH: Final = 64  # of nested values: below that nothing is looked at, so nothing is shown

# Tokens with a prefix of their own, each after a text that it can't do without: most texts have none of them.

# What was scrubbed stays a part of its word, or the second time would find other words than the first.
_FREE = r"(?<!\[redacted\])"
# No letter or digit of the same word before it, unless that ends an escape (`\n`, `%3D`, a colour's `m`).
_WORD = (
    rf"{_FREE}(?:(?<![A-Za-z0-9])|"
    r"(?<=\\[nrtbf])|(?<=%[0-9A-Fa-f]{2})|(?<=[\[;][0-9]m)|(?<=[\[;][0-9]{2}m))"
)
_ENDED = r"(?!\[redacted\]|[\w-])"
_TOKENS: Final = tuple(
    (text, re.compile(pattern, re.ASCII))
    for text, pattern in (
        ("sk-", rf"{_WORD}sk-(?=[\w-]{{0,60}}[0-9])[\w-]{{20,}}+"),  # OpenAI, Anthropic, OpenRouter
        ("sess-", rf"{_WORD}sess-[A-Za-z0-9]{{32,}}+"),  # OpenAI
        ("gh", r"gh[oprsu]_[A-Za-z0-9]{30,}+"),  # GitHub
        ("github_pat_", r"github_pat_\w{22,}+"),
        ("gl", r"gl(?:pat|oas|rt|dt|ptt|cbt|agent|soat|ffct|imt|ft)-[\w.-]{20,}+"),  # GitLab
        ("IA", rf"{_WORD}A[KS]IA[0-9A-Z]{{16}}{_ENDED}"),  # AWS
        ("AIza", r"AIza[\w-]{35,}+"),  # Google
        ("GOCSPX-", r"GOCSPX-[\w-]{20,}+"),
        ("ya29.", rf"{_WORD}ya29\.[\w.-]{{20,}}+"),
        ("xox", r"xox[a-z](?:\.xox[a-z])?-[\w-]{10,}+"),  # Slack
        ("xapp-", r"xapp-[0-9]-[\w-]{10,}+"),
        ("hooks.slack.com/", r"(?<=hooks\.slack\.com/)(?:services|workflows|triggers)/[\w/]{20,}+"),
        ("/api/webhooks/", r"(?<=/api/webhooks/)[0-9]{10,20}/[\w-]{20,}+"),  # Discord
        ("eyJ", rf"{_WORD}eyJ[\w-]{{8,}}+(?>(?:\.{{1,2}}[\w-]++){{1,4}})"),  # JWT, JWE
        ("npm_", r"npm_[A-Za-z0-9]{30,}+"),
        ("pypi-AgE", r"pypi-AgE[\w-]{30,}+"),
        ("k_", r"[rs]k_(?:live|test)_[A-Za-z0-9]{10,}+"),  # Stripe
        ("whsec_", r"whsec_[A-Za-z0-9+/=]{20,}+"),
        ("hf_", rf"{_WORD}hf_[A-Za-z0-9]{{30,}}+"),  # Hugging Face
        ("gsk_", rf"{_WORD}gsk_[A-Za-z0-9]{{30,}}+"),  # Groq
        ("xai-", rf"{_WORD}xai-[A-Za-z0-9]{{30,}}+"),
        ("pplx-", rf"{_WORD}pplx-[A-Za-z0-9]{{30,}}+"),
        ("r8_", rf"{_WORD}r8_[A-Za-z0-9]{{30,}}+"),  # Replicate
        ("SG.", rf"{_WORD}SG\.[\w-]{{16,}}+\.[\w-]{{16,}}+"),  # SendGrid
        ("SK", rf"{_WORD}SK[0-9a-f]{{32}}{_ENDED}"),  # Twilio
        (":AA", rf"{_WORD}[0-9]{{8,10}}:AA[\w-]{{33}}{_ENDED}"),  # Telegram
        ("_v1_", r"do[opr]_v1_[0-9a-f]{40,}+"),  # DigitalOcean
        ("shp", r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32,}+"),  # Shopify
        ("dapi", rf"{_WORD}dapi[0-9a-f]{{32,}}+"),  # Databricks
        ("hv", rf"{_WORD}hv[sbr]\.[\w-]{{20,}}+"),  # Vault
        ("dckr_pat_", r"dckr_pat_[\w-]{20,}+"),
        ("ATATT3", r"ATATT3[\w=-]{30,}+"),  # Atlassian
        ("lin_api_", r"lin_api_[A-Za-z0-9]{30,}+"),
        ("gl", rf"{_WORD}gl(?:c|sa)_[\w+/=]{{30,}}+"),  # Grafana
        ("AGE-SECRET-KEY-1", r"AGE-SECRET-KEY-1[0-9A-Z]{50,}+"),
    )
)

# Blocks, URLs and headers.

# The first group is what is kept before the secret, the last one what is kept behind it.
_BEGIN = r"(-----BEGIN[A-Z0-9 ]{0,40} PRIVATE KEY(?: BLOCK)?-----)"
_END = r"-----END[A-Z0-9 ]{0,40} PRIVATE KEY(?: BLOCK)?-----"
_GAP = r"[ \t]{0,4}"
_QUOTE = r"\\{0,3}[\"']?"  # in JSON inside JSON the quotes are escaped
_HEADER = rf"{_QUOTE}{_GAP}[:=,]{_GAP}{_QUOTE}"
_ONE = r"(?:Bearer|Basic|Token|ApiKey|Negotiate|NTLM|DPoP|SharedKey)"  # schemes with one word after them
_MANY = r"(?:AWS4-HMAC-SHA256|Hawk|OAuth|Signature)"  # and with a list
_QUERY = r"key|sig|signature|auth|code|x-(?:amz|goog)-(?:signature|credential)"
_NOT_MARK = r"[^\s\"'\\\[\],;]"
_WORDS = r"[\w.~+/=-]"
_DIGIT = r"[a-z_.~+/=-]{0,60}[0-9]"
_KEPT: Final = tuple(
    (text, re.compile(pattern, re.IGNORECASE | re.ASCII))
    for text, pattern in (
        ("-----begin", rf"{_BEGIN}(?>(?:[^-\[]|-(?!----))+)(-?{_END})"),
        # One whose end was cut off: whatever still looks like its lines.
        ("-----begin", rf"{_BEGIN}(?>(?:(?:[\s>|-]|\\[nr]){{0,4}}[A-Za-z0-9+/=]{{16,}}+)+)()"),
        ("://", r"(?<=://)([^\s/:@\"'<>\[\]]{0,128}+:)[^\s/@\"'<>\[\]]{1,512}+(@)"),
        ("://", r"(?<=://)()(?=[a-z_-]{0,60}[0-9])[\w-]{20,512}+(@)"),
        ("authorization", rf"(authorization{_HEADER}{_ONE}[ \t]{{1,4}}){_NOT_MARK}{{8,}}+()"),
        ("authorization", rf"(authorization{_HEADER}{_MANY}[ \t]{{1,4}})(?!\[)[^\r\n']++()"),
        ("authorization", rf"(authorization{_HEADER})(?!{_ONE}|{_MANY})(?={_DIGIT}){_NOT_MARK}{{8,}}+()"),
        ("digest", rf"{_FREE}(\bdigest[ \t]{{1,4}})(?=username=)[^\r\n]++()"),
        ("bearer", rf"{_FREE}(\bbearer[ \t]{{1,4}})(?={_DIGIT}){_WORDS}{{12,}}+()"),
        ("cookie", rf"(cookie{_HEADER})(?=[^\s=;\"'\[]{{1,128}}+=)[^\r\n\"'\\]++()"),
        ("password", rf"{_FREE}(\blogin[ \t]+[^\s\[]{{1,128}}[ \t]+password[ \t]+)[^\s\[]\S*+()"),  # .netrc
        ("=", rf"([?&](?:{_QUERY})=)[^\s\"'&#<>\[\]\\]{{8,}}+()"),
    )
)
_BASIC: Final = re.compile(
    rf"{_FREE}\b(basic[ \t]{{1,4}})([a-z0-9+/]{{8,}}+={{0,2}}+)(?!\[)", re.IGNORECASE | re.ASCII
)

# Assignments: `api_key=…`, `"apiKey": "…"`, `password: …`, `--token …`, `<secret>…</secret>`.

_PASSWORD = rf"(?:pass(?:word|wd|phrase|code)|{_FREE}(?<![a-z])pass|pwd)"
_KINDS = (
    r"api|access|secret|private|encryption|signing|account|master|shared|subscription|storage|client|auth"
)
_KEYS = rf"(?:(?:{_KINDS})[_\-. ]?key|secret|token|credentials?|jwt|{_FREE}(?<![a-z])_auth)"
_SUFFIX = r"(?:[_-](?:[0-9]{1,3}|value|prod|production|dev|test|staging|live|old|new|base64))?"
_NAME = rf"(?P<name>(?:(?P<password>{_PASSWORD})|{_KEYS}){_SUFFIX})"
_TYPED = r":[ \t]{0,2}[\w.]{1,40}(?:\[[\w., |]{1,40}\])?(?: \| [\w.]{1,20})? = (?=\\{0,3}[\"'`])"
_EQUALS = rf"(?P<equals>{_TYPED}|=>|:=|==?)"
_QUOTED = r"(?P<quote>\\{0,4}[\"'`])(?P<quoted>(?>(?:(?!(?P=quote))(?:\\.|[^\\\r\n]))*))"
_BARE = r"(?P<bare>(?>(?:[^\s\"'`,;&<>(){}\[\]|\\]|\\(?![nrt\"'\\]))+))"
_ASSIGNED: Final = re.compile(
    rf"{_NAME}\\{{0,4}}[\"'`]?\]?(?P<gap>{_GAP})(?>{_EQUALS}|:){_GAP}(?:{_QUOTED}|{_BARE})",
    re.IGNORECASE | re.ASCII,
)
_FLAG: Final = re.compile(
    rf"{_FREE}(?<![\w-])--?(?:[a-z0-9]{{1,20}}-){{0,4}}{_NAME}[ \t]{{1,4}}(?:{_QUOTED}|{_BARE})",
    re.IGNORECASE | re.ASCII,
)
_ELEMENT: Final = re.compile(rf"(<(?:\w{{1,20}}:)?{_NAME}>)[^<>\[\r\n]++(?=</)", re.IGNORECASE | re.ASCII)
_SENSITIVE: Final = re.compile(
    rf"(?:{_PASSWORD}|{_KEYS}|authorization|cookie){_SUFFIX}\Z", re.IGNORECASE | re.ASCII
)
_HARMLESS: Final = re.compile(
    r"none|null|nil|undefined|true|false|yes|no|str|string|text|bytes|int|number|bool|boolean|object|any|secretstr"
    r"|required|optional|unset|empty|redacted|hidden|\[redacted\]"
    r"|[*.xX•_$%#-]+|\$\{?\w+\}?|<[^<>]*>|\{[^{}]*\}|%\w*%?",
    re.IGNORECASE,
)
_REFERENCE: Final = re.compile(r"(?:[A-Za-z_]+\.)+[A-Za-z_]+")  # `settings.api_key`
_CLASS: Final = re.compile(r"(?:[A-Z][a-z]+)+")  # `AccessToken`
_LINE: Final = re.compile(r"(?:\A|\n)[ \t]*+(?:- )?[\w.-]*+[\"']?\Z", re.ASCII)
_LONG: Final = 40  # no word of a text is as long; and no longer word is looked at twice
_SHORT: Final = 6
_COUNT: Final = 8
_PAIR: Final = 2


def scrub(text: str) -> str:
    """`text` with `[redacted]` for each secret that can be recognized in it; what names a secret is kept."""
    low = text.lower()
    for needed, pattern in _KEPT:
        if needed in low:
            text = pattern.sub(lambda found: f"{found[1]}{MARK}{found[found.re.groups]}", text)
    if "basic" in low:
        text = _BASIC.sub(_basic, text)
    for needed, pattern in _TOKENS:
        if needed in text:
            text = pattern.sub(MARK, text)
    if "</" in low:
        text = _ELEMENT.sub(rf"\1{MARK}", text)
    text = _replace(_FLAG, text, _telling_flag)
    return _replace(_ASSIGNED, text, _telling)


def scrub_value(value: object) -> object:
    """A JSON-like value with every text in it scrubbed, and what stands under a telling name taken out."""
    return _value(value, hide=False, depth=0)


def _basic(found: re.Match[str]) -> str:
    """`Basic` is a plain word too: what follows it is a secret if it decodes to `user:password`."""
    padded = found[2].rstrip("=") + "=" * (-len(found[2].rstrip("=")) % 4)
    try:
        decoded = base64.b64decode(padded).decode()
    except (binascii.Error, UnicodeDecodeError):
        return found[0]
    return f"{found[1]}{MARK}" if ":" in decoded and decoded.isprintable() else found[0]


def _replace(pattern: re.Pattern[str], text: str, judge: Callable[[re.Match[str]], bool]) -> str:
    """Replace each value that `judge` takes for a secret.

    What it lets pass is searched again from its beginning, since a secret may begin in it: `secret: token=…`.
    """
    kept: list[str] = []
    at = 0
    while found := pattern.search(text, at):
        group = "bare" if found["quote"] is None else "quoted"
        kept.append(text[at : found.start(group)])
        at = found.start(group)
        if judge(found):
            kept.append(MARK)
            at = found.end(group)
    return "".join((*kept, text[at:]))


def _telling(found: re.Match[str]) -> bool:
    """Whether `name = value` holds a secret, not a type, a reference, a placeholder, a word of a sentence."""
    value = found["quoted"] if found["bare"] is None else found["bare"]
    if _HARMLESS.fullmatch(value) or _handed_on(value, found):
        return False
    if found["bare"] is None:
        return bool(value) and (found["password"] is not None or _looks_secret(value) or _one_word(value))
    if len(value) >= _LONG:
        return True
    if found.string[found.end() : found.end() + 1] in {"(", "["} or _REFERENCE.fullmatch(value):
        return False  # a call, an element, an attribute: code that gets the secret, not the secret
    if found["password"] is not None:
        return _password(found, value)
    tight = found["equals"] is not None and not found["gap"]
    return _looks_secret(value) or (tight and _one_word(value))


def _password(found: re.Match[str], value: str) -> bool:
    """A bare password can be any word, so where it stands decides."""
    if found["name"].lower().endswith("pwd") and value.startswith(("/", "~")):
        return False  # the working folder
    if found["equals"] is not None:
        return True
    if found["name"].lower() == "pass":
        return False  # a test's
    return _looks_secret(value) or (_whole_line(found) and not _CLASS.fullmatch(value))


def _whole_line(found: re.Match[str]) -> bool:
    """Whether the assignment is a line of its own, as in YAML."""
    text, start = found.string, max(0, found.start() - _LONG)
    begins = _LINE.search(text, start, found.start()) is not None
    return begins and text[found.end() : found.end() + 1] in {"", "\r", "\n"}


def _telling_flag(found: re.Match[str]) -> bool:
    """As `_telling`, for `--token value`: only a space stands between, as in a sentence about the flag."""
    value = found["quoted"] if found["bare"] is None else found["bare"]
    return not _HARMLESS.fullmatch(value) and (len(value) >= _LONG or _looks_secret(value))


def _looks_secret(value: str) -> bool:
    """Longer than a short word, and with a character that no word has; a short number is a count."""
    word = value.rstrip(".:!?")
    if len(word) < _SHORT or (word.isdigit() and len(word) < _COUNT):
        return False
    return re.search(r"[0-9+=!@#$%^*~]", word) is not None


def _one_word(value: str) -> bool:
    return len(value) >= _SHORT and " " not in value


def _handed_on(value: str, found: re.Match[str]) -> bool:
    """Whether the value is a variable of that name: `token=token`, `clientSecret=client_secret`."""
    variable = value.replace("_", "").casefold()
    name = found["name"].replace("_", "").replace("-", "").casefold()
    if found["password"] is not None:
        return variable == name
    return variable.isalpha() and len(variable) < _LONG and variable.endswith(name)


def _value(value: object, *, hide: bool, depth: int) -> object:
    if depth > _DEPTH:
        return MARK
    if isinstance(value, str):
        return MARK if hide and value else scrub(value)
    if isinstance(value, dict):
        named = value.get(
            "name", value.get("key")
        )  # `{"name": "API_KEY", "value": …}`: ACP's variables and headers
        return {
            scrub(key) if isinstance(key, str) else key: _value(
                item, hide=hide or _sensitive(key) or (key == "value" and _sensitive(named)), depth=depth + 1
            )
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [
            _value(item, hide=hide or _introduces(before, len(value)), depth=depth + 1)
            for before, item in zip((None, *value), value, strict=False)
        ]
    return MARK if hide and isinstance(value, int | float) and not isinstance(value, bool) else value


def _sensitive(name: object) -> bool:
    return isinstance(name, str) and _SENSITIVE.search(name) is not None


def _introduces(before: object, length: int) -> bool:
    """Whether an element is the value of the one before it: `["--token", …]`, or a header as a pair."""
    return _sensitive(before) and isinstance(before, str) and (before.startswith("-") or length == _PAIR)
