if [ -z "$HPT_ENVIRONMENT" ]; then
  /opt/hpt/venv/bin/pip freeze --exclude hpt > /opt/hpt/constraints.txt
  aws s3 cp /opt/hpt/constraints.txt "$HPT_CONSTRAINTS"
fi
if /opt/hpt/venv/bin/python -c 'import ray' 2> /dev/null; then
  cat > /etc/systemd/system/hpt-ray.service << 'EOF'
[Unit]
Description=Ray head of a fleet of hpt
After=network-online.target

[Service]
EnvironmentFile=/opt/hpt/environment
ExecStart=/opt/hpt/venv/bin/python -m ray.scripts.scripts start --head --port=6379 --num-cpus=0 --disable-usage-stats --block
Restart=always
RestartSec=5

[Install]
WantedBy=multi-user.target
EOF
fi

cat > /etc/systemd/system/hpt-head.service << 'EOF'
[Unit]
Description=Head of a fleet of hpt
After=network-online.target hpt-ray.service

[Service]
EnvironmentFile=/opt/hpt/environment
WorkingDirectory=/var/lib/hpt
ExecStart=/opt/hpt/venv/bin/python -m hpt.fleet.ec2.head @PLACE@ --work /var/lib/hpt --shut-down
Restart=always
RestartSec=5
KillMode=mixed
TimeoutStopSec=100

[Install]
WantedBy=multi-user.target
EOF
systemctl daemon-reload
if [ -e /etc/systemd/system/hpt-ray.service ]; then
  systemctl enable --now hpt-ray.service
fi
systemctl enable --now hpt-head.service
shutdown -c || true
