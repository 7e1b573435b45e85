import type { PackageVersion } from '../changes.js';
import type { Header } from './header.js';

/** Numbers of tags, rpmTag_e of rpm's include/rpm/rpmtag.h. */
const tag = {
  name: 1000,
  version: 1001,
  release: 1002,
  epoch: 1003,
  architecture: 1022,
  directoryIndexes: 1116,
  baseNames: 1117,
  directoryNames: 1118,
} as const;

/** Name, architecture and `[epoch:]version-release`. What has no architecture (keys) has `none`. */
export function packageVersion(header: Header): PackageVersion {
  const [epoch] = header.integers(tag.epoch);
  const version = `${header.string(tag.version) ?? ''}-${header.string(tag.release) ?? ''}`;
  return {
    name: packageName(header),
    architecture: header.string(tag.architecture) ?? 'none',
    version: epoch === undefined ? version : `${epoch}:${version}`,
  };
}

export function packageName(header: Header): string {
  return header.string(tag.name) ?? '';
}

/** The paths (latin1) of a package. */
export function* packageFiles(header: Header): Generator<string> {
  const directories = header.strings(tag.directoryNames);
  const indexes = header.integers(tag.directoryIndexes);
  for (const [at, name] of header.strings(tag.baseNames).entries())
    yield `${directories[indexes[at] ?? -1] ?? ''}${name}`;
}
