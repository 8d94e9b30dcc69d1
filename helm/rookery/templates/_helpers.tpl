{{/* What DESIGN fixes of each service: its public paths, and what it asks of the others. */}}
{{- define "rookery.facts" -}}
tweet-ingest: {path: /v1/tweets, asksFollowGraph: true}
fan-out: {asksFollowGraph: true}
timeline-read: {path: /v1/timelines, asksFollowGraph: true}
follow-graph: {path: /v1, signs: true, isAsked: true}
{{- end }}

{{- define "rookery.fullname" -}}
{{- $default := contains "rookery" .Release.Name | ternary .Release.Name (printf "%s-rookery" .Release.Name) }}
{{- default $default .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{/* Labels that a selector may use, of (dict "root" $ "component" NAME). */}}
{{- define "rookery.selectorLabels" -}}
app.kubernetes.io/name: rookery
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* Labels of a pod, of the same; "more" is a map of others, which win over `commonLabels`. */}}
{{- define "rookery.podLabels" -}}
{{ include "rookery.selectorLabels" . }}
{{- with merge (deepCopy (default dict .more)) .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Labels of an object, of the same. */}}
{{- define "rookery.labels" -}}
{{ include "rookery.podLabels" . }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/part-of: rookery
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{/* Name, labels and annotations of an object, of the same; "suffix" is the name's end where it isn't the component, and
     "annotations" are a map. */}}
{{- define "rookery.metadata" -}}
name: {{ include "rookery.fullname" .root }}-{{ default .component .suffix }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "rookery.labels" . | nindent 2 }}
{{- with .annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The values of a service, of (dict "root" $ "service" NAME): `defaults`, and what is set for it alone. */}}
{{- define "rookery.service" -}}
{{- $settings := mergeOverwrite (deepCopy .root.Values.defaults) (index .root.Values.services .service) }}
{{- include "rookery.checkCanary" (dict "root" .root "service" .service "canary" $settings.canary) }}
{{- toYaml $settings }}
{{- end }}

{{/* The version that pods are labelled with, of (dict "root" $ "tag" TAG): a label has no room for a digest. */}}
{{- define "rookery.version" -}}
{{- coalesce .tag .root.Values.image.tag .root.Chart.AppVersion | splitList "@" | first | trunc 63 }}
{{- end }}

{{/* Image of a service, of (dict "root" $ "service" NAME "tag" TAG). */}}
{{- define "rookery.image" -}}
{{- $image := .root.Values.image }}
{{- printf "%s/%s:%s" $image.repository .service (coalesce .tag $image.tag .root.Chart.AppVersion) }}
{{- end }}

{{/* A store's Secret, of (dict "root" $ "store" NAME): the one that is named, or that of the trial server. */}}
{{- define "rookery.storeSecret" -}}
{{- $store := index .root.Values .store }}
{{- if $store.url.secretName }}
{{- if $store.trial.enabled }}
{{- fail (printf "%s.url.secretName and %s.trial.enabled exclude each other" .store .store) }}
{{- end }}
name: {{ $store.url.secretName }}
key: {{ $store.url.key }}
{{- else if $store.trial.enabled }}
name: {{ include "rookery.fullname" .root }}-{{ .store }}
key: url
{{- else }}
{{- fail (printf "set %s.url.secretName to a Secret with the URL of your server, or %s.trial.enabled=true to try" .store .store) }}
{{- end }}
{{- end }}

{{- define "rookery.keysSecret" -}}
{{- default (printf "%s-keys" (include "rookery.fullname" .)) .Values.keys.existingSecret }}
{{- end }}

{{/* What is in a Secret of the chart's own already, of (dict "root" $ "name" NAME); an upgrade keeps it. */}}
{{- define "rookery.kept" -}}
{{- (lookup "v1" "Secret" .root.Release.Namespace .name).data | default dict | toYaml }}
{{- end }}

{{/* Annotations of what may outlive the release. */}}
{{- define "rookery.keep" -}}
{{- if .Values.keepOnUninstall }}
helm.sh/resource-policy: keep
{{- end }}
{{- end }}
