{{/* A Deployment, of (dict "root" $ "service" NAME "suffix" NAME "track" TRACK "settings" VALUES "replicas" NUMBER), the
     number being left out where it is somebody else's. */}}
{{- define "rookery.deployment" -}}
{{- $object := dict "root" .root "component" .service -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "rookery.metadata" (set $object "suffix" .suffix) | nindent 2 }}
spec:
  {{- if hasKey . "replicas" }}
  replicas: {{ .replicas }}
  {{- end }}
  revisionHistoryLimit: 5
  progressDeadlineSeconds: 300
  strategy:
    rollingUpdate: {maxSurge: 1, maxUnavailable: 0}
  selector:
    matchLabels:
      {{- include "rookery.selectorLabels" $object | nindent 6 }}
      rookery/track: {{ .track }}
  template:
    {{- include "rookery.pod" . | nindent 4 }}
{{- end }}

{{/* A Service without its ports, of (dict "root" $ "component" NAME "suffix" NAME "track" TRACK): of all pods, if there is no
     track. */}}
{{- define "rookery.serviceObject" -}}
apiVersion: v1
kind: Service
metadata:
  {{- include "rookery.metadata" . | nindent 2 }}
spec:
  selector:
    {{- include "rookery.selectorLabels" . | nindent 4 }}
    {{- with .track }}
    rookery/track: {{ . }}
    {{- end }}
{{- end }}
