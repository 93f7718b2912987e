#!/usr/bin/env bash
# Runs the command of p2pshare-inbox.service as systemd would, and sends two files into it.
set -euo pipefail

unit=$(dirname "$0")/p2pshare-inbox.service
work=$(mktemp -d)
trap 'kill "${pids[@]}" 2>/dev/null || true; rm -rf "$work"' EXIT
pids=()

p2pshare serve --listen 127.0.0.1:0 2>"$work/server.log" &
pids+=($!)
until url=$(grep -om1 'http://[0-9.:]*' "$work/server.log"); do sleep 0.05; done

# What the unit reads from its EnvironmentFile.
export P2PSHARE_SERVER=$url P2PSHARE_PASSWORD=correct-horse-battery-staple INBOX_CODE=4712-58392017

# %S is the folder of states; systemd makes the unit's own folder in it.
mkdir "$work/p2pshare-inbox"
command=$(sed -n 's/^ExecStart=[^ ]*//p' "$unit" | sed "s#%S#$work#; s#\${INBOX_CODE}#$INBOX_CODE#")
read -ra arguments <<<"$command"
p2pshare "${arguments[@]}" >"$work/journal" &
pids+=($!)
until grep -q '"event":"code"' "$work/journal"; do kill -0 "${pids[1]}"; sleep 0.05; done

for name in report.pdf photo.jpg; do
    head -c 200000 /dev/urandom >"$work/$name"
    p2pshare send --quiet --to "$INBOX_CODE" "$work/$name"
    cmp "$work/$name" "$work/p2pshare-inbox/$name"
done

# systemctl stop
kill -TERM "${pids[1]}"
wait "${pids[1]}"
echo "the inbox took $(grep -c '"event":"entry_done"' "$work/journal") files"
