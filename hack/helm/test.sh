#!/usr/bin/env bash
set -euo pipefail

HELM=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(dirname "$(dirname "$HELM")")
CHART=$ROOT/helm/dora-operator
readonly HELM ROOT CHART

usage() {
    cat <<'TEXT'
Usage: hack/helm/test.sh

Renders the Helm chart with a small renderer (Helm itself is in no Debian package; hack/helm/*.go) and
tests it: the defaults install what config/default does, the values do what they say, wrong ones are
refused. Installs the renderer's libraries from Debian when they are missing (needs root then).
TEXT
}

# shellcheck source-path=SCRIPTDIR
load_libraries() {
    . "$HELM/../lib/log.sh"
    . "$HELM/../lib/apt.sh"
    . "$HELM/../lib/cache.sh"
    . "$HELM/../cluster/kubernetes-build.sh"
}

readonly GO=/usr/lib/go-1.19/bin/go
PASSED=0
FAILED=0

build_renderer() {
    CHART_TOOL=$DORA_CACHE/chart-$(recipe_hash "$HELM"/*.go)
    readonly CHART_TOOL
    [[ ! -x $CHART_TOOL ]] || return 0
    apt_install golang-1.19-go golang-github-masterminds-sprig-dev golang-github-xeipuuv-gojsonschema-dev golang-k8s-sigs-yaml-dev
    step "Compiling the chart renderer" compile_renderer
}

compile_renderer() {
    mkdir -p "$DORA_CACHE"
    GO111MODULE=off GOPATH=/usr/share/gocode GOFLAGS='' CGO_ENABLED=0 GOCACHE=$WORK/gocache \
        "$GO" build -o "$CHART_TOOL.next" "$HELM"/*.go
    mv "$CHART_TOOL.next" "$CHART_TOOL"
}

# check SENTENCE COMMAND...: one test; what the command says is shown when it fails. The command runs apart
# from any condition, in which the shell would not end it at its first failure.
check() {
    local sentence=$1
    shift
    (
        set -euo pipefail
        "$@"
    ) >"$WORK/output" 2>&1 &
    if wait $!; then
        PASSED=$((PASSED + 1))
        echo "ok      $sentence"
    else
        FAILED=$((FAILED + 1))
        echo "FAILED  $sentence"
        head -n 30 "$WORK/output" | sed 's/^/        | /'
    fi
}

render() {
    "$CHART_TOOL" render "$@" "$CHART"
}

# holds TEXT OPTION...: rendered with those options the chart holds a line.
holds() {
    local text=$1 output
    shift
    output=$(render "$@")
    grep -qF -- "$text" <<<"$output" || { echo "no '$text' in" && echo "$output" && return 1; }
}

# lacks PATTERN OPTION...: it holds no such line.
lacks() {
    local pattern=$1 output
    shift
    output=$(render "$@")
    ! grep -E -- "$pattern" <<<"$output"
}

# refuses MESSAGE OPTION...: rendering fails, and says why.
refuses() {
    local message=$1 output
    shift
    ! output=$(render "$@" 2>&1) || { echo "was accepted" && return 1; }
    grep -qF -- "$message" <<<"$output" || { echo "no '$message' in: $output" && return 1; }
}

equals_kustomize() {
    "$KUBECTL" kustomize "$ROOT/config/default" >"$WORK/kustomize.yaml"
    render --include-crds >"$WORK/chart.yaml"
    "$CHART_TOOL" equal "$WORK/kustomize.yaml" "$WORK/chart.yaml"
}

# Roles per namespace with the very rules of the ClusterRole.
same_rules_per_namespace() {
    local wanted found namespace
    render >"$WORK/cluster.yaml"
    render "${NAMESPACES[@]}" >"$WORK/namespaces.yaml"
    wanted=$(rules_of ClusterRole dora-operator '' "$WORK/cluster.yaml")
    for namespace in payments ledger; do
        found=$(rules_of Role dora-operator "$namespace" "$WORK/namespaces.yaml")
        diff <(echo "$wanted") <(echo "$found")
    done
}

# rules_of KIND NAME NAMESPACE FILE: the rules of one role; fails when there are none.
rules_of() {
    awk -v RS='---\n' -v kind="kind: $1\n" -v name="  name: $2\n" -v namespace="${3:+  namespace: $3\n}" '
        index($0, kind) && index($0, name) && (namespace == "" || index($0, namespace)) && sub(/.*\nrules:\n/, "") { print; found = 1 }
        END { exit !found }' "$4"
}

# With the policy the chart installs what config/default and config/deletion-protection do.
equals_kustomize_with_policy() {
    { "$KUBECTL" kustomize "$ROOT/config/default" && echo --- && "$KUBECTL" kustomize "$ROOT/config/deletion-protection"; } >"$WORK/protected.yaml"
    render --include-crds "${SERVED[@]}" >"$WORK/chart.yaml"
    "$CHART_TOOL" equal "$WORK/protected.yaml" "$WORK/chart.yaml"
}

every_value_documented() {
    # shellcheck disable=SC2016 # backticks of Markdown
    diff <("$CHART_TOOL" values "$CHART") <(sed -nE 's/^\| `([A-Za-z.]+)` \|.*/\1/p' "$CHART/README.md" | LC_ALL=C sort)
}

every_value_shows() {
    local output text
    output=$(render -f "$HELM/all-values.yaml")
    for text in 'image: "registry.example/op:1"' 'name: login' 'priorityClassName: high' 'disk: ssd' 'key: dedicated' 'weight: 7' \
        'memory: 1Gi' 'team: data' 'note: hello' '--workers=9' '--log-format=text' '--log-level=Debug' '--image-repository=registry.example/engines' \
        '--image-pull-policy=Always' '--listen=*:8081' 'name: HTTPS_PROXY' 'replicas: 2' 'role: arn' 'interval: 5s' 'prometheus: main' 'port: 9090' 'scrape: "no"' 'kind: ValidatingAdmissionPolicy'; do
        grep -qF -- "$text" <<<"$output" || { echo "no '$text' in" && echo "$output" && return 1; }
    done
}

run_tests() {
    check "The defaults install what config/default does" equals_kustomize
    check "Where the API server serves it, the policy of config/deletion-protection comes too" equals_kustomize_with_policy
    check "Where it does not, the policy is left out" lacks ValidatingAdmissionPolicy
    check "deletionProtection.admissionPolicy=true renders the policy all the same" holds 'kind: ValidatingAdmissionPolicyBinding' --set deletionProtection.admissionPolicy=true
    check "deletionProtection.admissionPolicy=false renders none" lacks ValidatingAdmissionPolicy "${SERVED[@]}" --set deletionProtection.admissionPolicy=false
    check "Scope namespaces renders no policy by itself" lacks ValidatingAdmissionPolicy "${SERVED[@]}" "${NAMESPACES[@]}"
    check "An unknown deletionProtection.admissionPolicy is refused" refuses 'deletionProtection.admissionPolicy' --set deletionProtection.admissionPolicy=maybe
    check "Scope namespaces renders nothing cluster-wide" lacks '^kind: Cluster' "${NAMESPACES[@]}"
    check "Scope namespaces gives each namespace the rules that scope cluster gives all" same_rules_per_namespace
    check "Scope namespaces tells the operator which to watch" holds '- --namespace=ledger' "${NAMESPACES[@]}"
    check "Bindings name the account in the release's namespace" holds 'namespace: elsewhere' "${NAMESPACES[@]}" --namespace elsewhere
    check "Another release name names everything" lacks '^  name: dora-operator' --name second
    check "rbac.create=false renders no RBAC" lacks '^kind: (Cluster)?Role' --set rbac.create=false
    check "serviceAccount.create=false uses the account that is there" holds 'serviceAccountName: mine' --set serviceAccount.create=false --set serviceAccount.name=mine
    check "Without leader election two never run at a time" holds 'type: Recreate' --set leaderElection=false
    check "Without leader election there is no right on leases" lacks 'leases' --set leaderElection=false
    check "metrics.service.enabled=false renders no Service" lacks '^kind: Service$' --set metrics.service.enabled=false
    check "The ServiceMonitor is off by default" lacks ServiceMonitor
    check "Every value shows in what is rendered" every_value_shows
    check "README.md documents every value, and no other" every_value_documented
    check "An unknown value is refused" refuses 'Additional property replica is not allowed' --set replica=2
    check "An unknown scope is refused" refuses 'rbac.scope' --set rbac.scope=team
    check "Scope namespaces without namespaces is refused" refuses 'rbac.namespaces' --set rbac.scope=namespaces
    check "Namespaces without their scope are refused" refuses 'rbac.namespaces' --set 'rbac.namespaces=[payments]'
    check "A name that is no namespace is refused" refuses 'rbac.namespaces.0' --set rbac.scope=namespaces --set 'rbac.namespaces=[Payments]'
    check "An unknown log level is refused" refuses 'logLevel' --set logLevel=Verbose
    check "A number of workers out of range is refused" refuses 'workers' --set workers=0
    check "A text for a number is refused" refuses 'replicas' --set 'replicas="1"'
    check "An empty image tag is refused" refuses 'image.tag' --set 'image.tag=""'
    check "A ServiceMonitor without its Service is refused" refuses 'needs metrics.service.enabled' --set metrics.service.enabled=false --set metrics.serviceMonitor.enabled=true
}

main() {
    case ${1:-} in
    -h | --help | help) usage && exit ;;
    '') ;;
    *) usage >&2 && exit 2 ;;
    esac
    load_libraries
    DORA_LOG_DIR=$DORA_CACHE/logs
    WORK=$(mktemp -d)
    readonly DORA_LOG_DIR WORK
    readonly NAMESPACES=(--set rbac.scope=namespaces --set 'rbac.namespaces=[payments, ledger]')
    readonly SERVED=(--api-versions admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy)
    trap 'rm -rf "$WORK"' EXIT
    build_renderer
    KUBECTL=$(command -v kubectl) || { ensure_kubernetes kubectl && KUBECTL=$(kubectl_binary); }
    readonly KUBECTL
    run_tests
    echo "$PASSED passed, $FAILED failed"
    ((FAILED == 0))
}

main "$@"
