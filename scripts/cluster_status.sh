#!/usr/bin/env bash
# Says what runs on the cluster, what does not, and why.
set -euo pipefail
# shellcheck source=_cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/_cluster.sh"
# shellcheck source=_kfp.sh
. "$driftline_root/scripts/_kfp.sh"
# shellcheck source=_minikube.sh
. "$driftline_root/scripts/_minikube.sh"
# shellcheck source=_remove.sh
. "$driftline_root/scripts/_remove.sh"
# shellcheck source=_json.sh
. "$driftline_root/scripts/_json.sh"

help() {
    cat <<HELP
Usage: scripts/cluster_status.sh [--context NAME] [--json]
Shows the cluster, Kubeflow Pipelines, driftline's namespaces and the model servers, with their
versions. Exit code 0 when all of it is healthy, 1 when something is missing or not ready; the pods
that are not ready are then explained on stderr.
  --context NAME  the kubeconfig's context of the cluster (default: $driftline_profile_default)
  --json          one JSON document on stdout, and nothing on stderr
Example: scripts/cluster_status.sh --json
HELP
}

context='' json=
while [ $# -gt 0 ]; do
    case "$1" in
        --help | -h) help && exit ;;
        --*=*) set -- "${1%%=*}" "${1#*=}" "${@:2}" && continue ;;
        --context) driftline_value "$@" && context="$2" && shift ;;
        --json) json=yes ;;
        *) driftline_usage "there is no option '$1'" ;;
    esac
    shift
done

# The first column of the text, as wide as the widest word in it.
line() {
    [ -n "$json" ] || printf '%-11s %s\n' "$1" "$2"
}

# problem SENTENCE [NAMESPACE TO EXPLAIN]
problem() {
    problems+=("$1")
    [ -z "${2:-}" ] || unwell+=("$2")
}

# "3 of 4" of the workloads whose state is in the sixth column, and a problem when it is not all.
ready_of() {
    awk -F '\t' 'NF { all++ } $6 == "ready" { ready++ } END { printf "%d of %d ready", ready, all }' <<<"$1"
}

look_at_cluster() {
    local version
    line context "$driftline_context at $(driftline_server)${profile:+ (minikube: $profile)}"
    version="$(driftline_ask get --raw /version | sed -n 's/.*"gitVersion": *"\([^"]*\)".*/\1/p')"
    nodes="$(driftline_ask get nodes -o "$(driftline_template ready_nodes)" | driftline_lines)"
    line kubernetes "$version, nodes: $(ready_of "$nodes")"
    [ -z "$(unready "$nodes")" ] || problem "not every node is ready" "$driftline_kfp_namespace"
    found+=("$(json_pair kubernetes "$(json_string "$version")")" "$(json_pair nodes "$(json_nodes "$nodes")")")
}

# The names in the first column of what is not ready.
unready() {
    awk -F '\t' 'NF && $6 != "ready" { print $1 }' <<<"$1"
}

look_at_kfp() {
    local version rows
    version="$(driftline_kfp_running)"
    rows=
    if [ -z "$version" ]; then
        line kfp "not installed"
        problem "Kubeflow Pipelines is not installed: scripts/install_kfp.sh --context $driftline_context"
    else
        rows="$(driftline_workloads -n "$driftline_kfp_namespace")"
        line kfp "$version, $(ready_of "$rows")"
        [ -z "$(unready "$rows")" ] || problem \
            "in $driftline_kfp_namespace: not ready: $(unready "$rows" | paste -sd ' ' -)" "$driftline_kfp_namespace"
    fi
    found+=("$(json_pair kfp "{$(json_pair version "$(json_string "$version")"),$(json_pair programs "$(json_rows "$rows")")}")")
}

look_at_namespace() {
    local rows applied name release wanted available state
    rows="$(driftline_workloads -n "$1" -l app.kubernetes.io/component=model-server)"
    applied="$(driftline_ask get configmap driftline-applied -n "$1" \
        -o go-template='{{or .data.image "not noted"}}{{"\t"}}{{.data.commit}}' 2>/dev/null ||
        printf 'not noted\tunknown')"
    line driftline "$1, image ${applied%%$'\t'*}, manifests of ${applied##*$'\t'}"
    while IFS=$'\t' read -r name _ release wanted available state; do
        [ -z "$name" ] || line model "$name: release $release, $available of $wanted answer, $state"
    done <<<"$rows"
    [ -z "$(unready "$rows")" ] || problem "in $1: not ready: $(unready "$rows" | paste -sd ' ' -)" "$1"
    environments+=("{$(json_pair namespace "$(json_string "$1")"),$(json_pair image "$(json_string "${applied%%$'\t'*}")"),$(json_pair models "$(json_rows "$rows")")}")
}

look_at_driftline() {
    local namespaces namespace
    namespaces="$(driftline_namespaces "")"
    if [ -z "$namespaces" ]; then
        line driftline "not applied"
        problem "driftline's manifests are not applied: scripts/apply_manifests.sh --context $driftline_context"
    fi
    for namespace in $namespaces; do
        look_at_namespace "$namespace"
    done
    found+=("$(json_pair environments "[$(json_join ${environments[@]+"${environments[@]}"})]")")
}

report() {
    local text=() entry
    if [ -n "$json" ]; then
        for entry in ${problems[@]+"${problems[@]}"}; do text+=("$(json_string "$entry")"); done
        found+=("$(json_pair healthy "$([ ${#problems[@]} -eq 0 ] && echo true || echo false)")")
        found+=("$(json_pair problems "[$(json_join ${text[@]+"${text[@]}"})]")")
        printf '{%s}\n' "$(json_join "${found[@]}")"
        return
    fi
    line ui "scripts/open_ui.sh --context $driftline_context"
    for entry in ${problems[@]+"${problems[@]}"}; do driftline_say "$entry"; done
    for entry in $(printf '%s\n' ${unwell[@]+"${unwell[@]}"} | sort -u); do driftline_explain "$entry"; done
}

# The cluster, or a sentence about why it cannot be asked.
reach() {
    if command -v minikube >/dev/null; then
        profile="$(driftline_profile_state "${context:-$driftline_profile_default}")"
    fi
    case "$profile" in
        absent) profile='' ;;
        stopped) driftline_fail "the profile ${context:-$driftline_profile_default} is stopped; scripts/cluster_up.sh starts it" ;;
    esac
    driftline_choose_context "$context"
    driftline_need_api
}

problems=() unwell=() found=() environments=() profile='' nodes=
if [ -n "$json" ] && ! said="$(reach 2>&1)"; then
    problems=("${said#driftline: }")
    report
    exit 1
fi
reach
found+=("$(json_pair context "$(json_string "$driftline_context")")" "$(json_pair server "$(json_string "$(driftline_server)")")")
look_at_cluster
look_at_kfp
look_at_driftline
report
[ ${#problems[@]} -eq 0 ]
