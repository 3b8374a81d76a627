"""Texts with secrets, and texts that only look so.

Each secret is put together here, so that no scanner of repositories takes this file for a leak. None was ever
valid.
"""

from __future__ import annotations

import base64

_ALNUM = "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0fG3hJ6kL9nP2rS5tV8xY1zA4cD7eF0"
_HEX = "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0"
_UPPER = "QWERTYUIOPASDFGHJKLZXCVBNM234567"


def _token(*parts: str) -> str:
    return "".join(parts)


_JWT = ".".join(("eyJ" + _ALNUM[:17], "eyJ" + _ALNUM[:40], _ALNUM[3:46]))
_PEM_BODY = "\n".join((_ALNUM, _ALNUM[::-1], _ALNUM[:20] + "=="))
_BASIC = base64.b64encode(b"alice:" + b"open sesame").decode()
_AWS_SECRET = "wJalr/" + _ALNUM[:33] + "+"
_PLAIN = "hunter" + "2"


def _pem(kind: str) -> tuple[str, str]:
    return _token("-----BEGIN ", kind, "PRIVATE ", "KEY-----"), _token(
        "-----END ", kind, "PRIVATE ", "KEY-----"
    )


_RSA = _pem("RSA ")
_PKCS8 = _pem("")

SECRETS: tuple[tuple[str, str, str], ...] = tuple(
    (name, text.replace("{}", secret), secret)
    for name, text, secret in (
        ("an OpenAI key", "401: invalid key {}.", _token("sk", "-", _ALNUM[:48])),
        (
            "an OpenAI project key",
            "using {} for the call",
            _token("sk", "-proj-", _ALNUM[:40], "_", _ALNUM[4:40]),
        ),
        ("an OpenAI service key", "{}", _token("sk", "-svcacct-", _ALNUM[:50])),
        ("an OpenAI session", "sent {}", _token("sess", "-", _ALNUM[:40])),
        ("an Anthropic key", "key {} refused", _token("sk", "-ant-api03-", _ALNUM, "-", _ALNUM[:20], "AA")),
        ("an Anthropic login", '"{}"', _token("sk", "-ant-oat01-", _ALNUM)),
        ("an OpenRouter key", "({})", _token("sk", "-or-v1-", _HEX)),
        ("a GitHub token", "remote: {} expired", _token("gh", "p_", _ALNUM[:36])),
        ("a GitHub app's token", "remote: {} expired", _token("gh", "s_", _ALNUM[:36])),
        ("a GitHub login", "remote: {} expired", _token("gh", "o_", _ALNUM[:36])),
        (
            "a GitHub token of the newer kind",
            "x={}",
            _token("github", "_pat_", _ALNUM[:22], "_", _ALNUM[:59]),
        ),
        ("a GitLab token", "PRIVATE {} end", _token("gl", "pat-", _ALNUM[:20])),
        ("an AWS key's id", "id {}, ", _token("AK", "IA", _UPPER[:16])),
        ("a temporary AWS key's id", "<{}>", _token("AS", "IA", _UPPER[:16])),
        ("an AWS secret", "aws_secret_access_key = {}", _AWS_SECRET),
        ("an AWS secret in the environment", "AWS_SECRET_ACCESS_KEY={} aws s3 ls", _AWS_SECRET),
        ("a Google key", "?q=1&x={}&y", _token("AI", "za", _ALNUM[:35])),
        ("a Google client's secret", "{}\n", _token("GOC", "SPX-", _ALNUM[:28])),
        ("a Google login", "with {}", _token("ya", "29.", _ALNUM[:50])),
        ("a Slack bot's token", "slack {} ok", _token("xo", "xb-", "1234567890-1234567890123-", _ALNUM[:24])),
        ("a Slack app's token", "slack {} ok", _token("xa", "pp-1-A012-123-", _HEX)),
        (
            "a Slack webhook",
            "https://hooks.slack.com/{}",
            _token("serv", "ices/T", _UPPER[:8], "/B", _UPPER[:8], "/", _ALNUM[:24]),
        ),
        (
            "a Discord webhook",
            "https://discord.com/api/webhooks/{}",
            _token("123456789012345678", "/", _ALNUM),
        ),
        ("a JWT", "cookie-free {} here", _JWT),
        ("a JWT in escaped JSON", '{"log": "one\\n{}\\ntwo"}', _JWT),
        ("an npm token", "//registry:_x {}", _token("np", "m_", _ALNUM[:36])),
        ("a PyPI token", "upload with {}", _token("py", "pi-AgEIcHlwaS5vcmc", _ALNUM)),
        ("a Stripe key", "{} is live", _token("sk", "_live_", _ALNUM[:24])),
        ("a Stripe test key", "{} is not", _token("rk", "_test_", _ALNUM[:24])),
        ("a Stripe webhook's secret", "sig {}", _token("wh", "sec_", _ALNUM[:32])),
        ("a Hugging Face token", "pull {}", _token("h", "f_", _ALNUM[:34])),
        ("a Groq key", "pull {}", _token("gs", "k_", _ALNUM[:52])),
        ("an xAI key", "pull {}", _token("xa", "i-", _ALNUM)),
        ("a Perplexity key", "pull {}", _token("pp", "lx-", _ALNUM[:48])),
        ("a Replicate token", "pull {}", _token("r", "8_", _ALNUM[:37])),
        ("a SendGrid key", "mail {}!", _token("S", "G.", _ALNUM[:22], ".", _ALNUM[:43])),
        ("a Twilio key", "call {} now", _token("S", "K", _HEX[:32])),
        ("a Telegram bot's token", "/bot {}/", _token("12345678", "9:A", "A", _ALNUM[:33])),
        ("a DigitalOcean token", "{}", _token("do", "p_v1_", _HEX)),
        ("a Shopify token", "{}", _token("shp", "at_", _HEX[:32])),
        ("a Databricks token", "{}", _token("da", "pi", _HEX[:32])),
        ("a Vault token", "{}", _token("hv", "s.", _ALNUM[:24])),
        ("a Docker token", "{}", _token("dckr", "_pat_", _ALNUM[:27])),
        ("an Atlassian token", "{}", _token("ATA", "TT3x", _ALNUM)),
        ("a Linear key", "{}", _token("lin", "_api_", _ALNUM[:40])),
        ("a Grafana token", "{}", _token("gl", "sa_", _ALNUM[:32], "_0a1b2c3d")),
        ("an age key", "{}", _token("AGE-SECRET", "-KEY-1", _UPPER, _UPPER[:26])),
        ("a private key", f"file:\n{_RSA[0]}{{}}{_RSA[1]}\nend", f"\n{_PEM_BODY}\n"),
        (
            "a private key in JSON",
            f'"k": "{_PKCS8[0]}{{}}{_PKCS8[1]}\\n"',
            _PEM_BODY.replace("\n", "\\n") + "\\n",
        ),
        (
            "a private key in a diff",
            f"-{_RSA[0]}{{}}-{_RSA[1]}\n",
            "\n-" + _PEM_BODY.replace("\n", "\n-") + "\n",
        ),
        ("a private key that was cut off", f"{_PKCS8[0]}{{}}", f"\n{_ALNUM}\n{_ALNUM[::-1]}"),
        ("a bearer's header", "Authorization: Bearer {}", _ALNUM[:32]),
        ("a bearer's header in curl", "curl -H 'authorization: bearer {}' https://x.example/", _ALNUM[:32]),
        ("a bearer's header in JSON", '{"Authorization": "Bearer {}", "a": 1}', _ALNUM[:32]),
        ("a bearer's header in JSON in JSON", '"{\\"Authorization\\": \\"Bearer {}\\"}"', _ALNUM[:32]),
        ("a bearer's header in Python", "[('Authorization', 'Bearer {}')]", _ALNUM[:32]),
        ("a bearer without a digit", "Authorization: Bearer {}", "open" + "sesame"),
        ("a bearer by itself", "sent bearer {}, got 401", _ALNUM[:32]),
        ("a basic header", "Proxy-Authorization: Basic {}", _BASIC),
        ("basic credentials by themselves", "using Basic {} now", _BASIC),
        ("a header without a scheme", "Authorization: {}", _ALNUM[:32]),
        (
            "a signed AWS request",
            "Authorization: AWS4-HMAC-SHA256 {}",
            f"Credential=x/20261101/eu/s3/aws4_request, SignedHeaders=host, Signature={_HEX}",
        ),
        ("a digest", "WWW: Digest {}", f'username="Mufasa", realm="r", response="{_HEX[:32]}"'),
        ("a cookie", "Cookie: {}", f"sid={_ALNUM[:20]}; theme=dark"),
        ("a cookie that is set", "< set-cookie: {}\n< date: today", f"sid={_ALNUM[:20]}; Path=/; HttpOnly"),
        ("a cookie in JSON", '{"cookie": "{}"}', f"sid={_ALNUM[:20]}"),
        ("a password in a URL", "postgres://app:{}@db.example:5432/x", "s3cr" + "et!"),
        ("a password without a user", "redis://:{}@cache:6379", _PLAIN),
        ("a token in a git remote", "https://{}@git.example/r.git", _ALNUM[:30]),
        ("a token in a query", "GET /x?access_token={}&page=2", _ALNUM[:30]),
        ("a signature in a query", "https://s3.example/x?a=1&X-Amz-Signature={}", _HEX),
        ("a key in a query", "https://maps.example/api?key={}&q=x", _ALNUM[:20]),
        ("a key in the environment", "OPENAI_API_KEY={} codex", _ALNUM[:20]),
        ("an exported key", 'export MY_API_KEY="{}"', _ALNUM[:20]),
        ("a key in JSON", '{"apiKey": "{}", "model": "x"}', _ALNUM[:20]),
        ("a key in JSON in JSON", '"{\\"apiKey\\":\\"{}\\"}"', _ALNUM[:20]),
        ("a key in YAML", "api-key: {}\nmodel: x", _ALNUM[:20]),
        ("a key's header", "X-Api-Key: {}", _ALNUM[:20]),
        ("a key in TOML", "client_secret = '{}'", _ALNUM[:20]),
        ("a key in Python", 'os.environ["SECRET_KEY"] = "{}"', _ALNUM[:20]),
        ("a key with a type", 'api_key: str | None = "{}"', _ALNUM[:20]),
        ("a numbered key", "API_KEY_2={}", _ALNUM[:20]),
        ("a password", "password={}", "abc"),
        ("a password in JSON", '{"password": "{}"}', 'correct horse \\" staple'),
        ("a password in YAML", "db:\n  password: {}\n", "correct" + "horse"),
        ("a password in prose", "log in with password: {}, then", _PLAIN),
        ("a password in a connection", "Server=db;Uid=sa;Pwd={};Encrypt=1", _PLAIN),
        ("a password in XML", "<password>{}</password>", _PLAIN),
        ("a password in .netrc", "machine x login me password {}", _PLAIN),
        ("a password's flag", "mysql --password={} -h db", _PLAIN),
        ("a token's flag", "tool --auth-token {} run", _ALNUM[:20]),
        ("a quoted flag", "tool --api-key '{}' run", "open sesame 42"),
        ("a .npmrc", "//registry.example/:_authToken={}", _ALNUM[:20]),
        ("an npm login", "_auth={}", _BASIC.rstrip("=")),
        ("a secret after a name with none", "token: password: {}", _PLAIN),
        ("a token after a colour", "\x1b[31m{}\x1b[0m", _token("sk", "-", _ALNUM[:48])),
        ("a token in a URL's escape", "x%3D{}%26", _token("sk", "-", _ALNUM[:48])),
        ("a long secret of letters", "token: {}", "correcthorsebatterystaple" * 2),
    )
)

HARMLESS: tuple[str, ...] = (
    "commit 3f786850e387550fdab836ed7e6dc881de23001b\nAuthor: A <a@b.example>",
    "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "session 019aa1b2-6df9-76d2-b8ff-54185ee5b080 resumed",
    "/home/me/.cache/codex-fusion/codex-acp-2.6.0/node_modules/.bin/codex-acp",
    "https://example.com:8080/a/b?page=2&sort=desc#top",
    "ssh://git@host.example:22/repo.git and git@host.example:me/repo.git",
    '{"totalTokens": 12345, "cachedReadTokens": 999999999, "max_tokens": 4096}',
    "used 12,345 tokens: 10,000 cached",
    "token: 4096",
    "the token: a string that names you",
    "Enter password: ",
    "password: required (at least 8 characters)",
    "secret: patience, and then some",
    "The bearer of this letter, and bearer authentication, are unrelated.",
    "basic understanding of Basic authentication",
    "Authorization: the act of granting a right",
    "cookie: a small text file",
    "def login(user: str, password: str, token: str | None = None) -> Token:",
    "api_key: Optional[str] = None",
    "token = tokens[3]",
    "token = lexer.next()",
    "token=token, api_key=api_key, clientSecret=client_secret",
    "api_key = settings.api_key",
    'api_key = os.environ["OPENAI_API_KEY"]',
    "password = getpass.getpass()",
    "password=${DB_PASSWORD} token=$TOKEN secret={{ vault }} api_key=<your-key>",
    'password="********" token="" secret=null',
    '{"token": {"type": "string"}, "password": "string"}',
    "PWD=/home/me/project",
    "OLDPWD=~/x",
    "PASS: tests/unit/test_scrub.py",
    "--token is required, and --password too",
    "docker run -u 1000:1000 task-runner-with-a-long-name-1234567890",
    "risk-averse-and-disk-management-1234567890 and a-mask-with-20-characters",
    "class='sk-spinner sk-circle'",
    "bypass=true; compass: north-by-northwest",
    "an ordinary e-mail to alice@example.com, see https://example.com/@alice",
    "diff --git a/secret.py b/secret.py\nindex 83db48f..bf2a1c0 100644",
    "eyJ is how a JWT begins; AKIA is how an id of AWS begins; sk- is a prefix",
    "-----BEGIN PRIVATE KEY----- is how a private key begins.",
    "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
    "npm_config_cache=/tmp npm_lifecycle_event=test",
    "the value is [redacted], and password=[redacted]",
    "AccessToken: AccessToken\ncredentials: Credentials",
)

# What announces a secret, and what may stand next to one.
FRAGMENTS = r"""
password passwd pwd pass token api_key secret authorization Authorization set-cookie bearer Basic Digest OAuth
--token --password <password> </password> login &key= ?sig= :// @ _auth Bearer username= eyJ sk- AKIA none str
= : == := => " ' \" \ ` [ ] ( ) { } < > , ; & | $ % / . - _ [redacted] redacted hunter2 12345 é
"""

# The beginnings of secrets: one after the other, they make every pattern begin everywhere and end nowhere.
BEGINNINGS = r"""
a - _ . / \ " ' = : 0 -----
sk- sk-a eyJ eyJaaaaaaaaaa. ghp_ xoxb-1 SG. SG.aaaaaaaaaaaaaaaaaa. 12345678:AA AKIA AIza :// ://a: ://a
password password= password=' password=" password=\" token: token:'token:"token:\" --a- -- </ api a=b;
authorization: cookie: cookie:a= <token> &key= ?sig=aaaaaaaa [redacted] password=a[a,
"""
