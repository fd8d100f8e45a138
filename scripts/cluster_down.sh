#!/usr/bin/env bash
# Stops or deletes what cluster_up.sh made, and nothing else.
set -euo pipefail
# shellcheck source=_cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/_cluster.sh"
# shellcheck source=_kfp.sh
. "$driftline_root/scripts/_kfp.sh"
# shellcheck source=_minikube.sh
. "$driftline_root/scripts/_minikube.sh"
# shellcheck source=_remove.sh
. "$driftline_root/scripts/_remove.sh"

help() {
    cat <<HELP
Usage: scripts/cluster_down.sh [--profile NAME | --all] [--stop] [--yes]
       scripts/cluster_down.sh --context NAME [--environment NAME] [--kfp] [--yes]
Deletes the minikube profile $driftline_profile_default with everything in it, and its entries in the kubeconfig. A
profile that cluster_up.sh did not make is only touched when it is named. Twice is once.
  --stop              stop it only: scripts/cluster_up.sh starts it again with all its data
  --profile NAME      another profile
  --all               every profile that cluster_up.sh made
On a cluster of somebody else, by its context: takes away what cluster_up.sh applied, not the cluster.
  --context NAME      removes driftline's namespaces with their model servers, and its permissions
  --environment NAME  only the namespace of development, staging or production
  --kfp               also Kubeflow Pipelines with its runs and the store, if install_kfp.sh installed it
  --offline DIR       KFP's manifests from there, not from github.com
  --yes               do not ask
Examples: scripts/cluster_down.sh --stop
          scripts/cluster_down.sh --context staging --environment development
HELP
}

context='' profile='' environment='' all='' stop='' kfp=
while [ $# -gt 0 ]; do
    case "$1" in
        --help | -h) help && exit ;;
        --*=*) set -- "${1%%=*}" "${1#*=}" "${@:2}" && continue ;;
        --context) driftline_value "$@" && context="$2" && shift ;;
        --profile) driftline_name "$@" && profile="$2" && shift ;;
        --environment) driftline_environment_name "$@" && environment="$2" && shift ;;
        --offline) driftline_value "$@" && driftline_kfp_offline="$2" && shift ;;
        --all) all=yes ;;
        --stop) stop=yes ;;
        --kfp) kfp=yes ;;
        --yes | -y) driftline_yes=yes ;;
        *) driftline_usage "there is no option '$1'" ;;
    esac
    shift
done
[ -z "$context" ] || [ -z "$profile$all$stop" ] || driftline_usage \
    "--context takes driftline away from a cluster; --profile, --all and --stop are for minikube"
[ -n "$context" ] || [ -z "$environment$kfp$driftline_kfp_offline" ] || driftline_usage \
    "--environment, --kfp and --offline are for a cluster named with --context"
[ -z "$all" ] || [ -z "$profile" ] || driftline_usage "--all and --profile do not go together"
[ -z "$environment" ] || [ -z "$kfp" ] || driftline_usage \
    "--kfp serves all environments; leave --environment out"

# The profiles that are meant, one a line; a profile that is only meant by default has to be ours.
meant() {
    local name="${profile:-$driftline_profile_default}"
    if [ -n "$all" ]; then
        driftline_marked_profiles
    elif [ -n "$profile" ] || [ "$(driftline_profile_state "$name")" = absent ] || driftline_profile_ours "$name"; then
        printf '%s\n' "$name"
    else
        driftline_fail "cluster_up.sh did not make the profile $name; if you mean it: --profile $name"
    fi
}

stop_profile() {
    if [ "$(driftline_profile_state "$1")" = absent ]; then
        driftline_say "there is no profile $1"
    else
        minikube stop --profile "$1" >&2 || driftline_fail "minikube could not stop $1 (above)"
        driftline_say "$1 is stopped; scripts/cluster_up.sh --profile $1 starts it again"
    fi
}

delete_profile() {
    # minikube also deletes what it merely half knows of, after an interrupted start for example.
    minikube delete --profile "$1" >&2 || driftline_fail "minikube could not delete $1 (above)"
    driftline_forget_context "$1"
    driftline_unmark_profile "$1"
    driftline_say "$1 is deleted"
}

down_minikube() {
    local names name
    driftline_need minikube
    names="$(meant)"
    if [ -z "$names" ]; then
        driftline_say "cluster_up.sh made no profile that is still there"
        return
    fi
    if [ -n "$stop" ]; then
        for name in $names; do stop_profile "$name"; done
        return
    fi
    for name in $names; do
        if [ "$(driftline_profile_state "$name")" = absent ]; then
            driftline_say "there is no profile $name"
            driftline_forget_context "$name"
            driftline_unmark_profile "$name"
            continue
        fi
        driftline_confirm "delete the profile $name with every run, release and log in it?"
        delete_profile "$name"
    done
}

if [ -z "$context" ]; then
    down_minikube
else
    driftline_choose_context "$context"
    driftline_need_api
    driftline_remove "$environment" "$kfp"
fi
