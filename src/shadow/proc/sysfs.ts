import type { Guest, KernelModule } from '../../guest/guest.js';
import { directoryNode } from './node.js';
import { contentNode, ifKnown, row, type PlacedNode, type ProcRow } from './row.js';

/** `initstate`, by what `/proc/modules` calls it (`show_initstate`, kernel/module/sysfs.c and kernel/params.c). */
const initStates: Readonly<Record<KernelModule['state'], string>> = {
  Live: 'live',
  Loading: 'coming',
  Unloading: 'going',
};

function moduleNodes({ name, state, refcount, usedBy, taints, size }: KernelModule): PlacedNode[] {
  const file = (path: string, text: string) =>
    contentNode('file', 0o444, `module/${name}/${path}`, `${text}\n`);
  return [
    ...file('initstate', initStates[state]),
    ...file('refcnt', String(refcount)),
    ...file('taint', taints.replace(/[-+]$/, '')),
    // Of one that comes or goes the memory for its start is in what `/proc/modules` says.
    ...(state === 'Live' ? [...file('coresize', String(size)), ...file('initsize', '0')] : []),
    [`module/${name}/holders`, directoryNode()],
    ...usedBy
      .filter((user) => user !== '[permanent]')
      .flatMap((user) => contentNode('symlink', 0o777, `module/${name}/holders/${user}`, `../../${user}`)),
  ];
}

const parameterNodes = (guest: Guest): PlacedNode[] =>
  guest
    .moduleParameters()
    .flatMap(({ module, name, mode, text }) =>
      contentNode('file', mode, `module/${module}/parameters/${name}`, text),
    );

/** What is shown of `/sys`: what lsmod and modprobe ask, and that it is there. */
export const sysTable: readonly ProcRow[] = [
  // udev's postinst starts udevd again only where it finds it.
  row('class', 'drivers/base/class.c', { missing: 'all that is in it' }, () => [['class', directoryNode()]]),
  row(
    'module/*/{coresize,holders,initsize,initstate,refcnt,taint}',
    'kernel/module/sysfs.c',
    { missing: 'loaded modules only, without their sections, notes and versions' },
    (guest) => guest.modules().flatMap(moduleNodes),
  ),
  ifKnown(
    row(
      'module/*/parameters/*',
      'kernel/params.c',
      { missing: 'those that a function of their module prints' },
      parameterNodes,
    ),
  ),
];
