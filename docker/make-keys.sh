#!/bin/sh
# Draws what compose.yaml's services share, once: an Ed25519 key pair for tokens and a token for operators. The private key
# has a volume of its own, which follow-graph alone mounts.

set -eu
umask 077

if [ ! -s /signing-key/private.pem ]; then
  openssl genpkey -algorithm ed25519 -out /signing-key/private.pem
fi
openssl pkey -in /signing-key/private.pem -pubout -out /keys/public.pem
if [ ! -s /keys/admin-token ]; then
  openssl rand -hex 24 > /keys/admin-token
fi
# The user that the services run as.
chown -R 65532:65532 /keys /signing-key
