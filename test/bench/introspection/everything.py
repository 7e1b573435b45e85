"""Run by drgn: processes, modules and mounts."""
from drgn.helpers.linux.fs import for_each_mount, mount_dst, mount_fstype, mount_src
from drgn.helpers.linux.list import list_for_each_entry
from drgn.helpers.linux.pid import for_each_task

for task in for_each_task(prog):
    if task.pid == task.tgid:
        print(
            task.pid.value_(),
            task.real_parent.tgid.value_(),
            task.real_cred.euid.val.value_(),
            task.comm.string_().decode(errors="replace"),
        )
for module in list_for_each_entry("struct module", prog["modules"].address_of_(), "list"):
    print(module.name.string_().decode(), module.core_layout.size.value_())
for mount in for_each_mount(prog):
    print(mount_dst(mount).decode(), mount_fstype(mount).decode(), mount_src(mount).decode())
