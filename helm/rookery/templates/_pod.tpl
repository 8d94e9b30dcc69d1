{{/* Restricted Pod Security, of a user's number. */}}
{{- define "rookery.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "rookery.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* Where a pod may run, and before which others, of a service's values. */}}
{{- define "rookery.scheduling" -}}
{{- range $key := list "nodeSelector" "tolerations" "affinity" "priorityClassName" }}
{{- with index $ $key }}
{{ $key }}:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- end }}

{{/* The same for a pod beside the services, of the values of one or `defaults`: rules about other pods are theirs alone. */}}
{{- define "rookery.schedulingBeside" -}}
{{- include "rookery.scheduling" (set (deepCopy .) "affinity" (pick .affinity "nodeAffinity")) | trim }}
{{- end }}

{{/* A probe of the internal port, of a path. Whoever is slow to answer is busy, not dead. */}}
{{- define "rookery.probe" -}}
httpGet: {path: {{ . }}, port: internal}
timeoutSeconds: 3
{{- end }}

{{/* A file from a Secret, as a source of a projected volume: of (dict "secretName" NAME "key" KEY "path" PATH). */}}
{{- define "rookery.file" -}}
- secret:
    name: {{ .secretName }}
    items: [{key: {{ .key }}, path: {{ .path }}}]
{{- end }}

{{/* A store's URL and `secretFiles`, as files, of (dict "root" $ "stores" (dict STORE PATH)). */}}
{{- define "rookery.storeFiles" -}}
{{- $root := .root }}
{{- range $store, $path := .stores }}
{{- $secret := include "rookery.storeSecret" (dict "root" $root "store" $store) | fromYaml }}
{{ include "rookery.file" (dict "secretName" $secret.name "key" $secret.key "path" $path) }}
{{- end }}
{{- range $root.Values.secretFiles }}
{{ include "rookery.file" . }}
{{- end }}
{{- end }}

{{/* All that a service reads, as files, of (dict "root" $ "signs" BOOL). */}}
{{- define "rookery.serviceFiles" -}}
{{- $root := .root }}
{{- $keys := include "rookery.keysSecret" $root }}
{{- range concat (list "admin-token" "public.pem") (.signs | ternary (list "private.pem") list) }}
{{ include "rookery.file" (dict "secretName" $keys "key" . "path" .) }}
{{- end }}
{{- include "rookery.storeFiles" (dict "root" $root "stores" (dict "postgresql" "postgres-url" "valkey" "redis-url")) }}
{{- with $root.Values.valkey.eventsUrl }}
{{- if .secretName }}
{{ include "rookery.file" (dict "secretName" .secretName "key" .key "path" "events-redis-url") }}
{{- end }}
{{- end }}
{{- end }}

{{/* The pod template of a service, of (dict "root" $ "service" NAME "track" TRACK "settings" VALUES). */}}
{{- define "rookery.pod" -}}
{{- $root := .root }}
{{- $settings := .settings }}
{{- $facts := index (include "rookery.facts" $root | fromYaml) .service }}
{{- $labels := dict "root" $root "component" .service -}}
metadata:
  labels:
    {{- include "rookery.podLabels" (dict "root" $root "component" .service "more" $settings.podLabels) | nindent 4 }}
    app.kubernetes.io/version: {{ include "rookery.version" (dict "root" $root "tag" $settings.tag) | quote }}
    rookery/track: {{ .track }}
  annotations:
    # A pod reads its settings when it starts: other settings make other pods.
    checksum/config: {{ include "rookery.config" $root | sha256sum }}
    {{- with $settings.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "rookery.fullname" $root }}-{{ .service }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ $settings.terminationGracePeriodSeconds }}
  securityContext:
    {{- include "rookery.podSecurity" 65532 | nindent 4 }}
  {{- with $root.Values.image.pullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: {{ .service }}
      image: {{ include "rookery.image" (dict "root" $root "service" .service "tag" $settings.tag) | quote }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      envFrom:
        - configMapRef: {name: {{ include "rookery.fullname" $root }}-config}
      {{- $env := include "rookery.settings" $settings.config | fromYaml }}
      {{- if $facts.signs }}
      {{- $_ := set $env "ROOKERY__AUTH__PRIVATE_KEY_FILE" "/etc/rookery/secrets/private.pem" }}
      {{- end }}
      {{- with $env }}
      env:
        {{- range $name, $value := . }}
        - {name: {{ $name }}, value: {{ $value | quote }}}
        {{- end }}
      {{- end }}
      ports:
        {{- if $facts.path }}
        - {name: http, containerPort: 8080}
        {{- end }}
        - {name: internal, containerPort: 8081}
      livenessProbe:
        {{- include "rookery.probe" "/healthz" | nindent 8 }}
        periodSeconds: 10
        failureThreshold: 6
      readinessProbe:
        {{- include "rookery.probe" "/readyz" | nindent 8 }}
        periodSeconds: 2
        failureThreshold: 2
      lifecycle:
        # Requests go on coming until the ingress or gateway has noticed. The image has no program `sleep`.
        preStop: {sleep: {seconds: {{ $settings.preStopSeconds }}}}
      resources:
        {{- toYaml $settings.resources | nindent 8 }}
      securityContext:
        {{- include "rookery.containerSecurity" . | nindent 8 }}
      volumeMounts:
        - {name: secrets, mountPath: /etc/rookery/secrets, readOnly: true}
  volumes:
    - name: secrets
      projected:
        defaultMode: 0440
        sources:
          {{- include "rookery.serviceFiles" (dict "root" $root "signs" (default false $facts.signs)) | trim | nindent 10 }}
  topologySpreadConstraints:
    {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
    - topologyKey: {{ . }}
      maxSkew: 1
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "rookery.selectorLabels" $labels | nindent 10 }}
      matchLabelKeys: [pod-template-hash]
    {{- end }}
  {{- with include "rookery.scheduling" $settings | trim }}
  {{- . | nindent 2 }}
  {{- end }}
{{- end }}
