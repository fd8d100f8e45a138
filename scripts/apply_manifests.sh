#!/usr/bin/env bash
# Applies driftline's own manifests to a cluster: namespace, permissions, policies, the store's secret.
set -euo pipefail
# shellcheck source=_cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/_cluster.sh"
# shellcheck source=_kfp.sh
. "$driftline_root/scripts/_kfp.sh"

help() {
    cat <<HELP
Usage: scripts/apply_manifests.sh [--context NAME] [--environment development|staging|production]
                                  [--model NAME]... [--image NAME] [--store-env FILE] [--force]
Makes the namespace driftline-ENVIRONMENT with its quota, policies and accounts, what the pipelines
need in $driftline_kfp_namespace, a role for the deployment of each model, and the secret of the store. KFP has to be
there before (scripts/install_kfp.sh). Twice is once.
  --context NAME      the kubeconfig's context of the cluster (default: $driftline_profile_default)
  --environment NAME  default: development
  --model NAME        a model that may be deployed there; again for each (default: flights)
  --image NAME        the image that the pipelines run in; it is noted in the cluster
  --store-env FILE    the store's credentials as KEY=VALUE lines: AWS_ACCESS_KEY_ID,
                      AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT_URL, ... (default: those given
                      before, or those of KFP's own store)
  --force             take over fields that somebody else changed in the cluster
Example: scripts/apply_manifests.sh --environment staging --model flights --model delay
HELP
}

context='' environment=development models=() image='' store_env='' force=()
while [ $# -gt 0 ]; do
    case "$1" in
        --help | -h) help && exit ;;
        --*=*) set -- "${1%%=*}" "${1#*=}" "${@:2}" && continue ;;
        --context) driftline_value "$@" && context="$2" && shift ;;
        --environment) driftline_environment_name "$@" && environment="$2" && shift ;;
        --model) driftline_value "$@" && models+=("$2") && shift ;;
        --image) driftline_image_name "$@" && image="$2" && shift ;;
        --store-env) driftline_value "$@" && store_env="$2" && shift ;;
        --force) force=(--force-conflicts) ;;
        *) driftline_usage "there is no option '$1'" ;;
    esac
    shift
done
[ ${#models[@]} -gt 0 ] || models=(flights)
namespace="driftline-$environment"

# apply ARGUMENTS: with the remedy when a field belongs to somebody else.
apply() {
    driftline_apply ${force[@]+"${force[@]}"} "$@" ||
        driftline_fail "the cluster refused the manifests (above); where it names a conflict, somebody" \
            "changed that field: undo it there, or take it over with --force"
}

# The addresses of the API server, which the model servers' policy lets in.
api_servers() {
    driftline_ask get endpointslices.discovery.k8s.io -n default \
        -l kubernetes.io/service-name=kubernetes -o jsonpath='{.items[*].endpoints[*].addresses[*]}'
}

# The roles and policies that kustomize cannot write, since RBAC knows no patterns of names.
permissions() {
    local arguments=(--namespace "$namespace") model address
    for model in "${models[@]}"; do
        arguments+=(--model "$model")
    done
    for address in $(api_servers); do
        arguments+=(--api-server "$address")
    done
    "$driftline_venv/bin/driftline" permissions "${arguments[@]}"
}

# Where the store's credentials come from: a file, what somebody gave before, or KFP's own store.
store_source() {
    local kind
    if [ -n "$store_env" ]; then
        echo file
    elif kind="$(driftline_ask get secret driftline-store -n "$driftline_kfp_namespace" \
        -o jsonpath='{.metadata.name} {.metadata.labels.driftline\.dev/store-of}' 2>/dev/null)" &&
        [ "$kind" = "driftline-store " ]; then
        echo before
    else
        echo kfp
    fi
}

# Refuses credentials that would only fail in the first step that uses them.
check_store() {
    local key
    case "$source" in
        kfp)
            driftline_exists secret mlpipeline-minio-artifact -n "$driftline_kfp_namespace" ||
                driftline_fail "KFP's store has no secret mlpipeline-minio-artifact in" \
                    "$driftline_kfp_namespace; name the store's credentials with --store-env FILE" ;;
        before) driftline_say "the store's credentials stay; --store-env FILE gives others" ;;
        file)
            [ -r "$store_env" ] || driftline_fail "$store_env cannot be read"
            for key in AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY; do
                grep -q "^$key=." "$store_env" || driftline_fail "$store_env has no line $key=VALUE"
            done
            if grep -q "^[A-Za-z_]*=[\"']" "$store_env"; then
                driftline_fail "$store_env has values in quotes, which would become part of them; remove the quotes"
            fi ;;
    esac
}

# The store's secret on stdout; what is secret goes from pipe to pipe, never to a file or an argument.
store_secret() {
    case "$source" in
        file)
            kubectl create secret generic driftline-store --dry-run=client -o yaml --from-env-file="$store_env" |
                kubectl label --local -f - app.kubernetes.io/part-of=driftline -o yaml ;;
        before)
            driftline_ask get secret driftline-store -n "$driftline_kfp_namespace" \
                -o "$(driftline_template store_again)" ;;
        kfp)
            driftline_ask get secret mlpipeline-minio-artifact -n "$driftline_kfp_namespace" \
                -o "$(driftline_template store)"
            printf '  AWS_ENDPOINT_URL: %s\n' \
                "$(printf 'http://seaweedfs.%s:9000' "$driftline_kfp_namespace" | base64)" ;;
    esac
}

# What was applied, for cluster_status.sh and whoever looks.
note() {
    local arguments=(--from-literal=environment="$environment")
    [ -z "$image" ] || arguments+=(--from-literal=image="$image")
    arguments+=(--from-literal=commit="$(git -C "$driftline_root" describe --always --dirty 2>/dev/null || echo unknown)")
    kubectl create configmap driftline-applied -n "$namespace" --dry-run=client "${arguments[@]}" -o yaml
}

driftline_choose_context "$context"
driftline_environment
driftline_need_api
driftline_exists namespace "$driftline_kfp_namespace" ||
    driftline_fail "there is no namespace $driftline_kfp_namespace in $driftline_context; install KFP with" \
        "scripts/install_kfp.sh first"
source="$(store_source)"
check_store
driftline_wait_gone "$driftline_kfp_namespace" "$namespace"
# Rendered before anything is applied, so that a wrong name changes nothing.
roles="$(permissions)"
apply -k "$driftline_root/manifests/cluster"
apply -k "$driftline_root/manifests/overlays/$environment"
apply -f - <<<"$roles"
for where in "$driftline_kfp_namespace" "$namespace"; do
    store_secret | apply -n "$where" -f -
done
note | apply -f -
driftline_say "$driftline_context is ready for ${models[*]} in $namespace"
