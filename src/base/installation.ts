import { readFileSync } from 'node:fs';

const manifest = new URL('../../../package.json', import.meta.url);

/** Folder of the installed program: where `native-shim/` and `kernel-profiles/` lie. */
export const installation = new URL('../../../', import.meta.url);

/** Version of this program, as in package.json. */
export const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { readonly version: string };
