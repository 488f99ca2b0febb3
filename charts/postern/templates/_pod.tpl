{{- define "postern.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{/* HOST:PORT, with an IPv6 address in brackets. */}}
{{- define "postern.listen" -}}
{{- with .Values.listen -}}
{{ if contains ":" .address }}[{{ .address }}]{{ else }}{{ .address }}{{ end }}:{{ .port }}
{{- end }}
{{- end }}

{{/* The loopback address for probes, which also works if the agent listens on a wildcard. */}}
{{- define "postern.probeHost" -}}
{{ contains ":" .Values.listen.address | ternary "::1" "127.0.0.1" }}
{{- end }}

{{/* These variables replace those that the kubelet sets. */}}
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

{{/* Empty if the agent must not read the cache. */}}
{{- define "postern.cniCacheDir" -}}
{{ ne .Values.cniCacheDir "none" | ternary .Values.cniCacheDir "" }}
{{- end }}

{{/* For the socket of the CNI plugin alone: the agent closes it to all but root. */}}
{{- define "postern.cniSocketDir" -}}
/run/postern
{{- end }}

{{- define "postern.cniEnv" -}}
{{- with .Values.cni }}
{{- if .enabled -}}
- name: POSTERN_CNI_SOCKET
  value: {{ include "postern.cniSocketDir" $ }}/cni.sock
- name: POSTERN_CNI_CONF_DIR
  value: {{ .confDir }}
- name: POSTERN_CNI_BIN_DIR
  value: {{ .binDir }}
- name: POSTERN_CNI_FAILURE_POLICY
  value: {{ .failurePolicy }}
- name: POSTERN_CNI_TIMEOUT
  value: {{ .timeoutSeconds | int | quote }}
{{- end }}
{{- end }}
{{- end }}

{{/* The mount paths are the paths on the node. */}}
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
{{- if .Values.cni.enabled }}
- name: cni-socket
  mountPath: {{ include "postern.cniSocketDir" . }}
- name: cni-conf
  mountPath: {{ .Values.cni.confDir }}
- name: cni-bin
  mountPath: {{ .Values.cni.binDir }}
{{- end }}
{{- if .Values.podNetworks.enabled }}
- name: netns
  mountPath: /run/netns
  readOnly: true
  # Namespaces of pods are mounts in it, and come and go.
  mountPropagation: HostToContainer
{{- end }}
{{- end }}

{{- define "postern.volumes" -}}
{{- with include "postern.cniCacheDir" . -}}
# This is the parent of the cache: the runtime creates the cache with the first pod of a node, and may create it again.
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
{{- if .Values.cni.enabled }}
- name: cni-socket
  hostPath:
    path: {{ include "postern.cniSocketDir" . }}
    type: DirectoryOrCreate
- name: cni-conf
  hostPath:
    path: {{ .Values.cni.confDir }}
    type: DirectoryOrCreate
- name: cni-bin
  hostPath:
    path: {{ .Values.cni.binDir }}
    type: DirectoryOrCreate
{{- end }}
{{- if .Values.podNetworks.enabled }}
- name: netns
  hostPath:
    path: /run/netns
    type: DirectoryOrCreate
{{- end }}
{{- end }}

{{/* Security context of hook containers, which need no access to their node. */}}
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
