#!/bin/bash
# Runs once, as root, on a machine of a fleet. It holds no secret: the machine's role is what it may do.
set -euo pipefail
exec > >(tee -a /var/log/hpt-setup.log) 2>&1
# Says why this machine is of no use, where the head and the user see it: the last that was printed, as JSON.
say_failure() {
  local service=http://169.254.169.254/latest token id words
  token=$(curl -sf -m 5 -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' "$service/api/token") || return 0
  id=$(curl -sf -m 5 -H "X-aws-ec2-metadata-token: $token" "$service/meta-data/instance-id") || return 0
  words=$(tail -c 600 /var/log/hpt-setup.log | tr '\n\t"\\' '    ' | tr -cd '[:print:]') || return 0
  printf '{"problem": "its setup failed in line %s: %s"}' "$1" "$words" |
    aws s3 cp - "${HPT_PLACE}nodes/$id.json" || true
}
# Whatever fails below must not leave a machine that costs money and does nothing.
trap 'line=$LINENO; echo "setup failed in line $line; shutting down" >&2; say_failure "$line"; sleep 60; shutdown -h now' ERR
# The same, should it hang: the unit that the end of this script starts cancels it.
shutdown -h +30 "setup took too long" || true

export AWS_DEFAULT_REGION='@REGION@'
HPT_FLEET='@NAME@'
HPT_PLACE='@PLACE@'
HPT_WHEEL='@WHEEL@'
HPT_PYTHON='@PYTHON@'

install -d -m 755 /opt/hpt /var/lib/hpt /run/hpt
if ! command -v "$HPT_PYTHON" > /dev/null; then
  dnf install -y "$HPT_PYTHON" "$HPT_PYTHON-pip"
fi
if ! command -v aws > /dev/null; then
  dnf install -y awscli
fi
"$HPT_PYTHON" -m venv /opt/hpt/venv
aws s3 cp "$HPT_PLACE$HPT_WHEEL" /opt/hpt/
# All machines get the very packages that the first one got: those of a cluster must have the same Ray.
HPT_CONSTRAINTS="$HPT_PLACE$(dirname "$HPT_WHEEL")/constraints.txt"
aws s3 cp "$HPT_CONSTRAINTS" /opt/hpt/constraints.txt || : > /opt/hpt/constraints.txt
/opt/hpt/venv/bin/pip install --no-input -c /opt/hpt/constraints.txt "/opt/hpt/$(basename "$HPT_WHEEL")[@EXTRAS@]"

# A secret that machines show each other; read here with the machine's role, never a part of user data.
umask 077
aws ssm get-parameter --name '@TOKEN@' --with-decryption --query Parameter.Value --output text > /opt/hpt/token
umask 022

cat > /opt/hpt/environment << 'EOF'
AWS_DEFAULT_REGION=@REGION@
RAY_AUTH_MODE=token
RAY_AUTH_TOKEN_PATH=/opt/hpt/token
RAY_health_check_initial_delay_ms=5000
RAY_health_check_period_ms=3000
RAY_health_check_timeout_ms=5000
RAY_health_check_failure_threshold=5
EOF
