#!/usr/bin/env bash
# From nothing to a cluster that runs driftline: minikube, Kubeflow Pipelines, the image, manifests.
set -euo pipefail
# shellcheck source=_cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/_cluster.sh"
# shellcheck source=_kfp.sh
. "$driftline_root/scripts/_kfp.sh"
# shellcheck source=_minikube.sh
. "$driftline_root/scripts/_minikube.sh"
# shellcheck source=_resources.sh
. "$driftline_root/scripts/_resources.sh"

help() {
    cat <<HELP
Usage: scripts/cluster_up.sh [OPTIONS]
Starts the minikube profile $driftline_profile_default, installs Kubeflow Pipelines $driftline_kfp_version, builds driftline's image in
the cluster, and applies driftline's manifests. Twice is once; after Ctrl-C the same command carries on.

An existing cluster instead of minikube:
  --context NAME      the kubeconfig's context; needs --image, in a registry that its nodes reach
The minikube cluster (an existing profile keeps its size):
  --profile NAME      default: $driftline_profile_default
  --driver NAME       docker, podman, kvm2, vfkit, qemu2, ... (default: docker, else what is there)
  --cpus N            of each node (default: 4; 2 with several nodes)
  --memory SIZE       of each node (default: 8g; 4g with several nodes)
  --disk-size SIZE    of each node, where the driver can limit it (default: 40g)
  --nodes N           default: 1
  --kubernetes V      default: $driftline_kubernetes_version
  --cni NAME          default: kindnet, which enforces network policies
  --keep-context      leave kubectl's current context as it is
What runs there:
  --environment NAME  development (default), staging or production
  --model NAME        a model that may be deployed; again for each (default: flights)
  --image NAME        driftline's image with its tag, instead of building it in minikube
  --push              build that image here, under git's tag unless it has one, and push it first
  --store-env FILE    the store's credentials, see scripts/apply_manifests.sh
  --offline DIR       no internet: images and manifests from a folder made by scripts/save_images.sh
  --timeout SECONDS   how long KFP may take to become ready (default: 1200)
Examples: scripts/cluster_up.sh --nodes 3
          scripts/cluster_up.sh --context staging --image ghcr.io/me/driftline:v1 --push
HELP
}

context='' profile='' driver='' cpus='' memory='' disk=40g nodes=1 kubernetes="$driftline_kubernetes_version"
cni=kindnet keep='' environment=development image='' push='' offline='' limit=1200 sized='' start=() manifests=()
while [ $# -gt 0 ]; do
    case "$1" in
        --help | -h) help && exit ;;
        --*=*) set -- "${1%%=*}" "${1#*=}" "${@:2}" && continue ;;
        --context) driftline_value "$@" && context="$2" && shift ;;
        --profile) driftline_name "$@" && profile="$2" sized=yes && shift ;;
        --driver) driftline_name "$@" && driver="$2" sized=yes && shift ;;
        --cpus) driftline_count "$@" && cpus="$2" sized=yes && shift ;;
        --memory) driftline_size "$@" && memory="$2" sized=yes && shift ;;
        --disk-size) driftline_size "$@" && disk="$2" sized=yes && shift ;;
        --nodes) driftline_count "$@" && nodes="$2" sized=yes && shift ;;
        --kubernetes) driftline_version "$@" && kubernetes="v${2#v}" sized=yes && shift ;;
        --cni) driftline_name "$@" && cni="$2" sized=yes && shift ;;
        --keep-context) keep=yes sized=yes ;;
        --environment) driftline_environment_name "$@" && environment="$2" && shift ;;
        --model | --store-env) driftline_value "$@" && manifests+=("$1" "$2") && shift ;;
        --image) driftline_value "$@" && image="$2" && shift ;;
        --push) push=yes ;;
        --offline) driftline_value "$@" && offline="$2" && shift ;;
        --timeout) driftline_seconds "$@" && limit="$2" && shift ;;
        *) driftline_usage "there is no option '$1'" ;;
    esac
    shift
done
[ -z "$context" ] || [ -z "$sized" ] || driftline_usage \
    "--context uses a cluster that is there; the options of the minikube cluster make one"
[ -z "$context" ] || [ -n "$image" ] || driftline_usage \
    "--context needs --image, driftline's image in a registry that the cluster's nodes reach"
[ -z "$image" ] || [ -n "$push" ] || driftline_image_name --image "$image"
[ -z "$push" ] || [ -n "$image" ] || driftline_usage "--push needs --image, the name to push to"
[ -z "$push" ] || [ -z "$offline" ] || driftline_usage "--push and --offline do not go together"

check_tools() {
    driftline_need_kubectl
    driftline_need git
    if [ -n "$offline" ]; then
        driftline_kfp_check_offline "$offline"
    fi
    if [ -z "$context" ]; then
        driftline_need_minikube
    fi
}

# The profile that may be started: not one of somebody else that merely has the default's name.
check_profile() {
    local state
    state="$(driftline_profile_state "$name")"
    if [ "$state" = absent ]; then
        driver="$(driftline_choose_driver "$driver")"
        driftline_check_resources "$driver" "$nodes" "$cpus" "$(driftline_mebibytes "$memory")" \
            "$(driftline_mebibytes "$disk")"
        driftline_mark_profile "$name"
        start=(--driver "$driver" --cpus "$cpus" --memory "$memory" --disk-size "$disk" --nodes "$nodes"
            --kubernetes-version "$kubernetes" --cni "$cni")
    elif ! driftline_profile_ours "$name"; then
        [ -n "$profile" ] || driftline_fail "minikube has a profile $name already that this script did not" \
            "make; use it with --profile $name, or make another one with --profile NAME"
        driftline_unmark_profile "$name" # of one that was deleted and made again by hand
        driftline_say "the profile $name was made by somebody else; it is used as it is"
    else
        driftline_say "the profile $name is $state; it keeps the size that it was made with"
    fi
}

start_minikube() {
    name="${profile:-$driftline_profile_default}"
    cpus="${cpus:-$([ "$nodes" -eq 1 ] && echo 4 || echo 2)}"
    memory="${memory:-$([ "$nodes" -eq 1 ] && echo 8g || echo 4g)}"
    driftline_step "minikube: the profile $name"
    check_profile
    driftline_environment # the command line: the last stage needs it, and so does every run
    driftline_start_profile "$name" ${start[@]+"${start[@]}"} ${keep:+--keep-context}
    driftline_choose_context "$name"
    if [ -e "$driftline_state/$name" ]; then
        driftline_mark_profile "$name" "$(driftline_cluster_identity "$name")"
    fi
    if [ "$(driftline_ask get nodes -o name | wc -l)" -gt 1 ]; then
        driftline_spread_volumes "$name"
    fi
    if [ -z "$offline" ]; then # its image comes from the internet
        minikube addons enable metrics-server --profile "$name" >&2 ||
            driftline_say "without metrics-server the model servers keep their least number of replicas"
    fi
}

# The image's name on stdout. Where none is named it is built in the profile, or loaded into it.
provide_image() {
    if [ -n "$push" ]; then
        bash "$driftline_root/scripts/build_image.sh" --image "$image" --push | tail -n 1
    elif [ -n "$image" ]; then
        printf '%s\n' "$image"
    else
        bash "$driftline_root/scripts/build_image.sh" --profile "$name" \
            ${offline:+--load "$offline/driftline.tar"} | tail -n 1
    fi
}

interrupted() {
    printf '\n' >&2
    driftline_say "interrupted; the same command carries on"
    exit 130
}

trap interrupted INT TERM
check_tools
if [ -n "$context" ]; then
    driftline_choose_context "$context"
    driftline_need_api
    driftline_environment
    driftline_step "the cluster $context at $(driftline_server)"
else
    start_minikube
    if [ -n "$offline" ]; then
        driftline_step "images from $offline"
        bash "$driftline_root/scripts/load_images.sh" "$offline" --profile "$name"
    fi
fi
driftline_step "Kubeflow Pipelines $driftline_kfp_version"
bash "$driftline_root/scripts/install_kfp.sh" --context "$driftline_context" --timeout "$limit" \
    ${offline:+--offline "$offline"}
driftline_step "the image"
image="$(provide_image)"
driftline_say "$image"
driftline_step "manifests: $environment"
bash "$driftline_root/scripts/apply_manifests.sh" --context "$driftline_context" \
    --environment "$environment" --image "$image" ${manifests[@]+"${manifests[@]}"}

driftline_step "ready"
cat <<NEXT
The user interface:  scripts/open_ui.sh --context $driftline_context
What runs there:     scripts/cluster_status.sh --context $driftline_context
The first run:       .venv/bin/driftline run training --window 2013-01..2013-04 --target cluster --context $driftline_context --image $image --store s3://mlpipeline/driftline --wait
NEXT
