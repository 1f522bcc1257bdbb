"""What is not ingested whatever the ignore files say: as data, with the few questions asked of it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection
from fnmatch import translate
from functools import cache
from pathlib import Path

from vai.settings import STORE_FOLDER

STORE_FILE = "store.json"
STORE_SCHEMA = "vai.store/"

VERSION_CONTROL = frozenset({".git", ".hg", ".svn", ".bzr", ".jj", ".pijul", "_darcs"})

SENSITIVE_FOLDERS = frozenset({".ssh", ".gnupg", ".aws", ".azure", ".kube", ".docker", ".password-store"})
SENSITIVE_FILES = """
    .env* *.env .envrc
    *.pem *.key *.p8 *.p12 *.pfx *.jks *.keystore *.keytab *.ppk *.kdb *.kdbx
    id_rsa id_dsa id_ecdsa id_ecdsa_sk id_ed25519 id_ed25519_sk
    .netrc _netrc .pgpass .my.cnf .htpasswd .npmrc .pypirc .git-credentials .dockercfg .vault-token
    credentials credentials.json credentials.y*ml credentials.toml credentials.ini
    secrets.json secrets.y*ml secrets.toml client_secret*.json service[-_]account*.json
    *.tfstate *.tfstate.backup
"""
UNREAD_IN_A_WALK = """
    package-lock.json npm-shrinkwrap.json yarn.lock pnpm-lock.yaml bun.lock deno.lock
    poetry.lock uv.lock pdm.lock pipfile.lock cargo.lock composer.lock gemfile.lock go.sum
    flake.lock mix.lock pubspec.lock podfile.lock packages.lock.json
    vai.toml vai.tune.json
    *.min.js *.min.mjs *.min.css *.js.map *.mjs.map *.css.map *.ts.map
"""
PASSED_OVER = SENSITIVE_FILES + UNREAD_IN_A_WALK
EMPTY_BY_NATURE = frozenset({"__init__.py", "py.typed"})
"""Files that are empty in the best of projects; saying so of each would bury what matters."""

DEPENDENCY_FOLDERS = frozenset(
    {"node_modules", "bower_components", "jspm_packages", "__pycache__", "__pypackages__"}
    | {"site-packages", "dist-packages"}
)
"""Folders that only ever hold other people's code or caches; `target` and `vendor` are not among them."""
CACHE_FILE = "CACHEDIR.TAG"
CACHE_SIGNATURE = b"Signature: 8a477f597d28d172789f06886806bc55"  # https://bford.info/cachedir/
ENVIRONMENT_FILE = "pyvenv.cfg"


@cache
def _any_of(patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(map(translate, patterns.split())), re.IGNORECASE)


def is_passed_over(file_name: str) -> bool:
    """Whether a walk leaves a file out without a word."""
    return file_name[0] == "." or _any_of(PASSED_OVER).match(file_name) is not None


def is_never_entered(folder_name: str) -> bool:
    """Whether a walk leaves a folder out for its name."""
    return folder_name[0] == "." or folder_name in DEPENDENCY_FOLDERS or folder_name in VERSION_CONTROL


def is_dependency(folder: str, names: Collection[str]) -> bool:
    """Whether a folder that holds `names` is an environment, a cache or a CVS folder, by what lies in it."""
    if ENVIRONMENT_FILE in names or ("Entries" in names and folder.endswith("/CVS")):
        return True
    return CACHE_FILE in names and _begins_with(Path(folder, CACHE_FILE), CACHE_SIGNATURE)


def is_store(folder: str) -> bool:
    """Whether a folder is a store of ours."""
    return folder.endswith(f"/{STORE_FOLDER}") or _is_store_file(Path(folder, STORE_FILE))


def never_ingested(path: str) -> str | None:
    """Why a path is not ingested even when it is named, or None. Looks at the folders above it as well."""
    parts = path.split("/")
    if VERSION_CONTROL.intersection(parts):
        return "belongs to version control, which is never ingested"
    if any(is_store("/".join(parts[:count])) for count in range(2, len(parts) + 1)):
        return "belongs to a store of vai, which is never ingested"
    is_sensitive = _any_of(SENSITIVE_FILES).match(parts[-1]) and not os.path.isdir(path)  # noqa: PTH112
    if is_sensitive or SENSITIVE_FOLDERS.intersection(parts):
        return "may hold secrets, and such files are never ingested"
    return None


def _begins_with(path: Path, signature: bytes) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(signature)) == signature
    except OSError:
        return False


def _is_store_file(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            manifest = json.loads(file.read(2**16))
    except (OSError, ValueError):
        return False
    return isinstance(manifest, dict) and str(manifest.get("schema")).startswith(STORE_SCHEMA)
