import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { OutputMarks } from '../../src/planner/output-marks.js';

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

/** A content that is read in pieces of that many bytes. */
function content(bytes: Buffer, piece = 7) {
  return {
    ...{ id: sha256(bytes), path: Buffer.from('/var/log/apt/term.log'), size: bytes.length },
    *read() {
      for (let at = 0; at < bytes.length; at += piece) yield bytes.subarray(at, at + piece);
    },
  };
}

function cut(marks: OutputMarks, bytes: Buffer, piece?: number) {
  const found = marks.cut(content(bytes, piece));
  if (!found) return undefined;
  const rest = Buffer.concat([...found.read()]);
  expect(found).toMatchObject({ id: sha256(rest), size: rest.length });
  return { rest: rest.toString('latin1'), outputs: found.outputs };
}

test('marks are cut out, and where they were is told', () => {
  const marks = new OutputMarks();
  const text = fc.string({ unit: fc.constantFrom('a', '\n', '\x02', '\x03', '\xff', '1'), maxLength: 40 });
  fc.assert(
    fc.property(
      fc.array(text, { minLength: 2, maxLength: 6 }),
      fc.integer({ min: 1, max: 200 }),
      (texts, piece) => {
        const steps = texts.slice(1).map((_, index) => index * 1000);
        const whole = texts
          .map((each, index) => (index > 0 ? marks.mark(steps[index - 1]!) : '') + each)
          .join('');
        const lengths = texts.map((each) => each.length);
        expect(cut(marks, Buffer.from(whole, 'latin1'), piece)).toEqual({
          rest: texts.join(''),
          outputs: steps.map((step, index) => ({
            offset: lengths.slice(0, index + 1).reduce((sum, each) => sum + each, 0),
            step,
          })),
        });
      },
    ),
  );
});

test('a mark that is still being written is cut off, wherever it ends', () => {
  const marks = new OutputMarks();
  const mark = marks.mark(4711);
  for (let length = 40; length < mark.length; length++)
    for (const piece of [1, 64, 1000])
      expect(cut(marks, Buffer.from(`text\n${mark}more\n${mark.slice(0, length)}`), piece)).toEqual({
        rest: 'text\nmore\n',
        outputs: [{ offset: 5, step: 4711 }],
      });
});

test('contents without marks are left alone, also such as end like one', () => {
  const marks = new OutputMarks();
  expect(marks.cut(content(Buffer.from('text')))).toBeUndefined();
  const mark = marks.mark(1);
  for (const text of ['', 'text\x02', 'text\x02ouassister:', `${mark.slice(0, -2)}x\x03`])
    expect(marks.cut(content(Buffer.from(text)))).toBeUndefined();
});

test('a mark counts once, and one that nobody has made not at all', () => {
  const marks = new OutputMarks();
  const mark = marks.mark(1);
  const madeUp = `${mark.slice(0, -2)}2\x03`;
  expect(cut(marks, Buffer.from(`a${mark}b${madeUp}c${mark}d`))).toEqual({
    rest: 'abcd',
    outputs: [{ offset: 1, step: 1 }],
  });
  expect(marks.mark(1)).toBe(mark);
  expect(new OutputMarks().mark(1)).not.toBe(mark);
});

test('lines are given without marks', () => {
  const marks = new OutputMarks();
  expect(marks.strip('a\x021\x03b')).toBe('a\x021\x03b');
  expect(marks.strip(`a${marks.mark(1)}b${marks.mark(23)}`)).toBe('ab');
});
