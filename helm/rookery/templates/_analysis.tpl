{{/* What Prometheus is asked after each step, of (dict "root" $ "service" NAME "facts" FACTS "argo" VALUES). The versions are
     told apart by their pods' names. What has no result, or is none (NaN), is neither success nor failure: the rollout
     waits for a decision. */}}
{{- define "rookery.analysis" -}}
{{- $pods := printf "namespace=\"%s\",pod=~\"%s-%s-%%s-.*\"" .root.Release.Namespace (include "rookery.fullname" .root) .service }}
{{- $canary := printf $pods "{{args.canary}}" }}
{{- $stable := printf $pods "{{args.stable}}" }}
{{- $window := printf "[%ds]" (int .argo.stepSeconds) -}}
apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata:
  {{- include "rookery.metadata" (dict "root" .root "component" .service "suffix" (printf "%s-canary" .service)) | nindent 2 }}
spec:
  args: [{name: canary}, {name: stable}]
  metrics:
    {{- $query := dict "argo" .argo }}
    {{- if .facts.path }}
    {{- $requests := "http_server_request_duration_seconds" }}
    {{- $served := "http_route!~\"/healthz|/readyz|/metrics\"" }}
    {{- $_ := set $query "metric" (dict "name" "requests" "success" (printf ">= %d" (int .argo.minRequests)) "failure" "< 0"
      "query" (printf "sum(increase(%s_count{%s,%s}%s)) or vector(0)" $requests $canary $served $window)) }}
    {{- include "rookery.analysisMetric" $query | nindent 4 }}
    {{- $failed := printf "(sum(rate(%s_count{%%s,%s,http_response_status_code=~\"5..\"}%s)) or vector(0)) / sum(rate(%s_count{%%s,%s}%s))" $requests $served $window $requests $served $window }}
    # The share of requests that failed: one in a hundred more than in stable is too much.
    {{- $_ := set $query "metric" (dict "name" "errors" "success" "<= 0.01" "failure" "> 0.01"
      "query" (printf "%s - (%s or vector(0))" (printf $failed $canary $canary) (printf $failed $stable $stable))) }}
    {{- include "rookery.analysisMetric" $query | nindent 4 }}
    {{- $p99 := printf "histogram_quantile(0.99, sum by (le) (rate(%s_bucket{%%s,%s}%s)))" $requests $served $window }}
    # Seconds, compared with stable's: twice as long is too much, from 50 ms on.
    {{- $_ := set $query "metric" (dict "name" "p99" "success" "<= 2" "failure" "> 2"
      "query" (printf "%s / clamp_min(%s, 0.05)" (printf $p99 $canary) (printf $p99 $stable))) }}
    {{- include "rookery.analysisMetric" $query | nindent 4 }}
    {{- else }}
    {{- $_ := set $query "metric" (dict "name" "tweets" "success" (printf ">= %d" (int .argo.minRequests)) "failure" "< 0"
      "query" (printf "sum(increase(rookery_tweets_fanned_out_total{%s}%s)) or vector(0)" $canary $window)) }}
    {{- include "rookery.analysisMetric" $query | nindent 4 }}
    # Seconds from acceptance to the last follower: the promise.
    {{- $_ := set $query "metric" (dict "name" "delivery-p99" "success" "<= 5" "failure" "> 5"
      "query" (printf "histogram_quantile(0.99, sum by (le) (rate(rookery_delivery_seconds_bucket{%s}%s)))" $canary $window)) }}
    {{- include "rookery.analysisMetric" $query | nindent 4 }}
    # Of the deliveries of this version, those that were neither written nor skipped for a reason.
    {{- $_ := set $query "metric" (dict "name" "unaccounted" "success" "== 0" "failure" "> 0"
      "query" (printf "sum(increase(rookery_deliveries_unaccounted_total{%s}%s))" $canary $window)) }}
    {{- include "rookery.analysisMetric" $query | nindent 4 }}
    # What a version takes and never finishes waits, and grows old.
    {{- $_ := set $query "metric" (dict "name" "backlog" "success" "<= 30" "failure" "> 30"
      "query" (printf "max(rookery_backlog_oldest_seconds{namespace=\"%s\"})" .root.Release.Namespace)) }}
    {{- include "rookery.analysisMetric" $query | nindent 4 }}
    {{- end }}
    # Entries of stored timelines that audits find wrong, whoever wrote them.
    {{- $audits := printf "(sum(increase(rookery_audit_%%s_total{namespace=\"%s\"}%s)) or vector(0))" .root.Release.Namespace $window }}
    {{- $_ := set $query "metric" (dict "name" "audits" "success" "== 0" "failure" "> 0"
      "query" (printf "%s + %s" (printf $audits "missing") (printf $audits "extra"))) }}
    {{- include "rookery.analysisMetric" $query | nindent 4 }}
{{- end }}

{{/* One question, of (dict "argo" VALUES "metric" (dict "name" NAME "query" PROMQL "success" BOUND "failure" BOUND)). */}}
{{- define "rookery.analysisMetric" -}}
- name: {{ .metric.name }}
  successCondition: len(result) > 0 && result[0] {{ .metric.success }}
  failureCondition: len(result) > 0 && result[0] {{ .metric.failure }}
  provider:
    prometheus:
      address: {{ .argo.prometheus }}
      query: {{ .metric.query | toJson }}
{{- end }}
