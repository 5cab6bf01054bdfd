"""Hide the secrets in a command: the values of options, variables, headers and URL parameters with telltale names.

Imported only for a command that may have secrets, because its regular expressions take milliseconds to compile.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from phaseline.client.public_command import HIDDEN

__all__ = ["without_secrets"]

_LONGEST_WORD: Final = 8000  # maximum number of characters of a word that are examined

# Words in the name of a secret option or variable. `tokens` and `tokenizer` are no secrets in machine learning.
_SECRET_WORDS: Final = frozenset(
    {"auth", "authorization", "bearer", "cookie", "credential", "credentials", "key", "pass", "pwd", "secrets", "sig"}
)
_SECRET_ENDS: Final = ("token", "password", "passphrase", "passwd", "secret", "signature", "apikey", "accesskey")
_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_OPTION: Final = re.compile(r"--?[A-Za-z][\w.-]{0,60}")
_ASSIGNED: Final = re.compile(r"(-{0,2}[A-Za-z][\w.-]{0,60})\s?[=:]")
# In a word such as a URL query, a header or the script of `sh -c`: a name with its separator, and a value.
_NAMED: Final = re.compile(r"""(?<![\w.-])(?P<name>-{0,2}[A-Za-z][\w.-]{0,60})(?P<between>["']?\s?[=:]\s?|\s)""")
_VALUE: Final = re.compile(r"""(?:(?:Bearer|Basic|Token)\s)?(?:"[^"]*"|'[^']*'|[^\s"'&;,}]*)""", re.IGNORECASE)
_USER_INFO: Final = re.compile(r"(?<![\w+.-])(?P<scheme>[A-Za-z][A-Za-z0-9+.-]{0,20}://)(?P<info>[^\s/?#]*)@")
# The tokens of well-known services, and Phaseline's own.
_KNOWN_TOKEN: Final = re.compile(
    r"(?<![\w-])(?:gh[opsur]_|github_pat_|glpat-|hf_|phl_|sk-|xox[abeprs]-|AKIA|eyJ)[\w.-]{16,}"
)
_USER_OPTIONS: Final = frozenset({"-u", "--user", "--proxy-user"})
# Programs whose `-p` is a password.
_PASSWORD_BY_P: Final = frozenset({"mysql", "mysqladmin", "mysqldump", "mariadb", "mariadb-dump", "sshpass"})


def without_secrets(argv: Sequence[str]) -> Iterator[str]:
    """Yield the words of a command, with `***` in place of each secret."""
    by_p = bool(argv) and argv[0].rpartition("/")[2] in _PASSWORD_BY_P
    before = ""
    for number, word in enumerate(argv):
        after, before = before, word if number else ""
        if _OPTION.fullmatch(after) and _is_secret(after) and not word.startswith("--"):
            yield word if len(word) == 1 else HIDDEN  # such as `ffmpeg -pass 1`
        elif after in _USER_OPTIONS and ":" in word:
            yield f"{word.partition(':')[0]}:{HIDDEN}"
        elif by_p and (after == "-p" or (word.startswith("-p") and word != "-p")):
            yield HIDDEN if after == "-p" else f"-p{HIDDEN}"
        else:
            yield _hidden(word)


def _hidden(word: str) -> str:
    """Return a word of a command without the secrets in it."""
    assigned = _ASSIGNED.match(word)
    if assigned and _is_secret(assigned[1]):
        return f"{assigned.group()}{HIDDEN}"
    if len(word) > _LONGEST_WORD:
        # Cut at a space: secrets contain none, and a part of a secret would not be recognized.
        word = f"{word[:_LONGEST_WORD].rpartition(' ')[0]}…"
    word = _USER_INFO.sub(_hidden_user, word)
    return _KNOWN_TOKEN.sub(HIDDEN, _without_values(word))


def _hidden_user(found: re.Match[str]) -> str:
    scheme = found["scheme"].lower()
    # A user name without a password may be a token, unless it names an account on the machine.
    plain = ":" not in found["info"] and scheme in {"ssh://", "sftp://", "rsync://", "git+ssh://"}
    return found.group() if plain else f"{found['scheme']}{HIDDEN}@"


def _without_values(word: str) -> str:
    """Return a word without the secret values within it."""
    parts: list[str] = []
    at = 0
    for found in _NAMED.finditer(word):
        is_value = not found["between"].isspace() or found["name"].startswith("-")
        if found.start() >= at and is_value and _is_secret(found["name"]):
            value = _VALUE.match(word, found.end())
            parts += (word[at : found.end()], HIDDEN)
            at = value.end() if value else found.end()
    return "".join((*parts, word[at:]))


def _is_secret(name: str) -> bool:
    """Return whether the value of an option or variable of this name is secret."""
    words = [word.lower() for word in _WORD.findall(name)]
    if not _SECRET_WORDS.isdisjoint(words):
        return True
    return any(word.endswith(_SECRET_ENDS) for word in words) or "".join(words[-2:]) in _SECRET_ENDS
