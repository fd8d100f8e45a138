#!/usr/bin/env bash
# Collects in a folder all that a cluster without internet needs: images and rendered manifests.
set -euo pipefail
# shellcheck source=_cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/_cluster.sh"
# shellcheck source=_images.sh
. "$driftline_root/scripts/_images.sh"
# shellcheck source=_kfp.sh
. "$driftline_root/scripts/_kfp.sh"

help() {
    cat <<HELP
Usage: scripts/save_images.sh DIR [--builder docker|podman] [--platform OS/ARCH] [--list] [--only-kfp]
On a machine with internet: pulls the images of manifests/images.txt (some 6 GB), builds driftline's
own, and writes an archive of each into DIR, with KFP's manifests. Carry DIR to the machine with the
cluster; there:
  scripts/load_images.sh DIR
  scripts/build_image.sh --load DIR/driftline.tar
  scripts/install_kfp.sh --offline DIR
What DIR holds already is not fetched again, so an interrupted run goes on.
  --builder PROGRAM  docker or podman (default: the first that is found)
  --platform OS/ARCH of the cluster's nodes, where it differs from this machine: linux/amd64
  --only-kfp         without driftline's own image
  --list             print the images' names and end
Example: scripts/save_images.sh /media/usb/driftline
HELP
}

folder='' builder='' platform='' list='' own=yes
while [ $# -gt 0 ]; do
    case "$1" in
        --help | -h) help && exit ;;
        --*=*) set -- "${1%%=*}" "${1#*=}" "${@:2}" && continue ;;
        --builder) driftline_value "$@" && builder="$2" && shift ;;
        --platform) driftline_value "$@" && platform="$2" && shift ;;
        --only-kfp) own= ;;
        --list) list=yes ;;
        -*) driftline_usage "there is no option '$1'" ;;
        *)
            [ -z "$folder" ] || driftline_usage "one folder is enough: '$folder' or '$1'"
            folder="$1" ;;
    esac
    shift
done

# The images that KFP's manifests name: of containers, and in the variables and arguments from
# which KFP makes the pods of a run.
named_in_manifests() {
    sed -n -E \
        -e 's/^[- ]+image: *"?([^" ]+)"?$/\1/p' \
        -e 's/^ *(- |value: )((ghcr|quay|gcr|docker)\.io\/[^ ]+:[^ ]+)$/\2/p' "$@" |
        sed -E 's#^([^/.:]+)(:|$)#docker.io/library/\1\2#' | sort -u
}

# images.txt and KFP's manifests name the same images, or nothing is fetched.
check_list() {
    local different
    different="$(diff <(driftline_cluster_images) \
        <(named_in_manifests "$folder"/manifests/*.yaml) | grep '^[<>]' || true)"
    [ -z "$different" ] || driftline_fail "manifests/images.txt (<) does not name the images of KFP" \
        "$driftline_kfp_version's manifests (>); mend it:"$'\n'"$different"
}

# A cluster without internet cannot ask for an image that it holds already.
render_manifests() {
    local part="$folder/manifests.part"
    driftline_say "reading the manifests of KFP $driftline_kfp_version ..."
    rm -rf "$part" && mkdir -p "$part"
    driftline_kfp_render cluster-scoped "$part/kfp-cluster-scoped.yaml"
    driftline_kfp_render programs "$scratch/kfp.yaml"
    sed 's/imagePullPolicy: Always/imagePullPolicy: IfNotPresent/' "$scratch/kfp.yaml" >"$part/kfp.yaml"
    rm -rf "$folder/manifests" && mv "$part" "$folder/manifests"
}

save() {
    local archive
    archive="$folder/$(driftline_archive_of "$1")"
    if [ -f "$archive" ]; then
        return
    fi
    driftline_say "fetching $1 ..."
    "$driftline_builder" pull --quiet ${platform:+--platform "$platform"} "$1" >&2 ||
        driftline_fail "$1 could not be pulled; is the registry reachable? Run this again to go on"
    driftline_save_archive "$1" "$archive"
}

if [ -n "$list" ]; then
    driftline_listed_images
    exit
fi
[ -n "$folder" ] || driftline_usage "name the folder to write to"
[ "$builder" != buildah ] || driftline_usage "--builder is docker or podman here"
driftline_need_kubectl
driftline_choose_builder "${builder:-docker podman}"
scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT
trap 'driftline_say "interrupted; run it again to go on"; exit 130' INT TERM
mkdir -p "$folder" || driftline_fail "$folder cannot be made; name another folder"
render_manifests
check_list
for image in $(driftline_listed_images); do
    save "$image"
done
if [ -n "$own" ]; then
    "$driftline_root/scripts/build_image.sh" --image driftline --builder "$driftline_builder" \
        ${platform:+--platform "$platform"} --save "$folder/driftline.tar" >"$scratch/name"
    driftline_say "driftline's own image is $(tail -n 1 "$scratch/name")"
fi
cp "$driftline_root/manifests/images.txt" "$folder/images.txt"
driftline_say "all is in $folder ($(du -sh "$folder" | cut -f1)); scripts/load_images.sh loads it"
