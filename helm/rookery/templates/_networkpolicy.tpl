{{/* Pods of components, as peers, of (dict "root" $ "components" NAMES). */}}
{{- define "rookery.peers" -}}
{{- $root := .root }}
{{- range .components }}
- podSelector:
    matchLabels:
      {{- include "rookery.selectorLabels" (dict "root" $root "component" .) | nindent 6 }}
{{- end }}
{{- end }}

{{/* The way to a store, as a rule of `egress`, of (dict "root" $ "store" NAME): the trial server, or anything on the
     external one's port. */}}
{{- define "rookery.toStore" -}}
{{- $store := index .root.Values .store }}
- ports: [{port: {{ $store.port }}}]
  {{- if $store.trial.enabled }}
  to:
    {{- include "rookery.peers" (dict "root" .root "components" (list .store)) | trim | nindent 4 }}
  {{- end }}
{{- end }}

{{/* Whichever port the name servers listen on behind port 53: often it is another one. */}}
{{- define "rookery.toDns" -}}
- to:
    {{- toYaml .Values.networkPolicy.dns | nindent 4 }}
{{- end }}

{{/* A policy without its rules, of (dict "root" $ "component" NAME): nothing comes in, nothing goes out. */}}
{{- define "rookery.networkPolicy" -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "rookery.metadata" . | nindent 2 }}
spec:
  podSelector:
    matchLabels:
      {{- include "rookery.selectorLabels" . | nindent 6 }}
  policyTypes: [Ingress, Egress]
{{- end }}
