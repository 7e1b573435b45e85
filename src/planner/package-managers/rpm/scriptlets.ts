/** The scriptlets of an RPM package: rpm-spec(5), rpm's docs/manual/triggers.md and file_triggers.md. */
import type { RpmScriptKind } from '../../../plan/model.js';
import type { Header } from './header.js';
import { packageName } from './package.js';

export interface Scriptlet {
  readonly package: string;
  readonly kind: RpmScriptKind;
  /** The interpreter with its arguments; `<lua>` is in rpm itself. */
  readonly program: readonly string[];
  /** Undefined: the program is all there is to it. latin1. */
  readonly text: string | undefined;
}

/** Tags of scriptlets that a package has at most one of: its text, its program. As of rpm 4.19. */
const single: readonly (readonly [kind: RpmScriptKind, text: number, program: number])[] = [
  ['pre', 1023, 1085],
  ['post', 1024, 1086],
  ['preun', 1025, 1087],
  ['postun', 1026, 1088],
  ['pretrans', 1151, 1153],
  ['posttrans', 1152, 1154],
  ['preuntrans', 5103, 5105],
  ['postuntrans', 5104, 5106],
];

/** `RPMSENSE_TRIGGER*` of rpm's include/rpm/rpmds.h. */
const sense = { in: 1 << 16, un: 1 << 17, postun: 1 << 18, prein: 1 << 25 } as const;
type Sense = keyof typeof sense;

interface TriggerTags {
  readonly kinds: Readonly<Partial<Record<Sense, RpmScriptKind>>>;
  readonly texts: number;
  readonly programs: number;
  /** Of each condition: what it is about, and the script that it belongs to. */
  readonly flags: number;
  readonly indexes: number;
}

const triggers: readonly TriggerTags[] = [
  {
    kinds: { prein: 'triggerprein', in: 'triggerin', un: 'triggerun', postun: 'triggerpostun' },
    ...{ texts: 1065, programs: 1092, flags: 1068, indexes: 1069 },
  },
  {
    kinds: { in: 'filetriggerin', un: 'filetriggerun', postun: 'filetriggerpostun' },
    ...{ texts: 5066, programs: 5067, flags: 5072, indexes: 5070 },
  },
  {
    kinds: { in: 'transfiletriggerin', un: 'transfiletriggerun', postun: 'transfiletriggerpostun' },
    ...{ texts: 5076, programs: 5077, flags: 5082, indexes: 5080 },
  },
];

/** What rpm runs a text with that comes without a program. */
const shell = ['/bin/sh'];

export function scriptletsOf(header: Header): Scriptlet[] {
  const name = packageName(header);
  return [...singles(header), ...triggers.flatMap((tags) => triggered(header, tags))].map((found) => ({
    package: name,
    ...found,
  }));
}

type Found = Omit<Scriptlet, 'package'>;

function singles(header: Header): Found[] {
  return single.flatMap(([kind, textTag, programTag]) => {
    const text = header.string(textTag);
    const program = header.strings(programTag);
    if (text === undefined && program.length === 0) return [];
    return [{ kind, program: program.length > 0 ? program : shell, text }];
  });
}

function triggered(header: Header, { kinds, texts, programs, flags, indexes }: TriggerTags): Found[] {
  const about = header.integers(flags);
  const scripts = header.integers(indexes);
  const program = header.strings(programs);
  return header.strings(texts).flatMap((text, at) => {
    const condition = about[scripts.indexOf(at)] ?? 0;
    const which = (Object.keys(sense) as Sense[]).find((each) => (condition & sense[each]) !== 0);
    const kind = which && kinds[which];
    return kind ? [{ kind, program: program[at] ? [program[at]] : shell, text }] : [];
  });
}
