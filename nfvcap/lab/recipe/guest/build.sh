#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes the lab's guest: the kernel of the image tree and a root file system that lives in memory, with what a guest on
# a VF needs and nothing else. A stock Debian takes minutes to boot on a processor that is emulated twice.
#
#   build.sh TREE RECIPE_DIR     makes TREE/var/lib/libvirt/images/nfvcap-guest.{vmlinux,initrd}
set -eu
tree=$1 recipe=$2
images=$tree/var/lib/libvirt/images
root=$(mktemp -d "$tree/tmp/guest.XXXXXX")
trap 'rm -rf "$root"' EXIT
version=$(ls "$tree/usr/lib/modules")
in_tree() { chroot "$tree" "$@"; }

# Directories as in Debian: bin, sbin and lib are links into usr.
mkdir -p "$root"/usr/bin "$root"/usr/sbin "$root"/usr/lib64 "$root/usr/lib/modules/$version" "$root"/dev "$root"/proc \
  "$root"/sys "$root"/run "$root"/root "$root"/etc "$root"/mnt "$root"/var
for name in bin sbin lib lib64; do ln -s "usr/$name" "$root/$name"; done
ln -s ../run "$root/var/run"
mkdir -m 1777 "$root/tmp"
printf 'root:x:0:0:root:/root:/bin/sh\n' >"$root/etc/passwd"
printf 'root:x:0:\n' >"$root/etc/group"
install -m 755 "$recipe/guest/init" "$root/init"

in_tree busybox --list | while read -r applet; do ln -s busybox "$root/usr/bin/$applet"; done
# After the applets: what comes as a whole program is not busybox's short form of it.
install -m 755 "$recipe/guest/shutdown" "$root/usr/sbin/shutdown"
for program in usr/bin/busybox usr/bin/ip usr/bin/tcpdump usr/sbin/ethtool usr/sbin/qemu-ga; do
  rm -f "$root/usr/bin/${program##*/}"
  install -D "$tree/$program" "$root/$program"
  in_tree ldd "/$program" 2>/dev/null | grep -o '/lib[^ ]*' | while read -r library; do
    [ -e "$root$library" ] || install -D "$tree$library" "$root$library"
  done
done

# Modules are unpacked here, where a processor is not emulated twice.
for module in virtio_net virtio_console virtio_blk virtio_rng igb igbvf e1000 vfio-pci vfio_iommu_type1 vfat; do
  in_tree modprobe --set-version "$version" --show-depends "$module"
done | sed -n 's/^insmod \([^ ]*\).*/\1/p' | sort -u | while read -r packed; do
  target=$root/usr/${packed#/}
  target=${target%.xz}
  mkdir -p "${target%/*}"
  in_tree busybox unxz -c "$packed" >"$target"
done
cp "$tree/usr/lib/modules/$version"/modules.builtin* "$tree/usr/lib/modules/$version/modules.order" \
  "$root/usr/lib/modules/$version/"
in_tree depmod -b "${root#"$tree"}" "$version"

# Not compressed: unpacking would take the guest longer than reading what is unpacked.
mkdir -p "$images"
in_tree sh -c "cd '${root#"$tree"}' && find . | sort | cpio --quiet -o -H newc" >"$images/nfvcap-guest.initrd"
# The kernel inside a bzImage: the setup header says how many sectors of setup code come first (0x1f1), and where the
# compressed kernel begins behind them (0x248) and how long it is (0x24c).
kernel=$tree/boot/vmlinuz-$version
field() { od -An -t "u$2" -j "$1" -N "$2" "$kernel" | tr -d ' '; }
begin=$((($(field $((0x1f1)) 1) + 1) * 512 + $(field $((0x248)) 4)))
# The last four bytes are the unpacked size, which zstd takes for rubbish.
tail -c "+$((begin + 1))" "$kernel" | head -c "$(($(field $((0x24c)) 4) - 4))" | in_tree zstd -qdc >"$images/nfvcap-guest.vmlinux"
chmod 644 "$images"/nfvcap-guest.*
