{{/* The release name, with the chart's name appended unless it contains it. ServiceMonitor and hooks append up to 15 characters, so it has at most 48. */}}
{{- define "postern.name" -}}
{{- $name := .Release.Name }}
{{- if not (contains .Chart.Name $name) }}{{ $name = printf "%s-%s" $name .Chart.Name }}{{ end }}
{{- $name | replace "." "-" | trunc 48 | trimSuffix "-" }}
{{- end }}

{{/* These labels must never change, because a DaemonSet's selector is immutable. */}}
{{- define "postern.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: agent
{{- end }}

{{/* Labels of the agents' objects. */}}
{{- define "postern.labels" -}}
{{ include "postern.selector" . }}
{{ include "postern.releaseLabels" . }}
{{- end }}

{{/* Labels of the hook pods and their objects. The agents' selector must not match them. */}}
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
