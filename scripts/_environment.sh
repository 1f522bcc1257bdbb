# shellcheck shell=bash
# The virtual environment that `scripts/check` and `scripts/demo` share: `.venv`, made and filled when needed.
# To be sourced; its functions expect the repository's folder as working directory.
#
# PYTHON names the interpreter (default: python3). A working environment that another interpreter made is made
# anew only when PYTHON is set. Packages come from wherever pip is configured to look.

environment=.venv
environment_python=$environment/bin/python

say() { printf '%s\n' "$*" >&2; }

# stop MESSAGE [HINT] [CODE]: ends the script; code 3 means that this machine lacks something.
stop() {
    say "error: $1"
    [ -z "${2:-}" ] || say "hint: $2"
    exit "${3:-3}"
}

# quietly COMMAND…: what it prints is shown only when it fails.
quietly() {
    local output
    output=$("$@" 2>&1 </dev/null) || {
        local code=$?
        say "$output"
        return "$code"
    }
}

# prepare_environment [EXTRA]: afterwards `.venv` holds this package, editable, with the extra ("dev").
prepare_environment() {
    choose_python
    environment_works || make_environment
    is_installed "${1:-}" || install_package "${1:-}"
}

choose_python() {
    python=${PYTHON:-python3}
    command -v "$python" >/dev/null ||
        stop "there is no Python called \`$python\`" "sudo apt-get update && sudo apt-get install -y python3 python3-venv"
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        stop "vai needs Python 3.11 or later, and \`$python\` is $("$python" -V 2>&1)" \
            "name another: PYTHON=python3.13 $(printf %q "$0")"
}

environment_works() {
    # One that was left half-made has no pip that runs.
    "$environment_python" -m pip --version >/dev/null 2>&1 || return 1
    [ -z "${PYTHON:-}" ] || [ "$(identity_of "$python")" = "$(identity_of "$environment_python")" ]
}

identity_of() { "$1" -c 'import sys; print(sys.version, sys.base_prefix)'; }

make_environment() {
    has_venv || install_venv
    say "making $environment with $("$python" -V)"
    rm -rf "$environment"
    quietly "$python" -m venv "$environment" || stop "\`$python -m venv $environment\` failed" "" 1
}

# Debian's Python comes without these modules.
has_venv() { "$python" -c 'import ensurepip, venv' 2>/dev/null; }

install_venv() {
    local package
    package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    if command -v apt-get >/dev/null && as_root true 2>/dev/null; then
        say "installing $package, which this Python lacks"
        # The lists of packages may be missing (fresh image) or too old to find anything.
        quietly apt_get install "$package" 2>/dev/null ||
            { quietly apt_get update && quietly apt_get install "$package"; } || true
    fi
    has_venv || stop "\`$python\` cannot make virtual environments" \
        "sudo apt-get update && sudo apt-get install -y $package"
}

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }

apt_get() { as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120 -y --no-install-recommends "$@"; }

# The stamp, written last, holds what the installation depends on: a changed pyproject.toml, interpreter or
# folder means another one. The extra's installation holds the plain one.
is_installed() {
    local wanted
    wanted=$(installation)
    [ "$wanted" = "$(cat "$environment/vai-dev" 2>/dev/null)" ] ||
        { [ -z "$1" ] && [ "$wanted" = "$(cat "$environment/vai-" 2>/dev/null)" ]; }
}

installation() { { identity_of "$environment_python"; pwd; cat pyproject.toml; } | cksum; }

install_package() {
    say "installing vai${1:+ and its tools for development} into $environment (the first time takes a minute or two)"
    rm -f "$environment"/vai-*
    quietly "$environment_python" -m pip install --quiet --disable-pip-version-check --editable ".${1:+[$1]}" ||
        stop "pip could not install the packages" "" 1
    installation >"$environment/vai-$1"
}
