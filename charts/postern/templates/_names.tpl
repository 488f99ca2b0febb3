{{/* The release's name where it says what it is; ServiceMonitor and hooks append up to 15 characters to at most 48. */}}
{{- define "postern.name" -}}
{{- $name := .Release.Name }}
{{- if not (contains .Chart.Name $name) }}{{ $name = printf "%s-%s" $name .Chart.Name }}{{ end }}
{{- $name | replace "." "-" | trunc 48 | trimSuffix "-" }}
{{- end }}

{{/* Never changes: a DaemonSet's selector cannot. */}}
{{- define "postern.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: agent
{{- end }}

{{/* Of what belongs to the agents. */}}
{{- define "postern.labels" -}}
{{ include "postern.selector" . }}
{{ include "postern.releaseLabels" . }}
{{- end }}

{{/* Of the pods that run once and what they need: the selector must not find them. */}}
{{- define "postern.hookLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{ include "postern.releaseLabels" . }}
{{- end }}

{{- define "postern.releaseLabels" -}}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}
