"""Run by drgn: the process list."""
from drgn.helpers.linux.pid import for_each_task

for task in for_each_task(prog):
    if task.pid == task.tgid:
        print(
            task.pid.value_(),
            task.real_parent.tgid.value_(),
            task.real_cred.euid.val.value_(),
            task.comm.string_().decode(errors="replace"),
        )
