#!/usr/bin/env bash
# Backs a folder up to another machine without a file in between: tar on both ends of a pipe that p2pshare carries.
# Here both machines are this one. Nothing is spooled to disk, and `pipefail` tells whether all of it arrived.
set -euo pipefail

work=$(mktemp -d)
trap 'kill "${pids[@]}" 2>/dev/null || true; rm -rf "$work"' EXIT
pids=()
mkdir -p "$work/photos/2026" "$work/restored"
head -c 3000000 /dev/urandom >"$work/photos/2026/01.jpg"
echo "see you at eight" >"$work/photos/notes.txt"

# On the machine that is backed up. --limit leaves something of the line to others.
backup() {
    tar -C "$work" -c photos | p2pshare send - --quiet --name photos.tar --limit 100MB
}

# On the machine that keeps the backup. tar fails on half an archive, and p2pshare on half a stream.
restore() {
    p2pshare recv - --yes --quiet --output - | tar -C "$work/restored" -x
}

mkfifo "$work/code"
backup >"$work/code" &
pids+=($!)
# The code comes over ssh or from a person; here through a named pipe.
head -n 1 "$work/code" | restore
wait "${pids[0]}"

diff -r "$work/photos" "$work/restored/photos"
echo "backed up $(find "$work/restored" -type f | wc -l) files"
