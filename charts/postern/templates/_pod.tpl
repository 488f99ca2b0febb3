{{- define "postern.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{/* HOST:PORT as the agent and the kubelet write it. */}}
{{- define "postern.listen" -}}
{{- with .Values.listen -}}
{{ if contains ":" .address }}[{{ .address }}]{{ else }}{{ .address }}{{ end }}:{{ .port }}
{{- end }}
{{- end }}

{{/* The loopback address that also reaches a wildcard. */}}
{{- define "postern.probeHost" -}}
{{ contains ":" .Values.listen.address | ternary "::1" "127.0.0.1" }}
{{- end }}

{{/* In place of what the kubelet sets. */}}
{{- define "postern.apiServerEnv" -}}
{{- with .Values.apiServer }}
{{- if .host -}}
- name: KUBERNETES_SERVICE_HOST
  value: {{ .host | quote }}
- name: KUBERNETES_SERVICE_PORT
  value: {{ .port | quote }}
{{- end }}
{{- end }}
{{- end }}

{{/* Empty where nobody shall look. */}}
{{- define "postern.cniCacheDir" -}}
{{ ne .Values.cniCacheDir "none" | ternary .Values.cniCacheDir "" }}
{{- end }}

{{/* At the same paths as on the node. */}}
{{- define "postern.volumeMounts" -}}
{{- with include "postern.cniCacheDir" . -}}
- name: cni-cache
  mountPath: {{ dir . }}
  readOnly: true
{{- end }}
{{- with .Values.stateDir }}
- name: state
  mountPath: {{ . }}
{{- end }}
{{- end }}

{{- define "postern.volumes" -}}
{{- with include "postern.cniCacheDir" . -}}
# The folder above the cache: the runtime makes the cache itself for the first pod of a node, and may make it again.
- name: cni-cache
  hostPath:
    path: {{ dir . }}
    type: DirectoryOrCreate
{{- end }}
{{- with .Values.stateDir }}
- name: state
  hostPath:
    path: {{ . }}
    type: DirectoryOrCreate
{{- end }}
{{- end }}

{{/* Of a container that runs once and touches nothing of its node. */}}
{{- define "postern.hookSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
seccompProfile:
  type: RuntimeDefault
{{- end }}
