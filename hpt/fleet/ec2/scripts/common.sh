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
HPT_ENVIRONMENT='@ENVIRONMENT@'
HPT_FOLDER=@FOLDER@

install -d -m 755 /opt/hpt /var/lib/hpt /run/hpt
if ! command -v aws > /dev/null; then
  dnf install -y awscli
fi
aws s3 cp "$HPT_PLACE$HPT_WHEEL" /opt/hpt/
if [ -n "$HPT_ENVIRONMENT" ]; then
  # All packages come in one file, as the user packed them, and nothing is asked of an index.
  rm -rf /opt/hpt/unpacked /opt/hpt/venv
  mkdir /opt/hpt/unpacked
  aws s3 cp "$HPT_PLACE$HPT_ENVIRONMENT" /opt/hpt/environment.tar
  echo "${HPT_ENVIRONMENT#*/}  /opt/hpt/environment.tar" | sha256sum -c -
  tar -xf /opt/hpt/environment.tar --no-same-owner -C /opt/hpt/unpacked
  rm /opt/hpt/environment.tar
  mv "/opt/hpt/unpacked/$HPT_FOLDER" /opt/hpt/venv
  if ! /opt/hpt/venv/bin/python -c '' && ! command -v "$HPT_PYTHON" > /dev/null; then
    dnf install -y "$HPT_PYTHON"  # to which its interpreter may be a link
  fi
  if [ -e /opt/hpt/venv/bin/conda-unpack ]; then
    /opt/hpt/venv/bin/python /opt/hpt/venv/bin/conda-unpack
  fi
  HPT_SITE=$(/opt/hpt/venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  rm -rf "$HPT_SITE"/hpt "$HPT_SITE"/hpt-*.dist-info
  /opt/hpt/venv/bin/python -m zipfile -e "/opt/hpt/$(basename "$HPT_WHEEL")" "$HPT_SITE"
  /opt/hpt/venv/bin/python -c 'import hpt.fleet.ec2.@ROLE@'
else
  if ! command -v "$HPT_PYTHON" > /dev/null; then
    dnf install -y "$HPT_PYTHON" "$HPT_PYTHON-pip"
  fi
  "$HPT_PYTHON" -m venv /opt/hpt/venv
  # All machines get the very packages that the first one got: those of a cluster must have the same Ray.
  HPT_CONSTRAINTS="$HPT_PLACE$(dirname "$HPT_WHEEL")/constraints.txt"
  aws s3 cp "$HPT_CONSTRAINTS" /opt/hpt/constraints.txt || : > /opt/hpt/constraints.txt
  /opt/hpt/venv/bin/pip install --no-input -c /opt/hpt/constraints.txt "/opt/hpt/$(basename "$HPT_WHEEL")[@EXTRAS@]"
fi

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
if [ -n "$HPT_ENVIRONMENT" ]; then
  echo PATH=/opt/hpt/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin >> /opt/hpt/environment
fi
