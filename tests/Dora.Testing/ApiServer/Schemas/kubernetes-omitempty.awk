# Which fields of the built-in kinds are left out when empty: those of Go's types that are no pointers and say omitempty.
#   awk -f kubernetes-omitempty.awk k8s.io/api/{core,apps,batch,coordination,events,networking,rbac,storage}/v1/types.go \
#     k8s.io/api/policy/v1beta1/types.go k8s.io/apimachinery/pkg/apis/meta/v1/types.go > kubernetes-omitempty.txt
# Prints one "definition field" a line; kubernetes-openapi.jq puts them into kubernetes-openapi.json.
FNR == 1 {
    package = FILENAME
    sub(/.*k8s\.io\/apimachinery\//, "io.k8s.apimachinery.", package)
    sub(/.*k8s\.io\/api\//, "io.k8s.api.", package)
    sub(/\/types\.go$/, "", package)
    gsub(/\//, ".", package)
}
/^type [A-Za-z]+ struct/ { type = $2 }
/^}/ { type = "" }
type != "" && /json:"[A-Za-z]+,omitempty"/ && $2 !~ /^\*/ {
    match($0, /json:"[A-Za-z]+,/)
    print package "." type, substr($0, RSTART + 6, RLENGTH - 7)
}
