import { errorCodes, OuaError } from '../base/errors.js';
import { checkHost, type HostFinding } from '../base/host.js';
import { chosenBackend, loadShim } from '../native/shim.js';
import type { Command, CommonArguments } from './command.js';
import { printJson, printTable } from './output.js';

export const doctorCommand: Command<CommonArguments> = {
  command: 'doctor',
  describe: 'check that this host has every program and right that is needed',
  examples: [['$0 doctor', 'what is missing, and how to get it']],
  options: (yargs) => yargs,
  run: async (args) => {
    await Promise.resolve();
    const findings = [...checkHost(), shim()];
    const ok = findings.every((finding) => finding.ok);
    if (args.json) printJson({ ok, findings });
    else
      printTable(
        ['', 'NEEDED', 'FOUND', 'HOW TO GET IT'],
        findings.map((f) => [f.ok ? 'ok' : 'missing', f.what, f.detail, f.ok ? '' : f.hint]),
      );
    return ok ? 0 : errorCodes.HOST_UNSUPPORTED;
  },
};

function shim(): HostFinding {
  const what = 'native shim';
  try {
    loadShim();
    return { what, ok: true, detail: `through ${chosenBackend()}`, hint: '' };
  } catch (error) {
    if (!(error instanceof OuaError)) throw error;
    return { what, ok: false, detail: error.message, hint: error.hint };
  }
}
