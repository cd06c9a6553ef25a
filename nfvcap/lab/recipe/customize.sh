#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Turns a freshly installed Debian tree into the lab server's root file system; runs as root beside the tree.
#
#   customize.sh TREE RECIPE_DIR PUBLIC_KEY_FILE
set -eu
tree=$1 recipe=$2 key=$3

cp -rT --no-preserve=ownership "$recipe/rootfs" "$tree"
find "$tree/usr/local" -name __pycache__ -exec rm -r {} + # of the Python that installed nfvcap here
echo host1 >"$tree/etc/hostname"
printf '127.0.0.1 localhost\n127.0.1.1 host1\n::1 localhost ip6-localhost\n' >"$tree/etc/hosts"
echo 'nameserver 10.0.2.3' >"$tree/etc/resolv.conf"
install -D -m 600 "$key" "$tree/root/.ssh/authorized_keys"
chmod 700 "$tree/root/.ssh"
mkdir -p "$tree/var/log/journal" "$tree/boot/efi"

# What a long-lived server does in the background disturbs short emulated runs, and costs the boot its time.
in_tree() { chroot "$tree" "$@"; }
for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service \
  fstrim.timer dpkg-db-backup.service; do
  ln -sf /dev/null "$tree/etc/systemd/system/$unit"
done
in_tree systemctl --quiet set-default multi-user.target
in_tree systemctl --quiet enable systemd-networkd.service ssh.service
in_tree systemctl --quiet disable systemd-networkd-wait-online.service
# The package starts this to give huge pages and drivers to DPDK from a file of its own; nothing is in that file.
[ ! -e "$tree/usr/lib/systemd/system/dpdk.service" ] || in_tree systemctl --quiet disable dpdk.service

# Boot: the kernel's files and GRUB's modules lie where grub-install and update-grub of a real server put them.
mkdir -p "$tree/boot/grub/x86_64-efi"
cp "$tree"/usr/lib/grub/x86_64-efi/*.mod "$tree"/usr/lib/grub/x86_64-efi/*.lst "$tree/boot/grub/x86_64-efi/"
in_tree update-initramfs -u
sh "$recipe/guest/build.sh" "$tree" "$recipe"
# update-grub asks grub-probe about the running machine's disks. Here it has to describe the disk that is to be made.
uuid=6e667663-6170-4000-8000-00006c616221
mv "$tree/usr/sbin/grub-probe" "$tree/usr/sbin/grub-probe.real"
install -m 755 "$recipe/grub-probe" "$tree/usr/sbin/grub-probe"
mkdir -p "$tree/dev/disk/by-uuid"
: >"$tree/dev/disk/by-uuid/$uuid"
in_tree update-grub
rm -r "$tree/dev/disk"
mv "$tree/usr/sbin/grub-probe.real" "$tree/usr/sbin/grub-probe"
grep -q "root=UUID=$uuid ro console=ttyS0" "$tree/boot/grub/grub.cfg"

# First-boot work that can be done now, where a processor is not emulated.
in_tree systemd-machine-id-setup
in_tree ldconfig
in_tree journalctl --update-catalog
in_tree systemd-hwdb update
in_tree python3 -m compileall -q --invalidation-mode unchecked-hash /usr/local/lib/python3.13
touch "$tree/etc/.updated" "$tree/var/.updated"
rm -rf "$tree"/var/lib/apt/lists/* "$tree"/var/cache/apt/*.bin "$tree"/var/log/*.log "$tree"/var/log/apt/*
