{{/* The DaemonSet includes these checks, because it is always rendered. */}}
{{- define "postern.checks" -}}
{{- $podSecurity := "pod-security.kubernetes.io/enforce" }}
{{- $namespace := lookup "v1" "Namespace" "" .Release.Namespace }}
{{- $level := dig "metadata" "labels" $podSecurity "privileged" $namespace }}
{{- if ne $level "privileged" }}
{{- fail (printf "\n\nNamespace %s refuses the agents: they use the host network, and its PodSecurity level is %s. Please run\n\n  %s\n" .Release.Namespace $level (include "postern.labelLine" .)) }}
{{- end }}
{{- if and .Values.cni.enabled (not (include "postern.cniCacheDir" .)) }}
{{- fail "\n\ncni.enabled needs cniCacheDir: the container runtime's records show when a pod has ended.\n" }}
{{- end }}
{{- if not .Values.cni.enabled }}
{{- $agents := lookup "apps/v1" "DaemonSet" .Release.Namespace (include "postern.name" .) }}
{{- range dig "spec" "template" "spec" "containers" list $agents }}
{{- range .env }}
{{- if and (eq .name "POSTERN_CNI_FAILURE_POLICY") (eq (default "" .value) "Fail") }}
{{- fail "\n\nThe CNI plugin is on these nodes with cni.failurePolicy=Fail: without its agents, no pod would start. Please upgrade with cni.enabled=true and cni.failurePolicy=Ignore first, and turn the plugin off afterwards.\n" }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- if and .Values.podNetworks.enabled (not (include "postern.cniCacheDir" .)) }}
{{- fail "\n\npodNetworks.enabled needs cniCacheDir: only the records of the container runtime name the network namespaces of pods.\n" }}
{{- end }}
{{- $address := .Values.listen.address }}
{{- if and .Values.metrics.serviceMonitor.enabled (has $address (list "127.0.0.1" "::1")) }}
{{- fail (printf "\n\nmetrics.serviceMonitor.enabled needs agents that Prometheus can reach, but listen.address is %s. Set listen.address to 0.0.0.0 or \"::\"; every client that can reach a node can then read the metrics.\n" $address) }}
{{- end }}
{{- end }}

{{- define "postern.labelLine" -}}
kubectl label namespace {{ .Release.Namespace }} pod-security.kubernetes.io/enforce=privileged --overwrite
{{- end }}
