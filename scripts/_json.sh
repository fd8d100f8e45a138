# shellcheck shell=bash
# Sourced by cluster_status.sh: JSON of what it found.

json_string() {
    local text="$1"
    text="${text//\\/\\\\}"
    text="${text//\"/\\\"}"
    text="${text//$'\n'/\\n}"
    printf '"%s"' "${text//$'\t'/\\t}"
}

json_pair() {
    printf '%s:%s' "$(json_string "$1")" "$2"
}

json_join() {
    local IFS=,
    printf '%s' "$*"
}

# Lines of ready_nodes.tmpl as a list of objects.
json_nodes() {
    awk -F '\t' 'BEGIN { printf "[" } NF {
        printf "%s{\"name\":\"%s\",\"ready\":%s}", comma, $1, ($6 == "ready" ? "true" : "false"); comma = ","
    } END { printf "]" }' <<<"$1"
}

# Lines of driftline_workloads as a list of objects.
json_rows() {
    awk -F '\t' 'BEGIN { printf "[" } NF {
        printf "%s{\"name\":\"%s\",\"release\":%s,\"wanted\":%d,\"available\":%d,\"ready\":%s}", comma, $1,
            ($3 == "-" ? "null" : "\"" $3 "\""), $4, $5, ($6 == "ready" ? "true" : "false"); comma = ","
    } END { printf "]" }' <<<"$1"
}
