#!/usr/bin/env bash
# Installs what the tests need: browsers, Node.js, Python, Prometheus, SQLite's shell, proxies and system tools from the system's packages (as root on Debian and
# Ubuntu; otherwise it says what is missing), and then the pinned packages of npm and PyPI, and a mongod, into this repository.
# Quick when everything is there.
set -euo pipefail
cd "$(dirname "$0")/.."

# Prints the Debian packages of what is missing.
missing_packages() {
    command -v chromium >/dev/null || command -v google-chrome >/dev/null || [ -n "${CHROMIUM:-}" ] || echo chromium
    command -v firefox-esr >/dev/null || command -v firefox >/dev/null || [ -n "${FIREFOX:-}" ] || echo firefox-esr
    command -v node >/dev/null || echo nodejs
    command -v npm >/dev/null || echo npm
    command -v sqlite3 >/dev/null || echo sqlite3
    python3 -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
    command -v prometheus >/dev/null || echo prometheus
    command -v docker-compose >/dev/null || docker compose version >/dev/null 2>&1 || echo docker-compose
    command -v systemd-analyze >/dev/null || echo systemd
    command -v openssl >/dev/null || echo openssl
    # The proxies of docs/tls.md; they stand beside the system's programs for administrators.
    [ -x /usr/sbin/nginx ] || command -v nginx >/dev/null || echo nginx-light
    command -v caddy >/dev/null || echo caddy
    # Only root can use them; without them the tests of firewalls and networks, of the image and of the service are skipped.
    [ "$(id -u)" -ne 0 ] || command -v iptables >/dev/null || echo iptables
    [ "$(id -u)" -ne 0 ] || command -v ip >/dev/null || echo iproute2
    [ "$(id -u)" -ne 0 ] || command -v debootstrap >/dev/null || echo debootstrap
    [ "$(id -u)" -ne 0 ] || command -v systemd-nspawn >/dev/null || echo systemd-container
    # The mongod that is fetched links it.
    command -v mongod >/dev/null || [ "$(uname -s)" != Linux ] || has_library libcurl.so.4 || echo libcurl4
}

# Whether the dynamic linker finds a library.
has_library() {
    { ldconfig -p 2>/dev/null || /sbin/ldconfig -p 2>/dev/null; } | grep "$1" >/dev/null
}

install_system_packages() {
    local packages
    mapfile -t packages < <(missing_packages)
    [ "${#packages[@]}" -gt 0 ] || return 0
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        echo "The tests need programs that are not installed. On Debian or Ubuntu:" >&2
        echo "    sudo apt-get install --no-install-recommends ${packages[*]}" >&2
        exit 1
    fi
    echo "Installing ${packages[*]}"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
}

# Runs a command unless it succeeded before with this very file of pins: unless_done STAMP PINS COMMAND…
unless_done() {
    local stamp=$1 pins=$2
    shift 2
    cmp -s "$stamp" "$pins" && return 0
    rm -f "$stamp"
    "$@"
    mkdir -p "$(dirname "$stamp")"
    cp "$pins" "$stamp"
}

install_npm_packages() {
    npm ci --prefix tests/e2e --ignore-scripts --no-audit --no-fund --loglevel=error
}

# install_python_packages VENV REQUIREMENTS
install_python_packages() {
    python3 -m venv --clear "$1"
    "$1/bin/pip" install --quiet --disable-pip-version-check -r "$2"
}

install_system_packages
unless_done tests/e2e/node_modules/.installed-lock tests/e2e/package-lock.json install_npm_packages
for venv in interop api deploy; do
    unless_done "target/$venv-venv/.installed-requirements" "tests/$venv/requirements.txt" \
        install_python_packages "target/$venv-venv" "tests/$venv/requirements.txt"
done
# Without it the tests of MongoDB are skipped, and say so; with REQUIRE_MONGO=1 they fail.
[ -n "${MONGODB_URI:-}" ] || scripts/mongod.sh path >/dev/null || [ "${REQUIRE_MONGO:-}" != 1 ]
