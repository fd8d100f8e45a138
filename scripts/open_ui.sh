#!/usr/bin/env bash
# Makes the user interface of Kubeflow Pipelines, or of the platform, reachable on this machine.
set -euo pipefail
# shellcheck source=_cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/_cluster.sh"
# shellcheck source=_kfp.sh
. "$driftline_root/scripts/_kfp.sh"

help() {
    cat <<HELP
Usage: scripts/open_ui.sh [--context NAME] [--port PORT] [--platform]
Prints the address and forwards it to the cluster until Ctrl-C; connects again when the pod behind
it is replaced or the cluster is away for a while.
  --context NAME  the kubeconfig's context of the cluster (default: $driftline_profile_default)
  --port PORT     the port on this machine (default: the first free one from 8080)
  --platform      the central dashboard that scripts/install_platform.sh installs
Example: scripts/open_ui.sh --port 9000
HELP
}

context='' port='' service=ml-pipeline-ui namespace="$driftline_kfp_namespace"
while [ $# -gt 0 ]; do
    case "$1" in
        --help | -h) help && exit ;;
        --*=*) set -- "${1%%=*}" "${1#*=}" "${@:2}" && continue ;;
        --context) driftline_value "$@" && context="$2" && shift ;;
        --port) driftline_count "$@" && port="$2" && shift ;;
        --platform) service=istio-ingressgateway namespace=istio-system ;;
        *) driftline_usage "there is no option '$1'" ;;
    esac
    shift
done

# taken PORT: whether something answers there.
taken() {
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# The port asked for, or the first free one.
choose_port() {
    local candidate
    if [ -n "$port" ]; then
        ! taken "$port" || driftline_fail "port $port is taken on this machine; choose another with --port"
        return
    fi
    for candidate in 8080 8081 8082 8083 8084 8085 8086 8087 8088 8089; do
        if ! taken "$candidate"; then
            port="$candidate"
            return
        fi
    done
    driftline_fail "the ports 8080 to 8089 are all taken; choose another with --port"
}

# Forwards until the connection ends; says where as soon as it stands.
forward() {
    # Not driftline_kubectl: of a function in the background $! would be the shell around it.
    kubectl --context "$driftline_context" port-forward -n "$namespace" "service/$service" "$port:80" \
        --address 127.0.0.1 >"$folder/said" 2>"$folder/wrong" &
    forwarder=$!
    announce <"$folder/said" &
    wait "$forwarder"
}

# Reads the forwarder's lines; the first says that it listens.
announce() {
    read -r _ || return 0
    if [ ! -e "$folder/open" ]; then
        : >"$folder/open"
        printf 'http://127.0.0.1:%s\n' "$port"
    fi
    driftline_say "http://127.0.0.1:$port is $service of $driftline_context; Ctrl-C ends it"
    cat >/dev/null # "Handling connection for ..."
}

end() {
    trap - EXIT INT TERM
    [ -z "$forwarder" ] || kill "$forwarder" 2>/dev/null || true
    rm -rf "$folder"
    exit "$1"
}

driftline_choose_context "$context"
driftline_need_api
driftline_exists service "$service" -n "$namespace" ||
    driftline_fail "$driftline_context has no service $service in $namespace; install it with" \
        "scripts/install_kfp.sh, or scripts/install_platform.sh for --platform"
choose_port
forwarder='' before='' folder="$(mktemp -d)"
mkfifo "$folder/said"
trap 'end $?' EXIT
# Ended by a person it did what it was asked to do.
trap 'printf "\n" >&2; end 0' INT TERM
while true; do
    forward || true
    wrong="$(driftline_last "$(cat "$folder/wrong")")"
    if [ "$wrong" != "$before" ]; then
        driftline_say "no connection (${wrong:-it ended}); trying again"
        before="$wrong"
    fi
    sleep "$driftline_poll"
done
