#!/usr/bin/env bash
# Installs Kubeflow Pipelines on a cluster and waits until all of it runs.
set -euo pipefail
# shellcheck source=_cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/_cluster.sh"
# shellcheck source=_kfp.sh
. "$driftline_root/scripts/_kfp.sh"

help() {
    cat <<HELP
Usage: scripts/install_kfp.sh [--context NAME] [--timeout SECONDS] [--upgrade]
                              [--offline DIR | --manifests DIR]
Installs Kubeflow Pipelines $driftline_kfp_version standalone into the namespace $driftline_kfp_namespace, and waits until it
runs. Twice is once: what is there already stays. A KFP that somebody else installed is left as it
is, if its version fits.
  --context NAME     the kubeconfig's context of the cluster (default: $driftline_profile_default)
  --timeout SECONDS  how long it may take to become ready (default: 1200; the images are 6 GB)
  --upgrade          replace a KFP of another version
  --offline DIR      rendered manifests, made by scripts/save_images.sh, instead of github.com
  --manifests DIR    a checkout of github.com/kubeflow/pipelines at $driftline_kfp_version
Example: scripts/install_kfp.sh --context staging
HELP
}

context='' limit=1200 upgrade=
while [ $# -gt 0 ]; do
    case "$1" in
        --help | -h) help && exit ;;
        --*=*) set -- "${1%%=*}" "${1#*=}" "${@:2}" && continue ;;
        --context) driftline_value "$@" && context="$2" && shift ;;
        --timeout) driftline_seconds "$@" && limit="$2" && shift ;;
        --upgrade) upgrade=yes ;;
        --offline) driftline_value "$@" && driftline_kfp_offline="$2" && shift ;;
        --manifests) driftline_value "$@" && driftline_kfp_source="$2" && shift ;;
        *) driftline_usage "there is no option '$1'" ;;
    esac
    shift
done

# Whether there is something to apply; a KFP of somebody else or of another version is not touched.
wanted() {
    local running
    running="$(driftline_kfp_running)"
    if [ -z "$running" ]; then
        return 0
    fi
    if [ "$running" != "$driftline_kfp_version" ] && [ -z "$upgrade" ]; then
        driftline_fail "KFP $running runs in $driftline_context already, and driftline is built for" \
            "$driftline_kfp_version; replace it with --upgrade"
    fi
    if [ -z "$upgrade" ] && ! driftline_kfp_ours; then
        driftline_say "KFP $running is there, installed by somebody else; it is left as it is"
        return 1
    fi
}

apply() {
    driftline_apply --force-conflicts "$@" || driftline_fail \
        "the cluster did not take all of KFP's manifests (above); run this again, it carries on"
}

install() {
    local folder
    folder="$(mktemp -d)"
    # shellcheck disable=SC2064 # the folder of now
    trap "rm -rf '$folder'" EXIT
    driftline_say "reading the manifests of KFP $driftline_kfp_version ..."
    driftline_kfp_render cluster-scoped "$folder/cluster.yaml"
    driftline_kfp_render programs "$folder/programs.yaml"
    driftline_wait_gone "$driftline_kfp_namespace"
    apply -f "$folder/cluster.yaml"
    driftline_kubectl wait crd/applications.app.k8s.io --for condition=established --timeout=120s >&2
    driftline_kubectl create configmap driftline-kfp -n "$driftline_kfp_namespace" --dry-run=client \
        --from-literal=version="$driftline_kfp_version" -o yaml | apply -f -
    apply -f "$folder/programs.yaml"
    # Argo gives one look at a run 30 s by itself; where a busy machine needs longer, it takes the run
    # for broken and starts all of it again, deployment included.
    driftline_kubectl set env deployment/workflow-controller -n "$driftline_kfp_namespace" \
        MAX_OPERATION_TIME=300s >&2
}

[ -z "$driftline_kfp_offline" ] || driftline_kfp_check_offline "$driftline_kfp_offline"
[ ! -d "$driftline_kfp_source" ] || driftline_kfp_check_checkout "$driftline_kfp_source"
driftline_choose_context "$context"
driftline_need_api
if wanted; then
    install
fi
driftline_wait_ready "$driftline_kfp_namespace" "$limit" -l "$driftline_kfp_selector"
driftline_say "KFP $driftline_kfp_version runs in $driftline_context"
