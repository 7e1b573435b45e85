import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

const source = `
struct list_head { struct list_head *next, *prev; };
struct task_struct {
  long padding;
  int pid;
  int tgid;
  char comm[16];
  int exit_state;
  unsigned long utime;
  struct list_head tasks;
};
struct uts_namespace { char name[390]; };
enum zone_stat_item { NR_FREE_PAGES, NR_OTHER, NR_MORE, NR_MLOCK };
const char linux_banner[] =
  "Linux version 6.9.9-small (a@b) (gcc 12, ld 2.40) #1 SMP Debian 6.9.9-1 (2024-07-01)\\n";
struct task_struct init_task = { .comm = "swapper" };
struct uts_namespace init_uts_ns;
enum zone_stat_item used = NR_MLOCK;
void start_kernel(void) {}
`;

/** A vmlinux like those of distributions, but small: with DWARF and symbols, without BTF and kallsyms. Returns its path. */
export function buildSmallKernel(folder: string): string {
  const [code, vmlinux] = [join(folder, 'kernel.c'), join(folder, 'vmlinux')];
  writeFileSync(code, source);
  execFileSync('gcc', [
    ...['-g', '-O0', '-ffreestanding', '-nostdlib', '-static', '-no-pie', '-fno-pic', '-mcmodel=kernel'],
    ...['-Wl,--build-id=none', '-Wl,-Ttext=0xffffffff81000000', '-Wl,--defsym,_text=0xffffffff81000000'],
    ...['-Wl,-e,start_kernel', '-o', vmlinux, code],
  ]);
  return vmlinux;
}
