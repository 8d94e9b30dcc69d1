{{/* Refuses what makes no sense together, of (dict "root" $ "service" NAME "canary" VALUES). */}}
{{- define "rookery.checkCanary" -}}
{{- $canary := .canary }}
{{- $where := printf "services.%s.canary" .service }}
{{- $hasRoute := and .root.Values.httpRoute.enabled (index (include "rookery.facts" .root | fromYaml) .service).path }}
{{- if and (ne $canary.mode "weights") (or $canary.weight $canary.tag $canary.config $canary.resources) }}
{{- fail (printf "%s: weight, tag, config and resources are for mode=weights, not for mode=%s" $where $canary.mode) }}
{{- end }}
{{- if and $canary.weight (not $hasRoute) }}
{{- fail (printf "%s.weight: no HTTPRoute leads to %s; set canary.replicas, which share out the rest" $where .service) }}
{{- end }}
{{- if and (eq $canary.mode "argo") $canary.argo.trafficRouting (not $hasRoute) }}
{{- fail (printf "%s.argo.trafficRouting: no HTTPRoute leads to %s; without it the shares are those of pods" $where .service) }}
{{- end }}
{{- end }}

{{/* The values of a canary's pods, of a service's values. */}}
{{- define "rookery.canaryPods" -}}
{{- $canary := .canary }}
{{- $settings := mergeOverwrite (deepCopy .) (dict "config" $canary.config "resources" $canary.resources) }}
{{- $_ := set $settings "tag" (default .tag $canary.tag) }}
{{- $_ := set $settings "replicas" $canary.replicas }}
{{- toYaml $settings }}
{{- end }}

{{/* Where requests through the HTTPRoute go, of (dict "root" $ "service" NAME "canary" VALUES). Argo changes its weights. */}}
{{- define "rookery.backends" -}}
{{- $name := printf "%s-%s" (include "rookery.fullname" .root) .service }}
{{- $isArgos := and (eq .canary.mode "argo") .canary.argo.trafficRouting }}
{{- if or $isArgos .canary.weight }}
- {name: {{ $name }}, port: 8080, weight: {{ sub 100 .canary.weight }}}
- {name: {{ $name }}-canary, port: 8080, weight: {{ .canary.weight }}}
{{- else }}
- {name: {{ $name }}, port: 8080}
{{- end }}
{{- end }}

{{/* Whether a Rollout has the pods, and the Deployment only their template, of (dict "root" $ "name" NAME "canary" VALUES). A
     Deployment that was there before keeps its pods until the Rollout has some that serve: its first stable ReplicaSet. */}}
{{- define "rookery.isRollouts" -}}
{{- if eq .canary.mode "argo" }}
{{- $rollout := lookup "argoproj.io/v1alpha1" "Rollout" .root.Release.Namespace .name }}
{{- or .root.Release.IsInstall (not (empty (($rollout).status).stableRS)) }}
{{- end }}
{{- end }}
