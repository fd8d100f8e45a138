#!/usr/bin/env bash
# Builds driftline's image where the cluster finds it; its name is the last line of stdout.
set -euo pipefail
# shellcheck source=_cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/_cluster.sh"
# shellcheck source=_images.sh
. "$driftline_root/scripts/_images.sh"

help() {
    cat <<HELP
Usage: scripts/build_image.sh [--profile NAME] [--tag TAG] [--base IMAGE] [--save FILE | --load FILE]
       scripts/build_image.sh --image NAME [--push] [--builder PROGRAM] [--save FILE | --load FILE] ...
Builds the image inside a minikube profile and puts it on each of its nodes; with --image, builds
it with docker, podman or buildah on this machine, for a registry. The last line that it prints is
the image's name. An image that is there already is not built again: its tag tells what is in it.
  --profile NAME     the minikube profile (default: $driftline_profile_default)
  --image NAME       the name in a registry, as registry.example.com/team/driftline; its tag is
                     added unless it has one
  --push             push it to that registry
  --builder PROGRAM  docker, podman or buildah (default: the first that is found)
  --tag TAG          another tag than git's description of the working copy; not "latest"
  --platform OS/ARCH of the cluster's nodes, where it differs from this machine: linux/amd64
  --base IMAGE       the Python image to build on, perhaps by digest: NAME@sha256:...
  --save FILE        write the image to an archive, for clusters without internet
  --load FILE        take the image from such an archive instead of building it
Example: scripts/build_image.sh --image registry.example.com/team/driftline --push
HELP
}

profile="$driftline_profile_default" name='' tag='' base='' builder='' platform='' push='' save='' load='' given=
while [ $# -gt 0 ]; do
    case "$1" in
        --help | -h) help && exit ;;
        --*=*) set -- "${1%%=*}" "${1#*=}" "${@:2}" && continue ;;
        --profile) driftline_name "$@" && profile="$2" given=yes && shift ;;
        --image) driftline_value "$@" && name="$2" && shift ;;
        --tag) driftline_value "$@" && tag="$2" && shift ;;
        --base) driftline_value "$@" && base="$2" && shift ;;
        --builder) driftline_value "$@" && builder="$2" && shift ;;
        --platform) driftline_value "$@" && platform="$2" && shift ;;
        --save) driftline_value "$@" && save="$2" && shift ;;
        --load) driftline_value "$@" && load="$2" && shift ;;
        --push) push=yes ;;
        *) driftline_usage "there is no option '$1'" ;;
    esac
    shift
done

# Refuses what does not go together, before anything is begun.
check() {
    case "$builder" in
        '' | docker | podman | buildah) ;;
        *) driftline_usage "--builder is docker, podman or buildah, not '$builder'" ;;
    esac
    [ -n "$name" ] || [ -z "$push$builder$platform" ] ||
        driftline_usage "--push, --builder and --platform need --image NAME"
    [ -z "$name" ] || [ -z "$given" ] ||
        driftline_usage "--image builds on this machine and --profile inside minikube: choose one"
    [ -z "$load" ] || [ -z "$save$tag$base" ] ||
        driftline_usage "--load takes the image as it is, without --save, --tag and --base"
    case "${name##*/}" in
        *@*) driftline_usage "--image takes a name without a digest, which only the registry gives" ;;
        *:*)
            [ -z "$tag" ] || driftline_usage "--image $name has a tag already; leave out --tag"
            tag="${name##*:}" name="${name%:*}" ;;
    esac
    [ "$tag" != latest ] ||
        driftline_usage "'latest' says nothing of what is in an image; leave the tag out or name a version"
    [[ "$tag" =~ ^([A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?$ ]] || driftline_usage "'$tag' can be no tag"
    [ -z "$save" ] || [ -d "$(dirname "$save")" ] || driftline_usage "--save: there is no folder $(dirname "$save")"
}

# build_arguments PREFIX: what the Dockerfile is told, one argument a line.
build_arguments() {
    local version="${image##*:}"
    printf '%s\n' "${1}IMAGE=$image" "${1}COMMIT=$(driftline_image_commit)" \
        "${1}VERSION=$version" ${base:+"${1}BASE=$base"}
}

build_in_minikube() {
    local options=() each prefix=--build-opt=build-arg=
    # buildctl, which builds for containerd, calls it otherwise than docker and podman.
    case "$(driftline_runtime "$profile")" in
        *containerd*) prefix=--build-opt=opt=build-arg: ;;
    esac
    while IFS= read -r each; do options+=("$each"); done < <(build_arguments "$prefix")
    driftline_say "building $image in profile $profile (the first time some minutes) ..."
    minikube -p "$profile" image build -t "$image" -f manifests/image/Dockerfile "${options[@]}" \
        "$driftline_root" >&2 </dev/null || true
    driftline_node_holds "$profile" "$1" "$image" ||
        driftline_fail "the build failed; the lines above say why. Does the node reach the package" \
            "index and the registry (minikube -p $profile ssh), and has it room? Without internet:" \
            "build elsewhere with --image ... --save FILE, then --load FILE here"
}

# To the nodes that lack it, from the one that has it.
spread_in_minikube() {
    driftline_say "copying $image to all nodes of profile $profile ..."
    minikube -p "$profile" image save "$image" "$scratch/image.tar" >&2 </dev/null || true
    [ -s "$scratch/image.tar" ] || driftline_fail "$image could not be saved from profile $profile"
    driftline_load_archive "$profile" "$scratch/image.tar" "$image"
}

in_minikube() {
    local first
    driftline_need_profile "$profile"
    if [ -n "$load" ]; then
        image="$(driftline_archive_name "$load")"
        driftline_load_archive "$profile" "$load" "$image"
        return
    fi
    image="driftline:${tag:-$(driftline_image_tag)}"
    first="$(driftline_nodes "$profile" | head -n 1)"
    if driftline_node_holds "$profile" "$first" "$image"; then
        driftline_say "$image is in profile $profile already"
        [ -z "$tag" ] || driftline_say "a tag of your own does not tell what is in it; to build it" \
            "anew: minikube -p $profile image rm $image, or another --tag"
    else
        build_in_minikube "$first"
    fi
    if [ -n "$(driftline_lacking "$profile" "$image")" ]; then
        spread_in_minikube
    fi
    if [ -n "$save" ]; then
        minikube -p "$profile" image save "$image" "$scratch/save.tar" >&2 </dev/null || true
        [ -s "$scratch/save.tar" ] || driftline_fail "$image could not be saved from profile $profile"
        mv "$scratch/save.tar" "$save"
    fi
}

build_here() {
    local options=() each
    while IFS= read -r each; do options+=("$each"); done < <(build_arguments --build-arg=)
    driftline_say "building $image with $driftline_builder (the first time some minutes) ..."
    "$driftline_builder" build -t "$(driftline_full_name "$image")" "${options[@]}" \
        ${platform:+--platform "$platform"} -f "$driftline_root/manifests/image/Dockerfile" "$driftline_root" >&2 ||
        driftline_fail "the build failed; the lines above say why"
}

load_here() {
    local archived
    archived="$(driftline_archive_name "$load")"
    image="$name:${tag:-${archived##*:}}"
    case "$driftline_builder" in
        buildah) buildah pull --quiet "docker-archive:$load" >&2 ;;
        *) "$driftline_builder" load --input "$load" >&2 ;;
    esac || driftline_fail "$load could not be loaded with $driftline_builder"
    "$driftline_builder" tag "$(driftline_full_name "$archived")" "$(driftline_full_name "$image")" >&2
}

here() {
    driftline_choose_builder "$builder"
    if [ -n "$load" ]; then
        load_here
    else
        image="$name:${tag:-$(driftline_image_tag)}"
        build_here
    fi
    [ -z "$save" ] || driftline_save_archive "$(driftline_full_name "$image")" "$save"
    [ -z "$push" ] || "$driftline_builder" push "$(driftline_full_name "$image")" >&2 ||
        driftline_fail "$image could not be pushed; does the registry exist, and are you logged in" \
            "($driftline_builder login ${image%%/*})?"
}

check
scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT
trap 'driftline_say "interrupted; run it again to go on"; exit 130' INT TERM
if [ -n "$name" ]; then here; else in_minikube; fi
printf '%s\n' "$image"
