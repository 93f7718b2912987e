#!/usr/bin/env bash
# Hands an artefact from a build job to a deploy job. The jobs run at the same time and agree beforehand on a code and a
# password, which a CI keeps as secrets: nothing has to be passed from one to the other while they run.
# Here both jobs, and the server between them, run on this machine.
set -euo pipefail

work=$(mktemp -d)
trap 'kill "${pids[@]}" 2>/dev/null || true; rm -rf "$work"' EXIT
pids=()

# Any server that both jobs reach: `p2pshare serve` on a machine of yours.
p2pshare serve --listen 127.0.0.1:0 2>"$work/server.log" &
pids+=($!)
until url=$(grep -om1 'http://[0-9.:]*' "$work/server.log"); do sleep 0.05; done
export P2PSHARE_SERVER=$url

# The secrets. The number in front of the dash names the hand-over, so parallel pipelines take different ones.
code=4711-903218465
export P2PSHARE_PASSWORD=correct-horse-battery-staple

build_job() {
    mkdir "$work/dist"
    head -c 2000000 /dev/urandom >"$work/dist/app"
    chmod +x "$work/dist/app"
    (cd "$work" && sha256sum dist/app >dist/SHA256SUMS)
    # --timeout: a deploy job that never comes must not hold the runner.
    p2pshare send --quiet --code "$code" --timeout 10m "$work/dist" >/dev/null
}

deploy_job() {
    mkdir "$work/release"
    local status tries=0
    while true; do
        status=0
        P2PSHARE_CODE=$code p2pshare recv --yes --quiet --on-exists overwrite --output "$work/release" || status=$?
        # 3: the build is not that far yet. 10: interrupted, and what arrived is kept. Both are worth another try.
        [[ $status == 3 || $status == 10 ]] && ((++tries < 100)) || break
        sleep 0.2
    done 2>"$work/deploy.log"
    [[ $status == 0 ]] || { cat "$work/deploy.log" >&2; return "$status"; }
    (cd "$work/release" && sha256sum --quiet --check dist/SHA256SUMS && [[ -x dist/app ]])
}

build_job &
pids+=($!)
deploy_job
wait "${pids[1]}"
echo "deployed"
