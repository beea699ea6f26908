echo HPT_NOTICE=imds >> /opt/hpt/environment
echo HPT_NODE_ROOT=/var/lib/hpt/node >> /opt/hpt/environment

# The fleet's own setup.
cat > /opt/hpt/setup.sh << 'HPT_END_OF_SETUP'
@SETUP@
HPT_END_OF_SETUP
bash -euo pipefail /opt/hpt/setup.sh

cat > /etc/systemd/system/hpt-node.service << 'EOF'
[Unit]
Description=Node of a fleet of hpt: joins, watches for its end, shuts down without a head
After=network-online.target

[Service]
EnvironmentFile=/opt/hpt/environment
WorkingDirectory=/var/lib/hpt
ExecStart=/opt/hpt/venv/bin/python -m hpt.fleet.ec2.node @PLACE@ --work /var/lib/hpt --shut-down --join
Restart=always
RestartSec=5
KillMode=mixed
TimeoutStopSec=110

[Install]
WantedBy=multi-user.target
EOF
systemctl daemon-reload
systemctl enable --now hpt-node.service
shutdown -c || true
