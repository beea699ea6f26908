#!/bin/bash
# Runs once, as root, on a machine of a fleet. It holds no secret: the machine's role is what it may do.
set -euo pipefail
exec > >(tee -a /var/log/hpt-setup.log) 2>&1
# Whatever fails below must not leave a machine that costs money and does nothing.
trap 'echo "setup failed in line $LINENO; shutting down" >&2; sleep 60; shutdown -h now' ERR
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
/opt/hpt/venv/bin/pip install --no-input "/opt/hpt/$(basename "$HPT_WHEEL")[@EXTRAS@]"

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
