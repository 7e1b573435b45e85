import { sharedCaptures } from '../captures-proc.js';
import { procFiles, perProcess } from '../captures.js';

/** Lines around the captures on the guest's serial console. */
export const marks = { begin: '-----BEGIN CAPTURES-----', end: '-----END CAPTURES-----' } as const;

/** What a guest of the zoo says about itself: file name → shell command. */
export const zooCaptures: Readonly<Record<string, string>> = {
  // Files whose path is printed in front of each line, as `path:line`.
  sysctl: 'cd /proc/sys && grep -r "" .',
  'uname-a': 'uname -a',
  boot_id: 'cat /proc/sys/kernel/random/boot_id',
  date: 'date +%s',
  // What is in the tmpfs mounts: sums of the contents, and everything with its mode, owner, size and times.
  'tmpfs-sums': 'find /run /tmp /dev/shm -type f -exec sha256sum {} +',
  'tmpfs-list': `find /run /tmp /dev/shm -exec stat -c '%n|%f|%u|%g|%s|%Y|%h' {} +`,
  'tmpfs-links': 'find /run /tmp -type l -exec readlink -v {} \\;',
  'disk-sums': 'find /mnt/disk -type f -exec sha256sum {} +',
  df: 'df -k',
  netstat: 'netstat -an',
  'ip-addr': 'ip addr',
  ...procFiles(
    'modules filesystems mounts cmdline meminfo version cpuinfo stat devices partitions swaps vmstat interrupts',
  ),
  ...procFiles(
    'net/dev net/route net/if_inet6 net/tcp net/tcp6 net/udp net/unix net/netlink net/arp diskstats',
  ),
  ...procFiles('1/mountinfo 1/mounts 1/limits 1/maps 1/cgroup'),
  ...perProcess('stat'),
  ...perProcess('status'),
  ...perProcess('cmdline'),
  ...perProcess('comm'),
  ...sharedCaptures,
  'all-fd': 'for p in /proc/[0-9]*; do echo "== ${p#/proc/}"; ls -l $p/fd; done',
  'all-maps': 'for p in /proc/[0-9]*; do echo "== ${p#/proc/}"; cat $p/maps; done',
  'proc-loadavg': 'cat /proc/loadavg',
  'proc-uptime': 'cat /proc/uptime',
};

/**
 * The first process of a guest of the zoo: mounts, loads modules, makes files, sockets and processes, describes itself
 * on the console, and then sleeps. What one kernel lacks must not stop it.
 */
export function zooInit(console: string): string {
  return `#!/bin/busybox sh
/bin/busybox mkdir -p /bin /sbin /usr/bin /usr/sbin /proc /sys /dev /run /tmp /mnt/disk /etc
/bin/busybox --install -s
export PATH=/bin:/sbin:/usr/bin:/usr/sbin
mount -t proc -o nosuid,nodev,noexec proc /proc
echo 1 >/proc/sys/kernel/printk
mount -t sysfs -o nosuid,nodev,noexec sysfs /sys
mount -t devtmpfs -o nosuid,mode=755 devtmpfs /dev
exec </dev/null >/dev/${console} 2>&1
mkdir -p /dev/pts /dev/shm
mount -t devpts -o nosuid,noexec,gid=5,mode=620,ptmxmode=000 devpts /dev/pts
mount -t tmpfs -o nosuid,nodev,mode=755,size=10%,nr_inodes=9000 tmpfs /run
mount -t tmpfs -o nosuid,nodev tmpfs /dev/shm
mount -t tmpfs -o relatime,size=16m tmpfs /tmp
mkdir -p /sys/fs/cgroup && mount -t cgroup2 -o nosuid,nodev,noexec,nsdelegate cgroup2 /sys/fs/cgroup
while read -r module; do insmod "/modules/$module"; done </modules/list
hostname zoo
ip link set lo up
ip link set eth0 up && ip addr add 10.0.2.15/24 dev eth0 && ip route add default via 10.0.2.2
for i in 1 2 3 4 5; do [ -b /dev/vda ] && break; sleep 1; done
mount -t ext4 -o noatime /dev/vda /mnt/disk

mkdir -p /run/systemd/system /run/lock /run/user/1000
echo hello >/run/hello
printf '' >/run/empty
dd if=/dev/urandom of=/run/large bs=4096 count=700
dd if=/dev/urandom of=/tmp/odd bs=1000 count=33
dd if=/dev/zero of=/tmp/sparse bs=1 count=1 seek=3000000
echo tail >>/tmp/sparse
ln -s hello /run/link
ln -s $(printf 'long%.0s' $(seq 40)) /run/long-link
ln /run/hello /run/twin
echo gone >/run/gone && rm /run/gone
mknod /run/pipe p
chmod 4750 /run/large && chown 1000:1000 /run/user/1000 /tmp/odd
for i in $(seq 300); do echo $i >/run/user/1000/file-$i; done
mkdir /run/bound && mount --bind /run/user /run/bound
mkdir /mnt/read-only && mount --bind /run/lock /mnt/read-only && mount -o remount,ro,bind /mnt/read-only
mount --make-shared /run
dd if=/dev/urandom of=/mnt/disk/fresh bs=4096 count=20

sleep 100001 &
nice -n 7 sleep 100002 &
(cd /run && exec sleep 100003) &
sh -c 'sleep 100004 & exec sleep 100005' &
setsid sh -c 'exec sleep 100006' &
nc -l -p 8080 >/dev/null &
nc -l -p 8081 >/dev/null &
syslogd -n -O /run/messages &
flock /run/lock/held sleep 100007 &
unshare -m -n sleep 100008 &
sleep 2
(sleep 100009; echo) | nc 127.0.0.1 8081 >/dev/null &
sleep 1
[ -e /proc/1/oom_score_adj ] && echo 5 >/proc/1/oom_score_adj

mkdir /captures && cd /captures
${Object.entries(zooCaptures)
  .map(([name, command]) => `{ ${command}; } >/captures/${name}.txt 2>/dev/null </dev/null`)
  .join('\n')}
cd /captures
tar -c -f - *.txt | gzip -1 >/captures.tar.gz
cd /
rm -rf /captures
echo
echo '${marks.begin}'
base64 /captures.tar.gz
rm /captures.tar.gz
sleep 1000 &
sleep 1
# The guest is suspended at this line: from here on nothing is started, which would be in the middle of an exec then.
echo '${marks.end}'
while :; do wait; done
`;
}
