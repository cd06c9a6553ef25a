#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs in namespaces of its own (mounts, network, processes): the lab's image tree with a layer above it that is thrown
# away, and in it a real libvirtd.   outside.sh TREE SCRATCH MODULE_UTILS HERE
set -euo pipefail
tree=$1 scratch=$2 modules=$3 here=$4
mount -t tmpfs -o size=900M scratch "$scratch"
mkdir "$scratch"/{upper,work,root}
mount -t overlay overlay -o "lowerdir=$tree,upperdir=$scratch/upper,workdir=$scratch/work" "$scratch/root"
cd "$scratch/root"
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t tmpfs run run
mount -t tmpfs dev dev
for name in null zero random urandom full tty; do
  touch "dev/$name"
  mount --bind "/dev/$name" "dev/$name"
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 pts dev/pts
ln -s pts/ptmx dev/ptmx
mkdir -p opt/kit/module_utils opt/kit/trial
cp "$modules"/*.py opt/kit/module_utils/
touch opt/kit/module_utils/__init__.py
cp "$here"/* opt/kit/trial/
exec chroot . /bin/bash /opt/kit/trial/inside.sh
