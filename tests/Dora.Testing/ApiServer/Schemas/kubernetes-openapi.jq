# The types of the built-in kinds that the in-memory API server serves, out of Kubernetes' api/openapi-spec/swagger.json:
#   jq -c --rawfile omitempty kubernetes-omitempty.txt -f kubernetes-openapi.jq swagger.json > kubernetes-openapi.json
# where kubernetes-omitempty.txt is made by kubernetes-omitempty.awk out of the same source.
# Kept is what decides validity and field ownership; descriptions are left out.
def roots: [
  "io.k8s.api.core.v1.Namespace", "io.k8s.api.core.v1.Pod", "io.k8s.api.core.v1.ConfigMap", "io.k8s.api.core.v1.Secret",
  "io.k8s.api.core.v1.Service", "io.k8s.api.core.v1.ServiceAccount", "io.k8s.api.core.v1.PersistentVolumeClaim",
  "io.k8s.api.core.v1.Endpoints", "io.k8s.api.apps.v1.StatefulSet", "io.k8s.api.apps.v1.Deployment",
  "io.k8s.api.apps.v1.ReplicaSet", "io.k8s.api.batch.v1.Job", "io.k8s.api.storage.v1.StorageClass",
  "io.k8s.api.policy.v1beta1.PodDisruptionBudget", "io.k8s.api.rbac.v1.Role", "io.k8s.api.rbac.v1.ClusterRole",
  "io.k8s.api.rbac.v1.RoleBinding", "io.k8s.api.rbac.v1.ClusterRoleBinding", "io.k8s.api.networking.v1.NetworkPolicy",
  "io.k8s.api.coordination.v1.Lease", "io.k8s.api.events.v1.Event" ];
def slim:
  if type == "object" then
    with_entries(select(.key | IN("type", "format", "items", "additionalProperties", "properties", "$ref", "required",
      "x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-patch-merge-key", "x-kubernetes-patch-strategy",
      "x-kubernetes-map-type")))
    | (if .properties then .properties |= map_values(slim) else . end)
    | (if .items then .items |= slim else . end)
    | (if (.additionalProperties | type) == "object" then .additionalProperties |= slim else . end)
    | (if .["$ref"] then .["$ref"] |= ltrimstr("#/definitions/") else . end)
  else . end;
def refs: [.. | objects | .["$ref"]? // empty | strings];
($omitempty | split("\n") | map(select(. != "") | split(" ")) | group_by(.[0]) | map({key: .[0][0], value: map(.[1])}) | from_entries) as $omit
# The server knows the default of a port's protocol (it makes it a key that may be left out); the published file lacks it.
| (.definitions | map_values(slim) | .["io.k8s.api.core.v1.ContainerPort"].properties.protocol.default = "TCP") as $all
| def close($done; $todo):
    if ($todo | length) == 0 then $done
    else ($done + $todo | unique) as $next | close($next; ([$todo[] | $all[.] | refs[]] | unique) - $next)
    end;
  close([]; roots) | map({key: ., value: ($all[.] + (if $omit[.] then {omitempty: $omit[.]} else {} end))}) | from_entries
