import { ResourceStack } from '../../src/base/resources.js';

describe('ResourceStack', () => {
  test('releases in reverse order, synchronous and asynchronous alike', async () => {
    const released: string[] = [];
    {
      await using stack = new ResourceStack();
      stack.defer(() => void released.push('first'));
      stack.use({ [Symbol.dispose]: () => void released.push('second') });
      stack.use({
        [Symbol.asyncDispose]: async () => {
          await Promise.resolve();
          released.push('third');
        },
      });
    }
    expect(released).toEqual(['third', 'second', 'first']);
  });

  test('one failing release does not keep the others from running', async () => {
    const released: string[] = [];
    const stack = new ResourceStack();
    stack.defer(() => void released.push('outer'));
    stack.defer(() => {
      throw new Error('stuck');
    });
    await expect(stack[Symbol.asyncDispose]()).rejects.toThrow('stuck');
    expect(released).toEqual(['outer']);
  });

  test('several failures come out together', async () => {
    const stack = new ResourceStack();
    for (const name of ['a', 'b'])
      stack.defer(() => {
        throw new Error(name);
      });
    await expect(stack[Symbol.asyncDispose]()).rejects.toMatchObject({
      errors: [{ message: 'b' }, { message: 'a' }],
    });
  });

  test('move hands everything over: the old stack releases nothing', async () => {
    let releases = 0;
    const stack = new ResourceStack();
    stack.defer(() => void releases++);
    const moved = stack.move();
    await stack[Symbol.asyncDispose]();
    expect(releases).toBe(0);
    await moved[Symbol.asyncDispose]();
    expect(releases).toBe(1);
  });
});
