import type { Kernel } from '../kernel/kernel.js';
import { hex, inconsistent } from '../kernel/lists.js';
import type { Task } from './tasks.js';

const maxLevels = 256;
const maxName = 256;

/** The task's path in the default (v2) hierarchy, or undefined where the kernel has no control groups. */
export function readCgroup(kernel: Kernel, task: Task): string | undefined {
  if (!task.has('cgroups')) return undefined;
  const group = kernel.view('css_set', task.pointer('cgroups')).pointer('dfl_cgrp');
  if (group === 0n) return undefined;
  const names: string[] = [];
  let node = kernel.view('kernfs_node', kernel.view('cgroup', group).pointer('kn'));
  for (let parent = node.pointer('parent'); parent !== 0n; parent = node.pointer('parent')) {
    if (names.length >= maxLevels)
      throw inconsistent(`the control group at ${hex(group)} has no end of parents`);
    names.push(kernel.text(node.pointer('name'), maxName));
    node = kernel.view('kernfs_node', parent);
  }
  return `/${names.reverse().join('/')}`;
}
