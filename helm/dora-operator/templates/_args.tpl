{{- /* Arguments of the operator; what is as the operator's own default is left out. */}}
{{- define "dora-operator.args" -}}
- run
- --leader-elect={{ .Values.leaderElection }}
- --log-level={{ .Values.logLevel }}
{{- if ne .Values.logFormat "json" }}
- --log-format={{ .Values.logFormat }}
{{- end }}
{{- if ne (int .Values.workers) 4 }}
- --workers={{ .Values.workers }}
{{- end }}
{{- with .Values.engineImages.repository }}
- --image-repository={{ . }}
{{- end }}
{{- with .Values.engineImages.pullPolicy }}
- --image-pull-policy={{ . }}
{{- end }}
{{- range .Values.rbac.namespaces }}
- --namespace={{ . }}
{{- end }}
{{- with .Values.extraArgs }}
{{ toYaml . }}
{{- end }}
{{- end -}}
