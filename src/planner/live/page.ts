import { markdownTable } from '../../base/markdown.js';
import { liveRules } from './table.js';

/** The text of docs/live-actions.md; it is made from the table, so that it cannot say anything else. */
export function livePage(): string {
  const rows = liveRules.map(({ programs, directory, note }) => [
    directory === undefined ? programs.map((name) => `\`${name}\``).join(', ') : `all of \`${directory}\``,
    note,
  ]);
  return `# Live actions

With policy \`split\`, which is the default, maintainer scripts, debconf's \`config\` scripts, triggers and the package
manager's hooks run when the plan is made, in the shadow of the guest. What they do to _files_ gets into the plan as what dpkg
does. What they do to the _running system_ cannot happen there: it becomes a step of the plan, a **live action**, and runs in
the guest at the replay, in its place between the file changes, with the same arguments, environment and directory. Its caller
is told that it has succeeded. This page is generated from the table in \`src/planner/live/table.ts\`; a test fails when the
two differ.

A program is asked about when it is executed. One of these becomes of it:

- **files**: it runs, perhaps with other arguments (\`--root=/\`), and is done with.
- **answered**: it asks about the running system. Its caller gets the answer, and it does not run. What is active is what the
  guest's systemd had noted in \`/run/systemd/units\` at the suspend, changed by the actions recorded since. Stops and starts go
  on to the units that lean on one another, and the processes of a service that is stopped are not found any more:
  neither in \`/proc\` nor by kill(2), nor does anybody listen at their sockets.
- **live**: it does not run, and is recorded.
- **both**: it runs for what it does to files, and is recorded for the rest. The action comes after what it did to files.
- **whole**: what it does or asks cannot be told apart. Then the script that runs it is replayed whole: planning begins again
  from the guest's own state, and the script runs in the guest, in its place. The plan says why. It runs offline as well, as a
  rehearsal: what it does to files is there for the package manager to go on with, and is not in the plan; what it would do to
  the running system is not recorded; nobody hears what it says, and its caller is told that it succeeded. Outside of scripts such a program just runs, and the plan has a note.

Other things make a script whole, whichever program does them:

- a program of the table that acts, when another user than root runs it: the replay is root, and would do what the guest refuses;
- a secret that does not stay as and where its program made it: moved, copied, or given to another owner;
- a signal to one of the guest's processes;
- a connection to one of the guest's sockets (but to those of the journal, nscd and the like, which programs try and do without,
  and to those of services that an action has stopped);
- a write to one of the kernel's files, in \`/proc\` or \`/sys\`, but for a process's own (\`/proc/self/comm\`);
- the removal of a file to which one of the guest's processes writes: what that process still makes beside it, until it is stopped, has to go, too;
- a system call that acts on the running system: mount(2) and its kin, modules, swap, quotas, the clock, the host's name, reboot,
  requests of ioctl(2) that change the network, netlink sockets of packet filters and device families, and netlink messages that
  change addresses, routes and devices. [The table of system calls](syscalls.md) has each;
- a failure that the whole command fails of, when something was left to the replay before: the script may have missed just that.
  So PostgreSQL's postrm drops a cluster only when its server has stopped.

${markdownTable(['Programs', 'What becomes of them'], rows)}
What is not in the table works on files: \`deb-systemd-helper\`, \`update-rc.d\`, \`systemd-sysusers\`, \`ldconfig\`, \`depmod\`, \`adduser\`. \`invoke-rc.d\`, \`service\` and \`deb-systemd-invoke\` run, too: they end in systemctl, so that policies
(\`policy-rc.d\`) and enablement are those of that moment.

## At the replay

An action runs only when its program is, byte for byte, the one that was recorded. One that fails ends the replay: its
caller was told that it would succeed, and what it would have done otherwise is not known. The guest gets its old files back or,
with \`apply --on-failure stop\`, stays where it is ([which failures](exit-status.md)). What actions have done to the running system
by then is not undone.

What an action prints on the terminal on which apt runs dpkg gets into apt's log of it, \`/var/log/apt/term.log\`, at the
place where it belongs, and so does what a script prints that is replayed whole ([how](decisions/terminal-output.md)).

Secrets are made where they are used. A host key that \`ssh-keygen\` makes offline, so that its script goes on, is not in the
plan; the guest makes its own. Of a program of kind _both_ that changes units or makes a secret there is an action only when it
has ended well offline.

## Limits

- Success is a guess. A script that looks at what an action did (\`systemctl start x || …\`) takes the branch of success.
- Units that start because another one does are followed when they were active at the suspend, and not otherwise. A stop is
  taken to end a service's processes when its \`KillMode\` says so; those that it may leave are taken to be there.
- A rehearsal is given a minute, and does not see what the running system would have told the script: what comes after it is
  planned on what the script has done to files there. A scriptlet of RPM's that reads its standard input is not rehearsed.
- A program of kind _both_ prints when it runs offline; what its action prints as well is in the report of the replay alone.
- Between the end of a program of kind _both_ and its action may be a few more file changes: up to the next call that is asked about.
- What such a call would have returned is not known: it fails, for lack of rights, and planning begins again. Outside of scripts
  it fails and that is all.
- Devices are not there when a plan is made, and little of \`/sys\` is: what a script would do to them by ioctl(2) or by a write
  is not seen, because it finds nothing to open. Nor are netlink messages that are sent by sendmsg(2); \`ip\`, \`tc\` and \`bridge\`
  are in the table.
`;
}
