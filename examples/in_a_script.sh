#!/usr/bin/env bash
# Moves a file from one p2pshare process to another and acts on the exit codes. Nothing is asked, nothing is configured.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
head -c 5000000 /dev/urandom >"$folder/data.bin"
mkdir "$folder/inbox"

# The code is the only thing on standard output.
p2pshare send --quiet "$folder/data.bin" >"$folder/code" &
sender=$!
until [[ -s $folder/code ]]; do
    kill -0 "$sender" || { wait "$sender"; exit; }
    sleep 0.05
done

# In the environment, so that the list of processes does not show it.
export P2PSHARE_CODE
P2PSHARE_CODE=$(<"$folder/code")
status=0
p2pshare recv --yes --json --output "$folder/inbox" >"$folder/events" || status=$?
case $status in
    0) echo "received $(grep -c '"event":"entry_done"' "$folder/events") file" ;;
    3) echo "the code has ended: ask for a new one" ;;
    10) echo "interrupted: try again, what arrived is kept" ;;
    *) echo "exit code $status" ;;
esac

wait "$sender"
cmp "$folder/data.bin" "$folder/inbox/data.bin"
exit "$status"
