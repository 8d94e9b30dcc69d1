{{/* The volume of a trial store, of (dict "root" $ "trial" VALUES). */}}
{{- define "rookery.trialVolume" -}}
persistentVolumeClaimRetentionPolicy:
  whenDeleted: {{ .root.Values.keepOnUninstall | ternary "Retain" "Delete" }}
  whenScaled: Retain
volumeClaimTemplates:
  - metadata: {name: data}
    spec:
      accessModes: [ReadWriteOnce]
      {{- with .trial.storageClassName }}
      storageClassName: {{ . }}
      {{- end }}
      resources: {requests: {storage: {{ .trial.storage }}}}
{{- end }}
