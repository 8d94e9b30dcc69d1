{{/* Settings by the names that the environment uses: what the chart fixes, and `config`. */}}
{{- define "rookery.config" -}}
ROOKERY__HTTP__ADDR: 0.0.0.0:8080
ROOKERY__INTERNAL__ADDR: 0.0.0.0:8081
ROOKERY__ADMIN__TOKEN_FILE: /etc/rookery/secrets/admin-token
ROOKERY__AUTH__PUBLIC_KEYS_FILE: /etc/rookery/secrets/public.pem
ROOKERY__POSTGRES__URL_FILE: /etc/rookery/secrets/postgres-url
ROOKERY__REDIS__URL_FILE: /etc/rookery/secrets/redis-url
{{- if .Values.valkey.eventsUrl.secretName }}
ROOKERY__EVENTS__REDIS_URL_FILE: /etc/rookery/secrets/events-redis-url
{{- end }}
ROOKERY__FOLLOW_GRAPH__URL: http://{{ include "rookery.fullname" . }}-follow-graph-internal:8081
{{ include "rookery.settings" .Values.config | trim }}
{{- end }}

{{/* The same names for a map of sections and keys, in the form of `config`. */}}
{{- define "rookery.settings" -}}
{{- range $section, $keys := . }}
{{- range $key, $value := $keys }}
{{- /* As JSON, since a large number would be printed with an exponent. */}}
ROOKERY__{{ upper $section }}__{{ upper $key }}: {{ $value | toJson | trimAll "\"" | quote }}
{{- end }}
{{- end }}
{{- end }}
