#!/usr/bin/env bash
# Loads the images that save_images.sh collected into a minikube profile, onto each of its nodes.
set -euo pipefail
# shellcheck source=_cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/_cluster.sh"
# shellcheck source=_images.sh
. "$driftline_root/scripts/_images.sh"

help() {
    cat <<HELP
Usage: scripts/load_images.sh DIR [--profile NAME]
Loads KFP's images from DIR, which scripts/save_images.sh filled, onto each node of a minikube
profile. What a node holds already is not loaded again. driftline's own image comes with
scripts/build_image.sh --load DIR/driftline.tar.
  --profile NAME  the minikube profile (default: $driftline_profile_default)
Example: scripts/load_images.sh /media/usb/driftline
HELP
}

folder='' profile="$driftline_profile_default"
while [ $# -gt 0 ]; do
    case "$1" in
        --help | -h) help && exit ;;
        --*=*) set -- "${1%%=*}" "${1#*=}" "${@:2}" && continue ;;
        --profile) driftline_name "$@" && profile="$2" && shift ;;
        -*) driftline_usage "there is no option '$1'" ;;
        *)
            [ -z "$folder" ] || driftline_usage "one folder is enough: '$folder' or '$1'"
            folder="$1" ;;
    esac
    shift
done

# The list in the folder is the one of the driftline that filled it; they must be one version.
check() {
    local image
    [ -n "$folder" ] || driftline_usage "name the folder that scripts/save_images.sh filled"
    [ -f "$folder/images.txt" ] || driftline_fail "$folder/images.txt is not there; fill the folder" \
        "with scripts/save_images.sh on a machine with internet, to its end"
    cmp -s "$folder/images.txt" "$driftline_root/manifests/images.txt" ||
        driftline_fail "$folder was filled by another version of driftline; fill it with this one's" \
            "scripts/save_images.sh"
    for image in $(driftline_cluster_images); do
        [ -f "$folder/$(driftline_archive_of "$image")" ] ||
            driftline_fail "$folder lacks $image; run scripts/save_images.sh $folder again"
    done
}

check
driftline_need_profile "$profile"
trap 'driftline_say "interrupted; run it again to go on"; exit 130' INT TERM
for image in $(driftline_cluster_images); do
    driftline_say "loading $image ..."
    driftline_load_archive "$profile" "$folder/$(driftline_archive_of "$image")" "$image"
done
driftline_say "all images of $folder are on the nodes of profile $profile"
