{{- /* Common name of all objects; at most 48 characters, so that what is derived from it ends at 63. */}}
{{- define "dora-operator.name" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 48 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 48 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "dora-operator.account" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "dora-operator.name" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{- /* What selects the operator's pods; must never change in a release. */}}
{{- define "dora-operator.selector" -}}
app.kubernetes.io/name: dora-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "dora-operator.labels" -}}
{{ include "dora-operator.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name (.Chart.Version | replace "+" "_") }}
{{- end -}}

{{- /* Metadata of an object: dict "root" $ "name" NAME ["namespace" NAMESPACE] */}}
{{- define "dora-operator.metadata" -}}
name: {{ .name }}
{{- with .namespace }}
namespace: {{ . }}
{{- end }}
labels:
  {{- include "dora-operator.labels" .root | nindent 2 }}
{{- end -}}

{{- /* A role of the operator's account: dict "root" $ "kind" KIND "name" NAME "rules" FILE ["namespace" NAMESPACE] */}}
{{- define "dora-operator.role" -}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ .kind }}
metadata:
  {{- include "dora-operator.metadata" . | nindent 2 }}
rules:
  {{- .root.Files.Get .rules | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ .kind }}Binding
metadata:
  {{- include "dora-operator.metadata" . | nindent 2 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ .kind }}
  name: {{ .name }}
subjects:
  - kind: ServiceAccount
    name: {{ include "dora-operator.account" .root }}
    namespace: {{ .root.Release.Namespace }}
{{ end -}}
