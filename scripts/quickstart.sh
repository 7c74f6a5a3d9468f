#!/usr/bin/env bash
# Does literally what docs/quickstart.md says first, as somebody would who has just cloned the repository: in a clean clone, with nothing
# configured. Then it looks whether the page, the room and its API are there. Needs Rust, a C compiler and curl; takes a build.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=$(mktemp -d)
server=
# Ends what this script has started, and leaves nothing behind.
clean_up() {
    [ -z "$server" ] || kill -INT "-$server" 2>/dev/null || true
    rm -rf "$folder"
}
trap clean_up EXIT

git clone --quiet --no-hardlinks . "$folder/parlor"
cd "$folder/parlor"
command=$(sed -n '/^```sh$/,/^```$/{//!p}' docs/quickstart.md | sed -n 1p)
echo "In a clean clone: $command"

# A group of its own, so that what cargo starts ends with it. Variables of Parlor's would configure the server; its ports are the defaults.
mapfile -t variables < <(compgen -e | grep -E '^(PARLOR_|PORT$|MONGODB_URI$)' || true)
setsid env "${variables[@]/#/--unset=}" bash -c "exec $command" >"$folder/output" 2>"$folder/log" &
server=$!

until grep -q '^Parlor is ready' "$folder/output"; do
    kill -0 "$server" 2>/dev/null || { tail -n 30 "$folder/log" >&2; echo "the server did not start" >&2; exit 1; }
    sleep 0.2
done
url=$(sed -n 's/^Parlor is ready: open //p' "$folder/output")
curl -fsS "$url/" | grep -q '<script type="module"'
room=$(curl -fsS -X POST "$url/api/rooms" -H 'Content-Type: application/json' -d '{}' | sed -E 's/.*"roomId": *"([^"]+)".*/\1/')
curl -fsS "$url/r/$room" >/dev/null
curl -fsS "$url/api/rooms/$room" >/dev/null
test -f parlor-data/parlor.db
echo "It works: $url has a page and the room $room"
