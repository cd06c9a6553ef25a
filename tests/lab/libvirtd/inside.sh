#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Starts libvirtd and the lab's guest on an emulated processor, then the trial.
set -euo pipefail
mkdir -p /run/lock /run/libvirt /var/log/libvirt/qemu /var/lib/libvirt/qemu
printf '%s\n' 'user="root"' 'group="root"' 'security_driver="none"' 'cgroup_controllers=[]' 'namespaces=[]' \
  'stdio_handler="file"' 'remember_owner=0' >/etc/libvirt/qemu.conf
libvirtd >/var/log/libvirtd.out 2>&1 &
for _ in $(seq 60); do virsh -q list >/dev/null 2>&1 && break; sleep 0.5; done
virsh -q define /opt/kit/trial/guest.xml
virsh -q start vm1 || { tail /var/log/libvirtd.out; exit 1; }
python3 -u /opt/kit/trial/trial.py "$@" || { tail /var/log/libvirtd.out /var/log/vm1.console; exit 1; }
